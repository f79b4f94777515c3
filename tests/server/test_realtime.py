"""Realtime connections through us: frames unchanged, answers booked one by one, limits that end them."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection

from servers import KEY, RunningGateway, running
from sockets import USAGE, Provider, say

ADMIN = {"authorization": f"Bearer {KEY}"}
CREATE = json.dumps({"type": "response.create"})
TEXT_IN, TEXT_OUT, CACHED, SOUND_IN, SOUND_OUT = 4e-6, 16e-6, 4e-7, 32e-6, 64e-6
COST = (119 - 64) * TEXT_IN + 64 * CACHED + 8 * SOUND_IN + 30 * TEXT_OUT + 118 * SOUND_OUT
"""Of USAGE, by gpt-realtime's prices."""


@pytest.fixture(name="provider")
def fixture_provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture(name="gateway")
def fixture_gateway(provider: Provider, tmp_path: Any) -> Iterator[RunningGateway]:
    with running(config(provider.base + "/v1"), tmp_path) as served:
        yield served


def config(*bases: str, **more: Any) -> dict[str, Any]:
    def row(name: str, base: str, **params: Any) -> dict[str, Any]:
        own = {"model": "openai/gpt-realtime", "api_key": "sk-upstream-secret", "api_base": base, **params}
        return {"model_name": name, "litellm_params": own}

    rows = [row("voice", base) for base in bases]
    gemini = row("live", bases[0].removesuffix("/v1"), model="gemini/gemini-live-2.5-flash")
    return {"model_list": [*rows, gemini], "general_settings": {"master_key": KEY, **more}}


def open_(
    gateway: RunningGateway, path: str = "/v1/realtime?model=voice", key: str = KEY, **more: Any
) -> Any:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    headers.update(more.pop("headers", {}))
    return connect(f"ws://127.0.0.1:{gateway.port}{path}", additional_headers=headers, proxy=None, **more)


def key_of(gateway: RunningGateway, **limits: Any) -> str:
    status, _, body = gateway.request("/key/generate", limits, ADMIN)
    assert status == 200, body
    return str(json.loads(body)["key"])


def take(client: ClientConnection, kind: str) -> dict[str, Any]:
    """The next event of this kind."""
    while True:
        event = json.loads(client.recv(timeout=5))
        if event["type"] == kind:
            return dict(event)


def closed(client: ClientConnection) -> tuple[list[dict[str, Any]], int | None, str]:
    """What still comes, and how it ends."""
    events = []
    try:
        while True:
            events.append(json.loads(client.recv(timeout=5)))
    except ConnectionClosed as end:
        return events, end.rcvd.code if end.rcvd else None, end.rcvd.reason if end.rcvd else ""


def rows(gateway: RunningGateway, count: int) -> list[dict[str, Any]]:
    """The ledger, once it has so many rows of this operation; oldest first."""
    until = time.monotonic() + 5
    while True:
        data = json.loads(gateway.request("/spend/logs/v2", None, ADMIN, "GET")[2])["data"]
        found = [row for row in data if row["call_type"] == "realtime"]
        if len(found) >= count or time.monotonic() > until:
            assert len(found) == count, found
            return sorted(found, key=lambda row: row["startTime"])


def refusal(gateway: RunningGateway, *args: Any, **more: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as caught:
        open_(gateway, *args, **more)
    answer = caught.value.response
    return answer.status_code, json.loads(answer.body)["error"]


# frames


def test_frames_go_through_unchanged_both_ways(gateway: RunningGateway, provider: Provider) -> None:
    odd = '{"type" : "conversation.item.create",  "item":{"x": "\\u00e9ß"}}'
    sent: list[str | bytes] = [odd, b"\x00\x01", "no json", "x" * 300_000]

    def echo(connection: ServerConnection) -> None:
        for frame in connection:
            connection.send(frame)

    provider.talk = echo
    with open_(gateway) as client:
        for frame in sent:
            client.send(frame)
            assert client.recv(timeout=5) == frame


@pytest.mark.parametrize(
    "path",
    [
        "/v1/realtime?model=voice",
        "/realtime?model=voice",
        "/openai/realtime?api-version=2025-04-01-preview&deployment=voice",
        "/openai/v1/realtime?model=voice",
    ],
)
def test_every_path_leads_to_the_deployment(gateway: RunningGateway, provider: Provider, path: str) -> None:
    with open_(gateway, path, headers={"OpenAI-Beta": "realtime=v1"}) as client:
        assert take(client, "session.created")["session"]["model"] == "gpt-realtime"
    request = provider.requests[0]
    assert request.path == "/v1/realtime?model=gpt-realtime"
    assert request.headers["authorization"] == "Bearer sk-upstream-secret"
    assert request.headers["openai-beta"] == "realtime=v1"
    assert KEY not in str(request.headers)


def test_a_browser_sends_its_key_as_a_subprotocol(gateway: RunningGateway, provider: Provider) -> None:
    offers: list[Any] = ["realtime", f"openai-insecure-api-key.{KEY}", "openai-beta.realtime-v1"]
    with open_(gateway, key="", subprotocols=offers) as client:
        assert client.subprotocol == "realtime"
        take(client, "session.created")
    assert provider.requests[0].headers["openai-beta"] == "realtime=v1"
    assert "sec-websocket-protocol" not in provider.requests[0].headers


@pytest.mark.parametrize("name", ["api-key", "x-api-key"])
def test_the_key_may_come_in_other_headers(gateway: RunningGateway, provider: Provider, name: str) -> None:
    with open_(gateway, key="", headers={name: KEY}) as client:
        take(client, "session.created")


# answers


def test_each_answer_is_a_row_of_the_ledger(gateway: RunningGateway, provider: Provider) -> None:
    with open_(gateway) as client:
        session = client.response.headers["x-litellm-call-id"]
        for _ in range(3):
            client.send(CREATE)
            take(client, "response.done")
    for row in rows(gateway, 3):
        assert row["spend"] == pytest.approx(COST, rel=1e-12)
        assert (row["prompt_tokens"], row["completion_tokens"]) == (127, 148)
        assert row["session_id"] == session
        assert row["model_group"] == "voice"
        assert row["status"] == "success"
