"""The key table: every key that LiteLLM 1.106 knows, block by block, and what Headgate does with it.

Supported keys are rows: name, kind (of `kinds.KINDS`), default as documented, meaning. The others are only
names: they are reported as having no effect. Supporting one means to move its name up, as a row, and to give
the block's Struct in `schema.py` a field. `docs/configuration.md` is written from this table.
"""

from typing import Final

from msgspec import Struct

from headgate.server.config import known
from headgate.server.config.bucket_keys import BUCKETS
from headgate.server.config.router_keys import ROUTING


class Key(Struct, frozen=True):
    name: str
    kind: str
    default: str
    meaning: str


class Block(Struct, frozen=True):
    """`takes_any`: keys that nobody knows are allowed; they go to the provider, or are shown as they are. `inner` are
    blocks that a key's value, or each row of it, is read by."""

    name: str
    supported: dict[str, Key]
    unsupported: frozenset[str]
    takes_any: bool = False
    inner: dict[str, "Block"] = {}

    @property
    def names(self) -> frozenset[str]:
        return self.unsupported | self.supported.keys()


def _block(
    name: str,
    unsupported: str,
    *rows: tuple[str, str, str, str],
    takes_any: bool = False,
    inner: dict[str, Block] | None = None,
) -> Block:
    supported = {row[0]: Key(*row) for row in rows}
    return Block(name, supported, frozenset(unsupported.split()), takes_any, inner or {})


TOP: Final = _block(
    "",
    known.TOP,
    (
        "model_list",
        "list",
        "—",
        "The deployments. Rows with one `model_name` are one group, shared by `weight`.",
    ),
    ("litellm_settings", "mapping", "—", "How calls are treated."),
    ("general_settings", "mapping", "—", "The server and its master key."),
    ("router_settings", "mapping", "—", "Groups: retries, fallbacks, aliases."),
    (
        "environment_variables",
        "mapping",
        "—",
        "Variables over those of the process. They may refer to others.",
    ),
    (
        "credential_list",
        "list",
        "—",
        "Named credentials: `credential_name`, `credential_values`, `credential_info`.",
    ),
    ("custom_providers", "list", "—", "Providers that Headgate has no row for, used as `id/model`."),
    (
        "include",
        "list",
        "—",
        "Other files, relative to this one. Lists are extended, settings merged by key.",
    ),
)

MODEL: Final = _block(
    "model_list",
    "",
    (
        "model_name",
        "name",
        "required",
        'Public name of the group. One `*` matches any text: `"anthropic/*"`.',
    ),
    ("litellm_params", "mapping", "required", "Where calls go, and with what."),
    ("model_info", "mapping", "—", "What is known of the model."),
)

CREDENTIAL: Final = _block(
    "credential_list",
    "",
    ("credential_name", "name", "required", "The name that `litellm_credential_name` gives."),
    ("credential_values", "mapping", "required", "`api_key`, `api_base` and any other of `litellm_params`."),
    ("credential_info", "mapping", "—", "A description, which `/credentials` shows."),
)

