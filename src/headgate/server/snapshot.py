"""The immutable running configuration: groups, options, access and the engine that they run on.

A call keeps the snapshot that it began with; a reload builds another and swaps it in.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from headgate.catalog.lookup import Catalog
from headgate.core import breaks, hedge
from headgate.core.call import NO_WISH, Options, Wish
from headgate.core.cooldown import DEFAULT_SECONDS, Cooldown
from headgate.core.deployment import Deployment
from headgate.core.engine import Engine
from headgate.core.model_list import MAX_CONCRETE, ModelList, Plan, fallback_table
from headgate.core.retry import DEFAULT_RETRIES, Retries
from headgate.core.route import Group, Routing
from headgate.core.track import Tracks
from headgate.server.access import Access
from headgate.server.bounds import Bounds
from headgate.server.ceiling import Ceiling
from headgate.server.config.schema import Config, ModelEntry
from headgate.server.drain import drain_of
from headgate.server.headers import identity

MAX_FALLBACKS: Final = 5


class Snapshot:
    def __init__(
        self,
        config: Config,
        engine: Engine,
        catalog: Catalog,
        env: Mapping[str, str],
        access: Access,
        tracks: Tracks,
    ) -> None:
        self.config = config
        self.tracks = tracks
        self.engine = engine
        self.catalog = catalog
        self.access = access
        self._env = env
        self._identities: dict[Deployment, bytes] = {}
        self._ceilings: dict[str, Ceiling] = {}
        self._passing: dict[tuple[str, str, str], Deployment] = {}
        self.options = _options(config)
        self._models = ModelList(config.models, self._deployment, _plan(config))
        self.groups = self._models.groups
        self.lookup = self._models.lookup
        self._meant = {
            one.provider.id: one.params for one in self.everyone if one.params.get("use_in_pass_through")
        }
        self._teams = any(entry.info.get("team_id") for entry in config.models)
        router = config.router
        self.wishes = router.enable_tag_filtering or router.sticky is not None or self._teams
        self.bounds = Bounds(config)
        self.drain = drain_of(config.general.on_disconnect)
        self.store_prompts = config.general.store_prompts_in_spend_logs
        self.only_group = config.general.completion_model
        self.requested_name = config.general.model_name_in_response == "requested"

    @cached_property
    def everyone(self) -> list[Deployment]:
        """All deployments, in their order; of an entry with a wildcard one, with a model that nobody has."""
        return self._models.everyone()

    @cached_property
    def rows(self) -> list[tuple[str, Deployment]]:
        """The same with the public name of each."""
        return self._models.rows()

    @property
    def names(self) -> list[str]:
        """Public model names, wildcards as they are written."""
        return self._models.names

    def mocked(self, model: str) -> Group:
        """Where a request that brings its own answer (`mock_response`) goes."""
        name, params = self.aliases.get(model, model), {"model": f"mock/{model}"}
        return Group(name, [Deployment(name, params, catalog=self.catalog, env={})])

    def names_of(self, provider: str, model: str) -> list[str]:
        """What a provider's model is called here: the groups that it serves first."""
        return [*self.groups_of(provider, model), f"{provider}/{model}", model]

    def groups_of(self, provider: str, model: str) -> list[str]:
        """The groups that a provider's model serves."""
        return self._serving.get((provider, model), [])

    @cached_property
    def _serving(self) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        for name, group in self.groups.items():
            for served in {(one.provider.id, one.model) for one in group.deployments}:
                found.setdefault(served, []).append(name)
        return found

    def passing(self, provider: str, model: str, group: str = "") -> Deployment:
        """Of requests that are passed through: with the credential of the row that is meant for it, else of the
        environment. `model` "" for requests that name none; `group` is whose sums they count to."""
        key = (provider, model, group)
        found = self._passing.get(key)
        if found is None:
            meant = self._meant.get(provider, {})
            params = {**meant, "model": f"{provider}/{model or '-'}", "custom_llm_provider": provider}
            found = self._passing[key] = self._deployment(group or provider, params, {})
            if len(self._passing) > MAX_CONCRETE:
                del self._passing[next(iter(self._passing))]
        return found

    def plain(self, address: str) -> Deployment:
        """Of a configured path: an address that needs no credential of ours."""
        return Deployment(address, {"model": "mock/-"}, catalog=self.catalog, env=self._env)

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Names that are other groups'."""
        return {name: group.name for name, group in self.groups.items() if group.name != name}

    @property
    def access_groups(self) -> dict[str, list[str]]:
        """`model_info.access_groups` of the models: group → models."""
        found: dict[str, list[str]] = {}
        for entry in self.config.models:
            for name in entry.info.get("access_groups") or ():
                found.setdefault(str(name), []).append(entry.name)
        return found

    def ceiling(self, model: str) -> Ceiling:
        """What calls to this model may cost. Raises NotFoundError."""
        found = self._ceilings.get(model)
        if found is None:
            found = self._ceilings[model] = Ceiling(self.lookup(model).deployments)
            if len(self._ceilings) > MAX_CONCRETE:
                del self._ceilings[next(iter(self._ceilings))]
        return found

    def wish(
        self, tags: tuple[str, ...], region: str, user: str | None, session: str | None, team: str | None
    ) -> Wish:
        """What a call asks of its deployments: tags only where tag routing is on."""
        router = self.config.router
        stick = {"user": user, "session": session}.get(router.sticky or "") or ""
        own = team or "" if self._teams else ""
        if not router.enable_tag_filtering and not region and not stick and not own:
            return NO_WISH
        looked = frozenset(tags) if router.enable_tag_filtering else None
        any_ = router.tag_filtering_match_any
        return Wish(tags=looked, match_any=any_, region=region, stick=stick, team=own)

    def identity(self, deployment: Deployment) -> bytes:
        """The deployment's answer headers, made once."""
        found = self._identities.get(deployment)
        if found is None:
            found = self._identities[deployment] = identity(deployment)
            if len(self._identities) > MAX_CONCRETE:
                del self._identities[next(iter(self._identities))]
        return found

    def trial(self, entry: ModelEntry) -> Deployment:
        """As a row of the list would be, and in none: what comes of it counts for no other."""
        return self._made(entry.name, entry.params, entry.info)

    @property
    def environment(self) -> Mapping[str, str]:
        return self._env

    def _deployment(self, name: str, params: Mapping[str, Any], info: Mapping[str, Any]) -> Deployment:
        made = self._made(name, params, info)
        made.track = self.tracks.of(made.id)
        return made

    def _made(self, name: str, params: Mapping[str, Any], info: Mapping[str, Any]) -> Deployment:
        settings = self.config.litellm
        merged: dict[str, Any] = {
            "drop_params": settings.drop_params,
            "modify_params": settings.modify_params,
        }
        if settings.request_timeout is not None:
            merged["timeout"] = settings.request_timeout
        router = self.config.router
        general = {
            "timeout": router.timeout,
            "stream_timeout": router.stream_timeout,
            "ssl_verify": settings.ssl_verify,
            "ssl_certificate": settings.ssl_certificate,
            "max_parallel_requests": router.default_max_parallel_requests,
        }
        merged.update({key: value for key, value in general.items() if value is not None})
        merged.update(params)
        return Deployment(
            name, merged, info, catalog=self.catalog, env=self._env, providers=self.config.providers
        )


