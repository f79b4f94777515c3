"""What the tests of rows share: deployments of a row, and bodies that went through its quirks."""

import json
from typing import Any

import msgspec
from msgspec import Raw

from headgate.catalog.lookup import Catalog
from headgate.core.deployment import Deployment
from headgate.providers.quirks import plan, run
from headgate.providers.registry import resolve

CATALOG = Catalog()


def deployment(model: str, env: dict[str, str] | None = None, **params: Any) -> Deployment:
    return Deployment("group", {"model": model, **params}, catalog=CATALOG, env=env or {})


def quirked(model: str, body: dict[str, Any], *, drop: bool = False) -> tuple[dict[str, Any], list[str]]:
    row, name = resolve(model)
    envelope = {key: Raw(msgspec.json.encode(value)) for key, value in body.items()}
    dropped = run(plan(row, name), envelope, row, drop)
    return json.loads(msgspec.json.encode(envelope)), dropped


def filling(row: Any) -> dict[str, str]:
    """Variables for the placeholders of a row's address."""
    return {names[0]: "acc" for _, *names in row.base_vars.values()}
