"""What the configuration says of new keys and users: what they get where nobody says otherwise, and the most that a
key may be given. It knows rows and settings, and no requests.

https://docs.litellm.ai/docs/proxy/virtual_keys#default-keygenerate-params
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from headgate.errors import BadRequestError
from headgate.server.admin import fields
from headgate.server.callers import USER, VIEWER
from headgate.server.config.schema import LitellmSettings
from headgate.store.periods import seconds

_KEY: Final = fields.LIMITS | fields.table(
    "duration:duration models:names metadata:mapping tags:names team_id:name"
)
_USER: Final = fields.LIMITS | fields.table("user_role:user_role models:names metadata:mapping")
_DURATIONS: Final = ("duration", "budget_duration")
_OPEN: Final[tuple[Any, ...]] = (None, [], {})


def new_key(settings: LitellmSettings, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a new key gets beside what was asked for. Raises BadRequestError for what is above a bound."""
    given = fields.read(settings.default_key_generate_params, _KEY)
    more = {name: value for name, value in given.items() if values.get(name) in _OPEN}
    bounds = fields.read(settings.upperbound_key_generate_params, _KEY)
    full = {**values, **more}
    bounded(settings, {name: full[name] for name in bounds if full.get(name) is not None})
    return more | {name: bound for name, bound in bounds.items() if full.get(name) is None}


def bounded(settings: LitellmSettings, values: Mapping[str, Any]) -> None:
    """Raises BadRequestError for a value above what a key may have; null is above everything."""
    written = settings.upperbound_key_generate_params
    for name, bound in fields.read(written, _KEY).items():
        if name not in values:
            continue
        value = values[name]
        if value is None or _size(name, value) > _size(name, bound):
            raise BadRequestError(
                f"{name!r} may be {written[name]} at most: upperbound_key_generate_params of the configuration",
                param=name,
            )


def _size(name: str, value: Any) -> float:
    if name in _DURATIONS:
        return math.inf if value == fields.NEVER else seconds(value)
    return float(value)


def new_user(settings: LitellmSettings, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a new user gets beside what was asked for: for users without rights over others."""
    given = fields.read(settings.default_internal_user_params, _USER)
    role = values.get("user_role") or given.get("user_role") or USER
    if role not in (USER, VIEWER):
        return {"user_role": role}
    own = fields.read(
        {
            "max_budget": settings.max_internal_user_budget,
            "budget_duration": settings.internal_user_budget_duration,
        },
        _USER,
    )
    found = {**own, **given}
    more = {name: value for name, value in found.items() if value is not None and values.get(name) in _OPEN}
    return more | {"user_role": role}
