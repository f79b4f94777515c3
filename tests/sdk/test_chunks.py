"""Chunks of all servers have what LiteLLM's users look for in each."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headgate
from headgate.sdk.chunks import Calls, Chunks
from headgate.sdk.objects import ModelResponseStream
from servers import Upstream

TOLD = {"id": "chatcmpl-1", "created": 7, "model": "m", "object": "chat.completion.chunk"}
WHO = {"id": "c", "created": 8, "model": "theirs", "object": "chat.completion.chunk"}
NOTHING = {"index": 0, "delta": {}, "finish_reason": None}


def mended(*chunks: dict[str, Any]) -> list[ModelResponseStream]:
    stream = Chunks(TOLD, lambda: {**NOTHING, "delta": {}})
    made = []
    for chunk in chunks:
        raw = json.dumps(chunk)
        stream.mend(fields := json.loads(raw), raw.encode())
        made.append(ModelResponseStream.of(fields))
    return made


def says(index: int, finish: Any = None, **delta: Any) -> dict[str, Any]:
    return {**WHO, "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def calls(*pieces: dict[str, Any]) -> list[dict[str, Any]]:
    """What a program makes of the pieces that goes by their indexes."""
    found: dict[int, dict[str, Any]] = {}
    for chunk in mended(*(says(0, tool_calls=[piece]) for piece in pieces)):
        for piece in chunk.choices[0].delta.tool_calls:
            assert piece.type == "function"
            row = found.setdefault(
                piece.index, {"id": piece.id, "name": piece.function.name, "arguments": ""}
            )
            row["arguments"] += piece.function.arguments
    return [found[at] for at in sorted(found)]


@pytest.mark.parametrize("choices", [[], None, "absent"])
def test_every_chunk_has_a_choice(choices: Any) -> None:
    chunk = {**WHO, "choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    if choices == "absent":
        del chunk["choices"]
    _, last = mended(says(0, content="a"), chunk)
    assert last.choices[0].delta.content is None
    assert last.choices[0].finish_reason is None
    assert last.usage.total_tokens == 3


def test_who_answers_is_told_in_every_chunk() -> None:
    first, second = mended({**says(0, content="a"), "id": "", "created": 0, "model": None}, says(0))
    assert (first.id, first.created, first.model) == ("chatcmpl-1", 7, "m")
    assert (second.id, second.created, second.model) == ("c", 8, "theirs")
    bare = {"choices": [{"delta": {"content": "b"}}]}
    first, second = mended(says(0, content="a"), bare)
    assert (second.id, second.created, second.model) == ("c", 8, "theirs")  # as the stream began
    assert second.object == "chat.completion.chunk"


@pytest.mark.parametrize("created", ["1700000000", 1700000000.5])
def test_a_time_is_whole_seconds(created: Any) -> None:
    assert mended({**says(0), "created": created})[0].created == 1700000000


def test_a_chunk_of_chat_is_one_whatever_the_server_calls_it() -> None:
    assert mended({**says(0), "object": "text_completion"})[0].object == "chat.completion.chunk"


def test_the_first_chunk_says_whose_words_these_are() -> None:
    roles = [chunk.choices[0].delta.role for chunk in mended(says(0, content="a"), says(0, content="b"))]
    assert roles == ["assistant", None]
    assert mended(says(0, role="tool"))[0].choices[0].delta.role == "tool"


def test_a_delta_is_always_there() -> None:
    for choice in ({"index": 0}, {"index": 0, "delta": None}):
        assert mended(says(0), {**WHO, "choices": [choice]})[1].choices[0].delta.content is None


def test_usage_is_found_in_a_choice_and_beside_them() -> None:
    counts = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    in_choice = says(0, "stop")
    in_choice["choices"][0]["usage"] = counts
    beside = {**says(0, "stop"), "usage": None, "x_groq": {"usage": counts}}
    own = {**beside, "usage": {**counts, "prompt_tokens": 5}}
    assert [chunk.usage.prompt_tokens for chunk in mended(in_choice, beside, own)] == [3, 3, 5]
    assert mended({**says(0), "usage": None})[0].usage is None


def test_a_stream_that_calls_tools_ends_with_that_each_choice_for_itself() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    chunks = mended(
        says(0, tool_calls=[call]), says(1, content="4", tool_calls=None), says(0, "eos"), says(1, "stop")
    )
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, "tool_calls", "stop"]


F, G = {"name": "f", "arguments": ""}, {"name": "g", "arguments": ""}
MORE = {"arguments": "{}"}


@pytest.mark.parametrize(
    "pieces",
    [
        [
            {"index": 0, "id": "a", "function": F},
            {"index": 0, "function": MORE},
            {"index": 1, "id": "b", "function": G},
            {"index": 1, "function": MORE},
        ],
        [{"id": "a", "function": F}, {"function": MORE}, {"id": "b", "function": G}, {"function": MORE}],
        [
            {"index": 0, "id": "a", "function": F},
            {"index": 0, "function": MORE},
            {"index": 0, "id": "b", "function": G},
            {"index": 0, "function": MORE},
        ],
        [
            {"index": 0, "id": "a", "function": {**F, **MORE}},
            {"index": 0, "id": "b", "function": {**G, **MORE}},
        ],
        [
            {"id": "a", "function": F},
            {"id": "b", "function": G},
            {"id": "a", "function": MORE},
            {"id": "b", "function": MORE},
        ],
        [
            {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": None}},
            {"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": "{}"}},
            {"index": 1, "id": "b", "function": {"name": "g", "arguments": {}}},
        ],
    ],
    ids=["as OpenAI", "no index", "one index", "one index, whole", "mixed, no index", "nulls and objects"],
)
def test_calls_keep_apart(pieces: list[dict[str, Any]]) -> None:
    assert calls(*pieces) == [
        {"id": "a", "name": "f", "arguments": "{}"},
        {"id": "b", "name": "g", "arguments": "{}"},
    ]


def test_calls_without_ids_get_them_once() -> None:
    first, second = calls({"function": F}, {"function": MORE}, {"function": G}, {"function": MORE})
    assert first["id"].startswith("call_")
    assert second["id"] not in (first["id"], None)
    assert (first["arguments"], second["arguments"]) == ("{}", "{}")


def test_a_piece_of_a_call_has_a_function() -> None:
    (call,) = calls({"index": 0, "id": "a", "function": F}, {"index": 0, "provider_specific_fields": {}})
    assert call["arguments"] == ""


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=5)), max_size=12))
def test_calls_that_are_told_as_openai_does_stay_as_they_are(told: list[tuple[int, str]]) -> None:
    known, begun = Calls(), set()
    for index, text in told:
        fresh = {} if index in begun else {"id": f"c{index}"}
        begun.add(index)
        piece = {
            "index": index,
            **fresh,
            "function": {"name": f"f{index}" if fresh else None, "arguments": text},
        }
        known.place(piece)
        assert piece["index"] == index
        assert piece.get("id") == fresh.get("id")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "choices delta tool_calls function id index name usage x_groq finish_reason content".split()
            ),
            inner,
        )
    ),
    max_leaves=14,
)


@given(st.lists(st.dictionaries(st.sampled_from("id created model choices usage x_groq".split()), JSON)))
def test_no_chunk_breaks_it(chunks: list[dict[str, Any]]) -> None:
    for chunk in mended(*chunks):
        assert chunk.id
        assert chunk.model
        assert type(chunk.created) is int
        assert chunk.choices
        chunk.model_dump()


def test_a_loop_without_a_guard_lives_through_azure_s_and_openai_s_chunks(upstream: Upstream) -> None:
    chunks = (
        {"choices": [], "created": 0, "id": "", "model": "", "prompt_filter_results": [{"prompt_index": 0}]},
        says(0, content="Hel"),
        says(0, "stop", content="lo"),
        {**WHO, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}},
    )
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    upstream.reply(200, {"content-type": "text/event-stream"}, body.encode())
    stream = headgate.completion(
        "openai/gpt-4o",
        [{"role": "user", "content": "hi"}],
        api_base=upstream.base,
        api_key="k",
        stream=True,
        stream_options={"include_usage": True},
    )
    heard = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in heard) == "Hello"
    assert heard[0].choices[0].delta.role == "assistant"
    assert heard[-1].usage.total_tokens == 3
    whole = headgate.stream_chunk_builder(heard)
    assert whole is not None
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("Hello", "stop")
    assert (whole.usage.total_tokens, len(whole.choices)) == (3, 1)
