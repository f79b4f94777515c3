"""Virtual keys: made, changed, blocked, replaced, listed. A key is shown once; what is kept is its SHA-256."""

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.errors import BadRequestError, HeadgateError, NotFoundError
from headgate.server.admin import fields, policy, rights, rows
from headgate.server.admin.rows import Desk
from headgate.server.callers import LLM_API, Caller
from headgate.server.gateway import Gateway
from headgate.server.lines import token_of
from headgate.store import changes, directory, tables
from headgate.store.directory import Row
from headgate.store.periods import seconds

PREFIX: Final = "sk-"
SHORTEST: Final = 16
FIELDS: Final = fields.LIMITS | fields.table(
    """key_alias:name models:names aliases:aliases duration:lifetime metadata:mapping tags:names guardrails:names
    permissions:mapping allowed_routes:routes allowed_ips:networks blocked:flag team_id:name user_id:name
    organization_id:name budget_id:name access_group_ids:names key_type:key_type"""
)
GENERATE: Final = FIELDS | {"key": "name"}
UPDATE: Final = FIELDS | {"key": "name", "spend": "money"}
REGENERATE: Final = FIELDS | {"key": "name", "new_key": "name", "grace_period": "duration"}
LATER: Final = frozenset(
    """agent_id allowed_cache_controls allowed_passthrough_routes allowed_vector_store_indexes auto_rotate
    budget_fallbacks budget_limits config default_estimated_output_tokens
    default_estimated_output_tokens_per_model denied_passthrough_routes disable_global_guardrails
    enable_prompt_caching end_user_budget_id enforced_params mcp_rpm_limit new_master_key object_permission policies
    project_id prompts rotation_interval router_settings rpm_limit_type send_invite_email spend tag_rpm_limit
    temp_budget_expiry temp_budget_increase throttle_on_budget_exceeded tpd_limit tpm_limit_type""".split()
)
_ADMIN_ONLY: Final = ("organization_id", "permissions", "budget_id", "guardrails")
"""What only administrators set: whose money it is, and what watches it."""
_NOWHERE: Final[Mapping[str, Any]] = {"team_id": None, "organization_id": None}
_SORT: Final = ("created_at", "updated_at", "key_alias", "user_id", "team_id", "expires", "max_budget")


def id_of(key: str) -> str:
    """The token of a key that is given in plain or as its hash."""
    return token_of(key.encode()) if key.startswith(PREFIX) or len(key) != 64 else key


async def generate(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), GENERATE, later=LATER)
    desk = rows.desk(gateway, caller)
    return JSONResponse(await rows.work(gateway, lambda c: make(c, desk, values)))


