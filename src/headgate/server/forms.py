"""Forms that come in, of sound and of pictures: their fields as an envelope, their files kept while they come.

Fields are texts. Those that speak to the gateway, and those that mean a number or a choice of two, are written as
JSON has them, so that all who look into an envelope find what they know. Knows no upstream.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from headgate.core.files import File, Files
from headgate.core.params import OURS
from headgate.server.spool import spooled
from headgate.wire.audio import upload as sound
from headgate.wire.audio.shape import scalar
from headgate.wire.audio.transcription_openai import LISTS
from headgate.wire.images import upload as pictures
from headgate.wire.upload import Upload

NUMBERS: Final = frozenset(("n", "seed", "output_compression", "partial_images"))
"""Fields of pictures whose digits are a number."""
_VALUES: Final = OURS | {"metadata", "stream"}
"""Fields whose text spells a JSON value."""


class Form(Struct, kw_only=True):
    """A form that is here, its files in order: `close` lets them go. `fingerprint` tells its fields and files from
    all others, whatever boundary is between them; "" where nobody asked for it."""

    envelope: dict[str, Raw]
    files: list[File]
    fingerprint: str

    def close(self) -> None:
        for file in self.files:
            file.content.close()


async def _read(
    pieces: AsyncIterator[bytes],
    upload: Upload,
    close: Callable[[], object],
    envelope: Callable[[Sequence[tuple[str, str]]], dict[str, Raw]],
    marked: bool,
) -> Form:
    data = hashlib.sha256() if marked else None
    files = await spooled(pieces, upload, close, data.update if data is not None else None)
    made = Form(envelope=envelope(upload.fields), files=files, fingerprint="")
    if data is not None:
        told = [upload.fields, [(file.part, file.size) for file in files], data.hexdigest()]
        made.fingerprint = hashlib.sha256(msgspec.json.encode(told)).hexdigest()
    return made


# --- sound -----------------------------------------------------------------------------------------------


async def of_sound(
    pieces: AsyncIterator[bytes], content_type: str, limit: int, *, translate: bool, marked: bool = False
) -> Form:
    """A form with one file. `limit` is in bytes; `marked`: with its fingerprint.

    Raises BadRequestError and RequestTooLargeError for what is no upload of a sound file.
    """
    upload = sound.Upload(content_type, max_file=limit)
    close = partial(upload.close, translate=translate)
    form = await _read(pieces, upload, close, envelope_of, marked)
    form.files = [replace(file, seconds=upload.seconds) for file in form.files]
    return form


def envelope_of(fields: Sequence[tuple[str, str]]) -> dict[str, Raw]:
    """Fields by name, as JSON: a field that came several times, or that is one of a list, becomes a list."""
    came: dict[str, list[str]] = {}
    for name, value in fields:
        bare = name.removesuffix("[]")
        came.setdefault(bare if bare in LISTS else name, []).append(value)
    return {
        name: _raw(values if len(values) > 1 or name in LISTS else _value(name, values[0]))
        for name, values in came.items()
    }


def _value(name: str, text: str) -> Any:
    found = scalar(text) if name in _VALUES else text
    return bool(found) if name == "stream" and found in (0, 1) else found


def _raw(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))


# --- pictures --------------------------------------------------------------------------------------------


async def of_pictures(
    pieces: AsyncIterator[bytes], content_type: str, limit: int, *, marked: bool = False
) -> Form:
    """A form with any pictures. `limit` is in bytes; `marked`: with its fingerprint.

    Raises BadRequestError, which names the field, and RequestTooLargeError."""
    upload = pictures.Upload(content_type, max_file=limit)
    return await _read(pieces, upload, upload.end, _pictures_of, marked)


def by_field(files: Sequence[File]) -> Files:
    """Pictures as a call has them."""
    found: dict[str, Any] = {}
    for file in files:
        name = file.part.name
        if name in pictures.LISTS:
            found.setdefault(name, []).append(file)
        else:
            found[name] = file
    return Files(found)


def _pictures_of(fields: Sequence[tuple[str, str]]) -> dict[str, Raw]:
    found: dict[str, Any] = {}
    for name, text in fields:
        if name in pictures.LISTS:  # addresses
            found.setdefault(name, []).append(text)
        elif name in NUMBERS and text.isascii() and text.isdigit() and len(text) < 16:
            found[name] = int(text)
        else:
            found[name] = _value(name, text)
    return {name: _raw(value) for name, value in found.items()}
