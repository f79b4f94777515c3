"""What each part of a call becomes in Ollama's words, what is reported as unsayable, and where errors point."""

import json
from typing import Any

import pytest

from headgate.errors import (
    APIConnectionError,
    APIResponseValidationError,
    BadRequestError,
    InternalServerError,
)
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.ollama import DIALECT
from headgate.wire.ollama.embeddings import DIALECT as EMBEDDINGS
from headgate.wire.openai_chat import DIALECT as CHAT

FRAME = Frame(id="id-1", created=1_700_000_000, model="m", stream_usage=True)
ASKED = [{"role": "user", "content": "hi"}]
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def from_chat(model: str = "qwen3", **fields: Any) -> ir.Written:
    request = CHAT.read_request({"model": "m", "messages": ASKED, **fields})
    return DIALECT.write_request(request, Target(model=model))


def test_a_chat_request_in_ollamas_words() -> None:
    written = from_chat(
        max_completion_tokens=50,
        temperature=0.5,
        top_p=0.9,
        seed=1,
        stop="END",
        frequency_penalty=0.1,
        stream=True,
    )
    assert written.dropped == []
    assert written.body == {
        "model": "qwen3",
        "messages": ASKED,
        "stream": True,
        "options": {
            "temperature": 0.5,
            "top_p": 0.9,
            "seed": 1,
            "frequency_penalty": 0.1,
            "num_predict": 50,
            "stop": ["END"],
        },
    }


def test_a_stream_is_said_aloud_since_it_is_on_unasked() -> None:
    assert from_chat().body["stream"] is False
    assert DIALECT.read_request({"model": "m", "messages": ASKED}).stream
    assert DIALECT.read_request({"model": "m", "messages": ASKED, "stream": None}).stream
    assert not DIALECT.read_request({"model": "m", "messages": ASKED, "stream": False}).stream


def test_options_of_its_own_come_from_callers_of_any_format() -> None:
    body = from_chat(num_ctx=8192, keep_alive="10m", mirostat=2, options={"min_p": 0.1}, temperature=1).body
    assert body["options"] == {"temperature": 1, "num_ctx": 8192, "mirostat": 2, "min_p": 0.1}
    assert body["keep_alive"] == "10m"


@pytest.mark.parametrize(
    ("fields", "dropped"),
    [
        ({"logit_bias": {"1": 5}}, ["logit_bias"]),
        ({"n": 2}, ["n"]),
        ({"n": 1, "parallel_tool_calls": True, "service_tier": "auto", "user": "u", "store": True}, []),
        ({"parallel_tool_calls": False}, ["parallel_tool_calls"]),
        ({"tools": [WEATHER], "tool_choice": "required"}, ["tool_choice"]),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
            ["tool_choice"],
        ),
        ({"tools": [{"type": "web_search"}]}, ["tools[0]"]),
        ({"modalities": ["text", "audio"]}, ["modalities"]),
        ({"unheard_of": 1}, ["unheard_of"]),
    ],
)
def test_what_has_no_words_is_reported(fields: dict[str, Any], dropped: list[str]) -> None:
    assert from_chat(**fields).dropped == dropped


