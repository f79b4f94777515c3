"""The journal: what was appended is read, whatever happened in between; a full disk is known before it hurts."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.store import journal as journals
from headgate.store.journal import Journal, orphans, read, set_aside

records = st.lists(st.binary(max_size=300), max_size=30)
RECORDS = [b'{"a": 1}', b"", b"with\nlines\n", b"\0\0", "ä€".encode(), b"z" * 100]


def _written(folder: Path, given: list[bytes]) -> Path:
    """A segment that a process left."""
    journal = Journal(folder)
    for record in given:
        journal.append(record)
    (path,) = journal.close()
    return path


def _all(paths: list[Path]) -> list[bytes]:
    return [record for path in paths for record in read(path)[0]]


@given(records, st.integers(40, 2000))
def test_what_was_appended_is_read_in_order(given: list[bytes], segment: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), segment=segment)
        for record in given:
            journal.append(record)
        paths = journal.close()
        assert _all(paths) == given
        assert all(rest == b"" for _, rest in map(read, paths))
        assert sorted(Path(folder).iterdir()) == sorted(paths)


@given(st.lists(st.binary(max_size=60) | st.none(), max_size=40))
def test_rotation_hands_out_each_record_once(steps: list[bytes | None]) -> None:
    """None rotates."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), segment=200)
        found = []
        for step in steps:
            if step is None:
                found += _all(journal.rotate())
            else:
                journal.append(step)
        assert found + _all(journal.close()) == [step for step in steps if step is not None]


HEAD = 8
"""Bytes before each record."""


def test_a_segment_torn_at_any_byte_gives_the_records_before(tmp_path: Path) -> None:
    data = _written(tmp_path, RECORDS).read_bytes().rstrip(b"\0")
    ends = [len(data)]
    for record in reversed(RECORDS):
        ends.insert(0, ends[0] - len(record) - HEAD)
    torn = tmp_path / "torn"
    for at in range(len(data) + 1):
        torn.write_bytes(data[:at] + bytes(50))
        whole = max(n for n, end in enumerate(ends) if len(data[:end].rstrip(b"\0")) <= at)
        assert read(torn) == (RECORDS[:whole], data[ends[whole] : at].rstrip(b"\0")), at


def test_a_flipped_bit_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    data = _written(tmp_path, RECORDS).read_bytes().rstrip(b"\0")
    flipped = tmp_path / "flipped"
    for at in range(len(data) * 8):
        changed = bytearray(data)
        changed[at // 8] ^= 1 << at % 8
        flipped.write_bytes(changed)
        good, rest = read(flipped)
        assert good == RECORDS[: len(good)], at
        assert rest
        assert len(good) < len(RECORDS)


@given(st.binary(max_size=300))
def test_a_file_of_anything_is_read_without_an_error(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        good, rest = read(Path(file.name))
    assert good or rest == data.rstrip(b"\0")


def test_a_damaged_part_is_kept_beside_its_segment(tmp_path: Path) -> None:
    path = _written(tmp_path, RECORDS)
    aside = set_aside(path, b"rest")
    assert aside.parent == path.parent
    assert aside.read_bytes() == b"rest"
    assert path.exists()


# whose segments are whose


CHILD = """
import os, signal, sys, pathlib
from headgate.store.journal import Journal
journal = Journal(pathlib.Path(sys.argv[1]), segment=64)
for number in range(6):
    journal.append(b"record %d" % number + bytes(20))
print("ready", flush=True)
sys.stdin.read()
if "close" in sys.argv:
    journal.close()
os.kill(os.getpid(), signal.SIGKILL)
"""


def _child(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", CHILD, str(folder), *words]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    return child


@pytest.mark.parametrize("words", [[], ["close"]], ids=["killed", "closed"])
def test_segments_are_orphans_once_their_process_has_ended(tmp_path: Path, words: list[str]) -> None:
    own = Journal(tmp_path)
    own.append(b"own")
    child = _child(tmp_path, *words)
    assert list(orphans(tmp_path)) == []  # its finished ones are its own, too
    child.communicate(timeout=30)
    found = [path for path in orphans(tmp_path) if read(path)[0]]
    assert _all(found) == [b"record %d" % number + bytes(20) for number in range(6)]
    assert _all(own.close()) == [b"own"]


def test_two_who_look_for_orphans_do_not_get_the_same(tmp_path: Path) -> None:
    for number in range(3):
        _written(tmp_path, [b"%d" % number])
    first = orphans(tmp_path)
    one = next(first)
    others = list(orphans(tmp_path))
    assert len(others) == 2
    assert one not in others
    one.unlink()
    assert list(first) == others  # they were not booked meanwhile


def test_whoever_stops_halfway_leaves_the_rest_to_the_next(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment=64)
    for number in range(4):
        journal.append(b"%d" % number * 30)
    journal.close()
    looking = orphans(tmp_path)
    next(looking).unlink()
    looking.close()  # type: ignore[attr-defined]
    assert _all(list(orphans(tmp_path))) == [b"%d" % number * 30 for number in range(1, 4)]


def test_nothing_is_left_behind_where_nothing_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder)
    assert len(list(folder.iterdir())) == 3  # two segments and the lock
    assert journal.close() == []
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_a_dead_process_left_is_gone_when_it_was_taken(tmp_path: Path) -> None:
    _child(tmp_path).communicate(timeout=30)
    for path in orphans(tmp_path):
        path.unlink()
    assert list(tmp_path.iterdir()) == []


# bounds


def test_a_record_larger_than_a_segment_gets_one_of_its_own(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment=100)
    given = [b"a", b"b" * 5000, b"c"]
    for record in given:
        journal.append(record)
    assert journal.full
    assert _all(journal.close()) == given


def test_only_the_last_segments_are_held_open(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment=64)
    opened = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        journal.append(b"x" * 40)
    assert len(os.listdir("/proc/self/fd")) == opened
    assert len(journal.rotate()) == 50
    assert not journal.full
    journal.close()


def test_rotation_without_records_does_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.rotate() == []
    assert len(list(tmp_path.glob("*" + journals.ENDING))) == 2
    journal.close()


def test_a_folder_that_can_not_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Journal(tmp_path / "file")
    with pytest.raises(OSError):
        Journal(tmp_path, segment=1 << 62)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


FULL = """
import pathlib, resource, sys
from headgate.store import journal as journals
SEGMENT = 4096
journals._PROBE_SECONDS = 0.0
journal = journals.Journal(pathlib.Path(sys.argv[1]), segment=SEGMENT)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (SEGMENT - 1, hard))  # no file may be as long as a segment any more
records = []
while journal.writable:
    records.append(b"before %d" % len(records) + bytes(100))
    journal.append(records[-1])
for _ in range(SEGMENT // 200):  # calls in flight
    records.append(b"in flight %d" % len(records) + bytes(100))
    journal.append(records[-1])
found = journal.rotate()
assert found and not journal.writable
try:
    while True:
        journal.append(bytes(100))
        records.append(bytes(100))
except OSError as error:
    print("no room:", error.strerror)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert journal.writable
records.append(b"after")
journal.append(records[-1])
found += journal.rotate() + journal.close()
assert [record for path in found for record in journals.read(path)[0]] == records
print(len(records) > 50)
"""


def test_a_full_disk_is_known_before_a_record_is_lost_and_so_is_its_end(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["no room: File too large", "True"]
