"""OpenRouter. https://openrouter.ai/docs/api-reference"""

from headgate.providers.base import Provider, paths

ROW = Provider(
    id="openrouter",
    name="OpenRouter",
    base_url="https://openrouter.ai/api/v1",
    base_url_env=("OPENROUTER_API_BASE",),
    api_key_env=("OPENROUTER_API_KEY", "OR_API_KEY"),
    paths={
        **paths(
            "chat", "completions", "embeddings", "models", "rerank", "responses", "speech", "transcriptions"
        ),
        "images": "/images",
        "image_edits": "/images",
    },
    dialects={
        "images": "openrouter_images",
        "image_edits": "openrouter_images",
        "transcriptions": "verbose_transcriptions",
    },
    cache_marks=True,  # https://openrouter.ai/docs/features/prompt-caching
    header_env={"http-referer": "OR_SITE_URL", "x-title": "OR_APP_NAME"},
)
