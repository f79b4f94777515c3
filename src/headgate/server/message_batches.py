"""OpenAI's batches at a provider that has Message Batches: the input file is kept here, its requests are translated
when the batch is made, and its results when they are fetched.

https://docs.anthropic.com/en/api/creating-message-batches
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Raw

from headgate.core.bulk_files import lines_of
from headgate.core.call import Call, text_of
from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.core.forward import LIMIT, failed, forward
from headgate.errors import BadRequestError, NotFoundError, ServiceUnavailableError
from headgate.ports import Outgoing
from headgate.server.gateway import Gateway
from headgate.store.jobs import Job
from headgate.wire import batches, free_tools
from headgate.wire import envelope as envelopes
from headgate.wire.batches import Line
from headgate.wire.dialect import Frame
from headgate.wire.ir import Echo
from headgate.wire.ndjson import Lines

ENDPOINT: Final = "/chat/completions"
_PIECE: Final = 256 * 1024
_encode: Final = msgspec.json.Encoder().encode


def output_of(batch: str) -> str:
    """The id under which a batch's results are fetched."""
    return f"file-{batch}"


def place(gateway: Gateway, id: str) -> Path:  # noqa: A002 -- the field's name everywhere
    """Where a file is kept. Raises ServiceUnavailableError where there is no data directory."""
    if gateway.jobs.folder is None:
        raise ServiceUnavailableError(
            "files are kept in the data directory, and there is none: give --data-dir"
        )
    return gateway.jobs.folder / id


def there(gateway: Gateway, id: str) -> Path:  # noqa: A002 -- the field's name everywhere
    """The same of a file that must be there. Raises NotFoundError where it is not on this machine."""
    path = place(gateway, id)
    if not path.is_file():
        raise NotFoundError(
            f"the file {id} is not here: replicas that share no data directory know their own files alone"
        )
    return path


async def contents(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as source:
        while piece := await asyncio.to_thread(source.read, _PIECE):
            yield piece


async def create(
    gateway: Gateway, deployment: Deployment, file: Job, asked: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Makes the batch: its document as the provider tells it, and what must be remembered to tell it as OpenAI does.

    Raises BadRequestError for an endpoint or a line that can't be, and what the provider answers.
    """
    endpoint = str(asked.get("endpoint") or "")
    if not endpoint.endswith(ENDPOINT):
        raise BadRequestError(
            f"'endpoint' is {endpoint[:100]!r}: batches of {deployment.provider.name} take /v1/chat/completions",
            param="endpoint",
        )
    source = there(gateway, file.id)
    made = source.with_name(f"{secrets.token_hex(8)}.batch")
    try:
        echoes = await _translated(gateway, deployment, source, made)
        body = Outgoing(pieces=contents(made), length=made.stat().st_size)
        answer = await forward(gateway.snapshot.engine, deployment, "batches", "POST", body=body)
        told = await answer.read(LIMIT)
    finally:
        made.unlink(missing_ok=True)
    if answer.status >= 300:
        raise failed(deployment, "batches", answer, told)
    names = ("endpoint", "input_file_id", "completion_window", "metadata")
    kept = {name: asked[name] for name in names if name in asked}
    return msgspec.json.decode(told), {**kept, "echoes": echoes}


async def _translated(gateway: Gateway, deployment: Deployment, source: Path, made: Path) -> dict[str, Any]:
    """Writes the provider's request from the input file. What answers need to be told back, by custom_id."""
    echoes: dict[str, Any] = {}
    first = True
    with made.open("wb") as out:
        out.write(b'{"requests":[')
        async for line in lines_of(contents(source)):
            params, echo = await _request(gateway, deployment, line)
            if echo is not None and echo != Echo():
                echoes[line.custom_id] = msgspec.to_builtins(echo)
            out.write((b"" if first else b",") + _encode({"custom_id": line.custom_id, "params": params}))
            first = False
        out.write(b"]}")
    if first:
        raise BadRequestError("the input file has no requests", param="input_file_id")
    return echoes


async def _request(
    gateway: Gateway, deployment: Deployment, line: Line
) -> tuple[dict[str, Any], Echo | None]:
    envelope = envelopes.read(bytes(line.body))
    envelope.pop("stream", None)
    model = text_of(envelope, "model") or ""
    found = chosen(gateway, deployment, model)
    call = Call(
        id=line.custom_id,
        operation="chat",
        dialect=dialect("openai_chat"),
        envelope=envelope,
        model=model,
        stream=False,
        started=gateway.clock.monotonic(),
        created=int(gateway.clock.time()),
    )
    try:
        prepared = await gateway.snapshot.engine.prepared(call, found or deployment)
    except BadRequestError as error:
        error.message = f"the request {line.custom_id[:100]!r} of the input file: {error.message}"
        raise
    assert isinstance(prepared.body, bytes)  # lines of batches have no files
    params: dict[str, Any] = msgspec.json.decode(prepared.body, type=dict[str, Raw])
    params.pop("stream", None)
    if found is None:
        params["model"] = model.removeprefix(f"{deployment.provider.id}/")
    return params, prepared.echo


def chosen(gateway: Gateway, deployment: Deployment, model: str) -> Deployment | None:
    """The deployment that a request means, by a group's name or the provider's own; None for a model that is not
    configured."""
    groups, row = gateway.snapshot.groups, deployment.provider.id
    bare = model.removeprefix(f"{row}/")
    for name in (model, *gateway.snapshot.groups_of(row, bare)):
        for one in groups[name].deployments if name in groups else ():
            if one.provider.id == row:
                return one
    return None


def told(job: Job, document: Mapping[str, Any]) -> dict[str, Any]:
    """A batch as OpenAI tells it."""
    return batches.told_batch(document, job.document or {}, output_of(job.id))


async def results(gateway: Gateway, deployment: Deployment, job: Job) -> AsyncIterator[bytes]:
    """The results of a batch as an output file. Raises what the provider answers."""
    answer = await forward(gateway.snapshot.engine, deployment, "batches", "GET", f"/{job.id}/results")
    if answer.status >= 300:
        raise failed(deployment, "batches", answer, await answer.read(LIMIT))
    echoes = (job.document or {}).get("echoes") or {}
    created, reader = int(gateway.clock.time()), Lines()
    source, target = dialect("anthropic"), dialect("openai_chat")

    def reply(custom_id: str, message: bytes) -> bytes:
        echo = msgspec.convert(echoes[custom_id], Echo) if custom_id in echoes else None
        frame = Frame(id=f"chatcmpl-{custom_id}", created=created, model="")
        return target.write_reply(free_tools.read_reply(source, message, echo), frame)

    async def pieces() -> AsyncIterator[bytes]:
        try:
            async for piece in answer:
                for line in reader.feed(piece):
                    yield batches.told_result(line, reply) + b"\n"
            if last := reader.close():
                yield batches.told_result(last, reply) + b"\n"
        finally:
            answer.abort()

    return pieces()
