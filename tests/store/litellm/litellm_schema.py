"""LiteLLM's tables, as its migrations make them in PostgreSQL: names, columns and types of 1.106.2. And a small
company that uses them.

Only what differs for a reader is kept: what may be null, and defaults, so that a test's row is short.
"""

import base64
import hashlib
import json
import os
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

from headgate.store.database import connect
from headgate.store.litellm import secretbox

TABLES: Final = """
LiteLLM_BudgetTable
    budget_id:String max_budget:Float? soft_budget:Float? max_parallel_requests:Int? tpm_limit:BigInt?
    rpm_limit:BigInt? tpd_limit:BigInt? model_max_budget:Json? budget_duration:String?
    budget_reset_at:DateTime? allowed_models:String[] temp_budget_increase:Float?
    temp_budget_expiry:DateTime? created_at:DateTime created_by:String updated_at:DateTime
    updated_by:String
LiteLLM_ProxyModelTable
    model_id:String model_name:String litellm_params:Json model_info:Json? blocked:Boolean
    created_at:DateTime created_by:String updated_at:DateTime updated_by:String
LiteLLM_CredentialsTable
    credential_id:String credential_name:String display_name:String? credential_values:Json
    credential_info:Json? created_at:DateTime created_by:String updated_at:DateTime updated_by:String
LiteLLM_AgentsTable
    agent_id:String agent_name:String litellm_params:Json? agent_card_params:Json static_headers:Json?
    extra_headers:String[] kill_switch:Json? agent_access_groups:String[] access_group_ids:String[]
    object_permission_id:String? spend:Float identity_managed:Boolean enabled:Boolean
    execution_mode:String tpm_limit:Int? rpm_limit:Int? session_tpm_limit:Int? session_rpm_limit:Int?
    created_at:DateTime created_by:String updated_at:DateTime updated_by:String
LiteLLM_OrganizationTable
    organization_id:String organization_alias:String budget_id:String metadata:Json models:String[]
    spend:Float model_spend:Json object_permission_id:String? created_at:DateTime created_by:String
    updated_at:DateTime updated_by:String
LiteLLM_ModelTable
    id:Int aliases:Json? created_at:DateTime created_by:String updated_at:DateTime updated_by:String
LiteLLM_TeamTable
    team_id:String team_alias:String? organization_id:String? object_permission_id:String? admins:String[]
    members:String[] members_with_roles:Json metadata:Json max_budget:Float? soft_budget:Float?
    spend:Float models:String[] max_parallel_requests:Int? tpm_limit:BigInt? rpm_limit:BigInt?
    tpd_limit:BigInt? budget_duration:String? budget_reset_at:DateTime? blocked:Boolean
    created_at:DateTime updated_at:DateTime model_spend:Json model_max_budget:Json router_settings:Json?
    team_member_permissions:String[] access_group_ids:String[] policies:String[]
    default_team_member_models:String[] budget_limits:Json? model_id:Int?
    allow_team_guardrail_config:Boolean
LiteLLM_ProjectTable
    project_id:String project_alias:String? description:String? team_id:String? budget_id:String?
    metadata:Json models:String[] spend:Float model_spend:Json model_rpm_limit:Json model_tpm_limit:Json
    blocked:Boolean object_permission_id:String? created_at:DateTime created_by:String updated_at:DateTime
    updated_by:String
LiteLLM_DeletedTeamTable
    id:String team_id:String team_alias:String? organization_id:String? object_permission_id:String?
    admins:String[] members:String[] members_with_roles:Json metadata:Json max_budget:Float?
    soft_budget:Float? spend:Float models:String[] max_parallel_requests:Int? tpm_limit:BigInt?
    rpm_limit:BigInt? tpd_limit:BigInt? budget_duration:String? budget_reset_at:DateTime? blocked:Boolean
    model_spend:Json model_max_budget:Json router_settings:Json? team_member_permissions:String[]
    access_group_ids:String[] policies:String[] model_id:Int? allow_team_guardrail_config:Boolean
    created_at:DateTime? updated_at:DateTime? deleted_at:DateTime deleted_by:String?
    deleted_by_api_key:String? litellm_changed_by:String?
LiteLLM_UserTable
    user_id:String user_alias:String? team_id:String? sso_user_id:String? organization_id:String?
    object_permission_id:String? password:String? password_reset_required:Boolean?
    last_breach_check_at:DateTime? teams:String[] user_role:String? max_budget:Float? spend:Float
    user_email:String? models:String[] metadata:Json max_parallel_requests:Int? tpm_limit:BigInt?
    rpm_limit:BigInt? budget_duration:String? budget_reset_at:DateTime? allowed_cache_controls:String[]
    policies:String[] model_spend:Json model_max_budget:Json created_at:DateTime? updated_at:DateTime?
LiteLLM_ObjectPermissionTable
    object_permission_id:String mcp_servers:String[] mcp_access_groups:String[] mcp_tool_permissions:Json?
    vector_stores:String[] agents:String[] agent_access_groups:String[] models:String[]
    blocked_tools:String[] mcp_toolsets:String[] search_tools:String[] mcp_tool_search_enabled:Boolean?
    skills:String[]
LiteLLM_MCPServerTable
    server_id:String server_name:String? alias:String? description:String? instructions:String?
    url:String? spec_path:String? transport:String auth_type:String? credentials:Json?
    created_at:DateTime? created_by:String? updated_at:DateTime? updated_by:String? mcp_info:Json?
    mcp_access_groups:String[] allowed_tools:String[] tool_name_to_display_name:Json?
    tool_name_to_description:Json? pinned_tools:Json? extra_headers:String[] static_headers:Json?
    env_vars:Json? status:String? last_health_check:DateTime? health_check_error:String? command:String?
    args:String[] env:Json? issuer:String? authorization_url:String? token_url:String?
    registration_url:String? oauth2_flow:String? token_exchange_endpoint:String? audience:String?
    subject_token_type:String? token_exchange_profile:String? allow_all_keys:Boolean
    available_on_public_internet:Boolean delegate_auth_to_upstream:Boolean oauth_passthrough:Boolean
    dcr_bridge:Boolean? per_server_oauth_discovery:Boolean is_byok:Boolean byok_description:String[]
    byok_api_key_help_url:String? source_url:String? timeout:Float? max_concurrent_requests:Int? rpm:Int?
    approval_status:String? submitted_by:String? submitted_at:DateTime? reviewed_at:DateTime?
    review_notes:String?
LiteLLM_VerificationToken
    token:String key_name:String? key_alias:String? soft_budget_cooldown:Boolean spend:Float
    total_spend:Float expires:DateTime? models:String[] aliases:Json config:Json router_settings:Json?
    user_id:String? team_id:String? agent_id:String? project_id:String? permissions:Json
    max_parallel_requests:Int? metadata:Json blocked:Boolean? tpm_limit:BigInt? rpm_limit:BigInt?
    tpd_limit:BigInt? max_budget:Float? budget_duration:String? budget_reset_at:DateTime?
    allowed_cache_controls:String[] allowed_routes:String[] key_type:String? policies:String[]
    access_group_ids:String[] model_spend:Json model_max_budget:Json budget_fallbacks:Json
    budget_id:String? organization_id:String? object_permission_id:String? created_at:DateTime?
    created_by:String? updated_at:DateTime? updated_by:String? settings_updated_at:DateTime?
    last_active:DateTime? rotation_count:Int? auto_rotate:Boolean? rotation_interval:String?
    last_rotation_at:DateTime? key_rotation_at:DateTime? budget_limits:Json?
LiteLLM_DeprecatedVerificationToken
    id:String token:String active_token_id:String revoke_at:DateTime created_at:DateTime
LiteLLM_DeletedVerificationToken
    id:String token:String key_name:String? key_alias:String? soft_budget_cooldown:Boolean spend:Float
    total_spend:Float expires:DateTime? models:String[] aliases:Json config:Json user_id:String?
    team_id:String? agent_id:String? project_id:String? permissions:Json max_parallel_requests:Int?
    metadata:Json blocked:Boolean? tpm_limit:BigInt? rpm_limit:BigInt? tpd_limit:BigInt? max_budget:Float?
    budget_duration:String? budget_reset_at:DateTime? allowed_cache_controls:String[]
    allowed_routes:String[] key_type:String? policies:String[] access_group_ids:String[] model_spend:Json
    model_max_budget:Json budget_fallbacks:Json router_settings:Json? budget_id:String?
    organization_id:String? object_permission_id:String? created_at:DateTime? created_by:String?
    updated_at:DateTime? updated_by:String? settings_updated_at:DateTime? last_active:DateTime?
    rotation_count:Int? auto_rotate:Boolean? rotation_interval:String? last_rotation_at:DateTime?
    key_rotation_at:DateTime? deleted_at:DateTime deleted_by:String? deleted_by_api_key:String?
    litellm_changed_by:String?
LiteLLM_EndUserTable
    user_id:String alias:String? spend:Float allowed_model_region:String? default_model:String?
    models:String[] budget_id:String? object_permission_id:String? blocked:Boolean
LiteLLM_ModelAccessGroupBudgetTable
    access_group_name:String spend:Float budget_id:String? created_at:DateTime created_by:String?
    updated_at:DateTime updated_by:String?
LiteLLM_TagTable
    tag_name:String description:String? models:String[] model_info:Json? spend:Float budget_id:String?
    created_at:DateTime created_by:String? updated_at:DateTime
LiteLLM_Config
    param_name:String param_value:Json? last_run_at:DateTime? reload_revision:BigInt
LiteLLM_SpendLogs
    request_id:String call_type:String api_key:String spend:Float total_tokens:Int prompt_tokens:Int
    completion_tokens:Int startTime:DateTime endTime:DateTime request_duration_ms:Int?
    completionStartTime:DateTime? model:String model_id:String? model_group:String?
    custom_llm_provider:String? api_base:String? user:String? metadata:Json? cache_hit:String?
    cache_key:String? request_tags:Json? team_id:String? organization_id:String? end_user:String?
    requester_ip_address:String? messages:Json? response:Json? session_id:String? status:String?
    mcp_namespaced_tool_name:String? billing_agent_id:String? agent_id:String? proxy_server_request:Json?
    litellm_call_id:String? created_at:DateTime updated_at:DateTime
LiteLLM_TeamMembership
    user_id:String team_id:String spend:Float total_spend:Float budget_id:String?
LiteLLM_OrganizationMembership
    user_id:String organization_id:String user_role:String? spend:Float? budget_id:String?
    created_at:DateTime? updated_at:DateTime?
LiteLLM_AuditLog
    id:String updated_at:DateTime changed_by:String changed_by_api_key:String action:String
    table_name:String object_id:String before_value:Json? updated_values:Json?
LiteLLM_DailyUserSpend
    id:String user_id:String? date:String api_key:String model:String? model_group:String?
    custom_llm_provider:String? mcp_namespaced_tool_name:String? endpoint:String? prompt_tokens:BigInt
    completion_tokens:BigInt cache_read_input_tokens:BigInt cache_creation_input_tokens:BigInt
    compression_saved_tokens:BigInt compression_savings_spend:Float prompt_caching_savings_spend:Float
    gateway_injected_caching_savings_spend:Float autorouter_savings_spend:Float spend:Float
    api_requests:BigInt successful_requests:BigInt failed_requests:BigInt total_response_time_ms:BigInt
    timed_requests:BigInt created_at:DateTime updated_at:DateTime
LiteLLM_DailyTeamSpend
    id:String team_id:String? date:String api_key:String model:String? model_group:String?
    custom_llm_provider:String? mcp_namespaced_tool_name:String? endpoint:String? prompt_tokens:BigInt
    completion_tokens:BigInt cache_read_input_tokens:BigInt cache_creation_input_tokens:BigInt
    compression_saved_tokens:BigInt compression_savings_spend:Float prompt_caching_savings_spend:Float
    gateway_injected_caching_savings_spend:Float autorouter_savings_spend:Float spend:Float
    api_requests:BigInt successful_requests:BigInt failed_requests:BigInt total_response_time_ms:BigInt
    timed_requests:BigInt ptu_flat_cost:Float created_at:DateTime updated_at:DateTime
LiteLLM_DailyOrganizationSpend
    id:String organization_id:String? date:String api_key:String model:String? model_group:String?
    custom_llm_provider:String? mcp_namespaced_tool_name:String? endpoint:String? prompt_tokens:BigInt
    completion_tokens:BigInt cache_read_input_tokens:BigInt cache_creation_input_tokens:BigInt
    compression_saved_tokens:BigInt compression_savings_spend:Float prompt_caching_savings_spend:Float
    gateway_injected_caching_savings_spend:Float autorouter_savings_spend:Float spend:Float
    api_requests:BigInt successful_requests:BigInt failed_requests:BigInt total_response_time_ms:BigInt
    timed_requests:BigInt created_at:DateTime updated_at:DateTime
LiteLLM_DailyEndUserSpend
    id:String end_user_id:String? date:String api_key:String model:String? model_group:String?
    custom_llm_provider:String? mcp_namespaced_tool_name:String? endpoint:String? prompt_tokens:BigInt
    completion_tokens:BigInt cache_read_input_tokens:BigInt cache_creation_input_tokens:BigInt
    compression_saved_tokens:BigInt compression_savings_spend:Float prompt_caching_savings_spend:Float
    gateway_injected_caching_savings_spend:Float autorouter_savings_spend:Float spend:Float
    api_requests:BigInt successful_requests:BigInt failed_requests:BigInt total_response_time_ms:BigInt
    timed_requests:BigInt created_at:DateTime updated_at:DateTime
LiteLLM_DailyTagSpend
    id:String request_id:String? tag:String? date:String api_key:String model:String? model_group:String?
    custom_llm_provider:String? mcp_namespaced_tool_name:String? endpoint:String? prompt_tokens:BigInt
    completion_tokens:BigInt cache_read_input_tokens:BigInt cache_creation_input_tokens:BigInt
    compression_saved_tokens:BigInt compression_savings_spend:Float prompt_caching_savings_spend:Float
    gateway_injected_caching_savings_spend:Float autorouter_savings_spend:Float spend:Float
    api_requests:BigInt successful_requests:BigInt failed_requests:BigInt total_response_time_ms:BigInt
    timed_requests:BigInt created_at:DateTime updated_at:DateTime
LiteLLM_AccessGroupTable
    access_group_id:String access_group_name:String description:String? access_model_names:String[]
    access_mcp_server_ids:String[] access_agent_ids:String[] assigned_team_ids:String[]
    assigned_key_ids:String[] created_at:DateTime created_by:String? updated_at:DateTime
    updated_by:String?
LiteLLM_GuardrailsTable
    guardrail_id:String guardrail_name:String litellm_params:Json guardrail_info:Json? team_id:String?
    created_at:DateTime updated_at:DateTime status:String submitted_at:DateTime? reviewed_at:DateTime?
LiteLLM_PolicyTable
    policy_id:String policy_name:String version_number:Int version_status:String parent_version_id:String?
    is_latest:Boolean published_at:DateTime? production_at:DateTime? inherit:String? description:String?
    guardrails_add:String[] guardrails_remove:String[] condition:Json? pipeline:Json? created_at:DateTime
    created_by:String? updated_at:DateTime updated_by:String?
LiteLLM_PromptTable
    id:String prompt_id:String version:Int environment:String created_by:String? litellm_params:Json
    prompt_info:Json? created_at:DateTime updated_at:DateTime
"""
"""Prisma's types. The first column is the primary key, but for `KEYS`."""