async def service_account(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """A key of a team and of nobody in it."""
    values = fields.read(await fields.body_of(request), GENERATE, later=LATER)
    fields.required(values, "team_id")
    desk = rows.desk(gateway, caller)
    values = {
        **values,
        "user_id": None,
        "metadata": {**(values.get("metadata") or {}), "service_account": True},
    }
    return JSONResponse(await rows.work(gateway, lambda c: make(c, desk, values, owner=False)))


def make(
    connection: Connection,
    desk: Desk,
    values: Mapping[str, Any],
    *,
    owner: bool = True,
    checked: bool = False,
) -> dict[str, Any]:
    """The new key's row as it is shown, with the key itself. `checked`: that the caller may is known."""
    plain = values.get("key")
    if plain is not None:
        _check_text(plain, "key")
    row = _row(values, desk.now)
    if owner and not desk.caller.admin and row.get("user_id") is None:
        row["user_id"] = desk.caller.user_id
    if not checked and not desk.caller.admin:
        _may_make(connection, desk.caller, row)
    more = policy.new_key(desk.settings, values)
    row |= _row(more, desk.now)
    _belongs(connection, row)
    plain = plain or PREFIX + secrets.token_urlsafe(24)
    token = token_of(plain.encode())
    row |= {"id": token, "token": token, "key_name": f"{PREFIX}...{plain[-4:]}"}
    if directory.find_key(connection, token) is not None or directory.find(connection, "key", token):
        raise _taken("key")
    made = rows.create(connection, desk, "key", row)
    found = {**_shown(connection, [made])[0], "key": plain, "token_id": token}
    return {**found, "duration": {**values, **more}.get("duration")}


def _check_text(plain: str, name: str) -> None:
    good = plain.startswith(PREFIX) and len(plain) >= SHORTEST
    if not good or not all("!" <= character <= "~" for character in plain):
        raise BadRequestError(
            f"{name!r} must begin with {PREFIX!r} and have {SHORTEST} characters or more, all of them "
            "printable ASCII and none a space",
            param=name,
        )


def _taken(name: str) -> BadRequestError:
    return BadRequestError(f"{name!r} is taken: choose another text", param=name, code="400")


def _row(values: Mapping[str, Any], now: float) -> Row:
    row = {name: value for name, value in values.items() if name in tables.keys.c}
    if "duration" in values:
        lasts = values["duration"]
        row["expires"] = None if lasts in (None, fields.NEVER) else now + seconds(lasts)
    return row


def _may_make(connection: Connection, caller: Caller, row: Row) -> None:
    """Who is no administrator makes keys for itself, and for teams where it may. May set the key's type."""
    _plain_fields(row)
    team = directory.find(connection, "team", row["team_id"]) if row.get("team_id") else None
    if rights.leads_team(connection, caller, team):
        _give(connection, caller, row)
        return
    rights.require(not row.get("blocked"), "block keys")
    rights.require(row.get("user_id") in (caller.user_id, None), "make keys for others")
    if row.get("team_id"):
        rights.require(rights.permits(connection, caller, team, "/key/generate"), "make keys for this team")


def _plain_fields(row: Mapping[str, Any]) -> None:
    for name in _ADMIN_ONLY:
        rights.require(row.get(name) in (None, [], {}, False), f"set {name!r}")


def _give(connection: Connection, caller: Caller, row: Row) -> None:
    """A leader's key for another member of the team: it may not act in the other's name. Sets its type."""
    user = row.get("user_id")
    if user in (caller.user_id, None):
        return
    rights.require(
        directory.member(connection, row["team_id"], user) is not None, "make keys for who is not in the team"
    )
    rights.require(row.get("key_type") in (None, LLM_API), "let keys of others manage")
    row["key_type"] = LLM_API


def _belongs(connection: Connection, row: Mapping[str, Any], before: Mapping[str, Any] = _NOWHERE) -> None:
    """Raises NotFoundError for a team, organisation or budget that does not exist, BadRequestError for a team of
    another organisation. `before` is the key as it is."""
    for kind in ("team", "organization", "budget"):
        if name := row.get(f"{kind}_id"):
            rows.get(connection, kind, name)
    if not row.keys() & _NOWHERE.keys():
        return
    team, own = ({**before, **row}.get(name) for name in ("team_id", "organization_id"))
    home = rows.get(connection, "team", team)["organization_id"] if team else None
    if home and own not in (None, home):
        raise BadRequestError(
            f"the team {team!r} belongs to the organisation {home!r}: 'organization_id' is {own!r}, expected null or "
            "the same",
            param="organization_id",
        )


async def update(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), UPDATE, later=LATER)
    fields.required(values, "key")
    desk = rows.desk(gateway, caller)
    row = await rows.work(gateway, lambda c: _update(c, desk, values))
    return JSONResponse({"key": values["key"], **row})


def _update(
    connection: Connection, desk: Desk, values: Mapping[str, Any], action: str = "updated"
) -> dict[str, Any]:
    key = led(connection, desk, values["key"], "/key/update")
    policy.bounded(desk.settings, values)
    row = _row({name: value for name, value in values.items() if name != "key"}, desk.now)
    if row.get("blocked", ...) is None:
        row["blocked"] = False
    if not desk.caller.admin:
        _may_change(connection, desk.caller, key, row)
    _belongs(connection, row, key)
    changed = rows.change(connection, desk, "key", key["id"], row, action)
    if values.get("spend") is not None:
        rights.require(desk.caller.admin, "set what is spent")
        rows.respend(connection, desk, ("key", str(key["id"])), changed, values["spend"])
    return _shown(connection, [changed])[0]


