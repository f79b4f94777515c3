"""A provider's side of a realtime connection, on a real socket: it plays OpenAI's documented events."""

import itertools
import json
import threading
from collections.abc import Callable
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

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
