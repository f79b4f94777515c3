"""What calls cost, in exact decimals: US dollars, by LiteLLM's field names. Knows no model and no request.

A request whose input is larger than a context size is billed at that size's prices as a whole. Cached, written,
audio and image tokens are parts of the input, reasoning, audio and image tokens parts of the output: a part
without a price of its own has the price of the whole. What is billed by something else than tokens has one price,
for whatever is counted.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from msgspec import Struct, convert
from msgspec.structs import replace

from headgate.money import UNITS, units
from headgate.wire.ir import Usage

_ZERO: Final = Decimal(0)
_TIERS: Final = {"": "standard", "_batches": "batch", "_priority": "priority", "_flex": "flex"}
_PARTS: Final = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_read_input_audio_token_cost": "cache_read_audio",
    "cache_read_input_image_token_cost": "cache_read_image",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_long",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "audio_input",
    "output_cost_per_audio_token": "audio_output",
    "input_cost_per_image_token": "image_input",
    "output_cost_per_image_token": "image_output",
}
_OTHERS: Final = ("input_cost_per_request", "search_context_cost_per_query")
_UNITS: Final = {
    "searches": ("input_cost_per_query",),
    "pages": ("ocr_cost_per_page",),
    "annotated_pages": ("annotation_cost_per_page",),
    "characters": ("input_cost_per_character", "output_cost_per_character"),
    "seconds": ("output_cost_per_second", "input_cost_per_second", "input_cost_per_audio_per_second"),
    "images": ("output_cost_per_image", "input_cost_per_image"),
}
"""What is counted → its price; the first that isn't zero holds, as LiteLLM has it: rows may name the same price for
what goes in and what comes out."""
_UNIT_FIELD: Final = re.compile(
    rf"({'|'.join(sorted((name for names in _UNITS.values() for name in names), key=len, reverse=True))})"
    r"(_batches|_priority|_flex)?"
)
_RIVALS: Final = {name: names for names in _UNITS.values() for name in names}
_FIELD: Final = re.compile(
    rf"({'|'.join(sorted(_PARTS, key=len, reverse=True))})"
    r"(?:_above_(\d+)(k?)_tokens)?(_batches|_priority|_flex)?"
)

_MAGNITUDE: Final = 12
"""Powers of ten beyond which a number is no price in dollars, and no product of it within a decimal's reach."""

Curve = dict[int, Decimal]
"""A price by the number of input tokens above which it holds; 0 is the plain price."""


class Rates(Struct, frozen=True):
    """Dollars per token at one size of the input; None: the part has no price of its own."""

    input: Decimal = _ZERO
    output: Decimal = _ZERO
    cache_read: Decimal | None = None
    cache_read_audio: Decimal | None = None
    cache_read_image: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_long: Decimal | None = None
    reasoning: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None
    image_input: Decimal | None = None
    image_output: Decimal | None = None
    whole: tuple[int, int, int] | None = None
    """Units of money per token of input, output and cached input, where they are whole numbers."""


class Cost(Struct, frozen=True):
    """US dollars by part; `total` is the sum of the others. `input` and `output` are what no other part holds."""

    total: Decimal
    input: Decimal = _ZERO
    output: Decimal = _ZERO
    cache_read: Decimal = _ZERO
    cache_write: Decimal = _ZERO
    reasoning: Decimal = _ZERO
    audio: Decimal = _ZERO
    image: Decimal = _ZERO
    searches: Decimal = _ZERO
    request: Decimal = _ZERO
    units: Decimal = _ZERO


