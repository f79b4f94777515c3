"""From the journal into the database: everything, once, whenever the database is there."""

import asyncio
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from databases import Postgres
from headgate.errors import ServiceUnavailableError
from headgate.store import journal as journals
from headgate.store import leases, ledger, mover, tables
from headgate.store.database import Database, connect
from headgate.store.journal import Journal
from headgate.store.ledger import GLOBAL
from headgate.store.mover import Mover
from records import NOON, record

T = TypeVar("T")


class Sometimes(Database):
    """A database that can be away."""

    away = False

    def write(self, work: Callable[[Connection], T]) -> T:
        if self.away:
            raise ServiceUnavailableError("the database is away")
        return super().write(work)


@pytest.fixture
def sometimes(database: Database) -> Sometimes:
    return Sometimes(database.engine, database.name)


@pytest.fixture
def make(sometimes: Sometimes, tmp_path: Path) -> Iterator[Callable[..., Mover]]:
    """Makes movers of one journal folder, that one after the other has."""
    made: list[Mover] = []

    def start(**options: bool) -> Mover:
        made.append(Mover(sometimes, Journal(tmp_path / "journal", segment=4096), **options))
        return made[-1]

    yield start
    sometimes.away = False
    for one in made:
        if one._stopping is False:
            one.close()


def _ids(database: Database) -> list[str]:
    return sorted(database.read(lambda c: list(c.scalars(select(tables.calls.c.id)))))


def _total(database: Database) -> int:
    spend = tables.spend
    where = select(spend.c.total).where(spend.c.kind == "global")
    return database.read(lambda connection: connection.scalar(where)) or 0


def _segments(tmp_path: Path) -> list[Path]:
    paths = sorted((tmp_path / "journal").glob("*" + journals.ENDING))
    return [path for path in paths if journals.read(path) != ([], b"")]


def _dead(tmp_path: Path, *lines: bytes) -> None:
    """What a process left that was killed before anything was moved."""
    journal = Journal(tmp_path / "journal", segment=4096)
    for line in lines:
        journal.append(line)
    journal.close()


def _lines(count: int) -> list[bytes]:
    return [ledger.encode(record(n)) for n in range(count)]


# as it should be


async def test_a_record_is_on_disk_at_once_and_in_the_database_when_asked_for(
    make: Callable[..., Mover], database: Database, tmp_path: Path
) -> None:
    mover = make()
    mover.add(record(1))
    assert [len(journals.read(path)[0]) for path in _segments(tmp_path)] == [1]
    assert _ids(database) == []
    await mover.flush()
    assert _ids(database) == ["call-1"]
    assert _segments(tmp_path) == []


def test_the_thread_books_what_is_finished(make: Callable[..., Mover], database: Database) -> None:
    mover, done = make(), threading.Event()
    mover.owner, mover.booked = "me", lambda paid: done.set()
    mover.start()
    mover.add(record(1))
    mover.finish()
    assert done.wait(20)
    assert _ids(database) == ["call-1"]


def test_segments_that_are_full_do_not_wait(make: Callable[..., Mover], database: Database) -> None:
    mover, done = make(), threading.Event()
    mover.owner, mover.booked = "me", lambda paid: done.set()
    mover.start()
    for number in range(100):
        mover.add(record(number))
    assert done.wait(20)


def test_closing_books_the_rest_and_leaves_no_file(
    make: Callable[..., Mover], database: Database, tmp_path: Path
) -> None:
    mover = make()
    mover.start()
    for number in range(100):
        mover.add(record(number))
    mover.close()
    assert len(_ids(database)) == 100
    assert _total(database) == 100_000_000
    assert list((tmp_path / "journal").iterdir()) == []


def test_a_budget_s_new_period_is_begun_in_the_database(
    make: Callable[..., Mover], database: Database
) -> None:
    mover = make()
    mover.add(record(1))
    mover.add(record(2, ended=NOON + 5, cost=7))
    mover.close()
    mover = make()
    mover.roll(("key", "k1"), NOON + 1)
    mover.close()
    found = database.read(lambda c: ledger.spent(c, [("key", "k1")]))
    assert found == {("key", "k1"): (7, 1_000_007, NOON + 1)}


