"""What a realtime connection is refused for, before the upgrade and while it runs."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.server import ServerConnection

from headgate.server.app import App
from servers import RunningGateway, running
from sockets import (
    ADMIN,
    COST,
    CREATE,
    Provider,
    closed,
    config,
    handshake,
    key_of,
    open_,
    refusal,
    rows,
    take,
)


@pytest.fixture(name="provider")
def fixture_provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture(name="gateway")
def fixture_gateway(provider: Provider, tmp_path: Any) -> Iterator[RunningGateway]:
    with running(config(provider.base + "/v1"), tmp_path) as served:
        yield served


# limits


def test_a_budget_that_is_used_up_ends_the_connection(gateway: RunningGateway, provider: Provider) -> None:
    """The hold is what an answer may cost: 200 tokens of output, and what it reads."""
    key = key_of(gateway, max_budget=0.1)
    create = json.dumps({"type": "response.create", "response": {"max_output_tokens": 200}})
    with open_(gateway, key=key) as client:
        made = 0
        try:
            while True:
                client.send(create)
                while (event := json.loads(client.recv(timeout=5)))["type"] not in ("response.done", "error"):
                    pass
                if event["type"] == "error":
                    break
                made += 1
        except ConnectionClosed:
            pytest.fail("the error must come before the end")
        _, code, reason = closed(client)
    assert made >= 5
    assert event["error"]["code"] == "budget_exceeded"
    assert "this key" in event["error"]["message"]
    assert (code, reason[:24]) == (1008, "Budget has been exceeded")
    data = rows(gateway, made + 1)
    assert sum(row["spend"] for row in data) == pytest.approx(made * COST)
    assert sum(row["spend"] for row in data) <= 0.1


def test_an_answer_that_nobody_asked_for_is_cancelled_when_the_budget_is_used_up(
    gateway: RunningGateway, provider: Provider
) -> None:
    def talk(connection: ServerConnection) -> None:
        id_ = provider.begin(connection)
        provider.frames.append(connection.recv())
        provider.end(connection, id_, "cancelled")
        connection.recv()

    provider.talk = talk
    key = key_of(gateway, max_budget=0.02)
    with open_(gateway, key=key) as client:
        events, code, _ = closed(client)
    assert [event["type"] for event in events] == ["error"]
    assert (events[0]["error"]["code"], code) == ("budget_exceeded", 1008)
    assert json.loads(provider.frames[0])["type"] == "response.cancel"
    row = rows(gateway, 1)[0]
    assert (row["status"], row["spend"]) == ("failure", pytest.approx(COST))


def test_a_budget_holds_for_all_connections_together(gateway: RunningGateway, provider: Provider) -> None:
    key = key_of(gateway, max_budget=0.12)
    create = json.dumps({"type": "response.create", "response": {"max_output_tokens": 200}})
    made: list[int] = []

    def talk() -> None:
        with open_(gateway, key=key) as client:
            try:
                while True:
                    client.send(create)
                    take(client, "response.done")
                    made.append(1)
            except ConnectionClosed as end:
                assert end.rcvd is not None
                assert end.rcvd.code == 1008

    threads = [threading.Thread(target=talk) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    data = rows(gateway, len(made) + 4)
    assert len(made) >= 4
    assert sum(row["spend"] for row in data) == pytest.approx(len(made) * COST)
    assert sum(row["spend"] for row in data) <= 0.12


def test_a_rate_that_is_used_up_ends_the_connection(gateway: RunningGateway, provider: Provider) -> None:
    key = key_of(gateway, rpm_limit=3)  # the connection, and two answers
    with open_(gateway, key=key) as client:
        for _ in range(2):
            client.send(CREATE)
            take(client, "response.done")
        client.send(json.dumps({"type": "response.create", "event_id": "mine"}))
        events, code, _ = closed(client)
    assert events[-1]["error"]["code"] == "rate_limit_exceeded"
    assert events[-1]["error"]["event_id"] == "mine"
    assert "3 requests per minute" in events[-1]["error"]["message"]
    assert code == 1008
    assert provider.frames == [CREATE, CREATE]


@pytest.mark.parametrize("change", ["block", "delete", "expire", "model"])
def test_a_key_that_is_no_longer_good_ends_the_connection(
    gateway: RunningGateway, provider: Provider, change: str
) -> None:
    key = key_of(gateway)
    with open_(gateway, key=key) as client:
        take(client, "session.created")
        path, body = {
            "block": ("/key/block", {"key": key}),
            "delete": ("/key/delete", {"keys": [key]}),
            "expire": ("/key/update", {"key": key, "duration": "1s"}),
            "model": ("/key/update", {"key": key, "models": ["other"]}),
        }[change]
        assert gateway.request(path, body, ADMIN)[0] == 200
        events, code, _ = closed(client)
    assert events[-1]["type"] == "error"
    assert code == 1008
    assert key not in json.dumps(events)


def test_a_connection_is_one_of_the_calls_in_flight(gateway: RunningGateway, provider: Provider) -> None:
    key = key_of(gateway, max_parallel_requests=1)
    with open_(gateway, key=key) as client:
        client.send(CREATE)  # its answers are within it
        take(client, "response.done")
        status, error = refusal(gateway, key=key)
        assert (status, error["code"]) == (429, "rate_limit_exceeded")
    until = time.monotonic() + 5
    while True:  # until the first one's end has been seen
        try:
            with open_(gateway, key=key):
                break
        except InvalidStatus:
            assert time.monotonic() < until


# refusals before the upgrade


def test_refusals_before_the_upgrade_have_a_body(gateway: RunningGateway, provider: Provider) -> None:
    limited = key_of(gateway, models=["other"])
    blocked = key_of(gateway)
    gateway.request("/key/block", {"key": blocked}, ADMIN)
    assert refusal(gateway, key="")[0] == 401
    assert refusal(gateway, key="sk-wrong")[0] == 401
    assert refusal(gateway, key=blocked)[0] == 401
    status, error = refusal(gateway, key=limited)
    assert (status, error["type"]) == (403, "key_model_access_denied")
    assert refusal(gateway, "/v1/realtime")[0] == 400
    status, error = refusal(gateway, "/v1/realtime?model=voices")
    assert status == 404
    assert "voice" in error["message"]
    assert provider.requests == []
    assert {row["status"] for row in rows(gateway, 6)} == {"failure"}


def test_keys_for_some_routes(gateway: RunningGateway, provider: Provider) -> None:
    with open_(gateway, "/realtime?model=voice", key=key_of(gateway, allowed_routes=["llm_api_routes"])):
        pass
    status, error = refusal(gateway, key=key_of(gateway, allowed_routes=["/v1/chat/completions"]))
    assert (status, error["message"][:31]) == (403, "this key is not for /v1/realtim")


def test_a_rate_that_is_used_up_refuses_connections(gateway: RunningGateway, provider: Provider) -> None:
    key = key_of(gateway, rpm_limit=1)
    with open_(gateway, key=key):
        pass
    assert refusal(gateway, key=key)[0] == 429
    assert refusal(gateway, key=key_of(gateway, max_budget=0))[0] == 422


def test_a_page_of_another_site_needs_a_key(provider: Provider, tmp_path: Any) -> None:
    without = config(provider.base + "/v1")
    del without["general_settings"]
    with running(without, tmp_path) as gateway:
        assert refusal(gateway, key="", origin="https://elsewhere.example")[0] == 403
        with open_(gateway, key="", origin=f"http://127.0.0.1:{gateway.port}") as client:
            take(client, "session.created")


def test_what_the_provider_says_to_the_handshake_is_told(gateway: RunningGateway, provider: Provider) -> None:
    body = json.dumps({"error": {"message": "no such model for sk-upstream-secret", "code": "gone"}})
    provider.refuse = lambda connection, request: connection.respond(404, body)
    status, error = refusal(gateway)
    assert status == 404
    assert "no such model" in error["message"]
    assert "sk-upstream-secret" not in json.dumps(error)


def test_the_next_deployment_is_dialled_when_one_fails(provider: Provider, tmp_path: Any) -> None:
    other = Provider()
    other.refuse = lambda connection, request: connection.respond(503, "down")
    try:
        with running(
            config(other.base + "/v1", "http://127.0.0.1:9/v1", provider.base + "/v1"), tmp_path
        ) as gateway:
            for _ in range(6):
                with open_(gateway) as client:
                    take(client, "session.created")
        assert len(provider.requests) == 6
    finally:
        other.stop()


class Stale:
    """A credential whose token is refused once."""

    secrets = ("token-1", "token-2")

    def __init__(self) -> None:
        self.made = 0

    def ready(self, now: float) -> bool:
        return self.made > 0

    async def renew(self, fetch: Any, now: float) -> None:
        self.made = 2 if self.made else 1

    def sign(self, request: Any, now: float) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer token-{self.made}")]

    def refused(self, told: Any, lines: Any, now: float) -> bool:
        self.made = 2
        return True


def test_a_token_that_has_expired_is_renewed(gateway: RunningGateway, provider: Provider) -> None:
    deployment = gateway.gateway.snapshot.groups["voice"].deployments[0]
    deployment.credential, deployment.auth_headers = Stale(), []

    def check(connection: ServerConnection, request: Any) -> Any:
        good = request.headers["authorization"] == "Bearer token-2"
        return None if good else connection.respond(401, "expired")

    provider.refuse = check
    with open_(gateway) as client:
        take(client, "session.created")
    assert len(provider.requests) == 2


def test_redirects_are_not_followed(gateway: RunningGateway, provider: Provider) -> None:
    other = Provider()

    def redirect(connection: ServerConnection, request: Any) -> Any:
        answer = connection.respond(302, "")
        answer.headers["Location"] = f"ws://127.0.0.1:{other.port}/"
        return answer

    provider.refuse = redirect
    try:
        assert refusal(gateway)[0] >= 400
        assert other.requests == []
    finally:
        other.stop()


async def test_servers_that_can_only_close_refuse_by_closing(gateway: RunningGateway) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/realtime", "query_string": b"model=voice", "headers": []}
    await App(gateway.gateway)(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_a_plain_request_is_told_to_upgrade(gateway: RunningGateway) -> None:
    status, _, body = gateway.request("/v1/realtime?model=voice", None, ADMIN, "GET")
    assert status == 426
    assert b"websocket" in body


def test_other_paths_take_no_websockets(gateway: RunningGateway) -> None:
    with pytest.raises(InvalidStatus) as caught:
        open_(gateway, "/v1/models")
    assert caught.value.response.status_code == 200  # HTTP allows to ignore the offer


@pytest.mark.parametrize(
    ("lines", "status"),
    [("content-length: 3\r\n", 400), (f"x: {'y' * 9_000}\r\n", 431), ("sec-websocket-version: 8\r\n", 400)],
)
def test_malformed_handshakes_get_an_answer(gateway: RunningGateway, lines: str, status: int) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as sock:
        sock.sendall(handshake(lines))
        assert sock.recv(65536).split(b" ")[1] == str(status).encode()
