"""Days of which not all calls are known: LiteLLM deletes old logs, and some gateways keep none. Their sums are taken
from LiteLLM's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.engine import Connection

from headgate.store.ledger import day
from headgate.store.litellm.bring import Work, where_in
from headgate.store.litellm.keys import ledger_ids
from headgate.store.litellm.source import Row
from headgate.store.litellm.sums import Part, Sums
from headgate.store.litellm.values import count, spent
from headgate.store.tables import calls, daily, keys, teams
from headgate.store.totals import DAY, MAX_NAME

LOGS: Final = "LiteLLM_SpendLogs"
USERS: Final = "LiteLLM_DailyUserSpend"
NAMED: Final = (
    ("tag", "LiteLLM_DailyTagSpend", "tag"),
    ("customer", "LiteLLM_DailyEndUserSpend", "end_user_id"),
)
WHAT: Final = "days as sums"


def cover(work: Work, since: float | None) -> set[str]:
    """Takes LiteLLM's sums of days whose logs since then are not all there. Returns the days to which logs must not
    be added: those, and those of which we have more than calls already (calls here are deleted after a time, too)."""
    logged = work.source.days(LOGS, "startTime", since)
    asked = work.source.sums(USERS, "date", "api_requests", exact=False)
    told = {date: int(number) for date, number in asked.items()}
    today = day(work.now)
    wanted = sorted(date for date, number in told.items() if number > logged.get(date, 0) and date < today)
    here = work.target.read(_summed)
    closed = {
        date
        for date in logged
        if date in here and here[date] > work.target.read(lambda c, date=date: _calls(c, date))  # type: ignore[misc]
    }
    if not told:
        return closed
    line = work.report.line(WHAT)
    for date in wanted:
        if date in here:
            line.unchanged += 1
            continue
        try:
            line.brought += work.do(lambda connection, date=date: _day(connection, work, date))  # type: ignore[misc]
            closed.add(date)
        except ValueError as error:
            work.report.fail(WHAT, date, str(error))
    return closed


def _summed(connection: Connection) -> dict[str, int]:
    statement = select(daily.c.date, func.sum(daily.c.calls)).group_by(daily.c.date)
    return {row[0]: int(row[1]) for row in connection.execute(statement)}


def _calls(connection: Connection, date: str) -> int:
    """Calls that began or ended on a day."""
    start = datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()
    within = (calls.c.started >= start - DAY, calls.c.started < start + DAY)
    here = or_(calls.c.started >= start, calls.c.ended >= start)
    return connection.scalar(select(func.count()).where(*within, here)) or 0


def _day(connection: Connection, work: Work, date: str) -> int:
    if work.dry:
        return 1
    sums = Sums()
    for batch in _rows(work, USERS, "user_id", date):
        ids = ledger_ids(connection, work, {row["api_key"] or "" for row in batch})
        teams = _teams(connection, list(ids.values()))
        for row in batch:
            sums.add(_sum(row, date, ids, teams))
    for kind, source, column in NAMED:
        for batch in _rows(work, source, column, date):
            ids = ledger_ids(connection, work, {row["api_key"] or "" for row in batch})
            for row in batch:
                if row[column]:
                    sums.add_named(_sum(row, date, ids, {}), kind, [row[column]])
    sums.write(connection)
    return 1


def _rows(work: Work, source: str, column: str, date: str) -> Iterator[list[Row]]:
    columns = """api_key model model_group custom_llm_provider prompt_tokens completion_tokens
    cache_read_input_tokens cache_creation_input_tokens spend api_requests failed_requests""".split()
    return work.source.rows(source, [column, *columns], {"date": [date]})


def _teams(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Team and organisation of keys: LiteLLM's sums don't tell them."""
    rows = where_in(connection, keys.c.id, ids)
    named = [row["team_id"] for row in rows if row["team_id"]]
    within = {row["team_id"]: row["organization_id"] for row in where_in(connection, teams.c.team_id, named)}
    return {
        row["id"]: (row["team_id"] or "", row["organization_id"] or within.get(row["team_id"]) or "")
        for row in rows
    }


def _sum(row: Row, date: str, ids: Mapping[str, str], teams: Mapping[str, tuple[str, str]]) -> Part:
    given = row["api_key"] or ""
    key = ids.get(given, given)
    team, organization = teams.get(key, ("", ""))
    numbers = ("prompt_tokens", "completion_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return Part(
        date=date,
        time=datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp(),
        key=key,
        user_id=row.get("user_id") or "",
        team_id=team,
        organization_id=organization,
        group=(row["model_group"] or row["model"] or "")[:MAX_NAME],
        model=(row["model"] or "")[:MAX_NAME],
        provider=(row["custom_llm_provider"] or "")[:MAX_NAME],
        sums=[
            spent(row["spend"]),
            count(row["api_requests"]) or 0,
            count(row["failed_requests"]) or 0,
            *(count(row[number]) or 0 for number in numbers),
            0,
        ],
    )
