"""The same recorded answers through the SDK: the objects say what the recording says."""

import asyncio
import json
import pickle
import re
from typing import Any

import pytest

import headgate
import recorded
from headgate.errors import HeadgateError, for_status
from servers import Upstream

recorded.needed()

CHOSEN = [
    record
    for record in recorded.records()
    if recorded.reason_left_out(record) is None
    and record["api"] in ("chat", "messages", "generateContent", "cohere_chat")
]
ASKED = [{"role": "user", "content": "hi"}]


async def hear(upstream: Upstream, record: dict[str, Any], stream: bool) -> recorded.Said:
    response = record["response"]
    kind = {"content-type": recorded.type_of(record)}
    upstream.reply(response["status"], kind, recorded.answer_bytes(record))
    provider = recorded.row_of(record)
    answer = await headgate.acompletion(
        f"{provider}/{recorded.model_of(record)}",
        ASKED,
        api_base=upstream.base,
        api_key="sk-upstream-secret",
        api_version="2024-10-21",
        num_retries=0,
        stream=stream,
        stream_options={"include_usage": True} if stream else None,
        drop_params=True,
    )
    heard = [chunk async for chunk in answer] if stream else [answer]
    for one in heard:
        look(one, stream)
    return recorded.said_by_chat([one.model_dump() for one in heard])


FINISHES = ("stop", "length", "tool_calls", "content_filter", "function_call")


def look(one: Any, stream: bool) -> None:
    """What programs written for LiteLLM rely on in every answer and every chunk."""
    assert one.id
    assert one.model
    assert type(one.created) is int
    assert one.object == ("chat.completion.chunk" if stream else "chat.completion")
    assert one.choices
    for choice in one.choices:
        assert choice.finish_reason in FINISHES or (stream and choice.finish_reason is None)
        message = choice.delta if stream else choice.message
        assert isinstance(message.content, str) or message.content is None
        for call in message.tool_calls or ():
            assert call.type == "function"
            assert call.id or stream
            assert type(call.index) is int or not stream
            assert isinstance(call.function.arguments, str)
            if not stream:
                json.loads(call.function.arguments)
    if one.usage is not None:
        counts = (one.usage.prompt_tokens, one.usage.completion_tokens, one.usage.total_tokens)
        assert all(type(count) is int for count in counts)
        details = one.usage.prompt_tokens_details
        assert one.usage.cache_read_input_tokens == ((details and details.cached_tokens) or 0)
    assert one == pickle.loads(pickle.dumps(one))


def said(record: dict[str, Any], stream: bool) -> recorded.Said:
    raw = recorded.answer_bytes(record)
    if recorded.is_ollama(record):
        return recorded.said_by_ollama(recorded.lines(raw))
    documents = recorded.events(raw) if "sse" in record["response"] else json.loads(raw)
    documents = documents if isinstance(documents, list) else [documents]
    if record["api"] == "messages":
        return recorded.said_by_anthropic(documents, stream)
    if record["api"] == "generateContent":
        return recorded.said_by_gemini(documents)
    if record["api"] == "cohere_chat":
        return recorded.said_by_cohere(documents, stream)
    heard = recorded.said_by_chat(documents)
    for document in documents:
        add_told_elsewhere(heard, document, stream)
    heard.finish = "tool_calls" if heard.calls and heard.finish in ("stop", "", None) else heard.finish
    heard.finish = "stop" if heard.finish in ("eos", "eos_token") else heard.finish
    if not (stream or heard.finish):
        heard.finish = "stop"
    return heard


THOUGHT = re.compile("<think>(.*?)</think>", re.DOTALL)


def add_told_elsewhere(heard: recorded.Said, document: dict[str, Any], stream: bool) -> None:
    """Where some servers have what the SDK's objects show under LiteLLM's names."""
    usage = (document.get("x_groq") or {}).get("usage")
    if usage and heard.tokens is None:
        heard.tokens = (usage["prompt_tokens"], usage["completion_tokens"])
    message = (document.get("choices") or [{}])[0].get("message") or {}
    if not stream and not heard.reasoning:
        details = message.get("reasoning_details") or ()
        heard.reasoning = "".join(one.get("text") or one.get("summary") or "" for one in details)
    if not stream and not heard.reasoning and (thought := THOUGHT.match(heard.text)):
        heard.reasoning, heard.text = thought[1], heard.text[thought.end() :]


def is_stream(record: dict[str, Any]) -> bool:
    streamed = "sse" in record["response"] or "ndjson" in record["response"]
    return streamed or isinstance(record["response"].get("body"), list)


def fails(record: dict[str, Any]) -> bool:
    raw = recorded.answer_bytes(record)
    return record["response"]["status"] >= 400 or (b'"error"' in raw and b'"error":null' not in raw)


@pytest.mark.parametrize("record", [r for r in CHOSEN if not fails(r)], ids=lambda r: r["id"])
def test_answers_say_what_was_recorded(upstream: Upstream, record: dict[str, Any]) -> None:
    stream = is_stream(record)
    assert asyncio.run(hear(upstream, record, stream)) == said(record, stream)


@pytest.mark.parametrize(
    "record", [r for r in CHOSEN if r["response"]["status"] >= 400], ids=lambda r: r["id"]
)
def test_errors_are_of_the_recorded_class(upstream: Upstream, record: dict[str, Any]) -> None:
    with pytest.raises(HeadgateError) as caught:
        asyncio.run(hear(upstream, record, False))
    text = json.dumps(record["response"]["body"])
    expected = 401 if "API key not valid" in text else record["response"]["status"]
    expected = 400 if recorded.is_filtered(record) else expected
    assert isinstance(caught.value, for_status(expected)) or expected == 421
    assert "sk-upstream-secret" not in str(caught.value)
