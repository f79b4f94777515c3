"""Chat streams, read: chunks → events. https://platform.openai.com/docs/api-reference/chat-streaming

The format has no block boundaries: a block starts where the kind of delta changes, and ends where another
starts or the choice is finished.
"""

from typing import Any, Final

import msgspec

from headgate.errors import APIConnectionError, APIResponseValidationError, HeadgateError
from headgate.wire import failures, ir
from headgate.wire.openai_chat.blocks import read_audio, read_citation
from headgate.wire.openai_chat.fields import (
    ANTHROPIC,
    FAMILY,
    extra_of,
    read_finish,
    read_logprobs,
    read_url,
    read_usage,
)
from headgate.wire.sse import Decoder

_decode: Final = msgspec.json.decode
_encode: Final = msgspec.json.encode
_TOP: Final = frozenset(("id", "object", "created", "model", "choices", "usage", "x_groq", "error"))
_DELTA: Final = frozenset(
    (
        "role", "content", "reasoning_content", "reasoning", "tool_calls", "function_call", "refusal",
        "audio", "images", "annotations", "thinking_blocks",
    )
)  # fmt: skip
_CHOICE: Final = frozenset(("index", "delta", "message", "finish_reason", "logprobs", "usage"))
_HEAD_LIMIT: Final = 64 * 1024


class _ChoiceState:
    __slots__ = ("called", "count", "finished", "kind", "open", "tools")

    def __init__(self) -> None:
        self.count = 0
        self.kind = ""
        self.open = -1
        self.tools: dict[int, int] = {}
        self.called = False
        self.finished = False


