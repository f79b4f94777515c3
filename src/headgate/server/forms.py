"""Forms that come in, of sound and of pictures: their fields as an envelope, their files kept while they come.

Fields are texts. Those that speak to the gateway, and those that mean a number or a choice of two, are written as
JSON has them, so that all who look into an envelope find what they know. Knows no upstream.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from headgate.core.files import File, Files
from headgate.core.params import OURS
from headgate.server.spool import spooled
from headgate.wire.audio import upload as sound
from headgate.wire.audio.shape import scalar
from headgate.wire.audio.transcription_openai import LISTS
from headgate.wire.images import upload as pictures

NUMBERS: Final = frozenset(("n", "seed", "output_compression", "partial_images"))
"""Fields of pictures whose digits are a number."""
_VALUES: Final = OURS | {"metadata", "stream"}
"""Fields whose text spells a JSON value."""


# --- sound -----------------------------------------------------------------------------------------------


async def taken(
    pieces: AsyncIterator[bytes], content_type: str, limit: int, *, translate: bool
) -> tuple[dict[str, Raw], File]:
    """The fields as an envelope, and the file, which is the caller's to close. `limit` is in bytes.

    Raises BadRequestError and RequestTooLargeError for what is no upload of a sound file.
    """
    upload = sound.Upload(content_type, max_file=limit)
    (file,) = await spooled(pieces, upload, lambda: upload.close(translate=translate))
    return envelope_of(upload.fields), msgspec.structs.replace(file, seconds=upload.seconds)


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


async def drawn_on(
    pieces: AsyncIterator[bytes], content_type: str, limit: int
) -> tuple[dict[str, Raw], Files]:
    """The fields as an envelope, and the pictures, which are the caller's to close. `limit` is in bytes.

    Raises BadRequestError, which names the field, and RequestTooLargeError."""
    upload = pictures.Upload(content_type, max_file=limit)
    found = await spooled(pieces, upload, upload.end)
    files: dict[str, Any] = {}
    for file in found:
        name = file.part.name
        if name in pictures.LISTS:
            files.setdefault(name, []).append(file)
        else:
            files[name] = file
    return _pictures_of(upload.fields), Files(files)


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
