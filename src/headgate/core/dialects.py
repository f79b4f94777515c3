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
    "bedrock_converse": "headgate.wire.bedrock",
    "cohere": "headgate.wire.cohere",
    "cohere_embeddings": "headgate.wire.cohere.embeddings",
    "feature_extraction": "headgate.wire.feature_extraction",
    "watsonx_embeddings": "headgate.wire.watsonx",
    "ollama": "headgate.wire.ollama",
    "ollama_embeddings": "headgate.wire.ollama.embeddings",
    "bedrock_prompt": "headgate.wire.invoke.prompt",
    "bedrock_embeddings": "headgate.wire.invoke.embeddings",
}

COMPOSED: Final = {
    "bedrock_anthropic": ("headgate.wire.invoke.makers:Claude", "anthropic"),
    "bedrock_nova": ("headgate.wire.invoke.makers:Nova", "bedrock_converse"),
    "bedrock_openai": ("headgate.wire.invoke.makers:OpenAI", "openai_chat"),
}
"""Dialects around another: the class that makes one, and the dialect inside."""


@cache
def dialect(name: str) -> Dialect:
    """Raises KeyError for a name that no row should hold."""
    if name in COMPOSED:
        place, inner = COMPOSED[name]
        module, _, maker = place.partition(":")
        composed: Dialect = getattr(import_module(module), maker)(dialect(inner))
        return composed
    found: Dialect = import_module(MODULES[name]).DIALECT
    return found
