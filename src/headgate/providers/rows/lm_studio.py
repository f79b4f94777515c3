"""LM Studio. https://lmstudio.ai/docs/app/api/endpoints/openai"""

from headgate.providers.base import Auth, Provider, Quirks, paths

ROW = Provider(
    id="lm_studio",
    name="LM Studio",
    base_url="http://localhost:1234/v1",
    base_url_env=("LM_STUDIO_API_BASE",),
    api_key_env=("LM_STUDIO_API_KEY",),
    paths=paths("chat", "completions", "embeddings", "models", "responses"),
    auth=Auth(optional=True),
    quirks=Quirks(only={"response_format.type": ("text", "json_schema")}),
)
