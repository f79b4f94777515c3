"""Calls of the past: LiteLLM's spend logs become records of the ledger, with their ids, and sums by day.

A call counts to the day on which it began, as with LiteLLM.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.engine import Connection

from headgate.store import totals
from headgate.store.ledger import MAX_NAME, MOST, Record, day
from headgate.store.litellm.bring import Work, each
from headgate.store.litellm.days import LOGS, cover
from headgate.store.litellm.keys import ledger_ids
from headgate.store.litellm.source import Row
from headgate.store.litellm.sums import Part, Sums
from headgate.store.litellm.values import count, json, mapping, moment, name, spent, text, texts
from headgate.store.tables import calls
from headgate.store.totals import DAY

WHAT: Final = "calls"
BATCH: Final = 500
DIALECT: Final = "litellm"
"""In place of the dialect, which the logs don't tell: these calls are not ours."""
_COLUMNS: Final = """request_id call_type api_key spend prompt_tokens completion_tokens startTime endTime
completionStartTime model model_id model_group custom_llm_provider user metadata cache_hit request_tags team_id
organization_id end_user requester_ip_address messages response session_id status proxy_server_request""".split()
_OPERATIONS: Final[Mapping[str, str]] = {
    "completion": "chat",
    "embedding": "embeddings",
    "text_completion": "completions",
    "anthropic_messages": "chat",
    "responses": "responses",
}
"""LiteLLM's call types, without the a of those that are awaited."""
_FAILED: Final = 500
MAX_TAGS: Final = 50
"""What a call may name here."""


def bring(work: Work) -> None:
    since = None if work.since is None else work.since // DAY * DAY
    closed = cover(work, since)
    line = work.report.line(WHAT)
    first = None if since is None else ("startTime", since)
    batches = work.source.rows(LOGS, _COLUMNS, order=("startTime", "request_id"), since=first, size=BATCH)
    for batch in batches:
        records = [record for row in batch if (record := _record(work, row)) is not None]
        line.brought += work.do(lambda connection, r=records: _book(connection, work, r, closed))  # type: ignore[misc]
        work.progress(f"{WHAT}: {line.found}")


def _record(work: Work, row: Row) -> Record | None:
    try:
        return _read(row)
    except (ValueError, TypeError) as error:
        work.report.fail(WHAT, str(row["request_id"])[:40], str(error))
        return None


def _read(row: Row) -> Record:
    metadata = mapping(row["metadata"]) or {}
    failed = row["status"] == "failure"
    error = metadata.get("error_information") if failed else None
    error = error if isinstance(error, dict) else {}
    started = moment(row["startTime"])
    if started is None:
        raise ValueError("expected a time in startTime")
    return Record(
        id=name(row["request_id"]),
        started=started,
        first_token=moment(row["completionStartTime"]),
        ended=moment(row["endTime"]) or started,
        key=_key(row["api_key"] or ""),
        user_id=_named(row["user"]),
        team_id=_named(row["team_id"]),
        organization_id=_named(row["organization_id"]),
        customer=_named(row["end_user"]),
        tags=tuple(tag[:MAX_NAME] for tag in texts(row["request_tags"]) or ())[:MAX_TAGS] or None,
        model=row["model_group"] or row["model"] or "",
        model_group=text(row["model_group"]),
        deployment=text(row["model_id"]),
        provider=_named(row["custom_llm_provider"]),
        upstream_model=text(row["model"]),
        operation=_operation(row["call_type"] or ""),
        dialect=DIALECT,
        status=_status(error) if failed else 200,
        error=str(error.get("error_class") or "Exception") if failed else None,
        input_tokens=count(row["prompt_tokens"]) or 0,
        output_tokens=count(row["completion_tokens"]) or 0,
        tokens=_tokens(metadata) or None,
        usage_from="provider",
        cost=spent(row["spend"]),
        cache="hit" if row["cache_hit"] == "True" else None,
        client=text(row["requester_ip_address"]),
        session=_named(row["session_id"]),
        metadata=_metadata(metadata),
        request=json(row["proxy_server_request"]) or _messages(json(row["messages"])),
        response=json(row["response"]) or None,
    )


