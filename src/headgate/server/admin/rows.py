"""Rows that are managed: made, changed and deleted with their audit record, in one transaction, and as they are
shown."""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from msgspec import Struct
from sqlalchemy import Table, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from headgate.errors import BadRequestError, NotFoundError, ServiceUnavailableError
from headgate.money import UNITS
from headgate.server.callers import Caller
from headgate.server.config.schema import LitellmSettings
from headgate.server.gateway import Gateway
from headgate.store import changes, ledger, tables, totals
from headgate.store.directory import LIMITS, TABLES, Row, begun, find, merge_budgets, periods
from headgate.store.money import is_money
from headgate.store.periods import period
from headgate.telemetry.times import iso

T = TypeVar("T")
_TIMES: Final = frozenset(
    ("created_at", "updated_at", "expires", "started", "ended", "first_token", "budget_reset_at")
)

_EMPTY: Final[Mapping[str, Callable[[], Any]]] = {
    "models": list,
    "allowed_routes": list,
    "access_model_names": list,
    "aliases": dict,
    "metadata": dict,
    "permissions": dict,
}
"""What is never null in LiteLLM's answers: https://docs.litellm.ai/docs/proxy/virtual_keys."""


HIDDEN: Final = "***"
"""Stands for what is not shown."""
_SEALED: Final = ("litellm_params", "credential_values")
_MEMBERS: Final = {"team_member": tables.team_members, "organization_member": tables.organization_members}
"""Kinds of the audit log whose rows have no id of their own."""
_RESPENT: Final = "respent"
"""Where a job says, with its connection, by how much less somebody has spent."""


class Desk(Struct, frozen=True):
    """Who asks for a change, and when. `by` is what the audit log shows."""

    caller: Caller
    now: float
    settings: LitellmSettings = LitellmSettings()
    """What the configuration says of new rows."""

    @property
    def by(self) -> str:
        return self.caller.user_id or self.caller.name


async def work(gateway: Gateway, job: Callable[[Connection], T]) -> T:
    """Does it in a transaction, in a thread; whoever is concerned is loaded anew. Raises ServiceUnavailableError."""
    if gateway.database is None or gateway.callers is None:
        raise ServiceUnavailableError("this gateway has no database", type="no_db_connection")
    if gateway.ledger is not None:
        await gateway.ledger.flush()  # what was spent is in the answer
    noted: list[ledger.Scope] = []
    respent: dict[ledger.Scope, int] = {}

    def noting(connection: Connection) -> T:
        connection.info[changes.NOTED] = noted
        connection.info[_RESPENT] = respent
        try:
            changes.in_turn(connection)
            return job(connection)
        finally:
            del connection.info[changes.NOTED], connection.info[_RESPENT]

    found = await gateway.database.run(noting)
    for kind, name in noted:
        gateway.callers.forget(kind, name)
    for scope, amount in respent.items():
        gateway.callers.respent(scope, amount)
    return found


async def look(gateway: Gateway, job: Callable[[Connection], T]) -> T:
    """The same for what only reads: true up to this moment, as far as this process knows."""
    if gateway.database is None:
        raise ServiceUnavailableError("this gateway has no database", type="no_db_connection")
    if gateway.ledger is not None:
        await gateway.ledger.flush()
    return await gateway.database.ask(job)


def desk(gateway: Gateway, caller: Caller) -> Desk:
    return Desk(caller=caller, now=gateway.clock.time(), settings=gateway.snapshot.config.litellm)


def key_column(kind: str) -> Any:
    (column,) = TABLES[kind].primary_key.columns
    return column


def id_name(kind: str) -> str:
    """The field that names a row of this kind."""
    return str(key_column(kind).name)


def get(connection: Connection, kind: str, name: str) -> Row:
    """Raises NotFoundError."""
    row = find(connection, kind, name)
    if row is None:
        raise missing(kind, name)
    return row


def missing(kind: str, name: str) -> NotFoundError:
    return NotFoundError(f"there is no {kind.replace('_', ' ')} {name!r}", param=id_name(kind), code="404")


