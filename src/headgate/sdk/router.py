"""LiteLLM's `Router`: a model list of one's own, with the routing that the gateway has. docs/sdk.md, docs/routing.md.

Groups, cooldowns and latencies belong to the Router and are shared by all event loops and threads that use it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from headgate.core import breaks, hedge
from headgate.core.call import Call, Operation, Wish
from headgate.core.cooldown import DEFAULT_SECONDS, Cooldown
from headgate.core.deployment import Deployment
from headgate.core.entry import fingerprint
from headgate.core.model_list import ModelList, Plan, fallback_table
from headgate.core.retry import DEFAULT_RETRIES, Retries
from headgate.core.route import Group, Routing
from headgate.core.track import Tracks
from headgate.errors import BadRequestError, NotFoundError
from headgate.sdk.client import Client
from headgate.sdk.portal import PORTAL
from headgate.sdk.router_settings import DEFAULTS, checked, policy


class Entry(Struct, frozen=True):
    """A row of the model list."""

    name: str
    params: dict[str, Any]
    info: dict[str, Any]


class Router:
    """See https://docs.litellm.ai/docs/routing. Raises BadRequestError for a row or a setting that can't be meant,
    TypeError for a setting that nobody knows."""

    def __init__(
        self,
        model_list: Sequence[Mapping[str, Any]] | None = None,
        *,
        client: Client | None = None,
        **settings: Any,
    ) -> None:
        self._client = client or Client()
        self._tracks = Tracks()
        self._settings = {**DEFAULTS, **checked(settings)}
        self._rows = [_entry(row) for row in model_list or ()]
        self._models = self._made()

    # calls

    async def acompletion(self, model: str, messages: Sequence[Any], **kwargs: Any) -> Any:
        """As `headgate.acompletion`, of a group of the model list."""
        return await self._call("chat", model, {"messages": messages, **kwargs})

    def completion(self, model: str, messages: Sequence[Any], **kwargs: Any) -> Any:
        return PORTAL.run(self.acompletion(model, messages, **kwargs))

    async def atext_completion(self, model: str, prompt: Any, **kwargs: Any) -> Any:
        return await self._call("completions", model, {"prompt": prompt, **kwargs})

    def text_completion(self, model: str, prompt: Any, **kwargs: Any) -> Any:
        return PORTAL.run(self.atext_completion(model, prompt, **kwargs))

    async def aembedding(self, model: str, input: Any, **kwargs: Any) -> Any:  # noqa: A002 -- OpenAI's name
        return await self._call("embeddings", model, {"input": input, **kwargs})

    def embedding(self, model: str, input: Any, **kwargs: Any) -> Any:  # noqa: A002 -- OpenAI's name
        return PORTAL.run(self.aembedding(model, input, **kwargs))

    async def arerank(self, model: str, **kwargs: Any) -> Any:
        return await self._call("rerank", model, kwargs)

    def rerank(self, model: str, **kwargs: Any) -> Any:
        return PORTAL.run(self.arerank(model, **kwargs))

    async def amoderation(self, model: str, input: Any, **kwargs: Any) -> Any:  # noqa: A002 -- OpenAI's name
        return await self._call("moderations", model, {"input": input, **kwargs})

    def moderation(self, model: str, input: Any, **kwargs: Any) -> Any:  # noqa: A002 -- OpenAI's name
        return PORTAL.run(self.amoderation(model, input, **kwargs))

    async def aresponses(self, model: str, input: Any, **kwargs: Any) -> Any:  # noqa: A002 -- OpenAI's name
        return await self._call("responses", model, {"input": input, **kwargs})

    def responses(self, model: str, input: Any, **kwargs: Any) -> Any:  # noqa: A002 -- OpenAI's name
        return PORTAL.run(self.aresponses(model, input, **kwargs))

    async def aocr(self, model: str, document: Any, **kwargs: Any) -> Any:
        return await self._call("ocr", model, {"document": document, **kwargs})

    def ocr(self, model: str, document: Any, **kwargs: Any) -> Any:
        return PORTAL.run(self.aocr(model, document, **kwargs))

    async def afim_completion(self, model: str, prompt: Any, **kwargs: Any) -> Any:
        return await self._call("fim", model, {"prompt": prompt, **kwargs})

    def fim_completion(self, model: str, prompt: Any, **kwargs: Any) -> Any:
        return PORTAL.run(self.afim_completion(model, prompt, **kwargs))

    async def aspeech(self, model: str, input: str, voice: Any = None, **kwargs: Any) -> Any:  # noqa: A002 -- OpenAI's name
        return await self._call("speech", model, {"input": input, "voice": voice, **kwargs})

    def speech(self, model: str, input: str, voice: Any = None, **kwargs: Any) -> Any:  # noqa: A002 -- OpenAI's name
        return PORTAL.run(self.aspeech(model, input, voice, **kwargs))

    async def atranscription(self, model: str, file: Any, **kwargs: Any) -> Any:
        return await self._call("transcriptions", model, {"file": file, **kwargs})

    def transcription(self, model: str, file: Any, **kwargs: Any) -> Any:
        return PORTAL.run(self.atranscription(model, file, **kwargs))

    async def atranslation(self, model: str, file: Any, **kwargs: Any) -> Any:
        return await self._call("translations", model, {"file": file, **kwargs})

    def translation(self, model: str, file: Any, **kwargs: Any) -> Any:
        return PORTAL.run(self.atranslation(model, file, **kwargs))

    async def aimage_generation(self, prompt: str, model: str, **kwargs: Any) -> Any:
        return await self._call("images", model, {"prompt": prompt, **kwargs})

    def image_generation(self, prompt: str, model: str, **kwargs: Any) -> Any:
        return PORTAL.run(self.aimage_generation(prompt, model, **kwargs))

    async def aimage_edit(self, image: Any, prompt: Any = None, model: str = "", **kwargs: Any) -> Any:
        return await self._call("image_edits", model, {"image": image, "prompt": prompt, **kwargs})

    def image_edit(self, image: Any, prompt: Any = None, model: str = "", **kwargs: Any) -> Any:
        return PORTAL.run(self.aimage_edit(image, prompt, model, **kwargs))

    async def aimage_variation(self, image: Any, model: str, **kwargs: Any) -> Any:
        return await self._call("image_variations", model, {"image": image, **kwargs})

    def image_variation(self, image: Any, model: str, **kwargs: Any) -> Any:
        return PORTAL.run(self.aimage_variation(image, model, **kwargs))

    async def abatch_completion(
        self, models: Sequence[str], messages: Sequence[Any], **kwargs: Any
    ) -> list[Any]:
        """The same conversation to several groups at once; an error stands in its answer's place."""
        calls = (self.acompletion(model, messages, **kwargs) for model in models)
        return await asyncio.gather(*calls, return_exceptions=True)

    async def abatch_completion_fastest_response(
        self, model: str, messages: Sequence[Any], **kwargs: Any
    ) -> Any:
        """Of the groups named in `model`, by comma, the first that answers; the others are cancelled."""
        names = [name.strip() for name in model.split(",") if name.strip()]
        tasks = [asyncio.ensure_future(self.acompletion(name, messages, **kwargs)) for name in names]
        try:
            for done in asyncio.as_completed(tasks):
                try:
                    return await done
                except Exception as error:  # noqa: BLE001 -- the next one may answer; the last one's is raised
                    last = error
            raise last
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _call(self, operation: Operation, model: str, fields: dict[str, Any]) -> Any:
        specific = fields.pop("specific_deployment", False)
        models, settings = self._models, self._settings
        if fields.get("num_retries") is None:
            given = settings["num_retries"]
            fields["num_retries"] = DEFAULT_RETRIES if given is None else given

        def lookup(name: str) -> Group:
            return self._by_id(name) if specific or name not in models.groups else models.lookup(name)

        def prepare(call: Call) -> None:
            call.options = replace(call.options, max_fallbacks=settings["max_fallbacks"])
            if settings["enable_tag_filtering"]:
                tags = (fields.get("metadata") or {}).get("tags") or ()
                call.wish = Wish(tags=frozenset(tags), match_any=settings["tag_filtering_match_any"])

        return await self._client.route(operation, model, fields, lookup, prepare)

    def _by_id(self, name: str) -> Group:
        """A deployment by its id, else whatever a pattern matches."""
        for group in self._models.groups.values():
            for one in group.deployments:
                if one.id == name:
                    return Group(group.name, [one], group.routing, group.fallbacks)
        return self._models.lookup(name)

    # the model list

    @property
    def model_list(self) -> list[dict[str, Any]]:
        return self.get_model_list()

    def get_model_list(self, model_name: str | None = None) -> list[dict[str, Any]]:
        rows = [row for row in self._rows if model_name in (None, row.name)]
        return [self._shown(row) for row in rows]

    def get_model_names(self) -> list[str]:
        return self._models.names

    def get_model_ids(self, model_name: str | None = None) -> list[str]:
        groups = self._models.groups.items()
        return [one.id for name, group in groups if model_name in (None, name) for one in group.deployments]

    def set_model_list(self, model_list: Sequence[Mapping[str, Any]]) -> None:
        """Calls under way end with the old one."""
        self._change([_entry(row) for row in model_list])

    def add_deployment(self, deployment: Mapping[str, Any]) -> None:
        self._change([*self._rows, _entry(deployment)])

    def upsert_deployment(self, deployment: Mapping[str, Any]) -> None:
        """Takes the place of the row with the same `model_info.id`."""
        entry = _entry(deployment)
        self._change([*(row for row in self._rows if _id(row) != _id(entry)), entry])

    def delete_deployment(self, id: str) -> dict[str, Any] | None:  # noqa: A002 -- LiteLLM's name
        """The row that is gone, None where there was none."""
        found = [row for row in self._rows if _id(row) == id]
        self._change([row for row in self._rows if row not in found])
        return {"model_name": found[0].name, "litellm_params": found[0].params} if found else None

    def get_deployment(self, model_id: str) -> dict[str, Any] | None:
        found = next((row for row in self._rows if _id(row) == model_id), None)
        return None if found is None else self._shown(found)

    def get_available_deployment(
        self, model: str, messages: Sequence[Any] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """The row that a call would go to now. Raises RateLimitError where all rest, NotFoundError."""
        return self._row_of(self._client.picked(self._models.lookup(model), model, messages))

    async def async_get_available_deployment(self, model: str, **kwargs: Any) -> dict[str, Any]:
        return self.get_available_deployment(model, **kwargs)

    def get_settings(self) -> dict[str, Any]:
        return dict(self._settings)

    def update_settings(self, **settings: Any) -> None:
        self._settings = {**self._settings, **checked(settings)}
        self._models = self._made()

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """What is known of each deployment from its calls: rests, latency, usage; by group."""
        now = self._client.now()
        return {
            name: [{"id": one.id, **one.track.shown(now)} for one in group.deployments]
            for name, group in self._models.groups.items()
        }

    def reset(self) -> None:
        """Forgets all rests and latencies."""
        self._tracks = Tracks()
        self._models = self._made()

    def discard(self) -> None:
        self.reset()

    def _shown(self, row: Entry) -> dict[str, Any]:
        return {"model_name": row.name, "litellm_params": dict(row.params), "model_info": dict(row.info)}

    def _change(self, rows: list[Entry]) -> None:
        before, self._rows = self._rows, rows
        try:
            self._models = self._made()
        except Exception:
            self._rows = before
            raise

    def _row_of(self, deployment: Deployment) -> dict[str, Any]:
        info = {**deployment.info, "id": deployment.id}
        return {"model_name": deployment.group, "litellm_params": dict(deployment.params), "model_info": info}

    def _made(self) -> ModelList:
        models = ModelList(self._rows, self._deployment, _plan(self._settings))
        known = models.lookup
        for name, targets in _named(self._settings):
            for target in targets:
                try:
                    known(target)
                except NotFoundError as error:
                    raise BadRequestError(f"{name}: {error.message}", param=name) from None
        return models

    def _deployment(self, name: str, params: Mapping[str, Any], info: Mapping[str, Any]) -> Deployment:
        settings = self._settings
        given = {
            "timeout": settings["timeout"],
            "stream_timeout": settings["stream_timeout"],
            "max_parallel_requests": settings["default_max_parallel_requests"],
            **settings["default_litellm_params"],
        }
        merged = {key: value for key, value in given.items() if value is not None}
        made = self._client.deployment(name, {**merged, **params}, info)
        made.track = self._tracks.of(made.id)
        return made


def _entry(row: Mapping[str, Any]) -> Entry:
    name, params = row.get("model_name"), row.get("litellm_params")
    if not isinstance(name, str) or not isinstance(params, Mapping) or not params.get("model"):
        raise BadRequestError(
            "a row of model_list needs model_name, and litellm_params with a model", param="model_list"
        )
    info = dict(row.get("model_info") or {})
    if "*" not in name:  # a pattern's deployments have an id for each model
        info.setdefault("id", fingerprint(name, params))
    return Entry(name, dict(params), info)


def _id(row: Entry) -> str:
    return str(row.info.get("id") or "")


def _plan(settings: Mapping[str, Any]) -> Plan:
    after, seconds = settings["hedge_after"], settings["cooldown_time"]
    routing = Routing(
        strategy=settings["routing_strategy"] or "",
        arguments=settings["routing_strategy_args"],
        checks=settings["enable_pre_call_checks"] or settings["routing_strategy"] == "usage-based-routing-v2",
        retries=Retries(policy=policy(settings["retry_policy"]), least=float(settings["retry_after"])),
        cooldown=Cooldown(
            seconds=DEFAULT_SECONDS if seconds is None else float(seconds),
            allowed=settings["allowed_fails"],
            policy=policy(settings["allowed_fails_policy"]),
            off=settings["disable_cooldowns"],
        ),
        on_break=breaks.parse(settings["on_stream_break"]),
        hedge_after=None if after is None else hedge.parse(after),
        paced=bool(settings["respect_provider_limits"]),
    )
    table = fallback_table(
        settings["fallbacks"],
        settings["context_window_fallbacks"],
        settings["content_policy_fallbacks"],
        settings["default_fallbacks"] or (),
    )
    policies = {name: policy(one) for name, one in settings["model_group_retry_policy"].items()}
    return Plan(routing, table, policies, settings["model_group_alias"] or {})


def _named(settings: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """What settings name groups by, with the names."""
    found = [("default_fallbacks", list(settings["default_fallbacks"] or ()))]
    for name in ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks"):
        targets = [target for row in settings[name] or () for listed in row.values() for target in listed]
        found.append((name, [one if isinstance(one, str) else str(one["model"]) for one in targets]))
    return found