def test_sound_and_documents_are_reported_with_their_place() -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    file = {
        "type": "file",
        "file": {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"},
    }
    written = from_chat(messages=[{"role": "user", "content": [{"type": "text", "text": "a"}, audio, file]}])
    assert written.dropped == ["messages[0].content[1]: audio", "messages[0].content[2]: file"]
    assert written.body["messages"] == [{"role": "user", "content": "a"}]


def test_no_tools_are_offered_where_none_may_be_used() -> None:
    written = from_chat(tools=[WEATHER], tool_choice="none")
    assert written.dropped == []
    assert "tools" not in written.body


@pytest.mark.parametrize(
    ("fields", "model", "think"),
    [
        ({}, "qwen3", None),
        ({"reasoning_effort": "low"}, "qwen3", True),
        ({"reasoning_effort": "none"}, "qwen3", False),
        ({"reasoning_effort": "minimal"}, "gpt-oss:20b", "low"),
        ({"reasoning_effort": "medium"}, "gpt-oss:20b", "medium"),
        ({"reasoning_effort": "xhigh"}, "gpt-oss:20b", "high"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "qwen3", True),
        ({"thinking": {"type": "disabled"}}, "qwen3", False),
        ({"think": "high"}, "qwen3", "high"),
    ],
)
def test_the_wish_to_think(fields: dict[str, Any], model: str, think: Any) -> None:
    assert from_chat(model, **fields).body.get("think") == think


def test_a_client_that_wants_thought_lets_other_models_decide() -> None:
    for think, told in ((True, {}), (False, {}), ("low", {"reasoning_effort": "low"})):
        request = DIALECT.read_request({"model": "m", "messages": ASKED, "think": think})
        body = CHAT.write_request(request, Target(model="m")).body
        assert {key: body[key] for key in body if "reason" in key or "think" in key} == told


@pytest.mark.parametrize(
    ("format", "given"),
    [
        ("json", {"type": "json_object"}),
        (
            {"type": "object"},
            {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
        ),
        (None, {"type": "text"}),
    ],
)
def test_the_form_of_an_answer(format: Any, given: dict[str, Any]) -> None:  # noqa: A002 -- Ollama's name for it
    assert from_chat(response_format=given).body.get("format") == format


def test_calls_and_results_keep_their_pairs() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    written = from_chat(
        messages=[
            *ASKED,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "user", "content": "and now?"},
        ]
    )
    assert written.body["messages"][1:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c1", "function": {"name": "weather", "arguments": {"city": "Rome"}}}],
        },
        {"role": "tool", "content": "rain", "tool_name": "weather", "tool_call_id": "c1"},
        {"role": "user", "content": "and now?"},
    ]


@pytest.mark.parametrize(
    ("text", "sent"), [("", {}), ("null", {}), ("{", {"arguments": "{"}), ("[1]", {"arguments": "[1]"})]
)
def test_arguments_are_always_an_object(text: str, sent: dict[str, Any]) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": text}}
    (message,) = from_chat(messages=[{"role": "assistant", "content": None, "tool_calls": [call]}]).body[
        "messages"
    ]
    assert message["tool_calls"][0]["function"]["arguments"] == sent


def test_calls_without_ids_are_answered_by_name_then_by_order() -> None:
    def call(name: str) -> dict[str, Any]:
        return {"function": {"name": name, "arguments": {}}}

    def result(**fields: str) -> dict[str, Any]:
        return {"role": "tool", "content": "x", **fields}

    talk = [
        {"role": "assistant", "content": "", "tool_calls": [call("a"), call("b"), call("c")]},
        result(tool_name="b"),
        result(),
        result(tool_name="c"),
        result(),
    ]
    request = DIALECT.read_request({"model": "m", "messages": talk})
    ids = [block.id for block in request.turns[0].blocks if isinstance(block, ir.ToolCall)]
    answered = [block.call_id for block in request.turns[1].blocks if isinstance(block, ir.ToolResult)]
    assert answered == [ids[1], ids[0], ids[2], ""]
    written = DIALECT.write_request(request, Target(model="m")).body["messages"]
    assert not any("id" in call for call in written[0]["tool_calls"])
    assert not any("tool_call_id" in message for message in written)


def test_pictures_travel_as_data_and_addresses_are_fetched_first() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    request = CHAT.read_request({"model": "m", "messages": [{"role": "user", "content": [part]}]})
    (source,) = DIALECT.remote_media(request)
    source.kind, source.value, source.media_type = "data", "iVBORw0KGgo=", "image/png"
    assert DIALECT.remote_media(request) == []
    (message,) = DIALECT.write_request(request, Target(model="llava")).body["messages"]
    assert message == {"role": "user", "content": "", "images": ["iVBORw0KGgo="]}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("iVBORw0KGgo=", "image/png"),
        ("/9j/4AAQ", "image/jpeg"),
        ("data:image/gif;base64,R0lGOD", "image/gif"),
    ],
)
def test_the_kind_of_a_picture_is_seen(data: str, kind: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "?", "images": [data]}]}
    block = DIALECT.read_request(body).turns[0].blocks[1]
    assert isinstance(block, ir.Image)
    assert block.source.media_type == kind


