"""Which column of LiteLLM's becomes which of ours: one table for all kinds of rows that have an id."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from msgspec import Struct

from headgate.store.litellm.secretbox import opened
from headgate.store.litellm.source import KEYS, Row, Source
from headgate.store.litellm.values import json, mapping, masked

Columns = Mapping[str, tuple[str, str]]
"""Ours → theirs, and the reader's name in `values.READERS`."""
Enrich = Callable[[Source, list[Row], str], None]
"""Adds to rows what stands elsewhere; the text is the salt key."""

BUDGETS: Final = "LiteLLM_BudgetTable"
TEAMS: Final = "LiteLLM_TeamTable"
ORGANIZATIONS: Final = "LiteLLM_OrganizationTable"
DASHBOARD: Final = "litellm-dashboard"
"""The team of the keys that LiteLLM's dashboard makes for each who logs in."""
WHOLE: Final = "litellm-proxy-budget"
"""The user that stands for LiteLLM itself."""


def columns(text: str) -> dict[str, tuple[str, str]]:
    """`ours=theirs:reader …`, or `name:reader` where both have one name."""
    found = {}
    for part in text.split():
        names, _, reader = part.partition(":")
        ours, _, theirs = names.partition("=")
        found[ours] = (theirs or ours, reader)
    return found


LIMITS: Final = columns(
    """max_budget:money soft_budget:money budget_duration:duration rpm_limit:count tpm_limit:count
    max_parallel_requests:count model_max_budget:budgets"""
)
BY_MODEL: Final = columns("model_rpm_limit:counts model_tpm_limit:counts")
MEMBER: Final = ("max_budget", "budget_duration", "rpm_limit", "tpm_limit")
"""What a budget may say of each member of a team."""
NOT_SUPPORTED: Final[Mapping[str, str]] = {
    "object_permission_id": "object_permission: MCP servers, vector stores, agents and tools are not limited by it",
    "policies": "policies have no effect",
    "budget_limits": "budget_limits: budgets of several windows are not kept",
    "budget_fallbacks": "budget_fallbacks have no effect",
    "router_settings": "router_settings of its own have no effect",
    "config": "config has no effect",
    "agent_id": "agent_id: there are no agents",
    "project_id": "project_id: the budget, limits and models of its project do not bind it",
    "allowed_cache_controls": "allowed_cache_controls have no effect",
    "tpd_limit": "tpd_limit: tokens per day are not limited",
    "auto_rotate": "auto_rotate: it is not replaced by itself",
    "default_team_member_models": "default_team_member_models: members may use all models of the team",
    "allowed_models": "allowed_models: members may use all models of the team",
    "default_model": "default_model: calls of a region go to the model that they ask for, or are refused",
    "temp_budget_increase": "temp_budget_increase has no effect",
    "password": "password: people log in by other ways here",
    "access_mcp_server_ids": "access_mcp_server_ids: there are no MCP servers",
    "access_agent_ids": "access_agent_ids: there are no agents",
    "enforced_params": "enforced_params: calls without them are let in",
    "rpm_limit_type": "rpm_limit_type: the limit always holds",
    "tpm_limit_type": "tpm_limit_type: the limit always holds",
    "mcp_rpm_limit": "mcp_rpm_limit has no effect",
    "tag_rpm_limit": "tag_rpm_limit has no effect",
    "disable_global_guardrails": "disable_global_guardrails has no effect",
    "prompts": "prompts have no effect",
    "allowed_passthrough_routes": "allowed_passthrough_routes have no effect",
    "denied_passthrough_routes": "denied_passthrough_routes have no effect",
    "allowed_vector_store_indexes": "allowed_vector_store_indexes have no effect",
    "logging": "logging of its own has no effect",
    "callback_settings": "callback_settings of its own have no effect",
    "secret_manager_settings": "secret_manager_settings have no effect",
    "team_member_key_duration": "team_member_key_duration has no effect",
    "soft_budget_alerting_emails": "soft_budget_alerting_emails have no effect",
    "throttle_on_budget_exceeded": "throttle_on_budget_exceeded has no effect: calls over the budget are refused",
}
INSIDE: Final = frozenset(
    """policies enforced_params temp_budget_increase rpm_limit_type tpm_limit_type mcp_rpm_limit tag_rpm_limit
    disable_global_guardrails prompts allowed_passthrough_routes denied_passthrough_routes tpd_limit
    allowed_vector_store_indexes logging callback_settings secret_manager_settings team_member_key_duration
    soft_budget_alerting_emails throttle_on_budget_exceeded budget_fallbacks""".split()
)
"""Fields of `NOT_SUPPORTED` that LiteLLM keeps inside `metadata`, where they stay."""
PRIVATE: Final = ("logging", "callback_settings", "secret_manager_settings")
"""Those that may hold other services' keys: they do not stay."""


