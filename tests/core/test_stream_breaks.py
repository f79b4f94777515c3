"""Streams that break: before their first content nobody notices, after it `on_stream_break` says what happens."""

import json
import re
from typing import Any

import msgspec
import pytest

from core.played import Bench, PlayedAnswer, call, deployment, failed
from headgate import errors
from headgate.core import breaks
from headgate.core.breaks import OnBreak
from headgate.core.fallback import Fallbacks
from headgate.core.route import Routing

RESET = errors.APIConnectionError("reset")
DONE = b"data: [DONE]\n\n"
ROLE = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
PING = b": OPENROUTER PROCESSING\n\n"


def text(word: str) -> bytes:
    row = {"index": 0, "delta": {"content": word}}
    return b"data: " + msgspec.json.encode({"id": "c", "model": "m", "choices": [row]}) + b"\n\n"


FINISH = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
ERROR = b'data: {"error":{"message":"overloaded","type":"server_error","code":503}}\n\n'


def stream(*pieces: Any) -> PlayedAnswer:
    return PlayedAnswer(200, [("content-type", "text/event-stream")], list(pieces))


def whole(*words: str) -> PlayedAnswer:
    return stream(ROLE, *map(text, words), FINISH, DONE)


def pair(*script: Any, **more: Any) -> Bench:
    bench = Bench(*script)
    bench.group("group", deployment(api_base="http://a/v1"), deployment(api_base="http://b/v1"), **more)
    return bench


async def answered(bench: Bench, **options: Any) -> tuple[str, list[str]]:
    """All bytes of the answer, and who was asked."""
    asked = call(stream=True, **options)
    out: list[bytes] = []
    answer = await bench.run(asked)
    await answer.relay(out.append)
    tracks = [one.track for group in bench.groups.values() for one in group.deployments]
    assert [track.in_flight for track in tracks] == [0] * len(tracks)
    return b"".join(out).decode(), [host for host, _ in bench.transport.sent]


@pytest.mark.parametrize(
    "beginning",
    [
        [],
        [RESET],
        [ROLE, RESET],
        [PING, PING, RESET],
        [ROLE],
        [ERROR],
        [PING, ERROR],
        [ROLE, ERROR],
        [PING + ROLE + ERROR],
        [ROLE[:20], ROLE[20:], RESET],
    ],
    ids=str,
)
async def test_a_break_before_the_first_content_is_not_seen(beginning: list[Any]) -> None:
    found, hosts = await answered(pair(stream(*beginning), whole("Hi")))
    assert hosts == ["a", "b"]
    assert found.encode() == ROLE + text("Hi") + FINISH + DONE


async def test_a_break_before_the_first_content_goes_to_a_fallback() -> None:
    bench = Bench(stream(ROLE, RESET), whole("Hi"))
    bench.group("group", deployment(num_retries=0), fallbacks=Fallbacks(general=("other",)))
    bench.group("other", deployment(api_base="http://b/v1"))
    found, hosts = await answered(bench)
    assert (hosts[-1], "Hi" in found) == ("b", True)


@pytest.mark.parametrize("end", [[RESET], [], [ERROR]], ids=str)
async def test_a_later_break_is_told_in_the_stream(end: list[Any]) -> None:
    found, hosts = await answered(pair(stream(ROLE, text("Hel"), *end)))
    assert hosts == ["a"]
    assert found.startswith((ROLE + text("Hel")).decode())
    assert '"error"' in found
    assert "[DONE]" not in found


async def test_an_answer_that_stops_says_how_much_was_delivered() -> None:
    found, _ = await answered(pair(stream(ROLE, text("Hel"), text("lo"))))
    assert "before the answer was complete, after 3 events" in found


@pytest.mark.parametrize(
    ("on_break", "broken"),
    [
        (OnBreak("hold", events=4), [ROLE, text("Hel"), text("lo"), RESET]),
        (OnBreak("hold", events=4), [ROLE, text("Hel"), text("lo"), ERROR]),
        (OnBreak("hold", events=4), [ROLE, text("Hel")]),
        (OnBreak("hold", seconds=5.0), [ROLE, text("Hel"), text("lo"), text("!"), RESET]),
    ],
)
async def test_a_break_of_what_is_held_back_is_not_seen(on_break: OnBreak, broken: list[Any]) -> None:
    found, hosts = await answered(pair(stream(*broken), whole("Good", "bye")), on_break=on_break)
    assert hosts == ["a", "b"]
    assert found.encode() == ROLE + text("Good") + text("bye") + FINISH + DONE


