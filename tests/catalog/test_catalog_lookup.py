"""Names lead to rows; what is not known stays unknown."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.catalog.lookup import Catalog
from headgate.errors import BadRequestError
from headgate.wire.ir import Usage

CATALOG = Catalog()


@pytest.mark.parametrize(
    ("name", "key", "provider"),
    [
        ("gpt-4o", "gpt-4o", "openai"),
        ("GPT-4o-2024-08-06", "gpt-4o", "openai"),
        ("openai/gpt-4o", "gpt-4o", "openai"),
        ("azure/gpt-4o", "azure/gpt-4o", "azure"),
        ("claude-3-5-haiku-20241022", "claude-3-5-haiku-latest", "anthropic"),
        ("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5", "anthropic"),
        ("gemini-2.5-pro", "gemini/gemini-2.5-pro", "gemini"),
        ("gemini/gemini-2.5-flash-preview-09-2025", "gemini/gemini-2.5-flash", "gemini"),
        ("vertex_ai/gemini-2.5-flash", "vertex_ai/gemini-2.5-flash", "vertex_ai"),
        ("groq/llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile", "groq"),
        ("deepseek/deepseek-chat", "deepseek/deepseek-chat", "deepseek"),
        ("deepseek-chat", "deepseek/deepseek-chat", "deepseek"),
        ("xai/grok-4", "xai/grok-4-0709", "xai"),
        ("mistral/mistral-large-latest", "mistral/mistral-large", "mistral"),
        ("openrouter/anthropic/claude-3.5-sonnet", "openrouter/anthropic/claude-3.5-sonnet", "openrouter"),
        ("perplexity/sonar", "perplexity/sonar", "perplexity"),
        ("cerebras/llama-3.3-70b", "cerebras/llama-3.3-70b", "cerebras"),
        (
            "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo",
            "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo",
            "together_ai",
        ),
        (
            "fireworks_ai/accounts/fireworks/models/deepseek-v3p2",
            "fireworks_ai/accounts/fireworks/models/deepseek-v3p2",
            "fireworks_ai",
        ),
        (
            "fireworks_ai/deepseek-v3p2",
            "fireworks_ai/accounts/fireworks/models/deepseek-v3p2",
            "fireworks_ai",
        ),
        (
            "anthropic.claude-3-haiku-20240307-v1:0",
            "bedrock/regional.anthropic.claude-3-haiku-20240307-v1:0",
            "bedrock",
        ),
        ("text-embedding-3-small", "text-embedding-3-small", "openai"),
        ("command-r-plus", "cohere/command-r-plus", "cohere"),
    ],
)
def test_litellms_names_find_their_row(name: str, key: str, provider: str) -> None:
    row = CATALOG.find(name)
    assert row is not None
    assert (row["key"], row["litellm_provider"]) == (key, provider)
    assert row["input_cost_per_token"] > 0


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("mock/gpt-4o", None),
        ("gpt-4o", "mock"),
        ("gpt-4o", "custom_openai"),
        ("gpt-oss:20b", "ollama"),
        ("gemini-2.5-pro", "hosted_vllm"),
        ("llama3", None),
        ("", None),
        ("/", None),
        ("no-such-model", "openai"),
        ("openai/", None),
    ],
)
def test_an_unknown_model_has_no_row_and_no_price(name: str, provider: str | None) -> None:
    assert CATALOG.find(name, provider) is None
    assert CATALOG.sheet(name, provider, {}) is None


def test_a_name_may_repeat_the_provider_that_is_given() -> None:
    assert CATALOG.find("azure/gpt-4o", "azure") == CATALOG.find("gpt-4o", "azure")
    assert CATALOG.find("openai/gpt-5", "openai") == CATALOG.find("gpt-5")


def test_another_sellers_models_have_no_batch_or_priority_price() -> None:
    own, sold = CATALOG.find("gpt-5"), CATALOG.find("gpt-5", "azure")
    assert own is not None and sold is not None
    assert "input_cost_per_token_batches" in own
    assert not [field for field in sold if field.endswith(("_batches", "_priority", "_flex"))]


def test_facts_of_well_known_models() -> None:
    row: Any = CATALOG.find("gpt-4o")
    assert (row["mode"], row["max_input_tokens"], row["max_output_tokens"]) == ("chat", 128_000, 16_384)
    assert row["max_tokens"] == row["max_output_tokens"]
    assert row["supports_vision"] and row["supports_function_calling"] and row["supports_response_schema"]
    assert "supports_reasoning" not in row
    claude: Any = CATALOG.find("claude-sonnet-4-5")
    assert claude["supports_reasoning"] and claude["max_output_tokens"] == 64_000
    assert claude["cache_creation_input_token_cost_above_1hr"] == 6e-06
    assert claude["search_context_cost_per_query"]["search_context_size_medium"] == 0.01
    mini: Any = CATALOG.find("o1-mini")
    assert mini["supports_system_messages"] is False
    embedding: Any = CATALOG.find("text-embedding-3-large")
    assert (embedding["mode"], embedding["output_vector_size"]) == ("embedding", 3072)


def test_the_table_is_large_and_every_row_is_found_by_its_own_name() -> None:
    names = CATALOG.names()
    assert len(names) >= 1500
    assert len(set(names)) == len(names)
    missing = [name for name in names if CATALOG.find(name) is None]
    assert missing == []


def test_rows_hold_only_fields_of_litellms_schema() -> None:
    for name in CATALOG.names():
        row: Any = CATALOG.find(name)
        assert {"key", "litellm_provider", "mode"} <= row.keys()
        assert None not in row.values()
        for field, value in row.items():
            if field.startswith("supports_"):
                assert isinstance(value, bool)
            elif field.startswith("max_"):
                assert isinstance(value, int) and value > 0


def test_nothing_is_read_before_the_first_question() -> None:
    catalog = Catalog({"a/b": {"input_cost_per_token": 1}})
    assert catalog._loaded is None
    catalog.find("gpt-4o")
    assert catalog._loaded is not None


def test_registered_models_are_found_and_known_ones_keep_their_other_fields() -> None:
    catalog = Catalog({"My-Model": {"input_cost_per_token": 1e-6, "litellm_provider": "openai"}})
    row: Any = catalog.find("my-model")
    assert (row["key"], row["litellm_provider"]) == ("My-Model", "openai")
    assert catalog.find("my-model", "openai") is not None
    assert catalog.find("my-model", "groq") is None
    assert "My-Model" in catalog.names()
    catalog.register({"gpt-4o": {"input_cost_per_token": 7e-6}})
    changed: Any = catalog.find("gpt-4o", "openai")
    assert changed["input_cost_per_token"] == 7e-6
    assert changed["output_cost_per_token"] == 1e-05
    assert "input_cost_per_token_batches" not in changed
    assert catalog.names().count("gpt-4o") == 1
    catalog.register({"my-model": {"output_cost_per_token": 2e-6}})
    assert catalog.sheet("my-model", "openai", {}).total(Usage(input=1, output=1)) == Decimal("0.000003")  # type: ignore[union-attr]


@pytest.mark.parametrize("registered", ["gpt-4o", "openai/gpt-4o"])
@pytest.mark.parametrize("asked", [("gpt-4o", None), ("openai/gpt-4o", None), ("gpt-4o", "openai")])
def test_a_registered_model_is_found_with_and_without_its_prefix(
    registered: str, asked: tuple[str, str | None]
) -> None:
    row: Any = Catalog({registered: {"input_cost_per_token": 7e-6}}).find(*asked)
    assert row["input_cost_per_token"] == 7e-6
    assert row["output_cost_per_token"] == 1e-05


def test_the_more_precise_of_two_registered_names_wins() -> None:
    catalog = Catalog({"gpt-4o": {"input_cost_per_token": 1}, "openai/gpt-4o": {"input_cost_per_token": 2}})
    for name, provider in (("gpt-4o", None), ("gpt-4o", "openai"), ("openai/gpt-4o", None)):
        row: Any = catalog.find(name, provider)
        assert row["input_cost_per_token"] == 2


@pytest.mark.parametrize("row", [None, 3, "x", [1]])
def test_a_row_that_is_no_mapping_is_refused_and_nothing_is_added(row: Any) -> None:
    catalog = Catalog()
    with pytest.raises(BadRequestError, match="model 'b': expected a mapping"):
        catalog.register({"a": {"input_cost_per_token": 1}, "b": row})
    assert catalog.find("a") is None


def test_a_thread_sees_the_whole_table_or_loads_it_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table must not be seen before the names that lead into it: a miss would be remembered for good."""
    catalog = Catalog()
    seen: list[tuple[bool, bool]] = []

    def watch(self: Catalog, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        seen.append((self._loaded is not None, bool(self._names)))

    monkeypatch.setattr(Catalog, "__setattr__", watch, raising=False)
    assert catalog.find("babbage-002") is not None
    assert (True, True) in seen
    assert (True, False) not in seen


def test_two_catalogs_know_nothing_of_each_other() -> None:
    one, other = Catalog(), Catalog()
    one.register({"only-here": {"input_cost_per_token": 1}})
    assert one.find("only-here") is not None
    assert other.find("only-here") is None


def test_config_prices_win_and_other_keys_are_ignored() -> None:
    sheet = CATALOG.sheet(
        "gpt-4o",
        "openai",
        {"input_cost_per_token": "1e-5", "id": "x", "mode": "chat", "output_cost_per_token": None},
    )
    assert sheet is not None
    assert sheet.total(Usage(input=100, output=10)) == Decimal("0.0011")
    alone = CATALOG.sheet(
        "unheard-of", "custom_openai", {"input_cost_per_token": 0.00001, "output_cost_per_token": 0}
    )
    assert alone is not None
    assert alone.total(Usage(input=3, output=999)) == Decimal("0.00003")
    assert CATALOG.sheet("unheard-of", "custom_openai", {"input_cost_per_token": "dear"}) is None


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60), st.sampled_from([None, "openai", "azure", "openrouter", "bedrock", "nobody"]))
def test_any_text_may_be_asked_for(name: str, provider: str | None) -> None:
    row = CATALOG.find(name, provider)
    assert row is None or row["key"]
