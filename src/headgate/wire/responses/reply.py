"""A whole Responses answer: JSON ↔ IR, and its usage.

https://platform.openai.com/docs/api-reference/responses/object
"""

from typing import Any, Final

import msgspec

from headgate.errors import APIResponseValidationError, HeadgateError
from headgate.wire import failures, ir
from headgate.wire.dialect import Frame, Glance
from headgate.wire.responses.items import CALLS, PICTURE, read_answer
from headgate.wire.responses.logprobs import read_logprobs, write_logprobs
from headgate.wire.responses.parts import FAMILY, own, read_part, rest, write_part
from headgate.wire.seals import sealed
from headgate.wire.shape import expect, optional, reply_json, says_bad_reply

_REASONS: Final[dict[str, ir.FinishReason]] = {
    "max_output_tokens": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
}
_KNOWN: Final = (
    "id",
    "object",
    "created_at",
    "model",
    "output",
    "usage",
    "status",
    "incomplete_details",
    "error",
)
_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder().encode


class _Facts(msgspec.Struct):
    """What a glance looks at; the output is passed over."""

    model: str | None = None
    usage: Any = None
    error: Any = None
    status: str | None = None
    service_tier: str | None = None


_GLANCE: Final = msgspec.json.Decoder(_Facts).decode


