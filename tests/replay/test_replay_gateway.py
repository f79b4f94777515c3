"""Every recorded exchange goes through a running gateway: byte for byte where the formats agree, else with the
same meaning to a chat client. What is left out is listed with its reason in `recorded.LEFT_OUT`."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import recorded
from headgate.errors import for_status
from servers import KEY, RunningGateway, Upstream, running

recorded.needed()

RECORDS = list(recorded.records())
CHOSEN = [record for record in RECORDS if recorded.reason_left_out(record) is None]
_PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "completions": "/v1/completions",
}
HELLO = [{"role": "user", "content": "hi"}]
_NATIVE = ("messages", "generateContent", "cohere_chat")


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    rows = [
        {
            "model_name": f"{name}/*",
            "litellm_params": {
                "model": f"{name}/*",
                "api_base": upstream.base,
                "api_key": "sk-upstream-secret",
                **({"api_version": "2024-10-21"} if name == "azure" else {}),
            },
        }
        for name in recorded.PROVIDERS.values()
    ]
    config = {
        "model_list": rows,
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"num_retries": 0, "drop_params": True},
    }
    with running(config, tmp_path_factory.mktemp("replay")) as served:
        yield served


def play(upstream: Upstream, record: dict[str, Any]) -> None:
    response = record["response"]
    kind = {"content-type": recorded.type_of(record)}
    upstream.reply(response["status"], kind, recorded.answer_bytes(record))


def ask(
    gateway: RunningGateway, record: dict[str, Any], path: str, body: dict[str, Any]
) -> tuple[int, bytes]:
    model = f"{recorded.row_of(record)}/{recorded.model_of(record)}"
    status, _, data = gateway.request(path, {**body, "model": model})
    return status, data


def same_format(record: dict[str, Any]) -> bool:
    url = record["request"]["url"]
    return record["api"] in _PATHS or (
        record["api"] == "embeddings"
        and record["provider"] != "google-gemini"
        and url.endswith(("/embeddings", "/api/embed"))
    )


def own_path(record: dict[str, Any]) -> str:
    """The gateway's address for the format of the recording."""
    if recorded.is_ollama(record):
        return "/api/embed" if record["api"] == "embeddings" else "/api/chat"
    return _PATHS.get(record["api"], "/v1/embeddings")


def in_200(record: dict[str, Any]) -> bool:
    """An error that came under a good status."""
    body = record["response"].get("body")
    if "sse" in record["response"]:  # before any content: the client is told by the status
        return any("error" in event for event in recorded.events(recorded.answer_bytes(record))[:1])
    return isinstance(body, dict) and bool(body.get("error")) and not body.get("choices")


def fails_late(record: dict[str, Any]) -> bool:
    """A stream whose last event tells an error."""
    if "sse" not in record["response"]:
        return False
    return any(
        isinstance(event.get("delta"), dict) and "error" in event["delta"]
        for event in recorded.events(recorded.answer_bytes(record))[-1:]
    )


@pytest.mark.parametrize("record", [r for r in CHOSEN if same_format(r)], ids=lambda r: r["id"])
def test_same_format_is_passed_byte_for_byte(
    gateway: RunningGateway, upstream: Upstream, record: dict[str, Any]
) -> None:
    play(upstream, record)
    body = dict(record["request"]["body"])
    status, data = ask(gateway, record, own_path(record), body)
    expected = 400 if recorded.is_filtered(record) else record["response"]["status"]
    if expected == 200 and not in_200(record):
        assert status == 200, data
        assert data == recorded.answer_bytes(record)
        sent = json.loads(upstream.requests[-1][2])
        assert sent.get("messages") == body.get("messages") or record["provider"] in (
            "deepseek",
            "groq",
            "mistral",
        )
    else:
        error = json.loads(data)["error"]
        error = {"message": error} if recorded.is_ollama(record) else error
        assert error["message"]
        by_code = (
            error.get("code") == "model_not_found" and status == 404
        )  # OpenAI says 400 there, and 404 elsewhere
        assert for_status(status) is for_status(expected) or expected in (200, 421) or by_code, data
        assert b"sk-upstream-secret" not in data


