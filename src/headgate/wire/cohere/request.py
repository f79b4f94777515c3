"""A Cohere chat request → IR.

https://docs.cohere.com/reference/chat. Keys without a name in the IR (`documents`, `citation_options`,
`safety_mode`, `priority`, `raw_prompting`) are in the request's `extra`.
"""

from collections.abc import Mapping
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.cohere.messages import read_messages
from headgate.wire.cohere.parts import FAMILY, rest
from headgate.wire.shape import Malformed, at, expect, optional, required, says_bad_request

# key → the IR's name for it and its JSON type
SCALARS: Final[dict[str, tuple[str, type]]] = {
    "max_tokens": ("max_tokens", int),
    "temperature": ("temperature", float),
    "p": ("top_p", float),
    "k": ("top_k", int),
    "seed": ("seed", int),
    "frequency_penalty": ("frequency_penalty", float),
    "presence_penalty": ("presence_penalty", float),
    "logprobs": ("logprobs", bool),
}
_OTHERS: Final = frozenset(
    {
        "model", "messages", "tools", "tool_choice", "strict_tools", "response_format", "thinking",
        "stop_sequences", "stream",
    }
)  # fmt: skip
_CHOICES: Final[dict[str, Any]] = {"REQUIRED": "required", "NONE": "none"}


@says_bad_request
def read_request(body: Mapping[str, Any]) -> ir.Request:
    """Raises BadRequestError with the `param` that is wrong."""
    body = dict(body)
    request = ir.Request(
        model=optional(body, "model", str, "") or "",
        turns=read_messages(required(body, "messages", list, "")),
        tools=_read_tools(body),
        tool_choice=_read_choice(body),
        output=_read_format(body),
        reasoning=_read_thinking(body),
        stream=optional(body, "stream", bool, "") or False,
        stream_usage=True,
        spelling={FAMILY: {}},
    )
    if not request.turns:
        raise Malformed("messages", "expected at least one message")
    for key, (name, kind) in SCALARS.items():
        setattr(request, name, optional(body, key, kind, ""))
    stop = optional(body, "stop_sequences", list, "") or []
    request.stop = [expect(one, str, f"stop_sequences[{index}]") for index, one in enumerate(stop)] or None
    request.extra = rest(body, *SCALARS, *_OTHERS)
    return request


def _read_tools(body: dict[str, Any]) -> list[ir.Tool | ir.HostedTool] | None:
    tools = optional(body, "tools", list, "")
    strict = optional(body, "strict_tools", bool, "")
    if tools is None:
        return None
    return [_read_tool(tool, strict, f"tools[{index}]") for index, tool in enumerate(tools)]


def _read_tool(value: Any, strict: bool | None, where: str) -> ir.Tool:
    node = expect(value, dict, where)
    inner, place = required(node, "function", dict, where), at(where, "function")
    return ir.Tool(
        name=required(inner, "name", str, place),
        description=optional(inner, "description", str, place),
        parameters=optional(inner, "parameters", dict, place),
        strict=strict,
        extra=rest(inner, "name", "description", "parameters"),
    )


def _read_choice(body: dict[str, Any]) -> ir.ToolChoice | None:
    value = optional(body, "tool_choice", str, "")
    if value is None:
        return None
    if value.upper() not in _CHOICES:
        raise Malformed("tool_choice", f"expected REQUIRED or NONE, got {value[:40]!r}")
    return ir.ToolChoice(mode=_CHOICES[value.upper()])


def _read_format(body: dict[str, Any]) -> ir.OutputFormat | None:
    """The schema's key was `schema` once."""
    node = optional(body, "response_format", dict, "")
    if node is None:
        return None
    kind = required(node, "type", str, "response_format")
    if kind not in ("text", "json_object"):
        raise Malformed("response_format.type", f"expected text or json_object, got {kind[:40]!r}")
    if kind == "text":
        return ir.OutputFormat(kind="text")
    key = "json_schema" if node.get("json_schema") is not None else "schema"
    schema = optional(node, key, dict, "response_format")
    return ir.OutputFormat(kind="json" if schema is None else "schema", schema=schema)


def _read_thinking(body: dict[str, Any]) -> ir.Reasoning | None:
    node = optional(body, "thinking", dict, "")
    if node is None:
        return None
    budget = optional(node, "token_budget", int, "thinking")
    wish = ir.Reasoning(extra={FAMILY: {"thinking": node}})
    if optional(node, "type", str, "thinking") == "disabled":
        wish.budget = 0
    elif budget is not None:
        wish.budget = budget
    else:
        wish.adaptive = True
    return wish
