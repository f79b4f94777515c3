"""A Cohere chat stream → events. Sans-I/O; any chunking.

https://docs.cohere.com/docs/streaming. Content, plan and calls are counted apart: each becomes a block of its own.
A content's block stays open until the next one begins, since citations of it may follow its end.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from headgate.errors import APIResponseValidationError
from headgate.wire import failures, ir
from headgate.wire.cohere import failure
from headgate.wire.cohere.assistant import planned
from headgate.wire.cohere.citations import home, read_citation
from headgate.wire.cohere.older import Decoder
from headgate.wire.cohere.parts import FAMILY, PLAN, arguments_of, own, read_call, read_part, rest
from headgate.wire.cohere.reply import LOGPROBS
from headgate.wire.cohere.usage import read_finish, read_logprobs, read_usage
from headgate.wire.shape import Malformed, bad_reply, optional

_DECODE: Final = msgspec.json.Decoder().decode
_KNOWN: Final = ("role", "content", PLAN, "tool_calls", "citations")


class StreamReader:
    """`feed` and `close` return the events so far."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._started = False
        self._over = False
        self._count = 0
        self._open: int | None = None
        self._blocks: dict[int, int] = {}
        self._texts: dict[int, int] = {}
        self._calls: dict[int, int] = {}
        self._plan: int | None = None
        self._homeless: list[dict[str, Any]] = []
        self._numbers: list[Any] = []

    def feed(self, data: bytes) -> list[ir.Event]:
        return self._read(self._decoder.feed(data))

    def close(self) -> list[ir.Event]:
        found = self._read(self._decoder.close())
        if not self._over:
            self._over = True
            found.append(
                ir.StreamFailure(APIResponseValidationError("the stream ended before the answer did"))
            )
        return found

    def _read(self, events: list[tuple[str, bytes]]) -> list[ir.Event]:
        found: list[ir.Event] = []
        for name, data in events:
            if self._over or data == b"[DONE]":
                continue
            try:
                node = _DECODE(data)
            except (msgspec.DecodeError, ValueError, RecursionError):
                raise APIResponseValidationError(
                    f"the upstream's stream can't be read: {data[:60]!r} is no JSON"
                ) from None
            if isinstance(node, dict):
                try:
                    self._take(name, node, found)
                except (Malformed, RecursionError) as error:
                    raise bad_reply(error) from None
        return found

    def _take(self, name: str, node: dict[str, Any], found: list[ir.Event]) -> None:
        """Events of kinds that are not known are passed over, unless they are errors."""
        kind = optional(node, "type", str, "") or name
        reader = _READERS.get(kind)
        if reader is not None:
            self._start(node, found)
            reader(self, node, found)
        elif kind == "error" or (not kind and (node.get("message") or node.get("error"))):
            self._over = True
            found.append(ir.StreamFailure(failures.read_document(node)))

    def _start(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        if not self._started:
            self._started = True
            found.append(ir.ReplyStart(id=optional(node, "id", str, "")))

    def _begun(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        if left := rest(_message(node), *_KNOWN):
            found.append(ir.ExtraDelta("turn", 0, FAMILY, left[FAMILY]))

    # --- blocks --------------------------------------------------------------------------------------

    def _block(self, block: ir.Block, found: list[ir.Event]) -> int:
        self._close(found)
        index = self._open = self._count
        self._count += 1
        found.append(ir.BlockStart(0, index, block))
        return index

    def _close(self, found: list[ir.Event]) -> None:
        if self._open is not None:
            found.append(ir.BlockStop(0, self._open))
            self._open = None

    def _content_start(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        content = optional(_message(node), "content", dict, "delta.message") or {}
        kind = content.get("type", "text")
        if kind in ("text", "thinking"):
            self._content(_index(node), kind, own(rest(content, "type", "text", "thinking")), found)
            self._content_delta(node, found)
        else:
            self._blocks[_index(node)] = self._block(read_part(content, "content"), found)

    def _content(self, place: int, kind: str, left: dict[str, Any], found: list[ir.Event]) -> None:
        extra = {FAMILY: left} if left else None
        block: ir.Block = ir.Thinking(extra=extra) if kind == "thinking" else ir.Text("", extra=extra)
        self._blocks[place] = self._block(block, found)
        if kind == "text":
            self._texts[place] = self._blocks[place]

    def _content_delta(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        content = optional(_message(node), "content", dict, "delta.message") or {}
        place = _index(node)
        for kind in ("text", "thinking"):
            text = optional(content, kind, str, "delta.message.content")
            if text:
                if place not in self._blocks:
                    self._content(place, kind, {}, found)
                piece: ir.DeltaKind = "text" if place in self._texts else "thinking"
                found.append(ir.BlockDelta(0, self._blocks[place], piece, text))
        if numbers := node.get(LOGPROBS):
            self._numbers += numbers if isinstance(numbers, list) else [numbers]
            if tokens := read_logprobs(numbers):
                found.append(ir.LogprobsDelta(0, tokens))

    def _plan_delta(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        text = optional(_message(node), PLAN, str, "delta.message")
        if not text:
            return
        if self._plan is None:
            self._plan = self._block(planned(), found)
        found.append(ir.BlockDelta(0, self._plan, "text", text))

    def _call_start(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        call = read_call(_message(node).get("tool_calls"), "delta.message.tool_calls")
        arguments, call.arguments = call.arguments, ""
        index = self._calls[_index(node)] = self._block(call, found)
        if arguments:
            found.append(ir.BlockDelta(0, index, "arguments", arguments))

    def _call_delta(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        where = "delta.message.tool_calls"
        call = optional(_message(node), "tool_calls", dict, "delta.message") or {}
        index = self._calls.get(_index(node))
        if index is None:
            raise Malformed(where, "a piece of a call that has not begun")
        text = arguments_of((optional(call, "function", dict, where) or {}).get("arguments"))
        if text:
            found.append(ir.BlockDelta(0, index, "arguments", text))

    def _call_end(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        if self._open is not None and self._open == self._calls.get(_index(node)):
            self._close(found)

    def _cited(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        where = "delta.message.citations"
        given = _message(node).get("citations")
        for citation in given if isinstance(given, list) else [given]:
            if not isinstance(citation, dict):
                raise Malformed(where, "expected an object")
            index = home(citation, self._texts, self._plan)
            if index is None:
                self._homeless.append(citation)
            else:
                found.append(ir.CitationDelta(0, index, read_citation(citation, where)))

    # --- the end -------------------------------------------------------------------------------------

    def _end(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        delta = optional(node, "delta", dict, "") or {}
        self._over = True
        self._close(found)
        if (usage := read_usage(delta.get("usage"))) is not None:
            found.append(ir.UsageUpdate(usage))
        if (error := failure.in_end(delta)) is not None:
            found.append(ir.StreamFailure(error))
            return
        if self._homeless:
            found.append(ir.ExtraDelta("turn", 0, FAMILY, {"citations": self._homeless}))
        if self._numbers:
            found.append(ir.ExtraDelta("choice", 0, FAMILY, {LOGPROBS: self._numbers}))
        finish = read_finish(delta.get("finish_reason"), calls=bool(self._calls))
        found += [ir.ChoiceEnd(0, finish), ir.ReplyEnd()]

    def _pass(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        """Ends that say nothing."""


def _message(node: dict[str, Any]) -> dict[str, Any]:
    delta = optional(node, "delta", dict, "") or {}
    return optional(delta, "message", dict, "delta") or {}


def _index(node: dict[str, Any]) -> int:
    return optional(node, "index", int, "") or 0


_READERS: Final[dict[str, Callable[[StreamReader, dict[str, Any], list[ir.Event]], None]]] = {
    "message-start": StreamReader._begun,
    "content-start": StreamReader._content_start,
    "content-delta": StreamReader._content_delta,
    "content-end": StreamReader._pass,
    "tool-plan-delta": StreamReader._plan_delta,
    "tool-call-start": StreamReader._call_start,
    "tool-call-delta": StreamReader._call_delta,
    "tool-call-end": StreamReader._call_end,
    "citation-start": StreamReader._cited,
    "citation-end": StreamReader._pass,
    "message-end": StreamReader._end,
}
