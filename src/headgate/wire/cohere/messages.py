"""The messages of a request ↔ turns. Raises `Malformed`.

Results of tools are messages of their own here, and blocks of user turns in the IR.
https://docs.cohere.com/reference/chat
"""

from base64 import b64decode
from typing import Any, Final, Literal

from headgate.wire import ir
from headgate.wire.cohere.assistant import read_assistant, write_assistant
from headgate.wire.cohere.parts import kind_of, own, read_content, rest, write_part
from headgate.wire.shape import Malformed, at, expect, optional, required

_ROLES: Final[dict[str, Literal["system", "developer", "user"]]] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
}


def read_messages(messages: list[Any]) -> list[ir.Turn]:
    return [
        _read_message(expect(node, dict, f"messages[{index}]"), f"messages[{index}]")
        for index, node in enumerate(messages)
    ]


def _read_message(node: dict[str, Any], where: str) -> ir.Turn:
    role = required(node, "role", str, where)
    if role == "assistant":
        return read_assistant(node, where)
    content = node.get("content")
    if content is None:
        raise Malformed(at(where, "content"), "required, expected a string or an array of parts")
    blocks, flat = read_content(content, at(where, "content")), isinstance(content, str)
    if role == "tool":
        call_id = optional(node, "tool_call_id", str, where) or ""
        left = rest(node, "role", "content", "tool_call_id")
        return ir.Turn(
            role="user", blocks=[ir.ToolResult(call_id=call_id, content=blocks, flat=flat, extra=left)]
        )
    if role not in _ROLES:
        expected = ", ".join([*_ROLES, "assistant", "tool"])
        raise Malformed(at(where, "role"), f"expected one of {expected}, got {role[:40]!r}")
    return ir.Turn(role=_ROLES[role], blocks=blocks, flat=flat, extra=rest(node, "role", "content"))


# --- writing ---------------------------------------------------------------------------------------------


class Conversation:
    """Writes turns one after the other. `documents` are texts that stood in the messages of another format, for
    which this one has a place beside them."""

    def __init__(self, *, native: bool) -> None:
        self.messages: list[dict[str, Any]] = []
        self.documents: list[dict[str, Any]] = []
        self.dropped: list[str] = []
        self._native = native
        self._open: list[tuple[str, str]] = []
        self._made = 0
        self._shown: list[dict[str, Any]] = []

    def add(self, turn: ir.Turn, where: str) -> None:
        if turn.role == "assistant":
            self._shown = []
            ids = [self._called(block) for block in turn.blocks if isinstance(block, ir.ToolCall)]
            self.messages.append(write_assistant(turn, ids, self.dropped, where, native=self._native))
            return
        spoken: list[dict[str, Any]] = []
        results = False
        for index, block in enumerate(turn.blocks):
            place = f"{where}.content[{index}]"
            if isinstance(block, ir.ToolResult):
                results = True
                spoken += self._shown_before() + self._result(block, place)
            elif (part := self._part(block, place)) is not None:
                spoken.append(part)
        if spoken or not results:
            role = "system" if turn.role == "developer" and not self._native else turn.role
            content = plain(spoken, turn.flat) if spoken else ""
            self.messages.append({**own(turn.extra), "role": role, "content": content})
            self._shown = spoken if all(isinstance(block, ir.ToolResult) for block in turn.blocks) else []

    def _shown_before(self) -> list[dict[str, Any]]:
        """Takes back the message with the pictures of results before, for results stand together."""
        shown, self._shown = self._shown, []
        if shown:
            self.messages.pop()
        return shown

    def _part(self, block: ir.Block, place: str) -> dict[str, Any] | None:
        if isinstance(block, ir.File) and (text := _text_of(block.source)) is not None:
            title = {"title": block.name} if block.name is not None else {}
            self.documents.append({"data": {**title, "text": text}})
            return None
        part = None if isinstance(block, ir.Thinking | ir.ToolCall) else write_part(block)
        if part is None:
            self.dropped.append(f"{place}: {kind_of(block)}")
        return part

    def _result(self, block: ir.ToolResult, place: str) -> list[dict[str, Any]]:
        """Adds the tool's message. Returns its pictures, which only a user's message can hold."""
        parts = [(one, self._part(one, place)) for one in block.content]
        told = [part for one, part in parts if part is not None and not isinstance(one, ir.Image)]
        call_id = self._answered(block)
        self.messages.append(
            {
                **own(block.extra),
                "role": "tool",
                "tool_call_id": call_id,
                "content": plain(told, block.flat) if told else "",
            }
        )
        return [part for one, part in parts if part is not None and isinstance(one, ir.Image)]

    def _called(self, call: ir.ToolCall) -> str:
        """The id of a call. Formats without ids get them by order."""
        name = call.id
        if not name and not self._native:
            name = f"call_{self._made}"
            self._made += 1
        self._open.append((call.name, name))
        return name

    def _answered(self, result: ir.ToolResult) -> str:
        """The id of the call that it answers; without an id, of the first open one of that name."""
        if result.call_id or self._native or not self._open:
            name = result.call_id or ("" if self._native else "call_0")
        else:
            same = [known for called, known in self._open if called == result.name]
            name = same[0] if same else self._open[0][1]
        self._open = [row for row in self._open if row[1] != name]
        return name


def _text_of(source: ir.Source) -> str | None:
    """The words of a document that is text, None for any other."""
    if source.kind == "text":
        return source.value
    if source.kind != "data" or not (source.media_type or "").startswith("text/"):
        return None
    try:
        return b64decode(source.value, validate=True).decode()
    except ValueError:
        return None


def plain(parts: list[dict[str, Any]], flat: bool) -> Any:
    """The parts, or the text where there is but one and it was no list."""
    only = parts[0] if flat and len(parts) == 1 else {}
    return only["text"] if only.keys() == {"type", "text"} else parts
