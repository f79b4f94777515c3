"""Embeddings in formats that take texts under one key and answer with vectors: what such dialects share.

A subclass says how its body is made and where the vectors stand. Knows no provider.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from headgate.errors import BadRequestError, HeadgateError
from headgate.wire import failures, ir
from headgate.wire.dialect import Frame, Glance, Target
from headgate.wire.embeddings import EmbeddingsEcho, EmbeddingsReply, EmbeddingsRequest, NoStream
from headgate.wire.shape import Malformed, expect, says_bad_request

HARMLESS: Final = frozenset({"metadata", "stream", "safety_identifier"})
"""Keys of other formats that change nothing in the vectors."""


class Echo(EmbeddingsEcho):
    """`count` is how many texts were sent."""

    count: int = 0


class PlainEmbeddings(NoStream, ABC):
    """`texts` is the key of the texts, `native` the keys that callers of any format may give."""

    name: ClassVar[str]
    family: ClassVar[str]
    texts: ClassVar[str] = "inputs"
    native: ClassVar[frozenset[str]]

    @abstractmethod
    def body(self, request: EmbeddingsRequest, target: Target, dropped: list[str]) -> dict[str, Any]:
        """The body without what callers gave beside it. Adds to `dropped` what has no place."""

    @abstractmethod
    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> EmbeddingsReply:
        """Raises APIResponseValidationError, or the error that the body is."""

    @abstractmethod
    def write_reply(self, reply: EmbeddingsReply, frame: Frame) -> bytes: ...

    @says_bad_request
    def read_request(self, body: Mapping[str, Any]) -> EmbeddingsRequest:
        """Raises BadRequestError."""
        given = body.get(self.texts)
        listed = [given] if isinstance(given, str) else given
        if not isinstance(listed, list) or not listed:
            raise Malformed(self.texts, "required, expected a string or a non-empty array of strings")
        model = body.get("model_id", body.get("model"))
        left = {key: value for key, value in body.items() if key not in (self.texts, "model", "model_id")}
        return EmbeddingsRequest(
            model=model if isinstance(model, str) else "",
            input=[expect(text, str, f"{self.texts}[{at}]") for at, text in enumerate(listed)],
            flat=isinstance(given, str),
            extra={self.family: left} if left else None,
        )

    def write_request(self, request: EmbeddingsRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for token ids: the API takes text only."""
        if request.tokens:
            raise BadRequestError(
                f"input: {target.model} takes text, not token ids: send strings", param="input"
            )
        dropped = [] if request.input_type is None else ["input_type"]
        body = self.body(request, target, dropped)
        for family, fields in (request.extra or {}).items():
            for key, value in fields.items():
                if family == self.family or key in self.native:
                    body.setdefault(key, value)
                elif key not in HARMLESS and value is not None:
                    dropped.append(key)
        echo = Echo(encoding=request.encoding_format, count=len(request.input))
        return ir.Written(body=body, dropped=dropped, echo=echo)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return msgspec.json.encode({"error": error.message})

    def glance(self, body: bytes) -> Glance:
        """Never raises."""
        try:
            return Glance(usage=self.read_reply(body).usage)
        except HeadgateError as error:
            return Glance(error=error)


def mean(rows: list[list[float]]) -> list[float]:
    """The mean of vectors of the same length."""
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]
