"""What is watched in a realtime connection, and OpenAI's events. Knows no socket, no money and no provider.

A `Watch` sees every frame of one connection, both ways, and says when answers begin, end and what they used. It
changes nothing but the model's name, where a client's frame has one: a name of the gateway's would mean nothing to
the provider, and another one of the provider's would be billed unasked.

https://platform.openai.com/docs/api-reference/realtime-client-events
https://platform.openai.com/docs/api-reference/realtime-server-events
"""

from collections.abc import Mapping
from math import ceil
from typing import Any, ClassVar, Final, NamedTuple, Protocol, TypeAlias

import msgspec
from msgspec import Raw, Struct

from headgate.wire import ir
from headgate.wire.operations import UNREADABLE, Operation, encode, text, tokens

Data: TypeAlias = str | bytes
"""A frame's content, as it travels: text or binary."""
UNKNOWN: Final = 1_000_000
"""Tokens of a context that is not in the frames: more than any model reads."""


class Asked(NamedTuple):
    """The client asks for an answer. `event` is its own name for that, "" where it gave none; `most` the tokens of
    output that it allows, None for the model's limit."""

    event: str = ""
    most: int | None = None


class Begun(NamedTuple):
    """An answer begins, asked for or not."""

    id: str
    most: int | None = None


class Spoke(NamedTuple):
    """The first of an answer's words or sound."""

    id: str


class Ended(NamedTuple):
    """`usage` None: the provider did not tell, and `said` is what the frames do. `problem` is what it says went
    wrong, "" for nothing."""

    id: str
    usage: ir.Usage | None = None
    problem: str = ""
    said: ir.Usage | None = None


class Refused(NamedTuple):
    """The provider refuses what the client sent. `event` is the client's name for it, "" where it gave none."""

    event: str
    problem: str


class Heard(NamedTuple):
    """Another model has written down what the client said, which is billed besides."""

    model: str
    usage: ir.Usage


Event: TypeAlias = Begun | Spoke | Ended | Refused | Heard


class Watch(Protocol):
    """`context` is how many tokens an answer that begins now may read, at most."""

    @property
    def context(self) -> int: ...

    def sent(self, data: Data) -> tuple[Data, Asked | None]:
        """A frame of the client's, as it is to be passed on. Never raises."""
        ...

    def came(self, data: Data) -> list[Event]:
        """A frame of the provider's. Never raises."""
        ...

    def cancel(self, id_: str) -> str | None:
        """The frame that ends an answer, None where the format has none."""
        ...

    def said(self, id_: str) -> ir.Usage:
        """What a running answer has used by now, as far as the frames tell."""
        ...


def error_event(message: str, kind: str, code: str, event: str = "") -> str:
    """OpenAI's, which every client of a realtime connection gets from us."""
    said = {"type": kind, "code": code, "message": message, "param": None, "event_id": event or None}
    return encode({"type": "error", "event_id": f"event_{code}", "error": said}).decode()


class _Event(Struct):
    """The fields of an event that are looked at. `None` and what has another type are read as absent."""

    type: str = ""
    event_id: Any = None
    response_id: Any = None
    response: Raw = Raw()
    session: Raw = Raw()
    usage: Raw = Raw()
    error: Raw = Raw()
    delta: Raw = Raw()


_EVENT: Final = msgspec.json.Decoder(_Event).decode
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw]).decode

PCM_CHARACTERS: Final = 6_400
"""Of base64 for a token of input: 100 ms of PCM, 16 bit, 24 kHz. An output token is half of that."""
G711_CHARACTERS: Final = 1_066
_G711: Final = ("g711_ulaw", "g711_alaw", "audio/pcmu", "audio/pcma")
_HIDDEN: Final = (b'"prompt"', b'"mcp"')
"""What makes the model read more than the frames hold."""
_SESSIONS: Final = ("session.created", "session.updated")
_HEARD: Final = "conversation.item.input_audio_transcription.completed"


