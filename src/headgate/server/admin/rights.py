"""What somebody below an administrator may touch: what is theirs, their teams', their organisations'.

Whoever may not gets the same words whether the thing exists or not.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from headgate.errors import PermissionDeniedError
from headgate.server.callers import Caller
from headgate.store import directory, tables
from headgate.store.directory import Row


def forbidden(what: str) -> PermissionDeniedError:
    return PermissionDeniedError(f"you may not {what}", type="auth_error", code="403")


def sees_all(caller: Caller) -> bool:
    return caller.role in ("proxy_admin", "proxy_admin_viewer")


def organizations(connection: Connection, caller: Caller) -> set[str]:
    """Those that the caller administers."""
    if caller.user_id is None:
        return set()
    table = tables.organization_members
    where = (table.c.user_id == caller.user_id, table.c.user_role == "org_admin")
    return set(connection.scalars(select(table.c.organization_id).where(*where)))


def memberships(connection: Connection, caller: Caller) -> dict[str, str]:
    """The caller's teams, and what it is there: admin or user."""
    if caller.user_id is None:
        return {}
    table = tables.team_members
    rows = connection.execute(select(table.c.team_id, table.c.role).where(table.c.user_id == caller.user_id))
    return {row.team_id: row.role for row in rows}


def leads_team(connection: Connection, caller: Caller, team: Row | None) -> bool:
    """Whether it may change the team: an administrator of all, of its organisation or of the team itself."""
    if caller.admin:
        return True
    if team is None:
        return False
    if memberships(connection, caller).get(team["team_id"]) == "admin":
        return True
    return bool(team["organization_id"]) and team["organization_id"] in organizations(connection, caller)


def sees_team(connection: Connection, caller: Caller, team: Row | None) -> bool:
    if sees_all(caller) or (team is not None and caller.team_id == team["team_id"]):
        return True
    return team is not None and (
        team["team_id"] in memberships(connection, caller) or leads_team(connection, caller, team)
    )


def leads_key(connection: Connection, caller: Caller, key: Mapping[str, Any] | None) -> bool:
    if caller.admin:
        return True
    if key is None:
        return False
    if key["user_id"] is not None and key["user_id"] == caller.user_id:
        return True
    team = directory.find(connection, "team", key["team_id"]) if key["team_id"] else None
    return leads_team(connection, caller, team)


def sees_key(connection: Connection, caller: Caller, key: Mapping[str, Any] | None) -> bool:
    return (
        sees_all(caller)
        or (key is not None and key["id"] == caller.key)
        or leads_key(connection, caller, key)
    )


def leads_user(connection: Connection, caller: Caller, user_id: str) -> bool:
    """Administrators of organisations lead the members of theirs."""
    if caller.admin:
        return True
    ours = organizations(connection, caller)
    table = tables.organization_members
    theirs = set(connection.scalars(select(table.c.organization_id).where(table.c.user_id == user_id)))
    return bool(ours & theirs)


def require(allowed: bool, what: str) -> None:
    """Raises PermissionDeniedError."""
    if not allowed:
        raise forbidden(what)
