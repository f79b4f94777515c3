"""Times as people and APIs write them."""

from datetime import UTC, datetime


def iso(seconds: float) -> str:
    """Unix seconds as 2026-11-21T01:26:30Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
