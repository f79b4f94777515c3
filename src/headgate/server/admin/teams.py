"""Teams and their members: models, budgets and limits that their keys share."""

import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.errors import BadRequestError, NotFoundError
from headgate.server.admin import fields, policy, rights, rows
from headgate.server.admin.rows import Desk
from headgate.server.admin.users import join
from headgate.server.callers import Caller
from headgate.server.gateway import Gateway
from headgate.store import changes, directory, tables, totals
from headgate.store.directory import Row

FIELDS: Final = fields.LIMITS | fields.table(
    """team_id:name team_alias:name organization_id:name budget_id:name models:names model_aliases:aliases
    metadata:mapping tags:names guardrails:names access_group_ids:names team_member_permissions:permissions
    team_member_budget:money team_member_budget_duration:duration team_member_rpm_limit:count
    team_member_tpm_limit:count blocked:flag"""
)
NEW: Final = FIELDS | {"members_with_roles": "any"}
LATER: Final = frozenset(
    """admins allowed_passthrough_routes allowed_vector_store_indexes budget_limits default_estimated_output_tokens
    default_estimated_output_tokens_per_model default_team_member_models denied_passthrough_routes
    disable_global_guardrails enforced_batch_output_expires_after enforced_file_expires_after mcp_rpm_limit members
    object_permission policies prompts router_settings rpm_limit_type secret_manager_settings send_invite_email
    soft_budget_alerting_emails team_member_key_duration tpd_limit tpm_limit_type""".split()
)
MEMBER: Final = fields.table("user_id:name user_email:name role:member_role")
_MEMBER_LIMITS: Final = fields.table(
    "max_budget_in_team:money budget_duration:duration rpm_limit:count tpm_limit:count budget_id:name"
)
_MEMBER_LATER: Final = frozenset(("allowed_models", "temp_budget_increase", "temp_budget_expiry"))
_GOVERNED: Final = frozenset(
    (*fields.LIMITS, *"organization_id budget_id models access_group_ids tags guardrails blocked".split())
)
"""What a team may use and what watches it: its own administrators don't say that."""


async def new(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), NEW, later=LATER)
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        if not caller.admin:
            ours = rights.organizations(connection, caller)
            rights.require(values.get("organization_id") in ours, "make teams there")
            rights.require(not values.get("budget_id"), "name a budget")
        row = {name: value for name, value in values.items() if name in tables.teams.c}
        row["team_id"] = values.get("team_id") or secrets.token_hex(16)
        if "/" in row["team_id"]:
            raise BadRequestError("'team_id' may not have a '/' in it", param="team_id")
        _belongs(connection, row)
        made = rows.create(connection, desk, "team", row)
        members = members_of(values.get("members_with_roles") or [], "members_with_roles")
        if caller.user_id and all(member.get("user_id") != caller.user_id for member in members):
            members.append({"user_id": caller.user_id, "role": "admin"})
        for member in members:
            _add(connection, desk, made["team_id"], member)
        return shown(connection, [made])[0]

    return JSONResponse(await rows.work(gateway, work))


def _belongs(connection: Connection, row: Mapping[str, Any]) -> None:
    for kind in ("organization", "budget"):
        if name := row.get(f"{kind}_id"):
            rows.get(connection, kind, name)


def members_of(given: Any, place: str) -> list[dict[str, Any]]:
    items = [given] if isinstance(given, dict) else given
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items) or len(items) > 1_000:
        raise BadRequestError(
            f"{place!r} must be an object with user_id or user_email, or a list of such", param=place
        )
    found = [fields.read(item, MEMBER, place=f"{place}[{at}].") for at, item in enumerate(items)]
    for at, member in enumerate(found):
        if not member.get("user_id") and not member.get("user_email"):
            raise BadRequestError(f"'{place}[{at}]' needs a user_id or a user_email", param=place)
    return found


def _add(connection: Connection, desk: Desk, team: str, member: Mapping[str, Any], **limits: Any) -> Row:
    """The user, made where nobody knows it yet."""
    user = _user(connection, member)
    if user is None:
        values = {
            "user_id": member.get("user_id") or secrets.token_hex(16),
            **policy.new_user(desk.settings, {}),
        }
        user = rows.create(connection, desk, "user", values | {"user_email": member.get("user_email")})
    join(connection, desk, team, user["user_id"], member.get("role") or "user", **limits)
    return user


