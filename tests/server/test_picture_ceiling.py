"""The most that a call for pictures can cost: no answer within its bounds costs more, whatever the prices are."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.catalog.lookup import Catalog
from headgate.core.deployment import Deployment
from headgate.money import UNITS, units
from headgate.server.picture_ceiling import MOST_TOKENS, TOKENS, most
from headgate.wire import envelope
from headgate.wire.ir_images import ImageUsage, measured

CATALOG = Catalog()


def deployment(**prices: Any) -> Deployment:
    return Deployment("g", {"model": "openai/unheard-of", "api_key": "k"}, prices, catalog=CATALOG, env={})


def ceiling(target: Deployment, files: dict[str, Any] | None = None, **body: Any) -> int:
    return most([target], envelope.read(json.dumps({"prompt": "p", **body}).encode()), files)


price = st.decimals(0, 1, places=6).map(float)
by_picture = st.fixed_dictionaries(
    {},
    optional={
        "output_cost_per_image": price,
        "input_cost_per_image": price,
        "output_cost_per_pixel": st.decimals(0, 1, places=12).map(lambda value: float(value) / 1e6),
        "output_cost_per_image_1024": price,
    },
)
by_token = st.fixed_dictionaries(
    {"input_cost_per_token": price, "output_cost_per_token": price},
    optional={"input_cost_per_image_token": price, "output_cost_per_image_token": price},
)


@given(
    st.one_of(by_picture, by_token),
    st.integers(1, 10),
    st.sampled_from([None, "512x512", "1024x1024", "1792x1024", "auto"]),
    st.sampled_from([None, "low", "medium", "high", "hd"]),
    st.integers(0, 3),
    st.data(),
)
def test_no_answer_costs_more(
    prices: dict[str, Any], n: int, size: str | None, quality: str | None, sent: int, data: st.DataObject
) -> None:
    target = deployment(**prices)
    body = {key: value for key, value in (("n", n), ("size", size), ("quality", quality)) if value}
    files = {"image": [{}] * sent}
    drawn = TOKENS.get(quality or "", MOST_TOKENS) * n
    seen = data.draw(st.integers(0, MOST_TOKENS * sent))
    usage = ImageUsage(
        images=n,
        size=size,
        quality=quality,
        input=seen + data.draw(st.integers(0, 3)),
        image_input=seen,
        output=drawn,
        image_output=data.draw(st.sampled_from([None, drawn])),
    )
    cost = target.cost_of_pictures(measured(usage, None))
    assert cost is None or units(cost) <= ceiling(target, files, **body)


@pytest.mark.parametrize(
    ("body", "dollars"),
    [
        ({}, 0.04),
        ({"n": 3}, 0.12),
        ({"n": "many"}, 0.04),
        ({"n": -1}, 0.04),
        ({"n": 10**30}, 40),
        ({"size": 7, "quality": []}, 0.04),
    ],
)
def test_by_the_picture(body: dict[str, Any], dollars: float) -> None:
    assert ceiling(deployment(output_cost_per_image=0.04), **body) == round(dollars * UNITS)


def test_pictures_in_the_body_are_counted_not_measured() -> None:
    target = deployment(input_cost_per_token=1e-6, output_cost_per_token=0.0)
    small, large = ("data:image/png;base64," + "A" * size for size in (10, 1_000_000))
    assert ceiling(target, images=[small]) == ceiling(target, images=[large])
    assert (
        ceiling(target, images=[small] * 2) - ceiling(target, images=[small]) == MOST_TOKENS * UNITS // 10**6
    )


def test_an_unknown_price_is_none() -> None:
    assert ceiling(deployment()) == 0