def test_anothers_sealed_reasoning_stays_away() -> None:
    blocks: list[ir.Block] = [
        ir.Thinking(text="secret", signature="s", family="anthropic"),
        ir.Thinking(text="open"),
        ir.Text(text="hi"),
    ]
    request = ir.Request(model="m", turns=[ir.Turn(role="assistant", blocks=blocks)])
    written = DIALECT.write_request(request, Target(model="m"))
    assert written.dropped == []
    assert written.body["messages"] == [{"role": "assistant", "content": "hi", "thinking": "open"}]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "judge", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": ["hi"]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "", "images": [1]}]}, "messages[0].images[0]"),
        ({"messages": ASKED, "tools": [{}]}, "tools[0].function"),
        ({"messages": ASKED, "options": {"temperature": "hot"}}, "options.temperature"),
        ({"messages": ASKED, "options": {"stop": [1]}}, "options.stop[0]"),
        ({"messages": ASKED, "format": "xml"}, "format"),
        ({"messages": ASKED, "think": 3}, "think"),
    ],
)
def test_errors_point_at_the_place(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        DIALECT.read_request({"model": "m", **body})
    assert caught.value.param == param


def test_a_length_without_limit_is_no_number() -> None:
    request = DIALECT.read_request({"model": "m", "messages": ASKED, "options": {"num_predict": -1}})
    assert request.max_tokens is None
    assert DIALECT.write_request(request, Target(model="m")).body["options"] == {"num_predict": -1}


def test_settings_beside_the_options_are_options_too() -> None:
    body = {"model": "m", "messages": ASKED, "temperature": 0, "num_ctx": 9, "max_tokens": 5, "stop": "END"}
    request = DIALECT.read_request({**body, "options": {"num_ctx": 4, "temperature": 1}})
    assert (request.temperature, request.max_tokens, request.stop) == (1, 5, ["END"])
    written = DIALECT.write_request(request, Target(model="m")).body
    assert written["options"] == {"temperature": 1, "num_predict": 5, "stop": ["END"], "num_ctx": 4}


# --- answers ---------------------------------------------------------------------------------------------


def test_a_foreign_answer_in_ollamas_words() -> None:
    reply = ir.Reply(
        id="x",
        choices=[
            ir.Choice(
                turn=ir.Turn(
                    role="assistant",
                    blocks=[
                        ir.Thinking(text="hm", signature="s", family="anthropic"),
                        ir.Text(text="a"),
                        ir.ToolCall(id="c1", name="f", arguments='{"x":1}'),
                    ],
                ),
                finish=ir.Finish(reason="tool_calls"),
            )
        ],
        usage=ir.Usage(input=3, output=4, cache_read=2),
    )
    assert json.loads(DIALECT.write_reply(reply, FRAME)) == {
        "model": "m",
        "created_at": "2023-11-14T22:13:20Z",
        "message": {
            "role": "assistant",
            "content": "a",
            "thinking": "hm",
            "tool_calls": [{"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"x": 1}}}],
        },
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 3,
        "eval_count": 4,
    }
    lines = [json.loads(line) for line in DIALECT.stream_writer(FRAME).write(unfold(reply)).splitlines()]
    assert [line["message"] for line in lines] == [
        {"role": "assistant", "content": "", "thinking": "hm"},
        {"role": "assistant", "content": "a"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"x": 1}}}],
        },
        {"role": "assistant", "content": ""},
    ]
    assert lines[-1]["done_reason"] == "stop"


def test_calls_without_ids_get_one_of_their_own() -> None:
    def answer(created: str) -> bytes:
        calls = [{"function": {"name": "f", "arguments": {}}}] * 2
        message = {"role": "assistant", "content": "", "tool_calls": calls}
        return json.dumps({"model": "m", "created_at": created, "message": message, "done": True}).encode()

    ids = [
        block.id
        for body in (answer("2025-01-01T00:00:00.1Z"), answer("2025-01-01T00:00:00.2Z"))
        for block in DIALECT.read_reply(body).choices[0].turn.blocks
        if isinstance(block, ir.ToolCall)
    ]
    assert len(set(ids)) == 4


