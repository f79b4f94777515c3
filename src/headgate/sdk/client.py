"""The client: everything that calls of the SDK share. It builds the engine, one per event loop."""

import asyncio
import os
import random
import time
import uuid
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Raw

from headgate import errors
from headgate.catalog.lookup import Catalog
from headgate.core.answer import Answer
from headgate.core.call import Call, Operation, text_of
from headgate.core.deployment import Deployment
from headgate.core.dialects import OPERATIONS, SOUND, dialect
from headgate.core.engine import Engine, Lookup
from headgate.core.forward import JSON, LIMIT, failed, forward
from headgate.core.params import UNNAMED, is_price
from headgate.core.route import Group
from headgate.errors import BadRequestError, HeadgateError
from headgate.money import dollars
from headgate.net.pool import Pool
from headgate.ports import Incoming, Outgoing, Timeouts
from headgate.providers.mock import MockTransport
from headgate.providers.registry import resolve
from headgate.sdk import familiar, params, pictures, settings
from headgate.sdk.objects import (
    EmbeddingResponse,
    ImageResponse,
    ModelResponse,
    ModerationResponse,
    OCRResponse,
    RerankResponse,
    Response,
    ResponsesAPIResponse,
    TextCompletionResponse,
)
from headgate.sdk.openai_bases import adopt
from headgate.sdk.stream import CustomStreamWrapper, told

