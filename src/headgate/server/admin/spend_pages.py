"""LiteLLM's further pages of spend: reports of one key, user, team or organisation, and the sums that its dashboard
shows. The sums themselves are `store/reports.py`'s."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.server.admin import fields, rows, spend
from headgate.server.callers import Caller
from headgate.server.gateway import Gateway
from headgate.store import reports, tables, totals
from headgate.store.directory import begun


def report_of(by: str, parameter: str) -> Any:
    """/key/spend/report and its like: sums of each day, of all that the caller may see or of one."""

    async def page(request: Request, gateway: Gateway, caller: Caller) -> Response:
        asked = fields.query(request, "start_date", "end_date", "format", parameter)
        start, end = spend.days(asked)

        def work(connection: Connection) -> list[dict[str, Any]]:
            where: dict[str, Sequence[str]] = {}
            if one := asked.get(parameter):
                where[by] = [spend.key_id(connection, one) if by == "key" else one]
            where = spend.narrowed(connection, caller, where, user="user", key="key")
            return spend.report_rows(connection, by, start, end, where, asked)

        return spend.answer(await rows.look(gateway, work), asked)

    return page


async def by_day(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/global/spend/logs: what each day cost."""
    found = await _sums(request, gateway, ["day"], "api_key")
    shown = [{"date": row["day"], "spend": rows.number(row["spend"])} for row in found]
    return JSONResponse(sorted(shown, key=lambda row: str(row["date"])))


async def customers(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/global/spend/end_users, whose body names a key and days: the dearest customers."""
    body = fields.read(
        await fields.body_of(request), fields.table("api_key:name startTime:text endTime:text")
    )
    asked = {"start_date": body.get("startTime") or "", "end_date": body.get("endTime") or ""}
    start, end = spend.days(asked)

    def work(connection: Connection) -> list[dict[str, Any]]:
        key = body.get("api_key")
        where = {"key": [spend.key_id(connection, key)]} if key else {}
        return reports.sums(connection, ["customer"], start, end, where, limit=100)

    found = await rows.look(gateway, work)
    shown = [
        {"end_user": row["customer"], "total_count": row["calls"], "total_spend": rows.number(row["spend"])}
        for row in found
        if row["customer"]
    ]
    return JSONResponse(shown)


async def tag_names(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/global/spend/all_tag_names: those that calls had."""

    def work(connection: Connection) -> list[str]:
        named = tables.daily_named
        statement = select(named.c.name).where(named.c.kind == "tag").distinct().order_by(named.c.name)
        return list(connection.scalars(statement))

    return JSONResponse({"tag_names": await rows.look(gateway, work)})


async def budgets(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/provider/budgets: what providers may spend, and rows of the model list by their ids, and what they have."""
    snapshot, now = gateway.snapshot, gateway.clock.time()
    bounded = snapshot.bounds.of_all(snapshot.everyone)

    def work(connection: Connection) -> totals.Spent:
        since = {at: time for scope in bounded for at, time in begun(scope, bounded[scope], now).items()}
        return totals.spent(connection, list(bounded), since)

    spent = await rows.look(gateway, work)
    found: dict[str, dict[str, Any]] = {"provider": {}, "deployment": {}}
    for (kind, name), limits in bounded.items():
        shown = rows.spend_of(limits, spent.get((kind, name)), now)
        found[kind][name] = {
            "budget_limit": rows.number(limits["max_budget"]),
            "time_period": limits["budget_duration"] or None,
            "spend": shown["spend"],
            "budget_reset_at": shown["budget_reset_at"],
        }
    return JSONResponse({"providers": found["provider"], "deployments": found["deployment"]})


async def activity(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/global/activity: calls and tokens of each day."""
    return JSONResponse(_activity(await _sums(request, gateway, ["day"])))


async def activity_of_models(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/global/activity/model: the same by model, the busiest first."""
    by_model: dict[str, list[dict[str, Any]]] = {}
    for row in await _sums(request, gateway, ["day", "model"]):
        by_model.setdefault(row["model"], []).append(row)
    found = [{"model": model, **_activity(own)} for model, own in by_model.items()]
    return JSONResponse(sorted(found, key=lambda row: -row["sum_api_requests"]))


async def _sums(request: Request, gateway: Gateway, groups: list[str], *more: str) -> list[dict[str, Any]]:
    asked = fields.query(request, "start_date", "end_date", *more)
    start, end = spend.days(asked)

    def work(connection: Connection) -> list[dict[str, Any]]:
        key = asked.get("api_key")
        where = {"key": [spend.key_id(connection, key)]} if key else {}
        return reports.sums(connection, groups, start, end, where)

    return await rows.look(gateway, work)


def _activity(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    days = [
        {
            "date": date.fromisoformat(row["day"]).strftime("%b %d"),
            "api_requests": row["calls"],
            "total_tokens": row["input_tokens"] + row["output_tokens"],
        }
        for row in sorted(found, key=lambda row: str(row["day"]))
    ]
    return {
        "daily_data": days,
        "sum_api_requests": sum(row["api_requests"] for row in days),
        "sum_total_tokens": sum(row["total_tokens"] for row in days),
    }
