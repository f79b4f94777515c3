"""Rerank, moderations, OCR and FIM: over the gateway's paths and by the SDK's functions, to whoever has them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headgate
from servers import KEY, RunningGateway, Upstream, running

AUTH = {"authorization": f"Bearer {KEY}"}
COHERE = {
    "id": "r-1",
    "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
    "meta": {"billed_units": {"search_units": 1}},
}
MODERATED = {
    "id": "m-1",
    "model": "omni-moderation-latest",
    "results": [{"flagged": True, "categories": {"violence": True}, "category_scores": {"violence": 0.9}}],
}
READ = {
    "model": "mistral-ocr-latest",
    "pages": [{"index": 0, "markdown": "# Hi", "images": [], "dimensions": None}],
    "usage_info": {"pages_processed": 2, "doc_size_bytes": 9},
}
FILLED = {
    "id": "f-1",
    "object": "chat.completion",
    "created": 1,
    "model": "codestral-latest",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "b"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}


@pytest.fixture(name="gateway")
def fixture_gateway(upstream: Upstream, tmp_path: Path) -> Iterator[RunningGateway]:
    def row(name: str, model: str, **info: Any) -> dict[str, Any]:
        params = {"model": model, "api_base": upstream.base, "api_key": "sk-up", "num_retries": 0}
        return {"model_name": name, "litellm_params": params, "model_info": info}

    models = [
        row("rank", "cohere/rerank-v3.5", input_cost_per_query=0.002),
        row("judge", "openai/omni-moderation-latest"),
        row("reader", "mistral/mistral-ocr-latest", ocr_cost_per_page=0.001),
        row("code", "mistral/codestral-latest"),
        row("chat", "openai/gpt-4o"),
    ]
    with running({"model_list": models, "general_settings": {"master_key": KEY}}, tmp_path) as served:
        yield served


def play(upstream: Upstream, document: dict[str, Any]) -> None:
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(document).encode())


RERANK = {"model": "rank", "query": "q", "documents": ["a", {"text": "b"}], "return_documents": True}
CASES = [
    ("/v1/rerank", RERANK, COHERE),
    ("/rerank", RERANK, COHERE),
    ("/v2/rerank", RERANK, COHERE),
    ("/v1/moderations", {"model": "judge", "input": "text"}, MODERATED),
    (
        "/v1/ocr",
        {"model": "reader", "document": {"type": "document_url", "document_url": "https://h/x.pdf"}},
        READ,
    ),
    ("/v1/fim/completions", {"model": "code", "prompt": "a", "suffix": "c"}, FILLED),
]


@pytest.mark.parametrize(("path", "body", "answer"), CASES, ids=[case[0] for case in CASES])
def test_each_operation_has_its_path(
    gateway: RunningGateway, upstream: Upstream, path: str, body: dict[str, Any], answer: dict[str, Any]
) -> None:
    play(upstream, answer)
    status, _, data = gateway.request(path, body, AUTH)
    assert status == 200, data
    found = json.loads(data)
    for name in ("results", "pages", "choices"):
        if name in answer:
            assert len(found[name]) == len(answer[name])
    logged = json.loads(gateway.request("/spend/logs/v2", None, AUTH, "GET")[2])["data"]
    assert [row["status"] for row in logged] == ["success"]


def test_ranked_documents_are_returned_and_paid_for(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, COHERE)
    _, headers, data = gateway.request("/v1/rerank", RERANK, AUTH)
    best, other = json.loads(data)["results"]
    assert (best["index"], best["relevance_score"], best["document"]["text"]) == (1, 0.9, "b")
    assert other["document"]["text"] == "a"
    assert headers["x-litellm-response-cost"] == "0.002"
    sent = json.loads(upstream.requests[-1][2])
    assert (sent["model"], sent["query"]) == ("rerank-v3.5", "q")


def test_pages_are_paid_for(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, READ)
    body = {"model": "reader", "document": {"type": "document_url", "document_url": "https://h/x.pdf"}}
    assert gateway.request("/v1/ocr", body, AUTH)[1]["x-litellm-response-cost"] == "0.002"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/rerank", {"model": "rank", "query": "q"}, "documents"),
        ("/v1/rerank", {"model": "rank", "documents": ["a"]}, "query"),
        ("/v1/rerank", {"model": "rank", "query": "q", "documents": "a"}, "documents"),
    ],
)
def test_what_is_missing_is_named(
    gateway: RunningGateway, path: str, body: dict[str, Any], param: str
) -> None:
    status, _, data = gateway.request(path, body, AUTH)
    assert status == 400
    assert param in json.loads(data)["error"]["param"]


def test_a_provider_without_the_operation_says_so(gateway: RunningGateway, upstream: Upstream) -> None:
    status, _, data = gateway.request("/v1/rerank", {**RERANK, "model": "chat"}, AUTH)
    assert status == 404
    assert "rerank" in json.loads(data)["error"]["message"]
    assert upstream.requests == []


def test_the_sdk_ranks(upstream: Upstream) -> None:
    play(upstream, COHERE)
    found = headgate.rerank(
        "cohere/rerank-v3.5", "q", ["a", "b"], api_base=upstream.base, api_key="k", top_n=2
    )
    assert isinstance(found, headgate.RerankResponse)
    assert [(row.index, row.relevance_score) for row in found.results] == [(1, 0.9), (0, 0.1)]
    assert found.results[0].document["text"] == "b"


def test_the_sdk_judges(upstream: Upstream) -> None:
    play(upstream, MODERATED)
    found = headgate.moderation("text", api_base=upstream.base, api_key="k")
    assert found.results[0].flagged is True
    assert found.results[0].categories["violence"] is True


def test_the_sdk_reads_pages(upstream: Upstream) -> None:
    play(upstream, READ)
    document = {"type": "document_url", "document_url": "https://h/x.pdf"}
    found = headgate.ocr("mistral/mistral-ocr-latest", document, api_base=upstream.base, api_key="k")
    assert found.pages[0].markdown == "# Hi"


def test_the_sdk_fills_in(upstream: Upstream) -> None:
    play(upstream, FILLED)
    found = headgate.fim_completion(
        "codestral/codestral-latest", "a", "c", api_base=upstream.base, api_key="k"
    )
    assert found.choices[0].message.content == "b"


def test_the_sdks_responses() -> None:
    found = headgate.responses("one two", "mock/echo")
    assert (found.output_text, found.status) == ("one two", "completed")
    kinds = [event.type for event in headgate.responses("one two", "mock/echo", stream=True)]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")


async def test_the_router_has_them_too(upstream: Upstream) -> None:
    play(upstream, COHERE)
    params = {"model": "cohere/rerank-v3.5", "api_base": upstream.base, "api_key": "k"}
    router = headgate.Router(model_list=[{"model_name": "rank", "litellm_params": params}])
    found = await router.arerank(model="rank", query="q", documents=["a", "b"])
    assert found.results[0].index == 1
