"""Where the money went: sums by day and whose they are, from `daily`; single calls, from `calls`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, func, not_, or_, select
from sqlalchemy.engine import Connection

from headgate.errors import BadRequestError
from headgate.store import tables
from headgate.store.tables import calls, daily, daily_named

BY: Final[Mapping[str, Any]] = {
    "key": daily.c.key,
    "user": daily.c.user_id,
    "team": daily.c.team_id,
    "organization": daily.c.organization_id,
    "model": daily.c.model_group,
    "upstream_model": daily.c.model,
    "provider": daily.c.provider,
    "day": daily.c.date,
}
NAMED: Final = ("customer", "tag")
"""What a call may have several of: kept in a table of its own."""
GROUPS: Final = (*BY, *NAMED)


def sums(
    connection: Connection,
    by: Sequence[str],
    start: str,
    end: str,
    where: Mapping[str, Sequence[str]] | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Spend (in units), calls and tokens of the days from `start` to `end`, both included, the dearest first.

    `by` are names of `GROUPS`, at most one of `NAMED` among them; `where` narrows by the same names. Raises
    BadRequestError for what is not kept together.
    """
    table, conditions = _kept(by, start, end, where or {})
    columns = {name: _column(table, name) for name in by}
    totals = [func.sum(table.c[name]) for name in tables.sums]
    statement = (
        select(*columns.values(), *totals)
        .where(*conditions)
        .group_by(*columns.values())
        .order_by(func.sum(table.c.spend).desc(), *columns.values())
    )
    if limit is not None:
        statement = statement.limit(limit)
    names, count = (*by, *tables.sums), len(by)
    return [  # by place: a report may have tens of thousands of rows
        dict(zip(names, (*row[:count], *map(int, row[count:])), strict=True))
        for row in connection.execute(statement).all()
    ]


def parts(
    connection: Connection,
    by: Sequence[str],
    fields: Sequence[str],
    start: str,
    end: str,
    where: Mapping[str, Sequence[str]],
) -> Sequence[tuple[Any, ...]]:
    """What such sums are made of: `by`, then these of `tables.sums`, in no order, and several times where they are
    kept by more than that. To add up tens of thousands of rows takes a database longer than to hand them out."""
    table, conditions = _kept(by, start, end, where)
    columns = [_column(table, name) for name in by]
    statement = select(*columns, *(table.c[name] for name in fields)).where(*conditions)
    return cast("Sequence[tuple[Any, ...]]", connection.execute(statement).all())


def _kept(
    by: Sequence[str], start: str, end: str, where: Mapping[str, Sequence[str]]
) -> tuple[Any, list[ColumnElement[bool]]]:
    """The table that is summed by these names, and the rows of it that count."""
    kinds = {name for name in (*by, *where) if name in NAMED}
    if len(kinds) > 1:
        raise BadRequestError(f"sums by {' and by '.join(sorted(kinds))} are not kept together: ask for one")
    named = next(iter(kinds), None)
    table: Any = daily if named is None else daily_named
    conditions = [table.c.date >= start, table.c.date <= end]
    if named is not None:
        conditions.append(daily_named.c.kind == named)
    conditions += [_column(table, name).in_(values) for name, values in where.items()]
    return table, conditions


def _column(table: Any, name: str) -> Any:
    if table is daily:
        return BY[name]
    plain = {"key": daily_named.c.key, "model": daily_named.c.model, "provider": daily_named.c.provider}
    columns = {**plain, "day": daily_named.c.date, **dict.fromkeys(NAMED, daily_named.c.name)}
    if name not in columns:
        raise BadRequestError(
            f"sums by {' or '.join(NAMED)} are not kept by {name}: only by {', '.join(plain)}"
        )
    return columns[name]


FILTERS: Final[Mapping[str, Any]] = {
    "request_id": calls.c.id,
    "api_key": calls.c.key,
    "user_id": calls.c.user_id,
    "team_id": calls.c.team_id,
    "organization_id": calls.c.organization_id,
    "end_user": calls.c.customer,
    "model": calls.c.model,
    "model_group": calls.c.model_group,
    "model_id": calls.c.deployment,
    "session_id": calls.c.session,
}
SORTS: Final[Mapping[str, Any]] = {
    "startTime": calls.c.started,
    "endTime": calls.c.ended,
    "spend": calls.c.cost,
    "total_tokens": calls.c.input_tokens + calls.c.output_tokens,
    "prompt_tokens": calls.c.input_tokens,
    "completion_tokens": calls.c.output_tokens,
    "request_duration_ms": calls.c.ended - calls.c.started,
    "model": calls.c.model,
}
_FAILED: Final = or_(calls.c.status >= 400, calls.c.error.is_not(None))
"""A stream that broke had begun with 200."""
_LIGHT: Final = [column for column in calls.columns if column.name not in ("request", "response")]


def single_calls(
    connection: Connection,
    where: Mapping[str, Any],
    start: float | None,
    end: float | None,
    failed: bool | None,
    page: int,
    size: int,
    *,
    bodies: bool = False,
    sort: str = "startTime",
    ascending: bool = False,
) -> tuple[list[dict[str, Any]], int]:
    """A page of calls by one of `SORTS`, and how many there are. Times are Unix seconds, `end` is not included."""
    conditions = [FILTERS[name].in_(values) for name, values in where.items()]
    if start is not None:
        conditions.append(calls.c.started >= start)
    if end is not None:
        conditions.append(calls.c.started < end)
    if failed is not None:
        conditions.append(_FAILED if failed else not_(_FAILED))
    total = connection.scalar(select(func.count()).select_from(calls).where(*conditions)) or 0
    columns = list(calls.columns) if bodies else _LIGHT
    statement = (
        select(*columns)
        .where(*conditions)
        .order_by(*(column.asc() if ascending else column.desc() for column in (SORTS[sort], calls.c.id)))
        .limit(size)
        .offset((page - 1) * size)
    )
    return [dict(row) for row in connection.execute(statement).mappings()], total
