"""Media ↔ `inlineData` and `fileData`: types, addresses and base64 alphabets. Knows no request and no reply.

https://ai.google.dev/gemini-api/docs/file-input-methods
"""

import base64
import binascii
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.gemini.check import FAMILY, fields, optional, own, required

_INLINE: Final = frozenset({"mimeType", "data", "displayName"})
_FILE: Final = frozenset({"mimeType", "fileUri", "displayName"})

FILES_HOST: Final = "https://generativelanguage.googleapis.com/"
_FILES: Final = FILES_HOST + "v1beta/"
_VIDEO_SITES: Final = (
    "https://www.youtube.com/", "https://youtube.com/", "https://m.youtube.com/", "https://youtu.be/",
    "http://www.youtube.com/", "http://youtube.com/", "http://youtu.be/",
)  # fmt: skip

_TYPES: Final = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
    "heic": "image/heic", "heif": "image/heif", "bmp": "image/bmp",
    "wav": "audio/wav", "mp3": "audio/mp3", "aiff": "audio/aiff", "aac": "audio/aac", "ogg": "audio/ogg",
    "flac": "audio/flac", "m4a": "audio/m4a", "opus": "audio/opus", "pcm": "audio/pcm",
    "mp4": "video/mp4", "mpeg": "video/mpeg", "mpg": "video/mpg", "mov": "video/mov", "avi": "video/avi",
    "webm": "video/webm", "wmv": "video/wmv", "flv": "video/x-flv", "3gp": "video/3gpp",
    "pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "html": "text/html",
    "css": "text/css", "csv": "text/csv", "xml": "text/xml", "json": "application/json", "rtf": "text/rtf",
}  # fmt: skip
_MEND: Final = {"image/jpg": "image/jpeg"}
_FORMATS: Final = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "l16": "pcm16", "pcm": "pcm16"}
"""Subtypes of audio/ whose name in the IR is another."""
_SUBTYPES: Final = {"pcm16": "pcm"}


# --- reading ---------------------------------------------------------------------------------------------


def inline(value: dict[str, Any], where: str) -> tuple[ir.Source, str | None]:
    """The source, and the name that the file had."""
    node = fields(value, _INLINE)
    data = required(node, "data", str, where)
    source = ir.Source("data", standard(data), optional(node, "mimeType", str, where))
    return source, optional(node, "displayName", str, where)


def file(value: dict[str, Any], where: str) -> tuple[ir.Source, str | None]:
    """Files that only Google can open are known by id, others by their address."""
    node = fields(value, _FILE)
    uri = required(node, "fileUri", str, where)
    name = optional(node, "displayName", str, where)
    media_type = optional(node, "mimeType", str, where)
    if uri.startswith((FILES_HOST, "gs://")) or "://" not in uri:
        return ir.Source("id", uri, media_type, FAMILY), name
    return ir.Source("url", uri, media_type), name


def block_of(source: ir.Source, name: str | None) -> ir.Image | ir.Audio | ir.File:
    kind, _, subtype = (source.media_type or "").partition("/")
    if kind == "image":
        return ir.Image(source)
    if kind == "audio":
        return ir.Audio(source, format=_format(subtype))
    return ir.File(source, name=name)


def _format(subtype: str) -> str:
    word = subtype.partition(";")[0].strip().lower()
    return _FORMATS.get(word, word)


def standard(data: str) -> str:
    """Base64 in the ordinary alphabet with its padding: Google takes the URL-safe one, too."""
    if "-" in data or "_" in data:
        data = data.replace("-", "+").replace("_", "/")
    return data + "=" * (-len(data) % 4) if len(data) % 4 else data


# --- writing ---------------------------------------------------------------------------------------------


def part(block: ir.Image | ir.Audio | ir.File) -> dict[str, Any] | None:
    """The part that holds the media, without what else stands on the block. None where there is no way."""
    source = block.source
    if source is None or (source.kind == "text" and not isinstance(block, ir.File)):
        return None
    if source.kind == "text":
        context = block.context if isinstance(block, ir.File) else None
        return {"text": f"{context}\n{source.value}" if context else source.value}
    media_type = _type_of(block, source)
    named = {"mimeType": media_type} if media_type is not None else {}
    if "displayName" in own(block.extra):
        named["displayName"] = own(block.extra)["displayName"]
    if source.kind == "data":
        return {"inlineData": {**named, "data": source.value}}
    uri = _uri(source)
    return None if uri is None else {"fileData": {**named, "fileUri": uri}}


def _type_of(block: ir.Image | ir.Audio | ir.File, source: ir.Source) -> str | None:
    if source.media_type:
        return _MEND.get(source.media_type, source.media_type)
    if isinstance(block, ir.Audio) and block.format:
        return f"audio/{_SUBTYPES.get(block.format, block.format)}"
    name = (block.name if isinstance(block, ir.File) else None) or (
        "" if source.kind == "data" else source.value
    )
    guess = _TYPES.get(name[-8:].rpartition(".")[2].lower())
    return guess or (_DEFAULTS[type(block)] if source.kind == "data" else None)


_DEFAULTS: Final[dict[type, str]] = {
    ir.Image: "image/jpeg",
    ir.Audio: "audio/wav",
    ir.File: "application/pdf",
}


def _uri(source: ir.Source) -> str | None:
    """What `fileUri` takes: an address, a bucket's object, or a name of the Files API."""
    value = source.value
    if "://" in value:
        return value
    if source.kind == "id" and value.startswith("files/"):
        return _FILES + value
    return value if source.kind == "id" and source.family == FAMILY else None


def must_be_fetched(source: ir.Source) -> bool:
    """Whether AI Studio can't open the address by itself."""
    return (
        source.kind == "url"
        and source.value.startswith(("http://", "https://"))
        and not source.value.startswith((FILES_HOST, *_VIDEO_SITES))
    )


def sources(blocks: list[ir.Block]) -> list[ir.Source]:
    found: list[ir.Source] = []
    for block in blocks:
        if isinstance(block, ir.Image | ir.File | ir.Audio):
            if block.source is not None:
                found.append(block.source)
        elif isinstance(block, ir.ToolResult):
            found += sources(block.content)
    return found


# --- pieces of sound -------------------------------------------------------------------------------------


class Joiner:
    """Base64 pieces, each padded by itself → pieces that may be put one after the other."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = b""

    def add(self, piece: str) -> str:
        """Text that is no base64 travels as it is."""
        try:
            data = self._left + base64.b64decode(piece, validate=True)
        except (binascii.Error, ValueError):
            return piece
        whole = len(data) - len(data) % 3
        self._left = data[whole:]
        return base64.b64encode(data[:whole]).decode()

    def end(self) -> str:
        left, self._left = self._left, b""
        return base64.b64encode(left).decode()