class PriceSheet(Struct, frozen=True):
    """The prices of one model, ready to be multiplied.

    `tiers` maps a service tier ("standard", "batch", "priority", also as "fast", "flex") to its rates by input
    size, rising; a tier that the model has no prices for costs the standard ones. `search` is for one web
    search, `request` for the call as such. `units` maps a service tier to the price of one search, page,
    character, second or image; `tokens` says that tokens have a price at all.
    """

    tiers: dict[str, tuple[tuple[int, Rates], ...]]
    units: dict[str, dict[str, Decimal]] = {}
    tokens: bool = True
    search: Decimal = _ZERO
    request: Decimal = _ZERO

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "PriceSheet | None":
        """From a row in LiteLLM's schema, None where it has no price for plain tokens or another unit."""
        curves = _curves(row)
        standard = curves["standard"]
        units = _units(row)
        tokens = bool({"input", "output"} & standard.keys())
        if not tokens and not units:
            return None
        tiers = {tier: _steps(standard, own) for tier, own in curves.items() if own or tier == "standard"}
        if "priority" in tiers:  # renamed: https://developers.openai.com/api/docs/guides/fast-mode
            tiers["fast"] = tiers["priority"]
        return cls(
            tiers=tiers,
            units=units,
            tokens=tokens,
            search=_search_price(row.get("search_context_cost_per_query")),
            request=price_of(row.get("input_cost_per_request")) or _ZERO,
        )

    def covers(self, usage: Usage) -> bool:
        """Whether something that was used has a price here: otherwise a cost of 0 would be no knowledge."""
        sound = usage.characters is not None or usage.seconds is not None
        tokens = self.tokens and bool(usage.input or usage.output or not sound)
        return tokens or any(getattr(usage, name) is not None for name in self.units.get("standard", ()))

    def charge(self, usage: Usage, tier: str = "standard") -> int:
        """The whole cost in units of money. Input, output and perhaps cached input alone take the short way."""
        rates = self.rates(usage.input, tier)
        whole, read = rates.whole, usage.cache_read or 0
        if (
            whole is None
            or usage.cache_write
            or usage.cache_write_long
            or usage.audio_input
            or usage.audio_output
            or usage.image_input
            or usage.image_output
            or usage.web_searches
            or (usage.reasoning and rates.reasoning is not None)
            or self.request
            or self.units
            or read > usage.input
        ):
            return units(self.total(usage, tier))
        price, price_out, price_read = whole
        return (usage.input - read) * price + read * price_read + usage.output * price_out

    def total(self, usage: Usage, tier: str = "standard") -> Decimal:
        """The whole cost in US dollars, unrounded."""
        return self.cost(usage, tier).total

    def cost(self, usage: Usage, tier: str = "standard") -> Cost:
        """The cost by part. Parts that claim more than the whole leave nothing of it, and no negative cost."""
        rates = self.rates(usage.input, tier)
        long = usage.cache_write_long or 0
        written = max(usage.cache_write or 0, long)
        long_price = rates.cache_write if rates.cache_write_long is None else rates.cache_write_long
        audio_price = rates.cache_read if rates.cache_read_audio is None else rates.cache_read_audio
        image_price = rates.cache_read if rates.cache_read_image is None else rates.cache_read_image
        audio = usage.cached_audio or 0 if audio_price is not None else 0
        image = usage.cached_image or 0 if image_price is not None else 0
        read, left = _part(max(0, (usage.cache_read or 0) - audio - image), rates.cache_read, usage.input)
        audio_read, left = _part(audio, audio_price, left)
        image_read, left = _part(image, image_price, left)
        short_write, left = _part(written - long, rates.cache_write, left)
        long_write, left = _part(long, long_price, left)
        heard, left = _part((usage.audio_input or 0) - audio, rates.audio_input, left)
        seen, left = _part((usage.image_input or 0) - image, rates.image_input, left)
        reasoned, rest = _part(usage.reasoning, rates.reasoning, usage.output)
        spoken, rest = _part(usage.audio_output, rates.audio_output, rest)
        drawn, rest = _part(usage.image_output, rates.image_output, rest)
        parts = {
            "input": max(0, left) * rates.input,
            "output": max(0, rest) * rates.output,
            "cache_read": read + audio_read + image_read,
            "cache_write": short_write + long_write,
            "reasoning": reasoned,
            "audio": heard + spoken,
            "image": seen + drawn,
            "searches": (usage.web_searches or 0) * self.search,
            "request": self.request,
            "units": self._units(usage, tier),
        }
        return Cost(total=sum(parts.values(), _ZERO), **parts)

    def _units(self, usage: Usage, tier: str) -> Decimal:
        prices = {**self.units.get("standard", {}), **self.units.get(tier, {})}
        counts = {name: Decimal(str(getattr(usage, name) or 0)) for name in prices}
        if "annotated_pages" in counts and "pages" in counts:  # a part with a price of its own
            counts["pages"] = max(_ZERO, counts["pages"] - counts["annotated_pages"])
        if self.tokens and (usage.input or usage.output):
            counts.pop("images", None)  # rows price pictures both ways, of which one is meant
        return sum((number * prices[name] for name, number in counts.items()), _ZERO)

    def rates(self, size: int, tier: str = "standard") -> Rates:
        """Of tokens, where the input has so many."""
        steps = self.tiers.get(tier) or self.tiers["standard"]
        if len(steps) == 1:
            return steps[0][1]
        return next((rates for above, rates in reversed(steps) if size > above), steps[0][1])


