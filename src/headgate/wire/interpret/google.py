"""A client that speaks Google's Live API to a model of OpenAI's realtime API: what the client says, and what the
provider answers (`google_answers.py`). Knows no socket and no money.

A finished turn of Google's asks for an answer, and interrupts one that is under way; here that one is cancelled, and
the next is asked for when it has ended. Sound is brought to 24 kHz, the only rate that OpenAI takes. Google has no
event for what is wrong: it ends the connection with a reason, and so does this.

https://ai.google.dev/api/live
https://platform.openai.com/docs/api-reference/realtime-client-events
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from headgate.wire.gemini.check import camel
from headgate.wire.interpret import Style, Turned
from headgate.wire.interpret.google_answers import Frames
from headgate.wire.interpret.google_setup import session
from headgate.wire.interpret.live_items import Unsaid
from headgate.wire.interpret.pcm import RATE, Resampler
from headgate.wire.interpret.session import write
from headgate.wire.operations import UNREADABLE, encode, text
from headgate.wire.realtime import Data

HEARD: Final = 16_000
"""Hz of sound that does not say its own: https://ai.google.dev/gemini-api/docs/live-guide#audio-formats"""
_SILENCE: Final = base64.b64encode(bytes(RATE * 2)).decode()
"""A second of it ends what the user says."""
_SETUP: Final = "event_setup"


