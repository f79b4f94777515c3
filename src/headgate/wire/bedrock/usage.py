"""Token usage and stop reasons, both ways.

Converse counts cached and written tokens beside `inputTokens`, the IR within its input.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
"""

from typing import Any, Final

from headgate.wire import ir
from headgate.wire.bedrock.check import FAMILY, kept, own
from headgate.wire.shape import difference, optional, restore

REASONS: Final[dict[str, ir.FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
_RAW: Final[dict[ir.FinishReason, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
    "pause": "end_turn",
    "error": "end_turn",
}
_OLDER: Final = {
    "cacheReadInputTokens": "cacheReadInputTokenCount",
    "cacheWriteInputTokens": "cacheWriteInputTokenCount",
}


def read_finish(raw: str | None, *, calls: bool) -> ir.Finish | None:
    """`calls`: the answer holds tool calls, other than of the tool that stands in for a schema."""
    if raw is None:
        return None
    reason = REASONS.get(raw, "stop")
    if reason == "tool_calls" and not calls:
        reason = "stop"
    return ir.Finish(reason=reason, raw=raw, family=FAMILY)


def write_finish(finish: ir.Finish | None) -> str:
    """Our own spelling only where it says the same. The API always names a reason."""
    if finish is None:
        return "end_turn"
    if (
        finish.family == FAMILY
        and finish.raw is not None
        and REASONS.get(finish.raw, finish.reason) == finish.reason
    ):
        return finish.raw
    return "stop_sequence" if finish.reason == "stop" and finish.sequence is not None else _RAW[finish.reason]


def read_usage(node: dict[str, Any], where: str = "usage") -> ir.Usage:
    """Raises `Malformed`. Each count that an older spelling gives is read from there, too."""
    counts = {
        name: optional(node, name, int, where)
        if name in node
        else optional(node, _OLDER.get(name, name), int, where)
        for name in ("inputTokens", "outputTokens", "totalTokens", *_OLDER)
    }
    read, written = counts["cacheReadInputTokens"], counts["cacheWriteInputTokens"]
    usage = ir.Usage(
        input=(counts["inputTokens"] or 0) + (read or 0) + (written or 0),
        output=counts["outputTokens"] or 0,
        total=counts["totalTokens"],
        cache_read=read,
        cache_write=written,
        cache_write_long=_long(node),
    )
    usage.extra = kept(difference(node, _counts(usage)))
    return usage


def _long(node: dict[str, Any]) -> int | None:
    """Tokens written for an hour: `cacheDetails` has [{ttl, inputTokens}]."""
    details = node.get("cacheDetails")
    if not isinstance(details, list):
        return None
    hours = [item for item in details if isinstance(item, dict) and item.get("ttl") == "1h"]
    return sum(item["inputTokens"] for item in hours if isinstance(item.get("inputTokens"), int)) or None


def write_usage(usage: ir.Usage | None) -> dict[str, int]:
    usage = usage or ir.Usage()
    return restore(_counts(usage), own(usage.extra))


def _counts(usage: ir.Usage) -> dict[str, Any]:
    cached = (usage.cache_read or 0) + (usage.cache_write or 0)
    node: dict[str, Any] = {
        "inputTokens": max(usage.input - cached, 0),
        "outputTokens": usage.output,
        "totalTokens": usage.input + usage.output if usage.total is None else usage.total,
    }
    if usage.cache_read is not None:
        node["cacheReadInputTokens"] = usage.cache_read
    if usage.cache_write is not None:
        node["cacheWriteInputTokens"] = usage.cache_write
    if usage.cache_write_long is not None:
        short = (usage.cache_write or 0) - usage.cache_write_long
        node["cacheDetails"] = [
            *([{"ttl": "5m", "inputTokens": short}] if short > 0 else []),
            {"ttl": "1h", "inputTokens": usage.cache_write_long},
        ]
    return node
