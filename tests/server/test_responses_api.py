"""OpenAI's Responses as what clients speak to us: with OpenAI's SDK, to any provider's models."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from gateways import KEY
from servers import RunningGateway, Upstream, running

CLAUDE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [
        {"type": "thinking", "thinking": "Let me see.", "signature": "sig=="},
        {"type": "text", "text": "It is sunny."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 10, "output_tokens": 5},
}
ANSWER = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "gpt-5",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
        }
    ],
    "usage": {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4},
}
WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


@pytest.fixture(name="gateway")
def fixture_gateway(upstream: Upstream, tmp_path: Path) -> Iterator[RunningGateway]:
    def row(name: str, model: str) -> dict[str, Any]:
        params = {"model": model, "api_base": upstream.base, "api_key": "sk-up", "num_retries": 0}
        return {"model_name": name, "litellm_params": params}

    models = [
        row("gpt", "openai/gpt-5"),
        row("claude", "anthropic/claude-sonnet-4-5"),
        {"model_name": "echo", "litellm_params": {"model": "mock/echo"}},
        {"model_name": "bad", "litellm_params": {"model": "mock/error-400"}},
    ]
    with running({"model_list": models, "general_settings": {"master_key": KEY}}, tmp_path) as served:
        yield served


@pytest.fixture(name="client")
def fixture_client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    base = f"http://127.0.0.1:{gateway.port}/v1"
    with openai.OpenAI(api_key=KEY, base_url=base, max_retries=0) as client:
        yield client


def play(upstream: Upstream, document: dict[str, Any]) -> None:
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(document).encode())


def test_what_the_provider_speaks_itself_travels_as_it_came(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    play(upstream, ANSWER)
    found = client.responses.create(model="gpt", input="Hello", previous_response_id="resp_0", store=True)
    assert (found.output_text, found.usage.total_tokens) == ("Hi", 4)
    line, _, body = upstream.requests[-1]
    assert line.startswith("POST /responses ")
    sent = {"model": "gpt-5", "input": "Hello", "previous_response_id": "resp_0", "store": True}
    assert json.loads(body) == sent


def test_another_providers_model_answers(client: openai.OpenAI, upstream: Upstream) -> None:
    play(upstream, CLAUDE)
    found = client.responses.create(
        model="claude",
        instructions="Be brief.",
        input=[{"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]}],
        tools=[WEATHER],
        include=["reasoning.encrypted_content"],
        store=False,
        max_output_tokens=100,
    )
    assert [item.type for item in found.output] == ["reasoning", "message", "function_call"]
    thought, _, call = found.output
    assert thought.summary[0].text == "Let me see."
    assert found.output_text == "It is sunny."
    assert (call.call_id, call.name, json.loads(call.arguments)) == ("toolu_1", "weather", {"city": "Rome"})
    assert (found.status, found.usage.input_tokens, found.usage.output_tokens) == ("completed", 10, 5)
    sent = json.loads(upstream.requests[-1][2])
    assert (sent["system"], sent["max_tokens"], sent["tools"][0]["name"]) in (
        ("Be brief.", 100, "weather"),
        ([{"type": "text", "text": "Be brief."}], 100, "weather"),
    )


def test_a_signed_thought_comes_back_to_who_signed_it(client: openai.OpenAI, upstream: Upstream) -> None:
    play(upstream, CLAUDE)
    first = client.responses.create(model="claude", input="Weather?", tools=[WEATHER])
    result = {"type": "function_call_output", "call_id": "toolu_1", "output": "sunny"}
    items = [{"role": "user", "content": "Weather?"}, *(one.model_dump() for one in first.output), result]
    client.responses.create(model="claude", input=items, tools=[WEATHER])
    messages = json.loads(upstream.requests[-1][2])["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    thinking = messages[1]["content"][0]
    assert (thinking["type"], thinking["thinking"], thinking["signature"]) == (
        "thinking",
        "Let me see.",
        "sig==",
    )
    assert messages[2]["content"][0]["tool_use_id"] == "toolu_1"


def test_the_sdks_stream_of_another_providers_model(client: openai.OpenAI) -> None:
    with client.responses.stream(model="echo", input="one two three") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == "one two three"
    assert (final.status, final.usage.output_tokens > 0) == ("completed", True)
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    for kind in ("output_item.added", "content_part.added", "output_text.done", "output_item.done"):
        assert f"response.{kind}" in kinds


def test_a_conversation_goes_on_where_no_provider_keeps_it(client: openai.OpenAI, upstream: Upstream) -> None:
    play(upstream, CLAUDE)
    first = client.responses.create(
        model="claude", instructions="Be brief.", input="Weather?", tools=[WEATHER]
    )
    result = {"type": "function_call_output", "call_id": "toolu_1", "output": "sunny"}
    second = client.responses.create(
        model="claude", input=[result], tools=[WEATHER], previous_response_id=first.id
    )
    sent = json.loads(upstream.requests[-1][2])
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "user"]
    assert sent["messages"][1]["content"][0]["signature"] == "sig=="
    assert "system" not in sent, "instructions are of one answer"
    client.responses.create(model="claude", input="Thanks", tools=[WEATHER], previous_response_id=second.id)
    assert len(json.loads(upstream.requests[-1][2])["messages"]) == 5


def test_answers_can_be_asked_for_again(client: openai.OpenAI) -> None:
    made = client.responses.create(model="echo", input="one two", metadata={"a": "b"})
    found = client.responses.retrieve(made.id)
    assert (found.output_text, found.metadata, found.store) == ("one two", {"a": "b"}, True)
    items = client.responses.input_items.list(made.id)
    assert [item.content[0].text for item in items.data] == ["one two"]
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_streamed_answers_are_kept_too(client: openai.OpenAI) -> None:
    with client.responses.stream(model="echo", input="one two") as stream:
        made = stream.get_final_response()
    assert client.responses.retrieve(made.id).output_text == "one two"


def test_what_is_not_to_be_stored_is_not(client: openai.OpenAI) -> None:
    made = client.responses.create(model="echo", input="one", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_nobody_else_sees_an_answer(gateway: RunningGateway) -> None:
    admin = {"authorization": f"Bearer {KEY}"}
    keys = [json.loads(gateway.request("/key/generate", {}, admin)[2])["key"] for _ in range(2)]
    one, two = ({"authorization": f"Bearer {key}"} for key in keys)
    made = json.loads(gateway.request("/v1/responses", {"model": "echo", "input": "secret"}, one)[2])
    path = f"/v1/responses/{made['id']}"
    assert [gateway.request(path, None, who, "GET")[0] for who in (one, two, admin)] == [200, 404, 200]
    body = {"model": "echo", "input": "go on", "previous_response_id": made["id"]}
    assert gateway.request("/v1/responses", body, two)[0] == 400


def test_an_answer_is_found_under_every_address_that_makes_one(gateway: RunningGateway) -> None:
    who = {"authorization": f"Bearer {KEY}"}
    for root in ("/responses", "/v1/responses", "/openai/v1/responses"):
        made = json.loads(gateway.request(root, {"model": "echo", "input": "one"}, who)[2])
        path = f"{root}/{made['id']}"
        assert json.loads(gateway.request(path, None, who, "GET")[2])["id"] == made["id"]
        assert gateway.request(f"{path}/input_items", None, who, "GET")[0] == 200
        assert json.loads(gateway.request(path, None, who, "DELETE")[2])["deleted"] is True
        assert gateway.request(path, None, who, "GET")[0] == 404


def test_the_provider_that_keeps_a_conversation_is_asked(client: openai.OpenAI, upstream: Upstream) -> None:
    play(upstream, ANSWER)
    made = client.responses.create(model="gpt", input="Hello")
    client.responses.retrieve(made.id, include=["reasoning.encrypted_content"])
    line, headers, _ = upstream.requests[-1]
    assert line == f"GET /responses/{made.id}?include%5B%5D=reasoning.encrypted_content HTTP/1.1"
    assert headers["authorization"].startswith("Bearer ")
    client.responses.input_items.list(made.id)
    assert upstream.requests[-1][0].startswith(f"GET /responses/{made.id}/input_items")


def test_an_answer_is_made_in_the_background(client: openai.OpenAI) -> None:
    made = client.responses.create(model="echo", input="one two", background=True)
    assert (made.status, made.background) == ("queued", True)
    while (found := client.responses.retrieve(made.id)).status in ("queued", "in_progress"):
        pass
    assert (found.status, found.output_text, found.id) == ("completed", "one two", made.id)
    assert client.responses.cancel(made.id).status == "completed"


def test_an_answer_in_the_background_may_fail(client: openai.OpenAI) -> None:
    made = client.responses.create(model="bad", input="one", background=True)
    while (found := client.responses.retrieve(made.id)).status in ("queued", "in_progress"):
        pass
    assert found.status == "failed"
    assert found.error is not None


def test_only_what_is_made_in_the_background_is_cancelled(client: openai.OpenAI) -> None:
    made = client.responses.create(model="echo", input="one")
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(made.id)


def test_what_needs_the_providers_memory_is_refused_elsewhere(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="echo", input="Hello", previous_response_id="resp_0")
    assert "previous_response_id" in caught.value.message


@pytest.mark.parametrize("body", [{}, {"input": 5}, {"input": [5]}, {"input": [{"role": "king"}]}], ids=str)
def test_bad_input_is_named(gateway: RunningGateway, body: dict[str, Any]) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    status, _, data = gateway.request("/v1/responses", {"model": "echo", **body}, headers)
    assert status == 400
    assert json.loads(data)["error"]["param"].startswith("input")


def test_a_tool_of_free_text_works_with_models_that_know_functions_only(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "patch", "input": {"input": "*** Begin"}}
    asked: dict[str, Any] = {"model": "claude", "input": "q", "tools": [{"type": "custom", "name": "patch"}]}
    play(upstream, {**CLAUDE, "content": [use]})
    (call,) = client.responses.create(**asked).output
    assert (call.type, call.name, call.input) == ("custom_tool_call", "patch", "*** Begin")
    assert json.loads(upstream.requests[-1][2])["tools"][0]["input_schema"]["required"] == ["input"]
    piece = {"type": "input_json_delta", "partial_json": '{"input":"*** Begin"}'}
    events = [
        {"type": "message_start", "message": {**CLAUDE, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {**use, "input": {}}},
        {"type": "content_block_delta", "index": 0, "delta": piece},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    data = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    upstream.reply(200, {"content-type": "text/event-stream"}, data.encode())
    last = list(client.responses.create(**asked, stream=True))[-1]
    assert last.type == "response.completed"
    assert [(item.type, item.input) for item in last.response.output] == [("custom_tool_call", "*** Begin")]
