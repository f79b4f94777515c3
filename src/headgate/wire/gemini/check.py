"""Small helpers to read Gemini's JSON: each says where a value was wrong and what was expected.

Google's JSON takes field names in camelCase and in snake_case, one object where a list of one is meant, and
whole numbers written as 40.0. All of that is evened out here, so that readers know one spelling only.
`Malformed` never leaves the dialect: request readers turn it into BadRequestError, reply readers into
APIResponseValidationError.

https://protobuf.dev/programming-guides/json/
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from headgate.errors import APIResponseValidationError, BadRequestError
from headgate.wire.ir import Extra

FAMILY: Final = "gemini"

_NAMES: Final[dict[type, str]] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "an array",
}

_T = TypeVar("_T")

_DECODE = msgspec.json.Decoder().decode
_ENCODE = msgspec.json.Encoder().encode


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
    """The value, if it is of that JSON type. An integer is a number; true and false are neither."""
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and kind is float:
        return value  # type: ignore[return-value]  # JSON has one kind of number
    if isinstance(value, float) and kind is int and value.is_integer():
        return int(value)  # type: ignore[return-value]
    raise Malformed(where, f"expected {_NAMES[kind]}, got {_got(value)}")


def required(node: Mapping[str, Any], key: str, kind: type[_T], where: str) -> _T:
    if node.get(key) is None:
        raise Malformed(at(where, key), f"required, expected {_NAMES[kind]}")
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


def at(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _got(value: Any) -> str:
    if value is None:
        return "null"
    return next((name for kind, name in _NAMES.items() if type(value) is kind), "something else")
