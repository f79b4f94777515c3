"""The line of a call: all that a person, or a machine, looks for, on one line, whatever is in it."""

import io
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.money import UNITS
from headgate.record import Finished, Record
from headgate.telemetry.logs import MAX_LINES, CallLog, as_json, as_text

NOON = 1_795_003_200.0
texts = st.text(max_size=30)


def finished(
    message: str = "", dropped: tuple[str, ...] = (), stream: bool = False, **fields: Any
) -> Finished:
    record = Record(
        **{
            "id": "call-1",
            "started": NOON,
            "first_token": NOON + 0.25,
            "ended": NOON + 1.5,
            "model": "fast",
            "deployment": "row-1",
            "provider": "openai",
            "upstream_model": "gpt-4o",
            "operation": "chat",
            "status": 200,
            "input_tokens": 12,
            "output_tokens": 34,
            "tokens": {"cache_read": 5},
            "cost": UNITS // 1_000,
            "attempts": 1,
            "client": "127.0.0.1",
            **fields,
        }
    )
    return Finished(record, "key of Anna", "pass", stream, 0.000125, list(dropped), message)


def test_a_person_reads_who_answered_how_long_it_took_and_what_it_cost() -> None:
    text = as_text(finished()).decode()
    assert text[8:] == " 200 chat fast -> openai/gpt-4o 1500 ms 12+34 tokens $0.001 [call-1]"


def test_a_person_reads_what_was_not_as_usual() -> None:
    told = finished(
        "no such model", ("seed", "n"), True, attempts=3, fallbacks=1, status=404, error="NotFoundError"
    )
    text = as_text(told).decode()
    assert "1500 ms (first token 250 ms)" in text
    assert text.endswith(" 3 tries 1 fallbacks dropped seed,n NotFoundError: no such model [call-1]")


def test_nothing_is_said_of_what_is_not_known() -> None:
    bare = finished(
        deployment=None,
        provider=None,
        upstream_model=None,
        input_tokens=0,
        output_tokens=0,
        cost=None,
        status=401,
    )
    assert as_text(bare).decode()[8:] == " 401 chat fast 1500 ms [call-1]"


def test_a_cost_of_nothing_is_a_cost() -> None:
    assert " $0 " in as_text(finished(cost=0)).decode()
    assert json.loads(as_json(finished(cost=0)))["cost"] == "0"


@given(model=texts, upstream=texts, message=texts, dropped=texts)
def test_what_others_say_stays_on_its_line_and_commands_no_terminal(
    model: str, upstream: str, message: str, dropped: str
) -> None:
    told = finished(message, (dropped,), model=model, upstream_model=upstream, error="Timeout")
    assert as_text(told).decode().isprintable()


def test_a_machine_reads_milliseconds_and_dollars() -> None:
    assert json.loads(as_json(finished(stream=True))) == {
        "time": NOON + 1.5,
        "call": "call-1",
        "status": 200,
        "operation": "chat",
        "model": "fast",
        "client": "127.0.0.1",
        "key": "key of Anna",
        "deployment": "row-1",
        "provider": "openai",
        "upstream_model": "gpt-4o",
        "path": "pass",
        "stream": True,
        "ms": 1500.0,
        "first_token_ms": 250.0,
        "overhead_ms": 0.125,
        "input_tokens": 12,
        "output_tokens": 34,
        "cached_tokens": 5,
        "cost": "0.001",
        "attempts": 1,
    }


class Later:
    """The event loop's timers, which the test lets go."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def __call__(self, seconds: float, call: Callable[[], None]) -> None:
        self.calls.append(call)


def test_lines_are_written_in_order_and_all_when_it_is_closed() -> None:
    out, later = io.BytesIO(), Later()
    log = CallLog(out, as_text, later)
    for number in range(100):
        log.add(finished(id=f"call-{number}"))
        if number == 50:
            later.calls.pop()()
    log.close()
    assert [line.split(b"[")[1] for line in out.getvalue().splitlines()] == [
        b"call-%d]" % number for number in range(100)
    ]


class Stuck(io.BytesIO):
    """A reader that takes nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()

    def write(self, data: Any) -> int:
        self.free.wait(10)
        return super().write(data)


@pytest.mark.parametrize("more", [0, 7])
def test_lines_are_given_up_where_nobody_reads(more: int) -> None:
    out = Stuck()
    log = CallLog(out, as_text, Later())
    one = finished()
    for _ in range(MAX_LINES + more):
        log.add(one)
    assert log.lost == more
    out.free.set()
    log.close()
    assert out.getvalue().count(b"\n") == MAX_LINES
