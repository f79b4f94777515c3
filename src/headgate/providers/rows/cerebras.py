"""Cerebras. https://inference-docs.cerebras.ai/api-reference"""

from headgate.providers.base import Provider, Quirks

ROW = Provider(
    id="cerebras",
    name="Cerebras",
    base_url="https://api.cerebras.ai/v1",
    base_url_env=("CEREBRAS_API_BASE",),
    api_key_env=("CEREBRAS_API_KEY",),
    paths={"chat": "/chat/completions", "completions": "/completions", "models": "/models"},
    quirks=Quirks(refuse=("frequency_penalty", "presence_penalty", "logit_bias"), only={"n": (1,)}),
)