class Kind(Struct, frozen=True, kw_only=True):
    """`what` is the report's word, `kind` ours of `directory.TABLES`, `id` LiteLLM's primary key.

    `inside` are fields that LiteLLM keeps inside `metadata`; `lost` columns that we have nothing for. Of `shown`
    the first that is there is what a row is called in messages, of `times` the first says when its settings were
    changed. `unique` is a name of ours that nobody else may have. `also` are columns that `enrich` needs, `made`
    those that it makes.
    """

    what: str
    kind: str
    source: str
    id: str
    columns: Columns
    inside: Columns = {}
    lost: tuple[str, ...] = ()
    shown: tuple[str, ...]
    times: tuple[str, ...] = ("updated_at",)
    unique: str = ""
    also: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    enrich: Enrich | None = None

    @property
    def reads(self) -> list[str]:
        """LiteLLM's columns."""
        theirs = [name for name, _ in self.columns.values()]
        named = (self.id, *theirs, "metadata", *self.lost, *self.shown, *self.times, *self.also)
        return list(dict.fromkeys((*named, "created_at", "created_by")))

    def called(self, row: Row) -> str:
        found = next((masked(row[name]) or "" for name in self.shown if row.get(name)), "")
        return found if len(found) < 50 else found[:12] + "…"


def _teams(source: Source, rows: list[Row], salt: str) -> None:
    """Aliases of models, and the budget of each member, stand in other tables."""
    ids = [row["model_id"] for row in rows if row["model_id"] is not None]
    named = "aliases" if source.has("LiteLLM_ModelTable", "aliases") else "model_aliases"
    found = source.all("LiteLLM_ModelTable", ["id", named], {"id": ids}) if ids else []
    aliases = {row["id"]: row[named] for row in found}
    wanted: dict[str, list[Row]] = {}
    for row in rows:
        row["model_aliases"] = aliases.get(row["model_id"])
        metadata = _metadata(row)
        if isinstance(name := metadata.get("team_member_budget_id"), str):
            wanted.setdefault(name, []).append(row)
    for budget in source.all(BUDGETS, ["budget_id", *MEMBER], {"budget_id": list(wanted)}) if wanted else []:
        for row in wanted[budget["budget_id"]]:
            row.update({f"member_{name}": budget[name] for name in MEMBER})


def _metadata(row: Row) -> dict[str, Any]:
    try:
        found = json(row["metadata"])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _opening(column: str) -> Enrich:
    """Puts a column in plain, or why it can't be."""

    def enrich(source: Source, rows: list[Row], salt: str) -> None:
        for row in rows:
            row[column] = _open(row[column], salt)

    return enrich


def _open(given: Any, salt: str) -> dict[str, Any] | Exception:
    """What a JSON object says, its texts in plain, or why not."""
    try:
        found = json(given)
        if not isinstance(found, dict):
            return ValueError("expected an object")
        return {
            name: opened(value, salt) if isinstance(value, str) else value for name, value in found.items()
        }
    except ValueError as error:
        return error


def _models(source: Source, rows: list[Row], salt: str) -> None:
    """A model of one team is called by its public name, which there is but a word for an inner one."""
    _opening("litellm_params")(source, rows, salt)
    for row in rows:
        with suppress(ValueError):  # whoever reads the column says so
            info = mapping(row["model_info"]) or {}
            if info.get("team_id") and info.get("team_public_model_name"):
                row["model_name"] = info["team_public_model_name"]


