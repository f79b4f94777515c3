"""Small helpers to read JSON of unknown shape: each says where a value was wrong and what was expected.

`Malformed` never leaves the dialect: request readers turn it into BadRequestError, reply readers into
APIResponseValidationError.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from headgate.errors import APIResponseValidationError, BadRequestError
from headgate.wire.ir import Cache, Extra

FAMILY: Final = "anthropic"

_NAMES: Final[dict[type, str]] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "an array",
}
_MARK_KEYS: Final = frozenset({"type", "ttl"})

_T = TypeVar("_T")


class Malformed(Exception):  # noqa: N818 -- a signal inside the dialect, not an error of the tree
    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where


def bad_request(error: Malformed | RecursionError) -> BadRequestError:
    if isinstance(error, Malformed):
        return BadRequestError(str(error), param=error.where)
    return BadRequestError("the body is nested too deeply")


def bad_reply(error: Malformed | RecursionError) -> APIResponseValidationError:
    problem = str(error) if isinstance(error, Malformed) else "it is nested too deeply"
    return APIResponseValidationError(f"the upstream's answer can't be read: {problem}")


def expect(value: Any, kind: type[_T], where: str) -> _T:
    """The value, if it is of that JSON type. An integer is a number; true and false are neither."""
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return value  # type: ignore[return-value]  # JSON has one kind of number
    raise Malformed(where, f"expected {_NAMES[kind]}, got {_got(value)}")


def required(node: Mapping[str, Any], key: str, kind: type[_T], where: str) -> _T:
    if key not in node:
        raise Malformed(_at(where, key), f"required, expected {_NAMES[kind]}")
    return expect(node[key], kind, _at(where, key))


def optional(node: Mapping[str, Any], key: str, kind: type[_T], where: str) -> _T | None:
    """None where the key is missing or null."""
    value = node.get(key)
    return None if value is None else expect(value, kind, _at(where, key))


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
    at = _at(where, "cache_control")
    return Cache(ttl=optional(mark, "ttl", str, at), kind=optional(mark, "type", str, at) or "ephemeral")


def _at(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _got(value: Any) -> str:
    if value is None:
        return "null"
    return next((name for kind, name in _NAMES.items() if type(value) is kind), "something else")