async def test_beyond_what_is_held_back_a_break_is_told() -> None:
    bench = pair(stream(ROLE, text("a"), text("b"), text("c"), RESET))
    found, hosts = await answered(bench, on_break=OnBreak("hold", events=2))
    assert (hosts, '"error"' in found) == (["a"], True)


@pytest.mark.parametrize("end", [[RESET], [], [ERROR]], ids=str)
async def test_another_deployment_begins_anew_and_a_comment_says_so(end: list[Any]) -> None:
    bench = pair(stream(ROLE, text("Hel"), *end), whole("Good", "bye"))
    found, hosts = await answered(bench, on_break=OnBreak("restart"))
    assert hosts == ["a", "b"]
    first, comment, second = found.partition(": headgate: the stream broke and begins anew\n\n")
    assert (first.encode(), bool(comment)) == (ROLE + text("Hel"), True)
    assert second.encode() == ROLE + text("Good") + text("bye") + FINISH + DONE


async def test_when_nobody_is_left_to_begin_anew_the_break_is_told() -> None:
    bench = pair(stream(ROLE, text("Hel"), RESET), failed(500))
    found, hosts = await answered(bench, on_break=OnBreak("restart"), retries=1)
    assert hosts == ["a", "b"]
    assert found.endswith("\n\n")
    assert '"error"' in found
    assert "[DONE]" not in found


def said(stream: str) -> str:
    """All text in OpenAI's chunks."""
    chunks = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    return "".join(
        row["delta"].get("content") or "" for chunk in chunks for row in chunk.get("choices") or ()
    )


PREFILL = {"supports_assistant_prefill": True}


def going_on(*script: Any) -> Bench:
    bench = Bench(*script)
    rows = [deployment(api_base=f"http://{name}/v1", info=PREFILL if name != "b" else {}) for name in "abc"]
    bench.group("group", *rows, routing=Routing(strategy="simple-shuffle"))
    return bench


@pytest.mark.parametrize("end", [[RESET], [], [ERROR]], ids=str)
async def test_another_deployment_goes_on_from_what_was_said(end: list[Any]) -> None:
    bench = going_on(stream(ROLE, text("Hel"), *end), whole("lo", "!"))
    found, hosts = await answered(bench, on_break=OnBreak("continue"))
    assert hosts == ["a", "c"]  # b is not known to go on from what was said
    first, comment, second = found.partition(": headgate: the stream broke and goes on\n\n")
    assert (first.encode(), bool(comment)) == (ROLE + text("Hel"), True)
    assert said(second) == "lo!"
    assert '"role"' not in second
    assert second.endswith("data: [DONE]\n\n")
    last = bench.transport.sent[-1][1]["messages"][-1]
    assert last == {"role": "assistant", "content": "Hel", "prefix": True}


async def test_white_space_that_was_sent_is_not_said_twice() -> None:
    bench = going_on(stream(ROLE, text("Hello "), RESET), whole(" ", "world"))
    found, _ = await answered(bench, on_break=OnBreak("continue"))
    assert bench.transport.sent[-1][1]["messages"][-1]["content"] == "Hello"
    assert said(found) == "Hello world"


def sse(**event: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), msgspec.json.encode(event))


