"""application/vnd.amazon.eventstream: bytes ↔ messages, for any chunking.

A message is a prelude (total length, length of the headers, CRC of both), headers, a payload and a CRC over all
before it. https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html and
https://smithy.io/2.0/aws/amazon-eventstream.html. Knows no service and nothing of what payloads hold.
"""

import struct
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias
from zlib import crc32

from msgspec import Struct

from headgate.errors import APIResponseValidationError

MAX_FRAME: Final = 25 * 1024 * 1024
"""Bytes of one message: AWS allows 24 MB of payload and 128 KB of headers."""

Header: TypeAlias = bool | int | str | bytes

_PRELUDE: Final = struct.Struct(">III")
_LEAST: Final = 16


class Message(Struct, frozen=True):
    """Header values are as their wire types say; timestamps are milliseconds, UUIDs text."""

    headers: Mapping[str, Header]
    payload: bytes = b""

    @property
    def kind(self) -> str:
        """event, exception or error. A message that doesn't say is an event."""
        return str(self.headers.get(":message-type", "event"))

    @property
    def name(self) -> str:
        """Of the event, the exception or the error, "" where it has none."""
        return str(self.headers.get(_NAMES.get(self.kind, ":event-type"), ""))


_NAMES: Final = {"exception": ":exception-type", "error": ":error-code"}


class Decoder:
    """`feed` keeps the bytes at once and yields each message that they complete.

    A broken message raises APIResponseValidationError, after those before it were yielded: nothing behind it
    can be trusted.
    """

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        self._buffer += data
        return self._messages()

    def close(self) -> None:
        """Raises APIResponseValidationError where the stream ended inside a message."""
        if self._buffer:
            raise _broken(f"it ended {len(self._buffer)} bytes into a message")

    def _messages(self) -> Iterator[Message]:
        buffer = self._buffer
        while len(buffer) >= _PRELUDE.size:
            total, headers, check = _PRELUDE.unpack_from(buffer)
            if crc32(buffer[:8]) != check:
                raise _broken("the checksum of a message's prelude is wrong")
            if total > MAX_FRAME:
                raise _broken(f"a message has {total} bytes, expected at most {MAX_FRAME}")
            if total < _LEAST + headers:
                raise _broken(f"a message of {total} bytes can't hold {headers} bytes of headers")
            if len(buffer) < total:
                return
            frame = bytes(buffer[:total])
            del buffer[:total]
            if crc32(frame[:-4]) != int.from_bytes(frame[-4:], "big"):
                raise _broken("the checksum of a message is wrong")
            yield Message(_headers(frame[12 : 12 + headers]), frame[12 + headers : -4])


def _broken(problem: str) -> APIResponseValidationError:
    return APIResponseValidationError(f"the upstream's event stream is broken: {problem}")


def _sized(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">H", data, at)
    end = at + 2 + size
    if end > len(data):
        raise struct.error("a header's value ends behind the headers")
    return data[at + 2 : end], end


def _text(data: bytes, at: int) -> tuple[Header, int]:
    value, end = _sized(data, at)
    return value.decode("utf-8", "replace"), end


def _number(form: str) -> Callable[[bytes, int], tuple[Header, int]]:
    shape = struct.Struct(form)
    return lambda data, at: (int(shape.unpack_from(data, at)[0]), at + shape.size)


def _uuid(data: bytes, at: int) -> tuple[Header, int]:
    (value,) = struct.unpack_from("16s", data, at)
    return str(uuid.UUID(bytes=value)), at + 16


_TYPES: Final[dict[int, Callable[[bytes, int], tuple[Header, int]]]] = {
    0: lambda _, at: (True, at),
    1: lambda _, at: (False, at),
    2: _number(">b"),
    3: _number(">h"),
    4: _number(">i"),
    5: _number(">q"),
    6: _sized,
    7: _text,
    8: _number(">q"),
    9: _uuid,
}


def _headers(data: bytes) -> dict[str, Header]:
    found: dict[str, Header] = {}
    at = 0
    try:
        while at < len(data):
            end = at + 1 + data[at]
            name = data[at + 1 : end].decode("utf-8", "replace")
            found[name], at = _TYPES[data[end]](data, end + 1)
    except (struct.error, IndexError, KeyError):
        raise _broken("the headers of a message can't be read") from None
    return found


def encode(headers: Mapping[str, Header], payload: bytes = b"") -> bytes:
    """One message. Raises ValueError for a name or a value that the format can't hold."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    total = _LEAST + len(head) + len(payload)
    if total > MAX_FRAME:
        raise ValueError(f"a message of {total} bytes, expected at most {MAX_FRAME}")
    start = struct.pack(">II", total, len(head))
    frame = start + struct.pack(">I", crc32(start)) + head + payload
    return frame + struct.pack(">I", crc32(frame))


def event(name: str, payload: bytes) -> bytes:
    """An event with a JSON payload."""
    return _json("event", ":event-type", name, payload)


def exception(name: str, payload: bytes) -> bytes:
    """The exception that ends a stream, with a JSON payload."""
    return _json("exception", ":exception-type", name, payload)


def _json(kind: str, key: str, name: str, payload: bytes) -> bytes:
    return encode({key: name, ":content-type": "application/json", ":message-type": kind}, payload)


def _header(name: str, value: Header) -> bytes:
    key = name.encode()
    if not 1 <= len(key) <= 255:
        raise ValueError(f"a header's name has {len(key)} bytes, expected 1 to 255")
    return bytes([len(key)]) + key + _value(value)


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"\x00" if value else b"\x01"
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError("a header's number is over 64 bits")
        return b"\x05" + struct.pack(">q", value)
    data = value.encode() if isinstance(value, str) else value
    if len(data) > 32767:
        raise ValueError(f"a header's value has {len(data)} bytes, expected at most 32767")
    return (b"\x07" if isinstance(value, str) else b"\x06") + struct.pack(">H", len(data)) + data
