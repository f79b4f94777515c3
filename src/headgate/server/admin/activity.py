"""LiteLLM's daily activity: the sums of each day with a breakdown by model, provider, key and whose it is."""

from collections.abc import Mapping, Sequence
from operator import add, itemgetter
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response

from headgate.server.admin import fields, rows
from headgate.server.admin.spend import days, key_id, narrowed, shown
from headgate.server.callers import Caller
from headgate.server.gateway import Gateway
from headgate.store import reports, tables
from headgate.store.totals import parts

_values: Final = itemgetter(*tables.sums)
_PAGING: Final = ("page", "page_size")
MOST_DAYS: Final = 400_000
"""More than there are between the first and the last date that is taken."""


def activity(by: str, parameter: str, *, whole: bool = False) -> Any:
    """A page of LiteLLM's daily activity: sums of each day with a breakdown. `whole`: all days at once."""

    async def page(request: Request, gateway: Gateway, caller: Caller) -> Response:
        known = ["start_date", "end_date", "model", "api_key", "timezone", *(() if whole else _PAGING)]
        asked = fields.query(request, *known, parameter, f"exclude_{parameter}")
        excluded = frozenset(asked.get(f"exclude_{parameter}", "").split(","))
        number, size = (1, MOST_DAYS) if whole else fields.paging(request, "page_size", most=1_000)
        start, end = days(asked)

        def work(connection: Connection) -> dict[str, Any]:
            where: dict[str, Sequence[str]] = {}
            if asked.get(parameter):
                where[by] = asked[parameter].split(",")
            if asked.get("model"):
                where["model"] = [asked["model"]]
            if asked.get("api_key"):
                where["key"] = [key_id(connection, asked["api_key"])]
            if by in ("user", "team"):
                where = narrowed(connection, caller, where, user="user", key="key")
            found = reports.sums(connection, ["day", by, "key", "model", "provider"], start, end, where)
            left = [row for row in found if row[by] not in excluded or not row[by]]
            return _activity(left, by, _keys(connection, left), number, size)

        return shown(await rows.look(gateway, work))

    return page


_PARTS: Final = ("models", "model_groups", "providers", "api_keys", "entities", "endpoints", "mcp_servers")
"""LiteLLM's; the last two are empty here."""


def _activity(
    found: list[dict[str, Any]], by: str, keys: Mapping[str, Any], number: int, size: int
) -> dict[str, Any]:
    found_days: dict[str, dict[str, Any]] = {}
    whole = _Metrics()
    for row in found:
        values = _values(row)
        whole.add(values)
        one = found_days.setdefault(row["day"], {"metrics": _Metrics(), "breakdown": {p: {} for p in _PARTS}})
        one["metrics"].add(values)
        for part, value in (
            ("models", row["model"]),
            ("model_groups", row["model"]),
            ("providers", row["provider"]),
            ("api_keys", row["key"]),
            ("entities", row[by]),
        ):
            one["breakdown"][part].setdefault(value, _Metrics()).add(values)
    dates = sorted(found_days, reverse=True)
    results = [
        {
            "date": date,
            "metrics": found_days[date]["metrics"].shown(),
            "breakdown": {
                part: {
                    value: {
                        "metrics": metrics.shown(),
                        "metadata": keys.get(value, {}) if part == "api_keys" else {},
                    }
                    for value, metrics in values.items()
                }
                for part, values in found_days[date]["breakdown"].items()
            },
        }
        for date in dates[(number - 1) * size : number * size]
    ]
    totals = {f"total_{name.removeprefix('total_')}": value for name, value in whole.shown().items()}
    last = rows.pages(len(dates), size)
    return {
        "results": results,
        "metadata": {**totals, "page": number, "total_pages": last, "has_more": number < last},
    }


def _keys(connection: Connection, found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is said of keys beside their sums."""
    table = tables.keys
    columns = (table.c.id, table.c.key_alias, table.c.team_id, table.c.user_id)
    known = {}
    for part in parts(sorted({row["key"] for row in found})):
        for row in connection.execute(select(*columns).where(table.c.id.in_(part))).mappings():
            known[row["id"]] = {name: row[name] for name in ("key_alias", "team_id", "user_id")}
    return known


class _Metrics:
    """LiteLLM's names for the sums."""

    def __init__(self) -> None:
        self._sums = [0] * len(tables.sums)

    def add(self, values: Sequence[int]) -> None:
        """In the order of `tables.sums`."""
        self._sums = [*map(add, self._sums, values)]

    def shown(self) -> dict[str, Any]:
        sums = dict(zip(tables.sums, self._sums, strict=True))
        return {
            "spend": rows.number(sums["spend"]),
            "prompt_tokens": sums["input_tokens"],
            "completion_tokens": sums["output_tokens"],
            "cache_read_input_tokens": sums["cache_read_tokens"],
            "cache_creation_input_tokens": sums["cache_write_tokens"],
            "total_tokens": sums["input_tokens"] + sums["output_tokens"],
            "successful_requests": sums["calls"] - sums["failed"],
            "failed_requests": sums["failed"],
            "api_requests": sums["calls"],
        }
