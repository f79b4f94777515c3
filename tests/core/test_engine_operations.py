"""Operations beside chat through the engine: translated, passed, streamed, and what they cost."""

import json
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Raw

from core.played import Bench, deployment, failed, ok
from headgate import errors
from headgate.core.call import Call
from headgate.core.dialects import OPERATIONS, dialect
from headgate.money import dollars

DOCUMENTS = ["Paris", "Rome"]


def call(operation: Any, stream: bool = False, **body: Any) -> Call:
    asked = {"model": "group", **body, **({"stream": True} if stream else {})}
    return Call(
        id="id-1",
        operation=operation,
        dialect=dialect(OPERATIONS[operation]),
        envelope={key: Raw(json.dumps(value).encode()) for key, value in asked.items()},
        model="group",
        stream=stream,
        started=0.5,
        created=1,
    )


def answered(**document: Any) -> Any:
    return ok(json.dumps(document).encode())


async def test_a_rerank_in_another_spelling() -> None:
    rows = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
    bench = Bench(answered(data=rows, model="rerank-2", usage={"total_tokens": 5}))
    bench.group("group", deployment("voyage/rerank-2", info={"input_cost_per_token": 1e-6}))
    asked = call("rerank", query="q", documents=DOCUMENTS, return_documents=True)
    answer = json.loads((await bench.run(asked)).body)
    assert bench.transport.sent == [
        (
            "api.voyageai.com",
            {"model": "rerank-2", "query": "q", "documents": DOCUMENTS, "return_documents": True},
        )
    ]
    assert answer["id"] == "rerank-id-1"
    assert answer["results"][0] == {"index": 1, "relevance_score": 0.9, "document": {"text": "Rome"}}
    assert answer["meta"]["tokens"] == {"input_tokens": 5, "output_tokens": 0}
    assert (dollars(asked.cost or 0), asked.upstream_model) == (Decimal("0.000005"), "rerank-2")


async def test_a_rerank_that_passes_costs_its_searches() -> None:
    document = {"id": "i", "results": [], "meta": {"billed_units": {"search_units": 2}}, "own": 1}
    bench = Bench(answered(**document))
    bench.group("group", deployment("together_ai/m", info={"input_cost_per_query": 0.002}))
    asked = call("rerank", query="q", documents=DOCUMENTS)
    assert json.loads((await bench.run(asked)).body) == document
    assert dollars(asked.cost or 0) == Decimal("0.004")


async def test_an_error_under_200_is_one() -> None:
    bench = Bench(*[answered(code="InvalidApiKey", message="no such key")] * 3)
    bench.group("group", deployment("dashscope/gte-rerank"))
    with pytest.raises(errors.HeadgateError, match="no such key"):
        await bench.run(call("rerank", query="q", documents=DOCUMENTS))


async def test_a_rerank_falls_to_a_deployment_of_another_format() -> None:
    bench = Bench(failed(500), answered(results=[{"index": 0, "relevance_score": 1}]))
    bench.group("group", deployment("jina_ai/m"), deployment("infinity/m", api_base="https://h.test"))
    asked = call("rerank", query="q", documents=DOCUMENTS)
    answer = json.loads((await bench.run(asked)).body)
    assert [row["index"] for row in answer["results"]] == [0]
    assert asked.attempts == 2


async def test_a_provider_without_the_operation_says_so() -> None:
    bench = Bench()
    bench.group("group", deployment("anthropic/claude-sonnet-4-5"))
    with pytest.raises(errors.NotFoundError, match="rerank"):
        await bench.run(call("rerank", query="q", documents=DOCUMENTS))


async def test_ocr_passes_as_it_came_and_costs_its_pages() -> None:
    document = {"pages": [{"index": 0, "markdown": "a", "new": 1}], "usage_info": {"pages_processed": 2}}
    bench = Bench(answered(**document))
    bench.group("group", deployment("mistral/mistral-ocr-latest"))
    asked = call("ocr", document={"type": "document_url", "document_url": "https://x/y.pdf"}, new=[1])
    assert json.loads((await bench.run(asked)).body) == document
    assert bench.transport.sent[0][1]["new"] == [1]
    assert dollars(asked.cost or 0) == Decimal("0.008")


async def test_moderations_in_another_format() -> None:
    results = [{"categories": {"pii": True}, "category_scores": {"pii": 0.9}}]
    bench = Bench(answered(id="i", model="mistral-moderation-latest", results=results))
    bench.group("group", deployment("mistral/mistral-moderation-latest"))
    answer = json.loads((await bench.run(call("moderations", input="a"))).body)
    assert answer["results"][0]["flagged"] is True
    assert bench.transport.sent[0][1] == {"model": "mistral-moderation-latest", "input": ["a"]}


async def test_a_stream_of_fim_passes_and_its_usage_is_seen() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}
    chunk = {"id": "i", "model": "codestral-2508", "choices": [choice], "usage": usage}
    data = b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n"
    bench = Bench(ok(data, "text/event-stream"))
    bench.group("group", deployment("codestral/codestral-latest"))
    asked = call("fim", stream=True, prompt="a", suffix="b", seed=1)
    answer = await bench.run(asked)
    assert b"".join([piece async for piece in answer]) == data
    assert (asked.usage.input, asked.usage.output) == (3, 2)
    assert bench.transport.sent[0][1]["random_seed"] == 1
    assert bench.transport.heads[0].startswith(b"POST /v1/fim/completions ")


async def test_text_completions_reach_a_server_of_fim() -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    bench = Bench(answered(id="i", model="c", choices=[choice]))
    bench.group("group", deployment("text-completion-codestral/codestral-latest"))
    answer = json.loads((await bench.run(call("completions", prompt="a", suffix="b"))).body)
    assert answer["choices"][0]["text"] == "x"
    sent = bench.transport.sent[0][1]
    assert (sent["prompt"], sent["suffix"]) == ("a", "b")