class OpenAIWatch:
    """See Watch. `model` is the provider's name for the model that was asked for."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._context = 0.0
        self._most: int | None = None
        self._listener = ""
        self._read = 0
        self._in = self._out = PCM_CHARACTERS
        self._running: dict[str, tuple[float, float, float]] = {}
        """Answer → what had been sent when it began, its tokens of text and of sound by now."""

    @property
    def context(self) -> int:
        return ceil(self._context)

    def sent(self, data: Data) -> tuple[Data, Asked | None]:
        event = _read(data)
        if event is None:
            return data, None
        if event.type == "input_audio_buffer.append":
            self._context += len(data) / self._in
            return data, None
        self._context += len(data)
        if event.type == "session.update":
            if any(mark in bytes(event.session) for mark in _HIDDEN):
                self._context = UNKNOWN
            return self._named(data, event), None
        if event.type != "response.create":
            return data, None
        own = _fields(event.response)
        if "prompt" in own or any(mark in bytes(own.get("tools", b"")) for mark in _HIDDEN):
            self._context = UNKNOWN
        return data, Asked(text(event.event_id) or "", _most(own) or self._most)

    def came(self, data: Data) -> list[Event]:
        event = _read(data)
        if event is None:
            return []
        if event.type.endswith(".delta"):
            return self._spoken(event)
        if event.type in _SESSIONS:
            self._session(event, len(data))
            return []
        if event.type == "response.created":
            own = _fields(event.response)
            id_ = _text(own, "id")
            self._running[id_] = (self._context, 0.0, 0.0)
            return [Begun(id_, _most(own) or self._most)]
        if event.type == "response.done":
            return [self._ended(_fields(event.response))]
        if event.type == _HEARD:
            usage = read_usage(_decoded(event.usage))
            return [] if usage is None else [Heard(self._listener, usage)]
        if event.type == "error":
            own = _fields(event.error)
            return [Refused(_text(own, "event_id"), _text(own, "message") or "no reason given")]
        return []

    def cancel(self, id_: str) -> str | None:
        named = {"response_id": id_} if id_ else {}
        return encode({"type": "response.cancel", **named}).decode()

    def said(self, id_: str) -> ir.Usage:
        begun, words, sound = self._running.get(id_, (self._context, 0.0, 0.0))
        output = ceil(words + sound)
        read = ceil(begun) if begun < UNKNOWN else self._read
        return ir.Usage(input=read, output=output, audio_output=ceil(sound) or None)

    def _named(self, data: Data, event: _Event) -> Data:
        """With the provider's name of the model."""
        session = _fields(event.session)
        if "model" not in session or _text(session, "model") == self._model:
            return data
        session["model"] = Raw(encode(self._model))
        whole = encode({**_fields(_bytes(data)), "session": session})
        return whole.decode() if isinstance(data, str) else whole

    def _session(self, event: _Event, size: int) -> None:
        """What the provider says that holds for the session."""
        session = _decoded(event.session)
        if not isinstance(session, dict):
            return
        self._context += size
        most = session.get("max_output_tokens", session.get("max_response_output_tokens"))
        self._most = most if isinstance(most, int) else None
        heard, spoken = _at(session, "audio", "input"), _at(session, "audio", "output")
        listener = _at(heard, "transcription") or _at(session, "input_audio_transcription")
        self._listener = text(listener.get("model")) or self._listener
        self._in = _characters(_at(heard, "format").get("type") or session.get("input_audio_format"))
        self._out = _characters(_at(spoken, "format").get("type") or session.get("output_audio_format"))

    def _spoken(self, event: _Event) -> list[Event]:
        """A piece of text is a token or more, a piece of sound has as many as it is long."""
        id_ = text(event.response_id) or ""
        if id_ not in self._running or "transcript" in event.type:
            return []
        begun, words, sound = self._running[id_]
        if "audio" in event.type:
            sound += (len(event.delta) - 2) * 2 / self._out
        else:
            words += max(1.0, (len(event.delta) - 2) / 4)
        first = self._running[id_] == (begun, 0.0, 0.0)
        self._running[id_] = (begun, words, sound)
        return [Spoke(id_)] if first else []

    def _ended(self, own: Mapping[str, Raw]) -> Ended:
        id_ = _text(own, "id")
        said = self.said(id_)
        begun, *_ = self._running.pop(id_, (0.0, 0.0, 0.0))
        usage = read_usage(_decoded(own.get("usage", Raw())))
        self._read = usage.input if usage is not None else self._read
        if usage is not None and self._context < UNKNOWN:
            own_talk = bytes(own.get("conversation_id", b"null")) == b"null"
            since = self._context - begun
            self._context = self._context + usage.output if own_talk else usage.input + usage.output + since
        problem = ""
        if _text(own, "status") == "failed":
            details = _at(_object(own.get("status_details", Raw())), "error")
            problem = text(details.get("message")) or text(details.get("code")) or "the answer failed"
        return Ended(id_, usage, problem, said)