_DIALECTS: Final[Mapping[str, str]] = {
    **OPERATIONS,
    **SOUND,
    "chat": "openai_chat",
    "embeddings": "openai_embeddings",
}
_RESPONSES: Final[Mapping[Operation, type[Response]]] = {
    "chat": ModelResponse,
    "completions": TextCompletionResponse,
    "embeddings": EmbeddingResponse,
    "rerank": RerankResponse,
    "moderations": ModerationResponse,
    "ocr": OCRResponse,
    "images": ImageResponse,
    "image_edits": ImageResponse,
    "image_variations": ImageResponse,
    "fim": ModelResponse,
    "responses": ResponsesAPIResponse,
}
_NEEDED: Final[Mapping[Operation, str]] = {
    "chat": "messages",
    "completions": "prompt",
    "embeddings": "input",
    "rerank": "documents",
    "moderations": "input",
    "ocr": "document",
    "images": "prompt",
    "image_edits": "image",
    "image_variations": "image",
    "fim": "prompt",
    "responses": "input",
    "speech": "input",
    "transcriptions": "file",
    "translations": "file",
}
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
        self.clock = _Clock()
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
        call, mocked = self._made(operation, model, fields)
        if not mocked:
            fields = {name: value for name, value in fields.items() if name not in _MOCK}
        engine = await self.engine()
        make = self._mock if mocked else self._real
        try:
            answer = await engine.run(call, lambda name: Group(name, [make(name, model, fields, call)]))
            hidden = self.hidden(answer)
            if mocked:
                hidden["custom_llm_provider"] = _stood_for(call.model, fields)[0]
            return await self._shown(answer, hidden, fields)
        except BaseException:
            call.close()
            raise

    async def ask(
        self,
        operation: str,
        method: str,
        rest: str,
        fields: Mapping[str, Any],
        body: bytes | Outgoing = b"",
        kind: str = JSON,
        query: str = "",
    ) -> tuple[Incoming, Deployment]:
        """A request to a provider's API beside its model calls; see core/forward.py. Raises what the provider
        answers, in the classes of `headgate.errors`."""
        try:
            deployment = self.known(f"{fields['custom_llm_provider']}/{UNNAMED}", fields)
            timeouts = params.timeouts_of(fields, stream=True) or Timeouts()
            engine = await self.engine()
            answer = await forward(
                engine,
                deployment,
                operation,
                method,
                rest,
                query=query,
                body=body,
                kind=kind,
                timeouts=timeouts,
            )
            if answer.status >= 300:
                raise failed(deployment, operation, answer, await answer.read(LIMIT))
            return answer, deployment
        except HeadgateError:
            adopt()
            raise

    async def route(
        self,
        operation: Operation,
        model: str,
        fields: dict[str, Any],
        lookup: Lookup,
        prepare: Callable[[Call], None],
    ) -> Any:
        """A call that goes through the groups of a router. `prepare` says what the router knows of it."""
        try:
            call, mocked = self._made(operation, model, fields)
            try:
                prepare(call)
                engine = await self.engine()
                if mocked:
                    lookup = partial(self._mocked, fields=fields)
                answer = await engine.run(call, lookup)
                hidden = {**self.hidden(answer), "model_group": answer.deployment.group}
                return await self._shown(answer, hidden, fields)
            except BaseException:
                call.close()
                raise
        except HeadgateError:
            adopt()
            raise

    async def _shown(self, answer: Answer, hidden: dict[str, Any], fields: Mapping[str, Any]) -> Any:
        """A response object, or a stream, which closes the call when it is over."""
        if answer.call.errand is None:
            shown = _shown(answer, hidden)
            if not answer.call.stream:
                answer.call.close()
            return shown
        from headgate.sdk import audio  # only who hears or speaks needs it

        if fields.get("stream") is True:
            return audio.streamed(answer, hidden)
        try:
            response = await audio.shown(answer)
        finally:
            answer.abort()
            answer.call.close()
        response._hidden_params = self.hidden(answer) | hidden | {"response_cost": _dollars(answer.call)}
        return response

    def deployment(self, group: str, made: Mapping[str, Any], info: Mapping[str, Any]) -> Deployment:
        """A row of a model list. Raises HeadgateError where it can't work."""
        return Deployment(group, made, info, catalog=self.catalog, env=self._env)

    def known(self, name: str, fields: Mapping[str, Any]) -> Deployment:
        """Whom a model's name means, with the arguments of a call. Raises UnknownProviderError."""
        return self._deployment(self._with_key(params.deployment_of(name, fields)))

    def picked(self, group: Group, model: str, messages: Any) -> Deployment:
        """Whom a call would go to now."""
        call, _ = self._made("chat", model, {"messages": messages or []})
        return group.pick(call, (), self.now(), random.random)

    def now(self) -> float:
        return self.clock.monotonic()

    def _mocked(self, name: str, *, fields: Mapping[str, Any]) -> Group:
        params = {
            "model": f"mock/{name}",
            **{key: fields[key] for key in _MOCK if fields.get(key) is not None},
        }
        return Group(name, [self.deployment(name, params, {})])

    def _made(self, operation: Operation, model: str, fields: Mapping[str, Any]) -> tuple[Call, bool]:
        """The call, and whether it brings its own answer."""
        if not isinstance(model, str) or not model:
            raise BadRequestError("'model' must be a string such as 'openai/gpt-4o'", param="model")
        if fields.get(_NEEDED[operation]) is None:
            raise BadRequestError(f"{_NEEDED[operation]!r} is missing", param=_NEEDED[operation], model=model)
        params.check(fields)
        mocked = any(fields.get(name) not in _NO_MOCK for name in _MOCK)
        if mocked:
            _raise_mock(fields.get("mock_response"), model)
        else:
            fields = {name: value for name, value in fields.items() if name not in _MOCK}
        given = fields
        if operation in SOUND:
            from headgate.sdk import audio  # only who hears or speaks needs it

            fields = audio.without_file(operation, fields)
        fields = pictures.without_files(operation, fields)
        body = params.body_of(fields, params.own_of(model, fields))
        body["model"] = Raw(msgspec.json.encode(model))
        stream = given.get("stream") is True
        call = Call(
            id=str(fields.get("litellm_call_id") or uuid.uuid4()),
            operation=operation,
            dialect=dialect(_DIALECTS[operation]),
            envelope=body,
            model=model,
            stream=stream,
            started=self.clock.monotonic(),
            created=int(self.clock.time()),
            options=params.options_of(model, given, stream),
        )
        if operation in SOUND:  # last: it may open a file
            call.errand = audio.errand_of(operation, given)
        call.files = pictures.files_of(operation, given)
        return call, mocked

    def register(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Adds models to the catalog, or changes them. Calls from now on have the new prices."""
        self.catalog.register(rows)
        self._deployments = {}  # each remembers its prices; a call under way keeps its own

    def hidden(self, answer: Answer) -> dict[str, Any]:
        """LiteLLM's `_hidden_params`: how the answer came about."""
        call, deployment = answer.call, answer.deployment
        spent = (self.clock.monotonic() - call.started) * 1000
        headers = {f"llm_provider-{name}": value for name, value in answer.headers}
        headers.update({name: value for name, value in answer.headers if name.startswith("x-ratelimit-")})
        return {
            "custom_llm_provider": deployment.provider.id,
            "_response_ms": spent,
            "litellm_call_id": call.id,
            "api_base": deployment.address,
            "model_id": deployment.id,
            "response_cost": _dollars(call),
            "additional_headers": headers,
            "litellm_model_name": deployment.model,
            "provider_response_model": call.upstream_model,
            "litellm_overhead_time_ms": max(0.0, spent - call.upstream_seconds * 1000),
            "cache_hit": None,
            "dropped_params": list(call.dropped),
        }

    def _real(self, name: str, first: str, fields: Mapping[str, Any], call: Call) -> Deployment:
        """The one deployment behind a model string. A fallback to another provider keeps no credential."""
        if name != first:
            own = {key: text_of(call.envelope, key) for key in ("api_key", "api_base", "base_url")}
            same = _same_provider(name, first, fields)
            kept = fields if same else {k: v for k, v in fields.items() if k not in _CREDENTIALS}
            fields = {**kept, **{key: value for key, value in own.items() if value}}
        return self.known(name, fields)

    def _mock(self, name: str, _first: str, fields: Mapping[str, Any], _call: Call) -> Deployment:
        """The built-in provider in the place of another: with its name, its prices and none of its keys."""
        provider, model = _stood_for(name, fields)
        prices = {key: value for key, value in fields.items() if is_price(key) and value is not None}
        base = fields.get("base_model") or f"{provider}/{model}"
        plain = name if provider == "mock" else model  # "mock/slow" itself would take its time
        return self._deployment({"model": f"mock/{plain}", "base_model": base, **prices})

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

    async def engine(self) -> Engine:
        """Of the running loop."""
        loop = asyncio.get_running_loop()
        engine = self._engines.get(loop)
        if engine is None:
            pool = Pool()
            engine = Engine({"http": pool, "https": pool, "mock": MockTransport()}, self.clock)
            self._engines[loop] = engine
            self._guards[loop] = guard = _closing(engine)
            await anext(guard)
        return engine


def _dollars(call: Call) -> float | None:
    return None if call.cost is None else float(dollars(call.cost))


def _shown(answer: Answer, hidden: dict[str, Any]) -> Any:
    """A response object, or a CustomStreamWrapper."""
    operation = answer.call.operation
    if answer.call.stream:
        return CustomStreamWrapper(answer, hidden, operation)
    fields = msgspec.json.decode(answer.body or b"{}")
    mend = _LACKING.get(operation)
    if mend is not None and isinstance(fields, dict):
        mend(fields, told(answer, _OBJECTS.get(operation, "")))
    return _RESPONSES[operation].of(fields, hidden)


_OBJECTS: Final[Mapping[Operation, str]] = {
    "chat": "chat.completion",
    "fim": "chat.completion",
    "completions": "text_completion",
    "embeddings": "list",
}
_LACKING: Final[Mapping[Operation, Callable[[dict[str, Any], Mapping[str, Any]], None]]] = {
    "chat": familiar.answer,
    "fim": familiar.answer,
    "completions": familiar.answer,
    "embeddings": familiar.vectors,
    "images": familiar.pictures,
    "image_edits": familiar.pictures,
    "image_variations": familiar.pictures,
}
"""Operation → what adds to an answer what none of its kind may lack."""
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
            resolve(name)[0].id
            == resolve(first, fields.get("custom_llm_provider"), fields.get("api_base"))[0].id
        )
    except HeadgateError:
        return True  # a bare name: the same provider's


_MOCK: Final = ("mock_response", "mock_tool_calls", "mock_timeout")
_NO_MOCK: Final[tuple[Any, ...]] = (None, False, [], ())
_MAGIC: Final = (
    "RateLimitError",
    "ContextWindowExceededError",
    "InternalServerError",
    "ServiceUnavailableError",
)


def _stood_for(name: str, fields: Mapping[str, Any]) -> tuple[str, str]:
    """The provider and the model that a mock answers for."""
    try:
        row, model = resolve(name, fields.get("custom_llm_provider"), fields.get("api_base"))
    except HeadgateError:
        return "mock", name
    return row.id, model


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
