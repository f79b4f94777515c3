"""Which deployment a call goes to, and what is said of a model that nobody serves."""

from collections import Counter
from itertools import count

import pytest

from core.played import call, deployment
from headgate.core.route import Group, unknown_model


def spread(group: Group, calls: int = 1000) -> Counter[str]:
    numbers = count()
    return Counter(
        group.pick(call(), [], 0.0, lambda: (next(numbers) % calls) / calls).params["api_base"]
        for _ in range(calls)
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{}, {}], {"a": 500, "b": 500}),
        ([{"weight": 3}, {"weight": 1}], {"a": 750, "b": 250}),
        ([{"rpm": 100}, {"rpm": 900}], {"a": 100, "b": 900}),
        ([{"tpm": 100}, {"tpm": 300}], {"a": 250, "b": 750}),
        ([{"weight": 1}, {}], {"a": 1000}),
        ([{"weight": 1, "rpm": 1}, {"weight": 1, "rpm": 99}], {"a": 500, "b": 500}),
        ([{"order": 1}, {"order": 2}], {"a": 1000}),
    ],
)
def test_calls_are_shared_by_weight_else_rpm_else_tpm_within_the_lowest_order(
    rows: list[dict[str, int]], expected: dict[str, int]
) -> None:
    group = Group("g", [deployment(api_base=name, **row) for name, row in zip("ab", rows, strict=True)])
    assert spread(group) == expected


def test_what_was_tried_comes_last() -> None:
    a, b = deployment(api_base="a", order=1), deployment(api_base="b", order=2)
    group = Group("g", [a, b])
    assert group.pick(call(), [a], 0.0, lambda: 0.0) is b
    assert group.pick(call(), [a, b], 0.0, lambda: 0.0) is a


def test_an_unknown_model_is_told_the_nearest_first_and_how_many_there_are() -> None:
    error = unknown_model("gpt-4", [*(f"claude-{n}" for n in range(20)), "gpt-4o"])
    assert "nearest first: gpt-4o" in error.message
    assert "and 11 more" in error.message
    assert (error.status_code, error.code) == (404, "model_not_found")
