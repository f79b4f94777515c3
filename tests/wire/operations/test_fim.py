"""FIM as Mistral documents it: a prompt and a suffix in, a chat's answer out."""

import json
from typing import Any

import pytest

from headgate import errors
from headgate.core.dialects import dialect
from headgate.wire import fold, ir
from headgate.wire.fim import DIALECT
from wire.operations.exchanges import FRAME, target

COMPLETIONS = dialect("completions")
ASKED = {
    "model": "m",
    "prompt": "def f(",
    "suffix": "return x",
    "max_tokens": 5,
    "random_seed": 3,
    "min_tokens": 1,
}
ANSWER = {
    "id": "i",
    "object": "chat.completion",
    "created": 7,
    "model": "codestral-2508",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x):\n"}},
    ],
    "usage": {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11},
}


def _chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {
        "id": "i",
        "object": "chat.completion.chunk",
        "created": 7,
        "model": "c",
        "choices": [choice],
        **more,
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


STREAM = (
    _chunk({"role": "assistant", "content": ""})
    + _chunk({"content": "x):"})
    + _chunk({"content": "\n"}, "stop", usage=ANSWER["usage"])
    + b"data: [DONE]\n\n"
)


def test_documented_request_goes_back_as_it_came() -> None:
    written = DIALECT.write_request(DIALECT.read_request(ASKED), target())
    assert (written.body, written.dropped) == (ASKED, [])


def test_text_completions_and_fim_say_the_same() -> None:
    written = DIALECT.write_request(COMPLETIONS.read_request({**ASKED, "suffix": "s"}), target())
    assert (written.body["prompt"], written.body["suffix"]) == ("def f(", "s")
    back = COMPLETIONS.write_request(DIALECT.read_request(ASKED), target()).body
    assert (back["prompt"], back["suffix"], back["seed"]) == ("def f(", "return x", 3)


def test_a_limit_has_the_older_name() -> None:
    asked = {"prompt": "a", "max_completion_tokens": 4}
    assert DIALECT.write_request(DIALECT.read_request(asked), target()).body["max_tokens"] == 4


def test_documented_answer_is_a_chats() -> None:
    raw = json.dumps(ANSWER).encode()
    reply = DIALECT.read_reply(raw)
    assert json.loads(DIALECT.write_reply(reply, FRAME)) == ANSWER
    assert DIALECT.glance(raw).usage == reply.usage
    assert (reply.usage.input, reply.usage.output) == (8, 3)
    text = json.loads(COMPLETIONS.write_reply(reply, FRAME))
    assert text["choices"][0]["text"] == "x):\n"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_documented_stream_is_a_chats(size: int) -> None:
    reader, sniffer, events = DIALECT.stream_reader(), DIALECT.sniffer(), []
    for at in range(0, len(STREAM), size):
        events += reader.feed(STREAM[at : at + size])
        sniffer.feed(STREAM[at : at + size])
    events += reader.close()
    reply = fold.fold(events)
    (block,) = reply.choices[0].turn.blocks
    assert isinstance(block, ir.Text) and block.text == "x):\n"
    assert reply.usage == sniffer.usage
    assert sniffer.ended
    out = DIALECT.stream_writer(FRAME).write(events)
    assert b'"delta"' in out and out.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "body, param", [({}, "prompt"), ({"prompt": 1}, "prompt"), ({"prompt": "a", "suffix": 1}, "suffix")]
)
def test_bad_input_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(errors.BadRequestError) as caught:
        DIALECT.read_request(body)
    assert caught.value.param == param
