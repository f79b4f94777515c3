"""A whole chat answer: JSON ↔ IR. https://platform.openai.com/docs/api-reference/chat/object

Knows no stream. Servers are read leniently: what can't be understood stays in `extra` as it came.
"""

from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from headgate.errors import APIResponseValidationError, HeadgateError
from headgate.wire import failures, ir
from headgate.wire.dialect import Frame, Glance
from headgate.wire.openai_chat.assistant import read_assistant, write_assistant
from headgate.wire.openai_chat.calls import FIELDS
from headgate.wire.openai_chat.fields import (
    finish_fields,
    read_finish,
    read_logprobs,
    read_usage,
    write_finish,
    write_logprobs,
    write_usage,
)
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.parts import own
from headgate.wire.shape import difference, expect, reply_object, required, restore, says_bad_reply

_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder().encode

_WORDS: Final = ("message", "msg")
_MARKS: Final = ("code", "error_code", "type")
"""Keys of an answer that is an error: its words, and what must stand beside them."""

OBJECT: Final = "chat.completion"


def decode(body: bytes) -> dict[str, Any]:
    """Raises APIResponseValidationError for anything but a JSON object, and what an error in it says."""
    document = reply_object(body)
    if (failure := failure_in(document)) is not None:
        raise failure
    return document


def failure_in(document: dict[str, Any]) -> HeadgateError | None:
    """Some servers answer 200 with an error: https://openrouter.ai/docs/api-reference/errors, MiniMax, and with
    words in place of choices vLLM, DashScope, Cloudflare. Also in a choice that says nothing else."""
    if choices := document.get("choices"):
        return _failure_of(choices)
    base = document.get("base_resp")
    failed = document.get("error") or (isinstance(base, dict) and base.get("status_code"))
    if failed or ("choices" not in document and _is_error(document)):
        return failures.read_document(document)
    return None


def _is_error(document: dict[str, Any]) -> bool:
    if document.get("detail") or document.get("errors"):
        return True
    marked = any(document.get(key) not in (None, "", 0, 200) for key in _MARKS)
    return marked and any(document.get(key) for key in _WORDS)


def _failure_of(choices: Any) -> HeadgateError | None:
    """The error of the first choice, unless one holds an answer."""
    nodes = [node for node in choices if isinstance(node, dict)] if isinstance(choices, list) else []
    errors = [node["error"] for node in nodes if node.get("error")]
    if not errors or any(_says(node.get("message")) for node in nodes):
        return None
    return failures.read_document({"error": errors[0]})


def _says(message: Any) -> bool:
    return isinstance(message, dict) and any(value for key, value in message.items() if key != "role")