def price_of(value: Any) -> Decimal | None:
    """A price as an exact decimal: a float is what its shortest text says. None for what is no price."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        price = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None
    usual = price.is_finite() and price >= 0 and (not price or abs(price.adjusted()) <= _MAGNITUDE)
    return price if usual else None


def overridden(row: Mapping[str, Any], prices: Mapping[str, Any]) -> dict[str, Any]:
    """The row with those fields of `prices` that are prices; the others are ignored.

    A new plain price takes with it what the row had for larger inputs and other tiers of the same part: whoever
    names one price means that one.
    """
    given = {name: value for name, value in _flat(prices) if _is_price(name, value)}
    gone = {found[1] for name in given if (found := _FIELD.fullmatch(name)) and found[1] == name}
    gone.update(rival for name in given for rival in _RIVALS.get(name, ()))
    kept = {name: value for name, value in _flat(row) if _base(name) not in gone}
    return kept | given


def _base(name: str) -> str | None:
    """The plain price's name, of which this one is for a size or tier; None for what is no price."""
    found = _FIELD.fullmatch(name) or _UNIT_FIELD.fullmatch(name)
    return found[1] if found else None


def _flat(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields, `tiered_pricing` ([{"range": [above, to], prices …}, …]) written out as `_above_N_tokens`."""
    for name, value in row.items():
        if name != "tiered_pricing" or not isinstance(value, list):
            yield name, value
            continue
        for step in value:
            above = _above(step)
            for field, price in step.items() if above is not None else ():
                yield (f"{field}_above_{above}_tokens" if above else field), price


def _above(step: Any) -> int | None:
    """Where a step of `tiered_pricing` begins, None for what is no step."""
    sizes = step.get("range") if isinstance(step, dict) else None
    start = price_of(sizes[0]) if isinstance(sizes, list) and sizes else None
    return None if start is None else int(start)


def _is_price(name: str, value: Any) -> bool:
    if name == "search_context_cost_per_query" and isinstance(value, dict):
        return True
    return (name in _OTHERS or _base(name) is not None) and price_of(value) is not None


def _part(count: int | None, price: Decimal | None, whole: int) -> tuple[Decimal, int]:
    """What a part costs and what it leaves of the whole; without a price of its own it stays in the whole."""
    if not count or count < 0 or price is None:
        return _ZERO, whole
    return count * price, whole - count


def _curves(row: Mapping[str, Any]) -> dict[str, dict[str, Curve]]:
    """Prices by tier, part and input size."""
    curves: dict[str, dict[str, Curve]] = {tier: {} for tier in _TIERS.values()}
    for name, value in _flat(row):
        found = _FIELD.fullmatch(name)
        price = price_of(value) if found else None
        if found and price is not None:
            field, size, thousands, suffix = found.groups()
            above = int(size or 0) * (1000 if thousands else 1)
            curves[_TIERS[suffix or ""]].setdefault(_PARTS[field], {})[above] = price
    return curves


def _units(row: Mapping[str, Any]) -> dict[str, dict[str, Decimal]]:
    """Prices of what is no token, by tier and what is counted."""
    tiers: dict[str, dict[str, Decimal]] = {}
    for suffix, tier in _TIERS.items():
        for unit, names in _UNITS.items():
            prices = [price for name in names if (price := price_of(row.get(name + suffix))) is not None]
            if prices:
                tiers.setdefault(tier, {})[unit] = next((price for price in prices if price), _ZERO)
    if "priority" in tiers:
        tiers["fast"] = tiers["priority"]
    return tiers


def _steps(standard: Mapping[str, Curve], own: Mapping[str, Curve]) -> tuple[tuple[int, Rates], ...]:
    """Rates at every size where one changes. A part that the tier names has none of the standard's sizes."""
    plain = {part: {0: curve[0]} for part, curve in standard.items() if 0 in curve}
    curves = {**standard, **{part: plain.get(part, {}) | curve for part, curve in own.items()}}
    sizes = sorted({0}.union(*curves.values()))
    return tuple((size, _rates({part: _at(curve, size) for part, curve in curves.items()})) for size in sizes)


def _rates(prices: Mapping[str, Decimal | None]) -> Rates:
    known = {part: price for part, price in prices.items() if price is not None}
    rates = convert(known, Rates)
    read = rates.input if rates.cache_read is None else rates.cache_read
    if any(price * UNITS % 1 for price in (rates.input, rates.output, read)):
        return rates
    return replace(rates, whole=(units(rates.input), units(rates.output), units(read)))


def _at(curve: Curve, size: int) -> Decimal | None:
    below = [above for above in curve if above <= size]
    return curve[max(below)] if below else None


def _search_price(value: Any) -> Decimal:
    """One search's price: LiteLLM has it by the size of the search context, of which medium is the default."""
    if isinstance(value, dict):
        value = value.get("search_context_size_medium")
    return price_of(value) or _ZERO
