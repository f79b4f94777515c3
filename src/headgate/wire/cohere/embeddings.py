"""Cohere's embeddings (v2) ↔ the shared embeddings IR. https://docs.cohere.com/reference/embed

A picture is an input that is a data URI; texts and pictures together are written as `inputs`. Vectors are asked
for as floats, whatever the caller's encoding, unless the caller names Cohere's own `embedding_types`.
"""

import binascii
import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError
from headgate.wire import ir
from headgate.wire.cohere import failure
from headgate.wire.cohere.parts import FAMILY, kept, own
from headgate.wire.dialect import Frame, Glance, Target
from headgate.wire.embeddings import (
    EmbeddingsEcho,
    EmbeddingsReply,
    EmbeddingsRequest,
    NoStream,
    encoding_of,
    floats,
)
from headgate.wire.shape import (
    Malformed,
    expect,
    optional,
    reply_object,
    required,
    says_bad_request,
)

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder().decode
_GLANCE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_READ: Final = frozenset({"model", "texts", "images", "input_type", "output_dimension"})
_NATIVE: Final = frozenset({"inputs", "embedding_types", "truncate", "max_tokens", "priority"})
"""Keys that callers of any format may give."""
_HARMLESS: Final = frozenset({"metadata", "stream", "safety_identifier"})
"""Keys of other formats that change nothing in the vectors."""
_TYPES: Final = ("float", "base64", "int8", "uint8", "binary", "ubinary")
"""In the order in which they say most."""
_TASKS: Final = {
    "query": "search_query",
    "document": "search_document",
    "passage": "search_document",
    "retrieval_query": "search_query",
    "retrieval_document": "search_document",
}
"""What a vector is for, in the words of other vendors. Cohere's own words pass."""
_DEFAULT: Final = "search_document"
"""LiteLLM's choice, where the caller makes none: the format demands one."""


