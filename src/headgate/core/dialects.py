"""The table of dialects by name: the only place that lists them. Each is imported at its first use."""

from functools import cache
from importlib import import_module
from typing import Final

from headgate.wire.dialect import Dialect

MODULES: Final = {
    "openai_chat": "headgate.wire.openai_chat",
    "anthropic": "headgate.wire.anthropic",
    "gemini": "headgate.wire.gemini",
    "responses": "headgate.wire.responses",
    "completions": "headgate.wire.completions",
    "openai_embeddings": "headgate.wire.embeddings",
    "gemini_embed_content": "headgate.wire.gemini.embed_content",
    "gemini_embeddings": "headgate.wire.gemini.embeddings",
    "replicate": "headgate.wire.replicate",
    "openai_images": "headgate.wire.images.openai",
    "together_images": "headgate.wire.images.likes:TOGETHER",
    "nebius_images": "headgate.wire.images.likes:NEBIUS",
    "hyperbolic_images": "headgate.wire.images.likes:HYPERBOLIC",
    "xai_images": "headgate.wire.images.likes:XAI",
    "recraft_images": "headgate.wire.images.likes:RECRAFT",
    "openrouter_images": "headgate.wire.images.likes:OPENROUTER",
    "ark_images": "headgate.wire.images.likes:ARK",
    "aiml_images": "headgate.wire.images.likes:AIML",
    "dashscope_images": "headgate.wire.images.dashscope",
    "google_images": "headgate.wire.images.google",
    "bedrock_images": "headgate.wire.images.bedrock",
    "stability_images": "headgate.wire.images.stability",
    "bfl_images": "headgate.wire.images.jobs:BFL",
    "fal_images": "headgate.wire.images.jobs:FAL",
    "runway_images": "headgate.wire.images.jobs:RUNWAY",
    "prediction_images": "headgate.wire.images.jobs:PREDICTIONS",
    "fireworks_images": "headgate.wire.images.plain:FIREWORKS",
    "cloudflare_images": "headgate.wire.images.plain:CLOUDFLARE",
    "pipeline_images": "headgate.wire.images.plain:PIPELINE",
    "topaz_images": "headgate.wire.images.plain:TOPAZ",
}
"""Module, and after ":" the name in it where that is not DIALECT."""


@cache
def dialect(name: str) -> Dialect:
    """Raises KeyError for a name that no row should hold."""
    module, _, own = MODULES[name].partition(":")
    found: Dialect = getattr(import_module(module), own or "DIALECT")
    return found
