"""Retries and fallbacks: which failures are tried again, where, after how long, and what is reported."""

import msgspec
import pytest

from core.played import Bench, call, chat_answer, deployment, failed, ok
from headgate import errors
from headgate.core.retry import MAX_DELAY, PATIENCE, Retries
from headgate.money import dollars

RESET = errors.APIConnectionError("reset")


def hosts(bench: Bench) -> list[str]:
    return [host for host, _ in bench.transport.sent]


async def test_an_answer_at_once() -> None:
    bench = Bench(ok())
    bench.group("group", deployment())
    asked = call()
    answer = await bench.run(asked)
    assert answer.body == chat_answer()
    assert (asked.attempts, asked.hops, bench.slept) == (1, 0, [])
    assert (asked.usage.input, asked.usage.output, asked.upstream_model) == (5, 2, "m")
    assert dollars(asked.cost or 0) == deployment().sheet.total(asked.usage)


@pytest.mark.parametrize(
    "fault",
    [RESET, errors.Timeout("slow"), *map(failed, (408, 409, 429, 500, 502, 501, 503, 520, 524, 529, 530))],
    ids=lambda fault: str(getattr(fault, "status", type(fault).__name__)),
)
async def test_failures_that_pass_are_tried_again_after_growing_waits(fault: object) -> None:
    bench = Bench(fault, fault, ok())
    bench.group("group", deployment())
    asked = call()
    await bench.run(asked)
    assert (asked.attempts, bench.slept) == (3, [0.25, 0.5])


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
async def test_failures_that_stay_are_not_tried_again(status: int) -> None:
    bench = Bench(failed(status))
    bench.group("group", deployment())
    with pytest.raises(errors.HeadgateError) as caught:
        await bench.run(call())
    assert caught.value.status_code == status
    assert len(bench.transport.sent) == 1


async def test_retries_are_as_many_as_asked_and_counted_on_the_error() -> None:
    bench = Bench(*[failed(500)] * 4)
    bench.group("group", deployment())
    with pytest.raises(errors.InternalServerError) as caught:
        await bench.run(call(retries=3))
    assert (caught.value.num_retries, len(bench.transport.sent)) == (3, 4)


async def test_the_deployments_own_number_of_retries_counts() -> None:
    bench = Bench(failed(500))
    bench.group("group", deployment(num_retries=0))
    with pytest.raises(errors.InternalServerError):
        await bench.run(call(retries=3))
    assert len(bench.transport.sent) == 1


async def test_a_retry_goes_to_another_deployment_first_and_without_a_wait() -> None:
    bench = Bench(failed(500), ok())
    bench.group("group", deployment(api_base="http://a/v1"), deployment(api_base="http://b/v1"))
    await bench.run(call())
    assert (hosts(bench), bench.slept) == (["a", "b"], [])


async def test_retry_after_is_obeyed_up_to_our_patience() -> None:
    bench = Bench(failed(429, retry_after="3"), ok())
    bench.group("group", deployment())
    await bench.run(call())
    assert bench.slept == [3.0]
    bench = Bench(failed(429, retry_after=str(PATIENCE + 1)))
    bench.group("group", deployment())
    with pytest.raises(errors.RateLimitError) as caught:
        await bench.run(call())
    assert caught.value.retry_after == PATIENCE + 1


@pytest.mark.parametrize("dice", [0.0, 0.5, 1.0])
def test_waits_grow_to_a_bound_with_jitter(dice: float) -> None:
    waits = [Retries().wait(RESET, tries, lambda: dice) or 0.0 for tries in range(1, 12)]
    assert waits == sorted(waits)
    assert MAX_DELAY / 2 <= waits[-1] <= MAX_DELAY


async def test_fallbacks_are_tried_in_order_and_the_last_error_is_told() -> None:
    bench = Bench(failed(500, "first"), failed(500, "second"), failed(401, "third"))
    for name in ("group", "b", "c"):
        bench.group(name, deployment(api_base=f"http://{name}/v1"))
    asked = call(retries=0, fallbacks=("b", "c"))
    with pytest.raises(errors.AuthenticationError, match="third"):
        await bench.run(asked)
    assert (hosts(bench), asked.hops, asked.attempts) == (["group", "b", "c"], 2, 3)


