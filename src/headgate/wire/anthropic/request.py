"""Messages request → IR: what the anthropic SDK and Claude Code send us.

https://docs.anthropic.com/en/api/messages. The same reader takes the body of count_tokens, which has no
max_tokens. Fields that the IR has no name for stay in `extra["anthropic"]`.
"""

from collections.abc import Mapping
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.anthropic.blocks import read_blocks
from headgate.wire.anthropic.check import FAMILY, cache_mark, rest
from headgate.wire.claude import OFF
from headgate.wire.shape import Malformed, expect, optional, required, says_bad_request

_TOP: Final = frozenset(
    {
        "model", "messages", "system", "max_tokens", "stream", "temperature", "top_p", "top_k", "tools",
        "tool_choice", "service_tier", "cache_control",
    }
)  # fmt: skip
_MESSAGE: Final = frozenset({"role", "content"})
_TOOL: Final = frozenset({"name", "description", "input_schema", "strict", "cache_control"})
_CHOICE: Final = frozenset({"type", "name", "disable_parallel_tool_use"})
_FORMAT: Final = frozenset({"type", "schema"})

_ROLES: Final = ("user", "assistant", "system")
_MODES: Final = {"auto": "auto", "any": "required", "none": "none", "tool": "named"}
_DISPLAY: Final = {"summarized": True, "omitted": False}

OLD_FORMAT: Final = "output_format"
"""Where structured outputs stood in beta; a mark of that name in `OutputFormat.extra` restores it."""


@says_bad_request
def read_request(body: Mapping[str, Any]) -> ir.Request:
    """Raises BadRequestError; `param` is a path such as "messages[0].content[1].type"."""
    unknown = (rest(body, _TOP) or {}).get(FAMILY, {})
    left = {key: value for key, value in unknown.items() if value is not None or key not in _TOP}
    tools = optional(body, "tools", list, "")
    choice, parallel = _tool_choice(optional(body, "tool_choice", dict, ""))
    request = ir.Request(
        model=required(body, "model", str, ""),
        turns=_turns(body),
        tools=None if tools is None else [_tool(tool, f"tools[{at}]") for at, tool in enumerate(tools)],
        tool_choice=choice,
        parallel_tools=parallel,
        max_tokens=optional(body, "max_tokens", int, ""),
        temperature=optional(body, "temperature", float, ""),
        top_p=optional(body, "top_p", float, ""),
        top_k=optional(body, "top_k", int, ""),
        stop=_stop(left),
        output=_output(left),
        reasoning=_reasoning(left),
        user=_user(left),
        service_tier=optional(body, "service_tier", str, ""),
        cache=cache_mark(body, ""),
        stream=optional(body, "stream", bool, "") or False,
    )
    request.extra = {FAMILY: left} if left else None
    return request


# --- conversation ----------------------------------------------------------------------------------------


def _turns(body: Mapping[str, Any]) -> list[ir.Turn]:
    turns: list[ir.Turn] = []
    system = body.get("system")
    if system is not None:
        turns.append(_turn("system", system, "system"))
    for at, value in enumerate(required(body, "messages", list, "")):
        where = f"messages[{at}]"
        message = expect(value, dict, where)
        role = required(message, "role", str, where)
        if role not in _ROLES:
            raise Malformed(f"{where}.role", f"expected one of {', '.join(_ROLES)}, got {role[:40]!r}")
        if "content" not in message:
            raise Malformed(f"{where}.content", "required, expected a string or an array")
        turn = _turn(role, message["content"], f"{where}.content")
        turn.extra = rest(message, _MESSAGE)
        turns.append(turn)
    return turns


def _turn(role: str, content: Any, where: str) -> ir.Turn:
    flat = isinstance(content, str)
    if not flat and not isinstance(content, list):
        raise Malformed(where, "expected a string or an array of content blocks")
    blocks: list[ir.Block] = [ir.Text(content)] if flat else read_blocks(content, where)
    return ir.Turn(role=role, blocks=blocks, flat=flat)  # type: ignore[arg-type]  # checked against _ROLES


# --- tools -----------------------------------------------------------------------------------------------


def _tool(value: Any, where: str) -> ir.Tool | ir.HostedTool:
    node = expect(value, dict, where)
    kind = optional(node, "type", str, where)
    if kind not in (None, "custom"):
        return ir.HostedTool(
            family=FAMILY, value=node, kind="web_search" if str(kind).startswith("web_search_") else None
        )
    return ir.Tool(
        name=required(node, "name", str, where),
        description=optional(node, "description", str, where),
        parameters=optional(node, "input_schema", dict, where),
        strict=optional(node, "strict", bool, where),
        cache=cache_mark(node, where),
        extra=rest(node, _TOOL),
    )


