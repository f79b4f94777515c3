"""Answers of Cohere's older API: chat and generate, whole and in lines."""

import json
from typing import Any

import pytest

import recorded
from headgate import errors
from headgate.wire import ir
from headgate.wire.cohere import DIALECT
from headgate.wire.cohere.embeddings import DIALECT as EMBEDDINGS
from headgate.wire.fold import fold

META = {"billed_units": {"input_tokens": 3, "output_tokens": 4}}


def read(**document: Any) -> ir.Reply:
    return DIALECT.read_reply(json.dumps(document).encode())


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def streamed(data: bytes, size: int = 10**6) -> list[ir.Event]:
    reader = DIALECT.stream_reader()
    events = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    return [*events, *reader.close()]


def test_a_chat() -> None:
    documents = [{"id": "d1", "title": "T", "url": "https://e.org", "snippet": "s"}]
    citations = [{"start": 0, "end": 2, "text": "Hi", "document_ids": ["d1", "d2"]}]
    found = read(
        text="Hi",
        response_id="r",
        finish_reason="MAX_TOKENS",
        meta=META,
        citations=citations,
        documents=documents,
    )
    choice = found.choices[0]
    (said,) = choice.turn.blocks
    assert isinstance(said, ir.Text)
    assert said.text == "Hi"
    assert said.citations is not None
    assert (said.citations[0].url, said.citations[0].title) == ("https://e.org", "T")
    assert choice.finish is not None
    assert choice.finish.reason == "length"
    assert found.usage is not None
    assert (found.id, found.usage.input, found.usage.output) == ("r", 3, 4)


def test_calls_and_their_plan() -> None:
    found = read(text="I will look", generation_id="g", tool_calls=[{"name": "now", "parameters": {"a": 1}}])
    plan, call = found.choices[0].turn.blocks
    assert isinstance(plan, ir.Text)
    assert isinstance(call, ir.ToolCall)
    assert (plan.text, call.id, call.name, call.arguments) == ("I will look", "call_0", "now", '{"a":1}')
    assert found.choices[0].finish == ir.Finish(reason="tool_calls", raw="COMPLETE", family="cohere")


def test_generations_are_choices() -> None:
    rows = [
        {"id": "1", "text": "a", "finish_reason": "COMPLETE"},
        {"id": "2", "text": "b", "finish_reason": "MAX_TOKENS"},
    ]
    found = read(id="x", generations=rows, prompt="p", meta=META)
    told = [(choice.index, choice.turn.blocks[0].text, choice.finish.reason) for choice in found.choices]
    assert told == [(0, "a", "stop"), (1, "b", "length")]
    body = json.dumps({"generations": rows, "meta": META}).encode()
    assert DIALECT.glance(body).usage == found.usage


@pytest.mark.parametrize("body", [b'{"text": "a"}', b'{"generations": []}', b'{"text": 3, "meta": {}}'])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        DIALECT.read_reply(body)


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_a_stream_with_calls(size: int) -> None:
    data = lines(
        {"event_type": "stream-start", "generation_id": "g", "is_finished": False},
        {"event_type": "tool-calls-chunk", "text": "I will", "is_finished": False},
        {
            "event_type": "tool-calls-chunk",
            "tool_call_delta": {"index": 0, "name": "now"},
            "is_finished": False,
        },
        {
            "event_type": "tool-calls-generation",
            "text": "I will",
            "tool_calls": [{"name": "now", "parameters": {}}],
        },
        {
            "event_type": "stream-end",
            "finish_reason": "COMPLETE",
            "response": {"meta": META},
            "is_finished": True,
        },
    )
    assert fold(streamed(data, size)) == read(
        text="I will",
        generation_id="g",
        finish_reason="COMPLETE",
        tool_calls=[{"name": "now", "parameters": {}}],
        meta=META,
    )


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_a_stream_with_citations(size: int) -> None:
    document = {"id": "d1", "url": "https://e.org"}
    note = {"start": 0, "end": 2, "text": "Hi", "document_ids": ["d1"]}
    data = lines(
        {"event_type": "stream-start", "generation_id": "g"},
        {"event_type": "search-results", "documents": [document]},
        {"event_type": "text-generation", "text": "Hi"},
        {"event_type": "citation-generation", "citations": [note]},
        {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"meta": META}},
    )
    whole = read(
        text="Hi",
        generation_id="g",
        finish_reason="COMPLETE",
        citations=[note],
        documents=[document],
        meta=META,
    )
    assert fold(streamed(data, size)) == whole
    sniffer = DIALECT.sniffer()
    sniffer.feed(data)
    assert sniffer.ended
    assert sniffer.usage == whole.usage
    begun, said = data.split(b"\n", 1)
    assert DIALECT.is_opening(begun)
    assert not DIALECT.is_opening(said)


