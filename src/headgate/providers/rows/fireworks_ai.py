"""Fireworks AI. https://docs.fireworks.ai/api-reference"""

from headgate.providers.base import Provider, Quirks, paths

_AUDIO = "https://audio-prod.us-virginia-1.direct.fireworks.ai"

ROW = Provider(
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
        **paths("chat", "completions", "embeddings", "models", "responses"),
        "transcriptions": f"{_AUDIO}/v1/audio/transcriptions",
        "translations": f"{_AUDIO}/v1/audio/translations",
    },
    dialects={"transcriptions": "caption_transcriptions", "translations": "caption_transcriptions"},
    model_prefix="accounts/fireworks/models/",
    quirks=Quirks(
        rename={"max_completion_tokens": "max_tokens"},
        values={"tool_choice": {'"required"': "any"}},
        tool_strict=False,
    ),
)
