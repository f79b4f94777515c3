"""A whole Responses request: JSON ↔ IR.

https://platform.openai.com/docs/api-reference/responses/create. What only this format has and what changes nothing in
the answer is in `spelling`; what another format can't express is in `extra`, so that whoever writes it names it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from headgate.wire import ir
from headgate.wire.allowed import names_of
from headgate.wire.dialect import Target
from headgate.wire.neutral import OPENAI
from headgate.wire.responses.items import CALLS, read_input, write_input
from headgate.wire.responses.parts import FAMILY, own, rest
from headgate.wire.seals import unreadable
from headgate.wire.shape import Malformed, expect, optional, required, says_bad_request
from headgate.wire.words import Fitter

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
MAX_NAME: Final = 64
_ELSEWHERE: Final = (
    "stop", "seed", "n", "presence_penalty", "frequency_penalty", "logit_bias", "top_k", "audio", "modalities",
)  # fmt: skip
"""What the IR has and this format has not."""
_LOGPROBS: Final = "message.output_text.logprobs"
"""What `include` must hold for log probabilities."""
_SEALED: Final = "reasoning.encrypted_content"
"""What it must hold for reasoning that the next call can be given, where the provider keeps none:
https://developers.openai.com/api/docs/guides/reasoning#encrypted-reasoning-items"""
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
    include = optional(body, "include", list, "") or ()
    if _LOGPROBS in include or request.top_logprobs is not None:
        request.logprobs = True
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
        parameters=optional(node, "parameters", dict, where) if kind == "function" else ir.FREE_TEXT,
        free=kind == "custom",
        strict=optional(node, "strict", bool, where),
        extra={FAMILY: node}
        if kind == "custom"
        else rest(node, "type", "name", "description", "parameters", "strict"),
    )


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
    mode: Literal["required", "auto"] = "required" if node.get("mode") == "required" else "auto"
    return ir.ToolChoice(mode=mode, allowed=names_of(node.get("tools")), extra=kept)


# --- writing ---------------------------------------------------------------------------------------------


@says_bad_request
def write_request(request: ir.Request, target: Target) -> ir.Written:
    """Raises BadRequestError for content that is nested too deeply."""
    dropped: list[str] = []
    turns = list(request.turns)
    body: dict[str, Any] = {"model": target.model}
    if turns and own(turns[0].extra).get("instructions"):
        body["instructions"] = "".join(one.text for one in turns.pop(0).blocks if isinstance(one, ir.Text))
    ours, names = FAMILY in (request.spelling or {}), Fitter(MAX_NAME, "tool")
    fit: Callable[[str], str] = str if ours else names.fit
    body["input"] = write_input([_legible(turn, target.account) for turn in turns], dropped, ours)
    for item in body["input"]:
        if item.get("type") in CALLS:
            item["name"] = fit(item["name"])
    if request.tools is not None:
        body["tools"] = [
            tool for one in request.tools if (tool := _write_tool(one, fit, dropped)) is not None
        ]
    if request.tool_choice is not None:
        free = {tool.name for tool in request.tools or () if isinstance(tool, ir.Tool) and tool.free}
        body["tool_choice"] = _write_choice(request.tool_choice, fit, free)
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
    dropped += [name for name in _ELSEWHERE if _asks(name, getattr(request, name))]
    body.update(own(request.spelling))
    if not ours:
        wanted = ((_LOGPROBS, request.logprobs), (_SEALED, target.account))
        if include := [name for name, asked in wanted if asked]:
            body["include"] = include
        body.setdefault("store", False)  # nobody asked the provider to keep the conversation
    for family, fields in (request.extra or {}).items():
        for key, value in fields.items():
            if family == FAMILY or key in _CHAT:
                body[key] = value
            elif key not in _HARMLESS and value is not None:
                dropped.append(key)
    echo = None
    if names.changed or target.account:
        echo = ir.Echo(tool_names=names.changed, account=target.account)
    return ir.Written(body=body, dropped=dropped, echo=echo)


def _legible(turn: ir.Turn, account: str) -> ir.Turn:
    """Without thoughts that another account's key sealed: the API refuses them."""
    kept = [
        block
        for block in turn.blocks
        if not (isinstance(block, ir.Thinking) and unreadable(block, FAMILY, account))
    ]
    return turn if len(kept) == len(turn.blocks) else msgspec.structs.replace(turn, blocks=kept)


def _asks(name: str, value: Any) -> bool:
    return value is not None and value not in OPENAI.get(name, ())


def _write_tool(
    tool: ir.Tool | ir.HostedTool, fit: Callable[[str], str], dropped: list[str]
) -> dict[str, Any] | None:
    if isinstance(tool, ir.HostedTool):
        if tool.family == FAMILY:
            return tool.value
        if tool.kind == "web_search":
            return _web_search(tool.value)
        dropped.append(f"tools: {tool.kind or tool.value.get('type') or next(iter(tool.value), 'hosted')}")
        return None
    kept = own(tool.extra)
    if tool.free:
        return kept or _free(tool, fit(tool.name))
    made: dict[str, Any] = {
        "type": "function",
        "name": fit(tool.name),
        "parameters": tool.parameters or _NO_PARAMETERS,
    }
    if tool.description is not None:
        made["description"] = tool.description
    made["strict"] = bool(tool.strict)  # left out it means true here
    return made | kept


def _free(tool: ir.Tool, name: str) -> dict[str, Any]:
    """Chat has the same with an object more around the tool, and around its grammar."""
    made: dict[str, Any] = {"type": "custom", "name": name}
    if tool.description is not None:
        made["description"] = tool.description
    custom = (tool.extra or {}).get("openai", {}).get("custom")
    form = custom.get("format") if isinstance(custom, dict) else None
    if isinstance(form, dict):
        inner = form.get("grammar")
        made["format"] = {"type": "grammar", **inner} if isinstance(inner, dict) else form
    return made


def _web_search(options: Mapping[str, Any]) -> dict[str, Any]:
    """Another format's search: where the user is, how much to read, and whose pages, as far as it says."""
    tool: dict[str, Any] = {"type": "web_search"}
    place = options.get("user_location")
    if isinstance(place, dict):
        inner = place.get("approximate")
        tool["user_location"] = {**(inner if isinstance(inner, dict) else place), "type": "approximate"}
    if isinstance(options.get("search_context_size"), str):
        tool["search_context_size"] = options["search_context_size"]
    if options.get("allowed_domains"):
        tool["filters"] = {"allowed_domains": options["allowed_domains"]}
    return tool


_NO_PARAMETERS: Final[dict[str, Any]] = {"type": "object", "properties": {}}


def _write_choice(choice: ir.ToolChoice, fit: Callable[[str], str], free: set[str]) -> Any:
    """`free` are the names of tools that take free text."""
    kept = own(choice.extra).get("tool_choice")
    if kept is not None:
        return kept
    if choice.mode != "named":
        return choice.mode
    return {"type": "custom" if choice.name in free else "function", "name": fit(choice.name or "")}


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
