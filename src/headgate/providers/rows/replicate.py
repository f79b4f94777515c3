"""Replicate. https://replicate.com/docs/reference/http"""

import re

from headgate.providers.base import Provider, Site

_VERSION = re.compile(r"(?:.+:)?[0-9a-f]{64}")


def _path(site: Site) -> str:
    """A version stands in the body; models and deployments have addresses of their own."""
    if site.operation == "models" or _VERSION.fullmatch(site.model):
        return "/models" if site.operation == "models" else "/predictions"
    if site.model.startswith("deployments/"):
        return "/{model}/predictions"
    return "/models/{model}/predictions"


ROW = Provider(
    id="replicate",
    name="Replicate",
    dialect="replicate",
    base_url="https://api.replicate.com/v1",
    base_url_env=("REPLICATE_API_BASE",),
    api_key_env=("REPLICATE_API_KEY", "REPLICATE_API_TOKEN"),
    paths={"chat": "", "images": "", "image_edits": "", "image_variations": "", "models": "/models"},
    path_of=_path,
    dialects={
        "images": "prediction_images",
        "image_edits": "prediction_images",
        "image_variations": "prediction_images",
    },
    stream_usage="always",
)