def read_usage(usage: Any) -> ir.Usage | None:
    """Of an answer, or of what a model has written down; None where there is none. Cached tokens are parts of each
    kind of input. https://platform.openai.com/docs/api-reference/realtime-server-events/response/done"""
    if not isinstance(usage, dict):
        return None
    if usage.get("type") == "duration":
        seconds = usage.get("seconds")
        return ir.Usage(seconds=float(seconds)) if isinstance(seconds, int | float) else None
    if tokens(usage.get("input_tokens")) is None and tokens(usage.get("output_tokens")) is None:
        return None
    details, spoken = _at(usage, "input_token_details"), _at(usage, "output_token_details")
    cached = _at(details, "cached_tokens_details")
    return ir.Usage(
        input=tokens(usage.get("input_tokens")) or 0,
        output=tokens(usage.get("output_tokens")) or 0,
        total=tokens(usage.get("total_tokens")),
        cache_read=tokens(details.get("cached_tokens")),
        audio_input=tokens(details.get("audio_tokens")),
        image_input=tokens(details.get("image_tokens")),
        cached_audio=tokens(cached.get("audio_tokens")),
        cached_image=tokens(cached.get("image_tokens")),
        audio_output=tokens(spoken.get("audio_tokens")),
        reasoning=tokens(spoken.get("reasoning_tokens")),
    )


def _read(data: Data) -> _Event | None:
    try:
        return _EVENT(data)
    except UNREADABLE:
        return None


def _fields(raw: Raw | bytes) -> dict[str, Raw]:
    try:
        return _FIELDS(raw) if bytes(raw)[:1] == b"{" else {}
    except UNREADABLE:
        return {}


def _decoded(raw: Raw) -> Any:
    try:
        return msgspec.json.decode(raw) if bytes(raw) else None
    except UNREADABLE:
        return None


def _object(raw: Raw) -> dict[str, Any]:
    found = _decoded(raw)
    return found if isinstance(found, dict) else {}


def _at(node: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """An object within an object, empty where there is none."""
    found: Any = node
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _text(own: Mapping[str, Raw], key: str) -> str:
    return text(_decoded(own.get(key, Raw()))) or ""


def _most(own: Mapping[str, Raw]) -> int | None:
    given = own.get("max_output_tokens") or own.get("max_response_output_tokens") or Raw()
    return int(bytes(given)) if bytes(given).isdigit() else None


def _characters(form: Any) -> int:
    return G711_CHARACTERS if form in _G711 else PCM_CHARACTERS


def _bytes(data: Data) -> bytes:
    return data.encode() if isinstance(data, str) else data


class Realtime(Operation):
    """How errors of the handshake are read and written, and who watches a connection."""

    name: ClassVar[str] = "realtime"
    family: ClassVar[str] = "openai"

    def watch(self, model: str) -> Watch:
        return OpenAIWatch(model)


DIALECT: Final = Realtime()
