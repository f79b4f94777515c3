"""Anthropic. https://docs.anthropic.com/en/api/messages"""

from headgate.providers.base import Auth, Provider

ROW = Provider(
    id="anthropic",
    name="Anthropic",
    dialect="anthropic",
    base_url="https://api.anthropic.com",
    base_url_env=("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
    api_key_env=("ANTHROPIC_API_KEY",),
    auth=Auth(
        header="x-api-key",
        scheme="",
        token_env=("ANTHROPIC_AUTH_TOKEN",),
        token_prefix="sk-ant-oat",
        token_headers={"anthropic-beta": "oauth-2025-04-20"},
    ),
    headers={"anthropic-version": "2023-06-01"},
    paths={"chat": "/v1/messages", "count_tokens": "/v1/messages/count_tokens", "models": "/v1/models"}
    | {"batches": "/v1/messages/batches"},
    bare=r"claude-",
    stream_usage="always",
    batch_price="0.5",  # https://docs.anthropic.com/en/docs/build-with-claude/batch-processing
)
