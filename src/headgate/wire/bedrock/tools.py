"""toolConfig and outputConfig ↔ IR tools, tool choice and output format.

Models that can't be held to a JSON schema get a tool that stands in for it, see `Echo.json_tool`.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
"""

from typing import Any, Final

import msgspec
from msgspec import Struct, field

from headgate.wire import ir
from headgate.wire import schema as schemas
from headgate.wire.bedrock.check import FAMILY, cache_point, own, read_cache_point, rest
from headgate.wire.bedrock.models import Facts
from headgate.wire.shape import Malformed, expect, optional, required
from headgate.wire.words import Fitter

NAME_LIMIT: Final = 64
JSON_TOOL: Final = "json_tool_call"
JSON_ORDER: Final = "Answer with one JSON object and nothing else: no words around it, no code fence."
DUMMY_TOOL: Final = {
    "toolSpec": {
        "name": "dummy_tool",
        "description": "Not in use.",
        "inputSchema": {"json": {"type": "object", "properties": {}}},
    }
}

_CHOICES: Final = {"auto": "auto", "any": "required", "tool": "named"}
_MODES: Final = {"auto": "auto", "required": "any", "named": "tool"}
_SPEC: Final = frozenset({"name", "description", "inputSchema", "strict"})
_BETAS: Final = {
    "computer_20241022": "computer-use-2024-10-22",
    "computer_20250124": "computer-use-2025-01-24",
    "computer_20251124": "computer-use-2025-11-24",
    "bash_20241022": "computer-use-2024-10-22",
    "bash_20250124": "computer-use-2025-01-24",
    "text_editor_20241022": "computer-use-2024-10-22",
    "text_editor_20250124": "computer-use-2025-01-24",
    "text_editor_20250429": "computer-use-2025-01-24",
    "text_editor_20250728": "computer-use-2025-01-24",
    "memory_20250818": "context-management-2025-06-27",
}
"""Anthropic's tools that the caller runs, each with the beta name that it needs here."""
_SEARCH: Final = "nova_grounding"


# --- reading ---------------------------------------------------------------------------------------------


def read_tools(config: dict[str, Any]) -> list[ir.Tool | ir.HostedTool] | None:
    """A cache point becomes the mark of the tool before it."""
    listed = optional(config, "tools", list, "toolConfig")
    if listed is None:
        return None
    tools: list[ir.Tool | ir.HostedTool] = []
    for at, item in enumerate(listed):
        where = f"toolConfig.tools[{at}]"
        node = expect(item, dict, where)
        mark = read_cache_point(node)
        last = tools[-1] if tools else None
        if mark is not None and isinstance(last, ir.Tool) and last.cache is None:
            last.cache = mark
        elif node.keys() == {"toolSpec"}:
            tools.append(_read_tool(expect(node["toolSpec"], dict, f"{where}.toolSpec"), f"{where}.toolSpec"))
        else:
            tools.append(_read_hosted(node))
    return tools


def _read_tool(node: dict[str, Any], where: str) -> ir.Tool:
    shape = optional(node, "inputSchema", dict, where) or {}
    return ir.Tool(
        name=required(node, "name", str, where),
        description=optional(node, "description", str, where),
        parameters=optional(shape, "json", dict, f"{where}.inputSchema"),
        strict=optional(node, "strict", bool, where),
        extra=rest(node, _SPEC),
    )


def _read_hosted(node: dict[str, Any]) -> ir.HostedTool:
    system = node.get("systemTool")
    search = isinstance(system, dict) and system.get("name") == _SEARCH
    return ir.HostedTool(family=FAMILY, value=node, kind="web_search" if search else None)


def read_choice(config: dict[str, Any]) -> ir.ToolChoice | None:
    node = optional(config, "toolChoice", dict, "toolConfig")
    if not node:
        return None
    kind = next(iter(node))
    if kind not in _CHOICES:
        raise Malformed("toolConfig.toolChoice", f"expected one of {', '.join(_CHOICES)}, got {kind[:40]!r}")
    inner = expect(node[kind], dict, f"toolConfig.toolChoice.{kind}")
    name = required(inner, "name", str, "toolConfig.toolChoice.tool") if kind == "tool" else None
    return ir.ToolChoice(mode=_CHOICES[kind], name=name, extra=rest(inner, {"name"}))  # type: ignore[arg-type]


def read_format(config: dict[str, Any]) -> ir.OutputFormat | None:
    """Takes what it understands out of `config`, which is outputConfig."""
    outer = optional(config, "textFormat", dict, "outputConfig")
    if outer is None or outer.get("type") != "json_schema":
        return None
    where = "outputConfig.textFormat.structure.jsonSchema"
    structure = optional(outer, "structure", dict, "outputConfig.textFormat") or {}
    node = required(structure, "jsonSchema", dict, "outputConfig.textFormat.structure")
    text = required(node, "schema", str, where)
    try:
        schema = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Malformed(f"{where}.schema", "expected a JSON schema as text") from None
    del config["textFormat"]
    return ir.OutputFormat(
        kind="schema",
        schema=expect(schema, dict, f"{where}.schema"),
        name=optional(node, "name", str, where),
        description=optional(node, "description", str, where),
        extra=rest(node, {"schema", "name", "description"}),
    )


