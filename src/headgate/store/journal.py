"""The local write-ahead file of a process: a record is in it before its answer's last byte leaves.

A segment is a file of lines, `crc32 record`, in space that was taken from the disk beforehand, so that a full
disk is noticed before a call and not after it. No fsync: what was written survives the end of the process, not
the loss of power. A lock on each segment tells the living's from the dead's.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from zlib import crc32

CHUNK: Final = 1024 * 1024
"""Bytes of disk taken at a time."""
RESERVE: Final = 256 * 1024
"""Bytes kept for the calls in flight: with less left, new ones are refused."""
ENDING: Final = ".journal"
DAMAGED: Final = ".damaged"
_PROBE_SECONDS: Final = 1.0


class Journal:
    """Belongs to one process; `append` and `rotate` to one thread. Raises OSError where `folder` can't be used."""

    def __init__(self, folder: Path, *, chunk: int = CHUNK, reserve: int = RESERVE) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self.size = 0
        """Bytes written to the current segment."""
        self._name = f"{time.time_ns():x}-{os.getpid()}"
        self._number = 0
        self._chunk = chunk
        self._reserve = min(reserve, chunk // 2)
        self._taken = 0
        self._probed = 0.0
        self._broken = False
        self._path: Path
        self._file = self._open()

    def append(self, record: bytes) -> None:
        """Raises OSError where not even the reserve is left."""
        line = b"%08x %b\n" % (crc32(record), record)
        if os.pwrite(self._file, line, self.size) != len(line):
            self._broken = True
            raise OSError(f"the journal {self._path} took only a part of a record: is the disk full?")
        self.size += len(line)
        if self.size + self._reserve > self._taken:
            self._take()

    @property
    def writable(self) -> bool:
        """Whether another call may begin: there is room for its record. A full disk is asked again each second."""
        if not self._broken:
            return True
        now = time.monotonic()
        if now - self._probed >= _PROBE_SECONDS:
            self._probed = now
            self._take()
        return not self._broken

    def rotate(self) -> Path | None:
        """Begins a new segment; the finished one, None where nothing was written."""
        if not self.size:
            return None
        finished, file = self._path, self._file
        self._file = self._open()
        os.close(file)
        return finished

    def close(self) -> Path | None:
        """The last segment, None where nothing was written."""
        os.close(self._file)
        if self.size:
            return self._path
        self._path.unlink(missing_ok=True)
        return None

    def _open(self) -> int:
        self._number += 1
        self._path = self.folder / f"{self._name}-{self._number:06d}{ENDING}"
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.size = self._taken = 0
        self._file = file
        self._take()
        return file

    def _take(self) -> None:
        try:
            os.posix_fallocate(self._file, self._taken, self._chunk)
        except OSError:
            self._broken = True
            return
        self._taken += self._chunk
        self._broken = False


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
