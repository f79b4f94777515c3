"""A client that speaks OpenAI's realtime events to a model of Google's Live API: what the client says, and what the
provider answers (`live_answers.py`). Knows no socket and no money.

The two differ in when a model answers. OpenAI's does when it is asked, or when it hears that the user has finished;
Google's does with every finished turn. So items, results of functions and sound that is committed by hand are kept
until `response.create`, and go in one turn. Where Google listens for the user itself, sound goes at once.

The setup is the first frame and can't be changed: it is sent with the first frame that needs it, made of all
`session.update` until then. Frames wait for its answer.

https://ai.google.dev/api/live
https://platform.openai.com/docs/api-reference/realtime-client-events
"""

import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from headgate.wire.gemini.names import Names
from headgate.wire.interpret import Style, Turned
from headgate.wire.interpret.answer import Conversation, Voice
from headgate.wire.interpret.live_answers import Answers
from headgate.wire.interpret.live_items import SOUND, Unsaid, call, result, turn
from headgate.wire.interpret.live_setup import LACKS, Setup, hears, setup
from headgate.wire.interpret.session import DEFAULTS, read, write
from headgate.wire.operations import UNREADABLE, encode, text
from headgate.wire.realtime import Data

HELD: Final = 16 * 1024 * 1024
"""Characters of sound that are kept until they are asked about: four minutes and a half."""
_NORMAL: Final = 1000


