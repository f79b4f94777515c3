"""Objects are what programs written for LiteLLM do with them: read, dump, compare, copy, pickle, send back."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import headgate
from headgate.sdk.objects import (
    Choices,
    ModelResponse,
    ModelResponseStream,
    ResponsesAPIResponse,
    TextCompletionResponse,
    Usage,
)
from headgate.sdk.view import View
from servers import Upstream

CALL = {"function": {"name": "f", "arguments": {"a": 1}}}
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"reasoning": "2 and 2", "tool_calls": [CALL]},
            "logprobs": {
                "content": [
                    {
                        "token": "4",
                        "logprob": -0.5,
                        "bytes": [52],
                        "top_logprobs": [{"token": "4", "logprob": -0.5, "bytes": [52]}],
                    }
                ]
            },
            "finish_reason": "eos",
        }
    ],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 4},
    "of_their_own": {"a": [1]},
}


def answer() -> ModelResponse:
    return ModelResponse.of(json.loads(json.dumps(ANSWER)))


def walked(view: Any) -> Any:
    """What attributes say, all the way down."""
    if isinstance(view, View):
        return {name: walked(getattr(view, name)) for name in view.keys()}  # noqa: SIM118 -- no dictionary
    return [walked(one) for one in view] if isinstance(view, list) else view


def test_what_is_dumped_is_what_attributes_say_in_either_order() -> None:
    first, second = answer(), answer()
    dumped = first.model_dump()
    assert dumped == walked(first) == first.model_dump() == first.json() == first.dict() == first.to_dict()
    seen = walked(second)
    assert seen == second.model_dump()
    assert json.loads(first.model_dump_json()) == dumped
    for one in (dumped, seen):
        message = one["choices"][0]["message"]
        assert message["reasoning_content"] == "2 and 2"
        assert message["tool_calls"][0].pop("id").startswith("call_")
    assert dumped == seen


def test_items_iteration_and_comparison_say_the_same() -> None:
    made = answer()
    assert dict(made)["choices"][0].finish_reason == "tool_calls"
    assert [name for name, _ in made] == list(ANSWER)
    assert made == made.model_dump()
    assert made.model_dump() == made
    assert made == {**made.model_dump(), "usage": made.usage}
    assert made != {}
    assert made.choices[0].message != "no"
    assert "usage" in made
    assert "citations" not in made
    assert made.get("citations", "none") == "none"
    assert made.get("model") == made["model"] == made.model == "m"
    assert "tool_calls" in repr(made)
    with pytest.raises(KeyError):
        made["nowhere"]
    with pytest.raises(AttributeError, match="nowhere"):
        _ = made.nowhere


def test_what_nobody_knows_stays() -> None:
    assert answer().of_their_own == {"a": [1]}


def test_fields_are_left_out_by_name() -> None:
    made = answer()
    assert made.model_dump(include={"id", "model"}) == {"id": "c", "model": "m"}
    assert "choices" not in made.model_dump(exclude={"choices"})
    assert "choices" not in made.model_dump_json(exclude={"choices"})
    assert "content" not in made.model_dump(exclude_none=True)["choices"][0]["message"]


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled], ids=["copy", "deepcopy", "pickle"])
@pytest.mark.parametrize("looked", [False, True])
def test_copies_are_equal_and_apart(copied: Callable[[Any], Any], looked: bool) -> None:
    made = answer()
    made._hidden_params = {"response_cost": 0.1}
    if looked:
        made.model_dump()
    other = copied(made)
    assert type(other) is ModelResponse
    assert other == made
    assert other._hidden_params == {"response_cost": 0.1}
    other.model = "another"
    assert made.model == "m"


def test_a_copy_may_be_changed_on_the_way() -> None:
    made = answer()
    assert made.model_copy(update={"model": "n"}).model == "n"
    deep = made.model_copy(deep=True)
    deep.choices[0].message.content = "changed"
    assert (made.model, made.choices[0].message.content) == ("m", None)


def test_logprobs_are_objects() -> None:
    (told,) = answer().choices[0].logprobs.content
    assert (told.token, told["logprob"], told.top_logprobs[0].token) == ("4", -0.5, "4")
    chunk = ModelResponseStream.of(
        json.loads(json.dumps({"choices": [{**ANSWER["choices"][0], "delta": {}}]}))
    )  # type: ignore[index]
    assert chunk.choices[0].logprobs.content[0].bytes == [52]
    assert answer().choices[0].logprobs.refusal is None


def test_those_of_text_keep_their_tables() -> None:
    told = {"tokens": ["4"], "token_logprobs": [-0.5], "top_logprobs": [{"4": -0.5}], "text_offset": [0]}
    made = TextCompletionResponse.of({"choices": [{"text": "4", "logprobs": told, "finish_reason": "eos"}]})
    (choice,) = made.choices
    assert (choice.logprobs.tokens, choice.logprobs.top_logprobs[0]["4"]) == (["4"], -0.5)
    assert choice.finish_reason == "stop"
    assert made.usage.total_tokens == 0


def test_sound_is_an_object_and_blocks_are_dictionaries() -> None:
    blocks = [{"type": "thinking", "thinking": "2 and 2", "signature": "s"}]
    node = {"audio": {"id": "a", "data": "AA", "expires_at": 1, "transcript": "4"}, "thinking_blocks": blocks}
    said = ModelResponse.of({"choices": [{"message": node}]}).choices[0].message
    assert (said.audio.transcript, said.audio["data"]) == ("4", "AA")
    assert json.dumps(said.thinking_blocks) == json.dumps(blocks)


def test_applications_make_answers_themselves() -> None:
    made = ModelResponse(model="m")
    made.choices[0].message.content = "4"
    assert made.id.startswith("chatcmpl-")
    assert made.model_dump()["choices"] == [
        {"index": 0, "message": {"content": "4", "role": "assistant"}, "finish_reason": "stop"}
    ]
    assert ModelResponse().id != made.id
    given = ModelResponse(id="x", choices=[Choices(message={"content": "5"})], usage=Usage(prompt_tokens=3))
    assert (given.id, given.choices[0].message.content, given.usage.total_tokens) == ("x", "5", 3)
    assert ModelResponse(**copy.deepcopy(ANSWER)).choices[0].message.reasoning_content == "2 and 2"
    assert ModelResponseStream().choices[0].delta.content is None


def test_a_message_is_sent_back_as_it_is(upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(ANSWER).encode())
    where = {"api_base": upstream.base, "api_key": "k"}
    asked: list[Any] = [{"role": "user", "content": "2 and 2?"}]
    said = headgate.completion("openai/gpt-4o", asked, **where).choices[0].message
    asked += [said, {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "4"}]
    headgate.completion("openai/gpt-4o", asked, **where)
    _, sent, result = json.loads(upstream.requests[-1][2])["messages"]
    assert sent["tool_calls"][0] == {
        "id": result["tool_call_id"],
        "type": "function",
        "function": {"name": "f", "arguments": '{"a": 1}'},
    }


RESPONSE = {
    "id": "r",
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "2 and 2"}]},
        {"type": "web_search_call", "action": {"type": "search", "query": "q"}},
        {
            "type": "message",
            "content": [
                {
                    "type": "output_text",
                    "text": "4",
                    "annotations": [{"type": "url_citation", "url": "https://a"}],
                },
                {"type": "refusal", "refusal": "no"},
                {"type": "output_text", "text": "."},
            ],
        },
        {"type": "message", "content": "odd"},
    ],
    "usage": {
        "input_tokens": 1000,
        "input_tokens_details": {"cached_tokens": 600},
        "output_tokens": 100,
        "output_tokens_details": {"reasoning_tokens": 40},
        "total_tokens": 1100,
    },
    "incomplete_details": {"reason": "max_output_tokens"},
}


def test_a_response_has_its_text_and_its_counts() -> None:
    made = ResponsesAPIResponse.of(json.loads(json.dumps(RESPONSE)))
    assert made.output_text == "4."
    assert made.output[0].summary[0].text == "2 and 2"
    assert made.output[1].action.query == "q"
    assert made.output[2].content[0].annotations[0].url == "https://a"
    assert made.usage.input_tokens_details.cached_tokens == 600
    assert made.usage.output_tokens_details.reasoning_tokens == 40
    assert made.incomplete_details.reason == "max_output_tokens"
    assert made.model_dump() == RESPONSE
    assert ResponsesAPIResponse.of({}).output_text == ""


def test_its_cost_is_that_of_its_tokens() -> None:
    made = ResponsesAPIResponse.of({**RESPONSE, "model": "gpt-4o"})
    micro = 400 * 2.5 + 600 * 1.25 + 100 * 10
    assert headgate.completion_cost(made) == pytest.approx(micro / 1e6, rel=1e-12)


def test_an_answer_without_usage_costs_what_its_words_are_estimated_at() -> None:
    made = ModelResponse(model="gpt-4o")
    made.choices[0].message.content = "Four, as ever."
    assert headgate.completion_cost(made, prompt="2 and 2?") > 0


def test_usage_of_caches_costs_what_it_does_under_openai_s_name() -> None:
    counts = {"prompt_tokens": 1000, "completion_tokens": 100}
    bare = {"model": "gpt-4o", "choices": []}
    theirs = ModelResponse.of({**bare, "usage": {**counts, "prompt_cache_hit_tokens": 600}})
    openai = ModelResponse.of({**bare, "usage": {**counts, "prompt_tokens_details": {"cached_tokens": 600}}})
    costs = [headgate.completion_cost(one) for one in (theirs, openai)]
    assert (theirs.usage.cache_read_input_tokens, costs[0]) == (600, costs[1])


def test_an_error_has_a_response(upstream: Upstream) -> None:
    body = {"error": {"message": "slow down", "type": "x", "code": "rate"}}
    upstream.reply(429, {"content-type": "application/json", "Retry-After": "7"}, json.dumps(body).encode())
    with pytest.raises(headgate.RateLimitError) as caught:
        headgate.completion(
            "openai/gpt-4o",
            [{"role": "user", "content": "x"}],
            api_base=upstream.base,
            api_key="k",
            num_retries=0,
        )
    for error in (caught.value, pickled(caught.value), copy.copy(caught.value)):
        assert error.response.status_code == 429
        assert error.response.headers["Retry-After"] == error.response.headers.get("retry-after") == "7"
        assert error.response.json() == json.loads(error.response.text) == body
        assert error.litellm_response_headers == error.headers
