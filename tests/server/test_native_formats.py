"""Chat and embeddings clients of a running gateway, on providers with formats of their own."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import recorded
from servers import KEY, RunningGateway, Upstream, an_upstream, running

ASKED = [{"role": "user", "content": "Hi"}]
NAMES = ("aleph_alpha", "cohere", "predibase", "triton", "nlp_cloud", "watsonx")
OWN = {"watsonx": {"api_key": None, "token": "sk-upstream", "project_id": "p1"}}
"""Where a key is exchanged for a token, the token itself is given."""


upstream = an_upstream("module")


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    rows = [
        {
            "model_name": name,
            "litellm_params": {
                "model": f"{name}/m",
                "api_base": upstream.base,
                "api_key": "sk-upstream",
                **OWN.get(name, {}),
            },
        }
        for name in NAMES
    ]
    config = {
        "model_list": rows,
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"num_retries": 0},
    }
    with running(config, tmp_path_factory.mktemp("native")) as served:
        yield served


def ask(gateway: RunningGateway, path: str, model: str, **body: Any) -> tuple[int, dict[str, str], bytes]:
    given = {"messages": ASKED} if path.endswith("completions") else {}
    return gateway.request(path, {"model": model, **given, **body})


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


WHOLES = {
    "predibase": {
        "generated_text": "Yo",
        "details": {"finish_reason": "length", "prompt_tokens": 3, "generated_tokens": 4},
    },
    "triton": {"model_name": "m", "text_output": "Yo"},
    "nlp_cloud": {"generated_text": "Yo", "nb_input_tokens": 3, "nb_generated_tokens": 4},
}
STREAMS = {
    "predibase": (
        "text/event-stream",
        sse(
            {"token": {"text": "Y", "special": False}},
            {"token": {"text": "o", "special": False}, "details": {"finish_reason": "length"}},
        ),
    ),
    "triton": ("text/event-stream", sse({"text_output": "Y"}, {"text_output": "o"})),
    "nlp_cloud": ("text/plain", b"Y\0o"),
}


@pytest.mark.parametrize("name", WHOLES)
def test_a_text_from_a_prompt(gateway: RunningGateway, upstream: Upstream, name: str) -> None:
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(WHOLES[name]).encode())
    status, _, data = ask(gateway, "/v1/chat/completions", name, max_tokens=9)
    assert status == 200, data
    told = json.loads(data)
    assert told["choices"][0]["message"]["content"] == "Yo"
    line, headers, sent = upstream.requests[-1]
    assert "generat" in line
    assert headers["authorization"].endswith(" sk-upstream")
    assert "Hi" in json.loads(sent).values()


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_of_text(gateway: RunningGateway, upstream: Upstream, name: str) -> None:
    kind, body = STREAMS[name]
    upstream.reply(200, {"content-type": kind}, body)
    status, _, data = ask(gateway, "/v1/chat/completions", name, stream=True)
    assert status == 200, data
    said = recorded.said_by_chat(recorded.events(data))
    assert (said.text, said.finish) == ("Yo", "length" if name == "predibase" else "stop")
    assert data.endswith(b"data: [DONE]\n\n")


def test_a_stream_that_was_cut_is_told_as_failed(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "text/event-stream"}, sse({"token": {"text": "Y"}}))
    _, _, data = ask(gateway, "/v1/chat/completions", "predibase", stream=True)
    assert recorded.events(data)[-1]["error"]["message"]
    assert b"[DONE]" not in data


COMPLETED = {
    "aleph_alpha": (
        {"completions": [{"completion": "Yo", "finish_reason": "maximum_tokens"}], "num_tokens_generated": 4},
        "/complete",
        {"model": "m", "prompt": "Hi", "maximum_tokens": 9},
    ),
    "watsonx": (
        {"results": [{"generated_text": "Yo", "generated_token_count": 4, "stop_reason": "max_tokens"}]},
        "/ml/v1/text/generation?version=2024-03-13",
        {"model_id": "m", "input": "Hi", "parameters": {"max_new_tokens": 9}, "project_id": "p1"},
    ),
}


@pytest.mark.parametrize("name", COMPLETED)
def test_a_prompt_is_gone_on_with(gateway: RunningGateway, upstream: Upstream, name: str) -> None:
    answer, address, sent = COMPLETED[name]
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(answer).encode())
    status, _, data = gateway.request("/v1/completions", {"model": name, "prompt": "Hi", "max_tokens": 9})
    assert status == 200, data
    told = json.loads(data)
    assert (told["choices"][0]["text"], told["choices"][0]["finish_reason"]) == ("Yo", "length")
    assert told["usage"]["completion_tokens"] == 4
    line, headers, body = upstream.requests[-1]
    assert line == f"POST {address} HTTP/1.1"
    assert headers["authorization"] == "Bearer sk-upstream"
    assert json.loads(body) == sent


@pytest.mark.parametrize("name", WHOLES)
def test_what_a_prompt_can_t_say_is_refused_by_name(gateway: RunningGateway, name: str) -> None:
    tool = {"type": "function", "function": {"name": "now"}}
    status, _, data = ask(gateway, "/v1/chat/completions", name, tools=[tool])
    assert status == 400
    assert "tools" in json.loads(data)["error"]["message"]


ANSWER = {
    "id": "a",
    "finish_reason": "COMPLETE",
    "message": {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Noon."}],
        "citations": [
            {
                "start": 0,
                "end": 4,
                "text": "Noon",
                "sources": [
                    {"type": "document", "id": "d", "document": {"url": "https://e.org", "title": "T"}}
                ],
                "content_index": 1,
            }
        ],
    },
    "usage": {"tokens": {"input_tokens": 9, "output_tokens": 5}, "cached_tokens": 4},
}


def test_documents_and_their_citations(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(ANSWER).encode())
    documents = [{"id": "d", "data": {"title": "T", "text": "It is noon."}}]
    status, _, data = ask(
        gateway, "/v1/chat/completions", "cohere", documents=documents, safety_mode="STRICT"
    )
    assert status == 200, data
    line, _, sent = upstream.requests[-1]
    assert line.startswith("POST /v2/chat ")
    assert json.loads(sent) == {
        "model": "m",
        "messages": ASKED,
        "documents": documents,
        "safety_mode": "STRICT",
    }
    told = json.loads(data)
    message = told["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Noon.", "hm")
    assert message["annotations"][0]["url_citation"]["url"] == "https://e.org"
    assert told["usage"]["prompt_tokens_details"]["cached_tokens"] == 4


def test_an_anthropic_client_hears_the_same(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(ANSWER).encode())
    status, _, data = ask(gateway, "/v1/messages", "cohere", messages=ASKED, max_tokens=9)
    assert status == 200, data
    told = recorded.said_by_anthropic([json.loads(data)], stream=False)
    assert (told.text, told.reasoning, told.tokens) == ("Noon.", "hm", (9, 5))


def test_vectors_for_a_query(gateway: RunningGateway, upstream: Upstream) -> None:
    reply = {"embeddings": {"float": [[0.5, 1.0]]}, "meta": {"billed_units": {"input_tokens": 3}}}
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(reply).encode())
    status, _, data = ask(
        gateway, "/v1/embeddings", "cohere", input="noon", input_type="search_query", dimensions=2
    )
    assert status == 200, data
    line, _, sent = upstream.requests[-1]
    assert line.startswith("POST /v2/embed ")
    assert json.loads(sent) == {
        "model": "m",
        "texts": ["noon"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "output_dimension": 2,
    }
    told = json.loads(data)
    assert told["data"][0]["embedding"] == [0.5, 1.0]
    assert told["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
