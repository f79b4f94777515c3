"""multipart/form-data, read and written piece by piece: small fields whole, files as the pieces they come in.

https://www.rfc-editor.org/rfc/rfc7578 and https://www.rfc-editor.org/rfc/rfc2046#section-5.1. A `Parser` takes any
chunking and holds at most one part's head, the fields' values (`FIELDS` bytes in all) and the end of a piece that
may begin a boundary. Part heads are always written anew from what was understood, so that nobody behind us can read
a different name in them. Knows no API and does no I/O; what it refuses is a BadRequestError or RequestTooLargeError
for the client.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from headgate.errors import BadRequestError, RequestTooLargeError

HEAD: Final = 16 * 1024
"""Bytes of one part's head, and of what may stand before the first boundary."""
FIELDS: Final = 512 * 1024
"""Bytes of the values of all fields together."""
PARTS: Final = 1000
PADDING: Final = 64
"""Blanks that may stand between a boundary and its line end."""

_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_PARAMETER: Final = re.compile(
    r"""[ \t]*;[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s;"]*)"""
)
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f]")
_EXTENDED: Final = re.compile(r"([A-Za-z0-9-]*)'[^']*'(.*)", re.DOTALL)
_CHARSETS: Final = ("utf-8", "iso-8859-1", "us-ascii")
_PLAIN_ENCODINGS: Final = ("", "binary", "8bit", "7bit")


class Part(Struct, frozen=True):
    """A part's head as far as it means anything. `filename` None: a field."""

    name: str
    filename: str | None = None
    content_type: str | None = None


class Field(Struct, frozen=True):
    part: Part
    value: bytes

    @property
    def text(self) -> str:
        """Raises BadRequestError for what is no UTF-8."""
        try:
            return self.value.decode()
        except UnicodeDecodeError:
            raise BadRequestError(f"{self.part.name}: expected UTF-8 text", param=self.part.name) from None


class FileStart(Struct, frozen=True):
    part: Part


class FileData(Struct, frozen=True):
    data: bytes


class FileEnd(Struct, frozen=True):
    """`size` is in bytes."""

    size: int


