"""NVIDIA Triton Inference Server.

https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_generate.html
"""

from headgate.providers.base import Auth, Provider, Site

_PATH = "/v2/models/{model}/generate"


def _path(site: Site) -> str:
    """An address may be that of the model's own `generate`."""
    if site.operation == "embeddings" or not site.base.endswith("/generate"):
        return site.provider.paths[site.operation]
    return site.base + ("_stream" if site.operation == "chat_stream" else "")


ROW = Provider(
    id="triton",
    name="NVIDIA Triton Inference Server",
    dialect="triton_generate",
    base_url_env=("TRITON_API_BASE",),
    api_key_env=("TRITON_API_KEY",),
    auth=Auth(optional=True),
    paths={"chat": _PATH, "chat_stream": _PATH + "_stream", "embeddings": "/v2/models/{model}/infer"},
    dialects={"embeddings": "triton_embeddings"},
    path_of=_path,
    stream_usage="refused",
)
