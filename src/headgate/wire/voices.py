"""Voices of OpenAI's and their likes elsewhere. Data: a name that is not here is the provider's own."""

from typing import Final

GOOGLE: Final = {
    "alloy": "Kore", "ash": "Orus", "ballad": "Umbriel", "cedar": "Algieba", "coral": "Aoede", "echo": "Puck",
    "fable": "Callirrhoe", "marin": "Despina", "nova": "Leda", "onyx": "Charon", "sage": "Sulafat",
    "shimmer": "Zephyr", "verse": "Achird",
}  # fmt: skip
"""https://ai.google.dev/gemini-api/docs/speech-generation#voices"""
