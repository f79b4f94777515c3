"""Hugging Face: the router over its inference providers, and endpoints of one's own (TGI, TEI).

https://huggingface.co/docs/inference-providers, https://huggingface.github.io/text-embeddings-inference. Chat is
OpenAI's format. Embeddings are a task of its own inference API; an endpoint of one's own serves its task at its root.
"""

import re
from typing import Final
from urllib.parse import quote, urlsplit

from headgate.providers.base import Provider, Quirks, Site, paths

_ROUTER: Final = "router.huggingface.co"
_TASK: Final = f"https://{_ROUTER}/hf-inference/models/{{}}/pipeline/feature-extraction"
_TAIL: Final = re.compile(r"/v1(?:/embeddings)?$")


def _path(site: Site) -> str:
    if site.operation in ("images", "image_edits"):
        return _TAIL.sub("", site.base) + site.provider.paths[site.operation]
    if site.operation != "embeddings":
        return site.provider.paths[site.operation]
    if urlsplit(site.base).hostname == _ROUTER:
        return _TASK.format(quote(site.model.removeprefix("hf-inference/"), safe="/"))
    return _TAIL.sub("", site.base)


ROW = Provider(
    id="huggingface",
    name="Hugging Face",
    embeddings="feature_extraction",
    base_url=f"https://{_ROUTER}/v1",
    base_url_env=("HF_API_BASE", "HUGGINGFACE_API_BASE"),
    api_key_env=("HUGGINGFACE_API_KEY", "HF_TOKEN"),
    paths={
        **paths("chat", "models", "rerank"),
        "embeddings": "/pipeline/feature-extraction",
        "images": "/hf-inference/models/{model}",
        "image_edits": "/hf-inference/models/{model}",
    },
    dialects={"rerank": "tei_rerank", "images": "pipeline_images", "image_edits": "pipeline_images"},
    path_of=_path,
    quirks=Quirks(roles={"developer": "system"}),
)