PARAMS: Final = _block(
    "litellm_params",
    known.PARAMS,
    ("model", "name", "required", "`provider/model`. A `*` stands for what the one in `model_name` matched."),
    ("custom_llm_provider", "name", "from `model`", "The provider, where `model` does not name it."),
    ("api_key", "secret", "the provider's variable", "The key."),
    ("api_base", "url", "the provider's", "Base URL."),
    ("base_url", "url", "—", "Another name for `api_base`."),
    ("use_in_pass_through", "flag", "false", "`/{provider}/…` goes there, with this row's credential."),
    ("api_version", "text", "the provider's", "Azure's api-version."),
    ("organization", "text", "—", "OpenAI's organization header."),
    ("project", "text", "—", "OpenAI's project header."),
    ("azure_ad_token", "secret", "`AZURE_AD_TOKEN`", "Azure's Entra ID token, in place of a key."),
    (
        "litellm_credential_name",
        "name",
        "—",
        "A row of `credential_list`, or of `/credentials`; keys given here go over its values.",
    ),
    ("extra_headers", "headers", "—", "Headers sent to the provider."),
    ("headers", "headers", "—", "Another name for `extra_headers`, which goes over it."),
    ("extra_body", "mapping", "—", "Top-level keys put over every body."),
    ("timeout", "seconds", "600", "For an answer's first byte, and between pieces."),
    ("stream_timeout", "seconds", "`timeout`", "The same, for streams."),
    ("ttft_timeout", "seconds", "—", "Until a stream's first content, whatever else it sends before."),
    ("stream_idle_timeout", "seconds", "`stream_timeout`", "Between the pieces of a stream."),
    ("max_retries", "count", "the group's", "Tries after the first one."),
    ("num_retries", "count", "`max_retries`", "The same; goes over `max_retries`."),
    ("weight", "amount", "—", "Share of the group's calls."),
    (
        "rpm",
        "amount",
        "—",
        "Requests per minute: the share where no row of the group has a weight; a limit with "
        "`enable_pre_call_checks`.",
    ),
    ("tpm", "amount", "—", "Tokens per minute: the share where there is neither; a limit likewise."),
    ("order", "whole", "0", "Rows with the lowest number are asked first."),
    ("tags", "texts", "—", "What tag routing looks for; `default` is for calls without tags."),
    ("max_parallel_requests", "count", "—", "Calls at a time; more of them wait."),
    ("max_budget", "price", "—", "Dollars that the row may spend; then it is not asked."),
    ("budget_duration", "duration", "—", "After which `max_budget` begins anew."),
    ("silent_model", "text_or_texts", "—", "Groups that get a copy of each call; nobody waits for them."),
    (
        "tenant_id",
        "name",
        "`AZURE_TENANT_ID`",
        "Azure's Entra ID: the tenant of an application that signs in.",
    ),
    ("client_id", "name", "`AZURE_CLIENT_ID`", "The application, or a managed identity."),
    ("client_secret", "secret", "`AZURE_CLIENT_SECRET`", "The application's secret."),
    ("azure_scope", "text", "cognitiveservices", "What the token is for."),
    (
        "azure_username",
        "text",
        "`AZURE_USERNAME`",
        "A user who signs in, in place of an application's secret.",
    ),
    ("azure_password", "secret", "`AZURE_PASSWORD`", "That user's password."),
    ("vertex_project", "name", "`VERTEXAI_PROJECT`, the credential's", "The project on Google Cloud."),
    ("vertex_location", "name", "`VERTEXAI_LOCATION`, us-central1", "The location there."),
    (
        "vertex_credentials",
        "credentials",
        "`VERTEXAI_CREDENTIALS`, `GOOGLE_APPLICATION_CREDENTIALS`",
        "A service account or another credential: a path, JSON text or a mapping.",
    ),
    ("aws_access_key_id", "secret", "`AWS_ACCESS_KEY_ID`", "AWS: a key."),
    ("aws_secret_access_key", "secret", "`AWS_SECRET_ACCESS_KEY`", "Its secret."),
    ("aws_session_token", "secret", "`AWS_SESSION_TOKEN`", "A session's token."),
    ("aws_region_name", "name", "`AWS_REGION_NAME`, `AWS_REGION`", "The region."),
    ("aws_profile_name", "name", "`AWS_PROFILE`", "A profile of the shared files."),
    ("aws_role_name", "name", "`AWS_ROLE_ARN`", "The ARN of a role to assume."),
    ("aws_session_name", "name", "headgate", "The name of its session."),
    ("aws_external_id", "text", "—", "The external id that the role asks for."),
    (
        "aws_web_identity_token",
        "secret",
        "`AWS_WEB_IDENTITY_TOKEN_FILE`",
        "A token or its file, to assume the role by.",
    ),
    ("aws_sts_endpoint", "url", "the region's", "Where roles are assumed."),
    ("aws_bedrock_runtime_endpoint", "url", "the region's", "Where Bedrock's runtime is."),
    *BUCKETS,
    ("watsonx_region_name", "name", "`WATSONX_REGION`, us-south", "IBM's region."),
    ("region_name", "name", "—", "Where the model runs, for calls that may not leave a region."),
    ("cooldown_time", "pause", "`router_settings`", "Seconds that the row rests after failures."),
    ("drop_params", "flag", "`litellm_settings`", "Leave out parameters that the provider does not know."),
    ("modify_params", "flag", "`litellm_settings`", "Repair messages that the provider would refuse."),
    ("additional_drop_params", "texts", "—", "Parameters that are always left out."),
    (
        "allowed_openai_params",
        "texts",
        "—",
        "Parameters that are sent though the provider is not known to take them.",
    ),
    (
        "ssl_verify",
        "flag_or_path",
        "`litellm_settings`",
        "Check the provider's certificate, or the file of a CA.",
    ),
    ("ssl_certificate", "name", "—", "Client certificate, path of a PEM file."),
    (
        "client_key",
        "name",
        "in `ssl_certificate`",
        "The client certificate's private key, path of a PEM file.",
    ),
    ("base_model", "name", "`model`", "The model's name in the price table."),
    ("mock_response", "any", "—", "Answer with this instead of calling the provider."),
    ("mock_tool_calls", "list", "—", "Tool calls of the mock answer."),
    ("mock_timeout", "flag", "false", "The mock answer times out."),
    takes_any=True,
)

