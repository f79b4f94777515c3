"""IR blocks → Converse's content blocks, as far as requests and replies agree on them.

Pure functions from one node to one JSON value, None where the format has no block for it. What only requests
need (ids, names, order, what was dropped) is in turns.py.
"""

from typing import Any, Final

import msgspec

from headgate.wire import claude, ir
from headgate.wire.bedrock import media
from headgate.wire.bedrock.check import own
from headgate.wire.shape import restore

BESIDE: Final = "beside"
GUARD: Final = "guardContent"
SEARCH: Final = "searchResult"
JSON: Final = "json"
"""Marks in a block's `extra`: keys beside the one that says what it is, and the forms of a text that other
formats don't have."""


def block(kind: str, inner: Any, extra: ir.Extra | None) -> dict[str, Any]:
    """The block with the fields that the IR has no name for."""
    fields = own(extra)
    beside = fields.get(BESIDE) or {}
    if isinstance(inner, dict):
        inner = restore(inner, {key: value for key, value in fields.items() if key != BESIDE})
    return {kind: inner, **beside}


def text(node: ir.Text) -> dict[str, Any]:
    fields = own(node.extra)
    if GUARD in fields and fields[GUARD]["text"].get("text") == node.text:
        return {GUARD: fields[GUARD], **(fields.get(BESIDE) or {})}
    if SEARCH in fields:
        return {SEARCH: fields[SEARCH], **(fields.get(BESIDE) or {})}
    if node.citations is not None:
        return block("citationsContent", cited(node)["citationsContent"], node.extra)
    return block("text", node.text, node.extra)


def result_text(node: ir.Text) -> dict[str, Any]:
    """Inside a tool result, where JSON may stand as it is."""
    fields = own(node.extra)
    if SEARCH in fields:
        return {SEARCH: fields[SEARCH]}
    return {"json": fields[JSON]} if JSON in fields else {"text": node.text}


def cited(node: ir.Text) -> dict[str, Any]:
    citations = [citation(item) for item in node.citations or ()]
    content = {"content": [{"text": node.text}]} if node.text else {}
    return {"citationsContent": {**content, "citations": citations}}


def citation(source: ir.Citation) -> dict[str, Any]:
    node: dict[str, Any] = {}
    if source.title is not None:
        node["title"] = source.title
    if source.cited_text is not None:
        node["sourceContent"] = [{"text": source.cited_text}]
    if source.url is not None:
        node["location"] = {"web": {"url": source.url}}
    return restore(node, own(source.extra))


def thinking(node: ir.Thinking) -> dict[str, Any]:
    if node.redacted is not None:
        redacted = media.sealed(node.redacted) if node.family == claude.FAMILY else node.redacted
        return {"reasoningContent": {"redactedContent": redacted, **own(node.extra)}}
    inner = {"text": node.text, **own(node.extra)}
    if node.signature is not None:
        inner["signature"] = node.signature
    return {"reasoningContent": {"reasoningText": inner}}


def tool_use(call: ir.ToolCall, call_id: str, name: str) -> dict[str, Any]:
    return block(
        "toolUse", {"toolUseId": call_id, "name": name, "input": claude.tool_input(call)}, call.extra
    )


# --- media: the object under the block's key, None where the format can't say it --------------------------


def _media(source: ir.Source, kind: str | None) -> dict[str, Any] | None:
    place = media.write_source(source)
    return None if place is None or kind is None else {"format": kind, "source": place}


def image(node: ir.Image) -> dict[str, Any] | None:
    return _media(node.source, media.format_of(node.source, None, media.IMAGES))


def document(node: ir.File) -> dict[str, Any] | None:
    kind = "txt" if node.source.kind == "text" else media.format_of(node.source, node.name, media.DOCUMENTS)
    inner = _media(node.source, kind)
    if inner is None:
        return None
    inner["name"] = media.title(node.name)
    if node.context is not None:
        inner["context"] = node.context
    if node.citations is not None:
        inner["citations"] = {"enabled": node.citations}
    return inner


def video(node: ir.File) -> dict[str, Any] | None:
    return _media(node.source, media.format_of(node.source, node.name, media.VIDEOS))


def audio(node: ir.Audio) -> dict[str, Any] | None:
    return None if node.source is None else _media(node.source, media.sound(node) or None)


def picture(node: ir.Image | ir.File | ir.Audio) -> dict[str, Any] | None:
    """Whatever it really is: a file may be a picture, a film or sound."""
    if isinstance(node, ir.Audio):
        return _whole("audio", audio(node), node.extra)
    if isinstance(node, ir.Image):
        return _whole("image", image(node), node.extra)
    source = node.source
    found = media.format_of(source, node.name, {**media.IMAGES, **media.VIDEOS})
    if found in media.IMAGES:
        return _whole("image", image(ir.Image(_typed(source, media.IMAGES[str(found)]))), node.extra)
    if found in media.VIDEOS:
        return _whole("video", video(node), node.extra)
    if (source.media_type or "").startswith("audio/"):
        return _whole("audio", audio(ir.Audio(source)), node.extra)
    return _whole("document", document(node), node.extra)


def _typed(source: ir.Source, kind: str) -> ir.Source:
    return msgspec.structs.replace(source, media_type=kind)


def _whole(kind: str, inner: dict[str, Any] | None, extra: ir.Extra | None) -> dict[str, Any] | None:
    return None if inner is None else block(kind, inner, extra)
