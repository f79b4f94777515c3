"""What a sound file says of itself: its length, and raw samples made into a WAV file and back.

Formats: RIFF/WAVE, MPEG audio (ISO 11172-3, with Xing, Info and VBRI headers), FLAC (RFC 9639), Ogg (RFC 3533) with
Opus or Vorbis, and MP4 (ISO 14496-12). No sound is decoded. Knows no API.
"""

import re
import struct
from collections import deque
from typing import Final

HEAD: Final = 64 * 1024
"""Bytes of a file's beginning that `audio_seconds` wants to see, and of its end for Ogg and MP4."""
LONGEST: Final = 48 * 3600.0
"""Seconds beyond which a header is not believed."""

_RATES: Final = (44100, 48000, 32000)
_KBITS: Final = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""(MPEG version, layer) → kbit/s by index from 1."""


def audio_seconds(head: bytes, size: int, tail: bytes = b"") -> float | None:
    """The length of a file in seconds; None where its format is unknown or does not say.

    `head` is its first bytes (HEAD of them are enough), `size` its length in bytes, `tail` its last bytes. MP3
    without a count of frames is taken to have one bit rate. Never raises.
    """
    for mark, measure in _MEASURES:
        if mark.match(head):
            try:
                seconds = measure(head, size, tail or head)
            except (struct.error, IndexError, ZeroDivisionError, OverflowError):
                return None
            return seconds if seconds is not None and 0 <= seconds <= LONGEST else None
    return None


class Meter:
    """Watches a file go by and keeps what `audio_seconds` needs of it."""

    __slots__ = ("_head", "_kept", "_tail", "size")

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail: deque[bytes] = deque()  # the newest pieces, just as many as hold HEAD bytes
        self._kept = 0
        self.size = 0

    def feed(self, data: bytes) -> None:
        if len(self._head) < HEAD:
            self._head += data[: HEAD - len(self._head)]
        self._tail.append(data[-HEAD:])
        self._kept += len(self._tail[-1])
        while self._kept - len(self._tail[0]) >= HEAD:
            self._kept -= len(self._tail.popleft())
        self.size += len(data)

    @property
    def seconds(self) -> float | None:
        return audio_seconds(bytes(self._head), self.size, b"".join(self._tail))


def _wav(head: bytes, size: int, tail: bytes) -> float | None:
    at, rate = 12, 0
    while at + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, at)
        if name == b"fmt ":
            rate = struct.unpack_from("<I", head, at + 16)[0]
        if name == b"data":
            there = size - at - 8  # written before the length was known: 0 or the largest number
            return (min(length, there) if 0 < length < 0xFFFFFFFF else there) / rate
        at += 8 + length + length % 2
    return None


def _flac(head: bytes, size: int, tail: bytes) -> float | None:
    packed = struct.unpack_from(">Q", head, 18)[
        0
    ]  # 20 bits of rate, 3 of channels, 5 of depth, 36 of samples
    rate, samples = packed >> 44, packed & 0xFFFFFFFFF
    return samples / rate if samples else None


def _ogg(head: bytes, size: int, tail: bytes) -> float | None:
    skip, rate = 0, 0
    if (at := head.find(b"OpusHead", 0, 256)) >= 0:  # counts at 48 kHz whatever the input was
        skip, rate = struct.unpack_from("<H", head, at + 10)[0], 48000
    elif (at := head.find(b"\x01vorbis", 0, 256)) >= 0:
        rate = struct.unpack_from("<I", head, at + 12)[0]
    last = tail.rfind(b"OggS")
    if last < 0 or not rate or (tail is head and size > len(head)):
        return None
    samples = struct.unpack_from("<q", tail, last + 6)[0]
    return max(0, samples - skip) / rate if samples >= 0 else None


def _mp4(head: bytes, size: int, tail: bytes) -> float | None:
    for piece in (head, tail):
        at = piece.find(b"mvhd")
        if at >= 0:
            wide = piece[at + 4] == 1
            scale, length = struct.unpack_from(">IQ" if wide else ">II", piece, at + (24 if wide else 16))
            return float(length) / scale if length else None
    return None


def _mp3(head: bytes, size: int, tail: bytes) -> float | None:
    at = 0
    if head.startswith(b"ID3"):
        a, b, c, d = struct.unpack_from("4B", head, 6)
        at = 10 + (a << 21 | b << 14 | c << 7 | d)
    begin = next((match.start() for match in _SYNC.finditer(head, at) if _is_frame(head, match.start())), -1)
    if begin < 0:
        return None
    version, layer, kbits, rate = _frame(head, begin)
    samples = 384 if layer == 1 else 576 if layer == 3 and version == 2 else 1152
    frames = _frames(head[begin : begin + 200])
    return frames * samples / rate if frames else (size - begin) * 8 / (kbits * 1000)


_SYNC: Final = re.compile(rb"\xff[\xe2-\xff]")


def _frame(data: bytes, at: int) -> tuple[int, int, int, int]:
    """Version (1, or 2 for 2 and 2.5), layer, kbit/s and samples per second. Raises IndexError for no frame."""
    bits = struct.unpack_from(">I", data, at)[0]
    mpeg, layer = bits >> 19 & 3, 4 - (bits >> 17 & 3)
    rate, kbits = bits >> 10 & 3, bits >> 12 & 15
    if mpeg == 1 or layer == 4 or rate == 3 or kbits in (0, 15):
        raise IndexError("no frame")
    version = 1 if mpeg == 3 else 2
    return version, layer, _KBITS[version, layer][kbits - 1], _RATES[rate] // {3: 1, 2: 2, 0: 4}[mpeg]


def _is_frame(data: bytes, at: int) -> bool:
    """A frame after which another one follows, as far as can be seen."""
    try:
        version, layer, kbits, rate = _frame(data, at)
    except (IndexError, struct.error):
        return False
    padding = data[at + 2] >> 1 & 1
    if layer == 1:
        length = (12000 * kbits // rate + padding) * 4
    else:
        length = (72000 if layer == 3 and version == 2 else 144000) * kbits // rate + padding
    after = at + length
    return after + 2 > len(data) or _SYNC.match(data, after) is not None


def _frames(begin: bytes) -> int:
    """How many frames the first one says there are, 0 where it does not."""
    for mark in (b"Xing", b"Info"):
        if (at := begin.find(mark)) >= 0:
            flags, count = struct.unpack_from(">II", begin, at + 4)
            return int(count) if flags & 1 else 0
    if (at := begin.find(b"VBRI")) >= 0:
        return int(struct.unpack_from(">I", begin, at + 14)[0])
    return 0


_MEASURES: Final = (
    (re.compile(rb"RIFF....WAVE", re.DOTALL), _wav),
    (re.compile(rb"fLaC"), _flac),
    (re.compile(rb"OggS"), _ogg),
    (re.compile(rb"....ftyp", re.DOTALL), _mp4),
    (re.compile(rb"ID3|\xff[\xe2-\xff]"), _mp3),
)


# --- WAV -------------------------------------------------------------------------------------------------


def wav(samples: bytes, rate: int, channels: int = 1, bits: int = 16) -> bytes:
    """A WAV file of little-endian samples."""
    width = channels * bits // 8
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * width, width, bits)
    data = struct.pack("<4sI", b"data", len(samples))
    return (
        struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data) + len(samples), b"WAVE")
        + form
        + data
        + samples
    )


def samples_of(file: bytes) -> bytes:
    """The samples in a WAV file; anything else is taken to be samples already."""
    if not _MEASURES[0][0].match(file):
        return file
    at = 12
    while at + 8 <= len(file):
        name, length = struct.unpack_from("<4sI", file, at)
        if name == b"data":
            return file[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    return b""
