"""Where each row has files, batches and fine-tuning jobs."""

from typing import Any

import pytest

from headgate.catalog.lookup import Catalog
from headgate.core.deployment import Deployment
from headgate.errors import NotFoundError
from headgate.providers.rows import ROWS

CATALOG = Catalog()
AZURE = "https://r.openai.azure.com"
VERSION = "2025-01-01"


def deployment(model: str, **params: Any) -> Deployment:
    return Deployment("group", {"model": model, "api_key": "k", **params}, catalog=CATALOG, env={})


@pytest.mark.parametrize(
    ("model", "params", "root", "query"),
    [
        ("openai/x", {}, "https://api.openai.com/v1", ""),
        ("openai/x", {"api_base": "http://h/v1"}, "http://h/v1", ""),
        ("azure/x", {"api_base": AZURE, "api_version": VERSION}, f"{AZURE}/openai", VERSION),
        (
            "azure/x",
            {"api_base": f"{AZURE}/openai/deployments/x", "api_version": VERSION},
            f"{AZURE}/openai",
            VERSION,
        ),
        ("azure/x", {"api_base": f"{AZURE}/openai/v1", "api_version": VERSION}, f"{AZURE}/openai/v1", ""),
        ("azure/x", {"api_base": AZURE, "api_version": "v1"}, f"{AZURE}/openai/v1", ""),
        ("azure/x", {"api_base": AZURE, "api_version": "preview"}, f"{AZURE}/openai/v1", "preview"),
    ],
)
@pytest.mark.parametrize(
    ("operation", "path"),
    [("files", "files"), ("batches", "batches"), ("fine_tuning", "fine_tuning/jobs")],
)
def test_openais_pages(
    model: str, params: dict[str, Any], root: str, query: str, operation: str, path: str
) -> None:
    url = f"{root}/{path}" + (f"?api-version={query}" if query else "")
    assert deployment(model, **params).route(operation, False).url == url


def test_anthropic_has_batches_and_no_files() -> None:
    found = deployment("anthropic/claude-x")
    assert found.route("batches", False).url == "https://api.anthropic.com/v1/messages/batches"
    assert found.route("batches", False).dialect.name == "anthropic"
    with pytest.raises(NotFoundError):
        found.route("files", False)


@pytest.mark.parametrize("row", [row for row in ROWS if "batches" in row.paths], ids=lambda row: row.id)
def test_who_has_batches_has_a_price_for_them(row: Any) -> None:
    assert row.batch_price == "0.5"
    assert row.lacks == ""
