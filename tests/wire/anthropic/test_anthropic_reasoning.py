"""Thinking, effort, max_tokens and sampling on each generation of models."""

from typing import Any

import pytest

from headgate.wire import ir
from headgate.wire.anthropic import DIALECT
from headgate.wire.anthropic.models import NEWEST, facts_of
from headgate.wire.dialect import Target

R = ir.Reasoning


def write(model: str, max_output: int | None = None, **fields: Any) -> ir.Written:
    turns = [ir.Turn(role="user", blocks=[ir.Text("hi")])]
    request = ir.Request(model="m", turns=turns, **fields)
    return DIALECT.write_request(request, Target(model=model, max_output=max_output))


@pytest.mark.parametrize(
    ("name", "thinking"),
    [
        ("claude-2.1", "none"),
        ("claude-instant-1.2", "none"),
        ("claude-3-opus-20240229", "none"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "none"),
        ("claude-3.5-haiku", "none"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "budget"),
        ("claude-sonnet-4-20250514", "budget"),
        ("claude-opus-4@20250514", "budget"),
        ("claude-sonnet-4-0", "budget"),
        ("anthropic.claude-opus-4-20250514-v1:0", "budget"),
        ("claude-opus-4-1-20250805", "budget"),
        ("claude-haiku-4-5@20251001", "budget"),
        ("claude-opus-4-5-20251101", "budget"),
        ("claude-sonnet-4.6", "both"),
        ("claude-opus-4-7", "adaptive"),
        ("claude-opus-4-8", "adaptive"),
        ("claude-sonnet-5", "adaptive"),
        ("claude-fable-5-2", "adaptive"),
        ("claude-haiku-5-5", "adaptive"),
    ],
)
def test_model_families(name: str, thinking: str) -> None:
    assert facts_of(name).thinking == thinking


def test_unknown_and_newer_names_behave_as_the_newest() -> None:
    assert facts_of("claude-opus-9") is facts_of("something-else") is facts_of("claude-opus-4-10") is NEWEST


@pytest.mark.parametrize(
    ("model", "structured", "mid_system"),
    [
        ("claude-sonnet-4-20250514", False, False),
        ("claude-opus-4-1", True, False),
        ("claude-opus-4-8", True, True),
        ("claude-fable-5", True, True),
    ],
)
def test_features_by_model(model: str, structured: bool, mid_system: bool) -> None:
    assert (facts_of(model).structured, facts_of(model).mid_system) == (structured, mid_system)


@pytest.mark.parametrize(
    ("model", "wish", "thinking", "effort"),
    [
        # a budget from an effort
        ("claude-sonnet-4-5", R(effort="minimal"), {"type": "enabled", "budget_tokens": 1024}, None),
        ("claude-sonnet-4-5", R(effort="low"), {"type": "enabled", "budget_tokens": 1024}, None),
        ("claude-sonnet-4-5", R(effort="medium"), {"type": "enabled", "budget_tokens": 2048}, None),
        ("claude-sonnet-4-5", R(effort="high"), {"type": "enabled", "budget_tokens": 4096}, None),
        ("claude-sonnet-4-5", R(effort="xhigh"), {"type": "enabled", "budget_tokens": 8192}, None),
        ("claude-sonnet-4-5", R(effort="max"), {"type": "enabled", "budget_tokens": 16384}, None),
        # Opus 4.5 has both
        ("claude-opus-4-5", R(effort="xhigh"), {"type": "enabled", "budget_tokens": 8192}, "high"),
        # a budget of the caller's own, with the floor
        ("claude-sonnet-4-5", R(budget=3000), {"type": "enabled", "budget_tokens": 3000}, None),
        ("claude-sonnet-4-5", R(budget=100), {"type": "enabled", "budget_tokens": 1024}, None),
        ("claude-sonnet-4-6", R(budget=3000), {"type": "enabled", "budget_tokens": 3000}, None),
        # adaptive towards models that don't know it
        ("claude-sonnet-4-5", R(adaptive=True), {"type": "enabled", "budget_tokens": 2048}, None),
        ("claude-sonnet-4-5", R(budget=-1), {"type": "enabled", "budget_tokens": 2048}, None),
        # effort on adaptive models
        ("claude-sonnet-4-6", R(effort="minimal"), {"type": "adaptive"}, "low"),
        ("claude-sonnet-4-6", R(effort="high"), {"type": "adaptive"}, "high"),
        ("claude-sonnet-4-6", R(effort="xhigh"), {"type": "adaptive"}, "high"),
        ("claude-opus-4-7", R(effort="xhigh"), {"type": "adaptive"}, "xhigh"),
        ("claude-opus-5", R(effort="max"), {"type": "adaptive"}, "max"),
        ("claude-opus-5", R(budget=-1), {"type": "adaptive"}, None),
        (
            "claude-opus-5",
            R(effort="low", visible=True),
            {"type": "adaptive", "display": "summarized"},
            "low",
        ),
        ("claude-opus-5", R(adaptive=True, visible=False), {"type": "adaptive", "display": "omitted"}, None),
        # a budget towards models that only adapt
        ("claude-opus-5", R(budget=9000), {"type": "adaptive"}, "xhigh"),
        ("claude-opus-5", R(budget=4096), {"type": "adaptive"}, "high"),
        ("claude-opus-5", R(budget=2048), {"type": "adaptive"}, "medium"),
        ("claude-opus-5", R(budget=1024), {"type": "adaptive"}, "low"),
        # off
        ("claude-sonnet-4-5", R(effort="none"), None, None),
        ("claude-opus-5", R(effort="none"), {"type": "disabled"}, None),
        ("claude-sonnet-4-5", R(budget=0), {"type": "disabled"}, None),
        ("claude-3-opus", R(budget=0), None, None),
        ("claude-haiku-5-5", R(budget=0), {"type": "disabled"}, None),
        ("claude-sonnet-5-20260630", R(budget=0), {"type": "disabled"}, None),
        ("claude-sonnet-5-5", R(effort="none"), {"type": "between_tools"}, None),
        ("claude-sonnet-5-5", R(budget=0, effort="high"), {"type": "between_tools"}, "high"),
        # they always think
        ("claude-fable-5", R(effort="none"), None, "low"),
        ("claude-opus-5-5", R(budget=0), None, "low"),
        ("claude-opus-5-5", R(budget=0, effort="medium"), None, "medium"),
        # nothing was asked
        ("claude-opus-5", R(visible=True), None, None),
        ("claude-opus-5", None, None, None),
        # Anthropic's own form goes as it came, so that the API can say which levels it takes
        ("claude-opus-4-6", R(effort="xhigh", adaptive=False), None, "xhigh"),
        ("claude-opus-4-6", R(effort="xhigh", adaptive=True), {"type": "adaptive"}, "xhigh"),
    ],
)
def test_reasoning(model: str, wish: ir.Reasoning | None, thinking: Any, effort: str | None) -> None:
    written = write(model, max_output=64000, reasoning=wish)
    assert written.body.get("thinking") == thinking
    assert written.body.get("output_config", {}).get("effort") == effort
    assert written.dropped == []


