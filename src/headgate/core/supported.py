"""Which of OpenAI's chat parameters a provider takes for a model. Data: it asks nobody."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from headgate.providers.base import Provider
from headgate.providers.quirks import plan

OPENAI_PARAMS: Final = tuple(
    """frequency_penalty logit_bias logprobs top_logprobs max_tokens max_completion_tokens modalities prediction n
    presence_penalty seed stop stream stream_options temperature top_p tools tool_choice function_call functions
    parallel_tool_calls audio web_search_options service_tier response_format user reasoning_effort thinking
    verbosity store prompt_cache_key safety_identifier""".split()
)
_ONLY_OPENAI: Final = frozenset(
    "logit_bias prediction verbosity store prompt_cache_key safety_identifier".split()
)
_ABSENT: Final[Mapping[str, frozenset[str]]] = {
    "openai_chat": frozenset({"thinking"}),
    "anthropic": _ONLY_OPENAI
    | frozenset("frequency_penalty logprobs top_logprobs n presence_penalty seed modalities audio".split()),
    "bedrock_converse": _ONLY_OPENAI
    | frozenset(
        "frequency_penalty logprobs top_logprobs n presence_penalty seed modalities audio user".split()
    ),
    "gemini": _ONLY_OPENAI | {"user"},
    "ollama": _ONLY_OPENAI
    | frozenset("n modalities audio tool_choice parallel_tool_calls service_tier web_search_options".split()),
}
"""What a dialect has no form for."""
_FACTS: Final = {
    "anthropic": "headgate.wire.anthropic.models",
    "bedrock_converse": "headgate.wire.bedrock.models",
    "gemini": "headgate.wire.gemini.models",
}
"""Dialect → the module that knows its models."""
_NEEDS: Final[Mapping[str, tuple[str, Any]]] = {
    **dict.fromkeys(("temperature", "top_p"), ("sampling", False)),
    **dict.fromkeys(("presence_penalty", "frequency_penalty"), ("penalties", False)),
    **dict.fromkeys(("reasoning_effort", "thinking"), ("thinking", "none")),
}
"""Parameter → the fact of a model, and its value where the model takes none."""


def supported(provider: Provider, model: str) -> list[str]:
    """In the order of `OPENAI_PARAMS`."""
    quirks = plan(provider, model)
    missing = quirks.refuse | quirks.drop | _ABSENT.get(provider.dialect, frozenset())
    missing |= _lacking(provider.dialect, model)
    return [param for param in OPENAI_PARAMS if param not in missing]


def _lacking(dialect: str, model: str) -> set[str]:
    if dialect not in _FACTS:
        return set()
    facts = import_module(_FACTS[dialect]).facts_of(model)
    found = {param for param, (fact, value) in _NEEDS.items() if getattr(facts, fact, None) == value}
    return found - {"reasoning_effort"} if getattr(facts, "efforts", ()) else found
