"""The answer of a connection: who reads slowly is waited for."""

import asyncio

from headgate.net.answer import HIGH_WATER, Response
from headgate.ports import Headers


class Wire:
    """See answer.Wire."""

    name = "played"

    def __init__(self) -> None:
        self.reading = True

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.reading = False


async def test_who_can_take_no_more_of_what_was_held_is_waited_for() -> None:
    wire = Wire()
    response = Response(wire, 200, Headers.of([]))
    response.push(b"a" * (HIGH_WATER + 1))
    assert not wire.reading
    came: list[bytes] = []

    def slow(data: bytes) -> None:
        came.append(data)
        response.pause()

    relay = asyncio.ensure_future(response.relay(slow))
    await asyncio.sleep(0)
    assert came and not wire.reading
    response.resume()
    assert wire.reading
    response.push(b"b")
    response.finish(None)
    await relay
    assert came[1:] == [b"b"]


async def test_who_can_take_more_gets_it() -> None:
    wire = Wire()
    response = Response(wire, 200, Headers.of([]))
    response.push(b"a" * (HIGH_WATER + 1))
    came: list[bytes] = []
    relay = asyncio.ensure_future(response.relay(came.append))
    await asyncio.sleep(0)
    assert came and wire.reading
    response.finish(None)
    await relay
