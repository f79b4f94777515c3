"""Every recorded exchange in Gemini's format goes through the dialect and means the same afterwards."""

import json
from typing import Any

import msgspec
import pytest

import recorded
from headgate import errors
from headgate.core.dialects import dialect
from headgate.wire import failures, ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.gemini import DIALECT
from headgate.wire.gemini.check import camel
from headgate.wire.gemini.contents import NO_SIGNATURE
from headgate.wire.gemini.models import facts_of
from headgate.wire.ir_operations import CountReply

WIRE = recorded.ROOT
FRAME = Frame(id="ours", created=0, model="ours")


def _records() -> list[tuple[str, dict[str, Any]]]:
    paths = [
        path
        for provider in ("google-gemini", "google-vertex")
        for folder in ("dev", "responses_only")
        for path in WIRE.glob(f"{folder}/{provider}/{provider}.*.json")
    ]
    return [(path.stem, json.loads(path.read_bytes())) for path in sorted(paths)]


def _model(record: dict[str, Any]) -> str:
    return str(record["request"]["url"].split("/models/")[-1].partition(":")[0])


def _verb(record: dict[str, Any], verb: str) -> bool:
    request = record.get("request") or {}
    return f":{verb}" in request.get("url", "") and isinstance(request.get("body"), dict)


RECORDS = _records()
REQUESTS = [
    (name, record)
    for name, record in RECORDS
    if (_verb(record, "generateContent") or _verb(record, "streamGenerateContent"))
    and "invalid_role" not in json.dumps(record["request"]["body"])
]
REPLIES = [
    (name, record["response"]["body"])
    for name, record in RECORDS
    if isinstance(record["response"].get("body"), dict)
    and not {"candidates", "promptFeedback"}.isdisjoint(record["response"]["body"])
]
STREAMS = [
    (name, stream.encode())
    for name, record in RECORDS
    if (stream := record["response"].get("sse")) and '"candidates"' in stream and "interactions" not in name
]
FAILURES = [
    (name, record["response"])
    for name, record in REQUESTS
    if record["response"]["status"] >= 400 and record["response"].get("body")
]
COUNTS = [(name, record) for name, record in RECORDS if _verb(record, "countTokens")]

pytestmark = pytest.mark.skipif(not WIRE.is_dir(), reason="no recorded traffic here")


def _each(cases: list[tuple[str, Any]]) -> Any:
    return pytest.mark.parametrize("case", [case for _, case in cases], ids=[name for name, _ in cases])


def test_the_recordings_are_there() -> None:
    assert len(REQUESTS) >= 90
    assert len(REPLIES) >= 50
    assert len(STREAMS) >= 20
    assert len(FAILURES) >= 3
    assert COUNTS


# --- what two spellings of a request have in common ------------------------------------------------------

_VERBATIM = {
    "args",
    "response",
    "parametersJsonSchema",
    "responseJsonSchema",
    "_responseJsonSchema",
    "labels",
}


