"""Embeddings in both formats: every shape of input and answer, base64, and OpenAI clients on Gemini."""

import base64
import contextlib
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recorded
from headgate import errors
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.embeddings import DIALECT as OPENAI
from headgate.wire.embeddings import EmbeddingsReply, EmbeddingsRequest
from headgate.wire.gemini.embeddings import DIALECT as GEMINI

WIRE = recorded.ROOT
FRAME = Frame(id="ours", created=0, model="ours")
SINGLE = st.floats(width=32, allow_nan=False, allow_infinity=False)
VECTORS = st.lists(st.lists(SINGLE, min_size=1, max_size=5), min_size=1, max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def _target(model: str) -> Target:
    return Target(model=model)


def _through(body: dict[str, Any]) -> dict[str, Any]:
    """An OpenAI request as Gemini gets it."""
    return GEMINI.write_request(OPENAI.read_request(body), _target("gemini-embedding-001")).body


# --- OpenAI ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given_", ["hi", ["hi"], ["a", "b"], [1, 2], [[1, 2]], [[1], [2, 3]]])
def test_every_form_of_input_goes_back_as_it_came(given_: Any) -> None:
    body = {"model": "m", "input": given_, "dimensions": 3, "user": "u", "truncation": True}
    written = OPENAI.write_request(OPENAI.read_request(body), _target("m"))
    assert written.body == body
    assert written.dropped == []


@pytest.mark.parametrize(
    "body, param",
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"input": ["a", 1]}, "input[0]"),
        ({"input": [1, "a"]}, "input[0]"),
        ({"input": [[1], []]}, "input[1]"),
        ({"input": [True]}, "input[0]"),
        ({"input": "a", "dimensions": "3"}, "dimensions"),
        ({"input": "a", "dimensions": True}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "user": 1}, "user"),
    ],
)
def test_bad_input_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(errors.BadRequestError) as caught:
        OPENAI.read_request({"model": "m", **body})
    assert caught.value.param == param


def test_rows_are_put_in_the_order_of_their_index() -> None:
    rows = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1]}]
    reply = OPENAI.read_reply(json.dumps({"data": rows}).encode())
    assert reply.vectors == [[1.0], [2.0]]


@given(VECTORS)
def test_base64_is_little_endian_single_precision(vectors: list[list[float]]) -> None:
    reply = EmbeddingsReply(vectors=vectors, encoding="base64")
    written = OPENAI.write_reply(reply, FRAME)
    for vector, row in zip(vectors, json.loads(written)["data"], strict=True):
        assert base64.b64decode(row["embedding"]) == struct.pack(f"<{len(vector)}f", *vector)
    assert OPENAI.read_reply(written).vectors == vectors


@given(VECTORS)
def test_floats_survive_both_formats(vectors: list[list[float]]) -> None:
    reply = EmbeddingsReply(vectors=vectors, usage=ir.Usage(input=7))
    for dialect in (OPENAI, GEMINI):
        assert dialect.read_reply(dialect.write_reply(reply, FRAME)).vectors == vectors
        assert dialect.glance(dialect.write_reply(reply, FRAME)).usage is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"<html>",
        b'{"data": {}}',
        b'{"data": [1]}',
        b'{"data": [{"embedding": ["a"]}]}',
        b'{"data": [{"embedding": "abc"}]}',
        b'{"data": [{"embedding": "%%%%"}]}',
    ],
)
def test_an_unreadable_answer_says_so(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        OPENAI.read_reply(body)
    OPENAI.glance(body)


def test_an_error_in_place_of_an_answer_is_raised() -> None:
    body = b'{"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}'
    for dialect in (OPENAI, GEMINI):
        with pytest.raises(errors.RateLimitError, match="slow down"):
            dialect.read_reply(body)
        assert isinstance(dialect.glance(body).error, errors.RateLimitError)


def test_what_the_answer_lacks_is_filled_in() -> None:
    document = json.loads(OPENAI.write_reply(EmbeddingsReply(vectors=[[1.0]]), FRAME))
    assert document == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [1.0]}],
        "model": "ours",
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    }


# --- OpenAI clients on Gemini ----------------------------------------------------------------------------


def test_each_text_is_one_entry_of_the_batch() -> None:
    assert _through({"model": "x", "input": ["a", "b"], "dimensions": 8}) == {
        "requests": [
            {
                "model": "models/gemini-embedding-001",
                "content": {"parts": [{"text": text}]},
                "outputDimensionality": 8,
            }
            for text in ("a", "b")
        ]
    }


@pytest.mark.parametrize(
    "extra, key, value",
    [
        ({"input_type": "search_query"}, "taskType", "RETRIEVAL_QUERY"),
        ({"input_type": "semantic_similarity"}, "taskType", "SEMANTIC_SIMILARITY"),
        ({"task_type": "CLUSTERING"}, "taskType", "CLUSTERING"),
        ({"title": "t"}, "title", "t"),
    ],
)
def test_the_purpose_reaches_every_entry(extra: dict[str, Any], key: str, value: str) -> None:
    body = _through({"model": "x", "input": ["a", "b"], **extra})
    assert [entry[key] for entry in body["requests"]] == [value, value]


@pytest.mark.parametrize("tokens", [[1, 2], [[1], [2]]])
def test_token_ids_are_refused_with_words(tokens: Any) -> None:
    with pytest.raises(errors.BadRequestError, match="token ids") as caught:
        _through({"model": "x", "input": tokens})
    assert caught.value.param == "input"


