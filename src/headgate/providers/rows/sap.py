"""SAP AI Core's generative AI hub. https://help.sap.com/docs/sap-ai-core/generative-ai

`sap/gpt-4o` is asked by the orchestration service, whose deployment is named by `sap_deployment_id` or by an
`api_base` that is its URL, or else looked up: the first that runs in the resource group.
`sap/deployment/<id>` is a deployment of a model of its own that speaks OpenAI's chat.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct, convert
from msgspec.structs import replace

from headgate.errors import BadRequestError
from headgate.providers.base import Auth, Locate, Provider, Site, Variant

_OWN: Final = "deployment/"
_ID: Final = ("sap_deployment_id", "AICORE_DEPLOYMENT_ID")
_DEPLOYMENTS: Final = "/v2/inference/deployments/"
_NAME: Final = "SAP AI Core"


def _address(params: Mapping[str, Any], env: Mapping[str, str]) -> str:
    """Of the API, without the version that it ends with."""
    from headgate.providers.auth import oauth  # only who calls SAP needs it
    from headgate.providers.auth.base import Surroundings

    around = Surroundings(params=params, env=env, read=lambda path: Path(path).read_bytes(), provider=_NAME)
    base = oauth.found(ROW.credential.partition(":")[2], around)["base"].rstrip("/").removesuffix("/v2")
    if not base:
        raise BadRequestError(
            f"{_NAME}'s address is in the service key: set AICORE_SERVICE_KEY or AICORE_BASE_URL, or give api_base",
            llm_provider=ROW.id,
            param="api_base",
        )
    return base


def _base(path: str, params: Mapping[str, Any], env: Mapping[str, str]) -> str:
    base = _address(params, env)
    if path:
        return base
    named = str(params.get(_ID[0]) or env.get(_ID[1]) or "")
    return base + _DEPLOYMENTS + quote(named, safe="") if named else ""


class _Running(Struct):
    id: str


class _Listed(Struct):
    resources: list[_Running]


def _found(document: Any) -> str:
    """https://help.sap.com/docs/sap-ai-core/generative-ai/get-your-orchestration-deployment-url"""
    running = convert(document, _Listed).resources
    return _DEPLOYMENTS + quote(running[0].id, safe="") if running else ""


LOCATE: Final = Locate(
    path="/v2/lm/deployments?scenarioId=orchestration&status=RUNNING",
    read=_found,
    missing=f"has no orchestration deployment that runs in this resource group: make one, or set {_ID[0]} "
    f"({_ID[1]} in the environment) or resource_group (AICORE_RESOURCE_GROUP)",
)


def _path(site: Site) -> str:
    """Of an `api_base`: the deployment's URL is wanted."""
    if site.base.startswith("http") and not re.search(r"/deployments/[^/]+", site.base):
        raise BadRequestError(
            f"api_base is not the URL of a deployment: expected https://…{_DEPLOYMENTS}<id>",
            llm_provider=site.provider.id,
            param="api_base",
        )
    return site.provider.paths[site.operation]


def _own_path(site: Site) -> str:
    path = site.provider.paths[site.operation] + f"?api-version={site.api_version}"
    return path if "/deployments/" in site.base else f"{_DEPLOYMENTS}{quote(site.model, safe='')}{path}"


ROW = Provider(
    id="sap",
    name=_NAME,
    dialect="sap_orchestration",
    embeddings="sap_embeddings",
    base_of=_base,
    locate=LOCATE,
    auth=Auth(optional=True),
    credential="oauth:sap",
    paths={"chat": "/v2/completion", "embeddings": "/v2/embeddings"},
    path_of=_path,
    stream_usage="always",
)
OWN = replace(
    ROW,
    dialect="openai_chat",
    embeddings="openai_embeddings",
    base_of=lambda path, params, env: _address(params, env),
    locate=None,
    paths={"chat": "/chat/completions", "embeddings": "/embeddings"},
    path_of=_own_path,
    api_version="2024-10-21",
    body_model=False,
    stream_usage="ask",
)
ROW = replace(ROW, variants=(Variant(match=_OWN, cut=_OWN, row=OWN),))
