"""The SDK's helpers: costs, tokens, facts of models and providers, registered models, the environment."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from test_sdk_functions import ASKED, CHAT, SHAPES, answer, at, sent

import headgate
from headgate.catalog.lookup import Catalog
from headgate.core.supported import OPENAI_PARAMS
from headgate.sdk import functions
from servers import Upstream

MINE = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
UNKNOWN = ("mock/echo", "ollama/llama3", "openai/nobody-knows", "nonsense/model", "nope", "")
FLASH = "gemini/gemini-2.5-flash"
TIERED = "gemini/gemini-2.5-pro"
"""1.25 and 10 dollars a million, 2.5 and 15 for prompts over 200,000 tokens, a tenth for cached ones."""
CLAUDE = "anthropic/claude-sonnet-4-5"
"""3 and 15 dollars a million, 0.3 from the cache, 3.75 into it, 6 for an hour; twice that over 200,000 tokens."""


@pytest.fixture
def fresh() -> Iterator[None]:
    """A client of the test's own: what it registers is gone afterwards."""
    functions.default_client.cache_clear()
    yield
    functions.default_client.cache_clear()


def usage(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        **more,
    }


def reply(model: str, spent: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "1", "object": "chat.completion", "model": model, "choices": [], "usage": spent, **more}


# costs

CACHED = {"cached_tokens": 600}
WRITTEN = {"cache_read_input_tokens": 600, "cache_creation_input_tokens": 300}
KEPT = {"cache_creation_tokens": 300, "cache_creation_token_details": {"ephemeral_1h_input_tokens": 200}}
COSTS = [
    ("gpt-4o", usage(1000, 100), 1000 * 2.5 + 100 * 10),
    ("openai/gpt-4o", usage(1000, 0), 1000 * 2.5),
    ("gpt-4o", usage(1000, 100, prompt_tokens_details=CACHED), 400 * 2.5 + 600 * 1.25 + 100 * 10),
    (CLAUDE, usage(1000, 100, **WRITTEN), 100 * 3 + 600 * 0.3 + 300 * 3.75 + 100 * 15),
    (CLAUDE, usage(1000, 0, prompt_tokens_details=KEPT), 700 * 3 + 100 * 3.75 + 200 * 6),
    (FLASH, usage(100, 50, completion_tokens_details={"reasoning_tokens": 40}), 100 * 0.3 + 50 * 2.5),
    (TIERED, usage(200_000, 10), 200_000 * 1.25 + 10 * 10),
    (TIERED, usage(200_001, 10), 200_001 * 2.5 + 10 * 15),
    (TIERED, usage(200_001, 10, prompt_tokens_details=CACHED), 199_401 * 2.5 + 600 * 0.25 + 10 * 15),
    ("text-embedding-3-small", {"prompt_tokens": 1000, "total_tokens": 1000}, 1000 * 0.02),
]


@pytest.mark.parametrize(("model", "spent", "micro"), COSTS)
def test_the_cost_of_an_answer_is_its_tokens_at_the_models_prices(
    model: str, spent: dict[str, Any], micro: float
) -> None:
    document = reply(model, spent)
    exact = pytest.approx(micro / 1e6, rel=1e-12)
    assert headgate.completion_cost(document) == exact
    assert headgate.completion_cost(completion_response=headgate.ModelResponse.of(document)) == exact
    assert sum(headgate.cost_per_token(model, usage_object=headgate.Usage.of(spent))) == exact


@pytest.mark.parametrize(("model", "spent", "micro"), COSTS)
def test_prompt_and_completion_are_split_at_the_prices_of_the_whole_prompt(
    model: str, spent: dict[str, Any], micro: float
) -> None:
    asked, answered = headgate.cost_per_token(model, usage_object=spent)
    written = spent.get("completion_tokens", 0)
    long = spent["prompt_tokens"] > 200_000
    price = {"gpt-4o": 10, "openai/gpt-4o": 10, CLAUDE: 15, TIERED: 15 if long else 10}.get(model, 2.5)
    assert answered == pytest.approx(written * price / 1e6, rel=1e-12)
    assert asked == pytest.approx(micro / 1e6 - answered, rel=1e-9)


def test_a_long_answer_to_a_short_prompt_has_the_prices_of_the_short_prompt() -> None:
    assert headgate.cost_per_token(TIERED, prompt_tokens=10, completion_tokens=500_000) == (
        pytest.approx(10 * 1.25e-6),
        pytest.approx(5.0),
    )


