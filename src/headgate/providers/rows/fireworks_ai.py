"""Fireworks AI. https://docs.fireworks.ai/api-reference"""

from msgspec.structs import replace

from headgate.providers.base import Provider, Quirks, Site, Variant, paths


def _path(site: Site) -> str:
    """Kontext models begin a job at the workflow itself."""
    path = site.provider.paths[site.operation]
    return path.removesuffix("/text_to_image") if "kontext" in site.model else path


_AUDIO = "https://audio-prod.us-virginia-1.direct.fireworks.ai"

_ROW = Provider(
    id="fireworks_ai",
    name="Fireworks AI",
    aliases=("fireworks",),
    base_url="https://api.fireworks.ai/inference/v1",
    base_url_env=("FIREWORKS_API_BASE",),
    api_key_env=(
        "FIREWORKS_API_KEY",
        "FIREWORKS_AI_API_KEY",
        "FIREWORKSAI_API_KEY",
        "FIREWORKS_AI_TOKEN",
    ),
    paths={
        **paths("chat", "completions", "embeddings", "models", "rerank", "responses"),
        "images": "/workflows/{model}/text_to_image",
        "image_edits": "/workflows/{model}",
        "transcriptions": f"{_AUDIO}/v1/audio/transcriptions",
        "translations": f"{_AUDIO}/v1/audio/translations",
    },
    path_of=_path,
    dialects={
        "rerank": "fireworks_rerank",
        "images": "fireworks_images",
        "image_edits": "fireworks_images",
        "transcriptions": "caption_transcriptions",
        "translations": "caption_transcriptions",
    },
    quirks=Quirks(
        rename={"max_completion_tokens": "max_tokens"},
        values={"tool_choice": {'"required"': "any"}},
        tool_strict=False,
    ),
)

ROW = replace(
    _ROW,
    model_prefix="accounts/fireworks/models/",
    variants=(Variant(match=r"whisper", row=_ROW),),  # those that listen have short names alone
)
