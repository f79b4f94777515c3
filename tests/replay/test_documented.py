"""Exchanges as their providers document them, through a running gateway and through the SDK: what arrives means what
the answer says, and is the answer, byte for byte, where the client speaks the provider's format."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

import headgate
import recorded
from documented import EXCHANGES
from documented.others import CARTESIA, PASSED, RANKS, VECTORS, Ranked
from documented.shapes import Exchange, whole
from documented.shapes import chat as a_chat
from documented.streams import BROKEN, STREAM, VARIED
from headgate.errors import HeadgateError, for_status
from headgate.wire.audio.sound import wav
from headgate.wire.multipart import Part, Writer
from servers import KEY, RunningGateway, Upstream, running

SECRET = "sk-upstream-secret"
PATHS = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
}
HI = [{"role": "user", "content": "Hi"}]
ASKED: dict[str, dict[str, Any]] = {
    "chat": {"messages": HI},
    "completions": {"prompt": "Hi"},
    "messages": {"messages": HI, "max_tokens": 9},
    "responses": {"input": "Hi"},
}
OWN: dict[str, dict[str, Any]] = {
    "azure": {"api_version": "2024-10-21"},
    "bedrock": {"aws_region_name": "us-west-2"},
    "watsonx": {"api_key": None, "token": SECRET, "project_id": "p"},
}
FAILED = [one for one in EXCHANGES if one.text is None]
SAID = [one for one in EXCHANGES if one.text is not None]


def named(exchanges: Any) -> Any:
    return pytest.mark.parametrize("one", exchanges, ids=lambda one: one.id)


def params(row: str, upstream: Upstream) -> dict[str, Any]:
    return {"api_base": upstream.base, "api_key": SECRET, **OWN.get(row, {})}


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    models = [one.model for one in (*EXCHANGES, *RANKS)] + [model for _, model, *_ in VECTORS]
    names = {model.partition("/")[0] for model in models} | {row for row, *_ in PASSED}
    names |= {"cartesia", "cerebras"}
    rows = [
        {
            "model_name": f"{name}/*",
            "litellm_params": {"model": f"{name}/*", **params(name, upstream), "use_in_pass_through": True},
        }
        for name in sorted(names)
    ]
    config = {
        "model_list": rows,
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"num_retries": 0, "drop_params": True},
    }
    with running(config, tmp_path_factory.mktemp("documented")) as served:
        yield served


def play(upstream: Upstream, one: Exchange) -> None:
    upstream.reply(one.told or one.status, {"content-type": one.kind}, one.answer)


def ask(gateway: RunningGateway, one: Exchange, operation: str) -> tuple[int, bytes]:
    body = {**ASKED[operation], "model": one.model, "stream": one.stream}
    if one.stream and operation in ("chat", "completions"):
        body["stream_options"] = {"include_usage": True}
    status, _, data = gateway.request(PATHS[operation], body)
    return status, data


def said_by_text(documents: list[dict[str, Any]]) -> recorded.Said:
    """Of text completions: their choices in chat's shape."""
    chats = [
        {
            **one,
            "choices": [
                {**choice, "delta": {"content": choice["text"]}} for choice in one.get("choices") or []
            ],
        }
        for one in documents
    ]
    return recorded.said_by_chat(chats)


def said_by_responses(documents: list[dict[str, Any]]) -> recorded.Said:
    said, (document,) = recorded.Said(), documents
    for item in document["output"]:
        for part in item.get("content") or []:
            said.text += part["text"] if part["type"] == "output_text" else ""
            said.reasoning += part["text"] if part["type"] == "reasoning_text" else ""
    said.finish = {"completed": "stop"}[document["status"]]
    said.tokens = (document["usage"]["input_tokens"], document["usage"]["output_tokens"])
    return said


def meaning(operation: str, documents: list[dict[str, Any]], stream: bool) -> recorded.Said:
    if operation == "messages":
        return recorded.said_by_anthropic(documents, stream)
    readers = {"completions": said_by_text, "responses": said_by_responses}
    return readers.get(operation, recorded.said_by_chat)(documents)