def test_counts_may_be_given_one_by_one() -> None:
    cached = {"cache_read_input_tokens": 600, "cache_creation_input_tokens": 300}
    assert headgate.cost_per_token(CLAUDE, 1000, 100, **cached) == (0.001605, 0.0015)
    assert headgate.cost_per_token("claude-sonnet-4-5", 10, 1, None, "anthropic") == (0.00003, 0.000015)


@pytest.mark.parametrize(
    ("tier", "price"), [(None, 2.5), ("standard", 2.5), ("priority", 4.25), ("batch", 1.25), ("flex", 2.5)]
)
def test_the_service_tier_chooses_the_prices(tier: str | None, price: float) -> None:
    spent = usage(1_000_000, 0)
    assert headgate.completion_cost(reply("gpt-4o", spent), service_tier=tier) == price
    assert headgate.completion_cost(reply("gpt-4o", spent, service_tier=tier)) == price
    assert headgate.cost_per_token("gpt-4o", 1_000_000, service_tier=tier) == (price, 0.0)


def test_custom_prices_go_over_the_tables() -> None:
    document = reply("gpt-4o", usage(1000, 100))
    assert headgate.completion_cost(document, custom_cost_per_token=MINE) == pytest.approx(0.0012)
    assert headgate.cost_per_token("nope", 1000, 100, custom_cost_per_token=MINE) == (0.001, 0.0002)
    assert headgate.completion_cost(document, custom_cost_per_second=0.5, total_time=3000) == 1.5
    assert headgate.cost_per_token("nope", response_time_ms=3000, custom_cost_per_second=0.5) == (0.0, 1.5)


def test_the_model_that_is_named_goes_over_the_answers() -> None:
    document = reply("my-deployment", usage(1000, 0))
    assert headgate.completion_cost(document, model="gpt-4o") == 0.0025
    assert headgate.completion_cost(document, model="azure/my-deployment", base_model="gpt-4o") == 0.0025


def test_texts_cost_what_their_counted_tokens_cost() -> None:
    tokens = headgate.token_counter(text="What is it?"), headgate.token_counter(text="It is a word.")
    expected = sum(headgate.cost_per_token("gpt-4o", *tokens))
    made = headgate.completion_cost(model="gpt-4o", prompt="What is it?", completion="It is a word.")
    assert made == pytest.approx(expected)
    asked = headgate.token_counter(model="gpt-4o", messages=ASKED)
    made = headgate.completion_cost(model="gpt-4o", messages=ASKED)
    assert made == pytest.approx(sum(headgate.cost_per_token("gpt-4o", asked)))


def test_an_answer_without_usage_costs_what_it_says() -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "It is a word."}}
    document = {"model": "gpt-4o", "choices": [choice]}
    expected = headgate.completion_cost(model="gpt-4o", messages=ASKED, completion="It is a word.")
    assert headgate.completion_cost(document, messages=ASKED) == expected > 0


def test_an_answer_of_a_call_costs_what_the_call_found_out(upstream: Upstream) -> None:
    answer(upstream, CHAT)
    response = at(upstream)
    assert headgate.completion_cost(response) == response._hidden_params["response_cost"] == 0.0035
    assert headgate.completion_cost(response, model="gpt-4o-mini") == pytest.approx(0.00021)
    assert headgate.completion_cost(response, custom_cost_per_token=MINE) == pytest.approx(0.0012)
    response = at(upstream, input_cost_per_token=1e-6, output_cost_per_token=2e-6)
    assert headgate.completion_cost(response) == pytest.approx(0.0012)


@pytest.mark.parametrize(
    ("model", "cost"), [("gpt-4o", 0.000225), (CLAUDE, 0.00033), ("azure/gpt-4o", 0.000225)]
)
def test_a_mock_response_costs_what_the_model_would_have(model: str, cost: float) -> None:
    response = headgate.completion(model, ASKED, mock_response="Yes")
    assert headgate.completion_cost(response) == pytest.approx(cost)
    assert response._hidden_params["custom_llm_provider"] == headgate.get_llm_provider(model)[1]
    stream = headgate.completion(model, ASKED, mock_response="Yes", stream=True)
    assert headgate.completion_cost(headgate.stream_chunk_builder(list(stream))) == pytest.approx(cost)


