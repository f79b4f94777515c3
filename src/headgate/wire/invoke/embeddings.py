"""Embeddings by InvokeModel: Titan's, Nova's and Cohere's formats ↔ the shared embeddings IR.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html. The model's name says which format
it takes; requests and replies tell it by their keys. Titan and Nova take one text in a call: several are as many
calls. Cohere's and Nova's answers name no tokens: Bedrock counts them in a header.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Literal, TypeGuard

import msgspec
from msgspec.structs import replace

from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError
from headgate.wire import aws, ir
from headgate.wire.dialect import Frame, Glance, Target
from headgate.wire.embeddings import (
    EmbeddingsEcho,
    EmbeddingsReply,
    EmbeddingsRequest,
    NoStream,
    encoding_of,
    floats,
    joined,
    reply_document,
)

FAMILY: Final = "bedrock"

_ENCODE: Final = msgspec.json.Encoder().encode
_GLANCE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_TYPES: Final = {
    "query": "search_query",
    "document": "search_document",
    "passage": "search_document",
    "RETRIEVAL_QUERY": "search_query",
    "RETRIEVAL_DOCUMENT": "search_document",
    "CLASSIFICATION": "classification",
    "CLUSTERING": "clustering",
}
"""What vectors are for, in the words of other vendors. Cohere's own words pass."""
_PURPOSES: Final = {
    "search_query": "TEXT_RETRIEVAL",
    "search_document": "GENERIC_INDEX",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}
_HARMLESS: Final = frozenset({"metadata", "stream", "safety_identifier", "user"})
_READ: Final = frozenset(
    {"model", "inputText", "texts", "dimensions", "output_dimension", "input_type", "singleEmbeddingParams"}
)

# --- one writer for each format: the body, None for a setting that it hasn't -------------------------------


def _titan(request: EmbeddingsRequest, model: str) -> dict[str, Any]:
    sized = {"dimensions": request.dimensions} if request.dimensions is not None and "v2" in model else {}
    return {"inputText": request.input[0], **sized}


def _titan_image(request: EmbeddingsRequest, model: str) -> dict[str, Any]:
    body: dict[str, Any] = {"inputText": request.input[0]}
    if request.dimensions is not None:
        body["embeddingConfig"] = {"outputEmbeddingLength": request.dimensions}
    return body


def _nova(request: EmbeddingsRequest, model: str) -> dict[str, Any]:
    kind = _TYPES.get(request.input_type or "", request.input_type or "")
    params: dict[str, Any] = {
        "embeddingPurpose": _PURPOSES.get(kind, kind or "GENERIC_INDEX"),
        "text": {"truncationMode": "END", "value": request.input[0]},
    }
    if request.dimensions is not None:
        params["embeddingDimension"] = request.dimensions
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params}


def _cohere(request: EmbeddingsRequest, model: str) -> dict[str, Any]:
    kind = _TYPES.get(request.input_type or "", request.input_type or "search_document")
    body: dict[str, Any] = {"texts": request.input, "input_type": kind}
    if request.dimensions is not None and "v4" in model:
        body["output_dimension"] = request.dimensions
    return body


# part of the model's name → its writer, and whether it takes one text only
_FORMATS: Final[tuple[tuple[str, Callable[[EmbeddingsRequest, str], dict[str, Any]], bool], ...]] = (
    ("cohere", _cohere, False),
    ("nova", _nova, True),
    ("titan-embed-image", _titan_image, True),
    ("", _titan, True),
)
_SIZED: Final = ("v4", "nova", "v2", "titan-embed-image")


