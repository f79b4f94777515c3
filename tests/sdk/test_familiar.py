"""What servers name in their own ways is found under LiteLLM's names."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.sdk import familiar
from headgate.sdk.objects import (
    EmbeddingResponse,
    ImageResponse,
    ModelResponse,
    ModelResponseStream,
    RerankResponse,
    Usage,
)

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


def test_a_message_has_a_content_and_a_role() -> None:
    choice = whole({}).choices[0]
    assert choice.message.model_dump() == {"content": None, "role": "assistant"}
    assert ModelResponse.of({"choices": [{"index": 0}]}).choices[0].message.content is None
    assert whole({"content": "4", "role": None}).choices[0].message.role == "assistant"


@pytest.mark.parametrize(
    ("came", "told"),
    [('{"a": 1}', '{"a": 1}'), ({"a": 1}, '{"a": 1}'), ([1], "[1]"), (None, "{}"), ("", "{}"), ({}, "{}")],
)
def test_arguments_are_a_text_that_can_be_read(came: Any, told: str) -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": came}}
    said = whole({"tool_calls": [call], "function_call": {"name": "f", "arguments": came}}).choices[0].message
    assert said.tool_calls[0].function.arguments == said.function_call.arguments == told
    assert said.tool_calls[0].type == "function"


def test_a_call_without_an_id_gets_one_and_keeps_it() -> None:
    answer = whole({"tool_calls": [{"function": {"name": "f"}}, {"id": "", "function": {"name": "f"}}]})
    dumped = answer.model_dump()["choices"][0]["message"]["tool_calls"]
    ids = [call.id for call in answer.choices[0].message.tool_calls]
    assert [call["id"] for call in dumped] == ids
    assert len(set(ids)) == 2
    assert all(one.startswith("call_") for one in ids)


def test_a_call_of_free_text_is_one() -> None:
    (call,) = (
        whole({"tool_calls": [{"id": "c", "custom": {"name": "f", "input": "x"}}]})
        .choices[0]
        .message.tool_calls
    )
    assert (call.type, call.custom.input, call.function) == ("custom", "x", None)


def test_no_calls_are_none() -> None:
    assert whole({"content": "4", "tool_calls": []}).choices[0].message.tool_calls is None


def test_an_object_as_content_is_its_text() -> None:
    said = whole({"content": {"a": 1}}).choices[0].message
    assert json.loads(said.content) == {"a": 1}
    assert said.provider_specific_fields == {"content": {"a": 1}}


@pytest.mark.parametrize("tag", ["think", "thinking"])
def test_thoughts_are_taken_out_of_the_words(tag: str) -> None:
    text = f"<{tag}>2 and\n2</{tag}>\n\n4"
    said = whole({"content": text}).choices[0].message
    assert (said.reasoning_content, said.content) == ("2 and\n2", "\n\n4")
    assert said.provider_specific_fields == {"content": text}


@pytest.mark.parametrize(
    "content", ["<think>never ends", "so <think>a</think>", "<b>4</b>", "<think>a</thinking>"]
)
def test_other_words_stay(content: str) -> None:
    said = whole({"content": content}).choices[0].message
    assert (said.content, said.reasoning_content) == (content, None)
    told = whole({"content": "<think>a</think>4", "reasoning": "b"}).choices[0].message
    assert (told.content, told.reasoning_content) == ("<think>a</think>4", "b")


SIGNED = {"type": "reasoning.text", "text": "2 and", "signature": "s", "format": "anthropic-claude-v1"}
SEALED = {"type": "reasoning.encrypted", "data": "x", "format": "anthropic-claude-v1"}


def test_details_of_reasoning_are_thoughts_and_signed_ones_blocks() -> None:
    told = [SIGNED, SEALED, {"type": "reasoning.summary", "summary": " 2", "format": "openai-responses-v1"}]
    blocks = [
        {"type": "thinking", "thinking": "2 and", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
    ]
    for said in (
        whole({"content": "4", "reasoning_details": told}).choices[0].message,
        ModelResponseStream.of({"choices": [{"delta": {"reasoning_details": told}}]}).choices[0].delta,
    ):
        assert said.reasoning_content == "2 and 2"
        assert said.thinking_blocks == blocks
        assert said.reasoning_details == told
    unsigned = whole({"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "b"}]})
    assert unsigned.choices[0].message.reasoning_content == "a"
    assert unsigned.choices[0].message.thinking_blocks is None


def test_parts_of_a_content_may_be_signed_thoughts_and_references() -> None:
    parts = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "2 and 2", "signature": "s"}]},
        {"type": "text", "text": "4"},
        {"type": "reference", "reference_ids": [1]},
    ]
    said = whole({"content": parts}).choices[0].message
    assert (said.content, said.reasoning_content) == ("4", "2 and 2")
    assert said.thinking_blocks == [{"type": "thinking", "thinking": "2 and 2", "signature": "s"}]


USUAL = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@pytest.mark.parametrize(
    "more",
    [
        {"prompt_tokens_details": {"cached_tokens": 4}},
        {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6},
        {"num_cached_tokens": 4, "prompt_tokens_details": None},
        {"cached_tokens": 4},
        {"cache_read_input_tokens": 4},
        {"prompt_token_details": {"cached_tokens": 4}},
    ],
)
def test_cached_tokens_are_found_under_all_names(more: dict[str, Any]) -> None:
    usage = Usage.of({**USUAL, **more})
    assert usage.prompt_tokens_details.cached_tokens == usage.cache_read_input_tokens == 4
    assert usage._cache_read_input_tokens == 4
    assert usage.cache_creation_input_tokens == 0
    dumped = usage.model_dump()
    assert all(dumped[key] == value for key, value in more.items() if value is not None)


def test_tokens_of_thoughts_and_written_ones_are_found_too() -> None:
    usage = Usage.of({**USUAL, "reasoning_tokens": 3, "cache_creation_input_tokens": 2})
    assert usage.completion_tokens_details.reasoning_tokens == 3
    assert usage.prompt_tokens_details.cache_creation_tokens == 2
    assert usage._cache_creation_input_tokens == 2
    usage = Usage.of({**USUAL, "prompt_tokens_details": {"cache_write_tokens": 3}})
    assert usage.prompt_tokens_details.cache_creation_tokens == usage.cache_creation_input_tokens == 3


@pytest.mark.parametrize(
    ("came", "told"),
    [
        ({}, (0, 0, 0)),
        ({"prompt_tokens": 3, "completion_tokens": 4}, (3, 4, 7)),
        ({"prompt_tokens": 3, "completion_tokens": None, "total_tokens": 3}, (3, 0, 3)),
        ({"total_tokens": 3}, (3, 0, 3)),
        ({"prompt_tokens": 3.0, "completion_tokens": 4.0, "total_tokens": 7.0}, (3, 4, 7)),
    ],
)
def test_counts_are_always_whole_numbers(came: dict[str, Any], told: tuple[int, int, int]) -> None:
    usage = Usage.of(came)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == told
    assert all(type(count) is int for count in told)


def test_a_usage_as_openai_has_it_stays_as_it_is() -> None:
    plain = {**USUAL, "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 0}}
    assert Usage.of(json.loads(json.dumps(plain))).model_dump() == plain
    assert Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3).model_dump().keys() == USUAL.keys()


def test_a_cost_is_a_number() -> None:
    costs = {"input_tokens_cost": 0.1, "total_cost": 0.3}
    usage = Usage.of({**USUAL, "cost": costs})
    assert (usage.cost, usage.provider_specific_fields) == (0.3, {"cost": costs})


TOLD = {"id": "chatcmpl-1", "created": 7, "model": "m", "object": "chat.completion"}


def answered(node: dict[str, Any]) -> ModelResponse:
    familiar.answer(node, TOLD)
    return ModelResponse.of(node)


def test_a_whole_answer_says_what_it_is() -> None:
    bare = answered({"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]})
    assert {key: bare[key] for key in TOLD} == TOLD
    assert [choice.index for choice in bare.choices] == [0, 1]
    assert bare.usage.total_tokens == 0
    own = {"id": "x", "created": 8, "model": "n"}
    assert {key: answered({**own, "choices": []})[key] for key in own} == own
    assert answered({**own}).choices == []


def test_usage_that_stands_elsewhere_is_found() -> None:
    assert answered({"choices": [{"message": {}, "usage": USUAL}]}).usage.total_tokens == 15
    assert answered({"choices": [], "usage": None, "x_groq": {"usage": USUAL}}).usage.total_tokens == 15


def test_sources_beside_the_choices_are_annotations() -> None:
    sources = {
        "citations": ["https://a", "https://b"],
        "search_results": [{"url": "https://b", "title": "B"}, {"title": "no address"}],
    }
    answer = answered({"choices": [{"message": {"content": "So[2] it is [1][9]."}}], **sources})
    assert answer.choices[0].message.annotations == [
        {
            "type": "url_citation",
            "url_citation": {"url": "https://b", "title": "B", "start_index": 2, "end_index": 5},
        },
        {
            "type": "url_citation",
            "url_citation": {"url": "https://a", "title": "", "start_index": 12, "end_index": 15},
        },
    ]
    assert answer.citations == sources["citations"]
    assert (
        answered({"choices": [{"message": {"content": "No."}}], **sources}).choices[0].message.annotations
        is None
    )


def test_a_ranked_document_has_a_text() -> None:
    answer = RerankResponse.of({"results": [{"index": 1, "score": 0.5, "document": "a"}]})
    (result,) = answer.results
    assert (result["relevance_score"], result.document["text"]) == (0.5, "a")
    assert answer.model_dump()["results"][0]["document"] == {"text": "a"}


def test_pictures_have_a_time() -> None:
    node: dict[str, Any] = {"data": None}
    familiar.pictures(node, TOLD)
    assert (ImageResponse.of(node).created, node["data"]) == (7, [])
    node = {"created": 8, "data": [{"url": "https://a"}]}
    familiar.pictures(node, TOLD)
    (picture,) = ImageResponse.of(node).data
    assert (node["created"], picture.url, picture.b64_json) == (8, "https://a", None)


def test_vectors_say_which_they_are() -> None:
    node = {"data": [{"embedding": [1.0]}, {"embedding": "AACAPw=="}]}
    familiar.vectors(node, {**TOLD, "object": "list"})
    answer = EmbeddingResponse.of(node)
    assert answer.data[1] == {"embedding": "AACAPw==", "index": 1, "object": "embedding"}
    assert (answer.model, answer.object, answer.usage.total_tokens) == ("m", "list", 0)


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
                """content reasoning reasoning_details type text thinking summary signature format data tool_calls
                function arguments finish_reason message delta""".split()
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
