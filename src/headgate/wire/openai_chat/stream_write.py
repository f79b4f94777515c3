"""Events → a chat stream, as OpenAI and LiteLLM send it.

Each choice begins with its role, then come the deltas, then a chunk with the finish reason and nothing else;
the usage has a chunk of its own, for clients that asked for it; `[DONE]` ends a complete answer. For a delta
of text only the text is encoded: the rest of its chunk is made once.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from headgate.wire import ir, sse
from headgate.wire.dialect import Frame
from headgate.wire.openai_chat.assistant import opaque_field, write_audio
from headgate.wire.openai_chat.calls import FIELDS, SIGNATURE, write_call
from headgate.wire.openai_chat.citations import show_citation, write_citation
from headgate.wire.openai_chat.failure import write_stream_error
from headgate.wire.openai_chat.fields import finish_fields, write_finish, write_logprobs, write_usage
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.parts import PLACE, THINKER, own, write_part
from headgate.wire.openai_chat.reply import foreign
from headgate.wire.openai_chat.thoughts import SEALER, THOUGHTS, reasoning_item, thinking_block
from headgate.wire.shape import ABSENT

_ENCODE: Final = msgspec.json.Encoder().encode
_DONE: Final = b"data: [DONE]\n\n"
_KEEPALIVE: Final = b": keep-alive\n\n"
_EVERY: Final = ("system_fingerprint",)
"""Extra fields that stand in every chunk; the others stand in the next."""

_OURS: Final = {
    "reply": frozenset({"id", "object", "created", "model", "choices", "usage"}),
    "turn": frozenset({"role", "content"}),
    "choice": frozenset({"index", "delta", "message", "finish_reason"}),
}
"""Target of extra fields → those that a whole answer spelled oddly or left out, and a chunk has of its own."""


class _Choice(Struct):
    """`prefix` is a chunk up to the text of its delta; `calls` counts them; `length`: of the content."""

    index: int
    prefix: bytes
    calls: int = 0
    length: int = 0
    extra: dict[str, Any] = {}


class _Block(Struct):
    """`thought` are the words of a thought that is to be sealed."""

    block: ir.Block
    call: int = 0
    empty: bool = True
    start: int = 0
    thought: str = ""


class StreamWriter:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._choices: dict[int, _Choice] = {}
        self._blocks: dict[tuple[int, int], _Block] = {}
        self._usage: ir.Usage | None = None
        self._top: dict[str, Any] = {}
        self._next: dict[str, Any] = {}
        self._head: dict[str, Any] | None = None
        self._over = False

    def write(self, events: Iterable[ir.Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            handler = _HANDLERS.get(type(event))
            if handler is not None and not self._over:
                handler(self, event, out)
        return b"".join(out)

    # --- chunks --------------------------------------------------------------------------------------

    def _begin(self) -> dict[str, Any]:
        if self._head is None:
            self._on_start(ir.ReplyStart(), [])
        assert self._head is not None
        return self._head

    def _chunk(self, choices: list[dict[str, Any]], out: list[bytes], **tops: Any) -> None:
        chunk = {**self._begin(), **self._next, "choices": choices, **tops}
        self._next = {}
        out.append(sse.encode(_ENCODE(chunk)))

    def _choice(self, index: int, out: list[bytes]) -> _Choice:
        """The choice, its role told."""
        choice = self._choices.get(index)
        if choice is None:
            opening = _ENCODE(self._begin())[:-1]
            prefix = b'data: %b,"choices":[{"index":%d,"delta":{"content":' % (opening, index)
            choice = self._choices[index] = _Choice(index, prefix, extra={})
            self._delta(choice, {"role": "assistant", "content": ""}, out)
        return choice

    def _delta(self, choice: _Choice, delta: dict[str, Any], out: list[bytes], **more: Any) -> None:
        self._chunk([{"index": choice.index, "delta": delta, "finish_reason": None, **more}], out)

    def _say(self, choice: _Choice, text: str, out: list[bytes]) -> None:
        choice.length += len(text)
        if self._next:
            self._delta(choice, {"content": text}, out)
        else:
            out.append(b'%b%b},"finish_reason":null}]}\n\n' % (choice.prefix, _ENCODE(text)))

    # --- events --------------------------------------------------------------------------------------

    def _on_start(self, event: ir.ReplyStart, out: list[bytes]) -> None:
        frame = self._frame
        kept = _told("reply", own(event.extra))
        self._head = {
            "id": event.id or frame.id,
            "object": "chat.completion.chunk",
            "created": event.created or frame.created,
            "model": event.model or frame.model,
            **{key: kept[key] for key in _EVERY if key in kept},
        }
        self._next = {key: value for key, value in kept.items() if key not in _EVERY}
        if told := foreign(event.extra):
            self._next[FIELDS] = told

    def _on_delta(self, event: ir.BlockDelta, out: list[bytes]) -> None:
        choice = self._choices.get(event.choice)
        if event.kind == "text" and choice is not None:
            self._say(choice, event.text, out)
            return
        choice = choice or self._choice(event.choice, out)
        row = self._blocks.get((event.choice, event.index))
        if row is not None:
            row.empty = False
            _DELTAS[event.kind](self, choice, row, event.text, out)

    def _on_block(self, event: ir.BlockStart, out: list[bytes]) -> None:
        choice = self._choice(event.choice, out)
        row = self._blocks[event.choice, event.index] = _Block(event.block, start=choice.length)
        starter = _STARTS.get(type(event.block))
        if starter is not None:
            starter(self, choice, row, event.block, out)

    def _on_stop(self, event: ir.BlockStop, out: list[bytes]) -> None:
        """A call without arguments gets the empty object, which every client can parse."""
        row = self._blocks.pop((event.choice, event.index), None)
        if (
            row is not None
            and row.empty
            and isinstance(row.block, ir.ToolCall)
            and row.block.kind != "custom"
        ):
            self._arguments(self._choice(event.choice, out), row, "{}", out)

    def _on_citation(self, event: ir.CitationDelta, out: list[bytes]) -> None:
        choice = self._choice(event.choice, out)
        row = self._blocks.get((event.choice, event.index))
        start = row.start if row is not None else 0
        citation = event.citation
        if citation.url is None:
            self._delta(choice, {FIELDS: {"citation": show_citation(citation)}}, out)
        else:
            written = write_citation(citation, start, choice.length - start)
            self._delta(choice, {"annotations": [written]}, out)

    def _on_logprobs(self, event: ir.LogprobsDelta, out: list[bytes]) -> None:
        choice = self._choice(event.choice, out)
        self._delta(choice, {}, out, logprobs=write_logprobs(event.tokens))

    def _on_extra(self, event: ir.ExtraDelta, out: list[bytes]) -> None:
        """A turn's fields are a delta of their own; a choice's wait for its end, a reply's for a chunk."""
        fields = event.fields
        if event.family != FAMILY:
            told = foreign({event.family: fields}) if event.target == "reply" else {}
            fields = {FIELDS: told} if told else {}
        else:
            fields = _told(event.target, fields)
        if not fields:
            return
        if event.target == "reply":
            self._begin()
            self._next.update(fields)
        elif event.target == "turn":
            self._delta(self._choice(event.choice, out), fields, out)
        else:
            self._choice(event.choice, out).extra.update(fields)

    def _on_finish(self, event: ir.ChoiceEnd, out: list[bytes]) -> None:
        choice = self._choice(event.choice, out)
        node = {
            "index": choice.index,
            "delta": {},
            "finish_reason": write_finish(event.finish),
            **choice.extra,
        }
        if fields := finish_fields(event.finish):
            node[FIELDS] = fields
        self._chunk([node], out)

    def _on_usage(self, event: ir.UsageUpdate, out: list[bytes]) -> None:
        self._usage = event.usage

    def _on_keepalive(self, event: ir.Keepalive, out: list[bytes]) -> None:
        out.append(_KEEPALIVE)

    def _on_failure(self, event: ir.StreamFailure, out: list[bytes]) -> None:
        self._over = True
        out.append(write_stream_error(event.error))

    def _on_end(self, event: ir.ReplyEnd, out: list[bytes]) -> None:
        self._over = True
        usage = self._usage
        if usage is not None and self._frame.stream_usage:
            tier = {} if usage.service_tier is None else {"service_tier": usage.service_tier}
            self._chunk([], out, usage=write_usage(usage), **tier)
        elif self._next:
            self._chunk([], out)
        out.append(_DONE)

    # --- how blocks begin ----------------------------------------------------------------------------

    def _start_text(self, choice: _Choice, row: _Block, block: ir.Text, out: list[bytes]) -> None:
        if block.signature is not None:
            self._delta(choice, {FIELDS: {"thought_signatures": [block.signature]}}, out)
        if block.text:
            self._say(choice, block.text, out)

    def _start_thinking(self, choice: _Choice, row: _Block, block: ir.Thinking, out: list[bytes]) -> None:
        if block.redacted is not None:
            self._delta(choice, {"thinking_blocks": [thinking_block(block)]}, out)
        elif block.text:
            self._think(choice, row, block.text, out)
        if block.signature is not None and block.redacted is None:
            self._sign(choice, row, block.signature, out)

    def _start_refusal(self, choice: _Choice, row: _Block, block: ir.Refusal, out: list[bytes]) -> None:
        if block.text:
            self._refuse(choice, row, block.text, out)

    def _start_call(self, choice: _Choice, row: _Block, block: ir.ToolCall, out: list[bytes]) -> None:
        row.empty = not block.arguments
        if block.kind == "legacy":
            self._delta(choice, {"function_call": {"name": block.name, "arguments": block.arguments}}, out)
            return
        row.call, choice.calls = choice.calls, choice.calls + 1
        node = write_call(block, answer=True)
        if not block.arguments and block.kind == "function":
            node["function"]["arguments"] = ""
        self._delta(choice, {"tool_calls": [{"index": row.call, **node, "type": block.kind}]}, out)

    def _start_image(self, choice: _Choice, row: _Block, block: ir.Image, out: list[bytes]) -> None:
        if (part := write_part(block)) is not None:
            self._delta(choice, {"images": [part]}, out)

    def _start_audio(self, choice: _Choice, row: _Block, block: ir.Audio, out: list[bytes]) -> None:
        self._delta(choice, {"audio": write_audio(block)}, out)

    def _start_file(self, choice: _Choice, row: _Block, block: ir.File, out: list[bytes]) -> None:
        if (part := write_part(block)) is not None:
            self._delta(choice, {FIELDS: {"files": [part]}}, out)

    def _start_opaque(self, choice: _Choice, row: _Block, block: ir.Opaque, out: list[bytes]) -> None:
        if block.family != FAMILY:
            self._delta(choice, {FIELDS: {"opaque": [opaque_field(block, choice.length)]}}, out)
        else:
            self._delta(choice, {"content": [block.value]}, out)

    # --- how they go on ------------------------------------------------------------------------------

    def _text(self, choice: _Choice, row: _Block, text: str, out: list[bytes]) -> None:
        self._say(choice, text, out)

    def _think(self, choice: _Choice, row: _Block, text: str, out: list[bytes]) -> None:
        block = row.block
        place = own(block.extra).get(PLACE) if isinstance(block, ir.Thinking) else None
        delta: dict[str, Any] = {THOUGHTS[1] if place == THOUGHTS[1] else THOUGHTS[0]: text}
        if isinstance(block, ir.Thinking) and block.family == THINKER:
            delta["thinking_blocks"] = [{"type": "thinking", "thinking": text, "signature": ""}]
        elif isinstance(block, ir.Thinking) and block.family == SEALER:
            row.thought += text
        self._delta(choice, delta, out)

    def _sign(self, choice: _Choice, row: _Block, text: str, out: list[bytes]) -> None:
        block = row.block
        if isinstance(block, ir.Thinking) and block.family == THINKER:
            node = {"type": "thinking", "thinking": "", "signature": text}
            self._delta(choice, {"reasoning_content": "", "thinking_blocks": [node]}, out)
        elif isinstance(block, ir.Thinking) and block.family == SEALER:
            whole = msgspec.structs.replace(block, text=row.thought, signature=text)
            self._delta(choice, {"reasoning_items": [reasoning_item(whole)]}, out)
        elif isinstance(block, ir.ToolCall):
            call = {"index": row.call, FIELDS: {SIGNATURE: text}}
            self._delta(choice, {"tool_calls": [call]}, out)
        else:
            self._delta(choice, {FIELDS: {"thought_signatures": [text]}}, out)

    def _refuse(self, choice: _Choice, row: _Block, text: str, out: list[bytes]) -> None:
        self._delta(choice, {"refusal": text}, out)

    def _arguments(self, choice: _Choice, row: _Block, text: str, out: list[bytes]) -> None:
        kind = row.block.kind if isinstance(row.block, ir.ToolCall) else "function"
        if kind == "legacy":
            delta: dict[str, Any] = {"function_call": {"arguments": text}}
        else:
            inner = {"custom": {"input": text}} if kind == "custom" else {"function": {"arguments": text}}
            delta = {"tool_calls": [{"index": row.call, **inner}]}
        self._delta(choice, delta, out)

    def _sound(self, choice: _Choice, row: _Block, text: str, out: list[bytes]) -> None:
        self._delta(choice, {"audio": {"data": text}}, out)

    def _spoken(self, choice: _Choice, row: _Block, text: str, out: list[bytes]) -> None:
        self._delta(choice, {"audio": {"transcript": text}}, out)

    def _sealed(self, choice: _Choice, row: _Block, text: str, out: list[bytes]) -> None:
        self._delta(choice, {"thinking_blocks": [{"type": "redacted_thinking", "data": text}]}, out)


