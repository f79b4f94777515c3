"""Rows with an id: read, made ours, and written where they are new or were changed in LiteLLM last.

What was changed here later is kept: a row that was written by an import last has `BY` in `updated_by`, and every
deletion is in the audit log.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from msgspec import Struct
from sqlalchemy import Table, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError

from headgate.errors import BadRequestError, ConflictError, HeadgateError
from headgate.store import changes, tables, totals
from headgate.store.crypto import Vault
from headgate.store.database import Database, too_much
from headgate.store.directory import TABLES
from headgate.store.litellm.kinds import DASHBOARD, INSIDE, NOT_SUPPORTED, PRIVATE, SEALED, WHOLE, Kind
from headgate.store.litellm.report import Report
from headgate.store.litellm.source import KEYS, Row, Source
from headgate.store.litellm.values import READERS, ROLES, is_set, moment

T = TypeVar("T")
BY: Final = "import-litellm"
_OURS: Final = (BY, "first call")
"""Who writes rows without having been asked to."""
KEPT: Final = "changed here later: kept"
DELETED: Final = "deleted here later: it stays deleted"


class Work(Struct, kw_only=True):
    """One import. `salt` opens what LiteLLM has encrypted, `vault` seals it here. `dry`: nothing is written.
    `replaced` are keys that LiteLLM has made anew: the new token → the old ones. `progress` is told what is going
    on."""

    source: Source
    target: Database
    report: Report
    now: float
    vault: Vault
    salt: str = ""
    master: str = ""
    since: float | None = None
    dry: bool = False
    replaced: dict[str, list[str]] = {}
    progress: Callable[[str], None] = lambda text: None

    def do(self, job: Callable[[Connection], T]) -> T:
        """In a transaction of our database. Raises ServiceUnavailableError, ConflictError."""
        try:
            return self.target.read(job) if self.dry else self.target.write(job)
        except DBAPIError as error:
            reason = str(error.orig).strip().split("\n")[0][:200]
            raise ConflictError(f"writing into {self.target.name} failed: {reason}") from None


class Ready(Struct):
    """A row of LiteLLM's as ours. `time` is when its settings were changed, None where LiteLLM doesn't know."""

    id: str
    called: str
    values: Row
    made: float | None
    by: str
    time: float | None


def bring(work: Work, kind: Kind) -> None:
    """All rows of a kind."""
    source, line = work.source, work.report.line(kind.what)
    if kind.source not in source.columns:
        return
    for batch in source.rows(kind.source, kind.reads, order=(kind.id,)):
        if kind.enrich is not None:
            kind.enrich(source, batch, work.salt)
        ready = [one for row in batch if (one := _ready(work, kind, row)) is not None]
        line.brought += work.do(lambda connection, ready=ready: _store(connection, work, kind, ready))  # type: ignore[misc]
        work.progress(f"{kind.what}: {line.found}")


def _ready(work: Work, kind: Kind, row: Row) -> Ready | None:
    called = kind.called(row)
    if (reason := _unwanted(work, kind, row)) is not None:
        work.report.fail(kind.what, called, reason)
        return None
    values: Row = {}
    try:
        for ours, theirs, reader in _there(work.source, kind):
            values[ours] = _read(theirs, reader, row[theirs])
        if work.source.has(kind.source, "metadata"):
            values |= _metadata(work, kind, called, row["metadata"])
        made = moment(row["created_at"])
        time = next((found for name in kind.times if (found := moment(row[name])) is not None), None)
        name = READERS["name"](row[kind.id])
    except ValueError as error:
        work.report.fail(kind.what, called, str(error))
        return None
    for column in kind.lost:
        if is_set(row[column]):
            work.report.note(kind.what, called, NOT_SUPPORTED[column])
    _remark(work, kind, called, row)
    return Ready(name, called, values, made, row["created_by"] or "LiteLLM", time)


def _there(source: Source, kind: Kind) -> Iterable[tuple[str, str, str]]:
    """Columns that this version of LiteLLM has: the others are not touched."""
    for ours, (theirs, reader) in kind.columns.items():
        if theirs in kind.made or source.has(kind.source, theirs):
            yield ours, theirs, reader


def _read(name: str, reader: str, value: Any) -> Any:
    try:
        return READERS[reader](value)
    except (ValueError, TypeError) as error:
        if reader == "params":
            raise ValueError(f"{name}: {error}") from None
        raise ValueError(f"{name} is {str(value)[:40]!r}: {error}") from None


def _metadata(work: Work, kind: Kind, called: str, given: Any) -> Row:
    """Metadata, and what LiteLLM keeps inside it."""
    inside = dict(_read("metadata", "mapping", given) or {})
    found = {
        ours: _read(f"metadata.{theirs}", reader, inside.pop(theirs, None))
        for ours, (theirs, reader) in kind.inside.items()
    }
    for name in sorted(INSIDE & inside.keys()):
        if is_set(inside[name]):
            work.report.note(kind.what, called, NOT_SUPPORTED[name])
    for name in (*PRIVATE, "team_member_budget_id"):
        inside.pop(name, None)
    return {**found, "metadata": inside}


def _unwanted(work: Work, kind: Kind, row: Row) -> str | None:
    if kind.kind in SEALED:
        try:
            work.vault.seal({})
        except BadRequestError as error:
            return error.message
    if kind.kind == "key" and row["team_id"] == DASHBOARD:
        return "a session of LiteLLM's dashboard"
    if kind.kind == "user" and row["user_id"] == WHOLE:
        return "stands for LiteLLM itself: litellm_settings.max_budget is the budget of the whole gateway"
    return None


def _remark(work: Work, kind: Kind, called: str, row: Row) -> None:
    note = work.report.note
    if kind.kind == "user" and row["user_role"] not in (None, *ROLES):
        note(kind.what, called, f"the role {row['user_role']!r} is none here: an internal_user")
    if kind.kind == "tag" and row["models"]:
        note(
            kind.what, called, "models: LiteLLM sends a tag's calls there, here they would forbid all others"
        )


def _store(connection: Connection, work: Work, kind: Kind, ready: Sequence[Ready]) -> int:
    """How many were brought."""
    known = _known(connection, work, kind, ready)
    gone = deleted_here(connection, kind.kind, [one.id for one in ready])
    new: list[tuple[str, Row]] = []
    changed: list[tuple[str, Row]] = []
    line = work.report.line(kind.what)
    for one in _named(connection, work, kind, ready, known):
        before = known.get(one.id)
        if before is None:
            if one.id in gone and (one.time is None or gone[one.id] >= one.time):
                work.report.fail(kind.what, one.called, DELETED)
            else:
                new.append((one.called, _row(work, kind, one)))
            continue
        values = _changes(kind, one, before)
        if all(before[name] == value for name, value in values.items()):
            line.unchanged += 1
        elif _is_ours(before) or (one.time is not None and before["updated_at"] < one.time):
            if not _is_ours(before):
                work.report.note(
                    kind.what, one.called, "changed here, and in LiteLLM after that: LiteLLM's holds"
                )
            row = {**values, **_history(work, one), "": _id(kind, before)}
            changed.append((one.called, _sealed(work, kind, row)))
        else:
            work.report.fail(kind.what, one.called, KEPT)
    if work.dry:
        return len(new) + len(changed)
    table = TABLES[kind.kind]
    failed = work.report.fail
    count = each(connection, new, _inserting(table), lambda who, why: failed(kind.what, who, why))
    count += each(connection, changed, _updating(table), lambda who, why: failed(kind.what, who, why))
    if count:
        tell(connection, kind.kind)
    return count


def _row(work: Work, kind: Kind, one: Ready) -> Row:
    (column,) = TABLES[kind.kind].primary_key.columns
    made = one.made if one.made is not None else (one.time if one.time is not None else work.now)
    row = {**one.values, column.name: one.id, "created_at": made, "created_by": one.by, **_history(work, one)}
    if kind.kind == "key":
        row["key_name"] = row.get("key_name") or "sk-..."
    return _sealed(work, kind, row)


def _sealed(work: Work, kind: Kind, row: Row) -> Row:
    column = SEALED.get(kind.kind)
    return row if column is None else {**row, column: work.vault.seal(row[column])}


def _history(work: Work, one: Ready) -> Row:
    return {"updated_at": one.time if one.time is not None else work.now, "updated_by": BY}


def _changes(kind: Kind, one: Ready, before: Row) -> Row:
    """What is compared. A key that was made anew here keeps its token."""
    if kind.kind != "key":
        return one.values
    skipped = {"token"} if before["id"] == one.id else set()
    if one.values.get("key_name") is None:
        skipped.add("key_name")
    return {name: value for name, value in one.values.items() if name not in skipped}


def _is_ours(row: Row) -> bool:
    return row["updated_by"] in _OURS


def _id(kind: Kind, row: Row) -> str:
    (column,) = TABLES[kind.kind].primary_key.columns
    return str(row[column.name])


def _known(connection: Connection, work: Work, kind: Kind, ready: Sequence[Ready]) -> dict[str, Row]:
    """Our rows by LiteLLM's id."""
    if kind.kind == "key":
        return _known_keys(connection, work, ready)
    (column,) = TABLES[kind.kind].primary_key.columns
    found = {row[column.name]: row for row in where_in(connection, column, [one.id for one in ready])}
    if (sealed := SEALED.get(kind.kind)) is not None:
        for row in found.values():
            row[sealed] = _unsealed(work, row[sealed])
    return found


