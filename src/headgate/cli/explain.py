"""`headgate explain`: where a call would go and why, without making it."""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from headgate.catalog.lookup import Catalog
from headgate.cli import place, table
from headgate.core.call import Call
from headgate.core.dialects import dialect
from headgate.core.engine import Engine
from headgate.core.track import Tracks
from headgate.errors import AuthenticationError, HeadgateError
from headgate.server import stored
from headgate.server.access import Access
from headgate.server.app import SystemClock
from headgate.server.callers import MASTER, Caller, Callers
from headgate.server.config import load
from headgate.server.config.report import ConfigError, render
from headgate.server.config.settings import start_settings
from headgate.server.explain import decision
from headgate.server.lines import token_of
from headgate.server.registry import Registry
from headgate.server.snapshot import Snapshot


def show(given: Mapping[str, Any], env: Mapping[str, str]) -> int:
    """Exit status 1 where the call would be refused."""
    try:
        told = _decided(given, env)
    except ConfigError as error:
        click.echo(render(error.problems), err=True)
        return 1
    except (HeadgateError, place.NoDatabase) as error:
        click.echo(str(getattr(error, "message", error)), err=True)
        return 1
    if given["json"]:
        click.echo(json.dumps(told, indent=2))
        return 0
    click.echo(f"{told['group']}: {told['strategy']}")
    allowed = [row["order"] for row in told["candidates"] if not row["why_not"]]
    rows = [
        (
            row["id"][:12],
            row["model"],
            f"{row['order']:g}",
            _number(row["weight"]),
            row["why_not"] or ("asked" if row["order"] == min(allowed) else f"after order {min(allowed):g}"),
        )
        for row in told["candidates"]
    ]
    table.echo(("id", "model", ">order", ">weight", ""), rows)
    for name in ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks"):
        if told[name]:
            click.echo(f"{name}: {', '.join(map(str, told[name]))}")
    return 0


def _decided(given: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    start = start_settings({"config": given["config"]}, env, platform=sys.platform)
    config = load.load(start.config, env) if start.config else load.empty(env)
    clock = SystemClock()
    around = {**env, **config.environment}
    left_out: stored.LeftOut = {}
    config = stored.alone(config, around, left_out)
    for what, why in left_out.items():
        click.echo(f"{what} is left out: {why}", err=True)
    snapshot = Snapshot(config, Engine({}, clock), Catalog(), around, Access(None), Tracks())
    caller = _caller(given, env) if given["key"] else MASTER
    caller.check(clock.time())
    model = caller.aliases.get(given["model"], given["model"])
    caller.admit(model)
    call = Call(
        id="explained",
        operation="chat",
        dialect=dialect("openai_chat"),
        envelope={},
        model=model,
        stream=given["stream"],
        started=0.0,
        created=0,
        options=snapshot.options,
    )
    tags = (*caller.tags, *(tag for tag in given["tags"].split(",") if tag))
    call.wish = snapshot.wish(tags, given["region"] or caller.region, caller.user_id, None, caller.team_id)
    return decision(snapshot.lookup(model), call, clock.monotonic())


def _caller(given: Mapping[str, Any], env: Mapping[str, str]) -> Caller:
    """Raises NoDatabase, AuthenticationError for a key that is not known."""
    database = place.find(given, env)
    clock = SystemClock()
    callers = Callers(database, Registry(lambda scope, since: None), clock.time)
    token = token_of(given["key"].encode())
    found = asyncio.run(callers.load(token))
    if found is None:
        raise AuthenticationError("there is no such key")
    return found


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
