"""Forms that come in: multipart/form-data as an envelope of its fields, with its files beside it. Knows no operation.

https://platform.openai.com/docs/api-reference/images/createEdit. Fields are texts: those that mean a number or a
choice of two are written as JSON has them, so that all who look into an envelope find what they know.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from headgate.errors import BadRequestError
from headgate.wire import multipart
from headgate.wire.multipart import Field, FileData, FileStart

STEP: Final = 64 * 1024
FORM: Final = b"multipart/form-data"
LISTS: Final = frozenset(("image", "image[]"))
"""Files of which there may be several."""
FILES: Final = LISTS | {"mask"}
NUMBERS: Final = frozenset(("n", "seed", "output_compression", "partial_images", "num_retries", "timeout"))
_WORDS: Final = {"true": True, "false": False}
FLAGS: Final = {"stream": _WORDS, "drop_params": _WORDS}

Form = tuple[dict[str, Raw], dict[str, Any]]


def is_form(asked: Mapping[bytes, bytes]) -> bool:
    return asked.get(b"content-type", b"").lstrip()[: len(FORM)].lower() == FORM


def read(body: bytes, content_type: bytes) -> Form:
    """The fields as JSON, and the files: {"filename", "content_type", "data"} by field, lists of them where there may
    be several. Raises BadRequestError naming the field."""
    parser = multipart.Parser(multipart.boundary_of(content_type.decode("latin-1")))
    fields: dict[str, Any] = {}
    files: dict[str, Any] = {}
    pieces: list[bytes] = []
    for event in _events(parser, body):
        if isinstance(event, Field):
            _put(fields, event)
        elif isinstance(event, FileStart):
            pieces = []
            _add(files, event, pieces)
        elif isinstance(event, FileData):
            pieces.append(event.data)
    for name in fields.keys() & files.keys():
        raise _bad(name, "given as a file and as a field")
    envelope = {name: Raw(msgspec.json.encode(value)) for name, value in fields.items()}
    return envelope, {name: _whole(value) for name, value in files.items()}


def _events(parser: multipart.Parser, body: bytes) -> Iterator[multipart.Event]:
    """In steps: the parser moves what it has not read at each boundary."""
    for at in range(0, len(body), STEP):
        yield from parser.feed(body[at : at + STEP])
    parser.close()


def _put(fields: dict[str, Any], event: Field) -> None:
    name = event.part.name
    if name in LISTS:  # addresses of pictures
        fields.setdefault(name, []).append(event.text)
    elif name in fields:
        raise _bad(name[:100], "given twice")
    else:
        fields[name] = _typed(name, event.text)


def _add(files: dict[str, Any], event: FileStart, pieces: list[bytes]) -> None:
    """`pieces` is filled later."""
    part = event.part
    if part.name not in FILES:
        raise _bad(part.name[:100], f"no file is expected here, only in {', '.join(sorted(FILES))}")
    file = {"filename": part.filename, "content_type": part.content_type, "data": pieces}
    if part.name in LISTS:
        files.setdefault(part.name, []).append(file)
    elif part.name in files:
        raise _bad(part.name, "expected one file")
    else:
        files[part.name] = file


def _whole(value: Any) -> Any:
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return {**value, "data": b"".join(value["data"])}


def _typed(name: str, text: str) -> Any:
    if name in NUMBERS and text.isascii() and text.isdigit() and len(text) < 16:
        return int(text)
    return FLAGS.get(name, {}).get(text, text)


def _bad(where: str, problem: str) -> BadRequestError:
    return BadRequestError(f"{where}: {problem}", param=where)
