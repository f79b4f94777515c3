"""Who may call: all that is known of a key, a customer or a tag, read in one go. Knows no meter and no HTTP."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from msgspec import Struct
from sqlalchemy import Table, func, select
from sqlalchemy.engine import Connection

from headgate.money import units_of
from headgate.store import ledger, tables
from headgate.store.ledger import Scope
from headgate.store.periods import period
from headgate.store.totals import Spent, of_model

Row: TypeAlias = dict[str, Any]

LIMITS: Final = tuple(
    """max_budget soft_budget budget_duration budget_mode rpm_limit tpm_limit max_parallel_requests model_max_budget
    model_rpm_limit model_tpm_limit""".split()
)
BY_MODEL: Final = ("model_max_budget", "model_rpm_limit", "model_tpm_limit")
Names: TypeAlias = Mapping[str, str]
"""Models under other names than their own: those of the configuration."""


class Entry(Struct, frozen=True, kw_only=True):
    """A key with all that it belongs to, None for what it does not. The rows have their budgets' limits in them.
    `groups` are the models of its access groups by name.
    `heads`: its user administers an organisation."""

    key: Row
    user: Row | None = None
    team: Row | None = None
    member: Row | None = None
    organization: Row | None = None
    groups: dict[str, list[str]] = {}
    spent: Spent = {}
    heads: bool = False


TABLES: Final[Mapping[str, Table]] = {
    "key": tables.keys,
    "user": tables.users,
    "team": tables.teams,
    "organization": tables.organizations,
    "customer": tables.customers,
    "tag": tables.tags,
    "budget": tables.budgets,
    "access_group": tables.access_groups,
    "model": tables.models,
    "credential": tables.credentials,
}
"""Kinds of rows that have one primary key."""


def find(connection: Connection, kind: str, name: str) -> Row | None:
    """One row by its primary key."""
    table = TABLES[kind]
    (column,) = table.primary_key.columns
    row = connection.execute(select(table).where(column == name)).mappings().first()
    return dict(row) if row is not None else None


def find_key(connection: Connection, token: str) -> Row | None:
    """By the hash of the key as it is now."""
    row = connection.execute(select(tables.keys).where(tables.keys.c.token == token)).mappings().first()
    return dict(row) if row is not None else None


def user_by_email(connection: Connection, email: str) -> Row | None:
    """In whatever case: the one that is written so goes first."""
    table = tables.users
    where = func.lower(table.c.user_email) == func.lower(email)
    found = [dict(row) for row in connection.execute(select(table).where(where)).mappings()]
    return next((row for row in found if row["user_email"] == email), found[0] if found else None)


def member(connection: Connection, team: str, user: str) -> Row | None:
    table = tables.team_members
    where = (table.c.team_id == team, table.c.user_id == user)
    row = connection.execute(select(table).where(*where)).mappings().first()
    return dict(row) if row is not None else None


def load_key(
    connection: Connection, token: str, now: float, aliases: Names = MappingProxyType({})
) -> Entry | None:
    """`token` is the SHA-256 of the key in hex. A key that was replaced counts as its successor until its time is
    over."""
    key = find_key(connection, token)
    if key is None:
        retired = tables.retired_keys
        where = (retired.c.token == token, retired.c.valid_until > now)
        former = connection.execute(select(retired).where(*where)).first()
        key = find(connection, "key", former.replaced_by) if former is not None else None
        if key is None or former is None:
            return None
        key["expires"] = min(former.valid_until, key["expires"] or former.valid_until)
    return load(connection, key, now, aliases)


def load(connection: Connection, key: Row, now: float, aliases: Names = MappingProxyType({})) -> Entry:
    """All that a key's row belongs to; also for who comes without a key, and has a row made up. Limits by model are
    those of the groups that the names mean."""
    user = find(connection, "user", key["user_id"]) if key["user_id"] else None
    team = find(connection, "team", key["team_id"]) if key["team_id"] else None
    within = key["organization_id"] or (team and team["organization_id"])
    organization = find(connection, "organization", within) if within else None
    joined = member(connection, key["team_id"], key["user_id"]) if team and key["user_id"] else None
    rows = [row for row in (key, user, team, joined, organization) if row is not None]
    merge_budgets(connection, rows)
    for row in (user, joined, organization):
        _by_group(row or {}, aliases)
    for row, own in ((key, own_names(key, team)), (team, own_names({}, team))):
        _by_group(row or {}, {**aliases, **{name: aliases.get(own[name], own[name]) for name in own}})
    entry = Entry(key=key, user=user, team=team, member=joined, organization=organization)
    names = {
        name for row in rows for name in (*(row.get("access_group_ids") or ()), *(row.get("models") or ()))
    }
    return Entry(
        key=key,
        user=user,
        team=team,
        member=joined,
        organization=organization,
        groups=_groups(connection, sorted(names)),
        heads=user is not None and _heads(connection, user["user_id"]),
        spent=ledger.spent(connection, scopes_of(entry), _begun(entry, now)),
    )


def _heads(connection: Connection, user: str) -> bool:
    table = tables.organization_members
    where = (table.c.user_id == user, table.c.user_role == "org_admin")
    return connection.scalar(select(table.c.organization_id).where(*where).limit(1)) is not None


def own_names(key: Row, team: Row | None) -> dict[str, str]:
    """What the callers of a key call its models."""
    return {**((team or {}).get("model_aliases") or {}), **(key.get("aliases") or {})}


def _by_group(row: Row, aliases: Names) -> None:
    """A limit under a group's own name goes before those under its aliases."""
    for column in BY_MODEL:
        if given := row.get(column):
            meant = {aliases[name]: limit for name, limit in given.items() if name in aliases}
            row[column] = {**meant, **{name: limit for name, limit in given.items() if name not in aliases}}


