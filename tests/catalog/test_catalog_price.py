"""Exact arithmetic on prices."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.catalog.price import PriceSheet, overridden, price_of
from headgate.money import units
from headgate.wire.ir import Usage

ROW: dict[str, Any] = {
    "input_cost_per_token": 3e-06,
    "output_cost_per_token": 1.5e-05,
    "cache_read_input_token_cost": 3e-07,
    "cache_creation_input_token_cost": 3.75e-06,
    "cache_creation_input_token_cost_above_1hr": 6e-06,
    "input_cost_per_token_above_200k_tokens": 6e-06,
    "output_cost_per_token_above_200k_tokens": 2.25e-05,
    "input_cost_per_token_batches": 1.5e-06,
    "output_cost_per_token_batches": 7.5e-06,
    "input_cost_per_token_priority": 5e-06,
    "input_cost_per_token_above_200k_tokens_priority": 9e-06,
    "search_context_cost_per_query": {"search_context_size_medium": 0.01},
}


def sheet(**fields: Any) -> PriceSheet:
    made = PriceSheet.of({**ROW, **fields})
    assert made is not None
    return made


def test_parts_are_billed_at_their_price_and_the_rest_at_the_whole() -> None:
    cost = sheet().cost(
        Usage(input=1000, output=100, cache_read=400, cache_write=300, cache_write_long=100, web_searches=2)
    )
    assert cost.input == Decimal("0.0009")
    assert cost.cache_read == Decimal("0.00012")
    assert cost.cache_write == Decimal("0.00075") + Decimal("0.0006")
    assert cost.output == Decimal("0.0015")
    assert cost.searches == Decimal("0.02")
    assert cost.total == Decimal("0.02387")


def test_a_part_without_a_price_costs_what_the_whole_does() -> None:
    plain = PriceSheet.of({"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6})
    assert plain is not None
    spent = Usage(
        input=10, output=10, cache_read=5, cache_write=3, reasoning=4, audio_input=1, image_output=2
    )
    assert plain.total(spent) == Decimal("0.00003")
    assert plain.cost(spent).total == Decimal("0.00003")


def test_cached_sound_and_pictures_are_parts_of_both() -> None:
    spent = Usage(
        input=100, cache_read=60, audio_input=50, image_input=20, cached_audio=40, cached_image=10
    )  # 30 of text, 10 of them cached
    prices = {"input_cost_per_audio_token": 1e-5, "input_cost_per_image_token": 2e-5}
    cost = sheet(**prices).cost(spent)
    assert cost.cache_read == 60 * Decimal("3e-7")
    assert cost.audio == 10 * Decimal("1e-5")
    assert cost.image == 10 * Decimal("2e-5")
    assert cost.input == 20 * Decimal("3e-6")
    own = {"cache_read_input_audio_token_cost": 4e-7, "cache_read_input_image_token_cost": 5e-7}
    cost = sheet(**prices, **own).cost(spent)
    assert cost.cache_read == 10 * Decimal("3e-7") + 40 * Decimal("4e-7") + 10 * Decimal("5e-7")
    plain = sheet(**prices, cache_read_input_token_cost=None).cost(spent)  # cached costs what the rest does
    assert (plain.cache_read, plain.audio, plain.image) == (0, 50 * Decimal("1e-5"), 20 * Decimal("2e-5"))


def test_an_hours_cache_writes_without_a_price_cost_the_short_ones_and_a_free_part_is_free() -> None:
    short = sheet(cache_creation_input_token_cost_above_1hr=None)
    spent = Usage(input=10, cache_write=10, cache_write_long=10)
    assert short.cost(spent).cache_write == Decimal("0.0000375")
    assert sheet(cache_creation_input_token_cost_above_1hr=0.0).cost(spent).total == 0
    assert sheet(cache_read_input_token_cost=0).total(Usage(input=10, cache_read=10)) == 0


def test_reasoning_audio_and_images_have_their_own_price_where_one_is_given() -> None:
    rich = sheet(
        output_cost_per_reasoning_token=1e-6,
        input_cost_per_audio_token=4e-5,
        output_cost_per_audio_token=8e-5,
        input_cost_per_image_token=5e-6,
        output_cost_per_image_token=3e-5,
    )
    cost = rich.cost(
        Usage(
            input=100, output=50, reasoning=10, audio_input=20, audio_output=5, image_input=30, image_output=5
        )
    )
    assert (cost.reasoning, cost.audio, cost.image) == (
        Decimal("0.00001"),
        Decimal("0.0012"),
        Decimal("0.0003"),
    )
    assert cost.input == 50 * Decimal("0.000003")
    assert cost.output == 30 * Decimal("0.000015")


@pytest.mark.parametrize(
    ("size", "tier", "price"),
    [
        (200_000, "standard", "0.000003"),
        (200_001, "standard", "0.000006"),
        (1, "batch", "0.0000015"),
        (200_001, "batch", "0.0000015"),
        (1, "priority", "0.000005"),
        (200_001, "priority", "0.000009"),
        (1, "flex", "0.000003"),
        (1, "fast", "0.000005"),
        (200_001, "fast", "0.000009"),
        (1, "no-such-tier", "0.000003"),
    ],
)
def test_size_and_service_tier_choose_the_price(size: int, tier: str, price: str) -> None:
    assert sheet().total(Usage(input=size), tier) == size * Decimal(price)


def test_a_tier_keeps_the_standard_price_of_what_it_does_not_name() -> None:
    assert sheet().total(Usage(output=10), "priority") == Decimal("0.00015")
    assert sheet().total(Usage(input=200_001, output=10), "priority") == 200_001 * Decimal(
        "0.000009"
    ) + Decimal("0.000225")


def test_sizes_that_are_no_thousands_are_spelled_out() -> None:
    odd = sheet(input_cost_per_token_above_199999_tokens=4e-6)
    assert odd.total(Usage(input=199_999)) == 199_999 * Decimal("0.000003")
    assert odd.total(Usage(input=200_000)) == 200_000 * Decimal("0.000004")


def test_a_fee_for_the_call_is_added_once() -> None:
    assert sheet(input_cost_per_request=0.005).total(Usage(input=1)) == Decimal("0.005003")


def test_parts_larger_than_the_whole_cost_themselves_and_nothing_negative() -> None:
    assert sheet().total(Usage(input=10, cache_read=400)) == 400 * Decimal("0.0000003")
    assert sheet().cost(Usage(input=0, output=1, reasoning=9)).output == Decimal("0.000015")


def test_no_price_is_none_and_never_zero() -> None:
    assert PriceSheet.of({}) is None
    assert PriceSheet.of({"cache_read_input_token_cost": 1e-6, "mode": "chat"}) is None
    assert PriceSheet.of({"input_cost_per_token": None}) is None
    free = PriceSheet.of({"input_cost_per_token": 0, "output_cost_per_token": 0})
    assert free is not None and free.total(Usage(input=5, output=5)) == 0


@pytest.mark.parametrize(
    ("value", "price"),
    [
        (1e-07, "1E-7"),
        ("1e-6", "0.000001"),
        ("0.00001", "0.00001"),
        (3, "3"),
        (Decimal("0.1"), "0.1"),
        (0, "0"),
        (None, None),
        (True, None),
        ("dear", None),
        (-1e-6, None),
        (float("nan"), None),
        ("Infinity", None),
        ("1e999999", None),
        ("1e-999999", None),
        ([], None),
        ({}, None),
    ],
)
def test_what_is_a_price(value: Any, price: str | None) -> None:
    assert price_of(value) == (None if price is None else Decimal(price))


def test_an_override_takes_the_tiers_of_its_field_with_it_and_no_others() -> None:
    row = overridden(ROW, {"input_cost_per_token": 1e-6, "max_tokens": 5, "cache_read_input_token_cost": "x"})
    assert row["input_cost_per_token"] == 1e-6
    assert not [name for name in row if name.startswith("input_cost_per_token_")]
    assert row["output_cost_per_token_above_200k_tokens"] == 2.25e-05
    assert row["cache_read_input_token_cost"] == 3e-07
    assert "max_tokens" not in row
    tiered = overridden(ROW, {"input_cost_per_token_above_200k_tokens": 8e-6})
    assert (tiered["input_cost_per_token"], tiered["input_cost_per_token_above_200k_tokens"]) == (3e-06, 8e-6)


def test_tiered_pricing_is_written_out_by_size_and_replaces_the_tables_prices() -> None:
    steps = [
        {"range": [0, 32_000], "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6},
        {"range": [32_000, 128_000], "input_cost_per_token": 4e-6, "output_cost_per_token": 8e-6},
    ]
    for made in (
        PriceSheet.of({"tiered_pricing": steps}),
        PriceSheet.of(overridden(ROW, {"tiered_pricing": steps})),
    ):
        assert made is not None
        assert made.total(Usage(input=32_000, output=1)) == Decimal("0.032002")
        assert made.total(Usage(input=32_001, output=1)) == 32_001 * Decimal("0.000004") + Decimal("0.000008")
        assert made.total(Usage(input=200_001)) == 200_001 * Decimal("0.000004")


@pytest.mark.parametrize(
    "steps", [None, "x", 3, [], [None], [{}], [{"range": []}], [{"range": 1}], [{"range": ["x"]}], [[1]]]
)
def test_a_malformed_tiered_pricing_is_no_price(steps: Any) -> None:
    assert PriceSheet.of({"tiered_pricing": steps}) is None
    assert sheet(tiered_pricing=steps).total(Usage(input=1)) == Decimal("0.000003")


counts = st.none() | st.integers(0, 10**7)
usages = st.builds(
    Usage,
    input=st.integers(0, 10**7),
    output=st.integers(0, 10**7),
    cache_read=counts,
    cache_write=counts,
    cache_write_long=counts,
    reasoning=counts,
    audio_input=counts,
    image_output=counts,
    web_searches=counts,
)


@settings(max_examples=150, deadline=None)
@given(usages, st.sampled_from(["standard", "batch", "priority", "flex"]))
def test_the_total_is_the_sum_of_the_parts_and_never_negative(spent: Usage, tier: str) -> None:
    cost = sheet(output_cost_per_reasoning_token=1e-6).cost(spent, tier)
    parts = [getattr(cost, name) for name in cost.__struct_fields__ if name != "total"]
    assert cost.total == sum(parts) >= 0
    assert all(part >= 0 for part in parts)


FINER: dict[str, float] = {"input_cost_per_token": 1.23456789e-07, "cache_read_input_token_cost": 3.3e-13}
"""Prices that are no whole numbers of units."""
sizes = st.integers(0, 400_000)
plain = st.builds(Usage, input=sizes, output=sizes, cache_read=st.none() | sizes)


@settings(max_examples=150, deadline=None)
@given(
    plain | usages,
    st.sampled_from(["standard", "batch", "priority", "default"]),
    st.sampled_from([{}, FINER]),
)
def test_what_is_charged_is_the_total_in_units(spent: Usage, tier: str, finer: dict[str, float]) -> None:
    own = sheet(**finer)
    assert own.charge(spent, tier) == units(own.total(spent, tier))


@pytest.mark.parametrize(
    "prices, spent, cost",
    [
        ({"input_cost_per_query": 0.002}, Usage(searches=3), "0.006"),
        ({"ocr_cost_per_page": 0.001}, Usage(pages=4), "0.004"),
        (
            {"ocr_cost_per_page": 0.001, "annotation_cost_per_page": 0.003},
            Usage(pages=4, annotated_pages=4),
            "0.012",
        ),
        ({"ocr_cost_per_page": 0.001}, Usage(pages=4, annotated_pages=4), "0.004"),
        ({"input_cost_per_character": 1.5e-05}, Usage(characters=100), "0.0015"),
        ({"input_cost_per_second": 0.0001}, Usage(seconds=2.5), "0.00025"),
        ({"input_cost_per_audio_per_second": 0.0001}, Usage(seconds=2.5), "0.00025"),
        ({"input_cost_per_second": 0.0001, "output_cost_per_second": 0.0}, Usage(seconds=1), "0.0001"),
        ({"input_cost_per_second": 0.0001, "output_cost_per_second": 0.0001}, Usage(seconds=1), "0.0001"),
        ({"output_cost_per_image": 0.04}, Usage(images=2), "0.08"),
        ({"input_cost_per_image": 0.04}, Usage(images=2), "0.08"),
        (
            {"output_cost_per_image": 0.04, "output_cost_per_token": 1e-6},
            Usage(images=2, output=10),
            "0.00001",
        ),
        ({"output_cost_per_image": 0.04, "output_cost_per_token": 1e-6}, Usage(images=2), "0.08"),
        (
            {"input_cost_per_second": 0.0001, "input_cost_per_token": 1e-6},
            Usage(seconds=1, input=1),
            "0.000101",
        ),
        (
            {"input_cost_per_token": 1e-6, "input_cost_per_query": 0.002},
            Usage(input=10, searches=1),
            "0.00201",
        ),
    ],
)
def test_what_is_counted_by_something_else_than_tokens(
    prices: dict[str, float], spent: Usage, cost: str
) -> None:
    made = PriceSheet.of(prices)
    assert made is not None and made.covers(spent)
    assert made.total(spent) == made.cost(spent).total == Decimal(cost)


def test_a_count_without_a_price_is_not_known_to_be_free() -> None:
    made = PriceSheet.of({"ocr_cost_per_page": 0.001})
    assert made is not None
    assert not made.covers(Usage(input=10, searches=1))
    assert sheet().covers(Usage(searches=1))
    assert made.total(Usage(pages=0)) == 0 and made.covers(Usage(pages=0))


def test_a_batch_of_pages_has_its_own_price() -> None:
    made = PriceSheet.of({"ocr_cost_per_page": 0.002, "ocr_cost_per_page_batches": 0.001})
    assert made is not None
    spent = Usage(pages=2)
    assert [made.total(spent, tier) for tier in ("standard", "batch", "flex")] == [
        Decimal("0.004"),
        Decimal("0.002"),
        Decimal("0.004"),
    ]


def test_a_new_price_of_a_unit_replaces_all_that_the_table_has_for_it() -> None:
    table = {
        "input_cost_per_second": 1,
        "input_cost_per_second_batches": 1,
        "input_cost_per_audio_per_second": 1,
        "input_cost_per_token": 1,
    }
    made = overridden(table, {"input_cost_per_audio_per_second": 2, "mode": "x"})
    assert made == {"input_cost_per_token": 1, "input_cost_per_audio_per_second": 2}
    assert overridden(table, {"ocr_cost_per_page": "dear"}) == table
