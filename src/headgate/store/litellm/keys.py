"""Keys that LiteLLM has made anew or deleted: old tokens go on for their grace period, deleted ones end here, too."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

from msgspec import Struct
from sqlalchemy import Table
from sqlalchemy.engine import Connection

from headgate.store import tables, totals
from headgate.store.directory import TABLES
from headgate.store.litellm.bring import BY, Work, tell, where_in
from headgate.store.litellm.source import KEYS, Row
from headgate.store.litellm.values import moment
from headgate.store.money import in_dollars

DEPRECATED: Final = "LiteLLM_DeprecatedVerificationToken"
RETIRED: Final = "retired keys"
MASTER: Final = "master"
_retired: Final = tables.retired_keys


def replaced(work: Work) -> dict[str, list[str]]:
    """The token of a key now → its older ones: grace periods are short, so they are few."""
    found: dict[str, list[str]] = {}
    following = _following(work)
    for token in following:
        found.setdefault(_last(token, following), []).append(token)
    return found


def _following(work: Work) -> dict[str, str]:
    rows = work.source.all(DEPRECATED, ["token", "active_token_id"])
    return {row["token"]: row["active_token_id"] for row in rows if row["active_token_id"]}


def _last(token: str, following: dict[str, str]) -> str:
    """A key may be made anew again before the grace period is over."""
    seen = {token}
    while (after := following.get(token)) is not None and after not in seen:
        seen.add(after)
        token = after
    return token


def retire(work: Work) -> None:
    """Old tokens that are still good, or were."""
    following = _following(work)
    line = work.report.line(RETIRED)
    for batch in work.source.rows(DEPRECATED, ["token", "revoke_at"], order=("token",)):

        def store(connection: Connection, batch: list[Row] = batch) -> int:
            tokens = [row["token"] for row in batch]
            lasts = [_last(token, following) for token in tokens]
            ids = ids_of(connection, lasts)
            if work.dry:  # they may not be there yet
                ids = {token: token for token in _there(work, lasts)} | ids
            known = {row["token"]: row for row in where_in(connection, _retired.c.token, tokens)}
            found: list[Row] = []
            for row, last in zip(batch, lasts, strict=True):
                until, name = moment(row["revoke_at"]) or 0.0, row["token"][:12] + "…"
                new = {"token": row["token"], "replaced_by": ids.get(last), "valid_until": until}
                if last not in ids:
                    work.report.fail(RETIRED, name, "the key that replaced it is not there")
                elif known.get(row["token"]) == new:
                    line.unchanged += 1
                else:
                    found.append(new)
            if found and not work.dry:
                made = totals.insert(connection, _retired)
                values = {name: made.excluded[name] for name in ("replaced_by", "valid_until")}
                connection.execute(made.on_conflict_do_update(index_elements=["token"], set_=values), found)
                tell(connection)
            return len(found)

        line.brought += work.do(store)


def ids_of(connection: Connection, tokens: Sequence[str]) -> dict[str, str]:
    """The ids of keys by the token that they have, or had at first."""
    key = tables.keys.c
    found = {row["id"]: row["id"] for row in where_in(connection, key.id, tokens)}
    return found | {row["token"]: row["id"] for row in where_in(connection, key.token, tokens)}


def ledger_ids(connection: Connection, work: Work, tokens: Iterable[str]) -> dict[str, str]:
    """What the ledger calls those who called: keys by their id, the master key by its name."""
    found = ids_of(connection, sorted(tokens))
    if work.master:
        found[sha256(work.master.encode()).hexdigest()] = MASTER
    return {**found, "litellm_proxy_master_key": MASTER}


def _there(work: Work, tokens: Sequence[str]) -> Iterable[str]:
    return [row["token"] for row in work.source.all(KEYS, ["token"], {"token": tokens})]


class Removed(Struct, frozen=True):
    """A table of LiteLLM's that keeps what was deleted."""

    what: str
    kind: str
    source: str
    id: str
    alive: str


REMOVED: Final = (
    Removed("deleted keys", "key", "LiteLLM_DeletedVerificationToken", "token", KEYS),
    Removed("deleted teams", "team", "LiteLLM_DeletedTeamTable", "team_id", "LiteLLM_TeamTable"),
)


def remove(work: Work, removed: Removed) -> None:
    """What an earlier import brought and LiteLLM has deleted since. Only those are counted that were here."""
    table = TABLES[removed.kind]
    column = table.c[removed.id]
    for batch in work.source.rows(removed.source, [removed.id, "deleted_at"], order=(removed.id,)):
        times = {row[removed.id]: moment(row["deleted_at"]) or work.now for row in batch}
        alive = {
            row[removed.id] for row in work.source.all(removed.alive, [removed.id], {removed.id: list(times)})
        }

        def delete(connection: Connection, times: dict[str, float] = times, alive: set[str] = alive) -> None:
            line = work.report.line(removed.what)
            for row in where_in(connection, column, [name for name in times if name not in alive]):
                if row["updated_by"] != BY and row["updated_at"] >= times[row[removed.id]]:
                    work.report.fail(removed.what, str(row[removed.id])[:36], "changed here after that: kept")
                    continue
                line.brought += 1
                if not work.dry:
                    _delete(connection, work, removed.kind, table, row)

        work.do(delete)


def _delete(connection: Connection, work: Work, kind: str, table: Table, row: Row) -> None:
    (column,) = table.primary_key.columns
    name: Any = row[column.name]
    connection.execute(table.delete().where(column == name))
    if kind == "team":
        members = tables.team_members
        connection.execute(members.delete().where(members.c.team_id == name))
    audit = {"id": uuid4().hex, "updated_at": work.now, "changed_by": BY, "changed_by_api_key": ""}
    connection.execute(
        tables.audit.insert().values(
            **audit,
            action="deleted",
            table_name=kind,
            object_id=name,
            before_value=in_dollars(table, row),
            updated_values=None,
        )
    )
    tell(connection)
