"""SAP's orchestration service, from the shapes of its documentation. No recorded traffic: none is public."""

import json
from typing import Any

import pytest
import strategies
from hypothesis import given

from headgate import errors
from headgate.core.dialects import dialect
from headgate.wire import ir
from headgate.wire.dialect import Target
from headgate.wire.embeddings import DIALECT as EMBEDDINGS
from headgate.wire.fold import fold
from headgate.wire.openai_chat import DIALECT as OPENAI

CHAT = dialect("sap_orchestration")
VECTORS = dialect("sap_embeddings")
ASKED = [{"role": "user", "content": "hi"}]
COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}


def written(**body: Any) -> ir.Written:
    request = OPENAI.read_request({"model": "gpt-4o", "messages": ASKED, **body})
    return CHAT.write_request(request, Target(model="gpt-4o"))


def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    inner = {"id": "c", "object": "chat.completion.chunk", "model": "gpt-4o", "choices": [choice], **more}
    return {"request_id": "r", "final_result": inner}


def sse(*documents: Any) -> bytes:
    rows = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in documents]
    return b"".join([*rows, b"data: [DONE]\n\n"])


STREAM = sse(
    {"request_id": "r", "intermediate_results": {"templating": ASKED}},
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hé"}),
    chunk({"content": "llo"}),
    chunk({}, "stop", usage=COMPLETION["usage"]),
)


def streamed(chunks: list[bytes]) -> list[ir.Event]:
    reader = CHAT.stream_reader()
    events = [event for one in chunks for event in reader.feed(one)]
    return [*events, *reader.close()]


def test_a_documented_request() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    made = written(max_tokens=5, temperature=0.5, tools=[tool], filtering={"input": {"filters": []}})
    assert made.dropped == []
    assert made.body == {
        "config": {
            "modules": {
                "prompt_templating": {
                    "prompt": {"template": ASKED, "tools": [tool]},
                    "model": {
                        "name": "gpt-4o",
                        "version": "latest",
                        "params": {"max_tokens": 5, "temperature": 0.5},
                    },
                },
                "filtering": {"input": {"filters": []}},
            }
        }
    }


def test_a_documented_request_for_a_stream() -> None:
    config = written(stream=True, model_version="2024-08-06").body["config"]
    assert config["stream"] == {"enabled": True}
    model = config["modules"]["prompt_templating"]["model"]
    assert model["version"] == "2024-08-06"
    assert model["params"] == {"stream_options": {"include_usage": True}}


def test_nobodys_words_are_taken_for_a_template() -> None:
    parts = [{"type": "text", "text": "b {{?y}}"}, {"type": "text", "text": "c {{z}}"}]
    body = written(
        messages=[{"role": "system", "content": "a {{?x}}"}, {"role": "user", "content": parts}]
    ).body
    template = body["config"]["modules"]["prompt_templating"]["prompt"]["template"]
    assert template[0]["content"] == "{{?text_1}}"
    assert [part["text"] for part in template[1]["content"]] == ["{{?text_2}}", "c {{z}}"]
    assert body["placeholder_values"] == {"text_1": "a {{?x}}", "text_2": "b {{?y}}"}


def test_who_gives_values_writes_a_template() -> None:
    body = written(messages=[{"role": "user", "content": "{{?x}}"}], placeholder_values={"x": "1"}).body
    template = body["config"]["modules"]["prompt_templating"]["prompt"]["template"]
    assert template == [{"role": "user", "content": "{{?x}}"}]
    assert body["placeholder_values"] == {"x": "1"}


@pytest.mark.parametrize("key", ["final_result", "orchestration_result"])
def test_a_documented_answer(key: str) -> None:
    body = json.dumps({"request_id": "r", "intermediate_results": {}, key: COMPLETION}).encode()
    assert CHAT.read_reply(body) == OPENAI.read_reply(json.dumps(COMPLETION).encode())
    glance = CHAT.glance(body)
    assert glance.usage is not None
    assert (glance.usage.input, glance.model) == (5, "gpt-4o-2024-08-06")


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_a_documented_stream(size: int) -> None:
    reply = fold(streamed([STREAM[at : at + size] for at in range(0, len(STREAM), size)]))
    (text,) = reply.choices[0].turn.blocks
    assert isinstance(text, ir.Text)
    assert text.text == "Héllo"
    assert reply.usage is not None
    assert reply.usage.total == 7


@given(strategies.chunked(STREAM))
def test_a_stream_in_any_chunks(chunks: list[bytes]) -> None:
    assert fold(streamed(chunks)) == fold(streamed([STREAM]))


PLAIN = {"request_id": "r", "code": 429, "message": "Rate limit exceeded", "location": "LLM Module"}


@pytest.mark.parametrize("error", [PLAIN, {"error": PLAIN}, {"error": [PLAIN]}])
def test_a_documented_error(error: Any) -> None:
    with pytest.raises(errors.RateLimitError, match="Rate limit exceeded"):
        CHAT.read_reply(json.dumps(error).encode())
    last = streamed([sse(error)])[-1]
    assert isinstance(last, ir.StreamFailure)
    assert isinstance(last.error, errors.RateLimitError)
    assert isinstance(CHAT.read_error(429, {}, json.dumps(error).encode()), errors.RateLimitError)


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"x", b'{"final_result":3}', b'{"final_result":{"choices":3}}']
)
def test_an_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        CHAT.read_reply(body)


def test_a_stream_that_was_cut() -> None:
    assert isinstance(streamed([STREAM[:300]])[-1], ir.StreamFailure)


def test_documented_embeddings() -> None:
    request = EMBEDDINGS.read_request(
        {"model": "m", "input": ["a", "b"], "dimensions": 3, "input_type": "query"}
    )
    made = VECTORS.write_request(request, Target(model="text-embedding-3-small"))
    model = {"name": "text-embedding-3-small", "version": "latest", "params": {"dimensions": 3}}
    assert made.body == {
        "config": {"modules": {"embeddings": {"model": model}}},
        "input": {"text": ["a", "b"], "type": "query"},
    }
    rows = [{"object": "embedding", "embedding": [0.5], "index": at} for at in (0, 1)]
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    listed = {"object": "list", "data": rows, "model": "m", "usage": usage}
    reply: Any = VECTORS.read_reply(
        json.dumps({"request_id": "r", "final_result": listed}).encode(), made.echo
    )
    assert reply.vectors == [[0.5], [0.5]]
    assert reply.usage.input == 2


def test_only_servers_speak_it() -> None:
    with pytest.raises(errors.BadRequestError, match="OpenAI's format"):
        CHAT.read_request({})
