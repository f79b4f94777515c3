"""Names and small readers that requests, replies and streams of the chat format share."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from headgate.errors import APIResponseValidationError, BadRequestError
from headgate.wire import ir

FAMILY: Final = "openai"
ANTHROPIC: Final = "anthropic"

FINISH: Final[Mapping[str, ir.FinishReason]] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
    "error": "error",
    "network_error": "error",
    "insufficient_system_resource": "error",
}
_WRITTEN: Final[Mapping[str, str]] = {"pause": "stop", "error": "stop"}

Refuse = Callable[[str, str], NoReturn]
"""Raises the error for (place, what was expected)."""


def bad_request(place: str, expected: str) -> NoReturn:
    raise BadRequestError(f"{place!r} must be {expected}", param=place)


def bad_reply(place: str, expected: str) -> NoReturn:
    raise APIResponseValidationError(f"the upstream's answer can't be read: {place!r} must be {expected}")


def read_finish(raw: Any, called: bool) -> ir.Finish | None:
    """None where nothing or "" is said."""
    if not isinstance(raw, str) or not raw:
        return None
    reason = FINISH.get(raw, "stop")
    return ir.Finish(reason="tool_calls" if called and reason == "stop" else reason, raw=raw, family=FAMILY)


def write_finish(finish: ir.Finish | None) -> str | None:
    if finish is None:
        return None
    if finish.family == FAMILY and finish.raw:
        return finish.raw
    return _WRITTEN.get(finish.reason, finish.reason)


def own(node: ir.Node) -> dict[str, Any]:
    """The fields of our family that the IR has no name for."""
    return (node.extra or {}).get(FAMILY, {})


def extra_of(fields: dict[str, Any]) -> ir.Extra | None:
    return {FAMILY: fields} if fields else None


def text_at(value: Any, place: str, refuse: Refuse) -> str:
    if not isinstance(value, str):
        refuse(place, "a string")
    return value


def object_at(value: Any, place: str, refuse: Refuse) -> dict[str, Any]:
    if not isinstance(value, dict):
        refuse(place, "an object")
    return value


def list_at(value: Any, place: str, refuse: Refuse) -> list[Any]:
    if not isinstance(value, list):
        refuse(place, "a list")
    return value


def cache_of(value: Any) -> ir.Cache | None:
    if not isinstance(value, dict):
        return None
    ttl = value.get("ttl")
    kind = value.get("type")
    return ir.Cache(
        ttl=ttl if isinstance(ttl, str) else None, kind=kind if isinstance(kind, str) else "ephemeral"
    )


def write_cache(cache: ir.Cache) -> dict[str, Any]:
    return {"type": cache.kind, **({"ttl": cache.ttl} if cache.ttl else {})}


def read_url(url: str, media_type: str | None = None) -> ir.Source:
    """A data URI or an address."""
    if url.startswith("data:"):
        head, comma, data = url[5:].partition(",")
        if comma and head.endswith(";base64"):
            return ir.Source(kind="data", value=data, media_type=head[:-7] or media_type)
    return ir.Source(kind="url", value=url, media_type=media_type)


def write_url(source: ir.Source, default: str) -> str:
    if source.kind == "data":
        return f"data:{source.media_type or default};base64,{source.value}"
    return source.value


def read_usage(raw: Any) -> ir.Usage | None:
    """Tokens, in every variant that OpenAI-shaped providers send. `output` holds the reasoning.

    xAI counts reasoning beside completion_tokens: there the total is larger than prompt and completion.
    """
    if not isinstance(raw, dict):
        return None
    usage = ir.Usage(extra={FAMILY: {"usage": raw}})
    for key, value in raw.items():
        if (field := _USAGE.get(key)) is not None:
            _count(usage, field, value)
        elif (table := _DETAILS.get(key)) is not None and isinstance(value, dict):
            for name, inner in value.items():
                if (field := table.get(name)) is not None:
                    _count(usage, field, inner)
    reasoning = usage.reasoning
    if reasoning and usage.total is not None and usage.total == usage.input + usage.output + reasoning:
        usage.output += reasoning
    return usage


_USAGE: Final = {
    "prompt_tokens": "input",
    "completion_tokens": "output",
    "total_tokens": "total",
    "reasoning_tokens": "reasoning",
    "prompt_cache_hit_tokens": "cache_read",
    "cached_tokens": "cache_read",
    "cache_read_input_tokens": "cache_read",
    "cache_creation_input_tokens": "cache_write",
}
_DETAILS: Final = {
    "prompt_tokens_details": {
        "cached_tokens": "cache_read",
        "cache_creation_tokens": "cache_write",
        "cache_write_tokens": "cache_write",
        "audio_tokens": "audio_input",
        "image_tokens": "image_input",
    },
    "completion_tokens_details": {
        "reasoning_tokens": "reasoning",
        "audio_tokens": "audio_output",
        "image_tokens": "image_output",
        "accepted_prediction_tokens": "accepted_prediction",
        "rejected_prediction_tokens": "rejected_prediction",
    },
}


def _count(usage: ir.Usage, field: str, value: Any) -> None:
    if type(value) is int:
        setattr(usage, field, value)
    elif type(value) is float and value.is_integer():
        setattr(usage, field, int(value))


def write_usage(usage: ir.Usage) -> dict[str, Any]:
    """OpenAI's own object where it came from one, else LiteLLM's shape of it."""
    if (raw := own(usage).get("usage")) is not None:
        return dict(raw)
    total = usage.total if usage.total is not None else usage.input + usage.output
    inputs = {
        "cached_tokens": usage.cache_read,
        "cache_creation_tokens": usage.cache_write,
        "audio_tokens": usage.audio_input,
        "image_tokens": usage.image_input,
    }
    outputs = {
        "reasoning_tokens": usage.reasoning,
        "audio_tokens": usage.audio_output,
        "image_tokens": usage.image_output,
        "accepted_prediction_tokens": usage.accepted_prediction,
        "rejected_prediction_tokens": usage.rejected_prediction,
    }
    written: dict[str, Any] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": total,
    }
    for name, fields in (("prompt_tokens_details", inputs), ("completion_tokens_details", outputs)):
        known = {key: value for key, value in fields.items() if value is not None}
        if known:
            written[name] = known
    if usage.cache_write is not None:
        written["cache_creation_input_tokens"] = usage.cache_write
        written["cache_read_input_tokens"] = usage.cache_read or 0
    if usage.web_searches:
        written["server_tool_use"] = {"web_search_requests": usage.web_searches}
    return written


def read_logprobs(raw: Any) -> list[ir.TokenLogprob] | None:
    rows = raw.get("content") if isinstance(raw, dict) else None
    if not isinstance(rows, list):
        return None
    return [_logprob(row) for row in rows if isinstance(row, dict)]


def write_logprobs(tokens: list[ir.TokenLogprob] | None) -> dict[str, Any] | None:
    if tokens is None:
        return None
    return {"content": [_write_logprob(token, top=True) for token in tokens], "refusal": None}


def _logprob(row: dict[str, Any]) -> ir.TokenLogprob:
    value, top, raw = row.get("logprob"), row.get("top_logprobs"), row.get("bytes")
    numbers = raw if isinstance(raw, list) and all(isinstance(one, int) for one in raw) else None
    return ir.TokenLogprob(
        token=str(row.get("token", "")),
        logprob=float(value) if isinstance(value, int | float) else 0.0,
        bytes=numbers,
        top=[_logprob(one) for one in top if isinstance(one, dict)] if isinstance(top, list) else None,
    )


def _write_logprob(token: ir.TokenLogprob, *, top: bool) -> dict[str, Any]:
    written: dict[str, Any] = {"token": token.token, "logprob": token.logprob, "bytes": token.bytes}
    if top:
        written["top_logprobs"] = [_write_logprob(one, top=False) for one in token.top or ()]
    return written
