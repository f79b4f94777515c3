"""LiteLLM's helpers around calls: streams put together, costs, tokens, facts of models, environment."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from headgate.catalog import tokens
from headgate.catalog.price import PriceSheet, price_of
from headgate.core.dialects import dialect
from headgate.core.params import is_price
from headgate.core.supported import supported
from headgate.errors import BadRequestError, HeadgateError, NotFoundError
from headgate.providers.registry import providers, resolve
from headgate.sdk.functions import default_client
from headgate.sdk.objects import ModelResponse, TextCompletionResponse
from headgate.sdk.openai_bases import adopt
from headgate.sdk.params import encoded
from headgate.sdk.view import View, plain
from headgate.wire import fold, ir
from headgate.wire.dialect import Frame
from headgate.wire.openai_chat.fields import read_usage
from headgate.wire.sse import encode as sse


def stream_chunk_builder(
    chunks: Sequence[Any], messages: Any = None, **_: Any
) -> ModelResponse | TextCompletionResponse | None:
    """The whole answer from the chunks of a stream, tool calls, reasoning and usage included.

    Chunks are the stream's own objects, dictionaries, or objects with `model_dump`. Usage is what the provider
    reported; where it reported none it is estimated, the prompt's part from `messages`.
    """
    if not chunks:
        return None
    raws = [bytes(encoded("chunks", chunk)) for chunk in chunks]
    if any(raw[:1] != b"{" for raw in raws):
        raise BadRequestError("'chunks' must be chunks of a stream", param="chunks")
    first = msgspec.json.decode(raws[0])
    text = first.get("object") == "text_completion"
    shape = dialect("completions" if text else "openai_chat")
    reader, folder = shape.stream_reader(), fold.Folder()
    for raw in raws:
        for event in reader.feed(sse(raw)):
            folder.add(event)
    frame = Frame(
        id=str(first.get("id") or ""),
        created=int(first.get("created") or 0),
        model=str(first.get("model") or ""),
    )
    made = msgspec.json.decode(shape.write_reply(folder.reply(), frame))
    hidden = dict(getattr(chunks[-1], "_hidden_params", None) or {})
    if "usage" not in made:
        made["usage"] = _dumped(hidden.get("usage")) or _estimated(made, messages, frame.model)
    response = (TextCompletionResponse if text else ModelResponse).of(made)
    response._hidden_params = hidden
    return response


def _estimated(document: Mapping[str, Any], messages: Any, model: str) -> dict[str, int]:
    prompt = token_counter(model=model, messages=messages) if messages else 0
    answer = sum(tokens.estimate(text) for text in _texts(document))
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def _texts(document: Any) -> Iterator[str]:
    """What the model wrote in a whole answer: its words, its thoughts and its calls."""
    for choice in _field(document, "choices") or ():
        message = _field(choice, "message")
        yield str(_field(choice, "text") or _field(message, "content") or "")
        yield str(_field(message, "reasoning_content") or "")
        for call in _field(message, "tool_calls") or ():
            function = _field(call, "function")
            yield f"{_field(function, 'name') or ''} {_field(function, 'arguments') or ''}".strip()


def token_counter(
    model: str = "",
    text: str | Sequence[str] | None = None,
    messages: Any = None,
    tools: Any = None,
    **_: Any,
) -> int:
    """Tokens of a text or a conversation, estimated offline: docs/catalog.md says how exactly."""
    if text is not None and messages is not None:
        raise BadRequestError("'text' or 'messages', not both", param="text")
    if text is not None:
        parts = [text] if isinstance(text, str) else text
        if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
            raise BadRequestError(
                f"'text' must be a text or a list of texts, not a {type(text).__name__}", param="text"
            )
        return tokens.estimate("".join(parts))
    if isinstance(messages, str) or (messages is None and not tools):
        raise BadRequestError("'text' must be given, or 'messages' as a list", param="messages")
    plain = msgspec.json.decode(encoded("messages", list(messages or ())))
    return tokens.count_messages(plain, tools, model)


def completion_cost(
    completion_response: Any = None,
    model: str | None = None,
    prompt: str = "",
    messages: Any = None,
    completion: str = "",
    total_time: float = 0.0,
    call_type: str | None = None,
    custom_llm_provider: str | None = None,
    *,
    custom_cost_per_token: Mapping[str, float] | None = None,
    custom_cost_per_second: float | None = None,
    base_model: str | None = None,
    service_tier: str | None = None,
    **_: Any,
) -> float:
    """US dollars of an answer, or of texts. Raises NotFoundError for a model without known prices.

    What the call itself found out counts, unless a model, a price or a tier is named here. `total_time` is
    in milliseconds.
    """
    hidden = getattr(completion_response, "_hidden_params", None) or {}
    named = model or base_model or service_tier or custom_cost_per_token or custom_cost_per_second is not None
    if not named and hidden.get("response_cost") is not None:
        return float(hidden["response_cost"])
    if custom_cost_per_second is not None:
        spent = total_time or getattr(completion_response, "_response_ms", None) or 0.0
        return custom_cost_per_second * spent / 1000
    name = (
        base_model or model or hidden.get("litellm_model_name") or _field(completion_response, "model") or ""
    )
    provider = custom_llm_provider
    if provider is None and _prefix(base_model or model or "") not in providers():
        provider = hidden.get("custom_llm_provider")
    usage = _usage_of(completion_response)
    if usage is None:
        asked = token_counter(model=name, messages=messages) if messages else tokens.estimate(prompt)
        answer = completion or "".join(_texts(completion_response))
        usage = ir.Usage(input=asked, output=tokens.estimate(answer))
    tier = service_tier or usage.service_tier or "standard"
    return float(_sheet(name, provider, custom_cost_per_token).total(usage, tier))


def cost_per_token(
    model: str = "",
    prompt_tokens: int = 0,
    completion_tokens: int = 0,
    response_time_ms: float | None = 0.0,
    custom_llm_provider: str | None = None,
    *,
    cache_creation_input_tokens: int | None = None,
    cache_read_input_tokens: int | None = None,
    usage_object: Any = None,
    custom_cost_per_token: Mapping[str, float] | None = None,
    custom_cost_per_second: float | None = None,
    service_tier: str | None = None,
    **_: Any,
) -> tuple[float, float]:
    """(prompt cost, completion cost) in US dollars. Raises NotFoundError for a model without known prices."""
    for name, value in (("prompt_tokens", prompt_tokens), ("completion_tokens", completion_tokens)):
        if not isinstance(value, int | float) or value < 0:
            raise BadRequestError(f"{name!r} must be a number of 0 or more, not {value!r}", param=name)
    if custom_cost_per_second is not None:
        return 0.0, custom_cost_per_second * (response_time_ms or 0.0) / 1000
    usage = read_usage(_dumped(usage_object)) or ir.Usage(
        input=prompt_tokens,
        output=completion_tokens,
        cache_read=cache_read_input_tokens,
        cache_write=cache_creation_input_tokens,
    )
    sheet = _sheet(model, custom_llm_provider, custom_cost_per_token)
    tier = service_tier or usage.service_tier or "standard"
    silent = msgspec.structs.replace(usage, output=0, reasoning=None, audio_output=None, image_output=None)
    asked = sheet.total(silent, tier)  # with the whole prompt, whose size chooses the prices of both
    return float(asked), float(sheet.total(usage, tier) - asked)


def _sheet(model: str, provider: str | None, prices: Mapping[str, float] | None) -> PriceSheet:
    name, known = _split(model, provider)
    sheet = default_client().catalog.sheet(name, known, prices or {})
    if sheet is None:
        raise NotFoundError(
            f"This model isn't mapped yet: no prices are known for {model!r}. register_model() adds them.",
            model=model,
            llm_provider=known,
            param="model",
        )
    return sheet


def _prefix(model: str) -> str:
    prefix, slash, _ = model.partition("/")
    return prefix if slash else ""


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
    """(model, provider, the key given, address). Raises UnknownProviderError."""
    try:
        row, name = resolve(model, custom_llm_provider, api_base)
    except HeadgateError:
        adopt()
        raise
    set_there = next((os.environ[name] for name in row.base_url_env if os.environ.get(name)), None)
    return name, row.id, api_key, api_base or set_there or row.base_url


def get_model_info(model: str, custom_llm_provider: str | None = None, **_: Any) -> dict[str, Any]:
    """Prices, limits and abilities by LiteLLM's names, None for what is not known. Raises NotFoundError."""
    name, provider = _split(model, custom_llm_provider)
    row = default_client().catalog.find(name, provider)
    if row is None:
        raise NotFoundError(
            f"This model isn't mapped yet: {model!r}. register_model() adds it.",
            model=model,
            llm_provider=provider,
            param="model",
        )
    return {**dict.fromkeys(_INFO), **row}


