"""`messages` ↔ turns. One message is one turn; a tool's message is a user's turn with its result.

Turns of other formats may hold several results and texts: each result becomes a message of its own, before
what the user said. Raises `Malformed`.
"""

import hashlib
from typing import Any, Final

import msgspec

from headgate.wire import ir
from headgate.wire.openai_chat.assistant import kind_of, read_assistant, write_assistant
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.parts import cache_mark, own, read_parts, write_part
from headgate.wire.shape import Malformed, at, difference, expect, optional, required, restore

MAX_ID: Final = 40
"""Characters of a tool call's id that OpenAI takes."""

_ROLES: Final = ("system", "developer", "user")
_TOOL_ROLES: Final = ("tool", "function")
_PLAIN: Final = {"role", "content"}
_PLAIN_TOOL: Final = {"role", "content", "tool_call_id"}


def read_messages(value: Any) -> list[ir.Turn]:
    messages = expect(value, list, "messages")
    return [read_message(node, f"messages[{index}]") for index, node in enumerate(messages)]


def read_message(value: Any, where: str) -> ir.Turn:
    node = expect(value, dict, where)
    role = required(node, "role", str, where)
    if role in _ROLES:
        return _read_spoken(node, role, where)
    if role == "assistant":
        return read_assistant(node, where, answer=False)
    if role in _TOOL_ROLES:
        return ir.Turn(role="user", blocks=[_read_result(node, role, where)])
    roles = ", ".join((*_ROLES, "assistant", *_TOOL_ROLES))
    raise Malformed(at(where, "role"), f"expected one of {roles}, got {role!r}")


def _read_spoken(node: dict[str, Any], role: Any, where: str) -> ir.Turn:
    text = node.get("content")
    if type(text) is str and node.keys() == _PLAIN:
        return ir.Turn(role, [ir.Text(text)], None, True)
    blocks, flat = _read_content(node, where)
    mark = cache_mark(node, where)
    if mark is not None and blocks and _cacheable(blocks[-1]):
        blocks[-1].cache = mark  # type: ignore[union-attr]  # _cacheable said so
    turn = ir.Turn(role=role, blocks=blocks, name=optional(node, "name", str, where), flat=flat)
    left = difference(node, _write_spoken(turn, blocks, [], where))
    if left:
        turn.extra = {FAMILY: left}
    return turn


def _cacheable(block: ir.Block) -> bool:
    return isinstance(block, ir.Text | ir.Image | ir.Audio | ir.File) and block.cache is None


def _read_content(node: dict[str, Any], where: str) -> tuple[list[ir.Block], bool]:
    content = node.get("content")
    if isinstance(content, str):
        return [ir.Text(content)], True
    if isinstance(content, list):
        return read_parts(content, at(where, "content")), False
    raise Malformed(at(where, "content"), "required, expected a string or an array of parts")


def _read_result(node: dict[str, Any], role: str, where: str) -> ir.ToolResult:
    legacy = role == "function"
    content, flat = ([], False) if node.get("content") is None else _read_content(node, where)
    result = ir.ToolResult(
        call_id="" if legacy else optional(node, "tool_call_id", str, where) or "",
        content=content,
        name=required(node, "name", str, where) if legacy else optional(node, "name", str, where),
        kind="legacy" if legacy else "function",
        flat=flat,
    )
    if flat and node.keys() == _PLAIN_TOOL and node["tool_call_id"] is not None:
        return result
    result.cache = cache_mark(node, where)
    left = difference(node, write_result(result, result.call_id)[0])
    if left:
        result.extra = {FAMILY: left}
    return result


# --- writing ---------------------------------------------------------------------------------------------


class Ids:
    """Ids of tool calls as OpenAI takes them. Formats without ids get them by order, long ones are cut."""

    def __init__(self) -> None:
        self._count = 0
        self._open: list[tuple[str, str]] = []

    def call(self, call: ir.ToolCall) -> str:
        self._count += 1
        name = _short(call.id) if call.id else f"call_{self._count}"
        self._open.append((call.name, name))
        return name

    def result(self, result: ir.ToolResult) -> str:
        """The id of the call that it answers; without an id, of the first open one of that name."""
        name = _short(result.call_id) if result.call_id else self._oldest(result.name)
        self._open = [row for row in self._open if row[1] != name]
        return name

    def _oldest(self, name: str | None) -> str:
        same = [known for called, known in self._open if called == name]
        return same[0] if same else self._open[0][1] if self._open else "call_0"


