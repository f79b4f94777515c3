"""Users inside the company: who makes and owns keys, and in which role."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import func, or_, select
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.errors import BadRequestError, HeadgateError
from headgate.server.admin import fields, keys, policy, rights, rows
from headgate.server.admin.rows import Desk
from headgate.server.callers import Caller
from headgate.server.gateway import Gateway
from headgate.store import directory, tables
from headgate.store.directory import Row

_OWN: Final = fields.table(
    """user_id:name user_alias:text user_email:name user_role:user_role models:names metadata:mapping
    sso_user_id:name budget_id:name blocked:flag"""
)
FIELDS: Final = fields.LIMITS | _OWN
UPDATE: Final = FIELDS | {"spend": "money"}
NEW: Final = FIELDS | fields.table(
    "teams:any organizations:names auto_create_key:flag key_alias:name duration:lifetime aliases:aliases team_id:name"
)
LATER: Final = keys.LATER | frozenset(
    """password organizations guardrails permissions allowed_routes key_alias duration team_id aliases""".split()
)


async def new(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), NEW, later=LATER)
    desk = rows.desk(gateway, caller)
    return JSONResponse(await rows.work(gateway, lambda c: _new(c, desk, values)))


def _new(connection: Connection, desk: Desk, values: dict[str, Any]) -> dict[str, Any]:
    row = {name: value for name, value in values.items() if name in tables.users.c}
    row["user_id"] = values.get("user_id") or secrets.token_hex(16)
    row |= policy.new_user(desk.settings, values)
    _may_make(connection, desk.caller, row, values)
    if row.get("budget_id"):
        rows.get(connection, "budget", row["budget_id"])
    if row.get("user_email"):
        _email_is_free(connection, row["user_email"], row["user_id"])
    made = rows.create(connection, desk, "user", row)
    teams = _teams(connection, desk.caller, values)
    for name, team in teams.items():
        role, limit = team.get("user_role") or "user", team.get("max_budget_in_team")
        join(connection, desk, name, row["user_id"], role, max_budget=limit)
    for organization in values.get("organizations") or ():
        rows.get(connection, "organization", organization)
        connection.execute(
            tables.organization_members.insert().values(
                organization_id=organization,
                user_id=row["user_id"],
                user_role=row["user_role"],
                created_at=desk.now,
            )
        )
    shown = {**rows.shown(connection, "user", [made])[0], "teams": list(teams)}
    if values.get("auto_create_key") is False:
        return shown
    given = ("key_alias", "duration", "aliases", "team_id")
    key = keys.make(
        connection,
        desk,
        {name: values[name] for name in given if values.get(name)} | {"user_id": row["user_id"]},
        checked=True,
    )
    return {**shown, **{name: key[name] for name in ("key", "token", "key_name", "key_alias", "expires")}}


def _may_make(connection: Connection, caller: Caller, row: Row, values: Mapping[str, Any]) -> None:
    """Administrators of organisations make plain users in theirs."""
    if caller.admin:
        return
    rights.require(row["user_role"] in rights.PLAIN, f"make a {row['user_role']}")
    rights.require(not row.get("budget_id") and not row.get("sso_user_id"), "name a budget or an identity")
    ours = rights.organizations(connection, caller)
    rights.require(bool(values.get("organizations")) and set(values["organizations"]) <= ours, "make users")


def _teams(connection: Connection, caller: Caller, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The teams that a new user is to be in, and what it is there."""
    given = values.get("teams") or []
    if not isinstance(given, list) or not all(isinstance(row, str | dict) for row in given):
        raise BadRequestError(
            "'teams' must be a list of team ids, or of objects with a team_id", param="teams"
        )
    found: dict[str, dict[str, Any]] = {}
    for at, row in enumerate(given):
        team = fields.read({"team_id": row} if isinstance(row, str) else row, _TEAM, place=f"teams[{at}].")
        fields.required(team, "team_id")
        found[team["team_id"]] = team
    if values.get("team_id"):
        found.setdefault(values["team_id"], {})
    for name in found:
        known = directory.find(connection, "team", name)
        rights.require(rights.leads_team(connection, caller, known), "change this team")
        if known is None:
            raise rows.missing("team", name)
    return found


_TEAM: Final = fields.table("team_id:name max_budget_in_team:money user_role:member_role")


def _email_is_free(connection: Connection, email: str, user: str) -> None:
    known = directory.user_by_email(connection, email)
    if known is not None and known["user_id"] != user:
        raise BadRequestError(f"a user with user_email {email!r} exists already", param="user_email")


