"""Credentials at run time: kept in the database with their values sealed, named by `litellm_credential_name` of rows
of the file and of the database. No answer shows a secret."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.core.params import leads
from headgate.core.route import unknown_model
from headgate.errors import BadRequestError, HeadgateError
from headgate.server import stored
from headgate.server.admin import fields, rows
from headgate.server.admin.models import merged, reloader_of
from headgate.server.callers import Caller
from headgate.server.config.entries import read_credential
from headgate.server.gateway import Gateway
from headgate.server.reload import Reloader
from headgate.store.directory import Row

MASK: Final = rows.HIDDEN
_GIVEN: Final = fields.table(
    """credential_name:name display_name:text credential_info:mapping credential_values:mapping model_id:name"""
)
_CHANGED: Final = _GIVEN | {"credential_values_to_delete": "names"}
_OPEN: Final = frozenset("api_version organization project custom_llm_provider model".split())
_OPEN_ENDS: Final = ("_region", "_region_name", "_project", "_location", "_api_version", "_profile_name")
_ADDRESSES: Final = ("_base", "_url", "_endpoint", "_host")


async def new(request: Request, gateway: Gateway, caller: Caller) -> Response:
    values = fields.read(await fields.body_of(request), _GIVEN)
    fields.required(values, "credential_name")
    reloader, desk, name = reloader_of(gateway), rows.desk(gateway, caller), values["credential_name"]
    _not_of_the_file(reloader, name)
    given = merged({}, _unmasked(_values(gateway, values), {}))
    if not given:
        raise BadRequestError(
            "'credential_values' is missing: give it, or the 'model_id' of a model to take them of",
            param="credential_values",
        )
    row = {
        "credential_name": name,
        "display_name": values.get("display_name"),
        "credential_values": _sealed(reloader, name, given),
        "credential_info": values.get("credential_info") or {},
    }
    await asyncio.to_thread(reloader.rehearse, row)
    await rows.work(gateway, lambda connection: rows.create(connection, desk, "credential", row))
    await reloader.reload(file=False)
    return _done("created")


async def update(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """What is given of `credential_values` and `credential_info` goes over what is kept; null takes a key away, and a
    value as it is shown leaves what it hides."""
    values = fields.read(await fields.body_of(request), _CHANGED)
    reloader, desk, name = reloader_of(gateway), rows.desk(gateway, caller), _asked(request)
    if values.get("credential_name") not in (None, name):
        raise BadRequestError("a credential keeps its name: make another one", param="credential_name")
    _not_of_the_file(reloader, name)
    given = _values(gateway, values)
    gone = values.get("credential_values_to_delete") or ()

    def changed(connection: Connection) -> Row:
        known = rows.get(connection, "credential", name)
        kept = reloader.vault.open(known["credential_values"])
        _must_have(kept, gone)
        whole = merged(kept, {**_unmasked(given, kept), **dict.fromkeys(gone)})
        row = {
            "credential_values": _sealed(reloader, name, whole),
            "credential_info": merged(known["credential_info"] or {}, values.get("credential_info")),
        }
        return row | ({"display_name": values["display_name"]} if "display_name" in values else {})

    rehearsed = await rows.look(gateway, changed)
    await asyncio.to_thread(reloader.rehearse, {**rehearsed, "credential_name": name})
    await rows.work(gateway, lambda c: rows.change(c, desk, "credential", name, changed(c)))
    await reloader.reload(file=False)
    return _done("updated")


async def delete(request: Request, gateway: Gateway, caller: Caller) -> Response:
    reloader, desk, name = reloader_of(gateway), rows.desk(gateway, caller), _asked(request)
    _not_of_the_file(reloader, name)

    def work(connection: Connection) -> None:
        rows.get(connection, "credential", name)
        named = stored.users(stored.read(connection), reloader.file, reloader.vault, name)
        if named:
            raise BadRequestError(
                f"the credential {name!r} is named by {', '.join(named)}: change or delete these first",
                param="credential_name",
            )
        rows.remove(connection, desk, "credential", name)

    await rows.work(gateway, work)
    await reloader.reload(file=False)
    return _done("deleted")


async def listed(request: Request, gateway: Gateway, caller: Caller) -> Response:
    fields.query(request)
    return JSONResponse({"success": True, "credentials": await _everyone(gateway)})


async def one(request: Request, gateway: Gateway, caller: Caller) -> Response:
    name = _asked(request)
    found = next((row for row in await _everyone(gateway) if row["credential_name"] == name), None)
    if found is None:
        raise rows.missing("credential", name)
    return JSONResponse(found)


async def of_model(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """What a deployment calls with, as if it were a credential."""
    name = request.path_params["model_id"]
    public, values = _of_model(gateway, name)
    shown = {"credential_name": f"{public}-credential-{name}", "credential_values": masked(values)}
    return JSONResponse({**shown, "credential_info": {}})


def masked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Addresses, projects and regions as they are, all else hidden: what is not known may be a secret."""
    return {name: value if _is_open(name, value) else MASK for name, value in values.items()}


