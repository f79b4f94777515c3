"""Realtime connections through us: frames unchanged, answers booked one by one, limits that end them."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from google import genai
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection

from headgate.server.app import App
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


def handshake(lines: str) -> bytes:
    head = "GET /v1/realtime?model=voice HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    return (head + "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + lines + "\r\n").encode()


def rows(gateway: RunningGateway, count: int) -> list[dict[str, Any]]:
    """The ledger, once it has so many rows of this operation; oldest first."""
    until = time.monotonic() + 5
    while True:
        data = json.loads(gateway.request("/spend/logs/v2", None, ADMIN, "GET")[2])["data"]
        found = [row for row in data if row["call_type"] == "realtime"]
        if len(found) >= count or time.monotonic() > until:
            assert len(found) == count, found
            return sorted(found, key=lambda row: row["request_id"])


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


def test_sound_that_is_written_down_is_booked_at_its_own_model(
    gateway: RunningGateway, provider: Provider
) -> None:
    def talk(connection: ServerConnection) -> None:
        listening = {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}
        say(connection, "session.created", session=listening)
        kind = "conversation.item.input_audio_transcription.completed"
        details = {"text_tokens": 0, "audio_tokens": 17}
        usage = {"type": "tokens", "input_tokens": 17, "output_tokens": 9, "input_token_details": details}
        say(connection, kind, item_id="i", transcript="Hey", usage=usage)
        say(connection, "session.updated", session={"input_audio_transcription": {"model": "whisper-1"}})
        say(connection, kind, item_id="j", transcript="Hey", usage={"type": "duration", "seconds": 3.0})
        say(connection, "over")
        connection.recv()

    provider.talk = talk
    with open_(gateway) as client:
        take(client, "over")
        first, second = rows(gateway, 2)
    assert first["spend"] == pytest.approx(17 * 6e-6 + 9 * 1e-5, rel=1e-12)
    assert second["spend"] == pytest.approx(3 * 1e-4, rel=1e-12)
    assert {first["model"], second["model"]} == {"gpt-4o-transcribe", "whisper-1"}


def test_an_answer_that_the_provider_begins_by_itself_is_booked(
    gateway: RunningGateway, provider: Provider
) -> None:
    def talk(connection: ServerConnection) -> None:
        for _ in range(2):
            provider.end(connection, provider.begin(connection))
        connection.recv()

    provider.talk = talk
    with open_(gateway) as client:
        take(client, "response.done")
        take(client, "response.done")
        assert [row["completion_tokens"] for row in rows(gateway, 2)] == [148, 148]


def test_answers_may_overlap(gateway: RunningGateway, provider: Provider) -> None:
    def talk(connection: ServerConnection) -> None:
        connection.recv()
        connection.recv()
        first, second = provider.begin(connection), provider.begin(connection)
        provider.end(connection, second)
        provider.end(connection, first, "cancelled")
        connection.recv()

    provider.talk = talk
    with open_(gateway) as client:
        client.send(CREATE)
        client.send(CREATE)
        take(client, "response.done")
        take(client, "response.done")
        assert all(row["spend"] == pytest.approx(COST) for row in rows(gateway, 2))


def test_an_answer_that_the_provider_refuses_is_a_row_without_cost(
    gateway: RunningGateway, provider: Provider
) -> None:
    def talk(connection: ServerConnection) -> None:
        own = json.loads(connection.recv())["event_id"]
        error = {"type": "invalid_request_error", "message": "busy with sk-upstream-secret", "event_id": own}
        say(connection, "error", error=error)
        connection.recv()

    provider.talk = talk
    with open_(gateway) as client:
        client.send(json.dumps({"type": "response.create", "event_id": "mine"}))
        take(client, "error")
        row = rows(gateway, 1)[0]
    assert (row["spend"], row["status"], row["completion_tokens"]) == (0, "failure", 0)
    assert "sk-upstream-secret" not in json.dumps(row)


def test_an_answer_that_fails_is_booked_with_what_it_used(
    gateway: RunningGateway, provider: Provider
) -> None:
    def talk(connection: ServerConnection) -> None:
        id_ = provider.begin(connection)
        details = {"type": "failed", "error": {"code": "server_error", "message": "out of voices"}}
        own = {"id": id_, "status": "failed", "status_details": details, "usage": USAGE}
        say(connection, "response.done", response=own)
        connection.recv()

    provider.talk = talk
    with open_(gateway) as client:
        take(client, "response.done")
        row = rows(gateway, 1)[0]
    assert (row["status"], row["spend"]) == ("failure", pytest.approx(COST))


def test_a_client_that_goes_ends_its_answer_and_pays_for_it(
    gateway: RunningGateway, provider: Provider
) -> None:
    def talk(connection: ServerConnection) -> None:
        connection.recv()
        id_ = provider.begin(connection)
        provider.frames.append(connection.recv())
        provider.end(connection, id_, "cancelled")
        connection.recv()

    provider.talk = talk
    with open_(gateway) as client:
        client.send(CREATE)
        take(client, "response.created")
        client.close(4001, "enough")
    row = rows(gateway, 1)[0]
    assert row["spend"] == pytest.approx(COST)
    assert json.loads(provider.frames[0]) == {"type": "response.cancel", "response_id": "resp_1"}
    assert provider.ended.wait(5)
    assert provider.closes == [(4001, "enough")]


def test_who_pays_is_told_by_headers(gateway: RunningGateway, provider: Provider) -> None:
    told = {"x-litellm-session-id": "s", "x-litellm-customer-id": "c", "x-litellm-tags": "a,b"}
    with open_(gateway, headers=told) as client:
        client.send(CREATE)
        take(client, "response.done")
    row = rows(gateway, 1)[0]
    assert (row["session_id"], row["end_user"], row["request_tags"]) == ("s", "c", ["a", "b"])


def test_an_answer_whose_usage_is_not_told_is_estimated(gateway: RunningGateway, provider: Provider) -> None:
    provider.usage = None
    with open_(gateway) as client:
        client.send(CREATE)
        take(client, "response.done")
    row = rows(gateway, 1)[0]
    assert row["completion_tokens"] == 2
    assert row["spend"] > 2 * SOUND_OUT


# how it ends


def test_the_providers_code_and_reason_reach_the_client(gateway: RunningGateway, provider: Provider) -> None:
    provider.talk = lambda connection: connection.close(4000, "session of sk-upstream-secret expired")
    with open_(gateway) as client:
        assert closed(client) == ([], 4000, "session of *** expired")


def test_a_provider_that_dies_is_told_and_what_ran_is_estimated(
    gateway: RunningGateway, provider: Provider
) -> None:
    def talk(connection: ServerConnection) -> None:
        connection.recv()
        provider.begin(connection)
        connection.socket.close()

    provider.talk = talk
    with open_(gateway) as client:
        client.send(CREATE)
        events, code, _ = closed(client)
    assert (events[-1]["type"], events[-1]["error"]["code"], code) == (
        "error",
        "upstream_connection_lost",
        1011,
    )
    row = rows(gateway, 1)[0]
    assert row["status"] == "failure"
    assert row["completion_tokens"] == 2  # 100 ms of sound
    assert row["spend"] > 2 * SOUND_OUT


def test_frames_over_the_limit_end_the_connection(gateway: RunningGateway, provider: Provider) -> None:
    with open_(gateway, max_size=None) as client:
        take(client, "session.created")
        client.send("x" * (16 * 1024 * 1024 + 1))
        assert closed(client)[1] == 1009
    assert provider.ended.wait(5)
    assert provider.frames == []


def test_bytes_that_are_no_frames_end_the_connection(
    gateway: RunningGateway, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as sock:
        sock.sendall(handshake(f"authorization: Bearer {KEY}\r\nsec-websocket-version: 13\r\n"))
        got = b""
        while b"session.created" not in got:
            got += sock.recv(65536)
        sock.sendall(b"\xff\xff\xff\xff")
        got = b""
        while piece := sock.recv(65536):
            got += piece
    assert got[0] == 0x88  # a closing frame
    assert int.from_bytes(got[2:4], "big") == 1002
    assert provider.ended.wait(5)
    assert caplog.text == ""


def test_a_provider_that_sends_no_frames_is_a_broken_connection(
    gateway: RunningGateway, provider: Provider
) -> None:
    provider.talk = lambda connection: connection.socket.sendall(b"\xff\xff\xff\xff") or connection.recv()
    with open_(gateway) as client:
        events, code, _ = closed(client)
    assert (events[0]["error"]["code"], code) == ("upstream_connection_lost", 1011)


def test_a_text_that_is_no_utf8_ends_the_connection(gateway: RunningGateway, provider: Provider) -> None:
    with open_(gateway) as client:
        take(client, "session.created")
        client.send(b"\xff\xfe", text=True)
        assert closed(client)[1] == 1007


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
        began = time.monotonic()
        path, body = {
            "block": ("/key/block", {"key": key}),
            "delete": ("/key/delete", {"keys": [key]}),
            "expire": ("/key/update", {"key": key, "duration": "1s"}),
            "model": ("/key/update", {"key": key, "models": ["other"]}),
        }[change]
        assert gateway.request(path, body, ADMIN)[0] == 200
        events, code, _ = closed(client)
    assert time.monotonic() - began < 4
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


# other formats, other clients


def test_gemini_live_is_relayed_and_booked(gateway: RunningGateway, provider: Provider) -> None:
    usage = {
        "promptTokenCount": 100,
        "responseTokenCount": 50,
        "totalTokenCount": 150,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 60},
            {"modality": "AUDIO", "tokenCount": 40},
        ],
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 50}],
    }

    def talk(connection: ServerConnection) -> None:
        provider.frames.append(connection.recv())
        connection.send(b'{"setupComplete": {}}')
        for _ in range(2):
            provider.frames.append(connection.recv())
            connection.send(b'{"serverContent": {"modelTurn": {"parts": [{"text": "Hi"}]}}}')
            end = {"serverContent": {"turnComplete": True}, "usageMetadata": usage}
            connection.send(json.dumps(end).encode())
        connection.recv()

    provider.talk = talk
    turn = json.dumps({"clientContent": {"turns": [{"parts": [{"text": "Hi"}]}], "turnComplete": True}})
    with open_(gateway, "/v1/realtime?model=live") as client:
        client.send('{"setup": {"model": "models/live", "generationConfig": {"maxOutputTokens": 99}}}')
        assert client.recv(timeout=5) == b'{"setupComplete": {}}'
        for _ in range(2):
            client.send(turn)
            assert b"modelTurn" in client.recv(timeout=5)
            assert b"turnComplete" in client.recv(timeout=5)
        data = rows(gateway, 2)
    assert all(row["spend"] == pytest.approx(60 * 5e-7 + 40 * 3e-6 + 50 * 1.2e-5) for row in data)
    request = provider.requests[0]
    assert request.path == "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    assert request.headers["x-goog-api-key"] == "sk-upstream-secret"
    assert json.loads(provider.frames[0])["setup"]["model"] == "models/gemini-live-2.5-flash"
    assert provider.frames[1:] == [turn, turn]


async def test_the_openai_sdk_talks_to_it(gateway: RunningGateway, provider: Provider) -> None:
    client = openai.AsyncOpenAI(api_key=KEY, base_url=f"http://127.0.0.1:{gateway.port}/v1")
    async with client, client.realtime.connect(model="voice") as connection:
        assert (await connection.recv()).type == "session.created"
        await connection.session.update(session={"type": "realtime", "model": "voice"})
        assert (await connection.recv()).type == "session.updated"
        await connection.response.create()
        kinds = []
        async for event in connection:
            kinds.append(event.type)
            if event.type == "response.done":
                break
    assert kinds[0] == "response.created"
    assert event.response.usage is not None
    assert event.response.usage.output_tokens == 148
    assert json.loads(provider.frames[0])["session"]["model"] == "gpt-realtime"
    assert rows(gateway, 1)[0]["spend"] == pytest.approx(COST)


async def test_googles_sdk_talks_to_it(
    gateway: RunningGateway, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def talk(connection: ServerConnection) -> None:
        provider.frames.append(connection.recv())
        connection.send(b'{"setupComplete": {}}')
        provider.frames.append(connection.recv())
        connection.send(b'{"serverContent": {"modelTurn": {"parts": [{"text": "Hi"}]}}}')
        usage = {"promptTokenCount": 10, "responseTokenCount": 5, "totalTokenCount": 15}
        connection.send(
            json.dumps({"serverContent": {"turnComplete": True}, "usageMetadata": usage}).encode()
        )
        connection.recv()

    provider.talk = talk
    base = f"ws://127.0.0.1:{gateway.port}"
    client = genai.Client(api_key=KEY)
    monkeypatch.setattr(client._api_client, "_websocket_base_url", lambda options: base)

    def plain(uri: str, **options: Any) -> Any:  # it knows TLS only
        return connect_async(uri, **{**options, "ssl": None, "proxy": None})

    monkeypatch.setattr("google.genai.live.ws_connect", plain)
    said = ""
    async with client.aio.live.connect(model="live", config={"response_modalities": ["TEXT"]}) as session:
        await session.send_client_content(turns={"parts": [{"text": "Hi"}]})
        async for message in session.receive():
            said += message.text or ""
    assert said == "Hi"
    assert json.loads(provider.frames[0])["setup"]["model"] == "models/gemini-live-2.5-flash"
    assert rows(gateway, 1)[0]["spend"] == pytest.approx(10 * 5e-7 + 5 * 2e-6)


@pytest.mark.parametrize(
    ("first", "code", "word"),
    [
        ('{"setup": {"model": "models/nobody"}}', "model_not_found", "nobody"),
        ('{"setup": {}}', "400", "must name the model"),
        ("no json", "400", "must name the model"),
    ],
)
def test_a_first_frame_that_leads_nowhere(gateway: RunningGateway, first: str, code: str, word: str) -> None:
    path = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    with open_(gateway, f"{path}?key={KEY}", key="") as client:
        client.send(first)
        events, closing, reason = closed(client)
    assert events[0]["error"]["code"] == code
    assert word in events[0]["error"]["message"]
    assert (closing, reason) == (1008, events[0]["error"]["message"].encode()[:123].decode())
    assert refusal(gateway, f"{path}?key=wrong", key="")[0] == 401


def test_a_connection_that_is_billed_by_its_time(provider: Provider, tmp_path: Any) -> None:
    params = {"model": "xai/grok-voice-latest", "api_key": "k", "api_base": provider.base + "/v1"}
    timed = {**config(provider.base), "model_list": [{"model_name": "voice", "litellm_params": params}]}
    with running(timed, tmp_path) as gateway:
        began = time.monotonic()
        with open_(gateway) as client:
            take(client, "session.created")
        row = rows(gateway, 1)[0]
        assert 0 < row["spend"] <= (time.monotonic() - began) * 0.08 / 60
    assert provider.requests[0].path == "/v1/realtime?model=grok-voice-latest"


# the process


@pytest.mark.parametrize("busy", [True, False])
def test_a_process_that_ends_lets_answers_end_first(provider: Provider, tmp_path: Any, busy: bool) -> None:
    go_on = threading.Event()

    def talk(connection: ServerConnection) -> None:
        say(connection, "session.created", session={})
        if busy:
            id_ = provider.begin(connection)
            go_on.wait(5)
            provider.end(connection, id_)
        connection.recv()

    provider.talk = talk
    served = running(config(provider.base + "/v1"), tmp_path)
    gateway = served.__enter__()
    with open_(gateway) as client:
        take(client, "response.output_audio.delta" if busy else "session.created")
        ending = threading.Thread(target=served.__exit__, args=(None, None, None))
        ending.start()
        until = time.monotonic() + 5
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", gateway.port)).close()
            except OSError:
                break
        go_on.set()
        events, code, reason = closed(client)
    ending.join(10)
    assert [event["type"] for event in events] == (["response.done"] if busy else [])
    assert (code, reason) == (1012, "the gateway restarts: connect again")


def test_without_the_package_it_says_what_is_missing(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.server.app.find_spec", lambda name: None)
    status, error = refusal(gateway)
    assert status == 501
    assert "pip install 'headgate[realtime]'" in error["message"]


def test_the_package_is_not_loaded_before_it_is_needed(tmp_path: Any) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("model_list: []")
    program = """
import sys
from headgate.server.app import App, build
from headgate.server.config.load import load
from headgate.server.lane import lane_for
lane_for(App(build(load(sys.argv[1], {}), {})))
print([name for name in sys.modules if name.startswith(("websockets", "headgate.server.sockets"))])
"""
    done = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_a_client_that_does_not_read_slows_the_provider_down(
    gateway: RunningGateway, provider: Provider
) -> None:
    sent, moved, most = [0], threading.Event(), 400
    piece = "x" * 1_000_000

    def talk(connection: ServerConnection) -> None:
        while sent[0] < most:
            connection.send(piece)
            sent[0] += 1
            moved.set()

    provider.talk = talk
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as sock:
        sock.sendall(handshake(f"authorization: Bearer {KEY}\r\nsec-websocket-version: 13\r\n"))
        while moved.wait(1.0):
            moved.clear()
        assert 0 < sent[0] < most
    assert provider.ended.wait(5)  # a client that goes without reading is no reason to stay
