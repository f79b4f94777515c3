"""What management bodies may hold: every field has a kind, and an unknown one is named with the nearest known."""

import ipaddress
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request

from headgate.errors import BadRequestError, RequestTooLargeError
from headgate.money import units_of
from headgate.server.callers import ROUTE_GROUPS
from headgate.server.config.nearest import nearest
from headgate.store.periods import EXPECTED, seconds

MAX_BODY: Final = 1024 * 1024
MAX_TEXT: Final = 10_000
MAX_DOLLARS: Final = 1e6
MAX_COUNT: Final = 10**15
MAX_SECONDS: Final = 36_500 * 86_400.0
"""A hundred years: what ends later has no date."""
NEVER: Final = "-1"
"""LiteLLM's word for a key that does not expire."""
USER_ROLES: Final = (
    "proxy_admin",
    "proxy_admin_viewer",
    "org_admin",
    "internal_user",
    "internal_user_viewer",
)
PERMISSIONS: Final = tuple(
    """/key/generate /key/service-account/generate /key/update /key/delete /key/regenerate /key/info /key/list
    /key/health /key/block /key/unblock /key/{key_id}/regenerate""".split()
)
"""LiteLLM's names of what members may do with the team's keys; reading them is always allowed."""
_decode: Final = msgspec.json.Decoder().decode


class Kind(msgspec.Struct, frozen=True):
    """`read` makes a column's value of a field's, or raises ValueError, TypeError."""

    expected: str
    read: Callable[[Any], Any]


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT or "\0" in value:
        raise ValueError
    return str(value)


def _name(value: Any) -> str:
    text = _text(value)
    if not text.strip() or len(text) > 256:
        raise ValueError
    return text


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > 10_000:
        raise ValueError
    return [_name(item) for item in value]


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError
    return value


def _money(value: Any) -> int:
    if _number(value) > MAX_DOLLARS:
        raise ValueError
    return units_of(value)


def _count(value: Any) -> int:
    number = _number(value)
    if number != int(number) or number > MAX_COUNT:
        raise ValueError
    return int(number)


def _duration(value: Any) -> str:
    if seconds(_text(value)) > MAX_SECONDS:
        raise ValueError
    return str(value)


def _lifetime(value: Any) -> str:
    return NEVER if value == NEVER else _duration(value)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _counts(value: Any) -> dict[str, int]:
    return {_name(name): _count(limit) for name, limit in _mapping(value).items()}


def _budgets(value: Any) -> dict[str, Any]:
    return {_name(name): _budget(given) for name, given in _mapping(value).items()}


def _budget(given: Any) -> Any:
    """Dollars, or an object of them and a period: both under one of their two names."""
    if not isinstance(given, dict):
        _money(given)
        return given
    found = {name: value for name, value in given.items() if value is not None}
    limits, periods = ([found[name] for name in names if name in found] for names in _BUDGET)
    if len(limits) != 1 or len(limits) + len(periods) != len(found) or len(periods) > 1:
        raise ValueError
    _money(float(limits[0]) if isinstance(limits[0], str) else limits[0])
    for period in periods:
        _duration(period)
    return found


_BUDGET: Final = (("budget_limit", "max_budget"), ("time_period", "budget_duration"))


def _aliases(value: Any) -> dict[str, str]:
    return {_name(alias): _name(model) for alias, model in _mapping(value).items()}


def _networks(value: Any) -> list[str]:
    return [str(ipaddress.ip_network(_name(item), strict=False)) for item in _texts(value)]


def _routes(value: Any) -> list[str]:
    found = _texts(value)
    if not all(route.startswith("/") or route in ROUTE_GROUPS for route in found):
        raise ValueError
    return found


def one_of(*names: str) -> Kind:
    def read(value: Any) -> str:
        if value not in names:
            raise ValueError
        return str(value)

    return Kind("one of " + ", ".join(names), read)


def some_of(*names: str) -> Kind:
    def read(value: Any) -> list[str]:
        found = _texts(value)
        if not set(found) <= set(names):
            raise ValueError
        return found

    return Kind("a list of " + ", ".join(names), read)


_DURATION: Final = EXPECTED + ", of a hundred years at most"
KINDS: Final[Mapping[str, Kind]] = {
    "text": Kind("a text", _text),
    "name": Kind("a text that is not empty, of at most 256 characters", _name),
    "names": Kind("a list of texts", _texts),
    "flag": Kind("true or false", _flag),
    "money": Kind(f"dollars, from 0 to {MAX_DOLLARS:,.0f}", _money),
    "count": Kind("a whole number of 0 or more", _count),
    "duration": Kind(_DURATION, _duration),
    "lifetime": Kind(f"{_DURATION}, or {NEVER} for ever", _lifetime),
    "mapping": Kind("an object", _mapping),
    "counts": Kind('an object of model names to whole numbers, such as {"gpt-4o": 10}', _counts),
    "budgets": Kind(
        'an object such as {"gpt-4o": {"budget_limit": 5, "time_period": "1d"}}, with no more than these two',
        _budgets,
    ),
    "aliases": Kind('an object of names to models, such as {"fast": "gpt-4o-mini"}', _aliases),
    "routes": Kind(
        "a list of paths such as /v1/chat/completions or /v1/*, or of " + ", ".join(ROUTE_GROUPS), _routes
    ),
    "networks": Kind("a list of IP addresses or networks", _networks),
    "any": Kind("any value", lambda value: value),
    "user_role": one_of(*USER_ROLES),
    "member_role": one_of("admin", "user"),
    "budget_mode": one_of("strict", "estimate"),
    "key_type": one_of("default", "llm_api", "management", "read_only"),
    "permissions": some_of(*PERMISSIONS),
}


