"""`on_disconnect: drain`: the client has gone, and the stream is read on within bounds, to learn its usage."""

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from headgate.core.answer import Answer
from headgate.server.booking import Booking

if TYPE_CHECKING:
    from headgate.server.gateway import Gateway

_FORM: Final = re.compile(r"drain(?:\((\d+)(?:, *(\d+(?:\.\d+)?))?\))?")
TOKENS: Final = 4_096
SECONDS: Final = 60.0


class Drain(Struct, frozen=True):
    """The bounds: pieces of the stream, each about a token, and seconds."""

    tokens: int
    seconds: float


def drain_of(setting: str) -> Drain | None:
    """None for `cancel`."""
    found = _FORM.fullmatch(setting)
    if found is None:
        return None
    return Drain(int(found[1] or TOKENS), float(found[2] or SECONDS))


async def drained(
    answer: Answer, write: Callable[[bytes], None], bounds: Drain, booking: Booking, gateway: "Gateway"
) -> None:
    """Relays; when the client goes, goes on without it. Raises CancelledError then."""
    most = -1

    def pass_on(data: bytes) -> None:
        if most < 0:
            write(data)
        elif answer.call.pieces > most:
            answer.abort()

    relay = asyncio.ensure_future(answer.relay(pass_on))
    try:
        await asyncio.shield(relay)
    except asyncio.CancelledError:
        most = answer.call.pieces + bounds.tokens
        booking.draining = True
        task = asyncio.ensure_future(_finish(answer, relay, bounds.seconds, booking))
        gateway.draining.add(task)
        task.add_done_callback(gateway.draining.discard)
        raise


async def _finish(answer: Answer, relay: "asyncio.Future[None]", seconds: float, booking: Booking) -> None:
    answer.resume()  # the client may have been slow
    try:
        await asyncio.wait([relay], timeout=seconds)
    finally:
        relay.cancel()
        answer.abort()
        answer.cut()
        booking.draining = False
