"""Which of OpenAI's chat parameters a provider takes for a model. Data: it asks nobody."""

from collections.abc import Mapping
from typing import Final

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


def supported(provider: Provider, model: str) -> list[str]:
    """In the order of `OPENAI_PARAMS`."""
    quirks = plan(provider, model)
    missing = quirks.refuse | quirks.drop | _ABSENT.get(provider.dialect, frozenset())
    return [param for param in OPENAI_PARAMS if param not in missing]
