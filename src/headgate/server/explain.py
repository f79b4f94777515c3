"""Why a call goes where it goes: who could be asked, who not and why, what comes after. Pure."""

from typing import Any

from headgate.core.call import Call
from headgate.core.fallback import Fallbacks
from headgate.core.route import Group


def decision(group: Group, call: Call, now: float) -> dict[str, Any]:
    """Latencies in seconds; `why_not` is "" for who may be asked."""
    lists: Fallbacks = call.options.fallbacks.over(group.fallbacks)
    return {
        "group": group.name,
        "strategy": group.strategy,
        "candidates": [
            {
                "id": one.id,
                "model": f"{one.provider.id}/{one.model}",
                "why_not": group.why_not(one, call, now),
                "order": one.order,
                "weight": one.weight or one.rpm or one.tpm,
                "in_flight": one.track.in_flight,
                "latency": round(one.track.latency(call.stream).score, 4),
            }
            for one in group.deployments
        ],
        "fallbacks": list(lists.general),
        "context_window_fallbacks": list(lists.context_window),
        "content_policy_fallbacks": list(lists.content_policy),
    }


def state(groups: list[Group], now: float) -> dict[str, Any]:
    """/router/state: what is known of every deployment from its calls."""
    return {
        group.name: {
            "strategy": group.strategy,
            "waiting": len(group.queue),
            "deployments": [
                {"id": one.id, "model": f"{one.provider.id}/{one.model}", **one.track.shown(now)}
                for one in group.deployments
            ],
        }
        for group in groups
    }
