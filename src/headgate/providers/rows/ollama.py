"""Ollama through its OpenAI-compatible API. https://github.com/ollama/ollama/blob/main/docs/openai.md"""

from headgate.providers.base import Auth, Provider, Quirks

ROW = Provider(
    id="ollama",
    name="Ollama",
    aliases=("ollama_chat",),
    base_url="http://localhost:11434/v1",
    base_url_env=("OLLAMA_API_BASE",),
    api_key_env=("OLLAMA_API_KEY",),
    auth=Auth(optional=True),
    quirks=Quirks(rename={"max_completion_tokens": "max_tokens"}),
)
