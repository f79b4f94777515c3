"""What servers name in their own ways is found under LiteLLM's names."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.sdk.objects import ModelResponse, ModelResponseStream

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def whole(message: dict[str, Any], finish: Any = "stop") -> ModelResponse:
    return ModelResponse.of({"choices": [{"index": 0, "message": message, "finish_reason": finish}]})


def test_reasoning_is_found_however_it_came() -> None:
    said = whole({"content": "4", "reasoning": "2 and 2"}).choices[0].message
    assert (said.content, said.reasoning_content, said.reasoning) == ("4", "2 and 2", "2 and 2")
    delta = ModelResponseStream.of({"choices": [{"delta": {"reasoning": "2 and"}}]}).choices[0].delta
    assert delta.reasoning_content == "2 and"
    both = whole({"content": "4", "reasoning": "other", "reasoning_content": "own"}).choices[0].message
    assert both.reasoning_content == "own"
    assert whole({"content": "4"}).choices[0].message.reasoning_content is None


def test_parts_of_a_content_become_its_text() -> None:
    thinking = [{"type": "text", "text": "2 and "}, {"type": "text", "text": "2"}]
    parts = [
        {"type": "thinking", "thinking": thinking},
        {"type": "text", "text": "4"},
        {"type": "text", "text": "."},
    ]
    said = whole({"content": parts}).choices[0].message
    assert (said.content, said.reasoning_content) == ("4.", "2 and 2")
    assert said.provider_specific_fields == {"content": parts}


def test_parts_that_are_no_text_stay() -> None:
    parts = [{"type": "text", "text": "4"}, {"type": "image_url", "image_url": {"url": "x"}}]
    assert whole({"content": parts}).choices[0].message.content == parts


@pytest.mark.parametrize(
    ("came", "told"),
    [
        *((word, word) for word in ("stop", "length", "tool_calls", "content_filter", "function_call")),
        ("eos", "stop"),
        ("STOP", "stop"),
        ("max_tokens", "length"),
        ("unheard_of", "unheard_of"),
        ("", "stop"),
        (None, "stop"),
    ],
)
def test_finish_reasons_are_in_openai_s_words(came: Any, told: Any) -> None:
    choice = whole({"content": "4"}, came).choices[0]
    assert choice.finish_reason == told
    changed = bool(came) and came != told
    assert choice.provider_specific_fields == ({"native_finish_reason": came} if changed else None)


def test_an_answer_that_calls_tools_ends_with_that() -> None:
    answer = whole({"content": None, "tool_calls": [CALL]})
    assert answer.model_dump()["choices"][0]["finish_reason"] == "tool_calls"
    assert answer.choices[0].finish_reason == "tool_calls"
    assert whole({"content": "4", "tool_calls": []}).choices[0].finish_reason == "stop"


def test_a_chunk_with_an_empty_reason_does_not_end() -> None:
    chunk = ModelResponseStream.of(
        {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": ""}]}
    )
    assert chunk.choices[0].finish_reason is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "content reasoning type text thinking tool_calls finish_reason message delta".split()
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["message", "delta", "finish_reason", "index", "provider_specific_fields"]), JSON
    )
)
def test_no_answer_breaks_it_and_a_second_look_changes_nothing(choice: dict[str, Any]) -> None:
    for kind in (ModelResponse, ModelResponseStream):
        first = kind.of({"choices": [json.loads(json.dumps(choice))]}).model_dump()
        assert kind.of(json.loads(json.dumps(first))).model_dump() == first
