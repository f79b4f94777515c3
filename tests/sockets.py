"""Both sides of a realtime connection through a gateway, on real sockets: a provider that plays OpenAI's documented
events, and its clients."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from servers import KEY, RunningGateway

USAGE = {
    "total_tokens": 275,
    "input_tokens": 127,
    "output_tokens": 148,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 8,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 118},
}
"""From the reference of `response.done`."""


class Provider:
    """`requests` are the handshakes that came, `frames` what clients sent, `closes` how their connections ended.

    `refuse` makes an HTTP answer of a handshake, None lets it in. `talk` serves a connection in place of `answer`.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.frames: list[str | bytes] = []
        self.closes: list[tuple[int, str] | None] = []
        self.refuse: Callable[[ServerConnection, Request], Response | None] = lambda connection, request: None
        self.talk: Callable[[ServerConnection], None] = self.answer
        self.usage: dict[str, Any] | None = USAGE
        self.ended = threading.Event()
        self._ids = itertools.count(1)
        self._server = serve(
            self._serve, "127.0.0.1", 0, process_request=self._asked, compression=None, max_size=2**25
        )
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(5)

    def _asked(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        return self.refuse(connection, request)

    def _serve(self, connection: ServerConnection) -> None:
        try:
            self.talk(connection)
        except ConnectionClosed:
            pass
        finally:
            got = connection.protocol.close_rcvd
            self.closes.append(None if got is None else (got.code, got.reason))
            self.ended.set()

    def answer(self, connection: ServerConnection) -> None:
        """Asked for an answer, it gives one; other frames get OpenAI's replies."""
        say(connection, "session.created", session={"type": "realtime", "model": "gpt-realtime"})
        for frame in connection:
            self.frames.append(frame)
            try:
                event = json.loads(frame)
            except ValueError:
                event = {}
            kind = event.get("type")
            if kind == "response.create":
                self.end(connection, self.begin(connection))
            elif kind == "session.update":
                say(connection, "session.updated", session=event["session"])
            elif kind is None:
                error = {"type": "invalid_request_error", "code": "invalid_event", "message": "no event"}
                say(connection, "error", error=error)

    def begin(self, connection: ServerConnection) -> str:
        id_ = f"resp_{next(self._ids)}"
        own = {"object": "realtime.response", "id": id_, "status": "in_progress", "conversation_id": "conv_1"}
        say(connection, "response.created", response=own)
        for piece in ("Hello", " there"):
            say(connection, "response.output_audio_transcript.delta", response_id=id_, delta=piece)
        say(connection, "response.output_audio.delta", response_id=id_, delta="A" * 6_400)
        return id_

    def end(self, connection: ServerConnection, id_: str, status: str = "completed") -> None:
        own = {"id": id_, "status": status, "conversation_id": "conv_1"}
        say(connection, "response.done", response={**own, "usage": self.usage})


def say(connection: ServerConnection, kind: str, **fields: Any) -> None:
    connection.send(json.dumps({"type": kind, "event_id": "event_1", **fields}))


# clients

ADMIN = {"authorization": f"Bearer {KEY}"}
CREATE = json.dumps({"type": "response.create"})
TEXT_IN, TEXT_OUT, CACHED, SOUND_IN, SOUND_OUT = 4e-6, 16e-6, 4e-7, 32e-6, 64e-6
COST = (119 - 64) * TEXT_IN + 64 * CACHED + 8 * SOUND_IN + 30 * TEXT_OUT + 118 * SOUND_OUT
"""Of USAGE, by gpt-realtime's prices."""


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