def test_the_owner_s_lease_shrinks_by_what_was_booked_and_it_is_told(
    make: Callable[..., Mover], database: Database
) -> None:
    granted = database.write(lambda c: leases.grant(c, "me", ("key", "k1"), 10**9, 0.0, 5_000_000))
    assert granted.amount == 5_000_000
    mover, told = make(), []
    mover.owner, mover.booked = "me", told.append
    for number in range(3):
        mover.add(record(number))
    mover.close()
    assert database.read(lambda c: leases.held(c, "me")) == {("key", "k1"): 2_000_000}
    assert [paid["key", "k1"] for paid in told] == [3_000_000]


def test_rows_are_left_out_where_they_are_not_wanted(make: Callable[..., Mover], database: Database) -> None:
    mover = make(rows=False)
    mover.add(record(1))
    mover.close()
    assert _ids(database) == []
    assert _total(database) == 1_000_000


# the database is away


def test_records_wait_on_disk_and_arrive_when_the_database_is_back(
    make: Callable[..., Mover],
    database: Database,
    sometimes: Sometimes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(mover, "RETRY_SECONDS", 0.001)
    moving, done = make(), threading.Event()
    moving.owner = "me"
    moving.booked = lambda paid: done.set() if not moving.waiting else None
    moving.start()
    sometimes.away = True
    with caplog.at_level(logging.WARNING, "headgate"):
        for number in range(200):
            moving.add(record(number))
        moving.finish()
        assert moving.waiting == len(_segments(tmp_path)) > 3
        assert sum(len(journals.read(path)[0]) for path in _segments(tmp_path)) == 200
        assert all(isinstance(path, Path) for path in moving._backlog)  # no record stays in memory
        sometimes.away = False
        moving.close()
    assert len(_ids(database)) == 200
    assert _total(database) == 200_000_000
    said = [entry.message for entry in caplog.records]
    assert said in ([], ["the ledger waits in the journal: the database is away"])


async def test_whoever_asks_for_the_truth_is_told_that_the_database_is_away(
    make: Callable[..., Mover], sometimes: Sometimes, database: Database
) -> None:
    mover = make()
    mover.add(record(1))
    sometimes.away = True
    with pytest.raises(ServiceUnavailableError):
        await mover.flush()
    sometimes.away = False
    await asyncio.gather(mover.flush(), mover.flush())
    assert _ids(database) == ["call-1"]


def test_what_could_not_be_booked_at_the_end_is_booked_at_the_next_start(
    make: Callable[..., Mover],
    database: Database,
    sometimes: Sometimes,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = make()
    for number in range(50):
        first.add(record(number))
    sometimes.away = True
    first.close()
    assert "wait for the next start: the database is away" in caplog.text
    assert _ids(database) == []
    second = make()
    with pytest.raises(ServiceUnavailableError):
        second.replay()
    sometimes.away = False
    assert second.replay() == 50
    assert second.replay() == 0
    assert len(_ids(database)) == 50
    assert _segments(tmp_path) == []


def test_a_server_that_goes_and_comes_back_gets_everything(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.migrated()
    database = connect(url)
    name = database.engine.url.database
    mover = Mover(database, Journal(tmp_path))
    mover.add(record(1))
    mover.finish()
    mover._drain()
    postgres.run(
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    mover.add(record(2))
    mover.finish()
    with pytest.raises(ServiceUnavailableError):
        mover._drain()
    postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    mover.close()
    assert _ids(database) == ["call-1", "call-2"]
    database.close()


# what the dead left


def test_what_the_dead_left_is_booked_once(
    make: Callable[..., Mover], database: Database, tmp_path: Path
) -> None:
    _dead(tmp_path, *_lines(30))
    copies = tmp_path / "copies"
    shutil.copytree(tmp_path / "journal", copies)
    assert make().replay() == 30
    shutil.copytree(copies, tmp_path / "journal", dirs_exist_ok=True)  # it died before it deleted them
    make().replay()
    assert len(_ids(database)) == 30
    assert _total(database) == 30_000_000
    assert _segments(tmp_path) == []


def test_many_who_start_at_once_book_what_the_dead_left_once(
    database: Database, sometimes: Sometimes, tmp_path: Path
) -> None:
    for part in range(4):
        _dead(tmp_path, *(ledger.encode(record(f"{part}-{n}")) for n in range(20)))
    movers = [Mover(sometimes, Journal(tmp_path / "journal")) for _ in range(4)]
    threads = [threading.Thread(target=mover.replay) for mover in movers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in movers:
        one.close()
    assert len(_ids(database)) == 80
    assert _total(database) == 80_000_000


def test_the_segments_of_the_living_are_left_alone(
    make: Callable[..., Mover], database: Database, sometimes: Sometimes
) -> None:
    living = make()
    sometimes.away = True
    for number in range(60):
        living.add(record(number))
    living.finish()
    sometimes.away = False
    assert living.waiting > 1
    assert make().replay() == 0
    living.close()
    assert len(_ids(database)) == 60


def test_a_damaged_segment_is_booked_as_far_as_it_is_good_and_the_rest_is_kept(
    make: Callable[..., Mover], database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _dead(tmp_path, *_lines(5))
    (path,) = _segments(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b"call-3")] ^= 1
    path.write_bytes(data)
    assert make().replay() == 3
    assert _ids(database) == ["call-0", "call-1", "call-2"]
    (aside,) = (tmp_path / "journal").glob("*" + journals.DAMAGED)
    assert b"call-4" in aside.read_bytes()
    assert f"bytes of the journal are damaged and were set aside: {aside}" in caplog.text
    assert _segments(tmp_path) == []


def test_what_is_no_record_stops_nobody(
    make: Callable[..., Mover], database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _dead(tmp_path, _lines(1)[0], b"not a record", b'["too short"]', _lines(3)[2])
    assert make().replay() == 2
    assert _ids(database) == ["call-0", "call-2"]
    (aside,) = (tmp_path / "journal").glob("*" + journals.DAMAGED)
    assert aside.read_bytes() == b'not a record\n["too short"]'
    assert "set aside" in caplog.text


def test_what_is_no_record_is_kept_where_its_segment_was_booked_before(
    make: Callable[..., Mover], database: Database, tmp_path: Path
) -> None:
    """Whoever booked it may have died before it could set anything aside."""
    _dead(tmp_path, _lines(1)[0], b"not a record")
    (path,) = _segments(tmp_path)
    database.write(partial(ledger.book_segment, name=path.stem, records=[record(0)]))
    make().replay()
    (aside,) = (tmp_path / "journal").glob("*" + journals.DAMAGED)
    assert aside.read_bytes() == b"not a record"
    assert _ids(database) == ["call-0"]


@pytest.mark.parametrize(
    "odd",
    [
        record(1, model="a\0b", error="\0", session="s\0"),
        record(1, customer="c\0", tags=("t\0",), metadata={"a\0": ["\0"]}),
        record(1, metadata=msgspec.Raw(b'{\n  "pretty":\n "printed"\n}')),
        record(1, request=msgspec.Raw(b'{"messages": "\xff\xfe"}')),
        record(1, input_tokens=2**63, output_tokens=2**80, tokens={"cache_read": 2**65}),
        record(1, cost=2**64),
        record(1, model="m" * 100_000, model_group=None),
        record(1, customer="\U0001f600" * 256, tags=("ü" * 256,) * 3, user_id="u" * 256),
        record(1, metadata={"n": 2**70, "deep": [[[[[[[[]]]]]]]]}),
    ],
    ids=lambda odd: "",
)
def test_whatever_a_client_sends_the_ledger_goes_on(
    make: Callable[..., Mover], database: Database, tmp_path: Path, odd: ledger.Record
) -> None:
    mover = make()
    for one in (record(0), odd, record(2)):
        mover.add(one)
    mover.close()
    assert _ids(database) == ["call-0", "call-1", "call-2"]
    assert list((tmp_path / "journal").iterdir()) == []
    count = database.read(lambda c: c.scalar(select(func.sum(tables.daily.c.calls))))
    assert count == 3
    assert _total(database) >= 2_000_000
    assert database.read(lambda c: ledger.spent(c, [GLOBAL]))[GLOBAL][1] == _total(database)
