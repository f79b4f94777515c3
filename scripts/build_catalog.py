"""Writes src/headgate/catalog/data/models.json from the installed genai-prices package and the hand-kept facts.

    python scripts/build_catalog.py

The result depends on nothing but the package's version and catalog_facts.py: prices are those in force on DAY.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices.data import providers
from genai_prices.types import TieredPrices

import catalog_facts

TARGET = Path(__file__).parent.parent / "src/headgate/catalog/data/models.json"
DAY = datetime(2026, 11, 10, tzinfo=UTC)
"""The day of the package's release."""

PROVIDERS = {
    "aws": "bedrock",
    "fireworks": "fireworks_ai",
    "github-copilot": "github_copilot",
    "google": "gemini",
    "meta": "meta_llama",
    "moonshotai": "moonshot",
    "together": "together_ai",
    "voyageai": "voyage",
    "x-ai": "xai",
}
"""LiteLLM's name where the package's differs; huggingface_x becomes huggingface, its models x/…"""
BARE = ("openai", "anthropic")
"""Providers whose models LiteLLM lists without a prefix."""
BARE_RULES = [
    [
        "bedrock",
        [["regex", r"^(?:(?:us|eu|apac|au|jp|ca|global|us-gov)\.)?(?:ai21|amazon|anthropic|cohere|meta)\."]],
    ]
]
"""Names without a provider that the package has no rule for."""

MTOK = Decimal(1_000_000)
SECONDS = Decimal(3600)
NOISE = Decimal("1e-15")
SEARCHES = ("low", "medium", "high")
UNITS = {
    "input_mtok": ("input_cost_per_token", MTOK),
    "output_mtok": ("output_cost_per_token", MTOK),
    "cache_read_mtok": ("cache_read_input_token_cost", MTOK),
    "cache_write_mtok": ("cache_creation_input_token_cost", MTOK),
    "cache_write_1h_mtok": ("cache_creation_input_token_cost_above_1hr", MTOK),
    "output_reasoning_mtok": ("output_cost_per_reasoning_token", MTOK),
    "input_audio_mtok": ("input_cost_per_audio_token", MTOK),
    "output_audio_mtok": ("output_cost_per_audio_token", MTOK),
    "cache_audio_read_mtok": ("cache_read_input_audio_token_cost", MTOK),
    "input_image_mtok": ("input_cost_per_image_token", MTOK),
    "output_image_mtok": ("output_cost_per_image_token", MTOK),
    "cache_image_read_mtok": ("cache_read_input_image_token_cost", MTOK),
    "input_video_mtok": ("input_cost_per_video_token", MTOK),
    "output_video_mtok": ("output_cost_per_video_token", MTOK),
    "output_citation_mtok": ("citation_cost_per_token", MTOK),
    "input_mchars": ("input_cost_per_character", MTOK),
    "requests_kcount": ("input_cost_per_request", Decimal(1000)),
    "input_document_kpages": ("ocr_cost_per_page", Decimal(1000)),
    "input_annotated_document_kpages": ("annotation_cost_per_page", Decimal(1000)),
    "audio_hours": ("input_cost_per_second", SECONDS),
    "input_audio_hours": ("input_cost_per_audio_per_second", SECONDS),
}
"""The package's prices → LiteLLM's field, and for how many units the price is."""
VARIANTS = {
    "_batches": {"processing": "batch"},
    "_priority": {"service_tier": "priority"},
    "_flex": {"service_tier": "flex"},
}


def main() -> None:
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    text = document()
    TARGET.write_text(text)
    print(f"{text.count('litellm_provider')} models → {TARGET}")


def document() -> str:
    """The table as JSON text, one model to a line."""
    rows: dict[str, dict[str, Any]] = {}
    rules: dict[str, list[Any]] = {}
    for provider in providers:
        name, prefix = names_of(provider.id)
        for model in provider.models:
            local = prefix + local_name(provider, model)
            key = local if provider.id in BARE else f"{name}/{local}"
            if key not in rows:
                rows[key] = row_of(name, local, model)
            rules.setdefault(name, []).extend([*rule, key] for rule in flat(model.match, prefix))
    bare = [[names_of(one.id)[0], list(flat(one.model_match, ""))] for one in providers if one.model_match]
    order = {name: at for at, name in enumerate(("openai", "anthropic", "gemini"))}
    bare.sort(key=lambda one: order.get(one[0], len(order)))
    head = {
        "source": f"genai-prices {version('genai-prices')}",
        "as_of": DAY.date().isoformat(),
        "fallbacks": {
            names_of(one.id)[0]: [names_of(other)[0] for other in one.fallback_model_providers]
            for one in providers
            if one.fallback_model_providers
        },
        "bare": BARE_RULES + bare,
    }
    parts = [f"{dumps(name)}:{dumps(value)}" for name, value in head.items()]
    parts += [f"{dumps(name)}:{lines(value)}" for name, value in (("rows", rows), ("rules", rules))]
    return "{" + ",\n".join(parts) + "}\n"