INFO: Final = _block(
    "model_info",
    known.INFO,
    ("id", "name", "from the row", "The deployment's id, in headers, metrics and logs."),
    ("access_groups", "texts", "—", "Names by which keys and teams may be given this model."),
    ("base_model", "name", "`model`", "The model's name in the price table."),
    ("mode", "mode", "chat", "What the model does."),
    ("blocked", "flag", "false", "Send no calls there."),
    ("team_id", "name", "—", "Only calls of this team may go there."),
    ("disable_background_health_check", "flag", "false", "Leave the row out of the rounds."),
    ("health_check_timeout", "seconds", "30", "For its answer to a check."),
    ("cooldown_time", "pause", "`router_settings`", "Seconds that the row rests after failures."),
    ("max_tokens", "count", "the catalog's", "The most that it writes."),
    ("max_input_tokens", "count", "the catalog's", "The most that it reads."),
    ("max_output_tokens", "count", "the catalog's", "The most that it writes."),
    takes_any=True,
)

_TABLES = (
    ("fallbacks", "fallbacks", "—", "Where a group's calls go when it fails."),
    ("default_fallbacks", "texts", "—", "Where the calls of a group without fallbacks go."),
    ("context_window_fallbacks", "fallbacks", "—", "The same, when the prompt is too long."),
    ("content_policy_fallbacks", "fallbacks", "—", "The same, when the provider refused the content."),
)

LITELLM: Final = _block(
    "litellm_settings",
    known.LITELLM,
    ("max_budget", "price", "—", "What the whole gateway may spend."),
    ("budget_duration", "duration", "—", "After which `max_budget` begins anew."),
    ("budget_exceeded_status_code", "refusal", "422", "The status of a call that a budget refuses."),
    ("default_key_generate_params", "key_values", "—", "What a new key gets where nobody says otherwise."),
    (
        "upperbound_key_generate_params",
        "key_bounds",
        "—",
        "The most that a key may have, and has by default.",
    ),
    ("default_internal_user_params", "user_values", "—", "What a new user gets where nobody says otherwise."),
    ("max_internal_user_budget", "price", "—", "The budget of new users without rights over others."),
    ("internal_user_budget_duration", "duration", "—", "After which it begins anew."),
    ("max_end_user_budget", "price", "—", "What each customer may spend that has no budget of its own."),
    (
        "tag_budget_config",
        "budgets",
        "—",
        "Budgets of tags that have none of their own: `chat: {max_budget: 10, budget_duration: 1d}`.",
    ),
    ("max_end_user_budget_id", "text", "—", "The budget (`/budget/new`) of customers without one."),
    (
        "drop_params",
        "flag",
        "false",
        "Leave out parameters that a provider does not know, instead of an error.",
    ),
    ("modify_params", "flag", "false", "Repair messages that a provider would refuse."),
    ("request_timeout", "seconds", "600", "For rows without a `timeout`."),
    ("num_retries", "count", "2", "Tries after the first one."),
    ("allowed_fails", "count", "see `router_settings`", "Failures that are let pass."),
    ("max_fallbacks", "count", "5", "Further groups that a call may come to."),
    *_TABLES,
    ("json_logs", "flag", "false", "Log lines as JSON."),
    ("turn_off_message_logging", "flag", "true", "Bodies are never logged, whatever this says."),
    ("ssl_verify", "flag_or_path", "true", "Check the providers' certificates, or the file of a CA."),
    ("ssl_certificate", "name", "—", "Client certificate, path of a PEM file."),
    ("user_url_validation", "flag", "true", "Refuse URLs in requests that lead to private addresses."),
    ("user_url_allowed_hosts", "texts", "—", "Hosts that are allowed all the same."),
)

