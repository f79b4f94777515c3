"""Deepgram: the file is the body, everything else a query parameter.

https://developers.deepgram.com/reference/speech-to-text/listen-pre-recorded. The reply is read into OpenAI's terms:
words are those with punctuation, segments its utterances.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from headgate.errors import BadRequestError
from headgate.wire.audio import captions, transcript
from headgate.wire.audio.shape import Failing, left_out, pairs, span, time_at
from headgate.wire.dialect import Target
from headgate.wire.ir_audio import (
    AudioUsage,
    Segment,
    TranscriptionReply,
    TranscriptionRequest,
    Word,
    options,
)
from headgate.wire.outgoing import FORWARD_FILE, Sent, Step, Wire
from headgate.wire.shape import expect, optional, reply_object, required, says_bad_reply


class Listen(Failing):
    name: ClassVar[str] = "deepgram_listen"

    def write_request(self, request: TranscriptionRequest, target: Target) -> Sent[TranscriptionReply]:
        """Raises BadRequestError for a translation."""
        if request.translate:
            raise BadRequestError(
                "the model's provider has no translations, only transcriptions", param="model"
            )
        query: dict[str, Any] = {"punctuate": "true"}
        query |= {"language": request.language} if request.language else {"detect_language": "true"}
        if request.format in transcript.TIMED or "segment" in request.granularities:
            query["utterances"] = "true"
        if request.format == "diarized_json":
            query["diarize"] = "true"
        query |= {**options(request), "model": target.model}
        asked = tuple(pair for key, value in query.items() for pair in pairs(key, value))
        return Sent(
            step=Step(wire=Wire(body=FORWARD_FILE, content_type="", query=asked), then=_read),
            dropped=left_out(request, "prompt", "temperature", "include"),
        )


@says_bad_reply
def _read(headers: Mapping[str, str], body: bytes) -> TranscriptionReply:
    found = reply_object(body)
    duration = time_at(optional(found, "metadata", dict, "") or {}, "duration", "metadata")
    results = required(found, "results", dict, "")
    channels = [
        expect(one, dict, "results.channels[]") for one in required(results, "channels", list, "results")
    ]
    best = [_best(channel, at) for at, channel in enumerate(channels)]
    words = [word for at, one in enumerate(best) for word in _words(one, f"results.channels[{at}]")]
    words.sort(key=lambda word: word.start)
    utterances = optional(results, "utterances", list, "results")
    return TranscriptionReply(
        text="\n".join(
            required(one, "transcript", str, "results.channels[].alternatives[0]") for one in best
        ),
        task="transcribe",
        language=next((one for channel in channels if (one := _language(channel))), "english"),
        duration=duration,
        segments=None if utterances is None else [_utterance(one, at) for at, one in enumerate(utterances)],
        words=words,
        usage=None if duration is None else AudioUsage(seconds=duration),
    )


def _best(channel: Mapping[str, Any], at: int) -> dict[str, Any]:
    where = f"results.channels[{at}]"
    alternatives = required(channel, "alternatives", list, where)
    return expect(alternatives[0], dict, f"{where}.alternatives[0]") if alternatives else {"transcript": ""}


def _language(channel: Mapping[str, Any]) -> str | None:
    return optional(channel, "detected_language", str, "results.channels[]")


def _words(node: Mapping[str, Any], where: str) -> list[Word]:
    found = []
    for at, word in enumerate(optional(node, "words", list, where) or []):
        word = expect(word, dict, f"{where}.words[{at}]")
        found.append(
            Word(
                word=optional(word, "punctuated_word", str, where) or required(word, "word", str, where),
                **span(word, where),
                speaker=captions.speaker(word.get("speaker")),
            )
        )
    return found


def _utterance(node: Any, at: int) -> Segment:
    where = f"results.utterances[{at}]"
    node = expect(node, dict, where)
    return Segment(
        id=at,
        text=required(node, "transcript", str, where),
        **span(node, where),
        speaker=captions.speaker(node.get("speaker")),
    )


LISTEN: Final = Listen()
