"""Organisations: teams and users under one budget and one list of models, led by their own administrators."""

import secrets
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.errors import NotFoundError
from headgate.server.admin import fields, rights, rows
from headgate.server.callers import USER, Caller
from headgate.server.gateway import Gateway
from headgate.store import directory, tables

FIELDS: Final = fields.LIMITS | fields.table(
    "organization_id:name organization_alias:name models:names metadata:mapping budget_id:name blocked:flag"
)
LATER: Final = frozenset(("object_permission", "tpd_limit", "model_spend"))
_MEMBER: Final = fields.table("organization_id:name user_id:name role:user_role")


async def new(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), FIELDS, later=LATER)
    values["organization_id"] = values.get("organization_id") or secrets.token_hex(16)
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        if values.get("budget_id"):
            rows.get(connection, "budget", values["budget_id"])
        made = rows.create(connection, desk, "organization", values)
        return rows.shown(connection, "organization", [made])[0]

    return JSONResponse(await rows.work(gateway, work))


async def update(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), FIELDS, later=LATER)
    fields.required(values, "organization_id")
    desk = rows.desk(gateway, caller)
    name = values.pop("organization_id")
    if values.get("blocked", ...) is None:
        values["blocked"] = False

    def work(connection: Connection) -> dict[str, Any]:
        changed = rows.change(connection, desk, "organization", name, values)
        return rows.shown(connection, "organization", [changed])[0]

    return JSONResponse(await rows.work(gateway, work))


async def delete(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """Its teams and keys stay, and belong to nobody."""
    values = fields.read(await fields.body_of(request), {"organization_ids": "names"})
    fields.required(values, "organization_ids")
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> list[dict[str, Any]]:
        gone = []
        for name in values["organization_ids"]:
            gone.append(rows.remove(connection, desk, "organization", name))
            for table in (tables.teams, tables.keys):
                where = table.c.organization_id == name
                connection.execute(table.update().where(where).values(organization_id=None))
            table = tables.organization_members
            connection.execute(table.delete().where(table.c.organization_id == name))
        return [rows.plain(tables.organizations, row) for row in gone]

    return JSONResponse(await rows.work(gateway, work))


async def info(request: Request, gateway: Gateway, caller: Caller) -> Response:
    asked = fields.query(request, "organization_id")
    fields.required(asked, "organization_id")
    name = asked["organization_id"]

    def work(connection: Connection) -> dict[str, Any]:
        seen = rights.sees_all(caller) or name in rights.organizations(connection, caller)
        rights.require(seen or name == caller.organization_id, "see this organisation")
        row = rows.get(connection, "organization", name)
        joined, teams = tables.organization_members, tables.teams
        members = connection.execute(select(joined).where(joined.c.organization_id == name)).mappings()
        own = connection.execute(select(teams).where(teams.c.organization_id == name)).mappings()
        return {
            **rows.shown(connection, "organization", [row])[0],
            "members": [rows.plain(joined, dict(member)) for member in members],
            "teams": rows.shown(connection, "team", [dict(team) for team in own]),
        }

    return JSONResponse(await rows.look(gateway, work))


async def listed(request: Request, gateway: Gateway, caller: Caller) -> Response:
    fields.query(request)

    def work(connection: Connection) -> list[dict[str, Any]]:
        table = tables.organizations
        where = []
        if not rights.sees_all(caller):
            where.append(table.c.organization_id.in_(rights.organizations(connection, caller)))
        found, _ = rows.page(connection, table, where, table.c.created_at.desc(), 1, 10_000)
        return rows.shown(connection, "organization", found)

    return JSONResponse(await rows.look(gateway, work))


async def member_add(request: Request, gateway: Gateway, caller: Caller) -> Response:
    return await _set_member(request, gateway, caller, new=True)


async def member_update(request: Request, gateway: Gateway, caller: Caller) -> Response:
    return await _set_member(request, gateway, caller, new=False)


async def _set_member(request: Request, gateway: Gateway, caller: Caller, *, new: bool) -> Response:
    body = await fields.body_of(request)
    if isinstance(member := body.pop("member", None), dict):  # LiteLLM's form
        body = {**member, **body}
    values = fields.read(body, _MEMBER)
    fields.required(values, "organization_id", "user_id")
    desk = rows.desk(gateway, caller)
    name, user, role = values["organization_id"], values["user_id"], values.get("role") or USER

    def work(connection: Connection) -> dict[str, Any]:
        allowed = caller.admin or name in rights.organizations(connection, caller)
        rights.require(
            allowed and (caller.admin or role in (USER, "internal_user_viewer")), "change members there"
        )
        rows.get(connection, "organization", name)
        if directory.find(connection, "user", user) is None:
            rows.create(connection, desk, "user", {"user_id": user, "user_role": USER})
        table = tables.organization_members
        where = (table.c.organization_id == name, table.c.user_id == user)
        known = connection.execute(table.update().where(*where).values(user_role=role)).rowcount
        if not known and not new:
            raise NotFoundError("this user is not in the organisation", param="user_id", code="404")
        if not known:
            row = {"organization_id": name, "user_id": user, "user_role": role, "created_at": desk.now}
            connection.execute(table.insert().values(**row))
        row = {"id": f"{name}/{user}", "user_role": role}
        rows.record(connection, desk, "updated" if known else "created", "organization_member", None, row)
        return {"organization_id": name, "user_id": user, "user_role": role}

    return JSONResponse(await rows.work(gateway, work))


async def member_delete(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), fields.table("organization_id:name user_id:name"))
    fields.required(values, "organization_id", "user_id")
    desk = rows.desk(gateway, caller)
    name, user = values["organization_id"], values["user_id"]

    def work(connection: Connection) -> dict[str, Any]:
        rights.require(
            caller.admin or name in rights.organizations(connection, caller), "change members there"
        )
        table = tables.organization_members
        where = (table.c.organization_id == name, table.c.user_id == user)
        if not connection.execute(table.delete().where(*where)).rowcount:
            raise NotFoundError("this user is not in the organisation", param="user_id", code="404")
        row = {"id": f"{name}/{user}"}
        rows.record(connection, desk, "deleted", "organization_member", row, None)
        return {"organization_id": name, "user_id": user}

    return JSONResponse(await rows.work(gateway, work))
