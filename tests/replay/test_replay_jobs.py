"""Recorded exchanges of files and batches through the gateway: what reaches the provider, and what comes back."""

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import recorded
from keepers import Keeper, keeping
from servers import KEY, RunningGateway, running

PROVIDERS = {"openai": "openai/gpt-test", "anthropic": "anthropic/claude-test"}
RECORDS = [
    (provider, json.loads(file.read_text()))
    for provider in PROVIDERS
    for kind in ("files", "batches")
    for file in sorted((recorded.ROOT / "dev" / provider).glob(f"{provider}.{kind}.*.json"))
]
OPENAIS = [
    r for provider, r in RECORDS if provider == "openai" and "/vector_stores" not in r["request"]["url"]
]
STORES = [r for provider, r in RECORDS if "/vector_stores" in r["request"]["url"]]
MESSAGES = [
    r for provider, r in RECORDS if provider == "anthropic" and "/messages/batches" in r["request"]["url"]
]
FILES = [
    r for provider, r in RECORDS if provider == "anthropic" and "/messages/batches" not in r["request"]["url"]
]


def body_of(told: dict[str, Any]) -> bytes:
    for name in ("sse", "ndjson"):
        if name in told:
            return str(told[name]).encode()
    if "body_base64" in told:
        return base64.b64decode(told["body_base64"])
    body = told.get("body")
    return b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()


def same(told: bytes, wanted: bytes) -> bool:
    try:
        return bool(json.loads(told) == json.loads(wanted))
    except ValueError:
        return told == wanted


def play(record: dict[str, Any], provider: str, tmp_path: Path, root: str = "") -> None:
    asked, told = record["request"], record["response"]
    parts = urlsplit(asked["url"])
    kind = {name: value for name, value in told["headers"].items() if name == "content-type"}
    with keeping() as keeper, running(config(keeper, provider), tmp_path) as gateway:
        keeper.plays[f"{asked['method']} {parts.path}"] = (told["status"], kind, body_of(told))
        answer = through(gateway, asked, root + parts.path + (f"?{parts.query}" if parts.query else ""))
        assert answer[0] == told["status"]
        assert same(answer[2], body_of(told))
        got = keeper.last(asked["method"], parts.path)
        assert same(got.body, body_of(asked))
        if body_of(asked):
            assert got.headers["content-type"] == asked["headers"]["content-type"]


def config(keeper: Keeper, provider: str) -> dict[str, Any]:
    base = keeper.base + ("/v1" if provider == "openai" else "")
    params = {"model": PROVIDERS[provider], "api_base": base, "api_key": "sk-up", "use_in_pass_through": True}
    return {
        "model_list": [{"model_name": "m", "litellm_params": params}],
        "general_settings": {"master_key": KEY},
    }


def through(gateway: RunningGateway, asked: dict[str, Any], path: str) -> tuple[int, dict[str, str], bytes]:
    headers = {**asked["headers"], "authorization": f"Bearer {KEY}"}
    return gateway.request(path, body_of(asked) or None, headers, asked["method"])


@pytest.mark.parametrize("record", OPENAIS, ids=lambda record: record["id"])
def test_openais_files_and_batches(record: dict[str, Any], tmp_path: Path) -> None:
    play(record, "openai", tmp_path)


@pytest.mark.parametrize("record", MESSAGES, ids=lambda record: record["id"])
@pytest.mark.parametrize("root", ["", "/anthropic"])
def test_anthropics_batches(record: dict[str, Any], root: str, tmp_path: Path) -> None:
    play(record, "anthropic", tmp_path, root)


@pytest.mark.parametrize("record", FILES, ids=lambda record: record["id"])
def test_anthropics_own_files_are_passed_through(record: dict[str, Any], tmp_path: Path) -> None:
    play(record, "anthropic", tmp_path, "/anthropic")


@pytest.mark.parametrize("record", STORES, ids=lambda record: record["id"])
def test_files_of_vector_stores_are_passed_through(record: dict[str, Any], tmp_path: Path) -> None:
    play(record, "openai", tmp_path, "/openai")
