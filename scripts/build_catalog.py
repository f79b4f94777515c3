"""Writes src/headgate/catalog/data/models.json from the installed genai-prices package and the hand-kept facts.

    python scripts/build_catalog.py

The result depends on nothing but the package's version: prices in force on the day it was released.
"""

import json
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import types
from genai_prices.data_snapshot import get_snapshot

from catalog_facts import FACTS

TARGET = Path(__file__).parent.parent / "src/headgate/catalog/data/models.json"
DAY = datetime(2026, 11, 10, tzinfo=UTC)

PROVIDERS = {
    "google": "gemini",
    "x-ai": "xai",
    "together": "together_ai",
    "fireworks": "fireworks_ai",
    "aws": "bedrock",
    "moonshotai": "moonshot",
    "voyageai": "voyage",
}
BARE = ("openai", "anthropic")
FIELDS = {
    "input_mtok": "input_cost_per_token",
    "output_mtok": "output_cost_per_token",
    "cache_read_mtok": "cache_read_input_token_cost",
    "cache_write_mtok": "cache_creation_input_token_cost",
    "cache_write_1h_mtok": "cache_creation_input_token_cost_above_1hr",
    "output_reasoning_mtok": "output_cost_per_reasoning_token",
    "input_audio_mtok": "input_cost_per_audio_token",
    "output_audio_mtok": "output_cost_per_audio_token",
    "input_image_mtok": "input_cost_per_image_token",
    "output_image_mtok": "output_cost_per_image_token",
}
VARIANTS = {"batch": "_batches", "flex": "_flex", "priority": "_priority"}


def main() -> None:
    rows: dict[str, dict[str, Any]] = {}
    rules: dict[str, list[Any]] = {}
    for provider in get_snapshot().providers:
        name = PROVIDERS.get(provider.id, provider.id)
        for model in provider.models:
            key = model.id if provider.id in BARE else f"{name}/{model.id}"
            if key in rows:
                continue
            rows[key] = row_of(name, model)
            rules.setdefault(name, []).append([clause(model.match), key])
    document = {"source": f"genai-prices {version('genai-prices')}", "rows": rows, "rules": rules}
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n")
    print(f"{len(rows)} models of {len(rules)} providers → {TARGET}")


def row_of(provider: str, model: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"litellm_provider": provider}
    if model.context_window:
        row["max_input_tokens"] = model.context_window
    add_prices(row, model.get_prices(DAY), "")
    for variant in model.price_variants or ():
        suffix = VARIANTS.get(next(iter(variant.when.values()), ""), "")
        if suffix and len(variant.when) == 1:
            add_prices(row, variant.prices, suffix)
    for pattern, facts in FACTS:
        if not re.match(pattern, f"{provider}/{model.id}"):
            continue
        for key, value in facts.items():
            if key == "supports":
                row.update({f"supports_{name}": True for name in str(value).split()})
            else:
                row.setdefault(key, value)
    if row["mode"] == "chat" and "max_output_tokens" in row:
        row["max_tokens"] = row["max_output_tokens"]
    return row


def add_prices(row: dict[str, Any], prices: Any, suffix: str) -> None:
    for field, name in FIELDS.items():
        price = getattr(prices, field, None)
        if price is None:
            continue
        if isinstance(price, types.TieredPrices):
            for tier in price.tiers:
                row[f"{name}_above_{tier.start // 1000}k_tokens{suffix}"] = per_token(tier.price)
            price = price.base
        row[name + suffix] = per_token(price)
    if not suffix and getattr(prices, "web_searches_kcount", None):
        row["search_context_cost_per_query"] = float(prices.web_searches_kcount / 1000)


def per_token(price: Any) -> float:
    return float(price / 1_000_000)


def clause(match: Any) -> Any:
    """A match clause as JSON: ["starts_with", text] or ["or", [clauses]]."""
    kind = type(match).__name__.removeprefix("Clause")
    word = re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    for field in (word, f"{word}_"):
        if hasattr(match, field):
            value = getattr(match, field)
            return [word, [clause(one) for one in value] if isinstance(value, list) else str(value)]
    raise ValueError(f"a clause of a new kind: {match!r}")


if __name__ == "__main__":
    main()