def _tool_choice(node: dict[str, Any] | None) -> tuple[ir.ToolChoice | None, bool | None]:
    """The choice, and whether tools may be called in parallel."""
    if node is None:
        return None, None
    kind = required(node, "type", str, "tool_choice")
    if kind not in _MODES:
        raise Malformed("tool_choice.type", f"expected one of {', '.join(_MODES)}, got {kind[:40]!r}")
    single = optional(node, "disable_parallel_tool_use", bool, "tool_choice")
    choice = ir.ToolChoice(
        mode=_MODES[kind],  # type: ignore[arg-type]  # the table holds the literals
        name=required(node, "name", str, "tool_choice") if kind == "tool" else None,
        extra=rest(node, _CHOICE),
    )
    return choice, None if single is None else not single


# --- the rest: each takes what it understands out of `left` -----------------------------------------------


def _stop(left: dict[str, Any]) -> list[str] | None:
    stop = optional(left, "stop_sequences", list, "")
    if not stop:
        return None
    del left["stop_sequences"]
    return [expect(item, str, f"stop_sequences[{at}]") for at, item in enumerate(stop)]


def _user(left: dict[str, Any]) -> str | None:
    metadata = optional(left, "metadata", dict, "")
    user = None if metadata is None else optional(metadata, "user_id", str, "metadata")
    return None if user is None else _take(left, "metadata", "user_id", user)


def _output(left: dict[str, Any]) -> ir.OutputFormat | None:
    config = optional(left, "output_config", dict, "")
    node = None if config is None else optional(config, "format", dict, "output_config")
    if node is not None and node.get("type") == "json_schema":
        return _format(_take(left, "output_config", "format", node), "output_config.format", {})
    node = optional(left, OLD_FORMAT, dict, "")
    if node is not None and node.get("type") == "json_schema":
        return _format(left.pop(OLD_FORMAT), OLD_FORMAT, {OLD_FORMAT: True})
    return None


def _format(node: dict[str, Any], where: str, mark: dict[str, Any]) -> ir.OutputFormat:
    extra = {**mark, **(rest(node, _FORMAT) or {}).get(FAMILY, {})}
    schema = required(node, "schema", dict, where)
    return ir.OutputFormat(kind="schema", schema=schema, extra={FAMILY: extra} if extra else None)


def _reasoning(left: dict[str, Any]) -> ir.Reasoning | None:
    """`adaptive` False says that an effort was given without asking for thinking."""
    config = optional(left, "output_config", dict, "")
    effort = None if config is None else optional(config, "effort", str, "output_config")
    node = optional(left, "thinking", dict, "")
    kind = None if node is None else required(node, "type", str, "thinking")
    if effort is None and kind not in _THINKING_FIELDS:
        return None
    reasoning = ir.Reasoning(effort=effort)
    if effort is not None:
        _take(left, "output_config", "effort", effort)
        reasoning.adaptive = False
    if node is not None and kind in _THINKING_FIELDS:
        del left["thinking"]
        reasoning.adaptive = True if kind == "adaptive" else None
        reasoning.budget = 0 if kind in OFF else None
        if kind == "enabled":
            reasoning.budget = required(node, "budget_tokens", int, "thinking")
            if reasoning.budget <= 0:
                raise Malformed("thinking.budget_tokens", "expected at least 1024")
        reasoning.visible = _DISPLAY.get(str(node.get("display")))
        known = _THINKING_FIELDS[kind]
        reasoning.extra = rest(node, known if reasoning.visible is not None else known - {"display"})
    return reasoning


_THINKING_FIELDS: Final[dict[str | None, frozenset[str]]] = {
    "enabled": frozenset({"type", "budget_tokens", "display"}),
    "adaptive": frozenset({"type", "display"}),
    "disabled": frozenset({"type", "display"}),
    "between_tools": frozenset({"type", "display"}),
}


def _take(left: dict[str, Any], outer: str, key: str, value: Any) -> Any:
    """Takes `key` out of the object `outer`, and `outer` too when nothing remains in it."""
    remaining = {name: item for name, item in left[outer].items() if name != key}
    if remaining:
        left[outer] = remaining
    else:
        del left[outer]
    return value
