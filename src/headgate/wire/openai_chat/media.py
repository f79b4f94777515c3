"""Pictures, sound and documents: the addresses and data URIs of OpenAI's parts ↔ `ir.Source`.

Base64 text is never decoded here but where a document's text must become base64.
"""

import base64
from typing import Final

from headgate.wire import ir
from headgate.wire.uris import source_of

FAMILY: Final = "openai"

AUDIO_TYPES: Final = {"wav": "audio/wav", "mp3": "audio/mpeg", "pcm16": "audio/pcm", "opus": "audio/ogg"}
_AUDIO_FORMATS: Final = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/pcm": "pcm16",
    "audio/l16": "pcm16",
}
_BEGINNINGS: Final = (
    ("iVBOR", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lG", "image/gif"),
    ("UklG", "image/webp"),
    ("JVBER", "application/pdf"),
)
"""How base64 of some formats begins."""


def write_url(source: ir.Source) -> str:
    """An address or a data URI. An id is written as it is: some servers know their files by it."""
    if source.kind == "data":
        return f"data:{source.media_type or guess(source.value)};base64,{source.value}"
    if source.kind == "text":
        value = base64.b64encode(source.value.encode("utf-8", "replace")).decode()
        return f"data:{source.media_type or 'text/plain'};base64,{value}"
    return source.value


def is_known(source: ir.Source) -> bool:
    """Whether a file's id means something to OpenAI: those of its Responses do, other vendors' don't."""
    return source.kind != "id" or source.family in (None, FAMILY, "responses")


def guess(data: str) -> str:
    """The media type of base64 text by its beginning."""
    return next((kind for start, kind in _BEGINNINGS if data.startswith(start)), "application/octet-stream")


def read_file(data: str) -> ir.Source:
    """`file_data`: a data URI, or base64 alone."""
    return source_of(data) if data.startswith("data:") else ir.Source(kind="data", value=data)


def read_file_id(name: str) -> ir.Source:
    """`file_id`: a file at OpenAI, or an address as LiteLLM's callers write it."""
    if name.startswith(("http://", "https://", "gs://")):
        return ir.Source(kind="url", value=name)
    return ir.Source(kind="id", value=name, family=FAMILY)


def audio_type(name: str) -> str:
    return AUDIO_TYPES.get(name, f"audio/{name}")


def audio_format(block: ir.Audio) -> str:
    """The word for a sound's format, from its media type where it has no other."""
    if block.format is not None:
        return block.format
    media_type = (block.source.media_type if block.source is not None else None) or "audio/wav"
    media_type = media_type.split(";")[0].strip().lower()
    return _AUDIO_FORMATS.get(media_type, media_type.removeprefix("audio/"))
