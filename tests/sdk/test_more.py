"""LiteLLM's smaller functions: several models at once, retries by name, mocks, keys, conversations made to fit."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import headgate
from servers import Upstream

ASKED = [{"role": "user", "content": "Hello there"}]


@pytest.fixture(name="upstream")
def fixture_upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.stop()


def _refuse(upstream: Upstream, status: int) -> None:
    upstream.reply(
        status, {"content-type": "application/json"}, json.dumps({"error": {"message": "no"}}).encode()
    )


@pytest.mark.parametrize("name", ["models", "model"])
def test_of_several_models_the_first_that_answers(name: str) -> None:
    named: dict[str, Any] = {name: ["mock/error-500", "mock/echo"]}
    answer = headgate.batch_completion_models(messages=ASKED, num_retries=0, **named)
    assert answer.choices[0].message.content == "Hello there"
    with pytest.raises(headgate.InternalServerError):
        headgate.batch_completion_models(models=["mock/error-500"], messages=ASKED, num_retries=0)


def test_of_several_models_all() -> None:
    models = ["mock/error-429", "mock/echo"]
    failed, answer = headgate.batch_completion_models_all_responses(
        models=models, messages=ASKED, num_retries=0
    )
    assert isinstance(failed, headgate.RateLimitError)
    assert answer.choices[0].message.content == "Hello there"


@pytest.mark.parametrize("models", [None, [], [5]])
def test_models_that_are_none(models: Any) -> None:
    for ask in (headgate.batch_completion_models, headgate.batch_completion_models_all_responses):
        with pytest.raises(headgate.BadRequestError, match="models"):
            ask(models=models, messages=ASKED)


async def test_retries_by_name(upstream: Upstream) -> None:
    _refuse(upstream, 500)
    at = {"api_base": upstream.base, "api_key": "sk-up", "num_retries": 1}
    with pytest.raises(headgate.InternalServerError):
        await headgate.acompletion_with_retries("openai/gpt-4o", ASKED, **at)
    assert len(upstream.requests) == 2
    answer = headgate.completion_with_retries(model="mock/echo", messages=ASKED)
    assert answer.choices[0].message.content == "Hello there"


def test_a_mock_by_name() -> None:
    answer = headgate.mock_completion("gpt-4o", ASKED)
    assert answer.choices[0].message.content == "This is a mock request"
    chunks = headgate.mock_completion("gpt-4o", ASKED, stream=True, mock_response="Yes")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Yes"


def test_a_key_that_is_tried(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    assert headgate.check_valid_key("mock/echo", "sk-any") is True
    monkeypatch.setattr(headgate, "api_base", upstream.base, raising=False)
    _refuse(upstream, 401)
    assert headgate.check_valid_key("openai/gpt-4o", "sk-wrong") is False
    _refuse(upstream, 500)
    with pytest.raises(headgate.InternalServerError):
        headgate.check_valid_key("openai/gpt-4o", "sk-right")


def test_models_of_providers_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "x")
    models = headgate.get_valid_models()
    assert models and "groq" in {model.split("/")[0] for model in models}
    assert set(headgate.get_valid_models(custom_llm_provider="groq")) <= set(models)
    assert headgate.get_valid_models(custom_llm_provider="nobody") == []
    with pytest.raises(headgate.BadRequestError):
        headgate.get_valid_models(check_provider_endpoint=True)


def test_lists_of_providers_and_models() -> None:
    assert "anthropic" in headgate.provider_list
    assert "gpt-4o" in headgate.model_list


def _words(count: int, role: str = "user") -> dict[str, str]:
    return {"role": role, "content": "word " * count}


def test_a_conversation_that_fits_stays() -> None:
    messages = [_words(3, "system"), _words(3), _words(3, "assistant"), _words(3)]
    assert headgate.trim_messages(messages, "gpt-4o") == messages


@pytest.mark.parametrize("most", [15, 40, 100, 1000])
def test_a_conversation_is_made_to_fit(most: int) -> None:
    messages = [_words(2, "system"), *(_words(20) for _ in range(30)), _words(3)]
    kept = headgate.trim_messages(messages, "gpt-4o", max_tokens=most)
    assert headgate.token_counter("gpt-4o", messages=kept) <= most + 5
    assert kept[0] == messages[0]
    assert kept[1:] == messages[len(messages) - len(kept) + 1 :]


def test_a_message_that_does_not_fit_is_shortened() -> None:
    (kept,), left = headgate.trim_messages([_words(500)], max_tokens=30, return_response_tokens=True)
    assert ".." in kept["content"] and len(kept["content"]) < 300
    assert 0 <= left < 30


def test_an_answer_of_a_tool_is_not_left_without_its_call() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}" + " " * 4000}}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "4"},
        _words(2),
    ]
    assert headgate.trim_messages(messages, max_tokens=40) == messages[2:]


def test_a_window_that_is_not_known() -> None:
    with pytest.raises(headgate.NotFoundError):
        headgate.trim_messages([_words(2)], "no-such-model")
