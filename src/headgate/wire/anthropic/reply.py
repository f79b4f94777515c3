"""A whole Messages answer: JSON ↔ IR. https://docs.anthropic.com/en/api/messages#response-id

Knows no stream. Top-level fields without a name in the IR (`container`, `context_management`,
`stop_details`, …) are in the reply's `extra`.
"""

from typing import Any, Final

import msgspec

from headgate.wire import claude, failures, ir
from headgate.wire.anthropic import blocks_write as write
from headgate.wire.anthropic.blocks import read_blocks
from headgate.wire.anthropic.check import FAMILY
from headgate.wire.anthropic.usage import read_finish, read_usage, write_finish, write_usage
from headgate.wire.dialect import Frame, Glance
from headgate.wire.shape import Malformed, optional, reply_object, required, says_bad_reply

_DECODE = msgspec.json.Decoder().decode
_ENCODE = msgspec.json.Encoder().encode

TOP: Final = frozenset(
    {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"}
)  # fmt: skip


@says_bad_reply
def read_reply(body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
    """Raises APIResponseValidationError, or the error that the body is."""
    document = reply_object(body)
    if document.get("type") == "error" or ("error" in document and "content" not in document):
        raise failures.read_document(document)
    return read_message(document, echo)


def read_message(document: dict[str, Any], echo: ir.Echo | None = None) -> ir.Reply:
    """Raises `Malformed`."""
    blocks = read_blocks(required(document, "content", list, ""), "content")
    if echo is not None:
        blocks = [restore(block, echo) for block in blocks]
    usage = optional(document, "usage", dict, "")
    extra = {}
    if not document.keys() <= TOP:
        extra = {key: value for key, value in document.items() if key not in TOP}
    finish = read_finish(
        optional(document, "stop_reason", str, ""),
        optional(document, "stop_sequence", str, ""),
        calls=ir.ToolCall in map(type, blocks),
        pending=bool(blocks) and isinstance(blocks[-1], ir.ToolCall),
    )
    choice = ir.Choice(ir.Turn("assistant", blocks), finish=finish)
    return ir.Reply(
        choices=[choice],
        id=optional(document, "id", str, ""),
        model=optional(document, "model", str, ""),
        usage=None if usage is None else read_usage(usage),
        extra={FAMILY: extra} if extra else None,
    )


def restore(block: ir.Block, echo: ir.Echo) -> ir.Block:
    """A tool call as the caller knows it: under its own name, or as the text that it stands in for."""
    if not isinstance(block, ir.ToolCall):
        return block
    if block.name == echo.json_tool:
        return ir.Text(block.arguments)
    if block.name in echo.tool_names:
        block.name = echo.tool_names[block.name]
    return block


def call_id(block: ir.ToolCall, frame: Frame, at: int) -> str:
    """Its id, or one that no other call of the conversation has."""
    return block.id or f"toolu_{frame.id}_{at}"


def write_block(block: ir.Block, frame: Frame, at: int) -> dict[str, Any] | None:
    """None for what a Messages client could do nothing with: another vendor's sealed or opaque blocks."""
    match block:
        case ir.Text(only_seal=True):
            return None
        case ir.Text():
            return write.text(
                block, None if block.citations is None else list(map(write.citation, block.citations))
            )
        case ir.ToolCall():
            node = {
                "type": "tool_use",
                "id": call_id(block, frame, at),
                "name": block.name,
                "input": claude.tool_input(block),
            }
            return write.finish(node, block.cache, block.extra)
        case ir.Thinking():
            return write.thinking(block)
        case ir.Opaque():
            return block.value if block.family == FAMILY else None
        case _:
            return _rare(block)


def _rare(block: ir.Block) -> dict[str, Any] | None:
    """What Claude never answers with, but other models do."""
    match block:
        case ir.Refusal():
            return {"type": "text", "text": block.text}
        case ir.Audio():
            return {"type": "text", "text": block.transcript} if block.transcript else None
        case ir.Image():
            return write.image(block)
        case ir.File():
            return write.document(block)
        case _:
            return None


def write_reply(reply: ir.Reply, frame: Frame) -> bytes:
    """The first choice: the format has one answer."""
    choice = reply.choices[0] if reply.choices else None
    blocks = choice.turn.blocks if choice is not None else []
    reason, sequence = write_finish(choice.finish if choice is not None else None)
    nodes = (write_block(block, frame, at) for at, block in enumerate(blocks))
    return _ENCODE(
        {
            "id": reply.id or frame.id,
            "type": "message",
            "role": "assistant",
            "model": reply.model or frame.model,
            "content": [node for node in nodes if node is not None],
            "stop_reason": reason,
            "stop_sequence": sequence,
            "usage": write_usage(reply.usage),
            **write.own(reply.extra),
        }
    )


class _Facts(msgspec.Struct):
    model: str | None = None
    usage: dict[str, Any] | None = None
    type: str | None = None


_GLANCE = msgspec.json.Decoder(_Facts).decode


def glance(body: bytes) -> Glance:
    """Usage and model of a whole answer. Never raises."""
    try:
        facts = _GLANCE(body)
        if facts.type == "error":
            return Glance(error=failures.read_error(200, {}, body))
        return Glance(usage=None if facts.usage is None else read_usage(facts.usage), model=facts.model)
    except (msgspec.DecodeError, Malformed, ValueError, RecursionError):
        return Glance()