def _even(value: Any) -> Any:
    """camelCase keys, whole numbers as integers, without nulls."""
    if isinstance(value, list):
        return [_even(item) for item in value]
    if isinstance(value, dict):
        named = {camel(key): (key, item) for key, item in value.items() if item is not None}
        return {name: item if name in _VERBATIM else _even(item) for name, (_, item) in named.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _tools(tools: Any) -> list[Any]:
    """Functions in order, then the hosted tools."""
    tools = tools if isinstance(tools, list) else [tools]
    functions: list[Any] = []
    hosted: list[Any] = []
    for tool in tools:
        functions += tool.get("functionDeclarations", [])
        rest = {key: value for key, value in tool.items() if key != "functionDeclarations"}
        hosted += [rest] if rest else []
    return [functions, hosted]


def _part(part: dict[str, Any], ids: bool) -> dict[str, Any]:
    part = dict(part)
    for key in ("functionCall", "functionResponse"):
        if isinstance(part.get(key), dict):
            node = {name: item for name, item in part[key].items() if ids or name != "id"}
            if key == "functionCall":
                node.setdefault("args", {})
            part[key] = node
    if part.get("thoughtSignature") == NO_SIGNATURE:
        del part["thoughtSignature"]
    if isinstance(part.get("inlineData"), dict):
        data = part["inlineData"].get("data", "").replace("-", "+").replace("_", "/").rstrip("=")
        part["inlineData"] = {**part["inlineData"], "data": data}
    return part


def _contents(contents: Any, ids: bool) -> list[Any]:
    """Turns of one side as one, without empty texts."""
    out: list[Any] = []
    for content in contents if isinstance(contents, list) else [contents]:
        parts = content.get("parts", [])
        parts = [_part(part, ids) for part in (parts if isinstance(parts, list) else [parts])]
        parts = [part for part in parts if part not in ({"text": ""}, {"text": " "})]
        role = "model" if content.get("role") == "model" else "user"
        if out and out[-1]["role"] == role:
            out[-1]["parts"] += parts
        elif parts:
            out.append({"role": role, "parts": parts})
    return out


def _meaning(body: dict[str, Any], ids: bool) -> dict[str, Any]:
    """`ids`: those of calls count. They do where the caller gave them and the model takes them."""
    body = _even(body)
    body.pop("model", None)
    body["contents"] = _contents(body["contents"], ids)
    if "systemInstruction" in body:
        system = body.pop("systemInstruction")
        parts = system.get("parts", [system]) if isinstance(system, dict) else [{"text": system}]
        parts = parts if isinstance(parts, list) else [parts]
        if parts := [part for part in parts if part != {"text": ""}]:
            body["systemInstruction"] = parts
    if "tools" in body:
        body["tools"] = _tools(body["tools"])
    if body.get("generationConfig") == {}:
        del body["generationConfig"]
    return body


@_each(REQUESTS)
def test_request_survives(case: dict[str, Any]) -> None:
    model, body = _model(case), case["request"]["body"]
    request = DIALECT.read_request({**body, "model": model, "stream": True})
    assert (request.model, request.stream) == (model, True)
    written = DIALECT.write_request(request, Target(model=model))
    assert "model" not in written.body and "stream" not in written.body
    ids = facts_of(model).call_ids and '"id"' in json.dumps(body["contents"])
    ours, theirs = _meaning(written.body, ids), _meaning(body, ids)
    if "includeServerSideToolInvocations" not in theirs.get("toolConfig", {}):
        ours.get("toolConfig", {}).pop("includeServerSideToolInvocations", None)
    assert ours == theirs
    assert written.dropped == []
    assert written.echo is None
    again = DIALECT.write_request(DIALECT.read_request(written.body), Target(model=model))
    assert again.body == written.body


@_each(REPLIES)
def test_whole_reply_survives(case: dict[str, Any]) -> None:
    body = msgspec.json.encode(case)
    reply = DIALECT.read_reply(body)
    assert reply.choices
    again = DIALECT.read_reply(DIALECT.write_reply(reply, FRAME))
    again.id = reply.id if again.id == FRAME.id else again.id
    if again.usage is not None and reply.usage is not None and reply.usage.total is None:
        again.usage.total = None
    assert again == reply
    assert fold(unfold(reply)) == reply
    assert DIALECT.glance(body).usage == reply.usage
    assert DIALECT.glance(body).model == reply.model


@_each(STREAMS)
def test_stream_is_the_same_for_any_chunking_and_through_the_writer(case: bytes) -> None:
    reply = fold(_read(case, len(case)))
    assert reply.choices[0].finish is not None
    assert reply.usage is not None
    assert fold(_read(case, 7)) == reply
    if len(case) < 40_000:
        assert fold(_read(case, 1)) == reply
    assert fold(unfold(reply)) == reply
    writer = DIALECT.stream_writer(FRAME)
    again = b"".join(writer.write([event]) for event in _read(case, len(case)))
    assert fold(_read(again, len(again))) == reply


@_each(STREAMS)
def test_stream_becomes_a_whole_reply_with_the_same_meaning(case: bytes) -> None:
    reply = fold(_read(case, len(case)))
    assert DIALECT.read_reply(DIALECT.write_reply(reply, FRAME)) == reply


@_each(STREAMS)
def test_sniffer_sees_what_the_reader_sees(case: bytes) -> None:
    reply = fold(_read(case, len(case)))
    for size in (1, 13, 4096) if len(case) < 40_000 else (13, 4096):
        sniffer = DIALECT.sniffer()
        for at in range(0, len(case), size):
            sniffer.feed(case[at : at + size])
        assert (sniffer.usage, sniffer.model, sniffer.ended) == (reply.usage, reply.model, True)
        assert sniffer.error is None


@_each(FAILURES)
def test_errors_keep_their_words(case: dict[str, Any]) -> None:
    body = case["body"]
    raw = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    error = DIALECT.read_error(case["status"], {}, raw)
    assert isinstance(error, errors.HeadgateError)
    assert error.message == failures.message_of(raw).message != ""


@_each(COUNTS)
def test_counting_tokens(case: dict[str, Any]) -> None:
    model, body = _model(case), case["request"]["body"]
    counting = dialect("gemini_count")
    request = counting.read_request(body)
    written = counting.write_request(request, Target(model=model)).body["generateContentRequest"]
    assert written["model"] == f"models/{model}"
    given = _meaning(body.get("generateContentRequest", body), False)
    counted = ("contents", "systemInstruction", "tools")
    assert {key: _meaning(written, False).get(key) for key in counted} == {
        key: given.get(key) for key in counted
    }
    answer = case["response"]
    if answer["status"] == 200:
        raw = msgspec.json.encode(answer["body"])
        reply = counting.read_reply(raw)
        assert reply == CountReply(tokens=answer["body"]["totalTokens"])
        assert counting.read_reply(counting.write_reply(reply, FRAME)) == reply


def _read(stream: bytes, size: int) -> list[ir.Event]:
    reader = DIALECT.stream_reader()
    events = [event for at in range(0, len(stream), size) for event in reader.feed(stream[at : at + size])]
    return [*events, *reader.close()]