def test_a_stream_of_generate_names_no_types() -> None:
    data = lines({"text": "a", "is_finished": False}, {"is_finished": True, "finish_reason": "MAX_TOKENS"})
    choice = fold(streamed(data)).choices[0]
    assert choice.turn.blocks == [ir.Text("a")]
    assert choice.finish is not None
    assert choice.finish.reason == "length"


def test_a_line_that_is_no_json() -> None:
    with pytest.raises(errors.APIResponseValidationError, match="no JSON"):
        streamed(b'{"event_type": "stream-start"}\nHi\n')


def test_an_error_in_a_line() -> None:
    last = streamed(lines({"event_type": "stream-start"}, {"message": "gone"}))[-1]
    assert isinstance(last, ir.StreamFailure)
    assert last.error.message == "gone"


def _recorded() -> list[dict[str, Any]]:
    folder = recorded.ROOT / "dev" / "cohere"
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return [one for one in found if one["request"]["url"].endswith(("/v1/chat", "/v1/generate"))]


@pytest.mark.skipif(not recorded.ROOT.exists(), reason="the recorded traffic is not beside the project")
def test_recorded_answers() -> None:
    seen = 0
    for record in _recorded():
        response = record["response"]
        if "ndjson" in response:
            data = response["ndjson"].encode()
            end = json.loads(data.strip().split(b"\n")[-1])["response"]
            found = fold(streamed(data, 100))
            said, meta = end["text"], end["meta"]
        elif response["status"] == 200:
            body = response["body"]
            found = DIALECT.read_reply(json.dumps(body).encode())
            said, meta = body["text"] if "text" in body else body["generations"][0]["text"], body["meta"]
        else:
            continue
        seen += 1
        blocks = found.choices[0].turn.blocks
        assert "".join(block.text for block in blocks if isinstance(block, ir.Text)) == said
        if counted := meta.get("tokens") or meta.get("billed_units"):
            assert found.usage is not None
            assert (found.usage.input, found.usage.output) == (
                counted["input_tokens"],
                counted["output_tokens"],
            )
    assert seen >= 5


@pytest.mark.skipif(not recorded.ROOT.exists(), reason="the recorded traffic is not beside the project")
def test_what_another_cloud_answers_in_this_format() -> None:
    seen = set()
    for path in sorted((recorded.ROOT / "dev" / "aws-bedrock").glob("aws-bedrock.invoke.*.json")):
        record = json.loads(path.read_text())
        body = record["response"].get("body")
        if (
            "/model/cohere." not in record["request"]["url"]
            or record["response"]["status"] != 200
            or not body
        ):
            continue
        data = json.dumps(body).encode()
        if "embeddings" in body:
            rows = body["embeddings"]
            assert EMBEDDINGS.read_reply(data).vectors == (rows["float"] if isinstance(rows, dict) else rows)
            seen.add("embeddings")
        elif "text" in body or "generations" in body:
            found = DIALECT.read_reply(data)
            texts = [row["text"] for row in body.get("generations", [body])]
            assert [choice.turn.blocks for choice in found.choices] == [[ir.Text(text)] for text in texts]
            seen.add("text")
    assert seen == {"embeddings", "text"}
