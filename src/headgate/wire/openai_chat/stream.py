"""Chat streams: chunks → events and back. https://platform.openai.com/docs/api-reference/chat-streaming

The format has no block boundaries: a block starts where the kind of delta changes, and ends where another
starts or the choice is finished.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from headgate.errors import APIConnectionError, APIResponseValidationError, HeadgateError
from headgate.wire import failures, ir
from headgate.wire.dialect import Frame
from headgate.wire.openai_chat.blocks import read_audio, read_citation, write_call, write_citation
from headgate.wire.openai_chat.fields import (
    ANTHROPIC,
    FAMILY,
    extra_of,
    own,
    read_finish,
    read_logprobs,
    read_url,
    read_usage,
    write_finish,
    write_logprobs,
    write_url,
    write_usage,
)
from headgate.wire.openai_chat.reply import error_document
from headgate.wire.sse import Decoder, encode

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


class StreamWriter:
    """See dialect.StreamWriter. The text of a delta is the only thing that is encoded for it."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._usage: ir.Usage | None = None
        self._head = b""
        self._roles: set[int] = set()
        self._tools: dict[tuple[int, int], int] = {}
        self._counts: dict[int, int] = {}
        self._blocks: dict[tuple[int, int], ir.Block] = {}
        self._lengths: dict[int, int] = {}

    def write(self, events: Iterable[ir.Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            kind = type(event)
            if kind is ir.BlockDelta:
                self._delta(event, out)  # type: ignore[arg-type]
            elif kind is ir.BlockStart:
                self._block(event, out)  # type: ignore[arg-type]
            else:
                self._other(event, out)
        return b"".join(out)

    def _other(self, event: ir.Event, out: list[bytes]) -> None:
        match event:
            case ir.ReplyStart():
                self._start(event)
            case ir.CitationDelta():
                written = write_citation(event.citation, 0)
                self._chunk(event.choice, {"annotations": [written]}, out)
            case ir.LogprobsDelta():
                self._chunk(event.choice, {}, out, logprobs=write_logprobs(event.tokens))
            case ir.ExtraDelta() if event.family == FAMILY and event.target == "turn":
                self._chunk(event.choice, event.fields, out)
            case ir.ChoiceEnd():
                self._ensure(event.choice, out)
                self._chunk(event.choice, {}, out, finish=write_finish(event.finish))
            case ir.UsageUpdate():
                self._usage = event.usage
            case ir.StreamFailure():
                out.append(write_stream_error(event.error))
            case ir.Keepalive():
                out.append(b": keep-alive\n\n")
            case ir.ReplyEnd():
                self._end(out)
            case _:
                pass

    def _start(self, event: ir.ReplyStart) -> None:
        frame = self._frame
        head: dict[str, Any] = {
            "id": event.id or frame.id,
            "object": "chat.completion.chunk",
            "created": frame.created if event.created is None else event.created,
            "model": event.model or frame.model,
        }
        head.update(
            {key: value for key, value in own(event).items() if key not in ("object", "service_tier")}
        )
        self._head = b"data: " + _encode(head)[:-1] + b',"choices":['

    def _delta(self, event: ir.BlockDelta, out: list[bytes]) -> None:
        choice = event.choice
        if event.kind == "text":
            self._ensure(choice, out)
            out.append(
                b'%b{"index":%d,"delta":{"content":%b},"finish_reason":null}]}\n\n'
                % (self._head, choice, _encode(event.text))
            )
        elif event.kind == "arguments":
            self._arguments(event, out)
        else:
            self._rare(event, out)

    def _arguments(self, event: ir.BlockDelta, out: list[bytes]) -> None:
        choice = event.choice
        block = self._blocks.get((choice, event.index))
        if isinstance(block, ir.ToolCall) and block.kind == "legacy":
            self._chunk(choice, {"function_call": {"arguments": event.text}}, out)
            return
        at = self._tools.get((choice, event.index), 0)
        if isinstance(block, ir.ToolCall) and block.kind == "custom":
            self._chunk(choice, {"tool_calls": [{"index": at, "custom": {"input": event.text}}]}, out)
            return
        out.append(
            b'%b{"index":%d,"delta":{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]},'
            b'"finish_reason":null}]}\n\n' % (self._head, choice, at, _encode(event.text))
        )

    def _rare(self, event: ir.BlockDelta, out: list[bytes]) -> None:
        block = self._blocks.get((event.choice, event.index))
        delta: dict[str, Any] = {}
        if event.kind == "thinking":
            key = own(block).get("key") if isinstance(block, ir.Thinking) else None
            delta = {key if key == "reasoning" else "reasoning_content": event.text}
        elif (
            event.kind == "signature" and isinstance(block, ir.Thinking) and block.family in (ANTHROPIC, None)
        ):
            row = {"type": "thinking", "thinking": "", "signature": event.text}
            delta = {"thinking_blocks": [row]}
        elif event.kind == "signature":
            delta = {"provider_specific_fields": {"thought_signatures": [event.text]}}
        elif event.kind == "refusal":
            delta = {"refusal": event.text}
        elif event.kind in ("audio", "transcript"):
            delta = {"audio": {"data" if event.kind == "audio" else "transcript": event.text}}
        if delta:
            self._chunk(event.choice, delta, out)

    def _block(self, event: ir.BlockStart, out: list[bytes]) -> None:
        block, choice = event.block, event.choice
        self._blocks[choice, event.index] = block
        delta: dict[str, Any] = {}
        match block:
            case ir.ToolCall() if block.kind == "legacy":
                delta = {"function_call": {"name": block.name, "arguments": block.arguments}}
            case ir.ToolCall():
                at = self._counts.get(choice, 0)
                self._counts[choice] = at + 1
                self._tools[choice, event.index] = at
                delta = {"tool_calls": [{"index": at, **write_call(block)}]}
            case ir.Text() if block.text or block.signature:
                delta = {"content": block.text}
                if block.signature:
                    delta["provider_specific_fields"] = {"thought_signatures": [block.signature]}
            case ir.Thinking() if block.redacted is not None:
                row = {"type": "redacted_thinking", "data": block.redacted}
                delta = {"thinking_blocks": [row]}
            case ir.Image():
                url = {"url": write_url(block.source, "image/png")}
                image = own(block).get("image") or {"type": "image_url", "image_url": url}
                delta = {"images": [image]}
            case ir.Audio():
                delta = {"audio": _audio(block)}
            case ir.Opaque():
                if block.family != FAMILY:
                    rows = [{"family": block.family, "value": block.value}]
                    delta = {"provider_specific_fields": {"_blocks": rows}}
            case _:
                pass
        if delta:
            self._chunk(choice, delta, out)

    def _ensure(self, choice: int, out: list[bytes]) -> None:
        """The first delta of a choice carries the role."""
        if choice not in self._roles:
            if not self._head:
                self._start(ir.ReplyStart())
            self._roles.add(choice)
            self._emit(choice, {"role": "assistant", "content": ""}, None, None, out)

    def _chunk(
        self,
        choice: int,
        delta: dict[str, Any],
        out: list[bytes],
        *,
        finish: str | None = None,
        logprobs: dict[str, Any] | None = None,
    ) -> None:
        if choice not in self._roles:
            if not self._head:
                self._start(ir.ReplyStart())
            self._roles.add(choice)
            delta = {"role": "assistant", **({} if "content" in delta else {"content": None}), **delta}
        self._emit(choice, delta, finish, logprobs, out)

    def _emit(
        self, choice: int, delta: dict[str, Any], finish: str | None, logprobs: dict[str, Any] | None,
        out: list[bytes],
    ) -> None:  # fmt: skip
        row: dict[str, Any] = {"index": choice, "delta": delta, "finish_reason": finish}
        if logprobs is not None:
            row["logprobs"] = logprobs
        out.append(b"%b%b]}\n\n" % (self._head, _encode(row)))

    def _end(self, out: list[bytes]) -> None:
        if not self._head:
            self._start(ir.ReplyStart())
        if self._frame.stream_usage and self._usage is not None:
            out.append(b'%b],"usage":%b}\n\n' % (self._head, _encode(write_usage(self._usage))))
        out.append(b"data: [DONE]\n\n")


def _audio(block: ir.Audio) -> dict[str, Any]:
    fields = {"id": block.id, "expires_at": block.expires_at, "transcript": block.transcript}
    fields["data"] = block.source.value if block.source else None
    return {key: value for key, value in fields.items() if value is not None}


def write_stream_error(error: HeadgateError) -> bytes:
    return encode(_encode(error_document(error)))
