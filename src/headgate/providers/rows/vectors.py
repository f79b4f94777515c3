"""Companies and servers for vectors and rerank beside or without chat. What their formats are is in wire/rerank and
wire/vendor_embeddings.py; their documentation is named there."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from headgate.providers.base import TO_MAX_TOKENS, Auth, Provider, Quirks, Site
from headgate.providers.base import paths as _paths

_VOYAGE = "https://api.voyageai.com/v1"
_VOYAGE_KEYS = ("VOYAGE_API_KEY", "VOYAGE_AI_API_KEY", "VOYAGE_AI_TOKEN")


def _voyage(path: str, params: Mapping[str, Any], env: Mapping[str, str]) -> str:
    """Keys that MongoDB gives out are for its own address."""
    key = params.get("api_key") or next((env[name] for name in _VOYAGE_KEYS if env.get(name)), "")
    return "https://ai.mongodb.com/v1" if str(key).startswith("al-") else _VOYAGE


def _nvidia_nim(site: Site) -> str:
    """NVIDIA's own rerankers have addresses of their own, in which a dot of the name is an underscore."""
    if site.operation != "rerank" or "integrate.api.nvidia.com" not in site.base:
        return site.provider.paths[site.operation]
    return f"https://ai.api.nvidia.com/v1/retrieval/{quote(site.model.replace('.', '_'))}/reranking"


ROWS: tuple[Provider, ...] = (
    Provider(
        id="infinity",
        name="Infinity embedding server",
        base_url_env=("INFINITY_API_BASE",),
        api_key_env=("INFINITY_API_KEY",),
        paths=_paths("embeddings", "rerank", "models"),
        dialects={"rerank": "infinity_rerank"},
        auth=Auth(optional=True),
    ),
    Provider(
        id="jina_ai",
        name="Jina AI",
        base_url="https://api.jina.ai/v1",
        base_url_env=("JINA_AI_API_BASE",),
        api_key_env=("JINA_AI_API_KEY", "JINA_API_KEY", "JINA_AI_TOKEN"),
        paths=_paths("embeddings", "rerank"),
        dialects={"embeddings": "jina_embeddings"},
    ),
    Provider(
        id="nvidia_nim",
        name="NVIDIA NIM",
        base_url="https://integrate.api.nvidia.com/v1",
        base_url_env=("NVIDIA_NIM_API_BASE",),
        api_key_env=("NVIDIA_NIM_API_KEY",),
        paths={**_paths("chat", "completions", "embeddings", "models"), "rerank": "/v1/ranking"},
        dialects={"embeddings": "nim_embeddings", "rerank": "nim_rerank"},
        path_of=_nvidia_nim,
        quirks=Quirks(rename=TO_MAX_TOKENS, roles={"developer": "system"}),
    ),
    Provider(
        id="voyage",
        name="Voyage AI",
        base_url=_VOYAGE,
        base_of=_voyage,
        base_url_env=("VOYAGE_API_BASE",),
        api_key_env=_VOYAGE_KEYS,
        paths=_paths("embeddings", "rerank"),
        dialects={"embeddings": "voyage_embeddings", "rerank": "voyage_rerank"},
    ),
)
