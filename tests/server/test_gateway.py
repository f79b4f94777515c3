"""A running gateway as its clients see it: official SDKs, bad requests, bad upstreams, both doors."""

import json
import socket
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servers import KEY, RunningGateway, Upstream, an_upstream, running

SECRET = "sk-upstream-0a1b2c3d4e5f"
ASKED = [{"role": "user", "content": "Hello there"}]
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


upstream = an_upstream("module")


@pytest.fixture(scope="module", params=[True, False], ids=["lane", "asgi"])
def gateway(
    upstream: Upstream, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    def row(name: str, model: str, base: str) -> dict[str, Any]:
        return {"model_name": name, "litellm_params": {"model": model, "api_base": base, "api_key": SECRET}}

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{closed.getsockname()[1]}"
    config = {
        "model_list": [
            {"model_name": "mock/*", "litellm_params": {"model": "mock/*"}},
            row("gpt", "openai/gpt-4o", upstream.base),
            row("claude", "anthropic/claude-sonnet-4-5", upstream.base),
            row("grok", "groq/llama", upstream.base),
            row("down", "openai/gpt-4o", refused),
        ],
        "general_settings": {"master_key": KEY, "max_request_size_mb": 1},
        "litellm_settings": {"num_retries": 0},
    }
    with running(config, tmp_path_factory.mktemp("gateway"), lane=request.param) as served:
        yield served


def test_the_openai_client_gets_whole_answers_streams_and_tools(gateway: RunningGateway) -> None:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key=KEY, max_retries=0) as client:
        whole = client.chat.completions.create(model="mock/echo", messages=ASKED)
        assert whole.choices[0].message.content == "Hello there"
        options = {"include_usage": True}
        stream = client.chat.completions.create(
            model="mock/echo", messages=ASKED, stream=True, stream_options=options
        )
        chunks = list(stream)
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello there"
        assert chunks[-1].usage.total_tokens == 4
        called = client.chat.completions.create(model="mock/tool", messages=ASKED, tools=[TOOL])
        assert called.choices[0].message.tool_calls[0].function.name == "weather"
        assert called.choices[0].finish_reason == "tool_calls"
        assert client.completions.create(model="mock/echo", prompt="Hi").choices[0].text == "Hi"
        assert len(client.embeddings.create(model="mock/embed", input=["a", "b"]).data) == 2
        assert "mock/echo" in [model.id for model in client.models.list()]
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="mock/error-429", messages=ASKED)
        with pytest.raises(openai.NotFoundError) as missing:
            client.chat.completions.create(model="gpt-5", messages=ASKED)
        assert "gpt" in str(missing.value)


