"""Clients that speak OpenAI's realtime events to models of Google's Live API, on real sockets: a provider that plays
the documented frames."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google import genai
from websockets.asyncio.client import connect as connect_async
from websockets.sync.server import ServerConnection

from desk import Desk
from servers import KEY, RunningGateway, running
from sockets import CREATE, Provider, closed, config, key_of, open_, rows, say, take

SOUND = base64.b64encode(b"\x00\x01" * 2_400).decode()
USAGE = {
    "promptTokenCount": 100,
    "responseTokenCount": 50,
    "totalTokenCount": 150,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 60}, {"modality": "AUDIO", "tokenCount": 40}],
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 50}],
}
COST = 60 * 5e-7 + 40 * 3e-6 + 50 * 1.2e-5
"""Of USAGE, by the prices of gemini-live-2.5-flash."""
PATH = "/v1/realtime?model=live"


class Live(Provider):
    """Plays Google's side: `told` are the client's frames."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[dict[str, Any]] = []

    def answer(self, connection: ServerConnection) -> None:
        """Each finished turn and each result of a function is answered with sound."""
        for frame in connection:
            self.told.append(json.loads(frame))
            (kind, content), *_ = self.told[-1].items()
            if kind == "setup":
                tell(connection, setupComplete={})
            elif kind == "toolResponse" or (kind == "clientContent" and content["turnComplete"]):
                self.speak(connection)

    def speak(self, connection: ServerConnection) -> None:
        data = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": SOUND}}
        tell(connection, serverContent={"modelTurn": {"parts": [data]}})
        tell(connection, serverContent={"outputTranscription": {"text": "Hello"}})
        tell(connection, serverContent={"turnComplete": True}, usageMetadata=USAGE)


def tell(connection: ServerConnection, **frame: Any) -> None:
    connection.send(json.dumps(frame).encode())  # Google sends text as binary frames


@pytest.fixture(name="provider")
def fixture_provider() -> Iterator[Live]:
    provider = Live()
    yield provider
    provider.stop()


@pytest.fixture(name="gateway")
def fixture_gateway(provider: Live, tmp_path: Any) -> Iterator[RunningGateway]:
    with running(config(provider.base + "/v1"), tmp_path) as served:
        yield served


async def test_the_openai_sdk_talks_to_a_gemini_model(gateway: RunningGateway, provider: Live) -> None:
    client = openai.AsyncOpenAI(api_key=KEY, base_url=f"http://127.0.0.1:{gateway.port}/v1")
    sound, words = "", ""
    async with client, client.realtime.connect(model="live") as connection:
        assert (await connection.recv()).type == "session.created"
        await connection.session.update(
            session={"type": "realtime", "instructions": "Be brief", "audio": {"output": {"voice": "alloy"}}}
        )
        updated = await connection.recv()
        assert updated.type == "session.updated"
        assert updated.session.instructions == "Be brief"
        content: Any = [{"type": "input_text", "text": "Say hello"}]
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": content}
        )
        await connection.response.create()
        async for event in connection:
            if event.type == "response.output_audio.delta":
                sound += event.delta
            elif event.type == "response.output_audio_transcript.done":
                words = event.transcript
            elif event.type == "response.done":
                break
    assert (sound, words) == (SOUND, "Hello")
    assert event.response.status == "completed"
    assert event.response.usage is not None
    assert event.response.usage.output_tokens == 50
    setup = provider.told[0]["setup"]
    assert setup["model"] == "models/gemini-live-2.5-flash"
    assert setup["systemInstruction"] == {"parts": [{"text": "Be brief"}]}
    row = rows(gateway, 1)[0]
    assert (row["spend"], row["model_group"]) == (pytest.approx(COST), "live")


def test_the_beta_is_asked_for_by_a_header(gateway: RunningGateway, provider: Live) -> None:
    with open_(gateway, PATH, headers={"OpenAI-Beta": "realtime=v1"}) as client:
        client.send(CREATE)
        assert take(client, "response.audio.delta")["delta"] == SOUND
        assert take(client, "response.done")["response"]["modalities"] == ["audio", "text"]
    assert "openai-beta" not in provider.requests[0].headers


def test_a_function_is_called_and_answered(gateway: RunningGateway, provider: Live) -> None:
    def talk(connection: ServerConnection) -> None:
        connection.recv()
        tell(connection, setupComplete={})
        connection.recv()
        calls = [{"id": "f1", "name": "now", "args": {"zone": "CET"}}]
        tell(connection, toolCall={"functionCalls": calls}, usageMetadata=USAGE)
        provider.told.append(json.loads(connection.recv()))
        provider.speak(connection)
        connection.recv()

    provider.talk = talk
    with open_(gateway, PATH) as client:
        client.send(CREATE)
        call = take(client, "response.function_call_arguments.done")
        assert (call["name"], json.loads(call["arguments"])) == ("now", {"zone": "CET"})
        take(client, "response.done")
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "noon"}
        client.send(json.dumps({"type": "conversation.item.create", "item": output}))
        client.send(CREATE)
        take(client, "response.done")
        assert [row["spend"] for row in rows(gateway, 2)] == [pytest.approx(COST)] * 2
    (response,) = provider.told[0]["toolResponse"]["functionResponses"]
    assert response == {"id": "f1", "name": "now", "response": {"output": "noon"}}