class BedrockEmbeddings(NoStream):
    name: ClassVar[str] = "bedrock_embeddings"
    family: ClassVar[str] = FAMILY
    names_model: ClassVar[Literal["body", "address", "parts"]] = "address"

    def read_request(self, body: Mapping[str, Any]) -> EmbeddingsRequest:
        """Raises BadRequestError."""
        inner = body.get("singleEmbeddingParams")
        node = inner if isinstance(inner, dict) else body
        texts = _texts(body, node)
        size = body.get("dimensions", body.get("output_dimension", node.get("embeddingDimension")))
        if size is not None and (not isinstance(size, int) or isinstance(size, bool)):
            raise _bad("dimensions", "expected an integer")
        kind, model = body.get("input_type"), body.get("model")
        left = {key: value for key, value in body.items() if key not in _READ}
        return EmbeddingsRequest(
            model=model if isinstance(model, str) else "",
            input=texts,
            flat="texts" not in body,
            dimensions=size,
            input_type=kind if isinstance(kind, str) else None,
            extra={FAMILY: left} if left else None,
        )

    def write_request(self, request: EmbeddingsRequest, target: Target) -> ir.Written:
        """A body for each text where the model takes one. Raises BadRequestError for token ids."""
        model = target.model.lower()
        _, write, single = next(row for row in _FORMATS if row[0] in model)
        if request.tokens:
            raise _bad("input", f"{target.model} takes text, not token ids: send strings")
        texts = [[text] for text in request.input] if single else [request.input]
        body, *more = (write(replace(request, input=some), model) for some in texts)
        dropped: list[str] = []
        if request.dimensions is not None and not any(mark in model for mark in _SIZED):
            dropped.append("dimensions")
        for family, fields in (request.extra or {}).items():
            for key, value in fields.items():
                if family == FAMILY or key in _OWN:
                    for one in (body, *more):
                        one.setdefault(key, value)
                elif key not in _HARMLESS and value is not None:
                    dropped.append(key)
        echo = EmbeddingsEcho(encoding=request.encoding_format)
        return ir.Written(body=body, more=more, dropped=dropped, echo=echo)

    def join(self, replies: list[EmbeddingsReply]) -> EmbeddingsReply:
        return joined(replies)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> EmbeddingsReply:
        """Raises APIResponseValidationError, or the error that the body is."""
        document = reply_document(body)
        if "message" in document and _ANSWERS.isdisjoint(document):
            raise aws.read_error(500, {}, body)
        vectors = [floats(row, f"embeddings[{at}]") for at, row in enumerate(_rows(document))]
        count = document.get("inputTextTokenCount")
        return EmbeddingsReply(
            vectors=vectors,
            usage=ir.Usage(input=int(count)) if _is_count(count) else None,
            encoding=encoding_of(echo),
        )

    def write_reply(self, reply: EmbeddingsReply, frame: Frame) -> bytes:
        """One vector as Titan says it, several as Cohere does."""
        if len(reply.vectors) != 1:
            return _ENCODE(
                {"id": frame.id, "embeddings": reply.vectors, "response_type": "embeddings_floats"}
            )
        tokens = reply.usage.input if reply.usage is not None else 0
        return _ENCODE({"embedding": reply.vectors[0], "inputTextTokenCount": tokens})

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return aws.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return aws.write_error(error)

    def glance(self, body: bytes) -> Glance:
        """Never raises. The vectors are scanned over, not decoded."""
        try:
            facts = _GLANCE(body)
            if "message" in facts and _ANSWERS.isdisjoint(facts):
                return Glance(error=aws.read_error(500, {}, body))
            count = msgspec.json.decode(facts.get("inputTextTokenCount", msgspec.Raw(b"null")))
        except (msgspec.DecodeError, ValueError, RecursionError):
            return Glance()
        return Glance(usage=ir.Usage(input=int(count)) if _is_count(count) else None)


_ANSWERS: Final = frozenset({"embedding", "embeddings", "embeddingsByType"})
_OWN: Final = frozenset(
    {"normalize", "truncate", "embeddingTypes", "embedding_types", "inputImage", "images"}
)
"""Keys that a caller of any format may give."""


def _texts(body: Mapping[str, Any], node: Mapping[str, Any]) -> list[str]:
    if "texts" in body:
        texts, where = body["texts"], "texts"
    elif "inputText" in body:
        texts, where = [body["inputText"]], "inputText"
    else:
        text = node.get("text")
        texts, where = (
            [text.get("value") if isinstance(text, dict) else None],
            "singleEmbeddingParams.text.value",
        )
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise _bad(where, "required, expected text")
    return texts


def _rows(document: dict[str, Any]) -> list[Any]:
    """Titan's one vector; Cohere's list, also under the kind of its numbers; Nova's list of objects."""
    rows = [document["embedding"]] if "embedding" in document else document.get("embeddings")
    if isinstance(rows, dict):
        rows = rows.get("float")
    if not isinstance(rows, list):
        raise APIResponseValidationError("the upstream's answer can't be read: embeddings: expected an array")
    return [row.get("embedding") if isinstance(row, dict) else row for row in rows]


def _is_count(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bad(where: str, problem: str) -> BadRequestError:
    return BadRequestError(f"{where}: {problem}", param=where)


DIALECT: Final = BedrockEmbeddings()
