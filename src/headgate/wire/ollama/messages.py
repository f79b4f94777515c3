"""Conversations ↔ Ollama's messages: one text, its pictures, calls and reasoning beside it.

A message with role "tool" is one tool's result. Ids of calls are new in the format: calls without one get one,
and results without one answer the open call of their name, else the first open call.
https://docs.ollama.com/api/chat. Raises `Malformed`.
"""

from collections.abc import Collection
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.ollama.fields import own, read_call, read_images, rest, write_call
from headgate.wire.shape import Malformed, at, expect, optional, required

_MESSAGE: Final = frozenset({"role", "content", "thinking", "images", "tool_calls"})
_RESULT: Final = frozenset({"role", "content", "images", "tool_name", "name", "tool_call_id"})
_ROLES: Final[dict[str, Any]] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "user",
}
_NAMES: Final[dict[type, str]] = {ir.Audio: "audio", ir.File: "file", ir.Image: "image"}


class CallIds:
    """Names calls that came without an id, and remembers which still want a result."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self._open: list[tuple[str, str]] = []
        self._count = 0

    def next(self) -> str:
        self._count += 1
        return f"call_{self._count}"

    def opened(self, call: ir.ToolCall, *, made: bool) -> None:
        self._open.append((call.id, call.name))
        if made:
            self.made.append(call.id)

    def answered(self, given: str | None, name: str | None) -> str:
        """The id of the call that a result answers, "" where no call is open."""
        if not self._open and given is None:
            return ""
        found = next((row for row in self._open if row[0] == given), None)
        if found is None and given is None:
            found = next((row for row in self._open if row[1] == name), self._open[0])
        if found is None:
            return given or ""
        self._open.remove(found)
        return found[0]


# --- reading ---------------------------------------------------------------------------------------------


def read_messages(values: list[Any], ids: CallIds) -> list[ir.Turn]:
    """Results that follow each other are one turn."""
    turns: list[ir.Turn] = []
    after_result = False
    for number, value in enumerate(values):
        where = f"messages[{number}]"
        node = expect(value, dict, where)
        role = required(node, "role", str, where)
        if role not in _ROLES:
            raise Malformed(at(where, "role"), f"expected system, user, assistant or tool, got {role[:40]!r}")
        if role == "tool":
            result = _read_result(node, where, ids)
            if after_result:
                turns[-1].blocks.append(result)
            else:
                turns.append(ir.Turn(role="user", blocks=[result]))
        else:
            turns.append(_read_turn(node, where, role, ids))
        after_result = role == "tool"
    return turns


def _read_turn(node: dict[str, Any], where: str, role: str, ids: CallIds) -> ir.Turn:
    blocks = read_said(node, where)
    calls = optional(node, "tool_calls", list, where) or ()
    for number, value in enumerate(calls):
        made = ids.next()
        call = read_call(value, f"{where}.tool_calls[{number}]", made)
        ids.opened(call, made=call.id == made)
        blocks.append(call)
    return ir.Turn(
        role=_ROLES[role],
        blocks=blocks,
        flat=len(blocks) == 1 and isinstance(blocks[0], ir.Text),
        extra=rest(node, _MESSAGE),
    )


def read_said(node: dict[str, Any], where: str) -> list[ir.Block]:
    """Reasoning, text and pictures of a message."""
    thinking = optional(node, "thinking", str, where)
    text = optional(node, "content", str, where)
    blocks: list[ir.Block] = [ir.Thinking(text=thinking)] if thinking else []
    blocks += [ir.Text(text)] if text else []
    return blocks + read_images(node, where)


def _read_result(node: dict[str, Any], where: str, ids: CallIds) -> ir.ToolResult:
    name = optional(node, "tool_name", str, where) or optional(node, "name", str, where) or None
    text = optional(node, "content", str, where) or ""
    images = read_images(node, where)
    content: list[ir.Block] = [ir.Text(text)] if text or not images else []
    return ir.ToolResult(
        call_id=ids.answered(optional(node, "tool_call_id", str, where) or None, name),
        name=name,
        content=content + images,
        flat=not images,
        extra=rest(node, _RESULT),
    )


# --- writing ---------------------------------------------------------------------------------------------


class Conversation:
    """Turns → `messages`. What can't be said is named in `dropped`. `made` are ids that nobody gave."""

    def __init__(self, made: Collection[str] = ()) -> None:
        self.messages: list[dict[str, Any]] = []
        self.dropped: list[str] = []
        self._made = made
        self._names: dict[str, str] = {}

    def add(self, turn: ir.Turn, where: str) -> None:
        message = _Message(turn)
        for number, block in enumerate(turn.blocks):
            place = f"{where}.content[{number}]"
            if isinstance(block, ir.ToolResult):
                if message.said:
                    self.messages.append(message.node())
                message = _Message(turn, said=False)
                self._result(block, place)
            elif isinstance(block, ir.ToolCall):
                self._names[block.id] = block.name
                message.calls.append(write_call(block, with_id=block.id not in self._made))
            elif not message.take(block):
                self._drop(block, place)
        if message.said or not turn.blocks:
            self.messages.append(message.node())

    def _result(self, block: ir.ToolResult, where: str) -> None:
        content = _Message(ir.Turn(role="user", blocks=[]))
        for number, inner in enumerate(block.content):
            if not content.take(inner):
                self._drop(inner, f"{where}.content[{number}]")
        node = {**content.node(), "role": "tool"}
        if name := block.name or self._names.get(block.call_id):
            node["tool_name"] = name
        if block.call_id and block.call_id not in self._made:
            node["tool_call_id"] = block.call_id
        self.messages.append({**node, **own(block.extra)})

    def _drop(self, block: ir.Block, where: str) -> None:
        """Another vendor's sealed reasoning means nothing here, and nobody misses it."""
        if not isinstance(block, ir.Thinking):
            self.dropped.append(f"{where}: {_NAMES.get(type(block), 'not known to Ollama')}")


class _Message:
    """What of a turn goes into one message."""

    def __init__(self, turn: ir.Turn, *, said: bool = True) -> None:
        self.calls: list[dict[str, Any]] = []
        self._turn = turn
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._images: list[str] = []
        self._first = said

    @property
    def said(self) -> bool:
        """Whether there is anything to send: a turn of results alone is no message beside them."""
        held = bool(self._texts or self._thoughts or self._images or self.calls)
        return held or (self._first and bool(own(self._turn.extra)))

    def take(self, block: ir.Block) -> bool:
        """Whether the format has a place for the block."""
        match block:
            case ir.Text() | ir.Refusal():
                self._texts.append(block.text)
            case ir.Thinking() if block.redacted is None and block.signature is None:
                self._thoughts.append(block.text)
            case ir.Image() if block.source.kind in (
                "data",
                "url",
            ):  # an address is fetched before it is sent
                self._images.append(block.source.value)
            case ir.File() if block.source.kind == "text":
                self._texts.append(block.source.value)
            case _:
                return False
        return True

    def node(self) -> dict[str, Any]:
        role = "system" if self._turn.role == "developer" else self._turn.role
        node: dict[str, Any] = {"role": role, "content": "\n".join(self._texts)}
        held = {"thinking": "".join(self._thoughts), "images": self._images, "tool_calls": self.calls}
        node.update({key: value for key, value in held.items() if value})
        return {**node, **own(self._turn.extra)} if self._first else node
