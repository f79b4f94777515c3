"""The record of a call that is over: what ledger, log and metrics are made of. Knows none of them."""

from typing import Any

from msgspec import Struct


class Record(Struct, array_like=True):
    """One call: the columns of the ledger's `calls`, in their order. Times are Unix seconds. Cost is in units
    (`money.py`), None where the price is unknown. `usage_from` is provider or estimated; `cause` why the
    money was spent: first, retry, fallback, hedge, mirror. `legs` are the attempts that failed: deployment, cause,
    class of error, milliseconds, and where they had begun to answer their tokens of input and output and their cost,
    which is part of `cost`."""

    id: str
    started: float
    first_token: float | None
    ended: float
    key: str = ""
    user_id: str | None = None
    team_id: str | None = None
    organization_id: str | None = None
    customer: str | None = None
    tags: tuple[str, ...] | None = None
    model: str = ""
    model_group: str | None = None
    deployment: str | None = None
    provider: str | None = None
    upstream_model: str | None = None
    operation: str = ""
    dialect: str = ""
    status: int = 0
    error: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    tokens: dict[str, int] | None = None
    usage_from: str | None = None
    cost: int | None = None
    cause: str = "first"
    attempts: int = 0
    fallbacks: int = 0
    legs: list[list[Any]] | None = None
    cache: str | None = None
    client: str | None = None
    session: str | None = None
    metadata: Any = None
    request: Any = None
    response: Any = None

    @property
    def seconds(self) -> float:
        return self.ended - self.started

    @property
    def seconds_to_first_token(self) -> float | None:
        return None if self.first_token is None else self.first_token - self.started

    @property
    def retries(self) -> int:
        return retries(self.attempts, self.fallbacks)


def retries(attempts: int, fallbacks: int) -> int:
    """Of the deployments of one group: the first try is none, and the first of a fallback is none."""
    count = attempts - 1 - fallbacks
    return count if count > 0 else 0


class Finished(Struct):
    """A record without what its client sent and got, and what is told of the call but not kept: the name of its key,
    its path through us, seconds that were ours, parameters that were dropped, what an error said."""

    record: Record
    key: str
    path: str
    stream: bool
    overhead: float
    dropped: list[str]
    message: str
