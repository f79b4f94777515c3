"""Prices of pictures: by token, picture and pixel, and rows for each size and quality."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.catalog.images import cost_by, image_cost, row_names
from headgate.catalog.lookup import Catalog
from headgate.wire.ir_images import ImageUsage

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ROWS: dict[str, dict[str, Any]] = {
    "hd/1024-x-1792/dall-e-3": {"input_cost_per_pixel": 6.539e-08, "output_cost_per_pixel": 0.0},
    "standard/1024-x-1024/dall-e-3": {"input_cost_per_pixel": 3.81469e-08, "output_cost_per_pixel": 0.0},
    "1024-x-1024/dall-e-2": {"input_cost_per_pixel": 1.9e-08, "output_cost_per_pixel": 0.0},
    "azure/hd/1024-x-1024/dall-e-3": {"input_cost_per_pixel": 7.629e-08},
    "vertex_ai/imagen-4.0": {"output_cost_per_image": 0.04},
    "gpt-image-1": {
        "input_cost_per_token": 5e-06,
        "output_cost_per_token": 4e-05,
        "input_cost_per_image_token": 1e-05,
    },
    "gpt-free": {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0, "output_cost_per_image": 0.5},
    "classes": {
        "output_cost_per_image_512": 0.01,
        "output_cost_per_image_1024": 0.02,
        "output_cost_per_image": 0.09,
    },
}


def of(size: str | None = None, quality: str | None = None, images: int = 1, **tokens: int) -> ImageUsage:
    return ImageUsage(images=images, size=size, quality=quality, **tokens)


@pytest.mark.parametrize(
    ("model", "usage", "cost"),
    [
        ("dall-e-3", of("1024x1792", "hd"), Decimal("6.539e-8") * 1024 * 1792),
        ("dall-e-3", of(), Decimal("3.81469e-8") * 1024 * 1024),
        ("dall-e-3", of("auto", "auto", images=3), Decimal("3.81469e-8") * 1024 * 1024 * 3),
        ("dall-e-2", of("1024x1024", images=2), Decimal("1.9e-8") * 1024 * 1024 * 2),
        ("azure/dall-e-3", of("1024x1024", "hd"), Decimal("7.629e-8") * 1024 * 1024),
        ("vertex_ai/imagen-4.0", of("1408x768", images=4), Decimal("0.16")),
        ("gpt-image-1", of("1024x1024", "low", input=10, output=100), Decimal("0.00405")),
        ("gpt-image-1", of(input=10, output=100, image_input=4), Decimal("0.00407")),
        ("gpt-image-1", of(), None),
        ("gpt-free", of(input=3), Decimal("0.5")),
        ("classes", of("512x256"), Decimal("0.01")),
        ("classes", of("513x256"), Decimal("0.02")),
        ("classes", of("2048x256"), Decimal("0.09")),
        ("unknown", of(), None),
    ],
)
def test_the_cost(model: str, usage: ImageUsage, cost: Decimal | None) -> None:
    assert image_cost(model, usage, ROWS.get) == cost


def test_a_deployment_s_own_price_goes_first() -> None:
    own = {"output_cost_per_image": 0.07, "other": 1}
    assert image_cost("dall-e-3", of(images=2), ROWS.get, own) == Decimal("0.14")
    assert image_cost("dall-e-2", of("1024x1024"), ROWS.get, {"rpm": 3}) == Decimal("1.9e-8") * 1024 * 1024


def test_the_table_is_asked_as_it_is() -> None:
    catalog = Catalog(ROWS)
    assert image_cost("dall-e-3", of("1024x1792", "hd"), catalog.find) == Decimal("6.539e-8") * 1024 * 1792
    assert image_cost("gpt-image-1", of(input=100, output=1000), catalog.find) is not None


def test_the_exact_name_is_asked_for_first() -> None:
    assert row_names("dall-e-3", "1024x1792", "hd") == [
        "hd/1024-x-1792/dall-e-3",
        "1024-x-1792/dall-e-3",
        "dall-e-3",
    ]


PRICES = st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.just({}) | st.integers()


@RELAXED
@given(
    st.dictionaries(
        st.sampled_from([*ROWS["classes"], *ROWS["gpt-image-1"], "input_cost_per_pixel", "tiered_pricing"]),
        PRICES,
    ),
    st.text(max_size=8),
    st.integers(0, 10),
)
def test_what_can_not_be_read_is_no_price(row: dict[str, Any], size: str, images: int) -> None:
    cost = cost_by(row, of(size, images=images, input=1))
    assert cost is None or (cost >= 0 and cost.is_finite())
