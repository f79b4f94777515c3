"""A Messages stream → events. https://docs.anthropic.com/en/docs/build-with-claude/streaming

Blocks that only Anthropic knows are held until they are complete and come as one `Opaque`. An upstream that
answers with JSON in place of a stream is read as well: as the error that it is, or as a whole answer.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct, field

from headgate.errors import APIConnectionError, HeadgateError
from headgate.wire import failures, ir, sse
from headgate.wire.anthropic.blocks import read_block, read_citation
from headgate.wire.anthropic.check import FAMILY
from headgate.wire.anthropic.reply import TOP, read_reply, restore
from headgate.wire.anthropic.usage import merge, read_finish, read_usage
from headgate.wire.shape import Malformed, bad_reply, optional, reply_object, required
from headgate.wire.whole import Whole, events_of

_CUT: Final = "the upstream's stream ended before its answer was complete"
_DELTA_KNOWN: Final = frozenset({"stop_reason", "stop_sequence"})
_EVENT_KNOWN: Final = frozenset({"type", "delta", "usage"})


class _Open(Struct):
    """A block that has begun. `index` is the IR's, -1 while an opaque block is held."""

    index: int
    kind: Literal["text", "thinking", "call", "json", "opaque", "whole"]
    value: dict[str, Any]
    pieces: list[str] = field(default_factory=list)


# type of a delta → the field with its text, and by kind of block the kind of delta that it is in the IR
_DELTAS: Final[dict[str, tuple[str, dict[str, ir.DeltaKind]]]] = {
    "text_delta": ("text", {"text": "text"}),
    "thinking_delta": ("thinking", {"thinking": "thinking"}),
    "signature_delta": ("signature", {"thinking": "signature"}),
    "input_json_delta": ("partial_json", {"call": "arguments", "json": "text"}),
}