BUDGET: Final = Kind(
    what="budgets",
    kind="budget",
    source=BUDGETS,
    id="budget_id",
    columns=LIMITS,
    lost=("tpd_limit", "allowed_models", "temp_budget_increase"),
    shown=("budget_id",),
)
ACCESS_GROUP: Final = Kind(
    what="access groups",
    kind="access_group",
    source="LiteLLM_AccessGroupTable",
    id="access_group_id",
    columns=columns("access_group_name:name description:text access_model_names:texts"),
    lost=("access_mcp_server_ids", "access_agent_ids"),
    shown=("access_group_name",),
    unique="access_group_name",
)
ORGANIZATION: Final = Kind(
    what="organisations",
    kind="organization",
    source=ORGANIZATIONS,
    id="organization_id",
    columns=columns("organization_alias:text budget_id:text models:texts"),
    inside=BY_MODEL,
    lost=("object_permission_id",),
    shown=("organization_alias", "organization_id"),
)
USER: Final = Kind(
    what="users",
    kind="user",
    source="LiteLLM_UserTable",
    id="user_id",
    columns={
        **columns("user_alias:text user_email:text user_role:role sso_user_id:text models:texts"),
        **{name: value for name, value in LIMITS.items() if name != "soft_budget"},
    },
    inside=BY_MODEL,
    lost=("object_permission_id", "policies", "allowed_cache_controls", "password"),
    shown=("user_email", "user_id"),
)
TEAM: Final = Kind(
    what="teams",
    kind="team",
    source=TEAMS,
    id="team_id",
    columns={
        **columns(
            """team_alias:text organization_id:text models:texts model_aliases:aliases access_group_ids:texts
            team_member_permissions:texts blocked:flag team_member_budget=member_max_budget:money
            team_member_budget_duration=member_budget_duration:duration
            team_member_rpm_limit=member_rpm_limit:count team_member_tpm_limit=member_tpm_limit:count"""
        ),
        **LIMITS,
    },
    inside={**BY_MODEL, **columns("tags:texts guardrails:texts")},
    lost=(
        "object_permission_id",
        "policies",
        "budget_limits",
        "router_settings",
        "tpd_limit",
        "default_team_member_models",
    ),
    shown=("team_alias", "team_id"),
    also=("model_id",),
    made=("model_aliases", *(f"member_{name}" for name in MEMBER)),
    enrich=_teams,
)
KEY: Final = Kind(
    what="keys",
    kind="key",
    source=KEYS,
    id="token",
    columns={
        **columns(
            """token:name key_name:masked key_alias:text user_id:text team_id:text organization_id:text budget_id:text
            expires:moment models:texts aliases:aliases permissions:mapping allowed_routes:texts
            access_group_ids:texts key_type:key_type blocked:flag"""
        ),
        **{name: value for name, value in LIMITS.items() if name != "soft_budget"},
    },
    inside={**BY_MODEL, **columns("tags:texts guardrails:texts")},
    lost=(
        "object_permission_id",
        "policies",
        "budget_limits",
        "budget_fallbacks",
        "router_settings",
        "config",
        "agent_id",
        "project_id",
        "allowed_cache_controls",
        "tpd_limit",
        "auto_rotate",
    ),
    shown=("key_alias", "key_name", "token"),
    times=("settings_updated_at", "updated_at"),
    unique="key_alias",
)
CUSTOMER: Final = Kind(
    what="customers",
    kind="customer",
    source="LiteLLM_EndUserTable",
    id="user_id",
    columns=columns("alias:text budget_id:text allowed_model_region:text models:texts blocked:flag"),
    lost=("object_permission_id", "default_model"),
    shown=("user_id",),
)
TAG: Final = Kind(
    what="tags",
    kind="tag",
    source="LiteLLM_TagTable",
    id="tag_name",
    columns=columns("description:text budget_id:text"),
    shown=("tag_name",),
    also=("models",),
)
CREDENTIAL: Final = Kind(
    what="credentials",
    kind="credential",
    source="LiteLLM_CredentialsTable",
    id="credential_name",
    columns=columns("display_name:text credential_values:params credential_info:mapping"),
    shown=("credential_name",),
    enrich=_opening("credential_values"),
)
MODEL: Final = Kind(
    what="models",
    kind="model",
    source="LiteLLM_ProxyModelTable",
    id="model_id",
    columns=columns("model_name:name litellm_params:params model_info:mapping blocked:flag"),
    shown=("model_name", "model_id"),
    enrich=_models,
)
SEALED: Final[Mapping[str, str]] = {"credential": "credential_values", "model": "litellm_params"}
"""The column of a kind that is encrypted there, and sealed here."""
KINDS: Final = (BUDGET, ACCESS_GROUP, ORGANIZATION, USER, TEAM, KEY, CUSTOMER, TAG, CREDENTIAL, MODEL)
"""In the order in which they are brought."""
