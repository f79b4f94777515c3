"""The answers of one realtime connection: each a call of its own, held for when it begins and booked when it is done.
Knows no socket and no format.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from msgspec import Raw, Struct

from headgate.core.answer import settle
from headgate.core.call import Call
from headgate.core.deployment import Deployment
from headgate.core.route import Group
from headgate.errors import APIConnectionError, BadRequestError, HeadgateError, InternalServerError
from headgate.server.account import account
from headgate.server.booking import Booking
from headgate.server.callers import Caller
from headgate.server.ceiling import Ceiling
from headgate.server.gateway import Gateway
from headgate.server.limits import Prices, refused, reserve
from headgate.server.meters import Hold
from headgate.wire import ir
from headgate.wire.dialect import Dialect
from headgate.wire.realtime import UNKNOWN, Asked, Begun, Ended, Event, Heard, Refused, Spoke, Watch

BILL_SECONDS: Final = 60.0
"""How often a connection that is billed by its time is."""


class Look(Protocol):
    async def caller(self) -> Caller:
        """Who it is now. Raises HeadgateError when the connection must end, ServiceUnavailableError when that can't
        be known."""
        ...


class Fixed(Struct):
    """See limits.Prices: a group's one deployment, and nothing to fall back to. Without a ceiling nothing is held."""

    group: str
    ceiling_of: Callable[[str], Ceiling] | None = None
    deployment: Deployment | None = None

    def lookup(self, model: str) -> Group:
        return Group(self.group, [self.deployment] if self.deployment is not None else [])

    def ceiling(self, model: str) -> Ceiling:
        return Ceiling(()) if self.ceiling_of is None else self.ceiling_of(model)


class Turn(Struct):
    """One answer: its call, who pays it, and the client's name for having asked for it."""

    call: Call
    booking: Booking
    asked: str = ""


