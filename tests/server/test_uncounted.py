"""Answers whose provider told no usage: they are estimated, booked and paid for, whole ones as streams are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers import KEY, RunningGateway, Upstream, running

WORDS = "word " * 400
MESSAGE = {"role": "assistant", "content": WORDS}
ANSWER = {"id": "c", "model": "m", "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}]}
PRICES = {"input_cost_per_token": 0.0001, "output_cost_per_token": 0.001}
ASKED = {"model": "m", "messages": [{"role": "user", "content": "one two three"}], "max_tokens": 1000}


@pytest.fixture(name="gateway")
def fixture_gateway(upstream: Upstream, tmp_path: Path) -> Iterator[RunningGateway]:
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(ANSWER).encode())
    params = {"model": "openai/own", "api_base": upstream.base, "api_key": "k", **PRICES}
    config = {
        "model_list": [{"model_name": "m", "litellm_params": params}],
        "general_settings": {"master_key": KEY},
    }
    with running(config, tmp_path) as gateway:
        yield gateway


def booked(gateway: RunningGateway) -> dict[str, Any]:
    (row,) = json.loads(gateway.request("/spend/logs")[2])
    return dict(row)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", ASKED),
        ("/v1/chat/completions", {**ASKED, "stream": True}),
        ("/v1/messages", ASKED),
        ("/v1/completions", {"model": "m", "prompt": "one two three", "max_tokens": 1000}),
    ],
    ids=("as it came", "whole as a stream", "translated", "completions"),
)
def test_a_whole_answer_that_nobody_counted_is_estimated(
    gateway: RunningGateway, path: str, body: dict[str, Any]
) -> None:
    assert gateway.request(path, body)[0] == 200
    row = booked(gateway)
    assert row["usage_from"] == "estimated"
    assert row["prompt_tokens"] > 0
    assert 300 <= row["completion_tokens"] <= 600
    paid = row["prompt_tokens"] * 0.0001 + row["completion_tokens"] * 0.001
    assert row["spend"] == pytest.approx(paid)


def test_a_budget_is_spent_by_them(gateway: RunningGateway) -> None:
    headers = {
        "authorization": "Bearer " + json.loads(gateway.request("/key/generate", {"max_budget": 3})[2])["key"]
    }
    statuses = [gateway.request("/v1/chat/completions", ASKED, headers)[0] for _ in range(10)]
    assert 200 in statuses
    assert statuses[-1] == 422


def test_a_usage_that_was_told_is_the_providers(gateway: RunningGateway, upstream: Upstream) -> None:
    told = {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}
    upstream.reply(200, {"content-type": "application/json"}, json.dumps({**ANSWER, "usage": told}).encode())
    assert gateway.request("/v1/chat/completions", ASKED)[0] == 200
    row = booked(gateway)
    assert (row["usage_from"], row["prompt_tokens"], row["completion_tokens"]) == ("provider", 3, 0)
