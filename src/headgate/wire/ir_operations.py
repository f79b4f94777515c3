"""The intermediate representation of the operations beside chat: rerank, moderations, OCR, counting.

A pair of nodes for each, with `extra` by family as in `ir.py`. What these calls are billed by is in `ir.Usage`.
Knows no format and no provider.
"""

from typing import Any, TypeAlias

from headgate.wire.ir import Echo, Node, Source, Usage

Document: TypeAlias = str | dict[str, Any]
"""A text, or an object: {"text": …}, {"image": …}, or fields of the caller's own."""


class RerankRequest(Node):
    """Documents to be put in the order in which they answer `query`.

    `top_n` is how many to return; `rank_fields` are the fields of an object that count, in their order. A long
    document is cut into chunks of a model's size, of which `max_chunks_per_doc` count, or after `max_tokens_per_doc`.
    """

    model: str
    query: Document
    documents: list[Document]
    top_n: int | None = None
    return_documents: bool | None = None
    rank_fields: list[str] | None = None
    max_chunks_per_doc: int | None = None
    max_tokens_per_doc: int | None = None


class Ranked(Node):
    """`index` is the document's place in the request, from 0; `score` is greater for the better."""

    index: int
    score: float
    document: Document | None = None


class RerankReply(Node):
    """Best first."""

    results: list[Ranked]
    id: str | None = None
    model: str | None = None
    usage: Usage | None = None


class RerankEcho(Echo):
    """What a rerank's reply must remember of its request. `documents` are to be returned, `hide` forbids it; `count`
    is how many were sent, None where unknown, `top_n` how many are wanted."""

    documents: list[Document] | None = None
    hide: bool = False
    top_n: int | None = None
    count: int | None = None


class ModerationRequest(Node):
    """Texts, or parts ({"type": "text" | "image_url", …}) of one input. `flat`: one plain text was sent."""

    model: str
    input: list[str] = []
    parts: list[dict[str, Any]] = []
    flat: bool = False


class Judgement(Node):
    """`flagged`: at least one category holds. Scores are between 0 and 1. Categories have the vendor's names;
    `applied` says which kinds of input each was looked for in."""

    flagged: bool
    categories: dict[str, bool]
    scores: dict[str, float]
    applied: dict[str, list[str]] | None = None


class ModerationReply(Node):
    """One judgement for each input."""

    results: list[Judgement]
    id: str | None = None
    model: str | None = None
    usage: Usage | None = None


class OcrRequest(Node):
    """A document to be read: `picture` says that it is one, `fields` are its further keys as the caller wrote them
    (a name, an object instead of a plain address). `pages` are numbers from 0, or text such as "0-3"."""

    model: str
    source: Source
    picture: bool = False
    fields: dict[str, Any] = {}
    pages: list[int] | str | None = None
    include_image_base64: bool | None = None


class OcrPage(Node):
    """`markdown` is the text; `images` and `dimensions` are as the vendor has them."""

    index: int
    markdown: str
    images: list[dict[str, Any]] = []
    dimensions: dict[str, Any] | None = None


class OcrReply(Node):
    """`size` is the document's, in bytes."""

    pages: list[OcrPage]
    model: str | None = None
    annotation: Any = None
    size: int | None = None
    usage: Usage | None = None


class CountReply(Node):
    """How many tokens a request has. Counting is free: there is no usage."""

    tokens: int
    model: str | None = None
    usage: Usage | None = None