class Turns:
    """`call` and `booking` are the connection's own, dialled and held for. `idle` is set while nothing runs."""

    def __init__(
        self,
        gateway: Gateway,
        call: Call,
        booking: Booking,
        prices: Prices,
        dialect: Dialect,
        watch: Watch,
        look: Look,
    ) -> None:
        assert call.deployment is not None
        self._gateway = gateway
        self._call = call
        self._booking = booking
        self._deployment = call.deployment
        self._prices = prices
        self._dialect = dialect
        self._watch = watch
        self._look = look
        self._asked: deque[Turn] = deque()
        self._running: dict[str, Turn] = {}
        self.idle = asyncio.Event()
        self.idle.set()
        sheet = self._deployment.sheet
        self._timed = sheet is not None and not sheet.tokens and "seconds" in sheet.units.get("standard", {})
        self._billed = gateway.clock.monotonic()

    async def ask(self, asked: Asked) -> None:
        """Raises HeadgateError, which is booked as the answer's end."""
        turn = self._turn(asked.event, asked.most)
        try:
            await self._hold(turn)
        except HeadgateError as error:
            turn.call.error = error
            turn.call.deployment = None
            self._book(turn, None)
            raise
        self._asked.append(turn)
        self.idle.clear()

    async def happened(self, event: Event) -> None:
        """Raises HeadgateError for an answer that may not go on. What it uses until its end is booked, too."""
        match event:
            case Begun():
                await self._begun(event)
            case Spoke():
                self._spoke(event)
            case Ended():
                self._ended(event)
            case Heard():
                self._heard(event)
            case Refused():
                self._refused(event)

    async def look(self) -> None:
        """Raises HeadgateError when nobody may go on, ServiceUnavailableError when that can't be known."""
        await self._look.caller()
        if self._gateway.clock.monotonic() - self._billed >= BILL_SECONDS:
            self._book_time()
        now = self._gateway.clock.time()
        for hold in self._booking.holds:
            if (refusal := hold.spent(now)) is not None:
                raise refused(refusal, now)

    def cancels(self) -> list[str]:
        """The frames that end all that runs."""
        named = [*self._running, *([""] if self._asked else [])]
        return [frame for id_ in named if (frame := self._watch.cancel(id_)) is not None]

    def close(self, error: HeadgateError | None) -> None:
        """Books what is left, once. Of answers whose end nobody saw it is counted what went by; those that never
        began are nothing."""
        for id_, turn in self._running.items():
            used = self._watch.said(id_)
            turn.call.error = turn.call.error or error
            self._book(turn, None, msgspec.structs.replace(used, output=max(1, used.output)))
        for turn in self._asked:
            turn.call.error = error or APIConnectionError("the connection ended before the answer began")
            self._book(turn, None)
        self._book_time()
        self._timed = False
        self._running.clear()
        self._asked.clear()

    # what happens

    async def _begun(self, event: Begun) -> None:
        """The oldest one that was asked for, or one that the provider begins by itself."""
        self.idle.clear()
        if self._asked:
            self._running[event.id] = self._asked.popleft()
            return
        turn = self._running[event.id] = self._turn("", event.most)
        try:
            await self._hold(turn)
        except HeadgateError as error:
            turn.call.error = error
            turn.booking.holds = self._bare()
            raise

    def _spoke(self, event: Spoke) -> None:
        if event.id in self._running:
            call = self._running[event.id].call
            call.first_byte = self._gateway.clock.monotonic()
            call.upstream_seconds = call.first_byte - call.started

    def _ended(self, event: Ended) -> None:
        turn = self._running.pop(event.id, None)
        if turn is None:  # it began before anybody listened: what it used is owed in any case
            turn = self._turn("", None)
            turn.booking.holds = self._bare()
        if event.problem:
            turn.call.error = turn.call.error or InternalServerError(
                self._deployment.scrubbed(event.problem), llm_provider=self._deployment.provider.id
            )
        self._book(turn, event.usage, event.said)
        self._count()

    def _heard(self, event: Heard) -> None:
        """Sound that another model has written down is a call of its own, which nobody could refuse."""
        turn = self._turn("", None)
        turn.booking.holds = self._bare()
        call = turn.call
        call.usage, call.upstream_model = event.usage, event.model or None
        sheet = self._gateway.snapshot.catalog.sheet(event.model, self._deployment.provider.id, {})
        if sheet is not None and sheet.covers(event.usage):
            call.cost = sheet.charge(event.usage)
        call.status = 200
        account(self._gateway, call, turn.booking)

    def _refused(self, event: Refused) -> None:
        """The provider does not make an answer that was asked for. Where neither side names it, it is the oldest one:
        if it was another frame, and the answer comes after all, it is held for again."""
        turn = next((turn for turn in self._asked if turn.asked == event.event), None)
        if turn is None:
            return
        self._asked.remove(turn)
        turn.call.error = BadRequestError(self._deployment.scrubbed(event.problem))
        self._book(turn, None)
        self._count()

    def _count(self) -> None:
        if not self._running and not self._asked:
            self.idle.set()

    # money

    def _turn(self, asked: str, most: int | None) -> Turn:
        envelope = {} if most is None else {"max_tokens": Raw(str(most).encode())}
        call = self._gateway.call("realtime", self._dialect, self._call.model, envelope, stream=True)
        call.deployment, call.attempts = self._deployment, 1
        return Turn(call, self._booking.again(), asked)

    async def _hold(self, turn: Turn) -> None:
        """What it may cost, for who the caller is now. Raises HeadgateError."""
        turn.booking.caller = await self._look.caller()
        if self._gateway.ledger is not None:
            room = bytes(min(self._watch.context, UNKNOWN))
            await reserve(self._gateway, self._prices, turn.call, turn.booking, room, within=True)

    def _bare(self) -> list[Hold]:
        now = self._gateway.clock.time()
        return [hold.bare(now) for hold in self._booking.holds]

    def _book(self, turn: Turn, usage: ir.Usage | None, said: ir.Usage | None = None) -> None:
        """`said` is what went by: it is counted where the provider does not tell what was used."""
        call = turn.call
        call.usage = usage
        if usage is not None:
            settle(call, self._deployment)
            self._deployment.track.use(usage.input + usage.output, self._gateway.clock.monotonic())
        elif said is not None and said.output:
            call.usage, call.pieces = msgspec.structs.replace(said, output=0), said.output
        call.status = 200 if call.error is None else call.error.status_code
        account(self._gateway, call, turn.booking)

    def _book_time(self) -> None:
        """Of models that are billed by the time of a connection: what was not billed yet."""
        if not self._timed:
            return
        turn = self._turn("", None)
        turn.booking.holds = self._bare()
        now = self._gateway.clock.monotonic()
        seconds, self._billed = now - self._billed, now
        self._book(turn, ir.Usage(seconds=seconds))
