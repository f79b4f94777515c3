"""Google AI Studio. https://ai.google.dev/api/generate-content"""

from urllib.parse import urlsplit

from headgate.providers.base import Auth, Provider, Site


def _path(site: Site) -> str:
    """An address that is only a host gets the API version: nothing lives at Google's root. Imagen predicts."""
    path = site.provider.paths[site.operation]
    if site.operation.startswith("image") and "imagen" in site.model:
        path = "/models/{model}:predict"
    return path if urlsplit(site.base).path else "/v1beta" + path


ROW = Provider(
    id="gemini",
    name="Google AI Studio",
    dialect="gemini",
    embeddings="gemini_embeddings",
    base_url="https://generativelanguage.googleapis.com/v1beta",
    base_url_env=("GEMINI_API_BASE",),
    api_key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    auth=Auth(header="x-goog-api-key", scheme=""),
    paths={
        "chat": "/models/{model}:generateContent",
        "chat_stream": "/models/{model}:streamGenerateContent?alt=sse",
        "embeddings": "/models/{model}:batchEmbedContents",
        "count_tokens": "/models/{model}:countTokens",
        "models": "/models",
        "images": "/models/{model}:generateContent",
        "image_edits": "/models/{model}:generateContent",
        "speech": "/models/{model}:generateContent",
    },
    dialects={"images": "google_images", "image_edits": "google_images", "speech": "gemini_speech"},
    path_of=_path,
    bare=r"gemini-|gemma-|learnlm-",
    stream_usage="always",
)