def table(text: str) -> dict[str, str]:
    """`name:kind name:kind …` as a table."""
    return dict(pair.split(":") for pair in text.split())


LIMITS: Final = table(
    """max_budget:money soft_budget:money budget_duration:duration budget_mode:budget_mode rpm_limit:count
    tpm_limit:count max_parallel_requests:count model_max_budget:budgets model_rpm_limit:counts
    model_tpm_limit:counts"""
)


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object of a request. Raises BadRequestError, RequestTooLargeError."""
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > MAX_BODY:
            raise RequestTooLargeError(f"a management request may have {MAX_BODY} bytes")
    try:
        body = _decode(data or b"{}")
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequestError(f"the body is no JSON: {error}", param="request_body") from None
    if not isinstance(body, dict):
        raise BadRequestError("the body must be a JSON object", param="request_body")
    return body


def read(
    body: Mapping[str, Any],
    fields: Mapping[str, str],
    *,
    later: frozenset[str] = frozenset(),
    place: str = "",
) -> dict[str, Any]:
    """The values of a body by field; null stays None. `later` are fields of LiteLLM's that are not built.

    Raises BadRequestError naming the first field that is wrong.
    """
    found: dict[str, Any] = {}
    for name, value in body.items():
        where = f"{place}{name}"
        kind = fields.get(name)
        if kind is None:
            if name in later and value in (None, [], {}, False, ""):
                continue
            raise BadRequestError(_unknown(where, name, fields, later), param=where)
        if value is None:
            found[name] = None
            continue
        try:
            found[name] = KINDS[kind].read(value)
        except (ValueError, TypeError, ArithmeticError):
            raise BadRequestError(
                f"{where!r} is {msgspec.json.encode(value, enc_hook=str)[:60].decode('utf-8', 'replace')}: "
                f"expected {KINDS[kind].expected}",
                param=where,
            ) from None
    return found | _inside(found, fields, place)


def _inside(found: Mapping[str, Any], fields: Mapping[str, str], place: str) -> dict[str, Any]:
    """What LiteLLM keeps, and takes, inside `metadata`, where it is not given beside it."""
    metadata = found.get("metadata") or {}
    given = {name: metadata[name] for name in _INSIDE if name in fields and name in metadata}
    missing = {name: value for name, value in given.items() if found.get(name) is None}
    return read(missing, fields, place=f"{place}metadata.") if missing else {}


_INSIDE: Final = ("tags", "model_rpm_limit", "model_tpm_limit")


def _unknown(where: str, name: str, fields: Mapping[str, str], later: frozenset[str]) -> str:
    if name in later:
        return f"{where!r} is a field of LiteLLM's that Headgate does not support yet: leave it out"
    near = nearest(name, list(fields))
    return f"unknown field {where!r}" + (f": did you mean {near!r}?" if near else "")


def required(values: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if values.get(name) in (None, "", [], {}):
            raise BadRequestError(f"{name!r} is missing", param=name)


def paging(request: Request, size_name: str = "size", most: int = 500, default: int = 50) -> tuple[int, int]:
    """The page, counted from 1, and rows per page. Raises BadRequestError."""
    page, size = query_count(request, "page", 1), query_count(request, size_name, default)
    if not 1 <= size <= most:
        raise BadRequestError(f"{size_name!r} must be between 1 and {most}", param=size_name)
    return max(1, page), size


def query_count(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise BadRequestError(f"{name!r} must be a whole number", param=name)
    return int(text)


def query_flag(asked: Mapping[str, str], name: str) -> bool:
    """False where it is not given. Raises BadRequestError."""
    value = _FLAGS.get(asked.get(name, "").lower())
    if value is None:
        raise BadRequestError(f"{name!r} must be true or false", param=name)
    return value


_FLAGS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


def query(request: Request, *known: str) -> dict[str, str]:
    """The query's parameters. Raises BadRequestError for one that nobody reads."""
    for name in request.query_params:
        if name not in known:
            near = nearest(name, list(known))
            raise BadRequestError(
                f"unknown parameter {name!r}" + (f": did you mean {near!r}?" if near else ""), param=name
            )
    return dict(request.query_params)
