"""OpenAI embeddings, and the meaning of an embeddings call that other formats share.

https://platform.openai.com/docs/api-reference/embeddings. `DIALECT` has the methods of `wire/dialect.py` on
its own pair of nodes, EmbeddingsRequest and EmbeddingsReply, and no stream. A vector is a list of
floats: base64 of little-endian 32-bit floats is how the OpenAI format alone spells it. Knows no provider.
"""

import binascii
import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, NoReturn, TypeGuard

import msgspec

from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError
from headgate.wire import failures, ir
from headgate.wire.dialect import Frame, Glance, Target
from headgate.wire.shape import reply_object

FAMILY: Final = "openai"

_KNOWN: Final = frozenset(
    {"model", "input", "dimensions", "encoding_format", "user", "input_type"}
)  # fmt: skip
_ENCODINGS: Final = ("float", "base64")
_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder().decode


class EmbeddingsRequest(ir.Node):
    """`input` holds texts, or `tokens` lists of token ids where the caller sent those; the other is empty.

    `flat` says that a single text or token list was sent, not a list of them. `encoding_format` is "float",
    "base64" or None; `input_type` what the vectors are for, in the caller's words ("search_query").
    """

    model: str
    input: list[str] = []
    tokens: list[list[int]] = []
    flat: bool = False
    dimensions: int | None = None
    encoding_format: str | None = None
    input_type: str | None = None
    user: str | None = None


class EmbeddingsReply(ir.Node):
    """The vectors in the order of the inputs. `encoding` is how the caller wants them spelled."""

    vectors: list[list[float]]
    model: str | None = None
    usage: ir.Usage | None = None
    encoding: str | None = None


def joined(replies: list[EmbeddingsReply]) -> EmbeddingsReply:
    """One reply of those to parts of the inputs, in their order."""
    return EmbeddingsReply(
        vectors=[vector for reply in replies for vector in reply.vectors],
        model=replies[0].model,
        usage=_together([reply.usage for reply in replies if reply.usage is not None]),
        encoding=replies[0].encoding,
    )


def _together(used: list[ir.Usage]) -> ir.Usage | None:
    if not used:
        return None
    characters = [one.characters for one in used if one.characters is not None]
    return ir.Usage(input=sum(one.input for one in used), characters=sum(characters) if characters else None)


class EmbeddingsEcho(ir.Echo):
    """What the reply must remember of its request."""

    encoding: str | None = None


class NoStream:
    """The methods of a dialect that an operation without streams answers with a BadRequestError."""

    stream_type: ClassVar[str] = "text/event-stream"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "body"

    def stream_reader(self, echo: ir.Echo | None = None) -> NoReturn:
        _no_stream()

    def stream_writer(self, frame: Frame) -> NoReturn:
        _no_stream()

    def sniffer(self) -> NoReturn:
        _no_stream()

    def write_stream_error(self, error: HeadgateError) -> NoReturn:
        _no_stream()

    def is_opening(self, data: bytes) -> bool:
        return False

    def remote_media(self, request: object) -> list[ir.Source]:
        return []


def _no_stream() -> NoReturn:
    raise BadRequestError("this operation has no stream: leave out `stream`", param="stream")


class OpenAIEmbeddings(NoStream):
    name: ClassVar[str] = "openai_embeddings"
    family: ClassVar[str] = FAMILY

    def read_request(self, body: Mapping[str, Any]) -> EmbeddingsRequest:
        """Raises BadRequestError."""
        texts, tokens, flat = _input(body.get("input"))
        encoding = _optional(body, "encoding_format", str)
        if encoding is not None and encoding not in _ENCODINGS:
            raise _bad("encoding_format", "expected 'float' or 'base64'")
        left = {key: value for key, value in body.items() if key not in _KNOWN}
        return EmbeddingsRequest(
            model=_optional(body, "model", str) or "",
            input=texts,
            tokens=tokens,
            flat=flat,
            dimensions=_optional(body, "dimensions", int),
            encoding_format=encoding,
            input_type=_optional(body, "input_type", str),
            user=_optional(body, "user", str),
            extra={FAMILY: left} if left else None,
        )

    def write_request(self, request: EmbeddingsRequest, target: Target) -> ir.Written:
        given: list[Any] = list(request.input or request.tokens)
        body: dict[str, Any] = {
            "model": target.model,
            "input": given[0] if request.flat and len(given) == 1 else given,
        }
        for key in ("dimensions", "encoding_format", "input_type", "user"):
            if (value := getattr(request, key)) is not None:
                body[key] = value
        extra = request.extra or {}
        body = {**extra.get(FAMILY, {}), **body}
        dropped = [key for family, fields in extra.items() if family != FAMILY for key in fields]
        return ir.Written(body=body, dropped=dropped, echo=EmbeddingsEcho(encoding=request.encoding_format))

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> EmbeddingsReply:
        """Raises APIResponseValidationError, or the error that the body is."""
        document = reply_document(body)
        rows = document.get("data")
        if not isinstance(rows, list):
            raise _unreadable("data: expected an array")
        placed = sorted((_place(row, at), at) for at, row in enumerate(rows))
        model = document.get("model")
        usage = document.get("usage")
        left = {key: value for key, value in document.items() if key not in _REPLY}
        return EmbeddingsReply(
            vectors=[_vector(rows[at], at) for _, at in placed],
            model=model if isinstance(model, str) else None,
            usage=_usage(usage) if isinstance(usage, dict) else None,
            encoding=encoding_of(echo),
            extra={FAMILY: left} if left else None,
        )

    def write_reply(self, reply: EmbeddingsReply, frame: Frame) -> bytes:
        spell = _base64 if reply.encoding == "base64" else _floats
        tokens = reply.usage.input if reply.usage is not None else 0
        total = reply.usage.total if reply.usage is not None else None
        return _ENCODE(
            {
                "object": "list",
                "data": [
                    {"object": "embedding", "index": at, "embedding": spell(vector)}
                    for at, vector in enumerate(reply.vectors)
                ],
                "model": reply.model or frame.model,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens if total is None else total},
                **((reply.extra or {}).get(FAMILY) or {}),
            }
        )

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        said: dict[str, Any] = {
            "message": error.message,
            "type": error.type,
            "param": error.param,
            "code": error.code,
        }
        return _ENCODE({"error": said})

    def glance(self, body: bytes) -> Glance:
        """Never raises. The vectors are scanned over, not decoded."""
        try:
            facts = _GLANCE(body)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return Glance()
        if "data" not in facts and "error" in facts:
            return Glance(error=failures.read_error(200, {}, body))
        usage, model = _part(facts, "usage"), _part(facts, "model")
        return Glance(
            usage=_usage(usage) if isinstance(usage, dict) else None,
            model=model if isinstance(model, str) else None,
        )


