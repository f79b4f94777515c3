"""Token usage, finish reasons and log probabilities, both ways.

`tokens` counts what the model saw and said, with Cohere's own preamble; `billed_units` what is paid for. Usage is
`tokens`, or `billed_units` where there is nothing else; both are kept. https://docs.cohere.com/reference/chat
"""

from typing import Any, Final

from headgate.wire import ir
from headgate.wire.cohere.parts import FAMILY, kept, own
from headgate.wire.shape import difference, restore

_REASONS: Final[dict[str, ir.FinishReason]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "ERROR_LIMIT": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
    "USER_CANCEL": "error",
    "ERROR_TOXIC": "content_filter",
}
_RAW: Final[dict[ir.FinishReason, str]] = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "content_filter": "ERROR_TOXIC",
    "pause": "COMPLETE",
    "error": "ERROR",
}


def read_finish(raw: Any, *, calls: bool) -> ir.Finish:
    """`calls`: the answer holds calls of tools."""
    word = raw if isinstance(raw, str) and raw else "COMPLETE"
    reason = _REASONS.get(word.upper(), "stop")
    if reason == "stop" and calls:
        reason = "tool_calls"
    return ir.Finish(reason=reason, raw=word, family=FAMILY)


def write_finish(finish: ir.Finish | None) -> str:
    if finish is None:
        return _RAW["stop"]
    if finish.family == FAMILY and finish.raw is not None:
        return finish.raw
    return "STOP_SEQUENCE" if finish.sequence is not None else _RAW[finish.reason]


# --- usage -----------------------------------------------------------------------------------------------


def read_usage(node: Any) -> ir.Usage | None:
    """None where nothing was counted."""
    if not isinstance(node, dict):
        return None
    seen = _object(node, "tokens") or _object(node, "billed_units")
    if not seen:
        return None
    usage = ir.Usage(
        input=_count(seen, "input_tokens") or 0,
        output=_count(seen, "output_tokens") or 0,
        cache_read=_count(node, "cached_tokens"),
        reasoning=_count(seen, "reasoning_tokens"),
    )
    if usage.cache_read is not None:
        usage.cache_read = min(usage.cache_read, usage.input)
    usage.extra = kept(difference(node, write_usage(usage)))
    return usage


def _object(node: dict[str, Any], key: str) -> dict[str, Any]:
    value = node.get(key)
    return value if isinstance(value, dict) else {}


def _count(node: dict[str, Any], key: str) -> int | None:
    """Counts come as 12.0, too."""
    value = node.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != value // 1:
        return None
    return int(value)


def write_usage(usage: ir.Usage) -> dict[str, Any]:
    counts = {"input_tokens": usage.input, "output_tokens": usage.output}
    tokens = {**counts, "reasoning_tokens": usage.reasoning} if usage.reasoning is not None else dict(counts)
    node: dict[str, Any] = {"billed_units": counts, "tokens": tokens}
    if usage.cache_read is not None:
        node["cached_tokens"] = usage.cache_read
    return restore(node, own(usage.extra))


# --- log probabilities -----------------------------------------------------------------------------------


def read_logprobs(value: Any) -> list[ir.TokenLogprob]:
    """An item is a piece of text and the numbers of its tokens: the probability of the piece is their product."""
    items = value if isinstance(value, list) else [value]
    return [token for item in items if (token := _token(item)) is not None]


def _token(item: Any) -> ir.TokenLogprob | None:
    numbers = item.get("logprobs") if isinstance(item, dict) else None
    if not isinstance(numbers, list) or not all(isinstance(one, int | float) for one in numbers):
        return None
    text = item.get("text")
    text = text if isinstance(text, str) else ""
    return ir.TokenLogprob(
        token=text, logprob=float(sum(numbers)), bytes=list(text.encode("utf-8", "replace"))
    )


def write_logprobs(tokens: list[ir.TokenLogprob]) -> list[dict[str, Any]]:
    return [{"text": token.token, "token_ids": [], "logprobs": [token.logprob]} for token in tokens]
