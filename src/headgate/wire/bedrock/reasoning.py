"""How a wish for reasoning, a token limit and sampling go together on one model: inferenceConfig and the fields
that each maker wants in additionalModelRequestFields. Both directions. Claude's own rules are in `wire/claude.py`.

https://docs.aws.amazon.com/bedrock/latest/userguide/inference-reasoning.html,
https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking and
https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
"""

from math import inf
from typing import Any, Final

from msgspec import Struct, field

from headgate.wire import claude, ir
from headgate.wire.bedrock.check import own, rest
from headgate.wire.bedrock.models import Facts
from headgate.wire.shape import Malformed, optional

EFFORT_BETA: Final = "effort-2025-11-24"
"""An effort is still a beta on the models that think by budget."""
_PLACE: Final = "additionalModelRequestFields"
_DISPLAY: Final = {"summarized": True, "omitted": False}
_THINKING: Final = ("thinking", "reasoning_config")
"""Two names of the same object."""
_KINDS: Final = ("enabled", "adaptive", *claude.OFF)
_SAMPLING: Final = {"temperature": "temperature", "top_p": "topP"}


# --- reading: each takes what it understands out of `left` -------------------------------------------------


def read_reasoning(left: dict[str, Any]) -> ir.Reasoning | None:
    """`adaptive` False says that an effort was given without asking for thinking."""
    effort = _read_effort(left)
    key = next((name for name in _THINKING if isinstance(left.get(name), dict)), None)
    node = None if key is None else left[key]
    if node is None or node.get("type") not in _KINDS:
        return None if effort is None else ir.Reasoning(effort=effort, adaptive=False)
    del left[str(key)]
    kind = node["type"]
    reasoning = ir.Reasoning(effort=effort, adaptive=True if kind == "adaptive" else None)
    known = {"type"}
    if kind in claude.OFF:
        reasoning.budget = 0
    elif kind == "enabled":
        reasoning.budget = optional(node, "budget_tokens", int, f"{_PLACE}.{key}")
        if not reasoning.budget or reasoning.budget < 0:
            raise Malformed(f"{_PLACE}.{key}.budget_tokens", "expected at least 1024")
        known.add("budget_tokens")
    reasoning.visible = _DISPLAY.get(str(node.get("display")))
    reasoning.extra = rest(node, known | {"display"} if reasoning.visible is not None else known)
    return reasoning


def _read_effort(left: dict[str, Any]) -> str | None:
    for outer, key in (
        ("output_config", "effort"),
        ("reasoning", "effort"),
        ("reasoningConfig", "maxReasoningEffort"),
    ):
        node = left.get(outer)
        if isinstance(node, dict) and isinstance(node.get(key), str):
            more = {
                name: item
                for name, item in node.items()
                if name != key and (name, item) != ("type", "enabled")
            }
            _replace(left, outer, more)
            return str(node[key])
        if outer == "reasoningConfig" and node == {"type": "disabled"}:
            del left[outer]
            return "none"
    for key in ("reasoning_effort", "reasoning_config"):
        if isinstance(left.get(key), str):
            return str(left.pop(key))
    return None


def _replace(left: dict[str, Any], key: str, value: dict[str, Any]) -> None:
    if value:
        left[key] = value
    else:
        del left[key]


# --- writing ---------------------------------------------------------------------------------------------


class Plan(Struct):
    """`config` is inferenceConfig, `fields` what goes into additionalModelRequestFields."""

    config: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    thinks: bool = False
    dropped: list[str] = field(default_factory=list)


def plan(request: ir.Request, facts: Facts) -> Plan:
    out = Plan()
    if request.max_tokens is not None:
        out.config["maxTokens"] = request.max_tokens
    if request.reasoning is not None:
        if facts.thinking != "none":
            _claude(out, request.reasoning, facts)
        else:
            _effort(out, request.reasoning, facts)
    _sampling(out, request, facts)
    if request.stop is not None:
        stop = [word for word in request.stop if word.strip()] if facts.claude else request.stop
        if stop:
            out.config["stopSequences"] = stop
        if len(stop) < len(request.stop):
            out.dropped.append("stop")
    if out.fields.get("reasoningConfig", {}).get("maxReasoningEffort") == "high":
        _alone(out)
    return out


