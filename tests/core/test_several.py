"""Calls that are several requests: together but bounded, in their order, all or nothing."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Raw

from core.played import Bench, PlayedAnswer, StillClock, deployment, failed, ok
from headgate import errors
from headgate.core.call import Call, Options
from headgate.core.dialects import dialect
from headgate.core.engine import Engine
from headgate.core.several import AT_ONCE
from headgate.money import dollars
from headgate.ports import Origin, Timeouts

TITAN = "bedrock/amazon.titan-embed-text-v2:0"
NOVA = "bedrock/amazon.nova-2-multimodal-embeddings-v1:0"
KEY = {"aws_region_name": "us-east-1", "api_key": "k"}


def call(texts: Any, **more: Any) -> Call:
    body = {"model": "group", "input": texts, **more}
    return Call(
        id="id-1",
        operation="embeddings",
        dialect=dialect("openai_embeddings"),
        envelope={key: Raw(json.dumps(value).encode()) for key, value in body.items()},
        model="group",
        stream=False,
        started=0.5,
        created=1,
        options=Options(retries=0),
    )


class Held:
    """A transport that answers nobody before `AT_ONCE` are waiting or all have come, and the last first."""

    def __init__(self, whole: int, answer: Any) -> None:
        self.left = whole
        self.answer = answer
        self.waiting: list[tuple[dict[str, Any], asyncio.Future[PlayedAnswer]]] = []
        self.most = 0
        self.cancelled = 0

    async def send(self, origin: Origin, head: bytes, body: bytes, timeouts: Timeouts) -> PlayedAnswer:
        future: asyncio.Future[PlayedAnswer] = asyncio.get_running_loop().create_future()
        self.waiting.append((json.loads(body), future))
        self.left -= 1
        self.most = max(self.most, len(self.waiting))
        if self.left == 0 or len(self.waiting) == AT_ONCE:
            asyncio.get_running_loop().call_soon(self.release)
        try:
            return await future
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def release(self) -> None:
        held, self.waiting = self.waiting, []
        for body, future in reversed(held):
            found = self.answer(body)
            if isinstance(found, Exception):
                future.set_exception(found)
            else:
                future.set_result(found)

    async def close(self) -> None: ...


def held(whole: int, answer: Any, model: str = TITAN, **more: Any) -> tuple[Bench, Held]:
    bench = Bench()
    transport = Held(whole, answer)
    bench.engine = Engine({"https": transport}, StillClock(), dice=lambda: 0.0)
    bench.group("group", deployment(model, **KEY, **more))
    return bench, transport


def titan(body: dict[str, Any]) -> PlayedAnswer:
    number = int(body["inputText"])
    return ok(json.dumps({"embedding": [float(number)], "inputTextTokenCount": number}).encode())


@pytest.mark.parametrize("whole", [2, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE])
async def test_each_text_is_a_call_and_the_answers_stand_in_its_order(whole: int) -> None:
    bench, transport = held(whole, titan, info={"input_cost_per_token": 1e-6})
    asked = call([str(number) for number in range(whole)])
    answer = json.loads((await bench.run(asked)).body)
    assert [row["embedding"] for row in answer["data"]] == [[float(number)] for number in range(whole)]
    assert [row["index"] for row in answer["data"]] == list(range(whole))
    assert answer["usage"] == {"prompt_tokens": sum(range(whole)), "total_tokens": sum(range(whole))}
    assert dollars(asked.cost or 0) == Decimal("0.000001") * sum(range(whole))
    assert transport.most == min(whole, AT_ONCE)


async def test_settings_go_into_every_body() -> None:
    sent: list[dict[str, Any]] = []

    def answer(body: dict[str, Any]) -> PlayedAnswer:
        sent.append(body)
        return titan(body)

    bench, _ = held(2, answer, extra_body={"normalize": False})
    await bench.run(call(["1", "2"], dimensions=256))
    assert sorted(sent, key=lambda body: body["inputText"]) == [
        {"inputText": "1", "dimensions": 256, "normalize": False},
        {"inputText": "2", "dimensions": 256, "normalize": False},
    ]


async def test_tokens_that_a_header_counts_are_added_up() -> None:
    def answer(body: dict[str, Any]) -> PlayedAnswer:
        text = body["singleEmbeddingParams"]["text"]["value"]
        headers = [("content-type", "application/json"), ("x-amzn-bedrock-input-token-count", text)]
        vectors = [{"embeddingType": "TEXT", "embedding": [float(text)]}]
        return PlayedAnswer(200, headers, [json.dumps({"embeddings": vectors}).encode()])

    bench, _ = held(2, answer, NOVA)
    asked = call(["3", "4"])
    answered = json.loads((await bench.run(asked)).body)
    assert [row["embedding"] for row in answered["data"]] == [[3.0], [4.0]]
    assert asked.usage is not None
    assert asked.usage.input == 7


async def test_one_that_fails_fails_all_and_the_rest_is_let_go() -> None:
    def answer(body: dict[str, Any]) -> Any:
        return failed(429, "slow down") if body["inputText"] == "7" else titan(body)

    bench, transport = held(1000, answer, info={"input_cost_per_token": 1e-6})
    asked = call([str(number) for number in range(AT_ONCE + 5)])
    with pytest.raises(errors.RateLimitError, match="slow down"):
        await bench.run(asked)
    assert all(future.done() for _, future in transport.waiting)
    assert asked.usage is not None
    assert asked.usage.input == sum(range(7))  # what was answered is paid for
    assert dollars(asked.cost or 0) == Decimal("0.000021")


async def test_what_was_answered_before_a_second_try_is_paid_for_too() -> None:
    asked_for = 0

    def answer(body: dict[str, Any]) -> Any:
        nonlocal asked_for
        asked_for += 1
        return failed(500) if asked_for == 2 else titan(body)

    bench, transport = held(2, answer, info={"input_cost_per_token": 1e-6})
    asked = call(["4", "3"])
    asked.options = Options(retries=1)
    transport.left = 2
    running = asyncio.ensure_future(bench.run(asked))
    while asked.attempts < 2:
        await asyncio.sleep(0)
    transport.left = 2 - len(transport.waiting)
    await running
    (leg,) = asked.legs
    assert (leg.input, dollars(leg.cost or 0)) == (3, Decimal("0.000003"))  # the last was answered first
    assert asked.usage is not None
    assert (asked.usage.input, dollars(asked.cost or 0)) == (7, Decimal("0.000007"))


class Refusing:
    """A permit that lets nobody try again."""

    def __init__(self, asked: Call) -> None:
        self.asked = asked
        self.lost: list[int] = []

    async def fallback(self, model: str) -> None: ...

    async def retry(self) -> None:
        self.lost.append(self.asked.lost)
        raise errors.BudgetExceededError("nothing is left")


async def test_another_try_must_be_permitted_where_one_is_paid_for() -> None:
    def answer(body: dict[str, Any]) -> Any:
        return failed(500) if body["inputText"] == "4" else titan(body)

    bench, transport = held(2, answer, info={"input_cost_per_token": 1e-6})
    asked = call(["4", "3"])
    asked.options = Options(retries=1)
    asked.permit = permit = Refusing(asked)
    with pytest.raises(errors.BudgetExceededError):
        await bench.run(asked)
    assert ([dollars(cost) for cost in permit.lost], transport.left) == ([Decimal("0.000003")], 0)
    assert (asked.attempts, asked.lost) == (1, permit.lost[0])


async def test_a_try_that_cost_nothing_needs_no_permit() -> None:
    bench = Bench(failed(500), ok(b'{"embedding":[0.5],"inputTextTokenCount":3}'))
    bench.group("group", deployment(TITAN, **KEY))
    asked = call("one")
    asked.options = Options(retries=1)
    asked.permit = permit = Refusing(asked)
    await bench.run(asked)
    assert (asked.attempts, permit.lost) == (2, [])


async def test_a_call_that_nobody_waits_for_lets_all_go() -> None:
    bench, transport = held(1000, titan)
    task = asyncio.ensure_future(bench.run(call(["1", "2", "3"])))
    while len(transport.waiting) < 3:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert transport.cancelled == 3


async def test_one_text_is_one_call() -> None:
    bench = Bench(ok(b'{"embedding":[0.5],"inputTextTokenCount":3}'))
    bench.group("group", deployment(TITAN, **KEY))
    answer = json.loads((await bench.run(call("one"))).body)
    assert [row["embedding"] for row in answer["data"]] == [[0.5]]
    assert [body for _, body in bench.transport.sent] == [{"inputText": "one"}]


async def test_a_model_of_vertex_that_takes_one_text() -> None:
    def answer(body: dict[str, Any]) -> PlayedAnswer:
        (instance,) = body["instances"]
        number = int(instance["content"])
        embeddings = {"values": [float(number)], "statistics": {"token_count": number}}
        metadata = {"billableCharacterCount": 2}
        return ok(json.dumps({"predictions": [{"embeddings": embeddings}], "metadata": metadata}).encode())

    bench, _ = held(3, answer, "vertex_ai/gemini-embedding-001", vertex_project="p")
    asked = call(["1", "2", "3"], dimensions=4)
    answered = json.loads((await bench.run(asked)).body)
    assert [row["embedding"] for row in answered["data"]] == [[1.0], [2.0], [3.0]]
    assert asked.usage is not None
    assert (asked.usage.input, asked.usage.characters) == (6, 6)


async def test_models_that_take_several_texts_are_asked_once() -> None:
    bench = Bench(ok(b'{"embeddings":[[1.0],[2.0]],"response_type":"embeddings_floats"}'))
    bench.group("group", deployment("bedrock/cohere.embed-v4:0", **KEY))
    answer = json.loads((await bench.run(call(["a", "b"]))).body)
    assert [row["embedding"] for row in answer["data"]] == [[1.0], [2.0]]
    assert len(bench.transport.sent) == 1


async def test_inputs_to_judge_are_several_calls_too() -> None:
    def answer(body: dict[str, Any]) -> PlayedAnswer:
        flagged = body["content"][0]["text"]["text"] == "bad"
        return ok(json.dumps({"action": "GUARDRAIL_INTERVENED" if flagged else "NONE"}).encode())

    bench, _ = held(2, answer, "bedrock/guardrail/abc/1")
    asked = call(["good", "bad"])
    asked.operation, asked.dialect = "moderations", dialect("moderations")
    results = json.loads((await bench.run(asked)).body)["results"]
    assert [one["flagged"] for one in results] == [False, True]
