"""generateContent request → IR: what google-genai clients send us.

https://ai.google.dev/api/generate-content. Model and stream flag stand in the address; whoever knows them
puts them into the mapping as `model` and `stream`. Fields that the IR has no name for stay in
`extra["gemini"]`, those of generationConfig and toolConfig under these names.
"""

from collections.abc import Mapping
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.gemini.check import FAMILY, expect, fields, kept, listed, optional, required, rest
from headgate.wire.gemini.config import read_config
from headgate.wire.gemini.parts import CallIds, read_part
from headgate.wire.gemini.schema import to_json_schema
from headgate.wire.shape import Malformed, says_bad_request

TOP: Final = frozenset(
    {
        "model", "stream", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig",
        "safetySettings", "cachedContent", "labels", "serviceTier", "modelArmorConfig", "store",
    }
)  # fmt: skip
_READ: Final = frozenset({"model", "stream", "contents", "systemInstruction", "tools"})
_CONTENT: Final = frozenset({"role", "parts"})
_TOOL: Final = frozenset(
    {
        "functionDeclarations", "googleSearch", "googleSearchRetrieval", "enterpriseWebSearch",
        "codeExecution", "urlContext", "googleMaps", "retrieval", "fileSearch", "computerUse", "mcpServers",
        "parallelAiSearch",
    }
)  # fmt: skip
HOSTED: Final = _TOOL - {"functionDeclarations"}
_FUNCTION: Final = frozenset(
    {
        "name",
        "description",
        "parameters",
        "parametersJsonSchema",
        "response",
        "responseJsonSchema",
        "behavior",
    }
)
_CONFIG: Final = frozenset({"functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations"})
_CALLING: Final = frozenset({"mode", "allowedFunctionNames", "streamFunctionCallArguments"})

_ROLES: Final[dict[str | None, str]] = {
    "user": "user",
    "model": "assistant",
    "function": "user",
    "tool": "user",
    None: "user",
}
_MODES: Final = {"AUTO": "auto", "ANY": "required", "NONE": "none", "VALIDATED": "auto"}
TIERS: Final = {"standard": "default", "flex": "flex", "priority": "priority"}
MADE_IDS: Final = "made_ids"
"""In a request's `spelling`: ids of calls that came without, which are not written back."""
QUIET: Final = "toolConfig"
"""The same for what no other format has a use for."""
_OWN_TOOLS: Final = ("includeServerSideToolInvocations",)
_SEARCHES: Final = ("googleSearch", "googleSearchRetrieval", "enterpriseWebSearch")


@says_bad_request
def read_request(body: Mapping[str, Any]) -> ir.Request:
    """Raises BadRequestError; `param` is a path such as "contents[0].parts[1].inlineData"."""
    body = fields(body, TOP)
    left = {key: value for key, value in body.items() if key not in _READ and value is not None}
    ids = CallIds("call_")
    request = ir.Request(
        model=(optional(body, "model", str, "") or "").removeprefix("models/"),
        turns=_turns(body, ids),
        tools=_tools(body),
        stream=optional(body, "stream", bool, "") or False,
    )
    quiet = _quiet_config(left)
    _tool_config(left, request)
    read_config(left, request)
    _tier(left, request)
    request.extra = kept(left)
    told = {MADE_IDS: ids.made, QUIET: quiet}
    request.spelling = {FAMILY: {key: value for key, value in told.items() if value}}
    return request


# --- conversation ----------------------------------------------------------------------------------------


def _turns(body: dict[str, Any], ids: CallIds) -> list[ir.Turn]:
    turns: list[ir.Turn] = []
    system = body.get("systemInstruction")
    if system is not None:
        turns.append(_turn(system, "systemInstruction", ids, "system"))
    contents = body.get("contents")
    if isinstance(contents, str):
        contents = [contents]
    for at, value in enumerate(listed({"contents": contents}, "contents", "")):
        turns.append(_turn(value, f"contents[{at}]", ids))
    return turns


