"""What the gateway says of itself: models, health, metrics. Off the hot path, on Starlette."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import headgate
from headgate.core.deployment import Deployment
from headgate.core.params import is_price
from headgate.core.route import Group, unknown_model
from headgate.errors import HeadgateError, NotFoundError
from headgate.providers.mock import MODELS
from headgate.server.callers import Caller
from headgate.server.explain import state
from headgate.server.gateway import Gateway
from headgate.server.snapshot import Snapshot
from headgate.server.workers import gathered

CREATED: Final = 1677610602
"""LiteLLM's constant for models without a date."""
SERVICE_SECONDS: Final = 5.0
_SHOWN: Final = (
    "model",
    "api_base",
    "api_version",
    "organization",
    "rpm",
    "tpm",
    "weight",
    "order",
    "timeout",
)


async def root(request: Request, gateway: Gateway, caller: Caller) -> Response:
    return JSONResponse(
        {
            "name": "headgate",
            "version": headgate.__version__,
            "message": "Headgate is running. Point an OpenAI client at /v1; models are at /v1/models.",
        }
    )


async def alive(request: Request, gateway: Gateway, caller: Caller) -> Response:
    return JSONResponse("I'm alive!")


async def ready(request: Request, gateway: Gateway, caller: Caller) -> Response:
    database = "Not connected" if gateway.database is None else "connected"
    found = {"status": "healthy" if gateway.ready else "draining", "db": database}
    return JSONResponse(found, status_code=200 if gateway.ready else 503)


async def metrics(request: Request, gateway: Gateway, caller: Caller) -> Response:
    body = (await gathered(gateway)).exposition()
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")


