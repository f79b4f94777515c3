"""What connections write leaves in order, once, and gathered only while there is something to gather."""

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headgate.net.outbox import ALONE, DIRECT, LARGE, MOST, Outbox


class Turns:
    """An event loop of which each turn is asked for."""

    def __init__(self) -> None:
        self.ready: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.ready.append(callback)

    def turn(self) -> None:
        ready, self.ready = self.ready, []
        for callback in ready:
            callback()


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed


def made() -> tuple[Turns, Outbox]:
    turns = Turns()
    return turns, Outbox(turns)  # type: ignore[arg-type]  # all that it asks of a loop


def test_what_one_connection_writes_in_a_turn_is_one_write() -> None:
    turns, outbox = made()
    one, other = Wire(), Wire()
    for wire, data in ((one, b"a"), (other, b"1"), (one, b"b"), (other, b"2"), (one, b"c")):
        outbox.write(wire, data)
    assert one.writes == other.writes == []
    assert len(turns.ready) == 1
    turns.turn()
    assert (one.writes, other.writes) == ([b"abc"], [b"12"])


def test_pushed_pieces_leave_before_what_comes_next() -> None:
    turns, outbox = made()
    one, other = Wire(), Wire()
    outbox.write(one, b"a")
    outbox.write(other, b"1")
    outbox.push(one)
    outbox.push(one)
    assert (one.writes, other.writes) == ([b"a"], [])
    turns.turn()
    assert (one.writes, other.writes) == ([b"a"], [b"1"])


def test_what_is_large_leaves_at_once_behind_what_waits() -> None:
    turns, outbox = made()
    wire = Wire()
    outbox.write(wire, b"a")
    outbox.write(wire, b"b" * LARGE)
    outbox.write(wire, b"c")
    assert wire.writes == [b"a", b"b" * LARGE]
    turns.turn()
    assert wire.writes == [b"a", b"b" * LARGE, b"c"]


def test_not_more_than_a_few_are_gathered() -> None:
    turns, outbox = made()
    wires = [Wire() for _ in range(MOST + 1)]
    for wire in wires[:-1]:
        outbox.write(wire, b"a")
    assert [wire.writes for wire in wires[:-1]] == [[b"a"]] * MOST
    outbox.write(wires[-1], b"a")
    assert wires[-1].writes == []
    turns.turn()
    assert wires[-1].writes == [b"a"]


def test_a_connection_that_has_gone_gets_nothing_and_costs_others_nothing() -> None:
    turns, outbox = made()
    gone, pushed, other = Wire(), Wire(), Wire()
    for wire in (gone, pushed, other):
        outbox.write(wire, b"a")
    gone.closed = pushed.closed = True
    outbox.push(pushed)
    turns.turn()
    assert (gone.writes, pushed.writes, other.writes) == ([], [], [b"a"])


def test_whoever_writes_alone_does_not_wait_for_the_others() -> None:
    turns, outbox = made()
    wire = Wire()
    for number in range(ALONE):
        outbox.write(wire, b"gathered")
        assert len(wire.writes) == number
        turns.turn()
    for number in range(DIRECT):
        outbox.write(wire, b"at once")
        assert len(wire.writes) == ALONE + number + 1
    outbox.write(wire, b"looked again")
    assert len(wire.writes) == ALONE + DIRECT
    turns.turn()
    assert len(wire.writes) == ALONE + DIRECT + 1


@given(st.lists(st.sampled_from([0, 1, 2, "turn", "push"]), max_size=200))
def test_nothing_is_lost_doubled_or_out_of_order(steps: list[Any]) -> None:
    turns, outbox = made()
    wires = [Wire(), Wire(), Wire()]
    put: list[list[bytes]] = [[], [], []]
    for number, step in enumerate(steps):
        if step == "turn":
            turns.turn()
        elif step == "push":
            outbox.push(wires[number % 3])
            assert b"".join(wires[number % 3].writes) == b"".join(put[number % 3])
        else:
            data = b"%d," % number
            put[step].append(data)
            outbox.write(wires[step], data)
    turns.turn()
    assert [b"".join(wire.writes) for wire in wires] == [b"".join(pieces) for pieces in put]