def _alone(out: Plan) -> None:
    """Nova at its highest effort takes no limit and no sampling."""
    for key, name in (("maxTokens", "max_tokens"), ("temperature", "temperature"), ("topP", "top_p")):
        if out.config.pop(key, None) is not None:
            out.dropped.append(name)


def _effort(out: Plan, wish: ir.Reasoning, facts: Facts) -> None:
    """Models whose only word for reasoning is an effort."""
    off = wish.budget == 0 or (wish.effort == "none" and wish.budget is None)
    effort = _fit(wish, facts)
    if facts.effort_key == "reasoningConfig" and (off or effort):
        out.fields["reasoningConfig"] = (
            {"type": "disabled"} if off or not effort else {"type": "enabled", "maxReasoningEffort": effort}
        )
    elif off:
        return
    elif effort is None or not facts.effort_key:
        if wish.effort is not None or wish.budget is not None or wish.adaptive:
            out.dropped.append("reasoning_effort" if wish.effort is not None else "thinking")
    else:
        out.fields[facts.effort_key] = {"effort": effort} if facts.effort_key == "reasoning" else effort


def _fit(wish: ir.Reasoning, facts: Facts) -> str | None:
    """The level to write: lowered to the nearest that the model knows, a word of its own as it is."""
    effort = wish.effort
    if effort is None and facts.thinking in ("none", "adaptive"):
        effort = claude.effort_of(wish.budget)
    if effort in (None, "none") or not facts.efforts:
        return None
    return claude.nearest(effort, facts.efforts)


def _claude(out: Plan, wish: ir.Reasoning, facts: Facts) -> None:
    effort = _fit(wish, facts)
    if claude.is_off(wish):
        if not facts.off:
            effort = effort or facts.efforts[0]
        elif wish.budget == 0 or facts.default_on:
            out.fields["thinking"] = {"type": facts.off, **own(wish.extra)}
    elif wish.adaptive is False and wish.budget is None and facts.effort_key:
        pass  # an effort alone: no thinking was asked for
    elif (budget := claude.budget_of(wish, facts.thinking)) is not None:
        _enable(out, wish, facts, budget)
    elif facts.thinking != "budget" and (wish.effort is not None or wish.adaptive or wish.budget is not None):
        out.fields["thinking"] = _form({"type": "adaptive"}, wish, facts)
    elif wish.effort is not None:
        out.dropped.append("reasoning_effort")
    if effort is not None:
        out.fields[facts.effort_key] = {"effort": effort}
        if facts.thinking == "budget":
            out.fields["anthropic_beta"] = [EFFORT_BETA]
    out.thinks = out.fields.get("thinking", {}).get("type", "disabled") not in claude.OFF


def _enable(out: Plan, wish: ir.Reasoning, facts: Facts, budget: int) -> None:
    """The budget within maxTokens, which is the model's own limit where none is given; no thinking at all where
    there is no room for the least budget."""
    budget = max(budget, claude.MIN_BUDGET)
    limit = out.config.get("maxTokens", budget + 1)
    if limit > claude.MIN_BUDGET:
        tokens = {"type": "enabled", "budget_tokens": min(budget, limit - 1)}
        out.fields["thinking"] = _form(tokens, wish, facts)


def _form(node: dict[str, Any], wish: ir.Reasoning, facts: Facts) -> dict[str, Any]:
    return claude.thinking(node, wish, facts.thinking, own(wish.extra))


def _sampling(out: Plan, request: ir.Request, facts: Facts) -> None:
    kept, dropped = claude.sampling(
        request,
        takes=facts.sampling,
        pair=facts.pair,
        thinking=out.thinks,
        hottest=1.0 if facts.claude else inf,
    )
    top_k = kept.pop("top_k", None)
    if top_k is not None and not facts.top_k:
        dropped.append("top_k")
    elif top_k is not None:
        out.fields.update(
            {"inferenceConfig": {"topK": top_k}} if facts.top_k == "nested" else {"top_k": top_k}
        )
    out.config.update({_SAMPLING[key]: value for key, value in kept.items()})
    out.dropped += dropped
