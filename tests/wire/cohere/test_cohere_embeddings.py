"""Cohere's embeddings, asked by their own clients and by OpenAI's."""

import base64
import json
import struct
from typing import Any

import pytest

import recorded
from headgate import errors
from headgate.wire import ir
from headgate.wire.cohere.embeddings import DIALECT
from headgate.wire.dialect import Frame, Target
from headgate.wire.embeddings import DIALECT as OPENAI

FRAME = Frame(id="id1", created=1, model="m")
PICTURE = "data:image/png;base64,iVBORw0KGgo="


def asked(**body: Any) -> ir.Written:
    return DIALECT.write_request(OPENAI.read_request({"model": "m", **body}), Target(model="embed-v4.0"))


def test_a_plain_call() -> None:
    written = asked(input=["a", "b"], dimensions=256, user="u")
    assert written.dropped == []
    assert written.body == {
        "model": "embed-v4.0",
        "texts": ["a", "b"],
        "input_type": "search_document",
        "embedding_types": ["float"],
        "output_dimension": 256,
    }


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("search_query", "search_query"),
        ("query", "search_query"),
        ("RETRIEVAL_DOCUMENT", "search_document"),
        ("clustering", "clustering"),
    ],
)
def test_what_a_vector_is_for(given: str, sent: str) -> None:
    assert asked(input="a", input_type=given).body["input_type"] == sent


def test_pictures() -> None:
    body = asked(input=PICTURE).body
    assert body["images"] == [PICTURE]
    assert body["input_type"] == "image"
    assert "texts" not in body
    mixed = asked(input=["a", PICTURE]).body
    assert mixed["inputs"] == [
        {"content": [{"type": "text", "text": "a"}]},
        {"content": [{"type": "image_url", "image_url": {"url": PICTURE}}]},
    ]
    assert mixed["input_type"] == "search_document"


def test_token_ids_are_refused_by_name() -> None:
    with pytest.raises(errors.BadRequestError, match="token ids") as caught:
        asked(input=[1, 2])
    assert caught.value.param == "input"


def test_keys_of_cohere_pass_and_others_are_named() -> None:
    written = asked(input="a", truncate="END", embedding_types=["int8"], nonsense=1)
    assert written.body["truncate"] == "END"
    assert written.body["embedding_types"] == ["int8"]
    assert written.dropped == ["nonsense"]


@pytest.mark.parametrize(
    "body",
    [
        {"texts": ["a"], "input_type": "classification", "embedding_types": ["float"]},
        {
            "texts": ["a"],
            "input_type": "search_query",
            "embedding_types": ["int8", "float"],
            "truncate": "NONE",
        },
        {"images": [PICTURE], "input_type": "image", "embedding_types": ["float"], "output_dimension": 64},
        {
            "inputs": [
                {
                    "content": [
                        {"type": "text", "text": "a"},
                        {"type": "image_url", "image_url": {"url": PICTURE}},
                    ]
                }
            ],
            "input_type": "search_document",
            "embedding_types": ["float"],
        },
    ],
)
def test_a_cohere_client_s_request_leaves_as_it_came(body: dict[str, Any]) -> None:
    written = DIALECT.write_request(DIALECT.read_request({"model": "m", **body}), Target(model="m"))
    assert written.body == {"model": "m", **body}


def test_a_cohere_client_on_openai() -> None:
    read = DIALECT.read_request(
        {"model": "m", "texts": ["a"], "input_type": "search_query", "output_dimension": 8}
    )
    body = OPENAI.write_request(read, Target(model="m")).body
    assert (body["input"], body["dimensions"]) == (["a"], 8)
    reply = OPENAI.read_reply(b'{"data": [{"embedding": [0.5, 1]}], "usage": {"prompt_tokens": 3}}')
    told = json.loads(DIALECT.write_reply(reply, FRAME))
    assert told["embeddings"] == {"float": [[0.5, 1.0]]}
    assert told["meta"]["billed_units"] == {"input_tokens": 3}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "texts"),
        ({"texts": []}, "texts"),
        ({"texts": "a"}, "texts"),
        ({"texts": ["a", 1]}, "texts[1]"),
        ({"inputs": [1]}, "inputs[0]"),
        ({"inputs": [{}]}, "inputs[0].content"),
        ({"texts": ["a"], "output_dimension": "8"}, "output_dimension"),
        ({"texts": ["a"], "embedding_types": "float"}, "embedding_types"),
    ],
)
def test_bad_input_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(errors.BadRequestError) as caught:
        DIALECT.read_request({"model": "m", **body})
    assert caught.value.param == param


