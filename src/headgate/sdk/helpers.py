"""LiteLLM's helpers around calls: streams put together, costs, tokens, facts of models, environment."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from headgate.catalog import tokens
from headgate.core.dialects import dialect
from headgate.errors import HeadgateError, NotFoundError
from headgate.providers.quirks import plan
from headgate.providers.registry import resolve
from headgate.sdk.functions import default_client
from headgate.sdk.objects import ModelResponse, View
from headgate.wire import fold, ir
from headgate.wire.dialect import Frame
from headgate.wire.openai_chat.fields import read_usage
from headgate.wire.sse import encode

OPENAI_PARAMS: Final = tuple(
    """frequency_penalty logit_bias logprobs top_logprobs max_tokens max_completion_tokens modalities prediction n
    presence_penalty seed stop stream stream_options temperature top_p tools tool_choice function_call functions
    parallel_tool_calls audio web_search_options service_tier response_format user reasoning_effort""".split()
)
_ABSENT: Final[Mapping[str, frozenset[str]]] = {
    "anthropic": frozenset(
        """frequency_penalty logit_bias logprobs top_logprobs n presence_penalty seed modalities audio prediction
        functions function_call""".split()
    ),
    "gemini": frozenset("logit_bias user functions function_call prediction store".split()),
}
"""What a dialect other than OpenAI's has no form for."""


def stream_chunk_builder(chunks: Sequence[Any], messages: Any = None, **_: Any) -> ModelResponse | None:
    """One ModelResponse from the chunks of a stream, tool calls, reasoning and usage included."""
    if not chunks:
        return None
    chat = dialect("openai_chat")
    reader = chat.stream_reader()
    folder = fold.Folder()
    documents = [chunk.model_dump() if isinstance(chunk, View) else dict(chunk) for chunk in chunks]
    for document in documents:
        for event in reader.feed(encode(msgspec.json.encode(document))):
            folder.add(event)
    first = documents[0]
    frame = Frame(
        id=str(first.get("id") or ""),
        created=int(first.get("created") or 0),
        model=str(first.get("model") or ""),
    )
    response = ModelResponse.of(msgspec.json.decode(chat.write_reply(folder.reply(), frame)))
    hidden = getattr(chunks[-1], "_hidden_params", None)
    response._hidden_params = dict(hidden or {})
    if "usage" not in response and messages is not None:
        text = "".join(str(choice.message.content or "") for choice in response.choices)
        model = str(first.get("model") or "")
        prompt, answer = token_counter(model=model, messages=messages), tokens.estimate(text)
        response.usage = {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
        }
    return response


def token_counter(
    model: str = "",
    text: str | Sequence[str] | None = None,
    messages: Any = None,
    tools: Any = None,
    **_: Any,
) -> int:
    """Tokens of a text or a conversation, estimated offline: docs/catalog.md says how exactly."""
    if text is not None:
        return tokens.estimate(text if isinstance(text, str) else "".join(text))
    return tokens.count_messages(list(messages or ()), tools, model)


def completion_cost(
    completion_response: Any = None,
    model: str | None = None,
    prompt: str = "",
    messages: Any = None,
    completion: str = "",
    custom_llm_provider: str | None = None,
    **_: Any,
) -> float:
    """US dollars of an answer, or of texts. Raises NotFoundError for a model without known prices."""
    hidden = getattr(completion_response, "_hidden_params", None) or {}
    if hidden.get("response_cost") is not None:
        return float(hidden["response_cost"])
    provider = custom_llm_provider or hidden.get("custom_llm_provider")
    name = model or hidden.get("litellm_model_name") or _field(completion_response, "model") or ""
    usage = read_usage(_dumped(_field(completion_response, "usage")))
    if usage is None:
        asked = token_counter(model=name, messages=messages) if messages else tokens.estimate(prompt)
        usage = ir.Usage(input=asked, output=tokens.estimate(completion))
    return float(_sheet(name, provider).total(usage))


def cost_per_token(
    model: str = "",
    prompt_tokens: int = 0,
    completion_tokens: int = 0,
    custom_llm_provider: str | None = None,
    cache_creation_input_tokens: int | None = None,
    cache_read_input_tokens: int | None = None,
    usage_object: Any = None,
    **_: Any,
) -> tuple[float, float]:
    """(prompt cost, completion cost) in US dollars. Raises NotFoundError for a model without known prices."""
    usage = read_usage(_dumped(usage_object)) or ir.Usage(
        input=prompt_tokens,
        output=completion_tokens,
        cache_read=cache_read_input_tokens,
        cache_write=cache_creation_input_tokens,
    )
    sheet = _sheet(model, custom_llm_provider)
    output = sheet.total(msgspec.structs.replace(usage, input=0, cache_read=None, cache_write=None))
    return float(sheet.total(usage) - output), float(output)


def _sheet(model: str, provider: str | None) -> Any:
    name, known = _split(model, provider)
    sheet = default_client().catalog.sheet(name, known, {})
    if sheet is None:
        raise NotFoundError(
            f"no prices are known for {model!r}: register_model() adds them", model=model, param="model"
        )
    return sheet


