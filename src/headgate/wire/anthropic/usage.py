"""Token usage and stop reasons, both ways.

Anthropic counts cached and written tokens beside `input_tokens`, the IR within its input. In streams the
numbers are totals so far: later ones replace earlier ones.
https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance
"""

from typing import Any, Final

from headgate.wire import ir
from headgate.wire.anthropic.blocks_write import own
from headgate.wire.anthropic.check import FAMILY
from headgate.wire.shape import Malformed, optional

_COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)
_KNOWN: Final = frozenset({*_COUNTS, "service_tier"})
_SHORT: Final = "ephemeral_5m_input_tokens"
_LONG: Final = "ephemeral_1h_input_tokens"
_SUMMED: Final = ("message", "compaction")

_TIERS: Final = {"standard": "standard", "priority": "priority", "batch": "batch", "default": "standard"}

REASONS: Final[dict[str, ir.FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "compaction": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "pause",
}
_RAW: Final[dict[ir.FinishReason, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "pause": "pause_turn",
    "error": "end_turn",
}


def read_finish(raw: str | None, sequence: str | None, *, calls: bool, pending: bool) -> ir.Finish | None:
    """`calls`: the answer holds tool calls (other than of the tool that stands in for a schema); `pending`:
    the last block is one. An answer may hold calls that code execution made and got answered within it.
    """
    if raw is None:
        return None
    reason = REASONS.get(raw, "stop")
    if reason == "tool_calls" and not calls:
        reason = "stop"
    elif reason == "stop" and pending:
        reason = "tool_calls"
    return ir.Finish(reason=reason, raw=raw, family=FAMILY, sequence=sequence)


def write_finish(finish: ir.Finish | None) -> tuple[str | None, str | None]:
    """stop_reason and stop_sequence. Our own spelling only where it says the same."""
    if finish is None:
        return None, None
    raw = finish.raw
    if finish.family == FAMILY and raw is not None and REASONS.get(raw, finish.reason) == finish.reason:
        return raw, finish.sequence
    if finish.reason == "stop" and finish.sequence is not None:
        return "stop_sequence", finish.sequence
    return _RAW[finish.reason], finish.sequence


def merge(totals: dict[str, Any], update: dict[str, Any]) -> None:
    """Takes later totals over earlier ones. A null says nothing about a number that was there."""
    totals.update({key: value for key, value in update.items() if value is not None or key not in totals})


def read_usage(node: dict[str, Any], where: str = "usage") -> ir.Usage:
    counts = {name: optional(node, name, int, where) for name in _COUNTS}
    extra = {key: value for key, value in node.items() if key not in _KNOWN or value is None}
    compacted = _with_compaction(node)
    if compacted is not None:
        extra.update({name: value for name, value in counts.items() if value is not None})
        counts = compacted
    written, read = counts["cache_creation_input_tokens"], counts["cache_read_input_tokens"]
    usage = ir.Usage(
        input=(counts["input_tokens"] or 0) + (written or 0) + (read or 0),
        output=counts["output_tokens"] or 0,
        cache_read=read,
        cache_write=written,
        service_tier=optional(node, "service_tier", str, where),
    )
    _details(usage, node, extra, where)
    usage.extra = {FAMILY: extra} if extra else None
    return usage


def _details(usage: ir.Usage, node: dict[str, Any], extra: dict[str, Any], where: str) -> None:
    """Nested counts. An object that we would not write back the same stays in `extra`, too."""
    creation = optional(node, "cache_creation", dict, where)
    if creation is not None:
        usage.cache_write_long = optional(creation, _LONG, int, f"{where}.cache_creation")
        if creation == _creation(usage):
            del extra["cache_creation"]
    details = optional(node, "output_tokens_details", dict, where)
    if details is not None:
        usage.reasoning = optional(details, "thinking_tokens", int, f"{where}.output_tokens_details")
        if details == {"thinking_tokens": usage.reasoning}:
            del extra["output_tokens_details"]
    tools = optional(node, "server_tool_use", dict, where)
    if tools is not None:
        usage.web_searches = optional(tools, "web_search_requests", int, f"{where}.server_tool_use")
        if tools == {"web_search_requests": usage.web_searches}:
            del extra["server_tool_use"]


def _with_compaction(node: dict[str, Any]) -> dict[str, int | None] | None:
    """The counts with those of compactions, which the top level leaves out. None where there were none.

    An advisor is another model and not summed; after a fallback the top level is the truth.
    """
    items = node.get("iterations")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return None
    kinds = {item.get("type") for item in items if isinstance(item.get("type"), str)}
    if "compaction" not in kinds or "fallback_message" in kinds:
        return None
    summed = [item for item in items if item.get("type") in _SUMMED]
    try:
        return {
            name: sum(optional(item, name, int, "iterations") or 0 for item in summed) for name in _COUNTS
        }
    except Malformed:
        return None


def _creation(usage: ir.Usage) -> dict[str, int]:
    long = usage.cache_write_long or 0
    return {_SHORT: max((usage.cache_write or 0) - long, 0), _LONG: long}


def write_usage(usage: ir.Usage | None) -> dict[str, Any]:
    """input_tokens and output_tokens are always there: clients rely on them."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    cached = (usage.cache_read or 0) + (usage.cache_write or 0)
    node: dict[str, Any] = {"input_tokens": max(usage.input - cached, 0)}
    if usage.cache_write is not None:
        node["cache_creation_input_tokens"] = usage.cache_write
    if usage.cache_read is not None:
        node["cache_read_input_tokens"] = usage.cache_read
    if usage.cache_write_long is not None:
        node["cache_creation"] = _creation(usage)
    node["output_tokens"] = usage.output
    if usage.reasoning is not None:
        node["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if usage.web_searches is not None:
        node["server_tool_use"] = {"web_search_requests": usage.web_searches}
    tier = _TIERS.get(usage.service_tier or "")
    if tier is not None:
        node["service_tier"] = tier
    node.update(own(usage.extra))
    return node