def _short(name: str) -> str:
    if len(name) <= MAX_ID:
        return name
    return "call_" + hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:24]


def write_messages(
    turns: list[ir.Turn], ours: bool, dropped: list[str], *, marks: bool = False
) -> list[dict[str, Any]]:
    """`ours`: the request was read in this format, so that its ids and contents stay as they are. `marks`: the
    server takes cache marks."""
    ids = None if ours else Ids()
    messages: list[dict[str, Any]] = []
    for index, turn in enumerate(turns):
        where = f"messages[{index}]"
        if turn.role == "assistant":
            messages.append(_write_assistant(turn, ids, dropped, where))
        else:
            _write_turn(turn, ids, messages, dropped, where, marks)
    return messages


def _write_assistant(turn: ir.Turn, ids: Ids | None, dropped: list[str], where: str) -> dict[str, Any]:
    message = write_assistant(turn, False, dropped, where)
    if ids is not None:
        calls = [block for block in turn.blocks if isinstance(block, ir.ToolCall) and block.kind != "legacy"]
        for node, call in zip(message.get("tool_calls", ()), calls, strict=True):
            node["id"] = ids.call(call)
            if call.kind == "custom":  # its tool is told as a function, since few servers know others
                arguments = msgspec.json.encode({"input": node.pop("custom")["input"]}).decode()
                node.update(type="function", function={"name": call.name, "arguments": arguments})
        if message["content"] is None and not calls and "function_call" not in message:
            message["content"] = ""
    return message


def _write_turn(
    turn: ir.Turn,
    ids: Ids | None,
    messages: list[dict[str, Any]],
    dropped: list[str],
    where: str,
    marks: bool,
) -> None:
    rest: list[ir.Block] = []
    results = False
    for block in turn.blocks:
        if isinstance(block, ir.ToolResult):
            results = True
            message, media = write_result(block, block.call_id if ids is None else ids.result(block))
            if marks and (mark := _result_mark(block)) is not None:
                message["content"] = [_marked({"type": "text", "text": message["content"]}, mark)]
            messages.append(message)
            rest += media
        else:
            rest.append(block)
    if rest or not results:
        messages.append(_write_spoken(turn, rest, dropped, where, marks))


def _result_mark(result: ir.ToolResult) -> ir.Cache | None:
    """The result's own mark, else the last of its texts': a tool's message has one place for both."""
    marks = [block.cache for block in result.content if isinstance(block, ir.Text) and block.cache]
    return result.cache or (marks[-1] if marks else None)


def _marked(part: dict[str, Any], mark: ir.Cache) -> dict[str, Any]:
    ttl = {} if mark.ttl is None else {"ttl": mark.ttl}
    return {**part, "cache_control": {"type": mark.kind, **ttl}}


def _mark(block: ir.Block) -> ir.Cache | None:
    return getattr(block, "cache", None)


def _write_spoken(
    turn: ir.Turn, blocks: list[ir.Block], dropped: list[str], where: str, marks: bool = False
) -> dict[str, Any]:
    """A message of system, developer or user."""
    only = blocks[0] if len(blocks) == 1 and not (marks and _mark(blocks[0])) else None
    content: Any = only.text if type(only) is ir.Text and (turn.flat or only.extra is None) else None
    if content is None:
        content = []
        for index, block in enumerate(blocks):
            part = write_part(block)
            if part is None:
                dropped.append(f"{where}.content[{index}]: {kind_of(block)}")
            else:
                mark = _mark(block) if marks else None
                content.append(part if mark is None else _marked(part, mark))
        if turn.flat and not content:
            content = ""
    message: dict[str, Any] = {"role": turn.role, "content": content}
    if turn.name is not None:
        message["name"] = turn.name
    return restore(message, own(turn.extra)) if turn.extra else message


def write_result(result: ir.ToolResult, call_id: str) -> tuple[dict[str, Any], list[ir.Block]]:
    """A tool's message, which holds text alone, and the media that must follow in a user's message."""
    legacy = result.kind == "legacy"
    message: dict[str, Any] = {"role": "function" if legacy else "tool"}
    if not legacy:
        message["tool_call_id"] = call_id
    if result.name is not None:
        message["name"] = result.name
    message["content"] = "\n".join(block.text for block in result.content if isinstance(block, ir.Text))
    kept = own(result.extra)
    restore(message, kept)
    media: list[ir.Block] = []
    if "content" not in kept:
        media += [block for block in result.content if not isinstance(block, ir.Text)]
    return message, media
