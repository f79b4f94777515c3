"""Calls with an Idempotency-Key, for all processes that share a database: who makes one, and what it was answered.

Whoever claims a call first makes it and says from time to time that it lives; when it does not any more, somebody
else may claim the call. Blocks.
"""

import time
from typing import Final

from msgspec import Struct
from sqlalchemy import delete, select, update
from sqlalchemy.engine import Connection

from headgate.store import totals
from headgate.store.tables import repeats

ALIVE_SECONDS: Final = 30.0
"""Without a word the one who makes the call has died."""


class Claim(Struct, frozen=True):
    """`mine`: make the call. Otherwise its `answer`, None while it is under way, and the fingerprint of its body."""

    mine: bool
    fingerprint: str
    answer: bytes | None = None


def claim(connection: Connection, id: str, fingerprint: str, owner: str) -> Claim:  # noqa: A002 -- the column
    now = time.time()
    connection.execute(delete(repeats).where(repeats.c.expires < now))
    row = {"id": id, "fingerprint": fingerprint, "owner": owner, "expires": now + ALIVE_SECONDS}
    made = totals.insert(connection, repeats).values(**row).on_conflict_do_nothing(index_elements=["id"])
    if connection.execute(made.returning(repeats.c.id)).first() is not None:
        return Claim(True, fingerprint)
    found = connection.execute(select(repeats).where(repeats.c.id == id)).first()
    if found is None:  # it was given back meanwhile: asked again, it can be claimed
        return Claim(False, fingerprint)
    return Claim(False, found.fingerprint, found.answer)


def alive(connection: Connection, id: str, owner: str) -> None:  # noqa: A002 -- the column
    where = (repeats.c.id == id, repeats.c.owner == owner)
    connection.execute(update(repeats).where(*where).values(expires=time.time() + ALIVE_SECONDS))


def answered(connection: Connection, id: str, owner: str, answer: bytes, seconds: float) -> None:  # noqa: A002
    """Kept for so long."""
    where = (repeats.c.id == id, repeats.c.owner == owner)
    connection.execute(update(repeats).where(*where).values(answer=answer, expires=time.time() + seconds))


def give_back(connection: Connection, id: str, owner: str) -> None:  # noqa: A002 -- the column
    connection.execute(delete(repeats).where(repeats.c.id == id, repeats.c.owner == owner))
