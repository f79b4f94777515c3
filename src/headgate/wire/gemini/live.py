"""Google's Live API: the frames of a realtime connection, watched. Knows no socket, no money and no provider.

A turn of the model is an answer. It has no id and no frame that cancels it: ours are numbers, and what ends it is the
end of the connection. A call of a function ends an answer; the function's result asks for the next one.

https://ai.google.dev/api/live
"""

import re
from collections.abc import Mapping
from itertools import count
from math import ceil
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Raw, Struct

from headgate.wire import ir
from headgate.wire.gemini.check import camel
from headgate.wire.gemini.usage import read_usage
from headgate.wire.operations import UNREADABLE, Operation, encode
from headgate.wire.realtime import Asked, Begun, Data, Ended, Event, Spoke, Watch
from headgate.wire.shape import Malformed

T = TypeVar("T")
HEARD: Final = 1_600
"""Characters of base64 for a token: sound has 25 tokens a second; what comes in is PCM, 16 bit, 16 kHz or more."""
SPOKEN: Final = 2_560
"""The same for what the model says, at 24 kHz."""
SEEN: Final = 16
"""A picture has 258 tokens, and more characters than this for each: https://ai.google.dev/gemini-api/docs/tokens"""
WRITTEN: Final = 4


class _Sent(NamedTuple):
    setup: Raw
    client_content: Raw
    realtime_input: Raw
    tool_response: Raw


class _Came(Struct, rename="camel"):
    server_content: Raw = Raw()
    tool_call: Raw = Raw()
    usage_metadata: Raw = Raw()


_SPOKEN: Final = (b'"activityEnd"', b'"activity_end"')
"""The client says itself when it has spoken."""
_KINDS: Final = ("setup", "clientContent", "realtimeInput", "toolResponse")
_CAME: Final = msgspec.json.Decoder(_Came).decode
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw]).decode


class LiveWatch:
    """See wire/realtime.py."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._context = 0.0
        self._most: int | None = None
        self._ids = count(1)
        self._running = ""
        self._over = False
        self._asked = False
        self._usage: ir.Usage | None = None
        self._sound = self._words = 0.0

    @property
    def context(self) -> int:
        return int(self._context) + 1

    def sent(self, data: Data) -> tuple[Data, Asked | None]:
        frame = _sent(data)
        if frame is None:
            return data, None
        self._context += len(data) / _size(bytes(frame.realtime_input))
        if bytes(frame.setup):
            return self._set_up(data, frame.setup), None
        turn = _object(frame.client_content)
        over = named(turn).get("turnComplete") is True or bytes(frame.tool_response)
        spoken = any(mark in bytes(frame.realtime_input) for mark in _SPOKEN)
        if not (over or spoken) or self._asked:  # several results of functions ask for one answer
            return data, None
        self._asked = True
        return data, Asked(most=self._most)

    def came(self, data: Data) -> list[Event]:
        try:
            frame = _CAME(data)
        except UNREADABLE:
            return []
        events: list[Event] = []
        content = _object(frame.server_content)
        called = bool(bytes(frame.tool_call))
        if called or "modelTurn" in content:
            if self._over:  # the usage of the last one never came
                events.append(self._end())
            if not self._running:
                events.append(self._begin())
            if not self._words + self._sound:
                events.append(Spoke(self._running))
            said = bytes(frame.server_content)
            if b'"inlineData"' in said:
                self._sound += len(said) / SPOKEN
            else:
                self._words += len(said) / WRITTEN
        usage = _usage(frame.usage_metadata)
        if usage is not None:
            if not self._running:
                events.append(self._begin())
                self._over = True
            self._usage = usage
        if self._running and (called or content.get("turnComplete") is True):
            self._over = True
        if self._over and self._usage is not None:
            events.append(self._end())
        return events

    def cancel(self, id_: str) -> str | None:
        return None

    def said(self, id_: str) -> ir.Usage:
        sound = ceil(self._sound)
        return ir.Usage(input=self.context, output=ceil(self._words) + sound, audio_output=sound or None)

    def _set_up(self, data: Data, setup: Raw) -> Data:
        """With the provider's name of the model."""
        fields = _fields(setup)
        known = named(fields)
        limits = named({**_object(setup), **_object(known.get("generationConfig", Raw()))})
        most = limits.get("maxOutputTokens")
        self._most = most if isinstance(most, int) else None
        name = self._model if "/" in self._model else f"models/{self._model}"
        if bytes(fields.get("model", b"")) == encode(name):
            return data
        whole = encode({**_fields(data), "setup": {**fields, "model": name}})
        return whole.decode() if isinstance(data, str) else whole

    def _begin(self) -> Begun:
        self._running, self._over, self._asked = str(next(self._ids)), False, False
        self._sound = self._words = 0.0
        return Begun(self._running, self._most)

    def _end(self) -> Ended:
        ended = Ended(self._running, self._usage, said=self.said(self._running))
        if self._usage is not None:
            self._context = max(self._context, self._usage.input) + self._usage.output
        self._running, self._usage, self._over = "", None, False
        return ended


def _sent(data: Data) -> _Sent | None:
    try:
        frame = named(_FIELDS(data))
    except UNREADABLE:
        return None
    return _Sent(*(frame.get(kind, Raw()) for kind in _KINDS))


def named(fields: Mapping[str, T]) -> dict[str, T]:
    """Google's own library says `client_content` where the reference says `clientContent`."""
    return {camel(name): value for name, value in fields.items()}


def _size(streamed: bytes) -> int:
    """Characters for a token of what is streamed; other frames are text, in which each may be one."""
    if not streamed or b'"text"' in streamed:
        return 1
    return HEARD if b'"audio/' in streamed else SEEN


def _usage(raw: Raw) -> ir.Usage | None:
    node = _object(raw)
    try:
        return read_usage(node) if node else None
    except Malformed:  # the frame goes on as it came; the answer counts as one without usage
        return None


def _fields(data: Data | Raw) -> dict[str, Raw]:
    try:
        return _FIELDS(data)
    except UNREADABLE:
        return {}


def _object(raw: Raw) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw) if bytes(raw) else None
    except UNREADABLE:
        return {}
    return found if isinstance(found, dict) else {}


def model_of(data: Data) -> str:
    """Of a connection's first frame, "" where it names none."""
    frame = _sent(data)
    model = None if frame is None else _object(frame.setup).get("model")
    return _PLACE.sub("", model, count=1) if isinstance(model, str) else ""


_PLACE: Final = re.compile(r"^(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/[^/]+/)?models/")
"""What AI Studio and Vertex AI have before a model's own name."""


class GeminiLive(Operation):
    name: ClassVar[str] = "gemini_live"
    family: ClassVar[str] = "gemini"

    def watch(self, model: str) -> Watch:
        return LiveWatch(model)


DIALECT: Final = GeminiLive()
