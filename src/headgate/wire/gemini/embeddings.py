"""Gemini embeddings (`batchEmbedContents`, `embedContent`, Vertex `predict`) ↔ the shared embeddings IR.

https://ai.google.dev/api/embeddings. Requests are written as `batchEmbedContents`, one entry for each text,
and read in any of the three forms; replies likewise. Replies name no model, and usage only for newer models.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

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
from headgate.wire.gemini import failure

FAMILY: Final = "gemini"

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder().decode
_GLANCE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_TASKS: Final = {
    "query": "RETRIEVAL_QUERY",
    "search_query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "search_document": "RETRIEVAL_DOCUMENT",
    "passage": "RETRIEVAL_DOCUMENT",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}
"""What a vector is for, in the words of other vendors. Gemini's own words pass."""

_PER_ENTRY: Final = {
    "task_type": "taskType",
    "taskType": "taskType",
    "title": "title",
    "auto_truncate": "autoTruncate",
    "autoTruncate": "autoTruncate",
}
"""Keys that a caller of any format may give, and what each entry of the batch calls it."""

_IN_TEXT: Final = re.compile(r"gemini-embedding-[2-9]")
"""Models that read what a text is for, and its title, in the text itself: the fields change nothing in their vectors.
https://ai.google.dev/gemini-api/docs/embeddings"""
_PURPOSE: Final = frozenset({"task_type", "taskType", "title"})

_CONFIG: Final = "embedContentConfig"
"""The newer place of the settings, which stood beside the content before.
https://docs.cloud.google.com/python/docs/reference/aiplatform/latest/google.cloud.aiplatform_v1beta1.types.EmbedContentRequest"""
_MOVED: Final = frozenset({"outputDimensionality", "output_dimensionality", *_PER_ENTRY})

_HARMLESS: Final = frozenset({"metadata", "stream", "safety_identifier"})
"""Keys of other formats that change nothing in the vectors."""

_ENTRY: Final = frozenset(
    {"model", "content", "outputDimensionality", "output_dimensionality", "taskType", "task_type"}
)


