"""Batches of embeddings at clouds that read and write files in buckets, asked as OpenAI's."""

import base64
import json
import struct
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest

from clouds import Amazon, Google, Line, aws, found, gcp
from headgate.catalog.lookup import Catalog
from headgate.core.deployment import Deployment
from headgate.server.batches import Sum
from headgate.wire.ir import Usage
from keepers import Keeper, client, fixture_closed, fixture_keeper, jsonl, key, line, rows, spent, until
from servers import KEY, RunningGateway, running

closed, keeper = fixture_closed, fixture_keeper
PRICE = Decimal("0.000002")
TITAN, COHERE = "amazon.titan-embed-text-v2:0", "cohere.embed-english-v3"
MODELS = {
    "titan": f"bedrock/{TITAN}",
    "cohere": f"bedrock/{COHERE}",
    "nova": "bedrock/us.amazon.nova-lite-v1:0",
    "text": "vertex_ai/text-embedding-005",
    "gemini": "vertex_ai/gemini-embedding-001",
    "flash": "vertex_ai/gemini-2.5-flash",
}


@pytest.fixture(name="gateway")
def fixture_gateway(keeper: Keeper, tmp_path: Path) -> Iterator[RunningGateway]:
    models = []
    for name, model in MODELS.items():
        own = aws(keeper) if model.startswith("bedrock") else gcp(keeper)
        models.append(
            {
                "model_name": name,
                "litellm_params": {"model": model, "input_cost_per_token": float(PRICE), **own},
            }
        )
    config = {"model_list": models, "general_settings": {"master_key": KEY}}
    with running(config, tmp_path) as served:
        yield served


def embed(number: int, model: str, text: Any = "Hi", **body: Any) -> Line:
    asked = {"model": model, "input": text, **body}
    return {"custom_id": f"r{number}", "method": "POST", "url": "/v1/embeddings", "body": asked}


def made(
    gateway: RunningGateway, own: str, model: str, lines: list[Line], endpoint: Any = "/v1/embeddings"
) -> openai.types.Batch:
    asking = client(gateway, own)
    told = {"target_model_names": model}
    file = asking.files.create(file=("in.jsonl", jsonl(lines)), purpose="batch", extra_body=told)
    return asking.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")


def done(gateway: RunningGateway, own: str, name: str) -> tuple[dict[str, Line], dict[str, Line]]:
    """The lines of the results, and of the errors."""
    asking = client(gateway, own)
    told = asking.batches.retrieve(name)
    assert (told.status, told.endpoint) == ("completed", "/v1/embeddings")
    files = (told.output_file_id, told.error_file_id)
    good, bad = (found(asking.files.content(one).text.splitlines()) if one else {} for one in files)
    return good, bad


