"""Every change reaches every replica once, in whatever order transactions end."""

import threading
from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from headgate.errors import ServiceUnavailableError
from headgate.store import changes, tables
from headgate.store.changes import AGAIN_SECONDS, KEEP_SECONDS, Heard, note
from headgate.store.database import Database, connect
from records import several


def _note(database: Database, *names: str) -> None:
    for name in names:
        database.write(partial(note, kind="key", name=name))


def _news(heard: Heard) -> list[str]:
    return [name for _, name in heard.news()]


class Clock:
    """In place of the module `time`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000.0
        monkeypatch.setattr(changes, "time", self)

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_change_is_heard_once(database: Database) -> None:
    heard = Heard(database)
    assert heard.news() == []
    database.write(lambda c: note(c, "team", "t"))
    _note(database, "a", "a", "b")
    assert heard.news() == [("team", "t"), ("key", "a"), ("key", "a"), ("key", "b")]
    assert heard.news() == []


def test_a_change_that_is_rolled_back_is_never_heard(database: Database) -> None:
    heard = Heard(database)

    def fail(connection: object) -> None:
        note(connection, "key", "a")  # type: ignore[arg-type]
        raise KeyError

    with pytest.raises(KeyError):
        database.write(fail)
    _note(database, "b")
    assert _news(heard) == ["b"]


def test_every_replica_hears_every_change(database: Database) -> None:
    replicas = [Heard(database) for _ in range(3)]
    _note(database, "a")
    assert [_news(heard) for heard in replicas[:2]] == [["a"], ["a"]]
    _note(database, "b")
    assert [_news(heard) for heard in replicas] == [["b"], ["b"], ["a", "b"]]


@several
@given(st.lists(st.integers(-1, 3), max_size=30), st.integers(2, 4))
def test_changes_of_transactions_that_end_in_any_order_are_heard_once(
    database: Database, steps: Sequence[int], count: int
) -> None:
    """A number opens a transaction, notes a change in it, or ends it; -1 listens."""
    if database.is_sqlite:
        return  # one writer at a time: they end in order
    heard, found = Heard(database), list[str]()
    heard.news()  # what was there before
    open_ = set[int]()
    connections = {}
    made = 0
    for step in steps:
        which = step % count
        if step < 0:
            found += _news(heard)
        elif which not in open_:
            connection = connections[which] = database.engine.connect()
            open_.add(which)
            note(connection, "key", f"change {made}")
            made += 1
        else:
            with connections.pop(which) as connection:
                connection.commit()
            open_.remove(which)
    for connection in connections.values():
        connection.commit()
        connection.close()
    assert sorted(found + _news(heard)) == sorted(f"change {number}" for number in range(made))


def test_a_lower_number_that_comes_later_is_heard(database: Database, clock: Clock) -> None:
    if database.is_sqlite:
        return
    heard = Heard(database)
    with database.engine.connect() as slow:
        note(slow, "key", "slow")
        _note(database, "fast")
        assert _news(heard) == ["fast"]
        clock.now += AGAIN_SECONDS - 1
        assert _news(heard) == []
        slow.commit()
    assert _news(heard) == ["slow"]
    clock.now += AGAIN_SECONDS
    assert _news(heard) == []


def test_what_is_remembered_stays_small(database: Database, clock: Clock) -> None:
    heard = Heard(database)
    for turn in range(100):
        _note(database, f"{turn}")
        clock.now += 1
        assert _news(heard) == [f"{turn}"]
    assert len(heard._seen) <= AGAIN_SECONDS + 2
    assert len(heard._marks) <= AGAIN_SECONDS + 2


def test_changes_are_heard_again_after_a_quiet_hour(database: Database, clock: Clock) -> None:
    """The old ones are deleted, and numbers go on."""
    heard = Heard(database)
    _note(database, *(f"old {number}" for number in range(200)))
    assert len(heard.news()) == 200
    for _ in range(3):
        clock.now += KEEP_SECONDS + 1
        assert heard.news() == []
        database.write(changes.forget)
    assert database.read(lambda c: c.scalar(select(func.count()).select_from(tables.changes))) == 1
    _note(database, "new")
    assert _news(heard) == ["new"]
    assert _news(Heard(database))[-1:] == ["new"]


def test_new_changes_are_not_forgotten(database: Database, clock: Clock) -> None:
    _note(database, "old")
    clock.now += KEEP_SECONDS - 1
    _note(database, "a", "b")
    clock.now += 2
    database.write(changes.forget)
    rows = database.read(lambda c: c.scalars(select(tables.changes.c.id)).all())
    assert list(rows) == ["a", "b"]


def test_nobody_is_missed_while_many_write_and_one_listens(database: Database) -> None:
    heard, found, done = Heard(database), list[str](), threading.Event()

    def write(worker: int) -> None:
        _note(database, *(f"{worker}-{number}" for number in range(20)))

    def listen() -> None:
        while not done.is_set():
            found.extend(_news(heard))

    listener = threading.Thread(target=listen)
    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in (listener, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    listener.join()
    found += _news(heard)
    assert sorted(found) == sorted(f"{worker}-{number}" for worker in range(4) for number in range(20))


def test_a_database_that_is_away_is_told() -> None:
    with pytest.raises(ServiceUnavailableError):
        Heard(connect("postgresql://u@127.0.0.1:1/n"))