def _told(target: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Without what only the whole answer's form says: a stream has that of its own."""
    ours = _OURS[target]
    return {key: value for key, value in fields.items() if value is not ABSENT and key not in ours}


_HANDLERS: Final[dict[type, Callable[[StreamWriter, Any, list[bytes]], None]]] = {
    ir.BlockDelta: StreamWriter._on_delta,
    ir.BlockStart: StreamWriter._on_block,
    ir.BlockStop: StreamWriter._on_stop,
    ir.ReplyStart: StreamWriter._on_start,
    ir.CitationDelta: StreamWriter._on_citation,
    ir.LogprobsDelta: StreamWriter._on_logprobs,
    ir.ExtraDelta: StreamWriter._on_extra,
    ir.ChoiceEnd: StreamWriter._on_finish,
    ir.UsageUpdate: StreamWriter._on_usage,
    ir.Keepalive: StreamWriter._on_keepalive,
    ir.StreamFailure: StreamWriter._on_failure,
    ir.ReplyEnd: StreamWriter._on_end,
}
_STARTS: Final[dict[type, Callable[[StreamWriter, _Choice, _Block, Any, list[bytes]], None]]] = {
    ir.Text: StreamWriter._start_text,
    ir.Thinking: StreamWriter._start_thinking,
    ir.Refusal: StreamWriter._start_refusal,
    ir.ToolCall: StreamWriter._start_call,
    ir.Image: StreamWriter._start_image,
    ir.Audio: StreamWriter._start_audio,
    ir.File: StreamWriter._start_file,
    ir.Opaque: StreamWriter._start_opaque,
}
_DELTAS: Final[dict[str, Callable[[StreamWriter, _Choice, _Block, str, list[bytes]], None]]] = {
    "text": StreamWriter._text,
    "thinking": StreamWriter._think,
    "signature": StreamWriter._sign,
    "refusal": StreamWriter._refuse,
    "arguments": StreamWriter._arguments,
    "audio": StreamWriter._sound,
    "transcript": StreamWriter._spoken,
    "redacted": StreamWriter._sealed,
}
