"""What pictures cost, in exact decimals: US dollars, by LiteLLM's field and row names. Knows no provider.

A row of the table may price pictures by the token, by the picture or by the pixel; the rows of older models are
one for each quality and size, "hd/1024-x-1792/dall-e-3". Sources: LiteLLM's model_prices_and_context_window.json.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from headgate.catalog.price import PriceSheet, overridden, price_of
from headgate.wire.ir_images import ImageUsage

_SIZE: Final = re.compile(r"(\d{1,5})[xX*](\d{1,5})")
_USUAL: Final = "1024x1024"
"""The size of LiteLLM's rows where none was asked for."""
_PER_PIXEL: Final = ("output_cost_per_pixel", "input_cost_per_pixel")
_PER_IMAGE: Final = ("output_cost_per_image", "input_cost_per_image")
_BY_SIDE: Final = (512, 1024, 1536)
"""Longer sides in pixels that have prices of their own, `output_cost_per_image_1024`."""

Row = Mapping[str, Any]


def row_names(model: str, size: str | None = None, quality: str | None = None) -> list[str]:
    """The names under which a picture's price may stand, the most exact first; the model's own is last.

    `size` is "1024x1792" or None, "auto" is none; `quality` is the word that was asked for.
    """
    found = _SIZE.fullmatch(size or "") or _SIZE.fullmatch(_USUAL)
    place = "" if found is None else f"{found[1]}-x-{found[2]}"
    head, slash, rest = model.partition("/")
    words = [quality] if quality and quality != "auto" else ["standard", "medium"]
    names = [f"{word}/{place}/{model}" for word in words]
    if slash:  # azure/hd/1024-x-1024/dall-e-3
        names += [f"{head}/{word}/{place}/{rest}" for word in words]
        names.append(f"{head}/{place}/{rest}")
    return [*names, f"{place}/{model}", model]


def image_cost(
    model: str, usage: ImageUsage, find: Callable[[str], Row | None], overrides: Row | None = None
) -> Decimal | None:
    """What an answer costs; None where no price is known.

    `find` is `Catalog.find`: a row by its name, None for an unknown one. `overrides` are prices of the deployment's
    own: one by the picture or the pixel goes before all, those by the token replace the table's one by one. Tokens
    are billed where they were counted and the row prices them.
    """
    own = overrides or {}
    if _price(own, *_by_side(usage.size), *_PER_IMAGE, *_PER_PIXEL) is not None:
        return cost_by(own, usage)
    for name in row_names(model, usage.size, usage.quality):
        row = find(name)
        known = row is not None or name == model
        if known and (cost := cost_by(overridden(row or {}, own), usage)) is not None:
            return cost
    return None


def cost_by(row: Row, usage: ImageUsage) -> Decimal | None:
    """What an answer costs by one row; None where the row has no price for it."""
    sheet = PriceSheet.of(row) if usage.tokens else None
    if sheet is not None and (cost := sheet.total(usage)):
        return cost
    price = _price(row, *_by_side(usage.size), *_PER_IMAGE)
    if price is not None:
        return price * usage.images
    price = _price(row, *_PER_PIXEL)
    return None if price is None else price * _pixels(usage)


def _price(row: Row, *names: str) -> Decimal | None:
    """The first price that is not zero, else the first that there is: LiteLLM fills both directions, one with 0."""
    found = [price for name in names if (price := price_of(row.get(name))) is not None]
    return next((price for price in found if price), found[0] if found else None)


def _by_side(size: str | None) -> list[str]:
    """The price of the smallest class that holds the picture."""
    found = _SIZE.fullmatch(size or "")
    if found is None:
        return []
    longest = max(int(found[1]), int(found[2]))
    fitting = [side for side in _BY_SIDE if longest <= side]
    return [f"output_cost_per_image_{fitting[0]}"] if fitting else []


def _pixels(usage: ImageUsage) -> int:
    if usage.pixels is not None:
        return usage.pixels
    found = _SIZE.fullmatch(usage.size or "") or _SIZE.fullmatch(_USUAL)
    return 0 if found is None else int(found[1]) * int(found[2]) * usage.images
