"""LiteLLM's smaller functions around completions: several models at once, retries by name, mocks, keys that are
tried, conversations made to fit."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from headgate.errors import AuthenticationError, BadRequestError
from headgate.providers.registry import providers
from headgate.sdk.functions import acompletion, completion, default_client
from headgate.sdk.helpers import get_model_info, token_counter
from headgate.sdk.portal import PORTAL

MOCK: Final = "This is a mock request"
RETRIES: Final = 3
TRIM_RATIO: Final = 0.75


async def _first_of(models: Sequence[str], messages: Any, **kwargs: Any) -> Any:
    tasks = [asyncio.ensure_future(acompletion(model, messages, **kwargs)) for model in models]
    failures: list[BaseException] = []
    try:
        for done in asyncio.as_completed(tasks):
            try:
                return await done
            except Exception as error:  # noqa: BLE001 -- the next one may answer; the last one's is raised
                failures.append(error)
        raise failures[-1]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _all_of(models: Sequence[str], messages: Any, **kwargs: Any) -> list[Any]:
    calls = [acompletion(model, messages, **kwargs) for model in models]
    return await asyncio.gather(*calls, return_exceptions=True)


def _named(models: Any) -> list[str]:
    names = [models] if isinstance(models, str) else list(models or ())
    if not names or not all(isinstance(name, str) for name in names):
        raise BadRequestError("'models' must be a list of models", param="models")
    return names


def batch_completion_models(messages: Any = None, *, models: Any = None, **kwargs: Any) -> Any:
    """Of several models the first that answers; the others are cancelled. Raises what the last one did where none
    does."""
    return PORTAL.run(_first_of(_named(models or kwargs.pop("model", None)), messages, **kwargs))


def batch_completion_models_all_responses(
    messages: Any = None, *, models: Any = None, **kwargs: Any
) -> list[Any]:
    """The answers of several models in their order; an error stands in its answer's place."""
    return PORTAL.run(_all_of(_named(models or kwargs.pop("model", None)), messages, **kwargs))


def completion_with_retries(*args: Any, **kwargs: Any) -> Any:
    """`completion` with three retries where `num_retries` says nothing else."""
    return completion(*args, **{"num_retries": RETRIES, **kwargs})


async def acompletion_with_retries(*args: Any, **kwargs: Any) -> Any:
    """`completion_with_retries`, for code that awaits."""
    return await acompletion(*args, **{"num_retries": RETRIES, **kwargs})


def mock_completion(
    model: str, messages: Any, stream: bool = False, mock_response: Any = MOCK, **kwargs: Any
) -> Any:
    """A completion whose answer is `mock_response`."""
    return completion(model, messages, stream=stream, mock_response=mock_response, **kwargs)


def check_valid_key(model: str, api_key: str) -> bool:
    """Whether the provider takes the key: asked with a call of ten tokens. Raises what else goes wrong."""
    asked = [{"role": "user", "content": "Hey, how's it going?"}]
    try:
        completion(model, asked, api_key=api_key, max_tokens=10, num_retries=0)
    except AuthenticationError:
        return False
    return True


def get_valid_models(
    check_provider_endpoint: bool | None = None, custom_llm_provider: str | None = None, **_: Any
) -> list[str]:
    """Models of the catalog whose provider's key is in the environment, or all of one provider. Nobody is asked."""
    if check_provider_endpoint:
        raise BadRequestError(
            "no provider is asked for its models: leave 'check_provider_endpoint' out",
            param="check_provider_endpoint",
        )
    wanted = {custom_llm_provider} if custom_llm_provider else _keyed()
    catalog = default_client().catalog
    rows = ((name, catalog.find(name) or {}) for name in catalog.names())
    return [name for name, row in rows if row.get("litellm_provider") in wanted]


def _keyed() -> set[str]:
    return {
        name
        for name, row in providers().items()
        if any(os.environ.get(variable) for variable in row.api_key_env)
    }


def trim_messages(
    messages: Sequence[Mapping[str, Any]],
    model: str | None = None,
    trim_ratio: float = TRIM_RATIO,
    return_response_tokens: bool = False,
    max_tokens: int | None = None,
) -> Any:
    """The newest messages that fit into `max_tokens`, by default `trim_ratio` of what the model reads; system
    messages stay, and the newest of the others is shortened where it does not fit itself. With
    `return_response_tokens` also how many tokens are left for an answer.

    Raises NotFoundError for a model whose window is not known."""
    if max_tokens is None:
        window = get_model_info(model or "").get("max_input_tokens")
        if window is None:
            raise BadRequestError(
                f"the window of {model!r} is not known: give max_tokens", param="max_tokens"
            )
        max_tokens = int(window * trim_ratio)
    system = [message for message in messages if message.get("role") == "system"]
    others = [message for message in messages if message.get("role") != "system"]
    left = max_tokens - (token_counter(model=model or "", messages=system) if system else 0)
    kept: list[Mapping[str, Any]] = []
    for message in reversed(others):
        size = token_counter(model=model or "", messages=[message])
        if size > left:
            if (short := _shortened(message, left, model)) is not None and not kept:
                kept.append(short)
            break
        kept.append(message)
        left -= size
    found = [*system, *_begun(kept[::-1])]
    if not return_response_tokens:
        return found
    return found, max(0, max_tokens - token_counter(model=model or "", messages=found))


def _begun(kept: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Answers of tools without the calls that they answer are refused everywhere."""
    start = next((at for at, message in enumerate(kept) if message.get("role") != "tool"), len(kept))
    return kept[start:]


def _shortened(message: Mapping[str, Any], most: int, model: str | None) -> Mapping[str, Any] | None:
    """Its beginning and its end, None where it is no plain text or nothing of it fits."""
    text = message.get("content")
    if not isinstance(text, str) or most <= 0:
        return None
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        fits = token_counter(model=model or "", messages=[{**message, "content": _cut(text, middle)}]) <= most
        low, high = (middle, high) if fits else (low, middle - 1)
    return {**message, "content": _cut(text, low)} if low else None


def _cut(text: str, length: int) -> str:
    half = length // 2
    return text if length >= len(text) else f"{text[: length - half]}..{text[len(text) - half :]}"


def __getattr__(name: str) -> Any:
    if name == "provider_list":
        return list(providers())
    if name == "model_list":
        return list(default_client().catalog.names())
    raise AttributeError(name)
