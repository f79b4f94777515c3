"""Chat streams, written: events → chunks. https://platform.openai.com/docs/api-reference/chat-streaming

The text of a delta is the only thing that is encoded for it.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from headgate.errors import HeadgateError
from headgate.wire import ir
from headgate.wire.dialect import Frame
from headgate.wire.openai_chat.blocks import SET_ASIDE
from headgate.wire.openai_chat.blocks_write import write_call, write_citation
from headgate.wire.openai_chat.fields import (
    ANTHROPIC,
    FAMILY,
    own,
    write_finish,
    write_logprobs,
    write_url,
    write_usage,
)
from headgate.wire.openai_chat.reply import error_document
from headgate.wire.sse import encode

_encode: Final = msgspec.json.encode


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
                    delta = {"provider_specific_fields": {SET_ASIDE: rows}}
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