def payers_of(entry: Entry) -> list[tuple[Scope, Row]]:
    """Whose limits hold for the key's calls, with their rows; customers and tags beside."""
    key = entry.key
    found: list[tuple[Scope, Row]] = [(("key", key["id"]), key)]
    for kind, row in (("user", entry.user), ("team", entry.team), ("organization", entry.organization)):
        if row is not None:
            found.append(((kind, row[f"{kind}_id"]), row))
    if entry.team is not None and key["user_id"]:
        scope = ("member", f"{key['team_id']}/{key['user_id']}")
        found.append((scope, member_limits(entry.team, entry.member)))
    return found


def _begun(entry: Entry, now: float) -> dict[Scope, float]:
    """When the periods of the budgets among them began."""
    found: dict[Scope, float] = {}
    for scope, row in payers_of(entry):
        found.update(periods(scope, row, now))
    return found


def periods(scope: Scope, row: Row, now: float) -> dict[Scope, float]:
    """When the periods of a row's budget began, and of those that it has for single models."""
    found = begun(scope, row, now)
    for model, given in (row.get("model_max_budget") or {}).items():
        found.update(begun(of_model(scope, model), {**row, "budget_duration": budget_of(given)[1]}, now))
    return found


def begun(scope: Scope, row: Mapping[str, Any], now: float) -> dict[Scope, float]:
    """When the period of a row's budget began, empty where it has no periods."""
    duration = row.get("budget_duration")
    return {scope: period(duration, now, float(row.get("created_at") or 0.0))[0]} if duration else {}


def member_limits(team: Mapping[str, Any], member: Mapping[str, Any] | None) -> Row:
    """A member's own limits, else those that the team gives to each of its members."""
    found = dict(member or {})
    for name, default in (
        ("max_budget", "team_member_budget"),
        ("budget_duration", "team_member_budget_duration"),
        ("rpm_limit", "team_member_rpm_limit"),
        ("tpm_limit", "team_member_tpm_limit"),
    ):
        if found.get(name) is None:
            found[name] = team.get(default)
    found.setdefault("created_at", team.get("created_at"))
    return found


def budget_of(given: Any) -> tuple[int, str]:
    """A row of `model_max_budget`: dollars, or {"budget_limit": dollars, "time_period": "1d"}. In units."""
    if not isinstance(given, Mapping):
        return units_of(given), ""
    limit = given.get("budget_limit", given.get("max_budget", 0))
    return units_of(limit), str(given.get("time_period") or given.get("budget_duration") or "")


def scopes_of(entry: Entry) -> list[Scope]:
    """Everybody whose spend the key's calls count to, but customers, tags and models."""
    found = [ledger.GLOBAL]
    for scope, row in payers_of(entry):
        found += _scopes(scope, row)
    return found


def _scopes(scope: Scope, row: Row) -> list[Scope]:
    return [scope, *(of_model(scope, model) for model in row.get("model_max_budget") or ())]


def load_payer(
    connection: Connection,
    kind: str,
    name: str,
    now: float,
    usual: Row | None = None,
    aliases: Names = MappingProxyType({}),
) -> tuple[Row | None, Spent]:
    """A customer or a tag, and what it has spent. `usual` are the limits of those that nobody has given a budget,
    marked by `usual`; a row without any is None where nobody made it."""
    row, scope = find(connection, kind, name), (kind, name)
    if row is not None:
        merge_budgets(connection, [row])
    if usual and (row is None or row.get("max_budget") is None):
        limits = {**usual, "usual": True}
        merge_budgets(connection, [limits])
        own = {key: value for key, value in (row or {}).items() if value is not None}
        row = {**limits, **own}
    limits = row or {}
    _by_group(limits, aliases)
    return row, ledger.spent(connection, _scopes(scope, limits), periods(scope, limits, now))


def merge_budgets(connection: Connection, rows: Sequence[Row]) -> None:
    """Limits that a row does not give come from the budget that it names."""
    names = {row["budget_id"] for row in rows if row.get("budget_id")}
    if not names:
        return
    table = tables.budgets
    known = {
        row["budget_id"]: row
        for row in connection.execute(select(table).where(table.c.budget_id.in_(names))).mappings()
    }
    for row in rows:
        budget = known.get(row.get("budget_id") or "")
        if budget is not None:
            row.update({name: budget[name] for name in LIMITS if row.get(name) is None})


def _groups(connection: Connection, names: Sequence[str]) -> dict[str, list[str]]:
    """The models of access groups, by id and by name."""
    if not names:
        return {}
    table = tables.access_groups
    where = table.c.access_group_id.in_(names) | table.c.access_group_name.in_(names)
    found: dict[str, list[str]] = {}
    for row in connection.execute(select(table).where(where)):
        models = list(row.access_model_names or ())
        found[row.access_group_id] = found[row.access_group_name] = models
    return found
