"""A whole Responses request: JSON ↔ IR.

https://platform.openai.com/docs/api-reference/responses/create. What only this format has and what changes nothing in
the answer is in `spelling`; what another format can't express is in `extra`, so that whoever writes it names it.
"""

from collections.abc import Mapping
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.dialect import Target
from headgate.wire.responses.items import read_input, write_input
from headgate.wire.responses.parts import FAMILY, own, rest
from headgate.wire.shape import Malformed, expect, optional, required, says_bad_request

_SCALARS: Final[Mapping[str, tuple[str, type]]] = {
    "parallel_tool_calls": ("parallel_tools", bool),
    "max_output_tokens": ("max_tokens", int),
    "temperature": ("temperature", float),
    "top_p": ("top_p", float),
    "top_logprobs": ("top_logprobs", int),
    "user": ("user", str),
    "metadata": ("metadata", dict),
    "service_tier": ("service_tier", str),
}
_HOUSEKEEPING: Final = frozenset(
    """include store truncation stream_options prompt_cache_key prompt_cache_retention prompt_cache_options
    safety_identifier moderation client_metadata""".split()
)
_READ: Final = frozenset(
    ("model", "input", "instructions", "tools", "tool_choice", "text", "reasoning", "stream")
)
_ELSEWHERE: Final = (
    "stop", "seed", "n", "presence_penalty", "frequency_penalty", "logit_bias", "top_k", "audio", "modalities",
)  # fmt: skip
"""What the IR has and this format has not."""
_CHAT: Final = frozenset(("prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store"))
"""Keys of chat that mean the same here."""
_HARMLESS: Final = frozenset(("extra_body", "prediction", "anthropic_beta", "anthropic_version", "labels"))


@says_bad_request
def read_request(body: Mapping[str, Any]) -> ir.Request:
    """Raises BadRequestError with the `param` that is wrong."""
    body = dict(body)
    given = body.get("input")
    if given is None and not (
        body.get("previous_response_id") or body.get("prompt") or body.get("conversation")
    ):
        raise Malformed("input", "required, expected a string or an array")
    turns = read_input(given) if given is not None else []
    instructions = optional(body, "instructions", str, "")
    if instructions is not None:
        begin = ir.Turn(role="system", blocks=[ir.Text(instructions)], flat=True)
        begin.extra = {FAMILY: {"instructions": True}}
        turns.insert(0, begin)
    request = ir.Request(
        model=optional(body, "model", str, "") or "",
        turns=turns,
        tools=_read_tools(body),
        tool_choice=_read_choice(body.get("tool_choice")),
        stream=optional(body, "stream", bool, "") or False,
        stream_usage=True,
    )
    for key, (name, kind) in _SCALARS.items():
        setattr(request, name, optional(body, key, kind, ""))
    _read_text(body, request)
    reasoning = optional(body, "reasoning", dict, "")
    if reasoning is not None:
        effort = optional(reasoning, "effort", str, "reasoning")
        visible = True if reasoning.get("summary") or reasoning.get("generate_summary") else None
        if any(value is not None for value in reasoning.values()):
            request.reasoning = ir.Reasoning(effort=effort, visible=visible, extra=rest(reasoning, "effort"))
    request.spelling = {FAMILY: {key: body[key] for key in body if key in _HOUSEKEEPING}}
    known = _READ | _SCALARS.keys() | _HOUSEKEEPING
    left = {key: value for key, value in body.items() if key not in known and value not in (None, False)}
    if left:
        request.extra = {FAMILY: left}
    return request


def _read_text(body: dict[str, Any], request: ir.Request) -> None:
    text = optional(body, "text", dict, "")
    if text is None:
        return
    request.verbosity = optional(text, "verbosity", str, "text")
    form = optional(text, "format", dict, "text")
    if form is None:
        return
    if form.get("type", "text") == "text":
        request.output = ir.OutputFormat(kind="text")
        return
    if form["type"] == "json_object":
        request.output = ir.OutputFormat(kind="json")
        return
    request.output = ir.OutputFormat(
        kind="schema",
        schema=optional(form, "schema", dict, "text.format"),
        name=optional(form, "name", str, "text.format"),
        description=optional(form, "description", str, "text.format"),
        strict=optional(form, "strict", bool, "text.format"),
    )


def _read_tools(body: dict[str, Any]) -> list[ir.Tool | ir.HostedTool] | None:
    tools = optional(body, "tools", list, "")
    if tools is None:
        return None
    return [_read_tool(expect(tool, dict, f"tools[{at}]"), f"tools[{at}]") for at, tool in enumerate(tools)]


def _read_tool(node: dict[str, Any], where: str) -> ir.Tool | ir.HostedTool:
    kind = node.get("type", "function")
    if kind not in ("function", "custom"):
        search = isinstance(kind, str) and kind.startswith("web_search")
        return ir.HostedTool(family=FAMILY, value=node, kind="web_search" if search else None)
    return ir.Tool(
        name=required(node, "name", str, where),
        description=optional(node, "description", str, where),
        parameters=optional(node, "parameters", dict, where) if kind == "function" else FREE_TEXT,
        strict=optional(node, "strict", bool, where),
        extra={FAMILY: node}
        if kind == "custom"
        else rest(node, "type", "name", "description", "parameters", "strict"),
    )


