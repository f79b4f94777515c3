"""One choice of a chat stream: deltas → blocks. Knows no chunk and no bytes."""

from collections.abc import Callable
from typing import Any, Final, Literal

from msgspec import Struct

from headgate.wire import ir
from headgate.wire.openai_chat.assistant import read_audio
from headgate.wire.openai_chat.calls import FIELDS, arguments_of, signature_of
from headgate.wire.openai_chat.citations import read_citation
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.parts import THINKER, read_part
from headgate.wire.openai_chat.thoughts import THOUGHTS, is_item, read_item, thought_of, thought_place
from headgate.wire.shape import Malformed

_PLAIN: Final = frozenset({"content", "role"})
_NOTHING: Final = "{}"
_LEGACY: Final = -1
"""The place of the older `function_call` among the calls."""


class _Begun(Struct):
    """What is known of a call before its block begins. `place` is its `index`."""

    place: int = 0
    kind: Literal["function", "custom", "legacy"] = "function"
    id: str = ""
    name: str = ""
    text: str = ""
    signature: str | None = None


class Choice:
    """`take` turns a delta into events, `end` closes what is open.

    `called`: there were tool calls. At most one block that is no call is open at a time.
    """

    __slots__ = (
        "_at",
        "_bare",
        "_calls",
        "_count",
        "_details",
        "_early",
        "_ids",
        "_kind",
        "_length",
        "_names",
        "_notes",
        "_open_calls",
        "_text_start",
        "_thought",
        "_told",
        "called",
        "ended",
        "index",
    )  # fmt: skip

    def __init__(self, index: int, names: dict[str, str]) -> None:
        self.index = index
        self.called = False
        self.ended = False
        self._names = names
        self._count = 0
        self._kind: str | None = None
        self._at = 0
        self._length = 0
        self._text_start = 0
        self._calls: dict[int, int] = {}
        self._ids: dict[int, str] = {}
        self._early: dict[int, _Begun] = {}
        self._bare: set[int] = set()
        self._thought = False
        self._open_calls: list[int] = []
        self._details: list[Any] = []
        self._notes: list[Any] = []
        self._told: dict[tuple[str, str], Any] = {}

    def take(self, delta: dict[str, Any], out: list[ir.Event]) -> None:
        if self.ended:
            return
        content = delta.get("content")
        if delta.keys() <= _PLAIN and isinstance(content, str):
            if content:
                self._text(content, out)
            return
        for key, handler in _HANDLERS.items():
            if value := delta.get(key):
                handler(self, value, delta, out)
        if not delta.keys() <= _KNOWN:
            self.tell("turn", {key: delta[key] for key in delta.keys() - _KNOWN}, out)

    def end(self, finish: ir.Finish, out: list[ir.Event]) -> None:
        self.ended = True
        for call in list(self._early.values()):
            self._open_call(call, out)
        self._close(out)
        for at in self._open_calls:
            if at in self._bare:
                out.append(ir.BlockDelta(self.index, at, "arguments", _NOTHING))
            out.append(ir.BlockStop(self.index, at))
        if self._details:
            self.tell("turn", {"reasoning_details": self._details}, out)
        if self._notes:
            self.tell("turn", {"annotations": self._notes}, out)
        out.append(ir.ChoiceEnd(self.index, finish))

    def tell(self, target: Any, fields: dict[str, Any], out: list[ir.Event]) -> None:
        """Extra fields, where they are new."""
        fresh = {
            key: value
            for key, value in fields.items()
            if value is not None and self._told.get((target, key)) != value
        }
        if fresh:
            self._told.update({(target, key): value for key, value in fresh.items()})
            out.append(ir.ExtraDelta(target, self.index, FAMILY, fresh))

    # --- blocks --------------------------------------------------------------------------------------

    def _begin(self, kind: str | None, block: ir.Block, out: list[ir.Event]) -> int:
        """Opens a block. A kind of None is that of blocks which are whole at once, and of calls."""
        self._close(out)
        at, self._count = self._count, self._count + 1
        self._kind, self._at, self._text_start = kind, at, self._length
        out.append(ir.BlockStart(self.index, at, block))
        return at

    def _close(self, out: list[ir.Event]) -> None:
        if self._kind is not None:
            out.append(ir.BlockStop(self.index, self._at))
            self._kind = None

    def _whole(self, block: ir.Block, out: list[ir.Event]) -> None:
        out.append(ir.BlockStop(self.index, self._begin(None, block, out)))

    def _delta(self, kind: ir.DeltaKind, text: str, out: list[ir.Event]) -> None:
        out.append(ir.BlockDelta(self.index, self._at, kind, text))

    def _text(self, text: str, out: list[ir.Event]) -> None:
        if self._kind != "text":
            self._begin("text", ir.Text(""), out)
        self._length += len(text)
        self._delta("text", text, out)

    def _think(self, text: str, block: ir.Thinking, out: list[ir.Event]) -> None:
        kind = f"thinking {block.family}"
        if self._kind != kind:
            self._begin(kind, block, out)
        if text:
            self._delta("thinking", text, out)

    # --- the fields of a delta -----------------------------------------------------------------------

    def _content(self, content: Any, delta: dict[str, Any], out: list[ir.Event]) -> None:
        if isinstance(content, str):
            self._text(content, out)
        for part in _list(content):
            self._part(part, out)

    def _part(self, part: Any, out: list[ir.Event]) -> None:
        """Mistral sends lists of parts, a thought of a word as one."""
        try:
            block = read_part(part, "content")
        except Malformed:
            return
        if isinstance(block, ir.Text):
            if block.text:
                self._text(block.text, out)
        elif isinstance(block, ir.Thinking):
            self._think(block.text, ir.Thinking(family=block.family), out)
            if block.signature:
                self._delta("signature", block.signature, out)
        else:
            self._whole(block, out)

    def _shown(self, text: Any, delta: dict[str, Any], out: list[ir.Event]) -> None:
        """Reasoning to be seen. A server that sends it under several keys says the same again."""
        if isinstance(text, str) and not delta.get("thinking_blocks"):
            self._think(text, ir.Thinking(), out)

    def _shown_too(self, text: Any, delta: dict[str, Any], out: list[ir.Event]) -> None:
        if isinstance(text, str) and not (delta.get("thinking_blocks") or delta.get(THOUGHTS[0])):
            self._think(text, ir.Thinking(extra=thought_place(THOUGHTS[1])), out)

    def _signed(self, blocks: Any, delta: dict[str, Any], out: list[ir.Event]) -> None:
        for node in _list(blocks):
            if not isinstance(node, dict):
                continue
            family, text, signature = (
                node.get("family") or THINKER,
                node.get("thinking"),
                node.get("signature"),
            )
            if isinstance(node.get("data"), str):
                self._whole(ir.Thinking(redacted=node["data"], family=family), out)
                continue
            self._think(text if isinstance(text, str) else "", ir.Thinking(family=family), out)
            if isinstance(signature, str) and signature:
                self._delta("signature", signature, out)
                self._close(out)

    def _sealed(self, items: Any, delta: dict[str, Any], out: list[ir.Event]) -> None:
        """They come when their words have been shown."""
        for item in filter(is_item, _list(items)):
            self._whole(read_item({**item, "summary": []}), out)

    def _refusal(self, text: Any, delta: dict[str, Any], out: list[ir.Event]) -> None:
        if isinstance(text, str):
            if self._kind != "refusal":
                self._begin("refusal", ir.Refusal(""), out)
            self._delta("refusal", text, out)

    def _images(self, images: Any, delta: dict[str, Any], out: list[ir.Event]) -> None:
        for image in _list(images):
            try:
                block = read_part({key: image[key] for key in image if key != "index"}, "images")
            except (Malformed, TypeError):
                continue
            self._whole(block, out)

    def _sound(self, node: Any, delta: dict[str, Any], out: list[ir.Event]) -> None:
        if not isinstance(node, dict):
            return
        if self._kind != "audio":
            known = {key: node[key] for key in ("id", "expires_at") if node.get(key)}
            self._begin("audio", read_audio({"id": None, **known}), out)
        elif node.get("expires_at"):
            self.tell("turn", {"audio": {"expires_at": node["expires_at"]}}, out)
        for key, kind in (("data", "audio"), ("transcript", "transcript")):
            if isinstance(text := node.get(key), str) and text:
                self._delta("audio" if kind == "audio" else "transcript", text, out)

    def _function(self, node: Any, delta: dict[str, Any], out: list[ir.Event]) -> None:
        if isinstance(node, dict):
            self._call({"index": _LEGACY, "function": node}, "legacy", out)

    def _tools(self, calls: Any, delta: dict[str, Any], out: list[ir.Event]) -> None:
        for call in _list(calls):
            if isinstance(call, dict):
                self._call(call, "custom" if isinstance(call.get("custom"), dict) else "function", out)

    def _call(self, call: dict[str, Any], kind: Any, out: list[ir.Event]) -> None:
        inner = call.get("custom" if kind == "custom" else "function")
        inner = inner if isinstance(inner, dict) else {}
        place = self._place(call, inner)
        text = arguments_of(inner.get("input" if kind == "custom" else "arguments"))
        if place not in self._calls or self._is_another(place, call, inner):
            early = self._early.pop(place, _Begun())
            name, call_id = inner.get("name"), call.get("id")
            begun = _Begun(
                place=place,
                kind=kind,
                id=call_id if isinstance(call_id, str) and call_id else early.id,
                name=name if isinstance(name, str) else "",
                text=early.text + text,
                signature=signature_of(call) or early.signature,
            )
            if begun.name:
                self._open_call(begun, out)
            else:
                self._early[place] = begun
        else:
            self._argue(self._calls[place], text, out)

    def _open_call(self, begun: _Begun, out: list[ir.Event]) -> None:
        """A call begins with its name: what comes before is held."""
        name = self._names.get(begun.name, begun.name)
        block = ir.ToolCall(id=begun.id, name=name, kind=begun.kind, signature=begun.signature)
        at = self._calls[begun.place] = self._begin(None, block, out)
        self._ids[begun.place] = begun.id
        self._open_calls.append(at)
        self.called = True
        if begun.text == _NOTHING:
            self._bare.add(at)
        else:
            self._argue(at, begun.text, out)

    def _argue(self, at: int, text: str, out: list[ir.Event]) -> None:
        """Some servers begin the arguments with an empty object, and then send them (Databricks)."""
        if text:
            self._bare.discard(at)
            out.append(ir.BlockDelta(self.index, at, "arguments", text))

    def _place(self, call: dict[str, Any], inner: dict[str, Any]) -> int:
        """The `index` of a piece. Where servers give none: of the call with its id, a new one for a new id
        or name, else of the last."""
        index, call_id = call.get("index"), call.get("id")
        if isinstance(index, int):
            return index
        for place, known in self._ids.items():
            if call_id and known == call_id:
                return place
        fresh = bool(call_id or inner.get("name"))
        return max(self._calls, default=-1) + 1 if fresh else max(self._calls, default=0)

    def _is_another(self, place: int, call: dict[str, Any], inner: dict[str, Any]) -> bool:
        """Some servers give every call the index 0: another id with a name is another call."""
        call_id, known = call.get("id"), self._ids[place]
        return bool(call_id and known and call_id != known and inner.get("name"))

    def _cite(self, annotations: Any, delta: dict[str, Any], out: list[ir.Event]) -> None:
        for annotation in _list(annotations):
            citation = read_citation(annotation) if self._kind == "text" else None
            if citation is None:
                self._notes.append(annotation)
                continue
            if citation.start is not None:
                citation.start -= self._text_start
            if citation.end is not None:
                citation.end -= self._text_start
            out.append(ir.CitationDelta(self.index, self._at, citation))

    def _reason(self, details: Any, delta: dict[str, Any], out: list[ir.Event]) -> None:
        """OpenRouter's `reasoning_details` come in pieces, told as a whole at the end. Where a server tells its
        thoughts nowhere else, they are the thoughts, too."""
        self._thought = self._thought or any(delta.get(key) for key in (*THOUGHTS, "thinking_blocks"))
        for piece in _list(details):
            if not self._thought and (text := thought_of(piece)):
                self._think(text, ir.Thinking(), out)
            last = self._details[-1] if self._details else None
            if isinstance(last, dict) and isinstance(piece, dict) and _continues(last, piece):
                self._details[-1] = _joined(last, piece)
            else:
                self._details.append(piece)

    def _fields(self, fields: Any, delta: dict[str, Any], out: list[ir.Event]) -> None:
        if not isinstance(fields, dict):
            return
        left = dict(fields)
        for node in _list(left.pop("opaque", None)):
            if isinstance(node, dict) and isinstance(node.get("family"), str) and "value" in node:
                self._whole(ir.Opaque(family=node["family"], value=node["value"]), out)
        for signature in _list(left.pop("thought_signatures", None)):
            if isinstance(signature, str):
                if self._kind != "text":
                    self._begin("text", ir.Text(""), out)
                self._delta("signature", signature, out)
        if left:
            self.tell("turn", {FIELDS: left}, out)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _continues(last: dict[str, Any], piece: dict[str, Any]) -> bool:
    same = all(last.get(key) == piece.get(key) for key in ("type", "index"))
    return same and "data" not in piece and (piece.get("id") in (None, last.get("id")) or not last.get("id"))


def _joined(last: dict[str, Any], piece: dict[str, Any]) -> dict[str, Any]:
    joined = {**last, **{key: value for key, value in piece.items() if value is not None}}
    for key in ("text", "summary"):
        if isinstance(last.get(key), str) and isinstance(piece.get(key), str):
            joined[key] = last[key] + piece[key]
    return joined


# in the order in which they stand in a message
_HANDLERS: Final[dict[str, Callable[[Choice, Any, dict[str, Any], list[ir.Event]], None]]] = {
    "thinking_blocks": Choice._signed,
    "reasoning_content": Choice._shown,
    "reasoning": Choice._shown_too,
    "reasoning_details": Choice._reason,
    "reasoning_items": Choice._sealed,
    "content": Choice._content,
    "annotations": Choice._cite,
    "refusal": Choice._refusal,
    "images": Choice._images,
    "audio": Choice._sound,
    "function_call": Choice._function,
    "tool_calls": Choice._tools,
    FIELDS: Choice._fields,
}
_KNOWN: Final = frozenset({"role", *_HANDLERS})
