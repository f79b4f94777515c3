"""Chats on Replicate: conversations as inputs, predictions and their streams as answers."""

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate import errors
from headgate.wire import ir
from headgate.wire.dialect import Target
from headgate.wire.fold import fold
from headgate.wire.openai_chat import DIALECT as CHAT
from headgate.wire.replicate import DIALECT
from recorded import exchange

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

LLAMA = "meta/meta-llama-3-8b-instruct"


def written(model: str = LLAMA, **body: Any) -> ir.Written:
    body.setdefault("messages", [{"role": "user", "content": "hi"}])
    return DIALECT.write_request(CHAT.read_request({"model": "x", **body}), Target(model=model))


def inputs(model: str = LLAMA, **body: Any) -> dict[str, Any]:
    found: dict[str, Any] = written(model, **body).body["input"]
    return found


def text_of(reply: ir.Reply) -> str:
    (block,) = reply.choices[0].turn.blocks
    assert isinstance(block, ir.Text)
    return block.text


def message(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


# --- requests --------------------------------------------------------------------------------------------


def test_one_message_is_the_prompt_recorded() -> None:
    body = exchange("replicate.predictions.33ec59615c")["request"]["body"]
    out = written(messages=[message("user", body["input"]["prompt"])])
    assert out.body == body
    assert out.headers == {"prefer": "wait"}
    assert out.dropped == []


def test_a_conversation_is_a_script_that_ends_where_the_assistant_speaks() -> None:
    talk = [
        message("system", "be brief"),
        message("user", "hi"),
        message("assistant", "hello"),
        message("user", [{"type": "text", "text": "how"}, {"type": "text", "text": "so?"}]),
    ]
    assert inputs(messages=talk) == {
        "system_prompt": "be brief",
        "prompt": "User: hi\n\nAssistant: hello\n\nUser: how\nso?\n\nAssistant:",
    }


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("meta/llama-2-70b-chat", "max_new_tokens"),
        ("mistralai/mixtral-8x7b-instruct-v0.1", "max_new_tokens"),
        ("meta/codellama-34b", "max_tokens"),
        (LLAMA, "max_tokens"),
        ("replicate/vicuna-13b", "max_length"),
        ("openai/gpt-5", "max_completion_tokens"),
        ("anthropic/claude-4-sonnet", "max_tokens"),
    ],
)
def test_the_most_tokens_by_the_models_name_documented(model: str, name: str) -> None:
    assert inputs(model, max_tokens=5) == {"prompt": "hi", name: 5}


def test_names_of_the_recorded_schema() -> None:
    record = exchange("replicate.models.5ce36c7ba8")
    schema = record["response"]["body"]["latest_version"]["openapi_schema"]["components"]["schemas"]
    asked = inputs(
        "meta/llama-2-70b-chat", messages=[message("system", "s"), message("user", "u")], max_tokens=5,
        temperature=0.5, top_p=0.9, seed=1, stop=["a", "b"], top_k=3,
    )  # fmt: skip
    assert asked.keys() <= schema["Input"]["properties"].keys()
    assert asked["stop_sequences"] == "a,b"


def test_pictures_and_further_inputs() -> None:
    talk = [message("user", [{"type": "image_url", "image_url": {"url": "https://h/a.png"}}])]
    assert inputs(messages=talk, min_tokens=3) == {"prompt": "", "image": "https://h/a.png", "min_tokens": 3}
    assert inputs("openai/gpt-4o", messages=talk)["image_input"] == ["https://h/a.png"]


def test_what_has_no_twin_is_reported() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    assert written(tools=[tool], response_format={"type": "json_object"}, n=2).dropped == [
        "tools", "response_format", "n",
    ]  # fmt: skip


def test_a_version_stands_in_the_body() -> None:
    version = "39ed52f2a78e934b3ba6e2a89f5b1c712de7dfea535525255b1aa35c5565e08b"
    assert written(f"meta/llama:{version}").body["version"] == version
    assert written(version).body["version"] == version
    assert "version" not in written(LLAMA).body


def test_a_stream_is_asked_for_and_not_waited_for() -> None:
    out = written(stream=True)
    assert out.body["stream"] is True
    assert out.headers == {}


# --- answers ---------------------------------------------------------------------------------------------


def done(**fields: Any) -> bytes:
    return json.dumps({"id": "p", "model": LLAMA, "status": "succeeded", "output": [], **fields}).encode()


