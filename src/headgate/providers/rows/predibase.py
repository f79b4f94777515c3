"""Predibase: LoRAX, which speaks TGI's format. https://docs.predibase.com/user-guide/inference/rest_api"""

from headgate.providers.base import Provider

_PATH = "/deployments/v2/llms/{model}/generate"

ROW = Provider(
    id="predibase",
    name="Predibase",
    dialect="tgi_generate",
    base_url="https://serving.app.predibase.com/{tenant}",
    base_url_env=("PREDIBASE_API_BASE",),
    base_vars={"tenant": ("tenant_id", "PREDIBASE_TENANT_ID")},
    api_key_env=("PREDIBASE_API_KEY",),
    paths={"chat": _PATH, "chat_stream": _PATH + "_stream"},
    stream_usage="always",
)