_INFO: Final = tuple(
    """key max_tokens max_input_tokens max_output_tokens input_cost_per_token output_cost_per_token
    cache_creation_input_token_cost cache_read_input_token_cost litellm_provider mode supports_vision
    supports_function_calling supports_tool_choice supports_response_schema supports_prompt_caching
    supports_reasoning supports_pdf_input supports_audio_input supports_audio_output supports_web_search
    supports_system_messages supports_parallel_function_calling supports_computer_use supports_url_context
    supports_native_streaming supports_embedding_image_input""".split()
)


def get_max_tokens(model: str) -> int | None:
    """The most tokens that the model writes."""
    info = get_model_info(model)
    return info.get("max_output_tokens") or info.get("max_tokens")


def register_model(model_cost: Mapping[str, Mapping[str, Any]], **_: Any) -> Mapping[str, Mapping[str, Any]]:
    """Adds or changes models: rows in LiteLLM's form by name. Raises BadRequestError, and adds nothing, for what
    is no such table; an address is none: Headgate fetches no prices."""
    if not isinstance(model_cost, Mapping):
        raise BadRequestError(
            f"'model_cost' must be a mapping of models to their fields, not a {type(model_cost).__name__}",
            param="model_cost",
        )
    for name, row in model_cost.items():
        for field, value in row.items() if isinstance(row, Mapping) else ():
            plain = isinstance(value, str | int | float)
            if plain and is_price(field) and price_of(value) is None:
                raise BadRequestError(
                    f"model {name!r}: {field} must be US dollars, 0 or more, not {value!r}",
                    param="model_cost",
                )
    default_client().register(model_cost)
    return model_cost