def test_the_anthropic_client_gets_whole_answers_streams_and_tools(gateway: RunningGateway) -> None:
    base = f"http://127.0.0.1:{gateway.port}"
    with anthropic.Anthropic(base_url=base, api_key=KEY, max_retries=0) as client:
        whole = client.messages.create(model="mock/echo", max_tokens=50, messages=ASKED)
        assert (whole.content[0].text, whole.stop_reason) == ("Hello there", "end_turn")
        with client.messages.stream(model="mock/echo", max_tokens=50, messages=ASKED) as stream:
            assert stream.get_final_text() == "Hello there"
        tools = [{"name": "weather", "input_schema": {"type": "object", "properties": {}}}]
        called = client.messages.create(model="mock/tool", max_tokens=50, messages=ASKED, tools=tools)
        assert called.content[-1].name == "weather"
        assert called.stop_reason == "tool_use"
        counted = client.messages.count_tokens(model="mock/echo", messages=ASKED)
        assert counted.input_tokens > 0
        with pytest.raises(anthropic.RateLimitError):
            client.messages.create(model="mock/error-429", max_tokens=5, messages=ASKED)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (b"", 400, "request_body"),
        (b"{", 400, "request_body"),
        (b"[]", 400, "request_body"),
        (b'{"model":"gpt","messages":"\xff"}', 400, "request_body"),
        ({}, 400, "model"),
        ({"model": 1, "messages": ASKED}, 400, "model"),
        ({"model": "claude"}, 400, "messages"),
        ({"model": "claude", "messages": 1}, 400, "messages"),
        ({"model": "claude", "messages": [{"role": "user", "content": 1}]}, 400, "messages[0].content"),
        ({"model": "claude", "messages": ASKED, "temperature": "hot"}, 400, "temperature"),
        ({"model": "claude", "messages": ASKED, "logit_bias": {"1": 1}}, 400, "logit_bias"),
        ({"model": "grok", "messages": ASKED, "logprobs": True}, 400, "logprobs"),
        ({"model": "gpt", "messages": ASKED, "timeout": "soon"}, 400, "timeout"),
        ({"model": "gpt", "messages": ASKED, "fallbacks": 1}, 400, "fallbacks"),
        ({"model": "nothing", "messages": ASKED}, 404, "model"),
        (b'{"model":"gpt","x":"' + b"x" * 1_100_000 + b'"}', 413, None),
    ],
)
def test_bad_requests_are_answered_with_the_place(
    gateway: RunningGateway, body: Any, status: int, param: str | None
) -> None:
    found, _, data = gateway.request("/v1/chat/completions", body)
    error = json.loads(data)["error"]
    assert (found, error["param"]) == (status, param), error
    assert error["message"]
    assert isinstance(error["code"], str)


def test_errors_on_messages_have_anthropics_shape(gateway: RunningGateway) -> None:
    status, _, data = gateway.request(
        "/v1/messages", {"model": "nothing", "messages": ASKED, "max_tokens": 5}
    )
    assert (status, json.loads(data)["type"], json.loads(data)["error"]["type"]) == (
        404,
        "error",
        "not_found_error",
    )


@pytest.mark.parametrize(
    "headers", [{"authorization": "Bearer wrong"}, {"authorization": ""}, {"x-api-key": "no"}]
)
def test_a_wrong_key_is_refused(gateway: RunningGateway, headers: dict[str, str]) -> None:
    if "authorization" not in headers:
        headers = {**headers, "authorization": "Bearer wrong"}
    status, _, data = gateway.request(
        "/v1/chat/completions", {"model": "mock/echo", "messages": ASKED}, headers
    )
    assert status == 401
    assert b"wrong" not in data


def test_what_a_target_cannot_take_is_dropped_and_named(gateway: RunningGateway, upstream: Upstream) -> None:
    answer = {
        "id": "a",
        "type": "message",
        "role": "assistant",
        "model": "c",
        "content": [],
        "stop_reason": "end_turn",
    }
    body = json.dumps({**answer, "usage": {"input_tokens": 1, "output_tokens": 1}}).encode()
    upstream.reply(200, {"content-type": "application/json"}, body)
    asked = {"model": "claude", "messages": ASKED, "logit_bias": {"1": 1}, "drop_params": True}
    status, headers, _ = gateway.request("/v1/chat/completions", asked)
    assert (status, headers["x-headgate-dropped-params"]) == (200, "logit_bias")


def test_of_a_key_given_twice_one_value_is_used_and_sent(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "application/json"}, b'{"id":"x","model":"m","choices":[]}')
    body = b'{"model":"nothing","model":"gpt","user":"a","user":"b","messages":[]}'
    assert gateway.request("/v1/chat/completions", body)[0] == 200
    sent = upstream.requests[-1][2]
    assert (sent.count(b'"user"'), json.loads(sent)["user"], json.loads(sent)["model"]) == (1, "b", "gpt-4o")


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
CHUNK = (
    b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}\n\n'
)


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (b"", 500),
        (b"garbage\r\n\r\n", 500),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", 500),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 500),
        (b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n", 503),
        (
            b"HTTP/1.1 401 X\r\ncontent-length: 65\r\n\r\n"
            b'{"error":{"message":"Incorrect API key %b"}}' % SECRET.encode(),
            401,
        ),
    ],
    ids=["closed", "garbage", "cut", "no JSON", "unavailable", "echoed key"],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_bad_upstream_is_a_clear_error(
    gateway: RunningGateway, upstream: Upstream, script: bytes, status: int, path: str
) -> None:
    upstream.script = lambda _: [script] if script else []
    found, _, data = gateway.request(path, {"model": "gpt", "messages": ASKED, "max_tokens": 5})
    assert found == status, data
    assert json.loads(data)["error"]["message"]
    assert SECRET.encode() not in data


