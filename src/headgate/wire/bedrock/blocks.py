"""Content blocks → IR, the same for requests and replies. A block that only Converse knows is `Opaque`.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html. A block is an object with
one key, which says what it is. What is read is written at once, and where the two differ the difference is
kept. Raises `Malformed`; knows no request and no stream.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from headgate.wire import claude, ir
from headgate.wire.bedrock import blocks_write as write
from headgate.wire.bedrock import media
from headgate.wire.bedrock.check import FAMILY, kept, read_cache_point, rest
from headgate.wire.shape import at, difference, expect, optional, required

_MARKED: Final = ir.Text | ir.Image | ir.Audio | ir.File | ir.ToolCall | ir.ToolResult


def read_blocks(value: Any, where: str) -> list[ir.Block]:
    """A cache point becomes the mark of the block before it."""
    blocks: list[ir.Block] = []
    for number, item in enumerate(expect(value, list, where)):
        place = f"{where}[{number}]"
        node = expect(item, dict, place)
        mark = read_cache_point(node)
        last = blocks[-1] if blocks else None
        if mark is not None and isinstance(last, _MARKED) and last.cache is None:
            last.cache = mark
        else:
            blocks.append(read_block(node, place))
    return blocks


def read_block(node: dict[str, Any], where: str) -> ir.Block:
    kind = next((key for key in node if key in _READERS), None)
    block = None if kind is None else _READERS[kind](expect_inner(node, kind, where), at(where, kind))
    if kind is None or block is None or isinstance(block, ir.Opaque):
        return ir.Opaque(family=FAMILY, value=node)
    if len(node) > 1:
        more = {key: value for key, value in node.items() if key != kind}
        block.extra = kept({**(block.extra or {}).get(FAMILY, {}), write.BESIDE: more})
    return block


def expect_inner(node: dict[str, Any], kind: str, where: str) -> Any:
    return expect(node[kind], str if kind == "text" else dict, at(where, kind))


def _text(value: str, where: str) -> ir.Block:
    return ir.Text(value)


def _guarded(value: dict[str, Any], where: str) -> ir.Block | None:
    """Text that a guardrail is to look at: other formats get the text, this one what it said of it."""
    inner = value.get("text")
    if not isinstance(inner, dict) or not isinstance(inner.get("text"), str):
        return None
    return ir.Text(inner["text"], extra=kept({write.GUARD: value}))


def _search_result(value: dict[str, Any], where: str) -> ir.Block | None:
    """Other formats get its words."""
    parts = [part for part in optional(value, "content", list, where) or () if isinstance(part, dict)]
    words = (value.get("title"), value.get("source"), *(part.get("text") for part in parts))
    said = "\n".join(word for word in words if isinstance(word, str) and word)
    return ir.Text(said, extra=kept({write.SEARCH: value})) if parts and said else None


def _cited(value: dict[str, Any], where: str) -> ir.Block:
    parts = optional(value, "content", list, where) or []
    citations = optional(value, "citations", list, where) or []
    block = ir.Text(
        "".join(
            required(expect(part, dict, f"{where}.content"), "text", str, f"{where}.content[{number}]")
            for number, part in enumerate(parts)
        ),
        citations=[read_citation(item, f"{where}.citations[{n}]") for n, item in enumerate(citations)],
    )
    block.extra = kept(difference(value, write.cited(block)["citationsContent"]))
    return block


def read_citation(value: Any, where: str) -> ir.Citation:
    node = expect(value, dict, where)
    place = optional(node, "location", dict, where) or {}
    web = optional(place, "web", dict, f"{where}.location") or {}
    quoted = optional(node, "sourceContent", list, where) or []
    texts = [part["text"] for part in quoted if isinstance(part, dict) and isinstance(part.get("text"), str)]
    citation = ir.Citation(
        url=optional(web, "url", str, f"{where}.location.web"),
        title=optional(node, "title", str, where),
        cited_text="".join(texts) if texts else None,
    )
    citation.extra = kept(difference(node, write.citation(citation)))
    return citation


def _reasoning(value: dict[str, Any], where: str) -> ir.Block | None:
    redacted = optional(value, "redactedContent", str, where)
    if redacted is not None:
        return ir.Thinking(redacted=redacted, family=FAMILY, extra=rest(value, {"redactedContent"}))
    inner = optional(value, "reasoningText", dict, where)
    if inner is None:
        return None
    place = f"{where}.reasoningText"
    return ir.Thinking(
        text=required(inner, "text", str, place),
        signature=optional(inner, "signature", str, place) or None,
        family=FAMILY,
        extra=rest(inner, {"text", "signature"}),
    )


def _tool_use(value: dict[str, Any], where: str) -> ir.Block | None:
    if value.get("type") == SERVER:
        return None
    return ir.ToolCall(
        id=required(value, "toolUseId", str, where),
        name=required(value, "name", str, where),
        arguments=msgspec.json.encode(value.get("input") or {}).decode(),
        extra=rest(value, {"toolUseId", "name", "input"}),
    )


def _tool_result(value: dict[str, Any], where: str) -> ir.Block | None:
    """A result with a type is that of a tool that the service ran."""
    if "type" in value:
        return None
    status = optional(value, "status", str, where)
    content = optional(value, "content", list, where) or []
    return ir.ToolResult(
        call_id=required(value, "toolUseId", str, where),
        content=[_inner(item, f"{where}.content[{number}]") for number, item in enumerate(content)],
        is_error=_STATUS.get(status or ""),
        flat=False,
        extra=rest(
            value, {"toolUseId", "content", "status"} if status in _STATUS else {"toolUseId", "content"}
        ),
    )


def _inner(value: Any, where: str) -> ir.Block:
    """A block inside a tool result. JSON is text to every other format."""
    node = expect(value, dict, where)
    if "json" in node:
        return ir.Text(msgspec.json.encode(node["json"]).decode(), extra=kept({write.JSON: node["json"]}))
    if _IN_RESULTS.isdisjoint(node):
        return ir.Opaque(family=FAMILY, value=node)
    return read_block(node, where)


def _image(value: dict[str, Any], where: str) -> ir.Block | None:
    source = media.read_source(value, media.IMAGES.get(str(value.get("format"))), where)
    if source is None:
        return None
    block = ir.Image(source)
    block.extra = kept(difference(value, write.image(block) or {}))
    return block


def _document(value: dict[str, Any], where: str) -> ir.Block | None:
    source = media.read_source(value, media.DOCUMENTS.get(str(value.get("format"))), where)
    if source is None:
        return None
    citations = optional(value, "citations", dict, where)
    block = ir.File(
        source,
        name=optional(value, "name", str, where),
        context=optional(value, "context", str, where),
        citations=None if citations is None else optional(citations, "enabled", bool, f"{where}.citations"),
    )
    block.extra = kept(difference(value, write.document(block) or {}))
    return block


def _video(value: dict[str, Any], where: str) -> ir.Block | None:
    source = media.read_source(value, media.VIDEOS.get(str(value.get("format")), "video/mp4"), where)
    if source is None:
        return None
    block = ir.File(source)
    block.extra = kept(difference(value, write.video(block) or {}))
    return block


def _audio(value: dict[str, Any], where: str) -> ir.Block | None:
    kind = optional(value, "format", str, where)
    source = media.read_source(value, None if kind is None else f"audio/{kind}", where)
    if source is None:
        return None
    block = ir.Audio(source, format=kind)
    block.extra = kept(difference(value, write.audio(block) or {}))
    return block


def signed(block: ir.Block, family: ir.Family | None) -> ir.Block:
    """Sealed reasoning of the family whose model answered, in that family's own words."""
    if family != claude.FAMILY or not isinstance(block, ir.Thinking):
        return block
    if block.redacted is not None:
        data = media.unsealed(block.redacted)
        return block if data is None else ir.Thinking(redacted=data, family=claude.FAMILY, extra=block.extra)
    block.family = claude.FAMILY
    return block


SERVER: Final = "server_tool_use"
_STATUS: Final = {"error": True, "success": False}
_IN_RESULTS: Final = frozenset({"text", "image", "document", "video", "searchResult"})
_READERS: Final[dict[str, Callable[[Any, str], ir.Block | None]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "video": _video,
    "audio": _audio,
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "reasoningContent": _reasoning,
    "citationsContent": _cited,
    "guardContent": _guarded,
    "searchResult": _search_result,
}