_CLAIMS = (
    ("user_id_jwt_field", "text", "sub", "The user: its id here, or its `sso_user_id`."),
    ("user_email_jwt_field", "text", "—", "The user's e-mail address."),
    ("user_id_upsert", "flag", "false", "Make users that are not known, as `internal_user`."),
    ("user_allowed_email_domain", "text", "—", "Only users with such an address may come."),
    ("user_roles_jwt_field", "text", "—", "Where the roles are that `user_allowed_roles` asks for."),
    ("user_allowed_roles", "texts", "—", "Only users with one of these roles may come."),
    ("team_id_jwt_field", "text", "—", "The team. It must exist, or be made by `team_id_upsert`."),
    ("team_ids_jwt_field", "text", "—", "Teams: the first that exists and is not blocked."),
    ("team_alias_jwt_field", "text", "—", "The team's alias, where no id names one."),
    ("team_id_default", "text", "—", "The team of tokens that claim none."),
    ("team_id_upsert", "flag", "false", "Make a team that is claimed and not known."),
    (
        "team_allowed_routes",
        "texts",
        "model calls, info",
        "What tokens with a team may ask for: paths, `/v1/*`, groups of routes.",
    ),
    ("org_id_jwt_field", "text", "—", "The organisation. It must exist."),
    ("org_alias_jwt_field", "text", "—", "The organisation's alias."),
    ("end_user_id_jwt_field", "text", "—", "The customer."),
    ("object_id_jwt_field", "text", "—", "A team or a user: `role_mappings` says which."),
    ("roles_jwt_field", "text", "—", "Where the roles are that the next two look at. A list, or words."),
    (
        "role_mappings",
        "list",
        "—",
        "`{role, internal_role}`: `proxy_admin`, `internal_user` or `team`.",
    ),
    ("jwt_litellm_role_map", "list", "—", "`{jwt_role, litellm_role}`: the role here, over the user's own."),
    ("admin_jwt_scope", "text", "litellm_proxy_admin", "The scope of administrators. Empty: nobody's."),
    ("admin_allowed_routes", "texts", "all", "What administrators may ask for."),
    ("scope_mappings", "list", "—", "`{scope, models, routes}`: what a scope is for."),
    ("enforce_scope_based_access", "flag", "false", "Only the models and routes of the token's scopes."),
    ("enforce_rbac", "flag", "false", "Only tokens with a mapped role, a team or a user that is known here."),
    ("enforce_team_based_model_access", "flag", "false", "Only tokens with a team."),
)
ISSUER: Final = _block(
    "issuers",
    "",
    ("issuer", "name", "required", "What its tokens have as `iss`."),
    ("jwks_url", "url", "found from `issuer`", "Where its keys are."),
    ("audience", "text_or_texts", "required", "What its tokens must have as `aud`: one of these."),
    ("disable_audience_validation", "flag", "false", "In place of `audience`: whoever they were made for."),
    *_CLAIMS,
)
JWT: Final = _block(
    "litellm_jwtauth",
    known.JWT,
    ("jwks_url", "text_or_texts", "`JWT_PUBLIC_KEY_URL`", "Where the provider's keys are. Several by comma."),
    ("issuer", "text_or_texts", "`JWT_ISSUER`", "What tokens must have as `iss`."),
    ("audience", "text_or_texts", "`JWT_AUDIENCE`", "What tokens must have as `aud`: one of these."),
    ("issuers", "list", "—", "Providers with claims of their own, below."),
    *_CLAIMS,
    ("public_key_ttl", "pause", "600", "Seconds that keys are kept; at least 10."),
    ("public_key_stale_ttl", "pause", "3600", "Seconds that they are used on while the provider is away."),
    inner={"issuers": ISSUER},
)

