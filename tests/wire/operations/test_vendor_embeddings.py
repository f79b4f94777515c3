"""Embeddings of vendors: recorded where there is traffic, else as the vendors document them."""

import base64
import contextlib
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate import errors
from headgate.core.dialects import TABLES, dialect
from headgate.wire import ir
from headgate.wire.embeddings import DIALECT as OPENAI
from headgate.wire.vendor_embeddings import DIALECTS
from wire.operations.exchanges import FRAME, JSON, exchanges, target

PREDICT = dialect("vertex_embeddings")
VOYAGE = [pytest.param(*one, id=str(at)) for at, one in enumerate(exchanges("embeddings", "voyage"))]
ALEPH = [
    pytest.param(*one, id=str(at))
    for at, one in enumerate(exchanges("embeddings", "aleph-alpha"))
    if one[0].endswith("batch_semantic_embed")
]
VERTEX = [
    pytest.param(*one, id=str(at))
    for at, one in enumerate(exchanges("embeddings", "google-vertex"))
    if one[0].endswith(":predict") and all("content" in row for row in one[1]["instances"])
]


def _packed(vector: list[float]) -> bytes:
    return struct.pack(f"<{len(vector)}f", *vector)


def sent(name: str, **body: Any) -> ir.Written:
    return dialect(name).write_request(OPENAI.read_request({"model": "x", **body}), target())


# --- recorded --------------------------------------------------------------------------------------------


@pytest.mark.skipif(not VOYAGE, reason="no recorded traffic here")
@pytest.mark.parametrize("url, asked, status, answered", VOYAGE)
def test_recorded_voyage(url: str, asked: dict[str, Any], status: int, answered: bytes) -> None:
    upstream = dialect("voyage_embeddings")
    said = {key: value for key, value in asked.items() if value is not None}
    request = OPENAI.read_request({"model": "x", **said})
    assert upstream.write_request(request, target(asked["model"])).body == said
    if status >= 400:
        assert upstream.read_error(status, {}, answered).message == json.loads(answered)["detail"]
        return
    document, reply = json.loads(answered), upstream.read_reply(answered)
    for row, vector in zip(document["data"], reply.vectors, strict=True):
        given_ = row["embedding"]
        assert given_ == (vector if isinstance(given_, list) else base64.b64encode(_packed(vector)).decode())
    assert reply.usage == upstream.glance(answered).usage
    assert reply.usage.input == document["usage"]["total_tokens"]


@pytest.mark.skipif(not ALEPH, reason="no recorded traffic here")
@pytest.mark.parametrize("url, asked, status, answered", ALEPH)
def test_recorded_semantic_embeddings(url: str, asked: dict[str, Any], status: int, answered: bytes) -> None:
    upstream, document = dialect("semantic_embeddings"), json.loads(answered)
    texts = ["".join(part["data"] for part in prompt) for prompt in asked["prompts"]]
    body = sent("semantic_embeddings", input=texts, dimensions=asked["compress_to_size"]).body
    assert body["prompts"] == [[{"type": "text", "data": text}] for text in texts]
    assert (body["representation"], body["compress_to_size"]) == ("symmetric", 128)
    reply = upstream.read_reply(answered)
    assert reply.vectors == document["embeddings"]
    assert (
        reply.usage == upstream.glance(answered).usage == ir.Usage(input=document["num_tokens_prompt_total"])
    )


@pytest.mark.skipif(not VERTEX, reason="no recorded traffic here")
@pytest.mark.parametrize("url, asked, status, answered", VERTEX)
def test_recorded_vertex_predict(url: str, asked: dict[str, Any], status: int, answered: bytes) -> None:
    size = (asked.get("parameters") or {}).get("outputDimensionality")
    texts = [one["content"] for one in asked["instances"]]
    more = {} if size is None else {"dimensions": size}
    body = sent("vertex_embeddings", input=texts, **more).body
    assert [one["content"] for one in body["instances"]] == texts
    assert (body.get("parameters") or {}).get("outputDimensionality") == size
    document, reply = json.loads(answered), PREDICT.read_reply(answered)
    assert reply.vectors == [row["embeddings"]["values"] for row in document["predictions"]]
    assert reply.usage.input == sum(
        row["embeddings"]["statistics"]["token_count"] for row in document["predictions"]
    )
    assert reply.usage.characters == document.get("metadata", {}).get("billableCharacterCount")
    assert PREDICT.glance(answered).usage == reply.usage