def _may_change(connection: Connection, caller: Caller, key: Row, row: Row) -> None:
    """Below an administrator: leaders of a team within it, everybody else what is its own."""
    rights.require(all(row.get(name, key[name]) == key[name] for name in _ADMIN_ONLY), "change that")
    team = directory.find(connection, "team", key["team_id"]) if key["team_id"] else None
    if not rights.leads_team(connection, caller, team):
        same = all(row.get(name, key[name]) == key[name] for name in ("user_id", "team_id", "blocked"))
        rights.require(same, "give the key to another")
        return
    if row.get("team_id", key["team_id"]) != key["team_id"]:
        other = directory.find(connection, "team", row["team_id"]) if row["team_id"] else None
        rights.require(rights.leads_team(connection, caller, other), "move keys there")
    after = {name: row.get(name, key[name]) for name in ("user_id", "team_id")}
    if after["user_id"] == key["user_id"]:
        own = key["user_id"] in (caller.user_id, None)
        rights.require(own or row.get("key_type", LLM_API) == LLM_API, "let keys of others manage")
        return
    given = {**after, "key_type": row.get("key_type")}
    _give(connection, caller, given)
    row["key_type"] = given["key_type"] or key["key_type"]


def led(connection: Connection, desk: Desk, key: str, permission: str) -> Row:
    """A key that the caller may change."""
    row = directory.find_key(connection, id_of(key)) or directory.find(connection, "key", id_of(key))
    rights.require(rights.leads_key(connection, desk.caller, row, permission), "change this key")
    if row is None:
        raise NotFoundError("there is no such key", param="key", code="404")
    return row


async def bulk_update(request: Request, gateway: Gateway, caller: Caller) -> Response:
    body = fields.read(await fields.body_of(request), {"keys": "any"})
    items = body.get("keys")
    if (
        not isinstance(items, list)
        or not items
        or len(items) > 500
        or not all(isinstance(i, dict) for i in items)
    ):
        raise BadRequestError("'keys' must be a list of 1 to 500 objects with a 'key' each", param="keys")
    desk = rows.desk(gateway, caller)
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for at, item in enumerate(items):
        try:
            values = fields.read(item, UPDATE, later=LATER, place=f"keys[{at}].")
            fields.required(values, "key")
            row = await rows.work(gateway, partial(_update, desk=desk, values=values))
            done.append({"key": values["key"], "key_info": row})
        except HeadgateError as error:
            failed.append({"key": str(item.get("key", ""))[:100], "failed_reason": error.message})
    return JSONResponse({"total_requested": len(items), "successful_updates": done, "failed_updates": failed})


async def block(request: Request, gateway: Gateway, caller: Caller) -> Response:
    return await _set_blocked(request, gateway, caller, True)


async def unblock(request: Request, gateway: Gateway, caller: Caller) -> Response:
    return await _set_blocked(request, gateway, caller, False)


async def _set_blocked(request: Request, gateway: Gateway, caller: Caller, blocked: bool) -> Response:
    values = fields.read(await fields.body_of(request), {"key": "name"})
    fields.required(values, "key")
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        key = led(connection, desk, values["key"], "/key/update")
        if not caller.admin:
            team = directory.find(connection, "team", key["team_id"]) if key["team_id"] else None
            rights.require(rights.leads_team(connection, caller, team), "block keys")
        action = "blocked" if blocked else "unblocked"
        return _shown(
            connection, [rows.change(connection, desk, "key", key["id"], {"blocked": blocked}, action)]
        )[0]

    return JSONResponse(await rows.work(gateway, work))


async def delete(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), {"keys": "names", "key_aliases": "names"})
    if not values.get("keys") and not values.get("key_aliases"):
        raise BadRequestError("'keys' or 'key_aliases' is missing", param="keys")
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> list[str]:
        table = tables.keys
        aliases = values.get("key_aliases") or []
        named = list(connection.scalars(select(table.c.token).where(table.c.key_alias.in_(aliases))))
        if len(named) < len(set(aliases)):
            led(connection, desk, "", "/key/delete")
        given = (*(values.get("keys") or ()), *named)
        for name in {led(connection, desk, key, "/key/delete")["id"]: None for key in given}:
            rows.remove(connection, desk, "key", name)
        return [*(values.get("keys") or ()), *aliases]

    return JSONResponse({"deleted_keys": await rows.work(gateway, work)})


