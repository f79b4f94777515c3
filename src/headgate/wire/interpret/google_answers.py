"""What a model of OpenAI's realtime API says, as frames of Google's Live API. Knows no socket, no money, and not what
the client says.

https://platform.openai.com/docs/api-reference/realtime-server-events
https://ai.google.dev/api/live#BidiGenerateContentServerMessage
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from headgate.wire.operations import UNREADABLE, encode, text
from headgate.wire.realtime import read_usage

_SOUND: Final = "audio/pcm;rate=24000"


class Frames:
    """`running` is the answer that is under way, "" for none; `calls` wait for their results. `writes`: the client
    wants transcripts of what the model says; `resumes`: it asks for handles, of which there are none."""

    def __init__(self) -> None:
        self.running = ""
        self.calls: set[str] = set()
        self.writes = False
        self.resumes = False
        self._ready = False
        self._cut = False
        self._heard: set[str] = set()
        self._told: list[bytes] = []

    def told(self) -> list[bytes]:
        """What is to be told since, once; Google sends its frames as binary ones."""
        told, self._told = self._told, []
        return told

    def came(self, kind: str, event: Mapping[str, Any]) -> str:
        """An event of the provider's. What ends the connection, "" for nothing."""
        tell = _CAME.get(kind)
        return "" if tell is None else tell(self, event) or ""

    def _tell(self, **frame: Any) -> None:
        self._told.append(encode(frame))

    def _updated(self, event: Mapping[str, Any]) -> None:
        """The session is as the setup wants it."""
        if self._ready:
            return
        self._ready = True
        self._tell(setupComplete={})
        if self.resumes:
            self._tell(sessionResumptionUpdate={"resumable": False})

    def _begun(self, event: Mapping[str, Any]) -> None:
        self.running = text(_at(event, "response").get("id")) or "answer"
        self._cut = False

    def _audio(self, event: Mapping[str, Any]) -> None:
        self._part({"inlineData": {"mimeType": _SOUND, "data": event.get("delta")}})

    def _text(self, event: Mapping[str, Any]) -> None:
        self._part({"text": event.get("delta")})

    def _part(self, part: Mapping[str, Any]) -> None:
        if not self._cut:
            self._tell(serverContent={"modelTurn": {"role": "model", "parts": [part]}})

    def _transcript(self, event: Mapping[str, Any]) -> None:
        if self.writes and not self._cut:
            self._tell(serverContent={"outputTranscription": {"text": event.get("delta")}})

    def _speech(self, event: Mapping[str, Any]) -> None:
        if self.running and not self._cut:
            self._cut = True
            self._tell(serverContent={"interrupted": True})

    def _listened(self, event: Mapping[str, Any]) -> None:
        self._heard.add(text(event.get("item_id")) or "")
        self._tell(serverContent={"inputTranscription": {"text": event.get("delta")}})

    def _written(self, event: Mapping[str, Any]) -> None:
        """Models that don't stream tell it whole."""
        id_ = text(event.get("item_id")) or ""
        words = {} if id_ in self._heard else {"text": event.get("transcript")}
        self._heard.discard(id_)
        self._tell(serverContent={"inputTranscription": {**words, "finished": True}})

    def _done(self, event: Mapping[str, Any]) -> str:
        own = _at(event, "response")
        self.running = ""
        if own.get("status") == "failed":
            error = _at(own, "status_details", "error")
            return text(error.get("message")) or text(error.get("code")) or "the answer failed"
        usage = _usage(own.get("usage"))
        calls = _calls(own.get("output")) if own.get("status") == "completed" else []
        if calls:
            self.calls |= {call["id"] for call in calls}
            self._tell(toolCall={"functionCalls": calls}, **usage)
            return ""
        if own.get("status") == "cancelled":
            self._over_early()
        else:
            self._tell(serverContent={"generationComplete": True})
        filtered = _at(own, "status_details").get("reason") == "content_filter"
        why = {"turnCompleteReason": "RESPONSE_REJECTED"} if filtered else {}
        self._tell(serverContent={"turnComplete": True, **why}, **usage)
        return ""

    def _over_early(self) -> None:
        if not self._cut:
            self._cut = True
            self._tell(serverContent={"interrupted": True})


_TRANSCRIPT: Final = "conversation.item.input_audio_transcription"
_CAME: Final[Mapping[str, Callable[[Frames, Mapping[str, Any]], str | None]]] = {
    "session.updated": Frames._updated,
    "response.created": Frames._begun,
    "response.output_audio.delta": Frames._audio,
    "response.audio.delta": Frames._audio,
    "response.output_text.delta": Frames._text,
    "response.text.delta": Frames._text,
    "response.output_audio_transcript.delta": Frames._transcript,
    "response.audio_transcript.delta": Frames._transcript,
    "response.done": Frames._done,
    "input_audio_buffer.speech_started": Frames._speech,
    f"{_TRANSCRIPT}.delta": Frames._listened,
    f"{_TRANSCRIPT}.completed": Frames._written,
}
"""What is not here tells Google's clients nothing: they get no items, and no parts before these hold something."""


def _calls(output: Any) -> list[dict[str, Any]]:
    items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
    return [
        {
            "id": text(item.get("call_id")) or "",
            "name": text(item.get("name")) or "",
            "args": _arguments(item.get("arguments")),
        }
        for item in items
        if item.get("type") == "function_call"
    ]


def _arguments(given: Any) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(given) if isinstance(given, str) else None
    except UNREADABLE:
        return {}
    return found if isinstance(found, dict) else {}


def _usage(given: Any) -> dict[str, Any]:
    """https://ai.google.dev/api/live#UsageMetadata"""
    usage = read_usage(given)
    if usage is None:
        return {}
    heard, seen, spoken = usage.audio_input or 0, usage.image_input or 0, usage.audio_output or 0
    told: dict[str, Any] = {
        "promptTokenCount": usage.input,
        "responseTokenCount": usage.output,
        "totalTokenCount": usage.input + usage.output if usage.total is None else usage.total,
        "promptTokensDetails": _modalities(TEXT=usage.input - heard - seen, IMAGE=seen, AUDIO=heard),
        "responseTokensDetails": _modalities(TEXT=usage.output - spoken, AUDIO=spoken),
    }
    if usage.cache_read:
        told["cachedContentTokenCount"] = usage.cache_read
    return {"usageMetadata": told}


def _modalities(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items() if count > 0]


def _at(node: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    found: Any = node
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
