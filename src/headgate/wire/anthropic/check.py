"""What every module of this dialect shares: the family's name, cache marks, fields that the IR has no name for."""

from collections.abc import Mapping
from typing import Any, Final

from headgate.wire.ir import Cache, Extra
from headgate.wire.shape import at, optional

FAMILY: Final = "anthropic"
_MARK_KEYS: Final = frozenset({"type", "ttl"})


def rest(node: Mapping[str, Any], known: frozenset[str]) -> Extra | None:
    """What the IR has no name for, nulls of known keys too: absent and null differ."""
    left = {key: value for key, value in node.items() if key not in known or value is None}
    mark = node.get("cache_control")
    if isinstance(mark, dict) and not mark.keys() <= _MARK_KEYS:
        left["cache_control"] = mark
    return {FAMILY: left} if left else None


def cache_mark(node: Mapping[str, Any], where: str) -> Cache | None:
    mark = optional(node, "cache_control", dict, where)
    if mark is None:
        return None
    place = at(where, "cache_control")
    return Cache(
        ttl=optional(mark, "ttl", str, place), kind=optional(mark, "type", str, place) or "ephemeral"
    )