@says_bad_reply
def read_reply(body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
    """Raises APIResponseValidationError, or the error that the body is."""
    node = reply_json(body)
    if not isinstance(node, dict):
        raise APIResponseValidationError("the upstream's answer can't be read: expected an object")
    if (failure := failure_of(node)) is not None:
        raise failure
    return read_response(node, echo or ir.Echo())


def failure_of(node: dict[str, Any]) -> HeadgateError | None:
    """The error of an answer that has failed, or that is one."""
    if node.get("error") and (node.get("status") in (None, "failed") or "output" not in node):
        return failures.read_document({"error": node["error"]})
    return None


def read_response(node: dict[str, Any], echo: ir.Echo) -> ir.Reply:
    """Raises Malformed."""
    turn = ir.Turn(role="assistant", blocks=[])
    tokens: list[ir.TokenLogprob] = []
    for index, value in enumerate(optional(node, "output", list, "") or ()):
        item = expect(value, dict, f"output[{index}]")
        turn.blocks += read_blocks(item, f"output[{index}]", echo)
        for part in item["content"] if isinstance(item.get("content"), list) else ():
            tokens += read_logprobs(part.get("logprobs") if isinstance(part, dict) else None)
    created = node.get("created_at")
    tier = node.get("service_tier")
    return ir.Reply(
        choices=[ir.Choice(turn=turn, finish=finish_of(node, turn.blocks), logprobs=tokens or None)],
        id=optional(node, "id", str, ""),
        model=optional(node, "model", str, ""),
        created=int(created) if isinstance(created, int | float) else None,
        usage=read_usage(node.get("usage"), tier),
        extra=rest(node, *_KNOWN),
    )


def read_blocks(item: dict[str, Any], where: str, echo: ir.Echo) -> list[ir.Block]:
    if (optional(item, "type", str, where) or "message") != "message":
        return [read_answer(item, where, echo)]
    parts = optional(item, "content", list, where) or []
    return [read_part(part, f"{where}.content[{at}]") for at, part in enumerate(parts)]


def finish_of(node: dict[str, Any], blocks: list[ir.Block]) -> ir.Finish:
    details = node.get("incomplete_details")
    if node.get("status") == "incomplete" and isinstance(details, dict):
        raw = str(details.get("reason"))
        return ir.Finish(reason=_REASONS.get(raw, "length"), raw=raw, family=FAMILY)
    called = any(isinstance(block, ir.ToolCall) for block in blocks)
    return ir.Finish(reason="tool_calls" if called else "stop", raw="completed", family=FAMILY)


def read_usage(node: Any, tier: Any = None) -> ir.Usage | None:
    if not isinstance(node, dict):
        return None
    read, written = (node.get(f"{side}_tokens_details") or {} for side in ("input", "output"))
    return ir.Usage(
        input=_count(node, "input_tokens") or 0,
        output=_count(node, "output_tokens") or 0,
        total=_count(node, "total_tokens"),
        cache_read=_count(read, "cached_tokens"),
        cache_write=_count(read, "cache_write_tokens"),
        reasoning=_count(written, "reasoning_tokens"),
        service_tier=tier if isinstance(tier, str) else None,
    )


def _count(node: Any, key: str) -> int | None:
    value = node.get(key) if isinstance(node, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def write_usage(usage: ir.Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read or 0,
            "cache_write_tokens": usage.cache_write or 0,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.input + usage.output if usage.total is None else usage.total,
    }


def glance(body: bytes) -> Glance:
    """Never raises."""
    try:
        facts = _GLANCE(body)
    except (msgspec.DecodeError, RecursionError):
        return Glance()
    if facts.error and facts.status in (None, "failed"):
        return Glance(error=failures.read_document({"error": facts.error}))
    return Glance(usage=read_usage(facts.usage, facts.service_tier), model=facts.model)


# --- writing ---------------------------------------------------------------------------------------------


def write_reply(reply: ir.Reply, frame: Frame) -> bytes:
    choice = reply.choices[0] if reply.choices else ir.Choice(turn=ir.Turn(role="assistant", blocks=[]))
    items = [write_block(block, f"{frame.id}_{at}") for at, block in enumerate(choice.turn.blocks)]
    told = next((item for item in items if item is not None and item["type"] == "message"), None)
    if choice.logprobs is not None and told is not None and told["content"][0]["type"] == "output_text":
        told["content"][0]["logprobs"] = write_logprobs(choice.logprobs)
    document = response(frame, reply.model, [item for item in items if item is not None])
    document["created_at"] = reply.created or frame.created
    end(document, choice.finish, reply.usage)
    return _ENCODE(document)


def response(frame: Frame, model: str | None, output: list[dict[str, Any]]) -> dict[str, Any]:
    """The object, with all that clients expect to find."""
    return {
        "id": f"resp_{frame.id.removeprefix('chatcmpl-').replace('-', '')}",
        "object": "response",
        "created_at": frame.created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": model or frame.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": None,
    }


def end(document: dict[str, Any], finish: ir.Finish | None, usage: ir.Usage | None) -> None:
    """Sets the status and the usage."""
    document["usage"] = write_usage(usage)
    if usage is not None and usage.service_tier is not None:
        document["service_tier"] = usage.service_tier
    reason = finish.reason if finish is not None else "stop"
    if reason in ("length", "content_filter"):
        document["status"] = "incomplete"
        told = "max_output_tokens" if reason == "length" else "content_filter"
        document["incomplete_details"] = {"reason": told}
    else:
        document["status"] = "completed"


def write_block(block: ir.Block, name: str) -> dict[str, Any] | None:
    """A finished item, None for what has no form here. `name` makes its id."""
    match block:
        case ir.ToolCall():
            custom = block.kind == "custom"
            kind, key, begin = (
                ("custom_tool_call", "input", "ctc") if custom else ("function_call", "arguments", "fc")
            )
            item = {"id": f"{begin}_{name}", "type": kind, "status": "completed", "call_id": block.id}
            return {**item, "name": block.name, key: block.arguments or ("" if custom else "{}")}
        case ir.Thinking():
            summary = [{"type": "summary_text", "text": block.text}] if block.text else []
            return {
                "id": f"rs_{name}",
                "type": "reasoning",
                "summary": summary,
                "encrypted_content": sealed(block, FAMILY),
            }
        case ir.Opaque(family="responses") if block.value.get("type") not in CALLS:
            return dict(block.value)
        case ir.Text(only_seal=True):
            return None
        case ir.Text() | ir.Refusal():
            part = write_part(block, True, "", [])
            if part is not None:
                part.pop("item", None)
            return message(name, "completed", [part] if part is not None else [])
        case ir.Audio(transcript=str() as said):
            return write_block(ir.Text(said), name)
        case ir.Image(source=ir.Source(kind="data", value=data)):
            return {
                "id": f"ig_{name}",
                "type": PICTURE,
                "status": "completed",
                **own(block.extra),
                "result": data,
            }
        case _:
            return None


def message(name: str, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"msg_{name}",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }
