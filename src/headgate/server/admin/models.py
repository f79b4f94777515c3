"""Models at run time: kept in the database with their credentials sealed, served beside those of the file."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.errors import BadRequestError, ServiceUnavailableError
from headgate.server.admin import fields, rows
from headgate.server.callers import Caller
from headgate.server.config.entries import read_entry
from headgate.server.config.models import NAMED
from headgate.server.gateway import Gateway
from headgate.server.reload import Reloader
from headgate.store import tables
from headgate.store.directory import Row

_NEW: Final = fields.table("model_name:name litellm_params:mapping model_info:mapping blocked:flag")
_HIDDEN: Final = ("key", "token", "secret", "password", "credential", "header")


def reloader_of(gateway: Gateway) -> Reloader:
    if gateway.reloader is None:
        raise ServiceUnavailableError("this gateway has no database", type="no_db_connection")
    return gateway.reloader


async def new(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), _NEW)
    fields.required(values, "model_name", "litellm_params")
    reloader, desk = reloader_of(gateway), rows.desk(gateway, caller)
    info = values.get("model_info") or {}
    name = str(info.get("id") or secrets.token_hex(16))
    row = {"model_name": values["model_name"], "litellm_params": values["litellm_params"], "model_info": info}
    read_entry(row, reloader.env, gateway.snapshot.config)
    kept = {**row, "litellm_params": reloader.vault.seal(row["litellm_params"]), "model_id": name}

    def work(connection: Connection) -> Row:
        return rows.create(connection, desk, "model", kept)

    made = await rows.work(gateway, work)
    await reloader.reload(file=False)
    return JSONResponse(_shown(made, row["litellm_params"]))


async def update(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """Of `litellm_params` and `model_info` what is given goes over what is kept; null takes a key away."""
    body = await fields.body_of(request)
    values = fields.read(body, _NEW | fields.table("model_id:name id:name"))
    name = request.path_params.get("model_id") or values.get("model_id") or values.get("id")
    name = name or (values.get("model_info") or {}).get("id")
    if not isinstance(name, str):
        raise BadRequestError("'model_info.id' is missing: which model?", param="model_info.id")
    reloader, desk = reloader_of(gateway), rows.desk(gateway, caller)

    def work(connection: Connection) -> tuple[Row, dict[str, Any]]:
        known = rows.get(connection, "model", name)
        params = merged(reloader.vault.open(known["litellm_params"]), values.get("litellm_params"))
        info = merged(known["model_info"] or {}, values.get("model_info"))
        row = {
            "model_name": values.get("model_name") or known["model_name"],
            "litellm_params": params,
            "model_info": info,
        }
        read_entry(row, reloader.env, gateway.snapshot.config)
        changed = {**row, "litellm_params": reloader.vault.seal(params)}
        if "blocked" in values:
            changed["blocked"] = bool(values["blocked"])
        return rows.change(connection, desk, "model", name, changed), params

    made, params = await rows.work(gateway, work)
    await reloader.reload(file=False)
    return JSONResponse(_shown(made, params))


def merged(known: Mapping[str, Any], given: Mapping[str, Any] | None) -> dict[str, Any]:
    found = {**known, **(given or {})}
    return {name: value for name, value in found.items() if value is not None}


async def block(request: Request, gateway: Gateway, caller: Caller) -> Response:
    return await _set_blocked(request, gateway, caller, True)


async def unblock(request: Request, gateway: Gateway, caller: Caller) -> Response:
    return await _set_blocked(request, gateway, caller, False)


async def _set_blocked(request: Request, gateway: Gateway, caller: Caller, blocked: bool) -> Response:
    values = fields.read(await fields.body_of(request), {"model_id": "name"})
    fields.required(values, "model_id")
    reloader, desk = reloader_of(gateway), rows.desk(gateway, caller)
    action = "blocked" if blocked else "unblocked"

    def work(connection: Connection) -> Row:
        return rows.change(connection, desk, "model", values["model_id"], {"blocked": blocked}, action)

    made = await rows.work(gateway, work)
    await reloader.reload(file=False)
    return JSONResponse(_shown(made, reloader.vault.open(made["litellm_params"])))


async def delete(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), {"id": "name"})
    fields.required(values, "id")
    reloader, desk = reloader_of(gateway), rows.desk(gateway, caller)
    await rows.work(gateway, lambda connection: rows.remove(connection, desk, "model", values["id"]))
    await reloader.reload(file=False)
    return JSONResponse({"message": f"Model: {values['id']} deleted successfully"})


def _shown(row: Row, params: Mapping[str, Any]) -> dict[str, Any]:
    open_params = {
        name: "***" if name != NAMED and any(word in name for word in _HIDDEN) else value
        for name, value in params.items()
    }
    info = {**(row["model_info"] or {}), "id": row["model_id"], "db_model": True}
    plain = rows.plain(tables.models, row)
    return {**plain, "litellm_params": open_params, "model_info": info}
