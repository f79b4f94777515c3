"""Every provider as people look for it: operations, addresses, variables, deviations, and how it was tested. Pure.

`headgate providers` prints it, `scripts/providers_page.py` writes docs/providers.md from it.
"""

from typing import Any, Final

from headgate.providers.base import Provider, Quirks
from headgate.providers.rows import ROWS

RECORDED: Final = frozenset(
    """anthropic azure azure_ai cerebras cloudflare crusoe databricks deepseek fireworks_ai gemini groq heroku
    hosted_vllm huggingface hyperbolic mistral nebius novita nvidia_nim ollama openai openrouter perplexity sambanova
    together_ai vercel_ai_gateway xai zai""".split()
)
"""Those of whom recorded traffic is replayed by the tests. The others are built from their documentation."""
BUILT: Final = ("chat", "responses", "completions", "embeddings")
"""Operations that the gateway has; rows name addresses of further ones."""


def operations(row: Provider) -> list[str]:
    return [name for name in BUILT if name in row.paths]


def tested(row: Provider) -> str:
    if row.id == "mock":
        return "itself"
    return "recorded traffic" if row.id in RECORDED else "documented shape"


def described(row: Provider) -> dict[str, Any]:
    """All of it, as JSON can carry it."""
    quirks = {"": _plain(row.quirks), **{rule.match: _plain(rule.quirks) for rule in row.model_rules}}
    return {
        "id": row.id,
        "name": row.name,
        "aliases": list(row.aliases),
        "dialect": row.dialect,
        "operations": operations(row),
        "base_url": row.base_url,
        "api_key_env": list(row.api_key_env),
        "base_url_env": list(row.base_url_env),
        "other_env": sorted(
            {*(name for _, *names in row.base_vars.values() for name in names), *row.header_env.values()}
        ),
        "key_is_optional": row.auth.optional,
        "quirks": {models: quirks for models, quirks in quirks.items() if quirks},
        "tested": tested(row),
    }


def _plain(quirks: Quirks) -> dict[str, Any]:
    return {
        name: value for name in quirks.__struct_fields__ if (value := getattr(quirks, name)) not in _NOTHING
    }


_NOTHING: Final[tuple[Any, ...]] = ({}, (), False, True, None)


def sorted_rows() -> list[Provider]:
    return sorted(ROWS, key=lambda row: row.id.lower())