@pytest.mark.parametrize(
    ("model", "wish", "names"),
    [
        ("claude-3-5-sonnet", R(effort="low"), ["reasoning_effort"]),
        ("claude-3-5-sonnet", R(budget=2000), ["thinking"]),
        ("claude-sonnet-4-5", R(effort="odd"), ["reasoning_effort"]),
        ("claude-sonnet-4-5", R(effort="low", adaptive=False), ["reasoning_effort"]),
        ("claude-3-5-sonnet", R(visible=True), []),
    ],
)
def test_reasoning_that_a_model_lacks_is_reported(model: str, wish: ir.Reasoning, names: list[str]) -> None:
    written = write(model, reasoning=wish)
    assert "thinking" not in written.body
    assert written.dropped == names


@pytest.mark.parametrize(
    ("given", "max_output", "max_tokens", "budget"),
    [
        (None, None, 4096 + 4096, 4096),
        (None, 64000, 64000, 4096),
        (3000, None, 3000, 2999),
        (5000, 64000, 5000, 4096),
        (1025, None, 1025, 1024),
        (1024, None, 1024, None),
        (10, None, 10, None),
    ],
)
def test_a_budget_fits_into_max_tokens(
    given: int | None, max_output: int | None, max_tokens: int, budget: int | None
) -> None:
    body = write("claude-sonnet-4-5", max_output, reasoning=R(effort="high"), max_tokens=given).body
    assert body["max_tokens"] == max_tokens
    assert body.get("thinking", {}).get("budget_tokens") == budget


SAMPLED = {"temperature": 0.5, "top_p": 0.9, "top_k": 3}


@pytest.mark.parametrize(
    ("model", "fields", "kept", "names"),
    [
        ("claude-sonnet-4-0", SAMPLED, SAMPLED, []),
        ("claude-sonnet-4-0", {"temperature": 1.7}, {"temperature": 1}, []),
        # temperature or top_p
        ("claude-sonnet-4-5", SAMPLED, {"temperature": 0.5, "top_k": 3}, ["top_p"]),
        ("claude-sonnet-4-5", {"temperature": 0.5, "top_p": 1}, {"temperature": 0.5}, []),
        ("claude-sonnet-4-5", {"temperature": 1, "top_p": 0.5}, {"top_p": 0.5}, []),
        # none at all
        ("claude-opus-4-7", SAMPLED, {}, ["temperature", "top_p", "top_k"]),
        ("claude-opus-5", {"temperature": 1, "top_p": 1}, {}, []),
        # beside thinking
        ("claude-sonnet-4-0", {"temperature": 1, "reasoning": R(effort="low")}, {"temperature": 1}, []),
        ("claude-sonnet-4-0", {"temperature": 0, "reasoning": R(effort="low")}, {}, ["temperature"]),
        ("claude-sonnet-4-0", {"top_p": 0.96, "reasoning": R(effort="low")}, {"top_p": 0.96}, []),
        (
            "claude-sonnet-4-0",
            {"top_p": 0.5, "top_k": 1, "reasoning": R(effort="low")},
            {},
            ["top_p", "top_k"],
        ),
        ("claude-sonnet-4-0", {"temperature": 0, "reasoning": R(budget=0)}, {"temperature": 0}, []),
    ],
)
def test_sampling(model: str, fields: dict[str, Any], kept: dict[str, Any], names: list[str]) -> None:
    written = write(model, max_output=64000, **fields)
    assert {key: written.body[key] for key in SAMPLED if key in written.body} == kept
    assert written.dropped == names


def test_effort_is_still_a_beta_on_opus_4_5() -> None:
    wish = R(effort="low", adaptive=False)
    assert write("claude-opus-4-5", reasoning=wish).headers == {"anthropic-beta": "effort-2025-11-24"}
    assert write("claude-opus-4-6", reasoning=wish).headers == {}