def expected(one: Exchange) -> recorded.Said:
    said = recorded.Said()
    said.text, said.reasoning, said.finish, said.tokens = (
        one.text or "",
        one.reasoning,
        one.finish,
        one.tokens,
    )
    return said


# --- through the gateway ---------------------------------------------------------------------------------


@named(SAID)
def test_what_is_said_arrives(gateway: RunningGateway, upstream: Upstream, one: Exchange) -> None:
    play(upstream, one)
    status, data = ask(gateway, one, one.operation)
    assert status == 200, data
    if one.same:
        assert data == one.answer
    documents = recorded.events(data) if one.stream else [json.loads(data)]
    assert not any("error" in document and document["error"] for document in documents), documents
    assert meaning(one.operation, documents, one.stream) == expected(one)


@named([one for one in SAID if one.operation == "chat"])
def test_a_client_of_another_format_hears_the_same(
    gateway: RunningGateway, upstream: Upstream, one: Exchange
) -> None:
    if one.model.startswith("minimax/"):
        return
    play(upstream, one)
    status, data = ask(gateway, one, "messages")
    assert status == 200, data
    documents = recorded.events(data) if one.stream else [json.loads(data)]
    assert recorded.said_by_anthropic(documents, one.stream) == expected(one)


@named(FAILED)
def test_what_fails_keeps_its_class(gateway: RunningGateway, upstream: Upstream, one: Exchange) -> None:
    play(upstream, one)
    status, data = ask(gateway, one, one.operation)
    assert for_status(status) is for_status(one.status), data
    assert json.loads(data)["error"]["message"]
    assert SECRET.encode() not in data


@named(RANKS)
def test_ranks_arrive(gateway: RunningGateway, upstream: Upstream, one: Ranked) -> None:
    upstream.reply(one.status, {"content-type": "application/json"}, whole(one.answer))
    body = {"model": one.model, "query": "q", "documents": ["a", "b"]}
    status, _, data = gateway.request("/v1/rerank", body)
    if one.status >= 400:
        assert for_status(status) is for_status(one.status), data
        assert json.loads(data)["error"]["message"]
        return
    assert status == 200, data
    found = [(row["index"], row["relevance_score"]) for row in json.loads(data)["results"]]
    assert found == [(1, 0.9), (0, 0.25)]


@pytest.mark.parametrize(("name", "model", "answer", "tokens"), VECTORS, ids=lambda one: str(one)[:30])
def test_vectors_arrive(
    gateway: RunningGateway, upstream: Upstream, name: str, model: str, answer: Any, tokens: int | None
) -> None:
    upstream.reply(200, {"content-type": "application/json"}, whole(answer))
    status, _, data = gateway.request("/v1/embeddings", {"model": model, "input": "Hi"})
    assert status == 200, data
    document = json.loads(data)
    assert [row["embedding"] for row in document["data"]] == [[0.5, -1.0]]
    assert (document.get("usage") or {}).get("prompt_tokens") == (tokens or 0)


def upload(**fields: str) -> tuple[bytes, dict[str, str]]:
    writer = Writer(b"ours")
    form = b"".join(writer.field(name, value) for name, value in fields.items())
    form += (
        writer.head(Part("file", "a.wav", "audio/wav")) + wav(bytes(8000), 2000) + writer.tail + writer.end()
    )
    return form, {"content-type": writer.content_type}


@pytest.mark.parametrize("wanted", ["json", "verbose_json", "text", "srt"])
def test_what_cartesia_heard_arrives(gateway: RunningGateway, upstream: Upstream, wanted: str) -> None:
    upstream.reply(200, {"content-type": "application/json"}, whole(CARTESIA))
    form, kind = upload(model="cartesia/ink-whisper", response_format=wanted, language="en")
    status, _, data = gateway.request("/v1/audio/transcriptions", form, kind)
    assert status == 200, data
    assert b"Hello" in data and b"there" in data
    line, headers, sent = upstream.requests[-1]
    assert line.startswith("POST /stt ")
    assert (headers["authorization"], headers["cartesia-version"]) == (f"Bearer {SECRET}", "2025-04-16")
    assert b'name="model"' in sent and b"ink-whisper" in sent
    assert (b"timestamp_granularities" in sent) is (wanted in ("verbose_json", "srt"))