class StreamReader:
    def __init__(self, echo: ir.Echo | None = None) -> None:
        self._echo = echo
        self._sse = sse.Decoder()
        self._whole = Whole(b"{[<")
        self._done = False
        self._started = False
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, _Open] = {}
        self._count = 0
        self._calls = False
        self._pending = False

    def feed(self, data: bytes) -> list[ir.Event]:
        if self._done:
            return []
        out: list[ir.Event] = []
        try:
            if self._whole.maybe and self._whole.takes(data):
                return out
            self._events(self._sse.feed(data), out)
        except HeadgateError as error:
            self._fail(error, out)
        return out

    def close(self) -> list[ir.Event]:
        """What is left. ReplyEnd came with message_stop, so that nobody waits for the upstream to close."""
        if self._done:
            return []
        if (body := self._whole.body()) is not None:
            self._done = True
            return events_of(body, lambda body: read_reply(body, self._echo), _no_answer)
        out: list[ir.Event] = []
        try:
            self._events(self._sse.close(), out)
        except HeadgateError as error:
            self._fail(error, out)
        if not self._done:
            self._fail(APIConnectionError(_CUT), out)
        return out

    def _events(self, events: list[tuple[str, bytes]], out: list[ir.Event]) -> None:
        for name, data in events:
            if data == b"[DONE]":
                continue
            event = reply_object(data)
            kind = event.get("type", name)
            handler = _HANDLERS.get(kind) if isinstance(kind, str) else None
            if handler is not None:
                try:
                    handler(self, event, out)
                except (Malformed, RecursionError) as error:
                    raise bad_reply(error) from None
            elif "error" in event or name == "error":
                self._on_error(event, out)
            if self._done:
                return

    def _fail(self, error: HeadgateError, out: list[ir.Event]) -> None:
        self._done = True
        out.append(ir.StreamFailure(error))

    # --- one method for each type of event; they raise Malformed -------------------------------------

    def _on_start(self, event: dict[str, Any], out: list[ir.Event]) -> None:
        message = required(event, "message", dict, "")
        extra = {key: value for key, value in message.items() if key not in TOP}
        if self._started:
            return
        self._started = True
        out.append(
            ir.ReplyStart(
                id=optional(message, "id", str, "message"),
                model=optional(message, "model", str, "message"),
                extra={FAMILY: extra} if extra else None,
            )
        )
        self._update_usage(optional(message, "usage", dict, "message"), out)

    def _on_block_start(self, event: dict[str, Any], out: list[ir.Event]) -> None:
        self._start_if_needed(out)
        at = optional(event, "index", int, "") or 0
        if at in self._blocks:
            self._stop(at, out)
        node = required(event, "content_block", dict, "")
        if node.get("citations") == []:
            node = {key: value for key, value in node.items() if key != "citations"}
        block = read_block(node, "content_block")
        if isinstance(block, ir.Opaque):
            self._blocks[at] = _Open(-1, "opaque", node)
            self._pending = False
            return
        opened = _Open(self._count, "whole", node)
        if isinstance(block, ir.ToolCall):
            block.arguments = ""
            opened.kind = "json" if self._echo and block.name == self._echo.json_tool else "call"
            if self._echo is not None:
                block = restore(block, self._echo)
        elif isinstance(block, ir.Text):
            opened.kind = "text"
        elif isinstance(block, ir.Thinking) and block.redacted is None:
            opened.kind = "thinking"
        self._pending = opened.kind == "call"
        self._calls = self._calls or self._pending
        self._blocks[at] = opened
        self._count += 1
        out.append(ir.BlockStart(0, opened.index, block))

    def _on_block_delta(self, event: dict[str, Any], out: list[ir.Event]) -> None:
        delta = required(event, "delta", dict, "")
        opened = self._blocks.get(optional(event, "index", int, "") or 0)
        kind = required(delta, "type", str, "delta")
        if opened is None:
            return
        known = _DELTAS.get(kind)
        if known is None:
            self._rare_delta(kind, delta, opened, out)
            return
        name, kinds = known
        text = required(delta, name, str, "delta")
        if not text:
            return
        if kind == "input_json_delta":
            opened.pieces.append(text)
        if opened.kind in kinds:
            out.append(ir.BlockDelta(0, opened.index, kinds[opened.kind], text))

    def _rare_delta(self, kind: str, delta: dict[str, Any], opened: _Open, out: list[ir.Event]) -> None:
        if kind == "citations_delta" and opened.kind == "text":
            citation = read_citation(delta.get("citation"), "delta.citation")
            out.append(ir.CitationDelta(0, opened.index, citation))
        elif opened.kind == "opaque":
            fields = {key: value for key, value in delta.items() if key != "type" and value is not None}
            opened.value = {**opened.value, **fields}

    def _on_block_stop(self, event: dict[str, Any], out: list[ir.Event]) -> None:
        at = optional(event, "index", int, "") or 0
        if at in self._blocks:
            self._stop(at, out)

    def _on_message_delta(self, event: dict[str, Any], out: list[ir.Event]) -> None:
        self._start_if_needed(out)
        delta = optional(event, "delta", dict, "") or {}
        for at in list(self._blocks):
            self._stop(at, out)
        fields = {key: value for key, value in event.items() if key not in _EVENT_KNOWN}
        fields.update({key: value for key, value in delta.items() if key not in _DELTA_KNOWN})
        if fields:
            out.append(ir.ExtraDelta("reply", 0, FAMILY, fields))
        finish = read_finish(
            optional(delta, "stop_reason", str, "delta"),
            optional(delta, "stop_sequence", str, "delta"),
            calls=self._calls,
            pending=self._pending,
        )
        if finish is not None:
            out.append(ir.ChoiceEnd(0, finish))
        self._update_usage(optional(event, "usage", dict, ""), out)

    def _on_message_stop(self, event: dict[str, Any], out: list[ir.Event]) -> None:
        self._start_if_needed(out)
        for at in list(self._blocks):
            self._stop(at, out)
        self._done = True
        out.append(ir.ReplyEnd())

    def _on_ping(self, event: dict[str, Any], out: list[ir.Event]) -> None:
        out.append(ir.Keepalive())

    def _on_error(self, event: dict[str, Any], out: list[ir.Event]) -> None:
        self._fail(failures.read_document(event), out)

    # --- what they share -----------------------------------------------------------------------------

    def _start_if_needed(self, out: list[ir.Event]) -> None:
        if not self._started:
            self._started = True
            out.append(ir.ReplyStart())

    def _update_usage(self, usage: dict[str, Any] | None, out: list[ir.Event]) -> None:
        if usage is not None:
            merge(self._usage, usage)
            out.append(ir.UsageUpdate(read_usage(self._usage)))

    def _stop(self, at: int, out: list[ir.Event]) -> None:
        opened = self._blocks.pop(at)
        if opened.kind == "opaque":
            opened.index = self._count
            self._count += 1
            out.append(ir.BlockStart(0, opened.index, ir.Opaque(family=FAMILY, value=_complete(opened))))
        elif opened.kind in ("call", "json") and not opened.pieces:
            whole = msgspec.json.encode(opened.value.get("input") or {}).decode()
            out.append(
                ir.BlockDelta(0, opened.index, "text" if opened.kind == "json" else "arguments", whole)
            )
        out.append(ir.BlockStop(0, opened.index))


def _no_answer(body: bytes, error: HeadgateError) -> HeadgateError:
    return failures.read_error(200, {}, body)


def _complete(opened: _Open) -> dict[str, Any]:
    """The block as a whole answer has it: with the input that came in pieces."""
    if not opened.pieces:
        return opened.value
    text = "".join(opened.pieces)
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        value = text
    return {**opened.value, "input": value}


_HANDLERS: Final[dict[str, Callable[[StreamReader, dict[str, Any], list[ir.Event]], None]]] = {
    "message_start": StreamReader._on_start,
    "content_block_start": StreamReader._on_block_start,
    "content_block_delta": StreamReader._on_block_delta,
    "content_block_stop": StreamReader._on_block_stop,
    "message_delta": StreamReader._on_message_delta,
    "message_stop": StreamReader._on_message_stop,
    "ping": StreamReader._on_ping,
    "error": StreamReader._on_error,
}
