"""A whole generateContent answer: JSON ↔ IR.

Fields without a name in the IR are in `extra["gemini"]` of the reply (`promptFeedback`, `createTime`, …) and
of each choice (`groundingMetadata`, `safetyRatings`, `finishMessage`, …).
https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec

from headgate.wire import ir
from headgate.wire.dialect import Frame
from headgate.wire.gemini import blocks_write as write
from headgate.wire.gemini import failure, grounding
from headgate.wire.gemini.check import FAMILY, expect, fields, kept, listed, optional, own
from headgate.wire.gemini.parts import CallIds, read_part
from headgate.wire.gemini.usage import (
    finish_name,
    read_finish,
    read_logprobs,
    read_usage,
    write_finish,
    write_logprobs,
    write_usage,
)
from headgate.wire.shape import Malformed, reply_json, says_bad_reply

_ENCODE = msgspec.json.Encoder().encode

TOP: Final = frozenset(
    {"candidates", "usageMetadata", "modelVersion", "responseId", "createTime", "promptFeedback"}
)
NAMED: Final = frozenset({"candidates", "usageMetadata", "modelVersion", "responseId"})
_CANDIDATE: Final = frozenset(
    {
        "content", "finishReason", "index", "logprobsResult", "finishMessage", "safetyRatings",
        "citationMetadata", "groundingMetadata", "urlContextMetadata", "avgLogprobs", "tokenCount",
        "groundingAttributions",
    }
)  # fmt: skip
_CANDIDATE_NAMED: Final = frozenset({"content", "finishReason", "index", "logprobsResult"})
_CONTENT: Final = frozenset({"role", "parts"})


# --- reading ---------------------------------------------------------------------------------------------


@says_bad_reply
def read_reply(body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
    """Raises APIResponseValidationError, or the error that the body is."""
    return read_document(reply_json(body), echo, call_prefix(body))


def call_prefix(body: bytes) -> str:
    """Begins the ids of calls in an answer that has no id itself: another answer's begin otherwise."""
    return blake2b(body, digest_size=8).hexdigest()


def read_document(document: Any, echo: ir.Echo | None, prefix: str) -> ir.Reply:
    """Raises `Malformed`, or the error that the document is."""
    node = fields(expect(document, dict, ""), TOP)
    if "error" in node and "candidates" not in node:
        raise failure.read_document(document)
    if NAMED.isdisjoint(node) and "promptFeedback" not in node:
        raise Malformed("candidates", "required, expected an array")
    reply_id = optional(node, "responseId", str, "") or None
    ids = CallIds(f"call_{reply_id or prefix}_")
    usage = optional(node, "usageMetadata", dict, "")
    left = {key: value for key, value in node.items() if key not in NAMED and value is not None}
    reply = ir.Reply(
        choices=[
            _choice(value, f"candidates[{at}]", at, ids, echo)
            for at, value in enumerate(listed(node, "candidates", ""))
        ],
        id=reply_id,
        model=optional(node, "modelVersion", str, "") or None,
        created=created(node.get("createTime")),
        usage=None if usage is None else read_usage(usage),
        extra=kept(left),
    )
    if not reply.choices:
        reply.choices = [
            ir.Choice(turn=ir.Turn(role="assistant", blocks=[]), finish=without_candidates(node))
        ]
    count_searches(reply)
    return reply


def without_candidates(node: dict[str, Any]) -> ir.Finish:
    """Why there is no answer: the prompt was blocked, or the model had nothing to say."""
    feedback = node.get("promptFeedback")
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    if reason is None:
        return ir.Finish(reason="stop")
    return ir.Finish(reason="content_filter", raw=str(reason), family=FAMILY)


def count_searches(reply: ir.Reply) -> None:
    if reply.usage is not None:
        found = [grounding.searches(own(choice.extra).get("groundingMetadata")) for choice in reply.choices]
        reply.usage.web_searches = sum(count or 0 for count in found) or None


def _choice(value: Any, where: str, at: int, ids: CallIds, echo: ir.Echo | None) -> ir.Choice:
    node = fields(expect(value, dict, where), _CANDIDATE)
    content = fields(optional(node, "content", dict, where) or {}, _CONTENT)
    inner = f"{where}.content"
    blocks: list[ir.Block] = []
    texts: list[tuple[int, int, str]] = []
    for number, part in enumerate(listed(content, "parts", inner)):
        block = read_part(part, f"{inner}.parts[{number}]", ids)
        if is_empty(block):
            continue
        if isinstance(block, ir.Text):
            texts.append((number, len(blocks), block.text))
        blocks.append(restore(block, echo))
    cite(blocks, node.get("groundingMetadata"), texts)
    raw = finish_name(node.get("finishReason"))
    result = optional(node, "logprobsResult", dict, where)
    return ir.Choice(
        index=index_of(node, where, at),
        turn=ir.Turn(role="assistant", blocks=blocks, extra=left_of(content, _CONTENT)),
        finish=None
        if raw is None
        else read_finish(raw, calls=any(isinstance(block, ir.ToolCall) for block in blocks)),
        logprobs=None if result is None else read_logprobs(result, f"{where}.logprobsResult"),
        extra=left_of(node, _CANDIDATE_NAMED),
    )


