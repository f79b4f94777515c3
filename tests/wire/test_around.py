"""Dialects made of OpenAI's: whatever is asked and answered, an error of ours and no other."""

import json
from typing import Any

import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from headgate import errors
from headgate.core.dialects import dialect
from headgate.errors import HeadgateError
from headgate.wire import ir
from headgate.wire.around import left_out
from headgate.wire.dialect import Target
from headgate.wire.openai_chat import DIALECT as OPENAI

CHATS = ("gigachat_chat", "sap_orchestration", "oci_generic", "oci_cohere", "oci_cohere_v2")
VECTORS = ("gigachat_embeddings", "sap_embeddings", "oci_embeddings")
KEYS = """annotations apiFormat arguments chatResponse choices citations code content created data delta embedding
embeddings error errorMessage finalResult final_result finishReason finish_reason function_call functions_state_id id
index inputTextTokenCounts logprobs message model modelId name orchestration_result parameters precached_prompt_tokens
promptTokens promptTokensDetails cachedTokens prompt_tokens reasoningContent refusal role serviceTier status text
timeCreated thinking tokenLogprobs tokens toolCalls toolPlan tool_calls topLogprobs type usage""".split()
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["", "a", "stop", "ERROR", "FUNCTION", "COMPLETE"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=30,
)
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=6)
ECHOES = st.sampled_from([None, ir.Echo(json_tool="a")])


@pytest.mark.parametrize("name", [*CHATS, *VECTORS])
@given(document=DOCUMENTS, echo=ECHOES)
def test_any_answer_is_read_or_refused(name: str, document: Any, echo: ir.Echo | None) -> None:
    body = json.dumps(document).encode()
    try:
        dialect(name).read_reply(body, echo)
    except HeadgateError as error:
        assert error.message
    assert dialect(name).glance(body) is not None


@pytest.mark.parametrize("name", CHATS)
@given(documents=st.lists(DOCUMENTS, max_size=5), echo=ECHOES, size=st.integers(1, 60))
def test_any_stream_ends_in_an_answer_or_an_error(
    name: str, documents: list[Any], echo: ir.Echo | None, size: int
) -> None:
    data = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in documents)
    reader = dialect(name).stream_reader(echo)
    events = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    events += reader.close()
    assert isinstance(events[-1], ir.ReplyEnd | ir.StreamFailure)
    assert sum(isinstance(event, ir.ReplyEnd | ir.StreamFailure) for event in events) == 1


@pytest.mark.parametrize("name", CHATS)
@given(body=strategies.chat_bodies)
def test_any_request_is_written_or_refused(name: str, body: Any) -> None:
    request = OPENAI.read_request(body)
    written = dialect(name).write_request(request, Target(model="m"))
    json.dumps(written.body)
    assert all(isinstance(one, str) for one in written.dropped)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("gigachat_chat", "profanity_check"),
        ("sap_orchestration", "masking"),
        ("oci_generic", "isEcho"),
        ("oci_cohere", "safetyMode"),
    ],
)
def test_keys_of_the_api_may_come_from_callers_of_any_format(name: str, key: str) -> None:
    asked = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "a"}], key: "said"}
    written = dialect(name).write_request(dialect("anthropic").read_request(asked), Target(model="m"))
    assert written.dropped == []
    assert f'"{key}": "said"' in json.dumps(written.body)


@pytest.mark.parametrize("name", [*CHATS, *VECTORS])
@pytest.mark.parametrize("body", [b"", b"x", b"[1]", b"3", b"[" * 100_000])
def test_what_is_no_document(name: str, body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        dialect(name).read_reply(body)


@pytest.mark.parametrize("name", CHATS)
def test_only_servers_speak_these(name: str) -> None:
    made: Any = dialect(name)
    for call in (made.read_request, made.stream_writer, made.write_error, made.write_stream_error):
        with pytest.raises(errors.BadRequestError, match=name):
            call({})
    with pytest.raises(errors.BadRequestError):
        made.sniffer()


def test_what_says_nothing_is_not_reported() -> None:
    said = {"n": 2, "seed": 0, "odd": True}
    silent = {"n": 1, "top_p": 1.0, "stop": None, "tools": [], "store": True, "user": "u", "logprobs": False}
    assert left_out({**silent, **said}, {"model"}) == list(said)
    assert left_out(silent, ()) == []