KEYS: Final = {
    "LiteLLM_TeamMembership": '"user_id", "team_id"',
    "LiteLLM_OrganizationMembership": '"user_id", "organization_id"',
}
TYPES: Final = {
    "String": ("text", "''"),
    "Int": ("integer", "0"),
    "BigInt": ("bigint", "0"),
    "Float": ("double precision", "0"),
    "Boolean": ("boolean", "false"),
    "DateTime": ("timestamp(3)", "now()"),
    "Json": ("jsonb", "'{}'"),
    "String[]": ("text[]", "'{}'"),
}


def tables() -> dict[str, dict[str, str]]:
    """Prisma's type by table and column."""
    found: dict[str, dict[str, str]] = {}
    for line in TABLES.strip().splitlines():
        if not line.startswith(" "):
            columns = found[line] = {}
        else:
            columns |= dict(part.split(":") for part in line.split())
    return found


def statements() -> list[str]:
    return [_create(name, columns) for name, columns in tables().items()]


def _create(name: str, columns: dict[str, str]) -> str:
    lines = []
    for column, given in columns.items():
        kind, default = TYPES[given.removesuffix("?")]
        lines.append(f'"{column}" {kind}' + ("" if given.endswith("?") else f" NOT NULL DEFAULT {default}"))
    key = KEYS.get(name) or f'"{next(iter(columns))}"'
    return f'CREATE TABLE "{name}" ({", ".join(lines)}, PRIMARY KEY ({key}))'