def test_parameters_without_a_twin_are_reported_and_user_is_not() -> None:
    request = OPENAI.read_request(
        {"model": "x", "input": "a", "user": "u", "metadata": {}, "late_chunking": True}
    )
    assert GEMINI.write_request(request, _target("m")).dropped == ["late_chunking"]


def test_base64_is_remembered_through_gemini() -> None:
    request = OPENAI.read_request({"model": "x", "input": "a", "encoding_format": "base64"})
    echo = GEMINI.write_request(request, _target("m")).echo
    reply = GEMINI.read_reply(b'{"embeddings": [{"values": [1.5, -2.0]}]}', echo)
    row = json.loads(OPENAI.write_reply(reply, FRAME))["data"][0]
    assert base64.b64decode(row["embedding"]) == struct.pack("<2f", 1.5, -2.0)


# --- Gemini ----------------------------------------------------------------------------------------------


def test_the_three_forms_of_answers_are_read() -> None:
    single = GEMINI.read_reply(b'{"embedding": {"values": [1]}, "usageMetadata": {"promptTokenCount": 3}}')
    vertex = GEMINI.read_reply(
        b'{"predictions": [{"embeddings": {"values": [1], "statistics": {"token_count": 3}}}]}'
    )
    batch = GEMINI.read_reply(b'{"embeddings": [{"values": [1]}]}')
    assert single.vectors == vertex.vectors == batch.vectors == [[1.0]]
    assert single.usage == vertex.usage == ir.Usage(input=3)
    assert batch.usage is None


@pytest.mark.parametrize("body", [b"{}", b'{"embeddings": 1}', b'{"embeddings": [null]}', b"no", b"[1]"])
def test_an_unreadable_gemini_answer_says_so(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        GEMINI.read_reply(body)


def test_a_gemini_client_reaches_openai() -> None:
    body = {"model": "models/x", "content": {"parts": {"text": "hi"}}, "output_dimensionality": 4}
    request = GEMINI.read_request(body)
    assert request == EmbeddingsRequest(model="x", input=["hi"], flat=True, dimensions=4)
    written = OPENAI.write_request(request, _target("text-embedding-3-small")).body
    assert written == {"model": "text-embedding-3-small", "input": "hi", "dimensions": 4}


@given(JSON)
def test_no_json_gives_a_traceback(value: Any) -> None:
    for dialect, key in ((OPENAI, "input"), (GEMINI, "requests"), (GEMINI, "content")):
        with contextlib.suppress(errors.BadRequestError):
            dialect.read_request({"model": "m", key: value})
    for dialect, key in (
        (OPENAI, "data"),
        (GEMINI, "embeddings"),
        (GEMINI, "predictions"),
        (OPENAI, "usage"),
    ):
        raw = json.dumps({key: value}).encode()
        dialect.glance(raw)
        with contextlib.suppress(errors.HeadgateError):
            dialect.read_reply(raw)


def test_there_is_no_stream() -> None:
    for dialect in (OPENAI, GEMINI):
        for call in (dialect.sniffer, dialect.stream_reader, lambda: dialect.stream_writer(FRAME)):  # noqa: B023
            with pytest.raises(errors.BadRequestError, match="no stream"):
                call()
        assert dialect.remote_media(OPENAI.read_request({"input": "a"})) == []


def test_errors_in_the_words_of_each_format() -> None:
    error = errors.RateLimitError("slow down", retry_after=1.5)
    assert json.loads(OPENAI.write_error(error))["error"]["type"] == "rate_limit_error"
    said = json.loads(GEMINI.write_error(error))["error"]
    assert (said["code"], said["status"], said["message"]) == (429, "RESOURCE_EXHAUSTED", "slow down")
    again = GEMINI.read_error(429, {}, GEMINI.write_error(error))
    assert (type(again), again.message, again.retry_after) == (errors.RateLimitError, "slow down", 1.5)


# --- recorded --------------------------------------------------------------------------------------------


@pytest.mark.skipif(not WIRE.is_dir(), reason="no recorded traffic here")
@pytest.mark.parametrize("provider", ["openai", "google-gemini", "google-vertex"])
def test_every_recorded_exchange(provider: str) -> None:
    dialect = OPENAI if provider == "openai" else GEMINI
    seen = 0
    for path in WIRE.glob(f"dev/{provider}/{provider}.embeddings.*.json"):
        record = json.loads(path.read_bytes())
        body, answer = record["request"].get("body"), record["response"]
        raw = json.dumps(answer["body"]).encode()
        if answer["status"] >= 400:
            error = dialect.read_error(answer["status"], {}, raw)
            assert error.message == answer["body"]["error"]["message"]
        elif body is not None:
            reply = dialect.read_reply(raw)
            assert reply.usage == dialect.glance(raw).usage or "predictions" in answer["body"]
            assert dialect.read_reply(dialect.write_reply(reply, FRAME)).vectors == reply.vectors
            seen += 1
        if body is not None and answer["status"] == 200 and "instances" not in body:
            request = dialect.read_request(body)
            again = dialect.read_request(dialect.write_request(request, _target(request.model)).body)
            again.flat = request.flat
            assert again == request
    assert seen


def test_geminis_settings_are_read_in_their_newer_place() -> None:
    config = {"outputDimensionality": 8, "task_type": "CLUSTERING", "title": "T", "documentOcr": True}
    request = GEMINI.read_request({"content": {"parts": [{"text": "a"}]}, "embedContentConfig": config})
    assert (request.dimensions, request.input_type) == (8, "CLUSTERING")
    assert request.extra == {"gemini": {"title": "T", "embedContentConfig": {"documentOcr": True}}}
