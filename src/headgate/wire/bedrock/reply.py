"""A whole Converse answer: JSON ↔ IR.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_ResponseSyntax.
The answer names neither itself nor its model. Knows no stream.
"""

from typing import Any, Final

import msgspec

from headgate.wire import aws, ir
from headgate.wire.bedrock import blocks_write as write
from headgate.wire.bedrock.blocks import read_blocks, signed
from headgate.wire.bedrock.check import FAMILY, kept, own
from headgate.wire.bedrock.usage import read_finish, read_usage, write_finish, write_usage
from headgate.wire.dialect import Frame, Glance
from headgate.wire.shape import Malformed, optional, reply_object, required, says_bad_reply

_DECODE = msgspec.json.Decoder().decode
_ENCODE = msgspec.json.Encoder().encode

_TOP: Final = frozenset({"output", "stopReason", "usage"})


def is_failure(document: dict[str, Any]) -> bool:
    return "output" not in document and not {"message", "Message", "__type"}.isdisjoint(document)


@says_bad_reply
def read_reply(body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
    """Raises APIResponseValidationError, or the error that the body is."""
    document = reply_object(body)
    if is_failure(document):
        raise aws.read_error(500, {}, body)
    return _read(document, echo)


def _read(document: dict[str, Any], echo: ir.Echo | None) -> ir.Reply:
    output = required(document, "output", dict, "")
    message = required(output, "message", dict, "output")
    where = "output.message.content"
    blocks = [
        restored(block, echo)
        for block in read_blocks(required(message, "content", list, "output.message"), where)
    ]
    usage = optional(document, "usage", dict, "")
    calls = any(isinstance(block, ir.ToolCall) for block in blocks)
    return ir.Reply(
        choices=[
            ir.Choice(
                turn=ir.Turn(role="assistant", blocks=blocks),
                finish=read_finish(optional(document, "stopReason", str, ""), calls=calls),
            )
        ],
        usage=None if usage is None else read_usage(usage),
        extra=kept({key: value for key, value in document.items() if key not in _TOP}),
    )


def restored(block: ir.Block, echo: ir.Echo | None) -> ir.Block:
    """A tool call under the caller's name, or as the text that it stands in for; reasoning of who signed it."""
    if echo is None:
        return block
    if not isinstance(block, ir.ToolCall):
        return signed(block, echo.signs)
    if block.name == echo.json_tool:
        return ir.Text(block.arguments)
    block.name = echo.tool_names.get(block.name, block.name)
    return block


def call_id(block: ir.ToolCall, frame: Frame, at: int) -> str:
    """Its id, or one that no other call of the conversation has."""
    return block.id or f"tooluse_{frame.id}_{at}"


def write_block(block: ir.Block, frame: Frame, at: int) -> dict[str, Any] | None:
    """None for what a caller of Converse could do nothing with: another vendor's sealed or opaque blocks."""
    match block:
        case ir.Text(only_seal=True):
            return None
        case ir.Text():
            return write.text(block)
        case ir.ToolCall():
            return write.tool_use(block, call_id(block, frame, at), block.name)
        case ir.Thinking():
            return write.thinking(block)
        case ir.Opaque():
            return block.value if block.family == FAMILY else None
        case ir.Refusal():
            return {"text": block.text}
        case ir.Audio() if block.transcript:
            return {"text": block.transcript}
        case ir.Image() | ir.File() | ir.Audio():
            return write.picture(block)
        case _:
            return None


def write_reply(reply: ir.Reply, frame: Frame) -> bytes:
    """The first choice: the format has one answer."""
    choice = reply.choices[0] if reply.choices else None
    blocks = choice.turn.blocks if choice is not None else []
    nodes = (write_block(block, frame, at) for at, block in enumerate(blocks))
    return _ENCODE(
        {
            "output": {
                "message": {"role": "assistant", "content": [node for node in nodes if node is not None]}
            },
            "stopReason": write_finish(choice.finish if choice is not None else None),
            "usage": write_usage(reply.usage),
            "metrics": {"latencyMs": 0},
            **own(reply.extra),
        }
    )


class _Facts(msgspec.Struct):
    usage: dict[str, Any] | None = None
    message: str | None = None
    type: str | None = msgspec.field(default=None, name="__type")


_GLANCE = msgspec.json.Decoder(_Facts).decode


def glance(body: bytes) -> Glance:
    """Usage of a whole answer. Never raises."""
    try:
        facts = _GLANCE(body)
        if facts.usage is None and (facts.message or facts.type):
            return Glance(error=aws.read_error(500, {}, body))
        return Glance(usage=None if facts.usage is None else read_usage(facts.usage))
    except (msgspec.DecodeError, Malformed, ValueError, RecursionError):
        return Glance()
