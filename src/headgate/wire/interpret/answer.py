"""OpenAI's events of an answer, in their order and in either dress. Knows no other format.

https://platform.openai.com/docs/api-reference/realtime-server-events
"""

from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.interpret.session import write
from headgate.wire.operations import encode

_EARLY: Final = {
    "conversation.item.added": "conversation.item.created",
    "conversation.item.done": "",
    **{
        f"response.output_{kind}.{end}": f"response.{kind}.{end}"
        for kind in ("text", "audio", "audio_transcript")
        for end in ("delta", "done")
    },
}
"""What the beta called them, "" for what it did not have."""


class Voice:
    """What the client hears: `say` adds an event to `said`. Ids are told apart by `name`."""

    def __init__(self, name: str, beta: bool) -> None:
        self.beta = beta
        self.said: list[str] = []
        self._name = name
        self._ids = count(1)

    def id(self, kind: str) -> str:
        return f"{kind}_{self._name}_{next(self._ids)}"

    def say(self, kind: str, **fields: Any) -> None:
        named = _EARLY.get(kind, kind) if self.beta else kind
        if named:
            event = {"type": named, "event_id": self.id("event"), **fields}
            self.said.append(encode(event).decode())

    def heard(self) -> list[str]:
        """All that was said since, once."""
        said, self.said = self.said, []
        return said


class Conversation:
    """The items, in their order: each follows the last."""

    def __init__(self, voice: Voice) -> None:
        self.id = voice.id("conv")
        self.last: str | None = None
        self._voice = voice

    def begin(self, item: Mapping[str, Any]) -> None:
        self._voice.say("conversation.item.added", previous_item_id=self.last, item=item)

    def end(self, item: Mapping[str, Any]) -> None:
        self._voice.say("conversation.item.done", previous_item_id=self.last, item=item)
        self.last = item["id"]

    def add(self, item: Mapping[str, Any]) -> None:
        self.begin(item)
        self.end(item)


_PARTS: Final = {"text": "text", "audio": "transcript"}
"""The kinds of parts, and where each keeps its words."""


class Answer:
    """One answer: what it is made of comes piece by piece. `cut`: somebody spoke in between."""

    def __init__(
        self, voice: Voice, talk: Conversation, config: Mapping[str, Any], metadata: Any = None
    ) -> None:
        self.id = voice.id("resp")
        self.cut = False
        self.items: list[dict[str, Any]] = []
        self._voice = voice
        self._talk = talk
        self._item: dict[str, Any] | None = None
        self._part = ""
        self._words: list[str] = []
        said = write({name: config[name] for name in _TOLD if config.get(name) is not None}, voice.beta)
        self._about = {
            "object": "realtime.response",
            "id": self.id,
            "conversation_id": talk.id,
            **said,
            "metadata": metadata,
        }
        voice.say("response.created", response=self._response("in_progress", None, None))

    def text(self, delta: str) -> None:
        self._open("text")
        self._words.append(delta)
        self._tell("output_text.delta", delta=delta)

    def audio(self, delta: str) -> None:
        self._open("audio")
        self._tell("output_audio.delta", delta=delta)

    def transcript(self, delta: str) -> None:
        self._open("audio")
        self._words.append(delta)
        self._tell("output_audio_transcript.delta", delta=delta)

    def call(self, id_: str, name: str, arguments: str) -> None:
        self._close("completed")
        item = self._item = self._begin(
            {"type": "function_call", "name": name, "call_id": id_, "arguments": ""}
        )
        self._tell("function_call_arguments.delta", call_id=id_, delta=arguments)
        self._tell("function_call_arguments.done", call_id=id_, name=name, arguments=arguments)
        item["arguments"] = arguments
        self._finish("completed")

    def done(self, status: str, usage: ir.Usage | None, details: Mapping[str, Any] | None = None) -> None:
        """`status` is OpenAI's: completed, cancelled, incomplete or failed."""
        self._close("completed" if status == "completed" else "incomplete")
        self._voice.say("response.done", response=self._response(status, usage, details))

    @property
    def items_so_far(self) -> set[str]:
        """The ids of its items, with the one that is not done."""
        return {item["id"] for item in (*self.items, self._item) if item is not None}

    # items and their parts

    def _open(self, kind: str) -> None:
        if self._item is None:
            self._item = self._begin({"type": "message", "role": "assistant", "content": []})
        if self._part == kind:
            return
        self._close_part()
        self._part = kind
        self._tell("content_part.added", part={"type": kind, _PARTS[kind]: ""})

    def _begin(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        item = {"id": self._voice.id("item"), "object": "realtime.item", "status": "in_progress", **fields}
        place = {"response_id": self.id, "output_index": len(self.items)}
        self._voice.say("response.output_item.added", **place, item=item)
        self._talk.begin(item)
        return item

    def _tell(self, kind: str, **fields: Any) -> None:
        assert self._item is not None
        place = {"response_id": self.id, "item_id": self._item["id"], "output_index": len(self.items)}
        if "content" in self._item:
            place["content_index"] = len(self._item["content"])
        self._voice.say(f"response.{kind}", **place, **fields)

    def _close_part(self) -> None:
        if not self._part:
            return
        assert self._item is not None
        kind, words = self._part, "".join(self._words)
        if kind == "audio":
            self._tell("output_audio.done")
            self._tell("output_audio_transcript.done", transcript=words)
        else:
            self._tell("output_text.done", text=words)
        self._tell("content_part.done", part={"type": kind, _PARTS[kind]: words})
        own = kind if self._voice.beta else f"output_{kind}"
        self._item["content"].append({"type": own, _PARTS[kind]: words})
        self._part, self._words = "", []

    def _close(self, status: str) -> None:
        self._close_part()
        if self._item is not None:
            self._finish(status)

    def _finish(self, status: str) -> None:
        assert self._item is not None
        item, self._item = self._item, None
        item["status"] = status
        self._talk.end(item)
        self._voice.say(
            "response.output_item.done", response_id=self.id, output_index=len(self.items), item=item
        )
        self.items.append(item)

    def _response(
        self, status: str, usage: ir.Usage | None, details: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        return {
            **self._about,
            "status": status,
            "status_details": None if details is None else {"type": status, **details},
            "output": self.items,
            "usage": None if usage is None else write_usage(usage),
        }


_TOLD: Final = ("output_modalities", "max_output_tokens", "audio.output.format", "audio.output.voice")
"""What an answer repeats of its session's configuration."""


def write_usage(usage: ir.Usage) -> dict[str, Any]:
    """https://platform.openai.com/docs/api-reference/realtime-server-events/response/done"""
    heard, seen, spoken = usage.audio_input or 0, usage.image_input or 0, usage.audio_output or 0
    return {
        "total_tokens": usage.input + usage.output if usage.total is None else usage.total,
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "input_token_details": {
            "text_tokens": max(0, usage.input - heard - seen),
            "audio_tokens": heard,
            "image_tokens": seen,
            "cached_tokens": usage.cache_read or 0,
        },
        "output_token_details": {"text_tokens": max(0, usage.output - spoken), "audio_tokens": spoken},
    }
