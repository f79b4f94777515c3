"""Batches as recorded: what a line says, when a batch has ended, how Anthropic's are told in OpenAI's words."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

import recorded
from headgate.errors import BadRequestError
from headgate.wire import batches

DEV = recorded.ROOT / "dev"


def recordings(provider: str, kinds: str) -> list[dict[str, Any]]:
    return [
        json.loads(file.read_text()) for file in sorted((DEV / provider).glob(f"{provider}.{kinds}.*.json"))
    ]


def lines(record: dict[str, Any]) -> list[bytes]:
    told = record["response"]
    if "ndjson" in told:
        return [row.encode() for row in told["ndjson"].splitlines() if row.strip()]
    return [json.dumps(told["body"]).encode()]


RESULTS = [one for one in recordings("anthropic", "batches") if one["request"]["url"].endswith("/results")]
BATCHES = [one["response"]["body"] for one in recordings("anthropic", "batches") if one not in RESULTS]
OUTPUTS = [one for one in recordings("openai", "files") if "custom_id" in json.dumps(one["response"])]


@pytest.mark.parametrize("record", RESULTS, ids=lambda record: record["id"])
def test_recorded_results_of_message_batches(record: dict[str, Any]) -> None:
    for line in lines(record):
        told = json.loads(line)
        found = batches.message_result(line)
        assert found.custom_id == told["custom_id"]
        assert json.loads(found.body) == told["result"]["message"]
        again = json.loads(batches.told_result(line, lambda name, body: b'{"said": true}'))
        assert again["response"] == {"status_code": 200, "request_id": "", "body": {"said": True}}
        assert (again["custom_id"], again["error"]) == (told["custom_id"], None)


@pytest.mark.parametrize("record", OUTPUTS, ids=lambda record: record["id"])
def test_recorded_output_files(record: dict[str, Any]) -> None:
    for line in lines(record):
        told = json.loads(line)
        if "custom_id" in told:
            found = batches.openai_result(line)
            assert (found.custom_id, json.loads(found.body)) == (told["custom_id"], told["response"]["body"])


@pytest.mark.parametrize("document", BATCHES, ids=lambda document: document["id"])
def test_recorded_message_batches_in_openais_words(document: dict[str, Any]) -> None:
    own = {"endpoint": "/v1/chat/completions", "input_file_id": "file-1", "metadata": {"a": "b"}}
    told = batches.told_batch(document, own, "file-out")
    assert (told["id"], told["object"], told["metadata"]) == (document["id"], "batch", {"a": "b"})
    assert told["status"] == "in_progress"
    assert told["output_file_id"] is None
    assert told["request_counts"]["total"] == 2
    assert told["expires_at"] - told["created_at"] == 86_400


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"processing_status": "canceling"}, "cancelling"),
        ({"processing_status": "ended"}, "completed"),
        ({"processing_status": "ended", "request_counts": {"expired": 2}}, "expired"),
        ({"processing_status": "ended", "request_counts": {"expired": 1, "succeeded": 1}}, "completed"),
        ({"processing_status": "ended", "cancel_initiated_at": "2026-01-01T00:00:00Z"}, "cancelled"),
    ],
)
def test_how_message_batches_end(fields: dict[str, Any], status: str) -> None:
    recorded.needed()
    told = batches.told_batch({**BATCHES[0], **fields}, {}, "file-out")
    assert told["status"] == status
    assert (told["output_file_id"] == "file-out") == (fields["processing_status"] == "ended")


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ({"type": "canceled"}, "batch_cancelled"),
        ({"type": "expired"}, "batch_expired"),
        (
            {
                "type": "errored",
                "error": {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}},
            },
            "invalid_request_error",
        ),
    ],
)
def test_requests_without_a_reply(result: dict[str, Any], code: str) -> None:
    line = json.dumps({"custom_id": "a", "result": result}).encode()
    assert batches.message_result(line).body == b""
    told = json.loads(batches.told_result(line, lambda name, body: b"{}"))
    assert (told["response"], told["error"]["code"]) == (None, code)


@pytest.mark.parametrize(
    "response", [None, {"status_code": 400, "body": {"error": {}}}, {"status_code": 200, "body": None}]
)
def test_an_output_without_a_reply(response: Any) -> None:
    line = json.dumps({"custom_id": "a", "response": response, "error": None}).encode()
    assert batches.openai_result(line) == batches.Result("a", b"")


NO_LINES = some.recursive(some.none() | some.text(), some.lists).map(msgspec.json.encode)


@given(some.one_of(some.binary(max_size=60), NO_LINES))
def test_lines_that_are_none_are_told_by_number(data: bytes) -> None:
    with pytest.raises(BadRequestError, match="line 7"):
        batches.request_line(data, 7)


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        ("/v1/chat/completions", "openai_chat"),
        ("/chat/completions", "openai_chat"),
        ("/v1/completions", "completions"),
        ("/v1/embeddings", "openai_embeddings"),
        ("/v1/responses", "responses"),
        ("/v1/moderations", ""),
        (None, ""),
    ],
)
def test_an_endpoint_tells_the_format(endpoint: str | None, name: str) -> None:
    assert batches.endpoint_dialect({"endpoint": endpoint}) == name