@pytest.mark.parametrize(
    ("output", "text"),
    [(["a", "b"], "ab"), ("ab", "ab"), (None, ""), ([], ""), ({"a": 1}, '{"a":1}'), (["a", 1], "a1")],
)
def test_outputs_are_joined(output: Any, text: str) -> None:
    assert text_of(DIALECT.read_reply(done(output=output))) == text


def test_the_recorded_prediction_when_it_is_finished() -> None:
    body = exchange("replicate.predictions.33ec59615c")["response"]["body"]
    with pytest.raises(errors.APIResponseValidationError, match="not finished"):
        DIALECT.read_reply(json.dumps(body).encode())
    metrics = {"input_token_count": 15, "output_token_count": 19}
    reply = DIALECT.read_reply(json.dumps({**body, "status": "succeeded", "metrics": metrics}).encode())
    assert text_of(reply) == "".join(body["output"])
    assert (reply.id, reply.model, reply.created) == (body["id"], LLAMA, 1728065253)
    assert reply.usage == ir.Usage(input=15, output=19)
    assert (
        DIALECT.glance(json.dumps({**body, "status": "succeeded", "metrics": metrics}).encode()).model
        == LLAMA
    )


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"status": "failed", "error": "Your input is too long"}, errors.ContextWindowExceededError),
        ({"status": "failed", "error": "boom"}, errors.InternalServerError),
        ({"status": "canceled", "output": None}, errors.InternalServerError),
        ({"detail": "no", "status": 422}, errors.HeadgateError),
        ({"status": "starting", "output": None}, errors.APIResponseValidationError),
    ],
)
def test_predictions_that_did_not_succeed(document: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        DIALECT.read_reply(json.dumps(document).encode())
    DIALECT.glance(json.dumps(document).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"null"])
def test_an_unreadable_answer_says_so(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        DIALECT.read_reply(body)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("276a5cad75", errors.AuthenticationError), ("7e21a0af3a", errors.UnprocessableEntityError)],
)
def test_recorded_refusals(name: str, kind: type[Exception]) -> None:
    response = exchange(f"replicate.predictions.{name}")["response"]
    error = DIALECT.read_error(response["status"], {}, json.dumps(response["body"]).encode())
    assert type(error) is kind
    assert error.message


# --- streams ---------------------------------------------------------------------------------------------


def streamed(data: bytes, cuts: list[int]) -> list[ir.Event]:
    reader, events, at = DIALECT.stream_reader(), [], 0
    for cut in [*sorted(cuts), len(data)]:
        events += reader.feed(data[at:cut])
        at = cut
    return events + reader.close()


def recorded_stream() -> bytes:
    found: str = exchange("replicate.predictions.stream.f3d42db413")["response"]["sse"]
    return found.encode()


def test_the_recorded_stream_in_any_pieces() -> None:
    data = recorded_stream()
    whole = fold(streamed(data, []))
    assert text_of(whole).startswith("Sure, here's a joke about OpenTelemetry")
    assert text_of(whole).endswith(
        "trace!\n\nI hope that brought a smile to your face! Is there anything else I can assist you with?"
    )
    assert whole.choices[0].finish == ir.Finish(reason="stop")
    assert fold(streamed(data, list(range(len(data))))) == whole
    dice = random.Random(7)
    for _ in range(20):
        assert fold(streamed(data, dice.sample(range(len(data)), 9))) == whole


@RELAXED
@given(st.integers(1, 700))
def test_a_stream_that_is_cut_says_so(at: int) -> None:
    events = streamed(recorded_stream()[:at], [])
    assert isinstance(events[-1], ir.StreamFailure)
    assert not any(isinstance(event, ir.ReplyEnd) for event in events)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'event: output\ndata: a\n\nevent: done\ndata: {"reason": "canceled"}\n\n', "canceled"),
        (
            b"event: output\ndata: a\n\nevent: error\ndata: out of memory\n\nevent: done\ndata: {}\n\n",
            "memory",
        ),
        (b'{"status": "failed", "error": "no gpu"}', "no gpu"),
    ],
)
def test_a_stream_that_fails(data: bytes, words: str) -> None:
    last = streamed(data, [])[-1]
    assert isinstance(last, ir.StreamFailure)
    assert words in last.error.message


def test_a_prediction_in_place_of_a_stream_is_the_whole_answer() -> None:
    body = done(output=["a", "b"])
    for cuts in ([], list(range(len(body)))):
        assert text_of(fold(streamed(body, cuts))) == "ab"


def test_an_answer_without_text_is_whole() -> None:
    assert text_of(fold(streamed(b"event: done\ndata: {}\n\n", []))) == ""
