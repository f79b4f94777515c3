"""The same recorded answers through the SDK: the objects say what the recording says."""

import asyncio
import json
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
    if not stream:
        return recorded.said_by_chat([answer.model_dump()])
    return recorded.said_by_chat([chunk.model_dump() async for chunk in answer])


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
    heard.finish = "tool_calls" if heard.calls and heard.finish in ("stop", "", None) else heard.finish
    heard.finish = "stop" if heard.finish in ("eos", "eos_token") else heard.finish
    if not (stream or heard.finish):
        heard.finish = "stop"
    return heard


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
