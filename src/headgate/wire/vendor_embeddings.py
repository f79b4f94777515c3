"""Embeddings of vendors that don't spell them as OpenAI does: a table of what differs.

A `Vendor` writes the body from the shared request and finds the vectors and the tokens in the answer. For upstreams:
clients speak OpenAI's format, so requests are read and answers written in that. Sources are the vendors' references,
named at each. Knows no provider's address or key.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from headgate.errors import APIResponseValidationError, HeadgateError
from headgate.wire import ir
from headgate.wire.dialect import Glance, Target
from headgate.wire.embeddings import (
    FAMILY,
    EmbeddingsEcho,
    EmbeddingsReply,
    EmbeddingsRequest,
    OpenAIEmbeddings,
    encoding_of,
    floats,
)
from headgate.wire.operations import answer, bad, foreign, own, tokens, unreadable

Body = dict[str, Any]

_HARMLESS: Final = frozenset({"metadata", "stream", "safety_identifier"})
_QUERY: Final = ("query", "search_query", "retrieval_query")
_DOCUMENT: Final = ("document", "search_document", "retrieval_document", "passage")


class Vendor(Struct, frozen=True, kw_only=True):
    """`write` makes the body, without the caller's further keys. The answer is as OpenAI's, or it has the `key`, in
    which `read` finds the vectors, and the tokens under `used`."""

    name: str
    write: Callable[[EmbeddingsRequest, str], Body]
    key: str = ""
    read: Callable[[Any], Any] = lambda value: value
    used: str = ""


class VendorEmbeddings(OpenAIEmbeddings):
    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self.name = vendor.name  # type: ignore[misc]  # the row of the table says it

    def write_request(self, request: EmbeddingsRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for token ids: these APIs take text only."""
        if request.tokens:
            raise bad("input", f"{target.model} takes text, not token ids: send strings")
        given = {key: value for key, value in own(request, FAMILY).items() if key not in _HARMLESS}
        return ir.Written(
            body={**self._vendor.write(request, target.model), **given},
            dropped=[key for key in foreign(request, FAMILY) if key not in _HARMLESS],
            echo=EmbeddingsEcho(encoding=request.encoding_format),
        )

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> EmbeddingsReply:
        """Raises APIResponseValidationError, or the error that the body is."""
        vendor = self._vendor
        if not vendor.key:
            return super().read_reply(body, echo)
        document = answer(body, vendor.key)
        rows = vendor.read(document[vendor.key])
        if not isinstance(rows, list):
            raise unreadable(vendor.key, "expected an array")
        spent = tokens(document.get(vendor.used))
        return EmbeddingsReply(
            vectors=[floats(row, f"{vendor.key}[{at}]") for at, row in enumerate(rows)],
            usage=None if spent is None else ir.Usage(input=spent),
            encoding=encoding_of(echo),
        )

    def glance(self, body: bytes) -> Glance:
        """Never raises."""
        if not self._vendor.key:
            return super().glance(body)
        try:
            return Glance(usage=self.read_reply(body).usage)
        except APIResponseValidationError:
            return Glance()
        except HeadgateError as error:
            return Glance(error=error)


# --- writing ---------------------------------------------------------------------------------------------


def _voyage(request: EmbeddingsRequest, model: str) -> Body:
    """Base64 is asked for floats alone: of other types (`output_dtype`) it would hold other bytes."""
    purpose = (request.input_type or "").lower()
    dtype = own(request, FAMILY).get("output_dtype") or "float"
    base64 = request.encoding_format == "base64" and dtype == "float"
    return _given(
        model=model,
        input=_flat(request),
        output_dimension=request.dimensions,
        encoding_format="base64" if base64 else None,
        input_type=_purpose(purpose, "query", "document"),
    )


_JINA_TASKS: Final = {
    **dict.fromkeys(_QUERY, "retrieval.query"),
    **dict.fromkeys(_DOCUMENT, "retrieval.passage"),
    "clustering": "separation",
    "semantic_similarity": "text-matching",
}


