"""IR blocks → content blocks, as far as requests and replies agree on them.

Pure functions from one node to one JSON value, None where the format has no block for it. What only requests
need (ids, names, what was dropped) is in turns.py; what only answers need is in reply_write.py.
"""

import binascii
from base64 import b64decode
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.anthropic.blocks import SEARCH_RESULT, TITLE_OF, URL_OF
from headgate.wire.anthropic.check import FAMILY
from headgate.wire.seals import sealed

_MAGIC: Final = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi0", "application/pdf"),
)
_SPELLINGS: Final = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg"}


def own(extra: ir.Extra | None) -> dict[str, Any]:
    """The fields that go back into this format."""
    return extra.get(FAMILY, {}) if extra else {}


def mark(cache: ir.Cache) -> dict[str, Any]:
    return {"type": cache.kind} if cache.ttl is None else {"type": cache.kind, "ttl": cache.ttl}


def finish(node: dict[str, Any], cache: ir.Cache | None, extra: ir.Extra | None) -> dict[str, Any]:
    """The node with its cache mark and the fields that the IR has no name for."""
    if cache is not None:
        node["cache_control"] = mark(cache)
    if extra:
        node.update(extra.get(FAMILY, {}))
    return node


def text(block: ir.Text, citations: list[dict[str, Any]] | None) -> dict[str, Any]:
    whole = own(block.extra)
    if whole.get("type") == SEARCH_RESULT:
        return finish(dict(whole), block.cache, None)
    node: dict[str, Any] = {"type": "text", "text": block.text}
    if citations is not None:
        node["citations"] = citations
    return finish(node, block.cache, block.extra)


def citation(source: ir.Citation) -> dict[str, Any]:
    """A citation of another vendor becomes a web search result without its proof (`encrypted_index`)."""
    fields = own(source.extra)
    kind = fields.get("type", "web_search_result_location")
    named = {
        "cited_text": source.cited_text,
        TITLE_OF.get(kind, "title"): source.title,
        URL_OF.get(kind, ""): source.url,
    }
    said = {key: value for key, value in named.items() if key and value is not None}
    if fields:
        return {**fields, **said}
    return {"type": kind, "cited_text": "", "title": None, "url": "", "encrypted_index": "", **said}


def citable(node: dict[str, Any]) -> bool:
    """Whether the API takes it back: a web result needs its proof."""
    return node.get("type") != "web_search_result_location" or bool(node.get("encrypted_index"))


def thinking(block: ir.Thinking) -> dict[str, Any]:
    """What another vendor sealed bears its name."""
    secret = sealed(block, FAMILY) or ""
    if block.redacted is not None:
        return {"type": "redacted_thinking", "data": secret, **own(block.extra)}
    return {"type": "thinking", "thinking": block.text, "signature": secret, **own(block.extra)}


def image(block: ir.Image) -> dict[str, Any] | None:
    source = _source(block.source, "image/jpeg")
    if source is None:
        return None
    return finish({"type": "image", "source": source}, block.cache, block.extra)


def document(block: ir.File) -> dict[str, Any] | None:
    """A document, or the picture or the container file that it really is."""
    source = block.source
    media = _media_type(source, "application/pdf") if source.kind != "text" else "text/plain"
    written: dict[str, Any] | None
    if source.kind == "id" and source.family == FAMILY and not _readable(source.media_type):
        return finish({"type": "container_upload", "file_id": source.value}, block.cache, block.extra)
    if media.startswith("image/"):
        return image(ir.Image(source, cache=block.cache, extra=block.extra))
    if source.kind == "text":
        written = {"type": "text", "media_type": "text/plain", "data": source.value}
    elif source.kind == "data" and media != "application/pdf":
        written = _decoded(source, media)
    else:
        written = _source(source, "application/pdf")
    if written is None:
        return None
    node: dict[str, Any] = {"type": "document", "source": written}
    if block.name is not None:
        node["title"] = block.name
    if block.context is not None:
        node["context"] = block.context
    if block.citations is not None:
        node["citations"] = {"enabled": block.citations}
    return finish(node, block.cache, block.extra)


def _readable(media: str | None) -> bool:
    """Whether a stored file is one that a model reads itself; others go to its container."""
    return media is None or media.startswith(("image/", "text/")) or media == "application/pdf"


def _decoded(source: ir.Source, media: str) -> dict[str, Any] | None:
    """Base64 text as text. None for media that the format has no place for."""
    if not media.startswith("text/") and media not in ("application/json", "application/xml"):
        return None
    try:
        data = b64decode(source.value, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return {"type": "text", "media_type": "text/plain", "data": data}


def _source(source: ir.Source, default: str) -> dict[str, Any] | None:
    if source.kind == "data":
        return {"type": "base64", "media_type": _media_type(source, default), "data": source.value}
    if source.kind == "url":
        return {"type": "url", "url": source.value}
    if source.kind == "id" and source.family == FAMILY:
        return {"type": "file", "file_id": source.value}
    return None


def _media_type(source: ir.Source, default: str) -> str:
    """As given, else as the first bytes tell."""
    if source.media_type:
        media = source.media_type.partition(";")[0].strip().lower()
        return _SPELLINGS.get(media, media)
    if source.kind == "data":
        return next((media for magic, media in _MAGIC if source.value.startswith(magic)), default)
    return default
