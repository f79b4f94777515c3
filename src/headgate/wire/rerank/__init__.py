"""Rerank: documents in the order in which they answer a query, in every vendor's spelling.

`DIALECT` ("rerank") is Cohere's v1 format, which Jina, Together, vLLM and others share, and what clients speak to us:
https://docs.cohere.com/v1/reference/rerank, https://jina.ai/reranker. `DIALECTS` holds the other spellings by
name (`shapes.py`). An upstream that can't cut the list or return the documents has it done here, by the echo.
Knows no provider.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any, Final

import msgspec

from headgate.wire import failures, ir
from headgate.wire.dialect import Frame, Glance, Target
from headgate.wire.ir_operations import Document, Ranked, RerankEcho, RerankReply, RerankRequest
from headgate.wire.operations import (
    UNREADABLE,
    Operation,
    answer,
    bad,
    count,
    encode,
    foreign,
    is_error,
    is_whole,
    left,
    own,
    take,
    text,
    tokens,
    unreadable,
)
from headgate.wire.rerank.shapes import COMMON, OPTIONS, SHAPES, Shape, as_text
from headgate.wire.shape import reply_json

__all__ = ["DIALECT", "DIALECTS", "Rerank"]

FAMILY: Final = "rerank"

_KNOWN: Final = frozenset({"model", "query", "documents", *OPTIONS})
_HARMLESS: Final = frozenset({"metadata", "stream", "user"})
"""Keys of other operations that change nothing in the order."""
_USED: Final = ("meta", "usage", "input_tokens", "input_token_count")
_REPLY: Final = frozenset({"id", "model", "object", *_USED})
_GLANCE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_CHOSEN: Final = frozenset({"document", "text", "input", "content", "title"})


class Rerank(Operation):
    """One spelling. All of them are one family: a key that we have no name for goes to whoever is asked."""

    family: str = FAMILY

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.name = shape.name

    def read_request(self, body: Mapping[str, Any]) -> RerankRequest:
        """In the common format, whatever the shape. Raises BadRequestError."""
        query = body.get("query")
        if not query or not isinstance(query, str | dict):
            raise bad("query", "required, expected a non-empty string")
        fields = take(body, "rank_fields", list)
        if fields is not None and not all(isinstance(field, str) for field in fields):
            raise bad("rank_fields", "expected an array of strings")
        return RerankRequest(
            model=take(body, "model", str) or "",
            query=query,
            documents=_documents(body.get("documents")),
            top_n=take(body, "top_n", int, 1),
            return_documents=take(body, "return_documents", bool),
            rank_fields=fields,
            max_chunks_per_doc=take(body, "max_chunks_per_doc", int, 1),
            max_tokens_per_doc=take(body, "max_tokens_per_doc", int, 1),
            extra=left(body, _KNOWN, FAMILY),
        )

    def write_request(self, request: RerankRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for a document that the shape can't take."""
        shape = self._shape
        body: dict[str, Any] = {
            key: value for key, value in own(request, FAMILY).items() if key not in _HARMLESS
        }
        if shape.model:
            body[shape.model] = target.model
        body[shape.query] = as_text(request.query, None, "query") if shape.texts else request.query
        body[shape.documents] = [
            shape.form(document, request.rank_fields, f"documents[{at}]")
            for at, document in enumerate(request.documents)
        ]
        dropped = [key for key in foreign(request, FAMILY) if key not in _HARMLESS]
        for name, key in shape.options.items():
            value = getattr(request, name)
            if value is not None and key:
                body[key] = value
            elif value is not None and name in _LOST:
                dropped.append(name)
        echo = RerankEcho(
            documents=request.documents if request.return_documents else None,
            hide=request.return_documents is False,
            top_n=request.top_n,
            count=len(request.documents),
        )
        return ir.Written(body=shape.arrange(body, target), dropped=dropped, echo=echo)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> RerankReply:
        """Raises APIResponseValidationError, or the error that the body is."""
        shape = self._shape
        asked = echo if isinstance(echo, RerankEcho) else RerankEcho()
        document, rows = _rows(shape, body)
        results = [_ranked(shape, row, at, asked) for at, row in enumerate(rows)]
        results.sort(key=lambda one: -one.score)
        known = _REPLY.union(shape.results)
        usage = _usage(document)
        if shape.per_search and asked.count is not None and (usage is None or usage.searches is None):
            usage = usage or ir.Usage()
            usage.searches = ceil(asked.count / shape.per_search)
        return RerankReply(
            results=results[: asked.top_n],
            id=text(document.get("id")),
            model=text(document.get("model")),
            usage=usage,
            extra=left(document, known, FAMILY),
        )

    def write_reply(self, reply: RerankReply, frame: Frame) -> bytes:
        """In the common format. What was used is told in both ways that clients know."""
        return encode(
            {
                **own(reply, FAMILY),
                "id": reply.id or "rerank-" + frame.id.removeprefix("chatcmpl-"),
                "model": reply.model or frame.model,
                "results": [_result(one) for one in reply.results],
                **_used(reply.usage),
            }
        )

    def glance(self, body: bytes) -> Glance:
        """Never raises. The results are scanned over, not decoded."""
        try:
            facts = _GLANCE(body)
            if any(key in facts for key in (self._shape.inside, *self._shape.results)):
                known: dict[str, Any] = {
                    key: msgspec.json.decode(facts[key]) for key in (*_USED, "model") if key in facts
                }
                return Glance(usage=_usage(known), model=text(known.get("model")))
            document = msgspec.json.decode(body)
        except UNREADABLE:
            return Glance()
        return Glance(error=failures.read_document(document)) if is_error(document) else Glance()


