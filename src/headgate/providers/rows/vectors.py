"""Companies and servers for vectors and rerank beside or without chat. What their formats are is in wire/rerank and
wire/vendor_embeddings.py; their documentation is named there."""

from collections.abc import Mapping
from typing import Any

from headgate.providers.base import Auth, Provider
from headgate.providers.base import paths as _paths

_VOYAGE = "https://api.voyageai.com/v1"
_VOYAGE_KEYS = ("VOYAGE_API_KEY", "VOYAGE_AI_API_KEY", "VOYAGE_AI_TOKEN")


def _voyage(path: str, params: Mapping[str, Any], env: Mapping[str, str]) -> str:
    """Keys that MongoDB gives out are for its own address."""
    key = params.get("api_key") or next((env[name] for name in _VOYAGE_KEYS if env.get(name)), "")
    return "https://ai.mongodb.com/v1" if str(key).startswith("al-") else _VOYAGE


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