def join(connection: Connection, desk: Desk, team: str, user: str, role: str, **limits: Any) -> None:
    """Makes the user a member of the team, or changes its membership."""
    table = tables.team_members
    known = directory.member(connection, team, user)
    where = (table.c.team_id == team, table.c.user_id == user)
    values = {"role": role, **limits}
    if known is None:
        connection.execute(table.insert().values(team_id=team, user_id=user, created_at=desk.now, **values))
    else:
        connection.execute(table.update().where(*where).values(**values))
    named = {"id": f"{team}/{user}"}
    before = None if known is None else named | known
    action = "created" if known is None else "updated"
    rows.record(connection, desk, action, "team_member", before, named | values)


async def update(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), UPDATE, later=LATER)
    return JSONResponse(await _updated(gateway, caller, values))


async def bulk_update(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/user/bulk_update: who can't be changed is named with the reason, and the others are."""
    body = fields.read(await fields.body_of(request), {"users": "any"}, later=_EVERYBODY)
    items = body.get("users")
    if (
        not isinstance(items, list)
        or not 0 < len(items) <= 500
        or not all(isinstance(i, dict) for i in items)
    ):
        raise BadRequestError(
            "'users' must be a list of 1 to 500 objects with a 'user_id' or a 'user_email' each",
            param="users",
        )
    results: list[dict[str, Any]] = []
    for at, item in enumerate(items):
        named = {name: item.get(name) for name in ("user_id", "user_email")}
        try:
            values = fields.read(item, UPDATE, later=LATER, place=f"users[{at}].")
            done = await _updated(gateway, caller, values)
            results.append({**named, "success": True, "error": None, "updated_user": done["data"]})
        except HeadgateError as error:
            results.append({**named, "success": False, "error": error.message})
    good = sum(result["success"] for result in results)
    counts = {"successful_updates": good, "failed_updates": len(results) - good}
    return JSONResponse({"results": results, "total_requested": len(results), **counts})


_EVERYBODY: Final = frozenset(("all_users", "user_updates"))


async def _updated(gateway: Gateway, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        name = values.get("user_id") or _by_email(connection, caller, values)
        if not caller.admin:
            own = name == caller.user_id and set(values) <= {"user_id", "user_alias", "metadata"}
            led = rights.leads_user(connection, caller, name) and not _ADMIN_ONLY & values.keys()
            plain = values.get("user_role") in (None, *rights.PLAIN)
            rights.require(own or (led and plain), "change this user")
        if values.get("budget_id"):
            rows.get(connection, "budget", values["budget_id"])
        if values.get("user_email"):
            _email_is_free(connection, values["user_email"], name)
        row = {field: value for field, value in values.items() if field != "user_id" and value is not None}
        row |= {field: None for field, value in values.items() if value is None and field not in _KEPT}
        spent = row.pop("spend", None)
        changed = rows.change(connection, desk, "user", name, row)
        if spent is not None:
            rights.require(caller.admin, "set what is spent")
            rows.respend(connection, desk, ("user", name), changed, spent)
        return {"user_id": name, "data": rows.shown(connection, "user", [changed])[0]}

    return await rows.work(gateway, work)


_ADMIN_ONLY: Final = frozenset(("budget_id", "sso_user_id"))
_KEPT: Final = ("user_id", "user_role", "blocked", "user_email")
"""What can't be taken away by null."""


def _by_email(connection: Connection, caller: Caller, values: Mapping[str, Any]) -> str:
    fields.required(values, "user_email")
    known = directory.user_by_email(connection, values["user_email"])
    if known is None:
        rights.require(caller.admin, "change this user")
        raise rows.missing("user", values["user_email"])
    return str(known["user_id"])


async def delete(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), {"user_ids": "names"})
    fields.required(values, "user_ids")
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> int:
        names = dict.fromkeys(values["user_ids"])
        for name in names:
            rights.require(rights.leads_user(connection, caller, name), "delete users")
            rows.remove(connection, desk, "user", name)
            for key in _keys(connection, name):
                rows.remove(connection, desk, "key", key["id"])
            members = tables.team_members
            for team in connection.scalars(select(members.c.team_id).where(members.c.user_id == name)).all():
                rows.settle(connection, desk, ("member", f"{team}/{name}"))
            for table in (members, tables.organization_members):
                connection.execute(table.delete().where(table.c.user_id == name))
        return len(names)

    return JSONResponse(await rows.work(gateway, work))


async def info(request: Request, gateway: Gateway, caller: Caller) -> Response:
    name = fields.query(request, "user_id").get("user_id") or caller.user_id

    def work(connection: Connection) -> dict[str, Any]:
        if name is None:
            return {"user_id": None, "user_info": None, "keys": [], "teams": []}
        found = _user_info(connection, caller, name)
        teams = [rows.get(connection, "team", team) for team in found["teams"]]
        return {
            "user_id": name,
            "user_info": found,
            "keys": rows.shown(connection, "key", _keys(connection, name)),
            "teams": rows.shown(connection, "team", teams),
        }

    return JSONResponse(await rows.look(gateway, work))


async def info_v2(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/v2/user/info: the user alone."""
    name = fields.query(request, "user_id").get("user_id") or caller.user_id
    fields.required({"user_id": name}, "user_id")

    def work(connection: Connection) -> dict[str, Any]:
        return _user_info(connection, caller, str(name))

    return JSONResponse(await rows.look(gateway, work))


def _user_info(connection: Connection, caller: Caller, name: str) -> dict[str, Any]:
    own = name == caller.user_id or rights.sees_all(caller)
    rights.require(own or rights.leads_user(connection, caller, name), "see this user")
    row = rows.get(connection, "user", name)
    table = tables.team_members
    teams = list(connection.scalars(select(table.c.team_id).where(table.c.user_id == name)))
    spent = rows.model_spend(connection, "user", row)
    return {**rows.shown(connection, "user", [row])[0], "teams": teams, "model_spend": spent}


async def roles(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/user/available_roles"""
    return JSONResponse(_ROLES)


_ROLES: Final = {
    "proxy_admin": {"ui_label": "Admin", "description": "may do everything"},
    "proxy_admin_viewer": {"ui_label": "Admin, read-only", "description": "sees everything, changes nothing"},
    "org_admin": {"ui_label": "Organisation admin", "description": "looks after an organisation"},
    "internal_user": {"ui_label": "User", "description": "makes keys of its own and sees what they spend"},
    "internal_user_viewer": {"ui_label": "User, read-only", "description": "sees its own keys and spend"},
}


async def listed(request: Request, gateway: Gateway, caller: Caller) -> Response:
    asked = fields.query(
        request,
        *"""page page_size role user_ids sso_user_ids user_email search team organization_ids sort_by
        sort_order""".split(),
    )
    number, size = fields.paging(request, "page_size")
    order = rows.order(tables.users, asked, *_SORT)

    def work(connection: Connection) -> dict[str, Any]:
        where = _asked_for(asked)
        if not rights.sees_all(caller):
            joined = tables.organization_members
            ours = rights.organizations(connection, caller)
            theirs = select(joined.c.user_id).where(joined.c.organization_id.in_(ours))
            where.append(tables.users.c.user_id.in_(theirs) | (tables.users.c.user_id == caller.user_id))
        found, total = rows.page(connection, tables.users, where, order, number, size)
        counts = _key_counts(connection, [row["user_id"] for row in found])
        return {
            "users": [
                {**row, "key_count": counts.get(row["user_id"], 0)}
                for row in rows.shown(connection, "user", found)
            ],
            "total": total,
            "page": number,
            "page_size": size,
            "total_pages": rows.pages(total, size),
        }

    return JSONResponse(await rows.look(gateway, work))


_SORT: Final = ("created_at", "updated_at", "user_id", "user_email", "user_alias", "user_role", "max_budget")


def _asked_for(asked: Mapping[str, str]) -> list[Any]:
    """The conditions of a query."""
    column, members, joined = tables.users.c, tables.team_members, tables.organization_members
    in_team = select(members.c.user_id).where(members.c.team_id == asked.get("team"))
    organizations = asked.get("organization_ids", "").split(",")
    inside = select(joined.c.user_id).where(joined.c.organization_id.in_(organizations))
    text = asked.get("search", "")
    found = [
        column[name].icontains(text, autoescape=True) for name in ("user_id", "user_email", "user_alias")
    ]
    conditions = {
        "role": column.user_role == asked.get("role"),
        "user_ids": column.user_id.in_(asked.get("user_ids", "").split(",")),
        "sso_user_ids": column.sso_user_id.in_(asked.get("sso_user_ids", "").split(",")),
        "user_email": column.user_email.icontains(asked.get("user_email", ""), autoescape=True),
        "search": or_(*found),
        "team": column.user_id.in_(in_team),
        "organization_ids": column.user_id.in_(inside),
    }
    return [condition for name, condition in conditions.items() if asked.get(name)]


def _key_counts(connection: Connection, users: list[str]) -> dict[str, int]:
    table = tables.keys
    statement = (
        select(table.c.user_id, func.count()).where(table.c.user_id.in_(users)).group_by(table.c.user_id)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def _keys(connection: Connection, user: str) -> list[Row]:
    where = tables.keys.c.user_id == user
    return [dict(row) for row in connection.execute(select(tables.keys).where(where)).mappings()]