FREE_TEXT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}
"""How a tool that takes free text is told to models that know functions only."""


def _read_choice(value: Any) -> ir.ToolChoice | None:
    if value is None:
        return None
    if isinstance(value, str):
        if value not in ("auto", "none", "required"):
            raise Malformed("tool_choice", f"expected auto, none, required or an object, got {value[:40]!r}")
        return ir.ToolChoice(mode="auto" if value == "auto" else "none" if value == "none" else "required")
    node = expect(value, dict, "tool_choice")
    kept: ir.Extra = {FAMILY: {"tool_choice": node}}
    if isinstance(node.get("name"), str) and node.get("type") in ("function", "custom"):
        return ir.ToolChoice(mode="named", name=node["name"], extra=kept)
    return ir.ToolChoice(mode="required" if node.get("mode") == "required" else "auto", extra=kept)


# --- writing ---------------------------------------------------------------------------------------------


@says_bad_request
def write_request(request: ir.Request, target: Target) -> ir.Written:
    """Raises BadRequestError for content that is nested too deeply."""
    dropped: list[str] = []
    turns = list(request.turns)
    body: dict[str, Any] = {"model": target.model}
    if turns and own(turns[0].extra).get("instructions"):
        body["instructions"] = "".join(one.text for one in turns.pop(0).blocks if isinstance(one, ir.Text))
    body["input"] = write_input(turns, dropped)
    if request.tools is not None:
        body["tools"] = [tool for one in request.tools if (tool := _write_tool(one, dropped)) is not None]
    if request.tool_choice is not None:
        body["tool_choice"] = _write_choice(request.tool_choice)
    for key, (name, _) in _SCALARS.items():
        if (value := getattr(request, name)) is not None:
            body[key] = value
    text = _write_text(request)
    if text:
        body["text"] = text
    if request.reasoning is not None and (reasoning := _write_reasoning(request.reasoning)):
        body["reasoning"] = reasoning
    if request.stream:
        body["stream"] = True
    dropped += [name for name in _ELSEWHERE if getattr(request, name) is not None]
    body.update(own(request.spelling))
    if FAMILY not in (request.spelling or {}):
        body.setdefault("store", False)  # nobody asked the provider to keep the conversation
    for family, fields in (request.extra or {}).items():
        for key, value in fields.items():
            if family == FAMILY or key in _CHAT:
                body[key] = value
            elif key not in _HARMLESS and value is not None:
                dropped.append(key)
    return ir.Written(body=body, dropped=dropped)


def _write_tool(tool: ir.Tool | ir.HostedTool, dropped: list[str]) -> dict[str, Any] | None:
    if isinstance(tool, ir.HostedTool):
        if tool.family == FAMILY:
            return tool.value
        if tool.kind == "web_search":
            return {"type": "web_search"}
        dropped.append(f"tools: {tool.kind or tool.value.get('type') or 'hosted'}")
        return None
    kept = own(tool.extra)
    if kept.get("type") == "custom":
        return kept
    made: dict[str, Any] = {
        "type": "function",
        "name": tool.name,
        "parameters": tool.parameters or _NO_PARAMETERS,
    }
    if tool.description is not None:
        made["description"] = tool.description
    made["strict"] = bool(tool.strict)  # left out it means true here
    return made | kept


_NO_PARAMETERS: Final[dict[str, Any]] = {"type": "object", "properties": {}}


def _write_choice(choice: ir.ToolChoice) -> Any:
    kept = own(choice.extra).get("tool_choice")
    if kept is not None:
        return kept
    return {"type": "function", "name": choice.name} if choice.mode == "named" else choice.mode


def _write_text(request: ir.Request) -> dict[str, Any]:
    text: dict[str, Any] = {}
    output = request.output
    if output is not None and output.kind != "schema":
        text["format"] = {"type": "json_object" if output.kind == "json" else "text"}
    elif output is not None:
        form = {"type": "json_schema", "name": output.name or "answer", "schema": output.schema or {}}
        more = {"description": output.description, "strict": output.strict}
        text["format"] = form | {key: value for key, value in more.items() if value is not None}
    if request.verbosity is not None:
        text["verbosity"] = request.verbosity
    return text


def _write_reasoning(reasoning: ir.Reasoning) -> dict[str, Any]:
    found = own(reasoning.extra)
    if reasoning.effort is not None:
        found["effort"] = reasoning.effort
    elif reasoning.budget is not None:
        found["effort"] = _effort(reasoning.budget)
    if reasoning.visible and "summary" not in found and "generate_summary" not in found:
        found["summary"] = "auto"
    return found


def _effort(budget: int) -> str:
    """Of a budget in tokens, as LiteLLM sets them against each other."""
    if budget == 0:
        return "none"
    return "low" if 0 < budget <= 1_024 else "medium" if budget <= 2_048 else "high"
