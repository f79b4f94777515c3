"""`tools`, `functions`, `tool_choice`, `function_call` and `web_search_options` ↔ IR.

A tool that the provider runs is a `HostedTool`; OpenAI's web search, which chat turns on by an option of its
own, is one of the kind "web_search". https://platform.openai.com/docs/api-reference/chat/create.
Raises `Malformed`.
"""

from collections.abc import Callable
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.allowed import names_of
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.parts import cache_mark, own
from headgate.wire.shape import Malformed, at, difference, expect, optional, required, restore

MAX_NAME: Final = 64

_MODES: Final[dict[str, Any]] = {"auto": "auto", "required": "required", "none": "none", "any": "required"}
_SEARCH: Final = "web_search"


def read_tools(body: dict[str, Any]) -> list[ir.Tool | ir.HostedTool] | None:
    """Of `tools`, then `functions`, then the web search. None where none of the keys is there."""
    tools = optional(body, "tools", list, "")
    functions = optional(body, "functions", list, "")
    search = optional(body, "web_search_options", dict, "")
    if tools is None and functions is None and search is None:
        return None
    found = [_read_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools or ())]
    found += [_read_function(tool, f"functions[{index}]") for index, tool in enumerate(functions or ())]
    if search is not None:
        found.append(ir.HostedTool(family=FAMILY, value=search, kind=_SEARCH))
    return found


def _read_tool(value: Any, where: str) -> ir.Tool | ir.HostedTool:
    node = expect(value, dict, where)
    kind = node.get("type", "function")
    if kind not in ("function", "custom"):
        return ir.HostedTool(family=FAMILY, value=node)
    inner, place = required(node, kind, dict, where), at(where, kind)
    tool = ir.Tool(
        name=required(inner, "name", str, place),
        description=optional(inner, "description", str, place),
        parameters=optional(inner, "parameters", dict, place) if kind == "function" else ir.FREE_TEXT,
        free=kind == "custom",
        strict=optional(inner, "strict", bool, place),
        cache=cache_mark(node, where) or cache_mark(inner, place),
    )
    left = difference(node, write_tool(tool, tool.name))
    if left:
        tool.extra = {FAMILY: left}
    return tool


def _read_function(value: Any, where: str) -> ir.Tool:
    node = expect(value, dict, where)
    tool = ir.Tool(
        name=required(node, "name", str, where),
        description=optional(node, "description", str, where),
        parameters=optional(node, "parameters", dict, where),
        legacy=True,
    )
    left = difference(node, write_tool(tool, tool.name))
    if left:
        tool.extra = {FAMILY: left}
    return tool


def write_tool(tool: ir.Tool, name: str) -> dict[str, Any]:
    inner: dict[str, Any] = {"name": name}
    if tool.description is not None:
        inner["description"] = tool.description
    if tool.parameters is not None:
        inner["parameters"] = tool.parameters
    if tool.strict is not None and not tool.legacy:
        inner["strict"] = tool.strict
    node = inner if tool.legacy else {"type": "function", "function": inner}
    return restore(node, own(tool.extra)) if tool.extra else node


def write_tools(
    tools: list[ir.Tool | ir.HostedTool], body: dict[str, Any], fit: Callable[[str], str], dropped: list[str]
) -> None:
    """Puts them under their keys. `fit` gives the name to write for a tool's own."""
    modern: list[dict[str, Any]] = []
    functions: list[dict[str, Any]] = []
    for tool in tools:
        if isinstance(tool, ir.Tool):
            (functions if tool.legacy else modern).append(write_tool(tool, fit(tool.name)))
        elif tool.kind == _SEARCH:
            body["web_search_options"] = _search(tool)
        elif tool.family == FAMILY:
            modern.append(tool.value)
        else:
            dropped.append(
                f"tools: {tool.kind or tool.value.get('type') or next(iter(tool.value), 'hosted')}"
            )
    if functions:
        body["functions"] = functions
    if modern:
        body["tools"] = modern


def _search(tool: ir.HostedTool) -> dict[str, Any]:
    """Of another family's search, where the user is, which all know, and how much it may read."""
    if tool.family == FAMILY:
        return tool.value
    size, location = tool.value.get("search_context_size"), tool.value.get("user_location")
    options: dict[str, Any] = {"search_context_size": size} if isinstance(size, str) else {}
    if isinstance(location, dict):
        place = {key: value for key, value in location.items() if key != "type"}
        options["user_location"] = {"type": "approximate", "approximate": place}
    return options


# --- the choice of a tool --------------------------------------------------------------------------------


def read_choice(body: dict[str, Any]) -> ir.ToolChoice | None:
    """What `tool_choice` says, else `function_call`."""
    if body.get("tool_choice") is not None:
        return _read_choice(body["tool_choice"])
    if body.get("function_call") is not None:
        return _read_legacy(body["function_call"])
    return None


def _read_choice(value: Any) -> ir.ToolChoice:
    if isinstance(value, str):
        if value not in _MODES:
            raise Malformed("tool_choice", f"expected auto, none, required or an object, got {value!r}")
        choice = ir.ToolChoice(mode=_MODES[value])
    else:
        choice = _named(expect(value, dict, "tool_choice"))
    if write_choice(choice, choice.name or "") != value:
        choice.extra = {FAMILY: {"tool_choice": value}}
    return choice


def _named(node: dict[str, Any]) -> ir.ToolChoice:
    kind = node.get("type", "function")
    if kind == "allowed_tools":
        inner = node.get("allowed_tools")
        said = inner if isinstance(inner, dict) else node
        required_ = said.get("mode") == "required"
        return ir.ToolChoice(mode="required" if required_ else "auto", allowed=names_of(said.get("tools")))
    inner = node.get(kind) if isinstance(kind, str) else None
    name = inner.get("name") if isinstance(inner, dict) else node.get("name")
    if isinstance(name, str):
        return ir.ToolChoice(mode="named", name=name)
    if isinstance(kind, str) and kind in _MODES:
        return ir.ToolChoice(mode=_MODES[kind])
    if kind == "function" or not isinstance(kind, str):
        raise Malformed("tool_choice.function", "required, expected an object with name")
    return ir.ToolChoice(mode="required")


def _read_legacy(value: Any) -> ir.ToolChoice:
    if isinstance(value, str):
        if value not in ("auto", "none"):
            raise Malformed("function_call", f"expected auto, none or an object, got {value!r}")
        return ir.ToolChoice(mode="auto" if value == "auto" else "none", legacy=True)
    name = required(expect(value, dict, "function_call"), "name", str, "function_call")
    choice = ir.ToolChoice(mode="named", name=name, legacy=True)
    if write_choice(choice, name) != value:
        choice.extra = {FAMILY: {"function_call": value}}
    return choice


def write_choice(choice: ir.ToolChoice, name: str) -> str | dict[str, Any]:
    """The value of `tool_choice`, or of `function_call` for a legacy one."""
    if choice.mode != "named":
        return choice.mode
    return {"name": name} if choice.legacy else {"type": "function", "function": {"name": name}}
