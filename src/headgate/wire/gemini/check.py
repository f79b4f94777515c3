"""Small helpers to read Gemini's JSON, beside those of `wire/shape.py`.

Google's JSON takes field names in camelCase and in snake_case, one object where a list of one is meant, and
whole numbers written as 40.0. All of that is evened out here, so that readers know one spelling only.

https://protobuf.dev/programming-guides/json/
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from headgate.wire import shape
from headgate.wire.ir import Extra
from headgate.wire.shape import NAMES, Malformed, at

FAMILY: Final = "gemini"

_T = TypeVar("_T")

_DECODE = msgspec.json.Decoder().decode
_ENCODE = msgspec.json.Encoder().encode


def json_text(value: Any) -> str:
    return _ENCODE(value).decode()


def json_object(text: str) -> dict[str, Any] | None:
    """The object that the text is, None where it is none."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = _DECODE(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def camel(name: str) -> str:
    """`snake_case` → `camelCase`; a leading underscore stays."""
    head, *rest = name.lstrip("_").split("_")
    return (
        "_" * (len(name) - len(name.lstrip("_")))
        + head
        + "".join(part[:1].upper() + part[1:] for part in rest)
    )


def fields(node: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """A copy with the known fields in camelCase. Others keep the name they came with."""
    out: dict[str, Any] = {}
    for key, value in node.items():
        name = camel(key) if "_" in key else key
        out[name if name in known else key] = value
    return out


def own(extra: Extra | None) -> dict[str, Any]:
    """The fields that came from this family."""
    return extra.get(FAMILY, {}) if extra else {}


def kept(left: dict[str, Any]) -> Extra | None:
    return {FAMILY: left} if left else None


def rest(node: Mapping[str, Any], known: frozenset[str]) -> Extra | None:
    """What the IR has no name for. A null is the same as nothing in Google's JSON."""
    return kept({key: value for key, value in node.items() if key not in known and value is not None})


def expect(value: Any, kind: type[_T], where: str) -> _T:
    """As `shape.expect`, and 40.0 is an integer. The common case comes first: this is asked for every piece."""
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    if isinstance(value, float) and kind is int and value.is_integer():
        return int(value)  # type: ignore[return-value]
    return shape.expect(value, kind, where)


def required(node: Mapping[str, Any], key: str, kind: type[_T], where: str) -> _T:
    if node.get(key) is None:
        raise Malformed(at(where, key), f"required, expected {NAMES[kind]}")
    return expect(node[key], kind, at(where, key))


def optional(node: Mapping[str, Any], key: str, kind: type[_T], where: str) -> _T | None:
    """None where the key is missing or null."""
    value = node.get(key)
    return None if value is None else expect(value, kind, at(where, key))


def listed(node: Mapping[str, Any], key: str, where: str) -> list[Any]:
    """A list, also where a single object stands for it; empty where the key is missing or null."""
    value = node.get(key)
    if value is None:
        return []
    return [value] if isinstance(value, dict) else expect(value, list, at(where, key))