@pytest.mark.parametrize(
    "answer, used",
    [
        ({"predictions": [{"embeddings": {"values": [0.5], "statistics": {"token_count": 8}}}]}, 8),
        ({"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 8}}, 8),
        ({"embedding": {"values": [0.5]}, "tokenCount": "8"}, 8),
        ({"embedding": {"values": [0.5]}}, None),
        ({"embedding": 1}, None),
    ],
)
def test_what_googles_answers_used(answer: dict[str, Any], used: int | None) -> None:
    usage = PREDICT.glance(json.dumps(answer).encode()).usage
    assert (usage.input if usage else None) == used


def test_a_glance_at_googles_error() -> None:
    assert PREDICT.glance(b'{"error": {"message": "No."}}').error.message == "No."
    assert PREDICT.glance(b"{").usage is None


# --- documented: requests --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, body, written",
    [
        (
            "voyage_embeddings",
            {"input": ["a"], "encoding_format": "base64", "output_dtype": "int8", "input_type": "passage"},
            {"model": "m", "input": ["a"], "output_dtype": "int8", "input_type": "document"},
        ),
        (
            "voyage_embeddings",
            {
                "input": "a",
                "dimensions": 8,
                "encoding_format": "float",
                "input_type": "search_query",
                "user": "u",
            },
            {"model": "m", "input": "a", "output_dimension": 8, "input_type": "query"},
        ),
        (
            "jina_embeddings",
            {
                "input": ["a", "data:image/png;base64,AA=="],
                "input_type": "document",
                "encoding_format": "base64",
            },
            {
                "model": "m",
                "input": ["a", {"image": "AA=="}],
                "task": "retrieval.passage",
                "embedding_type": "base64",
            },
        ),
        (
            "jina_embeddings",
            {"input": "a", "task": "code.query"},
            {"model": "m", "input": ["a"], "task": "code.query"},
        ),
        ("nim_embeddings", {"input": "a"}, {"model": "m", "input": "a", "input_type": "passage"}),
        (
            "nim_embeddings",
            {"input": ["a"], "input_type": "search_query", "truncate": "END"},
            {"model": "m", "input": ["a"], "input_type": "query", "truncate": "END"},
        ),
        ("sentences_embeddings", {"input": ["a", "b"]}, {"sentences": ["a", "b"]}),
        (
            "triton_embeddings",
            {"input": ["a", "b"]},
            {"inputs": [{"name": "input_text", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}]},
        ),
        (
            "vertex_embeddings",
            {"input": ["a"], "dimensions": 8, "input_type": "query", "auto_truncate": False},
            {
                "instances": [{"content": "a", "task_type": "RETRIEVAL_QUERY"}],
                "parameters": {"outputDimensionality": 8, "autoTruncate": False},
            },
        ),
        (
            "vertex_embed_content",
            {"input": ["a"], "dimensions": 8, "auto_truncate": False},
            {"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 8, "autoTruncate": False},
        ),
    ],
)
def test_documented_requests(name: str, body: dict[str, Any], written: dict[str, Any]) -> None:
    assert sent(name, **body).body == written
    assert sent(name, **body).dropped == []


@pytest.mark.parametrize("name", ["vertex_embed_content", "gemini_embeddings"])
def test_models_that_read_their_task_in_the_text_are_told_no_other(name: str) -> None:
    request = OPENAI.read_request({"input": ["a"], "input_type": "query", "title": "T", "dimensions": 8})
    written = dialect(name).write_request(request, target("gemini-embedding-2"))
    assert written.dropped == ["input_type", "title"]
    entry = (written.body.get("requests") or [written.body])[0]
    assert not {"taskType", "title"} & entry.keys()
    assert entry["outputDimensionality"] == 8


def test_models_that_embed_one_content_are_asked_for_each_text() -> None:
    upstream = dialect("vertex_embed_content")
    request = OPENAI.read_request({"input": ["a", "b"]})
    written = upstream.write_request(request, target("gemini-embedding-2"))
    assert [written.body, *written.more] == [{"content": {"parts": [{"text": text}]}} for text in "ab"]
    answers = [
        {"embedding": {"values": [float(at)]}, "usageMetadata": {"promptTokenCount": 2}, "truncated": False}
        for at in (1, 2)
    ]
    reply = upstream.join([upstream.read_reply(json.dumps(answer).encode()) for answer in answers])
    assert (reply.vectors, reply.usage) == ([[1.0], [2.0]], ir.Usage(input=4))


@pytest.mark.parametrize("name", [*sorted(DIALECTS), "vertex_embeddings", "vertex_embed_content"])
def test_token_ids_are_refused_with_words(name: str) -> None:
    with pytest.raises(errors.BadRequestError, match="token ids") as caught:
        sent(name, input=[[1, 2]])
    assert caught.value.param == "input"


@pytest.mark.parametrize(
    "model, key", [("123", "inputs"), ("bge-large", "prompt"), ("text-embedding-005", "content")]
)
def test_documented_models_of_ones_own_on_vertex(model: str, key: str) -> None:
    request = OPENAI.read_request({"input": ["a"], "input_type": "query"})
    (one,) = PREDICT.write_request(request, target(model)).body["instances"]
    assert one[key] == "a"
    assert ("task_type" in one) is (key == "content")
    for answered in ([[[1.0, 2.0]], [[3.0, 4.0]]], [[1.0, 2.0], [3.0, 4.0]]):
        reply = PREDICT.read_reply(json.dumps({"predictions": answered}).encode())
        assert reply.vectors == [[1.0, 2.0], [3.0, 4.0]]


# --- documented: answers ---------------------------------------------------------------------------------

ROWS = [{"embedding": [1.0, 2.0], "index": 0}, {"embedding": [3.0, 4.0], "index": 1}]
LIST = {"object": "list", "data": ROWS, "model": "m", "usage": {"total_tokens": 5, "prompt_tokens": 5}}
OUTPUT = {"name": "e", "datatype": "FP32", "shape": [2, 2], "data": [1.0, 2.0, 3.0, 4.0]}
ANSWERS: dict[str, Any] = {
    "voyage_embeddings": LIST,
    "jina_embeddings": LIST,
    "nim_embeddings": LIST,
    "sentences_embeddings": {"embeddings": [[1.0, 2.0], [3.0, 4.0]]},
    "triton_embeddings": {
        "model_name": "m",
        "outputs": [{"name": "n", "shape": [2], "data": [2, 2]}, OUTPUT],
    },
    "semantic_embeddings": {"embeddings": [[1.0, 2.0], [3.0, 4.0]], "num_tokens_prompt_total": 5},
}


def test_every_vendor_has_an_answer_above_and_a_place_in_the_table_of_dialects() -> None:
    assert set(ANSWERS) == set(DIALECTS) == set(TABLES["headgate.wire.vendor_embeddings"])


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_documented_answers_reach_openai_clients(name: str) -> None:
    raw = json.dumps(ANSWERS[name]).encode()
    echo = sent(name, input=["a", "b"], encoding_format="base64").echo
    reply = dialect(name).read_reply(raw, echo)
    assert reply.vectors == [[1.0, 2.0], [3.0, 4.0]]
    assert dialect(name).glance(raw).usage == reply.usage
    rows = json.loads(OPENAI.write_reply(reply, FRAME))["data"]
    assert base64.b64decode(rows[1]["embedding"]) == struct.pack("<2f", 3.0, 4.0)


@pytest.mark.parametrize("name", sorted(ANSWERS))
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"3",
        b"{}",
        b'{"data": 1, "embeddings": 1, "outputs": 1}',
        b'{"embeddings": [["a"]], "outputs": [1]}',
    ],
)
def test_an_unreadable_answer_says_so(name: str, body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        dialect(name).read_reply(body)
    dialect(name).glance(body)


@pytest.mark.parametrize("data", [[1.0], [], [1.0, 2.0, 3.0]])
def test_a_tensor_that_doesn_t_fill_its_shape_is_unreadable(data: list[float]) -> None:
    raw = json.dumps({"outputs": [{**OUTPUT, "data": data}]}).encode()
    with pytest.raises(errors.APIResponseValidationError, match="shape"):
        dialect("triton_embeddings").read_reply(raw)


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_an_error_in_place_of_an_answer_is_raised(name: str) -> None:
    body = b'{"error": "Model is overloaded", "error_type": "overloaded"}'
    with pytest.raises(errors.HeadgateError, match="overloaded") as caught:
        dialect(name).read_reply(body)
    assert not isinstance(caught.value, errors.APIResponseValidationError)
    assert dialect(name).glance(body).error is not None


@given(JSON, st.sampled_from(sorted(ANSWERS)))
def test_no_json_gives_a_traceback(value: Any, name: str) -> None:
    upstream = dialect(name)
    output = {"outputs": [{"shape": value, "data": value}]}
    for document in (value, [value], {"embeddings": value}, {"embeddings": [value]}, {"data": value}, output):
        raw = json.dumps(document).encode()
        upstream.glance(raw)
        with contextlib.suppress(errors.HeadgateError):
            upstream.read_reply(raw)
