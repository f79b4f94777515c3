"""What somebody below an administrator may touch: what is theirs, their teams', their organisations'.

Whoever may not gets the same words whether the thing exists or not.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.engine import Connection

from headgate.errors import PermissionDeniedError
from headgate.server.callers import USER, VIEWER, Caller
from headgate.store import directory, tables
from headgate.store.directory import Row

PLAIN: Final = (USER, VIEWER)
"""Roles that nobody below an administrator can go beyond in giving."""


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


def governs_team(connection: Connection, caller: Caller, team: Row | None) -> bool:
    """Whether it may say what the team may spend: an administrator of all or of the team's organisation."""
    if caller.admin or team is None:
        return caller.admin
    return bool(team["organization_id"]) and team["organization_id"] in organizations(connection, caller)


def leads_team(connection: Connection, caller: Caller, team: Row | None) -> bool:
    """Whether it may say who is in the team and what its keys are: the same, and administrators of the team."""
    if governs_team(connection, caller, team):
        return True
    return team is not None and memberships(connection, caller).get(team["team_id"]) == "admin"


def sees_team(connection: Connection, caller: Caller, team: Row | None) -> bool:
    if sees_all(caller) or (team is not None and caller.team_id == team["team_id"]):
        return True
    return team is not None and (
        team["team_id"] in memberships(connection, caller) or leads_team(connection, caller, team)
    )


def _owns(caller: Caller, key: Mapping[str, Any]) -> bool:
    return key["user_id"] is not None and key["user_id"] == caller.user_id and not caller.restricted


def leads_key(connection: Connection, caller: Caller, key: Mapping[str, Any] | None, permission: str) -> bool:
    """Who leads its team, and its owner: of a team's key where the team gives its members the permission."""
    if caller.admin or key is None:
        return caller.admin
    team = directory.find(connection, "team", key["team_id"]) if key["team_id"] else None
    if leads_team(connection, caller, team):
        return True
    return _owns(caller, key) and (not key["team_id"] or permits(connection, caller, team, permission))


def permits(connection: Connection, caller: Caller, team: Row | None, permission: str) -> bool:
    """Whether the caller is in the team and the team gives its members this permission."""
    if team is None or team["team_id"] not in memberships(connection, caller):
        return False
    return permission in (team["team_member_permissions"] or ())


def sees_key(connection: Connection, caller: Caller, key: Mapping[str, Any] | None) -> bool:
    if sees_all(caller) or key is None:
        return sees_all(caller)
    if key["id"] == caller.key or _owns(caller, key):
        return True
    team = directory.find(connection, "team", key["team_id"]) if key["team_id"] else None
    return leads_team(connection, caller, team)


def leads_user(connection: Connection, caller: Caller, user_id: str) -> bool:
    """Administrators of organisations lead plain users whose only organisations are theirs."""
    if caller.admin:
        return True
    user = directory.find(connection, "user", user_id)
    if user is None or user["user_role"] not in PLAIN:
        return False
    table = tables.organization_members
    joined = connection.execute(select(table).where(table.c.user_id == user_id)).all()
    ours = organizations(connection, caller)
    return bool(joined) and all(row.organization_id in ours and row.user_role in PLAIN for row in joined)


def require(allowed: bool, what: str) -> None:
    """Raises PermissionDeniedError."""
    if not allowed:
        raise forbidden(what)
