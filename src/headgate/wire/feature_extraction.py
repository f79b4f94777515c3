"""Hugging Face's feature extraction: texts in, vectors out, as its inference API, its endpoints and TEI have it.

https://huggingface.co/docs/inference-providers/tasks/feature-extraction. One text may be answered by one bare
vector, and a model that doesn't pool by a vector for each token: the mean of those is the text's. The format
tells neither model nor usage.
"""

from typing import Any, ClassVar, Final

import msgspec

from headgate.errors import APIResponseValidationError
from headgate.wire import failures, ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.embeddings import EmbeddingsReply, EmbeddingsRequest, encoding_of, floats
from headgate.wire.plain_embeddings import Echo, PlainEmbeddings, mean
from headgate.wire.shape import reply_json

_DECODE: Final = msgspec.json.Decoder().decode
_PLACES: Final = ("embeddings", "embedding", "vectors")
"""Where endpoints with a handler of their own put the vectors."""


class FeatureExtraction(PlainEmbeddings):
    name: ClassVar[str] = "feature_extraction"
    family: ClassVar[str] = "feature_extraction"
    native: ClassVar[frozenset[str]] = frozenset(
        {"normalize", "truncate", "truncation_direction", "prompt_name", "options", "parameters"}
    )

    def body(self, request: EmbeddingsRequest, target: Target, dropped: list[str]) -> dict[str, Any]:
        """The model stands in the address."""
        given: Any = request.input[0] if request.flat and len(request.input) == 1 else request.input
        size = {} if request.dimensions is None else {"dimensions": request.dimensions}
        return {"inputs": given, **size}

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> EmbeddingsReply:
        """Raises APIResponseValidationError, or the error that the body is."""
        rows = _rows(body)
        if rows and _depth(rows) == 1:
            rows = [rows]
        elif isinstance(echo, Echo) and echo.count == 1 and len(rows) > 1 and _depth(rows) == 2:
            rows = [rows]  # of the one text, a vector for each token
        return EmbeddingsReply(
            vectors=[_vector(row, f"[{at}]") for at, row in enumerate(rows)], encoding=encoding_of(echo)
        )

    def write_reply(self, reply: EmbeddingsReply, frame: Frame) -> bytes:
        return msgspec.json.encode(reply.vectors)


def _rows(body: bytes) -> list[Any]:
    document = reply_json(body)
    if isinstance(document, dict):
        found = next((document[place] for place in _PLACES if place in document), None)
        if found is None and "error" in document:
            raise failures.read_document(document)
        document = found
    if not isinstance(document, list):
        raise APIResponseValidationError("the upstream's answer can't be read: expected an array of vectors")
    return document


def _depth(rows: Any) -> int:
    depth = 0
    while isinstance(rows, list) and depth < 4:
        rows, depth = rows[0] if rows else None, depth + 1
    return depth


def _vector(row: Any, where: str) -> list[float]:
    if _depth(row) < 2:
        return floats(row, where)
    tokens = [floats(token, f"{where}[{at}]") for at, token in enumerate(row)]
    if len({len(token) for token in tokens}) > 1:
        raise APIResponseValidationError(
            f"the upstream's answer can't be read: {where}: vectors of several lengths"
        )
    return mean(tokens)


DIALECT: Final = FeatureExtraction()