_REPLY: Final = frozenset({"object", "data", "model", "usage"})
_GLANCE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


# --- what the two formats share --------------------------------------------------------------------------


def encoding_of(echo: ir.Echo | None) -> str | None:
    return echo.encoding if isinstance(echo, EmbeddingsEcho) else None


def reply_document(body: bytes) -> dict[str, Any]:
    """Raises APIResponseValidationError for what is no JSON object, or the error that the body is."""
    document = reply_object(body)
    if document.get("error") and not _ANSWERS.intersection(document):
        raise failures.read_document(document)
    return document


_ANSWERS: Final = frozenset({"data", "embeddings", "embedding", "predictions"})


def floats(value: Any, where: str) -> list[float]:
    """Raises APIResponseValidationError for anything but numbers."""
    try:
        return msgspec.convert(value, list[float])
    except msgspec.ValidationError:
        raise _unreadable(f"{where}: expected an array of numbers") from None


def _unreadable(problem: str) -> APIResponseValidationError:
    return APIResponseValidationError(f"the upstream's answer can't be read: {problem}")


# --- reading ---------------------------------------------------------------------------------------------


def _input(value: Any) -> tuple[list[str], list[list[int]], bool]:
    """Texts, token lists, and whether it was a single one."""
    if isinstance(value, str):
        return [value], [], True
    if not isinstance(value, list) or not value:
        raise _bad("input", "required, expected a string or a non-empty array")
    if all(isinstance(item, str) for item in value):
        return value, [], False
    if all(_is_token(item) for item in value):
        return [], [value], True
    for at, item in enumerate(value):
        if not isinstance(item, list) or not item or not all(map(_is_token, item)):
            raise _bad(f"input[{at}]", "expected all strings, or all non-empty arrays of token ids")
    return [], value, False


def _is_token(item: Any) -> TypeGuard[int]:
    return isinstance(item, int) and not isinstance(item, bool)


def _optional(body: Mapping[str, Any], key: str, kind: type[Any]) -> Any:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _bad(key, f"expected {'an integer' if kind is int else 'a string'}")
    return value


def _bad(where: str, problem: str) -> BadRequestError:
    return BadRequestError(f"{where}: {problem}", param=where)


def _place(row: Any, at: int) -> int:
    if not isinstance(row, dict):
        raise _unreadable(f"data[{at}]: expected an object")
    index = row.get("index")
    return index if _is_token(index) else at


def _vector(row: dict[str, Any], at: int) -> list[float]:
    value = row.get("embedding")
    where = f"data[{at}].embedding"
    if not isinstance(value, str):
        return floats(value, where)
    try:
        numbers = array("f", b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        raise _unreadable(f"{where}: expected base64 of 32-bit floats") from None
    return list(_little(numbers))


def _little(numbers: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _usage(usage: dict[str, Any]) -> ir.Usage:
    tokens, total = usage.get("prompt_tokens"), usage.get("total_tokens")
    known = tokens if _is_token(tokens) else total
    return ir.Usage(input=known if _is_token(known) else 0, total=total if _is_token(total) else None)


def _part(facts: dict[str, msgspec.Raw], key: str) -> Any:
    return _DECODE(facts[key]) if key in facts else None


# --- writing ---------------------------------------------------------------------------------------------


def _floats(vector: list[float]) -> list[float]:
    return vector


def _base64(vector: list[float]) -> str:
    return b64encode(_little(array("f", vector)).tobytes()).decode()


DIALECT: Final = OpenAIEmbeddings()
