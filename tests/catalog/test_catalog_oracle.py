"""Our prices against genai-prices' own calculation: the same decimals, or a reason why not."""

import random
import re
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from headgate.catalog.lookup import Catalog
from headgate.wire.ir import Usage

genai_prices = pytest.importorskip("genai_prices")
from genai_prices import types  # noqa: E402
from genai_prices.data import providers  # noqa: E402

ROOT = Path(__file__).parents[2]
CATALOG = Catalog()
RECORDED = CATALOG.source.split(",")[0].removeprefix("genai-prices ")
DAY = datetime(2026, 11, 10, tzinfo=UTC)
NAMES = {
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
CONTEXTS: dict[str, dict[str, str]] = {
    "standard": {},
    "batch": {"processing": "batch"},
    "priority": {"service_tier": "priority"},
    "flex": {"service_tier": "flex"},
}

same_version = pytest.mark.skipif(
    version("genai-prices") != RECORDED,
    reason=f"the table is of genai-prices {RECORDED}, installed is {version('genai-prices')}",
)


def asked(provider: Any, model: Any) -> tuple[str, str] | None:
    """(name, provider) by which the package finds this very model."""
    names = [model.id, *_exact(model.match)]
    name = next((name for name in names if provider.find_model(name) is model), None)
    if name is None:
        return None
    if provider.id.startswith("huggingface_"):
        return f"{provider.id.removeprefix('huggingface_')}/{name}", "huggingface"
    return name, NAMES.get(provider.id, provider.id)


def _exact(match: Any) -> list[str]:
    if isinstance(match, types.ClauseEquals):
        return [match.equals]
    return [name for one in getattr(match, "or_", ()) for name in _exact(one)]


def usage(dice: random.Random) -> Usage:
    size = dice.choice([7, 1500, 31_999, 127_999, 128_001, 199_999, 200_000, 200_001, 272_001, 600_000])
    share = [dice.choice([0, 0, 1, size // 9]) for _ in range(4)]
    read, written, heard, seen = share
    output = dice.choice([0, 1, 997, 64_000])
    return Usage(
        input=size,
        output=output,
        cache_read=read or None,
        cache_write=written or None,
        cache_write_long=dice.choice([None, written // 2]) if written else None,
        reasoning=output // 3 if dice.random() < 0.4 else None,
        audio_input=heard or None,
        image_input=seen or None,
        audio_output=output // 5 if dice.random() < 0.2 else None,
        image_output=output // 7 if dice.random() < 0.2 else None,
        web_searches=dice.choice([None, None, 3]),
    )


def theirs(spent: Usage) -> types.Usage:
    """All counts stated, also zeros: the package refuses to guess what overlaps."""
    return types.Usage(
        input_tokens=spent.input,
        output_tokens=spent.output,
        cache_read_tokens=spent.cache_read or 0,
        cache_write_tokens=spent.cache_write or 0,
        cache_write_1h_tokens=spent.cache_write_long or 0,
        output_reasoning_tokens=spent.reasoning or 0,
        input_audio_tokens=spent.audio_input or 0,
        output_audio_tokens=spent.audio_output or 0,
        input_image_tokens=spent.image_input or 0,
        output_image_tokens=spent.image_output or 0,
        cache_audio_read_tokens=0,
        cache_image_read_tokens=0,
        web_searches=spent.web_searches or 0,
    )


def expected(provider: Any, model: Any, spent: Usage, tier: str) -> Decimal:
    """What the package says at the hour at which the model's input costs most."""

    def dearness(hour: datetime) -> Decimal:
        price = vars(model.get_prices(hour)).get("input_mtok")
        return getattr(price, "base", price) or Decimal(0)

    hours = [DAY + timedelta(hours=hour) for hour in range(24)]
    result = model.calc_price(
        theirs(spent),
        provider,
        genai_request_timestamp=max(hours, key=dearness),
        price_context=CONTEXTS[tier] or None,
    )
    return result.total_price


NOISE = "binary noise in the 17th digit of the package's price"


def reason_to_differ(difference: Decimal, whole: Decimal) -> str | None:
    return NOISE if abs(difference) <= whole * Decimal("1e-14") else None


@same_version
def test_totals_are_those_of_genai_prices() -> None:
    """Every model once and the tiers of those that have any: about three thousand comparisons."""
    dice = random.Random(20261110)
    compared, unpriced, differing, reasons = 0, 0, [], Counter[str]()
    for provider in providers:
        for model in provider.models:
            at = asked(provider, model)
            if at is None:
                unpriced += 1
                continue
            tiers = [tier for tier, when in CONTEXTS.items() if tier == "standard" or _has(model, when)]
            sheet = CATALOG.sheet(*at, {})
            if sheet is None:
                prices = vars(model.get_prices(DAY))
                assert not {"input_mtok", "output_mtok"} & {k for k, v in prices.items() if v is not None}, at
                unpriced += 1
                continue
            for tier in tiers * (3 if len(tiers) > 1 else 1):
                spent = usage(dice)
                ours, right = sheet.total(spent, tier), expected(provider, model, spent, tier)
                assert ours == sheet.cost(spent, tier).total
                compared += 1
                if ours != right:
                    why = reason_to_differ(ours - right, right)
                    reasons[str(why)] += 1
                    if why is None:
                        differing.append((at, tier, ours, right))
    print(f"{compared} compared, {unpriced} without token prices; differing with a reason: {dict(reasons)}")
    assert not differing[:5], (len(differing), differing[:5])
    assert compared >= 2000
    assert sum(reasons.values()) <= 5


def _has(model: Any, when: dict[str, str]) -> bool:
    return any(variant.when == when for variant in model.price_variants or ())


@same_version
@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "gpt-4o-2024-11-20"),
        ("openai", "gpt-6-sol-2031-01-02"),
        ("openai", "gpt-5.2-20251211"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::x"),
        ("anthropic", "claude-opus-5-20301231"),
        ("anthropic", "claude-sonnet-4-5-20250929"),
        ("google", "gemini-2.5-pro-preview-06-05"),
        ("google", "gemini-3.5-flash-001"),
        ("azure", "gpt-4o"),
        ("azure", "claude-sonnet-4-5"),
        ("aws", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("x-ai", "grok-4-latest"),
        ("mistral", "mistral-large-latest"),
        ("groq", "openai/gpt-oss-120b"),
        ("openrouter", "openai/gpt-6-sol-20300101"),
        ("cohere", "command-r-plus-08-2024"),
    ],
)
def test_unseen_names_lead_where_the_package_leads(provider: str, name: str) -> None:
    home = next(one for one in providers if one.id == provider)
    model = home.find_model(name, all_providers=providers)
    row = CATALOG.find(name, NAMES.get(provider, provider))
    if model is None:
        assert row is None
        return
    assert row is not None
    price = vars(model.get_prices(DAY))["input_mtok"]
    assert Decimal(repr(row["input_cost_per_token"])) == getattr(price, "base", price) / 1_000_000


@same_version
def test_regeneration_gives_the_same_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    for name in ("build_catalog", "catalog_facts"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import build_catalog  # type: ignore[import-not-found]

    assert build_catalog.document() == build_catalog.TARGET.read_text()


def test_the_table_says_where_it_comes_from() -> None:
    assert re.fullmatch(r"genai-prices [\d.]+, \d{4}-\d\d-\d\d", CATALOG.source)
