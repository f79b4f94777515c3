"""Hand-kept facts of models."""

from typing import Any


def facts_of(provider: str, name: str, window: int | None) -> dict[str, Any]:
    return {"max_input_tokens": window} if window else {}
