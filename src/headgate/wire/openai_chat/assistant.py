"""An assistant's message ↔ a turn: the message of a reply, and of a conversation's history.

Blocks stand in the order thinking, content, refusal, pictures, sound, calls, for the message has no other.
The format has no place for what other families know; in a reply it travels where LiteLLM's users look for it:
what a model thought (`thoughts.py`), `annotations`, `images` and `provider_specific_fields`, which holds

    thought_signatures  Gemini's proofs of texts and thoughts
    citations           those of documents, a list per text
    opaque              [{family, value, at}]: blocks of one family, `at` characters into the content

so that a client that sends the message back gives the vendor back what is its own. Whatever else a message
holds, and every odd spelling, is kept in the turn's `extra` as the difference to what we would write.
"""

from collections.abc import Callable
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.openai_chat.calls import (
    FIELDS,
    arguments_of,
    read_call,
    read_legacy,
    write_call,
    write_legacy,
)
from headgate.wire.openai_chat.citations import read_citation, show_citation, write_citation
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.parts import PLACE, THINKER, cache_mark, own, read_part, read_parts, write_part
from headgate.wire.openai_chat.thoughts import SEALER, THOUGHTS, read_thoughts, reasoning_item, thinking_block
from headgate.wire.shape import Malformed, at, difference, optional, restore

_PLAIN: Final = ("role", "content")


def read_assistant(node: dict[str, Any], where: str, answer: bool) -> ir.Turn:
    """`answer`: the message of a reply, in which odd values are kept rather than refused."""
    content = node.get("content")
    if isinstance(content, str) and node.get("role") == "assistant":
        rest = {key: value for key, value in node.items() if key not in _PLAIN}
        if not any(rest.values()):
            extra = {FAMILY: rest} if rest else None
            return ir.Turn(role="assistant", blocks=[ir.Text(content)], flat=True, extra=extra)
    blocks: list[ir.Block] = [*read_thoughts(node)]
    flat = isinstance(content, str)
    if isinstance(content, str):
        blocks += _read_text(content, node)
    elif content is not None:
        blocks += _odd_content(content) if answer else read_parts(content, at(where, "content"))
    if isinstance(refusal := node.get("refusal"), str) and refusal:
        blocks.append(ir.Refusal(refusal))
    blocks += _read_media(node)
    for read in (_read_calls, _read_function):
        try:
            blocks += read(node, where, answer)
        except Malformed:
            if not answer:
                raise
    mark = cache_mark(node, where) if "cache_control" in node else None
    if mark is not None and blocks and isinstance(blocks[-1], ir.Text | ir.ToolCall) and not blocks[-1].cache:
        blocks[-1].cache = mark
    name = node.get("name") if answer else optional(node, "name", str, where)
    turn = ir.Turn(role="assistant", blocks=blocks, name=name if isinstance(name, str) else None, flat=flat)
    left = difference(node, write_assistant(turn, answer, [], where))
    if left:
        turn.extra = {FAMILY: left}
    return turn


def _odd_content(content: Any) -> list[ir.Block]:
    """A list of parts, or what some server put in its place: its JSON, for those who want text."""
    try:
        return read_parts(content, "content")
    except Malformed:
        return [ir.Text(arguments_of(content))]


def _read_text(content: str, node: dict[str, Any]) -> list[ir.Block]:
    """The content with its citations and signature, cut where opaque blocks stood."""
    fields = node.get(FIELDS)
    fields = fields if isinstance(fields, dict) else {}
    blocks: list[ir.Block] = []
    start = 0
    for place, block in _opaque(fields.get("opaque")):
        place = max(start, min(place, len(content)))
        if place > start:
            blocks.append(ir.Text(content[start:place]))
        blocks.append(block)
        start = place
    if start < len(content) or not blocks:
        blocks.append(ir.Text(content[start:]))
    texts = [block for block in blocks if isinstance(block, ir.Text)]
    _cite(texts, node.get("annotations"))
    signatures = fields.get("thought_signatures")
    if isinstance(signatures, list) and signatures and isinstance(signatures[-1], str):
        if not texts:
            texts.append(ir.Text(""))
            blocks += texts
        texts[-1].signature = signatures[-1]
    return blocks


