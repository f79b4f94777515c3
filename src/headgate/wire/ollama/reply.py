"""The answer of /api/chat ↔ IR.

https://docs.ollama.com/api/chat. Durations (nanoseconds) and other fields without a name in the IR are in the
reply's `extra["ollama"]`. The format has one choice and no id.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from headgate.wire import failures, ir
from headgate.wire.dialect import Frame
from headgate.wire.ollama.fields import (
    FAMILY,
    own,
    read_call,
    read_moment,
    rest,
    write_call,
    write_moment,
)
from headgate.wire.ollama.messages import read_said
from headgate.wire.shape import expect, optional, reply_json, required, says_bad_reply

_ENCODE: Final = msgspec.json.Encoder().encode
NAMED: Final = frozenset(
    {
        "model", "created_at", "message", "done", "done_reason", "prompt_eval_count", "eval_count", "logprobs",
    }
)  # fmt: skip
_MESSAGE: Final = frozenset({"role", "content", "thinking", "images", "tool_calls"})
_REASONS: Final[dict[str, ir.FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "error": "error",
}
"""The first two are Ollama's, the others say to its clients what other vendors say. "load" and "unload" answer calls
without a message: a stop."""


# --- reading ---------------------------------------------------------------------------------------------


@says_bad_reply
def read_reply(body: bytes) -> ir.Reply:
    """Raises APIResponseValidationError, or the error that the body is."""
    return _read(checked(reply_json(body)), call_prefix(body))


def checked(document: Any) -> dict[str, Any]:
    """Raises `Malformed` for what is no object, or the error that it is."""
    node = expect(document, dict, "")
    if "error" in node and "message" not in node:
        raise failures.read_document(node)
    return node


def call_prefix(body: bytes) -> str:
    """Begins the ids of calls that came without: another answer's begin otherwise."""
    return f"call_{blake2b(body, digest_size=8).hexdigest()}_"


def _read(node: dict[str, Any], prefix: str) -> ir.Reply:
    message = required(node, "message", dict, "")
    blocks = read_said(message, "message")
    calls = read_calls(message, prefix, 0)
    tokens = read_logprobs(node)
    choice = ir.Choice(
        turn=ir.Turn(
            role="assistant",
            blocks=[*blocks, *calls],
            flat=len(blocks) == 1 and not calls and isinstance(blocks[0], ir.Text),
            extra=rest(message, _MESSAGE),
        ),
        finish=read_finish(node, calls=bool(calls)) if node.get("done") is not False else None,
        logprobs=tokens or None,
    )
    return ir.Reply(
        choices=[choice],
        model=optional(node, "model", str, "") or None,
        created=read_moment(node.get("created_at")),
        usage=read_usage(node),
        extra=rest(node, NAMED),
    )


def read_calls(message: dict[str, Any], prefix: str, count: int) -> list[ir.ToolCall]:
    """`count` is how many the answer has had before."""
    calls = optional(message, "tool_calls", list, "message") or ()
    return [
        read_call(value, f"message.tool_calls[{at}]", f"{prefix}{count + at}")
        for at, value in enumerate(calls)
    ]


def left_of(message: dict[str, Any]) -> dict[str, Any]:
    return own(rest(message, _MESSAGE))


def read_finish(node: Mapping[str, Any], *, calls: bool) -> ir.Finish:
    raw = optional(node, "done_reason", str, "") or "stop"
    reason = _REASONS.get(raw, "stop")
    if calls and reason == "stop":
        reason = "tool_calls"
    return ir.Finish(reason=reason) if raw in _REASONS else ir.Finish(reason=reason, raw=raw, family=FAMILY)


def read_usage(node: Mapping[str, Any]) -> ir.Usage | None:
    """A prompt that was cached may have no count."""
    prompt = optional(node, "prompt_eval_count", int, "")
    answer = optional(node, "eval_count", int, "")
    return None if prompt is None and answer is None else ir.Usage(input=prompt or 0, output=answer or 0)


def read_logprobs(node: dict[str, Any]) -> list[ir.TokenLogprob]:
    tokens = optional(node, "logprobs", list, "") or ()
    return [_token(value, f"logprobs[{at}]") for at, value in enumerate(tokens)]


def _token(value: Any, where: str) -> ir.TokenLogprob:
    node = expect(value, dict, where)
    top = optional(node, "top_logprobs", list, where)
    return ir.TokenLogprob(
        token=required(node, "token", str, where),
        logprob=optional(node, "logprob", float, where) or 0.0,
        bytes=optional(node, "bytes", list, where),
        top=None
        if top is None
        else [_token(item, f"{where}.top_logprobs[{at}]") for at, item in enumerate(top)],
    )


# --- writing ---------------------------------------------------------------------------------------------


def write_reply(reply: ir.Reply, frame: Frame) -> bytes:
    choice = reply.choices[0] if reply.choices else ir.Choice(turn=ir.Turn(role="assistant", blocks=[]))
    document = {**head(reply.model, reply.created, frame), "message": _message(choice.turn), "done": True}
    if choice.finish is not None:
        document["done_reason"] = write_finish(choice.finish)
    if choice.logprobs is not None:
        document["logprobs"] = write_logprobs(choice.logprobs)
    return _ENCODE({**document, **own(reply.extra), **write_usage(reply.usage)})


def head(model: str | None, created: int | None, frame: Frame) -> dict[str, Any]:
    """What every object of an answer begins with."""
    moment = write_moment(frame.created if created is None else created)
    return {"model": model or frame.model, "created_at": moment}


def _message(turn: ir.Turn) -> dict[str, Any]:
    blocks = turn.blocks
    calls = [block for block in blocks if isinstance(block, ir.ToolCall)]
    node: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(block.text for block in blocks if isinstance(block, ir.Text | ir.Refusal)),
    }
    held: dict[str, Any] = {
        "thinking": "".join(block.text for block in blocks if isinstance(block, ir.Thinking)),
        "images": [data for block in blocks if (data := picture(block))],
        "tool_calls": [write_call(call, at) for at, call in enumerate(calls)],
    }
    node.update({key: value for key, value in held.items() if value})
    return {**node, **own(turn.extra)}


def picture(block: ir.Block) -> str:
    """The base64 of a picture, "" for any other block."""
    return block.source.value if isinstance(block, ir.Image) and block.source.kind == "data" else ""


def write_finish(finish: ir.Finish) -> str:
    if finish.raw is not None and finish.family == FAMILY:
        return finish.raw
    return finish.reason if finish.reason in _REASONS else "stop"


def write_usage(usage: ir.Usage | None) -> dict[str, int]:
    return {} if usage is None else {"prompt_eval_count": usage.input, "eval_count": usage.output}


def write_logprobs(tokens: Iterable[ir.TokenLogprob]) -> list[dict[str, Any]]:
    return [_written(token) for token in tokens]


def _written(token: ir.TokenLogprob) -> dict[str, Any]:
    node: dict[str, Any] = {"token": token.token, "logprob": token.logprob}
    if token.bytes is not None:
        node["bytes"] = token.bytes
    if token.top is not None:
        node["top_logprobs"] = [_written(other) for other in token.top]
    return node
