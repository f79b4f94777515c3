"""LiteLLM's functions. Each takes its arguments to the client's one call; the synchronous ones by the portal."""

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any

from headgate.errors import BadRequestError
from headgate.sdk.client import Client
from headgate.sdk.portal import PORTAL, blocking

_Messages = Sequence[Any]
MODERATION = "openai/omni-moderation-latest"
IMAGES = "openai/dall-e-2"


@cache
def default_client() -> Client:
    """The client of the module's functions, made at its first use."""
    return Client()


async def acompletion(
    model: str,
    messages: _Messages | None = None,
    timeout: Any = None,  # noqa: ASYNC109 -- LiteLLM's parameter
    temperature: float | None = None,
    top_p: float | None = None,
    n: int | None = None,
    stream: bool | None = None,
    stream_options: dict[str, Any] | None = None,
    stop: Any = None,
    max_completion_tokens: int | None = None,
    max_tokens: int | None = None,
    **kwargs: Any,
) -> Any:
    """A chat completion: a ModelResponse, or with `stream=True` a CustomStreamWrapper.

    `model` is "provider/model". Every parameter of OpenAI's chat API may be given, and those of LiteLLM:
    docs/sdk.md lists them. What else is given goes into the provider's request body.

    Raises the classes of `headgate.errors`, whatever the provider.
    """
    fields = {
        "messages": messages,
        "timeout": timeout,
        "temperature": temperature,
        "top_p": top_p,
        "n": n,
        "stream": stream,
        "stream_options": stream_options,
        "stop": stop,
        "max_completion_tokens": max_completion_tokens,
        "max_tokens": max_tokens,
        **kwargs,
    }
    return await default_client().call("chat", model, fields)


completion = blocking(acompletion)


async def atext_completion(prompt: Any = None, model: str = "", **kwargs: Any) -> Any:
    """OpenAI's older completions; models that only chat are asked by chat."""
    return await default_client().call("completions", model, {"prompt": prompt, **kwargs})


text_completion = blocking(atext_completion)


async def aembedding(model: str, input: Any = None, **kwargs: Any) -> Any:  # noqa: A002 -- OpenAI's name
    """Vectors of a text or a list of texts: an EmbeddingResponse."""
    return await default_client().call("embeddings", model, {"input": input, **kwargs})


embedding = blocking(aembedding)


async def aresponses(input: Any = None, model: str = "", **kwargs: Any) -> Any:  # noqa: A002 -- OpenAI's name
    """OpenAI's Responses, to any provider's models: a ResponsesAPIResponse, or with `stream=True` its events."""
    return await default_client().call("responses", model, {"input": input, **kwargs})


responses = blocking(aresponses)


async def arerank(
    model: str,
    query: Any = None,
    documents: Sequence[Any] | None = None,
    custom_llm_provider: str | None = None,
    top_n: int | None = None,
    rank_fields: Sequence[str] | None = None,
    return_documents: bool | None = True,
    **kwargs: Any,
) -> Any:
    """Documents by how well they answer `query`, best first: a RerankResponse."""
    fields = {
        "query": query,
        "documents": documents,
        "custom_llm_provider": custom_llm_provider,
        "top_n": top_n,
        "rank_fields": rank_fields,
        "return_documents": return_documents,
        **kwargs,
    }
    return await default_client().call("rerank", model, fields)


rerank = blocking(arerank)


async def amoderation(input: Any = None, model: str = MODERATION, **kwargs: Any) -> Any:  # noqa: A002 -- OpenAI's name
    """Whether texts or pictures break a provider's rules: a ModerationResponse."""
    return await default_client().call("moderations", model, {"input": input, **kwargs})


moderation = blocking(amoderation)


async def aocr(model: str, document: Any = None, **kwargs: Any) -> Any:
    """The text of a document, page by page: an OCRResponse."""
    return await default_client().call("ocr", model, {"document": document, **kwargs})


ocr = blocking(aocr)


async def afim_completion(model: str, prompt: Any = None, suffix: str | None = None, **kwargs: Any) -> Any:
    """Code between a prompt and a suffix: a ModelResponse."""
    return await default_client().call("fim", model, {"prompt": prompt, "suffix": suffix, **kwargs})


fim_completion = blocking(afim_completion)


async def aspeech(
    model: str,
    input: str | None = None,  # noqa: A002 -- OpenAI's name
    voice: Any = None,
    api_key: str | None = None,
    api_base: str | None = None,
    api_version: str | None = None,
    organization: str | None = None,
    project: str | None = None,
    max_retries: int | None = None,
    metadata: dict[str, Any] | None = None,
    timeout: Any = None,  # noqa: ASYNC109 -- LiteLLM's parameter
    response_format: str | None = None,
    speed: float | None = None,
    instructions: str | None = None,
    **kwargs: Any,
) -> Any:
    """Sound of a text: an object with `content`, `iter_bytes()` and `write_to_file(path)`; with `stream=True` one
    that has it while it comes."""
    fields = {
        "input": input,
        "voice": voice,
        "api_key": api_key,
        "api_base": api_base,
        "api_version": api_version,
        "organization": organization,
        "project": project,
        "max_retries": max_retries,
        "metadata": metadata,
        "timeout": timeout,
        "response_format": response_format,
        "speed": speed,
        "instructions": instructions,
        **kwargs,
    }
    return await default_client().call("speech", model, fields)