async def info(request: Request, gateway: Gateway, caller: Caller) -> Response:
    given = fields.query(request, "key").get("key")

    def work(connection: Connection) -> dict[str, Any]:
        token = id_of(given) if given else caller.key
        row = directory.find_key(connection, token) or directory.find(connection, "key", token)
        rights.require(rights.sees_key(connection, caller, row), "see this key")
        if row is None and not given:
            raise BadRequestError("'key' is missing: what you call with is no virtual key", param="key")
        if row is None:
            raise NotFoundError("there is no such key", param="key", code="404")
        shown = _shown(connection, [row])[0] | {"model_spend": rows.model_spend(connection, "key", row)}
        token = shown.pop("token")
        return {"key": given or token, "info": shown}

    return JSONResponse(await rows.look(gateway, work))


async def info_v2(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/v2/key/info: of several keys, those that there are."""
    values = fields.read(await fields.body_of(request), {"keys": "names"})
    given = values.get("keys") or [caller.key]

    def work(connection: Connection) -> list[dict[str, Any]]:
        found = [directory.find_key(connection, id_of(key)) for key in given]
        for row in found:
            rights.require(rights.sees_key(connection, caller, row), "see these keys")
        return _shown(connection, [row for row in found if row is not None])

    return JSONResponse({"key": given, "info": await rows.look(gateway, work)})


async def listed(request: Request, gateway: Gateway, caller: Caller) -> Response:
    asked = fields.query(
        request,
        *"""page size user_id team_id organization_id key_hash key_alias return_full_object include_team_keys
        include_created_by_keys sort_by sort_order expand status search substring_matching""".split(),
    )
    whole = fields.query_flag(asked, "return_full_object") or bool(asked.get("expand"))
    number, size = fields.paging(request)
    where = _asked_for(asked, gateway.clock.time())
    column = rows.order(tables.keys, asked, *_SORT)

    def work(connection: Connection) -> dict[str, Any]:
        seen = () if rights.sees_all(caller) else (_theirs(connection, caller),)
        found, total = rows.page(connection, tables.keys, (*where, *seen), column, number, size)
        keys: list[Any] = _shown(connection, found) if whole else [row["token"] for row in found]
        return {
            "keys": _with_users(connection, keys) if asked.get("expand") else keys,
            "total_count": total,
            "current_page": number,
            "total_pages": rows.pages(total, size),
        }

    return JSONResponse(await rows.look(gateway, work))


def _asked_for(asked: Mapping[str, str], now: float) -> list[Any]:
    """The conditions of a query. Raises BadRequestError."""
    column = tables.keys.c
    if asked.get("status") == "deleted":
        raise BadRequestError("deleted keys are not kept: /audit says what they were", param="status")
    states = {
        "active": ~column.blocked & (column.expires.is_(None) | (column.expires > now)),
        "expired": column.expires <= now,
        "revoked": column.blocked,
    }
    for name, allowed in (("status", tuple(states)), ("expand", ("user",))):
        if (asked.get(name) or allowed[0]) not in allowed:
            raise BadRequestError(f"{name!r} must be one of {', '.join(allowed)}", param=name)
    alias, text = asked.get("key_alias", ""), asked.get("search", "")
    part = fields.query_flag(asked, "substring_matching")
    conditions = {
        "user_id": _of_user(asked),
        "team_id": column.team_id == asked.get("team_id"),
        "organization_id": column.organization_id == asked.get("organization_id"),
        "key_alias": column.key_alias.icontains(alias, autoescape=True)
        if part
        else column.key_alias == alias,
        "key_hash": column.token == id_of(asked.get("key_hash", "")),
        "search": column.key_alias.icontains(text, autoescape=True) | (column.token == id_of(text)),
        "status": states.get(asked.get("status", "")),
    }
    return [condition for name, condition in conditions.items() if asked.get(name)]


def _of_user(asked: Mapping[str, str]) -> Any:
    """Its own keys, and as asked for those of teams that it leads and those that it has made."""
    user, column, members = asked.get("user_id"), tables.keys.c, tables.team_members.c
    found = column.user_id == user
    if fields.query_flag(asked, "include_team_keys"):
        led = select(members.team_id).where(members.user_id == user, members.role == "admin")
        found |= column.team_id.in_(led)
    if fields.query_flag(asked, "include_created_by_keys"):
        found |= column.created_by == user
    return found


def _with_users(connection: Connection, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keys with what everybody may know of their owners."""
    table = tables.users
    columns = [table.c[name] for name in ("user_id", "user_email", "user_alias", "user_role")]
    named = {row["user_id"] for row in found if row["user_id"]}
    statement = select(*columns).where(table.c.user_id.in_(named))
    users = {row["user_id"]: dict(row) for row in connection.execute(statement).mappings()}
    return [{**row, "user": users.get(row["user_id"])} for row in found]


def _theirs(connection: Connection, caller: Caller) -> Any:
    """The keys that somebody below an administrator sees: its own, and those of teams that it leads."""
    led = [team for team, role in rights.memberships(connection, caller).items() if role == "admin"]
    ours = rights.organizations(connection, caller)
    teams = select(tables.teams.c.team_id).where(tables.teams.c.organization_id.in_(ours))
    column = tables.keys.c
    own = column.user_id == caller.user_id if caller.user_id else column.id == caller.key
    return own | column.team_id.in_(led) | column.team_id.in_(teams)


async def aliases(request: Request, gateway: Gateway, caller: Caller) -> Response:
    def work(connection: Connection) -> list[str]:
        where = [] if rights.sees_all(caller) else [_theirs(connection, caller)]
        column = tables.keys.c.key_alias
        return list(connection.scalars(select(column).where(column.is_not(None), *where).order_by(column)))

    return JSONResponse({"aliases": await rows.look(gateway, work)})


async def regenerate(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), REGENERATE, later=LATER)
    key = request.path_params.get("key") or values.get("key")
    if not key:
        raise BadRequestError("'key' is missing", param="key")
    desk = rows.desk(gateway, caller)
    return JSONResponse(await rows.work(gateway, lambda c: _regenerate(c, desk, key, values)))