class GeminiEmbeddings(NoStream):
    name: ClassVar[str] = "gemini_embeddings"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "parts"
    family: ClassVar[str] = FAMILY

    def read_request(self, body: Mapping[str, Any]) -> EmbeddingsRequest:
        """Raises BadRequestError. Entries of a batch share the settings of the first."""
        entries, where = body.get("requests"), "requests"
        if entries is None:
            entries, where = [body], ""
        if not isinstance(entries, list) or not entries:
            raise _bad(where, "expected a non-empty array")
        texts = [_text(entry, f"{where}[{at}]" if where else "") for at, entry in enumerate(entries)]
        first = _settled(entries[0])
        size = first.get("outputDimensionality", first.get("output_dimensionality"))
        if size is not None and (not isinstance(size, int) or isinstance(size, bool)):
            raise _bad("outputDimensionality", "expected an integer")
        task = first.get("taskType", first.get("task_type"))
        model = body.get("model") or first.get("model")
        left = {key: value for key, value in first.items() if key not in _ENTRY}
        return EmbeddingsRequest(
            model=model.removeprefix("models/") if isinstance(model, str) else "",
            input=texts,
            flat="requests" not in body,
            dimensions=size,
            input_type=task if isinstance(task, str) else None,
            extra={FAMILY: left} if left else None,
        )

    def write_request(self, request: EmbeddingsRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for token ids: the API takes text only."""
        if request.tokens:
            raise _bad("input", f"{target.model} takes text, not token ids: send strings")
        settings: dict[str, Any] = {}
        dropped: list[str] = []
        in_text = _IN_TEXT.search(target.model) is not None
        if request.dimensions is not None:
            settings["outputDimensionality"] = request.dimensions
        if request.input_type is not None and in_text:
            dropped.append("input_type")
        elif request.input_type is not None:
            settings["taskType"] = _TASKS.get(request.input_type.lower(), request.input_type.upper())
        for family, fields in (request.extra or {}).items():
            for key, value in fields.items():
                if in_text and key in _PURPOSE:
                    dropped.append(key)
                elif key in _PER_ENTRY:
                    settings[_PER_ENTRY[key]] = value
                elif family == FAMILY:
                    settings[key] = value
                elif key not in _HARMLESS and value is not None:
                    dropped.append(key)
        name = target.model if "/" in target.model else f"models/{target.model}"
        entries = [
            {"model": name, "content": {"parts": [{"text": text}]}, **settings} for text in request.input
        ]
        return ir.Written(
            body={"requests": entries},
            dropped=dropped,
            echo=EmbeddingsEcho(encoding=request.encoding_format),
        )

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> EmbeddingsReply:
        """Raises APIResponseValidationError, or the error that the body is."""
        document = reply_document(body)
        usage = document.get("usageMetadata")
        return EmbeddingsReply(
            vectors=[floats(_values(row), f"embeddings[{at}]") for at, row in enumerate(_rows(document))],
            usage=_usage(usage) if isinstance(usage, dict) else _statistics(document),
            encoding=encoding_of(echo),
        )

    def write_reply(self, reply: EmbeddingsReply, frame: Frame) -> bytes:
        document: dict[str, Any] = {"embeddings": [{"values": vector} for vector in reply.vectors]}
        if reply.usage is not None:
            document["usageMetadata"] = {"promptTokenCount": reply.usage.input}
        return _ENCODE(document)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return failure.write_error(error, call_id)

    def glance(self, body: bytes) -> Glance:
        """Never raises. The vectors are scanned over, not decoded."""
        try:
            facts = _GLANCE(body)
            if "error" in facts and len(facts) == 1:
                return Glance(error=failures.read_error(200, {}, body))
            usage = _DECODE(facts["usageMetadata"]) if "usageMetadata" in facts else None
        except (msgspec.DecodeError, ValueError, RecursionError):
            return Glance()
        return Glance(usage=_usage(usage) if isinstance(usage, dict) else None)


def _bad(where: str, problem: str) -> BadRequestError:
    return BadRequestError(f"{where}: {problem}" if where else problem, param=where or None)


def _settled(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with the settings beside its content, wherever they stood."""
    config = entry.get(_CONFIG)
    if not isinstance(config, dict):
        return entry
    kept = {key: value for key, value in config.items() if key not in _MOVED}
    beside = {key: value for key, value in entry.items() if key != _CONFIG}
    return {
        **beside,
        **{key: config[key] for key in config.keys() & _MOVED},
        **({_CONFIG: kept} if kept else {}),
    }


def _text(entry: Any, where: str) -> str:
    """The text of one entry: its parts put together."""
    prefix = f"{where}." if where else ""
    content = entry.get("content") if isinstance(entry, dict) else None
    parts = content.get("parts") if isinstance(content, dict) else None
    if isinstance(parts, dict):
        parts = [parts]
    if not isinstance(parts, list) or not parts:
        raise _bad(f"{prefix}content.parts", "required, expected a non-empty array")
    words = []
    for at, part in enumerate(parts):
        text = part.get("text") if isinstance(part, dict) else None
        if not isinstance(text, str):
            raise _bad(f"{prefix}content.parts[{at}].text", "required, expected a string")
        words.append(text)
    return "\n".join(words)


def _rows(document: dict[str, Any]) -> list[Any]:
    if "embedding" in document:
        return [document["embedding"]]
    rows = document.get("embeddings", document.get("predictions"))
    if not isinstance(rows, list):
        raise APIResponseValidationError("the upstream's answer can't be read: embeddings: expected an array")
    return rows


def _values(row: Any) -> Any:
    """The numbers of `{values}`, of Vertex's `{embeddings: {values}}`, or nested lists of one's own models."""
    while isinstance(row, list) and len(row) == 1 and isinstance(row[0], list):
        row = row[0]
    inner = row.get("embeddings", row) if isinstance(row, dict) else None
    return inner.get("values") if isinstance(inner, dict) else row


def _usage(usage: dict[str, Any]) -> ir.Usage | None:
    tokens, total = (
        value if isinstance(value := usage.get(key), int) and not isinstance(value, bool) else None
        for key in ("promptTokenCount", "totalTokenCount")
    )
    if tokens is None and total is None:
        return None
    return ir.Usage(input=total or 0 if tokens is None else tokens, total=total)


def _statistics(document: dict[str, Any]) -> ir.Usage | None:
    """The sum of what Vertex's `predict` says of each instance."""
    rows = document.get("predictions")
    counts = [_count(row) for row in rows] if isinstance(rows, list) else []
    known = [count for count in counts if count is not None]
    return ir.Usage(input=sum(known)) if known and len(known) == len(counts) else None


def _count(row: Any) -> int | None:
    for key in ("embeddings", "statistics", "token_count"):
        row = row.get(key) if isinstance(row, dict) else None
    return int(row) if isinstance(row, int | float) else None


DIALECT: Final = GeminiEmbeddings()
