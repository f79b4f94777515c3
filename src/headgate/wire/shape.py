"""Reading JSON of unknown shape, and keeping what was read exactly.

`expect`, `required` and `optional` say where a value was wrong and what was expected; `Malformed` never
leaves a dialect: what reads requests bears `says_bad_request`, what reads answers `says_bad_reply`.

`difference` and `restore` are how a dialect forgets nothing: what it reads it writes at once, and where the
two differ the difference is kept in the node's `extra`. Knows no format.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

import msgspec

from headgate.errors import APIResponseValidationError, BadRequestError

ABSENT: Final = msgspec.UNSET
"""In an `extra`: the writer would put this key, but it was not there."""

NAMES: Final[dict[type, str]] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "an array",
}

_DECODE: Final = msgspec.json.Decoder().decode
P = ParamSpec("P")
T = TypeVar("T")


class Malformed(Exception):  # noqa: N818 -- a signal inside a dialect, not an error of the tree
    """`where` is the place as the caller wrote it: "messages[1].content[0].type"."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}" if where else problem)
        self.where = where


def bad_request(error: Malformed | RecursionError) -> BadRequestError:
    if isinstance(error, Malformed):
        return BadRequestError(str(error), param=error.where or None)
    return BadRequestError("the body is nested too deeply", param="request_body")


def bad_reply(error: Malformed | RecursionError) -> APIResponseValidationError:
    problem = str(error) if isinstance(error, Malformed) else "it is nested too deeply"
    return APIResponseValidationError(f"the upstream's answer can't be read: {problem}")


def says_bad_request(work: Callable[P, T]) -> Callable[P, T]:
    """For what reads or writes a request: what is malformed, or nested too deeply, is raised as BadRequestError."""

    @wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except (Malformed, RecursionError) as error:
            raise bad_request(error) from None

    return run


def says_bad_reply(work: Callable[P, T]) -> Callable[P, T]:
    """For what reads an answer: what is malformed, or nested too deeply, is raised as APIResponseValidationError."""

    @wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except (Malformed, RecursionError) as error:
            raise bad_reply(error) from None

    return run


def reply_json(body: bytes | str) -> Any:
    """What an upstream answered. Raises APIResponseValidationError for what is no JSON."""
    try:
        return _DECODE(body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise APIResponseValidationError(f"the upstream's answer is no JSON: {error}") from None


def reply_object(body: bytes | str) -> dict[str, Any]:
    """What an upstream answered. Raises APIResponseValidationError for what is no JSON object."""
    document = reply_json(body)
    if not isinstance(document, dict):
        raise APIResponseValidationError("the upstream's answer is no JSON object")
    return document


def expect(value: Any, kind: type[T], where: str) -> T:
    """The value, if it is of that JSON type. An integer is a number; true and false are neither."""
    if type(value) is kind:
        return value
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return value  # type: ignore[return-value]  # JSON has one kind of number
    raise Malformed(where, f"expected {NAMES[kind]}, got {_got(value)}")


def required(node: Mapping[str, Any], key: str, kind: type[T], where: str) -> T:
    value = node.get(key)
    if type(value) is kind:  # nearly always: the place is put together for what is wrong
        return value
    if key not in node:
        raise Malformed(at(where, key), f"required, expected {NAMES[kind]}")
    return expect(value, kind, at(where, key))


def optional(node: Mapping[str, Any], key: str, kind: type[T], where: str) -> T | None:
    """None where the key is missing or null."""
    value = node.get(key)
    if value is None or type(value) is kind:
        return value
    return expect(value, kind, at(where, key))


def at(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _got(value: Any) -> str:
    if value is None:
        return "null"
    return next((name for kind, name in NAMES.items() if type(value) is kind), "something else")


def difference(came: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """What must be laid over `written` to have `came`."""
    left = {key: value for key, value in came.items() if key not in written or written[key] != value}
    for key in written:
        if key not in came:
            left[key] = ABSENT
    return left


def restore(written: dict[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Lays a difference over what was written, in place."""
    for key, value in kept.items():
        if value is ABSENT:
            written.pop(key, None)
        else:
            written[key] = value
    return written
