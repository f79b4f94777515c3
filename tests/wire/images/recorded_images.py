"""Recorded exchanges of picture APIs."""

import json
from typing import Any


def sent(record: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = record["request"]["body"]
    return body


def answer(record: dict[str, Any]) -> bytes:
    body = record["response"].get("body")
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
