"""Google AI Studio. https://ai.google.dev/api/generate-content, https://ai.google.dev/api/live"""

from urllib.parse import urlsplit

from headgate.providers.base import Auth, Provider, Site

_LIVE = "/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent"


def _path(site: Site) -> str:
    """An address that is only a host gets the API version: nothing lives at Google's root. Imagen predicts. The Live
    API has the version in its method's name."""
    if site.operation == "realtime":
        root, _, last = site.base.rpartition("/")
        versioned = last.startswith("v1")
        return (root if versioned else site.base) + _LIVE.format(version=last if versioned else "v1beta")
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
        "realtime": "",
    },
    dialects={
        "images": "google_images",
        "image_edits": "google_images",
        "speech": "gemini_speech",
        "realtime": "gemini_live",
    },
    path_of=_path,
    bare=r"gemini-|gemma-|learnlm-",
    stream_usage="always",
)
