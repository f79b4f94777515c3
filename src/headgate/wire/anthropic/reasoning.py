"""How a wish for reasoning, a token limit and sampling go together on one model.

The API ties them: a thinking budget must be under max_tokens, sampling is restricted while thinking, and each
generation takes another form of the wish. Everything here is arithmetic over `models.Facts`.

https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
https://docs.anthropic.com/en/docs/build-with-claude/adaptive-thinking
"""

from typing import Any, Final

from msgspec import Struct, field

from headgate.wire import ir
from headgate.wire.anthropic.blocks_write import own
from headgate.wire.anthropic.models import LEVELS, Facts

DEFAULT_MAX_TOKENS: Final = 4096
MIN_BUDGET: Final = 1024
ADAPTIVE_BUDGET: Final = 2048
ROOM: Final = 4096
"""Tokens left for the answer beside a thinking budget, where the caller set no limit."""

BUDGETS: Final = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
_THRESHOLDS: Final = ((8192, "xhigh"), (4096, "high"), (2048, "medium"), (0, "low"))


class Plan(Struct):
    """`thinking` and `effort` as they are written, None for not at all."""

    max_tokens: int
    thinking: dict[str, Any] | None = None
    effort: str | None = None
    dropped: list[str] = field(default_factory=list)


def plan(request: ir.Request, facts: Facts, max_output: int | None) -> Plan:
    given = request.max_tokens
    out = Plan(given if given is not None else max_output or DEFAULT_MAX_TOKENS)
    wish = request.reasoning
    if wish is None:
        return out
    if wish.budget == 0 or (wish.effort == "none" and wish.budget is None and not wish.adaptive):
        return _off(out, wish, facts)
    if facts.thinking == "none":
        if wish.effort is not None or wish.budget is not None or wish.adaptive:
            out.dropped.append("reasoning_effort" if wish.effort is not None else "thinking")
        return out
    if wish.adaptive is False and wish.budget is None:
        return _effort_only(out, wish, facts)
    budget = _budget(wish, facts)
    if budget is not None:
        _enable(out, wish, facts, budget, given, max_output)
    elif facts.thinking != "budget" and (wish.effort is not None or wish.adaptive or wish.budget is not None):
        out.thinking = _form({"type": "adaptive"}, wish, facts)
        out.effort = fit_effort(wish, facts)
    elif wish.effort is not None:
        out.dropped.append("reasoning_effort")
    return out


def fit_effort(wish: ir.Reasoning, facts: Facts) -> str | None:
    """The level to write. One that came in Anthropic's own form is sent as it is, so that the API can say
    which it takes; another is lowered to the nearest that the model knows.
    """
    effort = wish.effort
    if effort is None and wish.budget is not None and wish.budget > 0 and facts.thinking == "adaptive":
        effort = next(level for floor, level in _THRESHOLDS if wish.budget >= floor)
    if effort in (None, "none") or not facts.efforts:
        return None
    effort = "low" if effort == "minimal" else effort
    if effort in facts.efforts or effort not in LEVELS or wish.adaptive is not None:
        return effort
    below = LEVELS[: LEVELS.index(effort)]
    return next(level for level in (*reversed(below), *LEVELS) if level in facts.efforts)


def sampling(request: ir.Request, facts: Facts, thinking: bool) -> tuple[dict[str, Any], list[str]]:
    """temperature, top_p and top_k as the model takes them, and the names of those it doesn't.

    Values that say what the API does anyway (1) are left out without a word.
    """
    wanted: dict[str, Any] = {
        key: value
        for key, value in (
            ("temperature", request.temperature),
            ("top_p", request.top_p),
            ("top_k", request.top_k),
        )
        if value is not None
    }
    if "temperature" in wanted and wanted["temperature"] > 1:
        wanted["temperature"] = 1.0
    if not facts.sampling:
        refused = set(wanted)
    else:
        refused = {key for key, value in wanted.items() if thinking and not _beside_thinking(key, value)}
    if not facts.pair and {"temperature", "top_p"} <= wanted.keys() - refused:
        refused.add("temperature" if wanted["temperature"] == 1 else "top_p")
    kept = {key: value for key, value in wanted.items() if key not in refused}
    return kept, [key for key in wanted if key in refused and (key == "top_k" or wanted[key] != 1)]


def _beside_thinking(key: str, value: float) -> bool:
    return value == 1 if key == "temperature" else key == "top_p" and 0.95 <= value <= 1


def _off(out: Plan, wish: ir.Reasoning, facts: Facts) -> Plan:
    if facts.thinking != "none" and (wish.budget == 0 or facts.default_on):
        out.thinking = {"type": "disabled", **own(wish.extra)}
    out.effort = fit_effort(wish, facts)
    return out


def _effort_only(out: Plan, wish: ir.Reasoning, facts: Facts) -> Plan:
    out.effort = fit_effort(wish, facts)
    if out.effort is None and wish.effort is not None:
        out.dropped.append("reasoning_effort")
    return out


def _budget(wish: ir.Reasoning, facts: Facts) -> int | None:
    """Tokens for `enabled`, None where that form is not wanted or not known."""
    if facts.thinking == "adaptive":
        return None
    if wish.budget is not None and wish.budget > 0:
        return wish.budget
    if facts.thinking == "both":
        return None
    if wish.effort in BUDGETS:
        return BUDGETS[str(wish.effort)]
    return ADAPTIVE_BUDGET if wish.adaptive or wish.budget is not None else None


def _enable(
    out: Plan, wish: ir.Reasoning, facts: Facts, budget: int, given: int | None, max_output: int | None
) -> None:
    """The budget within max_tokens; no thinking at all where there is no room for the least budget."""
    budget = max(budget, MIN_BUDGET)
    if given is None:
        out.max_tokens = max_output or budget + ROOM
    out.effort = fit_effort(wish, facts)
    if out.max_tokens <= MIN_BUDGET:
        return
    budget = min(budget, out.max_tokens - 1)
    out.thinking = _form({"type": "enabled", "budget_tokens": budget}, wish, facts)


def _form(thinking: dict[str, Any], wish: ir.Reasoning, facts: Facts) -> dict[str, Any]:
    if wish.visible is False or (wish.visible and facts.thinking != "budget"):
        thinking["display"] = "summarized" if wish.visible else "omitted"
    return {**thinking, **own(wish.extra)}
