"""The client: everything that calls of the SDK share. It builds the engine, one per event loop."""

import asyncio
import os
import time
import uuid
import weakref
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from headgate import errors
from headgate.catalog.lookup import Catalog
from headgate.core.answer import Answer
from headgate.core.call import Call, Operation, text_of
from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.core.engine import Engine
from headgate.core.route import Group
from headgate.errors import BadRequestError, HeadgateError
from headgate.net.pool import Pool
from headgate.providers.mock import MockTransport
from headgate.providers.registry import resolve
from headgate.sdk import params, settings
from headgate.sdk.objects import EmbeddingResponse, ModelResponse, Response, TextCompletionResponse
from headgate.sdk.openai_bases import adopt
from headgate.sdk.stream import CustomStreamWrapper

_DIALECTS: Final[Mapping[Operation, str]] = {
    "chat": "openai_chat",
    "completions": "completions",
    "embeddings": "openai_embeddings",
}
_RESPONSES: Final[Mapping[Operation, type[Response]]] = {
    "chat": ModelResponse,
    "completions": TextCompletionResponse,
    "embeddings": EmbeddingResponse,
}
_NEEDED: Final[Mapping[Operation, str]] = {"chat": "messages", "completions": "prompt", "embeddings": "input"}
MAX_DEPLOYMENTS: Final = 500


class _Clock:
    def __init__(self) -> None:
        self.time = time.time
        self.monotonic = time.monotonic