def test_a_stream_that_nobody_asked_for_is_read() -> None:
    lines = [
        {"model": "m", "message": {"role": "assistant", "content": "a"}, "done": False},
        {"model": "m", "message": {"role": "assistant", "content": "b"}, "done": True, "eval_count": 2},
    ]
    reply = DIALECT.read_reply(b"\n".join(json.dumps(line).encode() for line in lines))
    assert [block.text for block in reply.choices[0].turn.blocks if isinstance(block, ir.Text)] == ["ab"]
    assert reply.usage == ir.Usage(input=0, output=2)


def test_an_error_under_a_good_status() -> None:
    with pytest.raises(InternalServerError, match="no memory"):
        DIALECT.read_reply(b'{"error":"no memory"}')
    assert DIALECT.glance(b'{"error":"no memory"}').error is not None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"<html>", b'{"message":1}', b'{"message":{"content":1}}']
)
def test_an_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(APIResponseValidationError):
        DIALECT.read_reply(body)


def test_a_broken_stream_does_not_look_complete() -> None:
    line = b'{"model":"m","message":{"role":"assistant","content":"a"},"done":false}\n'
    reader = DIALECT.stream_reader()
    with pytest.raises(APIConnectionError):
        fold([*reader.feed(line), *reader.close()])
    written = line + DIALECT.write_stream_error(APIConnectionError("gone"))
    sniffer = DIALECT.sniffer()
    sniffer.feed(written)
    assert sniffer.error is not None
    assert sniffer.error.message == "gone"
    assert not sniffer.ended


def test_what_opens_a_stream() -> None:
    assert DIALECT.is_opening(b"\n")
    assert DIALECT.is_opening(b'{"model":"m","created_at":"2025')
    assert not DIALECT.is_opening(
        b'{"model":"m","message":{"role":"assistant","content":"a"},"done":false}\n'
    )


# --- embeddings ------------------------------------------------------------------------------------------


def test_embeddings_both_ways() -> None:
    body = {"model": "m", "input": ["a", "b"], "dimensions": 8, "truncate": True, "options": {"num_ctx": 9}}
    request = EMBEDDINGS.read_request(body)
    assert EMBEDDINGS.write_request(request, Target(model="m")).body == body
    flat = EMBEDDINGS.read_request({"model": "m", "input": "a"})
    assert EMBEDDINGS.write_request(flat, Target(model="n")).body == {"model": "n", "input": "a"}
    answer = {"model": "m", "embeddings": [[0.5, 1.0]], "prompt_eval_count": 3, "total_duration": 5}
    reply = EMBEDDINGS.read_reply(json.dumps(answer).encode())
    assert reply.usage == ir.Usage(input=3)
    assert json.loads(EMBEDDINGS.write_reply(reply, FRAME)) == answer


@pytest.mark.parametrize(
    ("given", "param"),
    [(None, "input"), ([], "input"), (1, "input"), (["a", 1], "input[1]"), ([[1]], "input[0]")],
)
def test_embeddings_take_texts_only(given: Any, param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        EMBEDDINGS.read_request({"model": "m", "input": given})
    assert caught.value.param == param


def test_what_concerns_the_machine_alone_is_nobody_elses_business() -> None:
    options = {"num_ctx": 4096, "num_gpu": 1, "repeat_penalty": 1.1}
    body = {"model": "m", "messages": ASKED, "keep_alive": "5m", "options": options, "stream": False}
    request = DIALECT.read_request(body)
    assert DIALECT.write_request(request, Target(model="m")).body == body
    assert CHAT.write_request(request, Target(model="m")).dropped == ["options"]
    del options["repeat_penalty"]
    assert CHAT.write_request(DIALECT.read_request(body), Target(model="m")).dropped == []