def test_an_error_of_cartesia(gateway: RunningGateway, upstream: Upstream) -> None:
    said = {
        "error_code": "unsupported_language",
        "title": "Unsupported language",
        "message": "xx",
        "status_code": 400,
    }
    upstream.reply(400, {"content-type": "application/json"}, whole(said))
    form, kind = upload(model="cartesia/ink-whisper")
    status, _, data = gateway.request("/v1/audio/transcriptions", form, kind)
    assert (status, json.loads(data)["error"]["message"]) == (400, "xx")


@pytest.mark.parametrize("model", ["openrouter/openai/gpt-4o-mini-tts", "xai/tts"])
def test_speech_arrives(gateway: RunningGateway, upstream: Upstream, model: str) -> None:
    """https://openrouter.ai/docs/api-reference/speech, https://docs.x.ai/docs/guides/voice"""
    upstream.reply(200, {"content-type": "audio/mpeg"}, b"ID3\x04sound")
    body = {"model": model, "input": "Hi", "voice": "alloy"}
    status, headers, data = gateway.request("/v1/audio/speech", body)
    assert (status, headers["content-type"], data) == (200, "audio/mpeg", b"ID3\x04sound")
    upstream.reply(
        404, {"content-type": "application/json"}, whole({"code": "not-found", "error": "no voice"})
    )
    status, _, data = gateway.request("/v1/audio/speech", body)
    assert (status, json.loads(data)["error"]["message"]) == (404, "no voice")


@pytest.mark.parametrize(("row", "method", "path", "body", "status", "answer"), PASSED)
def test_what_is_passed_through_arrives(
    gateway: RunningGateway,
    upstream: Upstream,
    row: str,
    method: str,
    path: str,
    body: Any,
    status: int,
    answer: Any,
) -> None:
    upstream.reply(status, {"content-type": "application/json"}, whole(answer))
    got, _, data = gateway.request(f"/{row}{path}", body, method=method)
    assert (got, data) == (status, whole(answer))
    assert upstream.requests[-1][0].startswith(f"{method} {path}")


def varied(answer: bytes, kind: str = "text/event-stream") -> Exchange:
    return Exchange("varied", "", "cerebras/m", "chat", answer, kind)


@pytest.mark.parametrize("name", VARIED)
def test_variations_of_a_stream_say_the_same(gateway: RunningGateway, upstream: Upstream, name: str) -> None:
    one = varied(VARIED[name])
    play(upstream, one)
    assert ask(gateway, one, "chat") == (200, one.answer)
    _, data = ask(gateway, one, "messages")
    assert recorded.said_by_anthropic(recorded.events(data), True) == expected(one)
    documents = asyncio.run(hear(upstream, one))
    assert meaning("chat", documents, True) == expected(one)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/octet-stream", "text/event-stream", "application/json"]
)
def test_a_stream_is_known_by_what_it_is(gateway: RunningGateway, upstream: Upstream, kind: str) -> None:
    one = varied(STREAM)
    upstream.reply(200, {"content-type": kind}, STREAM)
    assert ask(gateway, one, "chat") == (200, STREAM)
    status, data = ask(gateway, one, "messages")
    assert (status, recorded.said_by_anthropic(recorded.events(data), True)) == (200, expected(one))


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "text/event-stream"])
@pytest.mark.parametrize("operation", ["chat", "messages"])
def test_a_whole_answer_in_place_of_a_stream_becomes_one(
    gateway: RunningGateway, upstream: Upstream, kind: str, operation: str
) -> None:
    one = varied(whole(a_chat()))
    upstream.reply(200, {"content-type": kind}, one.answer)
    status, data = ask(gateway, one, operation)
    assert status == 200
    said = meaning(operation, recorded.events(data), True)
    assert (said.text, said.finish) == ("Hello there", "stop")


