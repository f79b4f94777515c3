"""Rates and calls in flight on a real Valkey: what several replicas take together stays within the limit."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headgate.errors import BadRequestError, ServiceUnavailableError
from headgate.store.rates import Rates, RedisSettings, key_of, settings_of

Address = tuple[str, int]


@pytest.fixture
async def rates(valkey: Address) -> AsyncIterator[Rates]:
    host, port = valkey
    made = Rates(RedisSettings(host=host, port=port))
    yield made
    await made.close()


@pytest.fixture
def key() -> str:
    return f"test:{secrets.token_hex(8)}"


async def test_a_window_gives_what_there_is_and_no_less_than_is_of_use(rates: Rates, key: str) -> None:
    assert await rates.take(key, 10, 4, 1) == (4, 4)
    assert await rates.take(key, 10, 4, 1) == (4, 8)
    assert await rates.take(key, 10, 4, 3) == (0, 8)
    assert await rates.take(key, 10, 4, 1) == (2, 10)
    assert await rates.take(key, 10, 1, 1) == (0, 10)


async def test_what_is_given_back_may_be_taken_again(rates: Rates, key: str) -> None:
    await rates.take(key, 10, 10, 1)
    await rates.give(key, 6)
    assert await rates.take(key, 10, 10, 1) == (6, 10)


async def test_an_amount_over_the_limit_is_let_in_when_the_window_is_empty(rates: Rates, key: str) -> None:
    assert await rates.take(key, 10, 50, 50) == (50, 50)
    assert await rates.take(key, 10, 50, 50) == (0, 50)
    assert await rates.take(key + "0", 0, 1, 1) == (0, 0)


async def test_replicas_together_take_no_more_than_the_limit(rates: Rates, key: str) -> None:
    found = await asyncio.gather(*(rates.take(key, 100, 3, 1) for _ in range(60)))
    assert sum(granted for granted, _ in found) == 100


async def test_calls_in_flight_are_shared_by_owners(rates: Rates, key: str) -> None:
    assert await rates.hold(key, "a", 10, 6, 1) == 6
    assert await rates.hold(key, "b", 10, 6, 1) == 4
    assert await rates.hold(key, "c", 10, 1, 1) == 0
    assert await rates.hold(key, "a", 10, 2, 2) == 2
    assert await rates.hold(key, "c", 10, 6, 1) == 4


async def test_a_server_that_is_not_there_is_told_at_once() -> None:
    rates = Rates(RedisSettings(host="127.0.0.1", port=1, password="hunter2"))
    with pytest.raises(ServiceUnavailableError, match="Redis can't be used now") as caught:
        await rates.ping()
    assert "hunter2" not in str(caught.value)
    await rates.close()


async def test_a_url_leads_to_the_same_server(valkey: Address, rates: Rates, key: str) -> None:
    host, port = valkey
    other = Rates(RedisSettings(url=f"redis://{host}:{port}/0"))
    await rates.take(key, 10, 4, 1)
    assert await other.take(key, 10, 4, 1) == (4, 8)
    await other.close()


@pytest.mark.parametrize(
    ("given", "env", "expected"),
    [
        ({}, {}, None),
        ({"redis_host": "h"}, {"REDIS_HOST": "other"}, {"host": "h"}),
        ({}, {"REDIS_HOST": "h", "REDIS_PORT": "7"}, {"host": "h", "port": 7}),
        ({}, {"REDIS_URL": "redis://h"}, {"url": "redis://h"}),
        ({}, {"REDIS_HOST": "h", "REDIS_SSL": "True"}, {"host": "h", "ssl": True}),
        ({}, {"REDIS_CLUSTER_NODES": '[{"host": "h", "port": "1"}]'}, {"cluster": (("h", 1),)}),
        ({}, {"REDIS_SENTINEL_NODES": '[["h", 1]]'}, {"sentinels": (("h", 1),)}),
    ],
)
def test_settings_are_read_from_the_configuration_else_the_environment(
    given: dict[str, Any], env: dict[str, str], expected: dict[str, Any] | None
) -> None:
    found = settings_of(given, env)
    assert found == (None if expected is None else RedisSettings(**expected))


@pytest.mark.parametrize("text", ["{", "[1]", '[["h"]]', '[["h", "x"]]'])
def test_nodes_that_can_not_be_read_are_refused(text: str) -> None:
    with pytest.raises(BadRequestError, match="REDIS_SENTINEL_NODES can't be read"):
        settings_of({}, {"REDIS_SENTINEL_NODES": text})


def test_every_meter_has_a_name_of_its_own() -> None:
    names = {
        key_of(what, scope, model)
        for what in ("requests", "tokens")
        for scope in (("key", "a"), ("team", "a"))
        for model in ("", "m")
    }
    assert len(names) == 8
