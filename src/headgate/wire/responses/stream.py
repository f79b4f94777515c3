"""A stream of the Responses format → events. Sans-I/O; any chunking.

https://platform.openai.com/docs/api-reference/responses-streaming. What a stream brings only in an item's last event
is taken from there; events of the provider's own tools are passed over, their items travel whole.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from headgate.errors import APIResponseValidationError
from headgate.wire import failures, ir, sse
from headgate.wire.responses.items import CALLS, read_answer
from headgate.wire.responses.logprobs import read_logprobs
from headgate.wire.responses.parts import FAMILY, read_part, rest
from headgate.wire.responses.reply import failure_of, finish_of, read_usage
from headgate.wire.shape import Malformed, bad_reply, optional

_DECODE: Final = msgspec.json.Decoder().decode
_BREAK: Final = "\n\n"


class StreamReader:
    """`feed` and `close` return the events so far."""

    def __init__(self, echo: ir.Echo | None = None) -> None:
        self._echo = echo or ir.Echo()
        self._decoder = sse.Decoder()
        self._started = False
        self._over = False
        self._blocks: dict[tuple[int, int], int] = {}
        self._kinds: list[ir.DeltaKind] = []
        self._said: set[int] = set()
        self._parts: dict[int, int] = {}
        self._called = False

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
            except (msgspec.DecodeError, RecursionError):
                raise APIResponseValidationError(
                    f"the upstream's stream can't be read: {data[:60]!r} is no JSON"
                ) from None
            if isinstance(node, dict):
                try:
                    self._take(str(node.get("type") or name), node, found)
                except Malformed as error:
                    raise bad_reply(error) from None
        return found

    def _take(self, kind: str, node: dict[str, Any], found: list[ir.Event]) -> None:
        if kind in _ENDS:
            self._end(kind, node, found)
        elif kind == "error" or (not kind.startswith("response.") and "error" in node):
            self._over = True
            found.append(ir.StreamFailure(failures.read_document({"error": node.get("error") or node})))
        elif kind in ("response.created", "response.in_progress", "response.queued"):
            self._start(_object(node, "response"), found)
        else:
            reader = _READERS.get(kind)
            if reader is not None:
                self._start({}, found)
                reader(self, node, found)
            elif kind in _WHOLE:
                self._start({}, found)
                self._whole(*_WHOLE[kind], node, found)

    def _start(self, response: dict[str, Any], found: list[ir.Event]) -> None:
        if self._started:
            return
        self._started = True
        created = response.get("created_at")
        name, model = optional(response, "id", str, "response"), optional(response, "model", str, "response")
        start = ir.ReplyStart(id=name, model=model)
        start.created = int(created) if isinstance(created, int | float) else None
        found.append(start)

    def _end(self, kind: str, node: dict[str, Any], found: list[ir.Event]) -> None:
        response = _object(node, "response")
        self._start(response, found)
        self._over = True
        usage = read_usage(response.get("usage"), response.get("service_tier"))
        if usage is not None:
            found.append(ir.UsageUpdate(usage))
        if kind in ("response.failed", "response.cancelled"):
            failure = failure_of(response) or failures.read_document(
                {"error": {"message": "the answer failed"}}
            )
            found.append(ir.StreamFailure(failure))
            return
        if not self._blocks:  # some tell all at once
            for at, item in enumerate(optional(response, "output", list, "response") or ()):
                self._done({"output_index": at, "item": item}, found)
        blocks: list[ir.Block] = [ir.ToolCall(id="", name="")] if self._called else []
        found.append(ir.ChoiceEnd(0, finish_of(response, blocks)))
        found.append(ir.ReplyEnd())

    # items

    def _added(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        item = _object(node, "item")
        at, kind = _whole(node, "output_index"), optional(item, "type", str, "item")
        if kind in CALLS:
            self._called = True
            call = read_answer({**item, "arguments": "", "input": ""}, "item", self._echo)
            self._block((at, 0), call, "arguments", found)
        elif kind == "reasoning":
            left = rest(item, "type", "encrypted_content", "status", "summary", "content")
            self._block((at, 0), self._thinking(left), "thinking", found)

    def _block(
        self, place: tuple[int, int], block: ir.Block, kind: ir.DeltaKind, found: list[ir.Event]
    ) -> int:
        index = self._blocks.get(place)
        if index is None:
            index = self._blocks[place] = len(self._kinds)
            self._kinds.append(kind)
            found.append(ir.BlockStart(0, index, block))
        return index

    def _thinking(self, extra: ir.Extra | None = None) -> ir.Thinking:
        return ir.Thinking(family=FAMILY, account=self._echo.account, extra=extra)

    def _part(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        part, place = _object(node, "part"), _place(node)
        if part.get("type") == "refusal":
            self._block(place, ir.Refusal(""), "refusal", found)
        elif part.get("type") == "output_text":
            self._block(place, ir.Text(""), "text", found)

    def _text(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        self._piece(self._block(_place(node), ir.Text(""), "text", found), "text", node, found)
        if tokens := read_logprobs(node.get("logprobs")):
            found.append(ir.LogprobsDelta(0, tokens))

    def _refused(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        self._piece(self._block(_place(node), ir.Refusal(""), "refusal", found), "refusal", node, found)

    def _thought(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        """A summary comes in parts, each a paragraph of its own."""
        at = _whole(node, "output_index")
        index = self._block((at, 0), self._thinking(), "thinking", found)
        part = _whole(node, "summary_index") or _whole(node, "content_index")
        if part > self._parts.get(at, 0):
            found.append(ir.BlockDelta(0, index, "thinking", _BREAK))
        self._parts[at] = part
        self._piece(index, "thinking", node, found)

    def _arguments(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        index = self._blocks.get((_whole(node, "output_index"), 0))
        if index is not None:
            self._piece(index, "arguments", node, found)

    def _piece(self, index: int, kind: ir.DeltaKind, node: dict[str, Any], found: list[ir.Event]) -> None:
        text = node.get("delta")
        if isinstance(text, str) and text:
            self._said.add(index)
            found.append(ir.BlockDelta(0, index, kind, text))

    def _whole(
        self, key: str, kind: ir.DeltaKind, block: ir.Block, node: dict[str, Any], found: list[ir.Event]
    ) -> None:
        """The end of a text says all of it: news only where no delta has."""
        place = _place(node)
        if kind != "arguments":
            self._block(place, msgspec.structs.replace(block), kind, found)
        index = self._blocks.get(place)
        if index is not None and index not in self._said:
            self._piece(index, kind, {"delta": node.get(key)}, found)

    def _cited(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        part = read_part({"type": "output_text", "text": "", "annotations": [node.get("annotation")]}, "part")
        index = self._block(_place(node), ir.Text(""), "text", found)
        notes = part.citations if isinstance(part, ir.Text) else None
        found += [ir.CitationDelta(0, index, citation) for citation in notes or ()]

    def _done(self, node: dict[str, Any], found: list[ir.Event]) -> None:
        """An item as it ends: what no delta has told, and what only stands here."""
        item = _object(node, "item")
        at, kind = _whole(node, "output_index"), optional(item, "type", str, "item") or "message"
        if kind == "message":
            for number, part in enumerate(optional(item, "content", list, "item") or ()):
                self._rest((at, number), read_part(part, "part"), found)
            return
        block = read_answer(item, "item", self._echo)
        if isinstance(block, ir.Opaque):
            found.append(ir.BlockStop(0, self._block((at, 0), block, "text", found)))
            return
        self._called = self._called or isinstance(block, ir.ToolCall)
        self._rest((at, 0), block, found)

    def _rest(self, place: tuple[int, int], block: ir.Block, found: list[ir.Event]) -> None:
        kind = _KINDS.get(type(block))
        if kind is None:
            found.append(ir.BlockStop(0, self._block(place, block, "text", found)))
            return
        text = block.arguments if isinstance(block, ir.ToolCall) else getattr(block, "text", "")
        index = self._block(place, _emptied(block), kind, found)
        if index not in self._said and text:
            found.append(ir.BlockDelta(0, index, kind, text))
            notes = block.citations if isinstance(block, ir.Text) else None
            found += [ir.CitationDelta(0, index, citation) for citation in notes or ()]
        if isinstance(block, ir.Thinking) and block.signature:
            found.append(ir.BlockDelta(0, index, "signature", block.signature))
        found.append(ir.BlockStop(0, index))


def _object(node: dict[str, Any], key: str) -> dict[str, Any]:
    return optional(node, key, dict, "") or {}


def _whole(node: dict[str, Any], key: str) -> int:
    return optional(node, key, int, "") or 0


def _emptied(block: ir.Block) -> ir.Block:
    match block:
        case ir.ToolCall():
            return msgspec.structs.replace(block, arguments="")
        case ir.Thinking():
            return msgspec.structs.replace(block, text="", signature=None)
        case ir.Text():
            return msgspec.structs.replace(block, text="", citations=None)
        case ir.Refusal():
            return ir.Refusal("")
        case _:
            return block


def _place(node: dict[str, Any]) -> tuple[int, int]:
    return _whole(node, "output_index"), _whole(node, "content_index")


_KINDS: Final[Mapping[type, ir.DeltaKind]] = {
    ir.Text: "text",
    ir.Refusal: "refusal",
    ir.Thinking: "thinking",
    ir.ToolCall: "arguments",
}
_WHOLE: Final[Mapping[str, tuple[str, ir.DeltaKind, ir.Block]]] = {
    "response.output_text.done": ("text", "text", ir.Text("")),
    "response.refusal.done": ("refusal", "refusal", ir.Refusal("")),
    "response.function_call_arguments.done": ("arguments", "arguments", ir.ToolCall(id="", name="")),
    "response.custom_tool_call_input.done": ("input", "arguments", ir.ToolCall(id="", name="")),
}
"""An event that ends a text → where it holds it, and what it is of."""
_ENDS: Final = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_READERS: Final[Mapping[str, Callable[[StreamReader, dict[str, Any], list[ir.Event]], None]]] = {
    "response.output_item.added": StreamReader._added,
    "response.output_item.done": StreamReader._done,
    "response.content_part.added": StreamReader._part,
    "response.output_text.delta": StreamReader._text,
    "response.refusal.delta": StreamReader._refused,
    "response.reasoning_summary_text.delta": StreamReader._thought,
    "response.reasoning_text.delta": StreamReader._thought,
    "response.function_call_arguments.delta": StreamReader._arguments,
    "response.custom_tool_call_input.delta": StreamReader._arguments,
    "response.output_text.annotation.added": StreamReader._cited,
}