async def test_a_fallback_may_change_parameters() -> None:
    bench = Bench(failed(500), ok())
    bench.group("group", deployment())
    bench.group("b", deployment("openai/gpt-4o-mini"))
    await bench.run(call(retries=0, fallbacks=({"model": "b", "temperature": 0.5, "messages": []},)))
    _, body = bench.transport.sent[-1]
    assert (body["model"], body["temperature"], body["messages"]) == ("gpt-4o-mini", 0.5, [])


@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        ("maximum context length is 8192 tokens", "context_length_exceeded", "context_window"),
        ("violates our content policy", "content_policy_violation", "content_policy"),
    ],
)
async def test_the_class_of_error_chooses_its_fallbacks(message: str, code: str, field: str) -> None:
    error = failed(400)
    error.pieces = [msgspec.json.encode({"error": {"message": message, "code": code}})]
    bench = Bench(error, ok())
    bench.group("group", deployment())
    bench.group("special", deployment(api_base="http://special/v1"))
    await bench.run(call(fallbacks=("other",), **{field: ("special",)}))
    assert hosts(bench)[-1] == "special"


async def test_an_unknown_fallback_is_told_beside_the_error() -> None:
    bench = Bench(failed(500))
    bench.group("group", deployment())
    with pytest.raises(errors.InternalServerError, match="fallback 'missing' is no model"):
        await bench.run(call(retries=0, fallbacks=("missing",)))


async def test_our_key_never_stands_in_an_error() -> None:
    bench = Bench(failed(401, "Incorrect API key: sk-secret-upstream-1"))
    bench.group("group", deployment())
    with pytest.raises(errors.AuthenticationError) as caught:
        await bench.run(call())
    assert "***" in caught.value.message
    assert "sk-secret" not in f"{caught.value} {caught.value.args} {caught.value.body}"
    assert (caught.value.llm_provider, caught.value.model) == ("openai", "gpt-4o")


async def test_an_error_in_a_good_answer_is_an_error_and_is_tried_again() -> None:
    broken = msgspec.json.encode({"error": {"message": "overloaded", "code": 503}})
    bench = Bench(ok(broken), ok())
    bench.group("group", deployment())
    answer = await bench.run(call())
    assert answer.body == chat_answer()


async def test_an_empty_error_says_at_least_what_happened_and_the_answer_is_closed() -> None:
    answer = failed(503)
    answer.pieces = []
    bench = Bench(answer)
    bench.group("group", deployment())
    with pytest.raises(errors.ServiceUnavailableError) as caught:
        await bench.run(call(retries=0))
    assert "503" in caught.value.message
    assert answer.aborted


async def test_a_deployment_without_a_key_says_which_variable_it_looked_for() -> None:
    bench = Bench()
    bench.group("group", deployment(api_key=None))
    with pytest.raises(errors.AuthenticationError, match="OPENAI_API_KEY"):
        await bench.run(call())


async def test_whole_calls_and_streams_have_limits_of_their_own() -> None:
    stream = ok(b"data: [DONE]\n\n", "text/event-stream")
    bench = Bench(ok(), stream)
    bench.group("group", deployment(timeout=7, stream_timeout=3))
    await bench.run(call())
    await bench.run(call(stream=True))
    assert [limits.first_byte for limits in bench.transport.timeouts] == [7.0, 3.0]


async def test_a_whole_answer_to_a_stream_request_becomes_a_stream() -> None:
    bench = Bench(ok())
    bench.group("group", deployment())
    answer = await bench.run(call(stream=True))
    text = b"".join([piece async for piece in answer]).decode()
    assert '"content":"Hi"' in text
    assert text.endswith("data: [DONE]\n\n")


async def test_a_stream_that_just_ends_gets_an_error_event() -> None:
    chunk = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    bench = Bench(ok(chunk, "text/event-stream"))
    bench.group("group", deployment())
    asked = call(stream=True)
    text = b"".join([piece async for piece in await bench.run(asked)]).decode()
    assert "before the answer was complete" in text
    assert isinstance(asked.error, errors.APIConnectionError)
