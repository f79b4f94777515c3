"""Calls of tools that take free text, of models that know functions only.

Such a tool is told to them as a function with one text, `input` (`ir.FREE_TEXT`); what they call is put back here as
the caller asked for it. Between a reader and a writer of any two formats; knows none.
"""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from headgate.wire import ir
from headgate.wire.dialect import Dialect, StreamReader

_DECODE = msgspec.json.Decoder().decode


def names_in(request: ir.Request) -> list[str]:
    return [tool.name for tool in request.tools or () if isinstance(tool, ir.Tool) and tool.free]


def read_reply(dialect: Dialect, body: bytes, echo: ir.Echo | None) -> Any:
    """The dialect's reading, of any operation, with its calls of free tools as such. Raises as it does."""
    reply: Any = dialect.read_reply(body, echo)  # of a call beside chat it is another
    if echo is not None and echo.free:
        for choice in reply.choices:
            for block in choice.turn.blocks:
                if isinstance(block, ir.ToolCall) and _is_told_as_function(block, echo.free):
                    block.kind, block.arguments = "custom", _input(block.arguments)
    return reply


def stream_reader(dialect: Dialect, echo: ir.Echo | None) -> StreamReader:
    reader = dialect.stream_reader(echo)
    return reader if echo is None or not echo.free else _Reader(reader, echo.free)


def _is_told_as_function(call: ir.ToolCall, names: Collection[str]) -> bool:
    return call.kind == "function" and call.name in names


def _input(arguments: str) -> str:
    """The one text of the arguments; what is no such thing is taken as it is."""
    try:
        value = _DECODE(arguments)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return arguments
    text = value.get("input") if isinstance(value, dict) else None
    return text if isinstance(text, str) else arguments


class _Reader:
    """Holds the arguments of a free tool's call until they are whole: pieces of JSON are no text."""

    def __init__(self, reader: StreamReader, names: Collection[str]) -> None:
        self._reader = reader
        self._names = names
        self._held: dict[tuple[int, int], str] = {}

    def feed(self, data: bytes) -> list[ir.Event]:
        return self._freed(self._reader.feed(data))

    def close(self) -> list[ir.Event]:
        return self._freed(self._reader.close())

    def _freed(self, events: Iterable[ir.Event]) -> list[ir.Event]:
        out: list[ir.Event] = []
        for event in events:
            match event:
                case ir.BlockStart(block=ir.ToolCall() as call) if _is_told_as_function(call, self._names):
                    self._held[event.choice, event.index] = call.arguments
                    free = msgspec.structs.replace(call, kind="custom", arguments="")
                    out.append(ir.BlockStart(event.choice, event.index, free))
                    continue
                case ir.BlockDelta(kind="arguments") if (event.choice, event.index) in self._held:
                    self._held[event.choice, event.index] += event.text
                    continue
                case ir.BlockStop() if (event.choice, event.index) in self._held:
                    text = _input(self._held.pop((event.choice, event.index)))
                    out.append(ir.BlockDelta(event.choice, event.index, "arguments", text))
            out.append(event)
        return out
