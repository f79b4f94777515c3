"""`silent_model`: a copy of a call goes to another model in the background. Nobody waits for it, its answer is read
and dropped, and the client pays nothing: it is booked to the gateway with the cause `mirror`."""

import asyncio
from typing import TYPE_CHECKING, Final

from headgate.core.answer import Answer
from headgate.core.call import Call
from headgate.errors import HeadgateError
from headgate.server.account import account
from headgate.server.booking import Booking
from headgate.server.bounds import scopes_of
from headgate.server.callers import MASTER
from headgate.server.snapshot import Snapshot
from headgate.store.totals import GLOBAL

if TYPE_CHECKING:
    from headgate.server.gateway import Gateway

MOST: Final = 100
"""Copies under way; further ones are left out."""
SECONDS: Final = 600.0


def mirror(gateway: "Gateway", snapshot: Snapshot, call: Call, model: str) -> None:
    """Begins the copy and returns. Of speech and of uploads there is none: their files are gone with the call."""
    if call.errand is not None or call.files is not None or len(gateway.mirrors) >= MOST:
        return
    copy = gateway.call(
        call.operation, call.dialect, model, call.envelope, stream=call.stream, options=snapshot.options
    )
    copy.mirrored = True
    task = asyncio.ensure_future(_ask(gateway, snapshot, copy))
    gateway.mirrors.add(task)
    task.add_done_callback(gateway.mirrors.discard)


async def _ask(gateway: "Gateway", snapshot: Snapshot, call: Call) -> None:
    booking = Booking("")
    booking.caller = MASTER
    answer: Answer | None = None
    try:
        async with asyncio.timeout(SECONDS):
            answer = await snapshot.engine.run(call, snapshot.lookup)
            call.status = 200
            if answer.body is None:
                await answer.relay(_drop)
    except HeadgateError as error:
        call.error, call.status = error, error.status_code
    except TimeoutError:
        call.status = 408
    finally:
        if answer is not None:
            answer.abort()
            answer.cut()
        account(gateway, call, booking)
        _pay(gateway, call)


def _pay(gateway: "Gateway", call: Call) -> None:
    """Nobody held anything for it; the budgets of the gateway, of the row and of its provider pay all the same."""
    if gateway.callers is not None and call.cost and call.deployment is not None:
        scopes = (GLOBAL, *scopes_of(call.deployment))
        gateway.callers.paid(dict.fromkeys(scopes, call.cost), gateway.clock.time())


def _drop(data: bytes) -> None:
    pass