def _split(model: str, provider: str | None) -> tuple[str, str | None]:
    try:
        row, name = resolve(model, provider)
    except HeadgateError:
        return model, provider
    return name, row.id


def get_llm_provider(
    model: str,
    custom_llm_provider: str | None = None,
    api_base: str | None = None,
    api_key: str | None = None,
) -> tuple[str, str, str | None, str | None]:
    """(model, provider, key, address). Raises UnknownProviderError."""
    row, name = resolve(model, custom_llm_provider, api_base)
    return name, row.id, api_key, api_base or row.base_url


def get_model_info(model: str, custom_llm_provider: str | None = None, **_: Any) -> dict[str, Any]:
    """Prices, limits and abilities by LiteLLM's names, None for what is not known. Raises NotFoundError."""
    name, provider = _split(model, custom_llm_provider)
    row = default_client().catalog.find(name, provider)
    if row is None:
        raise NotFoundError(f"This model isn't mapped yet: {model!r}. register_model() adds it.", model=model)
    return {**dict.fromkeys(_INFO), **row}


_INFO: Final = tuple(
    """key max_tokens max_input_tokens max_output_tokens input_cost_per_token output_cost_per_token
    cache_creation_input_token_cost cache_read_input_token_cost litellm_provider mode supports_vision
    supports_function_calling supports_tool_choice supports_response_schema supports_prompt_caching
    supports_reasoning supports_pdf_input supports_audio_input supports_audio_output supports_web_search
    supports_system_messages""".split()
)


def get_max_tokens(model: str) -> int | None:
    """The most tokens that the model writes."""
    info = get_model_info(model)
    return info.get("max_output_tokens") or info.get("max_tokens")


def register_model(model_cost: Mapping[str, Mapping[str, Any]], **_: Any) -> Mapping[str, Mapping[str, Any]]:
    """Adds or changes models: rows in LiteLLM's form by name."""
    default_client().catalog.register(model_cost)
    return model_cost


class _ModelCost(Mapping[str, Mapping[str, Any]]):
    """The catalog as LiteLLM's `model_cost`."""

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        row = default_client().catalog.find(name)
        if row is None:
            raise KeyError(name)
        return row

    def __iter__(self) -> Iterator[str]:
        return iter(default_client().catalog.names())

    def __len__(self) -> int:
        return len(default_client().catalog.names())


model_cost: Final = _ModelCost()


def get_supported_openai_params(
    model: str, custom_llm_provider: str | None = None, request_type: str = "chat_completion", **_: Any
) -> list[str] | None:
    """The OpenAI parameters that the provider takes for this model, None for an unknown provider."""
    try:
        row, name = resolve(model, custom_llm_provider)
    except HeadgateError:
        return None
    if request_type == "embeddings":
        return ["dimensions", "encoding_format", "user"] if "embeddings" in row.paths else None
    missing = plan(row, name).refuse | _ABSENT.get(row.dialect, frozenset())
    return [param for param in OPENAI_PARAMS if param not in missing]


def validate_environment(
    model: str | None = None, api_key: str | None = None, api_base: str | None = None, **_: Any
) -> dict[str, Any]:
    """Whether the environment has what the model's provider needs."""
    row, _name = resolve(model or "", None, api_base)
    needed = [] if row.auth.optional or api_key else [row.api_key_env]
    missing = [names[0] for names in needed if not any(os.environ.get(name) for name in names)]
    if row.base_url is None and not api_base and not any(os.environ.get(name) for name in row.base_url_env):
        missing.append(row.base_url_env[0])
    return {"keys_in_environment": not missing, "missing_keys": missing}


def _supports(ability: str) -> Callable[..., bool]:
    def supports(model: str, custom_llm_provider: str | None = None) -> bool:
        name, provider = _split(model, custom_llm_provider)
        row = default_client().catalog.find(name, provider) or {}
        return row.get(f"supports_{ability}") is True

    supports.__name__ = supports.__qualname__ = f"supports_{ability}"
    supports.__doc__ = (
        f"Whether the catalog says so of {ability.replace('_', ' ')}; False for an unknown model."
    )
    return supports


supports_function_calling = _supports("function_calling")
supports_parallel_function_calling = _supports("parallel_function_calling")
supports_vision = _supports("vision")
supports_response_schema = _supports("response_schema")
supports_prompt_caching = _supports("prompt_caching")
supports_reasoning = _supports("reasoning")
supports_web_search = _supports("web_search")
supports_audio_input = _supports("audio_input")
supports_audio_output = _supports("audio_output")
supports_pdf_input = _supports("pdf_input")
supports_system_messages = _supports("system_messages")
supports_tool_choice = _supports("tool_choice")


def _field(response: Any, name: str) -> Any:
    if isinstance(response, View | dict):
        return response.get(name)
    return getattr(response, name, None)


def _dumped(usage: Any) -> Any:
    return usage.model_dump() if hasattr(usage, "model_dump") else usage