# --- writing ---------------------------------------------------------------------------------------------


class Tools(Struct):
    """`fields` go into additionalModelRequestFields: what only Anthropic's models know."""

    tools: list[dict[str, Any]] = field(default_factory=list)
    choice: dict[str, Any] | None = None
    format: dict[str, Any] | None = None
    json_tool: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)


def write_tools(request: ir.Request, facts: Facts, names: Fitter, *, thinks: bool, has_calls: bool) -> Tools:
    """`thinks`: beside thinking Claude can't be forced. `has_calls`: the conversation holds calls or results, so
    that tools can't be left out."""
    out = Tools()
    for at, tool in enumerate(request.tools or ()):
        if isinstance(tool, ir.Tool):
            out.tools.append(_function(tool, facts, names))
            if tool.cache is not None and "tools" in facts.cache:
                out.tools.append(cache_point(tool.cache, facts.cache_ttl))
        else:
            _hosted(tool, f"tools[{at}]", facts, out)
    choice = request.tool_choice
    if choice is not None and choice.mode == "none" and out.tools:
        _without_tools(out, has_calls)
    elif choice is not None and out.tools:
        out.choice = _choice(choice, names)
    if request.output is not None and request.output.kind == "schema":
        _schema(request.output, facts, names, out)
    if out.choice is not None and "auto" not in out.choice and (thinks or not facts.forced):
        if out.json_tool is None:
            out.dropped.append("tool_choice")
        out.choice = {"auto": {}}
    _parallel(request, facts, out)
    return out


def _without_tools(out: Tools, has_calls: bool) -> None:
    """Converse has no word for "no tool": the tools stay away, unless the conversation needs them."""
    if has_calls:
        out.dropped.append("tool_choice")
    else:
        out.tools.clear()
        out.fields.clear()


def _function(tool: ir.Tool, facts: Facts, names: Fitter) -> dict[str, Any]:
    node: dict[str, Any] = {"name": names.fit(tool.name)}
    if tool.description:
        node["description"] = tool.description
    schema = {key: item for key, item in schemas.tool_input(tool.parameters).items() if key != "$schema"}
    if tool.strict is not None and facts.structured:
        node["strict"] = tool.strict
        schema = _strict(schema, "tools") if tool.strict else schema
    node["inputSchema"] = {"json": schema}
    return {"toolSpec": {**node, **own(tool.extra)}}


def _hosted(tool: ir.HostedTool, where: str, facts: Facts, out: Tools) -> None:
    kind = tool.value.get("type")
    if tool.family == FAMILY:
        out.tools.append(dict(tool.value))
    elif facts.claude and kind in _BETAS:
        out.fields.setdefault("tools", []).append(dict(tool.value))
        flags = out.fields.setdefault("anthropic_beta", [])
        flags += [_BETAS[str(kind)]] if _BETAS[str(kind)] not in flags else []
    elif tool.kind == "web_search" and facts.effort_key == "reasoningConfig":
        out.tools.append({"systemTool": {"name": _SEARCH}})
    else:
        named = kind if isinstance(kind, str) else next(iter(tool.value), tool.family)
        out.dropped.append(f"{where}: {named}")


def _choice(choice: ir.ToolChoice, names: Fitter) -> dict[str, Any]:
    name = {"name": names.fit(choice.name or "")} if choice.mode == "named" else {}
    return {_MODES[choice.mode]: {**name, **own(choice.extra)}}


def _parallel(request: ir.Request, facts: Facts, out: Tools) -> None:
    """One call at a time, for the models that can be told; the others ask one by one anyway, or can't be held."""
    if request.parallel_tools is not False or not out.tools or not facts.single:
        return
    kind = next(iter(out.choice)) if out.choice is not None else "auto"
    named = out.choice["tool"] if out.choice is not None and kind == "tool" else {}
    out.fields["tool_choice"] = {"type": kind, **named, "disable_parallel_tool_use": True}


def _schema(output: ir.OutputFormat, facts: Facts, names: Fitter, out: Tools) -> None:
    schema = output.schema or {"type": "object"}
    if facts.structured:
        node: dict[str, Any] = {"schema": msgspec.json.encode(_strict(schema, "response_format")).decode()}
        node["name"] = Fitter(NAME_LIMIT, "answer").fit(output.name or "answer")
        if output.description:
            node["description"] = output.description
        structure = {"jsonSchema": {**node, **own(output.extra)}}
        out.format = {"type": "json_schema", "structure": structure}
        return
    out.json_tool = names.reserve(JSON_TOOL)
    mode = None if out.choice is None else next(iter(out.choice))
    if not out.tools:
        out.choice = {"tool": {"name": out.json_tool}}
    elif mode != "tool":
        out.choice = {"any": {}}
    described = output.description or "Give the final answer by calling this tool."
    spec = {
        "name": out.json_tool,
        "description": described,
        "inputSchema": {"json": schemas.tool_input(schema)},
    }
    out.tools.append({"toolSpec": spec})


def _strict(schema: dict[str, Any], where: str) -> dict[str, Any]:
    try:
        return dict(schemas.strict(schema))
    except schemas.TooDeepError as error:
        raise Malformed(where, str(error)) from None
