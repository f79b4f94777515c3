"""Citations of an answer ↔ citations of its texts.

A citation names a range of one text of the content (`content_index`) or of the plan, and all sources of what is
said there. The IR has one source per citation: the first that has an address gives `url` and `title`, the whole is
kept beside it. https://docs.cohere.com/docs/documents-and-citations
"""

from typing import Any, Final

from headgate.wire import ir
from headgate.wire.cohere.parts import FAMILY, own
from headgate.wire.shape import optional

PLANNED: Final = "PLAN"
THOUGHT: Final = "THINKING_CONTENT"


def read_citation(node: dict[str, Any], where: str) -> ir.Citation:
    """Raises `Malformed`."""
    sources = [_facts(one) for one in optional(node, "sources", list, where) or () if isinstance(one, dict)]
    named = next((one for one in sources if one["url"]), sources[0] if sources else {})
    return ir.Citation(
        url=named.get("url"),
        title=named.get("title"),
        cited_text=named.get("text"),
        start=optional(node, "start", int, where),
        end=optional(node, "end", int, where),
        extra={FAMILY: node},
    )


def _facts(source: dict[str, Any]) -> dict[str, str | None]:
    """Address, title and words of a document or a tool's output. An id may be an address."""
    held = source.get("document") or source.get("tool_output")
    node = held if isinstance(held, dict) else {}
    facts = {key: _word(node.get(key)) for key in ("url", "title", "text")}
    name = _word(source.get("id"))
    if facts["url"] is None and name is not None and name.startswith(("http://", "https://")):
        facts["url"] = name
    return facts


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def home(node: dict[str, Any], content: dict[int, Any], plan: Any) -> Any:
    """What the citation belongs to: the text at its `content_index`, where that is none the first text, or the
    plan. `content` maps places in the content to what stands there, texts alone; None for a thought's citation."""
    kind = node.get("type")
    if kind == THOUGHT:
        return None
    if kind == PLANNED or not content:
        return plan
    index = node.get("content_index")
    index = index if isinstance(index, int) else 0
    return content[index] if index in content else next(iter(content.values()))


def write_citation(citation: ir.Citation, text: str, index: int | None) -> dict[str, Any]:
    """`text` is what the citation stands in, `index` its place in the content, None for the plan."""
    start = citation.start or 0
    end = len(text) if citation.end is None else citation.end
    came = own(citation.extra)
    if came:
        moved = {"content_index": index} if "content_index" in came and index is not None else {}
        ranged = {"start": start, "end": end} if citation.start is not None else {}
        return {**came, **ranged, **moved}
    document = {"title": citation.title, "url": citation.url, "text": citation.cited_text}
    told = {key: value for key, value in document.items() if value is not None}
    name = citation.url or citation.title or "doc"
    node: dict[str, Any] = {"start": start, "end": end, "text": text[start:end]}
    node["sources"] = [{"type": "document", "id": name, "document": {"id": name, **told}}]
    if index is None:
        return {**node, "type": PLANNED}
    return {**node, "type": "TEXT_CONTENT", "content_index": index}