def vectors_of(row: Line, model: str, tokens: int) -> list[Any]:
    assert (row["error"], row["response"]["status_code"]) == (None, 200)
    body = row["response"]["body"]
    assert (body["object"], body["model"]) == ("list", model)
    assert body["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert [one["index"] for one in body["data"]] == list(range(len(body["data"])))
    return [one["embedding"] for one in body["data"]]


# Bedrock


def titan(request: Line) -> Line:
    if not request["modelInput"]["inputText"]:
        return {"error": {"errorCode": 400, "errorMessage": "The text is empty."}}
    return {"modelOutput": {"embedding": [0.5, 0.25], "inputTextTokenCount": 3}}


def test_a_batch_of_titans_from_its_file_to_its_costs(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud, own = Amazon(keeper), key(gateway)
    lines = [embed(1, "titan"), embed(2, "titan", ""), embed(3, "titan", ["Hi"], dimensions=256)]
    begun = made(gateway, own, "titan", lines)
    assert begun.endpoint == "/v1/embeddings"
    assert [(row["recordId"], row["modelInput"]) for row in cloud.lines()] == [
        ("r1", {"inputText": "Hi"}),
        ("r2", {"inputText": ""}),
        ("r3", {"inputText": "Hi", "dimensions": 256}),
    ]
    order = keeper.last("POST", "/model-invocation-job").json
    assert (order["modelId"], order["modelInvocationType"]) == (TITAN, "InvokeModel")
    cloud.run(begun.id, titan)
    good, bad = done(gateway, own, begun.id)
    assert {name: vectors_of(row, TITAN, 3) for name, row in good.items()} == {
        "r1": [[0.5, 0.25]],
        "r3": [[0.5, 0.25]],
    }
    assert bad["r2"]["error"] == {"code": "400", "message": "The text is empty."}
    until(lambda: spent(gateway, own) == 6 * PRICE / 2)
    done(gateway, own, begun.id)
    (row,) = rows(gateway)
    assert (row["model"], row["prompt_tokens"], row["completion_tokens"]) == (TITAN, 6, 0)


def test_tokens_that_no_reply_tells_stand_beside_the_results(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud, own = Amazon(keeper), key(gateway)
    lines = [embed(1, "cohere", ["a", "b"], input_type="search_query"), embed(2, "cohere")]
    begun = made(gateway, own, "cohere", lines)
    assert [row["modelInput"] for row in cloud.lines()] == [
        {"texts": ["a", "b"], "input_type": "search_query"},
        {"texts": ["Hi"], "input_type": "search_document"},
    ]

    def reply(request: Line) -> Line:
        texts = request["modelInput"]["texts"]
        return {"modelOutput": {"id": "x", "embeddings": [[0.5]] * len(texts), "texts": texts}}

    cloud.run(begun.id, reply)
    where = f"s3://my-bucket/headgate/results/{begun.id}/manifest.json.out"
    cloud.put(where, json.dumps({"totalRecordCount": 2, "inputTokenCount": 8}).encode())
    good, bad = done(gateway, own, begun.id)
    assert [len(vectors_of(good[name], COHERE, 0)) for name in ("r1", "r2")] == [2, 1]
    assert bad == {}
    until(lambda: spent(gateway, own) == 8 * PRICE / 2)
    (row,) = rows(gateway)
    assert row["prompt_tokens"] == 8


def test_vectors_as_base64(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud = Amazon(keeper)
    lines = [embed(1, "titan", encoding_format="base64"), embed(2, "titan")]
    begun = made(gateway, KEY, "titan", lines)
    cloud.run(begun.id, titan)
    good, _ = done(gateway, KEY, begun.id)
    (text,) = vectors_of(good["r1"], TITAN, 3)
    assert struct.unpack("<2f", base64.b64decode(text)) == (0.5, 0.25)
    assert vectors_of(good["r2"], TITAN, 3) == [[0.5, 0.25]]


# Vertex AI


def predicted(request: Line) -> Line:
    if not request["content"]:
        return {"status": "Bad Request: the text is empty.", "predictions": []}
    told = {"statistics": {"token_count": 3, "truncated": False}, "values": [0.5, 0.25]}
    return {"status": "", "predictions": [{"embeddings": told}]}


def embedded(request: Line) -> Line:
    return {
        "status": "",
        "response": {"embedding": {"values": [0.5, 0.25]}, "usageMetadata": {"promptTokenCount": 3}},
    }


def test_a_batch_of_instances_from_its_file_to_its_costs(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud, own = Google(keeper), key(gateway)
    sized = {"dimensions": 256}
    lines = [
        embed(1, "text", **sized),
        embed(2, "text", "", **sized),
        embed(3, "text", input_type="query", **sized),
    ]
    begun = made(gateway, own, "text", lines)
    assert cloud.lines() == [
        {"key": "r1", "content": "Hi"},
        {"key": "r2", "content": ""},
        {"key": "r3", "content": "Hi", "task_type": "RETRIEVAL_QUERY"},
    ]
    order = keeper.last("POST", "/v1/projects/p/locations/us-central1/batchPredictionJobs").json
    assert order["model"] == "publishers/google/models/text-embedding-005"
    assert order["instanceConfig"] == {"keyField": "key"}
    assert order["modelParameters"] == {"outputDimensionality": 256}
    cloud.run(begun.id, predicted)
    good, bad = done(gateway, own, begun.id)
    assert {name: vectors_of(row, "text-embedding-005", 3) for name, row in good.items()} == {
        "r1": [[0.5, 0.25]],
        "r3": [[0.5, 0.25]],
    }
    assert "the text is empty" in bad["r2"]["error"]["message"]
    until(lambda: spent(gateway, own) == 6 * PRICE * Decimal("0.8"))
    (row,) = rows(gateway)
    assert row["prompt_tokens"] == 6


def test_a_batch_of_geminis_embeddings(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud, own = Google(keeper), key(gateway)
    lines = [
        embed(1, "gemini", dimensions=768),
        embed(2, "gemini", ["Hi"], dimensions=256, input_type="CLUSTERING"),
    ]
    begun = made(gateway, own, "gemini", lines)
    content = {"parts": [{"text": "Hi"}]}
    assert cloud.lines() == [
        {
            "key": "r1",
            "request": {"content": content, "embed_content_config": {"output_dimensionality": 768}},
        },
        {
            "key": "r2",
            "request": {
                "content": content,
                "embed_content_config": {"output_dimensionality": 256, "task_type": "CLUSTERING"},
            },
        },
    ]
    order = keeper.last("POST", "/v1/projects/p/locations/us-central1/batchPredictionJobs").json
    assert order["model"] == "publishers/google/models/gemini-embedding-001"
    assert not {"instanceConfig", "modelParameters"} & order.keys()
    cloud.run(begun.id, embedded)
    good, bad = done(gateway, own, begun.id)
    assert [vectors_of(good[name], "gemini-embedding-001", 3) for name in ("r1", "r2")] == [[[0.5, 0.25]]] * 2
    assert bad == {}
    until(lambda: spent(gateway, own) == 6 * PRICE * Decimal("0.8"))


# what can't be


@pytest.mark.parametrize(
    ("cloud", "provider", "lines", "words"),
    [
        (Amazon, "bedrock", [embed(1, "titan"), line(2, "titan")], ["line 2", "/v1/chat", "/v1/embeddings"]),
        (Amazon, "bedrock", [line(1, "nova"), embed(2, "nova")], ["line 2", "/v1/embeddings", "must be"]),
        (Amazon, "bedrock", [embed(1, "nova")], ["line 1", "nova-lite", "/v1/chat/completions"]),
        (Google, "vertex_ai", [embed(1, "flash")], ["line 1", "gemini-2.5-flash", "/v1/embeddings"]),
        (Amazon, "bedrock", [embed(1, "titan"), embed(2, "titan", ["a", "b"])], ["line 2", "2 texts"]),
        (Google, "vertex_ai", [embed(1, "text", ["a", "b", "c"])], ["line 1", "3 texts"]),
        (Google, "vertex_ai", [embed(1, "gemini", ["a", "b"])], ["line 1", "2 texts"]),
        (Amazon, "bedrock", [embed(1, "titan", [1, 2])], ["line 1", "token ids"]),
        (Amazon, "bedrock", [embed(1, "titan", None)], ["line 1", "input"]),
        (
            Google,
            "vertex_ai",
            [embed(1, "text", dimensions=256), embed(2, "text")],
            ["line 2", "outputDimensionality", "text-embedding-005"],
        ),
    ],
)
def test_lines_that_can_not_be(
    gateway: RunningGateway,
    keeper: Keeper,
    cloud: Callable[[Keeper], Any],
    provider: str,
    lines: list[Line],
    words: list[str],
) -> None:
    cloud(keeper)
    with pytest.raises(openai.BadRequestError) as error:
        client(gateway).files.create(
            file=("x", jsonl(lines)), purpose="batch", extra_body={"custom_llm_provider": provider}
        )
    assert [word for word in words if word not in error.value.message] == []
    assert not [asked for asked in keeper.asked if asked.path != "/token"]


@pytest.mark.parametrize(
    ("model", "lines", "endpoint", "right"),
    [
        ("titan", [embed(1, "titan")], "/v1/chat/completions", "/v1/embeddings"),
        ("nova", [line(1, "nova")], "/v1/embeddings", "/v1/chat/completions"),
    ],
)
def test_a_batch_is_for_what_its_file_asks(
    gateway: RunningGateway, keeper: Keeper, model: str, lines: list[Line], endpoint: str, right: str
) -> None:
    cloud = Amazon(keeper)
    with pytest.raises(openai.BadRequestError, match=right):
        made(gateway, KEY, model, lines, endpoint)
    assert not cloud.jobs


def test_a_price_by_character_is_no_price_of_tokens() -> None:
    """Results of batches tell no characters: a cost of nothing would be no knowledge."""

    def sum_of(**price: float) -> Sum:
        params = {"model": "vertex_ai/text-embedding-005", "vertex_project": "p", **price}
        one = Sum(Deployment("text", params, catalog=Catalog(), env={}))
        one.add(Usage(input=3))
        return one

    assert sum_of(input_cost_per_character=0.001).cost is None
    assert sum_of(input_cost_per_token=0.001).cost == Decimal("0.0024")
