"""What a dialect is: one wire format, read and written in both directions.

A dialect module (`wire/<name>/__init__.py`) exposes one `DIALECT` object that has this shape. The same
object serves both sides: a provider that speaks the format upstream, a client that speaks it to us.
No dialect knows another, a provider, or the engine.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, Protocol

from msgspec import Struct

from headgate.errors import HeadgateError
from headgate.wire.ir import Echo, Event, Family, Reply, Request, Source, Usage, Written


class Target(Struct, frozen=True, kw_only=True):
    """What a request writer may know of the model that it writes for.

    `max_output` is the model's own limit in tokens, None where unknown. `modify_params` allows repairs that
    change the conversation (a dummy turn or tool where the format demands one). `cache_marks`: the server takes
    cache marks that its format does not have. `account` names the key that opens the model's sealed reasoning,
    "" where it hands out none.
    """

    model: str
    max_output: int | None = None
    modify_params: bool = False
    cache_marks: bool = False
    account: str = ""


class Frame(Struct, frozen=True, kw_only=True):
    """What a reply writer fills in where the upstream gave nothing: we have no clock and no dice here.

    `stream_usage`: the client asked for usage in the stream (OpenAI's include_usage).
    """

    id: str
    created: int
    model: str
    stream_usage: bool = False


class StreamReader(Protocol):
    """Bytes of an upstream's stream → events. Any chunking, also inside a character or a line end."""

    def feed(self, data: bytes) -> list[Event]: ...

    def close(self) -> list[Event]:
        """The upstream closed: what is left, then ReplyEnd, or StreamFailure where the answer was cut."""
        ...


class StreamWriter(Protocol):
    """Events → bytes of a stream in this format, every event whole."""

    def write(self, events: Iterable[Event]) -> bytes: ...


class Sniffer(Protocol):
    """Watches a stream that is passed through, by byte search; decodes only where a mark is found.

    `usage` is the newest total, `ended` whether the answer is complete, `done` whether the format's last event went
    by (False for ever where it has none), `error` what an error event in the stream said, `model` the upstream's
    own model name where it was cheap to see.
    """

    usage: Usage | None
    ended: bool
    done: bool
    error: HeadgateError | None
    model: str | None

    def feed(self, data: bytes) -> None: ...


class Seen:
    """What a sniffer has seen so far: nothing yet. Most of them are made on it."""

    __slots__ = ("done", "ended", "error", "model", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.ended = False
        self.done = False
        self.error: HeadgateError | None = None
        self.model: str | None = None


class Glance(Struct, kw_only=True):
    """The few facts of a whole reply that is passed through."""

    usage: Usage | None = None
    model: str | None = None
    error: HeadgateError | None = None


class Dialect(Protocol):
    """One wire format.

    `name` is the dialect ("openai_chat"), `family` whose unknown fields it takes back ("openai").
    Readers raise BadRequestError (requests; `param` names the field as the caller wrote it, for example
    "messages[1].content[0].type") or APIResponseValidationError (replies). They accept unknown fields.
    """

    name: ClassVar[str]
    family: ClassVar[Family]
    stream_type: ClassVar[str]
    """content-type of its streams"""
    names_model: ClassVar[Literal["body", "address", "parts"]]
    """Where a request names its model, and says whether it wants a stream: as keys of the body, in the address, or in
    each part of the body, which therefore can't travel as it came."""

    def read_request(self, body: Mapping[str, Any]) -> Request:
        """`body` is the decoded JSON object."""
        ...

    def write_request(self, request: Request, target: Target) -> Written: ...

    def read_reply(self, body: bytes, echo: Echo | None = None) -> Reply: ...

    def write_reply(self, reply: Reply, frame: Frame) -> bytes: ...

    def stream_reader(self, echo: Echo | None = None) -> StreamReader: ...

    def stream_writer(self, frame: Frame) -> StreamWriter: ...

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        """Any body, also HTML or nothing. Header names are lower case."""
        ...

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes: ...

    def write_stream_error(self, error: HeadgateError) -> bytes:
        """The event that ends a broken stream. It must not look like a complete answer."""
        ...

    def glance(self, body: bytes) -> Glance:
        """Usage and model of a whole reply, decoding nothing else. Never raises."""
        ...

    def sniffer(self) -> Sniffer: ...

    def is_opening(self, data: bytes) -> bool:
        """Whether this piece of a stream, its first, holds no content yet: another deployment could still be asked
        without the client's noticing. A wrong no costs that chance, a wrong yes holds content back."""
        ...

    def remote_media(self, request: Request) -> list[Source]:
        """Sources of kind "url" that this format can't name: the engine fetches and inlines them first."""
        ...
