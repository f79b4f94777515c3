"""What LiteLLM's columns hold, as ours hold it. Pure. Every reader raises ValueError for what it can't read, with
what was expected."""

from collections.abc import Callable, Mapping
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from headgate.money import units
from headgate.store.directory import budget_of
from headgate.store.litellm.secretbox import SealedError
from headgate.store.periods import parse

MOST: Final = Decimal(9_000_000)
"""Dollars: SQLite's whole numbers of units end a little above."""
MAX_COUNT: Final = 2**63 - 1
EARLIEST, LATEST = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (MINYEAR + 1, MAXYEAR))
"""Times that every date can be made of."""
ROLES: Final = ("proxy_admin", "proxy_admin_viewer", "org_admin", "internal_user", "internal_user_viewer")
KEY_TYPES: Final = ("default", "llm_api", "management", "read_only")
_EMPTY: Final[tuple[Any, ...]] = (None, "", [], {}, False)
_decode: Final = msgspec.json.Decoder().decode


def json(value: Any) -> Any:
    """The value of a JSON column, which is read as a text. Some versions put the JSON into a JSON text."""
    if not isinstance(value, str):
        return value
    try:
        found = _decode(value)
        return _decode(found) if isinstance(found, str) and found[:1] in "[{" and found else found
    except msgspec.DecodeError:
        raise ValueError("expected JSON") from None


def is_set(value: Any) -> bool:
    """Whether a field that we don't know does anything."""
    if isinstance(value, str) and value[:1] in ("{", "[", '"', "n"):
        try:
            value = json(value)
        except ValueError:
            return True
    if isinstance(value, dict):
        return any(inner not in _EMPTY for inner in value.values())
    return value not in _EMPTY


def text(value: Any) -> str | None:
    """LiteLLM writes "" for nothing in places."""
    if value is not None and not isinstance(value, str):
        raise ValueError("expected a text")
    return value or None


def masked(value: Any) -> str | None:
    """What a key is shown as: some versions could keep the whole key there."""
    found = text(value)
    return f"sk-...{found[-4:]}" if found and found.startswith("sk-") and "..." not in found else found


def name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a text that is not empty")
    return value


def texts(value: Any) -> list[str] | None:
    if isinstance(value, str):
        value = json(value)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("expected a list of texts")
    return [item for item in value if item]


def flag(value: Any) -> bool:
    if value not in (None, True, False):
        raise ValueError("expected true or false")
    return bool(value)


def exact(value: Any) -> Decimal:
    """The number that a float's shortest text says, or that a sum of such was."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("expected a number")
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not number.is_finite():
        raise ValueError("expected a finite number")
    return number


def spent(value: Any) -> int:
    """In units; nothing is 0."""
    number = Decimal(0) if value is None else exact(value)
    if abs(number) > MOST:
        raise ValueError(f"expected dollars up to {MOST:,}")
    return units(number)


def money(value: Any) -> int | None:
    """A limit. More than we can hold is the most that we can hold: as good as none, and still one."""
    if value is None:
        return None
    number = exact(value)
    if number < 0:
        raise ValueError("expected dollars of 0 or more")
    return units(min(number, MOST))


def count(value: Any) -> int | None:
    if value is None:
        return None
    number = exact(value)
    if not 0 <= number <= MAX_COUNT or number != int(number):
        raise ValueError("expected a whole number of 0 or more")
    return int(number)


def duration(value: Any) -> str | None:
    if not value:
        return None
    parse(name(value))
    return str(value)


def mapping(value: Any) -> dict[str, Any] | None:
    found = json(value)
    if found is not None and not isinstance(found, dict):
        raise ValueError("expected an object")
    return found


def counts(value: Any) -> dict[str, int] | None:
    """Limits by model."""
    found = {model: count(limit) for model, limit in (mapping(value) or {}).items()}
    return {model: limit for model, limit in found.items() if limit is not None} or None


def budgets(value: Any) -> dict[str, Any] | None:
    """Budgets by model: dollars, or {"budget_limit": dollars, "time_period": "1d"}."""
    found = mapping(value) or {}
    for given in found.values():
        try:
            limit, period = budget_of(given)
        except ArithmeticError:
            raise ValueError("expected dollars by model") from None
        if limit < 0:
            raise ValueError("expected dollars of 0 or more by model")
        if period:
            parse(period)
    return found or None


def aliases(value: Any) -> dict[str, str] | None:
    found = mapping(value)
    if not all(isinstance(model, str) for model in (found or {}).values()):
        raise ValueError("expected an object of names to models")
    return found


def moment(value: Any) -> float | None:
    """Unix seconds; infinity, and what is beyond all calendars, is never."""
    if value is None or value > LATEST:
        return None
    if not value >= EARLIEST:
        raise ValueError("expected a time after the year 0")
    return float(value)


def role(value: Any) -> str:
    """LiteLLM has roles that are no roles of a user; they may no more than a user."""
    return value if value in ROLES else "internal_user"


def key_type(value: Any) -> str | None:
    if value is not None and value not in KEY_TYPES:
        raise ValueError(f"expected one of {', '.join(KEY_TYPES)}")
    return text(value)


def params(value: Any) -> dict[str, Any]:
    """Parameters or values in plain, or why they are not there."""
    if isinstance(value, SealedError):
        raise ValueError(str(value) or "can't be decrypted: LITELLM_SALT_KEY must be that of LiteLLM")
    if not isinstance(value, dict):
        raise ValueError(str(value))
    return {name: inner for name, inner in value.items() if inner is not None}


READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    reader.__name__: reader
    for reader in (
        text, name, texts, flag, money, count, duration, mapping, counts, budgets, aliases, moment, role, key_type,
        params, masked,
    )
}  # fmt: skip
