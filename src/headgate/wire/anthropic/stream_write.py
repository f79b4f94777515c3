"""Events → a Messages stream, in the grammar that the anthropic SDK and Claude Code rely on.

Blocks come one after the other, each with start, deltas and stop, counted from 0. Events of other formats
may be interleaved: while a tool call is open, those of later blocks wait; a text that goes on after another
block began becomes a block of its own. https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from headgate.wire import ir, sse
from headgate.wire.anthropic import blocks_write as write
from headgate.wire.anthropic.check import FAMILY
from headgate.wire.anthropic.failure import write_stream_error
from headgate.wire.anthropic.reply import write_block
from headgate.wire.anthropic.usage import write_finish, write_usage
from headgate.wire.dialect import Frame
from headgate.wire.seals import sealed

_ENCODE = msgspec.json.Encoder().encode

_PING: Final = sse.encode(b'{"type":"ping"}', "ping")
_IN_DELTA: Final = ("stop_details", "container")
"""Fields of a reply that stand in message_delta's delta, not beside it."""

_COMPACTION: Final = ("content", "encrypted_content")

# kind of delta → its type and the name of its field
_DELTAS: Final[dict[str, tuple[str, str]]] = {
    "text": ("text_delta", "text"),
    "refusal": ("text_delta", "text"),
    "transcript": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "signature": ("signature_delta", "signature"),
    "arguments": ("input_json_delta", "partial_json"),
}


def _prefix(number: int, kind: str) -> bytes:
    name, key = _DELTAS[kind]
    return (
        b"event: content_block_delta\ndata: "
        b'{"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":'
        % (number, name.encode(), key.encode())
    )


