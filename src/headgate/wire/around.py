"""A dialect made of another: an API that says what OpenAI's says in words of its own.

A subclass turns documents, never events: the body that the inner dialect wrote into the API's, an answer of the API
into one that the inner dialect reads. Only servers speak such formats, so the client's side is refused. Knows no
format: the inner dialect is handed in.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Final, Literal, TypeAlias

import msgspec

from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError
from headgate.wire import failures, ir, sse
from headgate.wire.dialect import Dialect, Glance, StreamReader, Target
from headgate.wire.servers import ServersOnly
from headgate.wire.shape import bad_request, reply_object
from headgate.wire.whole import EventsOrWhole

Document: TypeAlias = dict[str, Any]

_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder().encode
_HARMLESS: Final = frozenset(
    """metadata parallel_tool_calls prediction prompt_cache_key prompt_cache_retention safety_identifier store stream
    stream_options user""".split()
)
"""Keys that change nothing in the answer, or are said otherwise."""
_NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = {
    "n": (1,),
    "top_p": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "modalities": (["text"],),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "verbosity": ("medium",),
}
"""Values that ask for nothing special."""
_EMPTY: Final[tuple[Any, ...]] = ("", [], {})


def left_out(body: Document, known: Collection[str]) -> list[str]:
    """The keys of an OpenAI body that say something and have no twin."""
    return [
        key
        for key, value in body.items()
        if key not in known
        and key not in _HARMLESS
        and value is not None
        and value is not False
        and value not in (*_EMPTY, *_NEUTRAL.get(key, ()))
    ]


def fields(value: Any) -> Document:
    """The object, an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[Document]:
    """The objects of a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text_of(content: Any) -> str:
    """The text of a message's content, be it a text or a list of parts."""
    if isinstance(content, str):
        return content
    texts = (part.get("text") or part.get("refusal") for part in rows(content))
    return "\n".join(text for text in texts if isinstance(text, str))


def parsed(text: Any) -> Document:
    """The arguments of a call as an object, an empty one for what is none."""
    try:
        return fields(_DECODE(text)) if isinstance(text, str) else fields(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {}


class Around(ServersOnly, ABC):
    """Subclasses set `name` and implement the hooks. `native` are keys of the API that callers of any format
    may give."""

    family: ClassVar[str] = "openai"
    stream_type: ClassVar[str] = "text/event-stream"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "body"

    native: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, inner: Dialect) -> None:
        self.inner = inner

    @abstractmethod
    def written(self, written: ir.Written, target: Target) -> ir.Written:
        """What the inner dialect wrote, as this API takes it."""

    @abstractmethod
    def answer(self, document: Document, echo: ir.Echo | None) -> Document:
        """A whole answer as the inner dialect reads it. Raises the error that the document is."""

    def pieces(self, echo: ir.Echo | None) -> Callable[[Document], Document]:
        """A function for one stream, from an event's document to the inner dialect's; an empty one says nothing.

        Raises BadRequestError where the API has no streams, which is so unless a subclass says otherwise."""
        raise BadRequestError(f"{self.name} has no stream: leave out `stream`", param="stream")

    # --- the dialect ---------------------------------------------------------------------------------

    def write_request(self, request: Any, target: Target) -> ir.Written:
        """Raises BadRequestError for content that is nested too deeply, and what the inner dialect raises."""
        try:
            written = self.inner.write_request(request, target)
            for given in (request.extra or {}).values():
                own = {key: given[key] for key in self.native & given.keys()}
                written.body = {**own, **written.body}
                written.dropped = [one for one in written.dropped if one not in own]
            return self.written(written, target)
        except RecursionError as error:
            raise bad_request(error) from None

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> Any:
        """Raises APIResponseValidationError, or the error that the body is."""
        document = reply_object(body)
        return self.inner.read_reply(_encoded(self.answer(document, echo)), echo)

    def stream_reader(self, echo: ir.Echo | None = None) -> "Reader":
        return Reader(
            self.inner.stream_reader(echo), self.pieces(echo), lambda body: self.read_reply(body, echo)
        )

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def glance(self, body: bytes) -> Glance:
        """Never raises."""
        try:
            reply = self.read_reply(body)
        except HeadgateError as error:
            return Glance(error=error)
        return Glance(usage=reply.usage, model=reply.model)

    def is_opening(self, data: bytes) -> bool:
        return self.inner.is_opening(data)

    def remote_media(self, request: Any) -> list[ir.Source]:
        return self.inner.remote_media(request)


class Reader(EventsOrWhole):
    """Each event is turned and handed to the inner reader."""

    def __init__(
        self, inner: StreamReader, turn: Callable[[Document], Document], read: Callable[[bytes], ir.Reply]
    ) -> None:
        super().__init__()
        self._inner = inner
        self._turn = turn
        self._read = read

    def _read_whole(self, body: bytes) -> ir.Reply:
        return self._read(body)

    def _end(self, out: list[ir.Event]) -> None:
        out += self._inner.close()

    def _take(self, rows: list[tuple[str, bytes]], out: list[ir.Event]) -> None:
        for name, data in rows:
            if not self._done:
                out += self._inner.feed(self._turned(name, data))
                self._done = bool(out) and isinstance(out[-1], ir.ReplyEnd | ir.StreamFailure)

    def _turned(self, name: str, data: bytes) -> bytes:
        """What can't be read is the inner reader's to refuse."""
        try:
            document = _DECODE(data)
        except (msgspec.DecodeError, ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            return sse.encode(data.replace(b"\n", b" "), name)
        turned = self._turn(document)
        return sse.encode(_encoded(turned), name) if turned else b""


def _encoded(document: Document) -> bytes:
    try:
        return _ENCODE(document)
    except RecursionError:
        raise APIResponseValidationError("the upstream's answer is nested too deeply") from None