def _is_open(name: str, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    if name.endswith(_ADDRESSES):
        return "@" not in value and "?" not in value
    return name in _OPEN or name.endswith(_OPEN_ENDS)


async def _everyone(gateway: Gateway) -> list[dict[str, Any]]:
    """Those of the file first; one of the database that has the name of one of them counts for nobody."""
    reloader = gateway.reloader
    file = gateway.snapshot.config if reloader is None else reloader.file
    found = [
        {
            "credential_name": name,
            "credential_values": masked(values),
            "credential_info": file.credential_infos.get(name, {}),
            "source": "config",
        }
        for name, values in file.credentials.items()
    ]
    if reloader is None:
        return found
    kept = sorted(
        (await rows.look(gateway, stored.read)).credentials, key=lambda row: str(row["credential_name"])
    )
    return found + [_shown(reloader, row) for row in kept if row["credential_name"] not in file.credentials]


def _shown(reloader: Reloader, row: Row) -> dict[str, Any]:
    """With an `error` where it can't be used."""
    shown: dict[str, Any] = {
        "credential_name": row["credential_name"],
        "display_name": row["display_name"],
        "credential_values": {},
        "credential_info": row["credential_info"] or {},
        "source": "db",
    }
    try:
        return shown | {"credential_values": masked(reloader.vault.open(row["credential_values"] or {}))}
    except HeadgateError as error:
        return shown | {"error": error.message}


def _values(gateway: Gateway, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are given, or those of the model that is named."""
    values, model = given.get("credential_values") or {}, given.get("model_id")
    if not model:
        return values
    if values:
        raise BadRequestError("give 'credential_values' or 'model_id', not both", param="model_id")
    return {name: _literal(value) for name, value in _of_model(gateway, model)[1].items()}


def _unmasked(given: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is given as it was shown: that stays what it is. Raises BadRequestError where there is nothing."""
    for name, value in given.items():
        if value == MASK and name not in kept:
            raise BadRequestError(
                f"credential_values.{name}: {MASK} stands for a value that is not shown, and there is none yet",
                param=f"credential_values.{name}",
            )
    return {name: value for name, value in given.items() if value != MASK}


def _literal(value: Any) -> Any:
    """A value that is resolved already, so that reading it finds no reference in it."""
    return value.replace("${", "$${") if isinstance(value, str) else value


def _of_model(gateway: Gateway, name: str) -> tuple[str, dict[str, Any]]:
    """The public name of a deployment, and what of its parameters says whom to ask and as whom."""
    known = {one.id: (public, one) for public, one in gateway.snapshot.rows}
    if name not in known:
        raise unknown_model(name, list(known))
    public, deployment = known[name]
    own = deployment.provider.auth.token_param
    return public, {key: value for key, value in deployment.params.items() if leads(key) or key == own}


def _sealed(reloader: Reloader, name: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Raises BadRequestError for values that no row could have."""
    read_credential({"credential_name": name, "credential_values": values}, reloader.env)
    return reloader.vault.seal(values)


def _must_have(kept: Mapping[str, Any], names: Any) -> None:
    for name in names:
        if name not in kept:
            raise BadRequestError(
                f"the credential has no value {name!r}: it has {', '.join(kept)}",
                param="credential_values_to_delete",
            )


def _not_of_the_file(reloader: Reloader, name: str) -> None:
    if name in reloader.file.credentials:
        raise BadRequestError(
            f"the credential {name!r} is in the configuration file: change credential_list there, or take "
            "another name",
            param="credential_name",
        )


def _asked(request: Request) -> str:
    return str(request.path_params["credential_name"])


def _done(word: str) -> Response:
    return JSONResponse({"success": True, "message": f"Credential {word} successfully"})