class StreamWriter:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._start: ir.ReplyStart | None = None
        self._usage: ir.Usage | None = None
        self._finish: ir.Finish | None = None
        self._extra: dict[str, Any] = {}
        self._sent_start = False
        self._over = False
        self._blocks: dict[int, ir.Block] = {}
        self._open = -1
        self._number = -1
        self._skip = False
        self._prefixes: dict[str, bytes] = {}
        self._pieces: list[str] | None = None
        self._held: list[ir.Event] = []

    def write(self, events: Iterable[ir.Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            handler = _HANDLERS.get(type(event))
            if handler is not None and not self._over:
                handler(self, event, out)
        return b"".join(out)

    # --- the frame of the stream ---------------------------------------------------------------------

    def _on_start(self, event: ir.ReplyStart, out: list[bytes]) -> None:
        """Held until something else comes: the usage of the input belongs into it."""
        self._start = event
        self._extra.update(write.own(event.extra))

    def _on_usage(self, event: ir.UsageUpdate, out: list[bytes]) -> None:
        self._usage = event.usage

    def _on_extra(self, event: ir.ExtraDelta, out: list[bytes]) -> None:
        if event.target == "reply" and event.family == FAMILY:
            self._extra.update(event.fields)

    def _on_keepalive(self, event: ir.Keepalive, out: list[bytes]) -> None:
        self._begin_message(out)
        out.append(_PING)

    def _on_choice_end(self, event: ir.ChoiceEnd, out: list[bytes]) -> None:
        if event.choice == 0:
            self._finish = event.finish

    def _on_end(self, event: ir.ReplyEnd, out: list[bytes]) -> None:
        self._begin_message(out)
        while self._open >= 0 or self._held:
            self._end_block(out)
        reason, sequence = write_finish(self._finish)
        delta: dict[str, Any] = {"stop_reason": reason, "stop_sequence": sequence}
        delta.update({key: self._extra[key] for key in _IN_DELTA if key in self._extra})
        beside = {key: value for key, value in self._extra.items() if key not in _IN_DELTA}
        _put(out, "message_delta", {"delta": delta, "usage": write_usage(self._usage), **beside})
        _put(out, "message_stop", {})
        self._over = True

    def _on_failure(self, event: ir.StreamFailure, out: list[bytes]) -> None:
        out.append(write_stream_error(event.error))
        self._over = True

    def _begin_message(self, out: list[bytes]) -> None:
        if self._sent_start:
            return
        self._sent_start = True
        start = self._start or ir.ReplyStart()
        message = {
            "id": start.id or self._frame.id,
            "type": "message",
            "role": "assistant",
            "model": start.model or self._frame.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(self._usage),
            **self._extra,
        }
        self._extra = {}
        _put(out, "message_start", {"message": message})

    # --- blocks --------------------------------------------------------------------------------------

    def _on_block_start(self, event: ir.BlockStart, out: list[bytes]) -> None:
        if event.choice != 0:
            return
        if self._waits():
            self._held.append(event)
            return
        self._end_block(out)
        self._blocks[event.index] = event.block
        self._begin_block(event.index, event.block, out)

    def _on_block_delta(self, event: ir.BlockDelta, out: list[bytes]) -> None:
        if event.choice != 0 or (event.index != self._open and not self._resume(event, out)):
            return
        if self._pieces is not None:
            self._pieces.append(event.text)
        elif not self._skip and (prefix := self._prefixes.get(event.kind)) is not None:
            out.append(prefix + _ENCODE(event.text) + b"}}\n\n")
        elif event.kind == "signature" and not self._skip:
            self._seal(event.index, event.text, out)

    def _seal(self, index: int, text: str, out: list[bytes]) -> None:
        """Another vendor's, which always comes whole."""
        block = self._blocks[index]
        if isinstance(block, ir.Thinking):
            secret = sealed(msgspec.structs.replace(block, signature=text), FAMILY)
            out.append(_prefix(self._number, "signature") + _ENCODE(secret) + b"}}\n\n")

    def _on_citation(self, event: ir.CitationDelta, out: list[bytes]) -> None:
        if event.choice == 0 and (event.index == self._open or self._resume(event, out)):
            delta = {"type": "citations_delta", "citation": write.citation(event.citation)}
            _put(out, "content_block_delta", {"index": self._number, "delta": delta})

    def _on_block_stop(self, event: ir.BlockStop, out: list[bytes]) -> None:
        if event.choice != 0:
            return
        if event.index == self._open:
            self._end_block(out)
        elif self._waits():
            self._held.append(event)

    def _waits(self) -> bool:
        """Whether other blocks have to wait: a tool call can't be cut in two."""
        return self._open >= 0 and isinstance(self._blocks[self._open], ir.ToolCall)

    def _resume(self, event: ir.BlockDelta | ir.CitationDelta, out: list[bytes]) -> bool:
        """Makes room for a piece of a block that is not open. False where it has to wait or has no place."""
        if self._waits():
            self._held.append(event)
            return False
        block = self._blocks.get(event.index)
        if not isinstance(block, ir.Text | ir.Thinking | ir.Refusal):
            return False
        self._end_block(out)
        self._begin_block(event.index, _continued(block), out)
        return True

    def _begin_block(self, index: int, block: ir.Block, out: list[bytes]) -> None:
        self._begin_message(out)
        self._open, self._pieces = index, None
        sealed = isinstance(block, ir.Text) and block.only_seal
        node = None if sealed else write_block(_opening(block), self._frame, index)
        self._skip = node is None
        if node is None:
            return
        self._number += 1
        rest: list[tuple[str, dict[str, Any]]] = []
        if isinstance(block, ir.Opaque):
            node, rest = _split(node)
        self._prefixes = {kind: _prefix(self._number, kind) for kind in _kinds(block)}
        _put(out, "content_block_start", {"index": self._number, "content_block": node})
        for name, fields in rest:
            _put(out, "content_block_delta", {"index": self._number, "delta": {"type": name, **fields}})
        if isinstance(block, ir.ToolCall) and block.kind == "custom":
            self._pieces = [block.arguments]
            return
        for kind, text in _said(block):
            if text and kind in self._prefixes:
                out.append(self._prefixes[kind] + _ENCODE(text) + b"}}\n\n")
            elif text and kind == "signature":
                self._seal(index, text, out)

    def _end_block(self, out: list[bytes]) -> None:
        """Stops the open block, then lets those that waited for it go on."""
        if self._open >= 0:
            if self._pieces is not None:
                arguments = _ENCODE({"input": "".join(self._pieces)}).decode()
                out.append(self._prefixes["arguments"] + _ENCODE(arguments) + b"}}\n\n")
            if not self._skip:
                _put(out, "content_block_stop", {"index": self._number})
            self._open, self._pieces = -1, None
        held, self._held = self._held, []
        for event in held:
            _HANDLERS[type(event)](self, event, out)


def _opening(block: ir.Block) -> ir.Block:
    """The block as it stands in content_block_start: what comes in deltas is empty."""
    replace = msgspec.structs.replace
    match block:
        case ir.Text():
            return replace(block, text="", citations=None, signature=None)
        case ir.Thinking():
            return replace(block, text="", signature=None)
        case ir.ToolCall():
            return replace(block, arguments="", kind="function")
        case ir.Refusal():
            return ir.Refusal("")
        case ir.Audio():
            return ir.Text("") if block.source is None or block.transcript is not None else block
        case _:
            return block


def _kinds(block: ir.Block) -> tuple[str, ...]:
    """The deltas that such a block may have. A signature of another vendor is none of Anthropic's."""
    if isinstance(block, ir.Thinking):
        if block.redacted is not None:
            return ()
        return ("thinking", "signature") if block.family == FAMILY else ("thinking",)
    return _KINDS.get(type(block), ())


_KINDS: Final[dict[type, tuple[str, ...]]] = {
    ir.Text: ("text",),
    ir.Refusal: ("refusal", "text"),
    ir.Audio: ("transcript",),
    ir.ToolCall: ("arguments",),
}


def _said(block: ir.Block) -> list[tuple[str, str | None]]:
    """What the block holds already when it starts."""
    match block:
        case ir.Text() | ir.Refusal():
            return [("text", block.text)]
        case ir.Thinking():
            return [("thinking", block.text), ("signature", block.signature)]
        case ir.ToolCall():
            return [("arguments", block.arguments)]
        case ir.Audio():
            return [("transcript", block.transcript)]
        case _:
            return []


def _split(node: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """An opaque block as the API streams it: a server tool's input and a compaction's text in a delta."""
    if isinstance(node.get("input"), dict) and node["input"]:
        text = _ENCODE(node["input"]).decode()
        return {**node, "input": {}}, [("input_json_delta", {"partial_json": text})]
    if node.get("type") == "compaction" and node.get("content") is not None:
        fields: dict[str, Any] = {key: node[key] for key in _COMPACTION if key in node}
        return {**node, "content": None}, [("compaction_delta", fields)]
    return node, []


def _continued(block: ir.Block) -> ir.Block:
    return ir.Thinking(family=block.family) if isinstance(block, ir.Thinking) else ir.Text("")


def _put(out: list[bytes], name: str, fields: dict[str, Any]) -> None:
    out.append(sse.encode(_ENCODE({"type": name, **fields}), name))


_HANDLERS: Final[dict[type, Callable[..., None]]] = {
    ir.ReplyStart: StreamWriter._on_start,
    ir.UsageUpdate: StreamWriter._on_usage,
    ir.ExtraDelta: StreamWriter._on_extra,
    ir.Keepalive: StreamWriter._on_keepalive,
    ir.ChoiceEnd: StreamWriter._on_choice_end,
    ir.ReplyEnd: StreamWriter._on_end,
    ir.StreamFailure: StreamWriter._on_failure,
    ir.BlockStart: StreamWriter._on_block_start,
    ir.BlockDelta: StreamWriter._on_block_delta,
    ir.CitationDelta: StreamWriter._on_citation,
    ir.BlockStop: StreamWriter._on_block_stop,
}
