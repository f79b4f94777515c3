"""What a configuration is once it has been read: immutable values, and nothing of YAML.

None means "not given", so that whoever merges levels (request, deployment, router, all) can see it. The
fields of a settings block are the rows of its table in `keys.py`. `repr` shows which fields are given, never
what they hold.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from headgate.providers.base import Provider
from headgate.providers.registry import NO_OWN
from headgate.server.config.report import Problem

FallbackTable: TypeAlias = tuple[dict[str, tuple[str | dict[str, Any], ...]], ...]
"""LiteLLM's form: one-key maps from a group to where its calls go, names or changed parameters."""


class Discreet(Struct, frozen=True, kw_only=True):
    """A Struct whose representation names the fields that differ from their defaults, without values."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._given())})"

    def _given(self) -> list[str]:
        fields = msgspec.structs.fields(type(self))
        return [field.name for field in fields if getattr(self, field.name) != _default(field)]


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


class ModelEntry(Discreet, frozen=True, kw_only=True):
    """One row of `model_list`. `params` are its `litellm_params`: references resolved, credentials merged,
    unsupported keys left out. `file` and `line` say where the row begins (line 0: made from the environment).
    """

    name: str
    params: dict[str, Any]
    info: dict[str, Any] = {}
    file: str = ""
    line: int = 0

    def __repr__(self) -> str:
        return f"ModelEntry({self.name!r}, {self.params.get('model')!r}, {self.file}:{self.line})"


class PassThrough(Discreet, frozen=True, kw_only=True):
    """A path whose requests go to `target` as they are. `headers` replace the client's credential."""

    path: str
    target: str
    headers: dict[str, str] = {}
    include_subpath: bool = False
    methods: tuple[str, ...] = ()
    auth: bool = True
    forward_headers: bool = True
    cost_per_request: float = 0.0
    timeout: float | None = None


class LitellmSettings(Discreet, frozen=True, kw_only=True):
    max_budget: float | None = None
    budget_duration: str | None = None
    budget_exceeded_status_code: int = 422
    default_key_generate_params: dict[str, Any] = {}
    upperbound_key_generate_params: dict[str, Any] = {}
    default_internal_user_params: dict[str, Any] = {}
    max_internal_user_budget: float | None = None
    max_end_user_budget: float | None = None
    max_end_user_budget_id: str | None = None
    tag_budget_config: dict[str, dict[str, Any]] = {}
    internal_user_budget_duration: str | None = None
    drop_params: bool | None = None
    modify_params: bool | None = None
    request_timeout: float | None = None
    num_retries: int | None = None
    allowed_fails: int | None = None
    max_fallbacks: int | None = None
    fallbacks: FallbackTable = ()
    default_fallbacks: tuple[str, ...] = ()
    context_window_fallbacks: FallbackTable = ()
    content_policy_fallbacks: FallbackTable = ()
    json_logs: bool | None = None
    turn_off_message_logging: bool | None = None
    ssl_verify: bool | str | None = None
    ssl_certificate: str | None = None
    user_url_validation: bool = True
    user_url_allowed_hosts: tuple[str, ...] = ()


class GeneralSettings(Discreet, frozen=True, kw_only=True):
    master_key: str | None = None
    dangerously_permit_weak_or_unset_master_key: bool = False
    completion_model: str | None = None
    max_request_size_mb: float | None = None
    database_url: str | None = None
    enable_jwt_auth: bool = False
    litellm_jwtauth: dict[str, Any] = {}
    role_permissions: list[Any] = []
    database_connection_pool_limit: int | None = None
    store_prompts_in_spend_logs: bool = False
    disable_spend_logs: bool = False
    store_model_in_db: bool = False
    background_health_checks: bool = False
    health_check_interval: float = 300.0
    health_check_concurrency: int | None = None
    enable_health_check_routing: bool = False
    health_check_ignore_transient_errors: bool = False
    maximum_spend_logs_retention_period: str | None = None
    on_disconnect: str = "cancel"
    always_include_stream_usage: bool = False
    enforce_user_param: bool = False
    user_url_validation: bool | None = None
    user_url_allowed_hosts: tuple[str, ...] = ()
    pass_through_endpoints: tuple[PassThrough, ...] = ()
    model_name_in_response: Literal["upstream", "requested"] = "upstream"


class RouterSettings(Discreet, frozen=True, kw_only=True):
    routing_strategy: str | None = None
    routing_strategy_args: dict[str, Any] = {}
    enable_pre_call_checks: bool = False
    enable_tag_filtering: bool = False
    tag_filtering_match_any: bool = True
    allowed_fails: int | None = None
    allowed_fails_policy: dict[str, int] = {}
    cooldown_time: float | None = None
    disable_cooldowns: bool = False
    on_stream_break: str = "error"
    hedge_after: float | str | None = None
    sticky: str | None = None
    respect_provider_limits: bool = False
    provider_budget_config: dict[str, dict[str, Any]] = {}
    default_max_parallel_requests: int | None = None
    retry_policy: dict[str, int] = {}
    model_group_retry_policy: dict[str, dict[str, int]] = {}
    retry_after: float = 0.0
    max_fallbacks: int | None = None
    num_retries: int | None = None
    timeout: float | None = None
    stream_timeout: float | None = None
    fallbacks: FallbackTable = ()
    default_fallbacks: tuple[str, ...] = ()
    context_window_fallbacks: FallbackTable = ()
    content_policy_fallbacks: FallbackTable = ()
    model_group_alias: dict[str, str | dict[str, Any]] = {}
    ignore_invalid_deployments: bool = False
    redis_url: str | None = None
    redis_host: str | None = None
    redis_port: int | None = None
    redis_password: str | None = None
    redis_db: int | None = None

    @property
    def redis(self) -> dict[str, Any]:
        names = ("redis_url", "redis_host", "redis_port", "redis_password", "redis_db")
        return {name: getattr(self, name) for name in names}


class Config(Discreet, frozen=True, kw_only=True):
    """`environment` is the file's `environment_variables`: it goes over the process's own. `credentials` are
    the values of `credential_list` by name, `credential_infos` their descriptions, `providers` the rows of
    `custom_providers`. `files` are all files that were read, the first one first.
    """

    models: tuple[ModelEntry, ...] = ()
    litellm: LitellmSettings = msgspec.field(default_factory=LitellmSettings)
    general: GeneralSettings = msgspec.field(default_factory=GeneralSettings)
    router: RouterSettings = msgspec.field(default_factory=RouterSettings)
    environment: dict[str, str] = {}
    credentials: dict[str, dict[str, Any]] = {}
    credential_infos: dict[str, dict[str, Any]] = {}
    providers: Mapping[str, Provider] = NO_OWN
    warnings: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()
