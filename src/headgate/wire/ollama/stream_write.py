"""Events → a stream of /api/chat for Ollama's clients: one JSON object for each line.

Texts go out piece by piece. Calls and pictures are held until their block stops, since the format can't cut
them. The last line comes with ReplyEnd: a stream without `done` was cut. The format has one choice.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from headgate.wire import ir
from headgate.wire.dialect import Frame
from headgate.wire.ollama.failure import write_stream_error
from headgate.wire.ollama.fields import FAMILY, own, write_call
from headgate.wire.ollama.reply import head, picture, write_finish, write_logprobs, write_usage

_ENCODE: Final = msgspec.json.Encoder().encode
_MORE: Final = b'},"done":false}\n'
_SAID: Final = {"text": b'"content":', "refusal": b'"content":', "thinking": b'"content":"","thinking":'}
_KEYS: Final[dict[type, str]] = {ir.Text: "text", ir.Refusal: "refusal", ir.Thinking: "thinking"}


class StreamWriter:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._top = head(None, None, frame)
        self._begin = b""
        self._held: dict[int, ir.Block] = {}
        self._pieces: dict[int, list[str]] = {}
        self._calls = 0
        self._message: dict[str, Any] = {}
        self._extra: dict[str, Any] = {}
        self._finish: ir.Finish | None = None
        self._usage: ir.Usage | None = None
        self._over = False
        self._set_begin()

    def write(self, events: Iterable[ir.Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            handler = _HANDLERS.get(type(event))
            if handler is not None and not self._over and not getattr(event, "choice", 0):
                handler(self, event, out)
        return b"".join(out)

    def _set_begin(self) -> None:
        self._begin = _ENCODE(self._top)[:-1] + b',"message":{"role":"assistant",'

    def _say(self, kind: str, text: str, out: list[bytes]) -> None:
        if text and kind in _SAID:
            out.append(self._begin + _SAID[kind] + _ENCODE(text) + _MORE)

    def _put(self, message: dict[str, Any], out: list[bytes]) -> None:
        out.append(self._begin + _ENCODE({"content": "", **message})[1:-1] + _MORE)

    # --- one method for each type of event -----------------------------------------------------------

    def _on_start(self, event: ir.ReplyStart, out: list[bytes]) -> None:
        self._top = head(event.model, event.created, self._frame)
        self._extra.update(own(event.extra))
        self._set_begin()

    def _on_block(self, event: ir.BlockStart, out: list[bytes]) -> None:
        block = event.block
        if isinstance(block, ir.ToolCall | ir.Image):
            self._held[event.index] = block
        elif isinstance(block, ir.Text | ir.Thinking | ir.Refusal):
            self._say(_KEYS[type(block)], block.text, out)

    def _on_delta(self, event: ir.BlockDelta, out: list[bytes]) -> None:
        if event.kind == "arguments":
            self._pieces.setdefault(event.index, []).append(event.text)
        else:
            self._say(event.kind, event.text, out)

    def _on_stop(self, event: ir.BlockStop, out: list[bytes]) -> None:
        block = self._held.pop(event.index, None)
        if isinstance(block, ir.ToolCall):
            arguments = block.arguments + "".join(self._pieces.pop(event.index, ()))
            call = msgspec.structs.replace(block, arguments=arguments)
            self._put({"tool_calls": [write_call(call, self._calls)]}, out)
            self._calls += 1
        elif block is not None and (data := picture(block)):
            self._put({"images": [data]}, out)

    def _on_logprobs(self, event: ir.LogprobsDelta, out: list[bytes]) -> None:
        line = {**self._top, "message": {"role": "assistant", "content": ""}, "done": False}
        out.append(_ENCODE({**line, "logprobs": write_logprobs(event.tokens)}) + b"\n")

    def _on_extra(self, event: ir.ExtraDelta, out: list[bytes]) -> None:
        if event.family == FAMILY and event.target != "choice":
            (self._extra if event.target == "reply" else self._message).update(event.fields)

    def _on_choice_end(self, event: ir.ChoiceEnd, out: list[bytes]) -> None:
        self._finish = event.finish

    def _on_usage(self, event: ir.UsageUpdate, out: list[bytes]) -> None:
        self._usage = event.usage

    def _on_failure(self, event: ir.StreamFailure, out: list[bytes]) -> None:
        self._over = True
        out.append(write_stream_error(event.error))

    def _on_end(self, event: ir.ReplyEnd, out: list[bytes]) -> None:
        self._over = True
        message = {"role": "assistant", "content": "", **self._message}
        last: dict[str, Any] = {**self._top, "message": message, "done": True}
        if self._finish is not None:
            last["done_reason"] = write_finish(self._finish)
        out.append(_ENCODE({**last, **self._extra, **write_usage(self._usage)}) + b"\n")


_HANDLERS: Final[dict[type, Callable[..., None]]] = {
    ir.ReplyStart: StreamWriter._on_start,
    ir.BlockStart: StreamWriter._on_block,
    ir.BlockDelta: StreamWriter._on_delta,
    ir.BlockStop: StreamWriter._on_stop,
    ir.LogprobsDelta: StreamWriter._on_logprobs,
    ir.ExtraDelta: StreamWriter._on_extra,
    ir.ChoiceEnd: StreamWriter._on_choice_end,
    ir.UsageUpdate: StreamWriter._on_usage,
    ir.StreamFailure: StreamWriter._on_failure,
    ir.ReplyEnd: StreamWriter._on_end,
}
