"""Which of a conversation's tools may be used. Where the target's format has no words for it, the others are left
out, which says the same.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from headgate.wire import ir


def narrowed(request: ir.Request, family: str) -> ir.Request:
    """The request for a target of this family: as it is where the choice came from there, and goes back as it was."""
    choice = request.tool_choice
    if choice is None or not choice.allowed or family in (choice.extra or ()):
        return request
    tools = [tool for tool in request.tools or () if _is_one(tool, choice.allowed)]
    return replace(request, tools=tools, tool_choice=replace(choice, allowed=())) if tools else request


def _is_one(tool: ir.Tool | ir.HostedTool, allowed: tuple[str, ...]) -> bool:
    if isinstance(tool, ir.Tool):
        return tool.name in allowed
    return tool.kind in allowed or tool.value.get("type") in allowed


def names_of(tools: Any) -> tuple[str, ...]:
    """Of OpenAI's list of allowed tools: functions by name, hosted ones by type.
    https://platform.openai.com/docs/guides/function-calling#tool-choice"""
    found = []
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, Mapping):
            kind = tool.get("type")
            inner = tool.get(kind) if isinstance(kind, str) else None
            name = (inner if isinstance(inner, Mapping) else tool).get("name")
            found.append(name if isinstance(name, str) and kind in ("function", "custom") else kind)
    return tuple(name for name in found if isinstance(name, str))
