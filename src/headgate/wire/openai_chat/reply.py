"""Whole chat replies: JSON → IR and back. https://platform.openai.com/docs/api-reference/chat/object"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from headgate.errors import APIResponseValidationError, HeadgateError
from headgate.wire import failures, ir
from headgate.wire.dialect import Frame, Glance
from headgate.wire.openai_chat.blocks import read_message
from headgate.wire.openai_chat.blocks_write import write_message
from headgate.wire.openai_chat.fields import (
    bad_reply,
    extra_of,
    list_at,
    object_at,
    own,
    read_finish,
    read_logprobs,
    read_usage,
    write_finish,
    write_logprobs,
    write_usage,
)

_decode: Final = msgspec.json.decode
_encode: Final = msgspec.json.encode
_MINE: Final = frozenset(("id", "model", "created", "choices", "usage"))


class _Seen(Struct):
    model: Any = None
    usage: Any = None
    error: Raw = Raw(b"null")
    choices: Raw = Raw(b"null")


_seen: Final = msgspec.json.Decoder(_Seen)


def document_of(body: bytes) -> Any:
    """Raises APIResponseValidationError for what is no JSON."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        shown = body[:80].decode("utf-8", "replace")
        raise APIResponseValidationError(f"the upstream's answer is no JSON: {shown!r}") from None


def read_reply(body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
    document = object_at(document_of(body), "the body", bad_reply)
    if document.get("error") and not document.get("choices"):
        raise failures.read_document(document)
    choices = list_at(document.get("choices"), "choices", bad_reply)
    extra = {key: value for key, value in document.items() if key not in _MINE}
    reply_id, model, created = document.get("id"), document.get("model"), document.get("created")
    return ir.Reply(
        choices=[_read_choice(choice, at, echo) for at, choice in enumerate(choices)],
        id=reply_id if isinstance(reply_id, str) and reply_id else None,
        model=model if isinstance(model, str) and model else None,
        created=int(created) if isinstance(created, int | float) else None,
        usage=read_usage(document.get("usage")),
        extra=extra_of(extra),
    )


def _read_choice(raw: Any, at: int, echo: ir.Echo | None) -> ir.Choice:
    place = f"choices[{at}]"
    fields = dict(object_at(raw, place, bad_reply))
    message = fields.pop("message", None)
    if message is None:
        message = {"role": "assistant", "content": None}
    turn = read_message(object_at(message, f"{place}.message", bad_reply), f"{place}.message", bad_reply)
    turn.role = "assistant"
    called = False
    for block in turn.blocks:
        if isinstance(block, ir.ToolCall):
            called = True
            if echo is not None:
                block.name = echo.tool_names.get(block.name, block.name)
    index = fields.pop("index", at)
    logprobs = fields.get("logprobs")
    tokens = read_logprobs(logprobs)
    if tokens is not None and isinstance(logprobs, dict) and not logprobs.get("refusal"):
        del fields["logprobs"]
    return ir.Choice(
        turn=turn,
        index=index if isinstance(index, int) else at,
        finish=read_finish(fields.pop("finish_reason", None), called),
        logprobs=tokens,
        extra=extra_of(fields),
    )


def write_reply(reply: ir.Reply, frame: Frame) -> bytes:
    return _encode(write_document(reply, frame))


def write_document(reply: ir.Reply, frame: Frame) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": reply.id or frame.id,
        "object": "chat.completion",
        "created": frame.created if reply.created is None else reply.created,
        "model": reply.model or frame.model,
        "choices": [_write_choice(choice) for choice in reply.choices],
    }
    if reply.usage is not None:
        document["usage"] = write_usage(reply.usage)
        if reply.usage.service_tier is not None:
            document["service_tier"] = reply.usage.service_tier
    return {**document, **own(reply)}


def _write_choice(choice: ir.Choice) -> dict[str, Any]:
    message = write_message(choice.turn, None, "")
    message.pop("cache_control", None)
    written: dict[str, Any] = {
        "index": choice.index,
        "message": message,
        "finish_reason": write_finish(choice.finish),
    }
    if choice.logprobs is not None:
        written["logprobs"] = write_logprobs(choice.logprobs)
    return {**written, **own(choice)}


def glance(body: bytes) -> Glance:
    try:
        seen = _seen.decode(body)
        usage = read_usage(seen.usage)
        error: HeadgateError | None = None
        if bytes(seen.error) not in (b"null", b'""') and bytes(seen.choices) in (b"null", b"[]"):
            error = failures.read_document(_decode(body))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        shown = body[:80].decode("utf-8", "replace")
        return Glance(error=APIResponseValidationError(f"the upstream's answer is no JSON object: {shown!r}"))
    return Glance(usage=usage, model=seen.model if isinstance(seen.model, str) else None, error=error)


def error_document(error: HeadgateError, call_id: str | None = None) -> dict[str, Any]:
    """OpenAI's error body; `code` is a string, as LiteLLM sends it."""
    inner = {
        "message": str(error) if not error.message else f"{error.message}",
        "type": error.type,
        "param": error.param,
        "code": str(error.code or error.status_code),
    }
    return {"error": inner if call_id is None else {**inner, "call_id": call_id}}