def _user(connection: Connection, member: Mapping[str, Any]) -> Row | None:
    if member.get("user_id"):
        return directory.find(connection, "user", member["user_id"])
    return directory.user_by_email(connection, member["user_email"])


async def update(request: Request, gateway: Gateway, caller: Caller) -> Response:
    body = await fields.body_of(request)
    if name := request.path_params.get("team_id"):
        body["team_id"] = name
    values = fields.read(body, FIELDS, later=LATER)
    fields.required(values, "team_id")
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        team = led(connection, caller, values["team_id"])
        row = {name: value for name, value in values.items() if name != "team_id"}
        if row.get("blocked", ...) is None:
            row["blocked"] = False
        _may_change(connection, caller, team, row)
        _belongs(connection, row)
        changed = rows.change(connection, desk, "team", values["team_id"], row)
        return {"team_id": values["team_id"], "data": shown(connection, [changed])[0]}

    return JSONResponse(await rows.work(gateway, work))


def _may_change(connection: Connection, caller: Caller, team: Row, row: Row) -> None:
    if caller.admin:
        return
    if not rights.governs_team(connection, caller, team):
        rights.require(not _GOVERNED & row.keys(), "change what a team may use")
    rights.require(row.get("budget_id") == team["budget_id"] or "budget_id" not in row, "name a budget")
    if row.get("organization_id", team["organization_id"]) != team["organization_id"]:
        ours = rights.organizations(connection, caller)
        rights.require(row["organization_id"] in ours, "move teams there")


def led(connection: Connection, caller: Caller, name: str) -> Row:
    team = directory.find(connection, "team", name)
    rights.require(rights.leads_team(connection, caller, team), "change this team")
    if team is None:
        raise rows.missing("team", name)
    return team


async def delete(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), {"team_ids": "names"})
    fields.required(values, "team_ids")
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        for name in dict.fromkeys(values["team_ids"]):
            team = directory.find(connection, "team", name)
            rights.require(rights.governs_team(connection, caller, team), "delete this team")
            rows.remove(connection, desk, "team", name)
            table = tables.keys
            for key in connection.scalars(select(table.c.id).where(table.c.team_id == name)).all():
                rows.remove(connection, desk, "key", key)
            members = tables.team_members
            for user in connection.scalars(select(members.c.user_id).where(members.c.team_id == name)).all():
                rows.settle(connection, desk, ("member", f"{name}/{user}"))
            connection.execute(members.delete().where(members.c.team_id == name))
        return {"deleted_teams": values["team_ids"]}

    return JSONResponse(await rows.work(gateway, work))


async def block(request: Request, gateway: Gateway, caller: Caller) -> Response:
    return await _set_blocked(request, gateway, caller, True)


async def unblock(request: Request, gateway: Gateway, caller: Caller) -> Response:
    return await _set_blocked(request, gateway, caller, False)


async def _set_blocked(request: Request, gateway: Gateway, caller: Caller, blocked: bool) -> Response:
    values = fields.read(await fields.body_of(request), {"team_id": "name"})
    fields.required(values, "team_id")
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        action = "blocked" if blocked else "unblocked"
        changed = rows.change(connection, desk, "team", values["team_id"], {"blocked": blocked}, action)
        return shown(connection, [changed])[0]

    return JSONResponse(await rows.work(gateway, work))


async def member_add(request: Request, gateway: Gateway, caller: Caller) -> Response:
    known = _MEMBER_LIMITS | {"team_id": "name", "member": "any"}
    values = fields.read(await fields.body_of(request), known, later=_MEMBER_LATER)
    fields.required(values, "team_id", "member")
    members = members_of(values["member"], "member")
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        team = led(connection, caller, values["team_id"])
        _may_name(connection, caller, values)
        users = [join_new(connection, desk, team, member, values) for member in members]
        joined = [directory.member(connection, team["team_id"], user["user_id"]) or {} for user in users]
        people = rows.shown(connection, "user", users)
        return {
            **shown(connection, [team])[0],
            "updated_users": people
            if caller.admin
            else [{name: row[name] for name in _OPEN} for row in people],
            "updated_team_memberships": memberships(connection, team, joined),
        }

    return JSONResponse(await rows.work(gateway, work))


def join_new(
    connection: Connection, desk: Desk, team: Row, member: Mapping[str, Any], limits: Mapping[str, Any]
) -> Row:
    """The user, who is in the team now. Raises BadRequestError for one that was."""
    user = _user(connection, member)
    if user is not None and directory.member(connection, team["team_id"], user["user_id"]) is not None:
        raise BadRequestError(
            f"user {user['user_id']!r} is in the team already",
            param="member",
            type="team_member_already_in_team",
        )
    return _add(connection, desk, team["team_id"], member, **_limits(limits))


