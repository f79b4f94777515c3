"""Streamed answers of the SDK, for `for` and for `async for`: whatever is made of their pieces, chunks as objects."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final, Self

import msgspec

from headgate.core.answer import Answer
from headgate.core.call import Operation
from headgate.errors import APIResponseValidationError
from headgate.money import dollars
from headgate.sdk.chunks import Chunks
from headgate.sdk.objects import (
    ImageEvent,
    ModelResponseStream,
    Response,
    ResponsesEvent,
    TextCompletionChunk,
    TranscriptionEvent,
    Usage,
)
from headgate.sdk.openai_bases import adopt
from headgate.sdk.portal import PORTAL
from headgate.wire.openai_chat.fields import write_usage
from headgate.wire.sse import Decoder

_CHUNKS: Final[Mapping[Operation, type[Response]]] = {
    "chat": ModelResponseStream,
    "completions": TextCompletionChunk,
    "fim": ModelResponseStream,
    "responses": ResponsesEvent,
    "images": ImageEvent,
    "image_edits": ImageEvent,
    "image_variations": ImageEvent,
    "transcriptions": TranscriptionEvent,
    "translations": TranscriptionEvent,
}
_EMPTY: Final[Mapping[Operation, tuple[str, Callable[[], dict[str, Any]]]]] = {
    "chat": ("chat.completion.chunk", lambda: {"index": 0, "delta": {}, "finish_reason": None}),
    "fim": ("chat.completion.chunk", lambda: {"index": 0, "delta": {}, "finish_reason": None}),
    "completions": ("text_completion", lambda: {"index": 0, "text": "", "finish_reason": None}),
}
"""Operations whose chunks hold choices → their `object`, and a choice that says nothing."""
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Stream(ABC):
    """An answer while it comes. Ends with StopIteration, or raises what broke it. `close` and `aclose` stop the
    upstream. `_hidden_params["response_cost"]` is known at the end."""

    def __init__(self, answer: Answer, hidden: dict[str, Any]) -> None:
        self._answer = answer
        self._hidden_params = hidden
        self._pieces: AsyncIterator[bytes] = answer.__aiter__()
        self._ready: deque[Any] = deque()
        self._done = False
        self.model = answer.deployment.model
        self.custom_llm_provider: str = hidden["custom_llm_provider"]

    @abstractmethod
    def _read(self, piece: bytes) -> Iterable[Any]:
        """What the caller gets of a piece."""

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
            self._over()
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

    def _rest(self) -> Iterable[Any]:
        """What is left when the last piece has come."""
        return ()

    async def _more(self) -> None:
        try:
            self._ready.extend(self._read(await anext(self._pieces)))
        except StopAsyncIteration:
            self._ready.extend(self._rest())
            if not self._ready:
                self._finish()

    def _finish(self) -> None:
        self._over()
        call = self._answer.call
        self._hidden_params["response_cost"] = None if call.cost is None else float(dollars(call.cost))
        if call.error is not None:
            adopt()
            raise call.error

    def _over(self) -> None:
        self._done = True
        self._answer.call.close()


class CustomStreamWrapper(Stream):
    """Chunks or events as objects, of the kind that the operation has."""

    def __init__(self, answer: Answer, hidden: dict[str, Any], operation: Operation) -> None:
        super().__init__(answer, hidden)
        self._kind = _CHUNKS[operation]
        self._sse = Decoder()
        kind, empty = _EMPTY.get(operation, ("", None))
        self._lacking = None if empty is None else Chunks(told(answer, kind), empty)

    def _read(self, piece: bytes) -> Iterable[Response]:
        return self._chunks(self._sse.feed(piece))

    def _rest(self) -> Iterable[Response]:
        """An event whose blank line never came."""
        return self._chunks(self._sse.close())

    def _chunks(self, events: Iterable[tuple[str, bytes]]) -> Iterable[Response]:
        """Raises APIResponseValidationError for what is no JSON object."""
        make, hidden = self._kind.of, self._hidden_params
        mend = None if self._lacking is None else self._lacking.mend
        for name, data in events:
            if not data.strip() or data.startswith(b"[DONE]"):
                continue
            try:
                fields = _decode(data)
            except (msgspec.DecodeError, ValueError, RecursionError):
                if name == "error":
                    continue
                raise _no_object(data) from None
            if name == "error" or fields.get("error"):
                continue  # raised at the end, with its class
            if mend is not None:
                mend(fields, data)
            yield make(fields, hidden)

    def _finish(self) -> None:
        usage = self._answer.call.usage
        if usage is not None:
            self._hidden_params["usage"] = Usage.of(write_usage(usage))
        super()._finish()


def told(answer: Answer, kind: str) -> dict[str, Any]:
    """What every answer and every chunk says of itself, for those that don't. `kind` is its `object`."""
    call = answer.call
    return {
        "id": f"chatcmpl-{call.id}",
        "created": call.created,
        "model": answer.deployment.model,
        "object": kind,
    }


def _no_object(data: bytes) -> APIResponseValidationError:
    adopt()
    shown = data[:80].decode("utf-8", "replace")
    return APIResponseValidationError(f"a piece of the upstream's stream is no JSON object: {shown!r}")
