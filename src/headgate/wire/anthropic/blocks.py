"""Content blocks → IR, the same for requests and replies. A block that only Anthropic knows is `Opaque`.

https://docs.anthropic.com/en/api/messages. Raises `Malformed`; knows no request and no stream.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from headgate.wire import ir
from headgate.wire.anthropic.check import FAMILY, cache_mark, rest
from headgate.wire.seals import MARK, unsealed
from headgate.wire.shape import expect, optional, required

_Reader: TypeAlias = Callable[[dict[str, Any], str], ir.Block]

_TEXT: Final = frozenset({"type", "text", "citations", "cache_control"})
_THINKING: Final = frozenset({"type", "thinking", "signature"})
_REDACTED: Final = frozenset({"type", "data"})
_TOOL_USE: Final = frozenset({"type", "id", "name", "input", "cache_control"})
_TOOL_RESULT: Final = frozenset({"type", "tool_use_id", "content", "is_error", "cache_control"})
_IMAGE: Final = frozenset({"type", "source", "cache_control"})
_DOCUMENT: Final = frozenset({"type", "source", "title", "context", "citations", "cache_control"})

SEARCH_RESULT: Final = "search_result"

TITLE_OF: Final = {
    "char_location": "document_title",
    "page_location": "document_title",
    "content_block_location": "document_title",
}
URL_OF: Final = {"web_search_result_location": "url", "search_result_location": "source"}
"""Which field of a citation holds what the IR calls title ("title" where nothing is said) and url."""


def read_blocks(value: Any, where: str) -> list[ir.Block]:
    return [read_block(item, f"{where}[{at}]") for at, item in enumerate(expect(value, list, where))]


def read_block(value: Any, where: str) -> ir.Block:
    node = expect(value, dict, where)
    reader = _READERS.get(required(node, "type", str, where))
    return ir.Opaque(family=FAMILY, value=node) if reader is None else reader(node, where)


def _text(node: dict[str, Any], where: str) -> ir.Block:
    text = required(node, "text", str, where)
    if len(node) == 2:
        return ir.Text(text)
    citations = optional(node, "citations", list, where)
    return ir.Text(
        text,
        citations=None
        if citations is None
        else [read_citation(item, f"{where}.citations[{at}]") for at, item in enumerate(citations)],
        cache=cache_mark(node, where),
        extra=rest(node, _TEXT),
    )


def read_citation(value: Any, where: str) -> ir.Citation:
    """Offsets stay in `extra`: Anthropic's count in the document, the IR's in the text of the answer."""
    node = expect(value, dict, where)
    kind = required(node, "type", str, where)
    title, url = TITLE_OF.get(kind, "title"), URL_OF.get(kind, "")
    named = {title, url, "cited_text"}
    return ir.Citation(
        url=optional(node, url, str, where),
        title=optional(node, title, str, where),
        cited_text=optional(node, "cited_text", str, where),
        extra={FAMILY: {key: item for key, item in node.items() if key not in named or item is None}},
    )


def _thinking(node: dict[str, Any], where: str) -> ir.Block:
    signature = optional(node, "signature", str, where)
    block = unsealed(signature, FAMILY) if signature else ir.Thinking(family=FAMILY)
    block.text = required(node, "thinking", str, where)
    block.extra = rest(node, _THINKING)
    return block


def _redacted(node: dict[str, Any], where: str) -> ir.Block:
    data = required(node, "data", str, where)
    block = unsealed(data, FAMILY) if data.startswith(MARK) else ir.Thinking(redacted=data, family=FAMILY)
    block.extra = rest(node, _REDACTED)
    return block


def _tool_use(node: dict[str, Any], where: str) -> ir.Block:
    return ir.ToolCall(
        id=required(node, "id", str, where),
        name=required(node, "name", str, where),
        arguments=msgspec.json.encode(node.get("input") or {}).decode(),
        cache=cache_mark(node, where),
        extra=rest(node, _TOOL_USE),
    )


def _tool_result(node: dict[str, Any], where: str) -> ir.Block:
    content = node.get("content")
    flat = content is None or isinstance(content, str)
    return ir.ToolResult(
        call_id=required(node, "tool_use_id", str, where),
        content=[]
        if content is None
        else [ir.Text(content)]
        if isinstance(content, str)
        else [_inner(item, f"{where}.content[{at}]") for at, item in enumerate(_list(content, where))],
        is_error=optional(node, "is_error", bool, where),
        cache=cache_mark(node, where),
        flat=flat,
        extra=rest(node, _TOOL_RESULT),
    )


def _inner(value: Any, where: str) -> ir.Block:
    """A block inside a tool result. Results don't nest: one in there is nothing that we know."""
    node = expect(value, dict, where)
    kind = required(node, "type", str, where)
    reader = _READERS.get(kind) if kind in ("text", "image", "document", SEARCH_RESULT) else None
    return ir.Opaque(family=FAMILY, value=node) if reader is None else reader(node, where)


