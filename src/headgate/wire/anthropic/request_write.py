"""IR → Messages request, from whatever format the conversation came.

The rules are those of https://docs.anthropic.com/en/api/messages; what a model can't take is in models.py.
Choices where the format has no twin:

- `response_format: json_object` becomes a last line of the system prompt: the API has no such mode, and a
  forced tool with an open schema makes models answer `{}`.
- `user` is left out where it looks like an e-mail address or a phone number, which the API forbids.
- A prompt with more than four cache marks keeps the first and the last three, the most the API takes.
"""

import re
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.anthropic import betas, reasoning
from headgate.wire.anthropic.blocks_write import mark
from headgate.wire.anthropic.check import FAMILY
from headgate.wire.anthropic.models import Facts, facts_of
from headgate.wire.anthropic.tools import JSON_ORDER, Tools, write_tools
from headgate.wire.anthropic.turns import Conversation
from headgate.wire.claude import OFF
from headgate.wire.dialect import Target
from headgate.wire.neutral import OPENAI
from headgate.wire.shape import says_bad_request
from headgate.wire.words import Fitter

MAX_MARKS: Final = 4
NAME_LIMIT: Final = 128
DUMMY_TOOL: Final = {
    "name": "dummy_tool",
    "description": "Not in use.",
    "input_schema": {"type": "object", "properties": {}},
}

_NATIVE: Final = frozenset(
    {
        "anthropic_version", "container", "context_management", "diagnostics", "fallbacks", "inference_geo",
        "mcp_servers", "output_config", "speed",
    }
)  # fmt: skip
"""Top-level keys that callers of any format may give."""

_HARMLESS: Final = frozenset(
    {
        "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store", "stream_options",
    }
)  # fmt: skip
"""Keys of other formats that change nothing in the answer."""

_TIERS: Final = {
    "auto": "auto",
    "standard_only": "standard_only",
    "default": "standard_only",
    "priority": "auto",
}
_PERSONAL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+?[\d\s().-]{7,}")


@says_bad_request
def write_request(request: ir.Request, target: Target) -> ir.Written:
    """Raises BadRequestError for a schema that is nested too deeply."""
    facts = facts_of(target.model)
    names = Fitter(NAME_LIMIT, "tool")
    plan = reasoning.plan(request, facts, target.max_output)
    enabled = plan.thinking is not None and plan.thinking["type"] == "enabled"
    tools = write_tools(request, facts, names, enabled)
    talk = Conversation(names, mid_system=facts.mid_system, keep_thinking=facts.thinking != "none")
    talk.add_all(request.turns)
    talk.trim_prefill()
    if request.output is not None and request.output.kind == "json":
        _order_json(talk)
    if target.modify_params:
        _repair(talk, tools, plan, facts)

    dropped = [*plan.dropped, *tools.dropped, *talk.dropped, *OPENAI.asked(request)]
    body: dict[str, Any] = {"model": target.model, "max_tokens": plan.max_tokens}
    if talk.system:
        body["system"] = talk.written_system()
    body["messages"] = talk.written()
    if tools.tools or request.tools == []:
        body["tools"] = tools.tools
    if tools.choice is not None:
        body["tool_choice"] = tools.choice
    if plan.thinking is not None:
        body["thinking"] = plan.thinking
    if tools.mcp_servers:
        body["mcp_servers"] = tools.mcp_servers
    thinks = plan.thinking is not None and plan.thinking["type"] not in OFF
    kept, refused = reasoning.sampling(request, facts, thinks)
    body.update(kept)
    dropped += refused
    _scalars(request, body, dropped)
    _config(plan.effort, tools, body)
    headers = _extras(request.extra or {}, body, dropped)
    _limit_marks(body, [*(tool for tool in body.get("tools", ()) if "cache_control" in tool), *talk.marks])
    echo = None
    if names.changed or tools.json_tool is not None:
        echo = ir.Echo(tool_names=names.changed, json_tool=tools.json_tool)
    flags = list(dict.fromkeys([*headers, *betas.needed(body, facts.thinking == "budget")]))
    return ir.Written(
        body=body,
        dropped=dropped,
        headers={"anthropic-beta": ",".join(flags)} if flags else {},
        echo=echo,
    )


def _order_json(talk: Conversation) -> None:
    talk.system.append({"type": "text", "text": JSON_ORDER})
    talk.system_flat = len(talk.system) == 1


def _repair(talk: Conversation, tools: Tools, plan: reasoning.Plan, facts: Facts) -> None:
    """What the API demands of a conversation and this one lacks."""
    if not talk.messages or talk.messages[0].role != "user":
        talk.insert_placeholder(0)
    enabled = plan.thinking is not None and plan.thinking["type"] == "enabled"
    if enabled and talk.loops_without_thinking():
        plan.thinking = None
    thinks = plan.thinking is not None and plan.thinking["type"] not in OFF
    if talk.messages[-1].role == "assistant" and (thinks or not facts.prefill):
        talk.insert_placeholder(len(talk.messages))
    if not tools.tools and talk.has_calls():
        tools.tools.append(dict(DUMMY_TOOL))


def _scalars(request: ir.Request, body: dict[str, Any], dropped: list[str]) -> None:
    if request.stop is not None:
        stop = [word for word in request.stop if word.strip()]
        if stop:
            body["stop_sequences"] = stop
        if len(stop) < len(request.stop):
            dropped.append("stop")
    user = request.user
    if user is None and request.metadata:
        user = request.metadata.get("user_id")
    if isinstance(user, str) and not _PERSONAL.fullmatch(user.strip()):
        body["metadata"] = {"user_id": user}
    if request.service_tier is not None:
        tier = _TIERS.get(request.service_tier)
        if tier is not None:
            body["service_tier"] = tier
        else:
            dropped.append("service_tier")
    if request.cache is not None:
        body["cache_control"] = mark(request.cache)
    if request.stream:
        body["stream"] = True


def _config(effort: str | None, tools: Tools, body: dict[str, Any]) -> None:
    config: dict[str, Any] = {}
    if effort is not None:
        config["effort"] = effort
    if tools.format is not None and not tools.old_format:
        config["format"] = tools.format
    if config:
        body["output_config"] = config
    if tools.format is not None and tools.old_format:
        body["output_format"] = tools.format


def _extras(extra: ir.Extra, body: dict[str, Any], dropped: list[str]) -> list[str]:
    """Puts back what the IR has no name for. Returns the beta names that a caller gave in the body."""
    flags: list[str] = []
    for family, fields in extra.items():
        for key, value in fields.items():
            if key == "anthropic_beta" and family != FAMILY:
                flags += [flag for flag in value if isinstance(flag, str)] if isinstance(value, list) else []
            elif family == FAMILY or key in _NATIVE:
                _put_back(body, key, value)
            elif key not in _HARMLESS and value is not None:
                dropped.append(key)
    return flags


def _put_back(body: dict[str, Any], key: str, value: Any) -> None:
    """Under what we wrote ourselves: fields are added to objects, entries to lists, nothing is replaced."""
    ours = body.get(key)
    if ours is None:
        body[key] = value
    elif isinstance(ours, dict) and isinstance(value, dict):
        body[key] = {**value, **ours}
    elif isinstance(ours, list) and isinstance(value, list):
        body[key] = [*value, *ours]


def _limit_marks(body: dict[str, Any], marked: list[dict[str, Any]]) -> None:
    allowed = MAX_MARKS - ("cache_control" in body)
    for node in marked[1 : len(marked) - allowed + 1]:
        del node["cache_control"]
