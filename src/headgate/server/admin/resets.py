"""What counts as spent, set back: of a key, of a member of a team, of all keys and teams. The records of the calls
and all that was ever spent stay as they are."""

from typing import Any

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.errors import BadRequestError, NotFoundError
from headgate.server.admin import fields, keys, rights, rows
from headgate.server.callers import Caller
from headgate.server.gateway import Gateway
from headgate.store import directory, totals
from headgate.store.totals import Scope


async def key(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/key/{key}/reset_spend"""
    target = await _target(request)
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        row = keys.led(connection, desk, request.path_params["key"], "/key/update")
        team = directory.find(connection, "team", row["team_id"]) if row["team_id"] else None
        rights.require(rights.governs_team(connection, caller, team), "set what is spent")
        found = _lowered(connection, desk, ("key", str(row["id"])), row, target)
        limit = rows.number(row["max_budget"])
        return {"key_hash": row["token"], **found, "max_budget": limit}

    return JSONResponse(await rows.work(gateway, work))


async def member(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/team/{team_id}/member/{user_id}/reset_spend"""
    target = await _target(request)
    desk = rows.desk(gateway, caller)
    team_id, user_id = request.path_params["team_id"], request.path_params["user_id"]

    def work(connection: Connection) -> dict[str, Any]:
        team = directory.find(connection, "team", team_id)
        rights.require(rights.governs_team(connection, caller, team), "set what is spent")
        row = directory.member(connection, team_id, user_id)
        if team is None or row is None:
            raise NotFoundError("this user is not in the team", param="user_id", code="404")
        limits = directory.member_limits(team, row)
        found = _lowered(connection, desk, ("member", f"{team_id}/{user_id}"), limits, target)
        return {"team_id": team_id, "user_id": user_id, **found}

    return JSONResponse(await rows.work(gateway, work))


async def everyone(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/global/spend/reset"""
    desk = rows.desk(gateway, caller)

    def work(connection: Connection) -> None:
        for scope in totals.spenders(connection, ("key", "team")):
            limits = directory.find(connection, *scope) or {}
            rows.respend(connection, desk, scope, limits, 0)

    await rows.work(gateway, work)
    return JSONResponse({"message": "what all keys and teams have spent is 0", "status": "success"})


async def _target(request: Request) -> int:
    values = fields.read(await fields.body_of(request), {"reset_to": "money"})
    fields.required(values, "reset_to")
    return int(values["reset_to"])


def _lowered(
    connection: Connection, desk: rows.Desk, scope: Scope, limits: directory.Row, target: int
) -> dict[str, Any]:
    """Raises BadRequestError for more than was spent: then nothing is changed."""
    before = rows.respend(connection, desk, scope, limits, target)
    if target > before:
        raise BadRequestError(
            f"'reset_to' is {rows.number(target)}: expected at most what is spent, {rows.number(before)}",
            param="reset_to",
        )
    return {"spend": rows.number(target), "previous_spend": rows.number(before)}
