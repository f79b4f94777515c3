"""Recorded text completions in formats of their own, through a running gateway and the SDK to who speaks OpenAI's."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headgate
import recorded
from servers import KEY, RunningGateway, Upstream, running

recorded.needed()

SECRET = "sk-upstream-secret"
OWN: dict[str, dict[str, Any]] = {"watsonx": {"api_key": None, "token": SECRET, "project_id": "p"}}
ROWS = {"aleph-alpha": "aleph_alpha", "cohere": "cohere", "watsonx": "watsonx", "writer": "writer"}
RECORDS = [
    json.loads(file.read_text())
    for provider in ROWS
    for file in sorted(Path(recorded.ROOT, "dev", provider).glob("*.completions.*.json"))
]


def model_of(record: dict[str, Any]) -> str:
    body = record["request"]["body"]
    return f"{ROWS[record['provider']]}/{body.get('model') or body.get('model_id') or 'command'}"


def params(record: dict[str, Any], upstream: Upstream) -> dict[str, Any]:
    return {"api_base": upstream.base, "api_key": SECRET, **OWN.get(record["provider"], {})}


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    rows = [
        {
            "model_name": model_of(record),
            "litellm_params": {"model": model_of(record), **params(record, upstream)},
        }
        for record in {model_of(one): one for one in RECORDS}.values()
    ]
    config = {
        "model_list": rows,
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"num_retries": 0},
    }
    with running(config, tmp_path_factory.mktemp("texts")) as served:
        yield served


def play(upstream: Upstream, record: dict[str, Any]) -> None:
    kind = {"content-type": recorded.type_of(record)}
    upstream.reply(record["response"]["status"], kind, recorded.answer_bytes(record))


def said(record: dict[str, Any]) -> tuple[str, tuple[int, int] | None]:
    """Text and tokens of a recorded answer, read the simplest way."""
    raw = recorded.answer_bytes(record)
    if record["provider"] == "writer":
        return "".join(event["value"] for event in recorded.events(raw)), None
    if record["provider"] == "watsonx":
        results = [event["results"][0] for event in recorded.events(raw)]
        text = "".join(one["generated_text"] for one in results)
        return text, (results[0]["input_token_count"], results[-1]["generated_token_count"])
    body = json.loads(raw)
    if record["provider"] == "cohere":
        units = body["meta"].get("billed_units")
        tokens = (units["input_tokens"], units["output_tokens"]) if units else None
        return body["generations"][0]["text"], tokens
    tokens = (body["num_tokens_prompt_total"], body["num_tokens_generated"])
    return body["completions"][0]["completion"], tokens


def heard(documents: list[dict[str, Any]]) -> tuple[str, tuple[int, int] | None]:
    usage = next((one["usage"] for one in documents if one.get("usage")), None)
    text = "".join(choice["text"] for one in documents for choice in one["choices"])
    assert any(choice.get("finish_reason") for one in documents for choice in one["choices"])
    return text, (usage["prompt_tokens"], usage["completion_tokens"]) if usage else None


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: one["id"])
def test_a_text_reaches_an_openai_client(
    gateway: RunningGateway, upstream: Upstream, record: dict[str, Any]
) -> None:
    play(upstream, record)
    body: dict[str, Any] = {"model": model_of(record), "prompt": "Hi", "stream": record["stream"]}
    if record["stream"]:
        body["stream_options"] = {"include_usage": True}
    status, _, data = gateway.request("/v1/completions", body)
    assert status == 200, data
    assert heard(recorded.events(data) if record["stream"] else [json.loads(data)]) == said(record)
    assert SECRET in upstream.requests[-1][1]["authorization"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: one["id"])
def test_the_sdk_has_the_text(upstream: Upstream, record: dict[str, Any]) -> None:
    async def hear() -> list[dict[str, Any]]:
        more = {**params(record, upstream), "num_retries": 0}
        if not record["stream"]:
            return [(await headgate.atext_completion("Hi", model_of(record), **more)).model_dump()]
        more |= {"stream": True, "stream_options": {"include_usage": True}}
        answer = await headgate.atext_completion("Hi", model_of(record), **more)
        return [chunk.model_dump() async for chunk in answer]

    play(upstream, record)
    assert heard(asyncio.run(hear())) == said(record)