def index_of(node: dict[str, Any], where: str, default: int = 0) -> int:
    index = optional(node, "index", int, where)
    return default if index is None else index


def left_of(node: dict[str, Any], known: frozenset[str]) -> ir.Extra | None:
    return kept({key: value for key, value in node.items() if key not in known and value is not None})


def is_empty(block: ir.Block) -> bool:
    """A text of nothing with nothing on it."""
    return isinstance(block, ir.Text | ir.Thinking) and not (block.text or block.signature or block.extra)


def restore(block: ir.Block, echo: ir.Echo | None) -> ir.Block:
    """A tool call under the name that the caller knows."""
    if echo is not None and isinstance(block, ir.ToolCall):
        block.name = echo.tool_names.get(block.name, block.name)
    return block


def cite(blocks: list[ir.Block], metadata: Any, texts: list[tuple[int, int, str]]) -> None:
    if not isinstance(metadata, dict) or not metadata:
        return
    for at, citation in grounding.citations(metadata, grounding.Texts(texts)):
        block = blocks[at]
        if isinstance(block, ir.Text):
            block.citations = [*(block.citations or ()), citation]


def created(moment: Any) -> int | None:
    """Unix seconds of `createTime`."""
    if not isinstance(moment, str):
        return None
    try:
        return int(datetime.fromisoformat(moment).timestamp())
    except (ValueError, OverflowError):
        return None


# --- writing ---------------------------------------------------------------------------------------------


def call_id(block: ir.ToolCall, frame: Frame, at: int) -> str:
    """Its id, or one that no other call of the conversation has."""
    return block.id or f"call_{frame.id}_{at}"


def write_block(block: ir.Block, frame: Frame, at: int) -> dict[str, Any] | None:
    """None for what a Gemini client could do nothing with: another vendor's sealed or opaque blocks."""
    match block:
        case ir.Text():
            return write.text(block)
        case ir.Thinking():
            return None if block.redacted is not None else write.thinking(block)
        case ir.ToolCall():
            return write.tool_call(block, block.name, call_id(block, frame, at))
        case ir.Image() | ir.File() | ir.Audio():
            part = write.medium(block)
            if part is None and isinstance(block, ir.Audio) and block.transcript:
                return {"text": block.transcript}
            return part
        case ir.Refusal():
            return {"text": block.text}
        case ir.Opaque():
            return dict(block.value) if block.family == FAMILY and isinstance(block.value, dict) else None
        case _:
            return None


def write_reply(reply: ir.Reply, frame: Frame) -> bytes:
    document: dict[str, Any] = {}
    candidates = [_candidate(choice, frame) for choice in reply.choices if not is_blocked(choice, reply)]
    if candidates:
        document["candidates"] = candidates
    if reply.usage is not None:
        document["usageMetadata"] = write_usage(reply.usage)
    document["modelVersion"] = reply.model or frame.model
    document["responseId"] = reply.id or frame.id
    return _ENCODE({**document, **own(reply.extra)})


def is_blocked(choice: ir.Choice, reply: ir.Reply) -> bool:
    """Whether the choice only stands for a prompt that was blocked: `promptFeedback` says it."""
    return not choice.turn.blocks and blocks_prompt(choice.finish, own(reply.extra))


def blocks_prompt(finish: ir.Finish | None, extra: dict[str, Any]) -> bool:
    feedback = extra.get("promptFeedback")
    return (
        isinstance(feedback, dict)
        and finish is not None
        and finish.family == FAMILY
        and finish.reason == "content_filter"
        and str(feedback.get("blockReason")) == finish.raw
    )


def _candidate(choice: ir.Choice, frame: Frame) -> dict[str, Any]:
    nodes = (write_block(block, frame, at) for at, block in enumerate(choice.turn.blocks))
    parts = [node for node in nodes if node is not None]
    content: dict[str, Any] = {"parts": parts} if parts else {}
    node: dict[str, Any] = {"content": {**content, "role": "model", **own(choice.turn.extra)}}
    reason = write_finish(choice.finish)
    if reason is not None:
        node["finishReason"] = reason
    node["index"] = choice.index
    if choice.logprobs is not None:
        node["logprobsResult"] = write_logprobs(choice.logprobs)
    if "groundingMetadata" not in own(choice.extra):
        texts = [
            (block.text, block.citations or ()) for block in choice.turn.blocks if isinstance(block, ir.Text)
        ]
        found = grounding.metadata(texts)
        if found is not None:
            node["groundingMetadata"] = found
    return {**node, **own(choice.extra)}
