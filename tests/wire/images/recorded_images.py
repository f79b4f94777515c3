"""Recorded exchanges of picture APIs."""

import json
from typing import Any

import pytest

from recorded import ROOT


def exchange(name: str) -> dict[str, Any]:
    """By its id, for example "fal.images.9622bb4b72". Skips the test where the traffic is not beside the project."""
    found = next(ROOT.glob(f"dev/*/{name}.json"), None)
    if found is None:
        pytest.skip("the recorded traffic is not beside the project")
    record: dict[str, Any] = json.loads(found.read_text())
    return record


def sent(record: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = record["request"]["body"]
    return body


def answer(record: dict[str, Any]) -> bytes:
    body = record["response"].get("body")
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
