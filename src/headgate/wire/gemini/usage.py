"""Token usage, finish reasons and log probabilities, both ways.

The numbers of a stream are totals so far: the last one counts.
https://ai.google.dev/api/generate-content#UsageMetadata
https://ai.google.dev/api/generate-content#FinishReason
"""

from typing import Any, Final

from headgate.wire import ir
from headgate.wire.gemini.check import FAMILY, kept, optional, own, required

_COUNTS: Final = (
    "promptTokenCount",
    "candidatesTokenCount",
    "responseTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "cachedContentTokenCount",
    "totalTokenCount",
)
_DERIVED: Final = frozenset({*_COUNTS, "serviceTier"}) - {"toolUsePromptTokenCount"}
_MODALITIES: Final = {1: "TEXT", 2: "IMAGE", 3: "VIDEO", 4: "AUDIO", 5: "DOCUMENT"}
"""Numbers stand for names where a client asked for `enum-encoding=int`."""

_TIERS: Final = {"standard": "default", "flex": "flex", "priority": "priority", "batch": "batch"}
_TIER_NAMES: Final = {ours: native for native, ours in _TIERS.items()}
_TRAFFIC: Final = {"ON_DEMAND_FLEX": "flex", "ON_DEMAND_PRIORITY": "priority"}

_FILTERED: Final = (
    "SAFETY RECITATION LANGUAGE OTHER BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY "
    "IMAGE_PROHIBITED_CONTENT IMAGE_RECITATION IMAGE_OTHER NO_IMAGE MODEL_ARMOR ESCALATION"
)
_FAILED: Final = (
    "MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MALFORMED_RESPONSE "
    "MISSING_THOUGHT_SIGNATURE"
)
REASONS: Final[dict[str, ir.FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(_FILTERED.split(), "content_filter"),
    **dict.fromkeys(_FAILED.split(), "error"),
}
_NUMBERED: Final = {
    0: "FINISH_REASON_UNSPECIFIED", 1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION", 5: "OTHER",
    6: "LANGUAGE", 7: "BLOCKLIST", 8: "PROHIBITED_CONTENT", 9: "SPII", 10: "MALFORMED_FUNCTION_CALL",
    11: "IMAGE_SAFETY",
}  # fmt: skip
_RAW: Final[dict[ir.FinishReason, str]] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "pause": "STOP",
    "error": "OTHER",
}


# --- why it stopped --------------------------------------------------------------------------------------


