"""The sums kept beside the ledger: what each payer has spent, and the days.

Records that are alike are added up first, so that a batch of thousands is a handful of rows.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from msgspec import Struct
from sqlalchemy import Table, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import Insert

from headgate.store import tables
from headgate.store.money import whole
from headgate.store.tables import calls, customers, daily, daily_named, spend

if TYPE_CHECKING:
    from headgate.store.ledger import Record

Scope = tuple[str, str]
"""A kind (key, user, team, member, organization, customer, tag, model, deployment, provider, global, or `of_model` of
those who pay) and whose."""
Spent: TypeAlias = dict[Scope, tuple[int, int, float]]
"""In this period, ever, and since when."""
GLOBAL: Final[Scope] = ("global", "")
DAY: Final = 86_400
MAX_NAME: Final = 200
"""Characters of a model's name that sums are kept by: clients choose it, and indexes have a limit."""
_OF_MODEL: Final = "_model"
_BETWEEN: Final = "\x1f"
"""ASCII's unit separator: names of payers and of models have slashes."""
AT_ONCE: Final = 400
"""Values in one IN list: SQLite's old limit of parameters is 999."""


def of_model(scope: Scope, group: str) -> Scope:
    """What somebody spends at one group."""
    return scope[0] + _OF_MODEL, scope[1] + _BETWEEN + group[:MAX_NAME]


def payer_of(scope: Scope) -> Scope:
    """Whose limit it is, also where that is of one group."""
    kind, name = scope
    return (kind.removesuffix(_OF_MODEL), name.rpartition(_BETWEEN)[0]) if kind.endswith(_OF_MODEL) else scope


def payers_beside(
    user: str | None, team: str | None, organization: str | None, customer: str | None = None
) -> list[Scope]:
    """Who pays besides the key, of those that there are."""
    member = f"{team}/{user}" if team and user else None
    named = (
        ("user", user),
        ("team", team),
        ("organization", organization),
        ("customer", customer),
        ("member", member),
    )
    return [(kind, name) for kind, name in named if name]


class Alike(NamedTuple):
    """What records have in common that are added up."""

    day: int
    key: str
    user_id: str | None
    team_id: str | None
    organization_id: str | None
    group: str
    upstream_model: str | None
    provider: str | None
    customer: str | None
    tags: tuple[str, ...]
    deployment: str | None

    def payers(self) -> list[Scope]:
        """Whose spend a call counts to."""
        named = payers_beside(self.user_id, self.team_id, self.organization_id, self.customer)
        who: list[Scope] = [("key", self.key), *named, *(("tag", tag) for tag in self.tags)]
        served = (("model", self.group), ("deployment", self.deployment), ("provider", self.provider))
        by = [(kind, name) for kind, name in served if name]
        return [GLOBAL, *by, *who, *(of_model(scope, self.group) for scope in who if self.group)]


class Sums(Struct):
    """Of calls that are alike: when each ended, what each cost, and `counts` in the order of `tables.sums`."""

    ended: list[float]
    costs: list[int]
    counts: list[int]


