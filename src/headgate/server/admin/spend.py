"""Reports: single calls, sums by day and whose they are, totals; in LiteLLM's shapes, as JSON or CSV."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import select
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.catalog import tokens
from headgate.errors import BadRequestError, NotFoundError
from headgate.money import dollars
from headgate.server.admin import fields, keys, rights, rows
from headgate.server.callers import Caller
from headgate.server.gateway import Gateway
from headgate.store import directory, reports, tables
from headgate.store.ledger import day
from headgate.store.totals import parts
from headgate.wire import ir
from headgate.wire.openai_chat.fields import read_usage

MAX_ROWS: Final = 10_000
TOP: Final = 10
_YEARS: Final = range(1971, 3001)
_BY: Final = {
    "team": "team",
    "customer": "customer",
    "api_key": "key",
    "key": "key",
    "user": "user",
    "internal_user": "user",
    "organization": "organization",
    "model": "model",
    "provider": "provider",
    "tag": "tag",
    "day": "day",
}
_DETAILED: Final = ("key", "team", "customer")
"""Whose rows LiteLLM's form of a report takes apart by key and model."""
_PARTS: Final = ("spend", "input_tokens", "output_tokens")
_TOKENS: Final = tuple(name for name in tables.sums if name.endswith("_tokens"))
_SUMMED: Final = {
    "api_key": "key",
    "user_id": "user",
    "team_id": "team",
    "organization_id": "organization",
    "model_group": "model",
}
"""Filters of single calls that hold for sums by day, too."""