@pytest.mark.parametrize(("name", "answer", "wanted"), BROKEN, ids=lambda one: str(one)[:30])
def test_what_breaks_before_it_says_anything_is_told_by_the_status(
    gateway: RunningGateway, upstream: Upstream, name: str, answer: bytes, wanted: int
) -> None:
    one = varied(answer)
    play(upstream, one)
    for operation in ("chat", "messages"):
        status, data = ask(gateway, one, operation)
        assert for_status(status) is for_status(wanted), data
    with pytest.raises(HeadgateError) as caught:
        asyncio.run(hear(upstream, one))
    assert caught.value.status_code == for_status(wanted)("").status_code


# --- through the SDK -------------------------------------------------------------------------------------


async def hear(upstream: Upstream, one: Exchange) -> list[dict[str, Any]]:
    """The documents of what the SDK's function gives."""
    more = {**params(one.model.partition("/")[0], upstream), "num_retries": 0, "drop_params": True}
    if one.operation == "responses":
        return [(await headgate.aresponses("Hi", one.model, **more)).model_dump()]
    if one.stream:
        more |= {"stream": True, "stream_options": {"include_usage": True}}
    if one.operation == "completions":
        answer = await headgate.atext_completion("Hi", one.model, **more)
    else:
        answer = await headgate.acompletion(one.model, HI, **more)
    return [chunk.model_dump() async for chunk in answer] if one.stream else [answer.model_dump()]


SDK = [one for one in EXCHANGES if one.operation != "messages"]


@named([one for one in SDK if one.text is not None])
def test_the_sdk_says_it(upstream: Upstream, one: Exchange) -> None:
    play(upstream, one)
    documents = asyncio.run(hear(upstream, one))
    assert meaning(one.operation, documents, one.stream) == expected(one)


@named([one for one in SDK if one.text is None])
def test_the_sdk_raises_its_class(upstream: Upstream, one: Exchange) -> None:
    play(upstream, one)
    with pytest.raises(HeadgateError) as caught:
        asyncio.run(hear(upstream, one))
    assert isinstance(caught.value, for_status(one.status)), repr(caught.value)
    assert SECRET not in str(caught.value)


@named(RANKS)
def test_the_sdk_ranks(upstream: Upstream, one: Ranked) -> None:
    upstream.reply(one.status, {"content-type": "application/json"}, whole(one.answer))
    asked = headgate.arerank(
        one.model, "q", ["a", "b"], **params(one.model.partition("/")[0], upstream), num_retries=0
    )
    if one.status >= 400:
        with pytest.raises(for_status(one.status)):
            asyncio.run(asked)
        return
    found = asyncio.run(asked).model_dump()["results"]
    assert [(row["index"], row["relevance_score"]) for row in found] == [(1, 0.9), (0, 0.25)]


@pytest.mark.parametrize(("name", "model", "answer", "tokens"), VECTORS, ids=lambda one: str(one)[:30])
def test_the_sdk_has_vectors(
    upstream: Upstream, name: str, model: str, answer: Any, tokens: int | None
) -> None:
    upstream.reply(200, {"content-type": "application/json"}, whole(answer))
    row = model.partition("/")[0]
    found = asyncio.run(headgate.aembedding(model, "Hi", **params(row, upstream), num_retries=0)).model_dump()
    assert [one["embedding"] for one in found["data"]] == [[0.5, -1.0]]


def test_the_sdk_hears_cartesia(upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "application/json"}, whole(CARTESIA))
    file = ("a.wav", wav(bytes(8000), 2000))
    asked = headgate.atranscription(
        "cartesia/ink-whisper", file, **params("cartesia", upstream), num_retries=0
    )
    assert asyncio.run(asked).text == "Hello there"
