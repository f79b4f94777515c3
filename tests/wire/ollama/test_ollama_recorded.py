"""Every recorded exchange in Ollama's format goes through the dialect and means the same afterwards."""

import json
from typing import Any

import msgspec
import pytest

import recorded
from headgate.errors import HeadgateError, for_status
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.ollama import DIALECT
from headgate.wire.ollama.embeddings import DIALECT as EMBEDDINGS
from headgate.wire.openai_chat import DIALECT as CHAT

recorded.needed()

FRAME = Frame(id="ours", created=0, model="ours", stream_usage=True)
PATHS = sorted(
    path
    for folder in ("dev", "responses_only")
    for provider in ("ollama", "ollama-cloud")
    for path in (recorded.ROOT / folder / provider).glob("*.json")
)
RECORDS = [json.loads(path.read_bytes()) for path in PATHS]


def asked(record: dict[str, Any], path: str) -> bool:
    return (record["request"] or {}).get("url", "").endswith(path)


def is_chat(record: dict[str, Any]) -> bool:
    body = record["response"].get("body")
    return isinstance(body, dict) and "message" in body and "done" in body


REQUESTS = [record for record in RECORDS if asked(record, "/api/chat")]
REPLIES = [record for record in RECORDS if is_chat(record)]
STREAMS = [record for record in RECORDS if '"message"' in record["response"].get("ndjson", "")]
FAILURES = [record for record in REQUESTS if record["response"]["status"] >= 400]
VECTORS = [record for record in RECORDS if "embedding" in str(record["response"].get("body", ""))[:4000]]


def heard(reply: ir.Reply) -> recorded.Said:
    return recorded.said_by_chat([json.loads(CHAT.write_reply(reply, FRAME))])


def events(data: bytes, size: int) -> list[ir.Event]:
    reader = DIALECT.stream_reader()
    out = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    return [*out, *reader.close()]


def name(record: dict[str, Any]) -> str:
    return str(record["id"])


def test_there_is_something_to_replay() -> None:
    assert len(REQUESTS) >= 6
    assert len(REPLIES) >= 8
    assert len(STREAMS) >= 5
    assert FAILURES
    assert len(VECTORS) >= 4


@pytest.mark.parametrize("record", REQUESTS, ids=name)
def test_requests_come_back_as_they_were(record: dict[str, Any]) -> None:
    body = record["request"]["body"]
    request = DIALECT.read_request(body)
    assert request.stream is (body.get("stream") is not False)
    written = DIALECT.write_request(request, Target(model=body["model"]))
    assert written.dropped == []
    told = [
        {**message, **came} for message, came in zip(written.body["messages"], body["messages"], strict=True)
    ]
    assert written.body["messages"] == told  # a result may have gained the name of its tool
    for key in ("tools", "options", "format"):
        assert written.body.get(key) == (body.get(key) or None)


@pytest.mark.parametrize("record", REQUESTS, ids=name)
def test_requests_reach_an_openai_server(record: dict[str, Any]) -> None:
    body = record["request"]["body"]
    written = CHAT.write_request(DIALECT.read_request(body), Target(model="m"))
    assert len(written.body["messages"]) == len(body["messages"])
    again = DIALECT.write_request(CHAT.read_request(written.body), Target(model=body["model"]))
    texts = [message["content"] for message in again.body["messages"]]
    assert texts == [message["content"] for message in body["messages"]]


@pytest.mark.parametrize("record", REPLIES, ids=name)
def test_replies_say_what_was_recorded(record: dict[str, Any]) -> None:
    body = record["response"]["body"]
    reply = DIALECT.read_reply(json.dumps(body).encode())
    assert heard(reply) == recorded.said_by_ollama([body])
    written = json.loads(DIALECT.write_reply(reply, FRAME))
    assert written["created_at"][:19] == body["created_at"][:19]
    assert {**written, "created_at": "", "message": ""} == {**body, "created_at": "", "message": ""}
    assert DIALECT.read_reply(DIALECT.write_reply(reply, FRAME)) == reply


