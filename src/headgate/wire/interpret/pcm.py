"""PCM of 16 bit, one channel, from one rate to 24 kHz, piece by piece. Pure: bytes in, bytes out."""

import sys
from array import array
from typing import Final

RATE: Final = 24_000
_SWAPPED: Final = sys.byteorder == "big"
"""Samples travel with the lower byte first."""


class Resampler:
    """`rate` is that of what comes, in Hz. Between two samples lies a straight line: good for speech that is brought
    up from 8 or 16 kHz."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._odd = b""
        self._last: int | None = None
        self._at = 0
        """Where the next sample lies after the last one that was read, in parts of a 24,000th of the way."""

    def feed(self, data: bytes) -> bytes:
        """What there is by now at 24 kHz; half a sample waits for its other half."""
        data = self._odd + data
        whole = len(data) // 2 * 2
        self._odd = data[whole:]
        if self._rate == RATE:
            return data[:whole]
        samples = _read(data[:whole])
        if self._last is not None:
            samples.insert(0, self._last)
        if not samples:
            return b""
        made, at, rate = array("h"), self._at, self._rate
        end = (len(samples) - 1) * RATE
        while at < end:
            index, part = divmod(at, RATE)
            low = samples[index]
            made.append(low + (samples[index + 1] - low) * part // RATE)
            at += rate
        self._at, self._last = at - end, samples[-1]
        return _written(made)


def _read(data: bytes) -> "array[int]":
    samples = array("h", data)
    if _SWAPPED:
        samples.byteswap()
    return samples


def _written(samples: "array[int]") -> bytes:
    if _SWAPPED:
        samples.byteswap()
    return samples.tobytes()
