"""Formats of plain text generation: what a conversation becomes, and what each server answers."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recorded
from headgate import errors
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold
from headgate.wire.openai_chat import DIALECT as CHAT
from headgate.wire.textgen import DIALECTS

TGI = DIALECTS["tgi_generate"]
TRITON = DIALECTS["triton_generate"]
NLP = DIALECTS["nlp_generation"]
LUMINOUS = DIALECTS["luminous_complete"]
J2 = DIALECTS["j2_complete"]
WATSONX = DIALECTS["watsonx_generation"]
GENERATE = DIALECTS["cohere_generate"]
WRITER = DIALECTS["writer_completions"]
ASKED = [{"role": "user", "content": "Hi"}]


def written(dialect: Any, **body: Any) -> ir.Written:
    request = CHAT.read_request({"model": "m", "messages": ASKED, **body})
    found: ir.Written = dialect.write_request(request, Target(model="m"))
    return found


def sse(*events: Any) -> bytes:
    return b"".join(b"data:" + json.dumps(event).encode() + b"\n\n" for event in events)


def json_lines(*events: Any) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def read(dialect: Any, data: bytes, size: int = 10**6) -> list[ir.Event]:
    reader = dialect.stream_reader()
    events = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    return [*events, *reader.close()]


def told(reply: ir.Reply) -> tuple[Any, ...]:
    choice = reply.choices[0]
    (said,) = choice.turn.blocks
    assert isinstance(said, ir.Text)
    assert choice.finish is not None
    usage = None if reply.usage is None else (reply.usage.input, reply.usage.output)
    return said.text, choice.finish.reason, usage


# --- requests --------------------------------------------------------------------------------------------

PARAMETERS = {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["a", "b"]}


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (
            TGI,
            {
                "inputs": "Hi",
                "parameters": {
                    "max_new_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["a", "b"], "do_sample": True,
                    "details": True, "return_full_text": False, "decoder_input_details": False,
                },
            },
        ),
        (
            TRITON,
            {
                "text_input": "Hi",
                "parameters": {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop_words": ["a", "b"]},
            },
        ),
        (
            NLP,
            {
                "text": "Hi", "max_length": 9, "temperature": 0.5, "top_p": 0.9, "end_sequence": "a",
                "remove_input": True,
            },
        ),
        (
            LUMINOUS,
            {
                "model": "m", "prompt": "Hi", "maximum_tokens": 9, "temperature": 0.5, "top_p": 0.9,
                "stop_sequences": ["a", "b"],
            },
        ),
        (J2, {"prompt": "Hi", "maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["a", "b"]}),
    ],
)  # fmt: skip
def test_a_request(dialect: Any, body: dict[str, Any]) -> None:
    found = written(dialect, **PARAMETERS)
    assert found.dropped == []
    assert found.body == body


def test_a_conversation_is_a_script() -> None:
    messages = [
        {"role": "system", "content": "Be brief"},
        *ASKED,
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": [{"type": "text", "text": "What"}, {"type": "text", "text": "now?"}]},
    ]
    assert written(TGI, messages=messages).body["inputs"] == (
        "System: Be brief\n\nUser: Hi\n\nAssistant: Hello\n\nUser: What\nnow?\n\nAssistant:"
    )


def test_what_is_no_text_is_named() -> None:
    tool = {"type": "function", "function": {"name": "now"}}
    picture = {"type": "image_url", "image_url": {"url": "https://e.org/a.png"}}
    found = written(
        TGI,
        messages=[{"role": "user", "content": [{"type": "text", "text": "a"}, picture]}],
        tools=[tool],
        tool_choice="auto",
        n=2,
        response_format={"type": "json_object"},
        nonsense=1,
        user="u",
    )
    assert sorted(found.dropped) == [
        "messages[0].content[1]: image", "n", "nonsense", "response_format", "tool_choice", "tools",
    ]  # fmt: skip
    assert found.body["inputs"] == "a"


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"temperature": 0}, {"temperature": 0.01, "do_sample": True}),
        ({"top_p": 1}, {}),
        ({"max_tokens": 0}, {"max_new_tokens": 1}),
        ({"adapter_id": "a/1", "adapter_source": "pbase"}, {"adapter_id": "a/1", "adapter_source": "pbase"}),
    ],
)
def test_what_stands_at_the_edge_of_a_range(asked: dict[str, Any], sent: dict[str, Any]) -> None:
    fixed = {"details": True, "return_full_text": False, "decoder_input_details": False}
    assert written(TGI, **asked).body["parameters"] == {**fixed, **sent}


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"temperature": 0}, {}),
        ({"temperature": 0.5}, {"temperature": 0.5, "decoding_method": "sample"}),
        (
            {"max_tokens": 5, "seed": 3, "stop": ["x"]},
            {"max_new_tokens": 5, "random_seed": 3, "stop_sequences": ["x"]},
        ),
        ({"repetition_penalty": 1.5, "time_limit": 9}, {"repetition_penalty": 1.5, "time_limit": 9}),
    ],
)
def test_what_watsonx_is_asked(asked: dict[str, Any], sent: dict[str, Any]) -> None:
    body = {"model": "m", "input": "Hi", "parameters": sent, "project_id": "p"}
    assert written(WATSONX, **asked, project_id="p").body == body


def test_without_a_limit_triton_gets_one() -> None:
    assert written(TRITON).body["parameters"] == {"max_tokens": 2000}


@pytest.mark.parametrize("name", DIALECTS)
def test_streams_are_asked_for_where_the_body_says_so(name: str) -> None:
    flag = {"triton_generate", "nlp_generation", "luminous_complete", "cohere_generate", "writer_completions"}
    body = written(DIALECTS[name], stream=True).body
    assert body.get("stream") is (True if name in flag else None)


# --- answers ---------------------------------------------------------------------------------------------

GENERATED = {
    "model_id": "m",
    "results": [
        {
            "generated_text": "Yo",
            "generated_token_count": 4,
            "input_token_count": 3,
            "stop_reason": "max_tokens",
        }
    ],
}
DETAILS = {"finish_reason": "length", "generated_tokens": 4, "prompt_tokens": 3}


@pytest.mark.parametrize(
    ("dialect", "body", "expected"),
    [
        (TGI, {"generated_text": "Yo", "details": DETAILS}, ("Yo", "length", (3, 4))),
        (TGI, [{"generated_text": "Yo"}], ("Yo", "stop", None)),
        (TGI, {"generated_text": "Yo", "details": {"finish_reason": "eos_token"}}, ("Yo", "stop", None)),
        (TRITON, {"text_output": "Yo", "model_name": "m"}, ("Yo", "stop", None)),
        (NLP, {"generated_text": "Yo", "nb_input_tokens": 1, "nb_generated_tokens": 2}, ("Yo", "stop", (1, 2))),
        (
            LUMINOUS,
            {
                "completions": [{"completion": "Yo", "finish_reason": "maximum_tokens"}],
                "num_tokens_prompt_total": 5,
                "num_tokens_generated": 6,
            },
            ("Yo", "length", (5, 6)),
        ),
        (
            J2,
            {
                "prompt": {"tokens": [1, 2]},
                "completions": [
                    {"data": {"text": "Yo", "tokens": [1]}, "finishReason": {"reason": "endoftext"}}
                ],
            },
            ("Yo", "stop", (2, 1)),
        ),
        (WATSONX, GENERATED, ("Yo", "length", (3, 4))),
        (
            GENERATE,
            {
                "id": "i",
                "generations": [{"id": "g", "text": "Yo", "finish_reason": "ERROR_LIMIT"}],
                "meta": {"billed_units": {"input_tokens": 3, "output_tokens": 4}},
            },
            ("Yo", "length", (3, 4)),
        ),
        (GENERATE, {"generations": [{"text": "Yo", "finish_reason": "ERROR_TOXIC"}]}, ("Yo", "content_filter", None)),
        (WRITER, {"choices": [{"text": "Yo", "log_probs": None}], "model": "m"}, ("Yo", "stop", None)),
    ],
)  # fmt: skip
def test_an_answer(dialect: Any, body: Any, expected: tuple[Any, ...]) -> None:
    data = json.dumps(body).encode()
    found = dialect.read_reply(data)
    assert told(found) == expected
    assert dialect.glance(data).usage == found.usage
    text = json.loads(CHAT.write_reply(found, Frame(id="i", created=1, model="m")))["choices"][0]["message"]
    assert text["content"] == "Yo"


def test_several_answers() -> None:
    rows = [{"completion": "a", "finish_reason": "end_of_text"}, {"completion": "b"}]
    found = LUMINOUS.read_reply(json.dumps({"completions": rows}).encode())
    assert [(choice.index, choice.turn.blocks) for choice in found.choices] == [
        (0, [ir.Text("a")]),
        (1, [ir.Text("b")]),
    ]


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("body", [b"", b"3", b"{}", b"[]", b'{"completions": [1]}', b'{"generated_text": 3}'])
def test_an_answer_that_can_t_be_read(name: str, body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        DIALECTS[name].read_reply(body)


@pytest.mark.parametrize("name", DIALECTS)
def test_an_error_under_a_good_status(name: str) -> None:
    body = b'{"error": "Model is overloaded", "error_type": "overloaded"}'
    with pytest.raises(errors.HeadgateError, match="overloaded"):
        DIALECTS[name].read_reply(body)
    assert DIALECTS[name].glance(body).error is not None


# --- streams ---------------------------------------------------------------------------------------------


def token(text: str, *, special: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "token": {"id": 1, "text": text, "special": special},
        "generated_text": None,
        "details": None,
        **more,
    }


END = {"finish_reason": "eos_token", "generated_tokens": 3, "input_length": 2}


@pytest.mark.parametrize("size", [1, 5, 10**6])
@pytest.mark.parametrize(
    ("dialect", "data", "expected"),
    [
        (
            TGI,
            sse(token("Hé"), token("llo"), token("</s>", special=True, generated_text="Héllo", details=END)),
            ("Héllo", "stop", (2, 3)),
        ),
        (TRITON, sse({"text_output": "Hé"}, {"text_output": "llo"}), ("Héllo", "stop", None)),
        (NLP, "H\0é\0llo".encode(), ("Héllo", "stop", None)),
        (
            LUMINOUS,
            sse(
                {"type": "stream_chunk", "index": 0, "completion": "Héllo"},
                {"type": "stream_summary", "index": 0, "finish_reason": "maximum_tokens"},
                {"type": "completion_summary", "num_tokens_prompt_total": 2, "num_tokens_generated": 3},
            ),
            ("Héllo", "length", (2, 3)),
        ),
        (
            GENERATE,
            json_lines(
                {"text": "Hé", "is_finished": False, "event_type": "text-generation"},
                {"text": "llo", "is_finished": False, "event_type": "text-generation"},
                {
                    "is_finished": True,
                    "event_type": "stream-end",
                    "finish_reason": "COMPLETE",
                    "response": {
                        "generations": [{"text": "Héllo"}],
                        "meta": {"billed_units": {"input_tokens": 2, "output_tokens": 3}},
                    },
                },
            ),
            ("Héllo", "stop", (2, 3)),
        ),
        (
            GENERATE,
            sse(
                {"text": "Héllo", "is_finished": False}, {"is_finished": True, "finish_reason": "MAX_TOKENS"}
            ),
            ("Héllo", "length", None),
        ),
        (WRITER, sse({"value": "Hé"}, {"value": "llo"}), ("Héllo", "stop", None)),
    ],
)
def test_a_stream(dialect: Any, data: bytes, expected: tuple[Any, ...], size: int) -> None:
    assert told(fold(read(dialect, data, size))) == expected
    assert not dialect.is_opening(data)
    assert dialect.is_opening(b"\0")


@pytest.mark.parametrize("size", [1, 10**6])
def test_answers_in_turns_are_told_apart(size: int) -> None:
    """Each with its own reason, or with one that is told of all."""
    rows = [(0, "a"), (1, "b"), (1, "c"), (0, "d")]
    chunks = [{"type": "stream_chunk", "index": at, "completion": text} for at, text in rows]
    ends = [{"index": 1, "finish_reason": "maximum_tokens"}, {"index": 0, "finish_reason": "end_of_text"}]
    reply = fold(read(LUMINOUS, sse(*chunks, *ends), size))
    found = [
        (choice.index, choice.turn.blocks, choice.finish and choice.finish.reason) for choice in reply.choices
    ]
    assert found == [(0, [ir.Text("ad")], "stop"), (1, [ir.Text("bc")], "length")]
    lines = [{"text": text, "index": at, "is_finished": False} for at, text in rows]
    reply = fold(
        read(GENERATE, json_lines(*lines, {"is_finished": True, "finish_reason": "MAX_TOKENS"}), size)
    )
    assert [choice.finish and choice.finish.reason for choice in reply.choices] == ["length", "length"]


@pytest.mark.parametrize("size", [1, 10**6])
def test_a_stream_of_generations_that_fails(size: int) -> None:
    end = {"event_type": "stream-error", "is_finished": True, "finish_reason": "ERROR", "err": "too busy"}
    last = read(GENERATE, json_lines({"text": "a", "is_finished": False}, end), size)[-1]
    assert isinstance(last, ir.StreamFailure)
    assert (last.error.message, last.error.status_code) == ("too busy", 500)


def test_what_cohere_and_writer_are_asked() -> None:
    asked = {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["a"], "seed": 7, "n": 1}
    assert written(GENERATE, **asked, top_k=3, presence_penalty=0.1).body == {
        "model": "m", "prompt": "Hi", "max_tokens": 9, "temperature": 0.5, "p": 0.9, "k": 3, "stop_sequences": ["a"],
        "seed": 7, "presence_penalty": 0.1, "num_generations": 1,
    }  # fmt: skip
    assert written(WRITER, **asked).body == {
        "model": "m", "prompt": "Hi", "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["a"],
        "random_seed": 7,
    }  # fmt: skip


def test_a_stream_that_was_cut() -> None:
    assert isinstance(read(TGI, sse(token("H")))[-1], ir.StreamFailure)
    for dialect in DIALECTS.values():
        assert isinstance(read(dialect, b"")[-1], ir.StreamFailure)


def test_a_stream_that_only_said_that_it_goes_on() -> None:
    row = {"generated_text": "a", "generated_token_count": 1, "stop_reason": "not_finished"}
    assert isinstance(read(WATSONX, sse({"results": [row]}))[-1], ir.StreamFailure)


def test_errors_of_several() -> None:
    said = {"errors": [{"code": "token_quota_reached", "message": "no more tokens"}], "status_code": 403}
    last = read(WATSONX, sse(said))[-1]
    assert isinstance(last, ir.StreamFailure)
    assert "no more tokens" in last.error.message


def test_an_error_in_a_stream() -> None:
    last = read(TGI, sse(token("H"), {"error": "out of memory", "error_type": "generation"}))[-1]
    assert isinstance(last, ir.StreamFailure)
    assert last.error.message == "out of memory"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from("token text details completions completion data error prompt".split()), inner
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_anything_is_read_or_refused(value: Any) -> None:
    data = json.dumps(value).encode()
    for dialect in DIALECTS.values():
        dialect.glance(data)
        with contextlib.suppress(errors.HeadgateError):
            dialect.read_reply(data)
        with contextlib.suppress(errors.HeadgateError):
            fold(read(dialect, b"data: " + data + b"\n\n"))


def test_no_client_speaks_it() -> None:
    with pytest.raises(errors.BadRequestError, match="servers only"):
        TGI.read_request({})
    with pytest.raises(errors.BadRequestError, match="servers only"):
        TGI.sniffer()


@pytest.mark.skipif(not recorded.ROOT.exists(), reason="the recorded traffic is not beside the project")
def test_recorded_answers() -> None:
    seen = 0
    for folder, dialect in (("aleph-alpha", LUMINOUS), ("ai21", J2)):
        for path in sorted((recorded.ROOT / "dev" / folder).glob("*.completions.*.json")):
            record = json.loads(path.read_text())
            body = record["response"]["body"]
            found = dialect.read_reply(json.dumps(body).encode())
            texts = [
                row["completion"] if "completion" in row else row["data"]["text"]
                for row in body["completions"]
            ]
            assert [choice.turn.blocks for choice in found.choices] == [[ir.Text(text)] for text in texts]
            assert found.usage is not None
            assert found.usage.output == body.get("num_tokens_generated", found.usage.output)
            seen += 1
    assert seen >= 3


@pytest.mark.skipif(not recorded.ROOT.exists(), reason="the recorded traffic is not beside the project")
@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_a_recorded_stream(size: int) -> None:
    (path,) = (recorded.ROOT / "dev/watsonx").glob("*.completions.stream.*.json")
    data = json.loads(path.read_text())["response"]["sse"].encode()
    said = ("the sun is the most important star in the sky", "stop", (8, 11))
    assert told(fold(read(WATSONX, data, size))) == said