@pytest.mark.parametrize(
    "record",
    [
        r
        for r in CHOSEN
        if r["response"]["status"] == 200
        and (r["api"] in _NATIVE or (r["api"] == "chat" and recorded.is_ollama(r)))
        and not fails_late(r)
    ],
    ids=lambda r: r["id"],
)
def test_other_formats_mean_the_same_to_a_chat_client(
    gateway: RunningGateway, upstream: Upstream, record: dict[str, Any]
) -> None:
    play(upstream, record)
    listed = isinstance(record["response"].get("body"), list)  # a stream without server-sent events
    ollama = recorded.is_ollama(record)
    stream = "sse" in record["response"] or "ndjson" in record["response"] or listed
    raw = recorded.answer_bytes(record)
    documents = json.loads(raw) if listed else recorded.events(raw) if stream else [json.loads(raw)]
    documents = recorded.lines(raw) if ollama else documents
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    status, data = ask(gateway, record, "/v1/chat/completions", body)
    assert status == 200, data
    heard = recorded.said_by_chat(recorded.events(data) if stream else [json.loads(data)])
    if record["api"] == "messages":
        said = recorded.said_by_anthropic(documents, stream)
    elif record["api"] == "cohere_chat":
        said = recorded.said_by_cohere(documents, stream)
    else:
        said = (recorded.said_by_ollama if ollama else recorded.said_by_gemini)(documents)
    assert heard == said


@pytest.mark.parametrize("record", [r for r in CHOSEN if fails_late(r)], ids=lambda r: r["id"])
def test_an_answer_that_fails_in_its_stream_is_told_as_failed(
    gateway: RunningGateway, upstream: Upstream, record: dict[str, Any]
) -> None:
    play(upstream, record)
    _, data = ask(gateway, record, "/v1/chat/completions", {"messages": HELLO, "stream": True})
    told = recorded.events(recorded.answer_bytes(record))[-1]["delta"]["error"]
    heard = recorded.events(data) or [json.loads(data)]  # before any content the status tells it
    assert told in heard[-1]["error"]["message"]
    assert b"[DONE]" not in data


@pytest.mark.parametrize(
    "record",
    [
        r
        for r in CHOSEN
        if r["response"]["status"] >= 400
        and (not same_format(r) or recorded.is_ollama(r))
        and r["api"] != "count_tokens"
    ],
    ids=lambda r: r["id"],
)
def test_errors_of_other_formats_keep_their_class(
    gateway: RunningGateway, upstream: Upstream, record: dict[str, Any]
) -> None:
    play(upstream, record)
    embeds = record["api"] == "embeddings"
    body = {"input": "hi"} if embeds else {"messages": [{"role": "user", "content": "hi"}]}
    status, data = ask(gateway, record, "/v1/embeddings" if embeds else "/v1/chat/completions", body)
    text = json.dumps(record["response"]["body"])
    expected = 401 if "API key not valid" in text else record["response"]["status"]
    assert for_status(status) is for_status(expected), data
    assert json.loads(data)["error"]["message"]


@pytest.mark.parametrize(
    "record",
    [
        r
        for r in CHOSEN
        if r["api"] == "embeddings"
        and (not same_format(r) or recorded.is_ollama(r))
        and r["response"]["status"] == 200
    ],
    ids=lambda r: r["id"],
)
def test_embeddings_of_other_formats_reach_an_openai_client(
    gateway: RunningGateway, upstream: Upstream, record: dict[str, Any]
) -> None:
    body = record["response"].get("body", {})
    if isinstance(body, dict) and not {"embeddings", "predictions"} & body.keys():
        pytest.skip("a single embedContent: the gateway asks by batchEmbedContents")
    play(upstream, record)
    rows = recorded.vectors_of(body)
    status, data = ask(gateway, record, "/v1/embeddings", {"input": ["x"] * len(rows)})
    assert status == 200, data
    assert [row["embedding"] for row in json.loads(data)["data"]] == rows


@pytest.mark.parametrize(
    "record",
    [r for r in CHOSEN if r["api"] == "count_tokens" and r["provider"] == "anthropic"],
    ids=lambda r: r["id"],
)
def test_counted_tokens_come_from_the_provider(
    gateway: RunningGateway, upstream: Upstream, record: dict[str, Any]
) -> None:
    play(upstream, record)
    status, data = ask(gateway, record, "/v1/messages/count_tokens", record["request"]["body"])
    assert status == record["response"]["status"], data
    if status == 200:
        assert json.loads(data) == record["response"]["body"]


def test_all_that_is_left_out_has_a_reason() -> None:
    reasons = {record["id"]: recorded.reason_left_out(record) for record in RECORDS}
    left = {name: reason for name, reason in reasons.items() if reason is not None}
    assert len(left) <= 100, left
