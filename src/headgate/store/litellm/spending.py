"""What each key, team, … has spent: LiteLLM's figures become ours, and what is spent here stays counted.

What was brought is remembered beside, in rows whose kind begins with `PREFIX`: another run adds the difference.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from sqlalchemy.engine import Connection

from headgate.money import units
from headgate.store import ledger, tables, totals
from headgate.store.directory import TABLES, begun, member_limits, merge_budgets
from headgate.store.ledger import Scope
from headgate.store.litellm.bring import Work, tell, where_in
from headgate.store.litellm.keys import ids_of
from headgate.store.litellm.kinds import BUDGETS, ORGANIZATIONS, TEAMS
from headgate.store.litellm.members import MEMBERSHIPS
from headgate.store.litellm.source import KEYS, Row
from headgate.store.litellm.values import exact, moment, spent

PREFIX: Final = "litellm_"
WHAT: Final = "spend"
Amounts = tuple[int, int, float]
"""In this period, ever, and when the period began: as in the table `spend`."""


class Spender(Struct, frozen=True):
    """`days` is the table of LiteLLM's sums by day, and whose they are there: what was spent ever is there, where
    the row's own sum begins anew with each period."""

    kind: str
    source: str
    id: str
    days: tuple[str, str] | None


SPENDERS: Final = (
    Spender("key", KEYS, "token", ("LiteLLM_DailyUserSpend", "api_key")),
    Spender("user", "LiteLLM_UserTable", "user_id", ("LiteLLM_DailyUserSpend", "user_id")),
    Spender("team", TEAMS, "team_id", ("LiteLLM_DailyTeamSpend", "team_id")),
    Spender(
        "organization",
        ORGANIZATIONS,
        "organization_id",
        ("LiteLLM_DailyOrganizationSpend", "organization_id"),
    ),
    Spender("customer", "LiteLLM_EndUserTable", "user_id", ("LiteLLM_DailyEndUserSpend", "end_user_id")),
    Spender("tag", "LiteLLM_TagTable", "tag_name", ("LiteLLM_DailyTagSpend", "tag")),
    Spender("member", MEMBERSHIPS, "team_id", None),
)


def bring(work: Work) -> None:
    line = work.report.line(WHAT)
    resets = {
        row["budget_id"]: row["budget_reset_at"]
        for part in work.source.rows(BUDGETS, ["budget_id", "budget_reset_at"])
        for row in part
        if row["budget_reset_at"] is not None
    }
    for spender in SPENDERS:
        columns = [spender.id, "user_id", "spend", "total_spend", "budget_id", "budget_reset_at"]
        for batch in work.source.rows(spender.source, columns, order=(spender.id,)):
            ever = _ever(work, spender, batch)
            line.brought += work.do(
                lambda connection, s=spender, b=batch, e=ever: _store(connection, work, s, b, e, resets)  # type: ignore[misc]
            )


def _ever(work: Work, spender: Spender, batch: Sequence[Row]) -> Mapping[str, Decimal]:
    if spender.days is None:
        return {}
    table, column = spender.days
    return work.source.sums(table, column, "spend", [row[spender.id] for row in batch])


def _store(
    connection: Connection,
    work: Work,
    spender: Spender,
    batch: Sequence[Row],
    ever: Mapping[str, Decimal],
    resets: Mapping[str, float],
) -> int:
    ours = _ours(connection, work, spender, batch)
    found: dict[Scope, Amounts] = {}
    for row in batch:
        name = _name(spender, row)
        if name not in ours:
            continue  # it was not brought, which has been said
        scope = (spender.kind, ours[name][0])
        try:
            now = spent(row["spend"])
            total = max(now, spent(row["total_spend"]), units(exact(ever.get(row[spender.id]) or Decimal(0))))
        except ValueError as error:
            work.report.fail(WHAT, f"{spender.kind} {name[:36]}", str(error))
            continue
        if now or total:
            reset = moment(row["budget_reset_at"]) or resets.get(row["budget_id"] or "")
            at = work.now if reset is None else min(work.now, reset - 1.0)
            found[scope] = (now, total, begun(scope, ours[name][1], at).get(scope, 0.0))
    return _write(connection, work, found)


