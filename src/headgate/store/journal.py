"""The local write-ahead file of a process: a record is in it before its answer's last byte leaves.

A segment is a file of lines, `crc32 record`, in space that was taken from the disk beforehand, so that a full
disk is noticed before a call and not after it. No fsync: what was written survives the end of the process, not
the loss of power. A lock on each segment tells the living's from the dead's.
"""

import fcntl
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from zlib import crc32

SEGMENT: Final = 1024 * 1024
"""Bytes of a segment, unless one record is larger."""
ENDING: Final = ".journal"
DAMAGED: Final = ".damaged"
_PROBE_SECONDS: Final = 1.0


class Segment:
    """One file, its space taken and mapped: what is put into it is the kernel's at once, without a call."""

    __slots__ = ("_file", "map", "path", "size", "used")

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self.used = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(self._file, 0, size)
            self.map = mmap.mmap(self._file, size)
        except BaseException:
            os.close(self._file)
            path.unlink(missing_ok=True)
            raise

    def close(self) -> None:
        self.map.close()
        os.close(self._file)


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
        self._current = self._open(segment)
        self._spare: Segment | None = self._open(segment)

    def append(self, record: bytes) -> None:
        """Raises OSError where there is no room left."""
        line = b"%08x %b\n" % (crc32(record), record)
        current = self._current
        end = current.used + len(line)
        if end > current.size:
            current = self._next(len(line))
            end = len(line)
        current.map[current.used : end] = line
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
        if self._current.used and self._spare is not None:
            self._next(0)
        finished, self._finished = self._finished, []
        return finished

    def close(self) -> list[Path]:
        """The last segments with something in them."""
        for segment in (self._current, self._spare):
            if segment is not None:
                segment.close()
                if segment.used:
                    self._finished.append(segment.path)
                else:
                    segment.path.unlink(missing_ok=True)
        return self._finished

    def _next(self, needed: int) -> Segment:
        """The spare one becomes the current one; a record larger than a segment gets one of its own size."""
        if needed <= self._size and self._spare is not None:
            following, self._spare = self._spare, None
        else:
            following = self._open(max(needed, self._size))
        if self._current.used:
            self._finished.append(self._current.path)
        self._current.close()
        self._current = following
        if self._spare is None:
            self._provide()
        return following

    def _provide(self) -> None:
        with suppress(OSError):  # the disk is full: `writable` says so
            self._spare = self._open(self._size)

    def _open(self, size: int) -> Segment:
        self._number += 1
        return Segment(self.folder / f"{self._name}-{self._number:06d}{ENDING}", size)


def orphans(folder: Path) -> Iterator[Path]:
    """Finished or left segments, oldest first: those that no living process holds."""
    for path in sorted(folder.glob("*" + ENDING)):
        with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path


def read(path: Path) -> tuple[list[bytes], bytes]:
    """The good records, and what follows them where that is no record: the rest of a damaged segment."""
    data = path.read_bytes().rstrip(b"\0")
    records: list[bytes] = []
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        record = data[at + 9 : end]
        if end < 0 or data[at + 8 : at + 9] != b" " or data[at : at + 8] != b"%08x" % crc32(record):
            return records, data[at:]
        records.append(record)
        at = end + 1
    return records, b""


def set_aside(path: Path, rest: bytes) -> Path:
    """Keeps the damaged part for whoever wants to look."""
    aside = path.with_suffix(DAMAGED)
    aside.write_bytes(rest)
    return aside