def _unsealed(work: Work, given: Any) -> Any:
    """None where it was sealed with a salt that is not known any more."""
    try:
        return work.vault.open(given or {})
    except HeadgateError:
        return None


def _known_keys(connection: Connection, work: Work, ready: Sequence[Ready]) -> dict[str, Row]:
    """By their token; those that were made anew here by their id; those that were made anew there by an older token,
    or by their alias where the key that had it is not there any more."""
    key = tables.keys.c
    tokens = [one.id for one in ready]
    found = {row["id"]: row for row in where_in(connection, key.id, tokens)}
    found |= {row["token"]: row for row in where_in(connection, key.token, tokens)}
    older = {old: token for token in tokens if token not in found for old in work.replaced.get(token, ())}
    found |= {older[row["token"]]: row for row in where_in(connection, key.token, list(older))}
    aliases = {
        one.values["key_alias"]: one.id
        for one in ready
        if one.id not in found and one.values.get("key_alias") is not None
    }
    same = [row for row in where_in(connection, key.key_alias, list(aliases)) if _is_ours(row)]
    if same:
        there = {
            row["token"] for row in work.source.all(KEYS, ["token"], {"token": [r["token"] for r in same]})
        }
        found |= {aliases[row["key_alias"]]: row for row in same if row["token"] not in there}
    return found


