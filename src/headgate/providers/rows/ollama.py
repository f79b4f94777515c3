"""Ollama: servers of one's own and its cloud. https://docs.ollama.com/api

Chat and embeddings speak Ollama's own format, text completions the OpenAI-compatible one beside it."""

import re
from typing import Final

from headgate.providers.base import Auth, Provider, Quirks, Site

_TAIL: Final = re.compile(r"/(?:v1(?:/chat/completions)?|api(?:/(?:chat|embed|embeddings|generate))?)$")
"""What users put behind the host: both surfaces live at its root."""
_PATHS: Final = {
    "chat": "/api/chat",
    "completions": "/v1/completions",
    "embeddings": "/api/embed",
    "models": "/v1/models",
}


def _path(site: Site) -> str:
    return _TAIL.sub("", site.base) + site.provider.paths[site.operation]


_QUIRKS: Final = Quirks(rename={"max_completion_tokens": "max_tokens"})

ROW = Provider(
    id="ollama",
    name="Ollama",
    aliases=("ollama_chat",),
    dialect="ollama",
    embeddings="ollama_embeddings",
    base_url="http://localhost:11434",
    base_url_env=("OLLAMA_API_BASE",),
    api_key_env=("OLLAMA_API_KEY",),
    auth=Auth(optional=True),
    paths=_PATHS,
    path_of=_path,
    quirks=_QUIRKS,
)
CLOUD = Provider(
    id="ollama_cloud",
    name="Ollama Cloud",
    aliases=("ollama-cloud",),
    dialect="ollama",
    embeddings="ollama_embeddings",
    base_url="https://ollama.com",
    api_key_env=("OLLAMA_API_KEY",),
    paths=_PATHS,
    path_of=_path,
    quirks=_QUIRKS,
)