def speech(model: str, input: str | None = None, *args: Any, **kwargs: Any) -> Any:  # noqa: A002 -- OpenAI's name
    """`aspeech`, for code that does not await."""
    return PORTAL.run(aspeech(model, input, *args, **kwargs))


async def atranscription(
    model: str,
    file: Any = None,
    language: str | None = None,
    prompt: str | None = None,
    response_format: str | None = None,
    timestamp_granularities: Sequence[str] | None = None,
    temperature: float | None = None,
    user: str | None = None,
    timeout: Any = None,  # noqa: ASYNC109 -- LiteLLM's parameter
    api_key: str | None = None,
    api_base: str | None = None,
    **kwargs: Any,
) -> Any:
    """The text of a sound file: a TranscriptionResponse, with `stream=True` its events. `file` is a path, bytes, an
    open file, or (name, bytes)."""
    fields = {
        "file": file,
        "language": language,
        "prompt": prompt,
        "response_format": response_format,
        "timestamp_granularities": timestamp_granularities,
        "temperature": temperature,
        "user": user,
        "timeout": timeout,
        "api_key": api_key,
        "api_base": api_base,
        **kwargs,
    }
    return await default_client().call("transcriptions", model, fields)


def transcription(model: str, file: Any = None, *args: Any, **kwargs: Any) -> Any:
    """`atranscription`, for code that does not await."""
    return PORTAL.run(atranscription(model, file, *args, **kwargs))


async def atranslation(model: str, file: Any = None, **kwargs: Any) -> Any:
    """The text of a sound file in English: a TranscriptionResponse."""
    return await default_client().call("translations", model, {"file": file, **kwargs})


translation = blocking(atranslation)


async def aimage_generation(
    prompt: str,
    model: str | None = None,
    n: int | None = None,
    quality: str | None = None,
    response_format: str | None = None,
    size: str | None = None,
    style: str | None = None,
    user: str | None = None,
    input_fidelity: str | None = None,
    timeout: Any = None,  # noqa: ASYNC109 -- LiteLLM's parameter
    **kwargs: Any,
) -> Any:
    """Pictures of a text: an ImageResponse, `data[0].b64_json` or `data[0].url`. docs/operations.md says more."""
    fields = {
        "prompt": prompt,
        "n": n,
        "quality": quality,
        "response_format": response_format,
        "size": size,
        "style": style,
        "user": user,
        "input_fidelity": input_fidelity,
        "timeout": timeout,
        **kwargs,
    }
    return await default_client().call("images", model or IMAGES, fields)


image_generation = blocking(aimage_generation)


async def aimage_edit(
    image: Any = None,
    prompt: str | None = None,
    model: str | None = None,
    mask: Any = None,
    n: int | None = None,
    quality: str | None = None,
    response_format: str | None = None,
    size: str | None = None,
    user: str | None = None,
    **kwargs: Any,
) -> Any:
    """Pictures changed by a text: an ImageResponse. `image` is a picture or a list of them, each a path, bytes, an
    open file, (name, bytes), an address or a `data:` URL; `mask` one that says which part to change."""
    fields = {
        "image": image,
        "prompt": prompt,
        "mask": mask,
        "n": n,
        "quality": quality,
        "response_format": response_format,
        "size": size,
        "user": user,
        **kwargs,
    }
    return await default_client().call("image_edits", model or IMAGES, fields)


image_edit = blocking(aimage_edit)


async def aimage_variation(
    image: Any,
    model: str = IMAGES,
    n: int | None = 1,
    response_format: str | None = None,
    size: str | None = None,
    user: str | None = None,
    **kwargs: Any,
) -> Any:
    """Others like a picture: an ImageResponse. `image` as for `aimage_edit`."""
    fields = {"n": n, "response_format": response_format, "size": size, "user": user, **kwargs}
    return await default_client().call("image_variations", model, {"image": image, **fields})


image_variation = blocking(aimage_variation)


def batch_completion(
    model: str, messages: Sequence[_Messages] = (), *, max_workers: int = 100, **kwargs: Any
) -> list[Any]:
    """Many conversations at once, at most `max_workers` at a time. An error stands in its call's place."""
    if max_workers < 1:
        raise BadRequestError(f"'max_workers' must be 1 or more, not {max_workers}", param="max_workers")

    async def all_of_them() -> list[Any]:
        gate = asyncio.Semaphore(max_workers)

        async def one(conversation: _Messages) -> Any:
            async with gate:
                return await acompletion(model, conversation, **kwargs)

        return await asyncio.gather(*map(one, messages), return_exceptions=True)

    return PORTAL.run(all_of_them())
