"""Which names belong to us; every other key of a call or of `litellm_params` is the provider's and is sent.

The names are LiteLLM's (its `all_litellm_params` and `GenericLiteLLMParams`).
"""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.wire.envelope import UNREADABLE

CREDENTIALS: Final = frozenset(
    """azure_ad_token azure_ad_token_provider tenant_id client_id client_secret azure_scope azure_username
    azure_password azure_federated_token_file azure_certificate_path azure_certificate_password
    azure_credential azure_authority_host enable_azure_ad_token_refresh vertex_project vertex_location
    vertex_credentials vertex_ai_project vertex_ai_location vertex_ai_credentials aws_access_key_id
    aws_secret_access_key aws_session_token aws_region_name aws_session_name aws_profile_name aws_role_name
    aws_web_identity_token aws_sts_endpoint aws_external_id aws_session_tags
    aws_bedrock_runtime_endpoint""".split()
)
"""Keys that say who a deployment is and in which part of a cloud: never part of a request, whoever is asked."""

CONNECTION: Final = frozenset(
    """model api_key api_base base_url api_version organization project custom_llm_provider
    litellm_credential_name region_name use_litellm_proxy use_chat_completions_api extra_headers
    headers extra_body extra_query ssl_verify ssl_certificate ssl_ca client_cert client_key rpm tpm
    itpm otpm max_parallel_requests weight order max_budget budget_duration timeout stream_timeout
    request_timeout max_retries num_retries keepalive_seconds ttft_timeout stream_idle_timeout
    cooldown_time tags drop_params additional_drop_params allowed_openai_params modify_params
    merge_reasoning_content_in_choices configurable_clientside_auth_params use_in_pass_through
    base_model cache_control_injection_points guardrails prompt_id max_file_size_mb vector_store_ids
    default_api_key_tpm_limit default_api_key_rpm_limit silent_model tag_regex
    timeout_by_service_tier stream_timeout_by_service_tier tiered_pricing id mode model_info
    mock_response mock_tool_calls mock_timeout bucket_name""".split()
).union(CREDENTIALS)
"""Keys of a deployment that describe it and are not sent as request parameters."""

CLOUDS: Final = (
    "aws_",
    "azure_",
    "vertex_",
    "watsonx_",
    "sap_",
    "aicore_",
    "snowflake_",
    "databricks_",
    "gigachat_",
    "oci_",
    "s3_",
    "gcs_",
)
"""How the names of credentials, projects and regions begin: none of them is ever sent in a body."""

UNNAMED: Final = "-"
"""The model of a deployment that stands for its provider."""

MOCKS: Final = ("mock_response", "mock_tool_calls", "mock_timeout")
_LEADING: Final = CREDENTIALS.union(
    """api_key api_base base_url api_version organization project custom_llm_provider extra_headers headers
    ssl_verify ssl_certificate client_key""".split()
)


def leads(name: str) -> bool:
    """Whether a key says whom to ask, and as whom."""
    return name in _LEADING or name.startswith(CLOUDS)


def describes(name: str) -> bool:
    """Whether a key describes a deployment."""
    return name in CONNECTION or name.startswith(CLOUDS)


OURS: Final = frozenset(
    """fallbacks context_window_fallbacks context_window_fallback_dict content_policy_fallbacks
    default_fallbacks num_retries timeout stream_timeout request_timeout drop_params
    additional_drop_params allowed_openai_params modify_params litellm_metadata litellm_call_id
    litellm_trace_id litellm_session_id no-log tags cache caching guardrails
    disable_global_guardrails prompt_variables prompt_version prompt_label custom_llm_provider
    extra_headers extra_body extra_query api_base base_url api_version api_key retry_policy
    retry_strategy cooldown_time model_info litellm_logging_obj proxy_server_request ssl_verify
    merge_reasoning_content_in_choices enable_json_schema_validation shared_session on_stream_break
    priority mock_testing_fallbacks mock_testing_context_fallbacks mock_testing_content_policy_fallbacks
    mock_testing_rate_limit_error""".split()
)
"""Keys of a request body that speak to the gateway."""
_strings: Final = msgspec.json.Decoder(dict[str, str])


def take_ours(envelope: dict[str, Raw]) -> None:
    """Removes what speaks to the gateway. `metadata` is the provider's where it is OpenAI's: text to text."""
    for name in OURS.intersection(envelope):
        del envelope[name]
    if "metadata" in envelope:
        try:
            _strings.decode(envelope["metadata"])
        except UNREADABLE:
            del envelope["metadata"]


def is_price(name: str) -> bool:
    """Price overrides may stand among the parameters: `input_cost_per_token`, `output_cost_per_image`, …"""
    return "_cost_" in name or name.endswith("_cost") or name.startswith("tiered_pricing")
