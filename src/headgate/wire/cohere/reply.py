"""A whole chat answer: JSON ↔ IR. https://docs.cohere.com/reference/chat

Answers name no model and no time.
"""

from typing import Any, Final

import msgspec

from headgate.errors import APIResponseValidationError
from headgate.wire import ir
from headgate.wire.cohere import failure
from headgate.wire.cohere.assistant import read_assistant, write_assistant
from headgate.wire.cohere.older import upgraded
from headgate.wire.cohere.parts import FAMILY, own, rest
from headgate.wire.cohere.usage import (
    read_finish,
    read_logprobs,
    read_usage,
    write_finish,
    write_logprobs,
    write_usage,
)
from headgate.wire.dialect import Frame, Glance
from headgate.wire.shape import Malformed, bad_reply, optional, reply_object, required

_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder().encode
LOGPROBS: Final = "logprobs"


def read_reply(body: bytes) -> ir.Reply:
    """Raises APIResponseValidationError, or the error that the body is."""
    document = reply_object(body)
    if (failed := failure.in_reply(document)) is not None:
        raise failed
    try:
        found = [_read(one) for one in upgraded(document)] or [_read(document)]
    except (Malformed, RecursionError) as error:
        raise bad_reply(error) from None
    for index, other in enumerate(found[1:], 1):
        other.choices[0].index = index
        found[0].choices += other.choices
    return found[0]


def _read(document: dict[str, Any]) -> ir.Reply:
    turn = read_assistant(required(document, "message", dict, ""), "message")
    turn.flat = False
    calls = any(isinstance(block, ir.ToolCall) for block in turn.blocks)
    choice = ir.Choice(turn=turn, finish=read_finish(document.get("finish_reason"), calls=calls))
    numbers = document.get(LOGPROBS)
    if numbers:
        choice.logprobs = read_logprobs(numbers) or None
        choice.extra = {FAMILY: {LOGPROBS: numbers}}
    return ir.Reply(
        choices=[choice],
        id=optional(document, "id", str, ""),
        usage=read_usage(document.get("usage")),
        extra=rest(document, "id", "message", "finish_reason", "usage", LOGPROBS),
    )


def write_reply(reply: ir.Reply, frame: Frame) -> bytes:
    """Of several answers the first."""
    choice = reply.choices[0] if reply.choices else ir.Choice(turn=ir.Turn(role="assistant", blocks=[]))
    turn = msgspec.structs.replace(choice.turn, flat=False)  # an answer's content is always a list
    ids = [block.id for block in turn.blocks if isinstance(block, ir.ToolCall)]
    body: dict[str, Any] = {
        "id": reply.id or frame.id,
        "finish_reason": write_finish(choice.finish),
        "message": write_assistant(turn, ids, [], "", native=True),
    }
    if reply.usage is not None:
        body["usage"] = write_usage(reply.usage)
    numbers = own(choice.extra).get(LOGPROBS)
    if numbers is not None or choice.logprobs is not None:
        body[LOGPROBS] = write_logprobs(choice.logprobs or []) if numbers is None else numbers
    return _ENCODE({**own(reply.extra), **body})


class _Facts(msgspec.Struct):
    """What a glance looks at; a message is passed over."""

    usage: Any = None
    meta: Any = None
    message: msgspec.Raw = msgspec.Raw(b"")


_GLANCE: Final = msgspec.json.Decoder(_Facts).decode


def glance(body: bytes) -> Glance:
    """Never raises."""
    try:
        facts = _GLANCE(body)
        if bytes(memoryview(facts.message)[:1]) == b"{":
            return Glance(usage=read_usage(facts.usage))
        if facts.meta is not None:
            return Glance(usage=read_usage(facts.meta))
        document = _DECODE(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        shown = body[:80].decode("utf-8", "replace")
        return Glance(error=APIResponseValidationError(f"the upstream's answer is no JSON object: {shown!r}"))
    return Glance(error=failure.in_reply(document))
