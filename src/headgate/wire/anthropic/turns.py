"""IR turns → `system` and `messages`, in the order and shape that the API demands.

Consecutive turns of one side become one, tool results open their turn, thinking opens an assistant's turn
and tool calls close it, empty texts vanish, names and ids are put into the characters that are allowed.
What can't be said is listed in `dropped`, never left out in silence.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from headgate.wire import claude, ir
from headgate.wire.anthropic import blocks_write as write
from headgate.wire.anthropic.check import FAMILY
from headgate.wire.words import Fitter, Ids

_RANK: Final = {"thinking": 0, "redacted_thinking": 0, "tool_use": 2}
_OPEN: Final = frozenset({"text", "image", "document", *_RANK})

_NOT_IN_SYSTEM: Final = frozenset({"image", "document", "container_upload", "tool_result", *_RANK})

PLACEHOLDER: Final = "."


class Message(Struct):
    role: str
    content: list[dict[str, Any]]
    flat: bool
    extra: dict[str, Any]


class Conversation:
    """`system` and `messages` once `add_all` went over the turns; `dropped` names what has no place."""

    def __init__(self, names: Fitter, *, mid_system: bool, keep_thinking: bool) -> None:
        self.system: list[dict[str, Any]] = []
        self.system_flat = True
        self.messages: list[Message] = []
        self.dropped: list[str] = []
        self.marks: list[dict[str, Any]] = []
        self._names = names
        self._ids = Ids(Fitter(256, "toolu"), "toolu")
        self._mid_system = mid_system
        self._keep_thinking = keep_thinking

    def add_all(self, turns: list[ir.Turn]) -> None:
        leading = True
        for at, turn in enumerate(turns):
            leading = leading and turn.role in ("system", "developer")
            if leading:
                self._add_system(turn, at)
            else:
                self._add(turn, at)
        for message in self.messages:
            _order(message)

    def trim_prefill(self) -> None:
        """The last assistant turn may not end in white space."""
        if not self.messages or self.messages[-1].role != "assistant":
            return
        content = self.messages[-1].content
        while content and content[-1]["type"] == "text":
            trimmed = str(content[-1]["text"]).rstrip()
            if trimmed:
                content[-1]["text"] = trimmed
                break
            content.pop()
        if not content:
            self.messages.pop()

    def insert_placeholder(self, at: int) -> None:
        self.messages.insert(at, Message("user", [{"type": "text", "text": PLACEHOLDER}], True, {}))

    def has_calls(self) -> bool:
        kinds = ("tool_use", "tool_result")
        return any(node["type"] in kinds for message in self.messages for node in message.content)

    def loops_without_thinking(self) -> bool:
        """Whether the last turn answers calls of a turn without thinking: the API then lets none be on."""
        if len(self.messages) < 2 or self.messages[-1].content[0]["type"] != "tool_result":
            return False
        asked = self.messages[-2].content
        return asked[0]["type"] not in ("thinking", "redacted_thinking")

    def written(self) -> list[dict[str, Any]]:
        return [
            {"role": message.role, "content": _content(message.content, message.flat), **message.extra}
            for message in self.messages
        ]

    def written_system(self) -> str | list[dict[str, Any]]:
        return _content(self.system, self.system_flat)

    def _add_system(self, turn: ir.Turn, at: int) -> None:
        self.system_flat = turn.flat and not self.system
        for node in self._blocks(turn, at):
            if node["type"] in _NOT_IN_SYSTEM:
                self._drop(f"messages[{at}]", f"{node['type']} in the system prompt")
            else:
                self.system.append(node)

    def _add(self, turn: ir.Turn, at: int) -> None:
        content = self._blocks(turn, at)
        if not content:
            return
        role = "system" if turn.role == "developer" else turn.role
        last = self.messages[-1].role if self.messages else ""
        if role == "system" and not (self._mid_system and last in ("user", "system")):
            role = "user"
        extra = write.own(turn.extra)
        if role == last:
            message = self.messages[-1]
            message.content += content
            message.flat = False
            message.extra = {**message.extra, **extra}
        else:
            self.messages.append(Message(role, content, turn.flat, extra))

    def _blocks(self, turn: ir.Turn, at: int) -> list[dict[str, Any]]:
        out: list[dict[str, Any]] = []
        for number, block in enumerate(turn.blocks):
            if (text := ir.bare_text(block)) is not None:
                if text.strip():
                    out.append({"type": "text", "text": text})
                continue
            node = self._block(block, f"messages[{at}].content[{number}]")
            if node is not None:
                out.append(node)
        return out

    def _block(self, block: ir.Block, where: str) -> dict[str, Any] | None:
        node = _WRITERS[type(block)](self, block, where)
        if node is not None and "cache_control" in node:
            self.marks.append(node)
        return node

    def _drop(self, where: str, what: str) -> None:
        self.dropped.append(f"{where}: {what}")

    # --- one method for each kind of block -----------------------------------------------------------

    def _text(self, block: ir.Text, where: str) -> dict[str, Any] | None:
        if not block.text.strip():
            return None
        if not block.citations:
            return write.text(block, None if block.citations is None else [])
        ours = [write.citation(item) for item in block.citations if write.own(item.extra)]
        return write.text(block, [node for node in ours if write.citable(node)] or None)

    def _refusal(self, block: ir.Refusal, where: str) -> dict[str, Any] | None:
        return self._text(ir.Text(block.text), where)

    def _thinking(self, block: ir.Thinking, where: str) -> dict[str, Any] | None:
        """Only what Anthropic signed or sealed: the API refuses any other."""
        if block.family != FAMILY or not (block.signature or block.redacted) or not self._keep_thinking:
            return None
        return write.thinking(block)

    def _image(self, block: ir.Image, where: str) -> dict[str, Any] | None:
        node = write.image(block)
        if node is None:
            self._drop(where, f"image by {_by(block.source)}")
        return node

    def _file(self, block: ir.File, where: str) -> dict[str, Any] | None:
        node = write.document(block)
        if node is None:
            media = block.source.media_type
            self._drop(where, f"file of type {media}" if media else f"file by {_by(block.source)}")
        return node

    def _audio(self, block: ir.Audio, where: str) -> dict[str, Any] | None:
        if block.transcript:
            return self._text(ir.Text(block.transcript, cache=block.cache), where)
        self._drop(where, "audio")
        return None

    def _opaque(self, block: ir.Opaque, where: str) -> dict[str, Any] | None:
        kind = block.value.get("type") if isinstance(block.value, dict) else None
        if block.family == FAMILY and isinstance(kind, str):
            return dict(block.value)
        self._drop(where, kind if isinstance(kind, str) else f"a block of {block.family}")
        return None

    def _tool_call(self, block: ir.ToolCall, where: str) -> dict[str, Any]:
        node = {
            "type": "server_tool_use" if block.id.startswith("srvtoolu_") else "tool_use",
            "id": self._ids.call(block.id, block.name),
            "name": self._names.fit(block.name),
            "input": claude.tool_input(block),
        }
        return write.finish(node, block.cache, block.extra)

    def _tool_result(self, block: ir.ToolResult, where: str) -> dict[str, Any]:
        node: dict[str, Any] = {
            "type": "tool_result",
            "tool_use_id": self._ids.result(block.call_id, block.name),
        }
        if block.content or not block.flat:
            node["content"] = self._result_content(block, where)
        if block.is_error is not None:
            node["is_error"] = block.is_error
        return write.finish(node, block.cache, block.extra)

    def _result_content(self, block: ir.ToolResult, where: str) -> str | list[dict[str, Any]]:
        if block.flat and len(block.content) == 1:
            only = block.content[0]
            if isinstance(only, ir.Text) and not (only.cache or only.citations or write.own(only.extra)):
                return only.text
        out: list[dict[str, Any]] = []
        for at, inner in enumerate(block.content):
            place = f"{where}.content[{at}]"
            if isinstance(inner, ir.ToolCall | ir.ToolResult | ir.Thinking):
                self._drop(place, f"{type(inner).__name__} inside a tool result")
            elif (node := self._block(inner, place)) is not None:
                out.append(node)
        return out


_WRITERS: Final[dict[type, Callable[..., dict[str, Any] | None]]] = {
    ir.Text: Conversation._text,
    ir.Refusal: Conversation._refusal,
    ir.Thinking: Conversation._thinking,
    ir.Image: Conversation._image,
    ir.File: Conversation._file,
    ir.Audio: Conversation._audio,
    ir.Opaque: Conversation._opaque,
    ir.ToolCall: Conversation._tool_call,
    ir.ToolResult: Conversation._tool_result,
}


def _by(source: ir.Source) -> str:
    return f"{source.kind} of {source.family}" if source.family else source.kind


def _content(content: list[dict[str, Any]], flat: bool) -> str | list[dict[str, Any]]:
    """A plain string, where the turn was one and nothing hangs on it."""
    if flat and len(content) == 1 and content[0]["type"] == "text" and len(content[0]) == 2:
        return str(content[0]["text"])
    return content


def _order(message: Message) -> None:
    """Results before all else, thinking first, calls last.

    A turn that opens with thinking, or that holds blocks only Anthropic knows, is the model's own order.
    """
    content = message.content
    if len(content) < 2:
        return
    if message.role == "user":
        content.sort(key=lambda node: node["type"] != "tool_result")
    elif message.role == "assistant" and content[0]["type"] not in ("thinking", "redacted_thinking"):
        kinds = {node["type"] for node in content}
        if kinds <= _OPEN and kinds & _RANK.keys():
            content.sort(key=lambda node: _RANK.get(node["type"], 1))
