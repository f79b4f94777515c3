"""Cohere. https://docs.cohere.com/reference/about"""

from headgate.providers.base import Provider

ROW = Provider(
    id="cohere",
    name="Cohere",
    aliases=("cohere_chat",),
    dialect="cohere",
    embeddings="cohere_embeddings",
    base_url="https://api.cohere.com",
    base_url_env=("COHERE_API_BASE",),
    api_key_env=("COHERE_API_KEY", "CO_API_KEY"),
    paths={"chat": "/v2/chat", "embeddings": "/v2/embed", "rerank": "/v2/rerank", "models": "/v1/models"},
    dialects={"rerank": "cohere_rerank"},
    bare=r"command-(?:a|r)|c4ai-aya-|(?:embed|rerank)-(?:english|multilingual|v\d)",
    stream_usage="always",
)
