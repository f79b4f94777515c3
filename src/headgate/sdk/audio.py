"""Speech and transcription in LiteLLM's words: what is heard, and what comes back.

https://docs.litellm.ai/docs/text_to_speech and https://docs.litellm.ai/docs/audio_transcription.
"""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from mimetypes import guess_type
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from msgspec.structs import replace

from headgate.core.answer import Answer
from headgate.core.audio import Speech, Transcription
from headgate.core.errand import Errand
from headgate.core.files import File
from headgate.errors import BadRequestError
from headgate.sdk import files
from headgate.sdk.objects import View
from headgate.wire.audio.sound import HEAD, audio_seconds

_CHUNK: Final = 64 * 1024
_JSON: Final = "application/json"


def errand_of(operation: str, fields: Mapping[str, Any]) -> Errand:
    """What speech, transcriptions and translations do. Raises BadRequestError for what is no file."""
    if operation == "speech":
        return Speech()
    return Transcription(file_of(fields["file"]), translate=operation == "translations")


def without_file(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What goes into the call's envelope. Raises BadRequestError for a stream."""
    if fields.get("stream"):
        raise BadRequestError("'stream' is for the gateway: calls of sound return whole", param="stream")
    return {name: value for name, value in fields.items() if name != "file"}


def file_of(given: Any) -> File:
    """The sound, with its length where it says so. Raises BadRequestError for what is no file or empty."""
    file = files.file_of(given, "file", "audio")
    if not file.size:
        file.content.close()
        raise BadRequestError("'file' is empty: expected a sound file", param="file")
    kind = file.part.content_type or guess_type(file.part.filename or "")[0] or "application/octet-stream"
    seconds = audio_seconds(file.at(0, HEAD), file.size, file.at(max(0, file.size - HEAD), HEAD))
    return replace(file, part=replace(file.part, content_type=kind), seconds=seconds)


class Spoken:
    """Sound, whole: what OpenAI's client calls HttpxBinaryResponseContent. `headers` are the provider's."""

    def __init__(self, content: bytes, media_type: str, headers: Mapping[str, str]) -> None:
        self.content = content
        self.headers = {**headers, "content-type": media_type}
        self._hidden_params: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"Spoken({len(self.content)} bytes of {self.headers['content-type']})"

    def read(self) -> bytes:
        return self.content

    async def aread(self) -> bytes:
        return self.content

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        size = chunk_size or _CHUNK
        for start in range(0, len(self.content), size):
            yield self.content[start : start + size]

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        for piece in self.iter_bytes(chunk_size):
            yield piece

    def write_to_file(self, file: str | os.PathLike[str]) -> None:
        Path(file).write_bytes(self.content)

    def stream_to_file(self, file: str | os.PathLike[str], *, chunk_size: int | None = None) -> None:
        self.write_to_file(file)

    async def astream_to_file(self, file: str | os.PathLike[str], *, chunk_size: int | None = None) -> None:
        self.write_to_file(file)

    def close(self) -> None:
        """Nothing is open."""


class TranscriptionWord(View):
    _known = frozenset(("word", "start", "end", "speaker"))


class TranscriptionSegment(View):
    _known = frozenset(("id", "text", "start", "end", "speaker"))


class TranscriptionUsage(View):
    _known = frozenset(("type", "seconds", "input_tokens", "output_tokens", "total_tokens"))


class TranscriptionResponse(View):
    """`text` is the captions themselves for "srt" and "vtt"."""

    _known = frozenset(("text", "task", "language", "duration", "segments", "words", "usage"))
    _views = {
        "words": TranscriptionWord,
        "segments": TranscriptionSegment,
        "usage": TranscriptionUsage,
    }
    _hidden_params: dict[str, Any]

    @classmethod
    def read(cls, media_type: str, body: bytes) -> Self:
        if media_type.startswith(_JSON):
            return cls.of(msgspec.json.decode(body))
        return cls.of({"text": body.decode("utf-8", "replace")})


async def shown(answer: Answer) -> Any:
    """The answer as an object. Raises what broke it off."""
    body = b"".join([piece async for piece in answer])
    if answer.call.error is not None:
        raise answer.call.error
    if answer.call.operation == "speech":
        return Spoken(body, answer.media_type, dict(answer.headers))
    return TranscriptionResponse.read(answer.media_type, body)