def _named(value: Any) -> str | None:
    """As far as indexes take it."""
    return (text(value) or "")[:MAX_NAME] or None


def _key(given: str) -> str:
    """Old versions wrote keys in plain in places."""
    return sha256(given.encode()).hexdigest() if given.startswith("sk-") else given


def _operation(given: str) -> str:
    plain = given[1:] if given.startswith("a") and given != "anthropic_messages" else given
    return _OPERATIONS.get(given) or _OPERATIONS.get(plain, plain)


def _status(error: Mapping[str, Any]) -> int:
    code = str(error.get("error_code") or "")
    return int(code) if code.isdecimal() and 400 <= int(code) < 600 else _FAILED


def _metadata(given: Mapping[str, Any]) -> Any:
    """What the caller gave, not what LiteLLM knows of the key."""
    found: dict[str, Any] = {}
    for part in ("requester_metadata", "spend_logs_metadata"):
        if isinstance(given.get(part), dict):
            found |= given[part]
    return found or None


def _messages(given: Any) -> Any:
    return {"messages": given} if given else None


def _tokens(metadata: Mapping[str, Any]) -> dict[str, int]:
    """Parts of the tokens, where the provider told them."""
    usage: dict[str, Any] = {}
    for part in ("additional_usage_values", "usage_object"):
        if isinstance(metadata.get(part), dict):
            usage |= metadata[part]
    prompt, completion = (_inner(usage, f"{part}_tokens_details") for part in ("prompt", "completion"))
    found = {
        "cache_read": usage.get("cache_read_input_tokens") or prompt.get("cached_tokens"),
        "cache_write": usage.get("cache_creation_input_tokens") or prompt.get("cache_creation_tokens"),
        "reasoning": completion.get("reasoning_tokens"),
    }
    return {part: number for part, number in found.items() if isinstance(number, int) and 0 < number <= MOST}


def _inner(usage: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    found = usage.get(part)
    return found if isinstance(found, dict) else {}


def _book(connection: Connection, work: Work, records: Sequence[Record], closed: set[str]) -> int:
    line = work.report.line(WHAT)
    known: set[str] = set()
    for names in totals.parts([record.id for record in records]):
        known.update(connection.scalars(select(calls.c.id).where(calls.c.id.in_(names))))
    new = [record for record in records if record.id not in known]
    line.unchanged += len(records) - len(new)
    if not new or work.dry:
        return len(new)
    ids = ledger_ids(connection, work, {record.key for record in new})
    for record in new:
        record.key = ids.get(record.key, record.key)
    rows = [
        (record.id, {field: getattr(record, field) for field in record.__struct_fields__}) for record in new
    ]
    failed: set[str] = set()

    def fail(who: str, why: str) -> None:
        failed.add(who)
        work.report.fail(WHAT, who[:40], why)

    booked = each(connection, rows, lambda c, r: c.execute(calls.insert(), r), fail)
    sums = Sums()
    for record in new:
        date = day(record.started)
        if date in closed or record.id in failed:
            continue
        part = _part(record, date)
        sums.add(part)
        sums.add_named(part, "tag", record.tags or ())
        sums.add_named(part, "customer", [record.customer] if record.customer else ())
    sums.write(connection)
    return booked


def _part(record: Record, date: str) -> Part:
    tokens = record.tokens or {}
    return Part(
        date=date,
        time=record.ended,
        key=record.key,
        user_id=record.user_id or "",
        team_id=record.team_id or "",
        organization_id=record.organization_id or "",
        group=(record.model_group or record.model)[: totals.MAX_NAME],
        model=(record.upstream_model or "")[: totals.MAX_NAME],
        provider=record.provider or "",
        sums=[
            record.cost or 0,
            1,
            int(record.status >= 400),
            record.input_tokens,
            record.output_tokens,
            *(tokens.get(part, 0) for part in ("cache_read", "cache_write", "reasoning")),
        ],
    )