async def logs(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """LiteLLM's two forms: the calls themselves, or with dates and without `summarize=false` sums by day."""
    asked = fields.query(
        request, *reports.FILTERS, "start_date", "end_date", "summarize", "page", "page_size", "format"
    )
    if asked.get("start_date") and asked.get("summarize", "true") != "false" and "request_id" not in asked:
        return await _by_day(gateway, caller, asked)
    number, size = fields.paging(request, "page_size", most=MAX_ROWS, default=MAX_ROWS)
    found, _ = await rows.look(gateway, lambda c: _calls(c, caller, asked, number, size))
    return answer(found, asked)


async def logs_paged(request: Request, gateway: Gateway, caller: Caller) -> Response:
    known = (
        "start_date",
        "end_date",
        "status_filter",
        "page",
        "page_size",
        "format",
        "sort_by",
        "sort_order",
    )
    asked = fields.query(request, *reports.FILTERS, *known)
    number, size = fields.paging(request, "page_size", most=MAX_ROWS)
    found, total = await rows.look(gateway, lambda c: _calls(c, caller, asked, number, size))
    last = rows.pages(total, size)
    return answer(found, asked, {"total": total, "page": number, "page_size": size, "total_pages": last})


def _calls(
    connection: Connection, caller: Caller, asked: Mapping[str, str], number: int, size: int
) -> tuple[list[dict[str, Any]], int]:
    where: dict[str, Sequence[str]] = {name: [asked[name]] for name in reports.FILTERS if asked.get(name)}
    if "api_key" in where:
        where["api_key"] = [key_id(connection, asked["api_key"])]
    where = narrowed(connection, caller, where, user="user_id", key="api_key")
    start = _moment(asked["start_date"], "start_date") if asked.get("start_date") else None
    end = _moment(asked["end_date"], "end_date", after=True) if asked.get("end_date") else None
    failed = _one_of(asked, "status_filter", {"": None, "failure": True, "success": False})
    sort = _one_of(asked, "sort_by", {"": "startTime", **{name: name for name in reports.SORTS}})
    ascending = _one_of(asked, "sort_order", {"": False, "desc": False, "asc": True})
    whole = "request_id" in where
    found, total = reports.single_calls(
        connection, where, start, end, failed, number, size, bodies=whole, sort=sort, ascending=ascending
    )
    return [_call(row) for row in found], total


def _one_of(asked: Mapping[str, str], name: str, known: Mapping[str, Any]) -> Any:
    value = asked.get(name, "")
    if value not in known:
        raise BadRequestError(f"{name!r} must be one of {', '.join(filter(None, known))}", param=name)
    return known[value]


def narrowed(
    connection: Connection, caller: Caller, where: dict[str, Sequence[str]], *, user: str, key: str
) -> dict[str, Sequence[str]]:
    """Below an administrator everybody sees its own; leaders of a team see the team's. Keys for model calls alone,
    and those of nobody, see what they themselves did."""
    if rights.sees_all(caller):
        return where
    name, own = (user, caller.user_id) if caller.user_id and not caller.restricted else (key, caller.key)
    for team in ("team_id", "team"):
        if team in where:
            led = not caller.restricted and all(
                rights.leads_team(connection, caller, directory.find(connection, "team", one))
                for one in where[team]
            )
            rights.require(led, "see this team's calls")
            return where
    rights.require(all(one == own for one in where.get(name, ())), "see calls of others")
    return {**where, name: [str(own)]}


def key_id(connection: Connection, key: str) -> str:
    token = keys.id_of(key)
    return connection.scalar(select(tables.keys.c.id).where(tables.keys.c.token == token)) or token


def _moment(text: str, name: str, *, after: bool = False) -> float:
    """A day or a time, in UTC. `after`: the end of the day that is named."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        found = None
    if found is None or found.year not in _YEARS:
        raise BadRequestError(f"{name!r} must be a date such as 2026-11-21", param=name)
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (found + timedelta(days=1) if after and _is_day(text) else found).timestamp()


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def _call(row: Mapping[str, Any]) -> dict[str, Any]:
    """A record in LiteLLM's words, ours beside them."""
    tokens_of = row["tokens"] or {}
    metadata = row["metadata"] if isinstance(row["metadata"], dict) else {}
    failed = row["status"] >= 400 or row["error"] is not None
    if failed:
        wrong = {"error_class": row["error"], "error_code": str(row["status"])}
        metadata = {**metadata, "status": "failure", "error_information": wrong}
    more = {
        name: row[name]
        for name in ("error", "usage_from", "cause", "attempts", "fallbacks", "legs", "provider")
    }
    return {
        "request_id": row["id"],
        "litellm_call_id": row["id"],
        "call_type": row["operation"],
        "api_key": row["key"],
        "spend": rows.number(row["cost"]) or 0.0,
        "cost_known": row["cost"] is not None,
        "total_tokens": row["input_tokens"] + row["output_tokens"],
        "prompt_tokens": row["input_tokens"],
        "completion_tokens": row["output_tokens"],
        "tokens": tokens_of,
        "startTime": _iso(row["started"]),
        "endTime": _iso(row["ended"]),
        "completionStartTime": _iso(row["first_token"]),
        "request_duration_ms": round((row["ended"] - row["started"]) * 1000),
        "model": row["upstream_model"] or row["model"],
        "model_group": row["model_group"] or row["model"],
        "model_id": row["deployment"],
        "custom_llm_provider": row["provider"],
        "user": row["user_id"],
        "team_id": row["team_id"],
        "organization_id": row["organization_id"],
        "end_user": row["customer"],
        "request_tags": row["tags"] or [],
        "requester_ip_address": row["client"],
        "session_id": row["session"],
        "status": "failure" if failed else "success",
        "status_code": row["status"],
        "dialect": row["dialect"],
        "cache_hit": row["cache"],
        "metadata": metadata,
        "messages": (row.get("request") or {}).get("messages")
        if isinstance(row.get("request"), dict)
        else None,
        "proxy_server_request": row.get("request"),
        "response": row.get("response"),
        **more,
    }


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _by_day(gateway: Gateway, caller: Caller, asked: Mapping[str, str]) -> Response:
    start, end = days(asked)
    for name in reports.FILTERS:
        if asked.get(name) and name not in _SUMMED:
            raise BadRequestError(
                f"sums by day are not kept by {name!r}: ask for the calls themselves with summarize=false",
                param=name,
            )

    def work(connection: Connection) -> list[dict[str, Any]]:
        where: dict[str, Sequence[str]] = {
            column: [asked[name]] for name, column in _SUMMED.items() if asked.get(name)
        }
        if "key" in where:
            where["key"] = [key_id(connection, asked["api_key"])]
        where = narrowed(connection, caller, where, user="user", key="key")
        found: dict[str, dict[str, Any]] = {}
        for row in reports.sums(connection, ["day", "user", "model"], start, end, where):
            one = found.setdefault(
                row["day"], {"startTime": row["day"], "spend": Decimal(0), "users": {}, "models": {}}
            )
            spent = dollars(row["spend"])
            one["spend"] += spent
            for name, value in (("users", row["user"]), ("models", row["model"])):
                one[name][value] = one[name].get(value, 0) + spent
        return [_floats(found[date]) for date in sorted(found)]

    return answer(await rows.look(gateway, work), asked)


def _floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _floats(inner) for name, inner in value.items()}
    return float(value) if isinstance(value, Decimal) else value


