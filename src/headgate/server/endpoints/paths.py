"""The paths of model calls: which operation each asks for, and in which format. Data: it answers nothing."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from headgate.core.call import Operation


class Endpoint(Struct, frozen=True):
    """A kind of model call. `forward` are request headers that belong to the dialect and travel with it.
    `stream`: the path says that a stream is wanted; `unasked`: there is one unless the
    body says no; `strange` are keys that the format doesn't have and that would be believed elsewhere: they are taken
    out; `upload`: the body is a form, which is read while it comes; `forms`: it may be one; `spoken` is
    the dialect's name, which is loaded when somebody speaks it."""

    operation: Operation
    spoken: str
    stream: bool = False
    unasked: bool = False
    upload: bool = False
    strange: frozenset[str] = frozenset()
    forms: bool = False
    forward: frozenset[bytes] = frozenset()


_FLAT: Final = frozenset(("max_tokens", "max_completion_tokens", "max_output_tokens"))
CHAT: Final = Endpoint("chat", "openai_chat")
_ANTHROPIC: Final = frozenset((b"anthropic-beta", b"anthropic-version"))
MESSAGES: Final = Endpoint("chat", "anthropic", forward=_ANTHROPIC)
RESPONSES: Final = Endpoint("responses", "responses")
COMPLETIONS: Final = Endpoint("completions", "completions")
EMBEDDINGS: Final = Endpoint("embeddings", "openai_embeddings")
OLLAMA: Final = Endpoint("chat", "ollama", unasked=True, strange=_FLAT)
OLLAMA_TEXT: Final = Endpoint("completions", "ollama_generate", unasked=True, strange=_FLAT)
OLLAMA_EMBED: Final = Endpoint("embeddings", "ollama_embeddings")

RERANK: Final = Endpoint("rerank", "rerank")
MODERATIONS: Final = Endpoint("moderations", "moderations")
OCR: Final = Endpoint("ocr", "ocr")
FIM: Final = Endpoint("fim", "fim")
SPEECH: Final = Endpoint("speech", "openai_chat")
TRANSCRIPTIONS: Final = Endpoint("transcriptions", "openai_chat", upload=True)
TRANSLATIONS: Final = Endpoint("translations", "openai_chat", upload=True)
IMAGES: Final = Endpoint("images", "openai_images", forms=True)
IMAGE_EDITS: Final = Endpoint("image_edits", "openai_images", forms=True)
IMAGE_VARIATIONS: Final = Endpoint("image_variations", "openai_images", forms=True)

PATHS: Final[Mapping[str, Endpoint]] = {
    "/v1/chat/completions": CHAT,
    "/chat/completions": CHAT,
    "/v1/messages": MESSAGES,
    "/messages": MESSAGES,
    "/v1/responses": RESPONSES,
    "/responses": RESPONSES,
    "/openai/v1/responses": RESPONSES,
    "/v1/completions": COMPLETIONS,
    "/completions": COMPLETIONS,
    "/v1/embeddings": EMBEDDINGS,
    "/embeddings": EMBEDDINGS,
    "/v1/rerank": RERANK,
    "/v2/rerank": RERANK,
    "/rerank": RERANK,
    "/v1/moderations": MODERATIONS,
    "/moderations": MODERATIONS,
    "/v1/ocr": OCR,
    "/ocr": OCR,
    "/v1/fim/completions": FIM,
    "/fim/completions": FIM,
    "/v1/audio/speech": SPEECH,
    "/audio/speech": SPEECH,
    "/v1/audio/transcriptions": TRANSCRIPTIONS,
    "/audio/transcriptions": TRANSCRIPTIONS,
    "/v1/audio/translations": TRANSLATIONS,
    "/audio/translations": TRANSLATIONS,
    "/v1/images/generations": IMAGES,
    "/images/generations": IMAGES,
    "/v1/images/edits": IMAGE_EDITS,
    "/images/edits": IMAGE_EDITS,
    "/v1/images/variations": IMAGE_VARIATIONS,
    "/images/variations": IMAGE_VARIATIONS,
    "/api/chat": OLLAMA,
    "/api/generate": OLLAMA_TEXT,
    "/api/embed": OLLAMA_EMBED,
}
_GEMINI: Final[Mapping[str, Endpoint]] = {
    "generateContent": Endpoint("chat", "gemini", strange=_FLAT),
    "streamGenerateContent": Endpoint("chat", "gemini", stream=True, strange=_FLAT),
    "embedContent": Endpoint("embeddings", "gemini_embed_content"),
    "batchEmbedContents": Endpoint("embeddings", "gemini_embeddings"),
}
REALTIME: Final = frozenset(("/v1/realtime", "/realtime", "/openai/realtime", "/openai/v1/realtime"))
"""Where websockets are taken that name their model in the address."""
LIVE: Final = re.compile(
    r"/ws/google\.(?:ai\.generativelanguage\.v\w+\.GenerativeService\.|cloud\.aiplatform\.v\w+\.LlmBidiService/)"
    r"BidiGenerateContent"
)
"""Where Google's clients open theirs, and name the model in the first frame."""
SECRETS: Final = frozenset(f"{root}/{kind}" for root in REALTIME for kind in ("client_secrets", "sessions"))
"""Where client secrets are made, which no provider is to make."""
_ENDINGS: Final = (
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/audio/speech",
    "/audio/transcriptions",
    "/audio/translations",
    "/images/generations",
    "/images/edits",
    "/images/variations",
)
_GEMINI_ROOTS: Final = ("/v1beta/models/", "/v1/models/", "/models/")
_ROOTS: Final = ("/openai/deployments/", "/engines/", "/v1/engines/")


def is_socket(path: str) -> bool:
    """Whether it is a path of websockets."""
    return path in REALTIME or LIVE.fullmatch(path) is not None


def find(path: str) -> tuple[Endpoint, str] | None:
    """The endpoint of a path, and the model where the path names one."""
    endpoint = PATHS.get(path)
    if endpoint is not None:
        return endpoint, ""
    for root in _GEMINI_ROOTS:
        if path.startswith(root):
            name, _, method = path[len(root) :].rpartition(":")
            if name and method in _GEMINI:
                return _GEMINI[method], unquote(name)
    for root in _ROOTS:
        if path.startswith(root):
            for ending in _ENDINGS:
                if path.endswith(ending) and len(path) > len(root) + len(ending):
                    return PATHS[ending], path[len(root) : -len(ending)]
    return None
