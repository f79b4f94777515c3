"""A wish for reasoning → thinkingConfig, by what a generation takes. Arithmetic over `models.Facts`.

A config that came in Gemini's own form goes back as it is, so that the API can say what it takes. Efforts
above the strongest that a model knows are lowered to it.

https://ai.google.dev/gemini-api/docs/thinking
"""

from typing import Any, Final

from headgate.wire import ir
from headgate.wire.gemini.check import own
from headgate.wire.gemini.models import LEVELS, Facts

BUDGETS: Final = {"minimal": 0, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
"""Tokens by effort; the least budget of a model raises them."""

_OFF: Final = "none"


def write_reasoning(wish: ir.Reasoning | None, facts: Facts, dropped: list[str]) -> dict[str, Any] | None:
    if wish is None:
        return None
    native = own(wish.extra)
    if native and not (facts.thinking == "budget" and "thinkingLevel" in native):
        return dict(native)
    if facts.thinking == "none":
        if wish.budget != 0 and wish.effort not in (None, _OFF):
            dropped.append("reasoning_effort")
        elif wish.budget or wish.adaptive:
            dropped.append("thinking")
        return None
    if wish.effort is not None and wish.budget is None and wish.effort != _OFF and wish.effort not in BUDGETS:
        dropped.append("reasoning_effort")
        return None
    return _WRITERS[facts.thinking](wish, facts) or None


def _budget(wish: ir.Reasoning, facts: Facts) -> dict[str, Any]:
    tokens = wish.budget
    if tokens is None and wish.effort is not None:
        tokens = 0 if wish.effort == _OFF else max(BUDGETS[wish.effort], facts.least, 1)
    elif tokens is None and wish.adaptive:
        tokens = -1
    if tokens is None:
        return {} if wish.visible is None else {"includeThoughts": wish.visible}
    if tokens == 0:
        return {"includeThoughts": False, "thinkingBudget": 0 if facts.can_stop else facts.least}
    if tokens > 0:
        tokens = min(max(tokens, facts.least), facts.most)
    return {"includeThoughts": wish.visible is not False, "thinkingBudget": tokens}


def _level(wish: ir.Reasoning, facts: Facts) -> dict[str, Any]:
    """A budget has no level that it stands for: only whether thoughts are shown is said."""
    if wish.effort == _OFF and wish.budget is None:
        return {"includeThoughts": False, "thinkingLevel": facts.levels[0]}
    if wish.effort is not None and wish.budget is None:
        return {
            "includeThoughts": wish.visible is not False,
            "thinkingLevel": _fit(wish.effort, facts.levels),
        }
    if wish.budget is None and not wish.adaptive and wish.visible is None:
        return {}
    return {"includeThoughts": wish.budget != 0 and wish.visible is not False}


def _fit(effort: str, levels: tuple[str, ...]) -> str:
    """The level, else the next higher one that the model has, else its highest."""
    if effort not in LEVELS:
        return levels[-1]
    above = LEVELS[LEVELS.index(effort) :]
    return next((level for level in above if level in levels), levels[-1])


_WRITERS: Final = {"budget": _budget, "level": _level}