def days(asked: Mapping[str, str], default: int = 30) -> tuple[str, str]:
    """First and last day. Without dates: the last month."""
    now = datetime.now(UTC)
    first = asked.get("start_date") or (now - timedelta(days=default)).strftime("%Y-%m-%d")
    last = asked.get("end_date") or now.strftime("%Y-%m-%d")
    start, end = day(_moment(first, "start_date")), day(_moment(last, "end_date"))
    if start > end:
        raise BadRequestError(f"'start_date' {start} is after 'end_date' {end}", param="start_date")
    return start, end


async def report(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/global/spend/report: sums of each day by one thing."""
    asked = fields.query(
        request,
        *"group_by start_date end_date format api_key team_id internal_user_id customer_id".split(),
    )
    group = asked.get("group_by", "team")
    if group not in _BY:
        raise BadRequestError(f"'group_by' must be one of {', '.join(_BY)}", param="group_by")
    by = _BY[group]
    start, end = days(asked)

    def work(connection: Connection) -> list[dict[str, Any]]:
        where: dict[str, Sequence[str]] = {}
        for name, column in (("team_id", "team"), ("internal_user_id", "user"), ("customer_id", "customer")):
            if asked.get(name):
                where[column] = [asked[name]]
        if asked.get("api_key"):
            where["key"] = [key_id(connection, asked["api_key"])]
        return report_rows(connection, by, start, end, where, asked)

    return answer(await rows.look(gateway, work), asked)


def report_rows(
    connection: Connection,
    by: str,
    start: str,
    end: str,
    where: Mapping[str, Sequence[str]],
    asked: Mapping[str, str],
) -> list[dict[str, Any]]:
    """A row for each day and thing, the dearest of a day first; LiteLLM's words for the same beside ours. What a row
    is made of is in it, but for a spreadsheet, whose cells have no place for that."""
    found = reports.sums(connection, list(dict.fromkeys(("day", by))), start, end, where)
    names, detail = names_of(connection, by), None
    if by in _DETAILED and asked.get("format") != "csv":
        detail = _detail(connection, by, start, end, where)
    report = []
    for row in found:
        one = _labelled(row, by, names)
        one["group_by_day"] = f"{row['day']}T00:00:00+00:00"
        report.append(one if detail is None else one | _theirs(by, one, detail[row["day"], row[by]]))
    return sorted(report, key=lambda row: (row["date"], -row["spend"]))


Detail: TypeAlias = dict[tuple[str, str], list[int]]
"""Units of money, tokens of input and of output by key and model."""


def _detail(
    connection: Connection, by: str, start: str, end: str, where: Mapping[str, Sequence[str]]
) -> dict[tuple[str, str], Detail]:
    """By day and thing."""
    found: dict[tuple[str, str], Detail] = {}
    columns = ("day", by, "key", "model")
    for at, name, key, model, *amounts in reports.parts(connection, columns, _PARTS, start, end, where):
        detail = found.setdefault((at, name), {})
        known = detail.get((key, model))
        detail[key, model] = (
            amounts if known is None else [a + b for a, b in zip(known, amounts, strict=True)]
        )
    return found


def _theirs(by: str, one: Mapping[str, Any], detail: Detail) -> dict[str, Any]:
    """LiteLLM's form of a row: what it calls the thing, and what it cost by key and model, the dearest first."""
    parts = sorted(detail.items(), key=lambda part: -part[1][0])
    if by == "key":
        return {
            "api_key": one["key"],
            "total_cost": one["spend"],
            "total_input_tokens": one["input_tokens"],
            "total_output_tokens": one["output_tokens"],
            "model_details": [
                {
                    "model": model,
                    "total_cost": rows.number(spent),
                    "total_input_tokens": read,
                    "total_output_tokens": written,
                }
                for (_, model), (spent, read, written) in parts
            ],
        }
    name = {"team_name": one.get("team_name", one[by])} if by == "team" else {"customer": one[by]}
    told = [
        {"model": model, "spend": rows.number(spent), "total_tokens": read + written, "api_key": key}
        for (key, model), (spent, read, written) in parts
    ]
    return {f"{by}s": [{**name, "total_spend": one["spend"], "metadata": told}]}


def names_of(connection: Connection, by: str) -> dict[str, str]:
    """What people call keys, teams and organisations."""
    table = {"key": tables.keys, "team": tables.teams, "organization": tables.organizations}.get(by)
    if table is None:
        return {}
    (column,) = table.primary_key.columns
    alias = table.c["key_alias" if by == "key" else f"{by}_alias"]
    return {row[0]: row[1] for row in connection.execute(select(column, alias).where(alias.is_not(None)))}


def _labelled(row: Mapping[str, Any], by: str, names: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"date": row["day"]} if "day" in row else {}
    if by != "day":
        found |= {by: row[by]} | ({f"{by}_name": names[row[by]]} if row[by] in names else {})
    return found | _totals(row)


def _totals(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "spend": rows.number(row["spend"]),
        "calls": row["calls"],
        "failed": row["failed"],
        **{name: row[name] for name in _TOKENS},
        "total_tokens": row["input_tokens"] + row["output_tokens"],
    }


def answer(
    found: list[dict[str, Any]], asked: Mapping[str, str], page: Mapping[str, int] | None = None
) -> Response:
    """JSON, or CSV where the query says `format=csv`. `page` stands beside the rows in JSON."""
    if asked.get("format", "json") == "json":
        return shown(found if page is None else {"data": found, **page})
    if asked["format"] != "csv":
        raise BadRequestError("'format' must be json or csv", param="format")
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in found for name in row))
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows([{name: _cell(value) for name, value in row.items()} for row in found])
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8")


