"""DeepSeek. https://api-docs.deepseek.com"""

from headgate.providers.base import Provider, Quirks, paths

ROW = Provider(
    id="deepseek",
    name="DeepSeek",
    base_url="https://api.deepseek.com",
    base_url_env=("DEEPSEEK_API_BASE",),
    api_key_env=("DEEPSEEK_API_KEY",),
    paths={**paths("chat", "models", "responses"), "fim": "/beta/completions"},
    dialects={"fim": "completions"},
    quirks=Quirks(
        rename={"max_completion_tokens": "max_tokens"},
        flatten=True,
        strip_message=("thinking_blocks", "provider_specific_fields", "annotations"),
    ),
    bare=r"deepseek-(chat|reasoner)$",
)
