"""The body of /api/chat ↔ IR.

https://docs.ollama.com/api/chat. Sampling lives in `options`; options without a name in the IR stay in
`extra["ollama"]["options"]`. A stream is on unless `stream` is false.
"""

from collections.abc import Mapping
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.dialect import Target
from headgate.wire.ollama.fields import FAMILY, own, rest
from headgate.wire.ollama.messages import CallIds, Conversation, read_messages
from headgate.wire.shape import Malformed, expect, optional, required, says_bad_request

MADE_IDS: Final = "made_ids"
"""In a request's `spelling`: ids of calls that came without, which are not written back."""

QUIET: Final = "quiet"
"""In a request's `spelling`: what concerns the server's machine alone, and other formats leave out without a word."""
_MACHINE: Final = frozenset(
    """num_ctx num_keep num_batch num_gpu main_gpu num_thread use_mmap use_mlock numa low_vram""".split()
)

_READ: Final = frozenset(
    {"model", "messages", "stream", "tools", "format", "think", "options", "logprobs", "top_logprobs"}
)
_KEEP: Final = "keep_alive"
_TOOL: Final = frozenset({"type", "function"})
_FUNCTION: Final = frozenset({"name", "description", "parameters"})
_NO_PARAMETERS: Final[dict[str, Any]] = {"type": "object", "properties": {}}
_KINDS: Final[tuple[tuple[str, str, type], ...]] = (
    ("temperature", "temperature", float),
    ("top_p", "top_p", float),
    ("top_k", "top_k", int),
    ("seed", "seed", int),
    ("presence_penalty", "presence_penalty", float),
    ("frequency_penalty", "frequency_penalty", float),
    ("num_predict", "max_tokens", int),
)
"""Option · our name for it · type. https://docs.ollama.com/modelfile#valid-parameters-and-values"""
OPTIONS: Final = frozenset(
    """num_ctx num_keep num_batch num_gpu main_gpu num_thread use_mmap use_mlock numa low_vram num_predict min_p
    typical_p tfs_z repeat_penalty repeat_last_n penalize_newline mirostat mirostat_eta mirostat_tau
    draft_num_predict""".split()
)
"""Options that callers of any format may give as parameters of their own, as LiteLLM's users do."""
_FLAT: Final = {
    **{name: option for option, name, _ in _KINDS},
    "max_completion_tokens": "num_predict",
    "stop": "stop",
    **{option: option for option in OPTIONS},
}
"""Parameters beside the options, as settings of a deployment come → the option that each is."""
NATIVE: Final = frozenset({"keep_alive", "truncate", "shift", "think", "format"})
"""The same for fields of the body."""
_HARMLESS: Final = frozenset(
    """store stream_options prompt_cache_key prompt_cache_retention safety_identifier cache_control
    truncation""".split()
)
"""Keys of other formats that change nothing in the answer."""
_NEUTRAL: Final[dict[str, tuple[str, tuple[Any, ...]]]] = {
    "n": ("n", (1,)),
    "logit_bias": ("logit_bias", ({},)),
    "verbosity": ("verbosity", ("medium",)),
    "modalities": ("modalities", (["text"],)),
    "audio": ("audio", ({},)),
    "parallel_tools": ("parallel_tool_calls", (True,)),
    "service_tier": ("service_tier", ("auto", "default", "standard_only")),
}
"""Fields without a twin → a chat caller's word, and the values that ask for nothing special."""
_LEVELS: Final = {"minimal": "low", "low": "low", "medium": "medium"}
"""Effort → level of the models that know levels; what is above is "high"."""
_LEVELED: Final = "gpt-oss"
"""What is in the name of models that think in levels; others only on or off. https://docs.ollama.com/thinking"""
_OFF: Final = ("none", "disable")


# --- reading ---------------------------------------------------------------------------------------------


@says_bad_request
def read_request(body: Mapping[str, Any]) -> ir.Request:
    """Raises BadRequestError; `param` is a path such as "messages[0].images[1]"."""
    ids = CallIds()
    request = ir.Request(
        model=optional(body, "model", str, "") or "",
        turns=read_messages(optional(body, "messages", list, "") or [], ids),
        tools=_read_tools(body),
        output=_read_format(body.get("format")),
        reasoning=_read_think(body.get("think")),
        logprobs=optional(body, "logprobs", bool, ""),
        top_logprobs=optional(body, "top_logprobs", int, ""),
        stream=optional(body, "stream", bool, "") is not False,
        extra=rest(dict(body), _READ | _FLAT.keys() | {_KEEP}),
    )
    flat = {_FLAT[key]: body[key] for key in _FLAT.keys() & body.keys() if body[key] is not None}
    left = _read_options({**flat, **(optional(body, "options", dict, "") or {})}, request)
    machine = {key: left.pop(key) for key in _MACHINE & left.keys()}
    if left:
        request.extra = {FAMILY: {**own(request.extra), "options": left}}
    keep = {_KEEP: body[_KEEP]} if body.get(_KEEP) is not None else {}
    quiet = {**keep, **({"options": machine} if machine else {})}
    told = {MADE_IDS: ids.made, QUIET: quiet}
    request.spelling = {FAMILY: {key: value for key, value in told.items() if value}}
    return request


