"""What Claude's models demand wherever they run: Anthropic's own API and Bedrock's Converse say it differently.

How a wish for reasoning becomes a budget or an effort, which sampling goes beside thinking, and how arguments that
are no object go back. Knows no format: the dialects write what comes out here.

https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
https://docs.anthropic.com/en/docs/build-with-claude/effort
"""

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from headgate.wire import ir

FAMILY: Final = "anthropic"
"""The family whose signatures Claude's reasoning bears wherever it runs.
https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking#thinking-encryption"""

Thinks: TypeAlias = Literal["none", "budget", "both", "adaptive"]
"""What a model takes as `thinking`: nothing · `enabled` with a budget · that and `adaptive` · `adaptive` only."""

Off: TypeAlias = Literal["disabled", "between_tools", ""]
"""What a model takes as `thinking` where it shall not think; "" where it always does.
https://platform.claude.com/docs/en/models/sonnet-5-5/migration-guide"""
OFF: Final = ("disabled", "between_tools")

LEVELS: Final = ("low", "medium", "high", "xhigh", "max")
"""Levels of effort, weakest first."""

MIN_BUDGET: Final = 1024
INVALID_JSON: Final = "INVALID_JSON"
"""The key under which arguments that are no JSON object go back to the model.
https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/fine-grained-tool-streaming"""

_BUDGETS: Final = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
_ADAPTIVE_BUDGET: Final = 2048
_THRESHOLDS: Final = ((8192, "xhigh"), (4096, "high"), (2048, "medium"), (0, "low"))
_DECODE: Final = msgspec.json.Decoder().decode


# --- reasoning -------------------------------------------------------------------------------------------


def is_off(wish: ir.Reasoning) -> bool:
    """Whether the caller wants no thinking."""
    return wish.budget == 0 or (wish.effort == "none" and wish.budget is None and not wish.adaptive)


def budget_of(wish: ir.Reasoning, thinks: Thinks) -> int | None:
    """Tokens for `enabled`, None where that form is not wanted or not known."""
    if thinks == "adaptive":
        return None
    if wish.budget is not None and wish.budget > 0:
        return wish.budget
    if thinks == "both":
        return None
    if wish.effort in _BUDGETS:
        return _BUDGETS[str(wish.effort)]
    return _ADAPTIVE_BUDGET if wish.adaptive or wish.budget is not None else None


def effort_of(budget: int | None) -> str | None:
    """The level that a budget amounts to, None for none."""
    if not budget or budget < 0:
        return None
    return next(level for floor, level in _THRESHOLDS if budget >= floor)


def nearest(effort: str, known: Sequence[str]) -> str:
    """Of the known levels (at least one) the same or the next weaker, the weakest where all are stronger. A word that
    is no level stays."""
    effort = "low" if effort == "minimal" else effort
    if effort in known or effort not in LEVELS:
        return effort
    below = LEVELS[: LEVELS.index(effort)]
    return next(level for level in (*reversed(below), *LEVELS) if level in known)


def thinking(
    node: dict[str, Any], wish: ir.Reasoning, thinks: Thinks, more: dict[str, Any]
) -> dict[str, Any]:
    """The object `thinking` with the wish to see it, and `more` that the IR has no name for."""
    if wish.visible is False or (wish.visible and thinks != "budget"):
        node["display"] = "summarized" if wish.visible else "omitted"
    return {**node, **more}


# --- sampling --------------------------------------------------------------------------------------------


def sampling(
    request: ir.Request, *, takes: bool, pair: bool, thinking: bool, hottest: float
) -> tuple[dict[str, Any], list[str]]:
    """temperature, top_p and top_k as the model takes them, and the names of those it doesn't.

    `takes`: it takes any; `pair`: temperature and top_p together; `hottest`: the highest temperature. Values that say
    what the API does anyway (1) are left out without a word.
    """
    given = {"temperature": request.temperature, "top_p": request.top_p, "top_k": request.top_k}
    wanted: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if wanted.get("temperature", 0) > hottest:
        wanted["temperature"] = hottest
    if takes and not thinking and (pair or len(wanted) < 2):
        return wanted, []
    refused = {
        key for key, value in wanted.items() if not takes or (thinking and not _beside_thinking(key, value))
    }
    if not pair and {"temperature", "top_p"} <= wanted.keys() - refused:
        refused.add("temperature" if wanted["temperature"] == 1 else "top_p")
    kept = {key: value for key, value in wanted.items() if key not in refused}
    return kept, [key for key in wanted if key in refused and (key == "top_k" or wanted[key] != 1)]


def _beside_thinking(key: str, value: float) -> bool:
    return value == 1 if key == "temperature" else key == "top_p" and 0.95 <= value <= 1


# --- tool calls ------------------------------------------------------------------------------------------


def tool_input(call: ir.ToolCall) -> dict[str, Any]:
    """The arguments as the object that the models demand."""
    if call.kind == "custom":
        return {"input": call.arguments}
    if not call.arguments.strip():
        return {}
    try:
        value = _DECODE(call.arguments)
    except (msgspec.DecodeError, ValueError, RecursionError):
        value = call.arguments
    if value is None:
        return {}
    return value if isinstance(value, dict) else {INVALID_JSON: call.arguments}
