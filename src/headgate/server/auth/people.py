"""Which users, teams and organisations of ours a token claims: found in the database, or made where that is asked
for."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.engine import Connection

from headgate.errors import BadRequestError, ServiceUnavailableError
from headgate.server.admin import policy, rows
from headgate.server.auth.claims import Principal, denied
from headgate.server.auth.settings import Fields
from headgate.server.callers import USER, Caller, Callers
from headgate.store import changes, directory, tables
from headgate.store.database import Database
from headgate.store.directory import Row
from headgate.store.ledger import Scope

MOST_TRIES: Final = 3


class Found(Struct, frozen=True, kw_only=True):
    """`user` is the id that calls are booked under, `known` whether it is a user of ours. `missing` are rows to be
    made, as (kind, values)."""

    user: str | None
    known: bool
    team: str | None
    organization: str | None
    missing: tuple[tuple[str, Row], ...] = ()


async def settle(
    database: Database, callers: Callers, principal: Principal, fields: Fields, now: float
) -> Found:
    """Makes what is missing and may be made. Raises PermissionDeniedError for what does not exist,
    ServiceUnavailableError."""
    for _ in range(MOST_TRIES):
        found = await database.ask(lambda connection: look(connection, principal, fields))
        if not found.missing:
            break
        with suppress(BadRequestError):  # another token's call was faster: look again
            await _make(database, callers, principal, found.missing, now)
    else:
        raise ServiceUnavailableError("users and teams can't be made just now", retry_after=1)
    return found


def look(connection: Connection, principal: Principal, fields: Fields) -> Found:
    """Raises PermissionDeniedError for a team or an organisation that does not exist and may not be made, and for who
    is nobody where somebody is asked for."""
    missing: list[tuple[str, Row]] = []
    user = _user(connection, principal)
    if principal.user is not None and user is None and fields.user_id_upsert:
        missing.append(("user", _new_user(connection, principal)))
    if fields.enforce_rbac and not (principal.granted or principal.in_team or user or missing):
        raise denied("it claims no role, no team and no user that is known here (enforce_rbac)")
    team = _team(connection, principal)
    if principal.in_team and team is None:
        if not fields.team_id_upsert or not principal.teams:
            raise denied("the team that it claims does not exist here")
        alias = principal.team_alias if len(principal.teams) == 1 else None
        missing.append(("team", {"team_id": principal.teams[0], "team_alias": alias}))
    organization = _organization(connection, principal)
    if team is not None and team["organization_id"] and organization not in (None, team["organization_id"]):
        raise denied("the team that it claims is of another organisation than the one that it claims")
    return Found(
        user=user["user_id"] if user is not None else principal.user,
        known=user is not None,
        team=team["team_id"] if team is not None else None,
        organization=organization,
        missing=tuple(missing),
    )


def _user(connection: Connection, principal: Principal) -> Row | None:
    """By its id, or by the id that it has at the identity provider."""
    if principal.user is None:
        return None
    table = tables.users
    return directory.find(connection, "user", principal.user) or _only(
        connection, select(table).where(table.c.sso_user_id == principal.user)
    )


def _new_user(connection: Connection, principal: Principal) -> Row:
    """What the token may do beyond a user's rights is the token's, and not kept. An address is one user's."""
    email = principal.email
    if email is not None and directory.user_by_email(connection, email) is not None:
        email = None
    return {"user_id": principal.user, "user_email": email, "user_role": USER}


def _team(connection: Connection, principal: Principal) -> Row | None:
    """The first that exists and is not blocked, else the first that exists. An alias counts where no id does."""
    table = tables.teams
    if principal.teams:
        where = table.c.team_id.in_(principal.teams)
        found = {
            row["team_id"]: dict(row) for row in connection.execute(select(table).where(where)).mappings()
        }
        known = [found[name] for name in principal.teams if name in found]
        if known:
            return next((row for row in known if not row["blocked"]), known[0])
    if principal.team_alias is None:
        return None
    return _only(connection, select(table).where(table.c.team_alias == principal.team_alias))


def _organization(connection: Connection, principal: Principal) -> str | None:
    table = tables.organizations
    if principal.organization is not None:
        row = directory.find(connection, "organization", principal.organization)
    elif principal.organization_alias is not None:
        row = _only(
            connection, select(table).where(table.c.organization_alias == principal.organization_alias)
        )
    else:
        return None
    if row is None:
        raise denied("the organisation that it claims does not exist here")
    return str(row["organization_id"])


def _only(connection: Connection, statement: Any) -> Row | None:
    """None where there are several: a name that is not unique says nothing."""
    found = connection.execute(statement.limit(2)).mappings().all()
    return dict(found[0]) if len(found) == 1 else None


async def _make(
    database: Database,
    callers: Callers,
    principal: Principal,
    missing: Sequence[tuple[str, Row]],
    now: float,
) -> None:
    """With their audit record, in one transaction."""
    desk = rows.Desk(caller=Caller(name="token", key=principal.id, user_id=principal.user), now=now)
    noted: list[Scope] = []

    def job(connection: Connection) -> None:
        connection.info[changes.NOTED] = noted
        try:
            changes.in_turn(connection)
            for kind, values in missing:
                more = policy.new_user(callers.settings, values) if kind == "user" else {}
                rows.create(connection, desk, kind, {**values, **more})
        finally:
            del connection.info[changes.NOTED]

    await database.run(job)
    for kind, name in noted:
        callers.forget(kind, name)
