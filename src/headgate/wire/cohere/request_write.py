"""IR → Cohere chat request, from whatever format the conversation came.

Choices where the format has no twin:

- One tool that must be called is the only one that is shown.
- `strict_tools` is for all tools or none: it is set where each of them is strict.
- Low efforts of reasoning become budgets; from "high" on the model thinks as long as it likes.
- Beside tools or documents no form of the answer can be asked for: it is reported.
- Text documents inside messages become `documents`; other files can't be sent.

https://docs.cohere.com/reference/chat
"""

from typing import Any, Final

from headgate.wire import ir
from headgate.wire.cohere.messages import Conversation
from headgate.wire.cohere.parts import FAMILY, own
from headgate.wire.cohere.request import SCALARS
from headgate.wire.dialect import Target
from headgate.wire.neutral import Neutral
from headgate.wire.shape import says_bad_request

_NATIVE: Final = frozenset(
    {"documents", "citation_options", "safety_mode", "priority", "raw_prompting", "strict_tools", "thinking"}
)
"""Keys that callers of any format may give."""
_HARMLESS: Final = frozenset(
    {
        "anthropic_beta", "anthropic_version", "cache_control", "context_management", "extra_body", "labels",
        "prediction", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store",
        "stream_options",
    }
)  # fmt: skip
"""Keys of other formats that change nothing in the answer."""
_NEUTRAL: Final = Neutral(
    {
        "parallel_tools": (True,),
        "n": (1,),
        "logit_bias": ({},),
        "top_logprobs": (0,),
        "modalities": (["text"],),
        "audio": (),
        "verbosity": ("medium",),
        "service_tier": ("auto", "default", "standard_only"),
    }
)
"""Parameters without a twin, and the values of each that ask for nothing special."""
_NAMES: Final = {"parallel_tools": "parallel_tool_calls"}
_BUDGETS: Final = {"minimal": 128, "low": 1024, "medium": 2048}
"""Tokens of an effort: LiteLLM's defaults."""
_CHOICES: Final = {"required": "REQUIRED", "none": "NONE", "named": "REQUIRED"}


@says_bad_request
def write_request(request: ir.Request, target: Target) -> ir.Written:
    """Raises BadRequestError for content that is nested too deeply."""
    talk = Conversation(native=FAMILY in (request.spelling or {}))
    for index, turn in enumerate(request.turns):
        talk.add(turn, f"messages[{index}]")
    dropped = talk.dropped
    body: dict[str, Any] = {"model": target.model, "messages": talk.messages}
    _write_tools(request, body, dropped)
    for key, (name, _) in SCALARS.items():
        if (value := getattr(request, name)) is not None:
            body[key] = value
    if request.stop is not None:
        body["stop_sequences"] = request.stop
    if request.reasoning is not None and (thinking := _write_thinking(request.reasoning)):
        body["thinking"] = thinking
    if request.stream:
        body["stream"] = True
    dropped += [_NAMES.get(name, name) for name in _NEUTRAL.asked(request)]
    for family, fields in (request.extra or {}).items():
        for key, value in fields.items():
            if family == FAMILY or key in _NATIVE:
                body.setdefault(key, value)
            elif key not in _HARMLESS and value is not None:
                dropped.append(key)
    if talk.documents:
        body["documents"] = [*body.get("documents", ()), *talk.documents]
    if request.output is not None:
        _write_output(request, request.output, body, dropped)
    return ir.Written(body=body, dropped=dropped)


def _write_tools(request: ir.Request, body: dict[str, Any], dropped: list[str]) -> None:
    if request.tools is None:
        return
    choice = request.tool_choice
    tools = [tool for tool in request.tools if isinstance(tool, ir.Tool)]
    for index, tool in enumerate(request.tools):
        if isinstance(tool, ir.HostedTool):
            word = "web_search_options" if tool.kind == "web_search" else f"tools[{index}]"
            dropped.append(word)
    if choice is not None and choice.mode == "named":
        tools = [tool for tool in tools if tool.name == choice.name] or tools
    native = FAMILY in (request.spelling or {})
    body["tools"] = [_write_tool(tool, native) for tool in tools]
    strict = {tool.strict for tool in tools}
    if strict == {True} or (native and strict == {False}):
        body["strict_tools"] = strict.pop()
    if tools and choice is not None and choice.mode in _CHOICES:
        body["tool_choice"] = _CHOICES[choice.mode]


def _write_tool(tool: ir.Tool, native: bool) -> dict[str, Any]:
    inner: dict[str, Any] = {"name": tool.name, **own(tool.extra)}
    if tool.description is not None:
        inner["description"] = tool.description
    if tool.parameters is not None or not native:
        inner["parameters"] = tool.parameters if tool.parameters is not None else _NO_PARAMETERS
    return {"type": "function", "function": inner}


_NO_PARAMETERS: Final[dict[str, Any]] = {"type": "object", "properties": {}}


def _write_output(
    request: ir.Request, output: ir.OutputFormat, body: dict[str, Any], dropped: list[str]
) -> None:
    """A form of the answer is refused beside tools and documents: of another format's caller these win."""
    native = FAMILY in (request.spelling or {})
    if output.kind == "text":
        body["response_format"] = {"type": "text"}
    elif not native and (body.get("tools") or body.get("documents")):
        dropped.append("response_format")
    else:
        schema = {"json_schema": output.schema} if output.schema is not None else {}
        body["response_format"] = {"type": "json_object", **schema}


def _write_thinking(wish: ir.Reasoning) -> dict[str, Any]:
    """Empty where nothing is asked for."""
    if came := own(wish.extra).get("thinking"):
        return dict(came)
    budget = wish.budget
    if budget is None and wish.effort is not None:
        budget = 0 if wish.effort == "none" else _BUDGETS.get(wish.effort, -1)
    if budget == 0:
        return {"type": "disabled"}
    if budget is None and not wish.adaptive:
        return {}
    return {"type": "enabled", **({"token_budget": budget} if budget is not None and budget > 0 else {})}