def _name(spender: Spender, row: Row) -> str:
    return f"{row['team_id']}/{row['user_id']}" if spender.kind == "member" else str(row[spender.id])


def _ours(
    connection: Connection, work: Work, spender: Spender, batch: Sequence[Row]
) -> dict[str, tuple[str, Row]]:
    """Our id and our row with its limits, by LiteLLM's id. A dry run believes that all are there."""
    names = list(dict.fromkeys(row[spender.id] for row in batch))
    dry = {_name(spender, row): (_name(spender, row), dict[str, Any]()) for row in batch} if work.dry else {}
    if spender.kind == "member":
        return dry | _members(connection, names)
    ids = ids_of(connection, names) if spender.kind == "key" else {name: name for name in names}
    (column,) = TABLES[spender.kind].primary_key.columns
    rows = {row[column.name]: row for row in where_in(connection, column, list(ids.values()))}
    merge_budgets(connection, list(rows.values()))
    return dry | {name: (own, rows[own]) for name, own in ids.items() if own in rows}


def _members(connection: Connection, teams: Sequence[str]) -> dict[str, tuple[str, Row]]:
    members = where_in(connection, tables.team_members.c.team_id, teams)
    merge_budgets(connection, members)
    of = {row["team_id"]: row for row in where_in(connection, tables.teams.c.team_id, teams)}
    found = {}
    for row in members:
        name = f"{row['team_id']}/{row['user_id']}"
        found[name] = (name, member_limits(of.get(row["team_id"], {}), row))
    return found


def _write(connection: Connection, work: Work, found: Mapping[Scope, Amounts]) -> int:
    """How many have changed since they were brought."""
    line = work.report.line(WHAT)
    brought = totals.rows_of(connection, [_beside(scope) for scope in found])
    changed = {
        scope: amounts
        for scope, amounts in found.items()
        if brought.get(_beside(scope), (None, None))[:2] != amounts[:2]
    }
    line.unchanged += len(found) - len(changed)
    if work.dry or not changed:
        return len(changed)
    here = totals.rows_of(connection, sorted(changed), lock=True)
    rows: list[dict[str, Any]] = []
    for scope, amounts in changed.items():
        known, before = here.get(scope), brought.get(_beside(scope), (0, 0, amounts[2]))
        if (
            known is not None and known[2] < amounts[2]
        ):  # its last period has ended: what was spent in this one
            ledger.roll(connection, scope, amounts[2])
            known = totals.rows_of(connection, [scope])[scope]
            now = max(known[0], amounts[0])
        else:
            now = _now(known, before, amounts)
        total = max(0, amounts[1] - before[1]) + (known[1] if known else 0)
        rows.append(_spend(scope, (now, total, known[2] if known else amounts[2])))
        rows.append(_spend(_beside(scope), amounts))
    made = totals.insert(connection, tables.spend)
    values = {name: made.excluded[name] for name in ("spend", "total", "since")}
    connection.execute(made.on_conflict_do_update(index_elements=["kind", "id"], set_=values), rows)
    tell(connection)
    return len(changed)


def _now(known: Amounts | None, before: Amounts, amounts: Amounts) -> int:
    if known is None:
        return amounts[0]
    if known[2] > amounts[2]:  # LiteLLM's period is an older one
        return known[0]
    more = amounts[0] - before[0] if before[2] == amounts[2] else amounts[0]
    return max(0, known[0] + more)


def _beside(scope: Scope) -> Scope:
    return PREFIX + scope[0], scope[1]


def _spend(scope: Scope, amounts: Amounts) -> dict[str, Any]:
    return {"kind": scope[0], "id": scope[1], **dict(zip(("spend", "total", "since"), amounts, strict=True))}
