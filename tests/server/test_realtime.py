"""Realtime connections through us: frames unchanged, answers booked one by one, ends passed on."""

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
from websockets.sync.server import ServerConnection

from servers import KEY, RunningGateway, running
from sockets import (
    COST,
    CREATE,
    SOUND_OUT,
    USAGE,
    Provider,
    closed,
    config,
    handshake,
    open_,
    refusal,
    rows,
    say,
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
        connection.socket.shutdown(socket.SHUT_RDWR)

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
    path = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    with open_(gateway, path) as client:
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
