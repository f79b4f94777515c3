"""A streamed answer of the SDK: chunks as objects, for `for` and for `async for`."""

from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Self

import msgspec

from headgate.core.answer import Answer
from headgate.core.call import Operation
from headgate.sdk.objects import (
    ImageEvent,
    ModelResponseStream,
    Response,
    ResponsesEvent,
    TextCompletionResponse,
    Usage,
)
from headgate.sdk.openai_bases import adopt
from headgate.sdk.portal import PORTAL
from headgate.wire.openai_chat.fields import write_usage
from headgate.wire.sse import Decoder

_CHUNKS: Final[Mapping[Operation, type[Response]]] = {
    "chat": ModelResponseStream,
    "completions": TextCompletionResponse,
    "fim": ModelResponseStream,
    "responses": ResponsesEvent,
    "images": ImageEvent,
    "image_edits": ImageEvent,
    "image_variations": ImageEvent,
}
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class CustomStreamWrapper:
    """Ends with StopIteration, or raises what broke the stream. `close` and `aclose` stop the upstream."""

    def __init__(self, answer: Answer, hidden: dict[str, Any], operation: Operation) -> None:
        self._answer = answer
        self._hidden_params = hidden
        self._kind = _CHUNKS[operation]
        self._pieces: AsyncIterator[bytes] = answer.__aiter__()
        self._sse = Decoder()
        self._ready: deque[Response] = deque()
        self._done = False
        self.model = answer.deployment.model
        self.custom_llm_provider: str = hidden["custom_llm_provider"]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not self._ready:
            if self._done:
                raise StopAsyncIteration
            await self._more()
        return self._ready.popleft()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._ready:
            return self._ready.popleft()
        try:
            return PORTAL.run(self.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    async def aclose(self) -> None:
        if not self._done:
            self._done = True
            self._answer.abort()

    def close(self) -> None:
        PORTAL.run(self.aclose())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def _more(self) -> None:
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            self._finish()
            return
        kind, hidden = self._kind, self._hidden_params
        for _, data in self._sse.feed(piece):
            if data == b"[DONE]":
                continue
            fields = _decode(data)
            if fields.get("error"):
                continue  # raised at the end, with its class
            chunk = kind.of(fields)
            chunk._hidden_params = hidden
            self._ready.append(chunk)

    def _finish(self) -> None:
        self._done = True
        call = self._answer.call
        self._hidden_params["response_cost"] = None if call.cost is None else float(call.cost)
        if call.usage is not None:
            self._hidden_params["usage"] = Usage.of(write_usage(call.usage))
        if call.error is not None:
            adopt()
            raise call.error