def gather(records: Sequence["Record"], into: dict[Alike, Sums]) -> None:
    """Adds records to the sums of those that are like them."""
    same: defaultdict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for shared, record in zip(map(_shared, records), records, strict=True):
        same[record.ended // DAY, shared].append(record)
    for (date, shared), group in same.items():
        whose, (model_group, upstream_model, provider, customer, tags, deployment) = shared[:4], shared[4:]
        names = (model_group or "")[:MAX_NAME], upstream_model and upstream_model[:MAX_NAME]
        alike = Alike._make((int(date), *whose, *names, provider, customer, tags or (), deployment))
        sums = into.setdefault(alike, Sums([], [], [0] * len(tables.sums)))
        costs = [record.cost or 0 for record in group]
        sums.ended += [record.ended for record in group]
        sums.costs += costs
        sums.counts = _plus(sums.counts, [sum(costs), *_counts(group)])


def add(connection: Connection, found: Mapping[Alike, Sums]) -> dict[Scope, int]:
    """Adds new records to all that is kept. What each payer paid."""
    if not found:
        return {}
    paid = _add_spend(connection, found)
    days: dict[tuple[str, ...], list[int]] = {}
    named: dict[tuple[str, ...], list[int]] = {}
    for alike, sums in found.items():
        date = day(alike.day * DAY)
        whose = (alike.key, alike.user_id, alike.team_id, alike.organization_id)
        where = (alike.group, alike.upstream_model, alike.provider)
        _merge(days, (date, *(text or "" for text in (*whose, *where))), sums.counts)
        for kind, name in (*(("tag", tag) for tag in alike.tags), ("customer", alike.customer)):
            if name:
                _merge(named, (date, kind, name, alike.key, alike.group, alike.provider or ""), sums.counts)
    _add_days(connection, daily, days)
    if named:
        _add_days(connection, daily_named, named)
    if seen := {alike.customer for alike in found if alike.customer}:
        _greet(connection, sorted(seen), max(sums.ended[-1] for sums in found.values()))
    return paid


_shared: Final = attrgetter(
    *("key", "user_id", "team_id", "organization_id"),
    *("model_group", "upstream_model", "provider", "customer", "tags", "deployment"),
)
"""In the order of `Alike`, behind its day."""


def _add_spend(connection: Connection, found: Mapping[Alike, Sums]) -> dict[Scope, int]:
    payers = {alike: alike.payers() for alike, sums in found.items() if sums.counts[0]}
    scopes = sorted({scope for of_one in payers.values() for scope in of_one})  # one order: no deadlocks
    if not scopes:
        return {}
    begun = {scope: row[2] for scope, row in rows_of(connection, scopes, lock=True).items()}
    paid: dict[Scope, list[int]] = {scope: [0, 0] for scope in scopes}
    for alike, of_one in payers.items():
        sums = found[alike]
        cost, earliest = sums.counts[0], min(sums.ended)
        for scope in of_one:
            row, since = paid[scope], begun.get(scope, 0.0)
            row[1] += cost
            row[0] += cost if earliest >= since else _since(sums, since)
    rows = [
        {"kind": kind, "id": name, "spend": now, "total": ever, "since": begun.get((kind, name), 0.0)}
        for (kind, name), (now, ever) in paid.items()
    ]
    connection.execute(_adding(connection.dialect.name, spend, ("spend", "total")), rows)
    return {scope: ever for scope, (_, ever) in paid.items()}


def _since(sums: Sums, since: float) -> int:
    return sum(cost for ended, cost in zip(sums.ended, sums.costs, strict=True) if ended >= since)


def _counts(group: Sequence["Record"]) -> list[int]:
    """In the order of `tables.sums`, without its first, what was spent."""
    parts = [record.tokens for record in group if record.tokens]
    return [
        len(group),
        sum([record.status >= 400 or record.error is not None for record in group]),
        sum([record.input_tokens for record in group]),
        sum([record.output_tokens for record in group]),
        *(sum(part.get(name, 0) for part in parts) for name in ("cache_read", "cache_write", "reasoning")),
    ]


def _merge(found: dict[tuple[str, ...], list[int]], at: tuple[str, ...], counts: list[int]) -> None:
    known = found.get(at)
    found[at] = counts if known is None else _plus(known, counts)


def _plus(some: list[int], more: list[int]) -> list[int]:
    return [a + b for a, b in zip(some, more, strict=True)]


def _add_days(connection: Connection, table: Any, found: dict[tuple[str, ...], list[int]]) -> None:
    names = [column.name for column in table.primary_key.columns]
    rows = [
        dict(zip((*names, *tables.sums), (*at, *values), strict=True)) for at, values in sorted(found.items())
    ]
    connection.execute(_adding(connection.dialect.name, table, tables.sums), rows)


def _greet(connection: Connection, names: Sequence[str], now: float) -> None:
    """Customers are known from their first call on."""
    history = {"created_at": now, "created_by": "first call", "updated_at": now, "updated_by": "first call"}
    connection.execute(
        insert(connection, customers).on_conflict_do_nothing(index_elements=["user_id"]),
        [{"user_id": name, "blocked": False, **history} for name in names],
    )


def insert(connection: Connection, table: Any) -> Any:
    """An INSERT that may end in ON CONFLICT."""
    return _insert(connection.dialect.name, table)


@cache
def _adding(dialect: str, table: Table, names: tuple[str, ...]) -> Insert:
    """Rows, or what is added to those that are there. Made once: to put it together takes longer than to run it."""
    made = _insert(dialect, table)
    keys = [column.name for column in table.primary_key.columns]
    return _upsert(made, keys, {name: table.c[name] + made.excluded[name] for name in names})


def _insert(dialect: str, table: Table) -> Any:
    if dialect == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # 2 MB that an embedded database does not need

    return postgresql.insert(table)


def _upsert(made: Any, keys: Sequence[str], values: dict[str, Any]) -> Insert:
    found: Insert = made.on_conflict_do_update(index_elements=list(keys), set_=values)
    return found


def day(seconds: float) -> str:
    """The day of a time, in UTC: 2026-11-21."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


_SCOPE: Final = (spend.c.kind, spend.c.id)


def rows_of(connection: Connection, scopes: Sequence[Scope], *, lock: bool = False) -> Spent:
    """The rows of `spend`: in this period, ever, and when the period began."""
    found: Spent = {}
    for part in parts(scopes):
        statement = _rows(connection.dialect.name, len(part), lock)
        for kind, name, now, ever, since in connection.exec_driver_sql(statement, tuple(chain(*part))):
            found[kind, name] = (whole(now), whole(ever), since)
    return found


def of_payer(connection: Connection, scope: Scope) -> Spent:
    """The rows of somebody: its own, and those of single groups."""
    groups = groups_of(connection, scope)
    return rows_of(connection, [scope, *(of_model(scope, group) for group in groups)], lock=True)


@cache
def _rows(dialect: str, count: int, lock: bool) -> str:
    """By hand: to put together a list of pairs takes SQLAlchemy longer than all the rest of a batch, and SQLite reads
    the whole table for one. PostgreSQL locks rows in one order, whoever locks them: nobody waits in a circle."""
    columns = ", ".join(f"s.{column.name}" for column in spend.c)
    if dialect == "sqlite":
        pairs = ", ".join(["(?, ?)"] * count)
        wanted = f"WITH wanted (kind, id) AS (VALUES {pairs})"
        return (
            f"{wanted} SELECT {columns} FROM wanted CROSS JOIN {spend.name} s "  # noqa: S608 -- marks, no values
            "ON s.kind = wanted.kind AND s.id = wanted.id"
        )
    pairs = ", ".join(["(%s, %s)"] * count)
    end = "ORDER BY kind, id FOR UPDATE" if lock else ""
    return f"SELECT {columns} FROM {spend.name} s WHERE (kind, id) IN ({pairs}) {end}"  # noqa: S608 -- likewise


def groups_of(connection: Connection, scope: Scope) -> list[str]:
    """Where somebody has spent something."""
    kind, start = of_model(scope, "")
    alike = (
        spend.c.kind == kind,
        spend.c.id.startswith(start, autoescape=True),
    )  # SQLite's LIKE knows no case
    found = connection.scalars(select(spend.c.id).where(*alike))
    return [name.removeprefix(start) for name in found if name.startswith(start)]


def spenders(connection: Connection, kinds: Sequence[str]) -> list[Scope]:
    """Whoever of these kinds has spent something in the running period."""
    table = spend.c
    found = connection.execute(
        select(*_SCOPE).where(table.kind.in_(kinds), table.spend != 0).order_by(*_SCOPE)
    )
    return [(row.kind, row.id) for row in found]


def roll(connection: Connection, scope: Scope, since: float) -> None:
    """Begins a new period of a budget at `since`, unless it has begun; calls that ended in it stay counted."""
    kind, name = scope
    made = insert(connection, spend)
    upsert = made.on_conflict_do_update(
        index_elements=["kind", "id"],
        set_={"spend": made.excluded.spend, "since": made.excluded.since},
        where=spend.c.since < made.excluded.since,
    )
    now = _spent_since(connection, scope, since)
    connection.execute(upsert, [{"kind": kind, "id": name, "spend": now, "total": 0, "since": since}])


def put(connection: Connection, scope: Scope, amount: int, since: float) -> None:
    """What counts as spent in the period that began at `since`; all that was ever spent stays."""
    kind, name = scope
    made = insert(connection, spend)
    changes = {"spend": made.excluded.spend, "since": made.excluded.since}
    row = {"kind": kind, "id": name, "spend": amount, "total": 0, "since": since}
    connection.execute(_upsert(made, ["kind", "id"], changes), [row])


def spent(
    connection: Connection, scopes: Sequence[Scope], begun: Mapping[Scope, float] | None = None
) -> Spent:
    """What scopes have spent: in this period, ever, and when the period began. Those that spent nothing lack.

    `begun` is when the periods of those that have one began: a row of an older one is counted anew.
    """
    found = rows_of(connection, scopes)
    for scope, since in (begun or {}).items():
        row = found.get(scope)
        if row is not None and row[2] < since:
            found[scope] = (_spent_since(connection, scope, since), row[1], since)
    return found


def _spent_since(connection: Connection, scope: Scope, since: float) -> int:
    """The sum of the calls that ended in a period, for scopes that a call names by columns; tags begin at 0."""
    conditions = _of(scope)
    if conditions is None:
        return 0
    period = (calls.c.ended >= since, calls.c.started >= since - LONGEST_CALL)
    return connection.scalar(select(func.sum(calls.c.cost)).where(*period, *conditions)) or 0


def _of(scope: Scope) -> list[Any] | None:
    kind, name = scope
    if kind.endswith(_OF_MODEL):
        found = _of(payer_of(scope))
        return None if found is None else [*found, calls.c.model_group == name.rpartition(_BETWEEN)[2]]
    if kind == "global":
        return []
    if kind == "member":
        team, _, user = name.partition("/")
        return [calls.c.team_id == team, calls.c.user_id == user]
    return [_PAYERS[kind] == name] if kind in _PAYERS else None


LONGEST_CALL: Final = 86_400.0
_PAYERS: Final = {
    "key": calls.c.key,
    "user": calls.c.user_id,
    "team": calls.c.team_id,
    "organization": calls.c.organization_id,
    "customer": calls.c.customer,
    "model": calls.c.model_group,
    "deployment": calls.c.deployment,
    "provider": calls.c.provider,
}


def parts(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Short enough for one IN list."""
    return (values[at : at + AT_ONCE] for at in range(0, len(values), AT_ONCE))