def lines(table: dict[str, Any]) -> str:
    return "{\n" + ",\n".join(f"{dumps(key)}:{dumps(value)}" for key, value in sorted(table.items())) + "\n}"


def dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def names_of(provider: str) -> tuple[str, str]:
    """LiteLLM's provider and what its model names begin with."""
    if provider.startswith("huggingface_"):
        return "huggingface", provider.removeprefix("huggingface_") + "/"
    return PROVIDERS.get(provider, provider), ""


def local_name(provider: Any, model: Any) -> str:
    """The model's id, or where that does not lead back to the model, the first name that does."""
    exact = [value for kind, value in flat(model.match, "", keep_case=True) if kind == "equals"]
    return next((name for name in (model.id, *exact) if provider.find_model(name) is model), model.id)


def row_of(provider: str, name: str, model: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"litellm_provider": provider, "mode": "chat"}
    row.update(catalog_facts.facts_of(provider, name, model.context_window))
    hours = [DAY + timedelta(hours=hour) for hour in range(24)]
    peak = max(hours, key=lambda hour: dearness(model.get_prices(hour)))
    standard = model.get_prices(peak)
    row.update(priced(standard, ""))
    for suffix, context in VARIANTS.items():
        own = model.get_prices(peak, context)
        changed = {unit: price for unit, price in vars(own).items() if price != vars(standard).get(unit)}
        row.update(priced(type(standard)(**changed), suffix))
    # https://openrouter.ai/docs/guides/routing/model-variants/free
    if provider == "openrouter" and name.endswith(":free"):
        row = {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0} | row
    if model.deprecated:
        row["deprecated"] = True
    return row


def dearness(prices: Any) -> Decimal:
    """Some models cost less at night: the table has the day's price, a budget must hold at any hour."""
    price = vars(prices).get("input_mtok")
    return (price.base if isinstance(price, TieredPrices) else price) or Decimal(0)


def priced(prices: Any, suffix: str) -> dict[str, Any]:
    found = vars(prices)
    fields: dict[str, Any] = {}
    for unit, (field, count) in UNITS.items():
        price = found.get(unit)
        if isinstance(price, TieredPrices):
            for tier in price.tiers:
                fields[f"{field}_above_{size(tier.start)}_tokens{suffix}"] = number(tier.price, count)
            price = price.base
        if price is not None:
            fields[field + suffix] = number(price, count)
    searches = found.get("web_searches_kcount")
    if searches is not None and not suffix:
        each = number(searches, Decimal(1000))
        fields["search_context_cost_per_query"] = {f"search_context_size_{one}": each for one in SEARCHES}
    return fields


def size(tokens: int) -> str:
    return f"{tokens // 1000}k" if tokens % 1000 == 0 else str(tokens)


def number(price: Decimal, count: Decimal) -> float:
    """Per unit, as a float whose shortest text is the price; a price with 17 digits of binary noise loses some."""
    exact = price / count
    value = float(exact)
    if count != SECONDS and abs(Decimal(repr(value)) - exact) > exact * NOISE:
        raise ValueError(f"{exact} is no float")
    return value


def flat(match: Any, prefix: str, keep_case: bool = False) -> Iterator[list[Any]]:
    """A match clause as (kind, value) pairs of which one must hold: ["starts_with", text], ["and", [pairs]]."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(match).__name__.removeprefix("Clause")).lower()
    if kind == "or":
        for one in match.or_:
            yield from flat(one, prefix, keep_case)
    elif kind == "and":
        yield ["and", [pair for one in match.and_ for pair in flat(one, prefix, keep_case)]]
    elif kind == "regex":
        yield ["regex", match.regex.replace("^", "^" + re.escape(prefix)) if prefix else match.regex]
    else:
        value = getattr(match, kind)
        value = prefix + value if kind in ("equals", "starts_with") else value
        yield [kind, value if keep_case else value.lower()]


if __name__ == "__main__":
    main()
