"""Whether a batch may be made: its models must be allowed, and the most that it can cost must be there. That is held
until the batch is paid for (`batches.py`). Knows no page.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from headgate.core.call import text_of
from headgate.core.deployment import Deployment
from headgate.core.route import used_up
from headgate.errors import BadRequestError, BudgetExceededError, ServiceUnavailableError
from headgate.server.batches import priced
from headgate.server.booking import Booking
from headgate.server.callers import Caller
from headgate.server.ceiling import Ceiling
from headgate.server.gateway import Gateway
from headgate.server.limits import hold, payers
from headgate.server.meters import Hold, Want, settle_all
from headgate.server.snapshot import Snapshot
from headgate.store.jobs import Job
from headgate.store.totals import Scope
from headgate.wire import envelope as envelopes
from headgate.wire.batches import Line


@asynccontextmanager
async def admitting(
    gateway: Gateway, booking: Booking, deployment: Deployment, lines: Callable[[], AsyncIterator[Line]]
) -> AsyncIterator[list[Hold]]:
    """Whether the caller may make these requests, and whether the most that they can cost is there: it is held while
    the batch is made, and by `note` until it is paid for. `lines` are read where somebody has a limit.

    Raises PermissionDeniedError, BudgetExceededError, RateLimitError, BadRequestError for a line.
    """
    _bookable(gateway)
    caller, strict = booking.caller, _strict(gateway, booking, deployment)
    amounts: dict[str, int] = {}
    ceilings: dict[str, Ceiling] = {}
    if strict or not all(allow.everything for _, allow in caller.allows):
        async for line in lines():
            envelope = envelopes.read(bytes(line.body))
            model = text_of(envelope, "model") or ""
            name = admitted(gateway.snapshot, caller, deployment.provider.id, model)
            if model not in ceilings:
                ceilings[model] = Ceiling([priced(gateway.snapshot, deployment.provider.id, model)])
            most = ceilings[model].cost(envelope, bytes(line.body)) if strict else 0
            amounts[name] = amounts.get(name, 0) + most
    async with holding(gateway, booking, deployment, amounts or {"": 0}) as holds:
        yield holds


@asynccontextmanager
async def admitting_model(
    gateway: Gateway, booking: Booking, deployment: Deployment, model: str, most: int
) -> AsyncIterator[list[Hold]]:
    """The same of requests to one model that cost `most` units of money together. Raises as `admitting`."""
    _bookable(gateway)
    name = admitted(gateway.snapshot, booking.caller, deployment.provider.id, model)
    amount = most if _strict(gateway, booking, deployment) else 0
    async with holding(gateway, booking, deployment, {name: amount}) as holds:
        yield holds


def _bookable(gateway: Gateway) -> None:
    if gateway.ledger is not None and not gateway.ledger.writable:
        raise ServiceUnavailableError("the gateway's disk is full: no batch can be booked", retry_after=10)


def _strict(gateway: Gateway, booking: Booking, deployment: Deployment) -> bool:
    """Whether the most that a batch can cost must be there beforehand."""
    caller = booking.caller
    paid = bool(booking.customer or booking.tags or caller.by_model or gateway.snapshot.bounds.of(deployment))
    return paid or any(budget.strict for budget in caller.meters.budgets)


@asynccontextmanager
async def holding(
    gateway: Gateway, booking: Booking, deployment: Deployment, amounts: Mapping[str, int]
) -> AsyncIterator[list[Hold]]:
    """Holds these amounts, by model and in units of money. Raises BudgetExceededError, RateLimitError."""
    held: list[Hold] = []
    try:
        for model, amount in amounts.items():
            meters = booking.caller.meters
            if booking.customer or booking.tags:
                meters += (await payers(gateway, booking, model))[0]
            of_group = booking.own(gateway.snapshot.aliases.get(model, model))
            held += await hold(gateway, [(meters, 0, amount), (of_group, 0, amount)])
        for scope, row in gateway.snapshot.bounds.of(deployment).items():
            if gateway.callers is not None:
                own = await gateway.callers.bounded(scope, row)
                held += await _bounded(gateway, deployment, (own, 0, sum(amounts.values())))
        yield held
    finally:
        settle_all(held, (), 0, 0, gateway.clock.time())


async def _bounded(gateway: Gateway, deployment: Deployment, want: Want) -> list[Hold]:
    try:
        return await hold(gateway, [want])
    except BudgetExceededError:
        raise used_up(deployment.provider.name) from None


async def note(gateway: Gateway, job: Job, holds: Sequence[Hold] = ()) -> None:
    """Whose it is is known from now on, and what a batch can cost stays held until it is paid for."""
    amounts: dict[Scope, int] = {}
    for one in holds:
        for scope, amount in one.strictly.items():
            amounts[scope] = amounts.get(scope, 0) + amount
    job.held = amounts
    await gateway.jobs.keep(job)
    if gateway.shares is not None:
        gateway.shares.moved(amounts)
    elif gateway.callers is not None:
        gateway.callers.reserve(amounts)


def admitted(snapshot: Snapshot, caller: Caller, provider: str, model: str) -> str:
    """The name under which the caller may use a provider's model: that of a configured group, or the provider's own.
    Raises PermissionDeniedError."""
    if not model:
        raise BadRequestError("a request of the batch names no model", param="model")
    return caller.admit_one(snapshot.names_of(provider, model))
