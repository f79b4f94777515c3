"""What is no call of a model that the gateway knows: lists, files, jobs, caches, older formats. Every such exchange
goes through `/{provider}/…`, byte for byte both ways."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

import recorded
from servers import KEY, RunningGateway, Upstream, running

recorded.needed()

ROWS = {
    **recorded.PROVIDERS,
    "aws-bedrock": "bedrock",
    "aws-sagemaker": "sagemaker",
    "black-forest-labs": "black_forest_labs",
    "cohere": "cohere",
    "deepgram": "deepgram",
    "fal": "fal_ai",
    "ollama-cloud": "ollama",
    "replicate": "replicate",
    "voyage": "voyage",
    "watsonx": "watsonx",
}
KEPT = ("/v1/files", "/v1/batches", "/v1/fine_tuning/jobs", "/v1/messages/batches")
"""Jobs are followed for what they cost: their answers are written anew, say the same, and may say more."""
OWN: dict[str, dict[str, Any]] = {"watsonx": {"api_key": None, "token": "sk-upstream-secret"}}
"""Where a key is exchanged for a token, the token itself is given."""


def others() -> Iterator[dict[str, Any]]:
    """Those that no other test replays."""
    calls = {record["id"] for record in recorded.records() if recorded.reason_left_out(record) is None}
    for line in (recorded.ROOT / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if not entry["file"].startswith("responses_only") and entry["id"] not in calls:
            yield {**json.loads((recorded.ROOT / entry["file"]).read_text()), "id": entry["id"]}


LEFT_OUT = {
    "openai.other.stream.2de610d06a": "a request to the root of the host, which its API answers with 421"
}
RECORDS = [record for record in others() if record["id"] not in LEFT_OUT]


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    params = {"api_base": upstream.base, "api_key": "sk-upstream-secret", "use_in_pass_through": True}
    rows = [
        {"model_name": name, "litellm_params": {"model": f"{name}/m", **params, **OWN.get(name, {})}}
        for name in sorted(set(ROWS.values()))
    ]
    config = {"model_list": rows, "general_settings": {"master_key": KEY}}
    with running(config, tmp_path_factory.mktemp("passed")) as served:
        yield served


def bytes_of(part: dict[str, Any]) -> bytes:
    for kind in ("sse", "ndjson"):
        if kind in part:
            return str(part[kind]).encode()
    if "body_base64" in part:
        return base64.b64decode(part["body_base64"])
    body = part.get("body")
    return body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()


def said(body: bytes, keys: Any = None) -> Any:
    """A body's meaning: its JSON, by `keys` alone where it is an object, and by lines where it is several."""
    if not body.startswith((b"{", b"[")):
        return body
    if b"\n{" in body:
        return [json.loads(line) for line in body.splitlines()]
    value = json.loads(body)
    return {key: value.get(key) for key in keys} if keys is not None and isinstance(value, dict) else value


def type_of(part: dict[str, Any]) -> str:
    given = {name.lower(): value for name, value in (part.get("headers") or {}).items()}.get("content-type")
    return str(given or ("text/event-stream" if "sse" in part else "application/json"))


def test_every_exchange_is_replayed_somewhere() -> None:
    assert {record["provider"] for record in RECORDS} <= ROWS.keys()


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["id"])
def test_an_exchange_passes_through(
    gateway: RunningGateway, upstream: Upstream, record: dict[str, Any]
) -> None:
    request, response = record["request"], record["response"]
    answer = bytes_of(response)
    upstream.reply(response["status"], {"content-type": type_of(response)}, answer)
    url = urlsplit(request["url"])
    path = url.path + (f"?{url.query}" if url.query else "")
    body = bytes_of(request)
    headers = {"authorization": f"Bearer {KEY}", "content-type": type_of(request)}
    asked = body if body or request["method"] != "GET" else None
    status, _, data = gateway.request(f"/{ROWS[record['provider']]}{path}", asked, headers, request["method"])
    line, sent, arrived = upstream.requests[-1]
    if url.path.startswith(KEPT):
        wanted = said(answer)
        assert (status, said(data, wanted)) == (response["status"], wanted)
        assert line.startswith((f"{request['method']} {url.path}", f"{request['method']} {url.path[3:]}"))
    else:
        assert (status, data) == (response["status"], answer if status != 204 else b"")
        assert line.startswith(f"{request['method']} {url.path}")
        assert arrived == body
    assert KEY not in str(sent)
