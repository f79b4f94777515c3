"""Forms on their way out: a body that a dialect wrote as fields and files becomes multipart/form-data.

Knows no dialect's fields and no provider.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Raw

from headgate.core.files import File as Held
from headgate.core.files import body_of
from headgate.ports import Outgoing

if TYPE_CHECKING:
    from headgate.wire.images.base import File

TYPE: Final = "multipart/form-data"


def is_form(headers: Mapping[str, str]) -> bool:
    """Whether what was written with these headers is {"fields": …, "files": …}."""
    return headers.get("content-type") == TYPE


def encoded(
    fields: Mapping[str, Any], files: "Sequence[File]", held: Mapping[str, Held] = {}
) -> tuple[str, bytes | Outgoing]:
    """The content-type and the body. Values that are no text travel as JSON. `held` are the files that lie elsewhere,
    by the names in the place of their data. The boundary is random, so that no file can hold it. Raises
    BadRequestError for a field that holds it."""
    from headgate.wire.images.base import field  # few calls are forms
    from headgate.wire.multipart import Part, Writer

    writer = Writer(os.urandom(16).hex().encode())
    parts: list[bytes | Held] = [writer.field(name, field(_plain(value))) for name, value in fields.items()]
    for file in files:
        data = file["data"]
        head = writer.head(Part(file["name"], file["filename"], file["content_type"]))
        parts += [head, held[data] if isinstance(data, str) else data, writer.tail]
    return writer.content_type, body_of([*parts, writer.end()])


def _plain(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, Raw) else value
