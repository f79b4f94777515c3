"""Chat requests: JSON → IR and back. https://platform.openai.com/docs/api-reference/chat/create

Both ways are total: what is not in the tables below stays in `request.extra`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.dialect import Target
from headgate.wire.openai_chat.blocks import read_message, read_result
from headgate.wire.openai_chat.blocks_write import write_message, write_result
from headgate.wire.openai_chat.fields import (
    FAMILY,
    bad_request,
    cache_of,
    extra_of,
    list_at,
    object_at,
    own,
    text_at,
    write_cache,
)

_NUMBER: Final = (int, float)
_SCALARS: Final[Mapping[str, tuple[str, Any, str]]] = {
    "max_tokens": ("max_tokens", int, "a whole number"),
    "max_completion_tokens": ("max_tokens", int, "a whole number"),
    "temperature": ("temperature", _NUMBER, "a number"),
    "top_p": ("top_p", _NUMBER, "a number"),
    "top_k": ("top_k", int, "a whole number"),
    "seed": ("seed", int, "a whole number"),
    "n": ("n", int, "a whole number"),
    "presence_penalty": ("presence_penalty", _NUMBER, "a number"),
    "frequency_penalty": ("frequency_penalty", _NUMBER, "a number"),
    "logit_bias": ("logit_bias", dict, "an object"),
    "logprobs": ("logprobs", bool, "true or false"),
    "top_logprobs": ("top_logprobs", int, "a whole number"),
    "parallel_tool_calls": ("parallel_tools", bool, "true or false"),
    "modalities": ("modalities", list, "a list of strings"),
    "audio": ("audio", dict, "an object"),
    "verbosity": ("verbosity", str, "a string"),
    "user": ("user", str, "a string"),
    "metadata": ("metadata", dict, "an object"),
    "service_tier": ("service_tier", str, "a string"),
    "stream": ("stream", bool, "true or false"),
}
"""Key → (field, type, what is expected)."""

_WRITTEN: Final = {field: key for key, (field, _, _) in _SCALARS.items() if key != "max_completion_tokens"}
_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
_EFFORTS: Final = ((4096, "high"), (2048, "medium"), (1024, "low"), (1, "minimal"))


def read_request(body: Mapping[str, Any]) -> ir.Request:
    fields = {key: value for key, value in body.items() if value is not None}
    model = text_at(fields.pop("model", ""), "model", bad_request)
    if "messages" not in fields:
        bad_request("messages", "given: the conversation, as a list of messages")
    rows = list_at(fields.pop("messages"), "messages", bad_request)
    request = ir.Request(
        model=model, turns=[_read_turn(row, f"messages[{at}]") for at, row in enumerate(rows)]
    )
    for key, (field, kind, expected) in _SCALARS.items():
        if key in fields:
            value = fields.pop(key)
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                bad_request(key, expected)
            setattr(request, field, value)
    for key, read in _READERS.items():
        if key in fields:
            read(fields, request)
    request.extra = extra_of(fields)
    return request


def write_request(request: ir.Request, target: Target) -> ir.Written:
    dropped: list[str] = []
    body: dict[str, Any] = {"model": target.model, "messages": _write_turns(request.turns, dropped)}
    for field, key in _WRITTEN.items():
        value = getattr(request, field)
        if value is not None and not (field == "stream" and value is False):
            body[key] = value
    if request.stop is not None:
        body["stop"] = request.stop
    if request.stream_usage is not None:
        body["stream_options"] = {"include_usage": request.stream_usage}
    if request.output is not None:
        body["response_format"] = _write_output(request.output)
    if request.reasoning is not None:
        _write_reasoning(request.reasoning, body)
    if request.cache is not None and own(request).get("cache_control") is not None:
        body["cache_control"] = write_cache(request.cache)
    _write_tools(request, body, dropped)
    for family, extra in (request.extra or {}).items():
        if family == FAMILY:
            body = _with_options({**extra, **body}, extra)
        else:
            dropped += [key for key in extra if key not in _HARMLESS]
    return ir.Written(body=body, dropped=dropped)


_HARMLESS: Final = frozenset(("safetySettings", "labels", "context_management", "container"))
"""What loses no meaning for the caller when another vendor does not get it."""


def _with_options(body: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """`stream_options` may hold more than what the IR has a name for."""
    known = extra.get("stream_options")
    if isinstance(known, dict) and "stream_options" in body:
        body["stream_options"] = {**known, **body["stream_options"]}
    return body


def _read_turn(row: Any, place: str) -> ir.Turn:
    message = object_at(row, place, bad_request)
    role = message.get("role")
    if role not in _ROLES:
        bad_request(f"{place}.role", f"one of {', '.join(_ROLES)}")
    if role in ("tool", "function"):
        return read_result(message, place, bad_request)
    return read_message(message, place, bad_request)


def _write_turns(turns: list[ir.Turn], dropped: list[str]) -> list[dict[str, Any]]:
    """Tool results are messages of their own, before what the user says in the same turn."""
    messages: list[dict[str, Any]] = []
    for turn in turns:
        place = f"messages[{len(messages)}]"
        results = [block for block in turn.blocks if isinstance(block, ir.ToolResult)]
        for result in results:
            message = write_result(result, dropped, place)
            if len(turn.blocks) == 1:
                message.update((key, value) for key, value in own(turn).items() if key not in message)
            messages.append(message)
        if len(results) < len(turn.blocks) or not results:
            messages.append(write_message(turn, dropped, place))
    return messages


def _read_stop(fields: dict[str, Any], request: ir.Request) -> None:
    stop = fields.pop("stop")
    stop = [stop] if isinstance(stop, str) else stop
    if not isinstance(stop, list) or not all(isinstance(one, str) for one in stop):
        bad_request("stop", "a string or a list of strings")
    request.stop = stop or None


def _read_stream_options(fields: dict[str, Any], request: ir.Request) -> None:
    options = dict(object_at(fields.pop("stream_options"), "stream_options", bad_request))
    include = options.pop("include_usage", None)
    request.stream_usage = include if isinstance(include, bool) else None
    if options:
        fields["stream_options"] = options


def _read_output(fields: dict[str, Any], request: ir.Request) -> None:
    given = object_at(fields["response_format"], "response_format", bad_request)
    kind = {"text": "text", "json_object": "json", "json_schema": "schema"}.get(str(given.get("type")))
    if kind is None:
        return  # a provider's own kind stays as it came
    del fields["response_format"]
    rest = {key: value for key, value in given.items() if key not in ("type", "json_schema")}
    output = ir.OutputFormat(kind="text" if kind == "text" else "json", extra=extra_of(rest))
    if kind == "schema":
        place = "response_format.json_schema"
        inner = dict(object_at(given.get("json_schema"), place, bad_request))
        output.kind = "schema"
        output.schema = object_at(inner.pop("schema", {}), f"{place}.schema", bad_request)
        for name in ("name", "description", "strict"):
            setattr(output, name, inner.pop(name, None))
        output.extra = extra_of({**rest, **inner})
    request.output = output


def _write_output(output: ir.OutputFormat) -> dict[str, Any]:
    if output.kind != "schema":
        return {"type": "json_object" if output.kind == "json" else "text", **own(output)}
    inner: dict[str, Any] = {"name": output.name or "answer", "schema": output.schema or {}}
    if output.description is not None:
        inner["description"] = output.description
    if output.strict is not None:
        inner["strict"] = output.strict
    return {"type": "json_schema", "json_schema": {**inner, **own(output)}}


def _read_reasoning(fields: dict[str, Any], request: ir.Request) -> None:
    reasoning = ir.Reasoning()
    if "reasoning_effort" in fields and isinstance(fields["reasoning_effort"], str):
        reasoning.effort = fields.pop("reasoning_effort")
    thinking = fields.get("thinking")
    if isinstance(thinking, dict):
        del fields["thinking"]
        budget = thinking.get("budget_tokens")
        if budget is not None and (not isinstance(budget, int) or isinstance(budget, bool)):
            bad_request("thinking.budget_tokens", "a whole number")
        reasoning.extra = extra_of({"thinking": thinking})
        kind = thinking.get("type")
        reasoning.budget = 0 if kind == "disabled" else budget
        reasoning.adaptive = True if kind == "adaptive" else None
    if reasoning != ir.Reasoning():
        request.reasoning = reasoning


def _write_reasoning(reasoning: ir.Reasoning, body: dict[str, Any]) -> None:
    """A budget of another format becomes an effort."""
    if (thinking := own(reasoning).get("thinking")) is not None:
        body["thinking"] = thinking
    elif (reasoning.budget or 0) > 0 and reasoning.effort is None and not reasoning.adaptive:
        budget = reasoning.budget or 0
        body["reasoning_effort"] = next(word for least, word in _EFFORTS if budget >= least)
    if reasoning.effort is not None:
        body["reasoning_effort"] = reasoning.effort


def _read_tools(fields: dict[str, Any], request: ir.Request) -> None:
    tools = list_at(fields.pop("tools"), "tools", bad_request)
    request.tools = [
        *(request.tools or ()),
        *(_read_tool(tool, f"tools[{at}]") for at, tool in enumerate(tools)),
    ]


def _read_tool(tool: Any, place: str) -> ir.Tool | ir.HostedTool:
    outer = dict(object_at(tool, place, bad_request))
    function = outer.get("function")
    if outer.get("type", "function") != "function" or ("type" not in outer and function is None):
        return ir.HostedTool(family=FAMILY, value=outer)
    outer.pop("type", None)
    inner = object_at(outer.pop("function", None), f"{place}.function", bad_request)
    return _function(inner, f"{place}.function", outer)


def _function(function: dict[str, Any], place: str, outer: dict[str, Any], legacy: bool = False) -> ir.Tool:
    inner = dict(function)
    name = text_at(inner.pop("name", None), f"{place}.name", bad_request)
    parameters = inner.pop("parameters", None)
    if parameters is not None:
        object_at(parameters, f"{place}.parameters", bad_request)
    description, strict = inner.pop("description", None), inner.pop("strict", None)
    cache = cache_of(outer.pop("cache_control", None)) or cache_of(inner.pop("cache_control", None))
    rest = {key: value for key, value in (("tool", outer), ("function", inner)) if value}
    return ir.Tool(
        name=name,
        description=description if isinstance(description, str) else None,
        parameters=parameters,
        strict=strict if isinstance(strict, bool) else None,
        cache=cache,
        legacy=legacy,
        extra=extra_of(rest),
    )


def _read_functions(fields: dict[str, Any], request: ir.Request) -> None:
    rows = list_at(fields.pop("functions"), "functions", bad_request)
    found = [
        _function(object_at(row, f"functions[{at}]", bad_request), f"functions[{at}]", {}, legacy=True)
        for at, row in enumerate(rows)
    ]
    request.tools = [*(request.tools or ()), *found]


def _read_search(fields: dict[str, Any], request: ir.Request) -> None:
    options = object_at(fields.pop("web_search_options"), "web_search_options", bad_request)
    request.tools = [*(request.tools or ()), ir.HostedTool(family=FAMILY, value=options, kind="web_search")]


def _write_tools(request: ir.Request, body: dict[str, Any], dropped: list[str]) -> None:
    tools: list[dict[str, Any]] = []
    functions: list[dict[str, Any]] = []
    for tool in request.tools or ():
        if isinstance(tool, ir.HostedTool):
            if tool.kind == "web_search":
                body["web_search_options"] = tool.value if tool.family == FAMILY else {}
            elif tool.family == FAMILY:
                tools.append(tool.value)
            else:
                dropped.append(f"tools: {tool.value.get('type') or next(iter(tool.value), 'hosted tool')}")
        elif tool.legacy:
            functions.append(_write_function(tool))
        else:
            outer = {"type": "function", "function": _write_function(tool), **own(tool).get("tool", {})}
            tools.append({**outer, "cache_control": write_cache(tool.cache)} if tool.cache else outer)
    if tools or request.tools == []:
        body["tools"] = tools
    if functions:
        body["functions"] = functions
    if (choice := request.tool_choice) is not None:
        key = "function_call" if choice.legacy else "tool_choice"
        named: dict[str, Any] = {"name": choice.name}
        body[key] = choice.mode
        if choice.mode == "named":
            body[key] = named if choice.legacy else {"type": "function", "function": named}


def _write_function(tool: ir.Tool) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.name}
    for name in ("description", "parameters", "strict"):
        if (value := getattr(tool, name)) is not None:
            written[name] = value
    return {**written, **own(tool).get("function", {})}


def _read_choice(fields: dict[str, Any], request: ir.Request) -> None:
    """Forms that the IR has no name for (allowed_tools, custom) stay as they came."""
    given = fields["tool_choice"]
    if given in ("auto", "none", "required"):
        request.tool_choice = ir.ToolChoice(mode=given)
    elif given == "any":
        request.tool_choice = ir.ToolChoice(mode="required")
    elif isinstance(given, dict) and given.get("type") == "function":
        inner = object_at(given.get("function"), "tool_choice.function", bad_request)
        name = text_at(inner.get("name"), "tool_choice.function.name", bad_request)
        request.tool_choice = ir.ToolChoice(mode="named", name=name)
    elif isinstance(given, dict):
        return
    else:
        bad_request("tool_choice", '"auto", "none", "required" or an object that names a tool')
    del fields["tool_choice"]


def _read_function_call(fields: dict[str, Any], request: ir.Request) -> None:
    given = fields.pop("function_call")
    if given in ("auto", "none"):
        request.tool_choice = ir.ToolChoice(mode=given, legacy=True)
    else:
        inner = object_at(given, "function_call", bad_request)
        name = text_at(inner.get("name"), "function_call.name", bad_request)
        request.tool_choice = ir.ToolChoice(mode="named", name=name, legacy=True)


def _read_cache(fields: dict[str, Any], request: ir.Request) -> None:
    request.cache = cache_of(fields["cache_control"])


_READERS: Final[Mapping[str, Callable[[dict[str, Any], ir.Request], None]]] = {
    "stop": _read_stop,
    "stream_options": _read_stream_options,
    "response_format": _read_output,
    "reasoning_effort": _read_reasoning,
    "thinking": _read_reasoning,
    "tools": _read_tools,
    "functions": _read_functions,
    "web_search_options": _read_search,
    "tool_choice": _read_choice,
    "function_call": _read_function_call,
    "cache_control": _read_cache,
}
