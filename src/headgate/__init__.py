"""Headgate: one gateway and one SDK in front of every LLM provider."""

__version__ = "0.1.0"