def _opaque(value: Any) -> list[tuple[int, ir.Opaque]]:
    found = []
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict) and isinstance(item.get("family"), str) and "value" in item:
            place = item.get("at")
            block = ir.Opaque(family=item["family"], value=item["value"])
            found.append((place if isinstance(place, int) else 0, block))
    return sorted(found, key=lambda row: row[0])


def _cite(texts: list[ir.Text], annotations: Any) -> None:
    """Gives each text its citations, all or none: a list that holds others stays as it came."""
    citations = [read_citation(item) for item in annotations] if isinstance(annotations, list) else []
    starts = [0]
    for text in texts:
        starts.append(starts[-1] + len(text.text))
    for citation in citations if None not in citations and texts else ():
        assert citation is not None
        index = max(n for n in range(len(texts)) if n == 0 or (citation.start or 0) >= starts[n])
        if citation.start is not None:
            citation.start -= starts[index]
        if citation.end is not None:
            citation.end -= starts[index]
        texts[index].citations = [*(texts[index].citations or ()), citation]


def _read_media(node: dict[str, Any]) -> list[ir.Block]:
    blocks: list[ir.Block] = []
    for image in node.get("images") or () if isinstance(node.get("images"), list) else ():
        try:
            block = read_part({k: v for k, v in image.items() if k != "index"}, "images")
        except (Malformed, AttributeError):
            continue
        if isinstance(block, ir.Image):
            blocks.append(block)
    audio = node.get("audio")
    if isinstance(audio, dict) and isinstance(audio.get("id"), str) and audio["id"]:
        blocks.append(read_audio(audio))
    return blocks


def read_audio(node: dict[str, Any]) -> ir.Audio:
    data, transcript, expires = node.get("data"), node.get("transcript"), node.get("expires_at")
    return ir.Audio(
        source=ir.Source(kind="data", value=data) if isinstance(data, str) else None,
        id=node["id"],
        transcript=transcript if isinstance(transcript, str) else None,
        expires_at=expires if isinstance(expires, int) else None,
    )


def _read_calls(node: dict[str, Any], where: str, answer: bool) -> list[ir.Block]:
    place = at(where, "tool_calls")
    calls = optional(node, "tool_calls", list, where)
    return [read_call(call, f"{place}[{index}]", answer) for index, call in enumerate(calls or ())]


def _read_function(node: dict[str, Any], where: str, answer: bool) -> list[ir.Block]:
    call = optional(node, "function_call", dict, where)
    if not call or (answer and not call.get("name")):
        return []
    return [read_legacy(call, at(where, "function_call"))]


# --- writing ---------------------------------------------------------------------------------------------


def write_assistant(turn: ir.Turn, answer: bool, dropped: list[str], where: str) -> dict[str, Any]:
    """The message. `dropped` takes what a request can't say; a reply says everything."""
    if (text := _only_text(turn)) is not None:
        return {"role": "assistant", "content": text}
    draft = Draft(answer, dropped, where, turn)
    for index, block in enumerate(turn.blocks):
        draft.add(index, block)
    return draft.message()


def _only_text(turn: ir.Turn) -> str | None:
    """Of a turn that is one text and says nothing else, as most are."""
    if len(turn.blocks) != 1 or turn.extra is not None or turn.name is not None:
        return None
    return ir.bare_text(turn.blocks[0])


_TEXT: Final = {"type", "text"}


