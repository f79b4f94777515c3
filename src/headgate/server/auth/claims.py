"""What a verified token claims: who comes, for whom, in which role and for what. Pure; what exists is asked in
`people.py`."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from headgate.errors import PermissionDeniedError
from headgate.server.allow import NO_DEFAULT, Allow
from headgate.server.auth.settings import Fields
from headgate.server.callers import ADMIN, ORG_ADMIN, ROUTE_GROUPS, matches

MAX_NAME: Final = 256
MAX_TEAMS: Final = 1_000
TEAM: Final = "team"
NOWHERE: Final = ("none",)
"""A list of routes that no path is in."""
_MANAGING: Final = (ADMIN, "proxy_admin_viewer", ORG_ADMIN)
"""Roles that a token may give whose pages are not those of a team."""
_DOT: Final = re.compile(r"(?<!\\)\.")


class Principal(Struct, frozen=True, kw_only=True):
    """`role` is "" where the claims give none: then it is the user's. `granted`: a role of the provider's means one
    of ours. Empty `models` and `routes` allow all; `team_alias` and `organization_alias` stand for an id."""

    id: str
    role: str = ""
    granted: bool = False
    user: str | None = None
    email: str | None = None
    teams: tuple[str, ...] = ()
    team_alias: str | None = None
    organization: str | None = None
    organization_alias: str | None = None
    customer: str | None = None
    models: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()

    @property
    def in_team(self) -> bool:
        return bool(self.teams or self.team_alias)


def principal(claims: Mapping[str, Any], fields: Fields) -> Principal:
    """Raises PermissionDeniedError for who may not come."""
    scopes = _words(claims, "scope") | _words(claims, "scp")
    roles = _words(claims, fields.roles_jwt_field)
    user = _name(claims, fields.user_id_jwt_field)
    email = _name(claims, fields.user_email_jwt_field)
    customer = _name(claims, fields.end_user_id_jwt_field)
    who = _id(claims)
    if fields.admin_jwt_scope and fields.admin_jwt_scope in scopes:
        return _admin(who, user, email, customer, fields)
    internal = {row.internal_role for row in fields.role_mappings if row.role in roles}
    if ADMIN in internal:
        return _admin(who, user, email, customer, fields)
    _may_come(claims, email, fields)
    given = next((row.litellm_role for row in fields.jwt_litellm_role_map if row.jwt_role in roles), "")
    teams = _teams(claims, fields)
    alias = _name(claims, fields.team_alias_jwt_field)
    if (thing := _name(claims, fields.object_id_jwt_field)) is not None:
        if TEAM in internal:
            teams, user = (thing,), None
        elif internal:
            user = thing
    if not teams and not alias and fields.team_id_default:
        teams = (fields.team_id_default,)
    kind = TEAM if teams or alias else "internal_user"
    if fields.enforce_team_based_model_access and kind != TEAM:
        raise denied("it claims no team (enforce_team_based_model_access)")
    permitted = [row for row in fields.role_permissions if row.role == kind]
    models, routes = _by_scope(scopes, fields)
    for row in permitted:
        models, routes = _both_models(models, row.models or ()), both_routes(routes, row.routes or ())
    if kind == TEAM and given not in _MANAGING:
        routes = both_routes(fields.team_allowed_routes, routes)
    return Principal(
        id=who,
        role=given or (TEAM if TEAM in internal else ""),
        granted=bool(given or internal),
        user=user,
        email=email,
        teams=teams,
        team_alias=alias,
        organization=_name(claims, fields.org_id_jwt_field),
        organization_alias=_name(claims, fields.org_alias_jwt_field),
        customer=customer,
        models=models,
        routes=routes,
    )


def _admin(who: str, user: str | None, email: str | None, customer: str | None, fields: Fields) -> Principal:
    """Of no team: its calls are the gateway's own."""
    return Principal(
        id=who,
        role=ADMIN,
        granted=True,
        user=user,
        email=email,
        customer=customer,
        routes=fields.admin_allowed_routes,
    )


def _id(claims: Mapping[str, Any]) -> str:
    """Whom the spend is booked to: the same for every token of one subject of one issuer."""
    subject = next((claims[name] for name in ("sub", "client_id", "azp") if claims.get(name)), "")
    return "jwt:" + hashlib.sha256(json.dumps([claims.get("iss"), subject]).encode()).hexdigest()


