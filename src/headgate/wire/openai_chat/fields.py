"""Token usage, finish reasons and log probabilities, both ways.

`prompt_tokens` holds cached and written tokens, as the IR has it. `completion_tokens` holds the reasoning,
but for xAI, where the total shows that it comes on top: the IR's output includes it always. A count that
servers give under several names is taken from the first of them; what is not written back the same stays
in `extra`. https://platform.openai.com/docs/api-reference/chat/object,
https://docs.x.ai/docs/guides/reasoning (reasoning tokens are counted apart),
https://api-docs.deepseek.com/guides/kv_cache (`prompt_cache_hit_tokens`).
"""

from operator import attrgetter
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.parts import own
from headgate.wire.shape import difference, restore

_INPUT: Final = "prompt_tokens_details"
_OUTPUT: Final = "completion_tokens_details"
_WRITTEN: Final = "cache_creation_token_details"

# the IR's field → where it may stand, ours first: (object, key), "" for the usage itself
_PLACES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "cache_read": (
        (_INPUT, "cached_tokens"),
        ("prompt_token_details", "cached_tokens"),
        ("", "prompt_cache_hit_tokens"),
        ("", "cache_read_input_tokens"),
        ("", "cached_tokens"),
        ("", "num_cached_tokens"),
    ),
    "cache_write": (
        (_INPUT, "cache_creation_tokens"),
        (_INPUT, "cache_write_tokens"),
        ("", "cache_creation_input_tokens"),
    ),
    "audio_input": ((_INPUT, "audio_tokens"),),
    "image_input": ((_INPUT, "image_tokens"),),
    "reasoning": (
        (_OUTPUT, "reasoning_tokens"),
        ("completion_token_details", "reasoning_tokens"),
        ("", "reasoning_tokens"),
    ),
    "audio_output": ((_OUTPUT, "audio_tokens"),),
    "image_output": ((_OUTPUT, "image_tokens"),),
    "accepted_prediction": ((_OUTPUT, "accepted_prediction_tokens"),),
    "rejected_prediction": ((_OUTPUT, "rejected_prediction_tokens"),),
    "web_searches": (
        ("server_tool_use", "web_search_requests"),
        ("server_tool_use_details", "web_search_requests"),
        ("", "num_search_queries"),
    ),
}
_FIRST: Final = [places[0] for places in _PLACES.values()]
_counts: Final = attrgetter(*_PLACES)
_PLAIN: Final[dict[str, dict[str, str]]] = {
    "prompt_tokens": {},
    "completion_tokens": {},
    "total_tokens": {},
    _INPUT: {"cached_tokens": "cache_read", "audio_tokens": "audio_input", "image_tokens": "image_input"},
    _OUTPUT: {key: field for field, ((outer, key), *_) in _PLACES.items() if outer == _OUTPUT},
}
"""A usage as OpenAI has it: object → key → the IR's field; the counts themselves have no keys."""

_LONG: Final = "ephemeral_1h_input_tokens"
_SHORT: Final = "ephemeral_5m_input_tokens"