def create(connection: Connection) -> None:
    for statement in statements():
        connection.execute(text(statement))


def insert(connection: Connection, name: str, **values: Any) -> None:
    """A row; objects and lists of JSON columns as JSON texts, times as texts of UTC."""
    columns = tables()["LiteLLM_" + name]
    types = [TYPES[columns[column].removesuffix("?")][0] for column in values]
    named = ", ".join(f'"{column}"' for column in values)
    places = ", ".join(f"CAST(:{column} AS {kind})" for column, kind in zip(values, types, strict=True))
    statement = f'INSERT INTO "LiteLLM_{name}" ({named}) VALUES ({places})'
    connection.execute(text(statement), values)


class LiteLLM:
    """A database of LiteLLM's. What is added is written together, when somebody asks where it is."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._database = connect(url)
        self._added: list[tuple[str, dict[str, Any]]] = []
        self._used: set[str] = set()

    @property
    def url(self) -> str:
        self._database.write(self._write)
        return self._url

    def add(self, table: str, **row: Any) -> None:
        plain = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in row.items()}
        self._added.append((table, plain))

    def run(self, statement: str) -> None:
        self._used.update(name for name in tables() if name in statement)
        self._database.write(
            lambda connection: (self._write(connection), connection.exec_driver_sql(statement))
        )

    def _write(self, connection: Connection) -> None:
        for table, row in self._added:
            insert(connection, table, **row)
            self._used.add("LiteLLM_" + table)
        self._added.clear()

    def empty(self) -> None:
        if self._used:
            self.run("; ".join(f'DELETE FROM "{name}"' for name in sorted(self._used)))
            self._used.clear()

    def close(self) -> None:
        self._database.close()


SALT = "sk-the-salt-0815"
MASTER_KEY = "sk-a-long-master-key"
ALICE, EXPIRED, BLOCKED, SESSION, BAD, OLD = (
    hashlib.sha256(f"sk-{name}".encode()).hexdigest()
    for name in ("alice", "expired", "blocked", "session", "bad", "old")
)


def seal(text: str, salt: str = SALT) -> str:
    """As LiteLLM encrypts by default: base64 of nonce, tag and ciphertext."""
    key, nonce, plain = hashlib.sha256(salt.encode()).digest(), os.urandom(24), text.encode()
    stream = secretbox.xsalsa20(key, nonce, 32 + len(plain))
    cipher = bytes(a ^ b for a, b in zip(plain, stream[32:], strict=True))
    return base64.urlsafe_b64encode(nonce + secretbox.poly1305(stream[:32], cipher) + cipher).decode()


def fill(there: LiteLLM) -> None:
    """A small company."""
    there.add("BudgetTable", budget_id="b-member", max_budget=12.5, rpm_limit=7, budget_duration="30d")
    there.add("BudgetTable", budget_id="b-each", max_budget=4.25, budget_duration="7d", tpm_limit=900)
    there.add("BudgetTable", budget_id="b-org", max_budget=1000.0, soft_budget=800.0, tpd_limit=5)
    there.add("BudgetTable", budget_id="b-customer", max_budget=3.0, rpm_limit=2)
    there.add(
        "OrganizationTable",
        organization_id="org-1",
        organization_alias="Example",
        budget_id="b-org",
        models=["gpt-4o", "claude"],
        metadata={"model_tpm_limit": {"gpt-4o": 5000}, "place": "Bern"},
        spend=77.7,
    )
    there.add(
        "UserTable", user_id="alice", user_email="alice@example.com", user_role="proxy_admin", spend=0.3
    )
    there.add(
        "UserTable",
        user_id="bob",
        user_email="bob@example.com",
        user_role="internal_user",
        max_budget=20.0,
        budget_duration="1mo",
        budget_reset_at="2026-04-01 00:00:00",
        spend=3.3,
        models=["gpt-4o"],
        password="scrypt:secret",
    )
    there.add("UserTable", user_id="carol", user_email="carol@example.com", user_role="team")
    there.add("UserTable", user_id="litellm-proxy-budget", max_budget=500.0, spend=99.0)
    there.add("ModelTable", id=1, aliases={"fast": "gpt-4o-mini"})
    there.add(
        "TeamTable",
        team_id="team-1",
        team_alias="Research",
        organization_id="org-1",
        model_id=1,
        max_budget=100.0,
        budget_duration="30d",
        budget_reset_at="2026-04-01 00:00:00",
        spend=41.7,
        models=["gpt-4o", "claude"],
        tpm_limit=10_000_000_000,
        members_with_roles=json.dumps(
            [
                {"role": "admin", "user_id": "alice", "user_email": None},
                {"role": "user", "user_id": "bob", "user_email": None},
                {"role": "user", "user_id": None, "user_email": "carol@example.com"},
                {"role": "user", "user_id": None, "user_email": "nobody@example.com"},
            ]
        ),
        metadata={
            "tags": ["research"],
            "guardrails": ["pii"],
            "model_rpm_limit": {"gpt-4o": 60},
            "team_member_budget_id": "b-each",
            "logging": [{"callback_name": "langfuse", "callback_vars": {"langfuse_secret_key": "sk-lf-1"}}],
            "cost_centre": "R-1",
        },
        policies=["strict"],
        created_at="2025-11-05 10:00:00",
        updated_at="2026-03-01 10:00:00",
    )
    there.add(
        "TeamMembership", team_id="team-1", user_id="bob", budget_id="b-member", spend=1.1, total_spend=5.5
    )
    there.add("OrganizationMembership", organization_id="org-1", user_id="alice", user_role="org_admin")
    there.add(
        "OrganizationMembership", organization_id="org-1", user_id="bob", user_role="team", budget_id="b"
    )
    there.add(
        "AccessGroupTable",
        access_group_id="ag-1",
        access_group_name="big models",
        access_model_names=["gpt-4o", "claude"],
        access_agent_ids=["agent"],
    )
    there.add(
        "VerificationToken",
        token=ALICE,
        key_name="sk-...lice",
        key_alias="alice's",
        user_id="alice",
        team_id="team-1",
        spend=0.1,
        total_spend=2.7,
        max_budget=50.0,
        budget_duration="30d",
        budget_reset_at="2026-04-01 00:00:00",
        rpm_limit=100,
        tpm_limit=200_000,
        max_parallel_requests=8,
        models=["all-team-models"],
        aliases={"best": "claude"},
        model_max_budget={"gpt-4o": {"budget_limit": 0.1, "time_period": "1d"}},
        metadata={
            "tags": ["batch"],
            "model_tpm_limit": {"claude": 3000},
            "owner": "alice",
            "enforced_params": ["user"],
        },
        access_group_ids=["ag-1"],
        allowed_routes=["llm_api_routes"],
        key_type="llm_api",
        object_permission_id="op-1",
        created_at="2025-12-01 00:00:00",
        created_by="admin",
        updated_at="2026-03-17 00:00:00",
        settings_updated_at="2026-02-01 00:00:00",
    )
    there.add("VerificationToken", token=EXPIRED, key_name="sk-...ired", expires="2026-01-01 00:00:00")
    there.add("VerificationToken", token=BLOCKED, key_name="sk-...cked", blocked=True, metadata={})
    there.add("VerificationToken", token=SESSION, team_id="litellm-dashboard", max_budget=0.25)
    there.add(
        "DeprecatedVerificationToken",
        id="d1",
        token=OLD,
        active_token_id=ALICE,
        revoke_at="2026-03-20 00:00:00",
    )
    there.add(
        "DeprecatedVerificationToken", id="d2", token="gone", active_token_id="nobody", revoke_at="2026-03-20"
    )
    there.add("EndUserTable", user_id="customer-1", alias="First", budget_id="b-customer", spend=0.7)
    there.add("EndUserTable", user_id="customer-2", blocked=True)
    there.add(
        "TagTable",
        tag_name="research",
        description="R",
        models=["model-1"],
        budget_id="b-customer",
        spend=0.4,
    )
    params = {"model": seal("openai/gpt-4o"), "api_key": seal("sk-openai-1"), "rpm": 60, "tags": ["eu"]}
    there.add(
        "ProxyModelTable",
        model_id="model-1",
        model_name="gpt-4o",
        litellm_params=params,
        model_info={"id": "x"},
    )
    there.add("Config", param_name="litellm_settings", param_value={"drop_params": True})


def log(there: LiteLLM, request_id: str, spend: float, day: str = "2026-03-17", **more: Any) -> None:
    row: dict[str, Any] = {
        "call_type": "acompletion",
        "api_key": ALICE,
        "spend": spend,
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "startTime": f"{day} 10:00:00.250",
        "endTime": f"{day} 10:00:02",
        "completionStartTime": f"{day} 10:00:01",
        "model": "gpt-4o-2024-08-06",
        "model_group": "gpt-4o",
        "model_id": "model-1",
        "custom_llm_provider": "openai",
        "user": "alice",
        "team_id": "team-1",
        "organization_id": "",
        "end_user": "customer-1",
        "request_tags": json.dumps(["research", "nightly"]),
        "status": "success",
    }
    there.add("SpendLogs", request_id=request_id, **row | more)


def daily(there: LiteLLM, date: str, spend: float, requests: int = 1) -> None:
    row = {"date": date, "api_key": ALICE, "model": "gpt-4o-2024-08-06", "model_group": "gpt-4o"}
    row |= {"custom_llm_provider": "openai", "spend": spend, "api_requests": requests, "prompt_tokens": 10}
    there.add("DailyUserSpend", id=f"u-{date}", user_id="alice", **row)
    there.add("DailyTagSpend", id=f"t-{date}", tag="research", **row)
    there.add("DailyEndUserSpend", id=f"c-{date}", end_user_id="customer-1", **row)
    there.add("DailyTeamSpend", id=f"g-{date}", team_id="team-1", **row)