class CohereEmbeddings(NoStream):
    name: ClassVar[str] = "cohere_embeddings"
    family: ClassVar[str] = FAMILY

    @says_bad_request
    def read_request(self, body: Mapping[str, Any]) -> EmbeddingsRequest:
        """Raises BadRequestError."""
        return _read_request(body)

    def write_request(self, request: EmbeddingsRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for token ids: the API takes texts and pictures only."""
        if request.tokens:
            raise BadRequestError(
                f"input: {target.model} takes text, not token ids: send strings", param="input"
            )
        task = (request.input_type or _DEFAULT).lower()
        inputs, pictured = _inputs(request.input)
        body: dict[str, Any] = {"model": target.model, **inputs}
        body["input_type"] = "image" if pictured else _TASKS.get(task, task)
        body["embedding_types"] = ["float"]
        if request.dimensions is not None:
            body["output_dimension"] = request.dimensions
        dropped: list[str] = []
        for family, fields in (request.extra or {}).items():
            for key, value in fields.items():
                if family == FAMILY or key in _NATIVE:
                    body[key] = value
                elif key not in _HARMLESS and value is not None:
                    dropped.append(key)
        if "inputs" in own(request.extra):
            body.pop("texts", None)
        return ir.Written(body=body, dropped=dropped, echo=EmbeddingsEcho(encoding=request.encoding_format))

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> EmbeddingsReply:
        """Raises APIResponseValidationError, or the error that the body is."""
        document = _document(body)
        return EmbeddingsReply(
            vectors=_vectors(document.get("embeddings")),
            usage=_usage(document.get("meta")),
            encoding=encoding_of(echo),
        )

    def write_reply(self, reply: EmbeddingsReply, frame: Frame) -> bytes:
        coded = reply.encoding == "base64"
        vectors = {"base64": [_base64(one) for one in reply.vectors]} if coded else {"float": reply.vectors}
        tokens = reply.usage.input if reply.usage is not None else 0
        meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": tokens}}
        return _ENCODE(
            {"id": frame.id, "embeddings": vectors, "meta": meta, "response_type": "embeddings_by_type"}
        )

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failure.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return failure.write_error(error, call_id)

    def glance(self, body: bytes) -> Glance:
        """Never raises. The vectors are scanned over, not decoded."""
        try:
            facts = _GLANCE(body)
            if "embeddings" not in facts:
                return Glance(error=failure.in_reply(_DECODE(body)))
            return Glance(usage=_usage(_DECODE(facts["meta"])) if "meta" in facts else None)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return Glance()


# --- requests --------------------------------------------------------------------------------------------


def _read_request(body: Mapping[str, Any]) -> EmbeddingsRequest:
    types = _strings(body, "embedding_types")
    mixed = optional(body, "inputs", list, "")
    given = [*_strings(body, "texts"), *_strings(body, "images")]
    if mixed is not None:
        given = [_text_of(item, f"inputs[{index}]") for index, item in enumerate(mixed)]
    if not given:
        raise Malformed("texts", "required, expected a non-empty array of texts, or `images`, or `inputs`")
    coded = types == ["base64"]
    plain = coded or types == ["float"]
    left = {
        key: value
        for key, value in body.items()
        if key not in _READ and value is not None and not (plain and key == "embedding_types")
    }
    return EmbeddingsRequest(
        model=optional(body, "model", str, "") or "",
        input=given,
        dimensions=optional(body, "output_dimension", int, ""),
        encoding_format="base64" if coded else None,
        input_type=optional(body, "input_type", str, ""),
        extra=kept(left),
    )


def _strings(body: Mapping[str, Any], key: str) -> list[str]:
    values = optional(body, key, list, "") or []
    return [expect(value, str, f"{key}[{index}]") for index, value in enumerate(values)]


def _text_of(value: Any, where: str) -> str:
    """What other formats can take of a mixed input: its texts, or its only picture."""
    content = required(expect(value, dict, where), "content", list, where)
    parts = [expect(part, dict, f"{where}.content[{index}]") for index, part in enumerate(content)]
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    images = [part["image_url"] for part in parts if isinstance(part.get("image_url"), dict)]
    if texts or len(images) != 1:
        return "".join(texts)
    return required(images[0], "url", str, where)


def _inputs(given: list[str]) -> tuple[dict[str, Any], bool]:
    """The keys of the inputs, and whether all of them are pictures."""
    pictures = [one.startswith("data:image/") for one in given]
    if given and all(pictures):
        return {"images": given}, True
    if not any(pictures):
        return {"texts": given}, False
    return {"inputs": [{"content": [_part(one)]} for one in given]}, False


def _part(given: str) -> dict[str, Any]:
    if given.startswith("data:image/"):
        return {"type": "image_url", "image_url": {"url": given}}
    return {"type": "text", "text": given}


# --- answers ---------------------------------------------------------------------------------------------


def _document(body: bytes) -> dict[str, Any]:
    document = reply_object(body)
    if "embeddings" not in document and (failed := failure.in_reply(document)) is not None:
        raise failed
    return document


def _vectors(value: Any) -> list[list[float]]:
    """Of an object by type the most exact; the older API gives one list where no types were asked for."""
    where = "embeddings"
    if isinstance(value, dict):
        kind = next((one for one in _TYPES if isinstance(value.get(one), list)), "float")
        value, where = value.get(kind), f"embeddings.{kind}"
    if not isinstance(value, list):
        raise _unreadable(f"{where}: expected an array")
    return [_vector(one, f"{where}[{index}]") for index, one in enumerate(value)]


def _vector(value: Any, where: str) -> list[float]:
    if not isinstance(value, str):
        return floats(value, where)
    try:
        return list(_little(array("f", b64decode(value, validate=True))))
    except (binascii.Error, ValueError):
        raise _unreadable(f"{where}: expected base64 of 32-bit floats") from None


def _unreadable(problem: str) -> APIResponseValidationError:
    return APIResponseValidationError(f"the upstream's answer can't be read: {problem}")


def _base64(vector: list[float]) -> str:
    return b64encode(_little(array("f", vector)).tobytes()).decode()


def _little(numbers: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _usage(meta: Any) -> ir.Usage | None:
    """A picture counts by its tokens, or as one where there are none."""
    units = meta.get("billed_units") if isinstance(meta, dict) else None
    if not isinstance(units, dict):
        return None
    pictures = _count(units, "image_tokens") or _count(units, "images")
    return ir.Usage(input=_count(units, "input_tokens") + pictures, image_input=pictures or None)


def _count(units: dict[str, Any], key: str) -> int:
    value = units.get(key)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0


DIALECT: Final = CohereEmbeddings()
