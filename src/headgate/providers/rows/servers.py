"""Software that users run themselves, with an API that looks like OpenAI's. Their documentation says the same of
each as its row: address, variables, what is renamed or refused."""

from headgate.providers.base import TO_MAX_TOKENS as _TO_MAX_TOKENS
from headgate.providers.base import Auth, Provider, Quirks
from headgate.providers.base import paths as _paths

ROWS: tuple[Provider, ...] = (
    Provider(
        id="docker_model_runner",
        name="Docker Model Runner",
        base_url="http://localhost:12434/engines/llama.cpp/v1",
        base_url_env=("DOCKER_MODEL_RUNNER_API_BASE",),
        api_key_env=("DOCKER_MODEL_RUNNER_API_KEY",),
        quirks=Quirks(rename=_TO_MAX_TOKENS, flatten=True),
        auth=Auth(optional=True),
    ),
    Provider(
        id="lemonade",
        name="Lemonade Server",
        base_url="http://localhost:8000/api/v1",
        base_url_env=("LEMONADE_API_BASE",),
        api_key_env=("LEMONADE_API_KEY",),
        paths=_paths("chat", "completions", "embeddings", "models", "transcriptions", "rerank"),
        auth=Auth(optional=True),
    ),
    Provider(
        id="llamafile",
        name="Llamafile",
        base_url="http://127.0.0.1:8080/v1",
        base_url_env=("LLAMAFILE_API_BASE",),
        api_key_env=("LLAMAFILE_API_KEY",),
        auth=Auth(optional=True),
    ),
    Provider(
        id="xinference",
        name="Xinference",
        base_url="http://127.0.0.1:9997/v1",
        base_url_env=("XINFERENCE_API_BASE",),
        api_key_env=("XINFERENCE_API_KEY",),
        paths=_paths(
            "chat", "completions", "embeddings", "images", "speech", "transcriptions", "rerank", "models"
        ),
        auth=Auth(optional=True),
    ),
)
