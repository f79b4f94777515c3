"""Any server that speaks OpenAI's API, at the address that the user gives."""

from headgate.providers.base import OPENAI_PATHS, Auth, Provider, paths

ROW = Provider(
    id="custom_openai",
    name="OpenAI-compatible server",
    aliases=("openai_like", "custom", "oobabooga"),
    base_url_env=("OPENAI_LIKE_API_BASE", "OPENAI_BASE_URL", "OPENAI_API_BASE"),
    api_key_env=("OPENAI_LIKE_API_KEY", "OPENAI_API_KEY"),
    auth=Auth(optional=True),
    paths={**OPENAI_PATHS, **paths("speech", "transcriptions", "translations")},
)
