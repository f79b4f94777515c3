"""How a wish for reasoning, a token limit and sampling go together on one model.

The API ties them: a thinking budget must be under max_tokens, sampling is restricted while thinking, and each
generation takes another form of the wish. Everything here is arithmetic over `models.Facts`; what Claude demands
elsewhere, too, is in `wire/claude.py`.

https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
https://docs.anthropic.com/en/docs/build-with-claude/adaptive-thinking
"""

from typing import Any, Final

from msgspec import Struct, field

from headgate.wire import claude, ir
from headgate.wire.anthropic.blocks_write import own
from headgate.wire.anthropic.models import Facts

DEFAULT_MAX_TOKENS: Final = 4096
ROOM: Final = 4096
"""Tokens left for the answer beside a thinking budget, where the caller set no limit."""


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
    if claude.is_off(wish):
        return _off(out, wish, facts)
    if facts.thinking == "none":
        if wish.effort is not None or wish.budget is not None or wish.adaptive:
            out.dropped.append("reasoning_effort" if wish.effort is not None else "thinking")
        return out
    if wish.adaptive is False and wish.budget is None:
        return _effort_only(out, wish, facts)
    budget = claude.budget_of(wish, facts.thinking)
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
    if effort is None and facts.thinking == "adaptive":
        effort = claude.effort_of(wish.budget)
    if effort in (None, "none") or not facts.efforts:
        return None
    return claude.nearest(effort, facts.efforts if wish.adaptive is None else claude.LEVELS)


def sampling(request: ir.Request, facts: Facts, thinking: bool) -> tuple[dict[str, Any], list[str]]:
    """temperature, top_p and top_k as the model takes them, and the names of those it doesn't."""
    return claude.sampling(request, takes=facts.sampling, pair=facts.pair, thinking=thinking, hottest=1.0)


def _off(out: Plan, wish: ir.Reasoning, facts: Facts) -> Plan:
    """A model that always thinks is asked for the least."""
    out.effort = fit_effort(wish, facts)
    if facts.thinking == "none":
        return out
    if not facts.off:
        out.effort = out.effort or facts.efforts[0]
    elif wish.budget == 0 or facts.default_on:
        out.thinking = {"type": facts.off, **own(wish.extra)}
    return out


def _effort_only(out: Plan, wish: ir.Reasoning, facts: Facts) -> Plan:
    out.effort = fit_effort(wish, facts)
    if out.effort is None and wish.effort is not None:
        out.dropped.append("reasoning_effort")
    return out


def _enable(
    out: Plan, wish: ir.Reasoning, facts: Facts, budget: int, given: int | None, max_output: int | None
) -> None:
    """The budget within max_tokens; no thinking at all where there is no room for the least budget."""
    budget = max(budget, claude.MIN_BUDGET)
    if given is None:
        out.max_tokens = max_output or budget + ROOM
    out.effort = fit_effort(wish, facts)
    if out.max_tokens <= claude.MIN_BUDGET:
        return
    budget = min(budget, out.max_tokens - 1)
    out.thinking = _form({"type": "enabled", "budget_tokens": budget}, wish, facts)


def _form(node: dict[str, Any], wish: ir.Reasoning, facts: Facts) -> dict[str, Any]:
    return claude.thinking(node, wish, facts.thinking, own(wish.extra))