class LiveTalk:
    """See Talk."""

    def __init__(self, style: Style) -> None:
        self._drop = style.drop
        self._model = style.model if "/" in style.model else f"models/{style.model}"
        self._shown = style.model
        self._config: dict[str, Any] = dict(DEFAULTS)
        self._names = Names()
        self._voice = Voice(style.name, style.beta)
        self._session = f"sess_{style.name}"
        self._talk = Conversation(self._voice)
        self._answers = Answers(self._voice, self._talk, self._names)
        self._setup: Setup | None = None
        self._ready = False
        self._waiting: list[str] = []
        self._up: list[str] = []
        self._system: list[str] = []
        self._turns: list[dict[str, Any]] = []
        self._results: list[dict[str, Any]] = []
        self._open: list[str] = []
        self._spoken: list[str] = []
        self._size = 0
        self._asking = ""

    def opened(self) -> Sequence[Data]:
        self._voice.say("session.created", session=self._shown_session())
        if self._voice.beta:
            self._voice.say(
                "conversation.created", conversation={"id": self._talk.id, "object": "realtime.conversation"}
            )
        return self._voice.heard()

    def sent(self, data: Data) -> Turned:
        event = _object(data)
        name = text(event.get("event_id")) or ""
        try:
            tell = _SENT.get(text(event.get("type")) or "")
            if tell is None:
                raise _unknown(event)
            tell(self, event)
        except Unsaid as unsaid:
            self._answers.error(str(unsaid), unsaid.code, param=unsaid.param, event=name)
        except RecursionError:
            self._answers.error("the event is nested too deeply", "invalid_event", event=name)
        return self._turned(name)

    def came(self, data: Data) -> Turned:
        frame = _object(data)
        if "setupComplete" in frame:
            self._ready = True
            self._up += self._waiting
            self._waiting = []
        self._answers.came(frame, self._config)
        return self._turned(self._asking)

    def parted(self, code: int, reason: str) -> Sequence[Data]:
        if code != _NORMAL:
            message = reason or f"the provider closed the connection with {code}, without a reason"
            self._answers.error(message, "upstream_closed", kind="server_error")
        return self._voice.heard()

    def _turned(self, event: str) -> Turned:
        up, self._up = self._up, []
        return Turned(up, self._voice.heard(), event)

    def _pass(self, frame: Mapping[str, Any]) -> None:
        """To the provider, after the setup and its answer."""
        if self._setup is None:
            self._setup, _ = setup(self._config, self._model, self._names, self._system)
            self._up.append(_frame({"setup": self._setup}))
        (self._up if self._ready else self._waiting).append(_frame(frame))

    # the session

    def _shown_session(self) -> dict[str, Any]:
        about = {"type": "realtime", "object": "realtime.session", "id": self._session, "model": self._shown}
        return {**about, **write(self._config, self._voice.beta)}

    def _update(self, event: Mapping[str, Any]) -> None:
        session = event.get("session")
        if not isinstance(session, dict):
            raise Unsaid("session: expected an object", "session")
        if session.get("type", "realtime") != "realtime":
            raise Unsaid(f"session.type: {LACKS} but realtime sessions", "session.type", "unsupported")
        changes, unknown = read(session)
        wrong = dict.fromkeys(unknown, LACKS)
        wrong.update(setup({**self._config, **changes}, self._model, Names())[1])
        if self._setup is not None:
            late = "can't be changed any more: Google's Live API is set up once"
            wrong.update(dict.fromkeys(self._changing(changes), late))
        if wrong and not self._drop:
            told = "; ".join(f"session.{name}: {problem}" for name, problem in wrong.items())
            raise Unsaid(
                f"{told}. Leave it out, or set drop_params", f"session.{next(iter(wrong))}", "unsupported"
            )
        self._config.update({name: value for name, value in changes.items() if name not in wrong})
        self._voice.say("session.updated", session=self._shown_session())

    def _changing(self, changes: Mapping[str, Any]) -> list[str]:
        """The names of those that would make another setup."""
        now = setup(self._config, self._model, Names())
        return [
            name
            for name, value in changes.items()
            if setup({**self._config, name: value}, self._model, Names()) != now
        ]

    # sound

    def _append(self, event: Mapping[str, Any]) -> None:
        sound = event.get("audio")
        try:
            size = len(binascii.a2b_base64(sound, strict_mode=True)) if isinstance(sound, str) else 0
        except ValueError:
            size = 0
        if not size or not isinstance(sound, str):
            raise Unsaid("audio: expected samples in base64", "audio")
        if hears(self._config):
            if not self._answers.busy:
                self._flush()
            for piece in (*self._open, sound):  # kept before it was said that Google listens
                self._pass(_sound(piece))
            self._open = []
            self._answers.listened(size)
            return
        self._size += len(sound)
        if self._size > HELD:
            self._size -= len(sound)
            raise Unsaid(f"audio: over {HELD} characters that nobody asked about", "audio", "buffer_full")
        self._open.append(sound)
        self._answers.listened(size)

    def _commit(self, event: Mapping[str, Any]) -> None:
        if not self._answers.unheard:
            raise Unsaid(
                "the buffer is empty: append sound before it is committed",
                None,
                "input_audio_buffer_commit_empty",
            )
        if hears(self._config):
            self._pass({"realtimeInput": {"audioStreamEnd": True}})
        self._spoken += self._open
        self._open = []
        self._answers.committed()

    def _clear(self, event: Mapping[str, Any]) -> None:
        if hears(self._config) and self._answers.unheard:
            raise Unsaid(
                "what was appended is with the model already, and Google's Live API can't forget it: with "
                "turn_detection null it is kept here until it is committed",
                None,
                "unsupported",
            )
        self._size -= sum(map(len, self._open))
        self._open = []
        self._answers.unheard = 0
        self._voice.say("input_audio_buffer.cleared")

    # items

    def _item(self, event: Mapping[str, Any]) -> None:
        item = event.get("item")
        if not isinstance(item, dict):
            raise Unsaid("item: expected an object", "item")
        if event.get("previous_item_id") not in (None, self._talk.last):
            raise Unsaid(
                "previous_item_id: items only go to the end of a conversation with Google's Live API",
                "previous_item_id",
                "unsupported",
            )
        keep = _KEPT.get(text(item.get("type")) or "")
        if keep is None:
            raise Unsaid(f"item.type: {LACKS} as {item.get('type')!r}"[:300], "item.type", "unsupported")
        keep(self, item)
        id_ = text(item.get("id")) or self._voice.id("item")
        self._talk.add({**item, "id": id_, "object": "realtime.item", "status": "completed"})

    def _message(self, item: Mapping[str, Any]) -> None:
        made = turn(item)
        if made["role"] != "system":
            self._turns.append(made)
        elif self._setup is not None:
            raise Unsaid(
                "item.role: system messages go before the conversation begins: Google's Live API is set up once",
                "item.role",
                "unsupported",
            )
        else:
            self._system += [part["text"] for part in made["parts"] if "text" in part]

    def _called(self, item: Mapping[str, Any]) -> None:
        """A call that the model did not make here, but is to know of."""
        id_, name = _texts(item, "call_id", "name")
        self._turns.append(call(item, self._names.fit(name)))
        self._answers.past[id_] = name

    def _output(self, item: Mapping[str, Any]) -> None:
        (id_,) = _texts(item, "call_id")
        if id_ in self._answers.calls:
            self._results.append(result(item, self._answers.calls[id_]))
            del self._answers.calls[id_]
        elif id_ in self._answers.past:
            made = result(item, self._names.fit(self._answers.past[id_]))
            self._turns.append({"role": "user", "parts": [{"functionResponse": made}]})
        else:
            raise Unsaid(
                f"item.call_id: {id_[:80]!r} is no call that waits for its result",
                "item.call_id",
                "invalid_value",
            )

    def _truncate(self, event: Mapping[str, Any]) -> None:
        """Google forgets by itself what was not heard of an answer into which the user spoke."""
        id_ = text(event.get("item_id"))
        if id_ not in self._answers.cut:
            raise Unsaid(
                "Google's Live API shortens an answer by itself when the user interrupts it, and at no other time",
                "item_id",
                "unsupported",
            )
        told = {key: event.get(key) for key in ("item_id", "content_index", "audio_end_ms")}
        self._voice.say("conversation.item.truncated", **told)

    # answers

    def _create(self, event: Mapping[str, Any]) -> None:
        if self._answers.busy:
            raise Unsaid(
                "the conversation has an answer under way: wait for response.done, or cancel it",
                None,
                "conversation_already_has_active_response",
            )
        own = event.get("response") or {}
        if not isinstance(own, dict):
            raise Unsaid("response: expected an object", "response")
        changes, unknown = read(own)
        wrong = self._changing(changes)
        wrong += [
            name
            for name in unknown
            if name != "metadata" and (name, own.get(name)) != ("conversation", "auto")
        ]
        if wrong and not self._drop:
            raise Unsaid(
                f"response.{', response.'.join(wrong)}: {LACKS} for one answer. Set it for the session, or set "
                "drop_params",
                f"response.{wrong[0]}",
                "unsupported",
            )
        self._asking = text(event.get("event_id")) or ""
        self._answers.asked(own.get("metadata"))
        self._ask()

    def _ask(self) -> None:
        """All that was kept. Only the last frame may ask for the answer: another turn would interrupt it. None does
        where Google has heard the end of what it answers."""
        answered = bool(self._results) or (hears(self._config) and self._answers.awaited)
        if self._results:
            self._pass({"toolResponse": {"functionResponses": self._results}})
            self._results = []
        spoken, self._spoken = self._spoken, []
        if self._turns or not (answered or spoken):
            self._content(over=not spoken)
        if spoken:
            self._size -= sum(map(len, spoken))
            marked = not hears(self._config)
            if marked:
                self._pass({"realtimeInput": {"activityStart": {}}})
            for sound in spoken:
                self._pass(_sound(sound))
            self._pass({"realtimeInput": {"activityEnd": {}} if marked else {"audioStreamEnd": True}})

    def _flush(self) -> None:
        """What the model should know before it hears more."""
        if self._turns:
            self._content(over=False)

    def _content(self, *, over: bool) -> None:
        turns, self._turns = self._turns, []
        content: dict[str, Any] = {"turns": turns} if turns else {}
        self._pass({"clientContent": {**content, "turnComplete": over}})

    def _cancel(self, event: Mapping[str, Any]) -> None:
        """Any content interrupts the model: https://ai.google.dev/api/live#BidiGenerateContentClientContent"""
        if not self._answers.cancel(event.get("response_id")):
            raise Unsaid("no such answer is under way", "response_id", "response_cancel_not_active")
        self._pass({"clientContent": {"turnComplete": False}})


