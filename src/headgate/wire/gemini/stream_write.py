"""Events → a streamGenerateContent stream for Gemini clients: `data: {GenerateContentResponse}` with CRLF.

Text goes out piece by piece. What the format can't cut (calls, media, parts with a signature) is held until
its block stops. Finish reasons, totals and what belongs to no part stand in the last event, which comes with
ReplyEnd: a stream without it was cut.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from headgate.wire import ir
from headgate.wire.dialect import Frame
from headgate.wire.gemini import failure, grounding
from headgate.wire.gemini.check import FAMILY, own
from headgate.wire.gemini.reply import blocks_prompt, write_block
from headgate.wire.gemini.usage import write_finish, write_logprobs, write_usage

_ENCODE = msgspec.json.Encoder().encode

_END: Final = b"\r\n\r\n"
_FIELDS: Final[dict[ir.DeltaKind, str]] = {
    "text": "text",
    "thinking": "text",
    "refusal": "text",
    "arguments": "arguments",
    "signature": "signature",
    "redacted": "redacted",
    "transcript": "transcript",
}


class _Choice(Struct):
    """`held` are blocks that wait until they are whole, `pieces` what came of them."""

    index: int
    held: dict[int, ir.Block] = field(default_factory=dict)
    pieces: dict[tuple[int, ir.DeltaKind], list[str]] = field(default_factory=dict)
    prefixes: dict[int, bytes] = field(default_factory=dict)
    texts: dict[int, list[str]] = field(default_factory=dict)
    citations: dict[int, list[ir.Citation]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    turn_extra: dict[str, Any] = field(default_factory=dict)
    sounded: bool = False
    empty: bool = True
    finish: ir.Finish | None = None


class StreamWriter:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._choices: dict[int, _Choice] = {}
        self._extra: dict[str, Any] = {}
        self._usage: ir.Usage | None = None
        self._done = False
        self._top: dict[str, Any] = {"modelVersion": frame.model, "responseId": frame.id}
        self._tail = b""
        self._set_tail()

    def write(self, events: Iterable[ir.Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            handler = _HANDLERS.get(type(event))
            if handler is not None and not self._done:
                handler(self, event, out)
        return b"".join(out)

    def _set_tail(self) -> None:
        self._tail = b"," + _ENCODE(self._top)[1:] + _END

    # --- one method for each type of event -----------------------------------------------------------

    def _on_start(self, event: ir.ReplyStart, out: list[bytes]) -> None:
        self._top["modelVersion"] = event.model or self._frame.model
        self._top["responseId"] = event.id or self._frame.id
        self._extra.update(own(event.extra))
        if "createTime" in self._extra:
            self._top["createTime"] = self._extra.pop("createTime")
        self._set_tail()

    def _on_block_start(self, event: ir.BlockStart, out: list[bytes]) -> None:
        choice = self._choice(event.choice)
        block = event.block
        choice.empty = False
        if isinstance(block, ir.Text):
            choice.texts[event.index] = [block.text]
        opening = _opening(block)
        if opening is None:
            choice.held[event.index] = block
            return
        choice.prefixes[event.index] = self._prefix(choice.index, opening)
        said = getattr(block, "text", "")
        if said:
            out.append(choice.prefixes[event.index] + _ENCODE(said) + b"}]}}]" + self._tail)

    def _on_delta(self, event: ir.BlockDelta, out: list[bytes]) -> None:
        choice = self._choices.get(event.choice)
        if choice is None:
            return
        if event.kind == "text" and event.index in choice.texts:
            choice.texts[event.index].append(event.text)
        prefix = choice.prefixes.get(event.index)
        if prefix is None:
            if event.kind == "audio":
                self._sound(choice, event, out)
            else:
                choice.pieces.setdefault((event.index, event.kind), []).append(event.text)
        elif event.kind in ("text", "thinking", "refusal"):
            out.append(prefix + _ENCODE(event.text) + b"}]}}]" + self._tail)

    def _on_citation(self, event: ir.CitationDelta, out: list[bytes]) -> None:
        if event.choice in self._choices:
            self._choices[event.choice].citations.setdefault(event.index, []).append(event.citation)

    def _on_stop(self, event: ir.BlockStop, out: list[bytes]) -> None:
        choice = self._choices.get(event.choice)
        block = choice.held.pop(event.index, None) if choice is not None else None
        if choice is None or block is None:
            return
        changes = {
            _FIELDS[kind]: (getattr(block, _FIELDS[kind], None) or "") + "".join(pieces)
            for (index, kind), pieces in choice.pieces.items()
            if index == event.index and hasattr(block, _FIELDS[kind])
        }
        block = msgspec.structs.replace(block, **changes)
        if isinstance(block, ir.Audio) and choice.sounded:
            choice.sounded = False
            return
        self._part(choice, write_block(block, self._frame, event.index), out)

    def _on_logprobs(self, event: ir.LogprobsDelta, out: list[bytes]) -> None:
        choice = self._choice(event.choice)
        node = {"index": choice.index, "logprobsResult": write_logprobs(event.tokens)}
        self._put([node], out)

    def _on_extra(self, event: ir.ExtraDelta, out: list[bytes]) -> None:
        if event.family != FAMILY:
            return
        if event.target == "reply":
            self._extra.update(event.fields)
            return
        choice = self._choice(event.choice)
        (choice.extra if event.target == "choice" else choice.turn_extra).update(event.fields)

    def _on_choice_end(self, event: ir.ChoiceEnd, out: list[bytes]) -> None:
        self._choice(event.choice).finish = event.finish

    def _on_usage(self, event: ir.UsageUpdate, out: list[bytes]) -> None:
        self._usage = event.usage

    def _on_failure(self, event: ir.StreamFailure, out: list[bytes]) -> None:
        self._done = True
        out.append(failure.write_stream_error(event.error))

    def _on_end(self, event: ir.ReplyEnd, out: list[bytes]) -> None:
        self._done = True
        candidates = [
            self._last(choice)
            for choice in self._choices.values()
            if not (choice.empty and blocks_prompt(choice.finish, self._extra))
        ]
        document: dict[str, Any] = {"candidates": candidates} if candidates else {}
        if self._usage is not None:
            document["usageMetadata"] = write_usage(self._usage)
        out.append(b"data: " + _ENCODE({**document, **self._top, **self._extra}) + _END)

    # --- what they share -----------------------------------------------------------------------------

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index)
        return choice

    def _prefix(self, index: int, opening: bytes) -> bytes:
        head = b'data: {"candidates":[{"index":%d,"content":{"role":"model","parts":[{' % index
        return head + opening + b'"text":'

    def _sound(self, choice: _Choice, event: ir.BlockDelta, out: list[bytes]) -> None:
        """A piece of sound can be played as it comes."""
        block = choice.held.get(event.index)
        if not isinstance(block, ir.Audio):
            return
        media_type = block.source.media_type if block.source is not None else None
        source = ir.Source("data", event.text, media_type)
        piece = ir.Audio(source, format=block.format)
        choice.sounded = True
        self._part(choice, write_block(piece, self._frame, event.index), out)

    def _part(self, choice: _Choice, part: dict[str, Any] | None, out: list[bytes]) -> None:
        if part is not None:
            self._put([{"index": choice.index, "content": {"role": "model", "parts": [part]}}], out)

    def _put(self, candidates: list[dict[str, Any]], out: list[bytes]) -> None:
        out.append(b'data: {"candidates":' + _ENCODE(candidates) + self._tail)

    def _last(self, choice: _Choice) -> dict[str, Any]:
        node: dict[str, Any] = {"index": choice.index, "content": {"role": "model", **choice.turn_extra}}
        reason = write_finish(choice.finish)
        if reason is not None:
            node["finishReason"] = reason
        if choice.citations and "groundingMetadata" not in choice.extra:
            texts = [("".join(pieces), choice.citations.get(at, ())) for at, pieces in choice.texts.items()]
            found = grounding.metadata(texts)
            if found is not None:
                node["groundingMetadata"] = found
        return {**node, **choice.extra}


def _opening(block: ir.Block) -> bytes | None:
    """What stands before the text of a block that can go out in pieces, None for others."""
    match block:
        case ir.Text():
            return None if block.signature or own(block.extra) else b""
        case ir.Refusal():
            return b""
        case ir.Thinking():
            held = block.family == FAMILY or block.redacted is not None or own(block.extra)
            return None if held else b'"thought":true,'
        case _:
            return None


_HANDLERS: Final[dict[type, Callable[..., None]]] = {
    ir.ReplyStart: StreamWriter._on_start,
    ir.BlockStart: StreamWriter._on_block_start,
    ir.BlockDelta: StreamWriter._on_delta,
    ir.CitationDelta: StreamWriter._on_citation,
    ir.BlockStop: StreamWriter._on_stop,
    ir.LogprobsDelta: StreamWriter._on_logprobs,
    ir.ExtraDelta: StreamWriter._on_extra,
    ir.ChoiceEnd: StreamWriter._on_choice_end,
    ir.UsageUpdate: StreamWriter._on_usage,
    ir.StreamFailure: StreamWriter._on_failure,
    ir.ReplyEnd: StreamWriter._on_end,
}