@pytest.mark.parametrize("record", REPLIES, ids=name)
def test_fold_of_a_stream_is_the_reply(record: dict[str, Any]) -> None:
    reply = DIALECT.read_reply(json.dumps(record["response"]["body"]).encode())
    data = DIALECT.stream_writer(FRAME).write(unfold(reply))
    reply.choices[0].turn.flat = False
    assert fold(events(data, len(data))) == reply


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("record", STREAMS, ids=name)
def test_streams_say_what_was_recorded(record: dict[str, Any], size: int) -> None:
    data = recorded.answer_bytes(record)
    out = events(data, size)
    assert isinstance(out[0], ir.ReplyStart)
    assert isinstance(out[-1], ir.ReplyEnd)
    assert heard(fold(out)) == recorded.said_by_ollama(recorded.lines(data))


@pytest.mark.parametrize("record", STREAMS, ids=name)
def test_streams_go_to_ollama_clients_line_by_line(record: dict[str, Any]) -> None:
    data = recorded.answer_bytes(record)
    written = DIALECT.stream_writer(FRAME).write(events(data, len(data)))
    lines, came = recorded.lines(written), recorded.lines(data)
    assert recorded.said_by_ollama(lines) == recorded.said_by_ollama(came)
    assert all(line["model"] == came[0]["model"] for line in lines)
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert lines[-1].get("total_duration") == came[-1].get("total_duration")


@pytest.mark.parametrize("record", STREAMS, ids=name)
def test_the_sniffer_hears_the_same(record: dict[str, Any]) -> None:
    data = recorded.answer_bytes(record)
    told = recorded.said_by_ollama(recorded.lines(data))
    for size in (1, 7, 4096, len(data)):
        sniffer = DIALECT.sniffer()
        for at in range(0, len(data), size):
            assert not sniffer.done or not data[at:].strip()
            sniffer.feed(data[at : at + size])
        assert sniffer.done
        assert sniffer.ended
        assert sniffer.error is None
        assert sniffer.model == recorded.lines(data)[0]["model"]
        usage = sniffer.usage
        assert (usage and (usage.input, usage.output)) == told.tokens


@pytest.mark.parametrize("record", REPLIES, ids=name)
def test_a_glance_sees_model_and_usage(record: dict[str, Any]) -> None:
    body = record["response"]["body"]
    glance = DIALECT.glance(json.dumps(body).encode())
    assert glance.model == body["model"]
    assert glance.usage == DIALECT.read_reply(json.dumps(body).encode()).usage
    assert glance.error is None


@pytest.mark.parametrize("record", FAILURES, ids=name)
def test_errors_have_their_class_and_words(record: dict[str, Any]) -> None:
    response = record["response"]
    error = DIALECT.read_error(response["status"], {}, json.dumps(response["body"]).encode())
    assert isinstance(error, for_status(response["status"]))
    assert error.message == response["body"]["error"]
    assert msgspec.json.decode(DIALECT.write_error(error)) == response["body"]


@pytest.mark.parametrize("record", VECTORS, ids=name)
def test_vectors_are_the_recorded_ones(record: dict[str, Any]) -> None:
    body = record["response"]["body"]
    reply = EMBEDDINGS.read_reply(json.dumps(body).encode())
    assert reply.vectors == (body["embeddings"] if "embeddings" in body else [body["embedding"]])
    assert reply.usage == EMBEDDINGS.glance(json.dumps(body).encode()).usage
    assert reply.model == body.get("model")


def test_an_error_in_a_stream_is_a_failure() -> None:
    for data in (b'{"error":"model runner has stopped"}', b'{"error":"model runner has stopped"}\n'):
        with pytest.raises(HeadgateError, match="model runner"):
            fold(events(data, 5))
        sniffer = DIALECT.sniffer()
        sniffer.feed(data)
        assert sniffer.error is not None
        assert not sniffer.ended
        assert DIALECT.is_opening(data)
