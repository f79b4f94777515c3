"""What a gateway does besides answering, and how that ends."""

import asyncio
from pathlib import Path

import pytest

from headgate.server import background
from headgate.server.app import build
from headgate.server.background import Background
from headgate.server.config.load import load

CONFIG = """
model_list:
  - {model_name: m, litellm_params: {model: mock/echo}}
general_settings: {background_health_checks: true, health_check_interval: 1}
"""


async def test_it_ends_though_a_library_loses_the_cancellation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    gateway = build(load(str(tmp_path / "config.yaml"), {}), {})
    asked, cancelled = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if cancelled.is_set():
                raise
            cancelled.set()

    monkeypatch.setattr(background, "HEALTH_SECONDS", 0)
    monkeypatch.setattr(gateway.health, "watch", stubborn)
    works = Background(gateway)
    works.start()
    async with asyncio.timeout(20):
        await asked.wait()
        await works.close()
    assert cancelled.is_set()
