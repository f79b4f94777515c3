"""Events → a ConverseStream: binary frames, each with a JSON payload.

Every block has its own index, so blocks of other formats may be interleaved as they come. Stop reason and usage
stand in the last two events, and are written when the answer ends.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from headgate.wire import aws, eventstream, ir
from headgate.wire.bedrock import blocks_write as write
from headgate.wire.bedrock.check import FAMILY, own
from headgate.wire.bedrock.reply import call_id, write_block
from headgate.wire.bedrock.usage import write_finish, write_usage
from headgate.wire.dialect import Frame

_ENCODE = msgspec.json.Encoder().encode
_IN_STOP: Final = ("additionalModelResponseFields",)
"""Fields of a reply that stand in messageStop, not in metadata."""


class StreamWriter:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._begun = False
        self._over = False
        self._usage: ir.Usage | None = None
        self._finish: ir.Finish | None = None
        self._extra: dict[str, Any] = {}
        self._numbers: dict[int, int] = {}
        self._count = 0
        self._free: dict[int, list[str]] = {}

    def write(self, events: Iterable[ir.Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            handler = _HANDLERS.get(type(event))
            if handler is not None and not self._over:
                handler(self, event, out)
        return b"".join(out)

    # --- the frame of the stream ---------------------------------------------------------------------

    def _on_start(self, event: ir.ReplyStart, out: list[bytes]) -> None:
        self._extra.update(own(event.extra))
        self._begin(out)

    def _begin(self, out: list[bytes]) -> None:
        if not self._begun:
            self._begun = True
            _put(out, "messageStart", {"role": "assistant"})

    def _on_usage(self, event: ir.UsageUpdate, out: list[bytes]) -> None:
        self._usage = event.usage

    def _on_extra(self, event: ir.ExtraDelta, out: list[bytes]) -> None:
        if event.target == "reply" and event.family == FAMILY:
            self._extra.update(event.fields)

    def _on_choice_end(self, event: ir.ChoiceEnd, out: list[bytes]) -> None:
        if event.choice == 0:
            self._finish = event.finish

    def _on_end(self, event: ir.ReplyEnd, out: list[bytes]) -> None:
        self._begin(out)
        for index in list(self._numbers):
            self._stop(index, out)
        beside = {key: self._extra.pop(key) for key in _IN_STOP if key in self._extra}
        _put(out, "messageStop", {"stopReason": write_finish(self._finish), **beside})
        metadata = {"usage": write_usage(self._usage), "metrics": {"latencyMs": 0}, **self._extra}
        _put(out, "metadata", metadata)
        self._over = True

    def _on_failure(self, event: ir.StreamFailure, out: list[bytes]) -> None:
        out.append(aws.write_stream_error(event.error))
        self._over = True

    # --- blocks --------------------------------------------------------------------------------------

    def _on_block_start(self, event: ir.BlockStart, out: list[bytes]) -> None:
        block = event.block
        node = write_block(block, self._frame, event.index) if event.choice == 0 else None
        if node is None:
            return
        self._begin(out)
        number = self._numbers[event.index] = self._count
        self._count += 1
        if isinstance(block, ir.ToolCall):
            self._call(event.index, block, out)
            return
        if isinstance(block, ir.Opaque):
            _opaque(out, number, node)
            return
        for delta in _said(block, node):
            _put(out, "contentBlockDelta", {"contentBlockIndex": number, "delta": delta})

    def _call(self, index: int, block: ir.ToolCall, out: list[bytes]) -> None:
        use = write.tool_use(block, call_id(block, self._frame, index), block.name)["toolUse"]
        start = {key: value for key, value in use.items() if key != "input"}
        _put(
            out, "contentBlockStart", {"contentBlockIndex": self._numbers[index], "start": {"toolUse": start}}
        )
        if block.kind == "custom":
            self._free[index] = [block.arguments]
        elif block.arguments:
            self._delta(index, {"toolUse": {"input": block.arguments}}, out)

    def _on_block_delta(self, event: ir.BlockDelta, out: list[bytes]) -> None:
        if event.choice != 0 or event.index not in self._numbers:
            return
        if event.index in self._free:
            self._free[event.index].append(event.text)
        elif (shape := _DELTAS.get(event.kind)) is not None:
            self._delta(event.index, shape(event.text), out)

    def _on_citation(self, event: ir.CitationDelta, out: list[bytes]) -> None:
        if event.choice == 0 and event.index in self._numbers:
            self._delta(event.index, {"citation": write.citation(event.citation)}, out)

    def _on_block_stop(self, event: ir.BlockStop, out: list[bytes]) -> None:
        if event.choice == 0 and event.index in self._numbers:
            self._stop(event.index, out)

    def _stop(self, index: int, out: list[bytes]) -> None:
        free = self._free.pop(index, None)
        if free is not None:
            whole = _ENCODE({"input": "".join(free)}).decode()
            self._delta(index, {"toolUse": {"input": whole}}, out)
        _put(out, "contentBlockStop", {"contentBlockIndex": self._numbers.pop(index)})

    def _delta(self, index: int, delta: dict[str, Any], out: list[bytes]) -> None:
        _put(out, "contentBlockDelta", {"contentBlockIndex": self._numbers[index], "delta": delta})


_DELTAS: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "text": lambda text: {"text": text},
    "refusal": lambda text: {"text": text},
    "transcript": lambda text: {"text": text},
    "thinking": lambda text: {"reasoningContent": {"text": text}},
    "signature": lambda text: {"reasoningContent": {"signature": text}},
    "arguments": lambda text: {"toolUse": {"input": text}},
}


def _said(block: ir.Block, node: dict[str, Any]) -> list[dict[str, Any]]:
    """What the block holds already when it starts, as deltas."""
    match block:
        case ir.Text() | ir.Refusal():
            return [{"text": block.text}] if block.text else []
        case ir.Thinking() if block.redacted is not None:
            return [{"reasoningContent": {"redactedContent": node["reasoningContent"]["redactedContent"]}}]
        case ir.Thinking():
            said = (("text", block.text), ("signature", block.signature))
            return [{"reasoningContent": {key: text}} for key, text in said if text]
        case ir.Audio():
            return [{"text": block.transcript}] if block.transcript else []
        case ir.Image() if "source" in node.get("image", {}):
            return [{"image": {"source": node["image"]["source"]}}]
        case _:
            return []


def _opaque(out: list[bytes], number: int, node: dict[str, Any]) -> None:
    """A block of this format's own as the API streams it: what is long comes in a delta."""
    kind = next(iter(node), "")
    inner = node[kind] if isinstance(node.get(kind), dict) else {}
    long = {"toolUse": "input", "toolResult": "content", "image": "source"}.get(kind, "")
    start = {key: value for key, value in inner.items() if key != long}
    _put(out, "contentBlockStart", {"contentBlockIndex": number, "start": {kind: start}})
    if long not in inner:
        return
    delta: Any = {"toolResult": inner[long]}
    if kind == "toolUse":
        delta = {"toolUse": {"input": _ENCODE(inner[long]).decode()}}
    elif kind == "image":
        delta = {"image": {"source": inner[long]}}
    _put(out, "contentBlockDelta", {"contentBlockIndex": number, "delta": delta})


def _put(out: list[bytes], name: str, fields: dict[str, Any]) -> None:
    out.append(eventstream.event(name, _ENCODE(fields)))


_HANDLERS: Final[dict[type, Callable[..., None]]] = {
    ir.ReplyStart: StreamWriter._on_start,
    ir.UsageUpdate: StreamWriter._on_usage,
    ir.ExtraDelta: StreamWriter._on_extra,
    ir.ChoiceEnd: StreamWriter._on_choice_end,
    ir.ReplyEnd: StreamWriter._on_end,
    ir.StreamFailure: StreamWriter._on_failure,
    ir.BlockStart: StreamWriter._on_block_start,
    ir.BlockDelta: StreamWriter._on_block_delta,
    ir.CitationDelta: StreamWriter._on_citation,
    ir.BlockStop: StreamWriter._on_block_stop,
}