def create(connection: Connection, desk: Desk, kind: str, values: Mapping[str, Any]) -> Row:
    """Raises BadRequestError where its id or alias is taken."""
    table = TABLES[kind]
    history = {"created_at": desk.now, "created_by": desk.by, "updated_at": desk.now, "updated_by": desk.by}
    row = {**values, **history}
    if "blocked" in table.c and row.get("blocked") is None:
        row["blocked"] = False
    try:
        connection.execute(table.insert().values({name: row[name] for name in row if name in table.c}))
    except IntegrityError as error:
        raise taken(kind, table, row, error) from None
    made = get(connection, kind, row[id_name(kind)])
    record(connection, desk, "created", kind, None, made)
    return made


def taken(kind: str, table: Table, row: Mapping[str, Any], error: IntegrityError) -> BadRequestError:
    text = str(error.orig)
    name = next((name for name in ("key_alias", "access_group_name") if name in text and name in table.c), "")
    name = name or id_name(kind)
    return BadRequestError(
        f"a {kind.replace('_', ' ')} with {name} {row.get(name)!r} exists already", param=name, code="400"
    )


def change(
    connection: Connection,
    desk: Desk,
    kind: str,
    name: str,
    values: Mapping[str, Any],
    action: str = "updated",
) -> Row:
    """Raises NotFoundError, BadRequestError where an alias is taken."""
    table, before = TABLES[kind], get(connection, kind, name)
    row = {**values, "updated_at": desk.now, "updated_by": desk.by}
    try:
        connection.execute(table.update().where(key_column(kind) == name).values(row))
    except IntegrityError as error:
        raise taken(kind, table, row, error) from None
    after = get(connection, kind, name)
    record(connection, desk, action, kind, before, after)
    return after


def remove(connection: Connection, desk: Desk, kind: str, name: str) -> Row:
    """Raises NotFoundError."""
    before = get(connection, kind, name)
    connection.execute(TABLES[kind].delete().where(key_column(kind) == name))
    if kind in _SPENDERS:
        settle(connection, desk, (kind, name))
    record(connection, desk, "deleted", kind, before, None)
    return before


_SPENDERS: Final = ("key", "user", "team", "organization", "customer", "tag")


def settle(connection: Connection, desk: Desk, scope: ledger.Scope) -> None:
    """Who is deleted has spent: whoever is made with its name begins at nothing. The records of the calls stay."""
    for ended, (spent, _, since) in totals.of_payer(connection, scope).items():
        totals.put(connection, ended, 0, max(since, desk.now))
        connection.info[_RESPENT][ended] = spent


def respend(connection: Connection, desk: Desk, scope: ledger.Scope, limits: Row, amount: int) -> int:
    """Sets what counts as spent in the running period. What it was before, in units."""
    merged = [dict(limits)]
    merge_budgets(connection, merged)
    since = begun(scope, merged[0], desk.now)
    known = ledger.spent(connection, [scope], since).get(scope, (0, 0, 0.0))
    totals.put(connection, scope, amount, max(known[2], since.get(scope, 0.0)))
    connection.info[_RESPENT][scope] = known[0] - amount
    kind = "team_member" if scope[0] == "member" else scope[0]
    spent = {id_name(kind) if kind in TABLES else "id": scope[1], "spend": number(known[0])}
    record(
        connection, desk, "updated", kind, {**limits, **spent}, {**limits, **spent, "spend": number(amount)}
    )
    return known[0]


def record(
    connection: Connection, desk: Desk, action: str, kind: str, before: Row | None, after: Row | None
) -> None:
    """The audit log, and a word to the other replicas."""
    row = after or before or {}
    name = str(row.get(id_name(kind)) if kind in TABLES else row.get("id"))
    changes.note(connection, kind, name)
    if before is not None and after is not None:
        changed = {field for field in after if before.get(field) != after[field]}
        before = {field: before.get(field) for field in changed}
        after = {field: after[field] for field in changed}
    connection.execute(
        tables.audit.insert().values(
            id=secrets.token_hex(16),
            updated_at=desk.now,
            changed_by=desk.by,
            changed_by_api_key=desk.caller.key,
            action=action,
            table_name=kind,
            object_id=name,
            before_value=_told(kind, before),
            updated_values=_told(kind, after),
        )
    )