def _may_come(claims: Mapping[str, Any], email: str | None, fields: Fields) -> None:
    domain = fields.user_allowed_email_domain.lower().removeprefix("@")
    if domain and not (email or "").lower().endswith("@" + domain):
        raise denied("its e-mail address is not of the domain that is allowed (user_allowed_email_domain)")
    allowed = set(fields.user_allowed_roles)
    if allowed and not _words(claims, fields.user_roles_jwt_field) & allowed:
        raise denied("none of its roles may come here (user_allowed_roles)")


def _teams(claims: Mapping[str, Any], fields: Fields) -> tuple[str, ...]:
    """The claim of one team goes over that of many."""
    found = _names(claims, fields.team_id_jwt_field) or _names(claims, fields.team_ids_jwt_field)
    return tuple(dict.fromkeys(found))[:MAX_TEAMS]


def _by_scope(scopes: set[str], fields: Fields) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Models and routes of the scopes, where they are enforced: without one that names a model there is none."""
    if not fields.enforce_scope_based_access:
        return (), ()
    held = [row for row in fields.scope_mappings if row.scope in scopes]
    models = tuple(dict.fromkeys(model for row in held for model in row.models or ()))
    anywhere = any(row.models and not row.routes for row in held)
    routes = () if anywhere else tuple(dict.fromkeys(route for row in held for route in row.routes or ()))
    return models or (NO_DEFAULT,), routes


def _both_models(one: tuple[str, ...], other: Iterable[str]) -> tuple[str, ...]:
    """What both lists allow. Of two patterns that only overlap, nothing."""
    other = tuple(other)
    if not one or not other:
        return one or other
    first, second = Allow(one), Allow(other)
    found = [name for name in one if second.admits(name)] + [name for name in other if first.admits(name)]
    return tuple(dict.fromkeys(found)) or (NO_DEFAULT,)


def both_routes(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    """The routes that are in both lists; an empty list holds all."""
    one, other = tuple(one), tuple(other)
    if not one or not other:
        return one or other
    whole, others = _starts(one), _starts(other)
    paths = [path for path in one if path[:1] == "/" and path[-1:] != "*" and _within(path, other)]
    paths += [path for path in other if path[:1] == "/" and path[-1:] != "*" and _within(path, one)]
    starts = {max(a, b, key=len) for a in whole for b in others if a.startswith(b) or b.startswith(a)}
    return tuple(dict.fromkeys((*paths, *(start + "*" for start in sorted(starts))))) or NOWHERE


def _starts(routes: Iterable[str]) -> list[str]:
    """How the paths of patterns and of groups begin."""
    found: list[str] = []
    for route in routes:
        found += ROUTE_GROUPS.get(route, (route[:-1],) if route.endswith("*") else ())
    return found


def _within(path: str, routes: Iterable[str]) -> bool:
    return any(matches(path, route) for route in routes)


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by a path with dots; a dot that belongs to a name is written `\\.`."""
    if not path:
        return None
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in _DOT.split(path):
        found = found.get(part.replace("\\.", ".")) if isinstance(found, dict) else None
    return found


def _names(claims: Mapping[str, Any], path: str) -> list[str]:
    """Ids, one or a list. Raises PermissionDeniedError for what can't be one."""
    value = _at(claims, path)
    found = []
    for item in value if isinstance(value, list) else [value]:
        if item is None or item == "":
            continue
        text = str(item) if isinstance(item, int) and not isinstance(item, bool) else item
        if not isinstance(text, str) or len(text) > MAX_NAME or not text.isprintable():
            raise denied(f"its claim {path!r} is no id: expected a text of at most {MAX_NAME} characters")
        found.append(text)
    return found


def _name(claims: Mapping[str, Any], path: str) -> str | None:
    found = _names(claims, path)
    if len(found) > 1:
        raise denied(f"its claim {path!r} is a list: expected one text")
    return found[0] if found else None


def _words(claims: Mapping[str, Any], path: str) -> set[str]:
    """Roles and scopes: a list, or a text of words."""
    value = _at(claims, path)
    if isinstance(value, str):
        return set(value.split())
    return {item for item in value if isinstance(item, str)} if isinstance(value, list) else set()


def denied(why: str) -> PermissionDeniedError:
    return PermissionDeniedError(f"the token may not be used here: {why}", type="auth_error", code="403")
