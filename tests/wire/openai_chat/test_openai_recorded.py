"""Recorded chat traffic of every provider that speaks this format, through the dialect and back."""

import json
from collections import defaultdict
from functools import cache
from typing import Any

import pytest

import recorded
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold
from headgate.wire.openai_chat import DIALECT
from headgate.wire.openai_chat.sniff import UsageStripper

WIRE = recorded.ROOT
FRAME = Frame(id="ours", created=1, model="ours", stream_usage=True)
needs_wire = pytest.mark.skipif(not WIRE.is_dir(), reason=f"no recorded traffic at {WIRE}")


@cache
def records() -> list[tuple[str, dict[str, Any]]]:
    paths = [*WIRE.glob("dev/*/*.chat.*.json"), *WIRE.glob("responses_only/*/*.json")]
    loaded = [(path.stem, json.loads(path.read_bytes())) for path in sorted(paths)]
    return [(name, record) for name, record in loaded if record["api"] == "chat"]


def requests() -> list[tuple[str, dict[str, Any]]]:
    """Bodies in this format: Cohere and Ollama have native ones under the same kind."""
    rows = []
    for name, record in records():
        request = record.get("request") or {}
        body = request.get("body")
        native = record["provider"] in ("cohere", "ollama") and "/v1/" not in request.get("url", "")
        if isinstance(body, dict) and isinstance(body.get("messages"), list) and not native:
            rows.append((name, body))
    return rows


def replies() -> list[tuple[str, dict[str, Any]]]:
    rows = []
    for name, record in records():
        body = record["response"].get("body")
        if isinstance(body, dict) and "choices" in body:
            rows.append((name, body))
    return rows


def streams() -> list[tuple[str, bytes]]:
    rows = [(name, record["response"].get("sse") or "") for name, record in records()]
    return [(name, text.encode()) for name, text in rows if '"choices"' in text]


def read(data: bytes, step: int) -> list[ir.Event]:
    reader = DIALECT.stream_reader()
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    return [*(event for piece in pieces for event in reader.feed(piece)), *reader.close()]


@needs_wire
def test_requests_come_out_as_they_went_in() -> None:
    rows = requests()
    assert len(rows) > 400
    for name, body in rows:
        request = DIALECT.read_request(body)
        written = DIALECT.write_request(request, Target(model=body.get("model") or "m"))
        assert (written.body, written.dropped) == ({**body, "model": body.get("model") or "m"}, []), name


@needs_wire
def test_replies_come_out_as_they_went_in() -> None:
    rows = replies()
    assert len(rows) > 250
    for name, body in rows:
        reply = DIALECT.read_reply(json.dumps(body).encode())
        assert json.loads(DIALECT.write_reply(reply, FRAME)) == body, name
        glance = DIALECT.glance(json.dumps(body).encode())
        assert (glance.usage, glance.model, glance.error) == (reply.usage, reply.model, None), name


class Naive:
    """The same stream put together as the format's documentation says, by another hand."""

    def __init__(self, data: bytes) -> None:
        self.text: dict[int, str] = defaultdict(str)
        self.thought: dict[int, str] = defaultdict(str)
        self.arguments: dict[int, str] = defaultdict(str)
        self.names: dict[int, list[str]] = defaultdict(list)
        self.finish: dict[int, str] = {}
        self.usage: Any = None
        self.failed = False
        for line in data.decode().replace("\r", "").split("\n"):
            if line.startswith("data:") and "[DONE]" not in line:
                self._chunk(json.loads(line[5:]))

    def _chunk(self, chunk: dict[str, Any]) -> None:
        self.failed = self.failed or bool(chunk.get("error"))
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk.get("choices") or ():
            index, delta = choice.get("index", 0), choice.get("delta") or {}
            content = delta.get("content")
            for part in content if isinstance(content, list) else [{"type": "text", "text": content or ""}]:
                self.text[index] += part.get("text", "")
                self.thought[index] += "".join(inner["text"] for inner in part.get("thinking", ()))
            self.thought[index] += delta.get("reasoning_content") or delta.get("reasoning") or ""
            for call in delta.get("tool_calls") or ():
                function = call.get("function") or {}
                self.arguments[index] += function.get("arguments") or ""
                self.names[index] += [function["name"]] if function.get("name") else []
            if choice.get("finish_reason"):
                self.finish.setdefault(index, choice["finish_reason"])


def joined(choice: ir.Choice, kind: type, field: str) -> str:
    return "".join(getattr(block, field) for block in choice.turn.blocks if isinstance(block, kind))


@needs_wire
def test_streams_fold_to_what_they_say() -> None:
    rows = streams()
    assert len(rows) > 130
    for name, data in rows:
        events, naive = read(data, len(data)), Naive(data)
        if naive.failed:
            assert isinstance(events[-1], ir.StreamFailure), name
            continue
        reply = fold(events)
        assert (reply.usage is not None) or naive.usage is None, name
        for choice in reply.choices:
            at = choice.index
            assert joined(choice, ir.Text, "text") == naive.text[at], name
            assert joined(choice, ir.Thinking, "text") == naive.thought[at], name
            assert joined(choice, ir.ToolCall, "arguments") == naive.arguments[at], name
            assert [b.name for b in choice.turn.blocks if isinstance(b, ir.ToolCall)] == naive.names[at], name
            assert choice.finish is not None
            assert choice.finish.raw == naive.finish.get(at), name


@needs_wire
def test_streams_say_the_same_in_any_pieces() -> None:
    for name, data in streams():
        if len(data) < 20_000:
            assert repr(read(data, 1)) == repr(read(data, len(data))), name
        assert repr(read(data, 977)) == repr(read(data, len(data))), name


@needs_wire
def test_what_is_sniffed_is_what_is_read() -> None:
    for name, data in streams():
        events = read(data, len(data))
        failed = isinstance(events[-1], ir.StreamFailure)
        for step in (7, 1000, len(data)):
            sniffer = DIALECT.sniffer()
            for at in range(0, len(data), step):
                sniffer.feed(data[at : at + step])
            assert (sniffer.error is not None) == failed, name
            if not failed:
                reply = fold(events)
                assert (sniffer.usage, sniffer.model, sniffer.ended) == (reply.usage, reply.model, True), name


@needs_wire
def test_only_usage_events_are_taken_out() -> None:
    for name, data in streams():
        whole = UsageStripper()
        left = whole.feed(data) + whole.close()
        for step in (5, 333):
            pieces = UsageStripper()
            out = b"".join(pieces.feed(data[at : at + step]) for at in range(0, len(data), step))
            assert out + pieces.close() == left, name
        kept = [line for line in data.split(b"\n") if line.startswith(b"data:") and not _is_usage(line)]
        assert [line for line in left.split(b"\n") if line.startswith(b"data:")] == kept, name


def _is_usage(line: bytes) -> bool:
    if b"[DONE]" in line:
        return False
    chunk = json.loads(line[5:])
    return chunk.get("choices") == [] and bool(chunk.get("usage"))