_OPEN: Final = ("user_id", "user_email", "user_alias", "user_role")
"""What of a user those see that are no administrators."""


def _may_name(connection: Connection, caller: Caller, values: Mapping[str, Any]) -> None:
    """A budget that members share."""
    if name := values.get("budget_id"):
        rights.require(caller.admin, "name a budget")
        rows.get(connection, "budget", name)


def memberships(connection: Connection, team: Row, found: list[Row]) -> list[dict[str, Any]]:
    """Members with what they have spent in the team."""
    merged = [dict(row) for row in found]
    directory.merge_budgets(connection, merged)
    scopes = [("member", f"{row['team_id']}/{row['user_id']}") for row in found]
    since: dict[totals.Scope, float] = {}
    for scope, limits in zip(scopes, merged, strict=True):
        since |= directory.begun(scope, directory.member_limits(team, limits), time.time())
    spent = totals.spent(connection, scopes, since)
    return [
        rows.plain(tables.team_members, row)
        | {"max_budget_in_team": rows.number(row["max_budget"])}
        | {"spend": rows.number(spent.get(scope, (0, 0, 0.0))[0])}
        | rows.budget_of(tables.team_members, limits)
        for row, limits, scope in zip(found, merged, scopes, strict=True)
    ]


def _limits(values: Mapping[str, Any]) -> dict[str, Any]:
    names = {"max_budget_in_team": "max_budget"}
    return {names.get(name, name): values[name] for name in _MEMBER_LIMITS if name in values}


async def member_update(request: Request, gateway: Gateway, caller: Caller) -> Response:
    known = _MEMBER_LIMITS | MEMBER | {"team_id": "name"}
    values = fields.read(await fields.body_of(request), known, later=_MEMBER_LATER)
    fields.required(values, "team_id")
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        team = led(connection, caller, values["team_id"])
        _may_name(connection, caller, values)
        known = _member(connection, team["team_id"], values)
        role = values.get("role") or known["role"]
        join(connection, desk, team["team_id"], known["user_id"], role, **_limits(values))
        changed = directory.member(connection, team["team_id"], known["user_id"]) or {}
        return memberships(connection, team, [changed])[0]

    return JSONResponse(await rows.work(gateway, work))


async def member_delete(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), MEMBER | {"team_id": "name"})
    fields.required(values, "team_id")
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        team = led(connection, caller, values["team_id"])
        known = _member(connection, team["team_id"], values)
        table = tables.team_members
        where = (table.c.team_id == team["team_id"], table.c.user_id == known["user_id"])
        connection.execute(table.delete().where(*where))
        row = {"id": f"{team['team_id']}/{known['user_id']}", **known}
        rows.record(connection, desk, "deleted", "team_member", row, None)
        changes.note(connection, "team", team["team_id"])
        keys = tables.keys
        for key in connection.scalars(
            select(keys.c.id).where(keys.c.team_id == team["team_id"], keys.c.user_id == known["user_id"])
        ).all():
            rows.remove(connection, desk, "key", key)
        return shown(connection, [team])[0]

    return JSONResponse(await rows.work(gateway, work))


def _member(connection: Connection, team: str, values: Mapping[str, Any]) -> Row:
    if not values.get("user_id") and not values.get("user_email"):
        raise BadRequestError("'user_id' or 'user_email' is missing", param="user_id")
    user = _user(connection, values)
    known = directory.member(connection, team, user["user_id"] if user else values.get("user_id") or "")
    if known is None:
        raise NotFoundError("this user is not in the team", param="user_id", code="404")
    return known


async def info(request: Request, gateway: Gateway, caller: Caller) -> Response:
    name = fields.query(request, "team_id").get("team_id") or caller.team_id
    if name is None:
        raise BadRequestError("'team_id' is missing", param="team_id")

    def work(connection: Connection) -> dict[str, Any]:
        team = directory.find(connection, "team", name)
        rights.require(rights.sees_team(connection, caller, team), "see this team")
        if team is None:
            raise rows.missing("team", name)
        members = tables.team_members
        joined = connection.execute(select(members).where(members.c.team_id == name)).mappings().all()
        keys = connection.execute(select(tables.keys).where(tables.keys.c.team_id == name)).mappings().all()
        found = [dict(key) for key in keys]
        if not rights.sees_all(caller) and not rights.leads_team(connection, caller, team):
            found = [key for key in found if rights.sees_key(connection, caller, key)]
        return {
            "team_id": name,
            "team_info": shown(connection, [team])[0]
            | {"model_spend": rows.model_spend(connection, "team", team)},
            "keys": rows.shown(connection, "key", found),
            "team_memberships": memberships(connection, team, [dict(row) for row in joined]),
        }

    return JSONResponse(await rows.look(gateway, work))