Event: TypeAlias = Field | FileStart | FileData | FileEnd


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type header names.

    Raises BadRequestError where it is another type, or has no boundary or one that RFC 2046 does not allow.
    """
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind != "multipart/form-data":
        raise _bad(f"content-type: expected multipart/form-data, got {kind[:100] or 'none'!r}")
    boundary = _parameters(content_type[content_type.find(";") :] if ";" in content_type else "").get(
        "boundary"
    )
    if not boundary:
        raise _bad(
            "content-type: multipart/form-data without a boundary; let the HTTP client write this header"
        )
    if not _BOUNDARY.fullmatch(boundary):
        raise _bad("content-type: the boundary is not 1 to 70 of the characters that RFC 2046 allows")
    return boundary.encode()


class Parser:
    """Bytes → events. `feed` raises BadRequestError, RequestTooLargeError; after either the parser is dead.

    A file is a part with a filename. `max_file` bounds the bytes of all files together.
    """

    __slots__ = (
        "_buffer", "_delimiter", "_fields", "_files", "_max_file", "_part", "_parts", "_size", "_skip",
        "_state", "_value",
    )  # fmt: skip

    def __init__(self, boundary: bytes, *, max_file: int | None = None) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._buffer = b"\r\n"  # the first boundary has no line end before it
        self._state: Literal["preamble", "head", "body", "end"] = "preamble"
        self._part = Part("")
        self._value: list[bytes] = []
        self._fields = self._files = self._parts = self._size = self._skip = 0
        self._max_file = max_file

    @property
    def ended(self) -> bool:
        """The final boundary was seen; what follows is passed over."""
        return self._state == "end"

    def feed(self, data: bytes) -> list[Event]:
        if self._state == "end":
            return []
        self._buffer += data
        events: list[Event] = []
        while self._head(events) if self._state == "head" else self._body(events):
            pass
        return events

    def close(self) -> None:
        """Raises BadRequestError where the body ended before its final boundary."""
        if self._state != "end":
            raise _bad(
                f"the multipart body ends {self._where()}: its final boundary is missing, the upload was cut"
            )

    def _where(self) -> str:
        if self._state == "preamble":
            return "before its first boundary"
        return "in a part's head" if self._state == "head" else f"in the part {_shown(self._part.name)}"

    def _body(self, events: list[Event]) -> bool:
        """Up to the next boundary, or as much as surely is no boundary. Whether there is more to read."""
        if self._state == "end":
            return False
        found, after, closing = self._find()
        if found < 0:
            self._take(self._buffer[:after], events)
            self._buffer = self._buffer[after:]
            return False
        self._take(self._buffer[:found], events)
        self._finish(events)
        self._buffer = b"" if closing else self._buffer[after:]
        self._state = "end" if closing else "head"
        return not closing

    def _find(self) -> tuple[int, int, bool]:
        """Where a boundary begins, where what follows it begins (its line end included), whether it is the last.

        Without one, -1 and how many bytes surely belong to the part.
        """
        buffer, delimiter, start = self._buffer, self._delimiter, 0
        while (at := buffer.find(delimiter, start)) >= 0:
            after = at + len(delimiter)
            rest = buffer[after : after + PADDING + 2]
            line = rest.lstrip(b" \t")
            if rest.startswith(b"--"):
                return at, after + 2, True
            if line.startswith(b"\r\n"):
                return at, after + len(rest) - len(line), False
            if rest == b"-" or (line in (b"", b"\r") and len(rest) < PADDING + 2):
                return -1, at, False  # it may still become one
            start = at + 2
        for size in range(min(len(delimiter) - 1, len(buffer)), 0, -1):
            if buffer.endswith(delimiter[:size]):
                return -1, len(buffer) - size, False
        return -1, len(buffer), False

    def _head(self, events: list[Event]) -> bool:
        """The buffer begins with the line end of the boundary, so that an empty head ends at 0."""
        end = self._buffer.find(b"\r\n\r\n", 0, HEAD + 4)
        if end < 0:
            if len(self._buffer) > HEAD:
                raise _bad(f"a part's head is over {HEAD} bytes")
            return False
        self._parts += 1
        if self._parts > PARTS:
            raise _bad(f"the multipart body has over {PARTS} parts")
        self._part, self._size, self._value = read_head(self._buffer[2:end]), 0, []
        self._buffer, self._skip = (
            self._buffer[end + 2 :],
            2,
        )  # an empty part may share the head's last line end
        self._state = "body"
        if self._part.filename is not None:
            events.append(FileStart(self._part))
        return True

    def _take(self, data: bytes, events: list[Event]) -> None:
        skipped = min(self._skip, len(data))
        data, self._skip = data[skipped:], self._skip - skipped
        if not data:
            return
        self._size += len(data)
        if self._state == "preamble":
            if self._size > HEAD:
                raise _bad(
                    f"no boundary in the first {HEAD} bytes: the body is not what its content-type says"
                )
        elif self._part.filename is not None:
            self._files += len(data)
            if self._max_file is not None and self._files > self._max_file:
                raise RequestTooLargeError(
                    f"{self._part.name}: the file is over {self._max_file} bytes", param=self._part.name
                )
            events.append(FileData(data))
        else:
            self._fields += len(data)
            if self._fields > FIELDS:
                raise RequestTooLargeError(
                    f"{self._part.name}: the fields are over {FIELDS} bytes; send a file with a filename",
                    param=self._part.name,
                )
            self._value.append(data)

    def _finish(self, events: list[Event]) -> None:
        if self._state == "preamble":
            return
        if self._part.filename is None:
            events.append(Field(self._part, b"".join(self._value)))
        else:
            events.append(FileEnd(self._size))
        self._value = []


# --- a part's head ---------------------------------------------------------------------------------------


def read_head(head: bytes) -> Part:
    """A part's header lines, without the empty one that ends them. Raises BadRequestError."""
    if _CONTROL.search(head.replace(b"\r\n", b"")):
        raise _bad("a part's head holds control characters")
    headers: dict[str, str] = {}
    for line in _lines(head):
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or name in headers:
            raise _bad(
                f"a part's head has {'a second ' + name if colon else 'a line that is no header'}"[:200]
            )
        headers[name] = value.strip()
    kind, _, rest = headers.get("content-disposition", "").partition(";")
    if kind.strip().lower() != "form-data":
        raise _bad("a part has no `Content-Disposition: form-data; name=…`")
    parameters = _parameters(f";{rest}" if rest else "")
    if "name" not in parameters:
        raise _bad("a part's Content-Disposition has no name")
    part = Part(parameters["name"], _filename(parameters), headers.get("content-type"))
    encoding = headers.get("content-transfer-encoding", "").lower()
    if encoding not in _PLAIN_ENCODINGS:
        raise _bad(
            f"{part.name}: content-transfer-encoding {encoding[:40]!r} is not taken: send the bytes as they are"
        )
    return part


