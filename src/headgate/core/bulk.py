"""Jobs on files in a bucket: made, looked at, ended, and the lines of their results. For rows that have `bulk`.

Knows no page, no caller and no cost; how a cloud says it is in `wire/bulk_*.py`.
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Final

import msgspec

from headgate.core import buckets
from headgate.core.deployment import Deployment
from headgate.core.engine import Engine
from headgate.core.forward import LIMIT, asked, failed, forward
from headgate.core.params import UNNAMED
from headgate.errors import BadRequestError, NotFoundError
from headgate.ports import Outgoing
from headgate.providers.base import Bulk
from headgate.wire.bulk import Form, Order, Place, State
from headgate.wire.bulk_bedrock import FORM as BEDROCK
from headgate.wire.bulk_vertex import FORM as VERTEX
from headgate.wire.ir import Usage
from headgate.wire.ndjson import Lines

FORMS: Final = {"bedrock": BEDROCK, "vertex": VERTEX}
FOLDER: Final = "headgate"
"""Where our files are in a bucket."""
_WHOLE: Final = "predictions.jsonl"
_LINES: Final = ".jsonl"
_NO_ANSWERS: Final = ("error", "incremental")
"""How the names of files begin that have no answers, or some of them once more."""


def form_of(deployment: Deployment) -> Form:
    return FORMS[_bulk(deployment).form]


def model_of(deployment: Deployment, model: str) -> str:
    """As jobs name it."""
    return _bulk(deployment).model_of(model)


def _bulk(deployment: Deployment) -> Bulk:
    bulk = deployment.provider.bulk
    assert bulk is not None
    return bulk


def settings_of(deployment: Deployment) -> dict[str, str]:
    """What a job is made of beside its files. Raises BadRequestError that says which settings are missing."""
    bulk = _bulk(deployment)
    found = {name: _setting(deployment, names) for name, names in bulk.settings.items()}
    missing = [_named(bulk.settings[name]) for name in bulk.needs if not found[name]]
    if missing:
        raise BadRequestError(
            f"{deployment.provider.name}'s batches are files in a bucket: set {' and '.join(missing)}"
            f"{f' for the model {deployment.group}' if deployment.model != UNNAMED else ''}",
            param=bulk.settings[bulk.needs[0]][0],
            llm_provider=deployment.provider.id,
        )
    return {name: value for name, value in found.items() if value}


def is_set(deployment: Deployment) -> bool:
    """Whether it has what its batches need; so has one whose batches need nothing."""
    bulk = deployment.provider.bulk
    return bulk is None or all(_setting(deployment, bulk.settings[name]) for name in bulk.needs)


def _setting(deployment: Deployment, names: tuple[str, ...]) -> str:
    known = (deployment.environment if name.isupper() else deployment.params for name in names)
    return next((str(where[name]) for name, where in zip(names, known, strict=True) if where.get(name)), "")


def _named(names: tuple[str, ...]) -> str:
    variables = [name for name in names if name.isupper()]
    own = next(name for name in names if not name.isupper())
    return f"{own} ({' or '.join(variables)} in the environment)" if variables else own


def place(deployment: Deployment, setting: str, key: str) -> Place:
    """Of a key of ours, in the bucket of a setting. It may name a folder, too: "bucket/folder"."""
    bucket, _, folder = settings_of(deployment)[setting].strip("/").partition("/")
    return Place(bucket, "/".join(filter(None, (folder, FOLDER, key))))


def uri(deployment: Deployment, where: Place) -> str:
    return f"{form_of(deployment).scheme}://{where.bucket}/{where.key}"


async def make(engine: Engine, deployment: Deployment, order: Order) -> dict[str, Any]:
    """The job's document. Raises what the cloud answers."""
    body = msgspec.json.encode(form_of(deployment).order(order))
    answer = await forward(engine, deployment, "batches", "POST", body=body)
    told = await answer.read(LIMIT)
    if answer.status >= 300:
        raise failed(deployment, "batches", answer, told)
    return dict(msgspec.json.decode(told, type=dict[str, Any]))


async def look(engine: Engine, deployment: Deployment, id: str) -> dict[str, Any]:  # noqa: A002 -- everywhere
    told = await asked(engine, deployment, "batches", "GET", f"/{id}")
    return dict(msgspec.json.decode(told, type=dict[str, Any]))


async def stop(engine: Engine, deployment: Deployment, id: str) -> None:  # noqa: A002 -- everywhere
    await asked(engine, deployment, "batches", "POST", f"/{id}{form_of(deployment).stop}")


async def result_lines(
    engine: Engine, deployment: Deployment, document: Mapping[str, Any]
) -> AsyncGenerator[bytes]:
    """The lines of a job's results, as they come. What a job that was ended before it was done has not left is no
    error. Raises what the bucket answers."""
    state = form_of(deployment).state(document)
    for where in await _files(engine, deployment, state):
        reader = Lines()
        try:
            async with aclosing(buckets.pieces(engine, deployment.store(where.bucket), where.key)) as pieces:
                async for piece in pieces:
                    for line in reader.feed(piece):
                        yield line
        except NotFoundError:
            if state.status == "completed":
                raise
        if last := reader.close():
            yield last


async def used(engine: Engine, deployment: Deployment, document: Mapping[str, Any]) -> Usage | None:
    """What a job used as a whole, where its cloud says so beside the results. Raises what the bucket answers."""
    form = form_of(deployment)
    where = form.state(document).results
    if form.summary is None or where is None:
        return None
    beside = form.summary.place(where)
    try:
        return form.summary.read(await whole(engine, deployment.store(beside.bucket), beside.key))
    except NotFoundError:
        return None


async def write(engine: Engine, store: Deployment, key: str, data: bytes) -> None:
    """A small file. Raises what the bucket answers."""

    async def pieces() -> AsyncIterator[bytes]:
        yield data

    digest = hashlib.sha256(data).hexdigest()
    await buckets.put(engine, store, key, Outgoing(pieces=pieces(), length=len(data), digest=digest))


async def whole(engine: Engine, store: Deployment, key: str) -> bytes:
    """Of a small file. Raises what the bucket answers."""
    async with aclosing(buckets.pieces(engine, store, key)) as pieces:
        return b"".join([piece async for piece in pieces])


async def remove_results(engine: Engine, deployment: Deployment, document: Mapping[str, Any]) -> None:
    """Raises what the bucket answers."""
    for where in await _files(engine, deployment, form_of(deployment).state(document)):
        await buckets.remove(engine, deployment.store(where.bucket), where.key)


async def _files(engine: Engine, deployment: Deployment, state: State) -> list[Place]:
    """Where the results are. Of a folder's files those with answers: the whole where it is there, else the parts."""
    where = state.results
    if where is None or not where.key.endswith("/"):
        return [where] if where is not None else []
    known = await buckets.names(engine, deployment.store(where.bucket), where.key)
    bare = {name: name.rpartition("/")[2] for name in sorted(known)}
    found = [name for name, own in bare.items() if own == _WHOLE] or [
        name for name, own in bare.items() if own.endswith(_LINES) and not own.startswith(_NO_ANSWERS)
    ]
    if not found and state.status == "completed":
        raise NotFoundError(
            f"the job {state.id} has ended, and its folder {uri(deployment, where)} has no results"
        )
    return [Place(where.bucket, name) for name in found]
