"""Counting tokens: each format's body and answer, and any of them out of any other."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recorded
from headgate.core.dialects import dialect
from headgate.errors import APIResponseValidationError, HeadgateError
from headgate.wire.counting import Counting
from headgate.wire.dialect import Frame, Target
from headgate.wire.ir_operations import CountReply

FRAME = Frame(id="c", created=0, model="m")
NAMES = ("anthropic_count", "bedrock_count", "chat_count", "gemini_count", "responses_count", "vertex_count")
TOOL = {"name": "weather", "description": "d", "input_schema": {"type": "object", "properties": {}}}
ASKED = {
    "model": "claude",
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "Hello"}],
    "tools": [TOOL],
}
RECORDS = [
    record
    for provider in ("anthropic", "aws-bedrock", "google-gemini", "google-vertex")
    for path in sorted((recorded.ROOT / "dev" / provider).glob("*.count_tokens.*.json"))
    for record in [json.loads(path.read_bytes())]
]
SPOKEN = {
    "anthropic": "anthropic_count",
    "aws-bedrock": "bedrock_count",
    "google-gemini": "gemini_count",
    "google-vertex": "vertex_count",
}


def of(name: str) -> Any:
    found = dialect(name)
    assert isinstance(found, Counting)
    return found


def written(name: str, **more: Any) -> dict[str, Any]:
    request = of("anthropic_count").read_request({**ASKED, **more})
    body: dict[str, Any] = of(name).write_request(request, Target(model="m-1")).body
    return body


def test_anthropics_body_has_no_settings_of_the_answer() -> None:
    request = of("anthropic_count").read_request(
        {**ASKED, "max_tokens": 5, "temperature": 0.5, "stream": True}
    )
    body = of("anthropic_count").write_request(request, Target(model="m-1")).body
    assert body == {**ASKED, "model": "m-1"}


def test_googles_body_is_a_whole_request_that_names_its_model() -> None:
    (inner,) = written("gemini_count", max_tokens=5).values()
    assert inner["model"] == "models/m-1"
    assert inner["contents"] == [{"role": "user", "parts": [{"text": "Hello"}]}]
    assert inner["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert inner["tools"][0]["functionDeclarations"][0]["name"] == "weather"


def test_vertex_has_the_same_side_by_side() -> None:
    body = written("vertex_count")
    inner = written("gemini_count")["generateContentRequest"]
    assert body == {key: value for key, value in inner.items() if key != "model"}


def test_bedrocks_body_is_a_converse_body_in_an_envelope() -> None:
    body = written("bedrock_count", max_tokens=5)
    assert body.keys() == {"input"}
    assert body["input"].keys() == {"converse"}
    inner = body["input"]["converse"]
    assert inner.keys() == {"messages", "system", "toolConfig"}
    assert inner["messages"] == [{"role": "user", "content": [{"text": "Hello"}]}]


def test_openais_body_is_a_responses_body() -> None:
    body = written("responses_count", max_tokens=5, temperature=0.5)
    assert body.keys() == {"model", "input", "instructions", "tools"} or body.keys() == {
        "model",
        "input",
        "tools",
    }
    assert body["model"] == "m-1"
    assert body["tools"][0]["name"] == "weather"


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(tokens=st.integers(0, 2**40))
def test_counts_survive_the_way_there_and_back(name: str, tokens: int) -> None:
    reply = CountReply(tokens=tokens)
    assert of(name).read_reply(of(name).write_reply(reply, FRAME)) == reply


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("client", NAMES)
def test_any_format_is_counted_in_any_other(client: str, name: str) -> None:
    given_ = of("anthropic_count").read_request(ASKED)
    body = of(client).write_request(given_, Target(model="m-1")).body
    again = of(client).read_request({**body, "model": "m-1"})
    sent = json.dumps(of(name).write_request(again, Target(model="m-2")).body)
    assert "Hello" in sent
    assert "Be brief." in sent
    assert "weather" in sent


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(body=st.binary(max_size=40) | st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_any_answer_is_read_or_refused(name: str, body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    of(name).glance(raw)
    try:
        assert isinstance(of(name).read_reply(raw), CountReply)
    except HeadgateError as error:
        assert error.message


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"total_tokens":"7","input_tokens":-1}'])
def test_what_is_no_count_is_no_answer(name: str, body: bytes) -> None:
    with pytest.raises(APIResponseValidationError):
        of(name).read_reply(body)


def test_an_error_under_a_good_status_is_one() -> None:
    body = b'{"error":{"message":"slow down","type":"rate_limit_error"}}'
    assert "slow down" in of("anthropic_count").glance(body).error.message
    with pytest.raises(HeadgateError, match="slow down"):
        of("responses_count").read_reply(body)


@pytest.mark.skipif(not RECORDS, reason="no recordings")
@pytest.mark.parametrize("record", RECORDS, ids=lambda one: one["id"])
def test_recorded_counts(record: dict[str, Any]) -> None:
    counting, response = of(SPOKEN[record["provider"]]), record["response"]
    raw = json.dumps(response["body"]).encode()
    if response["status"] != 200:
        error = counting.read_error(response["status"], {}, raw)
        assert error.message in json.dumps(response["body"])
        return
    assert counting.read_reply(raw).tokens in response["body"].values()
    body = record["request"]["body"]
    if "invokeModel" in body.get("input", {}):
        return
    asked = counting.read_request({"model": "m", **body})
    again = counting.write_request(asked, Target(model=body.get("model", "m"))).body
    sent = counting.read_request({"model": "m", **again})
    said = [turn for turn in asked.turns if any(getattr(block, "text", "-") for block in turn.blocks)]
    assert (sent.turns, sent.tools or None) == (said, asked.tools or None)
