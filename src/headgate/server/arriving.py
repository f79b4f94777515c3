"""Bodies of requests as they come through ASGI, piece by piece. Knows no path and no format."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from headgate.errors import APIConnectionError, RequestTooLargeError, Timeout

if TYPE_CHECKING:
    from headgate.server.forms import Form

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
BODY_SECONDS: Final = 60.0
"""Without a byte of the request."""
FORM: Final = b"multipart/form-data"


def is_form(content_type: bytes) -> bool:
    return content_type.lstrip()[: len(FORM)].lower() == FORM


class Gone(APIConnectionError):  # noqa: N818 -- no failure: an end
    """The client went away before its request was here."""


async def received(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    """A request's body as it comes. `limit` is in bytes. Raises RequestTooLargeError, Timeout and Gone."""
    size, more = 0, True
    while more:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await receive()
        except TimeoutError:
            raise Timeout("the request did not arrive in time") from None
        if message["type"] == "http.disconnect":
            raise Gone("the client went away")
        data = message.get("body", b"")
        size += len(data)
        if size > limit:
            raise RequestTooLargeError(f"the request's body is over the limit of {limit} bytes")
        more = message.get("more_body", False)
        if data:
            yield data


async def body_of(receive: Receive, limit: int) -> bytes | None:
    """The request's body, None when the client went away. Raises RequestTooLargeError or Timeout."""
    try:
        return b"".join([piece async for piece in received(receive, limit)])
    except Gone:
        return None


class Arriving:
    """The body of a model call, piece by piece. Raises what `received` does, but CancelledError where the client has
    gone: so every such call ends."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._over = asyncio.Event()
        self.form: Form | None = None
        """What it was, once it was read."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in received(self._receive, self._limit):
                yield piece
        except Gone as gone:
            raise asyncio.CancelledError(gone.message) from None
        self._over.set()

    def handed_on(self) -> "Arriving":
        """The same upload for another call, which is to close it."""
        other = Arriving(self._receive, self._limit)
        other.form, self.form = self.form, None
        return other

    def close(self) -> None:
        """Lets the files go."""
        if self.form is not None:
            self.form.close()

    async def after(self) -> Message:
        """What comes behind the body: that the client goes."""
        await self._over.wait()
        return await self._receive()
