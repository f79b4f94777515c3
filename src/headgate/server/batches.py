"""What batches may cost and what they did: requests are checked when a batch is made, and its results are paid for
when they come, once, by whoever made it. Knows no page.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from headgate.core import bulk
from headgate.core.bulk_files import fairly
from headgate.core.call import text_of
from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.core.engine import Engine
from headgate.core.forward import LIMIT, asked, failed, forward
from headgate.core.params import is_price
from headgate.errors import BadRequestError, NotFoundError
from headgate.money import units
from headgate.server.account import kinds_of
from headgate.server.booking import Booking
from headgate.server.gateway import Gateway
from headgate.server.jobs import keeper, logged
from headgate.server.snapshot import Snapshot
from headgate.store import jobs, leases
from headgate.store.jobs import Job
from headgate.store.ledger import Record
from headgate.wire import batches
from headgate.wire import envelope as envelopes
from headgate.wire.batches import Result
from headgate.wire.bulk import Form
from headgate.wire.ir import Usage
from headgate.wire.ndjson import Lines

TIER: Final = "batch"
_DATED: Final = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8})$")
_COUNTED: Final = tuple(f.name for f in fields(Usage) if f.name not in ("extra", "service_tier"))


class Format(Struct, frozen=True):
    """How a provider's batches are told. `lines` are those of what came of one, `spoken` the format of the replies.
    `model` is whose they all are, "" where they say it themselves; `used` is what all of them used, where it is told
    and they don't say that."""

    final: Callable[[Mapping[str, Any]], bool]
    lines: Callable[[Engine, Deployment, Mapping[str, Any]], AsyncIterator[bytes]]
    read: Callable[[bytes], Result]
    spoken: Callable[[Job, Mapping[str, Any]], str]
    model: Callable[[Job], str] = lambda job: ""
    used: Callable[[Engine, Deployment, Mapping[str, Any]], Awaitable[Usage | None]] | None = None


def _own(job: Job, name: str) -> str:
    return str((job.document or {}).get(name) or "")


def format_of(deployment: Deployment) -> Format:
    if deployment.provider.bulk is not None:
        return _of_bulk(bulk.form_of(deployment))
    return FORMATS.get(deployment.route("batches", False).dialect.name, FORMATS["openai_chat"])


def _of_bulk(form: Form) -> Format:
    def result(line: bytes) -> Result:
        outcome = form.read(line)
        return Result(outcome.custom_id, outcome.body)

    return Format(
        final=lambda document: form.state(document).status in batches.FINAL,
        lines=bulk.result_lines,
        read=result,
        spoken=lambda job, document: _own(job, "spoken"),
        model=lambda job: _own(job, "model"),
        used=bulk.used,
    )


def _fetched(
    where: Callable[[Mapping[str, Any]], tuple[str, str] | None],
) -> Callable[[Engine, Deployment, Mapping[str, Any]], AsyncIterator[bytes]]:
    """The lines of a provider's page: `where` tells its operation and path, None for none."""

    async def lines(
        engine: Engine, deployment: Deployment, document: Mapping[str, Any]
    ) -> AsyncIterator[bytes]:
        found = where(document)
        if found is None:
            return
        operation, rest = found
        answer = await forward(engine, deployment, operation, "GET", rest)
        if answer.status >= 300:
            raise failed(deployment, operation, answer, await answer.read(LIMIT))
        reader = Lines()
        try:
            async for piece in answer:
                for line in reader.feed(piece):
                    yield line
            if last := reader.close():
                yield last
        finally:
            answer.abort()

    return lines


def _file(document: Mapping[str, Any]) -> tuple[str, str] | None:
    name = document.get("output_file_id")
    return ("files", f"/{name}/content") if name else None


FORMATS: Final = {
    "openai_chat": Format(
        batches.openai_final,
        _fetched(_file),
        batches.openai_result,
        lambda job, document: batches.endpoint_dialect(document),
    ),
    "anthropic": Format(
        batches.message_final,
        _fetched(lambda document: ("batches", f"/{document['id']}/results")),
        batches.message_result,
        lambda job, document: "anthropic",
    ),
}


# before


def priced(snapshot: Snapshot, provider: str, model: str) -> Deployment:
    """Whose prices hold. Answers name a model with its date: a configured deployment of the name without it counts
    where it has prices of its own, or where the catalog does not know the dated one."""
    passing = snapshot.passing(provider, model)
    for name in (model, _DATED.sub("", model)):
        for group in snapshot.groups_of(provider, name):
            for one in snapshot.groups[group].deployments:
                own = name == model or any(map(is_price, (*one.params, *one.info))) or passing.sheet is None
                if own and one.provider.id == provider and one.model == name:
                    return one
    return passing


def renamed(snapshot: Snapshot, provider: str, data: bytes) -> bytes:
    """A line of an input file with the provider's name for a configured model. What can't be read stays as it is: who
    makes the batch says what is wrong with it."""
    try:
        line = envelopes.read(data)
        body = envelopes.read(bytes(line["body"]))
        group = snapshot.groups.get(text_of(body, "model") or "")
    except (BadRequestError, KeyError):
        return data
    alike = [one for one in group.deployments if one.provider.id == provider] if group else []
    if not alike:
        return data
    body["model"] = alike[0].model_raw
    return msgspec.json.encode({**line, "body": body})


# after