_Tell = Callable[[LiveTalk, Mapping[str, Any]], None]
_SENT: Final[Mapping[str, _Tell]] = {
    "session.update": LiveTalk._update,
    "input_audio_buffer.append": LiveTalk._append,
    "input_audio_buffer.commit": LiveTalk._commit,
    "input_audio_buffer.clear": LiveTalk._clear,
    "conversation.item.create": LiveTalk._item,
    "conversation.item.truncate": LiveTalk._truncate,
    "response.create": LiveTalk._create,
    "response.cancel": LiveTalk._cancel,
}
_KEPT: Final[Mapping[str, _Tell]] = {
    "message": LiveTalk._message,
    "function_call": LiveTalk._called,
    "function_call_output": LiveTalk._output,
}


def _unknown(event: Mapping[str, Any]) -> Unsaid:
    kind = text(event.get("type"))
    if kind:
        return Unsaid(f"{LACKS} as the event {kind[:80]!r}", "type", "unsupported")
    if "setup" in event:
        return Unsaid(
            "this path takes OpenAI's events; Google's frames go to /ws/google.ai.generativelanguage.…"
        )
    return Unsaid(
        'expected a JSON object with a "type": one of OpenAI\'s client events', "type", "invalid_event"
    )


def _texts(item: Mapping[str, Any], *keys: str) -> list[str]:
    """Raises Unsaid."""
    for key in keys:
        if not isinstance(item.get(key), str) or not item[key]:
            raise Unsaid(f"item.{key}: expected a string", f"item.{key}")
    return [item[key] for key in keys]


def _sound(data: str) -> dict[str, Any]:
    return {"realtimeInput": {"audio": {"mimeType": SOUND, "data": data}}}


def _frame(frame: Mapping[str, Any]) -> str:
    return encode(frame).decode()


def _object(data: Data) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(data)
    except UNREADABLE:
        return {}
    return found if isinstance(found, dict) else {}
