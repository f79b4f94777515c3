"""IR turns → `systemInstruction` and `contents`, in the order and shape that the API demands.

Consecutive turns of one side become one, all system turns become the instruction, empty texts vanish, results
are named through the calls that they answer. What can't be said is listed in `dropped`, never left out in
silence; another vendor's reasoning is no content and goes without a word.

https://ai.google.dev/api/caching#Content
https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from collections.abc import Callable, Collection
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.gemini import blocks_write as write
from headgate.wire.gemini.check import FAMILY, fields, json_object, own
from headgate.wire.gemini.models import Facts
from headgate.wire.gemini.names import Names
from headgate.wire.gemini.parts import PART

NO_SIGNATURE: Final = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
"""Base64 of `skip_thought_signature_validator`: the signature of a call that Gemini didn't make."""

PLACEHOLDER: Final = " "

_ROLE: Final = {"user": "user", "assistant": "model"}
_Part = dict[str, Any]


class Conversation:
    """`system` and `contents` once `add_all` went over the turns."""

    def __init__(self, names: Names, facts: Facts, made_ids: Collection[str] = ()) -> None:
        self.system: list[_Part] = []
        self.system_extra: dict[str, Any] = {}
        self.contents: list[dict[str, Any]] = []
        self.dropped: list[str] = []
        self.details: list[str] = []
        self._names = names
        self._facts = facts
        self._made_ids = frozenset(made_ids)
        self._called: dict[str, str] = {}

    def add_all(self, turns: list[ir.Turn]) -> None:
        for at, turn in enumerate(turns):
            if turn.role in _ROLE:
                self._add(turn, at)
            else:
                self._add_system(turn, at)
        if self._facts.signed_calls:
            self._sign()
        if not self.contents:
            self.contents.append({"role": "user", "parts": [{"text": PLACEHOLDER}]})
        if self.system and not self._facts.system:
            self._system_to_user()

    def instruction(self) -> dict[str, Any] | None:
        return {**self.system_extra, "parts": self.system} if self.system else None

    def _add_system(self, turn: ir.Turn, at: int) -> None:
        self.system_extra.update(own(turn.extra))
        for part in self._parts(turn, at):
            if "text" in part:
                self.system.append(part)
            else:
                self._drop(f"messages[{at}]", f"{next(iter(part))} in the system prompt")

    def _add(self, turn: ir.Turn, at: int) -> None:
        parts = self._parts(turn, at)
        if not parts:
            return
        role = _ROLE[turn.role]
        extra = own(turn.extra)
        if self.contents and self.contents[-1]["role"] == role:
            self.contents[-1]["parts"] += parts
            self.contents[-1].update(extra)
        else:
            self.contents.append({"role": role, "parts": parts, **extra})

    def _parts(self, turn: ir.Turn, at: int) -> list[_Part]:
        """Media that results of older models can't hold come after all results of the turn."""
        parts: list[_Part] = []
        after: list[_Part] = []
        for number, block in enumerate(turn.blocks):
            where = f"messages[{at}].content[{number}]"
            if isinstance(block, ir.ToolResult):
                parts.append(self._result(block, where, after))
            elif (part := _WRITERS[type(block)](self, block, where)) is not None:
                parts.append(part)
        return parts + after

    def _sign(self) -> None:
        """The first call of each step carries a signature: where there is none, the one that says so."""
        for content in self.contents:
            if content["role"] == "model":
                first = next((part for part in content["parts"] if "functionCall" in part), None)
                if first is not None:
                    first.setdefault("thoughtSignature", NO_SIGNATURE)

    def _system_to_user(self) -> None:
        if self.contents[0]["role"] == "user":
            first = self.contents[0]["parts"]
            self.contents[0]["parts"] = self.system + [
                part for part in first if part != {"text": PLACEHOLDER}
            ]
        else:
            self.contents.insert(0, {"role": "user", "parts": self.system})
        self.system = []

    def _drop(self, where: str, what: str) -> None:
        self.dropped.append(f"{where}: {what}")

    # --- one method for each kind of block -----------------------------------------------------------

    def _text(self, block: ir.Text, where: str) -> _Part | None:
        return write.text(block) if block.text or block.signature else None

    def _refusal(self, block: ir.Refusal, where: str) -> _Part | None:
        return {"text": block.text} if block.text else None

    def _thinking(self, block: ir.Thinking, where: str) -> _Part | None:
        ours = block.family in (FAMILY, None) and block.redacted is None
        if not ours or self._facts.thinking == "none" or not (block.text or block.signature):
            return None
        return write.thinking(block)

    def _media(self, block: ir.Image | ir.Audio | ir.File, where: str) -> _Part | None:
        part = write.medium(block, detail=self._facts.part_detail)
        if part is None and isinstance(block, ir.Audio) and block.transcript:
            return {"text": block.transcript}
        if part is None:
            self._drop(where, f"{type(block).__name__.lower()}{_by(block.source)}")
        elif isinstance(block, ir.Image) and block.detail is not None:
            self.details.append(block.detail)
        return part

    def _opaque(self, block: ir.Opaque, where: str) -> _Part | None:
        value = block.value
        if isinstance(value, dict) and (block.family == FAMILY or not PART.isdisjoint(fields(value, PART))):
            return dict(value)
        kind = value.get("type") if isinstance(value, dict) else None
        self._drop(where, kind if isinstance(kind, str) else f"a block of {block.family}")
        return None

    def _id(self, call_id: str) -> str:
        """The id as it is written, "" for none."""
        return call_id if self._facts.call_ids and call_id not in self._made_ids else ""

    def _tool_call(self, block: ir.ToolCall, where: str) -> _Part:
        name = self._names.fit(block.name)
        if block.id:
            self._called[block.id] = name
        return write.tool_call(block, name, self._id(block.id))

    def _result(self, block: ir.ToolResult, where: str, after: list[_Part]) -> _Part:
        called = self._called.get(block.call_id)
        name = called or self._names.fit(block.name or block.call_id or "unknown")
        attached: list[_Part] = []
        texts: list[str] = []
        for number, inner in enumerate(block.content):
            place = f"{where}.content[{number}]"
            if isinstance(inner, ir.Text | ir.Refusal):
                texts.append(inner.text)
            elif isinstance(inner, ir.Image | ir.Audio | ir.File):
                if (part := self._media(inner, place)) is not None:
                    attached.append(part)
            elif isinstance(inner, ir.Opaque):
                if (part := self._opaque(inner, place)) is not None:
                    attached.append(part)
            else:
                self._drop(place, f"{type(inner).__name__} inside a tool result")
        result: dict[str, Any] = {"name": name, "response": _response(texts, block.is_error)}
        if call_id := self._id(block.call_id):
            result["id"] = call_id
        if attached and self._facts.result_media:
            result["parts"] = attached
        else:
            after += attached
        return {"functionResponse": {**result, **own(block.extra)}}


def _response(texts: list[str], is_error: bool | None) -> dict[str, Any]:
    """An object as it is, all else under `content`; what went wrong under `error`."""
    said = "\n".join(texts)
    value = json_object(said)
    if is_error:
        return {"error": said if value is None else value}
    if value is not None:
        return value
    return {"content": said} if texts else {}


def _by(source: ir.Source | None) -> str:
    if source is None:
        return ""
    return f" by {source.kind} of {source.family}" if source.family else f" by {source.kind}"


_WRITERS: Final[dict[type, Callable[..., _Part | None]]] = {
    ir.Text: Conversation._text,
    ir.Refusal: Conversation._refusal,
    ir.Thinking: Conversation._thinking,
    ir.Image: Conversation._media,
    ir.Audio: Conversation._media,
    ir.File: Conversation._media,
    ir.Opaque: Conversation._opaque,
    ir.ToolCall: Conversation._tool_call,
}
