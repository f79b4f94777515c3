"""TGI's text generation: what is asked, how answers of each shape are read, and recorded exchanges with it."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunked, counts, words

import recorded
from headgate.errors import (
    APIConnectionError,
    APIResponseValidationError,
    BadRequestError,
    HeadgateError,
    InternalServerError,
)
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.openai_chat import DIALECT as CHAT
from headgate.wire.tgi import DIALECT

FRAME = Frame(id="i", created=1, model="m")
ASKED = [{"role": "user", "content": "one plus two equals"}]


def from_chat(**fields: Any) -> ir.Written:
    return DIALECT.write_request(
        CHAT.read_request({"model": "m", "messages": ASKED, **fields}), Target(model="m")
    )


def text_of(reply: ir.Reply) -> str:
    return "".join(block.text for block in reply.choices[0].turn.blocks if isinstance(block, ir.Text))


def events(data: bytes, size: int) -> list[ir.Event]:
    reader = DIALECT.stream_reader()
    out = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    return [*out, *reader.close()]


def test_a_chat_request_as_text() -> None:
    talk = [{"role": "system", "content": "Be brief"}, *ASKED]
    written = from_chat(
        messages=talk, max_tokens=9, temperature=0.5, top_p=0.9, seed=1, stop="END", stream=True
    )
    assert written.dropped == []
    assert written.body == {
        "inputs": "Be brief\n\none plus two equals",
        "parameters": {"max_new_tokens": 9, "temperature": 0.5, "top_p": 0.9, "seed": 1, "stop": ["END"]},
        "stream": True,
    }


@pytest.mark.parametrize(
    ("fields", "parameters"),
    [
        ({"temperature": 0}, {"temperature": 0.01}),
        ({"max_tokens": 0}, {"max_new_tokens": 1}),
        ({"top_p": 1}, {}),
        ({"logprobs": True, "top_logprobs": 2}, {"top_n_tokens": 2, "details": True}),
        ({"repetition_penalty": 1.1, "do_sample": True}, {"repetition_penalty": 1.1, "do_sample": True}),
        ({"parameters": {"max_time": 3}, "seed": 1}, {"max_time": 3, "seed": 1}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {"type": "object"}},
                }
            },
            {"grammar": {"type": "json", "value": {"type": "object"}}},
        ),
    ],
)
def test_parameters(fields: dict[str, Any], parameters: dict[str, Any]) -> None:
    written = from_chat(**fields)
    assert written.body["parameters"] == parameters
    assert written.dropped == []


@pytest.mark.parametrize(
    ("fields", "dropped"),
    [
        ({"n": 2}, ["n"]),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, ["tools"]),
        ({"reasoning_effort": "low"}, ["reasoning_effort"]),
        ({"response_format": {"type": "json_object"}}, ["response_format"]),
        ({"unheard_of": 1}, ["unheard_of"]),
        ({"n": 1, "presence_penalty": 0, "store": True}, []),
    ],
)
def test_what_has_no_words_is_reported(fields: dict[str, Any], dropped: list[str]) -> None:
    assert from_chat(**fields).dropped == dropped


def test_pictures_are_reported_with_their_place() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    assert from_chat(messages=[{"role": "user", "content": [part]}]).dropped == [
        "messages[0].content[0]: only text"
    ]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ([{"generated_text": " three"}], " three"),
        ({"generated_text": " three"}, " three"),
        ({"generation": " three"}, " three"),
        ([{"generated_text": "one plus two equals three"}], " three"),
    ],
)
def test_answers_of_every_shape(answer: Any, text: str) -> None:
    reply = DIALECT.read_reply(json.dumps(answer).encode(), from_chat().echo)
    assert text_of(reply) == text
    assert reply.usage is None


def test_details_tell_counts_and_the_end() -> None:
    details = {
        "finish_reason": "length", "generated_tokens": 2, "prefill": [{"text": "a"}] * 4,
        "tokens": [{"text": "th", "logprob": -0.5}, {"text": "ree", "logprob": None}],
    }  # fmt: skip
    reply = DIALECT.read_reply(json.dumps({"generated_text": "three", "details": details}).encode())
    assert reply.usage == ir.Usage(input=4, output=2)
    assert reply.choices[0].finish == ir.Finish(reason="length", raw="length", family="tgi")
    assert [token.token for token in reply.choices[0].logprobs or ()] == ["th", "ree"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"1", b'{"generated_text":1}', b'[{"details":{}}]'])
def test_an_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(APIResponseValidationError):
        DIALECT.read_reply(body)


def test_an_error_under_a_good_status() -> None:
    with pytest.raises(InternalServerError, match="no memory"):
        DIALECT.read_reply(b'{"error":"no memory","error_type":"generation"}')


@pytest.mark.parametrize("size", [1, 1000])
def test_a_whole_answer_in_place_of_a_stream(size: int) -> None:
    reader = DIALECT.stream_reader(from_chat().echo)
    data = b'[{"generated_text":"one plus two equals three"}]'
    out = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    assert text_of(fold([*out, *reader.close()])) == " three"


def test_a_cut_stream_is_no_answer() -> None:
    with pytest.raises(APIConnectionError):
        fold(events(b'data: {"token":{"text":"a"},"generated_text":null}\n\n', 9))


@pytest.mark.parametrize(
    ("body", "param"), [({}, "inputs"), ({"inputs": "a", "parameters": {"seed": "x"}}, "parameters.seed")]
)
def test_errors_point_at_the_place(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        DIALECT.read_request(body)
    assert caught.value.param == param


def test_requests_come_back() -> None:
    body = {"inputs": "a", "parameters": {"max_new_tokens": 9, "seed": 1, "do_sample": True}, "stream": True}
    assert DIALECT.write_request(DIALECT.read_request(body), Target(model="m")).body == body


replies = st.builds(
    lambda text, finish, usage: ir.Reply(
        choices=[ir.Choice(turn=ir.Turn(role="assistant", blocks=[ir.Text(text)], flat=True), finish=finish)],
        usage=usage,
    ),
    words,
    st.sampled_from(
        [
            ir.Finish(reason="stop", raw="eos_token", family="tgi"),
            ir.Finish(reason="length", raw="length", family="tgi"),
        ]
    ),
    st.none() | st.builds(ir.Usage, input=st.integers(1, 99), output=counts),
)


@given(replies, st.data())
def test_replies_come_back_whole_and_streamed(reply: ir.Reply, data: st.DataObject) -> None:
    assert DIALECT.read_reply(DIALECT.write_reply(reply, FRAME)) == reply
    reader, sniffer = DIALECT.stream_reader(), DIALECT.sniffer()
    out = []
    for piece in data.draw(chunked(DIALECT.stream_writer(FRAME).write(unfold(reply)))):
        out += reader.feed(piece)
        sniffer.feed(piece)
    reply.choices[0].turn.flat = False
    assert fold([*out, *reader.close()]) == reply
    assert sniffer.done
    assert sniffer.usage == reply.usage


@given(st.binary(max_size=60), st.integers(1, 9))
def test_no_answer_is_a_crash(data: bytes, size: int) -> None:
    with suppress(HeadgateError):
        DIALECT.read_reply(data)
    assert isinstance(events(b"data: " + data, size)[-1], ir.StreamFailure)
    DIALECT.glance(data)


# --- recorded --------------------------------------------------------------------------------------------

RECORDS = [
    json.loads(path.read_bytes())
    for provider in ("huggingface", "aws-sagemaker")
    for path in sorted((recorded.ROOT / "dev" / provider).glob("*.json"))
    if recorded.ROOT.exists()
]
ANSWERS = [
    record
    for record in RECORDS
    if isinstance(record["response"].get("body"), list)
    and "generated_text" in str(record["response"]["body"][:1])
]
STREAMS = [
    record
    for record in RECORDS
    if "inputs" in (record["request"].get("body") or {}) and "sse" in record["response"]
]


@pytest.mark.parametrize("record", ANSWERS, ids=lambda record: record["id"])
def test_recorded_answers(record: dict[str, Any]) -> None:
    prompt = record["request"]["body"]["inputs"]
    echo = DIALECT.write_request(DIALECT.read_request(record["request"]["body"]), Target(model="m")).echo
    reply = DIALECT.read_reply(recorded.answer_bytes(record), echo)
    assert text_of(reply)
    assert record["response"]["body"][0]["generated_text"] in (text_of(reply), prompt + text_of(reply))


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("record", STREAMS, ids=lambda record: record["id"])
def test_recorded_streams(record: dict[str, Any], size: int) -> None:
    data = recorded.answer_bytes(record)
    told = [event for event in recorded.events(data) if event.get("generated_text") is not None]
    if told:
        assert text_of(fold(events(data, size))).strip() == told[-1]["generated_text"].strip()
    else:
        with pytest.raises(BadRequestError, match="max_new_tokens"):
            fold(events(data, size))
