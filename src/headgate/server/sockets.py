"""The server's side of a websocket: uvicorn's protocol, but for its end. Nobody imports this before the first one
comes. Knows no format.
"""

from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

DRAIN: Final = "headgate.drain"
"""The message by which a handler hears that the process is about to end."""


class Socket(WebSocketsSansIOProtocol):
    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True  # uvicorn would log that there was none

    def keepalive_timeout(self) -> None:
        """Who does not answer may not read either: what waits for it is not waited for."""
        super().keepalive_timeout()
        self.transport.abort()

    def shutdown(self) -> None:
        """The handler ends what is under way, and closes by itself."""
        if self.handshake_complete and not self.close_sent:
            told: Any = {"type": DRAIN}  # a type of our own, which uvicorn's do not name
            self.queue.put_nowait(told)
        else:
            super().shutdown()
