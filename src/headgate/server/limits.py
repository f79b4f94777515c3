"""Step 4 of a call: everything that limits it is asked in one pass, and what it may use is held. Refusals say which
limit it was, what is left and when to come back."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from msgspec import Raw
from msgspec.structs import replace

from headgate.core import breaks
from headgate.core import fallback as fallbacks
from headgate.core.call import PICTURES, Call
from headgate.core.fallback import NONE as NO_FALLBACKS
from headgate.core.fallback import Fallbacks
from headgate.core.route import Group, used_up
from headgate.errors import (
    BadRequestError,
    BudgetExceededError,
    HeadgateError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnavailableError,
)
from headgate.money import shown
from headgate.server import picture_ceiling
from headgate.server.allow import Allow
from headgate.server.booking import Booking
from headgate.server.bounds import KINDS
from headgate.server.ceiling import Ceiling
from headgate.server.gateway import Gateway
from headgate.server.meters import (
    BESIDE,
    NONE,
    Hold,
    Leased,
    Meters,
    Refusal,
    SharedParallel,
    SharedWindow,
    Want,
    take_all,
)
from headgate.store import totals
from headgate.store.totals import Scope
from headgate.telemetry.times import iso
from headgate.wire import envelope as envelopes

_NAMES: Final[Mapping[str, str]] = {
    "key": "this key",
    "user": "your user",
    "member": "your membership in the team",
    "global": "the gateway",
}


class Prices(Protocol):
    """What calls to a model may cost, and where they may come to. A snapshot is one."""

    def lookup(self, model: str) -> Group: ...

    def ceiling(self, model: str) -> Ceiling: ...


async def reserve(
    gateway: Gateway,
    prices: Prices,
    call: Call,
    booking: Booking,
    body: bytes,
    *,
    uploaded: int = 0,
    within: bool = False,
) -> None:
    """Sets `booking.holds`. `uploaded` are the bytes of a file beside the body; `within`: the call is part of one
    that holds its place among those in flight.

    Raises RateLimitError, BudgetExceededError, PermissionDeniedError for a customer or tag that may not use the
    model, ServiceUnavailableError where the ledger can't be written.
    """
    ledger = gateway.ledger
    if ledger is not None and not ledger.writable:
        raise ServiceUnavailableError(
            "the gateway's disk is full: calls can't be booked, so none are made", retry_after=10
        )
    if gateway.snapshot.config.general.enforce_user_param and not booking.customer:
        raise BadRequestError(
            "every call here names its customer: give 'user', or the header x-litellm-end-user-id",
            param="user",
        )
    meters = booking.caller.meters
    if booking.customer or booking.tags:
        own, region = await payers(gateway, booking, call.model)
        meters += own
        if region:
            call.wish = replace(call.wish, region=region)
    if within:
        meters = replace(meters, parallels=())
    booking.meters = meters
    wants: list[Want] = [(meters, 0, 0)]
    if meters.tokens or meters.budgets or booking.caller.by_model or booking.limited:
        wants = _wants(prices, call, booking, body, uploaded)
    booking.holds = await hold(gateway, wants)
    if gateway.snapshot.bounds.any:
        await _hold_bounds(gateway, prices, call, booking, body, uploaded)


def _wants(prices: Prices, call: Call, booking: Booking, body: bytes, uploaded: int) -> list[Want]:
    """Of the meters of all calls, and of those of the group that is asked."""
    meters, of_group = booking.meters, NONE
    if booking.caller.by_model or booking.limited:
        of_group = booking.own(prices.lookup(call.model).name)
    booking.ceiling = ceiling = prices.ceiling(call.model)
    tokens = ceiling.tokens(call.envelope, body) if meters.tokens or of_group.tokens else 0
    amount = most = 0
    strict = meters.strict
    if strict or of_group.budgets:
        booking.strict = True
        group = prices.lookup(call.model)
        answers, most = _answers(group, call), _most(ceiling, call, call.envelope, body, uploaded)
        lists, dearest = call.options.fallbacks.over(group.fallbacks), most
        if strict and lists is not NO_FALLBACKS:
            dearest = max(most, _elsewhere(prices, lists, call, body, uploaded))
        booking.spare = dearest * (answers - 1)
        most, amount = most * answers, dearest * answers
    if meters.budgets and not strict:
        amount = _likely(ceiling, call, body, uploaded)
    if of_group is NONE:
        return [(meters, tokens, amount)]
    booking.meters += of_group
    return [(meters, tokens, amount), (of_group, tokens, most)]


async def _hold_bounds(
    gateway: Gateway, prices: Prices, call: Call, booking: Booking, body: bytes, uploaded: int
) -> None:
    """Of the budgets of the group's rows, and of their providers, the most that the call can cost is held; rows that
    have less left are not asked. Raises RateLimitError where that leaves none, and nothing to fall back to."""
    callers, group = gateway.callers, prices.lookup(call.model)
    _give_back(booking, gateway.clock.time())
    bounded = {one: own for one in group.deployments if (own := gateway.snapshot.bounds.of(one))}
    if callers is None or not bounded:
        return
    most = _most(prices.ceiling(call.model), call, call.envelope, body, uploaded) * _answers(group, call)
    held: set[Scope] = set()
    without = set()
    for one, own in bounded.items():
        new = [scope for scope in own if scope not in held]
        meters = [await callers.bounded(scope, own[scope]) for scope in new]
        try:
            booking.holds += await hold(gateway, [(each, 0, most + call.paid) for each in meters])
            held.update(new)
        except BudgetExceededError:
            without.add(one.id)
    if without:
        call.wish = replace(call.wish, without=frozenset(without))
        lists = call.options.fallbacks.over(group.fallbacks)
        if lists is NO_FALLBACKS and all(one.id in without for one in group.deployments):
            raise used_up(group.name)


def _give_back(booking: Booking, now: float) -> None:
    """What a group held of its rows and providers that did not answer."""
    for held in booking.holds:
        if held.only is not None and held.only[0] in KINDS:
            held.settle(0, 0, now)
    booking.holds = [held for held in booking.holds if held.only is None or held.only[0] not in KINDS]


class Permit:
    """What a call must pass where it goes on: see core.call.Permit."""

    def __init__(
        self, gateway: Gateway, prices: Prices, call: Call, booking: Booking, uploaded: int = 0
    ) -> None:
        self._gateway = gateway
        self._prices = prices
        self._call = call
        self._booking = booking
        self._uploaded = uploaded

    async def fallback(self, model: str) -> None:
        """The limits of the other model must let the call in, too, with what it has cost already. What holds for all
        models is held as the dearest target needs it.

        Raises PermissionDeniedError, RateLimitError, BudgetExceededError, NotFoundError."""
        gateway, prices, call, booking = self._gateway, self._prices, self._call, self._booking
        booking.caller.admit(model)
        booking.admit(model)
        if not booking.holds:
            return
        group = prices.lookup(model)
        meters, bounded = booking.own(group.name), gateway.snapshot.bounds.any
        if meters is NONE and not bounded:
            return
        ceiling, body = prices.ceiling(model), envelopes.write(call.envelope)
        tokens, amount = 0, call.paid
        if meters.tokens:
            tokens = ceiling.tokens(call.envelope, body)
        if meters.budgets:
            amount += _most(ceiling, call, call.envelope, body, self._uploaded) * _answers(group, call)
        if meters is not NONE:
            booking.holds += await hold(gateway, [(meters, tokens, amount)])
        if bounded:
            await _hold_bounds(gateway, prices, call, booking, body, self._uploaded)

    async def retry(self) -> None:
        """What attempts have cost that came to nothing is held besides. Raises BudgetExceededError."""
        booking = self._booking
        more = self._call.lost - booking.spare
        if more > 0:
            beside = [held.beside() for held in booking.holds if held.only != BESIDE]
            booking.holds += await hold(self._gateway, [(meters, 0, more) for meters in beside])
            booking.spare += more


async def hold(gateway: Gateway, wants: Sequence[Want]) -> list[Hold]:
    """Takes what a call may use. Raises RateLimitError, BudgetExceededError."""
    config = gateway.snapshot.config.litellm
    taken = take_all(wants, gateway.clock.time())
    while isinstance(taken, Refusal):
        meter = taken.lease
        if isinstance(meter, Leased) and gateway.shares is not None:
            await gateway.shares.extend(meter, taken.wanted)
        elif isinstance(meter, SharedWindow | SharedParallel) and gateway.pace is not None:
            await gateway.pace.extend(meter, taken.wanted)
        else:
            raise refused(taken, gateway.clock.time(), config.budget_exceeded_status_code)
        taken = take_all(wants, gateway.clock.time())
    return taken


def _most(ceiling: Ceiling, call: Call, envelope: Mapping[str, Raw], body: bytes, uploaded: int) -> int:
    if call.operation in PICTURES:
        files = call.files.fields if call.files else {}
        return picture_ceiling.most(ceiling.deployments, envelope, files)
    return ceiling.cost(envelope, body, uploaded)


def _likely(ceiling: Ceiling, call: Call, body: bytes, uploaded: int) -> int:
    if call.operation in PICTURES and not ceiling.average_cost:
        return _most(ceiling, call, call.envelope, body, uploaded)
    return ceiling.likely_cost(call.envelope, body, uploaded)


def _answers(group: Group, call: Call) -> int:
    """How many answers may be paid for: of one that is late, and of one that breaks, another is asked for."""
    way = (call.options.on_break or group.routing.on_break).way if call.stream else "error"
    return 1 + (group.hedges is not None) + {"restart": breaks.MOST, "continue": 1}.get(way, 0)


def _elsewhere(prices: Prices, lists: Fallbacks, call: Call, body: bytes, uploaded: int) -> int:
    """The most that the call can cost where it comes to when its own model fails."""
    amount, waiting, seen = 0, list(lists.all()), {call.model}
    while waiting:
        model, fields = fallbacks.target(waiting.pop(), call.model)
        if model in seen and not fields:
            continue
        seen.add(model)
        with suppress(NotFoundError):  # nothing is spent there
            ceiling = prices.ceiling(model)
            asked = {**call.envelope, **fields}
            amount = max(amount, _most(ceiling, call, asked, b"".join((body, *fields.values())), uploaded))
            waiting += prices.lookup(model).fallbacks.all()
    return amount


async def payers(gateway: Gateway, booking: Booking, model: str) -> tuple[Meters, str]:
    """The meters of customer and tags, who pay, too, and the region that they want. Those that nobody has made have
    no limits. Sets `booking.allows` and `booking.limited`.

    Raises PermissionDeniedError for one that is blocked or may not use the model."""
    meters, region = NONE, ""
    allows: list[tuple[str, str, Allow]] = []
    limited: list[Mapping[str, Meters]] = []
    callers = gateway.callers
    if callers is None:
        return meters, region
    named = [("tag", tag) for tag in booking.tags]
    if booking.customer:
        named.append(("customer", booking.customer))
    for kind, name in named:
        payer = callers.known_payer(kind, name) or await callers.payer(kind, name)
        if (row := payer.row) is not None:
            if row.get("blocked"):
                raise PermissionDeniedError(f"the {kind} {name!r} is blocked", type="auth_error", code="403")
            allows.append((kind, name, Allow(row.get("models") or ())))
            region = str(row.get("allowed_model_region") or region).lower()
        meters += payer.meters
        if payer.by_model:
            limited.append(payer.by_model)
    booking.allows, booking.limited = tuple(allows), tuple(limited)
    booking.admit(model)
    return meters, region


def refused(refusal: Refusal, now: float, status: int = BudgetExceededError.status_code) -> HeadgateError:
    """`status` is that of a budget's refusal."""
    kind, name = totals.payer_of(refusal.scope)
    whose = _NAMES.get(kind, f"the {kind} {name!r}")
    model = f" for {refusal.model}" if refusal.model else ""
    if refusal.what == "budget":
        left, limit, wanted = (shown(amount) for amount in (refusal.left, refusal.limit, refusal.wanted))
        again = "" if refusal.wait is None else f", or come back at {iso(now + refusal.wait)}"
        return BudgetExceededError(
            f"Budget has been exceeded: {whose} has ${left} left of its budget of ${limit}{model}, and this call "
            f"may cost up to ${wanted}. Ask for less (max_tokens){again}.",
            code="budget_exceeded",
            status_code=status,
            retry_after=refusal.wait,
        )
    per = "" if refusal.what == "parallel requests" else " per minute"
    wait = "" if refusal.wait is None else f" Try again in {max(1, round(refusal.wait))} s."
    asked = f", and this call needs {refusal.wanted}" if refusal.what == "tokens" else ""
    return RateLimitError(
        f"Rate limit: {whose} may use {refusal.limit} {refusal.what}{per}{model}, "
        f"{refusal.left} are left{asked}.{wait}",
        type="throttling_error",
        code="rate_limit_exceeded",
        retry_after=refusal.wait,
    )