def _told(kind: str, row: Row | None) -> dict[str, Any] | None:
    """A row as the API shows it. Of what is sealed it is told that it is there: a copy would outlive the original."""
    if row is None:
        return None
    hidden = {name: HIDDEN for name in _SEALED if row.get(name)}
    return plain(_MEMBERS[kind] if kind in _MEMBERS else TABLES[kind], row) | hidden


def page(
    connection: Connection, table: Table, where: Iterable[Any], order: Any, number: int, size: int
) -> tuple[list[Row], int]:
    """Rows of a page, counted from 1, and how many there are on all."""
    conditions = list(where)
    total = connection.scalar(select(func.count()).select_from(table).where(*conditions)) or 0
    orders = (order, *table.primary_key.columns)  # a page more never shows a row twice
    statement = select(table).where(*conditions).order_by(*orders).limit(size).offset((number - 1) * size)
    return [dict(row) for row in connection.execute(statement).mappings()], total


def order(table: Table, asked: Mapping[str, str], *known: str) -> Any:
    """How a list is sorted; by the first of `known`, the newest first, where nothing else is asked for. Raises
    BadRequestError."""
    name, way = asked.get("sort_by") or known[0], asked.get("sort_order") or "desc"
    for field, value, allowed in (("sort_by", name, known), ("sort_order", way, ("asc", "desc"))):
        if value not in allowed:
            raise BadRequestError(f"{field!r} must be one of {', '.join(allowed)}", param=field)
    return table.c[name].asc() if way == "asc" else table.c[name].desc()


def pages(total: int, size: int) -> int:
    return -(-total // size)


def shown(connection: Connection, kind: str, rows: list[Row]) -> list[dict[str, Any]]:
    """Rows as the API shows them: dollars, ISO times, and what was spent."""
    now = time.time()
    merged = [dict(row) for row in rows]
    merge_budgets(connection, merged)
    scopes = [(kind, str(row[id_name(kind)])) for row in rows]
    since: dict[ledger.Scope, float] = {}
    for scope, row in zip(scopes, merged, strict=True):
        since.update(begun(scope, row, now))
    spent = ledger.spent(connection, scopes, since)
    return [
        plain(TABLES[kind], row) | spend_of(limits, spent.get(scope), now) | budget_of(TABLES[kind], limits)
        for row, limits, scope in zip(rows, merged, scopes, strict=True)
    ]


def model_spend(connection: Connection, kind: str, row: Row) -> dict[str, float]:
    """What it has spent at each group: in the running period of its budget there, or ever."""
    limits = dict(row)
    merge_budgets(connection, [limits])
    scope = (kind, str(row[id_name(kind)]))
    groups = {totals.of_model(scope, group): group for group in totals.groups_of(connection, scope)}
    spent = totals.spent(connection, list(groups), periods(scope, limits, time.time()))
    return {groups[at]: number(found[0]) or 0.0 for at, found in spent.items() if at in groups}


def budget_of(table: Table, limits: Row) -> dict[str, Any]:
    """Where LiteLLM's clients look for the limits of customers, organisations, tags and members."""
    if "budget_id" not in table.c or table is tables.budgets:
        return {}
    found = plain(table, {name: limits[name] for name in ("budget_id", *LIMITS)})
    given = any(value is not None for value in found.values())
    return {"litellm_budget_table": found if given else None}


def plain(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON: dollars, ISO times, and empty what LiteLLM's clients go through without a look."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if value is None:
            found[name] = _EMPTY[name]() if name in _EMPTY else None
        elif name in _TIMES:
            found[name] = iso(value)
        elif is_money(table, name):
            found[name] = number(value)
        else:
            found[name] = value
    return found


def number(amount: int | None) -> float | None:
    """In dollars: the nearest there is."""
    return None if amount is None else amount / UNITS


def spend_of(limits: Mapping[str, Any], spent: tuple[int, int, float] | None, now: float) -> dict[str, Any]:
    period_spend, ever, _ = spent or (0, 0, 0.0)
    duration = limits.get("budget_duration")
    ends = period(duration, now, float(limits.get("created_at") or 0.0))[1] if duration else None
    return {
        "spend": number(period_spend) or 0.0,
        "total_spend": number(ever) or 0.0,
        "budget_reset_at": None if ends is None else iso(ends),
    }