def _read_options(options: dict[str, Any], request: ir.Request) -> dict[str, Any]:
    """Sets what the IR has names for; returns the others."""
    left = {key: value for key, value in options.items() if value is not None}
    for option, name, kind in _KINDS:
        if option in left and not (option == "num_predict" and left[option] in (-1, -2)):  # without a limit
            setattr(request, name, expect(left.pop(option), kind, f"options.{option}"))
    stop = left.pop("stop", None)
    if stop:
        words = [stop] if isinstance(stop, str) else expect(stop, list, "options.stop")
        request.stop = [expect(word, str, f"options.stop[{at}]") for at, word in enumerate(words)]
    return left


def _read_tools(body: Mapping[str, Any]) -> list[ir.Tool | ir.HostedTool] | None:
    values = optional(body, "tools", list, "")
    if values is None:
        return None
    return [_read_tool(value, f"tools[{at}]") for at, value in enumerate(values)]


def _read_tool(value: Any, where: str) -> ir.Tool:
    node = expect(value, dict, where)
    function = required(node, "function", dict, where)
    place = f"{where}.function"
    return ir.Tool(
        name=required(function, "name", str, place),
        description=optional(function, "description", str, place),
        parameters=optional(function, "parameters", dict, place),
        extra=rest(function, _FUNCTION) or rest(node, _TOOL),
    )


def _read_format(value: Any) -> ir.OutputFormat | None:
    """ "" is how older clients say nothing."""
    if value in (None, ""):
        return None
    if value == "json":
        return ir.OutputFormat(kind="json")
    if isinstance(value, dict):
        return ir.OutputFormat(kind="schema", schema=value)
    raise Malformed("format", 'expected "json" or a JSON schema')


def _read_think(value: Any) -> ir.Reasoning | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return ir.Reasoning(effort=value)
    if not isinstance(value, bool):
        raise Malformed("think", 'expected true, false or a level such as "low"')
    return ir.Reasoning(adaptive=True) if value else ir.Reasoning(budget=0)


# --- writing ---------------------------------------------------------------------------------------------


@says_bad_request
def write_request(request: ir.Request, target: Target) -> ir.Written:
    """Raises BadRequestError for arguments that are nested too deeply."""
    spelling = (request.spelling or {}).get(FAMILY) or {}
    talk = Conversation(spelling.get(MADE_IDS, ()))
    for number, turn in enumerate(request.turns):
        talk.add(turn, f"messages[{number}]")
    dropped = talk.dropped
    body: dict[str, Any] = {"model": target.model, "messages": talk.messages, "stream": request.stream}
    _write_tools(request, body, dropped)
    if request.output is not None and request.output.kind != "text":
        body["format"] = request.output.schema if request.output.schema is not None else "json"
    if (think := _write_think(request.reasoning, target.model)) is not None:
        body["think"] = think
    for key in ("logprobs", "top_logprobs"):
        if (value := getattr(request, key)) is not None:
            body[key] = value
    options = {option: value for option, name, _ in _KINDS if (value := getattr(request, name)) is not None}
    if request.stop:
        options["stop"] = request.stop
    dropped += [
        word
        for name, (word, neutral) in _NEUTRAL.items()
        if (value := getattr(request, name)) is not None and value not in neutral
    ]
    _extras(FAMILY, spelling.get(QUIET) or {}, body, options, dropped)
    for family, given in (request.extra or {}).items():
        _extras(family, given, body, options, dropped)
    if options:
        body["options"] = options
    return ir.Written(body=body, dropped=dropped)


def _extras(
    family: str, given: dict[str, Any], body: dict[str, Any], options: dict[str, Any], dropped: list[str]
) -> None:
    """Puts back what the IR has no name for, under what we wrote ourselves."""
    for key, value in given.items():
        if key == "options" and isinstance(value, dict):
            for name, setting in value.items():
                options.setdefault(name, setting)
        elif family == FAMILY or key in NATIVE:
            body.setdefault(key, value)
        elif key in OPTIONS:
            options.setdefault(key, value)
        elif key not in _HARMLESS and value is not None:
            dropped.append(key)


def _write_tools(request: ir.Request, body: dict[str, Any], dropped: list[str]) -> None:
    """Without a choice of tools in the format, "none" is to offer none."""
    choice = request.tool_choice
    if choice is not None and choice.mode in ("required", "named"):
        dropped.append("tool_choice")
    tools = []
    for number, tool in enumerate(request.tools or ()):
        if isinstance(tool, ir.Tool):
            tools.append(_write_tool(tool))
        else:
            dropped.append(f"tools[{number}]")
    if tools and not (choice is not None and choice.mode == "none"):
        body["tools"] = tools


def _write_tool(tool: ir.Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = _NO_PARAMETERS if tool.parameters is None else tool.parameters
    return {"type": "function", "function": {**function, **own(tool.extra)}}


def _write_think(wish: ir.Reasoning | None, model: str) -> bool | str | None:
    """None where nothing is said of it. Only some models take a level, to the others any is a yes."""
    if wish is None:
        return None
    if wish.budget == 0 or wish.effort in _OFF:
        return False
    if wish.effort is not None:
        return _LEVELS.get(wish.effort, "high") if _LEVELED in model else True
    return True if wish.budget is not None or wish.adaptive else None
