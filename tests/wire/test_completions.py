"""Text completions: the bridge to chat, and the format itself."""

import json
from typing import Any

import pytest
from hypothesis import given
from strategies import json_objects

from headgate import errors
from headgate.wire import ir
from headgate.wire.completions import DIALECT
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold

FRAME = Frame(id="cmpl-1", created=7, model="m", stream_usage=True)
REPLY = ir.Reply(
    choices=[
        ir.Choice(
            turn=ir.Turn(role="assistant", blocks=[ir.Thinking("hm"), ir.Text("Yes")]),
            finish=ir.Finish(reason="length", raw="max_tokens", family="anthropic"),
            logprobs=[
                ir.TokenLogprob(token="Yes", logprob=-0.5, top=[ir.TokenLogprob(token="No", logprob=-1.0)])
            ],
        )
    ],
    usage=ir.Usage(input=1, output=2),
)
LOGPROBS = {"tokens": ["Yes"], "token_logprobs": [-0.5], "top_logprobs": [{"No": -1.0}], "text_offset": [0]}


def read(**fields: Any) -> ir.Request:
    return DIALECT.read_request({"model": "m", "prompt": "hi", **fields})


@pytest.mark.parametrize("prompt", ["hi", ["hi"]])
def test_one_prompt_is_one_message(prompt: Any) -> None:
    request = read(prompt=prompt, max_tokens=5, stop="#", echo=False, best_of=1, suffix=None)
    assert request.turns == [ir.Turn(role="user", blocks=[ir.Text("hi")], flat=True)]
    assert (request.max_tokens, request.stop, request.extra) == (5, ["#"], None)


@pytest.mark.parametrize("prompt", [None, [], ["a", "b"], [1, 2], [[1, 2]], 5, {}])
def test_other_prompts_are_refused(prompt: Any) -> None:
    with pytest.raises(errors.BadRequestError) as caught:
        read(prompt=prompt)
    assert caught.value.param == "prompt"


def test_log_probabilities_are_asked_for_in_chats_words() -> None:
    request = read(logprobs=3)
    assert (request.logprobs, request.top_logprobs) == (True, 3)
    with pytest.raises(errors.BadRequestError):
        read(logprobs="many")


def test_what_chat_has_no_twin_for_is_left_to_be_reported() -> None:
    assert read(echo=True, suffix="x", best_of=3).extra == {
        "openai": {"echo": True, "suffix": "x", "best_of": 3}
    }


@given(json_objects)
def test_any_object_is_a_request_or_a_bad_one(body: dict[str, Any]) -> None:
    with pytest.raises(errors.BadRequestError):
        DIALECT.read_request({**body, "prompt": 5})


def test_a_conversation_is_written_as_one_text() -> None:
    written = DIALECT.write_request(read(logprobs=2), Target(model="x"))
    assert written.body == {"model": "x", "prompt": "hi", "logprobs": 2}


def test_a_whole_answer() -> None:
    assert json.loads(DIALECT.write_reply(REPLY, FRAME)) == {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 7,
        "model": "m",
        "choices": [{"text": "Yes", "index": 0, "logprobs": LOGPROBS, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }


def test_a_stream() -> None:
    rows = DIALECT.stream_writer(FRAME).write(unfold(REPLY)).decode().strip().split("\n\n")
    assert rows.pop() == "data: [DONE]"
    chunks = [json.loads(row[6:]) for row in rows]
    assert {row["object"] for row in chunks} == {"text_completion"}
    assert "".join(choice["text"] for row in chunks for choice in row["choices"]) == "Yes"
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["usage"]["total_tokens"] == 3


def test_answers_are_read_as_chats() -> None:
    body = {
        "id": "1",
        "model": "m",
        "object": "text_completion",
        "choices": [{"text": "Yes", "index": 0, "logprobs": LOGPROBS, "finish_reason": "stop"}],
    }
    reply = DIALECT.read_reply(json.dumps(body).encode())
    assert reply.choices[0].turn.blocks == [ir.Text("Yes")]
    assert json.loads(DIALECT.write_reply(reply, FRAME))["choices"] == body["choices"]
    with pytest.raises(errors.APIResponseValidationError):
        DIALECT.read_reply(b"[]")


def test_streams_are_read_in_any_pieces() -> None:
    data = b"".join(
        b"data: "
        + json.dumps({"id": "1", "choices": [{"text": text, "index": 0, "finish_reason": finish}]}).encode()
        + b"\n\n"
        for text, finish in (("Y", None), ("es", None), ("", "stop"))
    )
    for step in (1, len(data)):
        reader = DIALECT.stream_reader()
        events = [event for at in range(0, len(data), step) for event in reader.feed(data[at : at + step])]
        assert fold([*events, *reader.close()]).choices[0].turn.blocks == [ir.Text("Yes")]


def test_a_failure_ends_a_stream() -> None:
    writer = DIALECT.stream_writer(FRAME)
    out = writer.write([ir.ReplyStart(), ir.StreamFailure(errors.RateLimitError("slow")), ir.ReplyEnd()])
    assert b"slow" in out
    assert b"[DONE]" not in out


def test_passing_streams_are_watched_as_chats_are() -> None:
    sniffer = DIALECT.sniffer()
    sniffer.feed(
        b'data: {"model":"m","choices":[{"text":"","finish_reason":"stop"}],"usage":{"prompt_tokens":1}}\n\n'
    )
    assert sniffer.ended
    assert sniffer.usage is not None


def test_a_refusal_is_said() -> None:
    turn = ir.Turn(role="assistant", blocks=[ir.Refusal("I won't")])
    reply = ir.Reply(choices=[ir.Choice(turn=turn, finish=ir.Finish(reason="stop"))])
    assert json.loads(DIALECT.write_reply(reply, FRAME))["choices"][0]["text"] == "I won't"
    assert b'"text":"I won\'t"' in DIALECT.stream_writer(FRAME).write(unfold(reply))