class GoogleTalk:
    """See Talk."""

    def __init__(self, style: Style) -> None:
        self._frames = Frames()
        self._beta: bool | None = None
        self._session: dict[str, Any] | None = None
        self._up: list[str] = []
        self._problem = ""
        self._began = False
        self._wanted = self._asked = False
        self._marked = False
        self._sound: dict[int, Resampler] = {}

    def opened(self) -> Sequence[Data]:
        return ()

    def sent(self, data: Data) -> Turned:
        try:
            frame = _object(data)
            if not frame or not frame.keys() <= _SENT.keys():
                raise Unsaid(
                    f"expected one of {', '.join(_SENT)}, found {', '.join(frame)[:100] or 'no object'}"
                )
            for kind, given in frame.items():
                if kind != "setup" and not self._began:
                    raise Unsaid("the first frame must be the setup")
                if given is not None:
                    _SENT[kind](self, _named(given, kind))
        except Unsaid as unsaid:
            self._problem = str(unsaid)
        except RecursionError:
            self._problem = "the frame is nested too deeply"
        return self._turned()

    def came(self, data: Data) -> Turned:
        event = _object(data)
        kind = text(event.get("type")) or ""
        if kind == "error":
            self._refused(event.get("error"))
        else:
            self._problem = self._frames.came(kind, event)
        if kind == "session.created" and self._beta is None:
            session = event.get("session")
            self._beta = isinstance(session, dict) and session.keys().isdisjoint(("type", "audio"))
            self._configure()
        elif kind == "response.created":
            self._asked = False
            if self._wanted:  # it was asked for before the turn that is to be answered
                self._interrupt()
        elif kind == "response.done" and self._wanted:
            self._ask()
        return self._turned()

    def parted(self, code: int, reason: str) -> Sequence[Data]:
        return ()

    def _turned(self) -> Turned:
        up, self._up = self._up, []
        return Turned(up, self._frames.told(), problem=self._problem)

    def _say(self, kind: str, **fields: Any) -> None:
        self._up.append(encode({"type": kind, **fields}).decode())

    def _refused(self, error: Any) -> None:
        """What only crossed an answer's end is no matter; anything else is what the client said wrong."""
        own = error if isinstance(error, dict) else {}
        if own.get("code") == _ACTIVE:
            self._asked = False
        elif own.get("code") not in _CROSSED:
            self._problem = text(own.get("message")) or "the provider refused it, without a reason"

    # what the client says

    def _set_up(self, setup: Mapping[str, Any]) -> None:
        if self._began:
            raise Unsaid("setup: only the first frame may be one")
        self._began = True
        made, wrong = session(setup)
        if wrong:
            raise Unsaid("; ".join(f"{name}: {problem}" for name, problem in wrong.items()))
        self._marked = made.get("audio.input.turn_detection", {}) is None
        self._frames.writes = "outputAudioTranscription" in setup
        self._frames.resumes = "sessionResumption" in setup
        self._session = made
        self._configure()

    def _configure(self) -> None:
        """Once both sides have said who they are: only the final form of the API has a type of session."""
        if self._session is not None and self._beta is not None:
            about = {} if self._beta else {"type": "realtime"}
            self._say(
                "session.update", event_id=_SETUP, session={**about, **write(self._session, self._beta)}
            )

    def _content(self, content: Mapping[str, Any]) -> None:
        turns = content.get("turns")
        for at, turn in enumerate(turns if isinstance(turns, list) else [turns] if turns else []):
            self._turn(turn, f"clientContent.turns[{at}]")
        if content.get("turnComplete") is True:
            self._want()
        elif self._frames.running:
            self._interrupt()

    def _turn(self, turn: Any, where: str) -> None:
        parts = turn.get("parts") if isinstance(turn, dict) else None
        if not isinstance(parts, list):
            raise Unsaid(f"{where}.parts: expected a list")
        role = turn.get("role") or "user"
        if role not in ("user", "model"):
            raise Unsaid(f"{where}.role: expected user or model")
        content: list[dict[str, Any]] = []
        for number, given in enumerate(parts):
            place = f"{where}.parts[{number}]"
            part = _named(given, place)
            key = next((key for key in _ITEMS if isinstance(part.get(key), dict)), None)
            if key is None:
                content.append(self._part(part, role, place))
                continue
            self._message(content, role)
            content = []
            _ITEMS[key](self, part[key], place)
        self._message(content, role)

    def _message(self, content: Sequence[Mapping[str, Any]], role: str = "user") -> None:
        if content:
            named = "user" if role == "user" else "assistant"
            item = {"type": "message", "role": named, "content": content}
            self._say("conversation.item.create", item=item)

    def _part(self, part: Mapping[str, Any], role: str, where: str) -> dict[str, Any]:
        if isinstance(said := part.get("text"), str):
            early = "text" if self._beta else "output_text"
            return {"type": "input_text" if role == "user" else early, "text": said}
        if role == "user" and isinstance(part.get("inlineData"), dict):
            return self._blob(_named(part["inlineData"], where), where)
        raise Unsaid(f"{where}: a turn of this role can't have {', '.join(part)[:100] or 'an empty part'}")

    def _blob(self, blob: Mapping[str, Any], where: str) -> dict[str, Any]:
        mime, data = text(blob.get("mimeType")) or "", text(blob.get("data"))
        if data is None or not mime.startswith(("image/", "audio/")):
            raise Unsaid(f"{where}: expected data, and the mimeType of a picture or of sound")
        if mime.startswith("image/"):
            return {"type": "input_image", "image_url": f"data:{mime};base64,{data}"}
        return {
            "type": "input_audio",
            "audio": _coded(Resampler(_rate(mime, where)).feed(_bytes(data, where))),
        }

    def _called(self, call: Mapping[str, Any], where: str) -> None:
        id_, name = text(call.get("id")), text(call.get("name"))
        if not id_ or not name:
            raise Unsaid(f"{where}.functionCall: expected its id and name")
        arguments = encode(call.get("args") or {}).decode()
        item = {"type": "function_call", "call_id": id_, "name": name, "arguments": arguments}
        self._say("conversation.item.create", item=item)

    def _result(self, result: Mapping[str, Any], where: str) -> None:
        id_ = text(result.get("id"))
        if not id_:
            raise Unsaid(f"{where}: expected the id of a call")
        told = result.get("response")
        plain = told.get("output") if isinstance(told, dict) and list(told) == ["output"] else None
        output = plain if isinstance(plain, str) else encode(told).decode()
        self._frames.calls.discard(id_)
        item = {"type": "function_call_output", "call_id": id_, "output": output}
        self._say("conversation.item.create", item=item)

    def _results(self, given: Mapping[str, Any]) -> None:
        """The model goes on when all its calls have results."""
        results = given.get("functionResponses")
        for at, one in enumerate(results if isinstance(results, list) else [results]):
            where = f"toolResponse.functionResponses[{at}]"
            self._result(_named(one, where), where)
        if not self._frames.calls:
            self._want()

    def _streamed(self, given: Mapping[str, Any]) -> None:
        for kind, value in given.items():
            stream = _STREAMED.get(kind)
            if stream is None:
                raise Unsaid(f"realtimeInput.{kind[:80]}: OpenAI's realtime API has no such thing")
            if value is not None:
                stream(self, value)

    def _heard(self, blob: Any) -> None:
        where = "realtimeInput.audio"
        named = _named(blob, where)
        mime, data = text(named.get("mimeType")) or "audio/pcm", text(named.get("data"))
        if mime.startswith("image/"):  # as the older mediaChunks have it
            self._seen(blob)
            return
        if data is None:
            raise Unsaid(f"{where}.data: expected samples in base64")
        rate = _rate(mime, where)
        made = self._sound.setdefault(rate, Resampler(rate)).feed(_bytes(data, where))
        if made:
            self._say("input_audio_buffer.append", audio=_coded(made))

    def _chunks(self, chunks: Any) -> None:
        for chunk in chunks if isinstance(chunks, list) else [chunks]:
            self._heard(chunk)

    def _seen(self, blob: Any) -> None:
        self._message([self._blob(_named(blob, "realtimeInput.video"), "realtimeInput.video")])

    def _written(self, words: Any) -> None:
        if not isinstance(words, str):
            raise Unsaid("realtimeInput.text: expected a string")
        self._message([{"type": "input_text", "text": words}])
        self._want()

    def _starts(self, mark: Any) -> None:
        if self._frames.running:
            self._interrupt()

    def _ends(self, mark: Any) -> None:
        if not self._marked:
            raise Unsaid("realtimeInput.activityEnd: automaticActivityDetection is not disabled")
        self._say("input_audio_buffer.commit")
        self._want()

    def _paused(self, paused: Any) -> None:
        if paused is True and not self._marked:
            self._say("input_audio_buffer.append", audio=_SILENCE)

    # answers

    def _want(self) -> None:
        """An answer, once the one that is under way has ended."""
        self._wanted = bool(self._frames.running) or self._asked
        if self._frames.running:
            self._interrupt()
        elif not self._asked:
            self._ask()

    def _ask(self) -> None:
        self._wanted, self._asked = False, True
        self._say("response.create")

    def _interrupt(self) -> None:
        self._say("response.cancel")