def _named(
    connection: Connection, work: Work, kind: Kind, ready: Sequence[Ready], known: Mapping[str, Row]
) -> Iterable[Ready]:
    """Those whose name may be had; a key does without where another has it."""
    name = kind.unique
    if not name:
        yield from ready
        return
    wanted = {one.values[name] for one in ready if one.values.get(name) is not None}
    column = TABLES[kind.kind].c[name]
    taken = {row[name]: _id(kind, row) for row in where_in(connection, column, list(wanted))}
    for one in ready:
        own = _id(kind, known[one.id]) if one.id in known else one.id
        owner = taken.setdefault(one.values[name], own) if one.values.get(name) is not None else own
        if owner == own:
            yield one
        elif kind.kind == "key":
            work.report.note(kind.what, one.called, "another key has this alias: brought without it")
            one.values[name] = None
            yield one
        else:
            work.report.fail(kind.what, one.called, f"another one has this {name}")


def deleted_here(connection: Connection, kind: str, names: Sequence[str]) -> dict[str, float]:
    """When rows were deleted."""
    audit = tables.audit.c
    found: dict[str, float] = {}
    for part in totals.parts(names):
        where = (audit.object_id.in_(part), audit.table_name == kind, audit.action == "deleted")
        statement = (
            select(audit.object_id, func.max(audit.updated_at)).where(*where).group_by(audit.object_id)
        )
        found.update({row[0]: row[1] for row in connection.execute(statement)})
    return found


def where_in(connection: Connection, column: Any, values: Sequence[Any]) -> list[Row]:
    found: list[Row] = []
    for part in totals.parts(values):
        statement = select(column.table).where(column.in_(part))
        found += [dict(row) for row in connection.execute(statement).mappings()]
    return found


Write = Callable[[Connection, list[Row]], Any]


def _inserting(table: Table) -> Write:
    return lambda connection, rows: connection.execute(table.insert(), rows)


def _updating(table: Table) -> Write:
    (column,) = table.primary_key.columns

    def update(connection: Connection, rows: list[Row]) -> None:
        for row in rows:
            values = {name: value for name, value in row.items() if name}
            connection.execute(table.update().where(column == row[""]).values(values))

    return update


def each(
    connection: Connection, rows: Sequence[tuple[str, Row]], write: Write, failed: Callable[[str, str], None]
) -> int:
    """Writes all at once; where the database refuses, one by one. How many were written."""
    if not rows:
        return 0
    try:
        with connection.begin_nested():
            write(connection, [row for _, row in rows])
        return len(rows)
    except (IntegrityError, DataError, OperationalError) as error:
        if isinstance(error, OperationalError) and not too_much(error):
            raise
        if len(rows) == 1:
            failed(rows[0][0], str(error.orig).strip().split("\n")[0][:200])
            return 0
    return sum(each(connection, [row], write, failed) for row in rows)


def tell(connection: Connection, kind: str = "") -> None:
    """A word to gateways that run: a changed budget makes them read all anew, whatever it was that changed; what
    is sealed is another matter."""
    changes.note(connection, kind if kind in SEALED else "budget", "")
