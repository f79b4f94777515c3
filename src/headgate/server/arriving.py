"""Bodies of requests as they come through ASGI, piece by piece. Knows no path and no format."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from headgate.errors import RequestTooLargeError, Timeout

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
BODY_SECONDS: Final = 60.0
"""Without a byte of the request."""
FORM: Final = b"multipart/form-data"


def is_form(content_type: bytes) -> bool:
    return content_type.lstrip()[: len(FORM)].lower() == FORM


class Arriving:
    """An ASGI request's body, piece by piece. Raises Timeout and RequestTooLargeError; CancelledError where the
    client has gone."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._over = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, more = 0, True
        while more:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    message = await self._receive()
            except TimeoutError:
                raise Timeout("the request did not arrive in time") from None
            if message["type"] == "http.disconnect":
                raise asyncio.CancelledError("the client went away")
            data = message.get("body", b"")
            size += len(data)
            if size > self._limit:
                raise RequestTooLargeError(f"the request's body is over the limit of {self._limit} bytes")
            more = message.get("more_body", False)
            if not more:
                self._over.set()
            if data:
                yield data

    async def after(self) -> MutableMapping[str, Any]:
        """What comes behind the body: that the client goes."""
        await self._over.wait()
        return await self._receive()
