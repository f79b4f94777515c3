"""Who is in which team and organisation. Members have no time of their last change: one that was added, changed or
removed here stands in the audit log, and is kept as it is."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Table, select
from sqlalchemy.engine import Connection

from headgate.store import tables, totals
from headgate.store.directory import TABLES
from headgate.store.litellm.bring import KEPT, Work, each, tell, where_in
from headgate.store.litellm.kinds import ORGANIZATIONS, TEAMS
from headgate.store.litellm.source import Row
from headgate.store.litellm.values import json, moment, role

MEMBERSHIPS: Final = "LiteLLM_TeamMembership"
_MEMBERS: Final = "LiteLLM_OrganizationMembership"
_USERS: Final = "LiteLLM_UserTable"


class Members(Struct, frozen=True):
    """`wanted` are the rows that there should be, of owners with these ids."""

    what: str
    kind: str
    owner: str
    source: str
    table: Table
    columns: tuple[str, ...]
    wanted: Callable[[Work, "Members", list[Row]], Iterable[Row]]


def bring(work: Work, members: Members) -> None:
    owner, line = members.owner, work.report.line(members.what)
    columns = [owner, "members_with_roles", "members", "admins"]
    for batch in work.source.rows(members.source, columns, order=(owner,)):
        here = work.do(lambda connection, batch=batch: _here(connection, work, members, batch))  # type: ignore[misc]
        wanted = list(members.wanted(work, members, here))
        names = [row[owner] for row in here]
        line.brought += work.do(lambda connection, n=names, w=wanted: _store(connection, work, members, n, w))  # type: ignore[misc]


def _here(connection: Connection, work: Work, members: Members, batch: list[Row]) -> list[Row]:
    """Those whose team or organisation is here: why others are not has been said. A dry run believes they will be."""
    if work.dry:
        return batch
    owner = members.owner
    column = TABLES[owner.removesuffix("_id")].c[owner]
    there = {row[owner] for row in where_in(connection, column, [row[owner] for row in batch])}
    return [row for row in batch if row[owner] in there]


def _store(
    connection: Connection, work: Work, members: Members, owners: Sequence[str], wanted: Sequence[Row]
) -> int:
    table, owner = members.table, members.owner
    known = {(row[owner], row["user_id"]): row for row in where_in(connection, table.c[owner], owners)}
    asked = {(row[owner], row["user_id"]): row for row in wanted}
    ours = _changed_here(connection, members.kind, [f"{at[0]}/{at[1]}" for at in (*known, *asked)])
    line, new, changed = work.report.line(members.what), [], []
    for at, row in asked.items():
        before, name = known.get(at), f"{at[0]}/{at[1]}"
        if before is not None and all(before[column] == row[column] for column in members.columns):
            line.unchanged += 1
        elif name in ours:
            work.report.fail(members.what, name, KEPT)
        elif before is None:
            new.append((name, row))
        else:
            changed.append((name, row))
    gone = [at for at in known if at not in asked and f"{at[0]}/{at[1]}" not in ours]
    if work.dry:
        return len(new) + len(changed) + len(gone)
    failed = lambda who, why: work.report.fail(members.what, who, why)  # noqa: E731
    count = each(connection, new, lambda c, rows: c.execute(table.insert(), rows), failed)
    for _, row in changed:
        values = {column: row[column] for column in members.columns}
        connection.execute(table.update().where(*_at(members, row[owner], row["user_id"])).values(values))
    for name, user in gone:
        connection.execute(table.delete().where(*_at(members, name, user)))
    if gone:
        work.report.note(
            members.what, f"{gone[0][0]}/{gone[0][1]}", "removed: not a member any more", len(gone)
        )
    if count or changed or gone:
        tell(connection)
    return count + len(changed) + len(gone)


def _at(members: Members, owner: str, user: str) -> tuple[Any, Any]:
    return members.table.c[members.owner] == owner, members.table.c.user_id == user


def _changed_here(connection: Connection, kind: str, names: Sequence[str]) -> set[str]:
    audit = tables.audit.c
    found: set[str] = set()
    for part in totals.parts(names):
        where = (audit.object_id.in_(part), audit.table_name == kind)
        found.update(connection.scalars(select(audit.object_id).where(*where)))
    return found


def _of_teams(work: Work, members: Members, batch: list[Row]) -> Iterable[Row]:
    """`members_with_roles`; a budget of a member's own is in its membership."""
    teams = [row["team_id"] for row in batch]
    rows = work.source.all(MEMBERSHIPS, ["team_id", "user_id", "budget_id"], {"team_id": teams})
    budgets = {(row["team_id"], row["user_id"]): row["budget_id"] for row in rows}
    for row in batch:
        listed = _listed(work, members, row)
        users = _users(work, [str(one.get("user_email")) for one in listed if not one.get("user_id")])
        for one in listed:
            user = one.get("user_id") or users.get(one.get("user_email"))
            if not isinstance(user, str):
                who = f"{row['team_id']}/{one.get('user_email')}"
                work.report.fail(members.what, who, "a member without a user")
                continue
            yield {
                "team_id": row["team_id"],
                "user_id": user,
                "role": "admin" if one.get("role") == "admin" else "user",
                "budget_id": budgets.get((row["team_id"], user)) or None,
                "created_at": work.now,
            }


def _listed(work: Work, members: Members, row: Row) -> list[dict[str, Any]]:
    try:
        found = json(row["members_with_roles"])
    except ValueError:
        found = None
    if isinstance(found, list) and all(isinstance(one, dict) for one in found):
        return found or _old(row)
    if found not in (None, {}):
        work.report.fail(members.what, row["team_id"], "members_with_roles: expected a list of objects")
    return _old(row)


def _old(row: Row) -> list[dict[str, Any]]:
    """How versions of 2024 wrote it."""
    roles = dict.fromkeys(row["members"] or (), "user") | dict.fromkeys(row["admins"] or (), "admin")
    return [{"user_id": user, "role": role} for user, role in roles.items()]


def _users(work: Work, emails: Sequence[str]) -> dict[Any, str]:
    """Members that are known by their address only."""
    if not emails:
        return {}
    rows = work.source.all(_USERS, ["user_id", "user_email"], {"user_email": emails})
    return {row["user_email"]: row["user_id"] for row in rows}


def _of_organizations(work: Work, members: Members, batch: list[Row]) -> Iterable[Row]:
    names = [row["organization_id"] for row in batch]
    columns = ["organization_id", "user_id", "user_role", "budget_id", "created_at"]
    for row in work.source.all(_MEMBERS, columns, {"organization_id": names}):
        if row["budget_id"]:
            who = f"{row['organization_id']}/{row['user_id']}"
            work.report.note(members.what, who, "budget_id: members of organisations have no budgets")
        yield {
            "organization_id": row["organization_id"],
            "user_id": row["user_id"],
            "user_role": role(row["user_role"]),
            "created_at": moment(row["created_at"]) or work.now,
        }


TEAM_MEMBERS: Final = Members(
    "team members", "team_member", "team_id", TEAMS, tables.team_members, ("role", "budget_id"), _of_teams
)
ORGANIZATION_MEMBERS: Final = Members(
    "organisation members",
    "organization_member",
    "organization_id",
    ORGANIZATIONS,
    tables.organization_members,
    ("user_role",),
    _of_organizations,
)
