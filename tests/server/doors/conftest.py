"""Two gateways, one behind each door, on which nothing may fail unseen."""

import logging
from collections.abc import Iterator

import pytest

from rawhttp import both_doors
from servers import RunningGateway, Upstream, an_upstream

upstream = an_upstream("module")


@pytest.fixture(scope="module")
def doors(
    upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, RunningGateway]]:
    with both_doors(upstream, tmp_path_factory.mktemp("doors")) as gateways:
        yield gateways


@pytest.fixture(params=["lane", "asgi"])
def gateway(doors: dict[str, RunningGateway], request: pytest.FixtureRequest) -> RunningGateway:
    return doors[request.param]


@pytest.fixture
def fast(doors: dict[str, RunningGateway]) -> RunningGateway:
    """The express lane alone, for what another server under the ASGI door would hold itself."""
    return doors["lane"]


@pytest.fixture(autouse=True)
def nothing_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No exception of ours is left to the event loop or to uvicorn."""
    yield
    wrong = [r for r in caplog.get_records("call") if r.levelno >= logging.ERROR]
    assert not wrong, [record.getMessage() for record in wrong]
