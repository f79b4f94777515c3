"""`annotations` of a message ↔ citations of its text.

OpenAI counts `start_index` and `end_index` in characters of the whole content. What another family says of a
citation beyond that travels in the annotation's `provider_specific_fields`, so that a client that sends the
message back gives it back too. https://platform.openai.com/docs/guides/tools-web-search#output-and-citations
"""

from typing import Any, Final

from headgate.wire import ir
from headgate.wire.openai_chat.calls import FIELDS
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.parts import own

_TEXTS: Final = ("url", "title")
_OFFSETS: Final = ("start_index", "end_index")


def read_citation(annotation: Any) -> ir.Citation | None:
    """None for an annotation that `write_citation` would not write the same: it stays as it came."""
    node = annotation.get("url_citation") if isinstance(annotation, dict) else None
    if not isinstance(node, dict) or not isinstance(node.get("url"), str):
        return None
    fields = annotation.get(FIELDS)
    extra = dict(fields) if isinstance(fields, dict) else {}
    left = {key: value for key, value in node.items() if key not in ("url", "title", *_OFFSETS, "cited_text")}
    if left:
        extra[FAMILY] = left
    citation = ir.Citation(
        url=node["url"],
        title=_typed(node, "title", str),
        cited_text=_typed(node, "cited_text", str),
        start=_typed(node, "start_index", int),
        end=_typed(node, "end_index", int),
        extra=extra or None,
    )
    return citation if write_citation(citation, 0) == annotation else None


def _typed(node: dict[str, Any], key: str, kind: type) -> Any:
    value = node.get(key)
    return value if isinstance(value, kind) and not isinstance(value, bool) else None


def write_citation(citation: ir.Citation, base: int, length: int | None = None) -> dict[str, Any]:
    """`base` is where the citation's text begins in the content, `length` how long it is: the range of a
    citation that has none of its own, since clients expect one."""
    node: dict[str, Any] = {"url": citation.url}
    if citation.title is not None:
        node["title"] = citation.title
    start, end = citation.start, citation.end
    if length is not None:
        start, end = start or 0, length if end is None else end
    if start is not None:
        node["start_index"] = base + start
    if end is not None:
        node["end_index"] = base + end
    if citation.cited_text is not None:
        node["cited_text"] = citation.cited_text
    node.update(own(citation.extra))
    annotation: dict[str, Any] = {"type": "url_citation", "url_citation": node}
    foreign = {family: value for family, value in (citation.extra or {}).items() if family != FAMILY}
    if foreign:
        annotation[FIELDS] = foreign
    return annotation


def show_citation(citation: ir.Citation) -> dict[str, Any]:
    """A citation without an address (a passage of the caller's document), flat, as its own vendor has it."""
    node: dict[str, Any] = {}
    for fields in (citation.extra or {}).values():
        node.update(fields)
    if citation.title is not None:
        node.setdefault("document_title", citation.title)
    if citation.cited_text is not None:
        node["cited_text"] = citation.cited_text
    return node