def _jina(request: EmbeddingsRequest, model: str) -> Body:
    """A picture is told by its base64 alone."""
    purpose = request.input_type
    return _given(
        model=model,
        input=[
            {"image": text.partition(",")[2]} if text.startswith("data:image/") else text
            for text in request.input
        ],
        dimensions=request.dimensions,
        embedding_type=request.encoding_format,
        task=_JINA_TASKS.get(purpose.lower(), purpose) if purpose else None,
    )


def _nim(request: EmbeddingsRequest, model: str) -> Body:
    """The purpose is required; a stored passage is the usual one."""
    return _given(
        model=model,
        input=_flat(request),
        dimensions=request.dimensions,
        encoding_format=request.encoding_format,
        input_type=_purpose((request.input_type or "passage").lower(), "query", "passage"),
        user=request.user,
    )


def _sentences(request: EmbeddingsRequest, model: str) -> Body:
    return {"sentences": request.input}


def _triton(request: EmbeddingsRequest, model: str) -> Body:
    return {
        "inputs": [
            {
                "name": "input_text",
                "shape": [len(request.input)],
                "datatype": "BYTES",
                "data": request.input,
            }
        ]
    }


def _luminous(request: EmbeddingsRequest, model: str) -> Body:
    """Without a purpose the vectors of queries and documents are comparable. Half-sized vectors are 128 wide."""
    return _given(
        model=model,
        prompts=[[{"type": "text", "data": text}] for text in request.input],
        representation=_purpose((request.input_type or "symmetric").lower(), "query", "document"),
        compress_to_size=request.dimensions,
    )


def _given(**fields: Any) -> Body:
    return {key: value for key, value in fields.items() if value is not None}


def _flat(request: EmbeddingsRequest) -> str | list[str]:
    return request.input[0] if request.flat and len(request.input) == 1 else request.input


def _purpose(given: str, query: str, document: str) -> str | None:
    """The vendor's word for what the vectors are for; another one passes as it is."""
    return query if given in _QUERY else document if given in _DOCUMENT else given or None


# --- reading ---------------------------------------------------------------------------------------------


def _tensor(outputs: Any) -> Any:
    """The first output that is a matrix: its numbers stand in one row."""
    for output in outputs if isinstance(outputs, list) else ():
        shape, data = (output.get("shape"), output.get("data")) if isinstance(output, dict) else (None, None)
        if isinstance(shape, list) and len(shape) == 2 and isinstance(data, list):
            texts, width = map(tokens, shape)
            if not texts or not width or len(data) != texts * width:
                raise unreadable("outputs", "the numbers don't fill the shape")
            return [data[at : at + width] for at in range(0, len(data), width)]
    raise unreadable("outputs", "expected one of shape [texts, size]")


VENDORS: Final = (
    # https://docs.voyageai.com/reference/embeddings-api
    Vendor(name="voyage_embeddings", write=_voyage),
    # https://jina.ai/embeddings
    Vendor(name="jina_embeddings", write=_jina),
    # https://docs.nvidia.com/nim/nemo-retriever/text-embedding/latest/reference.html
    Vendor(name="nim_embeddings", write=_nim),
    # https://docs.nlpcloud.com/#embeddings
    Vendor(name="sentences_embeddings", write=_sentences, key="embeddings"),
    # https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol
    Vendor(name="triton_embeddings", write=_triton, key="outputs", read=_tensor),
    # https://docs.aleph-alpha.com/api/pharia-inference/batch-semantic-embed
    Vendor(
        name="semantic_embeddings",
        write=_luminous,
        key="embeddings",
        used="num_tokens_prompt_total",
    ),
)

DIALECTS: Final[Mapping[str, VendorEmbeddings]] = {
    vendor.name: VendorEmbeddings(vendor) for vendor in VENDORS
}
