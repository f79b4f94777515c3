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
    "cohere": "headgate.wire.cohere",
    "cohere_embeddings": "headgate.wire.cohere.embeddings",
}
_HOME: Final = dict.fromkeys(
    ("tgi_generate", "triton_generate", "nlp_generation", "luminous_complete", "j2_complete"),
    "headgate.wire.textgen",
)
"""Dialects that are rows of one module's `DIALECTS`."""


@cache
def dialect(name: str) -> Dialect:
    """Raises KeyError for a name that no row should hold."""
    if name in _HOME:
        row: Dialect = import_module(_HOME[name]).DIALECTS[name]
        return row
    found: Dialect = import_module(MODULES[name]).DIALECT
    return found