class _ModelCost(Mapping[str, Mapping[str, Any]]):
    """The catalog as LiteLLM's `model_cost`. Rows are copies: an assignment of a whole row registers it."""

    def __getitem__(self, name: str) -> dict[str, Any]:
        row = default_client().catalog.find(name)
        if row is None:
            raise KeyError(name)
        return dict(row)

    def __setitem__(self, name: str, row: Mapping[str, Any]) -> None:
        register_model({name: row})

    def update(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        register_model(rows)

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
    if request_type != "chat_completion":
        return None
    return supported(row, name)


def validate_environment(
    model: str | None = None, api_key: str | None = None, api_base: str | None = None, **_: Any
) -> dict[str, Any]:
    """Whether the environment has what the model's provider needs. False, and nothing missing, where the model
    names no provider."""
    try:
        row, _name = resolve(model or "", None, api_base)
    except HeadgateError:
        return {"keys_in_environment": False, "missing_keys": []}
    needed = [] if row.auth.optional or api_key else [row.api_key_env]
    missing = [names[0] for names in needed if not any(os.environ.get(name) for name in names)]
    if row.base_url is None and not api_base and not any(os.environ.get(name) for name in row.base_url_env):
        missing.append(row.base_url_env[0])
    return {"keys_in_environment": not missing, "missing_keys": missing}


_USUAL: Final = ("system_messages", "native_streaming")
"""What chat models do unless the catalog says otherwise."""


def _supports(ability: str) -> Callable[..., bool]:
    def supports(model: str, custom_llm_provider: str | None = None) -> bool:
        name, provider = _split(model, custom_llm_provider)
        row = default_client().catalog.find(name, provider) or {}
        told = row.get(f"supports_{ability}")
        return told is True or (told is None and ability in _USUAL and row.get("mode") == "chat")

    supports.__name__ = supports.__qualname__ = f"supports_{ability}"
    supports.__doc__ = (
        f"Whether the model is known for {ability.replace('_', ' ')}; False for an unknown model."
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
supports_native_streaming = _supports("native_streaming")
supports_computer_use = _supports("computer_use")
supports_url_context = _supports("url_context")
supports_embedding_image_input = _supports("embedding_image_input")


def _field(response: Any, name: str) -> Any:
    if isinstance(response, View | dict):
        return response.get(name)
    return getattr(response, name, None)


def _dumped(usage: Any) -> Any:
    return usage.model_dump() if hasattr(usage, "model_dump") else plain(usage)


def _usage_of(response: Any) -> ir.Usage | None:
    """None for an answer that tells nothing of its tokens. The Responses API has names of its own."""
    told = _dumped(_field(response, "usage"))
    if isinstance(told, dict) and "prompt_tokens" not in told and "input_tokens" in told:
        from headgate.wire.responses import reply  # only who counts such answers needs it

        return reply.read_usage(told, _field(response, "service_tier"))
    usage = read_usage(told, _field(response, "service_tier"))
    return usage if usage is not None and (usage.input or usage.output or usage.total) else None