def test_a_refused_connection_is_a_clear_error(gateway: RunningGateway) -> None:
    status, _, data = gateway.request("/v1/chat/completions", {"model": "down", "messages": ASKED})
    assert status == 500
    assert "could not connect" in json.loads(data)["error"]["message"]


@pytest.mark.parametrize("cut", [CHUNK, CHUNK + CHUNK[:40]])
def test_a_stream_that_breaks_ends_with_an_error_event(
    gateway: RunningGateway, upstream: Upstream, cut: bytes
) -> None:
    upstream.script = lambda _: [STREAM_HEAD, cut]
    asked = {"model": "gpt", "messages": ASKED, "stream": True, "max_tokens": 5}
    _, _, data = gateway.request("/v1/chat/completions", asked)
    assert b"Hel" in data
    assert json.loads(data.rsplit(b"data: ", 1)[1])["error"]["message"]
    assert b"[DONE]" not in data
    _, _, data = gateway.request("/v1/messages", asked)
    assert b"event: error" in data
    assert b"message_stop" not in data


def test_a_client_that_goes_closes_the_upstream(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.closed.clear()
    upstream.script = lambda _: [STREAM_HEAD, CHUNK, b""]
    body = json.dumps({"model": "gpt", "messages": ASKED, "stream": True}).encode()
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
        client.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        received = b""
        while b"Hel" not in received:
            received += client.recv(65536)
    assert upstream.closed.wait(5)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"POST /v1/chat/completions HTTP/1.1\nhost: x\ncontent-length: 2\n\n{}",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-a: b\r\n folded\r\ncontent-length: 2\r\n\r\n{}",
        b"nonsense\r\n\r\n",
    ],
    ids=["both lengths", "two lengths", "bare line feeds", "folding", "nonsense"],
)
def test_a_request_that_could_be_read_in_two_ways_is_refused(
    gateway: RunningGateway, request_bytes: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as client:
        client.sendall(request_bytes)
        received = b""
        while piece := client.recv(65536):
            received += piece
    assert received.startswith((b"HTTP/1.1 400", b"HTTP/1.1 401"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1, 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    "messages tools tool_choice response_format stop stream max_tokens system thinking input".split()
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, JSON, max_size=5), st.sampled_from(["claude", "gpt", "mock/echo"]))
def test_no_body_makes_the_gateway_fail(
    gateway: RunningGateway, upstream: Upstream, body: dict[str, Any], model: str
) -> None:
    upstream.reply(200, {"content-type": "application/json"}, b'{"id":"x","model":"m","choices":[]}')
    for path in ("/v1/chat/completions", "/v1/messages", "/v1/completions", "/v1/embeddings"):
        status, _, data = gateway.request(path, {**body, "model": model})
        assert b"Headgate failed" not in data, (path, body, data)
        assert status in (200, 400, 404, 422) or b"upstream" in data or b"can't be read" in data, data


def test_health_metrics_and_info(gateway: RunningGateway) -> None:
    assert gateway.request("/health/liveliness", headers={"authorization": ""})[0] == 200
    assert gateway.request("/health/readiness", headers={"authorization": ""})[0] == 200
    assert gateway.request("/metrics", headers={"authorization": ""})[0] == 401
    _, _, text = gateway.request("/metrics")
    assert b"headgate_calls_total" in text
    assert SECRET.encode() not in text
    _, _, info = gateway.request("/v1/model/info")
    assert SECRET.encode() not in info
    assert {row["model_name"] for row in json.loads(info)["data"]} == {
        "mock/*",
        "gpt",
        "claude",
        "grok",
        "down",
    }
    assert gateway.request("/v1/models/gpt")[0] == 200
    assert gateway.request("/v1/models/nothing")[0] == 404


def test_the_rows_of_models_are_shown_whatever_stands_in_them(tmp_path: Path) -> None:
    """Lists and dates of `model_info`, and the row's own price over the catalog's."""
    row = {
        "model_name": "m",
        "litellm_params": {"model": "openai/gpt-4o", "api_key": SECRET, "input_cost_per_token": 0.5},
        "model_info": {
            "id": "one",
            "access_groups": ["beta"],
            "since": date(2026, 11, 1),
        },
    }
    with running({"model_list": [row], "general_settings": {"master_key": KEY}}, tmp_path) as served:
        for path in ("/model/info", "/v1/model/info", "/v1/model/info?litellm_model_id=one"):
            status, _, data = served.request(path)
            assert status == 200
            (found,) = json.loads(data)["data"]
            known = found["model_info"]
            assert (known["id"], known["access_groups"], known["since"]) == ("one", ["beta"], "2026-11-01")
            assert (known["input_cost_per_token"], known["output_cost_per_token"]) == (0.5, 1e-5)
        assert served.request("/model/info?litellm_model_id=two")[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/messages", "POST"),
        ("GET", "/engines/gpt/embeddings", "POST"),
        ("GET", "/key/generate", "POST"),
        ("DELETE", "/v1/files", "GET, HEAD, POST"),
    ],
)
def test_another_method_is_told_those_that_are_taken(
    gateway: RunningGateway, method: str, path: str, allowed: str
) -> None:
    status, headers, data = gateway.request(path, None, None, method)
    assert (status, headers["allow"]) == (405, allowed)
    assert f"{method} {path}: this path takes {allowed}" in json.loads(data)["error"]["message"]


