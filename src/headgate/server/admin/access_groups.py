"""Access groups, names for several models, in LiteLLM's two forms: by REST with ids of their own (/v1/access_group),
and by name (/access_group), where those of the configuration are seen, too."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.server.admin import fields, rows
from headgate.server.callers import Caller
from headgate.server.gateway import Gateway
from headgate.store import tables
from headgate.store.directory import Row

_KIND: Final = "access_group"
_FIELDS: Final = fields.table("access_group_name:name description:text access_model_names:names")
_LATER: Final = frozenset("access_agent_ids access_mcp_server_ids assigned_key_ids assigned_team_ids".split())
_BY_NAME: Final = fields.table("access_group:name model_names:names")
_DEPLOYMENTS: Final = frozenset(("model_ids",))


async def make(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), _FIELDS, later=_LATER)
    fields.required(values, "access_group_name")
    desk = rows.desk(gateway, caller)
    made = {**values, "access_group_id": secrets.token_hex(16)}
    row = await rows.work(gateway, lambda c: _shown(c, rows.create(c, desk, _KIND, made)))
    return JSONResponse(row, 201)


async def listed(request: Request, gateway: Gateway, caller: Caller) -> Response:
    fields.query(request)
    return JSONResponse(await rows.look(gateway, lambda c: rows.shown(c, _KIND, _all(c))))


async def one(request: Request, gateway: Gateway, caller: Caller) -> Response:
    name = request.path_params["id"]
    return JSONResponse(await rows.look(gateway, lambda c: _shown(c, rows.get(c, _KIND, name))))


async def change(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), _FIELDS, later=_LATER)
    if "access_group_name" in values:
        fields.required(values, "access_group_name")
    name, desk = request.path_params["id"], rows.desk(gateway, caller)
    return JSONResponse(
        await rows.work(gateway, lambda c: _shown(c, rows.change(c, desk, _KIND, name, values)))
    )


async def remove(request: Request, gateway: Gateway, caller: Caller) -> Response:
    name, desk = request.path_params["id"], rows.desk(gateway, caller)
    await rows.work(gateway, lambda c: rows.remove(c, desk, _KIND, name))
    return Response(status_code=204)


# by name


async def make_named(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """Also in the words of the other form."""
    body = await fields.body_of(request)
    if "access_group_name" in body or "access_group" not in body:
        values = fields.read(body, {**_FIELDS, "access_group_id": "name"}, later=_LATER)
        fields.required(values, "access_group_name")
    else:
        given = fields.read(body, _BY_NAME, later=_DEPLOYMENTS)
        fields.required(given, "access_group", "model_names")
        values = {"access_group_name": given["access_group"], "access_model_names": given["model_names"]}
    values["access_group_id"] = values.get("access_group_id") or secrets.token_hex(16)
    desk = rows.desk(gateway, caller)
    row = await rows.work(gateway, lambda c: _shown(c, rows.create(c, desk, _KIND, values)))
    return JSONResponse({**row, **_named(gateway, row), "models_updated": len(row["access_model_names"])})


async def listed_named(request: Request, gateway: Gateway, caller: Caller) -> Response:
    fields.query(request)
    kept = await rows.look(gateway, lambda c: rows.shown(c, _KIND, _all(c)))
    names = {row["access_group_name"] for row in kept}
    written = [
        {"access_group_name": name, "access_model_names": list(dict.fromkeys(models))}
        for name, models in gateway.snapshot.access_groups.items()
        if name not in names
    ]
    return JSONResponse({"access_groups": [{**row, **_named(gateway, row)} for row in (*kept, *written)]})


async def one_named(request: Request, gateway: Gateway, caller: Caller) -> Response:
    name = request.path_params["name"]
    written = gateway.snapshot.access_groups.get(name)

    def work(connection: Connection) -> dict[str, Any]:
        if written is not None and _find(connection, name) is None:
            return {"access_group_name": name, "access_model_names": list(dict.fromkeys(written))}
        return _shown(connection, _get(connection, name))

    row = await rows.look(gateway, work)
    return JSONResponse({**row, **_named(gateway, row)})


async def change_named(request: Request, gateway: Gateway, caller: Caller) -> Response:
    given = fields.read(await fields.body_of(request), {"model_names": "names"}, later=_DEPLOYMENTS)
    fields.required(given, "model_names")
    name, desk = request.path_params["name"], rows.desk(gateway, caller)

    def work(connection: Connection) -> dict[str, Any]:
        known = _get(connection, name)
        values = {"access_model_names": given["model_names"]}
        return _shown(connection, rows.change(connection, desk, _KIND, known["access_group_id"], values))

    row = await rows.work(gateway, work)
    return JSONResponse({**_named(gateway, row), "models_updated": len(row["access_model_names"])})


async def remove_named(request: Request, gateway: Gateway, caller: Caller) -> Response:
    name, desk = request.path_params["name"], rows.desk(gateway, caller)

    def work(connection: Connection) -> Row:
        return rows.remove(connection, desk, _KIND, _get(connection, name)["access_group_id"])

    gone = await rows.work(gateway, work)
    count = len(gone["access_model_names"] or ())
    message = f"Access group {name!r} deleted"
    return JSONResponse({"access_group": name, "models_updated": count, "message": message})


def _named(gateway: Gateway, row: Mapping[str, Any]) -> dict[str, Any]:
    models = row["access_model_names"]
    count = sum(name in models for name, _ in gateway.snapshot.rows)
    return {"access_group": row["access_group_name"], "model_names": models, "deployment_count": count}


def _all(connection: Connection) -> list[Row]:
    table = tables.access_groups
    return [
        dict(row) for row in connection.execute(select(table).order_by(table.c.access_group_name)).mappings()
    ]


def _find(connection: Connection, name: str) -> Row | None:
    table = tables.access_groups
    row = connection.execute(select(table).where(table.c.access_group_name == name)).mappings().first()
    return None if row is None else dict(row)


def _get(connection: Connection, name: str) -> Row:
    """Raises NotFoundError."""
    row = _find(connection, name)
    if row is None:
        raise rows.missing(_KIND, name)
    return row


def _shown(connection: Connection, row: Row) -> dict[str, Any]:
    return rows.shown(connection, _KIND, [row])[0]
