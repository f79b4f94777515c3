"""Every row that draws: its upstream is asked once, with a body that it can read, and what it refuses is told."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import headgate
from headgate.providers.rows import ROWS
from picture_desk import PNG, Pictures, fields_of
from servers import Upstream

OPERATIONS = ("images", "image_edits", "image_variations")
CASES = [
    (row, operation)
    for row in ROWS
    for operation in OPERATIONS
    if operation in row.paths and row.id != "mock"  # which has no upstream
]
PARAMS: dict[str, dict[str, Any]] = {
    "azure": {"api_version": "2025-02-01-preview"},
    "bedrock": {"aws_region_name": "us-east-1"},
    "cloudflare": {"account_id": "a"},
}


@pytest.fixture(name="pictures", scope="module")
def fixture_pictures() -> Iterator[Pictures]:
    upstream = Upstream()
    yield Pictures(upstream)
    upstream.stop()


def ask(operation: str, **given: Any) -> Any:
    if operation == "images":
        return headgate.image_generation("a cat", **given)
    if operation == "image_edits":
        return headgate.image_edit(PNG, "a hat", **given)
    return headgate.image_variation(PNG, **given)


@pytest.mark.parametrize(("row", "operation"), CASES, ids=lambda one: getattr(one, "id", one))
def test_it_is_asked_once_and_its_refusal_is_told(pictures: Pictures, row: Any, operation: str) -> None:
    pictures.any = (400, {"error": {"message": "not this picture"}})
    pictures.upstream.requests.clear()
    given = {"api_base": pictures.base, "api_key": "sk-own", "num_retries": 0, "drop_params": True}
    with pytest.raises(headgate.BadRequestError, match="not this picture"):
        ask(operation, model=f"{row.id}/m", **given, **PARAMS.get(row.id, {}))
    [(line, headers, body)] = pictures.upstream.requests
    assert line.startswith("POST ")
    kind = headers["content-type"]
    sent = json.dumps(fields_of(body, kind), default=repr) if kind.startswith("multipart/") else body.decode()
    assert "cat" in sent or "hat" in sent or operation == "image_variations" or row.id == "topaz"
    assert b"sk-own" not in body
    assert any("sk-own" in value for value in headers.values())
