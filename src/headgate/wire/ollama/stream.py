"""A stream of /api/chat → events.

One JSON object for each line; texts are pieces, calls come whole, the last line has `done` and the counts. An
error may come as a line of its own. https://docs.ollama.com/api/streaming
"""

from typing import Any, Final

from headgate.errors import APIConnectionError, APIResponseValidationError, HeadgateError
from headgate.wire import failures, ir, ndjson
from headgate.wire.ollama.fields import FAMILY, own, read_images, read_moment, rest
from headgate.wire.ollama.reply import (
    NAMED,
    call_prefix,
    checked,
    left_of,
    read_calls,
    read_finish,
    read_logprobs,
    read_usage,
)
from headgate.wire.shape import Malformed, bad_reply, optional, reply_json

CUT: Final = "the upstream's stream ended before its answer was complete"
_TEXTS: Final = frozenset({"role", "content", "thinking"})


class StreamReader:
    def __init__(self) -> None:
        self._lines = ndjson.Lines()
        self._started = False
        self._done = False
        self._prefix = ""
        self._calls = 0
        self._count = 0
        self._open: type | None = None

    def feed(self, data: bytes) -> list[ir.Event]:
        out: list[ir.Event] = []
        if self._done:
            return out
        try:
            for line in self._lines.feed(data):
                self._line(line, out)
        except HeadgateError as error:
            self._fail(error, out)
        return out

    def close(self) -> list[ir.Event]:
        out: list[ir.Event] = []
        if self._done:
            return out
        try:
            self._last(self._lines.close(), out)
        except HeadgateError as error:
            self._fail(error, out)
        return out

    def _last(self, line: bytes, out: list[ir.Event]) -> None:
        """A line without its end: whole, cut, or no line at all."""
        if line:
            try:
                self._line(line, out)
            except APIResponseValidationError:
                if not line.startswith(b"{"):
                    raise failures.read_error(200, {}, line) from None
        if not self._done:
            raise APIConnectionError(CUT)

    def _line(self, line: bytes, out: list[ir.Event]) -> None:
        if self._done:
            return
        document = reply_json(line)
        try:
            self._read(checked(document), line, out)
        except (Malformed, RecursionError) as error:
            raise bad_reply(error) from None

    def _read(self, node: dict[str, Any], line: bytes, out: list[ir.Event]) -> None:
        if not self._started:
            self._started = True
            self._prefix = call_prefix(line)
            model = optional(node, "model", str, "") or None
            out.append(ir.ReplyStart(model=model, created=read_moment(node.get("created_at"))))
        message = optional(node, "message", dict, "") or {}
        self._said(message, out)
        if "logprobs" in node and (tokens := read_logprobs(node)):
            out.append(ir.LogprobsDelta(0, tokens))
        if node.get("done") is True:
            self._end(node, out)

    def _said(self, message: dict[str, Any], out: list[ir.Event]) -> None:
        if thinking := optional(message, "thinking", str, "message"):
            self._say(thinking, ir.Thinking, out)
        if text := optional(message, "content", str, "message"):
            self._say(text, ir.Text, out)
        if message.keys() <= _TEXTS:
            return
        for block in read_images(message, "message"):
            self._whole(block, out)
        for call in read_calls(message, self._prefix, self._calls):
            self._calls += 1
            self._whole(call, out)
        if left := left_of(message):
            out.append(ir.ExtraDelta("turn", 0, FAMILY, left))

    def _say(self, text: str, kind: type[ir.Text | ir.Thinking], out: list[ir.Event]) -> None:
        """More of the open block, where it is of the same kind."""
        if self._open is not kind:
            self._close(out)
            self._open = kind
            out.append(ir.BlockStart(0, self._count, ir.Text("") if kind is ir.Text else ir.Thinking()))
            self._count += 1
        out.append(ir.BlockDelta(0, self._count - 1, "text" if kind is ir.Text else "thinking", text))

    def _whole(self, block: ir.Block, out: list[ir.Event]) -> None:
        """A block that comes in one piece. Arguments stand in a delta of their own, as everywhere."""
        self._close(out)
        at = self._count
        self._count += 1
        if isinstance(block, ir.ToolCall):
            arguments, block.arguments = block.arguments, ""
            out += [ir.BlockStart(0, at, block), ir.BlockDelta(0, at, "arguments", arguments)]
        else:
            out.append(ir.BlockStart(0, at, block))
        out.append(ir.BlockStop(0, at))

    def _close(self, out: list[ir.Event]) -> None:
        if self._open is not None:
            out.append(ir.BlockStop(0, self._count - 1))
            self._open = None

    def _end(self, node: dict[str, Any], out: list[ir.Event]) -> None:
        finish, usage = read_finish(node, calls=self._calls > 0), read_usage(node)
        self._close(out)
        if left := own(rest(node, NAMED)):
            out.append(ir.ExtraDelta("reply", 0, FAMILY, left))
        out.append(ir.ChoiceEnd(0, finish))
        if usage is not None:
            out.append(ir.UsageUpdate(usage))
        self._done = True
        out.append(ir.ReplyEnd())

    def _fail(self, error: HeadgateError, out: list[ir.Event]) -> None:
        self._done = True
        out.append(ir.StreamFailure(error))