@pytest.mark.parametrize("stream", ["yes", 1, [], {}])
def test_a_stream_is_asked_for_by_true_alone(gateway: RunningGateway, stream: Any) -> None:
    body = {"model": "mock/echo", "messages": ASKED, "stream": stream}
    status, _, data = gateway.request("/v1/chat/completions", body)
    assert (status, json.loads(data)["error"]["param"]) == (400, "stream")


@pytest.mark.parametrize("model", ["mock/echo", "claude"])
@pytest.mark.parametrize("value", [b"1e400", b"[" * 60_000 + b"]" * 60_000], ids=["large", "deep"])
def test_what_nobody_can_read_is_no_bug(gateway: RunningGateway, model: str, value: bytes) -> None:
    asked = b'{"model": "%b", "messages": [{"role": "user", "content": "a"}], "temperature": %b}'
    status, _, data = gateway.request("/v1/chat/completions", asked % (model.encode(), value))
    assert status == 400
    if model == "claude":
        said = "nested too deeply" if value[:1] == b"[" else "'temperature' can't be read"
        assert said in json.loads(data)["error"]["message"]
        assert gateway.request("/v1/messages/count_tokens", asked % (b"claude", value))[0] == 400


def test_the_configuration_of_the_readme_is_good(tmp_path: Path) -> None:
    from headgate.server.config.load import check

    readme = (Path(__file__).parent.parent.parent / "README.md").read_text()
    block = readme.split("```yaml\n")[1].split("```")[0]
    file = tmp_path / "config.yaml"
    file.write_text(block)
    names = {"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "b", "LITELLM_MASTER_KEY": "sk-a-good-one-1234567"}
    assert check(str(file), names) == []
