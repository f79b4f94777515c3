"""Organisations: teams and users under one budget and one list of models, led by their own administrators."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.errors import BadRequestError, NotFoundError
from headgate.server.admin import fields, rights, rows
from headgate.server.admin.rows import Desk
from headgate.server.callers import USER, Caller
from headgate.server.gateway import Gateway
from headgate.store import changes, directory, tables

FIELDS: Final = fields.LIMITS | fields.table(
    "organization_id:name organization_alias:name models:names metadata:mapping budget_id:name blocked:flag"
)
LATER: Final = frozenset(
    "allowed_models model_spend object_permission temp_budget_expiry temp_budget_increase tpd_limit".split()
)
_ASKED: Final = {"organization_id": "name", "member": "any"}
_MEMBER: Final = fields.table("user_id:name user_email:name role:user_role")
_LATER: Final = frozenset(("max_budget_in_organization",))


async def new(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), FIELDS, later=LATER)
    values["organization_id"] = values.get("organization_id") or secrets.token_hex(16)
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        _check_budget(connection, values)
        made = rows.create(connection, desk, "organization", values)
        return rows.shown(connection, "organization", [made])[0]

    return JSONResponse(await rows.work(gateway, work))


def _check_budget(connection: Connection, values: Mapping[str, Any]) -> None:
    if name := values.get("budget_id"):
        rows.get(connection, "budget", name)


async def update(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), FIELDS, later=LATER)
    fields.required(values, "organization_id")
    desk = rows.desk(gateway, caller)
    name = values.pop("organization_id")
    if values.get("blocked", ...) is None:
        values["blocked"] = False

    def work(connection: Connection) -> dict[str, Any]:
        _check_budget(connection, values)
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
        for name in dict.fromkeys(values["organization_ids"]):
            gone.append(rows.remove(connection, desk, "organization", name))
            for table in (tables.teams, tables.keys):
                where = table.c.organization_id == name
                connection.execute(table.update().where(where).values(organization_id=None))
            table = tables.organization_members
            for user in connection.scalars(
                select(table.c.user_id).where(table.c.organization_id == name)
            ).all():
                changes.note(connection, "user", user)  # who may administer it may not any more
            connection.execute(table.delete().where(table.c.organization_id == name))
        return [rows.plain(tables.organizations, row) for row in gone]

    return JSONResponse(await rows.work(gateway, work))


async def info(request: Request, gateway: Gateway, caller: Caller) -> Response:
    asked = fields.query(request, "organization_id")
    fields.required(asked, "organization_id")
    name = asked["organization_id"]

    def work(connection: Connection) -> dict[str, Any]:
        led = rights.sees_all(caller) or name in rights.organizations(connection, caller)
        inside = name == caller.organization_id or bool(_members(connection, name, caller.user_id or ""))
        rights.require(led or inside, "see this organisation")
        row = rows.get(connection, "organization", name)
        teams = tables.teams
        own = connection.execute(select(teams).where(teams.c.organization_id == name)).mappings()
        seen = [dict(team) for team in own if led or rights.sees_team(connection, caller, dict(team))]
        members = _members(connection, name)
        return {
            **rows.shown(connection, "organization", [row])[0],
            "members": [member for member in members if led or member["user_id"] == caller.user_id],
            "teams": rows.shown(connection, "team", seen),
        }

    return JSONResponse(await rows.look(gateway, work))


def _members(connection: Connection, name: str, *users: str) -> list[dict[str, Any]]:
    """Those of an organisation, or some of them, as they are shown."""
    table, people = tables.organization_members, tables.users
    statement = (
        select(table, people.c.user_email)
        .outerjoin(people, people.c.user_id == table.c.user_id)
        .where(table.c.organization_id == name)
        .order_by(table.c.created_at, table.c.user_id)
    )
    if users:
        statement = statement.where(table.c.user_id.in_(users))
    found = [rows.plain(table, dict(row)) for row in connection.execute(statement).mappings()]
    return [{**row, "updated_at": row["created_at"]} for row in found]


async def listed(request: Request, gateway: Gateway, caller: Caller) -> Response:
    asked = fields.query(request, "org_id", "org_alias")

    def work(connection: Connection) -> list[dict[str, Any]]:
        table = tables.organizations
        where = [table.c.organization_id == asked["org_id"]] if asked.get("org_id") else []
        if asked.get("org_alias"):
            where.append(table.c.organization_alias.icontains(asked["org_alias"], autoescape=True))
        if not rights.sees_all(caller):
            where.append(table.c.organization_id.in_(rights.organizations(connection, caller)))
        found, _ = rows.page(connection, table, where, table.c.created_at.desc(), 1, 10_000)
        return rows.shown(connection, "organization", found)

    return JSONResponse(await rows.look(gateway, work))


async def member_add(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """LiteLLM's form has `member`, one or a list; its fields may stand beside the organisation, too."""
    name, members = await _asked(request)
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        _led(connection, caller, name)
        users = [_add(connection, desk, name, member) for member in members]
        found = [directory.find(connection, "user", user) or {} for user in users]
        answer = {
            "organization_id": name,
            "updated_users": rows.shown(connection, "user", found),
            "updated_organization_memberships": _members(connection, name, *users),
        }
        return answer | ({"user_id": users[0]} if len(users) == 1 else {})

    return JSONResponse(await rows.work(gateway, work))