def reply(embeddings: Any, **units: Any) -> bytes:
    return json.dumps({"id": "1", "embeddings": embeddings, "meta": {"billed_units": units}}).encode()


@pytest.mark.parametrize(
    "embeddings",
    [
        [[0.5, 1.0]],
        {"float": [[0.5, 1.0]]},
        {"int8": [[9, 9]], "float": [[0.5, 1.0]]},
        {"base64": [base64.b64encode(struct.pack("<2f", 0.5, 1.0)).decode()]},
    ],
)
def test_vectors_in_every_form(embeddings: Any) -> None:
    assert DIALECT.read_reply(reply(embeddings)).vectors == [[0.5, 1.0]]


def test_whole_numbers_are_vectors_too() -> None:
    assert DIALECT.read_reply(reply({"int8": [[1, -2]]})).vectors == [[1.0, -2.0]]


@pytest.mark.parametrize(
    ("units", "tokens", "pictures"),
    [
        ({"input_tokens": 3}, 3, None),
        ({"input_tokens": 3, "image_tokens": 0}, 3, None),
        ({"image_tokens": 12}, 12, 12),
        ({"images": 1}, 1, 1),
        ({}, 0, None),
    ],
)
def test_what_was_used(units: dict[str, Any], tokens: int, pictures: int | None) -> None:
    body = reply([[1.0]], **units)
    expected = ir.Usage(input=tokens, image_input=pictures)
    assert DIALECT.read_reply(body).usage == expected
    assert DIALECT.glance(body).usage == expected


def test_a_base64_client_gets_base64() -> None:
    written = asked(input="a", encoding_format="base64")
    assert written.body["embedding_types"] == ["float"]
    told = json.loads(OPENAI.write_reply(DIALECT.read_reply(reply([[0.5]]), written.echo), FRAME))
    assert base64.b64decode(told["data"][0]["embedding"]) == struct.pack("<f", 0.5)
    read = DIALECT.read_request({"texts": ["a"], "embedding_types": ["base64"]})
    assert read.encoding_format == "base64"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"embeddings": 3}',
        b'{"embeddings": {"float": [["a"]]}}',
        b'{"embeddings": {"base64": ["!"]}}',
    ],
)
def test_an_answer_that_can_t_be_read(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        DIALECT.read_reply(body)


def test_an_error_under_a_good_status() -> None:
    body = b'{"message": "model not found"}'
    with pytest.raises(errors.HeadgateError, match="model not found"):
        DIALECT.read_reply(body)
    assert DIALECT.glance(body).error is not None


@pytest.mark.skipif(not recorded.ROOT.exists(), reason="the recorded traffic is not beside the project")
def test_recorded_embeddings() -> None:
    seen = 0
    for path in sorted((recorded.ROOT / "dev" / "cohere").glob("cohere.embeddings.*.json")):
        record = json.loads(path.read_text())
        body, response = record["request"]["body"], record["response"]
        asked_ = {key: value for key, value in body.items() if value is not None}
        written = DIALECT.write_request(DIALECT.read_request(body), Target(model=body["model"]))
        assert written.body == asked_
        if response["status"] == 200:
            (vectors,) = (rows for rows in response["body"]["embeddings"].values())
            found = DIALECT.read_reply(json.dumps(response["body"]).encode())
            assert found.vectors == vectors
            assert found.usage is not None
            assert found.usage.input == response["body"]["meta"]["billed_units"]["input_tokens"]
            seen += 1
        else:
            error = DIALECT.read_error(response["status"], {}, json.dumps(response["body"]).encode())
            assert isinstance(error, errors.for_status(response["status"]))
    assert seen