def _options(config: Config) -> Options:
    settings, router = config.litellm, config.router
    retries = settings.num_retries if settings.num_retries is not None else router.num_retries
    most = router.max_fallbacks if router.max_fallbacks is not None else settings.max_fallbacks
    return Options(
        modify_params=bool(settings.modify_params),
        show_usage=config.general.always_include_stream_usage,
        retries=DEFAULT_RETRIES if retries is None else retries,
        max_fallbacks=MAX_FALLBACKS if most is None else most,
    )


def _plan(config: Config) -> Plan:
    settings, router = config.litellm, config.router
    table = fallback_table(
        settings.fallbacks or router.fallbacks,
        settings.context_window_fallbacks or router.context_window_fallbacks,
        settings.content_policy_fallbacks or router.content_policy_fallbacks,
        settings.default_fallbacks or router.default_fallbacks,
    )
    return Plan(_routing(config), table, router.model_group_retry_policy, router.model_group_alias or {})


def _routing(config: Config) -> Routing:
    settings, router = config.litellm, config.router
    allowed = router.allowed_fails if router.allowed_fails is not None else settings.allowed_fails
    return Routing(
        strategy=router.routing_strategy or ("simple-shuffle" if router.sticky else ""),
        arguments=router.routing_strategy_args,
        checks=router.enable_pre_call_checks or router.routing_strategy == "usage-based-routing-v2",
        cooldown=Cooldown(
            seconds=DEFAULT_SECONDS if router.cooldown_time is None else router.cooldown_time,
            allowed=allowed,
            policy=router.allowed_fails_policy,
            off=router.disable_cooldowns,
        ),
        retries=Retries(policy=router.retry_policy, least=router.retry_after),
        on_break=breaks.parse(router.on_stream_break),
        paced=router.respect_provider_limits,
        hedge_after=None if router.hedge_after is None else hedge.parse(router.hedge_after),
    )
