"""Recorded answers of vendors with embeddings of their own, through a running gateway to a client of OpenAI's."""

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest

import recorded
from headgate.errors import for_status
from servers import KEY, RunningGateway, Upstream, running
from wire.operations.exchanges import exchanges

ROWS = {"voyage": "voyage", "huggingface": "huggingface", "aleph-alpha": "aleph_alpha"}
RECORDS = [
    pytest.param(row, *one, id=f"{row}-{at}")
    for provider, row in ROWS.items()
    for at, one in enumerate(exchanges("embeddings", provider))
    if provider != "aleph-alpha" or one[0].endswith("/batch_semantic_embed")
]

recorded.needed()


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    rows = [
        {
            "model_name": f"{name}/*",
            "litellm_params": {"model": f"{name}/*", "api_base": upstream.base, "api_key": "sk-secret"},
        }
        for name in ROWS.values()
    ]
    config = {
        "model_list": rows,
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"num_retries": 0},
    }
    with running(config, tmp_path_factory.mktemp("replay")) as served:
        yield served


def vectors_in(document: Any) -> list[Any]:
    """The vectors of an answer: a list of them, one, or rows, perhaps in base64."""
    rows = document if isinstance(document, list) else document.get("data") or document["embeddings"]
    if isinstance(rows[0], float):
        return [rows]
    found = [row["embedding"] if isinstance(row, dict) else row for row in rows]
    return [unpacked(one) if isinstance(one, str) else one for one in found]


def unpacked(text: str) -> list[float]:
    raw = base64.b64decode(text)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


@pytest.mark.parametrize("row, url, asked, status, answered", RECORDS)
def test_vectors_reach_an_openai_client(
    gateway: RunningGateway,
    upstream: Upstream,
    row: str,
    url: str,
    asked: dict[str, Any],
    status: int,
    answered: bytes,
) -> None:
    upstream.reply(status, {"content-type": "application/json"}, answered)
    vectors = vectors_in(json.loads(answered)) if status == 200 else ["x"]
    got, _, data = gateway.request("/v1/embeddings", {"model": f"{row}/m", "input": ["x"] * len(vectors)})
    if status >= 400:
        assert for_status(got) is for_status(status)
        assert json.loads(data)["error"]["message"]
        return
    assert got == 200, data
    assert [one["embedding"] for one in json.loads(data)["data"]] == vectors
