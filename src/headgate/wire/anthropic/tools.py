"""IR tools, tool choice and output format → `tools`, `tool_choice`, `output_config.format`, `mcp_servers`.

Models that can't be held to a JSON schema get a tool that stands in for it, see `Echo.json_tool`.
https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/overview
"""

from typing import Any, Final

from msgspec import Struct, field

from headgate.wire import ir
from headgate.wire import schema as schemas
from headgate.wire.anthropic.blocks_write import finish, own
from headgate.wire.anthropic.check import FAMILY
from headgate.wire.anthropic.models import Facts
from headgate.wire.anthropic.request import OLD_FORMAT
from headgate.wire.shape import Malformed
from headgate.wire.words import Fitter

JSON_TOOL: Final = "json_tool_call"
JSON_ORDER: Final = "Answer with one JSON object and nothing else: no words around it, no code fence."
WEB_SEARCH: Final = "web_search_20250305"

_MODES: Final = {"auto": "auto", "required": "any", "none": "none", "named": "tool"}
_SEARCHES: Final = {"low": 1, "medium": 5, "high": 10}
_PLACE: Final = ("city", "region", "country", "timezone")
_TOOL_EXTRAS: Final = ("defer_loading", "allowed_callers", "input_examples", "eager_input_streaming")
"""Fields of a tool that are taken from chat callers, too."""


class Tools(Struct):
    tools: list[dict[str, Any]] = field(default_factory=list)
    mcp_servers: list[dict[str, Any]] = field(default_factory=list)
    choice: dict[str, Any] | None = None
    format: dict[str, Any] | None = None
    old_format: bool = False
    json_tool: str | None = None
    dropped: list[str] = field(default_factory=list)


def write_tools(request: ir.Request, facts: Facts, names: Fitter, thinking: bool) -> Tools:
    """`thinking` says that a thinking budget is set, beside which the API lets no tool be forced; newer models let
    none be forced at all."""
    out = Tools()
    for at, tool in enumerate(request.tools or ()):
        if isinstance(tool, ir.Tool):
            out.tools.append(_function(tool, facts, names))
        else:
            _hosted(tool, f"tools[{at}]", out)
    if request.tool_choice is not None and out.tools:
        out.choice = _choice(request.tool_choice, names)
    if request.output is not None and request.output.kind == "schema":
        _schema(request.output, facts, names, out)
    forced = out.choice is not None and out.choice["type"] in ("any", "tool")
    if forced and (thinking or not facts.forced):
        if out.json_tool is None:
            out.dropped.append("tool_choice")
        out.choice = {"type": "auto"}
    _parallel(request, out)
    return out


def _function(tool: ir.Tool, facts: Facts, names: Fitter) -> dict[str, Any]:
    node: dict[str, Any] = {"name": names.fit(tool.name)}
    if tool.description is not None:
        node["description"] = tool.description
    node["input_schema"] = schemas.tool_input(tool.parameters)
    if tool.strict is not None and (facts.structured or not tool.strict):
        node["strict"] = tool.strict
        if tool.strict:
            node["input_schema"] = _strict(node["input_schema"], "tools")
    for family, fields in (tool.extra or {}).items():
        if family != FAMILY:
            node.update({key: fields[key] for key in _TOOL_EXTRAS if key in fields})
    return finish(node, tool.cache, tool.extra)


def _hosted(tool: ir.HostedTool, where: str, out: Tools) -> None:
    kind = tool.value.get("type")
    if isinstance(kind, str) and (tool.family == FAMILY or _is_native(kind)):
        out.tools.append(dict(tool.value))
    elif kind == "mcp" and isinstance(tool.value.get("server_url"), str):
        out.mcp_servers.append(_mcp_server(tool.value))
    elif tool.kind == "web_search":
        out.tools.append(_web_search(tool.value))
    else:
        named = kind if isinstance(kind, str) else next(iter(tool.value), tool.family)
        out.dropped.append(f"{where}: {named}")


def _is_native(kind: str) -> bool:
    """Anthropic's own tools are dated: `web_search_20250305`."""
    return kind == "mcp_toolset" or (kind[-9:-8] == "_" and kind[-8:].isdigit())


def _web_search(options: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's options: {search_context_size, user_location: {type, approximate: {city, …}}, filters}."""
    node: dict[str, Any] = {"type": WEB_SEARCH, "name": "web_search"}
    searches = _SEARCHES.get(str(options.get("search_context_size")))
    if searches is not None:
        node["max_uses"] = searches
    filters = options.get("filters")
    domains = filters.get("allowed_domains") if isinstance(filters, dict) else None
    if isinstance(domains, list) and domains:
        node["allowed_domains"] = domains
    location = options.get("user_location")
    if isinstance(location, dict):
        place = location.get("approximate", location)
        known = {key: place[key] for key in _PLACE if place.get(key)} if isinstance(place, dict) else {}
        if known:
            node["user_location"] = {"type": "approximate", **known}
    return node


def _mcp_server(value: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's {type: mcp, server_url, server_label, headers, allowed_tools} as a server entry."""
    node: dict[str, Any] = {
        "type": "url",
        "url": value["server_url"],
        "name": value.get("server_label") or "mcp",
    }
    headers = value.get("headers")
    for name, header in headers.items() if isinstance(headers, dict) else ():
        if str(name).lower() == "authorization" and isinstance(header, str):
            node["authorization_token"] = header.removeprefix("Bearer ")
    if isinstance(value.get("allowed_tools"), list):
        node["tool_configuration"] = {"enabled": True, "allowed_tools": value["allowed_tools"]}
    return node


def _choice(choice: ir.ToolChoice, names: Fitter) -> dict[str, Any]:
    node: dict[str, Any] = {"type": _MODES[choice.mode]}
    if choice.mode == "named":
        node["name"] = names.fit(choice.name or "")
    return {**node, **own(choice.extra)}


def _parallel(request: ir.Request, out: Tools) -> None:
    if request.parallel_tools is None or not out.tools:
        return
    if out.choice is None and not request.parallel_tools:
        out.choice = {"type": "auto"}
    if out.choice is not None and out.choice["type"] != "none":
        out.choice["disable_parallel_tool_use"] = not request.parallel_tools


def _schema(output: ir.OutputFormat, facts: Facts, names: Fitter, out: Tools) -> None:
    fields = dict(own(output.extra))
    out.old_format = bool(fields.pop(OLD_FORMAT, False))
    schema = output.schema or {"type": "object"}
    if facts.structured or out.old_format:
        out.format = {"type": "json_schema", "schema": _strict(schema, "response_format"), **fields}
        return
    out.json_tool = names.reserve(JSON_TOOL)
    mode = "auto" if out.choice is None else out.choice["type"]
    if not out.tools or mode == "none":
        out.choice = {"type": "tool", "name": out.json_tool}
    elif mode != "tool":
        out.choice = {"type": "any"}
    out.tools.append(
        {
            "name": out.json_tool,
            "description": output.description or "Give the final answer by calling this tool.",
            "input_schema": schemas.tool_input(schema),
        }
    )


def _strict(schema: dict[str, Any], where: str) -> dict[str, Any]:
    try:
        return dict(schemas.strict(schema))
    except schemas.TooDeepError as error:
        raise Malformed(where, str(error)) from None
