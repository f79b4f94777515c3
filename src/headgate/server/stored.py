"""Models and credentials of the database, put beside those of the file. What can't be used is left out and named: one
row must not stop the others. Knows no request."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.engine import Connection

from headgate.errors import HeadgateError, NotFoundError
from headgate.providers.registry import resolve
from headgate.server.config.entries import read_credential, read_entry
from headgate.server.config.models import NAMED
from headgate.server.config.schema import Config, ModelEntry
from headgate.store import tables
from headgate.store.crypto import Vault
from headgate.store.directory import Row

LeftOut = dict[str, str]
"""What is left out, and why."""


class Stored(Struct, frozen=True):
    """Rows as they are in the database: sealed."""

    models: tuple[Row, ...] = ()
    credentials: tuple[Row, ...] = ()

    def having(self, row: Row) -> "Stored":
        """With this credential in the place of the one of its name."""
        others = [one for one in self.credentials if one["credential_name"] != row["credential_name"]]
        return Stored(self.models, (*others, row))


def read(connection: Connection) -> Stored:
    models, credentials = (
        tuple(dict(row) for row in connection.execute(select(table)).mappings())
        for table in (tables.models, tables.credentials)
    )
    return Stored(models, credentials)


def joined(config: Config, stored: Stored, vault: Vault, env: Mapping[str, str], left_out: LeftOut) -> Config:
    """`config` is the file's. A credential that the file has, too, is the file's."""
    credentials: dict[str, dict[str, Any]] = {}
    for row in stored.credentials:
        name = row["credential_name"]
        with _noting(left_out, f"the credential {name!r}"):
            credentials[name] = values_of(row, vault, env)
    whole = msgspec.structs.replace(config, credentials={**credentials, **config.credentials})
    models: list[ModelEntry] = []
    for entry in config.models:
        with _noting(left_out, f"the model {entry.name!r} of the file"):
            models.append(_lent(entry, config, whole))
    for row in stored.models:
        if not row["blocked"]:
            with _noting(left_out, f"the model {row['model_id']} of the database"):
                models.append(_entry(row, whole, vault, env))
    return msgspec.structs.replace(whole, models=tuple(models))


def alone(config: Config, env: Mapping[str, str], left_out: LeftOut) -> Config:
    """The file's, without the rows that wait for a credential of a database."""
    return joined(config, Stored(), Vault(()), env, left_out)


def values_of(row: Mapping[str, Any], vault: Vault, env: Mapping[str, str]) -> dict[str, Any]:
    """A credential's values, references resolved. Raises HeadgateError."""
    values = vault.open(row["credential_values"] or {})
    return read_credential({"credential_name": row["credential_name"], "credential_values": values}, env)


def users(stored: Stored, config: Config, vault: Vault, name: str) -> list[str]:
    """The models that name this credential of the database, blocked ones too. Those that another salt has sealed
    can't be asked, and serve nobody."""
    found = [entry.name for entry in config.models if entry.params.get(NAMED) == name]
    for row in stored.models:
        with suppress(HeadgateError):
            if vault.open(row["litellm_params"] or {}).get(NAMED) == name:
                found.append(f"{row['model_name']} ({row['model_id']})")
    return found


@contextmanager
def _noting(left_out: LeftOut, what: str) -> Iterator[None]:
    try:
        yield
    except HeadgateError as error:
        left_out[what] = error.message


def _lent(entry: ModelEntry, file: Config, whole: Config) -> ModelEntry:
    """A row of the file with the values of a credential of the database, where it names one. Raises HeadgateError."""
    name = entry.params.get(NAMED)
    if name is None or name in file.credentials:
        return entry
    if name not in whole.credentials:
        raise NotFoundError(f"there is no credential {name!r}")
    params = {**whole.credentials[name], **entry.params}
    if params["model"] != "*":
        base = params.get("api_base") or params.get("base_url")
        resolve(params["model"], params.get("custom_llm_provider"), base, whole.providers)
    return msgspec.structs.replace(entry, params=params)


def _entry(row: Row, config: Config, vault: Vault, env: Mapping[str, str]) -> ModelEntry:
    """Raises HeadgateError."""
    params = vault.open(row["litellm_params"] or {})
    info = {**(row["model_info"] or {}), "id": row["model_id"]}
    given = {"model_name": row["model_name"], "litellm_params": params, "model_info": info}
    entry = read_entry(given, env, config)
    return msgspec.structs.replace(entry, info={**entry.info, "db_model": True})