def shown(told: Any) -> Response:
    """As JSON, quickly: it may be megabytes, and calls are waiting."""
    return Response(msgspec.json.encode(told), media_type="application/json")


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula is shown as a text."""
    if isinstance(value, dict | list):
        return json.dumps(value)
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


async def total(request: Request, gateway: Gateway, caller: Caller) -> Response:

    def work(connection: Connection) -> int:
        where = (tables.spend.c.kind == "global", tables.spend.c.id == "")
        return connection.scalar(select(tables.spend.c.total).where(*where)) or 0

    spent = await rows.look(gateway, work)
    limit = gateway.snapshot.config.litellm.max_budget
    return JSONResponse({"spend": rows.number(spent), "max_budget": limit})


def top(by: str, name: str) -> Any:
    """A page of the dearest: /global/spend/keys and its like."""

    async def page(request: Request, gateway: Gateway, caller: Caller) -> Response:
        asked = fields.query(request, "limit", "start_date", "end_date", "format")
        limit = fields.query_count(request, "limit", TOP)
        start, end = days(asked)

        def work(connection: Connection) -> list[dict[str, Any]]:
            names = names_of(connection, by)
            found = reports.sums(connection, [by], start, end, limit=max(1, min(limit, MAX_ROWS)))
            return [
                {
                    name: row[by],
                    **({f"{by}_name": names[row[by]]} if row[by] in names else {}),
                    **_totals(row),
                    "total_spend": rows.number(row["spend"]),
                    "log_count": row["calls"],
                }
                for row in found
            ]

        return answer(await rows.look(gateway, work), asked)

    return page


def spenders(kind: str) -> Any:
    """A page of all rows of a kind with what they have spent: /spend/keys and its like."""

    table = directory.TABLES[kind]
    (column,) = table.primary_key.columns
    known = ("limit", "format", *(("user_id",) if "user_id" in table.c else ()))

    async def page(request: Request, gateway: Gateway, caller: Caller) -> Response:
        asked = fields.query(request, *known)
        limit = max(1, min(fields.query_count(request, "limit", MAX_ROWS), MAX_ROWS))

        def work(connection: Connection) -> list[dict[str, Any]]:
            spend = tables.spend
            statement = (
                select(table)
                .outerjoin(spend, (spend.c.id == column) & (spend.c.kind == kind))
                .order_by(spend.c.total.desc().nulls_last(), column)
                .limit(limit)
            )
            if asked.get("user_id"):
                statement = statement.where(table.c.user_id == asked["user_id"])
            found = [dict(row) for row in connection.execute(statement).mappings()]
            return [shown for part in parts(found) for shown in rows.shown(connection, kind, list(part))]

        return answer(await rows.look(gateway, work), asked)

    return page


async def calculate(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """What a request or an answer costs. Raises NotFoundError where no price is known."""
    body = fields.read(
        await fields.body_of(request), {"model": "name", "messages": "any", "completion_response": "mapping"}
    )
    given = body.get("completion_response") or {}
    model = body.get("model") or given.get("model")
    if not isinstance(model, str):
        raise BadRequestError("'model' or 'completion_response' is missing", param="model")
    usage = read_usage(given.get("usage"))
    if usage is None:
        messages = body.get("messages")
        if not isinstance(messages, list):
            raise BadRequestError("'messages' must be a list", param="messages")
        usage = ir.Usage(input=tokens.count_messages(messages, None, model))
    try:
        sheet = gateway.snapshot.lookup(model).deployments[0].sheet
    except NotFoundError:
        sheet = gateway.snapshot.catalog.sheet(model, None, {})
    if sheet is None:
        raise NotFoundError(f"no price is known for {model!r}", param="model")
    return JSONResponse({"cost": float(sheet.total(usage))})
