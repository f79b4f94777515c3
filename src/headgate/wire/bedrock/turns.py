"""IR turns → `system` and `messages`, in the order and shape that the API demands.

Turns alternate, tool results open theirs, reasoning opens an assistant's turn and tool calls close it, blank
texts vanish, documents have distinct names and a text beside them. What can't be said is listed in `dropped`.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from headgate.wire import claude, ir
from headgate.wire.bedrock import blocks_write as write
from headgate.wire.bedrock import media
from headgate.wire.bedrock.check import FAMILY, cache_point, own
from headgate.wire.bedrock.models import Facts
from headgate.wire.words import Fitter, Ids

MAX_MARKS: Final = 4
PLACEHOLDER: Final = "."

_IDS: Final = "a-zA-Z0-9_.:-"
_MARK: Final = frozenset({"cachePoint"})
_RANK: Final = {"reasoningContent": 0, "toolUse": 2}
_OPEN: Final = frozenset({"text", "image", "document", "video", *_RANK})
_IN_SYSTEM: Final = frozenset({"text", "guardContent", "cachePoint"})

Node = dict[str, Any]


class Message(Struct):
    """`groups`: each block with the cache point that follows it."""

    role: str
    groups: list[list[Node]]
    extra: dict[str, Any]


def kind_of(node: Node) -> str:
    return next(iter(node), "")


class Conversation:
    """`system` and `messages` once `add_all` went over the turns; `dropped` names what has no place."""

    def __init__(self, names: Fitter, facts: Facts) -> None:
        self.system: list[Node] = []
        self.messages: list[Message] = []
        self.dropped: list[str] = []
        self._names = names
        self._ids = Ids(Fitter(64, "tooluse", _IDS), "tooluse")
        self._facts = facts
        self._titles: set[str] = set()

    def add_all(self, turns: list[ir.Turn]) -> None:
        """System turns at the head are the system prompt; a later one, or one that the model can't take, is said
        by the user."""
        leading = self._facts.system
        for at, turn in enumerate(turns):
            leading = leading and turn.role in ("system", "developer")
            if leading:
                self._add_system(turn, at)
            else:
                self._add(turn, at)
        for message in self.messages:
            _order(message)
            if message.role == "user":
                _beside_documents(message)

    def trim_prefill(self) -> None:
        """The last assistant turn may not end in white space."""
        last = self.messages[-1] if self.messages else None
        if last is None or last.role != "assistant":
            return
        node = last.groups[-1][0]
        if kind_of(node) == "text":
            last.groups[-1][0] = {**node, "text": str(node["text"]).rstrip()}

    def insert_placeholder(self, at: int) -> None:
        self.messages.insert(at, Message("user", [[{"text": PLACEHOLDER}]], {}))

    def has_calls(self) -> bool:
        return any(
            kind_of(group[0]) in ("toolUse", "toolResult")
            for message in self.messages
            for group in message.groups
        )

    def mark_end(self, cache: ir.Cache) -> None:
        """A cache point behind the last turn, where it has none."""
        if self.messages and "messages" in self._facts.cache and len(self.messages[-1].groups[-1]) == 1:
            self.messages[-1].groups[-1].append(cache_point(cache, self._facts.cache_ttl))

    def written(self) -> list[Node]:
        return [
            {
                "role": message.role,
                "content": [node for group in message.groups for node in group],
                **message.extra,
            }
            for message in self.messages
        ]

    def _add_system(self, turn: ir.Turn, at: int) -> None:
        for group in self._groups(turn, at, "system"):
            if kind_of(group[0]) in _IN_SYSTEM:
                self.system += group
            else:
                self._drop(f"messages[{at}]", f"{kind_of(group[0])} in the system prompt")

    def _add(self, turn: ir.Turn, at: int) -> None:
        groups = self._groups(turn, at, "messages")
        if not groups:
            return
        role = "assistant" if turn.role == "assistant" else "user"
        if self.messages and self.messages[-1].role == role:
            self.messages[-1].groups += groups
            self.messages[-1].extra.update(own(turn.extra))
        else:
            self.messages.append(Message(role, groups, dict(own(turn.extra))))

    def _groups(self, turn: ir.Turn, at: int, place: str) -> list[list[Node]]:
        out: list[list[Node]] = []
        for number, block in enumerate(turn.blocks):
            where = f"messages[{at}].content[{number}]"
            node = _WRITERS[type(block)](self, block, where)
            if node is None:
                continue
            mark = getattr(block, "cache", None) or _inner_mark(block)
            out.append([node])
            if mark is not None and place in self._facts.cache:
                out[-1].append(cache_point(mark, self._facts.cache_ttl))
        return out

    def _drop(self, where: str, what: str) -> None:
        self.dropped.append(f"{where}: {what}")

    # --- one method for each kind of block -----------------------------------------------------------

    def _text(self, block: ir.Text, where: str) -> Node | None:
        if not block.text.strip():
            return None
        foreign = [item for item in block.citations or () if not own(item.extra)]
        if block.citations is not None and (foreign or not block.citations):
            return {"text": block.text}
        return write.text(block)

    def _refusal(self, block: ir.Refusal, where: str) -> Node | None:
        return self._text(ir.Text(block.text), where)

    def _thinking(self, block: ir.Thinking, where: str) -> Node | None:
        """Only what is sealed, and by the family of the model that gets it: the others refuse it."""
        ours = block.family == FAMILY or (block.family == claude.FAMILY and self._facts.claude)
        return write.thinking(block) if ours and (block.signature or block.redacted) else None

    def _media(self, block: ir.Image | ir.File | ir.Audio, where: str) -> Node | None:
        if isinstance(block, ir.Audio) and block.transcript:
            return self._text(ir.Text(block.transcript), where)
        node = write.picture(block)
        if node is None:
            self._drop(where, _named(block))
        elif "document" in node:
            node["document"]["name"] = self._title(str(node["document"].get("name") or media.title(None)))
        return node

    def _title(self, title: str) -> str:
        """Unlike that of every other document."""
        candidate, count = title, 1
        while candidate in self._titles:
            count += 1
            candidate = f"{title} ({count})"
        self._titles.add(candidate)
        return candidate

    def _opaque(self, block: ir.Opaque, where: str) -> Node | None:
        if block.family == FAMILY and isinstance(block.value, dict):
            return dict(block.value)
        kind = block.value.get("type") if isinstance(block.value, dict) else None
        self._drop(where, kind if isinstance(kind, str) else f"a block of {block.family}")
        return None

    def _tool_call(self, block: ir.ToolCall, where: str) -> Node:
        return write.tool_use(block, self._ids.call(block.id, block.name), self._names.fit(block.name))

    def _tool_result(self, block: ir.ToolResult, where: str) -> Node:
        content: list[Node] = []
        for at, inner in enumerate(block.content):
            place = f"{where}.content[{at}]"
            if isinstance(inner, ir.Text):
                content += [write.result_text(inner)] if inner.text.strip() else []
            elif isinstance(inner, ir.ToolCall | ir.ToolResult | ir.Thinking):
                self._drop(place, f"{type(inner).__name__} inside a tool result")
            elif (node := _WRITERS[type(inner)](self, inner, place)) is not None:
                content.append(node)
        node = {"toolUseId": self._ids.result(block.call_id, block.name), "content": content}
        if block.is_error is not None:
            node["status"] = "error" if block.is_error else "success"
        return write.block("toolResult", node, block.extra)


_WRITERS: Final[dict[type, Callable[..., Node | None]]] = {
    ir.Text: Conversation._text,
    ir.Refusal: Conversation._refusal,
    ir.Thinking: Conversation._thinking,
    ir.Image: Conversation._media,
    ir.File: Conversation._media,
    ir.Audio: Conversation._media,
    ir.Opaque: Conversation._opaque,
    ir.ToolCall: Conversation._tool_call,
    ir.ToolResult: Conversation._tool_result,
}


def _inner_mark(block: ir.Block) -> ir.Cache | None:
    """A mark on a part of a tool result stands behind the result: nothing in it can be marked."""
    if not isinstance(block, ir.ToolResult):
        return None
    marks = (getattr(inner, "cache", None) for inner in block.content)
    return next((mark for mark in marks if mark is not None), None)


def _named(block: ir.Image | ir.File | ir.Audio) -> str:
    word = type(block).__name__.lower()
    source = block.source
    if source is None:
        return word
    if source.kind in ("url", "id") and not source.value.startswith("s3://"):
        return f"{word} by {source.kind}" + (f" of {source.family}" if source.family else "")
    return f"{word} of type {source.media_type}" if source.media_type else f"{word} of unknown type"


def _order(message: Message) -> None:
    """Results before all else, reasoning first, calls last. A turn that opens with reasoning, or that holds
    blocks only Converse knows, is the model's own order."""
    groups = message.groups
    if message.role == "user":
        groups.sort(key=lambda group: kind_of(group[0]) != "toolResult")
        return
    kinds = {kind_of(group[0]) for group in groups}
    if kind_of(groups[0][0]) != "reasoningContent" and kinds <= _OPEN and kinds & _RANK.keys():
        groups.sort(key=lambda group: _RANK.get(kind_of(group[0]), 1))


def _beside_documents(message: Message) -> None:
    """A turn with documents needs a text."""
    kinds = {kind_of(group[0]) for group in message.groups}
    if "document" in kinds and kinds.isdisjoint({"text", "guardContent"}):
        message.groups.append([{"text": PLACEHOLDER}])


def limit_marks(places: list[list[Node]]) -> None:
    """The API takes four cache points: the first and the last three stay. In place."""
    count = sum(node.keys() >= _MARK for nodes in places for node in nodes)
    spare, seen = count - MAX_MARKS, 0
    for nodes in places:
        kept: list[Node] = []
        for node in nodes:
            if node.keys() >= _MARK:
                seen += 1
                if 1 < seen <= spare + 1:
                    continue
            kept.append(node)
        nodes[:] = kept