def finish_name(value: Any) -> str | None:
    """The name of a finish reason, also where it came as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _NUMBERED.get(value, str(value))
    return value if isinstance(value, str) and value else None


def read_finish(raw: str, *, calls: bool) -> ir.Finish:
    """`calls`: the answer holds function calls. The API has no reason of its own for these."""
    reason = REASONS.get(raw, "stop")
    if reason in ("stop", "error") and calls:
        reason = "tool_calls"
    return ir.Finish(reason=reason, raw=raw, family=FAMILY)


def write_finish(finish: ir.Finish | None) -> str | None:
    """Our own spelling only where it says the same."""
    if finish is None:
        return None
    raw = finish.raw
    if finish.family == FAMILY and raw is not None:
        said = REASONS.get(raw, "stop")
        if finish.reason == said or (said in ("stop", "error") and finish.reason == "tool_calls"):
            return raw
    return _RAW[finish.reason]


# --- usage -----------------------------------------------------------------------------------------------


def read_usage(node: dict[str, Any], where: str = "usageMetadata") -> ir.Usage:
    """Thoughts are output, the prompts of hosted tools input. Some answers count thoughts twice over: as they
    are part of the candidates' tokens already, they are not added where the sum is right without them.
    """
    prompt, answered, response, thoughts, tools, cached, total = [
        optional(node, name, int, where) for name in _COUNTS
    ]
    tokens_in = (prompt or 0) + (tools or 0)
    tokens_out = (response if response is not None else answered) or 0
    if thoughts and total != tokens_in + tokens_out:
        tokens_out += thoughts
    inputs = _by_modality(node, "promptTokensDetails", "toolUsePromptTokensDetails")
    outputs = _by_modality(node, "candidatesTokensDetails", "responseTokensDetails")
    tier = node.get("serviceTier")
    left = {key: value for key, value in node.items() if key not in _DERIVED and value is not None}
    if isinstance(tier, str) and tier.lower() not in _TIERS:
        left["serviceTier"] = tier
    return ir.Usage(
        input=tokens_in,
        output=tokens_out,
        total=total,
        cache_read=cached,
        reasoning=thoughts,
        audio_input=inputs.get("AUDIO"),
        image_input=inputs.get("IMAGE"),
        audio_output=outputs.get("AUDIO"),
        image_output=outputs.get("IMAGE"),
        service_tier=_tier(tier, node.get("trafficType")),
        extra=kept(left),
    )


def _tier(tier: Any, traffic: Any) -> str | None:
    if isinstance(tier, str):
        return _TIERS.get(tier.lower())
    return _TRAFFIC.get(traffic) if isinstance(traffic, str) else None


def _by_modality(node: dict[str, Any], *names: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        details = node.get(name)
        for item in details if isinstance(details, list) else ():
            if not isinstance(item, dict):
                continue
            modality, tokens = item.get("modality"), item.get("tokenCount")
            if isinstance(modality, int):
                modality = _MODALITIES.get(modality)
            if isinstance(modality, str) and isinstance(tokens, int):
                counts[modality] = counts.get(modality, 0) + tokens
    return counts


def write_usage(usage: ir.Usage) -> dict[str, Any]:
    native = own(usage.extra)
    tools = native.get("toolUsePromptTokenCount")
    tools = tools if isinstance(tools, int) else 0
    thoughts = (
        None if usage.reasoning is None else min(usage.reasoning, usage.output)
    )  # some servers count more
    answered = usage.output - (thoughts or 0)
    node: dict[str, Any] = {}
    if usage.input > tools:
        node["promptTokenCount"] = usage.input - tools
    if answered > 0:
        node["candidatesTokenCount"] = answered
    if thoughts is not None:
        node["thoughtsTokenCount"] = thoughts
    if usage.cache_read is not None:
        node["cachedContentTokenCount"] = usage.cache_read
    if total := usage.input + usage.output if usage.total is None else usage.total:
        node["totalTokenCount"] = total
    for name, sound, pictures, tokens in (
        ("promptTokensDetails", usage.audio_input, usage.image_input, usage.input - tools),
        ("candidatesTokensDetails", usage.audio_output, usage.image_output, answered),
    ):
        if name not in native and (sound or pictures):
            node[name] = _details(sound or 0, pictures or 0, tokens)
    tier = _TIER_NAMES.get(usage.service_tier or "")
    if tier is not None and "trafficType" not in native:
        node["serviceTier"] = tier
    return {**node, **native}


def _details(sound: int, pictures: int, total: int) -> list[dict[str, Any]]:
    counts = (("TEXT", total - sound - pictures), ("IMAGE", pictures), ("AUDIO", sound))
    return [{"modality": name, "tokenCount": tokens} for name, tokens in counts if tokens > 0]


# --- log probabilities -----------------------------------------------------------------------------------


def read_logprobs(result: dict[str, Any], where: str) -> list[ir.TokenLogprob] | None:
    chosen = optional(result, "chosenCandidates", list, where)
    if chosen is None:
        return None
    others = optional(result, "topCandidates", list, where) or []
    tokens: list[ir.TokenLogprob] = []
    for at, value in enumerate(chosen):
        token = _token(value, f"{where}.chosenCandidates[{at}]")
        if at < len(others) and isinstance(others[at], dict):
            place = f"{where}.topCandidates[{at}]"
            top = optional(others[at], "candidates", list, place) or []
            token.top = [_token(item, f"{place}.candidates[{number}]") for number, item in enumerate(top)]
        tokens.append(token)
    return tokens


def _token(value: Any, where: str) -> ir.TokenLogprob:
    node = value if isinstance(value, dict) else {}
    token = required(node, "token", str, where)
    return ir.TokenLogprob(
        token=token,
        logprob=optional(node, "logProbability", float, where) or 0.0,
        bytes=list(token.encode("utf-8", "replace")),
    )


def write_logprobs(tokens: list[ir.TokenLogprob]) -> dict[str, Any]:
    node: dict[str, Any] = {"chosenCandidates": [_candidate(token) for token in tokens]}
    if any(token.top is not None for token in tokens):
        node["topCandidates"] = [
            {"candidates": [_candidate(other) for other in token.top or ()]} for token in tokens
        ]
    return node


def _candidate(token: ir.TokenLogprob) -> dict[str, Any]:
    return {"token": token.token, "logProbability": token.logprob}
