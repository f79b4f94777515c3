"""Companies and servers for vectors and rerank beside or without chat. What their formats are is in wire/rerank and
wire/vendor_embeddings.py; their documentation is named there."""

from headgate.providers.base import Auth, Provider
from headgate.providers.base import paths as _paths

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
        base_url="https://api.voyageai.com/v1",
        base_url_env=("VOYAGE_API_BASE",),
        api_key_env=("VOYAGE_API_KEY", "VOYAGE_AI_API_KEY", "VOYAGE_AI_TOKEN"),
        paths=_paths("embeddings", "rerank"),
        dialects={"embeddings": "voyage_embeddings", "rerank": "voyage_rerank"},
    ),
)
