"""LiteLLM's further pages of health: what checks found in this process, a connection to try, readiness in detail."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import headgate
from headgate.errors import BadRequestError
from headgate.server.admin import fields
from headgate.server.callers import Caller
from headgate.server.config.entries import read_entry
from headgate.server.endpoints.info import serving
from headgate.server.gateway import Gateway
from headgate.server.health import MODES, REMEMBERED, Found
from headgate.telemetry.times import iso

LIMIT: Final = 100
_CHAT: Final = "chat"
_STATES: Final = ("healthy", "unhealthy")
_TRIED: Final = "test_connection"


async def latest(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """What each deployment said last."""
    fields.query(request)
    found = {name: _shown(one) for name, one in gateway.health.found.items()}
    return JSONResponse({"latest_health_checks": found, "total_models": len(found)})


async def history(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """The newest first."""
    asked = fields.query(request, "model", "status_filter", "limit", "offset")
    limit = fields.query_count(request, "limit", LIMIT)
    offset = fields.query_count(request, "offset", 0)
    if not 1 <= limit <= REMEMBERED:
        raise BadRequestError(f"'limit' must be between 1 and {REMEMBERED}", param="limit")
    state, model = asked.get("status_filter"), asked.get("model")
    if state not in (None, *_STATES):
        raise BadRequestError(f"'status_filter' must be one of {', '.join(_STATES)}", param="status_filter")
    found = [
        one
        for one in reversed(gateway.health.history)
        if state in (None, _state(one)) and model in (None, one.group)
    ]
    page = [_shown(one) for one in found[offset : offset + limit]]
    whole = {"total_records": len(found), "limit": limit, "offset": offset}
    return JSONResponse({"health_checks": page, **whole})


async def test_connection(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """Asks once, for a few tokens, what these parameters say. What comes of it counts for no other deployment."""
    given = fields.read(
        await fields.body_of(request), fields.table("mode:name litellm_params:mapping model_info:mapping")
    )
    fields.required(given, "litellm_params")
    info = {**(given.get("model_info") or {})}
    info.pop("id", None)
    if (mode := given.get("mode")) is not None:
        info["mode"] = _mode(mode)
    row = {"model_name": _TRIED, "litellm_params": given["litellm_params"], "model_info": info}
    snapshot = gateway.snapshot
    entry = read_entry(row, snapshot.environment, snapshot.config)
    if "*" in str(entry.params["model"]):
        raise BadRequestError(
            "a * names no model: give one to ask, such as openai/gpt-4o-mini", param="litellm_params.model"
        )
    found = await gateway.health.try_out(snapshot.trial(entry))
    if found.problem:
        return JSONResponse({"status": "error", "result": {"model": found.model, "error": found.problem}})
    told = {"model": found.model, "response_time_ms": _milliseconds(found)}
    return JSONResponse({"status": "success", "result": told})


async def readiness(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """What /health/readiness says, and how it is with what the gateway leans on."""
    fields.query(request)
    services, ready = await serving(gateway), gateway.ready
    found: Mapping[str, Any] = {
        "status": "healthy" if ready else "draining",
        "db": "Not connected" if gateway.database is None else "connected",
        "cache": "redis" if gateway.pace is not None else None,
        "headgate_version": headgate.__version__,
        "models": len(gateway.snapshot.names),
        "services": services,
    }
    return JSONResponse(found, status_code=200 if ready else 503)


def _mode(mode: str) -> str:
    known = (_CHAT, *MODES)
    if mode not in known:
        raise BadRequestError(f"'mode' must be one of {', '.join(known)}", param="mode")
    return mode


def _shown(found: Found) -> dict[str, Any]:
    good = not found.problem
    return {
        "model_name": found.group,
        "model_id": found.deployment,
        "model": found.model,
        "status": _state(found),
        "healthy_count": int(good),
        "unhealthy_count": int(not good),
        "error_message": found.problem or None,
        "response_time_ms": _milliseconds(found),
        "checked_at": iso(found.at),
    }


def _state(found: Found) -> str:
    return _STATES[bool(found.problem)]


def _milliseconds(found: Found) -> float:
    return round(found.seconds * 1000, 3)
