"""Pictures, documents, films and sound: Converse's formats ↔ media types, sources and names. Pure tables.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html and its siblings.
"""

import binascii
import re
from base64 import b64decode, b64encode
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.bedrock.check import FAMILY
from headgate.wire.shape import Malformed, expect, optional

_OFFICE: Final = "application/vnd.openxmlformats-officedocument"

IMAGES: Final = {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
DOCUMENTS: Final = {
    "pdf": "application/pdf",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "html": "text/html",
    "txt": "text/plain",
    "md": "text/markdown",
}
VIDEOS: Final = {
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "flv": "video/x-flv",
    "mpeg": "video/mpeg",
    "mpg": "video/mpg",
    "wmv": "video/x-ms-wmv",
    "three_gp": "video/3gpp",
}
_BY_MEDIA: Final = {media: name for table in (IMAGES, DOCUMENTS, VIDEOS) for name, media in table.items()} | {
    "image/jpg": "jpeg",
    "image/pjpeg": "jpeg",
    "video/matroska": "mkv",
    "text/x-markdown": "md",
    "application/csv": "csv",
    "application/json": "txt",
    "application/xml": "txt",
}
_ENDINGS: Final = {
    "jpg": "jpeg",
    "htm": "html",
    "markdown": "md",
    "3gp": "three_gp",
    "json": "txt",
    "log": "txt",
}
_SOUNDS: Final = {
    "mpeg": "mp3",
    "x-wav": "wav",
    "wave": "wav",
    "mp4": "m4a",
    "x-m4a": "m4a",
    "x-flac": "flac",
}
_MAGIC: Final = (
    ("iVBORw0KGgo", "png"),
    ("/9j/", "jpeg"),
    ("R0lGOD", "gif"),
    ("UklGR", "webp"),
    ("JVBERi0", "pdf"),
)
_REFUSED: Final = re.compile(r"[^A-Za-z0-9\s\-()\[\]]+")


# --- reading ---------------------------------------------------------------------------------------------


def read_source(node: dict[str, Any], media: str | None, where: str) -> ir.Source | None:
    """The source of a block, None where the IR has no such kind."""
    source = expect(node.get("source"), dict, f"{where}.source")
    where = f"{where}.source"
    if (data := optional(source, "bytes", str, where)) is not None:
        return ir.Source("data", data, media)
    if (place := optional(source, "s3Location", dict, where)) is not None:
        uri = optional(place, "uri", str, f"{where}.s3Location")
        if uri is None:
            raise Malformed(f"{where}.s3Location.uri", "required, expected a string")
        return ir.Source("id", uri, media, FAMILY)
    if (text := optional(source, "text", str, where)) is not None:
        return ir.Source("text", text, media or DOCUMENTS["txt"])
    parts = source.get("content")
    if isinstance(parts, list) and all(
        isinstance(part, dict) and isinstance(part.get("text"), str) for part in parts
    ):
        return ir.Source("text", "\n".join(part["text"] for part in parts), media or DOCUMENTS["txt"])
    return None


# --- writing ---------------------------------------------------------------------------------------------


def format_of(source: ir.Source, name: str | None, known: dict[str, str]) -> str | None:
    """The format's word for what the source holds: by media type, name, address or first bytes."""
    media = (source.media_type or "").partition(";")[0].strip().lower()
    found = _BY_MEDIA.get(media)
    if found is None and media.startswith("text/"):
        found = "txt"
    if found is None and media in ("", "application/octet-stream"):
        found = _ending(name or "") or _ending("" if source.kind == "data" else source.value)
        if found is None and source.kind == "data":
            found = next((word for magic, word in _MAGIC if source.value.startswith(magic)), None)
    return found if found in known else None


def _ending(name: str) -> str | None:
    word = name.partition("?")[0].rpartition(".")[2].lower()
    word = _ENDINGS.get(word, word)
    return word if word in {**IMAGES, **DOCUMENTS, **VIDEOS} else None


def write_source(source: ir.Source) -> dict[str, Any] | None:
    """None for what Converse can't name: an address on the web, a file of another provider."""
    if source.kind == "data":
        return {"bytes": source.value}
    if source.kind == "text":
        return {"bytes": b64encode(source.value.encode("utf-8", "replace")).decode()}
    if is_stored(source):
        return {"s3Location": {"uri": source.value}}
    return None


def is_stored(source: ir.Source) -> bool:
    """Whether the service can fetch it itself: it reads nothing but S3."""
    return source.kind in ("url", "id") and source.value.startswith("s3://")


def sound(block: ir.Audio) -> str:
    media = (block.source.media_type if block.source else None) or ""
    word = (block.format or media.partition(";")[0].rpartition("/")[2]).lower()
    return _SOUNDS.get(word, word)


def title(name: str | None) -> str:
    """A document's name in the characters that are allowed, without the ending that its format says."""
    stem, _, ending = (name or "").rpartition(".")
    if not stem or _ending(f".{ending}") is None:
        stem = name or ""
    return " ".join(_REFUSED.sub("-", stem).split())[:190].strip("- ") or "Document"


# --- sealed reasoning: base64 of the text that Anthropic calls `data` -------------------------------------


def unsealed(redacted: str) -> str | None:
    """Anthropic's `data`, None where the bytes are no such text."""
    try:
        text = b64decode(redacted, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return text or None


def sealed(data: str) -> str:
    return b64encode(data.encode()).decode()