async def listed(request: Request, gateway: Gateway, caller: Caller) -> Response:
    asked = fields.query(request, "user_id", "organization_id")
    order = rows.order(tables.teams, asked, *_SORT)
    found, _ = await rows.look(gateway, lambda c: _list(c, caller, asked, order, 1, 10_000))
    return JSONResponse(found)


async def listed_v2(request: Request, gateway: Gateway, caller: Caller) -> Response:
    known = "page page_size user_id organization_id team_id team_alias search sort_by sort_order".split()
    asked = fields.query(request, *known)
    number, size = fields.paging(request, "page_size")
    order = rows.order(tables.teams, asked, *_SORT)
    found, total = await rows.look(gateway, lambda c: _list(c, caller, asked, order, number, size))
    return JSONResponse(
        {
            "teams": found,
            "total": total,
            "page": number,
            "page_size": size,
            "total_pages": rows.pages(total, size),
        }
    )


_SORT: Final = ("created_at", "updated_at", "team_alias", "team_id", "organization_id", "max_budget")


def _list(
    connection: Connection, caller: Caller, asked: Mapping[str, str], order: Any, number: int, size: int
) -> tuple[list[dict[str, Any]], int]:
    table, members = tables.teams, tables.team_members
    where = [table.c[name] == asked[name] for name in ("organization_id", "team_id") if asked.get(name)]
    if asked.get("team_alias"):
        where.append(table.c.team_alias.icontains(asked["team_alias"], autoescape=True))
    if text := asked.get("search"):
        where.append(table.c.team_alias.icontains(text, autoescape=True) | (table.c.team_id == text))
    if asked.get("user_id"):
        where.append(
            table.c.team_id.in_(select(members.c.team_id).where(members.c.user_id == asked["user_id"]))
        )
    if not rights.sees_all(caller):
        ours = rights.organizations(connection, caller)
        mine = [*rights.memberships(connection, caller), *([caller.team_id] if caller.team_id else [])]
        where.append(table.c.team_id.in_(mine) | table.c.organization_id.in_(ours))
    found, total = rows.page(connection, table, where, order, number, size)
    return shown(connection, found), total


async def model_add(request: Request, gateway: Gateway, caller: Caller) -> Response:
    return await _change_models(
        request, gateway, caller, lambda known, given: [*dict.fromkeys([*known, *given])]
    )


async def model_delete(request: Request, gateway: Gateway, caller: Caller) -> Response:
    return await _change_models(
        request, gateway, caller, lambda known, given: [name for name in known if name not in given]
    )


async def _change_models(request: Request, gateway: Gateway, caller: Caller, changed: Any) -> Response:
    values = fields.read(await fields.body_of(request), {"team_id": "name", "models": "names"})
    fields.required(values, "team_id", "models")
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        team = rows.get(connection, "team", values["team_id"])
        models = changed(team["models"] or [], values["models"])
        row = rows.change(connection, desk, "team", team["team_id"], {"models": models})
        return {"team_id": team["team_id"], "data": shown(connection, [row])[0]}

    return JSONResponse(await rows.work(gateway, work))


def shown(connection: Connection, found: list[Row]) -> list[dict[str, Any]]:
    """Teams as the API shows them, with their members."""
    table, users = tables.team_members, tables.users
    members: dict[str, list[dict[str, Any]]] = {row["team_id"]: [] for row in found}
    for names in totals.parts(list(members)):
        statement = (
            select(table.c.team_id, table.c.user_id, table.c.role, users.c.user_email)
            .outerjoin(users, users.c.user_id == table.c.user_id)
            .where(table.c.team_id.in_(names))
            .order_by(table.c.created_at, table.c.user_id)
        )
        for row in connection.execute(statement).mappings():
            members[row["team_id"]].append({name: row[name] for name in ("user_id", "user_email", "role")})
    return [
        {**row, "members_with_roles": members[row["team_id"]], "admins": [], "members": []}
        for row in rows.shown(connection, "team", found)
    ]