def test_a_budget_holds_between_formats(gateway: RunningGateway, provider: Live) -> None:
    key = key_of(gateway, max_budget=0.02)
    limit = {"type": "session.update", "session": {"max_output_tokens": 200}}
    made = 0
    with open_(gateway, PATH, key=key) as client:
        client.send(json.dumps(limit))
        while True:
            client.send(json.dumps({"type": "response.create", "event_id": f"ask-{made}"}))
            while (event := json.loads(client.recv(timeout=5)))["type"] not in ("response.done", "error"):
                pass
            if event["type"] == "error":
                break
            made += 1
        _, code, _ = closed(client)
    assert (event["error"]["code"], code) == ("budget_exceeded", 1008)
    assert event["error"]["event_id"] == f"ask-{made}"
    assert made >= 2
    data = rows(gateway, made + 1)
    assert sum(row["spend"] for row in data) == pytest.approx(made * COST)
    assert sum(row["spend"] for row in data) <= 0.02


def test_a_turn_that_google_begins_by_itself_is_booked(gateway: RunningGateway, provider: Live) -> None:
    def talk(connection: ServerConnection) -> None:
        connection.recv()
        tell(connection, setupComplete={})
        provider.told.append(json.loads(connection.recv()))
        tell(connection, serverContent={"inputTranscription": {"text": "Hey"}})
        provider.speak(connection)
        connection.recv()

    provider.talk = talk
    with open_(gateway, PATH) as client:
        client.send(json.dumps({"type": "input_audio_buffer.append", "audio": SOUND}))
        assert take(client, "input_audio_buffer.speech_started")["audio_start_ms"] == 100
        take(client, "response.done")
        assert rows(gateway, 1)[0]["spend"] == pytest.approx(COST)
    assert provider.told == [
        {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=24000", "data": SOUND}}}
    ]


def test_what_google_lacks_is_an_error_event(gateway: RunningGateway, provider: Live) -> None:
    with open_(gateway, PATH) as client:
        client.send(json.dumps({"type": "conversation.item.delete", "event_id": "mine", "item_id": "x"}))
        error = take(client, "error")["error"]
        assert (error["event_id"], "conversation.item.delete" in error["message"]) == ("mine", True)
        client.send('{"setup": {"model": "models/live"}}')
        assert "/ws/google" in take(client, "error")["error"]["message"]
        client.send(b"\x00")
        assert take(client, "error")["error"]["code"] == "invalid_event"
        client.send(CREATE)
        take(client, "response.done")


def test_drop_params_leaves_out_what_google_lacks(provider: Live, tmp_path: Any) -> None:
    params = {
        "model": "gemini/gemini-live-2.5-flash",
        "api_key": "k",
        "api_base": provider.base,
        "drop_params": True,
    }
    dropping = {**config(provider.base), "model_list": [{"model_name": "live", "litellm_params": params}]}
    with running(dropping, tmp_path) as gateway, open_(gateway, PATH) as client:
        session = {"instructions": "Be brief", "tracing": "auto"}
        client.send(json.dumps({"type": "session.update", "session": session}))
        assert take(client, "session.updated")["session"]["instructions"] == "Be brief"


def test_a_setup_that_google_refuses_is_told(gateway: RunningGateway, provider: Live) -> None:
    def talk(connection: ServerConnection) -> None:
        connection.recv()
        connection.close(1007, "no such voice for sk-upstream-secret")

    provider.talk = talk
    with open_(gateway, PATH) as client:
        take(client, "session.created")
        client.send(CREATE)
        events, code, reason = closed(client)
    assert events[0]["error"]["message"] == "no such voice for ***"
    assert (code, reason) == (1007, "no such voice for ***")


# Google's frames to OpenAI's models

GOOGLE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
BOOKED = (119 - 64) * 4e-6 + 64 * 4e-7 + 8 * 32e-6 + 30 * 16e-6 + 118 * 64e-6
"""Of what OpenAI's side says, by the prices of gpt-realtime."""


@pytest.fixture(name="openai_provider")
def fixture_openai_provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture(name="other")
def fixture_other(openai_provider: Provider, tmp_path: Any) -> Iterator[RunningGateway]:
    with running(config(openai_provider.base + "/v1"), tmp_path) as served:
        yield served


async def test_googles_sdk_talks_to_an_openai_model(
    other: RunningGateway, openai_provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = genai.Client(api_key=KEY)
    base = f"ws://127.0.0.1:{other.port}"
    monkeypatch.setattr(client._api_client, "_websocket_base_url", lambda options: base)

    def plain(uri: str, **options: Any) -> Any:  # it knows TLS only
        return connect_async(uri, **{**options, "ssl": None, "proxy": None})

    monkeypatch.setattr("google.genai.live.ws_connect", plain)
    config: Any = {
        "response_modalities": ["AUDIO"],
        "output_audio_transcription": {},
        "system_instruction": "Be brief",
    }
    said, sound, used = "", b"", None
    async with client.aio.live.connect(model="voice", config=config) as session:
        await session.send_client_content(turns=[{"role": "user", "parts": [{"text": "Hi"}]}])  # type: ignore[arg-type]
        async for message in session.receive():
            if message.server_content and message.server_content.output_transcription:
                said += message.server_content.output_transcription.text or ""
            sound += message.data or b""
            used = message.usage_metadata or used
    assert (said, len(sound)) == ("Hello there", 4_800)
    assert used is not None
    assert (used.prompt_token_count, used.response_token_count) == (127, 148)
    frames = [json.loads(frame) for frame in openai_provider.frames]
    assert [frame["type"] for frame in frames] == [
        "session.update",
        "conversation.item.create",
        "response.create",
    ]
    assert frames[0]["session"]["instructions"] == "Be brief"
    assert rows(other, 1)[0]["spend"] == pytest.approx(BOOKED)


def test_what_openai_lacks_ends_the_connection_with_its_name(other: RunningGateway) -> None:
    with open_(other, GOOGLE) as client:
        client.send('{"setup": {"model": "models/voice", "tools": [{"googleSearch": {}}]}}')
        events, code, reason = closed(client)
    assert "googleSearch" in events[0]["error"]["message"]
    assert (code, "googleSearch" in reason) == (1007, True)


def test_what_the_provider_refuses_ends_the_connection(
    other: RunningGateway, openai_provider: Provider
) -> None:
    def talk(connection: ServerConnection) -> None:
        say(connection, "session.created", session={"type": "realtime"})
        connection.recv()
        error = {
            "type": "invalid_request_error",
            "code": "invalid_value",
            "message": "bad sk-upstream-secret",
        }
        connection.send(json.dumps({"type": "error", "error": error}))
        connection.recv()

    openai_provider.talk = talk
    with open_(other, GOOGLE) as client:
        client.send('{"setup": {"model": "models/voice"}}')
        events, code, reason = closed(client)
    assert (events[0]["error"]["message"], reason) == ("bad ***", "bad ***")
    assert code == 1011


def test_a_budget_holds_for_googles_clients(other: RunningGateway, openai_provider: Provider) -> None:
    key = key_of(other, max_budget=0.02)
    with open_(other, GOOGLE, key=key) as client:
        client.send('{"setup": {"model": "models/voice"}}')
        assert json.loads(client.recv(timeout=5)) == {"setupComplete": {}}
        client.send('{"clientContent": {"turns": [{"parts": [{"text": "Hi"}]}], "turnComplete": true}}')
        events, code, _ = closed(client)
    assert (events[-1]["error"]["code"], code) == ("budget_exceeded", 1008)


# Vertex AI

SERVICE = "/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent"
NAME = "projects/acme/locations/eu/publishers/google/models/gemini-live-2.5-flash"


@pytest.fixture(name="vertex")
def fixture_vertex(provider: Live, tmp_path: Any) -> Iterator[RunningGateway]:
    desk = Desk()
    desk.answer("/token", {"access_token": "ya29.one", "expires_in": 3599, "token_type": "Bearer"})
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    account = {
        "type": "service_account",
        "client_email": "voice@acme.test",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "token_uri": f"{desk.base}/token",
        "project_id": "acme",
    }
    params = {
        "model": "vertex_ai/gemini-live-2.5-flash",
        "vertex_credentials": json.dumps(account),
        "api_base": f"{provider.base}/v1/projects/acme/locations/eu",
    }
    rows = [{"model_name": "live", "litellm_params": params}]
    with running({**config(provider.base), "model_list": rows}, tmp_path) as gateway:
        yield gateway
    desk.stop()


def test_vertex_is_asked_with_a_token_and_the_models_whole_name(
    vertex: RunningGateway, provider: Live
) -> None:
    with open_(vertex, PATH) as client:
        client.send(CREATE)
        take(client, "response.done")
    request = provider.requests[0]
    assert (request.path, request.headers["authorization"]) == (SERVICE, "Bearer ya29.one")
    assert provider.told[0]["setup"]["model"] == NAME
    assert rows(vertex, 1)[0]["custom_llm_provider"] == "vertex_ai"


def test_vertexs_clients_find_their_own_path(vertex: RunningGateway, provider: Live) -> None:
    with open_(vertex, SERVICE.replace("v1", "v1beta1")) as client:
        place = NAME.replace("acme", "mine").replace("gemini-live-2.5-flash", "live")
        client.send(json.dumps({"setup": {"model": place}}))
        assert client.recv(timeout=5) == b'{"setupComplete": {}}'
    assert provider.told == [{"setup": {"model": NAME}}]