def _regenerate(connection: Connection, desk: Desk, key: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The same key in all but its text: what it spent stays with it. The old text is good for the grace period;
    without one, older texts than that end, too."""
    old = led(connection, desk, key, "/key/regenerate")
    plain = values.get("new_key") or PREFIX + secrets.token_urlsafe(24)
    _check_text(plain, "new_key")
    token = token_of(plain.encode())
    if (other := directory.find_key(connection, token)) is not None and other["id"] != old["id"]:
        raise _taken("new_key")
    policy.bounded(desk.settings, values)
    row = _row({name: value for name, value in values.items() if name in FIELDS}, desk.now)
    caller = desk.caller
    if not caller.admin:
        _may_change(connection, caller, old, row)
        if row.get("user_id", old["user_id"]) not in (caller.user_id, None):
            row["key_type"] = LLM_API
    _belongs(connection, row, old)
    row |= {"token": token, "key_name": f"{PREFIX}...{plain[-4:]}"}
    _retire(connection, old, token, values.get("grace_period"), desk.now)
    made = rows.change(connection, desk, "key", old["id"], row, "rotated")
    changes.note(connection, "key", token)
    return {**_shown(connection, [made])[0], "key": plain, "token_id": token}


def _retire(connection: Connection, old: Row, token: str, grace: str | None, now: float) -> None:
    retired = tables.retired_keys
    column = retired.c.token if grace else retired.c.replaced_by
    gone = (old["token"], token) if grace else (old["id"],)
    connection.execute(retired.delete().where(column.in_(gone)))
    if grace and token != old["token"]:
        values = {"token": old["token"], "replaced_by": old["id"], "valid_until": now + seconds(grace)}
        connection.execute(retired.insert().values(**values))


async def health(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """That the key is good is known when this is reached."""
    return JSONResponse({"key": "healthy", "logging_callbacks": None})


def _shown(connection: Connection, found: list[Row]) -> list[dict[str, Any]]:
    return rows.shown(connection, "key", found)
