"""Converse request → IR. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html

The model and the wish for a stream stand in the address; whoever read that gives them as `model` and `stream`.
Fields that the IR has no name for stay in `extra["bedrock"]`.
"""

from collections.abc import Mapping
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.bedrock.blocks import read_blocks
from headgate.wire.bedrock.check import FAMILY, kept, rest
from headgate.wire.bedrock.reasoning import read_reasoning
from headgate.wire.bedrock.tools import read_choice, read_format, read_tools
from headgate.wire.shape import Malformed, expect, optional, required, says_bad_request

MODEL_FIELDS: Final = "additionalModelRequestFields"
_READ: Final = frozenset({"model", "stream", "messages", "system"})
_MESSAGE: Final = frozenset({"role", "content"})
_ROLES: Final = ("user", "assistant", "system")


@says_bad_request
def read_request(body: Mapping[str, Any]) -> ir.Request:
    """Raises BadRequestError; `param` is a path such as "messages[0].content[1].image.source"."""
    left = {key: value for key, value in body.items() if key not in _READ and value is not None}
    config = _take(left, "inferenceConfig")
    tools = _take(left, "toolConfig")
    output = _take(left, "outputConfig")
    fields = _take(left, MODEL_FIELDS)
    request = ir.Request(
        model=optional(body, "model", str, "") or "",
        turns=_turns(body),
        tools=read_tools(tools),
        tool_choice=read_choice(tools),
        max_tokens=optional(config, "maxTokens", int, "inferenceConfig"),
        temperature=optional(config, "temperature", float, "inferenceConfig"),
        top_p=optional(config, "topP", float, "inferenceConfig"),
        stop=_stop(config),
        output=read_format(output),
        reasoning=read_reasoning(fields),
        service_tier=_tier(left),
        metadata=_metadata(left),
        stream=optional(body, "stream", bool, "") or False,
    )
    _top_k(fields, request)
    _single(fields, request)
    known = {"maxTokens", "temperature", "topP", "stopSequences"}
    _keep(left, "inferenceConfig", {key: item for key, item in config.items() if key not in known})
    _keep(left, "toolConfig", {k: v for k, v in tools.items() if k not in ("tools", "toolChoice")})
    _keep(left, "outputConfig", output)
    _keep(left, MODEL_FIELDS, fields)
    request.extra = kept(left)
    request.spelling = {FAMILY: {}}
    return request


def _turns(body: Mapping[str, Any]) -> list[ir.Turn]:
    turns: list[ir.Turn] = []
    system = optional(body, "system", list, "")
    if system:
        turns.append(ir.Turn(role="system", blocks=read_blocks(system, "system")))
    for at, value in enumerate(optional(body, "messages", list, "") or ()):
        where = f"messages[{at}]"
        message = expect(value, dict, where)
        role = required(message, "role", str, where)
        if role not in _ROLES:
            raise Malformed(f"{where}.role", f"expected user or assistant, got {role[:40]!r}")
        blocks = read_blocks(required(message, "content", list, where), f"{where}.content")
        turns.append(ir.Turn(role=role, blocks=blocks, extra=rest(message, _MESSAGE)))  # type: ignore[arg-type]
    return turns


# --- the rest: each takes what it understands out of what it is given --------------------------------------


def _take(left: dict[str, Any], key: str) -> dict[str, Any]:
    return dict(expect(left.pop(key, {}), dict, key))


def _keep(left: dict[str, Any], key: str, value: dict[str, Any]) -> None:
    if value:
        left[key] = value


def _stop(config: dict[str, Any]) -> list[str] | None:
    where = "inferenceConfig.stopSequences"
    stop = optional(config, "stopSequences", list, "inferenceConfig")
    return [expect(item, str, f"{where}[{at}]") for at, item in enumerate(stop)] if stop else None


def _tier(left: dict[str, Any]) -> str | None:
    node = left.get("serviceTier")
    if isinstance(node, dict) and node.keys() == {"type"} and isinstance(node["type"], str):
        return str(left.pop("serviceTier")["type"])
    return None


def _metadata(left: dict[str, Any]) -> dict[str, Any] | None:
    node = left.get("requestMetadata")
    return left.pop("requestMetadata") if isinstance(node, dict) else None


def _top_k(fields: dict[str, Any], request: ir.Request) -> None:
    """Claude's own field, or Nova's, in an inferenceConfig of its own."""
    nested = fields.get("inferenceConfig")
    if isinstance(fields.get("top_k"), int):
        request.top_k = fields.pop("top_k")
    elif isinstance(nested, dict) and isinstance(nested.get("topK"), int):
        request.top_k = nested["topK"]
        more = {key: item for key, item in nested.items() if key != "topK"}
        del fields["inferenceConfig"]
        _keep(fields, "inferenceConfig", more)


def _single(fields: dict[str, Any], request: ir.Request) -> None:
    """Claude's word for one call at a time; the choice that stands beside it says what toolChoice says."""
    choice = fields.get("tool_choice")
    if isinstance(choice, dict) and choice.get("disable_parallel_tool_use") is True:
        request.parallel_tools = False
        del fields["tool_choice"]
