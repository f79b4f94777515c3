"""Rows that are made, changed, shown, listed and deleted and no more: budgets, customers, tags, access groups.

One table of what differs, one set of pages for all.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.errors import BadRequestError
from headgate.server.admin import fields, rows
from headgate.server.callers import Caller
from headgate.server.gateway import Gateway
from headgate.store import directory
from headgate.store.directory import TABLES

_MODELS_LATER: Final = frozenset(
    "budget_reset_at default_model model_info object_permission send_invite_email spend tpd_limit".split()
)


Shown: TypeAlias = dict[str, Any]


def _told(word: str, tag: Shown) -> Shown:
    return {**tag, "message": f"Tag {tag['name']} {word} successfully", "tag": tag}


class Resource(Struct, frozen=True):
    """`made`: an id is made up where none is given. `many` is the field of a list of ids, `single` of one, `asked`
    the query's parameter of one; `needs` are fields that can't be left out or taken away. `told` makes what a change
    answers of its row, `found` what is answered to a list of ids, `gone` what to a deletion."""

    kind: str
    fields: dict[str, str]
    made: bool = False
    many: str = ""
    asked: str = ""
    single: str = ""
    needs: tuple[str, ...] = ()
    told: Callable[[str, Shown], Any] = lambda word, row: row
    found: Callable[[list[Shown]], Any] = lambda rows: rows
    gone: str = "deleted"

    @property
    def id(self) -> str:
        return rows.id_name(self.kind)


BUDGET: Final = Resource(
    "budget", fields.LIMITS | {"budget_id": "name"}, made=True, many="budgets", asked="budget_id", single="id"
)
CUSTOMER: Final = Resource(
    "customer",
    fields.LIMITS
    | fields.table(
        """user_id:name alias:text blocked:flag budget_id:name allowed_model_region:name models:names
        metadata:mapping"""
    ),
    many="user_ids",
    asked="end_user_id",
    gone="deleted_customers",
)
TAG: Final = Resource(
    "tag",
    fields.LIMITS | fields.table("name:name description:text models:names budget_id:name"),
    many="names",
    asked="name",
    single="name",
    told=_told,
    found=lambda rows: {row["name"]: row for row in rows},
)
ACCESS_GROUP: Final = Resource(
    "access_group",
    fields.table("access_group_id:name access_group_name:name description:text access_model_names:names"),
    made=True,
    asked="access_group_id",
    single="access_group_id",
    needs=("access_group_name",),
)


class Pages:
    """The pages of one resource."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    async def new(self, request: Request, gateway: Gateway, caller: Caller) -> Response:
        resource = self._resource
        values = fields.read(await fields.body_of(request), resource.fields, later=_MODELS_LATER)
        if resource.made and not values.get(resource.id):
            values[resource.id] = secrets.token_hex(16)
        fields.required(values, resource.id, *resource.needs)
        desk = rows.desk(gateway, caller)

        def work(connection: Connection) -> Shown:
            self._check_budget(connection, values)
            made = rows.create(connection, desk, resource.kind, values)
            return rows.shown(connection, resource.kind, [made])[0]

        return JSONResponse(resource.told("created", await rows.work(gateway, work)))

    async def update(self, request: Request, gateway: Gateway, caller: Caller) -> Response:
        resource = self._resource
        values = fields.read(await fields.body_of(request), resource.fields, later=_MODELS_LATER)
        fields.required(values, resource.id, *(name for name in resource.needs if name in values))
        desk = rows.desk(gateway, caller)
        name = values.pop(resource.id)
        if values.get("blocked", ...) is None:
            values["blocked"] = False

        def work(connection: Connection) -> Shown:
            self._check_budget(connection, values)
            changed = rows.change(connection, desk, resource.kind, name, values)
            return rows.shown(connection, resource.kind, [changed])[0]

        return JSONResponse(resource.told("updated", await rows.work(gateway, work)))

    async def delete(self, request: Request, gateway: Gateway, caller: Caller) -> Response:
        names = await self._names(request)
        desk = rows.desk(gateway, caller)

        def work(connection: Connection) -> int:
            for name in names:
                rows.remove(connection, desk, self._resource.kind, name)
            return len(names)

        count = await rows.work(gateway, work)
        return JSONResponse({self._resource.gone: count, "message": f"deleted {', '.join(names)}"})

    async def info(self, request: Request, gateway: Gateway, caller: Caller) -> Response:
        if request.method == "GET":
            asked = fields.query(request, self._resource.asked)
            fields.required(asked, self._resource.asked)
            names = [asked[self._resource.asked]]
        else:
            names = await self._names(request)

        def work(connection: Connection) -> list[Shown]:
            found = [rows.get(connection, self._resource.kind, name) for name in names]
            return rows.shown(connection, self._resource.kind, found)

        found = await rows.look(gateway, work)
        return JSONResponse(found[0] if request.method == "GET" else self._resource.found(found))

    async def listed(self, request: Request, gateway: Gateway, caller: Caller) -> Response:
        fields.query(request, "page", "size")
        number, size = fields.paging(request, most=1_000) if request.query_params else (1, 1_000)
        table = TABLES[self._resource.kind]

        def work(connection: Connection) -> list[Shown]:
            order = rows.key_column(self._resource.kind)
            found, _ = rows.page(connection, table, [], order, number, size)
            return rows.shown(connection, self._resource.kind, found)

        return JSONResponse(await rows.look(gateway, work))

    async def block(self, request: Request, gateway: Gateway, caller: Caller) -> Response:
        return await self._set_blocked(request, gateway, caller, True)

    async def unblock(self, request: Request, gateway: Gateway, caller: Caller) -> Response:
        return await self._set_blocked(request, gateway, caller, False)

    async def _set_blocked(
        self, request: Request, gateway: Gateway, caller: Caller, blocked: bool
    ) -> Response:
        names = await self._names(request)
        desk = rows.desk(gateway, caller)
        kind = self._resource.kind

        def work(connection: Connection) -> list[Shown]:
            found = []
            for name in names:
                if blocked and directory.find(connection, kind, name) is None:  # before its first call, too
                    rows.create(connection, desk, kind, {self._resource.id: name})
                action = "blocked" if blocked else "unblocked"
                found.append(rows.change(connection, desk, kind, name, {"blocked": blocked}, action))
            return rows.shown(connection, kind, found)

        found = await rows.work(gateway, work)
        return JSONResponse({"blocked_users": found} if blocked else _unblocked(found))

    async def _names(self, request: Request) -> list[str]:
        resource = self._resource
        known = {name: kind for name, kind in ((resource.many, "names"), (resource.single, "name")) if name}
        values = fields.read(await fields.body_of(request), known)
        names = values.get(resource.many) or (
            [values[resource.single]] if values.get(resource.single) else []
        )
        if not names:
            raise BadRequestError(f"{next(iter(known))!r} is missing", param=next(iter(known)))
        return list(dict.fromkeys(names))

    def _check_budget(self, connection: Connection, values: Mapping[str, Any]) -> None:
        if self._resource.kind != "budget" and (name := values.get("budget_id")):
            rows.get(connection, "budget", name)


_SETTINGS: Final = (
    ("max_parallel_requests", "Integer", "Calls at the same time."),
    ("tpm_limit", "Integer", "Tokens in any 60 seconds."),
    ("rpm_limit", "Integer", "Requests in any 60 seconds."),
    ("budget_duration", "String", "After which time the budget begins anew: 30s, 30m, 30h, 30d, 1mo."),
    ("max_budget", "Float", "US dollars that may be spent."),
    ("soft_budget", "Float", "US dollars. It is kept and shown: nobody is warned yet."),
)


async def budget_settings(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/budget/settings: each limit that a budget may have, and what it is set to."""
    asked = fields.query(request, "budget_id")
    fields.required(asked, "budget_id")
    row = await rows.look(gateway, lambda connection: rows.get(connection, "budget", asked["budget_id"]))
    shown = rows.plain(TABLES["budget"], row)
    return JSONResponse(
        [
            {
                "field_name": name,
                "field_type": kind,
                "field_description": told,
                "field_value": shown[name],
                "stored_in_db": shown[name] is not None,
                "field_default_value": None,
            }
            for name, kind, told in _SETTINGS
        ]
    )


def _unblocked(found: list[Shown]) -> dict[str, Any]:
    return {"blocked_users": [], "unblocked_users": found}