def _turn(value: Any, where: str, ids: CallIds, role: str = "") -> ir.Turn:
    if isinstance(value, str):
        value = {"parts": [{"text": value}]}
    node = fields(expect(value, dict, where), _CONTENT)
    given = optional(node, "role", str, where)
    if not role:
        if given not in _ROLES:
            raise Malformed(f"{where}.role", f"expected user or model, got {str(given)[:40]!r}")
        role = _ROLES[given]
    parts = listed(node, "parts", where)
    blocks = [read_part(part, f"{where}.parts[{at}]", ids) for at, part in enumerate(parts)]
    return ir.Turn(
        role=role,  # type: ignore[arg-type]  # the table holds the literals
        blocks=blocks,
        flat=len(blocks) == 1 and type(blocks[0]) is ir.Text,
        extra=rest(node, _CONTENT),
    )


# --- tools -----------------------------------------------------------------------------------------------


def _tools(body: dict[str, Any]) -> list[ir.Tool | ir.HostedTool] | None:
    if body.get("tools") is None:
        return None
    tools: list[ir.Tool | ir.HostedTool] = []
    for at, value in enumerate(listed(body, "tools", "")):
        where = f"tools[{at}]"
        node = fields(expect(value, dict, where), _TOOL)
        for number, item in enumerate(listed(node, "functionDeclarations", where)):
            tools.append(_function(item, f"{where}.functionDeclarations[{number}]"))
        hosted = {
            key: item for key, item in node.items() if key != "functionDeclarations" and item is not None
        }
        if hosted:
            search = any(key in hosted for key in _SEARCHES)
            tools.append(ir.HostedTool(family=FAMILY, value=hosted, kind="web_search" if search else None))
    return tools


def _function(value: Any, where: str) -> ir.Tool:
    """A schema in Google's own form is read as the JSON schema that it means, and kept as it came."""
    node = fields(expect(value, dict, where), _FUNCTION)
    parameters = optional(node, "parametersJsonSchema", dict, where)
    left = {
        key: item
        for key, item in node.items()
        if key not in ("name", "description", "parametersJsonSchema") and item is not None
    }
    if parameters is None:
        native = optional(node, "parameters", dict, where)
        parameters = None if native is None else to_json_schema(native)
    return ir.Tool(
        name=required(node, "name", str, where),
        description=optional(node, "description", str, where),
        parameters=parameters,
        extra=kept(left),
    )


def _quiet_config(left: dict[str, Any]) -> dict[str, Any]:
    """Takes out of `left` what of the choice of tools is about Gemini's own alone."""
    config = optional(left, "toolConfig", dict, "")
    if config is None:
        return {}
    config = fields(config, _CONFIG)
    quiet = {key: config.pop(key) for key in _OWN_TOOLS if config.get(key) is not None}
    left["toolConfig"] = config
    if not config:
        del left["toolConfig"]
    return quiet


def _tool_config(left: dict[str, Any], request: ir.Request) -> None:
    """Takes the choice of tools out of `left`."""
    config = optional(left, "toolConfig", dict, "")
    if config is None:
        return
    config = fields(config, _CONFIG)
    left["toolConfig"] = config
    calling = optional(config, "functionCallingConfig", dict, "toolConfig")
    if calling is None:
        return
    where = "toolConfig.functionCallingConfig"
    calling = fields(calling, _CALLING)
    mode = (optional(calling, "mode", str, where) or "").upper()
    if mode not in _MODES:
        return
    names = [
        expect(name, str, f"{where}.allowedFunctionNames[{at}]")
        for at, name in enumerate(optional(calling, "allowedFunctionNames", list, where) or ())
    ]
    native = {key: item for key, item in calling.items() if key not in ("mode", "allowedFunctionNames")}
    if mode == "VALIDATED":
        native["mode"] = mode
    choice = ir.ToolChoice(mode=_MODES[mode])  # type: ignore[arg-type]  # the table holds the literals
    if mode == "ANY" and len(names) == 1:
        choice.mode, choice.name = "named", names[0]
    elif names:
        native["allowedFunctionNames"] = names
        choice.allowed = tuple(names)
    choice.extra = kept(native)
    request.tool_choice = choice
    remaining = {key: item for key, item in config.items() if key != "functionCallingConfig"}
    if remaining:
        left["toolConfig"] = remaining
    else:
        del left["toolConfig"]


def _tier(left: dict[str, Any], request: ir.Request) -> None:
    tier = optional(left, "serviceTier", str, "")
    if tier in TIERS:
        request.service_tier = TIERS[tier]
        del left["serviceTier"]