def _list(content: Any, where: str) -> list[Any]:
    return expect(content, list, f"{where}.content")


def _search_result(node: dict[str, Any], where: str) -> ir.Block:
    """Other formats get its words. https://docs.anthropic.com/en/docs/build-with-claude/search-results"""
    said = _plain_text(node.get("content"))
    if not said:
        return ir.Opaque(family=FAMILY, value=node)
    words = (node.get("title"), node.get("source"), said)
    return ir.Text(
        "\n".join(word for word in words if isinstance(word, str) and word),
        cache=cache_mark(node, where),
        extra=rest(node, frozenset({"cache_control"})),
    )


def _image(node: dict[str, Any], where: str) -> ir.Block:
    source, extra = _source(node, where, _IMAGE)
    if source is None:
        return ir.Opaque(family=FAMILY, value=node)
    return ir.Image(source, cache=cache_mark(node, where), extra=extra)


def _document(node: dict[str, Any], where: str) -> ir.Block:
    source, extra = _source(node, where, _DOCUMENT)
    if source is None:
        return ir.Opaque(family=FAMILY, value=node)
    citations = optional(node, "citations", dict, where)
    enabled = None if citations is None else optional(citations, "enabled", bool, f"{where}.citations")
    if citations is not None and citations != {"enabled": enabled}:
        extra = _with(extra, "citations", citations)
    return ir.File(
        source,
        name=optional(node, "title", str, where),
        context=optional(node, "context", str, where),
        citations=enabled,
        cache=cache_mark(node, where),
        extra=extra,
    )


# kind of source → the field that holds its value, the IR's kind
_SOURCES: Final[dict[str, tuple[str, str]]] = {
    "base64": ("data", "data"),
    "url": ("url", "url"),
    "file": ("file_id", "id"),
    "text": ("data", "text"),
}


def _source(
    node: dict[str, Any], where: str, known: frozenset[str]
) -> tuple[ir.Source | None, ir.Extra | None]:
    """The source, None where the IR has no such kind; and the block's unknown fields.

    A document made of text blocks is read as its text, so that other formats can take it; Anthropic gets
    the blocks back from `extra`.
    """
    value = required(node, "source", dict, where)
    at = f"{where}.source"
    kind = required(value, "type", str, at)
    extra = rest(node, known)
    if kind == "content":
        text = _plain_text(value.get("content"))
        if text is None:
            return None, None
        return ir.Source("text", text, "text/plain"), _with(extra, "source", value)
    if kind not in _SOURCES:
        return None, None
    name, ours = _SOURCES[kind]
    source = ir.Source(
        kind=ours,  # type: ignore[arg-type]  # the table holds the literals
        value=required(value, name, str, at),
        media_type=optional(value, "media_type", str, at),
        family=FAMILY if kind == "file" else None,
    )
    odd = any(item is None or key not in ("type", name, "media_type") for key, item in value.items())
    return source, _with(extra, "source", value) if odd else extra


def _plain_text(content: Any) -> str | None:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
    return "\n".join(str(text) for text in texts) if all(isinstance(text, str) for text in texts) else None


def _with(extra: ir.Extra | None, key: str, value: Any) -> ir.Extra:
    return {FAMILY: {**(extra or {}).get(FAMILY, {}), key: value}}


_READERS: Final[dict[str, _Reader]] = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "image": _image,
    "document": _document,
    SEARCH_RESULT: _search_result,
}
