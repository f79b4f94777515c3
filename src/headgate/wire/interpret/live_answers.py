"""What a model of Google's Live API says, as OpenAI's realtime events. Knows no socket, no money, and not what the
client says.

A turn of the model is an answer; a call of a function ends it, as it does there. Google does not tell when it hears
the user: that is told the client when it shows, by a transcript, an interruption or an answer.

https://ai.google.dev/api/live#BidiGenerateContentServerMessage
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.gemini.names import Names
from headgate.wire.gemini.usage import read_usage
from headgate.wire.interpret.answer import Answer, Conversation, Voice
from headgate.wire.interpret.live_setup import hears
from headgate.wire.operations import encode, text
from headgate.wire.shape import Malformed

_BYTES_MS: Final = 48
"""Bytes of a millisecond of PCM, 16 bit, 24 kHz."""


class Answers:
    """`calls` wait for their results, by id with their names there; `past` are calls that the client told of; `cut`
    are items that were interrupted. `unheard` are bytes of sound that no item has yet; `awaited`: an item of
    sound has no answer yet."""

    def __init__(self, voice: Voice, talk: Conversation, names: Names) -> None:
        self.calls: dict[str, str] = {}
        self.past: dict[str, str] = {}
        self.cut: set[str] = set()
        self.unheard = 0
        self._voice = voice
        self._talk = talk
        self._names = names
        self._config: Mapping[str, Any] = {}
        self._answer: Answer | None = None
        self._asked = False
        self._metadata: Any = None
        self._muted = False
        self._usage: ir.Usage | None = None
        self._listened = 0
        self._speech = ""
        self._speaks = False
        self.awaited = False
        self._turn = False
        self._heard: list[str] = []

    @property
    def busy(self) -> bool:
        return self._asked or self._answer is not None

    def asked(self, metadata: Any) -> None:
        self._asked, self._metadata = True, metadata

    def cancel(self, id_: Any) -> bool:
        """False where there is no such answer. What the model still says of it is not passed on."""
        answer = self._answer
        if not self.busy or (id_ is not None and (answer is None or id_ != answer.id)):
            return False
        self._asked = False
        if answer is not None:
            self._muted = True
            self._finish("cancelled", {"reason": "client_cancelled"})
        return True

    def came(self, frame: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        """A frame of the provider's."""
        self._config = config
        if not frame:
            self.error("the provider sent a frame that can't be read", "untranslatable", kind="server_error")
        usage = frame.get("usageMetadata")
        late = self._answer is None and frame.keys().isdisjoint(("serverContent", "toolCall"))
        if isinstance(usage, dict) and not late:
            self._use(usage)
        for key, tell in _CAME.items():
            if isinstance(part := frame.get(key), dict):
                tell(self, part)

    def error(
        self,
        message: str,
        code: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        event: str = "",
    ) -> None:
        told = {"type": kind, "code": code, "message": message, "param": param, "event_id": event or None}
        self._voice.say("error", error=told)

    # what the user says

    def listened(self, size: int) -> None:
        """Bytes of sound that were appended."""
        self._listened += size
        self.unheard += size

    def committed(self) -> None:
        """What was appended is an item. Its transcript may follow."""
        id_ = self._speech or self._voice.id("item")
        self._stop()
        self._voice.say("input_audio_buffer.committed", previous_item_id=self._talk.last, item_id=id_)
        content = [{"type": "input_audio", "transcript": None}]
        item = {
            "id": id_,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
        }
        self._talk.add({**item, "content": content})
        self._speech, self.unheard = id_, 0
        if self._heard:
            self._tell_heard("delta", delta="".join(self._heard))
        self.awaited = self._turn = True

    def _start(self) -> None:
        """The user speaks, or has: the item that this will be."""
        if self._speaks:
            return
        self._transcribed()
        self._speaks, self._speech = True, self._voice.id("item")
        at = self._listened // _BYTES_MS
        self._voice.say("input_audio_buffer.speech_started", audio_start_ms=at, item_id=self._speech)

    def _stop(self) -> None:
        if self._speaks:
            self._speaks = False
            at = self._listened // _BYTES_MS
            self._voice.say("input_audio_buffer.speech_stopped", audio_end_ms=at, item_id=self._speech)

    def _said(self, heard: Mapping[str, Any]) -> None:
        """A piece of the transcript of what the user says; it may come before, in or after the answer. It is told
        when there is an item that it belongs to."""
        if hears(self._config) and not (self._turn or self._answer is not None):
            self._start()
        if words := text(heard.get("text")):
            self._heard.append(words)
            if not self._speaks:
                self._tell_heard("delta", delta=words)
        if heard.get("finished") is True and not self._speaks:
            self._transcribed()

    def _transcribed(self) -> None:
        """The transcript is whole. It costs nothing besides the answer."""
        if self._heard:
            words, self._heard = "".join(self._heard), []
            self._tell_heard("completed", transcript=words, usage=_FREE)

    def _tell_heard(self, kind: str, **fields: Any) -> None:
        item = self._speech or self._talk.last
        named = f"conversation.item.input_audio_transcription.{kind}"
        self._voice.say(named, item_id=item, content_index=0, **fields)

    def _activity(self, activity: Mapping[str, Any]) -> None:
        """Only where the provider tells of it."""
        kind = activity.get("voiceActivityType")
        if kind == "ACTIVITY_START":
            self._start()
        elif kind == "ACTIVITY_END":
            self._stop()

    # what the model says

    def _content(self, content: Mapping[str, Any]) -> None:
        if isinstance(heard := content.get("inputTranscription"), dict):
            self._said(heard)
        if not self._muted:
            self._parts(content)
        if content.get("interrupted") is True and self._answer is not None:
            self._answer.cut = True
            self.cut = self._answer.items_so_far
            if hears(self._config):
                self._start()
        if content.get("turnComplete") is True:
            self._over(content)

    def _parts(self, content: Mapping[str, Any]) -> None:
        turn = content.get("modelTurn")
        parts = turn.get("parts") if isinstance(turn, dict) else None
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and part.get("thought") is not True:
                self._part(part)
        words = content.get("outputTranscription")
        if isinstance(words, dict) and (said := text(words.get("text"))):
            self._running(new=False).transcript(said)

    def _part(self, part: Mapping[str, Any]) -> None:
        data = part.get("inlineData")
        mime = text(data.get("mimeType")) or "" if isinstance(data, dict) else ""
        if isinstance(data, dict) and mime.startswith("audio/") and isinstance(data.get("data"), str):
            self._running().audio(data["data"])
        elif isinstance(said := part.get("text"), str):
            self._running().text(said)
        else:
            named = mime or next(iter(part), "an empty part")
            self.error(
                f"the model said what OpenAI's events have no name for: {named}"[:300], "untranslatable"
            )

    def _running(self, *, new: bool = True) -> Answer:
        """The answer that is under way. One into which the user spoke ends before the next begins."""
        if self._answer is not None and self._answer.cut and new:
            self._finish("cancelled", {"reason": "turn_detected"})
        if self._answer is None:
            if self.unheard and (self._speaks or not self._asked):
                self.committed()
            self._answer = Answer(self._voice, self._talk, self._config, self._metadata)
            self._asked, self._metadata, self.awaited = False, None, False
        return self._answer

    def _over(self, content: Mapping[str, Any]) -> None:
        if self._muted:
            self._muted = False
        elif self._answer is not None or self._asked:
            cut = self._running(new=False).cut
            reason = text(content.get("turnCompleteReason")) or ""
            if cut:
                self._finish("cancelled", {"reason": "turn_detected"})
            elif reason in _FINE:
                self._finish("completed")
            elif reason in _REJECTED:
                self._finish("failed", {"error": {"type": "server_error", "code": reason.lower()}})
            else:
                self._finish("incomplete", {"reason": "content_filter"})
        if not self._speaks:
            self._transcribed()
            self._turn = False
        self._usage = None

    def _finish(self, status: str, details: Mapping[str, Any] | None = None) -> None:
        answer, self._answer = self._answer, None
        assert answer is not None
        answer.done(status, self._usage, details)
        self._usage = None
        if status == "cancelled":
            self.cut = answer.items_so_far

    def _calls(self, called: Mapping[str, Any]) -> None:
        calls = called.get("functionCalls")
        found = [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
        if not found:
            return
        self._muted = False
        answer = self._running()
        for call in found:
            name = text(call.get("name")) or ""
            id_ = text(call.get("id")) or self._voice.id("call")
            self.calls[id_] = name
            answer.call(id_, self._names.changed.get(name, name), encode(call.get("args") or {}).decode())
        self._finish("completed")

    def _recalled(self, recall: Mapping[str, Any]) -> None:
        ids = recall.get("ids")
        gone = [id_ for id_ in ids if isinstance(id_, str)] if isinstance(ids, list) else []
        for id_ in gone:
            self.calls.pop(id_, None)
        told = ", ".join(gone)[:300]
        self.error(
            f"the model takes back its calls {told}: their results are not wanted", "tool_call_cancelled"
        )

    def _leaving(self, leave: Mapping[str, Any]) -> None:
        left = text(leave.get("timeLeft")) or "a moment"
        self.error(f"the provider ends this connection in {left}: connect again", "session_expiring")

    def _use(self, usage: dict[str, Any]) -> None:
        """Numbers that can't be read are none; what is billed is counted elsewhere."""
        try:
            self._usage = read_usage(usage)
        except Malformed:
            self._usage = None


_FREE: Final = {"type": "tokens", "input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
_FINE: Final = ("", "TURN_COMPLETE_REASON_UNSPECIFIED", "NEED_MORE_INPUT")
_REJECTED: Final = ("RESPONSE_REJECTED", "MALFORMED_FUNCTION_CALL")
"""Why a turn is complete; what is not here is a filter's doing: https://ai.google.dev/api/live#TurnCompleteReason"""
_CAME: Final[Mapping[str, Callable[[Answers, Mapping[str, Any]], None]]] = {
    "voiceActivity": Answers._activity,
    "serverContent": Answers._content,
    "toolCall": Answers._calls,
    "toolCallCancellation": Answers._recalled,
    "goAway": Answers._leaving,
}
"""What is not here tells the client nothing: the answer to the setup, and handles for resuming, which nobody asks
for."""