@says_bad_reply
def read_reply(body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
    """Raises APIResponseValidationError, or the error that the body is."""
    return read_document(decode(body), echo)


def read_document(document: dict[str, Any], echo: ir.Echo | None) -> ir.Reply:
    """Raises `Malformed`."""
    choices = required(document, "choices", list, "")
    reply = ir.Reply(
        choices=[_read_choice(node, index, echo) for index, node in enumerate(choices)],
        id=_word(document, "id"),
        model=_word(document, "model"),
        created=_created(document),
        usage=read_usage(document.get("usage"), document.get("service_tier")),
    )
    named = {"id": reply.id, "model": reply.model, "created": reply.created, "object": OBJECT}
    left = difference(
        {key: value for key, value in document.items() if key != "choices"},
        {key: value for key, value in {**named, **_tops(reply)}.items() if value is not None},
    )
    if left:
        reply.extra = {FAMILY: left}
    return reply


def _word(node: dict[str, Any], key: str) -> str | None:
    value = node.get(key)
    return value if isinstance(value, str) and value else None


def _created(document: dict[str, Any]) -> int | None:
    value = document.get("created")
    return int(value) if isinstance(value, int | float) and value else None


def _read_choice(value: Any, position: int, echo: ir.Echo | None) -> ir.Choice:
    where = f"choices[{position}]"
    node = expect(value, dict, where)
    message = node.get("message")
    turn = read_assistant(message, f"{where}.message", answer=True) if isinstance(message, dict) else None
    turn = turn or ir.Turn(role="assistant", blocks=[])
    calls = [block for block in turn.blocks if isinstance(block, ir.ToolCall)]
    index = node.get("index")
    choice = ir.Choice(
        turn=turn,
        index=index if isinstance(index, int) else position,
        finish=read_finish("error" if node.get("error") else node.get("finish_reason"), bool(calls)),
        logprobs=read_logprobs(node.get("logprobs")),
    )
    written = _write_choice(choice)
    if isinstance(message, dict):
        written["message"] = message  # its turn holds what is odd in it
    left = difference(node, written)
    if left:
        choice.extra = {FAMILY: left}
    if echo is not None:
        for call in calls:
            call.name = echo.tool_names.get(call.name, call.name)
    return choice


def write_reply(reply: ir.Reply, frame: Frame) -> bytes:
    body: dict[str, Any] = {
        "id": reply.id or frame.id,
        "object": OBJECT,
        "created": reply.created or frame.created,
        "model": reply.model or frame.model,
        "choices": [_write_choice(choice) for choice in reply.choices],
        **_tops(reply),
    }
    return _ENCODE(restore(body, own(reply.extra)))


def _tops(reply: ir.Reply) -> dict[str, Any]:
    """Usage, service tier, and what other families say of the answer."""
    tops: dict[str, Any] = {}
    if reply.usage is not None:
        tops["usage"] = write_usage(reply.usage)
        if reply.usage.service_tier is not None:
            tops["service_tier"] = reply.usage.service_tier
    if fields := foreign(reply.extra):
        tops[FIELDS] = fields
    return tops


def foreign(extra: ir.Extra | None) -> dict[str, Any]:
    """What other families know of a node and a client may want to see."""
    told = {
        family: {key: value for key, value in fields.items() if value is not None}
        for family, fields in (extra or {}).items()
        if family != FAMILY
    }
    return {family: fields for family, fields in told.items() if fields}


def _write_choice(choice: ir.Choice) -> dict[str, Any]:
    node: dict[str, Any] = {
        "index": choice.index,
        "message": write_assistant(choice.turn, True, [], ""),
        "finish_reason": None if choice.finish is None else write_finish(choice.finish),
    }
    if choice.logprobs is not None:
        node["logprobs"] = write_logprobs(choice.logprobs)
    fields = foreign(choice.extra)
    if choice.finish is not None:
        fields.update(finish_fields(choice.finish))
    if fields:
        node[FIELDS] = fields
    return restore(node, own(choice.extra)) if choice.extra else node


class _Facts(msgspec.Struct):
    model: Any = None
    usage: Any = None
    service_tier: Any = None
    error: Any = None
    base_resp: Any = None


_GLANCE: Final = msgspec.json.Decoder(_Facts).decode
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
_UNTOLD: Final = -1


class _Input(msgspec.Struct, forbid_unknown_fields=True):
    cached_tokens: Count
    audio_tokens: Count = _UNTOLD
    image_tokens: Count = _UNTOLD


class _Output(msgspec.Struct, forbid_unknown_fields=True):
    reasoning_tokens: Count
    audio_tokens: Count = _UNTOLD
    accepted_prediction_tokens: Count = _UNTOLD
    rejected_prediction_tokens: Count = _UNTOLD


class _Usage(msgspec.Struct, forbid_unknown_fields=True):
    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count
    prompt_tokens_details: _Input | UnsetType = UNSET
    completion_tokens_details: _Output | UnsetType = UNSET


class _Choice(msgspec.Struct):
    error: None = None


class _Plain(msgspec.Struct):
    """An answer as OpenAI gives it: the decoder alone says whether it is one."""

    usage: _Usage
    model: str | None = None
    service_tier: str | None = None
    choices: list[_Choice] = []
    error: None = None
    base_resp: None = None


_PLAIN: Final = msgspec.json.Decoder(_Plain).decode


def _glance_plain(body: bytes) -> Glance | None:
    """None for what is not plain, or not plainly right: `glance` looks closer."""
    try:
        facts = _PLAIN(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    told = facts.usage
    usage = ir.Usage(told.prompt_tokens, told.completion_tokens, told.total_tokens)
    usage.service_tier = facts.service_tier
    if (read := told.prompt_tokens_details) is not UNSET:
        usage.cache_read = read.cached_tokens
        if read.audio_tokens != _UNTOLD:
            usage.audio_input = read.audio_tokens
        if read.image_tokens != _UNTOLD:
            usage.image_input = read.image_tokens
    if (written := told.completion_tokens_details) is not UNSET:
        usage.reasoning = written.reasoning_tokens
        if written.audio_tokens != _UNTOLD:
            usage.audio_output = written.audio_tokens
        if written.accepted_prediction_tokens != _UNTOLD:
            usage.accepted_prediction = written.accepted_prediction_tokens
        if written.rejected_prediction_tokens != _UNTOLD:
            usage.rejected_prediction = written.rejected_prediction_tokens
    if usage.input + usage.output != usage.total or (usage.cache_read or 0) > usage.input:
        return None
    return Glance(usage=usage, model=facts.model or None)


def glance(body: bytes) -> Glance:
    """Usage and model of a whole answer. Never raises."""
    if (plain := _glance_plain(body)) is not None:
        return plain
    try:
        facts = _GLANCE(body)
        doubtful = facts.base_resp or facts.usage is None or b'"error"' in body
        if doubtful and (error := _glance_error(body)) is not None:
            return Glance(error=error)
        return Glance(
            usage=read_usage(facts.usage, facts.service_tier),
            model=facts.model if isinstance(facts.model, str) and facts.model else None,
        )
    except (msgspec.DecodeError, ValueError, RecursionError):
        shown = body[:80].decode("utf-8", "replace")
        return Glance(error=APIResponseValidationError(f"the upstream's answer is no JSON object: {shown!r}"))


def _glance_error(body: bytes) -> HeadgateError | None:
    document = _DECODE(body)
    return failure_in(document) if isinstance(document, dict) else None