_Tell = Callable[[GoogleTalk, Mapping[str, Any]], None]
_SENT: Final[Mapping[str, _Tell]] = {
    "setup": GoogleTalk._set_up,
    "clientContent": GoogleTalk._content,
    "realtimeInput": GoogleTalk._streamed,
    "toolResponse": GoogleTalk._results,
}
_ITEMS: Final[Mapping[str, Callable[[GoogleTalk, Mapping[str, Any], str], None]]] = {
    "functionCall": GoogleTalk._called,
    "functionResponse": GoogleTalk._result,
}
_STREAMED: Final[Mapping[str, Callable[[GoogleTalk, Any], None]]] = {
    "audio": GoogleTalk._heard,
    "mediaChunks": GoogleTalk._chunks,
    "video": GoogleTalk._seen,
    "text": GoogleTalk._written,
    "activityStart": GoogleTalk._starts,
    "activityEnd": GoogleTalk._ends,
    "audioStreamEnd": GoogleTalk._paused,
}
_ACTIVE: Final = "conversation_already_has_active_response"
_CROSSED: Final = ("response_cancel_not_active", "input_audio_buffer_commit_empty")
_RATE: Final = re.compile(r"rate=(\d{4,5})\b")


def _rate(mime: str, where: str) -> int:
    """Raises Unsaid for what is no PCM, or too fast."""
    found = _RATE.search(mime)
    rate = int(found[1]) if found else HEARD
    if not mime.startswith("audio/pcm") or not 8_000 <= rate <= 48_000:
        raise Unsaid(f"{where}: expected audio/pcm of 8 to 48 kHz, found {mime[:80]}")
    return rate


def _bytes(data: str, where: str) -> bytes:
    try:
        return binascii.a2b_base64(data.replace("-", "+").replace("_", "/"))
    except ValueError:
        raise Unsaid(f"{where}.data: expected base64") from None


def _coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _named(given: Any, where: str) -> dict[str, Any]:
    """With names as the reference has them. Raises Unsaid for what is no object."""
    if not isinstance(given, dict):
        raise Unsaid(f"{where}: expected an object")
    return {camel(key): value for key, value in given.items()}


def _object(data: Data) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(data)
    except UNREADABLE:
        return {}
    return {camel(key): value for key, value in found.items()} if isinstance(found, dict) else {}