@pytest.mark.parametrize("model", UNKNOWN)
def test_an_unknown_model_has_no_cost_and_no_facts(model: str) -> None:
    for work in (
        lambda: headgate.completion_cost(model=model, prompt="a"),
        lambda: headgate.completion_cost(reply(model, usage(1, 1))),
        lambda: headgate.cost_per_token(model, 1, 1),
        lambda: headgate.get_model_info(model),
        lambda: headgate.get_max_tokens(model),
    ):
        with pytest.raises(headgate.NotFoundError, match="This model isn't mapped yet") as caught:
            work()
        assert caught.value.param == "model"
    assert model not in headgate.model_cost


def test_an_answer_of_a_model_without_prices_has_no_cost() -> None:
    with pytest.raises(headgate.NotFoundError):
        headgate.completion_cost(headgate.completion("mock/echo", ASKED))


# tokens


@pytest.mark.parametrize("model", ["", "gpt-4o", CLAUDE, "nope"])
@pytest.mark.parametrize(
    "text", ["", "a", "A few words, and a number: 12345.", "Grüße, 世界 🎉", "x " * 20_000]
)
def test_a_text_has_the_same_tokens_whole_and_in_pieces(text: str, model: str) -> None:
    whole = headgate.token_counter(model=model, text=text)
    assert headgate.token_counter(model=model, text=[text[:5], text[5:]]) == whole
    parts = [{"role": "user", "content": [{"type": "text", "text": text}]}]
    plain = [{"role": "user", "content": text}]
    counted = headgate.token_counter(model=model, messages=plain)
    assert headgate.token_counter(model=model, messages=parts) == counted > whole >= bool(text)


def test_tools_and_pictures_count() -> None:
    tool = {"type": "function", "function": {"name": "look", "description": "Looks something up."}}
    bare = headgate.token_counter(model="gpt-4o", messages=ASKED)
    assert headgate.token_counter(model="gpt-4o", messages=ASKED, tools=[tool]) > bare
    assert headgate.token_counter(model="gpt-4o", tools=[tool]) > 0
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 90_000}}
    seen = headgate.token_counter(messages=[{"role": "user", "content": [picture]}])
    assert 85 < seen < 2000


def test_messages_may_be_objects() -> None:
    said = headgate.completion("mock/echo", ASKED).choices[0].message
    theirs = openai.types.chat.ChatCompletionMessage(role="assistant", content="Hello there")
    plain = headgate.token_counter(messages=[{"role": "assistant", "content": "Hello there"}])
    assert headgate.token_counter(messages=[said]) == headgate.token_counter(messages=[theirs]) == plain
    assert headgate.token_counter(messages=iter([said])) == plain


@pytest.mark.parametrize(
    "given", [{}, {"text": "a", "messages": ASKED}, {"messages": [object()]}, {"messages": "Hello"}]
)
def test_what_can_not_be_counted_is_a_bad_request(given: dict[str, Any]) -> None:
    with pytest.raises(headgate.BadRequestError):
        headgate.token_counter("gpt-4o", **given)


# facts of models

FIELDS = {"key", "max_tokens", "max_input_tokens", "max_output_tokens", "input_cost_per_token", "mode",
          "output_cost_per_token", "litellm_provider", "supports_vision"}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "provider", "key", "most"),
    [
        ("gpt-4o", None, "gpt-4o", 16_384),
        ("openai/gpt-4o", None, "gpt-4o", 16_384),
        ("gpt-4o", "openai", "gpt-4o", 16_384),
        ("gpt-4o-2024-08-06", None, "gpt-4o", 16_384),
        (CLAUDE, None, "claude-sonnet-4-5", 64_000),
        ("claude-sonnet-4-5-20250929", "anthropic", "claude-sonnet-4-5", 64_000),
        (TIERED, None, TIERED, 65_536),
    ],
)
def test_facts_of_a_model_by_its_names(model: str, provider: str | None, key: str, most: int) -> None:
    info = headgate.get_model_info(model, provider)
    assert info.keys() >= FIELDS
    assert (info["key"], info["max_output_tokens"], info["mode"]) == (key, most, "chat")
    assert headgate.get_max_tokens(model) == most
    assert headgate.model_cost[key]["max_output_tokens"] == most


def test_a_fact_that_is_not_known_is_none() -> None:
    info = headgate.get_model_info("gpt-4o")
    assert info["supports_computer_use"] is None
    assert info["cache_creation_input_token_cost"] is None