PASS_THROUGH: Final = _block(
    "pass_through_endpoints",
    "guardrails",
    ("path", "name", "required", "The path here, such as `/v1/rerank-eu`."),
    ("target", "url", "required", "Where its requests go."),
    ("headers", "headers", "—", "Header lines for the target: its credential."),
    ("include_subpath", "flag", "false", "Paths below it, too; the rest is appended to `target`."),
    ("methods", "texts", "all", "Only these methods."),
    ("auth", "flag", "true", "`false`: anybody may ask, without a key."),
    ("forward_headers", "flag", "true", "The client's own header lines go along, but for its key."),
    ("cost_per_request", "price", "0", "Dollars that are booked for each request."),
    ("timeout", "seconds", "600", "Seconds without a byte of the answer."),
)

GENERAL: Final = _block(
    "general_settings",
    known.GENERAL,
    ("master_key", "secret", "`LITELLM_MASTER_KEY`", "The key of whoever runs the gateway."),
    ("dangerously_permit_weak_or_unset_master_key", "flag", "false", "Start without a good key on any host."),
    ("completion_model", "name", "—", "The group that every request goes to, whatever it asks for."),
    ("max_request_size_mb", "size", "100", "Larger bodies get 413."),
    (
        "database_url",
        "secret",
        "`HEADGATE_DATABASE_URL`, `DATABASE_URL`, else SQLite",
        "`postgresql://user:password@host/name`. Without one: a SQLite file in the data directory.",
    ),
    ("enable_jwt_auth", "flag", "false", "Take tokens of an OpenID provider (`JWT_PUBLIC_KEY_URL`) as keys."),
    ("litellm_jwtauth", "mapping", "—", "Whose tokens, and which claims mean what: below."),
    (
        "role_permissions",
        "list",
        "—",
        "`{role, models, routes}`: what tokens with a team (`team`) or without (`internal_user`) may do.",
    ),
    ("database_connection_pool_limit", "count", "10", "Connections of one process to PostgreSQL."),
    ("store_prompts_in_spend_logs", "flag", "false", "Keep requests and answers in the ledger."),
    ("background_health_checks", "flag", "false", "Ask every row for a few tokens from time to time."),
    ("health_check_interval", "seconds", "300", "Seconds between two rounds."),
    ("health_check_concurrency", "whole", "20", "Rows asked at a time."),
    (
        "enable_health_check_routing",
        "flag",
        "false",
        "Rows that did not answer get no calls while others do.",
    ),
    ("health_check_ignore_transient_errors", "flag", "false", "A 429 or a timeout counts as an answer."),
    (
        "store_model_in_db",
        "flag",
        "false",
        "Models and credentials of the database count: names that only it may have are let pass.",
    ),
    (
        "pass_through_endpoints",
        "list",
        "—",
        "Paths whose requests go to another address as they are: below.",
    ),
    ("disable_spend_logs", "flag", "false", "Keep sums only, no record of each call."),
    ("maximum_spend_logs_retention_period", "duration", "—", "Delete older records of calls."),
    (
        "on_disconnect",
        "on_disconnect",
        "cancel",
        "When a client goes: `cancel` the upstream, or `drain` it to learn the usage, within bounds.",
    ),
    ("enforce_user_param", "flag", "false", "Refuse calls that name no customer (`user`)."),
    ("always_include_stream_usage", "flag", "false", "Ask for usage in streams where the client did not."),
    ("user_url_validation", "flag", "true", "As under `litellm_settings`, and over it."),
    ("user_url_allowed_hosts", "texts", "—", "As under `litellm_settings`, and over it."),
    (
        "model_name_in_response",
        "response_model",
        "upstream",
        "`model` in answers; LiteLLM's way is `requested`.",
    ),
    inner={"litellm_jwtauth": JWT, "pass_through_endpoints": PASS_THROUGH},
)

ROUTER: Final = _block("router_settings", known.ROUTER, *ROUTING, *_TABLES)

SETTINGS: Final = {block.name: block for block in (LITELLM, GENERAL, ROUTER)}
BLOCKS: Final = {
    block.name: block
    for block in (TOP, MODEL, CREDENTIAL, PARAMS, INFO, LITELLM, GENERAL, PASS_THROUGH, JWT, ISSUER, ROUTER)
}


def homes(name: str) -> list[str]:
    """Where a key belongs, as the end of a sentence: blocks that support it, else those that only know it."""
    blocks = [block for block in BLOCKS.values() if name in block.supported]
    blocks = blocks or [block for block in BLOCKS.values() if name in block.unsupported]
    return [f"under {block.name}" if block.name else "at the top level" for block in blocks]
