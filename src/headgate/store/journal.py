"""The local write-ahead file of a process: a record is in it before its answer's last byte leaves.

A segment is a file of records, each its CRC-32, its length and itself, in space that was taken from the disk
beforehand, so that a full disk is noticed before a call and not after it. No fsync: what was written survives the end
of the process, not the loss of power. A locked file beside them tells the living's segments from the dead's.
"""

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from zlib import crc32

SEGMENT: Final = 1024 * 1024
"""Bytes of a segment, unless one record is larger."""
ENDING: Final = ".journal"
LOCK: Final = ".lock"
DAMAGED: Final = ".damaged"
_HEAD: Final = struct.Struct("<II")
"""A record's CRC-32, and its length with that of this head: never two zeros, which is what unused space holds."""
_PROBE_SECONDS: Final = 1.0


class Segment:
    """One file, its space taken and mapped: what is put into it is the kernel's at once, without a call."""

    __slots__ = ("map", "path", "size", "used")

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self.used = 0
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, size)
            self.map = mmap.mmap(file, size)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(file)

    def close(self) -> None:
        self.map.close()


class Journal:
    """Belongs to one process; `append` and `rotate` to one thread. Raises OSError where `folder` can't be used.

    A second segment is always at hand: as long as there is one, there is room for the records of the calls in
    flight.
    """

    def __init__(self, folder: Path, *, segment: int = SEGMENT) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self._name = f"{time.time_ns():x}-{os.getpid()}"
        self._number = 0
        self._size = segment
        self._probed = 0.0
        self._finished: list[Path] = []
        self._alive = _claim(folder / (self._name + LOCK))
        try:
            self._current = self._open(segment)
            self._spare: Segment | None = self._open(segment)
        except BaseException:
            self._die()
            raise

    def append(self, record: bytes) -> None:
        """Raises OSError where there is no room left."""
        framed = _HEAD.pack(crc32(record), _HEAD.size + len(record)) + record
        current = self._current
        end = current.used + len(framed)
        if end > current.size:
            current = self._next(len(framed))
            end = len(framed)
        current.map[current.used : end] = framed
        current.used = end

    @property
    def full(self) -> bool:
        """Whether a segment was filled since the last rotation: whoever moves them on should not wait."""
        return bool(self._finished)

    @property
    def writable(self) -> bool:
        """Whether another call may begin: there is room for its record. A full disk is asked again each second."""
        if self._spare is not None:
            return True
        now = time.monotonic()
        if now - self._probed >= _PROBE_SECONDS:
            self._probed = now
            self._provide()
        return self._spare is not None

    def rotate(self) -> list[Path]:
        """Begins a new segment; those that are finished, oldest first."""
        if self._current.used and self.writable:
            self._next(0)
        finished, self._finished = self._finished, []
        return finished

    def close(self) -> list[Path]:
        """The last segments with something in them: anybody may book them now."""
        for segment in (self._current, self._spare):
            if segment is not None:
                self._retire(segment)
        self._die()
        return self._finished

    def _retire(self, segment: Segment) -> None:
        segment.close()
        if segment.used:
            os.truncate(segment.path, segment.used)
            self._finished.append(segment.path)
        else:
            segment.path.unlink(missing_ok=True)

    def _die(self) -> None:
        (self.folder / (self._name + LOCK)).unlink(missing_ok=True)
        os.close(self._alive)

    def _next(self, needed: int) -> Segment:
        """The spare one becomes the current one; a record larger than a segment gets one of its own size."""
        if needed <= self._size and self._spare is not None:
            following, self._spare = self._spare, None
        else:
            following = self._open(max(needed, self._size))
        self._retire(self._current)
        self._current = following
        if self._spare is None:
            self._provide()
        return following

    def _provide(self) -> None:
        with suppress(OSError):  # the disk is full: `writable` says so
            self._spare = self._open(self._size)

    def _open(self, size: int) -> Segment:
        self._number += 1
        return Segment(self.folder / f"{self._name}-{self._number:09d}{ENDING}", size)


def orphans(folder: Path) -> Iterator[Path]:
    """What processes left that have ended, each's oldest first. Nobody else is given them meanwhile."""
    left = {path.stem for path in folder.glob("*" + LOCK)}
    left.update(path.stem.rpartition("-")[0] for path in folder.glob("*" + ENDING))
    for name in sorted(left):
        with _inherited(folder / (name + LOCK)) as ours:
            if ours:
                yield from sorted(folder.glob(f"{name}-*{ENDING}"))


@contextmanager
def _inherited(path: Path) -> Iterator[bool]:
    """Whether the journal of this lock is nobody's. The lock goes unless somebody stops halfway."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _locked(file, path, fcntl.LOCK_NB):
            yield False
            return
        yield True
        path.unlink(missing_ok=True)
    finally:
        os.close(file)


def _claim(path: Path) -> int:
    """A lock of our own."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _locked(file, path, 0):
            return file
        os.close(file)  # somebody took it for a dead one's, and has deleted it


def _locked(file: int, path: Path, how: int) -> bool:
    """Locks a file, if it is still the one that the path names."""
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(file, fcntl.LOCK_EX | how)
        return os.path.samestat(os.fstat(file), path.stat())
    return False


def read(path: Path) -> tuple[list[bytes], bytes]:
    """The good records, and what follows them where that is no record: the rest of a damaged segment."""
    data = path.read_bytes()
    records: list[bytes] = []
    at = 0
    while (start := at + _HEAD.size) <= len(data):
        crc, length = _HEAD.unpack_from(data, at)
        end = at + length
        record = data[start:end]
        if not start <= end <= len(data) or crc32(record) != crc:
            break
        records.append(record)
        at = end
    rest = data[at:]
    return records, b"" if rest == bytes(len(rest)) else rest.rstrip(b"\0")


def set_aside(path: Path, rest: bytes) -> Path:
    """Keeps the damaged part for whoever wants to look."""
    aside = path.with_suffix(DAMAGED)
    aside.write_bytes(rest)
    return aside
