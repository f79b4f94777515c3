"""Jobs on files in a bucket: their lines, documents and states, as the clouds' documentation has them."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import APIResponseValidationError, BadRequestError
from headgate.wire import bulk, bulk_bedrock, bulk_vertex
from headgate.wire.bulk import Asked, Order, Outcome, Place, Record

BEDROCK, VERTEX = bulk_bedrock.FORM, bulk_vertex.FORM
ARN = "arn:aws:bedrock:us-west-2:123456789012:model-invocation-job/abcdef123456"
JOB = {
    "jobArn": ARN,
    "status": "Completed",
    "submitTime": "2026-08-19T14:50:00Z",
    "endTime": "2026-08-19T15:50:00Z",
    "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://in/dir/file-1.jsonl"}},
    "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://out/results/"}},
}
PREDICTION = {
    "name": "projects/1/locations/us-central1/batchPredictionJobs/123",
    "state": "JOB_STATE_SUCCEEDED",
    "createTime": "2026-08-19T14:50:00.123456Z",
    "endTime": "2026-08-19T15:50:00Z",
    "outputInfo": {"gcsOutputDirectory": "gs://out/results/prediction-x"},
    "completionStats": {"successfulCount": "2", "failedCount": "1", "incompleteCount": "-1"},
}


def order(**fields: Any) -> Order:
    given = {
        "name": "n",
        "model": "m",
        "asked": "s3://b/k.jsonl",
        "answered": "s3://b/o/",
        "spoken": "bedrock_converse",
        "hours": 24,
        "settings": {"role": "arn:role"},
        **fields,
    }
    return Order(**given)


def asked(body: bytes, spoken: str, custom_id: str = "r", model: str = "m") -> Asked:
    return Asked(custom_id=custom_id, body=body, spoken=spoken, model=model)


# ids


@given(st.text(max_size=100))
def test_an_id_travels_in_labels(custom_id: str) -> None:
    labels = bulk_vertex.labelled(custom_id)
    for name, value in labels.items():
        assert len(name) <= 63
        assert len(value) <= 63
        assert set(value) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert bulk_vertex.unlabelled({"team": "x", **labels}) == custom_id


@given(st.text(max_size=100), st.dictionaries(st.sampled_from(["team", "cost"]), st.just("x")))
def test_a_line_of_geminis_keeps_its_own_labels(custom_id: str, own: dict[str, str]) -> None:
    body = msgspec.json.encode({"contents": [], **({"labels": own} if own else {})})
    line = json.loads(VERTEX.line(asked(body, "gemini", custom_id)).line)
    assert line["request"]["contents"] == []
    assert own.items() <= line["request"]["labels"].items()
    back = json.dumps({**line, "status": "", "response": {"candidates": [{}]}})
    assert VERTEX.read(back.encode()).custom_id == custom_id


def test_an_id_that_is_too_long() -> None:
    with pytest.raises(BadRequestError, match="custom_id has 513 bytes"):
        bulk_vertex.labelled("x" * 513)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20)))
def test_labels_of_others_are_no_id(labels: dict[str, str]) -> None:
    assert isinstance(bulk_vertex.unlabelled(labels), str)


# lines


@pytest.mark.parametrize(
    ("spoken", "line"),
    [
        ("anthropic", {"custom_id": "r", "request": {"a": 1}}),
        (
            "openai_chat",
            {"custom_id": "r", "method": "POST", "url": "/v1/chat/completions", "body": {"a": 1}},
        ),
    ],
)
def test_lines_of_partners_models(spoken: str, line: dict[str, Any]) -> None:
    assert VERTEX.line(asked(b'{"a":1}', spoken)) == Record(msgspec.json.encode(line))


def test_a_line_of_bedrocks() -> None:
    record = BEDROCK.line(asked(b'{"a":1}', "bedrock_converse"))
    assert record == Record(b'{"recordId":"r","modelInput":{"a":1}}')


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ({"recordId": "r", "modelInput": {}, "modelOutput": {"a": 1}}, Outcome("r", b'{"a":1}')),
        (
            {"recordId": "r", "error": {"errorCode": 400, "errorMessage": "bad request"}},
            Outcome("r", b"", "400", "bad request"),
        ),
        (
            {"recordId": "r", "modelOutput": None},
            Outcome("r", b"", "no_output", "Bedrock told neither an output nor an error."),
        ),
        (
            {"recordId": "r", "error": {}, "modelOutput": {"a": 1}},
            Outcome("r", b"", "error", ""),
        ),
    ],
)
def test_results_of_bedrock(line: dict[str, Any], outcome: Outcome) -> None:
    assert BEDROCK.read(msgspec.json.encode(line)) == outcome


@pytest.mark.parametrize(
    ("line", "body", "words"),
    [
        ({"response": {"candidates": []}, "status": ""}, {"candidates": []}, ""),
        ({"response": {"candidates": []}}, {"candidates": []}, ""),
        ({"response": {"type": "message"}, "status": None}, {"type": "message"}, ""),
        ({"response": {"status_code": 200, "body": {"id": "x"}}}, {"id": "x"}, ""),
        ({"response": {"choices": [], "error": None}}, {"choices": [], "error": None}, ""),
        ({"response": {}, "status": "Bad Request: no"}, None, "Bad Request: no"),
        ({"status": '{"error": {"code": 429, "message": "Later."}}'}, None, "Later."),
        ({"response": {"type": "error", "error": {"type": "t", "message": "No."}}}, None, "No."),
        ({"response": {"status_code": 400, "body": {"error": {"message": "No."}}}}, None, "No."),
        ({"error": {"message": "Gone."}}, None, "Gone."),
        ({"response": None}, None, "Vertex AI told neither an answer nor an error."),
    ],
)
def test_results_of_vertex(line: dict[str, Any], body: Any, words: str) -> None:
    found = VERTEX.read(msgspec.json.encode({"custom_id": "r", **line}))
    assert found.custom_id == "r"
    assert (json.loads(found.body) if found.body else None) == body
    assert words in found.message
    assert bool(found.code) == (body is None)


@pytest.mark.parametrize("form", [BEDROCK, VERTEX])
@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff"])
def test_what_is_no_line(form: bulk.Form, data: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, ValueError)):
        form.read(data)


# jobs


def test_what_bedrock_is_told() -> None:
    own = {"role": "arn:role", "owner": "1", "key": "alias/k"}
    made = BEDROCK.order(order(settings=own))
    assert made == {
        "jobName": "n",
        "clientRequestToken": "n",
        "roleArn": "arn:role",
        "modelId": "m",
        "modelInvocationType": "Converse",
        "inputDataConfig": {
            "s3InputDataConfig": {"s3Uri": "s3://b/k.jsonl", "s3InputFormat": "JSONL", "s3BucketOwner": "1"}
        },
        "outputDataConfig": {
            "s3OutputDataConfig": {
                "s3Uri": "s3://b/o/",
                "s3EncryptionKeyId": "alias/k",
                "s3BucketOwner": "1",
            }
        },
        "timeoutDurationInHours": 24,
    }
    other = BEDROCK.order(order(spoken="bedrock_anthropic", hours=1))
    assert other["modelInvocationType"] == "InvokeModel"
    assert "timeoutDurationInHours" not in other


@pytest.mark.parametrize(("window", "hours"), [("24h", 24), ("168h", 168), ("1d", None), (None, None)])
def test_how_long_it_may_take(window: Any, hours: int | None) -> None:
    assert bulk.hours_of(window) == hours


WORDS = {
    "Submitted": "validating",
    "Validating": "validating",
    "Scheduled": "in_progress",
    "InProgress": "in_progress",
    "Completed": "completed",
    "PartiallyCompleted": "completed",
    "Failed": "failed",
    "Stopping": "cancelling",
    "Stopped": "cancelled",
    "Expired": "expired",
    "SomethingNew": "in_progress",
}


@pytest.mark.parametrize(("word", "status"), WORDS.items())
def test_states_of_bedrock(word: str, status: str) -> None:
    found = BEDROCK.state({**JOB, "status": word})
    assert (found.id, found.status) == ("abcdef123456", status)
    there = word in ("Completed", "PartiallyCompleted", "Stopped")
    assert found.results == (Place("out", "results/abcdef123456/file-1.jsonl.out") if there else None)
    assert (found.ended is not None) == (status in bulk.ENDED)


STATES = {
    "JOB_STATE_QUEUED": "validating",
    "JOB_STATE_PENDING": "validating",
    "JOB_STATE_RUNNING": "in_progress",
    "JOB_STATE_SUCCEEDED": "completed",
    "JOB_STATE_PARTIALLY_SUCCEEDED": "completed",
    "JOB_STATE_FAILED": "failed",
    "JOB_STATE_CANCELLING": "cancelling",
    "JOB_STATE_CANCELLED": "cancelled",
    "JOB_STATE_PAUSED": "in_progress",
    "JOB_STATE_EXPIRED": "expired",
    "JOB_STATE_UPDATING": "in_progress",
}


@pytest.mark.parametrize(("word", "status"), STATES.items())
def test_states_of_vertex(word: str, status: str) -> None:
    found = VERTEX.state({**PREDICTION, "state": word})
    assert (found.id, found.status, found.created) == ("123", status, 1787151000)
    assert (found.total, found.completed, found.failed) == (3, 2, 1)
    ended = status in bulk.ENDED
    assert found.results == (Place("out", "results/prediction-x/") if ended else None)


def test_a_job_that_was_just_made_is_its_arn() -> None:
    found = BEDROCK.state({"jobArn": ARN})
    assert (found.id, found.status, found.created, found.results) == (
        "abcdef123456",
        "validating",
        None,
        None,
    )


@pytest.mark.parametrize("form", [BEDROCK, VERTEX])
def test_a_document_that_is_no_job(form: bulk.Form) -> None:
    with pytest.raises(APIResponseValidationError):
        form.state({})


def test_openais_words() -> None:
    own = {"endpoint": "/v1/chat/completions", "input_file_id": "f", "metadata": {"a": "b"}, "count": 7}
    told = bulk.told(VERTEX.state(PREDICTION), own, "out", "err")
    assert (told["id"], told["status"], told["object"]) == ("123", "completed", "batch")
    assert (told["input_file_id"], told["metadata"]) == ("f", {"a": "b"})
    assert (told["output_file_id"], told["error_file_id"]) == ("out", "err")
    assert told["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    assert told["completed_at"] == told["created_at"] + 3600
    assert [told[f"{word}_at"] for word in ("failed", "expired", "cancelled", "cancelling")] == [None] * 4
    running = bulk.told(BEDROCK.state({"jobArn": ARN}), own, "out", "err")
    assert (running["output_file_id"], running["error_file_id"]) == (None, None)
    assert running["request_counts"]["total"] == 7


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("s3://b/k/l", Place("b", "k/l")),
        ("gs://b", Place("b", "")),
        ("", None),
        (None, None),
        ("b/k", None),
        ("s3://", None),
    ],
)
def test_addresses(uri: Any, place: Place | None) -> None:
    assert bulk.place_of(uri) == place


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["status", "response", "request", "error", "custom_id"]), JSON)
def test_odd_lines_are_read_or_refused(name: str, value: Any) -> None:
    line = {"custom_id": "r", "status": "", "response": {"a": 1}, name: value}
    try:
        found = VERTEX.read(msgspec.json.encode(line))
    except msgspec.DecodeError:
        return
    assert bool(found.code) != bool(found.body)


# embeddings


def predict(*texts: str, parameters: dict[str, Any] | None = None, **told: str) -> bytes:
    body: dict[str, Any] = {"instances": [{"content": text, **told} for text in texts]}
    return msgspec.json.encode({**body, **({"parameters": parameters} if parameters else {})})


def test_a_line_of_an_instance_has_its_key_beside_it() -> None:
    body = predict("Hi", task_type="CLUSTERING", parameters={"outputDimensionality": 256})
    record = VERTEX.line(asked(body, "vertex_embeddings", "r1", "text-embedding-005"))
    assert json.loads(record.line) == {"key": "r1", "content": "Hi", "task_type": "CLUSTERING"}
    assert record.shared == {"outputDimensionality": 256}


def test_a_line_of_geminis_embeddings() -> None:
    body = predict(
        "Hi",
        task_type="RETRIEVAL_DOCUMENT",
        title="T",
        parameters={"outputDimensionality": 768, "autoTruncate": False},
    )
    record = VERTEX.line(asked(body, "vertex_embeddings", "r1", "gemini-embedding-001"))
    config = {
        "output_dimensionality": 768,
        "auto_truncate": False,
        "task_type": "RETRIEVAL_DOCUMENT",
        "title": "T",
    }
    request = {"content": {"parts": [{"text": "Hi"}]}, "embed_content_config": config}
    assert json.loads(record.line) == {"key": "r1", "request": request}
    assert record.shared == {}


@pytest.mark.parametrize(
    "told, config",
    [
        ({}, {}),
        ({"outputDimensionality": 8}, {"embed_content_config": {"output_dimensionality": 8}}),
    ],
)
def test_a_line_of_models_that_embed_one_content(told: dict[str, Any], config: dict[str, Any]) -> None:
    content = {"parts": [{"text": "Hi"}]}
    body = msgspec.json.encode({"content": content, **told})
    record = VERTEX.line(asked(body, "vertex_embed_content", "r1", "gemini-embedding-2"))
    assert json.loads(record.line) == {"key": "r1", "request": {"content": content, **config}}
    assert record.shared == {}


def test_what_a_line_of_embeddings_can_not_say() -> None:
    with pytest.raises(BadRequestError, match="has 2 texts"):
        VERTEX.line(asked(predict("a", "b"), "vertex_embeddings", model="text-embedding-005"))


def test_what_a_job_says_of_all_its_instances() -> None:
    given = {"spoken": "vertex_embeddings", "shared": {"outputDimensionality": 256}}
    made = VERTEX.order(order(model="publishers/google/models/text-embedding-005", **given))
    assert made["instanceConfig"] == {"keyField": "key"}
    assert made["modelParameters"] == {"outputDimensionality": 256}
    for other in (
        order(model="publishers/google/models/gemini-embedding-001", spoken="vertex_embeddings"),
        order(model="publishers/google/models/gemini-2.5-flash", spoken="gemini"),
    ):
        assert not {"instanceConfig", "modelParameters"} & VERTEX.order(other).keys()


PREDICTED = {"embeddings": {"statistics": {"token_count": 8, "truncated": False}, "values": [0.2]}}


@pytest.mark.parametrize(
    ("line", "body"),
    [
        ({"instance": {"content": "Hi", "key": "r"}, "predictions": [PREDICTED], "status": ""}, [PREDICTED]),
        ({"key": "r", "predictions": [PREDICTED], "status": ""}, [PREDICTED]),
        ({"key": "r", "prediction": PREDICTED}, [PREDICTED]),
    ],
)
def test_results_of_instances(line: dict[str, Any], body: Any) -> None:
    found = VERTEX.read(msgspec.json.encode(line))
    assert (found.custom_id, json.loads(found.body)) == ("r", {"predictions": body})


def test_results_of_geminis_embeddings() -> None:
    response = {"embedding": {"values": [0.1]}, "tokenCount": "3"}
    line = {"key": "r", "request": {"content": {}}, "response": response, "status": ""}
    assert VERTEX.read(msgspec.json.encode(line)) == Outcome("r", msgspec.json.encode(response))


def test_an_instance_that_was_refused() -> None:
    line = {"instance": {"content": "", "key": "r"}, "predictions": [], "status": "Bad Request: no text"}
    assert VERTEX.read(msgspec.json.encode(line)).message == "Bad Request: no text"


def test_what_bedrock_says_of_all_results() -> None:
    summary = BEDROCK.summary
    assert summary is not None
    results = BEDROCK.state(JOB).results
    assert results is not None
    assert summary.place(results) == Place("out", "results/abcdef123456/manifest.json.out")
    used = summary.read(b'{"totalRecordCount":2,"inputTokenCount":9,"outputTokenCount":0}')
    assert (used.input, used.output) == (9, 0)
    assert VERTEX.summary is None