def test_model_cost_is_the_table_of_all_models() -> None:
    assert len(headgate.model_cost) == len(list(headgate.model_cost)) == len(Catalog().names()) > 2000
    assert headgate.model_cost.get("nope") is None
    assert "gpt-4o" in headgate.model_cost
    headgate.model_cost["gpt-4o"]["input_cost_per_token"] = 1
    assert headgate.model_cost["gpt-4o"]["input_cost_per_token"] == 2.5e-6


SUPPORTS = sorted(name for name in headgate.__all__ if name.startswith("supports_"))


@pytest.mark.parametrize("name", SUPPORTS)
@pytest.mark.parametrize("model", ["gpt-4o", CLAUDE, TIERED, "gpt-3.5-turbo", "groq/llama-3.3-70b-versatile"])
def test_supports_says_what_the_table_says(name: str, model: str) -> None:
    known = headgate.get_model_info(model).get(name)
    if name in ("supports_system_messages", "supports_native_streaming") and known is None:
        known = headgate.get_model_info(model)["mode"] == "chat"
    assert getattr(headgate, name)(model) is (known is True)
    assert getattr(headgate, name)(model=model, custom_llm_provider=None) is (known is True)


@pytest.mark.parametrize("name", SUPPORTS)
@pytest.mark.parametrize("model", UNKNOWN)
def test_supports_is_false_for_an_unknown_model(name: str, model: str) -> None:
    assert getattr(headgate, name)(model) is False


def test_models_differ_in_what_they_support() -> None:
    assert headgate.supports_system_messages("gpt-4o")
    assert not headgate.supports_system_messages("text-embedding-3-small")
    assert headgate.supports_vision("gpt-4o") and not headgate.supports_vision("gpt-3.5-turbo")
    assert headgate.supports_reasoning(CLAUDE) and not headgate.supports_reasoning("gpt-4o")
    assert headgate.supports_vision("gpt-4o", "azure")


# registered models


@pytest.mark.parametrize("assign", [False, True])
def test_a_registered_model_has_facts_and_costs(fresh: None, assign: bool) -> None:
    row = {**MINE, "max_tokens": 77, "litellm_provider": "openai", "mode": "chat", "supports_vision": True}
    if assign:
        headgate.model_cost["my-model"] = row
    else:
        assert headgate.register_model({"my-model": row}) == {"my-model": row}
    for model in ("my-model", "openai/my-model"):
        info = headgate.get_model_info(model)
        assert (info["max_tokens"], info["output_cost_per_token"]) == (77, 2e-6)
        assert headgate.get_max_tokens(model) == 77
        assert headgate.completion_cost(reply(model, usage(1000, 100))) == pytest.approx(0.0012)
        assert headgate.supports_vision(model)
    assert "my-model" in headgate.model_cost
    assert list(headgate.model_cost)[-1] == "my-model"


def test_a_registered_row_changes_a_known_model(fresh: None) -> None:
    headgate.model_cost.update({"gpt-4o": {"input_cost_per_token": 1e-6}})
    assert headgate.cost_per_token("gpt-4o", 1000, 100) == (0.001, 0.001)
    assert headgate.get_max_tokens("gpt-4o") == 16_384
    headgate.register_model({"gpt-4o": {"max_output_tokens": 5}})
    assert headgate.get_max_tokens("openai/gpt-4o") == 5
    assert headgate.cost_per_token("gpt-4o", 1000, 100) == (0.001, 0.001)


def test_a_registered_price_holds_for_calls_from_then_on(fresh: None, upstream: Upstream) -> None:
    answer(upstream, CHAT)
    assert headgate.completion_cost(at(upstream)) == 0.0035
    headgate.register_model({"gpt-4o": MINE})
    assert headgate.completion_cost(at(upstream)) == pytest.approx(0.0012)