_LOST: Final = ("max_chunks_per_doc", "max_tokens_per_doc")
"""Options that nobody can make up for. The others are carried out here: rows cut, documents returned."""


# --- reading ---------------------------------------------------------------------------------------------


def _documents(value: Any) -> list[Document]:
    if not isinstance(value, list) or not value:
        raise bad("documents", "required, expected a non-empty array of strings or objects")
    for at, item in enumerate(value):
        if not isinstance(item, str | dict):
            raise bad(f"documents[{at}]", "expected a string or an object")
    return value


def _rows(shape: Shape, body: bytes) -> tuple[dict[str, Any], list[Any]]:
    """The whole answer and its results. Some answers are nothing but results."""
    document: dict[str, Any]
    rows: Any
    if not shape.results:
        document, rows = {}, reply_json(body)
        if isinstance(rows, dict) and is_error(rows):
            raise failures.read_document(rows)
    else:
        document = answer(body, *((shape.inside,) if shape.inside else shape.results))
        if shape.inside:
            document = _inside(document, shape)
        rows = next(document[key] for key in shape.results if key in document)
    if not isinstance(rows, list):
        raise unreadable(shape.results[0] if shape.results else "results", "expected an array")
    return document, rows


def _inside(document: dict[str, Any], shape: Shape) -> dict[str, Any]:
    inner = document[shape.inside]
    if isinstance(inner, dict) and any(key in inner for key in shape.results):
        return inner
    raise failures.read_document(document) if is_error(document) else unreadable(shape.inside, "no results")


def _ranked(shape: Shape, row: Any, at: int, asked: RerankEcho) -> Ranked:
    """One result; a bare number is the score of the document at that place."""
    where = f"{shape.results[0] if shape.results else ''}[{at}]"
    if not isinstance(row, dict):
        row = {shape.index: at, shape.score: row}
    index, score = row.get(shape.index), row.get(shape.score)
    if isinstance(index, str) and index.isascii() and index.isdigit():
        index = int(index)
    if not is_whole(index) or index < 0 or (asked.count is not None and index >= asked.count):
        raise unreadable(f"{where}.{shape.index}", "expected the place of a document")
    if not isinstance(score, int | float) or isinstance(score, bool):
        raise unreadable(f"{where}.{shape.score}", "expected a number")
    document = asked.documents[index] if asked.documents is not None else _given(shape, row)
    return Ranked(
        index=index,
        score=float(score),
        document=None if asked.hide else document,
        extra=left(row, _CHOSEN.union((shape.index, shape.score)), FAMILY),
    )


def _given(shape: Shape, row: dict[str, Any]) -> Document | None:
    """What the answer holds of the document: Bedrock has it typed."""
    found = row.get(shape.document)
    if isinstance(found, dict):
        found = found.get("textDocument") or found.get("jsonDocument") or found
    return found if isinstance(found, str | dict) else None


def _usage(document: Mapping[str, Any]) -> ir.Usage | None:
    """From Cohere's `meta`, from a `usage` as OpenAI has it, or from a lone count."""
    meta, usage = _inner(document, "meta"), _inner(document, "usage")
    billed, used = _inner(meta, "billed_units"), _inner(meta, "tokens")
    searches = count(billed.get("search_units", usage.get("search_units")))
    output = tokens(used.get("output_tokens")) or tokens(usage.get("completion_tokens")) or 0
    total = tokens(usage.get("total_tokens"))
    asked = next(
        (
            number
            for number in (
                tokens(used.get("input_tokens")),
                tokens(billed.get("input_tokens")),
                tokens(usage.get("prompt_tokens")),
                tokens(usage.get("input_tokens")),
                None if total is None else total - output,
                tokens(billed.get("total_tokens")),
                tokens(document.get("input_tokens")),
                tokens(document.get("input_token_count")),
            )
            if number
        ),
        None,
    )
    if asked is None and searches is None and total is None:
        return None
    return ir.Usage(input=asked or 0, output=output, total=total, searches=searches)


def _inner(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


# --- writing ---------------------------------------------------------------------------------------------


def _result(one: Ranked) -> dict[str, Any]:
    result = {**own(one, FAMILY), "index": one.index, "relevance_score": one.score}
    if one.document is not None:
        result["document"] = {"text": one.document} if isinstance(one.document, str) else one.document
    return result


def _used(usage: ir.Usage | None) -> dict[str, Any]:
    if usage is None:
        return {"meta": {}}
    billed: dict[str, Any] = {}
    if usage.searches is not None:
        billed["search_units"] = usage.searches
    if not usage.input and not usage.output:
        return {"meta": {"billed_units": billed}} if billed else {"meta": {}}
    total = usage.input + usage.output
    return {
        "meta": {
            "billed_units": {**billed, "total_tokens": total},
            "tokens": {"input_tokens": usage.input, "output_tokens": usage.output},
        },
        "usage": {"prompt_tokens": usage.input, "total_tokens": total},
    }


DIALECT: Final = Rerank(COMMON)
DIALECTS: Final[Mapping[str, Rerank]] = {shape.name: Rerank(shape) for shape in SHAPES}
