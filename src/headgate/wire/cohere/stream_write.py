"""Events → a Cohere chat stream: each content and call is opened, filled and closed, with a count of its own.

https://docs.cohere.com/docs/streaming
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from headgate.wire import ir, sse
from headgate.wire.cohere import failure
from headgate.wire.cohere.assistant import is_plan
from headgate.wire.cohere.citations import write_citation
from headgate.wire.cohere.parts import PLAN, own, write_arguments, write_call, write_part
from headgate.wire.cohere.usage import write_finish, write_logprobs, write_usage
from headgate.wire.dialect import Frame

_ENCODE: Final = msgspec.json.Encoder().encode
_DONE: Final = b"data: [DONE]\n\n"
_TEXTS: Final = ("text", "refusal", "transcript")


class _Row:
    """An open block. `place` counts those of its kind; `pieces` is its text, for citations."""

    def __init__(self, kind: str, place: int, block: ir.Block) -> None:
        self.kind = kind
        self.place = place
        self.block = block
        self.pieces: list[str] = []


class StreamWriter:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._started = False
        self._over = False
        self._rows: dict[int, _Row] = {}
        self._counts = {"content": 0, "call": 0, "citation": 0}
        self._finish: ir.Finish | None = None
        self._usage: ir.Usage | None = None

    def write(self, events: Iterable[ir.Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            handler = _HANDLERS.get(type(event))
            if handler is not None and not self._over and not getattr(event, "choice", 0):
                handler(self, event, out)
        return b"".join(out)

    def _put(self, kind: str, out: list[bytes], index: int | None = None, **message: Any) -> None:
        self._begin(None, out)
        node: dict[str, Any] = {"type": kind}
        if index is not None:
            node["index"] = index
        if message:
            node["delta"] = {"message": message}
        out.append(sse.encode(_ENCODE(node), kind))

    def _begin(self, name: str | None, out: list[bytes]) -> None:
        if self._started:
            return
        self._started = True
        message: dict[str, Any] = {"role": "assistant", "content": [], PLAN: "", "tool_calls": []}
        delta = {"message": {**message, "citations": []}}
        node = {"id": name or self._frame.id, "type": "message-start", "delta": delta}
        out.append(sse.encode(_ENCODE(node), "message-start"))

    def _next(self, kind: str) -> int:
        place = self._counts[kind]
        self._counts[kind] += 1
        return place

    # --- blocks --------------------------------------------------------------------------------------

    def _on_start(self, event: ir.ReplyStart, out: list[bytes]) -> None:
        self._begin(event.id, out)

    def _on_block(self, event: ir.BlockStart, out: list[bytes]) -> None:
        block = event.block
        if is_plan(block):
            row = _Row("plan", 0, block)
        elif isinstance(block, ir.ToolCall):
            row = _Row("call", self._next("call"), block)
            started = write_call(msgspec.structs.replace(block, kind="function"), block.id)
            started["function"]["arguments"] = ""
            self._put("tool-call-start", out, row.place, tool_calls=started)
        else:
            part = {"type": "text", "text": ""} if isinstance(block, ir.Audio) else write_part(block)
            hidden = isinstance(block, ir.Thinking) and block.redacted is not None
            if part is None or hidden or isinstance(block, ir.Image):
                return
            row = _Row("content", self._next("content"), block)
            blank = {key: "" for key in ("text", "thinking") if key in part}
            self._put("content-start", out, row.place, content={**part, **blank})
        self._rows[event.index] = row
        text = block.arguments if isinstance(block, ir.ToolCall) else _text_of(block)
        if text:
            self._say(row, text, out)

    def _on_delta(self, event: ir.BlockDelta, out: list[bytes]) -> None:
        row = self._rows.get(event.index)
        if row is not None and event.text and event.kind in (*_TEXTS, "thinking", "arguments"):
            self._say(row, event.text, out)

    def _say(self, row: _Row, text: str, out: list[bytes]) -> None:
        """More of a block. Arguments in free text wait until they are whole: they become JSON."""
        row.pieces.append(text)
        if row.kind == "plan":
            self._put("tool-plan-delta", out, tool_plan=text)
        elif isinstance(row.block, ir.ToolCall):
            if row.block.kind != "custom":
                self._put("tool-call-delta", out, row.place, tool_calls={"function": {"arguments": text}})
        else:
            key = "thinking" if isinstance(row.block, ir.Thinking) else "text"
            self._put("content-delta", out, row.place, content={key: text})

    def _on_citation(self, event: ir.CitationDelta, out: list[bytes]) -> None:
        row = self._rows.get(event.index)
        if row is None or not isinstance(row.block, ir.Text):
            return
        place = None if row.kind == "plan" else row.place
        self._cite(write_citation(event.citation, "".join(row.pieces), place), out)

    def _cite(self, citation: dict[str, Any], out: list[bytes]) -> None:
        place = self._next("citation")
        self._put("citation-start", out, place, citations=citation)
        self._put("citation-end", out, place)

    def _on_stop(self, event: ir.BlockStop, out: list[bytes]) -> None:
        row = self._rows.pop(event.index, None)
        if row is None or row.kind == "plan":
            return
        if isinstance(row.block, ir.ToolCall) and row.block.kind == "custom":
            text = write_arguments(row.block, "".join(row.pieces))
            self._put("tool-call-delta", out, row.place, tool_calls={"function": {"arguments": text}})
        self._put("tool-call-end" if row.kind == "call" else "content-end", out, row.place)

    # --- the rest ------------------------------------------------------------------------------------

    def _on_logprobs(self, event: ir.LogprobsDelta, out: list[bytes]) -> None:
        """They ride on a piece of content without text."""
        self._begin(None, out)
        place = max(0, self._counts["content"] - 1)
        for item in write_logprobs(event.tokens):
            delta = {"message": {"content": {"text": ""}}}
            node = {"type": "content-delta", "index": place, "delta": delta, "logprobs": item}
            out.append(sse.encode(_ENCODE(node), "content-delta"))

    def _on_extra(self, event: ir.ExtraDelta, out: list[bytes]) -> None:
        if event.target == "turn":
            for citation in own({event.family: event.fields}).get("citations", ()):
                self._cite(citation, out)

    def _on_finish(self, event: ir.ChoiceEnd, out: list[bytes]) -> None:
        self._finish = event.finish

    def _on_usage(self, event: ir.UsageUpdate, out: list[bytes]) -> None:
        self._usage = event.usage

    def _on_failure(self, event: ir.StreamFailure, out: list[bytes]) -> None:
        self._over = True
        out.append(failure.write_stream_error(event.error))

    def _on_end(self, event: ir.ReplyEnd, out: list[bytes]) -> None:
        self._begin(None, out)
        self._over = True
        delta: dict[str, Any] = {"finish_reason": write_finish(self._finish)}
        if self._usage is not None:
            delta["usage"] = write_usage(self._usage)
        out += [sse.encode(_ENCODE({"type": "message-end", "delta": delta}), "message-end"), _DONE]


def _text_of(block: ir.Block) -> str:
    if isinstance(block, ir.Audio):
        return block.transcript or ""
    return block.text if isinstance(block, ir.Text | ir.Thinking | ir.Refusal) else ""


_HANDLERS: Final[dict[type, Callable[[StreamWriter, Any, list[bytes]], None]]] = {
    ir.ReplyStart: StreamWriter._on_start,
    ir.BlockStart: StreamWriter._on_block,
    ir.BlockDelta: StreamWriter._on_delta,
    ir.CitationDelta: StreamWriter._on_citation,
    ir.BlockStop: StreamWriter._on_stop,
    ir.LogprobsDelta: StreamWriter._on_logprobs,
    ir.ExtraDelta: StreamWriter._on_extra,
    ir.ChoiceEnd: StreamWriter._on_finish,
    ir.UsageUpdate: StreamWriter._on_usage,
    ir.StreamFailure: StreamWriter._on_failure,
    ir.ReplyEnd: StreamWriter._on_end,
}
