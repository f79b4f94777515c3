"""Pages of teams beside the team itself: what its members may do, one's own membership, many members at once."""

from functools import partial
from typing import Any, Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.errors import BadRequestError, HeadgateError, PermissionDeniedError
from headgate.server.admin import fields, rights, rows, teams
from headgate.server.callers import Caller
from headgate.server.gateway import Gateway
from headgate.store import directory
from headgate.store.directory import Row

MOST: Final = 500
"""Members of one request."""


async def permissions(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/team/permissions_list"""
    asked = fields.query(request, "team_id")
    fields.required(asked, "team_id")

    def work(connection: Connection) -> Response:
        return _permissions(teams.led(connection, caller, asked["team_id"]))

    return await rows.look(gateway, work)


def _permissions(team: Row) -> Response:
    given = team["team_member_permissions"] or []
    found = {"team_member_permissions": given, "all_available_permissions": list(fields.PERMISSIONS)}
    return JSONResponse({"team_id": team["team_id"], **found})


async def permit(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/team/permissions_update"""
    known = fields.table("team_id:name team_member_permissions:permissions")
    values = fields.read(await fields.body_of(request), known)
    fields.required(values, "team_id")
    given = values.get("team_member_permissions")
    if given is None:
        raise BadRequestError("'team_member_permissions' is missing", param="team_member_permissions")
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        team = teams.led(connection, caller, values["team_id"])
        changed = rows.change(connection, desk, "team", team["team_id"], {"team_member_permissions": given})
        return teams.shown(connection, [changed])[0]

    return JSONResponse(await rows.work(gateway, work))


async def mine(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/team/{team_id}/members/me: the caller's membership, and what it has spent there."""
    name, user = request.path_params["team_id"], caller.user_id

    def work(connection: Connection) -> dict[str, Any]:
        joined = directory.member(connection, name, user) if user else None
        team = directory.find(connection, "team", name)
        rights.require(joined is not None and team is not None, "see this membership")
        (found,) = teams.memberships(connection, team or {}, [joined or {}])
        person = directory.find(connection, "user", user or "") or {}
        names = {"user_email": person.get("user_email"), "team_alias": (team or {})["team_alias"]}
        return {**found, **names}

    return JSONResponse(await rows.look(gateway, work))


async def add_many(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/team/bulk_member_add: who can't be added is named with the reason, and the others are."""
    known = fields.table("team_id:name members:any max_budget_in_team:money")
    values = fields.read(await fields.body_of(request), known, later=frozenset(("all_users",)))
    fields.required(values, "team_id", "members")
    members = teams.members_of(values["members"], "members")
    if len(members) > MOST:
        raise BadRequestError(f"'members' may have {MOST} rows", param="members")
    desk = rows.desk(gateway, caller)

    def add(connection: Connection, member: dict[str, Any]) -> str:
        team = teams.led(connection, caller, values["team_id"])
        return str(teams.join_new(connection, desk, team, member, values)["user_id"])

    results: list[dict[str, Any]] = []
    for member in members:
        named = {name: member.get(name) for name in ("user_id", "user_email")}
        try:
            user = await rows.work(gateway, partial(add, member=member))
            results.append({**named, "user_id": user, "success": True, "error": None})
        except PermissionDeniedError:
            raise  # nobody of them
        except HeadgateError as error:
            results.append({**named, "success": False, "error": error.message})
    made = sum(result["success"] for result in results)
    whole = await rows.look(gateway, lambda c: teams.shown(c, [teams.led(c, caller, values["team_id"])])[0])
    counts = {"successful_additions": made, "failed_additions": len(results) - made}
    found = {"team_id": values["team_id"], "results": results, "total_requested": len(results)}
    return JSONResponse({**found, **counts, "updated_team": whole})
