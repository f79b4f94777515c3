"""What tokens cost, in exact decimals. Prices are US dollars for one token, by LiteLLM's field names.

A request beyond a context tier is billed at that tier's prices as a whole. Cached, written, audio and image
tokens are parts of the input, reasoning is a part of the output: a part without a price of its own has the
price of the whole.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from msgspec import Struct

from headgate.wire.ir import Usage

_ZERO: Final = Decimal(0)
_SUFFIX: Final = {"standard": "", "batch": "_batches", "flex": "_flex", "priority": "_priority"}
_TIER: Final = re.compile(r"_above_(\d+)k_tokens")
_FIELDS: Final = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "cache_write_long": "cache_creation_input_token_cost_above_1hr",
    "reasoning": "output_cost_per_reasoning_token",
    "audio_input": "input_cost_per_audio_token",
    "audio_output": "output_cost_per_audio_token",
    "image_input": "input_cost_per_image_token",
    "image_output": "output_cost_per_image_token",
}


class Rates(Struct, frozen=True):
    """Dollars per token of one tier; None: the part has no price of its own."""

    input: Decimal = _ZERO
    output: Decimal = _ZERO
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_long: Decimal | None = None
    reasoning: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None
    image_input: Decimal | None = None
    image_output: Decimal | None = None


class Cost(Struct, frozen=True):
    """US dollars by part; `total` is their sum."""

    total: Decimal
    input: Decimal = _ZERO
    output: Decimal = _ZERO
    cache_read: Decimal = _ZERO
    cache_write: Decimal = _ZERO
    reasoning: Decimal = _ZERO
    audio: Decimal = _ZERO
    image: Decimal = _ZERO
    searches: Decimal = _ZERO


class PriceSheet(Struct, frozen=True):
    """The prices of one model. `tiers` maps a service tier to (input tokens above which it counts, rates)."""

    tiers: dict[str, tuple[tuple[int, Rates], ...]]
    search: Decimal | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "PriceSheet | None":
        """From a row in LiteLLM's schema, None where it has no price for tokens."""
        if (
            price_of(row.get("input_cost_per_token")) is None
            and price_of(row.get("output_cost_per_token")) is None
        ):
            return None
        tiers = {name: _rates(row, suffix) for name, suffix in _SUFFIX.items() if _priced(row, suffix)}
        search = row.get("search_context_cost_per_query")
        return cls(tiers=tiers, search=price_of(search))

    def total(self, usage: Usage, tier: str = "standard") -> Decimal:
        """The whole cost. The plain case, input and output and perhaps cached input, is quick."""
        rates = self._for(usage, tier)
        if (
            usage.cache_write
            or usage.audio_input
            or usage.audio_output
            or usage.image_input
            or usage.image_output
            or usage.web_searches
            or (usage.reasoning and rates.reasoning is not None)
        ):
            return self.cost(usage, tier).total
        read = usage.cache_read
        if read and rates.cache_read is not None:
            return (usage.input - read) * rates.input + read * rates.cache_read + usage.output * rates.output
        return usage.input * rates.input + usage.output * rates.output

    def cost(self, usage: Usage, tier: str = "standard") -> Cost:
        rates = self._for(usage, tier)
        long = usage.cache_write_long or 0
        written = (usage.cache_write or 0) - long
        inputs = {
            "cache_read": (usage.cache_read or 0, rates.cache_read),
            "cache_write": (written, rates.cache_write),
            "cache_write_long": (long, rates.cache_write_long or rates.cache_write),
            "audio": (usage.audio_input or 0, rates.audio_input),
            "image": (usage.image_input or 0, rates.image_input),
        }
        outputs = {
            "reasoning": (usage.reasoning or 0, rates.reasoning),
            "audio": (usage.audio_output or 0, rates.audio_output),
            "image": (usage.image_output or 0, rates.image_output),
        }
        parts = {
            side: {name: count * price for name, (count, price) in rows.items() if price is not None}
            for side, rows in (("in", inputs), ("out", outputs))
        }
        plain_in = usage.input - sum(count for count, price in inputs.values() if price is not None)
        plain_out = usage.output - sum(count for count, price in outputs.values() if price is not None)
        input_cost, output_cost = max(0, plain_in) * rates.input, max(0, plain_out) * rates.output
        searches = (usage.web_searches or 0) * (self.search or _ZERO)
        total = input_cost + output_cost + searches
        total += sum((*parts["in"].values(), *parts["out"].values()), _ZERO)
        return Cost(
            total=total,
            input=input_cost,
            output=output_cost,
            cache_read=parts["in"].get("cache_read", _ZERO),
            cache_write=parts["in"].get("cache_write", _ZERO) + parts["in"].get("cache_write_long", _ZERO),
            reasoning=parts["out"].get("reasoning", _ZERO),
            audio=parts["in"].get("audio", _ZERO) + parts["out"].get("audio", _ZERO),
            image=parts["in"].get("image", _ZERO) + parts["out"].get("image", _ZERO),
            searches=searches,
        )

    def _for(self, usage: Usage, tier: str) -> Rates:
        steps = self.tiers.get(tier) or self.tiers["standard"]
        if len(steps) == 1:
            return steps[0][1]
        return next(rates for above, rates in reversed(steps) if usage.input > above or above == 0)


def price_of(value: Any) -> Decimal | None:
    """A price as an exact decimal: the shortest text of a float is what was written. None for no price."""
    if value is None or isinstance(value, bool | dict | list):
        return None
    try:
        price = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() else None


def _priced(row: Mapping[str, Any], suffix: str) -> bool:
    return not suffix or any(row.get(name + suffix) is not None for name in _FIELDS.values())


def _rates(row: Mapping[str, Any], suffix: str) -> tuple[tuple[int, Rates], ...]:
    """The base rates and those of each context tier, in rising order; a tier has what the base has besides."""
    base = {part: price_of(row.get(name + suffix)) for part, name in _FIELDS.items()}
    if suffix:
        standard = {part: price_of(row.get(name)) for part, name in _FIELDS.items()}
        base = {part: standard[part] if price is None else price for part, price in base.items()}
    limits = sorted(
        {int(found[1]) for name in row if (found := _TIER.search(name)) and name.endswith(f"tokens{suffix}")}
    )
    steps: list[tuple[int, Rates]] = [(0, _made(base))]
    for limit in limits:
        for part, name in _FIELDS.items():
            price = price_of(row.get(f"{name}_above_{limit}k_tokens{suffix}"))
            base[part] = base[part] if price is None else price
        steps.append((limit * 1000, _made(base)))
    return tuple(steps)


def _made(prices: Mapping[str, Decimal | None]) -> Rates:
    known = {part: price for part, price in prices.items() if price is not None}
    return Rates(**known)
