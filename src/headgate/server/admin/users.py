"""Users inside the company: who makes and owns keys, and in which role."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.errors import BadRequestError
from headgate.server.admin import fields, keys, rights, rows
from headgate.server.admin.rows import Desk
from headgate.server.callers import USER, Caller
from headgate.server.gateway import Gateway
from headgate.store import directory, tables
from headgate.store.directory import Row

_OWN: Final = fields.table(
    """user_id:name user_alias:text user_email:name user_role:user_role models:names metadata:mapping
    sso_user_id:name budget_id:name blocked:flag"""
)
FIELDS: Final = fields.LIMITS | _OWN
NEW: Final = FIELDS | fields.table(
    "teams:any organizations:names auto_create_key:flag key_alias:name duration:duration aliases:aliases team_id:name"
)
LATER: Final = keys.LATER | frozenset(
    ("password", "organizations", "guardrails", "permissions", "allowed_routes")
)


async def new(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), NEW, later=LATER)
    desk = rows.desk(gateway, caller)
    return JSONResponse(await rows.work(gateway, lambda c: _new(c, desk, values)))


def _new(connection: Connection, desk: Desk, values: dict[str, Any]) -> dict[str, Any]:
    teams = _teams(values)
    row = {name: value for name, value in values.items() if name in tables.users.c}
    row["user_id"] = values.get("user_id") or secrets.token_hex(16)
    row["user_role"] = values.get("user_role") or USER
    if not desk.caller.admin:
        rights.require(row["user_role"] in (USER, "internal_user_viewer"), f"make a {row['user_role']}")
        ours = rights.organizations(connection, desk.caller)
        rights.require(
            bool(values.get("organizations")) and set(values["organizations"]) <= ours, "make users"
        )
    if row.get("user_email"):
        _email_is_free(connection, row["user_email"])
    made = rows.create(connection, desk, "user", row)
    for team in teams:
        rows.get(connection, "team", team)
        join(connection, desk, team, row["user_id"], "user")
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
    shown = {**rows.shown(connection, "user", [made])[0], "teams": teams}
    if values.get("auto_create_key") is False:
        return shown
    key = keys.make(
        connection,
        desk,
        {name: values[name] for name in ("key_alias", "duration", "aliases", "team_id") if values.get(name)}
        | {"user_id": row["user_id"]},
    )
    return {**shown, "key": key["key"], "token": key["token"], "expires": key["expires"]}


def _teams(values: Mapping[str, Any]) -> list[str]:
    found = values.get("teams") or []
    names = (
        [row.get("team_id") if isinstance(row, dict) else row for row in found]
        if isinstance(found, list)
        else [0]
    )
    if not all(isinstance(name, str) and name for name in names):
        raise BadRequestError("'teams' must be a list of team ids", param="teams")
    return [str(name) for name in names]


def _email_is_free(connection: Connection, email: str) -> None:
    where = tables.users.c.user_email == email
    if connection.scalar(select(tables.users.c.user_id).where(where)) is not None:
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
    row = {"id": f"{team}/{user}", **values}
    rows.record(connection, desk, "created" if known is None else "updated", "team_member", known, row)


async def update(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), FIELDS, later=LATER)
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        name = values.get("user_id") or _by_email(connection, values)
        if not caller.admin:
            own = name == caller.user_id and set(values) <= {"user_id", "user_alias", "metadata"}
            led = rights.leads_user(connection, caller, name) and values.get("user_role") in (None, USER)
            rights.require(own or led, "change this user")
        row = {field: value for field, value in values.items() if field != "user_id" and value is not None}
        row |= {field: None for field, value in values.items() if value is None and field not in _KEPT}
        changed = rows.change(connection, desk, "user", name, row)
        return {"user_id": name, "data": rows.shown(connection, "user", [changed])[0]}

    return JSONResponse(await rows.work(gateway, work))


_KEPT: Final = ("user_id", "user_role", "blocked", "user_email")
"""What can't be taken away by null."""


def _by_email(connection: Connection, values: Mapping[str, Any]) -> str:
    fields.required(values, "user_email")
    where = tables.users.c.user_email == values["user_email"]
    name = connection.scalar(select(tables.users.c.user_id).where(where))
    if name is None:
        raise rows.missing("user", values["user_email"])
    return str(name)


async def delete(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), {"user_ids": "names"})
    fields.required(values, "user_ids")
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> int:
        for name in values["user_ids"]:
            rights.require(rights.leads_user(connection, caller, name), "delete users")
            rows.remove(connection, desk, "user", name)
            for key in _keys(connection, name):
                rows.remove(connection, desk, "key", key["id"])
            for table in (tables.team_members, tables.organization_members):
                connection.execute(table.delete().where(table.c.user_id == name))
        return len(values["user_ids"])

    return JSONResponse(await rows.work(gateway, work))


async def info(request: Request, gateway: Gateway, caller: Caller) -> Response:
    name = fields.query(request, "user_id").get("user_id") or caller.user_id

    def work(connection: Connection) -> dict[str, Any]:
        if name is None:
            return {"user_id": None, "user_info": None, "keys": [], "teams": []}
        own = name == caller.user_id or rights.sees_all(caller)
        rights.require(own or rights.leads_user(connection, caller, name), "see this user")
        row = rows.get(connection, "user", name)
        table = tables.team_members
        teams = list(connection.scalars(select(table.c.team_id).where(table.c.user_id == name)))
        return {
            "user_id": name,
            "user_info": {**rows.shown(connection, "user", [row])[0], "teams": teams},
            "keys": rows.shown(connection, "key", _keys(connection, name)),
            "teams": rows.shown(connection, "team", [rows.get(connection, "team", team) for team in teams]),
        }

    return JSONResponse(await rows.look(gateway, work))


async def listed(request: Request, gateway: Gateway, caller: Caller) -> Response:
    asked = fields.query(
        request, "page", "page_size", "role", "user_ids", "user_email", "team", "sort_by", "sort_order"
    )
    number, size = fields.paging(request, "page_size")

    def work(connection: Connection) -> dict[str, Any]:
        table = tables.users
        where = []
        if asked.get("role"):
            where.append(table.c.user_role == asked["role"])
        if asked.get("user_ids"):
            where.append(table.c.user_id.in_(asked["user_ids"].split(",")))
        if asked.get("user_email"):
            where.append(table.c.user_email.contains(asked["user_email"], autoescape=True))
        members = tables.team_members
        if asked.get("team"):
            where.append(
                table.c.user_id.in_(select(members.c.user_id).where(members.c.team_id == asked["team"]))
            )
        if not rights.sees_all(caller):
            joined = tables.organization_members
            ours = rights.organizations(connection, caller)
            theirs = select(joined.c.user_id).where(joined.c.organization_id.in_(ours))
            where.append(table.c.user_id.in_(theirs) | (table.c.user_id == caller.user_id))
        found, total = rows.page(connection, table, where, table.c.created_at.desc(), number, size)
        return {
            "users": rows.shown(connection, "user", found),
            "total": total,
            "page": number,
            "page_size": size,
            "total_pages": rows.pages(total, size),
        }

    return JSONResponse(await rows.look(gateway, work))


def _keys(connection: Connection, user: str) -> list[Row]:
    where = tables.keys.c.user_id == user
    return [dict(row) for row in connection.execute(select(tables.keys).where(where)).mappings()]
