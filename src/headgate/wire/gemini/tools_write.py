"""IR tools and tool choice → `tools` and `toolConfig`.

Hosted tools are those that Gemini runs itself; another vendor's is replaced by its twin where there is one.
https://ai.google.dev/gemini-api/docs/function-calling
https://ai.google.dev/gemini-api/docs/tools
"""

from typing import Any, Final

from msgspec import Struct, field

from headgate.wire import ir
from headgate.wire.gemini import schema as schemas
from headgate.wire.gemini.check import FAMILY, fields, own
from headgate.wire.gemini.models import Facts
from headgate.wire.gemini.names import Names
from headgate.wire.gemini.request import HOSTED

_MODES: Final = {"auto": "AUTO", "required": "ANY", "none": "NONE", "named": "ANY"}
_TWINS: Final = (
    ("web_search", "googleSearch"),
    ("code_execution", "codeExecution"),
    ("code_interpreter", "codeExecution"),
    ("web_fetch", "urlContext"),
)
"""How the type of another vendor's tool begins, and the tool that does the same here."""
_LIMITS: Final = ("allowed_domains", "blocked_domains", "filters")
"""Restrictions of a search that Gemini can't keep to."""


class Tools(Struct):
    tools: list[dict[str, Any]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    functions: int = 0
    dropped: list[str] = field(default_factory=list)


def write_tools(request: ir.Request, facts: Facts, names: Names, *, native: bool) -> Tools:
    """`native`: a Gemini client wrote the request, and knows what to ask for."""
    out = Tools()
    declarations: list[dict[str, Any]] = []
    hosted: list[tuple[str, dict[str, Any]]] = []
    for at, tool in enumerate(request.tools or ()):
        if isinstance(tool, ir.HostedTool):
            _hosted(tool, f"tools[{at}]", hosted, out)
        else:
            if not declarations:
                out.tools.append({"functionDeclarations": declarations})
            declarations.append(_function(tool, facts, names))
    out.functions = len(declarations)
    if declarations and hosted and not facts.combines:
        out.dropped += [where for where, _ in hosted]
    else:
        out.tools += _distinct([tool for _, tool in hosted])
        if declarations and hosted and not native:
            out.config["includeServerSideToolInvocations"] = True
    if request.tool_choice is not None and declarations:
        out.config["functionCallingConfig"] = _choice(request.tool_choice, names)
    if request.parallel_tools is False and out.functions > 1:
        out.dropped.append("parallel_tool_calls")
    return out


def _function(tool: ir.Tool, facts: Facts, names: Names) -> dict[str, Any]:
    """A schema that came in Google's own form goes back in it."""
    node: dict[str, Any] = {"name": names.fit(tool.name)}
    if tool.description is not None:
        node["description"] = tool.description
    native = own(tool.extra)
    if tool.parameters is not None and "parameters" not in native:
        if facts.json_schema:
            node["parametersJsonSchema"] = tool.parameters
        elif (cleaned := schemas.to_openapi(tool.parameters)).get("properties"):
            node["parameters"] = cleaned
    return {**node, **native}


def _hosted(tool: ir.HostedTool, where: str, hosted: list[tuple[str, dict[str, Any]]], out: Tools) -> None:
    value = fields(tool.value, HOSTED)
    if tool.family == FAMILY or not HOSTED.isdisjoint(value):
        value.pop("type", None)
        hosted.append((f"{where}: {next(iter(value), 'a hosted tool')}", value))
        return
    kind = value.get("type")
    name = kind if isinstance(kind, str) else tool.kind or ""
    called = "web_search_options" if not kind and tool.kind == "web_search" else f"{where}: {name}"
    twin = next((ours for start, ours in _TWINS if name.startswith(start)), None)
    if twin is None and tool.kind == "web_search":
        twin = "googleSearch"
    if twin is None:
        out.dropped.append(called)
        return
    out.dropped += [f"{where}.{key}" for key in _LIMITS if value.get(key)]
    hosted.append((called, {twin: {}}))


def _distinct(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [tool for at, tool in enumerate(tools) if tool not in tools[:at]]


def _choice(choice: ir.ToolChoice, names: Names) -> dict[str, Any]:
    node: dict[str, Any] = {"mode": _MODES[choice.mode]}
    if choice.mode == "named" and choice.name is not None:
        node["allowedFunctionNames"] = [names.fit(choice.name)]
    return {**node, **own(choice.extra)}