async def _asked(request: Request) -> tuple[str, list[dict[str, Any]]]:
    """The organisation and the members of a request."""
    body = await fields.body_of(request)
    beside = {field: value for field, value in body.items() if field in _MEMBER}
    values = fields.read({f: v for f, v in body.items() if f not in beside}, _ASKED, later=_LATER)
    fields.required(values, "organization_id")
    given = values.get("member", beside)
    given = given if isinstance(given, list) else [given]
    if not given or len(given) > 1_000 or not all(isinstance(item, dict) for item in given):
        raise BadRequestError("'member' must be an object with a user_id, or a list of such", param="member")
    members = [fields.read(item, _MEMBER, place="member." if "member" in values else "") for item in given]
    if not all(member.get("user_id") or member.get("user_email") for member in members):
        raise BadRequestError("'user_id' is missing", param="user_id")
    return values["organization_id"], members


def _led(connection: Connection, caller: Caller, name: str) -> None:
    led = caller.admin or name in rights.organizations(connection, caller)
    rights.require(led, "change members there")
    rows.get(connection, "organization", name)


def _add(connection: Connection, desk: Desk, name: str, member: Mapping[str, Any]) -> str:
    """Makes the user where nobody knows it. Administrators of organisations take no user who is not theirs."""
    caller, role = desk.caller, member.get("role") or USER
    rights.require(caller.admin or role in rights.PLAIN, "change members there")
    user = _user(connection, member)
    if user is None:
        row = {"user_id": member.get("user_id") or secrets.token_hex(16), "user_role": USER}
        user = rows.create(connection, desk, "user", row | {"user_email": member.get("user_email")})[
            "user_id"
        ]
    elif not caller.admin:
        rights.require(rights.leads_user(connection, caller, user), "change members there")
    table = tables.organization_members
    before = connection.scalar(select(table.c.user_role).where(*_where(name, user)))
    connection.execute(table.delete().where(*_where(name, user)))
    row = {"organization_id": name, "user_id": user, "user_role": role, "created_at": desk.now}
    connection.execute(table.insert().values(**row))
    _record(connection, desk, name, user, before, role)
    return str(user)


def _user(connection: Connection, member: Mapping[str, Any]) -> str | None:
    if name := member.get("user_id"):
        known = directory.find(connection, "user", name)
    else:
        known = directory.user_by_email(connection, member["user_email"])
    return None if known is None else str(known["user_id"])


def _where(name: str, user: str | None) -> tuple[Any, Any]:
    table = tables.organization_members
    return table.c.organization_id == name, table.c.user_id == user


def _record(
    connection: Connection, desk: Desk, name: str, user: str, before: str | None, after: str | None
) -> None:
    """The audit log, with the roles before and after; what the user may do has changed."""
    was, now = (
        None if role is None else {"id": f"{name}/{user}", "user_role": role} for role in (before, after)
    )
    action = "created" if was is None else "deleted" if now is None else "updated"
    rows.record(connection, desk, action, "organization_member", was, now)
    changes.note(connection, "user", user)


async def member_update(request: Request, gateway: Gateway, caller: Caller) -> Response:
    name, (member, *_) = await _asked(request)
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        user, known = _member(connection, caller, name, member)
        role = member.get("role") or known
        rights.require(caller.admin or role in (known, *rights.PLAIN), "change members there")
        statement = tables.organization_members.update().where(*_where(name, user))
        connection.execute(statement.values(user_role=role))
        _record(connection, desk, name, user, known, role)
        return _members(connection, name, user)[0]

    return JSONResponse(await rows.work(gateway, work))


async def member_delete(request: Request, gateway: Gateway, caller: Caller) -> Response:
    name, (member, *_) = await _asked(request)
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        user, role = _member(connection, caller, name, member)
        connection.execute(tables.organization_members.delete().where(*_where(name, user)))
        _record(connection, desk, name, user, role, None)
        return {"organization_id": name, "user_id": user}

    return JSONResponse(await rows.work(gateway, work))


def _member(connection: Connection, caller: Caller, name: str, member: Mapping[str, Any]) -> tuple[str, str]:
    """Who it is, and its role. Raises NotFoundError, PermissionDeniedError."""
    _led(connection, caller, name)
    user = _user(connection, member)
    table = tables.organization_members
    role = connection.scalar(select(table.c.user_role).where(*_where(name, user)))
    if user is None or role is None:
        raise NotFoundError("this user is not in the organisation", param="user_id", code="404")
    return user, role
