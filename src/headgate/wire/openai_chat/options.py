"""`response_format` and the wishes for reasoning ↔ IR.

Chat has one word for reasoning, `reasoning_effort`; callers also give Anthropic's `thinking` and OpenRouter's
`reasoning`. All three become `ir.Reasoning`; how they came is kept in its `extra`. Raises `Malformed`.
"""

from typing import Any, Final

from headgate.wire import ir
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.parts import own
from headgate.wire.shape import at, expect, optional, required

REASONING_KEYS: Final = ("reasoning_effort", "thinking", "reasoning")

_FORMATS: Final[dict[str, Any]] = {"text": "text", "json_object": "json"}
_NAMES: Final = {"text": "text", "json": "json_object"}
_THRESHOLDS: Final = ((8192, "xhigh"), (4096, "high"), (2048, "medium"), (1024, "low"), (1, "minimal"))
"""The effort that a budget of at least so many tokens stands for: LiteLLM's budgets, read backwards."""


def read_format(body: dict[str, Any]) -> ir.OutputFormat | None:
    """None also for a kind that nobody else knows (a grammar): it stays a parameter of this family."""
    node = body.get("response_format")
    if node is None:
        return None
    expect(node, dict, "response_format")
    kind = required(node, "type", str, "response_format")
    output = _schema(node) if kind == "json_schema" else None
    if output is None and kind in _FORMATS:
        schema = node.get("schema")
        output = ir.OutputFormat(kind="schema" if isinstance(schema, dict) else _FORMATS[kind])
        output.schema = schema if isinstance(schema, dict) else None
    if output is not None and write_format(output) != node:
        output.extra = {FAMILY: node}
    return output


def _schema(node: dict[str, Any]) -> ir.OutputFormat:
    place = at("response_format", "json_schema")
    inner = required(node, "json_schema", dict, "response_format")
    return ir.OutputFormat(
        kind="schema",
        schema=optional(inner, "schema", dict, place),
        name=optional(inner, "name", str, place),
        description=optional(inner, "description", str, place),
        strict=optional(inner, "strict", bool, place),
    )


def write_format(output: ir.OutputFormat) -> dict[str, Any]:
    if kept := own(output.extra):
        return kept
    if output.kind in _NAMES:
        return {"type": _NAMES[output.kind]}
    inner: dict[str, Any] = {"name": output.name or "response"}
    for key in ("description", "schema", "strict"):
        value = getattr(output, key)
        if value is not None:
            inner[key] = value
    return {"type": "json_schema", "json_schema": inner}


def read_reasoning(body: dict[str, Any]) -> ir.Reasoning | None:
    came = {key: body[key] for key in REASONING_KEYS if body.get(key) is not None}
    if not came:
        return None
    wish = ir.Reasoning(effort=optional(body, "reasoning_effort", str, ""))
    if "thinking" in came:
        _read_thinking(expect(came["thinking"], dict, "thinking"), wish)
    if "reasoning" in came:
        _read_reasoning(expect(came["reasoning"], dict, "reasoning"), wish)
    if came != {"reasoning_effort": wish.effort}:
        wish.extra = {FAMILY: came}
    return wish


def _read_thinking(node: dict[str, Any], wish: ir.Reasoning) -> None:
    kind = optional(node, "type", str, "thinking")
    budget = optional(node, "budget_tokens", int, "thinking")
    if kind == "disabled":
        wish.budget = 0
    elif budget is not None:
        wish.budget = budget
    elif kind is not None:
        wish.adaptive = True
    display = node.get("display")
    wish.visible = None if display is None else display != "omitted"


def _read_reasoning(node: dict[str, Any], wish: ir.Reasoning) -> None:
    """https://openrouter.ai/docs/use-cases/reasoning-tokens"""
    effort = optional(node, "effort", str, "reasoning")
    wish.effort = wish.effort if effort is None else effort
    budget = optional(node, "max_tokens", int, "reasoning")
    wish.budget = wish.budget if budget is None else budget
    enabled = node.get("enabled")
    if effort is None and budget is None and enabled is True:
        wish.adaptive = True
    elif enabled is False:
        wish.budget = 0
    if isinstance(exclude := node.get("exclude"), bool):
        wish.visible = not exclude


def write_reasoning(wish: ir.Reasoning) -> dict[str, Any]:
    """The keys to add. A wish of another family becomes an effort; where the model decides, and where it
    should not think at all, nothing is said, since most models refuse to be told so."""
    if kept := own(wish.extra):
        return kept
    effort = wish.effort
    if effort is None and wish.budget is not None:
        effort = next((word for floor, word in _THRESHOLDS if wish.budget >= floor), None)
        effort = "high" if effort == "xhigh" else effort
    return {} if effort is None else {"reasoning_effort": effort}
