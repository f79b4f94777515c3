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
    "feature_extraction": "headgate.wire.feature_extraction",
    "watsonx_embeddings": "headgate.wire.watsonx",
    "tgi": "headgate.wire.tgi",
    "ollama": "headgate.wire.ollama",
    "ollama_generate": "headgate.wire.ollama.generate",
    "ollama_embeddings": "headgate.wire.ollama.embeddings",
}


@cache
def dialect(name: str) -> Dialect:
    """Raises KeyError for a name that no row should hold."""
    found: Dialect = import_module(MODULES[name]).DIALECT
    return found