class Client:
    """Calls with their own catalog, connections and environment. Two of them know nothing of each other."""

    def __init__(self, *, env: Mapping[str, str] | None = None, catalog: Catalog | None = None) -> None:
        self.catalog = catalog or Catalog()
        self._env = os.environ if env is None else env
        self._clock = _Clock()
        self._engines: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Engine] = (
            weakref.WeakKeyDictionary()
        )
        self._guards: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncIterator[None]] = (
            weakref.WeakKeyDictionary()
        )
        self._deployments: dict[Any, Deployment] = {}

    async def call(self, operation: Operation, model: str, fields: Mapping[str, Any]) -> Any:
        """A response object, or a CustomStreamWrapper. Raises the classes of `headgate.errors`."""
        try:
            return await self._call(operation, model, fields)
        except HeadgateError:
            adopt()
            raise

    async def _call(self, operation: Operation, model: str, fields: Mapping[str, Any]) -> Any:
        if not isinstance(model, str) or not model:
            raise BadRequestError("'model' must be a string such as 'openai/gpt-4o'", param="model")
        if fields.get(_NEEDED[operation]) is None:
            raise BadRequestError(f"{_NEEDED[operation]!r} is missing", param=_NEEDED[operation], model=model)
        _raise_mock(fields.get("mock_response"), model)
        body = params.body_of(fields)
        body["model"] = Raw(msgspec.json.encode(model))
        stream = fields.get("stream") is True
        call = Call(
            id=str(fields.get("litellm_call_id") or uuid.uuid4()),
            operation=operation,
            dialect=dialect(_DIALECTS[operation]),
            envelope=body,
            model=model,
            stream=stream,
            started=self._clock.monotonic(),
            created=int(self._clock.time()),
            options=params.options_of(model, fields, stream),
        )
        engine = await self._engine()
        answer = await engine.run(call, lambda name: self._group(name, model, fields, call))
        if stream:
            return CustomStreamWrapper(answer, self.hidden(answer), operation)
        response = _RESPONSES[operation].of(msgspec.json.decode(answer.body or b"{}"))
        response._hidden_params = self.hidden(answer)
        return response

    def hidden(self, answer: Answer) -> dict[str, Any]:
        """LiteLLM's `_hidden_params`: how the answer came about."""
        call, deployment = answer.call, answer.deployment
        spent = (self._clock.monotonic() - call.started) * 1000
        headers = {f"llm_provider-{name}": value for name, value in answer.headers}
        headers.update({name: value for name, value in answer.headers if name.startswith("x-ratelimit-")})
        return {
            "custom_llm_provider": deployment.provider.id,
            "_response_ms": spent,
            "litellm_call_id": call.id,
            "api_base": deployment.address,
            "model_id": deployment.id,
            "response_cost": None if call.cost is None else float(call.cost),
            "additional_headers": headers,
            "litellm_model_name": deployment.model,
            "provider_response_model": call.upstream_model,
            "litellm_overhead_time_ms": max(0.0, spent - call.upstream_seconds * 1000),
            "cache_hit": None,
            "dropped_params": list(call.dropped),
        }

    def _group(self, name: str, first: str, fields: Mapping[str, Any], call: Call) -> Group:
        """The one deployment behind a model string. A fallback to another provider keeps no credential."""
        if "mock_response" in fields or "mock_tool_calls" in fields or "mock_timeout" in fields:
            return Group(name, [self._deployment({"model": f"mock/{name}"})])
        if name != first:
            own = {key: text_of(call.envelope, key) for key in ("api_key", "api_base", "base_url")}
            same = _same_provider(name, first, fields)
            kept = fields if same else {k: v for k, v in fields.items() if k not in _CREDENTIALS}
            fields = {**kept, **{key: value for key, value in own.items() if value}}
        return Group(name, [self._deployment(self._with_key(params.deployment_of(name, fields)))])

    def _with_key(self, made: dict[str, Any]) -> dict[str, Any]:
        """`headgate.<provider>_key`, where no other key was given."""
        if "api_key" not in made:
            provider, _ = resolve(made["model"], made.get("custom_llm_provider"), made.get("api_base"))
            if (key := settings.get(f"{provider.id}_key")) is not None:
                made["api_key"] = key
        return made

    def _deployment(self, made: dict[str, Any]) -> Deployment:
        key = msgspec.json.encode(made, enc_hook=str, order="deterministic")
        found = self._deployments.get(key)
        if found is None or found.problem is not None:
            if len(self._deployments) >= MAX_DEPLOYMENTS:
                self._deployments.pop(next(iter(self._deployments)))
            found = Deployment(made["model"], made, catalog=self.catalog, env=self._env)
            self._deployments[key] = found
        return found

    async def _engine(self) -> Engine:
        loop = asyncio.get_running_loop()
        engine = self._engines.get(loop)
        if engine is None:
            pool = Pool()
            engine = Engine({"http": pool, "https": pool, "mock": MockTransport()}, self._clock)
            self._engines[loop] = engine
            self._guards[loop] = guard = _closing(engine)
            await anext(guard)
        return engine


_CREDENTIALS: Final = (
    "api_key",
    "api_base",
    "base_url",
    "api_version",
    "organization",
    "custom_llm_provider",
)


async def _closing(engine: Engine) -> AsyncIterator[None]:
    """Closes the engine's connections when its loop ends: a loop closes the generators that are still open."""
    try:
        yield
    finally:
        await engine.close()


def _same_provider(name: str, first: str, fields: Mapping[str, Any]) -> bool:
    try:
        return (
            resolve(name)[0] is resolve(first, fields.get("custom_llm_provider"), fields.get("api_base"))[0]
        )
    except HeadgateError:
        return True  # a bare name: the same provider's


_MAGIC: Final = (
    "RateLimitError",
    "ContextWindowExceededError",
    "InternalServerError",
    "ServiceUnavailableError",
)


def _raise_mock(mock: Any, model: str) -> None:
    """LiteLLM's magic values of `mock_response`."""
    if isinstance(mock, BaseException):
        raise mock
    if not isinstance(mock, str):
        return
    prefix, _, name = mock.partition(".")
    if prefix in ("litellm", "headgate") and name in _MAGIC:
        raise getattr(errors, name)(f"mock_response asked for {name}", model=model, llm_provider="mock")
    if mock.startswith("Exception: content_filter_policy"):
        raise BadRequestError(mock, model=model, llm_provider="mock")