def test_a_registered_tier_of_prices(fresh: None) -> None:
    headgate.register_model({"openai/long": {**MINE, "input_cost_per_token_above_128k_tokens": 4e-6}})
    assert headgate.cost_per_token("openai/long", 128_000, 10) == (0.128, pytest.approx(2e-5))
    assert headgate.cost_per_token("openai/long", 200_000, 10) == (0.8, pytest.approx(2e-5))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("https://example.com/prices.json", "not a str"),
        (None, "not a NoneType"),
        ([], "not a list"),
        ({"my-model": 3}, "expected a mapping of its fields, got int"),
        ({"my-model": {"input_cost_per_token": "much"}}, "input_cost_per_token must be US dollars"),
        ({"my-model": {"output_cost_per_token": -1e-6}}, "output_cost_per_token must be US dollars"),
        ({"my-model": {"input_cost_per_token": True}}, "input_cost_per_token must be US dollars"),
        ({"my-model": {"cache_read_input_token_cost": float("nan")}}, "must be US dollars"),
    ],
)
def test_what_is_no_table_of_models_is_refused_as_a_whole(fresh: None, rows: Any, said: str) -> None:
    good = {"good-model": MINE}
    with pytest.raises(headgate.BadRequestError, match=said):
        headgate.register_model({**good, **rows} if isinstance(rows, dict) else rows)
    assert "good-model" not in headgate.model_cost


# facts of providers