class Sum:
    """What came of a batch by one model. `cost` None: a price is not known."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.usage = Usage()
        self.cost: Decimal | None = Decimal(0)

    def add(self, usage: Usage) -> None:
        sheet = self.deployment.sheet
        if sheet is None or self.cost is None or not sheet.covers(usage):
            self.cost = None
        else:
            known = TIER in sheet.tiers or TIER in sheet.units
            share = Decimal(1) if known else Decimal(self.deployment.provider.batch_price)
            self.cost += sheet.total(usage, TIER) * share
        for name in _COUNTED:
            if (amount := getattr(usage, name)) is not None:
                setattr(self.usage, name, (getattr(self.usage, name) or 0) + amount)


async def settle(gateway: Gateway, job: Job, document: Mapping[str, Any]) -> None:
    """Pays for a batch that has ended, or waits for whoever is at it. `document` is the provider's. Raises what the
    provider answers, and ServiceUnavailableError: then it is tried again later."""
    if gateway.database is None or gateway.ledger is None or job.booked:
        return
    if (other := gateway.jobs.paying.get(job.id)) is not None:
        await other.wait()
        return
    deployment = keeper(gateway.snapshot, job)
    told = format_of(deployment)
    if not told.final(document):
        return
    over = gateway.jobs.paying[job.id] = asyncio.Event()
    try:
        sums = await _sums(gateway.snapshot, deployment, told, job, document)
        now = gateway.clock.time()
        records = [_record(gateway.snapshot, job, document, model, one, now) for model, one in sums.items()]
        work = partial(jobs.pay, job=job, records=records, rows=gateway.ledger.rows)
        paid, released = await gateway.database.run(work)
        if gateway.callers is not None:
            gateway.callers.paid(paid, now)
            gateway.callers.release(released)
    finally:
        del gateway.jobs.paying[job.id]
        over.set()


async def _sums(
    snapshot: Snapshot, deployment: Deployment, told: Format, job: Job, document: Mapping[str, Any]
) -> dict[str, Sum]:
    """By model. A reply that tells no usage cost nothing that we could know."""
    sums: dict[str, Sum] = {}
    name = told.spoken(job, document)
    if not name:
        return sums
    spoken, all_of = dialect(name), told.model(job)
    own = str(document.get("model") or deployment.model)
    async for line in fairly(told.lines(snapshot.engine, deployment, document)):
        body = told.read(line).body
        glance = spoken.glance(body) if body else None
        if glance is None or glance.usage is None:
            continue
        model = all_of or glance.model or own
        if model not in sums:
            sums[model] = Sum(priced(snapshot, deployment.provider.id, model))
        sums[model].add(glance.usage)
    if not sums and all_of and told.used is not None:
        usage = await told.used(snapshot.engine, deployment, document)
        if usage is not None and (usage.input or usage.output):
            sums[all_of] = Sum(priced(snapshot, deployment.provider.id, all_of))
            sums[all_of].add(usage)
    return sums


def _record(
    snapshot: Snapshot, job: Job, document: Mapping[str, Any], model: str, one: Sum, now: float
) -> Record:
    payer, usage = job.payer or {}, one.usage
    groups = [
        *snapshot.groups_of(job.provider, model),
        *snapshot.groups_of(job.provider, _DATED.sub("", model)),
    ]
    group = next(iter(groups), None)
    return Record(
        id=f"{job.id}:{model}",
        started=now,
        first_token=None,
        ended=now,
        key=job.key,
        user_id=payer.get("user_id"),
        team_id=job.team_id,
        organization_id=payer.get("organization_id"),
        customer=payer.get("customer"),
        tags=tuple(payer.get("tags") or ()) or None,
        model=group or f"{job.provider}/{model}",
        model_group=group,
        deployment=job.deployment,
        provider=job.provider,
        upstream_model=model,
        operation="batch",
        dialect=one.deployment.provider.dialect,
        status=200,
        input_tokens=usage.input,
        output_tokens=usage.output,
        tokens=kinds_of(usage) or None,
        usage_from="provider",
        cost=None if one.cost is None else units(one.cost),
        attempts=1,
        client=payer.get("client"),
        metadata={"batch_id": job.id, "endpoint": document.get("endpoint") or _own(job, "endpoint") or None},
    )


def payer(booking: Booking) -> dict[str, Any]:
    """What the ledger will say of a caller whose batch is paid days later."""
    caller = booking.caller
    told: dict[str, Any] = {
        "user_id": caller.user_id,
        "organization_id": caller.organization_id,
        "customer": booking.customer,
        "tags": list(booking.tags),
        "client": booking.client,
    }
    return {name: value for name, value in told.items() if value}


def result_files(job: Job, document: Mapping[str, Any]) -> list[Job]:
    """The files that a job has made: they are whose the job is."""
    names = [
        document.get("output_file_id"),
        document.get("error_file_id"),
        *(document.get("result_files") or ()),
    ]
    return [
        Job(
            id=name,
            kind="file",
            created=job.created,
            key=job.key,
            team_id=job.team_id,
            provider=job.provider,
            deployment=job.deployment,
            batch=job.id if job.kind == "batch" else None,
        )
        for name in names
        if isinstance(name, str) and name
    ]


async def look(gateway: Gateway, job: Job) -> None:
    """Asks what has become of a batch, and pays where it has ended."""
    deployment = keeper(gateway.snapshot, job)
    document = msgspec.json.decode(
        await asked(gateway.snapshot.engine, deployment, "batches", "GET", f"/{job.id}")
    )
    if not isinstance(document, dict):
        raise NotFoundError(f"{deployment.provider.name} tells no batch {job.id}")
    await gateway.jobs.keep(*result_files(job, document))
    await settle(gateway, job, document)


async def watch(gateway: Gateway) -> None:
    """Every few minutes: costs come without anybody's asking."""
    if gateway.database is None:
        return
    await gateway.jobs.flush()
    lapsed = await gateway.database.run(leases.lapsed)
    if gateway.callers is not None:
        gateway.callers.release(lapsed)
    now = gateway.clock.time()
    for job in await gateway.database.ask(lambda connection: jobs.unpaid(connection, now)):
        await logged(look(gateway, job))
