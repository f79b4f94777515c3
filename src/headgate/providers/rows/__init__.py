"""One row per provider."""
