"""What OpenAI's models thought between calls of tools goes back to them, through chat's messages."""

import json
from typing import Any

import pytest

import headgate
from servers import Upstream

ITEM = {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA"}
SUMMARY = [{"type": "summary_text", "text": "Hm."}]
CALLED = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"}
ANSWER = {
    "id": "resp_1",
    "model": "o9",
    "status": "completed",
    "output": [{**ITEM, "summary": SUMMARY}, CALLED],
    "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
}
EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "response.created", "response": {"id": "resp_1", "model": "o9"}},
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1"}},
    {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "Hm."},
    {"type": "response.output_item.done", "output_index": 0, "item": {**ITEM, "summary": SUMMARY}},
    {"type": "response.output_item.added", "output_index": 1, "item": CALLED},
    {"type": "response.output_item.done", "output_index": 1, "item": CALLED},
    {"type": "response.completed", "response": ANSWER},
)
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]


def _message(upstream: Upstream, stream: bool) -> Any:
    """Of the first answer."""
    body, kind = json.dumps(ANSWER).encode(), "application/json"
    if stream:
        body, kind = (
            b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in EVENTS),
            "text/event-stream",
        )
    upstream.reply(200, {"content-type": kind}, body)
    answer = _ask(upstream, [{"role": "user", "content": "2+2?"}], stream=stream)
    whole = headgate.stream_chunk_builder(list(answer)) if stream else answer
    return whole.choices[0].message


def _ask(upstream: Upstream, messages: list[Any], **more: Any) -> Any:
    reached = {"api_base": f"{upstream.base}/v1", "api_key": "sk-secret"}
    return headgate.completion("openai/responses/o9", messages, tools=TOOLS, **reached, **more)


@pytest.mark.parametrize("stream", [False, True])
def test_a_message_that_is_sent_back_brings_what_was_thought(upstream: Upstream, stream: bool) -> None:
    message = _message(upstream, stream)
    assert message.reasoning_content == "Hm."
    assert [item["encrypted_content"] for item in message.reasoning_items] == ["gAAA"]
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(ANSWER).encode())
    result = {"role": "tool", "tool_call_id": "c1", "content": "4"}
    _ask(upstream, [{"role": "user", "content": "2+2?"}, message, result])
    line, _, body = upstream.requests[-1]
    assert line.startswith("POST /v1/responses")
    asked = json.loads(body)
    assert (asked["model"], asked["store"]) == ("o9", False)
    user, thought, called, told = asked["input"]
    assert (user["role"], called["type"], told["output"]) == ("user", "function_call", "4")
    assert thought == {**ITEM, "summary": [] if stream else SUMMARY}
