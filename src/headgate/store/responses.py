"""Answers of the Responses API that can be asked for again. Blocks."""

import time
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import delete, select
from sqlalchemy.engine import Connection

from headgate.store import totals
from headgate.store.tables import responses

KEEP_SECONDS: Final = 30 * 86_400.0
"""As long as OpenAI keeps them: https://platform.openai.com/docs/guides/conversation-state."""


class Kept(Struct, kw_only=True):
    """`key` and `team_id` are whose it is, `model` what was asked for, `deployment` who answered. `input` are the
    items of the whole conversation before the answer, `document` is the answer; both None where the provider itself
    keeps them."""

    id: str
    created: float
    key: str
    team_id: str | None = None
    model: str
    deployment: str
    input: list[Any] | None = None
    document: dict[str, Any] | None = None


def save(connection: Connection, kept: Kept) -> None:
    made = totals.insert(connection, responses).values(**asdict(kept))
    columns = {name: made.excluded[name] for name in ("deployment", "input", "document")}
    connection.execute(made.on_conflict_do_update(index_elements=["id"], set_=columns))


def load(connection: Connection, id: str) -> Kept | None:  # noqa: A002 -- the column
    row = connection.execute(select(responses).where(responses.c.id == id)).first()
    return None if row is None else Kept(**row._mapping)


def remove(connection: Connection, id: str) -> None:  # noqa: A002 -- the column
    connection.execute(delete(responses).where(responses.c.id == id))


def forget(connection: Connection) -> None:
    """What is too old."""
    connection.execute(delete(responses).where(responses.c.created < time.time() - KEEP_SECONDS))
