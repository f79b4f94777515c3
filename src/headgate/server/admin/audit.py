"""The audit log: who changed what, before and after."""

from typing import Any, Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.errors import NotFoundError
from headgate.server.admin import fields, rows
from headgate.server.callers import Caller
from headgate.server.gateway import Gateway
from headgate.store import tables

_FILTERS: Final = ("changed_by", "changed_by_api_key", "action", "table_name", "object_id")


async def listed(request: Request, gateway: Gateway, caller: Caller) -> Response:
    asked = fields.query(request, "page", "page_size", *_FILTERS)
    number, size = fields.paging(request, "page_size")
    table = tables.audit

    def work(connection: Connection) -> dict[str, Any]:
        where = [table.c[name] == asked[name] for name in _FILTERS if asked.get(name)]
        found, total = rows.page(connection, table, where, table.c.updated_at.desc(), number, size)
        return {
            "audit_logs": [rows.plain(table, row) for row in found],
            "total": total,
            "page": number,
            "page_size": size,
            "total_pages": rows.pages(total, size),
        }

    return JSONResponse(await rows.look(gateway, work))


async def one(request: Request, gateway: Gateway, caller: Caller) -> Response:
    name = request.path_params["id"]

    def work(connection: Connection) -> dict[str, Any]:
        found, _ = rows.page(connection, tables.audit, [tables.audit.c.id == name], tables.audit.c.id, 1, 1)
        if not found:
            raise NotFoundError("there is no such audit record", param="id", code="404")
        return rows.plain(tables.audit, found[0])

    return JSONResponse(await rows.look(gateway, work))
