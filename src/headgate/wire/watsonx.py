"""watsonx.ai's embeddings (/ml/v1/text/embeddings) ↔ the shared embeddings IR. Its chat is OpenAI's with quirks.

https://cloud.ibm.com/apidocs/watsonx-ai#text-embeddings
"""

from typing import Any, ClassVar, Final

import msgspec

from headgate.errors import APIResponseValidationError
from headgate.wire import failures, ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.embeddings import EmbeddingsReply, EmbeddingsRequest, encoding_of, floats, reply_document
from headgate.wire.plain_embeddings import PlainEmbeddings
from headgate.wire.shape import Malformed, bad_reply, optional

_PARAMETERS: Final = ("truncate_input_tokens", "return_options")
"""Keys that callers of any format may give, which stand in `parameters`."""


class WatsonxEmbeddings(PlainEmbeddings):
    name: ClassVar[str] = "watsonx_embeddings"
    family: ClassVar[str] = "ibm"
    native: ClassVar[frozenset[str]] = frozenset({"project_id", "space_id", "parameters"})

    def body(self, request: EmbeddingsRequest, target: Target, dropped: list[str]) -> dict[str, Any]:
        if request.dimensions is not None:
            dropped.append("dimensions")
        return {"model_id": target.model, "inputs": request.input}

    def write_request(self, request: EmbeddingsRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for token ids: the API takes text only."""
        written = super().write_request(request, target)
        given = {key: value for fields in (request.extra or {}).values() for key, value in fields.items()}
        settings = {key: given[key] for key in _PARAMETERS if given.get(key) is not None}
        if settings:
            written.body["parameters"] = {**(written.body.get("parameters") or {}), **settings}
        written.dropped = [key for key in written.dropped if key not in settings]
        return written

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> EmbeddingsReply:
        """Raises APIResponseValidationError, or the error that the body is."""
        document = reply_document(body)
        if "errors" in document:
            raise failures.read_document(document)
        rows = document.get("results")
        if not isinstance(rows, list):
            raise APIResponseValidationError(
                "the upstream's answer can't be read: results: expected an array"
            )
        try:
            model = optional(document, "model_id", str, "")
            tokens = optional(document, "input_token_count", int, "")
        except Malformed as error:
            raise bad_reply(error) from None
        return EmbeddingsReply(
            vectors=[_vector(row, f"results[{at}].embedding") for at, row in enumerate(rows)],
            model=model or None,
            usage=None if tokens is None else ir.Usage(input=tokens),
            encoding=encoding_of(echo),
        )

    def write_reply(self, reply: EmbeddingsReply, frame: Frame) -> bytes:
        document: dict[str, Any] = {
            "model_id": reply.model or frame.model,
            "results": [{"embedding": vector} for vector in reply.vectors],
        }
        if reply.usage is not None:
            document["input_token_count"] = reply.usage.input
        return msgspec.json.encode(document)


def _vector(row: Any, where: str) -> list[float]:
    return floats(row.get("embedding") if isinstance(row, dict) else None, where)


DIALECT: Final = WatsonxEmbeddings()
