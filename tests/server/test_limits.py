"""What a call must pass beyond its own limits: where it goes on, and what its answer's headers say of them."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.played import StillClock, call
from gateways import CONFIG, KEY
from headgate.core.call import Leg
from headgate.errors import BudgetExceededError
from headgate.server.booking import Booking
from headgate.server.gateway import Gateway
from headgate.server.limits import Permit
from headgate.server.meters import Budget, Meters, settle_all, take_all
from servers import RunningGateway, Upstream, running


@pytest.mark.parametrize(("lost", "spare", "held"), [(30, 0, 90), (30, 20, 70), (30, 30, 60), (0, 0, 60)])
async def test_what_failed_attempts_have_cost_is_held_besides(lost: int, spare: int, held: int) -> None:
    permit, booking, budget = _permit(60, lost, spare)
    await permit.retry()
    await permit.retry()  # once is enough
    assert budget.held == held
    settle_all(booking.holds, (), 0, 50, 0.0)
    assert (budget.held, budget.spent) == (0, 50)


async def test_nobody_tries_again_without_money_for_it() -> None:
    permit, booking, budget = _permit(80, 30, 0)
    for _ in range(2):
        with pytest.raises(BudgetExceededError, match=r"has \$0\.00000000002 left"):
            await permit.retry()
    assert (budget.held, len(booking.holds)) == (80, 1)


def _permit(held: int, lost: int, spare: int) -> tuple[Permit, Booking, Budget]:
    """Of a call that holds so much of a budget of 100, `spare` of it for another answer, and has lost some."""
    budget = Budget(("key", "k"), lambda scope, since: None)
    budget.limit = 100
    booking, asked = Booking("127.0.0.1"), call()
    taken = take_all([(Meters(budgets=(budget,)), 0, held)], 0.0)
    assert isinstance(taken, list)
    booking.holds, booking.spare = taken, spare
    asked.legs.append(Leg("d", "first", "Timeout", 1.0, cost=lost))
    settings = SimpleNamespace(
        config=SimpleNamespace(litellm=SimpleNamespace(budget_exceeded_status_code=422))
    )
    gateway = SimpleNamespace(clock=StillClock(), snapshot=settings, shares=None, pace=None)
    return Permit(cast("Gateway", gateway), cast("Any", None), asked, booking), booking, budget


# headers


@pytest.fixture
def gateway(upstream: Upstream, tmp_path: Any) -> Iterator[RunningGateway]:
    params = {"model": "openai/gpt-4o", "api_base": upstream.base, "api_key": "k"}
    with running(
        {**CONFIG, "model_list": [{"model_name": "m", "litellm_params": params}]}, tmp_path
    ) as served:
        body = b'{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"}}]}'
        told = {"content-type": "application/json", "x-ratelimit-remaining-requests": "77"}
        upstream.reply(200, told, body)
        yield served


ADMIN = {"authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({}, "77"),  # the provider's own
        ({"max_budget": 1}, "77"),
        ({"tpm_limit": 9000}, None),
        ({"rpm_limit": 9}, "8"),
        ({"rpm_limit": 9, "model_rpm_limit": {"m": 5}}, "4"),
        ({"rpm_limit": 9, "model_rpm_limit": {"m": 50}}, "8"),
        ({"model_rpm_limit": {"other": 5}}, "77"),
    ],
)
def test_headers_tell_the_tightest_rate_or_else_the_provider_s(
    gateway: RunningGateway, limits: dict[str, Any], left: str | None
) -> None:
    made = json.loads(gateway.request("/key/generate", limits, ADMIN)[2])
    own, body = {"authorization": f"Bearer {made['key']}"}, {"model": "m", "messages": []}
    _, headers, _ = gateway.request("/v1/chat/completions", body, own)
    assert headers.get("x-ratelimit-remaining-requests") == left


def test_headers_tell_the_rates_of_customers(gateway: RunningGateway) -> None:
    gateway.request("/customer/new", {"user_id": "c", "rpm_limit": 3}, ADMIN)
    made = json.loads(gateway.request("/key/generate", {"rpm_limit": 9}, ADMIN)[2])
    own = {"authorization": f"Bearer {made['key']}"}
    for user, left in (("c", "2"), ("d", "7")):
        body = {"model": "m", "messages": [], "user": user}
        _, headers, _ = gateway.request("/v1/chat/completions", body, own)
        assert headers["x-ratelimit-remaining-requests"] == left