class Draft:
    """A message in the making: each kind of block knows its place."""

    def __init__(self, answer: bool, dropped: list[str], where: str, turn: ir.Turn) -> None:
        self.answer = answer
        self.turn = turn
        self.kept = own(turn.extra)
        self.dropped = dropped
        self.where = where
        self.parts: list[dict[str, Any]] = []
        self.listed = False
        self.length = 0
        self.fields: dict[str, Any] = {}
        self.node: dict[str, Any] = {"role": "assistant", "content": None}
        if turn.name is not None:
            self.node["name"] = turn.name

    def add(self, index: int, block: ir.Block) -> None:
        place = own(getattr(block, "extra", None)).get(PLACE)
        if place == "content":
            self._part(block)
            self.listed = True
            return
        writer = _PLACES.get(type(block))
        if (writer is None or not writer(self, block)) and "content" not in self.kept:
            self.dropped.append(f"{self.where}.content[{index}]: {kind_of(block)}")

    def message(self) -> dict[str, Any]:
        node = self.node
        if self.parts:
            whole = not self.listed and (self.answer or self.turn.flat or len(self.parts) == 1)
            if whole and all(part.keys() == _TEXT for part in self.parts):
                node["content"] = "".join([part["text"] for part in self.parts])
            else:
                node["content"] = self.parts
        if self.fields:
            node[FIELDS] = self.fields
        return restore(node, self.kept) if self.kept else node

    def _part(self, block: ir.Block) -> bool:
        part = write_part(block)
        if part is not None:
            self.parts.append(part)
        return part is not None

    def _text(self, block: ir.Text) -> bool:
        if self.answer:
            self._annotate(block)
        self.length += len(block.text)
        return self._part(block)

    def _annotate(self, block: ir.Text) -> None:
        if block.citations:
            self._cite(block, block.citations)
        if block.signature is not None:
            self.fields.setdefault("thought_signatures", []).append(block.signature)

    def _cite(self, block: ir.Text, citations: list[ir.Citation]) -> None:
        shown = [citation for citation in citations if citation.url is None]
        named = [citation for citation in citations if citation.url is not None]
        if named:
            self.node.setdefault("annotations", []).extend(
                write_citation(citation, self.length, len(block.text)) for citation in named
            )
        if shown:
            self.fields.setdefault("citations", []).append([show_citation(citation) for citation in shown])

    def _thinking(self, block: ir.Thinking) -> bool:
        """A vendor's sealed reasoning is left out of a request without a word: nobody else can read it."""
        sealed = block.redacted is not None or block.signature is not None
        if not self.answer and sealed:
            return True
        key = own(block.extra).get(PLACE, THOUGHTS[0])
        if block.text:
            self.node[key] = self.node.get(key, "") + block.text
        if self.answer and (block.family == THINKER or block.redacted is not None):
            self.node.setdefault("thinking_blocks", []).append(thinking_block(block))
        elif self.answer and block.family == SEALER and block.signature is not None:
            self.node.setdefault("reasoning_items", []).append(reasoning_item(block))
        elif self.answer and block.signature is not None:
            self.fields.setdefault("thought_signatures", []).append(block.signature)
        return True

    def _refusal(self, block: ir.Refusal) -> bool:
        self.node["refusal"] = self.node.get("refusal", "") + block.text
        return True

    def _image(self, block: ir.Image) -> bool:
        part = write_part(block)
        if part is not None:
            images = self.node.setdefault("images", [])
            images.append({**part, "index": len(images)})
        return part is not None

    def _audio(self, block: ir.Audio) -> bool:
        if block.id is None and not self.answer:
            return block.transcript is not None and self._text(ir.Text(block.transcript))
        self.node["audio"] = write_audio(block)
        return True

    def _file(self, block: ir.File) -> bool:
        part = write_part(block) if self.answer else None
        if part is not None:
            self.fields.setdefault("files", []).append(part)
        return part is not None

    def _call(self, block: ir.ToolCall) -> bool:
        if block.kind == "legacy":
            self.node["function_call"] = write_legacy(block)
        else:
            self.node.setdefault("tool_calls", []).append(write_call(block, self.answer))
        return True

    def _opaque(self, block: ir.Opaque) -> bool:
        if block.family == FAMILY:
            self.listed = True
            return self._part(block)
        if self.answer:
            self.fields.setdefault("opaque", []).append(opaque_field(block, self.length))
        return self.answer or FIELDS in self.kept


def opaque_field(block: ir.Opaque, length: int) -> dict[str, Any]:
    return {"family": block.family, "value": block.value, "at": length}


def write_audio(block: ir.Audio) -> dict[str, Any]:
    node = {
        "id": block.id or "",
        "data": None if block.source is None else block.source.value,
        "transcript": block.transcript,
        "expires_at": block.expires_at,
    }
    return {key: value for key, value in node.items() if value is not None}


def kind_of(block: ir.Block) -> str:
    """The word for a block in `dropped`."""
    if isinstance(block, ir.Opaque) and isinstance(block.value, dict):
        return str(block.value.get("type") or next(iter(block.value), "block"))
    return type(block).__name__.lower()


_PLACES: Final[dict[type, Callable[[Draft, Any], bool]]] = {
    ir.Text: Draft._text,
    ir.Thinking: Draft._thinking,
    ir.Refusal: Draft._refusal,
    ir.Image: Draft._image,
    ir.Audio: Draft._audio,
    ir.File: Draft._file,
    ir.ToolCall: Draft._call,
    ir.Opaque: Draft._opaque,
}
