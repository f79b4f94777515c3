"""Ollama's /api/embed ↔ the shared embeddings IR, and answers of the older /api/embeddings.

https://docs.ollama.com/api/embed. Texts only: token ids are refused.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError
from headgate.wire import failures, ir
from headgate.wire.dialect import Frame, Glance, Target
from headgate.wire.embeddings import (
    EmbeddingsEcho,
    EmbeddingsReply,
    EmbeddingsRequest,
    NoStream,
    encoding_of,
    floats,
    reply_document,
)
from headgate.wire.ollama import failure
from headgate.wire.ollama.fields import FAMILY, own, rest
from headgate.wire.ollama.reply import read_usage
from headgate.wire.ollama.request import OPTIONS
from headgate.wire.shape import Malformed, bad_reply, expect, optional, says_bad_request

_ENCODE: Final = msgspec.json.Encoder().encode
_FACTS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_DECODE: Final = msgspec.json.Decoder().decode
_READ: Final = frozenset({"model", "input", "dimensions"})
_NAMED: Final = frozenset({"model", "embeddings", "embedding", "prompt_eval_count"})
_NATIVE: Final = frozenset({"truncate", "keep_alive"})
"""Keys that callers of any format may give."""
_HARMLESS: Final = frozenset({"metadata", "stream", "safety_identifier"})
"""Keys of other formats that change nothing in the vectors."""


class OllamaEmbeddings(NoStream):
    name: ClassVar[str] = "ollama_embeddings"
    family: ClassVar[str] = FAMILY

    @says_bad_request
    def read_request(self, body: Mapping[str, Any]) -> EmbeddingsRequest:
        """Raises BadRequestError."""
        return _read_request(body)

    def write_request(self, request: EmbeddingsRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for token ids. What the vectors are for has no place here: `input_type` is
        dropped."""
        if request.tokens:
            raise BadRequestError(
                f"input: {target.model} takes text, not token ids: send strings", param="input"
            )
        given: Any = request.input[0] if request.flat and len(request.input) == 1 else request.input
        body: dict[str, Any] = {"model": target.model, "input": given}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        dropped = [] if request.input_type is None else ["input_type"]
        options: dict[str, Any] = {}
        for family, fields in (request.extra or {}).items():
            for key, value in fields.items():
                if key == "options" and isinstance(value, dict):
                    options.update(value)
                elif key in OPTIONS:
                    options[key] = value
                elif family == FAMILY or key in _NATIVE:
                    body[key] = value
                elif key not in _HARMLESS and value is not None:
                    dropped.append(key)
        if options:
            body["options"] = options
        return ir.Written(body=body, dropped=dropped, echo=EmbeddingsEcho(encoding=request.encoding_format))

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> EmbeddingsReply:
        """Raises APIResponseValidationError, or the error that the body is."""
        document = reply_document(body)
        try:
            model, usage = optional(document, "model", str, ""), read_usage(document)
        except Malformed as error:
            raise bad_reply(error) from None
        return EmbeddingsReply(
            vectors=[floats(row, f"embeddings[{at}]") for at, row in enumerate(_rows(document))],
            model=model or None,
            usage=usage,
            encoding=encoding_of(echo),
            extra=rest(document, _NAMED),
        )

    def write_reply(self, reply: EmbeddingsReply, frame: Frame) -> bytes:
        document: dict[str, Any] = {"model": reply.model or frame.model, "embeddings": reply.vectors}
        if reply.usage is not None:
            document["prompt_eval_count"] = reply.usage.input
        return _ENCODE({**document, **own(reply.extra)})

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return failure.write_error(error)

    def glance(self, body: bytes) -> Glance:
        """Never raises. The vectors are scanned over, not decoded."""
        try:
            facts = _FACTS(body)
            if "error" in facts and "embeddings" not in facts:
                return Glance(error=failures.read_error(200, {}, body))
            told: dict[str, Any] = {
                key: _DECODE(facts[key]) for key in ("model", "prompt_eval_count") if key in facts
            }
            return Glance(usage=read_usage(told), model=optional(told, "model", str, ""))
        except (msgspec.DecodeError, ValueError, RecursionError, Malformed):
            return Glance()


def _read_request(body: Mapping[str, Any]) -> EmbeddingsRequest:
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise Malformed("input", "required, expected a string or a non-empty array of strings")
    return EmbeddingsRequest(
        model=optional(body, "model", str, "") or "",
        input=[expect(text, str, f"input[{at}]") for at, text in enumerate(texts)],
        flat=isinstance(given, str),
        dimensions=optional(body, "dimensions", int, ""),
        extra=rest(dict(body), _READ),
    )


def _rows(document: dict[str, Any]) -> list[Any]:
    rows = [document["embedding"]] if "embedding" in document else document.get("embeddings")
    if not isinstance(rows, list):
        raise APIResponseValidationError("the upstream's answer can't be read: embeddings: expected an array")
    return rows


DIALECT: Final = OllamaEmbeddings()
