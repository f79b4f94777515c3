"""LiteLLM's further pages of models: rows by pages, groups as one row each, and the helpers below /utils. They read
the snapshot and call nobody."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.core.deployment import Deployment
from headgate.core.route import unknown_model
from headgate.core.supported import supported
from headgate.errors import BadRequestError, HeadgateError, NotFoundError
from headgate.providers.registry import resolve
from headgate.server.admin import fields
from headgate.server.callers import Caller
from headgate.server.endpoints.info import exact, infos_of
from headgate.server.gateway import Gateway

_LARGEST: Final = ("max_tokens", "max_input_tokens", "max_output_tokens")
_DEAREST: Final = ("input_cost_per_token", "output_cost_per_token", "input_cost_per_pixel")
_SUMMED: Final = ("tpm", "rpm")
_ABILITIES: Final = tuple(
    f"supports_{name}"
    for name in "parallel_function_calling vision web_search url_context reasoning function_calling".split()
)


async def rows(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/v2/model/info: the rows of /model/info by pages."""
    asked = fields.query(request, "page", "size", "search", "model", "modelId", "sortBy", "sortOrder")
    number, size = fields.paging(request)
    wanted = {"model": asked.get("model"), "modelId": asked.get("modelId")}
    text = asked.get("search", "").lower()
    found = [
        row
        for row in infos_of(gateway.snapshot, caller)
        if wanted["model"] in (None, row["model_name"])
        and wanted["modelId"] in (None, row["model_info"]["id"])
        and text in row["model_name"].lower()
    ]
    if (order := asked.get("sortBy")) is not None:
        _sort(found, order, asked.get("sortOrder", "asc"))
    page = found[(number - 1) * size : number * size]
    total = {"total_count": len(found), "current_page": number, "size": size}
    return exact({"data": page, **total, "total_pages": -(-len(found) // size)})


_SORTS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "model_name": lambda row: row["model_name"],
    "costs": lambda row: sum(row["model_info"].get(name) or 0 for name in _DEAREST),
    "status": lambda row: bool(row["model_info"].get("db_model")),
}


def _sort(found: list[dict[str, Any]], order: str, way: str) -> None:
    for name, value, known in (("sortBy", order, tuple(_SORTS)), ("sortOrder", way, ("asc", "desc"))):
        if value not in known:
            raise BadRequestError(f"{name!r} must be one of {', '.join(known)}", param=name)
    found.sort(key=_SORTS[order], reverse=way == "desc")


async def groups(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/model_group/info: a row for each public name that the caller may use, what its deployments can together."""
    snapshot = gateway.snapshot
    wanted = fields.query(request, "model_group").get("model_group")
    by_name: dict[str, list[Deployment]] = {}
    for name, deployment in snapshot.rows:
        if all(allow.admits(name) for _, allow in caller.allows):
            by_name.setdefault(name, []).append(deployment)
    if wanted is not None and wanted not in by_name:
        caller.admit(wanted)
        raise unknown_model(wanted, list(by_name))
    shown = [_group(name, own) for name, own in by_name.items() if wanted in (None, name)]
    return exact({"data": shown})


def _group(name: str, deployments: Sequence[Deployment]) -> dict[str, Any]:
    facts = [{**one.facts, **one.params} for one in deployments]
    limits = {key: _most(row.get(key) for row in facts) for key in (*_LARGEST, *_DEAREST)}
    rates = {key: sum(row.get(key) or 0 for row in facts) or None for key in _SUMMED}
    able = {key: any(row.get(key) is True for row in facts) for key in _ABILITIES}
    known = [set(supported(one.provider, one.model)) for one in deployments]
    return {
        "model_group": name,
        "providers": list(dict.fromkeys(one.provider.id for one in deployments)),
        "mode": next((row["mode"] for row in facts if row.get("mode")), None),
        **limits,
        **rates,
        **able,
        "supported_openai_params": sorted(set.intersection(*known)),
    }


def _most(values: Iterable[Any]) -> Any:
    return max((value for value in values if value is not None), default=None)


async def supported_params(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/utils/supported_openai_params of a group here, or of a `provider/model`."""
    name = _model_of(request)
    caller.admit(name)
    try:
        deployment = gateway.snapshot.lookup(name).deployments[0]
        row, model = deployment.provider, deployment.model
    except HeadgateError:
        row, model = resolve(name)
    return JSONResponse({"supported_openai_params": supported(row, model)})


async def facts(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/utils/model_info: what the catalog knows of a model, whether it is served here or not."""
    name = _model_of(request, "custom_llm_provider")
    row = gateway.snapshot.catalog.find(name, request.query_params.get("custom_llm_provider"))
    if row is None:
        raise NotFoundError(f"the catalog does not know the model {name!r}", param="model", code="404")
    return exact(row)


def _model_of(request: Request, *more: str) -> str:
    asked = fields.query(request, "model", *more)
    fields.required(asked, "model")
    return asked["model"]
