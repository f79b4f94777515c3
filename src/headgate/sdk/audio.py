"""Speech and transcription in LiteLLM's words: what is heard, and what comes back.

https://docs.litellm.ai/docs/text_to_speech and https://docs.litellm.ai/docs/audio_transcription.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
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
from headgate.sdk.stream import CustomStreamWrapper, Stream
from headgate.sdk.view import View
from headgate.wire.audio.sound import HEAD, audio_seconds

_CHUNK: Final = 64 * 1024
_JSON: Final = "application/json"


def errand_of(operation: str, fields: Mapping[str, Any]) -> Errand:
    """What speech, transcriptions and translations do. Raises BadRequestError for what is no file."""
    if operation == "speech":
        return Speech()
    return Transcription(file_of(fields["file"]), translate=operation == "translations")


def without_file(operation: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What goes into the call's envelope. That sound is wanted while it comes is our own affair."""
    ours = ("file", "stream") if operation == "speech" else ("file",)
    return {name: value for name, value in fields.items() if name not in ours}


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
        cut = _Cut(chunk_size or _CHUNK)
        yield from cut.feed(self.content)
        yield from cut.rest()

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


class SpokenStream(Stream):
    """Sound while it comes, in pieces of bytes: what OpenAI's client gives by `with_streaming_response`. With
    `stream_format="sse"` the bytes of its events. `headers` are the provider's."""

    def __init__(self, answer: Answer, hidden: dict[str, Any]) -> None:
        super().__init__(answer, hidden)
        self.headers = {**dict(answer.headers), "content-type": answer.media_type}

    def _read(self, piece: bytes) -> Iterable[bytes]:
        return (piece,) if piece else ()

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Pieces as they come, or all of `chunk_size` bytes but the last."""
        cut = _Cut(chunk_size)
        for piece in self:
            yield from cut.feed(piece)
        yield from cut.rest()

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        cut = _Cut(chunk_size)
        async for piece in self:
            for one in cut.feed(piece):
                yield one
        for one in cut.rest():
            yield one

    def read(self) -> bytes:
        return b"".join(self)

    async def aread(self) -> bytes:
        return b"".join([piece async for piece in self])

    def stream_to_file(self, file: str | os.PathLike[str], *, chunk_size: int | None = None) -> None:
        with Path(file).open("wb") as out:
            out.writelines(self.iter_bytes(chunk_size))

    async def astream_to_file(self, file: str | os.PathLike[str], *, chunk_size: int | None = None) -> None:
        with await asyncio.to_thread(Path(file).open, "wb") as out:
            async for piece in self.aiter_bytes(chunk_size):
                await asyncio.to_thread(out.write, piece)


class _Cut:
    """Pieces of one size; None: as they are. Raises BadRequestError for a size that is none."""

    def __init__(self, size: int | None) -> None:
        if size is not None and size < 1:
            raise BadRequestError(f"'chunk_size' must be 1 or more bytes, not {size}", param="chunk_size")
        self._size = size
        self._held = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._size is None:
            yield data
            return
        self._held += data
        whole = len(self._held) - len(self._held) % self._size
        for at in range(0, whole, self._size):
            yield self._held[at : at + self._size]
        self._held = self._held[whole:]

    def rest(self) -> Iterator[bytes]:
        if self._held:
            yield self._held


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


def streamed(answer: Answer, hidden: dict[str, Any]) -> Stream:
    """The answer while it comes: sound as bytes, text as events."""
    if answer.call.operation == "speech":
        return SpokenStream(answer, hidden)
    return CustomStreamWrapper(answer, hidden, answer.call.operation)


async def shown(answer: Answer) -> Any:
    """The answer as an object. Raises what broke it off."""
    body = b"".join([piece async for piece in answer])
    if answer.call.error is not None:
        raise answer.call.error
    if answer.call.operation == "speech":
        return Spoken(body, answer.media_type, dict(answer.headers))
    return TranscriptionResponse.read(answer.media_type, body)
