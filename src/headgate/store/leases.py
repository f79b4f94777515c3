"""Shares of budgets between processes: what one has been granted, nobody else can spend.

Always true in the database: what is booked, and what is leased, together stay within the limit. A process holds and
spends within its lease without asking; when its calls are booked, the lease shrinks by what they cost, in the same
transaction. A process that does not beat for `SECONDS` has died, and its leases count no more.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import case, delete, func, select, update
from sqlalchemy.engine import Connection

from headgate.store import totals
from headgate.store.tables import leases, spend
from headgate.store.totals import Scope

SECONDS: Final = 10.0
GAP: Final = 5.0
"""Without a beat of anybody the database was away, and nobody has died of it."""
BATCH: Final = "batch:"
"""How the owners of what batches hold begin."""
_PULSE: Final = {"kind": "pulse", "id": "", "owner": ""}


class Grant(Struct, frozen=True):
    """What was granted, and what is booked of the budget in all."""

    amount: int
    spent: int


def grant(connection: Connection, owner: str, scope: Scope, limit: int, since: float, want: int) -> Grant:
    """At most `want` of what is neither spent nor leased. A budget whose period is older than `since` begins anew."""
    kind, name = scope
    row = {"kind": kind, "id": name, "spend": 0, "total": 0, "since": since}
    connection.execute(
        totals.insert(connection, spend).on_conflict_do_nothing(index_elements=["kind", "id"]), [row]
    )
    found = totals.rows_of(connection, [scope], lock=True)[scope]
    if found[2] < since:
        totals.roll(connection, scope, since)
        found = totals.rows_of(connection, [scope])[scope]
    now = _now(connection)
    _bury(connection, scope, owner, now)
    of_scope = (leases.c.kind == kind, leases.c.id == name)
    leased = int(connection.scalar(select(func.sum(leases.c.amount)).where(*of_scope)) or 0)
    amount = max(0, min(want, limit - found[0] - leased))
    if amount:
        made = totals.insert(connection, leases)
        upsert = made.on_conflict_do_update(
            index_elements=["kind", "id", "owner"],
            set_={"amount": leases.c.amount + made.excluded.amount, "expires": made.excluded.expires},
        )
        lease = {"kind": kind, "id": name, "owner": owner, "amount": amount, "expires": now + SECONDS}
        connection.execute(upsert, [lease])
    return Grant(amount, found[0])


def _bury(connection: Connection, scope: Scope, owner: str, now: float) -> None:
    """Removes the leases of the dead. After the database was away everybody gets time to beat again."""
    pulse = connection.execute(select(leases).where(leases.c.kind == _PULSE["kind"])).first()
    if pulse is None or now - pulse.amount < SECONDS or now - pulse.expires > GAP:
        return
    of_scope = (leases.c.kind == scope[0], leases.c.id == scope[1], leases.c.owner != owner)
    connection.execute(delete(leases).where(*of_scope, leases.c.expires < now))


def beat(connection: Connection, owner: str, returned: Mapping[Scope, int]) -> None:
    """Says that the owner lives, and gives back what it does not need."""
    now = _now(connection)
    pulse = connection.execute(select(leases).where(leases.c.kind == _PULSE["kind"])).first()
    made = totals.insert(connection, leases)
    resumed = now if pulse is None or now - pulse.expires > GAP else pulse.amount
    upsert = made.on_conflict_do_update(
        index_elements=["kind", "id", "owner"],
        set_={"amount": made.excluded.amount, "expires": made.excluded.expires},
    )
    connection.execute(upsert, [{**_PULSE, "amount": int(resumed), "expires": now}])
    booked(connection, owner, returned)
    connection.execute(
        delete(leases).where(leases.c.owner == owner, leases.c.amount <= 0, leases.c.kind != _PULSE["kind"])
    )
    connection.execute(update(leases).where(leases.c.owner == owner).values(expires=now + SECONDS))


def booked(connection: Connection, owner: str, paid: Mapping[Scope, int]) -> None:
    """The owner's leases shrink by what was spent of them."""
    for (kind, name), amount in sorted(paid.items()):
        where = (leases.c.kind == kind, leases.c.id == name, leases.c.owner == owner)
        rest = case((leases.c.amount > amount, leases.c.amount - amount), else_=0)
        connection.execute(update(leases).where(*where).values(amount=rest))


def resign(connection: Connection, owner: str) -> None:
    """An owner that ends gives everything back."""
    connection.execute(delete(leases).where(leases.c.owner == owner))


def held(connection: Connection, owner: str) -> dict[Scope, int]:
    columns = (leases.c.kind, leases.c.id, leases.c.amount)
    rows = connection.execute(select(*columns).where(leases.c.owner == owner))
    return {(row.kind, row.id): row.amount for row in rows}


# batches: what they can cost is nobody's share until they are paid for


def reserve(
    connection: Connection, batch: str, amounts: Mapping[Scope, int], seconds: float, owner: str
) -> None:
    """Keeps these amounts for a batch, so long at most: they were in the owner's leases, "" for nobody's."""
    expires = _now(connection) + seconds
    rows = [
        {"kind": kind, "id": name, "owner": BATCH + batch, "amount": amount, "expires": expires}
        for (kind, name), amount in sorted(amounts.items())
    ]
    if rows:
        made = totals.insert(connection, leases)
        connection.execute(made.on_conflict_do_nothing(index_elements=["kind", "id", "owner"]), rows)
    if owner:
        booked(connection, owner, amounts)


def release(connection: Connection, batch: str) -> dict[Scope, int]:
    """What was kept for it, and is not any more."""
    found = held(connection, BATCH + batch)
    resign(connection, BATCH + batch)
    return found


def lapsed(connection: Connection) -> dict[Scope, int]:
    """What is given up now: nobody will tell any more what came of those batches."""
    over = (leases.c.owner.startswith(BATCH), leases.c.expires < _now(connection))
    found = _sums(connection, *over)
    connection.execute(delete(leases).where(*over))
    return found


def reserved(connection: Connection) -> dict[Scope, int]:
    """What is kept for all batches."""
    return _sums(connection, leases.c.owner.startswith(BATCH))


def _sums(connection: Connection, *where: Any) -> dict[Scope, int]:
    columns = (leases.c.kind, leases.c.id)
    rows = connection.execute(select(*columns, func.sum(leases.c.amount)).where(*where).group_by(*columns))
    return {(kind, name): int(amount) for kind, name, amount in rows}


def _now(connection: Connection) -> float:
    """The database's clock, which is the same for all."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0)
