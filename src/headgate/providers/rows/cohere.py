"""Cohere. https://docs.cohere.com/reference/about

Text completions go through chat, but for the older models, which have https://docs.cohere.com/v1/reference/generate.
"""

import re
from typing import Final

from msgspec.structs import replace

from headgate.providers.base import Provider, Site, Variant

_VERSIONED: Final = re.compile(r"/v[12](?:/[a-z]+)?$")


def _path(site: Site) -> str:
    """An address may name a version, or a whole operation: ours stands in its place."""
    path = site.provider.paths[site.operation]
    root, found = _VERSIONED.subn("", site.base)
    return root + path if found else path


_ROW = Provider(
    id="cohere",
    name="Cohere",
    aliases=("cohere_chat",),
    dialect="cohere",
    embeddings="cohere_embeddings",
    base_url="https://api.cohere.com",
    base_url_env=("COHERE_API_BASE",),
    api_key_env=("COHERE_API_KEY", "CO_API_KEY"),
    paths={
        "chat": "/v2/chat",
        "embeddings": "/v2/embed",
        "rerank": "/v2/rerank",
        "transcriptions": "/v2/audio/transcriptions",
        "models": "/v1/models",
    },
    dialects={"rerank": "cohere_rerank", "transcriptions": "plain_transcriptions"},
    path_of=_path,
    bare=r"command-(?:a|r)|c4ai-aya-|(?:embed|rerank)-(?:english|multilingual|v\d)",
    stream_usage="always",
)
_OLDER = replace(
    _ROW,
    paths={**_ROW.paths, "completions": "/v1/generate"},
    dialects={**_ROW.dialects, "completions": "cohere_generate"},
)
ROW = replace(
    _ROW,
    variants=(Variant(match=r"(?:command|base)(?:-(?:light|medium|xlarge|nightly))*$", row=_OLDER),),
)
