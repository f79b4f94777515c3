"""Addresses that a provider tells itself, as SAP AI Core does: asked for once, kept for a while."""

import asyncio
import json
from typing import Any

import pytest

from core.played import Bench, PlayedAnswer, call, chat_answer, deployment, failed
from headgate import errors
from headgate.core import places
from headgate.core.deployment import Deployment
from headgate.core.engine import Engine
from headgate.ports import Origin, Timeouts

API = "https://api.ai.test"
WHOLE = json.dumps({"request_id": "r", "final_result": json.loads(chat_answer())}).encode()
LIST = "/v2/lm/deployments?scenarioId=orchestration&status=RUNNING"


def listed(*ids: str) -> bytes:
    rows = [{"id": name, "deploymentUrl": f"https://other.test/{name}", "status": "RUNNING"} for name in ids]
    return json.dumps({"count": len(rows), "resources": rows}).encode()


class Core:
    """SAP's API: the list, and calls. `targets` are the paths that were asked for."""

    def __init__(self, found: Any) -> None:
        self.found = found
        self.targets: list[str] = []
        self.heads: list[str] = []

    async def send(self, origin: Origin, head: bytes, body: bytes, timeouts: Timeouts) -> PlayedAnswer:
        method, target, _ = head.decode().split("\r\n")[0].split(" ")
        self.targets.append(target)
        self.heads.append(head.decode())
        await asyncio.sleep(0)
        if method == "POST":
            return PlayedAnswer(200, [("content-type", "application/json")], [WHOLE])
        if isinstance(self.found, PlayedAnswer | Exception):
            if isinstance(self.found, Exception):
                raise self.found
            return self.found
        return PlayedAnswer(200, [("content-type", "application/json")], [self.found])

    async def close(self) -> None: ...


class Clock:
    def __init__(self) -> None:
        self.now = 1.0

    def time(self) -> float:
        return 1_000_000.0 + self.now

    def monotonic(self) -> float:
        return self.now


def orchestration(**more: Any) -> Deployment:
    given = {"api_key": None, "access_token": "t", **more}
    key = {"serviceurls": {"AI_API_URL": API}}
    return deployment("sap/gpt-4o", service_key=json.dumps(key), **given)


def bench(found: Any, *given: Deployment) -> tuple[Bench, Core, Clock]:
    made, core, clock = Bench(), Core(found), Clock()
    made.engine = Engine({"https": core}, clock, dice=lambda: 0.0)
    made.group("group", *(given or (orchestration(),)))
    return made, core, clock


async def test_the_first_that_runs_is_asked() -> None:
    made, core, _ = bench(listed("d1", "d2"))
    await made.run(call())
    assert core.targets == [LIST, "/v2/inference/deployments/d1/v2/completion"]
    assert all("authorization: Bearer t\r\n" in head for head in core.heads)
    assert all("ai-resource-group: default\r\n" in head for head in core.heads)


async def test_it_is_asked_for_once_by_all_who_wait_and_anew_after_a_while() -> None:
    made, core, clock = bench(listed("d1"))
    await asyncio.gather(*(made.run(call()) for _ in range(5)))
    await made.run(call())
    assert core.targets.count(LIST) == 1
    clock.now += places.KEPT + 1
    core.found = listed("d2")
    await made.run(call())
    assert core.targets[-2:] == [LIST, "/v2/inference/deployments/d2/v2/completion"]


async def test_an_old_address_is_used_on_where_no_new_one_is_told() -> None:
    made, core, clock = bench(listed("d1"))
    await made.run(call())
    clock.now += places.KEPT + 1
    core.found = failed(503)
    await made.run(call())
    await made.run(call())
    assert core.targets.count(LIST) == 2
    assert core.targets[-1] == "/v2/inference/deployments/d1/v2/completion"


async def test_who_gives_up_does_not_take_it_from_the_others() -> None:
    made, core, _ = bench(listed("d1"))
    first, second = (asyncio.ensure_future(made.run(call())) for _ in range(2))
    while not core.targets:
        await asyncio.sleep(0)
    first.cancel()
    await second
    assert core.targets.count(LIST) == 1
    with pytest.raises(asyncio.CancelledError):
        await first


@pytest.mark.parametrize(
    ("found", "kind", "message"),
    [
        (listed(), errors.ServiceUnavailableError, "resource group: make one, or set sap_deployment_id"),
        (b"[]", errors.APIResponseValidationError, "/v2/lm/deployments"),
        (b'{"resources":[{"id":3}]}', errors.APIResponseValidationError, "can't be read"),
        (b"no json", errors.APIResponseValidationError, "can't be read"),
        (failed(404, "nothing here"), errors.NotFoundError, "nothing here"),
        (errors.APIConnectionError("no route"), errors.APIConnectionError, "no route"),
    ],
)
async def test_what_went_wrong_is_said_and_the_next_call_asks_again(
    found: Any, kind: type[Exception], message: str
) -> None:
    made, core, _ = bench(found)
    with pytest.raises(kind, match=message):
        await made.run(call(retries=0))
    core.found = listed("d1")
    await made.run(call())
    assert core.targets[-1] == "/v2/inference/deployments/d1/v2/completion"


async def test_a_named_deployment_is_not_looked_up() -> None:
    made, core, _ = bench(listed("d1"), orchestration(sap_deployment_id="d9"))
    await made.run(call())
    assert core.targets == ["/v2/inference/deployments/d9/v2/completion"]


async def test_an_id_leads_to_no_other_place() -> None:
    made, core, _ = bench(listed("../../admin?x"))
    await made.run(call())
    assert core.targets[-1] == "/v2/inference/deployments/..%2F..%2Fadmin%3Fx/v2/completion"