class StreamReader:
    """See dialect.StreamReader."""

    def __init__(self, echo: ir.Echo | None = None) -> None:
        self._sse = Decoder()
        self._names = echo.tool_names if echo is not None else {}
        self._choices: dict[int, _ChoiceState] = {}
        self._started = False
        self._over = False
        self._raw = b""
        self._known: dict[str, Any] = {}

    def feed(self, data: bytes) -> list[ir.Event]:
        if not self._started and len(self._raw) < _HEAD_LIMIT:
            self._raw += data
        return self._read(self._sse.feed(data))

    def close(self) -> list[ir.Event]:
        events = self._read(self._sse.close())
        if self._over:
            return events
        self._over = True
        if not self._started and self._raw.lstrip().startswith((b"{", b"[")):
            events.append(ir.StreamFailure(failures.read_error(500, {}, self._raw)))
        elif any(choice.finished for choice in self._choices.values()):
            events.append(ir.ReplyEnd())
        else:
            message = "the upstream ended the stream before the answer was complete"
            events.append(ir.StreamFailure(APIConnectionError(message)))
        return events

    def _read(self, rows: list[tuple[str, bytes]]) -> list[ir.Event]:
        events: list[ir.Event] = []
        for _, data in rows:
            if self._over:
                break
            if data.strip() == b"[DONE]":
                self._over = True
                for index, choice in self._choices.items():
                    self._stop(index, choice, events)
                events.append(ir.ReplyEnd())
            elif data.strip():
                self._chunk(data, events)
        return events

    def _chunk(self, data: bytes, events: list[ir.Event]) -> None:
        try:
            chunk = _decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            chunk = None
        if not isinstance(chunk, dict):
            shown = data[:80].decode("utf-8", "replace")
            self._fail(
                APIResponseValidationError(f"a chunk of the stream is no JSON object: {shown!r}"), events
            )
            return
        if chunk.get("error"):
            self._fail(failures.read_document(chunk), events)
            return
        if not self._started:
            self._start(chunk, events)
        self._extras(chunk, events)
        choices = chunk.get("choices")
        usage = chunk.get("usage")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                usage = usage or choice.get("usage")
                self._choice(choice, events)
        groq = chunk.get("x_groq")
        if usage is None and isinstance(groq, dict):
            usage = groq.get("usage")
        if (known := read_usage(usage)) is not None:
            events.append(ir.UsageUpdate(known))

    def _start(self, chunk: dict[str, Any], events: list[ir.Event]) -> None:
        self._started = True
        self._raw = b""
        reply_id, model, created = chunk.get("id"), chunk.get("model"), chunk.get("created")
        events.append(
            ir.ReplyStart(
                id=reply_id if isinstance(reply_id, str) and reply_id else None,
                model=model if isinstance(model, str) and model else None,
                created=int(created) if isinstance(created, int | float) else None,
            )
        )

    def _extras(self, chunk: dict[str, Any], events: list[ir.Event]) -> None:
        """Fields of the reply that are new: most providers repeat them in every chunk."""
        if chunk.keys() <= _TOP:
            return
        new = {
            key: value
            for key, value in chunk.items()
            if key not in _TOP and value is not None and self._known.get(key) != value
        }
        if new:
            self._known.update(new)
            events.append(ir.ExtraDelta("reply", 0, FAMILY, new))

    def _choice(self, raw: dict[str, Any], events: list[ir.Event]) -> None:
        index = raw.get("index")
        index = index if isinstance(index, int) else 0
        state = self._choices.get(index)
        if state is None:
            state = self._choices[index] = _ChoiceState()
        delta = raw.get("delta")
        if isinstance(delta, dict):
            self._delta(index, state, delta, events)
        if (tokens := read_logprobs(raw.get("logprobs"))) is not None:
            events.append(ir.LogprobsDelta(index, tokens))
        if not raw.keys() <= _CHOICE:
            rest = {key: value for key, value in raw.items() if key not in _CHOICE and value is not None}
            if rest:
                events.append(ir.ExtraDelta("choice", index, FAMILY, rest))
        finish = read_finish(raw.get("finish_reason"), state.called)
        if finish is not None and not state.finished:
            self._stop(index, state, events)
            state.finished = True
            events.append(ir.ChoiceEnd(index, finish))

    def _delta(self, index: int, state: _ChoiceState, delta: dict[str, Any], events: list[ir.Event]) -> None:
        for name in ("reasoning_content", "reasoning"):
            text = delta.get(name)
            if isinstance(text, str) and text:
                self._text(index, state, "thinking", text, events, name)
                break
        if rows := delta.get("thinking_blocks"):
            self._signed(index, state, rows, events)
        content = delta.get("content")
        if isinstance(content, str):
            if content:
                self._text(index, state, "text", content, events)
        elif isinstance(content, list):
            self._parts(index, state, content, events)
        if isinstance(delta.get("refusal"), str) and delta["refusal"]:
            self._text(index, state, "refusal", delta["refusal"], events)
        if calls := delta.get("tool_calls"):
            for call in calls if isinstance(calls, list) else ():
                if isinstance(call, dict):
                    self._call(index, state, call, events)
        legacy = delta.get("function_call")
        if isinstance(legacy, dict):
            self._call(index, state, {"index": -1, "function": legacy}, events, "legacy")
        if not delta.keys() <= _DELTA or "annotations" in delta or "audio" in delta or "images" in delta:
            self._rest(index, state, delta, events)

    def _text(
        self,
        index: int,
        state: _ChoiceState,
        kind: ir.DeltaKind,
        text: str,
        events: list[ir.Event],
        key: str = "",
    ) -> None:
        if state.kind != kind:
            block: ir.Block = ir.Text(text="")
            if kind == "thinking":
                block = ir.Thinking(extra=extra_of({"key": key}))
            elif kind == "refusal":
                block = ir.Refusal(text="")
            self._open(index, state, kind, block, events)
        events.append(ir.BlockDelta(index, state.open, kind, text))

    def _open(
        self, index: int, state: _ChoiceState, kind: str, block: ir.Block, events: list[ir.Event]
    ) -> None:
        self._stop(index, state, events)
        state.kind, state.open = kind, state.count
        state.count += 1
        events.append(ir.BlockStart(index, state.open, block))

    def _stop(self, index: int, state: _ChoiceState, events: list[ir.Event]) -> None:
        if state.kind:
            events.append(ir.BlockStop(index, state.open))
            state.kind = ""

    def _signed(self, index: int, state: _ChoiceState, rows: Any, events: list[ir.Event]) -> None:
        for row in rows if isinstance(rows, list) else ():
            if not isinstance(row, dict):
                continue
            if isinstance(row.get("data"), str):
                block = ir.Thinking(redacted=row["data"], family=ANTHROPIC)
                self._open(index, state, "redacted", block, events)
                self._stop(index, state, events)
            elif isinstance(row.get("signature"), str):
                if state.kind != "thinking":
                    block = ir.Thinking(family=ANTHROPIC)
                    self._open(index, state, "thinking", block, events)
                events.append(ir.BlockDelta(index, state.open, "signature", row["signature"]))
                self._stop(index, state, events)

    def _parts(self, index: int, state: _ChoiceState, parts: list[Any], events: list[ir.Event]) -> None:
        """Mistral's content lists."""
        for part in parts:
            if not isinstance(part, dict):
                continue
            if part.get("type") == "thinking":
                inner = part.get("thinking")
                texts = (
                    [inner]
                    if isinstance(inner, str)
                    else [one.get("text") for one in inner if isinstance(one, dict)]
                    if isinstance(inner, list)
                    else []
                )
                for text in texts:
                    if isinstance(text, str) and text:
                        self._text(index, state, "thinking", text, events, "reasoning_content")
            elif isinstance(part.get("text"), str) and part["text"]:
                self._text(index, state, "text", part["text"], events)

    def _call(
        self,
        index: int,
        state: _ChoiceState,
        call: dict[str, Any],
        events: list[ir.Event],
        kind: str = "function",
    ) -> None:
        function = call.get("function")
        custom = call.get("custom")
        if isinstance(custom, dict):
            kind, function = "custom", {"name": custom.get("name"), "arguments": custom.get("input")}
        function = function if isinstance(function, dict) else {}
        place = call.get("index")
        place = place if isinstance(place, int) else len(state.tools) - (0 if call.get("id") else 1)
        at = state.tools.get(place)
        name, call_id = function.get("name"), call.get("id")
        if (
            at is not None
            and isinstance(call_id, str)
            and call_id
            and name
            and self._is_other(state, at, call_id)
        ):
            at = None  # servers that give every call the index 0
        if at is None:
            state.called = True
            block = ir.ToolCall(
                id=call_id if isinstance(call_id, str) else "",
                name=self._names.get(name, name) if isinstance(name, str) else "",
                kind="legacy" if kind == "legacy" else "custom" if kind == "custom" else "function",
                signature=_signature(call),
            )
            self._open(index, state, f"tool {place} {call_id}", block, events)
            at = state.tools[place] = state.open
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = _encode(arguments).decode()
        if arguments:
            events.append(ir.BlockDelta(index, at, "arguments", arguments))

    def _is_other(self, state: _ChoiceState, at: int, call_id: str) -> bool:
        return state.open == at and state.kind.startswith("tool ") and not state.kind.endswith(f" {call_id}")

    def _rest(self, index: int, state: _ChoiceState, delta: dict[str, Any], events: list[ir.Event]) -> None:
        annotations = delta.get("annotations")
        for row in annotations if isinstance(annotations, list) else ():
            if isinstance(row, dict) and isinstance(row.get("url_citation"), dict):
                if state.kind != "text":
                    self._open(index, state, "text", ir.Text(text=""), events)
                events.append(ir.CitationDelta(index, state.open, read_citation(row)))
        audio = delta.get("audio")
        if isinstance(audio, dict):
            self._audio(index, state, audio, events)
        images = delta.get("images")
        for row in images if isinstance(images, list) else ():
            inner = row.get("image_url") if isinstance(row, dict) else None
            if isinstance(inner, dict) and isinstance(inner.get("url"), str):
                image = ir.Image(source=read_url(inner["url"]), extra=extra_of({"image": row}))
                self._open(index, state, "image", image, events)
                self._stop(index, state, events)
        rest = {key: value for key, value in delta.items() if key not in _DELTA and value is not None}
        if rest:
            events.append(ir.ExtraDelta("turn", index, FAMILY, rest))

    def _audio(self, index: int, state: _ChoiceState, audio: dict[str, Any], events: list[ir.Event]) -> None:
        if state.kind != "audio":
            block = read_audio({key: audio[key] for key in ("id", "expires_at") if key in audio})
            block.extra = None
            self._open(index, state, "audio", block, events)
        if isinstance(audio.get("data"), str):
            events.append(ir.BlockDelta(index, state.open, "audio", audio["data"]))
        if isinstance(audio.get("transcript"), str):
            events.append(ir.BlockDelta(index, state.open, "transcript", audio["transcript"]))

    def _fail(self, error: HeadgateError, events: list[ir.Event]) -> None:
        self._over = True
        events.append(ir.StreamFailure(error))


def _signature(call: dict[str, Any]) -> str | None:
    vendor = call.get("provider_specific_fields")
    found = vendor.get("thought_signature") if isinstance(vendor, dict) else None
    return found if isinstance(found, str) else None
