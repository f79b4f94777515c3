"""Grounding ↔ citations. Gemini counts in UTF-8 bytes, the IR in characters of the block's text.

https://ai.google.dev/api/generate-content#GroundingMetadata
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

from headgate.wire import ir

_PLACES: Final = ("web", "retrievedContext", "maps", "image")


class Texts:
    """The texts of an answer's parts, in order, to find bytes in. `parts` are (part, block, text)."""

    def __init__(self, parts: Sequence[tuple[int, int, str]]) -> None:
        self._parts = [(part, block, text.encode("utf-8", "replace")) for part, block, text in parts]

    def locate(self, part: int, start: int, end: int) -> tuple[int, int, int] | None:
        """Block, first and last character. Where the part is no text, bytes are counted over all texts."""
        found = next(((block, data) for number, block, data in self._parts if number == part and part), None)
        if found is None:
            found, start, end = self._over_all(start, end)
        if found is None:
            return None
        block, data = found
        return block, _characters(data, start), _characters(data, end)

    def _over_all(self, start: int, end: int) -> tuple[tuple[int, bytes] | None, int, int]:
        before = 0
        for _, block, data in self._parts:
            if start < before + len(data):
                return (block, data), start - before, end - before
            before += len(data)
        return None, start, end


def _characters(data: bytes, offset: int) -> int:
    return len(data[: max(offset, 0)].decode("utf-8", "ignore"))


def citations(grounding: dict[str, Any], texts: Texts) -> Iterator[tuple[int, ir.Citation]]:
    """(block, citation) for each source of each support. Whatever is malformed is passed over."""
    chunks, supports = grounding.get("groundingChunks"), grounding.get("groundingSupports")
    if not isinstance(chunks, list) or not isinstance(supports, list):
        return
    for support in supports:
        segment = support.get("segment") if isinstance(support, dict) else None
        indices = support.get("groundingChunkIndices") if isinstance(support, dict) else None
        if not isinstance(segment, dict) or not isinstance(indices, list):
            continue
        place = texts.locate(
            _number(segment, "partIndex"), _number(segment, "startIndex"), _number(segment, "endIndex")
        )
        if place is None:
            continue
        block, start, end = place
        for index in indices:
            if isinstance(index, int) and 0 <= index < len(chunks):
                yield block, _citation(chunks[index], start, end)


def _number(node: dict[str, Any], key: str) -> int:
    value = node.get(key)
    return value if isinstance(value, int) else 0


def _citation(chunk: Any, start: int, end: int) -> ir.Citation:
    node: Any = {}
    if isinstance(chunk, dict):
        node = next((chunk[key] for key in _PLACES if isinstance(chunk.get(key), dict)), {})
    return ir.Citation(
        url=_text(node, "uri"),
        title=_text(node, "title"),
        cited_text=_text(node, "text"),
        start=start,
        end=end,
    )


def _text(node: dict[str, Any], key: str) -> str | None:
    value = node.get(key)
    return value if isinstance(value, str) else None


def searches(grounding: Any) -> int | None:
    """How many searches were made, None for none."""
    queries = grounding.get("webSearchQueries") if isinstance(grounding, dict) else None
    count = sum(1 for query in queries if query) if isinstance(queries, list) else 0
    return count or None


def metadata(texts: Sequence[tuple[str, Sequence[ir.Citation]]]) -> dict[str, Any] | None:
    """groundingMetadata for the citations of an answer's texts, None where there are none.

    A citation without offsets stands for the whole of its text.
    """
    chunks: list[dict[str, Any]] = []
    known: dict[tuple[str | None, ...], int] = {}
    supports: list[dict[str, Any]] = []
    sizes = [len(text.encode("utf-8", "replace")) for text, _ in texts]
    for (text, cited), before in zip(texts, accumulate(sizes, initial=0), strict=False):
        for citation in cited:
            source = (citation.url, citation.title, citation.cited_text)
            if source not in known:
                known[source] = len(chunks)
                chunks.append(_chunk(citation))
            start = 0 if citation.start is None else citation.start
            end = len(text) if citation.end is None else citation.end
            segment: dict[str, Any] = {"endIndex": before + _bytes(text, end), "text": text[start:end]}
            if offset := before + _bytes(text, start):
                segment["startIndex"] = offset
            supports.append({"segment": segment, "groundingChunkIndices": [known[source]]})
    return {"groundingChunks": chunks, "groundingSupports": supports} if chunks else None


def _bytes(text: str, characters: int) -> int:
    return len(text[:characters].encode("utf-8", "replace"))


def _chunk(citation: ir.Citation) -> dict[str, Any]:
    named = (("uri", citation.url), ("title", citation.title), ("text", citation.cited_text))
    node = {key: value for key, value in named if value is not None}
    return {"retrievedContext" if citation.cited_text is not None else "web": node}
