"""Chats of models that take tools in the format of Responses only: who asked in another format notices nothing."""

import json
from typing import Any

import pytest

from core.played import Bench, PlayedAnswer, call, deployment, ok

FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALLED = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"city":"Oslo"}',
    "status": "completed",
}
USAGE = {
    "input_tokens": 9,
    "output_tokens": 4,
    "total_tokens": 13,
    "output_tokens_details": {"reasoning_tokens": 2},
}
REPLY: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-6-luna",
    "status": "completed",
    "output": [{"type": "reasoning", "id": "rs_1", "summary": []}, CALLED],
    "usage": USAGE,
}
EVENTS: list[dict[str, Any]] = [
    {"type": "response.created", "response": {**REPLY, "status": "in_progress", "output": []}},
    {
        "type": "response.output_item.added",
        "output_index": 0,
        "item": {**CALLED, "arguments": "", "status": "in_progress"},
    },
    {
        "type": "response.function_call_arguments.delta",
        "item_id": "fc_1",
        "output_index": 0,
        "delta": '{"city":"Oslo"}',
    },
    {"type": "response.output_item.done", "output_index": 0, "item": CALLED},
    {"type": "response.completed", "response": {**REPLY, "output": [CALLED]}},
]


def asked(stream: bool = False) -> Any:
    return call({"tools": [FUNCTION], "max_tokens": 50}, stream=stream)


async def test_a_whole_answer() -> None:
    bench = Bench(ok(json.dumps(REPLY).encode()))
    bench.group("group", deployment("openai/gpt-6-luna"))
    one = asked()
    answer = json.loads((await bench.run(one)).body)
    ((host, body),) = bench.transport.sent
    assert host == "api.openai.com"
    assert bench.transport.heads[0].startswith(b"POST /v1/responses ")
    assert (body["max_output_tokens"], body["store"], body["tools"][0]["name"]) == (50, False, "weather")
    assert "messages" not in body
    (choice,) = answer["choices"]
    assert (answer["object"], choice["finish_reason"]) == ("chat.completion", "tool_calls")
    assert choice["message"]["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
    ]
    assert answer["usage"]["total_tokens"] == 13
    assert one.usage is not None
    assert (one.usage.input, one.usage.output) == (9, 4)


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_stream(size: int) -> None:
    data = b"".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in EVENTS)
    pieces: list[Any] = [data[at : at + size] for at in range(0, len(data), size)]
    bench = Bench(PlayedAnswer(200, [("content-type", "text/event-stream")], pieces))
    bench.group("group", deployment("openai/gpt-6-luna"))
    out: list[bytes] = []
    await (await bench.run(asked(stream=True))).relay(out.append)
    lines = [line[6:] for line in b"".join(out).decode().split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    calls = [one for delta in deltas for one in delta.get("tool_calls") or ()]
    assert calls[0]["function"]["name"] == "weather"
    assert "".join(one["function"].get("arguments", "") for one in calls) == '{"city":"Oslo"}'
    ends = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    assert ends[-1] == "tool_calls"


async def test_an_error_is_in_the_callers_format() -> None:
    told = {
        "error": {"message": "too long", "code": "context_length_exceeded", "type": "invalid_request_error"}
    }
    bench = Bench(PlayedAnswer(400, [], [json.dumps(told).encode()]))
    bench.group("group", deployment("openai/gpt-6-luna"))
    with pytest.raises(Exception, match="too long") as caught:
        await bench.run(asked())
    assert type(caught.value).__name__ == "ContextWindowExceededError"
