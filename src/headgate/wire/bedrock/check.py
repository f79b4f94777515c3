"""What every module of this dialect shares: the family's name, and fields that the IR has no name for."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from headgate.wire.ir import Cache, Extra

FAMILY: Final = "bedrock"


def kept(fields: Mapping[str, Any]) -> Extra | None:
    return {FAMILY: dict(fields)} if fields else None


def rest(node: Mapping[str, Any], known: Collection[str]) -> Extra | None:
    return kept({key: value for key, value in node.items() if key not in known})


def own(extra: Extra | None) -> dict[str, Any]:
    """The fields that go back into this format."""
    return extra.get(FAMILY, {}) if extra else {}


def cache_point(cache: Cache, ttl: bool = True) -> dict[str, Any]:
    point = {"type": _POINTS.get(cache.kind, cache.kind)}
    return {"cachePoint": {**point, "ttl": cache.ttl} if ttl and cache.ttl else point}


def read_cache_point(node: Mapping[str, Any]) -> Cache | None:
    """The mark, None for a node that is none or says more than a mark can."""
    point = node.get("cachePoint")
    if len(node) != 1 or not isinstance(point, dict) or not point.keys() <= {"type", "ttl"}:
        return None
    kind, ttl = point.get("type"), point.get("ttl")
    if not isinstance(kind, str) or not isinstance(ttl, str | None):
        return None
    return Cache(ttl=ttl, kind=_KINDS.get(kind, kind))


_POINTS: Final = {"ephemeral": "default"}
_KINDS: Final = {"default": "ephemeral"}