@pytest.mark.parametrize(
    ("asked", "given", "found"),
    [
        ("openai/gpt-4o", {}, ("gpt-4o", "openai", None, "https://api.openai.com/v1")),
        ("gpt-4o", {}, ("gpt-4o", "openai", None, "https://api.openai.com/v1")),
        ("claude-sonnet-4-5", {}, ("claude-sonnet-4-5", "anthropic", None, "https://api.anthropic.com")),
        ("x/y", {"custom_llm_provider": "groq"}, ("x/y", "groq", None, "https://api.groq.com/openai/v1")),
        (
            "llama",
            {"api_base": "https://api.groq.com/openai/v1", "api_key": "k"},
            ("llama", "groq", "k", "https://api.groq.com/openai/v1"),
        ),
        ("mock/echo", {}, ("echo", "mock", None, "mock://local/v1")),
    ],
)
def test_the_provider_of_a_model_string(
    asked: str, given: dict[str, str], found: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert headgate.get_llm_provider(asked, **given) == found


def test_the_address_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_BASE", "http://there:11434/v1")
    assert headgate.get_llm_provider("ollama/llama3")[3] == "http://there:11434/v1"
    assert headgate.get_llm_provider("ollama/llama3", api_base="http://a/v1")[3] == "http://a/v1"


@pytest.mark.parametrize("model", ["nope", "nonsense/model", ""])
def test_a_model_without_a_provider_is_a_bad_request(model: str) -> None:
    with pytest.raises(headgate.BadRequestError, match="LLM Provider NOT provided") as caught:
        headgate.get_llm_provider(model)
    assert isinstance(caught.value, openai.BadRequestError)
    assert headgate.get_supported_openai_params(model) is None
    assert headgate.validate_environment(model) == {"keys_in_environment": False, "missing_keys": []}


FUNCTION = {"name": "f", "parameters": {"type": "object", "properties": {}}}
TOOLS = [{"type": "function", "function": FUNCTION}]
SAMPLES: dict[str, Any] = {
    "frequency_penalty": 0.5, "presence_penalty": 0.5, "temperature": 0.5, "top_p": 0.5, "seed": 4, "n": 2,
    "max_tokens": 5, "max_completion_tokens": 5, "stop": ["x"], "stream": False, "user": "u", "store": True,
    "stream_options": {"include_usage": True}, "logit_bias": {"1": 5}, "logprobs": True, "top_logprobs": 2,
    "modalities": ["text", "audio"], "audio": {"voice": "a"}, "service_tier": "auto", "tools": TOOLS,
    "prediction": {"type": "content", "content": "x"}, "tool_choice": "auto", "functions": [FUNCTION],
    "function_call": "auto", "parallel_tool_calls": False, "web_search_options": {}, "verbosity": "low",
    "response_format": {"type": "json_object"}, "reasoning_effort": "low", "prompt_cache_key": "x",
    "thinking": {"type": "enabled", "budget_tokens": 1024}, "safety_identifier": "x",
}  # fmt: skip
BESIDE: dict[str, dict[str, Any]] = {
    "tool_choice": {"tools": TOOLS},
    "parallel_tool_calls": {"tools": TOOLS},
    "function_call": {"functions": [FUNCTION]},
    "top_logprobs": {"logprobs": True},
    "audio": {"modalities": ["text", "audio"]},
}


@pytest.mark.parametrize("model", SHAPES)
def test_supported_parameters_are_those_that_a_call_may_have(upstream: Upstream, model: str) -> None:
    answer(upstream, SHAPES[model])
    listed = headgate.get_supported_openai_params(model) or []
    assert SAMPLES.keys() == set(OPENAI_PARAMS) >= set(listed)
    for name, value in SAMPLES.items():
        beside = BESIDE.get(name, {})
        if name in listed:
            at(upstream, model, **{name: value}, **beside)
            continue
        at(upstream, model)
        plain = sent(upstream)
        try:
            at(upstream, model, **{name: value}, **beside)
        except headgate.UnsupportedParamsError:
            continue
        if "openai" not in model:
            assert sent(upstream) == plain or name == "user", name


@pytest.mark.parametrize(
    ("model", "missing", "there"),
    [
        ("anthropic/claude-opus-4-8", {"temperature", "top_p"}, {"reasoning_effort", "thinking"}),
        ("anthropic/claude-3-opus-20240229", {"reasoning_effort", "thinking"}, {"temperature", "top_p"}),
        ("bedrock/anthropic.claude-opus-4-8", {"temperature", "top_p"}, {"reasoning_effort"}),
        ("gemini/gemini-2.0-flash", {"reasoning_effort"}, {"presence_penalty", "temperature"}),
        ("gemini/gemini-2.5-pro", set[str](), {"reasoning_effort", "temperature"}),
    ],
)
def test_supported_parameters_are_those_of_the_model(model: str, missing: set[str], there: set[str]) -> None:
    listed = set(headgate.get_supported_openai_params(model) or ())
    assert there <= listed
    assert not missing & listed


@pytest.mark.parametrize(
    ("model", "kind", "expected"),
    [
        ("openai/text-embedding-3-small", "embeddings", ["dimensions", "encoding_format", "user"]),
        (CLAUDE, "embeddings", None),
        ("openai/whisper-1", "transcription", None),
    ],
)
def test_supported_parameters_of_other_operations(model: str, kind: str, expected: Any) -> None:
    assert headgate.get_supported_openai_params(model, request_type=kind) == expected


# the environment

VARIABLES = """OPENAI_API_KEY OPENAI_BASE_URL OPENAI_API_BASE GEMINI_API_KEY GOOGLE_API_KEY OLLAMA_API_KEY
AZURE_API_KEY AZURE_OPENAI_API_KEY AZURE_API_BASE AZURE_OPENAI_ENDPOINT""".split()
AZURE = ["AZURE_OPENAI_API_KEY", "AZURE_API_BASE"]


@pytest.mark.parametrize(
    ("model", "there", "given", "missing"),
    [
        ("openai/gpt-4o", {"OPENAI_API_KEY": "k"}, {}, []),
        ("gpt-4o", {}, {}, ["OPENAI_API_KEY"]),
        ("gpt-4o", {"OPENAI_API_KEY": ""}, {}, ["OPENAI_API_KEY"]),
        ("gpt-4o", {}, {"api_key": "k"}, []),
        ("gemini/gemini-2.5-pro", {"GOOGLE_API_KEY": "k"}, {}, []),
        ("azure/mine", {}, {}, AZURE),
        ("azure/mine", {"AZURE_OPENAI_ENDPOINT": "https://a"}, {}, AZURE[:1]),
        ("azure/mine", {}, {"api_key": "k", "api_base": "https://a"}, []),
        ("ollama/llama3", {}, {}, []),
        ("mock/echo", {}, {}, []),
    ],
)
def test_validate_environment_names_what_is_missing(
    model: str,
    there: dict[str, str],
    given: dict[str, str],
    missing: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in there.items():
        monkeypatch.setenv(name, value)
    found = headgate.validate_environment(model, **given)
    assert found == {"keys_in_environment": not missing, "missing_keys": missing}


def test_validate_environment_without_a_model_has_nothing() -> None:
    assert headgate.validate_environment() == {"keys_in_environment": False, "missing_keys": []}


def test_a_mocked_embedding_is_the_vector_that_was_given() -> None:
    assert headgate.embedding("mock/embed", ["a"], mock_response=[0.5, 0.25]).data[0]["embedding"] == [
        0.5,
        0.25,
    ]


@pytest.mark.parametrize(
    "given", [{"prompt_tokens": "5"}, {"prompt_tokens": -5}, {"completion_tokens": None}]
)
def test_counts_that_are_none_are_a_bad_request(given: dict[str, Any]) -> None:
    with pytest.raises(headgate.BadRequestError) as caught:
        headgate.cost_per_token("gpt-4o", **given)
    assert caught.value.param in given