def _lines(head: bytes) -> list[str]:
    """The lines of a head; one that begins with a blank continues the one before."""
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    return re.sub(r"\r\n[ \t]+", " ", text).split("\r\n") if text else []


def _parameters(text: str) -> dict[str, str]:
    """The parameters of a header's value. One that comes twice or can't be read is an error, not a guess."""
    found: dict[str, str] = {}
    at, text = 0, text.rstrip(" \t;")
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            raise _bad(f"a header's parameters can't be read: {text[at : at + 60]!r}")
        key, value = match[1].lower(), match[2]
        if key in found:
            raise _bad(f"a header has its parameter {key[:60]!r} twice")
        found[key] = re.sub(r'\\(["\\])', r"\1", value[1:-1]) if value.startswith('"') else value
        at = match.end()
    return found


def _filename(parameters: Mapping[str, str]) -> str | None:
    """`filename*` (RFC 5987) counts before `filename`, where it can be read."""
    plain = parameters.get("filename")
    match = _EXTENDED.fullmatch(parameters.get("filename*", ""))
    if match is None or match[1].lower() not in _CHARSETS:
        return plain
    try:
        name = unquote_to_bytes(match[2]).decode(match[1])
    except UnicodeDecodeError:
        return plain
    return _UNPRINTABLE.sub("_", name)


def _shown(name: str) -> str:
    return repr(name[:100])


def _bad(problem: str) -> BadRequestError:
    return BadRequestError(problem, param="request_body")


# --- writing ---------------------------------------------------------------------------------------------


class Writer:
    """The pieces of a body, each as bytes. A boundary must not occur in the data: choose it at random."""

    __slots__ = ("_boundary",)

    def __init__(self, boundary: bytes) -> None:
        self._boundary = boundary

    @property
    def content_type(self) -> str:
        """A boundary of letters, digits and hyphens needs no quotes; others get them."""
        name = self._boundary.decode()
        return (
            f"multipart/form-data; boundary={name if re.fullmatch('[0-9A-Za-z-]+', name) else _quoted(name)}"
        )

    def field(self, name: str, value: str | bytes, content_type: str | None = None) -> bytes:
        """Raises BadRequestError for a value that holds the boundary: it would end the part."""
        data = value.encode() if isinstance(value, str) else value
        if b"--" + self._boundary in data:
            raise BadRequestError(f"{name}: the value holds the multipart boundary", param=name)
        return self.head(Part(name, None, content_type)) + data + b"\r\n"

    def head(self, part: Part) -> bytes:
        """What comes before a file's bytes; after them comes `tail`."""
        lines = [f"Content-Disposition: form-data; name={_quoted(part.name)}"]
        if part.filename is not None:
            lines[0] += f"; filename={_quoted(part.filename)}"
        if part.content_type:
            lines.append(f"Content-Type: {_UNPRINTABLE.sub(' ', part.content_type)}")
        return b"--" + self._boundary + b"\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n"

    tail: Final = b"\r\n"

    def end(self) -> bytes:
        return b"--" + self._boundary + b"--\r\n"


def _quoted(text: str) -> str:
    """A quoted string of RFC 2045, which the servers' parsers agree on; browsers' %22 they don't decode."""
    return '"' + re.sub(r'(["\\])', r"\\\1", _UNPRINTABLE.sub("_", text)) + '"'