_WORDS: Final[dict[ir.FinishReason, str]] = {
    "stop": "stop end_turn stop_sequence eos eos_token end_of_text complete finished",
    "length": """length max_tokens max_output_tokens model_length token_limit maximum_tokens not_finished
        insufficient_system_resource model_context_window_exceeded""",
    "tool_calls": "tool_calls tool_call tool_use function_call",
    "content_filter": """content_filter content_filtered sensitive safety refusal recitation language blocklist
        prohibited_content spii image_safety guardrail_intervened error_toxic""",
    "error": "error network_error",
}
REASONS: Final[dict[str, ir.FinishReason]] = {
    word: reason for reason, words in _WORDS.items() for word in words.split()
}
"""Servers' words, in small letters: many pass on those of the model's own API."""
_RAW: Final[dict[ir.FinishReason, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "pause": "stop",
    "error": "stop",
}
_TOLD: Final = ("pause", "error", "content_filter")
"""Reasons that the client is also told in their vendor's word: ours say less."""


def read_usage(node: Any, tier: Any = None) -> ir.Usage | None:
    """None for what is no object. `tier` is the answer's `service_tier`, which prices depend on."""
    if not isinstance(node, dict):
        return None
    usage = ir.Usage(
        input=_count(node, "prompt_tokens") or 0,
        output=_count(node, "completion_tokens") or 0,
        total=_count(node, "total_tokens"),
    )
    own_tier = node.get("service_tier")
    usage.service_tier = own_tier if isinstance(own_tier, str) else tier if isinstance(tier, str) else None
    if _read_plain(node, usage):
        return usage
    for field, places in _PLACES.items():
        for outer, key in places:
            inner = node.get(outer) if outer else node
            if isinstance(inner, dict) and (value := _count(inner, key)) is not None:
                setattr(usage, field, value)
                break
    if usage.reasoning and usage.total == usage.input + usage.output + usage.reasoning:
        usage.output += usage.reasoning
    if usage.cache_read is not None:
        usage.cache_read = min(usage.cache_read, usage.input)
    details = node.get(_INPUT)
    written = details.get(_WRITTEN) if isinstance(details, dict) else None
    if isinstance(written, dict):
        usage.cache_write_long = _count(written, _LONG)
    left = difference(node, write_usage(usage))
    if left:
        usage.extra = {FAMILY: left}
    return usage


def _read_plain(node: dict[str, Any], usage: ir.Usage) -> bool:
    """Takes the numbers of a usage as OpenAI has it, which needs no look at other names and leaves no rest.
    False where it holds anything else."""
    told = (node.get("prompt_tokens"), node.get("completion_tokens"), node.get("total_tokens"))
    if told != (usage.input, usage.output, usage.input + usage.output):
        return False
    for outer, inner in node.items():
        names = _PLAIN.get(outer)
        if names is None or (names and not (type(inner) is dict and inner)):
            return False
        for key in names and inner:
            field, value = names.get(key), inner[key]
            if field is None or type(value) is not int or value < 0:
                return False
            setattr(usage, field, value)
    return usage.cache_read is None or usage.cache_read <= usage.input


def _count(node: dict[str, Any], key: str) -> int | None:
    value = node.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def write_usage(usage: ir.Usage) -> dict[str, Any]:
    node: dict[str, Any] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output if usage.total is None else usage.total,
    }
    counts = _counts(usage)
    if counts.count(None) < len(counts):
        for (outer, key), value in zip(_FIRST, counts, strict=True):
            if value is not None:
                node.setdefault(outer, {})[key] = value
    if usage.cache_write is not None:
        node["cache_creation_input_tokens"] = usage.cache_write
        node["cache_read_input_tokens"] = usage.cache_read or 0
        if usage.cache_write_long is not None:
            node[_INPUT][_WRITTEN] = {
                _SHORT: max(0, usage.cache_write - usage.cache_write_long),
                _LONG: usage.cache_write_long,
            }
    return restore(node, own(usage.extra)) if usage.extra else node


def read_finish(raw: Any, calls: bool) -> ir.Finish:
    """`calls`: the answer holds tool calls, which a plain stop then means. A server that gives no reason
    for a whole answer means a plain stop, too. Google's adds its own word: "content_filter: RECITATION"."""
    word = raw if isinstance(raw, str) and raw else None
    reason = REASONS.get(word.partition(":")[0].lower(), "stop") if word is not None else "stop"
    if calls and reason == "stop":
        reason = "tool_calls"
    return ir.Finish(reason=reason, raw=word, family=None if word is None else FAMILY)


def write_finish(finish: ir.Finish) -> str:
    if finish.family == FAMILY and finish.raw is not None:
        return finish.raw
    return _RAW[finish.reason]


def finish_fields(finish: ir.Finish) -> dict[str, Any]:
    """What else is to be said of the end, for the choice's `provider_specific_fields`."""
    fields: dict[str, Any] = {}
    if finish.family not in (None, FAMILY):
        if finish.raw is not None and finish.reason in _TOLD:
            fields["native_finish_reason"] = finish.raw
        if finish.sequence is not None:
            fields["stop_sequence"] = finish.sequence
    return fields


def read_logprobs(node: Any) -> list[ir.TokenLogprob] | None:
    """None where there are none, or they have another form, which then stays as it came."""
    content = node.get("content") if isinstance(node, dict) else None
    if not isinstance(content, list):
        return None
    tokens = [_token(item) for item in content]
    return [token for token in tokens if token is not None] if None not in tokens else None


def _token(item: Any) -> ir.TokenLogprob | None:
    if not isinstance(item, dict) or not isinstance(item.get("token"), str):
        return None
    logprob, data, top = item.get("logprob"), item.get("bytes"), item.get("top_logprobs")
    if not isinstance(logprob, int | float) or isinstance(logprob, bool):
        return None
    tops = [_token(inner) for inner in top] if isinstance(top, list) else None
    if tops is not None and None in tops:
        return None
    return ir.TokenLogprob(
        token=item["token"],
        logprob=logprob,
        bytes=data if isinstance(data, list) else None,
        top=None if tops is None else [inner for inner in tops if inner is not None],
    )


def write_logprobs(tokens: list[ir.TokenLogprob]) -> dict[str, Any]:
    return {"content": [_write_token(token, top=True) for token in tokens], "refusal": None}


def _write_token(token: ir.TokenLogprob, top: bool) -> dict[str, Any]:
    node: dict[str, Any] = {"token": token.token, "logprob": token.logprob, "bytes": token.bytes}
    if top:
        node["top_logprobs"] = [_write_token(inner, top=False) for inner in token.top or ()]
    return node
