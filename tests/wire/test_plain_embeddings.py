"""Embeddings of Hugging Face's tasks and of watsonx.ai: what is asked, how answers of each shape are read."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError, RateLimitError
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.embeddings import DIALECT as OPENAI
from headgate.wire.embeddings import EmbeddingsReply
from headgate.wire.feature_extraction import DIALECT as FEATURES
from headgate.wire.watsonx import DIALECT as WATSONX

FRAME = Frame(id="i", created=1, model="m")
BOTH: tuple[Any, ...] = (FEATURES, WATSONX)


def written(dialect: Any, **body: Any) -> ir.Written:
    out: ir.Written = dialect.write_request(
        OPENAI.read_request({"model": "m", **body}), Target(model="org/m")
    )
    return out


def read(dialect: Any, answer: Any, **body: Any) -> list[list[float]]:
    reply = dialect.read_reply(json.dumps(answer).encode(), written(dialect, **body).echo)
    return list(reply.vectors)


def test_what_feature_extraction_is_asked() -> None:
    assert written(FEATURES, input="a").body == {"inputs": "a"}
    out = written(
        FEATURES, input=["a", "b"], dimensions=8, normalize=True, truncate=True, prompt_name="query"
    )
    assert out.body == {
        "inputs": ["a", "b"], "dimensions": 8, "normalize": True, "truncate": True, "prompt_name": "query",
    }  # fmt: skip
    assert out.dropped == []


def test_what_watsonx_is_asked() -> None:
    out = written(WATSONX, input="a", project_id="p", truncate_input_tokens=9, user="u")
    assert out.body == {
        "model_id": "org/m", "inputs": ["a"], "project_id": "p", "parameters": {"truncate_input_tokens": 9},
    }  # fmt: skip
    assert out.dropped == []
    assert written(WATSONX, input="a", dimensions=4, unheard_of=1).dropped == ["dimensions", "unheard_of"]


@pytest.mark.parametrize("dialect", BOTH)
def test_token_ids_are_refused(dialect: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        written(dialect, input=[1, 2])
    assert caught.value.param == "input"


@pytest.mark.parametrize("dialect", BOTH)
def test_what_a_vector_is_for_has_no_place(dialect: Any) -> None:
    assert written(dialect, input="a", input_type="query").dropped == ["input_type"]


@pytest.mark.parametrize(
    ("answer", "given", "vectors"),
    [
        ([0.5, 1], "a", [[0.5, 1]]),
        ([[0.5, 1]], "a", [[0.5, 1]]),
        ([[0.5, 1], [2, 3]], ["a", "b"], [[0.5, 1], [2, 3]]),
        ([[0.0, 1], [2, 3]], "a", [[1, 2]]),  # a vector for each token of the one text
        ([[[0.0, 1], [2, 3]], [[4.0, 4]]], ["a", "b"], [[1, 2], [4, 4]]),
        ({"embeddings": [[1.0]]}, "a", [[1]]),
        ({"embedding": [1.0, 2]}, "a", [[1, 2]]),
        ({"vectors": [[1.0], [2.0]]}, ["a", "b"], [[1], [2]]),
    ],
)
def test_vectors_of_every_shape(answer: Any, given: Any, vectors: list[list[float]]) -> None:
    assert read(FEATURES, answer, input=given) == vectors


@pytest.mark.parametrize("answer", ["hi", None, 1, {"x": 1}, [["a"]], [[[1.0], [1.0, 2]]], [[[[1.0]]]]])
def test_what_is_no_vector_is_said(answer: Any) -> None:
    with pytest.raises(APIResponseValidationError):
        read(FEATURES, answer, input=["a"])


def test_an_answer_of_watsonx() -> None:
    answer = {
        "model_id": "ibm/slate", "created_at": "2024-02-21T17:32:28Z", "input_token_count": 10,
        "results": [{"embedding": [0.5, 1.0], "input": "a"}, {"embedding": [2.0, 3.0]}],
    }  # fmt: skip
    reply = WATSONX.read_reply(json.dumps(answer).encode())
    assert reply.vectors == [[0.5, 1.0], [2.0, 3.0]]
    assert reply.usage == ir.Usage(input=10)
    assert reply.model == "ibm/slate"
    assert WATSONX.glance(json.dumps(answer).encode()).usage == ir.Usage(input=10)


@pytest.mark.parametrize(
    "answer", [{}, {"results": 1}, {"results": [1]}, {"results": [{"embedding": "x"}]}, []]
)
def test_what_is_no_answer_of_watsonx(answer: Any) -> None:
    with pytest.raises(APIResponseValidationError):
        WATSONX.read_reply(json.dumps(answer).encode())


def test_errors_have_their_class() -> None:
    said = {"errors": [{"code": "token_quota_reached", "message": "no tokens left"}], "trace": "t"}
    error = WATSONX.read_error(403, {}, json.dumps(said).encode())
    assert error.message == "no tokens left"
    with pytest.raises(HeadgateError, match="no tokens left"):
        WATSONX.read_reply(json.dumps(said).encode())
    busy = FEATURES.read_error(429, {}, b'{"error":"Model is overloaded","error_type":"overloaded"}')
    assert isinstance(busy, RateLimitError)
    with pytest.raises(HeadgateError, match="too large"):
        FEATURES.read_reply(b'{"error":"too large","error_type":"Validation"}')


@pytest.mark.parametrize("dialect", BOTH)
@given(vectors=st.lists(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=3), min_size=2, max_size=3))
def test_replies_and_requests_come_back(dialect: Any, vectors: list[list[float]]) -> None:
    reply = EmbeddingsReply(vectors=vectors)
    assert dialect.read_reply(dialect.write_reply(reply, FRAME)).vectors == vectors
    request = dialect.read_request({"model": "m", "inputs": ["a", "b"], "x_more": 1})
    body = dialect.write_request(request, Target(model="m")).body
    assert body["inputs"] == ["a", "b"]
    assert body["x_more"] == 1


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(("given", "param"), [(None, "inputs"), ([], "inputs"), (["a", 1], "inputs[1]")])
def test_errors_point_at_the_place(dialect: Any, given: Any, param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        dialect.read_request({"inputs": given})
    assert caught.value.param == param


@given(data=st.binary(max_size=40))
def test_no_answer_is_a_crash(data: bytes) -> None:
    for dialect in BOTH:
        dialect.glance(data)