START = sse(
    type="message_start",
    message={
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "c",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 1},
    },
)
BLOCK = sse(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
ENDS = (
    sse(type="content_block_stop", index=0),
    sse(
        type="message_delta",
        delta={"stop_reason": "end_turn", "stop_sequence": None},
        usage={"output_tokens": 2},
    ),
    sse(type="message_stop"),
)


def piece(words: str) -> bytes:
    return sse(type="content_block_delta", index=0, delta={"type": "text_delta", "text": words})


@pytest.mark.parametrize("other", ["anthropic/claude-3-haiku-20240307", "openai/gpt-4o"])
async def test_anthropics_clients_see_one_message(other: str) -> None:
    bench = Bench(
        stream(START, BLOCK, piece("Hel"), RESET),
        stream(START, BLOCK, piece("lo"), *ENDS) if "claude" in other else whole("lo"),
    )
    rows = [
        deployment("anthropic/claude-3-haiku-20240307", api_base="http://a", info=PREFILL),
        deployment(other, api_base="http://b/v1", info=PREFILL),
    ]
    bench.group("group", *rows, routing=Routing(strategy="simple-shuffle"))
    asked = {"dialect_name": "anthropic", "body": {"max_tokens": 9}}
    found, hosts = await answered(bench, on_break=OnBreak("continue"), **asked)
    assert hosts == ["a", "b"]
    assert bench.transport.sent[-1][1]["messages"][-1]["role"] == "assistant"
    events = [json.loads(line[6:]) for line in found.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert (
        "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
        == "Hello"
    )


async def test_who_reads_slowly_is_waited_for_by_whoever_goes_on() -> None:
    broken, again, last = stream(ROLE, text("Hel"), RESET), stream(ROLE, text("Hel"), RESET), whole("Hello")
    bench = Bench(broken, again, last)
    bench.group("group", *(deployment(api_base=f"http://{host}/v1") for host in "abc"))
    answer = await bench.run(call(stream=True, on_break=OnBreak("restart")))
    came: list[tuple[bytes, bool]] = []

    def slow(data: bytes) -> None:
        answer.pause()
        came.append((data, last.paused))
        if len(came) > 6:
            answer.resume()

    await answer.relay(slow)
    assert b"Hello" in b"".join(data for data, _ in came)
    assert any(paused for _, paused in came)
    assert not last.paused


@pytest.mark.parametrize("way", ["restart", "continue"])
@pytest.mark.parametrize("end", [[RESET], [], [ERROR]], ids=str)
async def test_who_pulls_the_stream_gets_the_same(way: Any, end: list[Any]) -> None:
    rest = whole("lo") if way == "continue" else whole("Good", "bye")
    bench = going_on(stream(ROLE, text("Hel"), *end), rest)
    answer = await bench.run(call(stream=True, on_break=OnBreak(way)))
    found = b"".join([piece async for piece in answer]).decode()
    assert said(found) == ("Hello" if way == "continue" else "HelGoodbye")
    assert found.endswith("data: [DONE]\n\n")
    assert answer.call.error is None
    assert [one.track.in_flight for one in bench.groups["group"].deployments] == [0, 0, 0]


async def test_what_the_broken_piece_cost_is_kept() -> None:
    bench = going_on(stream(ROLE, text("Hel"), RESET), whole("lo"))
    asked = call(stream=True, on_break=OnBreak("restart"))
    answer = await bench.run(asked)
    await answer.relay([].append)
    (leg,) = asked.legs
    assert (leg.deployment, leg.output) == (bench.groups["group"].deployments[0].id, 2)
    assert leg.input > 0
    assert leg.cost == asked.lost > 0


async def test_a_call_begins_anew_twice_at_most() -> None:
    broken = [stream(ROLE, text("Hel"), RESET) for _ in range(4)]
    bench = Bench(*broken)
    bench.group("group", *(deployment(api_base=f"http://{name}/v1") for name in "abcd"))
    found, hosts = await answered(bench, on_break=OnBreak("restart"))
    assert hosts == ["a", "b", "c"]
    assert '"error"' in found


@pytest.mark.parametrize(
    "body",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"response_format": {"type": "json_object"}},
        {"n": 2},
        {"reasoning_effort": "low"},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    ],
    ids=str,
)
async def test_what_can_not_be_put_together_of_two_is_told(body: dict[str, Any]) -> None:
    bench = going_on(stream(ROLE, text("Hel"), RESET))
    found, hosts = await answered(bench, body=body, on_break=OnBreak("continue"))
    assert (hosts, '"error"' in found) == (["a"], True)


async def test_a_tool_call_is_not_gone_on_with() -> None:
    delta = {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": "{"}}]}
    row = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta}]}
    bench = going_on(stream(ROLE, b"data: " + msgspec.json.encode(row) + b"\n\n", RESET))
    found, hosts = await answered(bench, on_break=OnBreak("continue"))
    assert (hosts, '"error"' in found) == (["a"], True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("error", OnBreak()),
        ("restart", OnBreak("restart")),
        ("hold(20)", OnBreak("hold", events=20)),
        ("hold(500ms)", OnBreak("hold", seconds=0.5)),
    ],
)
def test_settings_are_read(text: str, expected: OnBreak) -> None:
    assert breaks.parse(text) == expected


@pytest.mark.parametrize("text", ["hold", "hold()", "hold(-1)", "hold(1s)", "Restart", "hold(99999999)"])
def test_settings_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        breaks.parse(text)