async def models(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """LiteLLM's `return_wildcard_routes`, `include_model_access_groups` and `only_model_access_groups` add names that
    keys may be given, and that nobody calls."""
    snapshot, asked = gateway.snapshot, request.query_params
    names = models_of(snapshot, caller)
    if asked.get("return_wildcard_routes") == "true":
        names += [name for name in snapshot.names if "*" in name and _admits(caller, name)]
    only = asked.get("only_model_access_groups") == "true"
    if only or asked.get("include_model_access_groups") == "true":
        groups = snapshot.access_groups.items()
        known = [group for group, own in groups if any(_admits(caller, name) for name in own)]
        names = known if only else names + known
    return JSONResponse({"object": "list", "data": [_model(name) for name in names]})


async def model(request: Request, gateway: Gateway, caller: Caller) -> Response:
    snapshot = gateway.snapshot
    name = request.path_params["name"]
    caller.admit(name)
    if name not in public_models(snapshot):
        snapshot.lookup(name)  # a wildcard may serve it; raises where none does
    return JSONResponse(_model(name))


async def model_info(request: Request, gateway: Gateway, caller: Caller) -> Response:
    snapshot = gateway.snapshot
    wanted = request.query_params.get("litellm_model_id")
    rows = infos_of(snapshot, caller)
    if wanted is not None:
        known = [row["model_info"]["id"] for row in rows]
        rows = [row for row in rows if row["model_info"]["id"] == wanted]
        if not rows:
            raise unknown_model(wanted, known)
    return exact({"data": rows})


async def router_state(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """What is known of each deployment from its calls, in the process that answers."""
    groups = dict.fromkeys(gateway.snapshot.groups.values())
    return JSONResponse(state(list(groups), gateway.clock.monotonic()))


async def health(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """Every deployment, or with `?model=` those of one group: as the last check in the background found it, else
    asked now."""
    snapshot = gateway.snapshot
    wanted = request.query_params.get("model")
    groups: Iterable[Group] = [snapshot.lookup(wanted)] if wanted else dict.fromkeys(snapshot.groups.values())
    targets = [deployment for group in groups for deployment in group.deployments]
    known = gateway.health.found if snapshot.config.general.background_health_checks else {}
    asked = [target for target in targets if target.id not in known]
    found = {**known, **dict(zip((one.id for one in asked), await gateway.health.check(asked), strict=True))}
    healthy = [_endpoint(target) for target in targets if not found[target.id].problem]
    unhealthy = [
        {**_endpoint(target), "error": problem} for target in targets if (problem := found[target.id].problem)
    ]
    return JSONResponse(
        {
            "healthy_endpoints": healthy,
            "unhealthy_endpoints": unhealthy,
            "healthy_count": len(healthy),
            "unhealthy_count": len(unhealthy),
        }
    )


async def services(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """What the gateway itself leans on: database, Redis, the journal. `?service=` names one."""
    found = await serving(gateway)
    wanted = request.query_params.get("service")
    if wanted is not None and wanted not in found:
        raise NotFoundError(
            f"there is no service {wanted!r} here: expected {', '.join(found) or 'none'}", param="service"
        )
    shown = {wanted: found[wanted]} if wanted else found
    good = all(state == "healthy" for state in shown.values())
    return JSONResponse(
        {"status": "healthy" if good else "unhealthy", "services": shown}, 200 if good else 503
    )


async def serving(gateway: Gateway) -> dict[str, str]:
    """How it is with what the gateway leans on: "healthy", or what is wrong."""
    found = {}
    if gateway.database is not None:
        found["database"] = await _answers(
            gateway.database.ask(lambda connection: connection.exec_driver_sql("SELECT 1"))
        )
    if gateway.pace is not None:
        found["redis"] = await _answers(gateway.pace.ping())
    if gateway.ledger is not None:
        found["journal"] = "healthy" if gateway.ledger.writable else "full"
    return found


async def _answers(asked: Awaitable[object]) -> str:
    try:
        await asyncio.wait_for(asked, SERVICE_SECONDS)
    except HeadgateError as error:
        return error.message
    except TimeoutError:
        return f"no answer within {SERVICE_SECONDS:g} s"
    return "healthy"


def models_of(snapshot: Snapshot, caller: Caller) -> list[str]:
    """Those that the caller may use."""
    return [name for name in public_models(snapshot) if _admits(caller, name)]


def _admits(caller: Caller, name: str) -> bool:
    return all(allow.admits(name) for _, allow in caller.allows)


def public_models(snapshot: Snapshot) -> list[str]:
    """Group names, and what the catalog knows behind wildcards."""
    names = dict.fromkeys(snapshot.groups)
    for pattern in snapshot.names:
        prefix, star, suffix = pattern.partition("*")
        if star and not suffix:
            names.update(dict.fromkeys(_behind(snapshot, prefix)))
    return list(names)


def _behind(snapshot: Snapshot, prefix: str) -> list[str]:
    if prefix == "mock/":
        return [prefix + name for name in MODELS]
    provider = prefix.rstrip("/")
    return [
        name if name.startswith(prefix) else prefix + name
        for name in snapshot.catalog.names()
        if (row := snapshot.catalog.find(name)) is not None and row.get("litellm_provider") == provider
    ]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "openai"}


def infos_of(snapshot: Snapshot, caller: Caller) -> list[dict[str, Any]]:
    """Rows of LiteLLM's /model/info, of the deployments that the caller may use."""
    return [_info(name, deployment) for name, deployment in snapshot.rows if _admits(caller, name)]


def _info(name: str, deployment: Deployment) -> dict[str, Any]:
    """Parameters without secrets, and the facts of the model; prices of the row go over those of the catalog."""
    params = deployment.params
    shown = {key: params[key] for key in _SHOWN if key in params}
    prices = {key: value for key, value in params.items() if is_price(key)}
    known = {"db_model": False, **deployment.facts, **prices, "id": deployment.id}
    return {"model_name": name, "litellm_params": shown, "model_info": known}


def _endpoint(deployment: Deployment) -> dict[str, Any]:
    return {
        "model": f"{deployment.provider.id}/{deployment.model}",
        "model_group": deployment.group,
        "model_id": deployment.id,
        "api_base": deployment.address,
    }


def exact(document: Any) -> Response:
    """What a configuration may hold and JSON's own encoder has no word for: exact prices, tuples, dates."""
    return Response(_ENCODER.encode(document), media_type="application/json")


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
