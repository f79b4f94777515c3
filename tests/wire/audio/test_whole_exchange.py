"""From the caller's bytes to the caller's bytes, with an upstream that answers as documented.

What an engine does with the pieces, without its sockets and clocks.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from headgate.errors import AuthenticationError, RateLimitError
from headgate.providers.address import url_of
from headgate.providers.registry import resolve
from headgate.wire.audio import SPEECH, TRANSCRIPTIONS, transcript
from headgate.wire.audio.sound import wav
from headgate.wire.audio.speech_openai import CLIENT as SPEAKING
from headgate.wire.audio.speech_openai import Writer as SpeechWriter
from headgate.wire.audio.transcript_events import Reader, Writer, unfold
from headgate.wire.audio.transcription_openai import CLIENT as LISTENING
from headgate.wire.audio.upload import Upload
from headgate.wire.dialect import Target
from headgate.wire.ir_audio import (
    AudioPiece,
    AudioUsage,
    SpeechDone,
    SpeechReply,
    TranscriptDone,
    TranscriptionReply,
    TranscriptionRequest,
)
from headgate.wire.multipart import FileData, Part
from headgate.wire.multipart import Writer as FormWriter
from headgate.wire.outgoing import Step, address, framed

T = TypeVar("T")
Answer = tuple[int, dict[str, str], bytes]
Upstream = Callable[[str, str, str, bytes], Answer]
SOUND = wav(bytes(8000), 2000)


def upload(*fields: tuple[str, str]) -> tuple[Upload, TranscriptionRequest, bytes]:
    form = FormWriter(b"theirs")
    body = b"".join(form.field(*field) for field in fields)
    body += form.head(Part("file", "a.wav", "audio/wav")) + SOUND + form.tail + form.end()
    came = Upload(form.content_type)
    events = [event for at in range(0, len(body), 100) for event in came.feed(body[at : at + 100])]
    sound = b"".join(event.data for event in events if isinstance(event, FileData))
    return came, came.close(), sound


def exchanged(row: Any, operation: str, dialect: Any, step: Step[T], sound: bytes, upstream: Upstream) -> T:
    """The one loop that sends anything."""
    waited = 0.0
    while True:
        url = address(url_of(row, step.wire.operation or operation, "m", None), step.wire)
        laid_out = framed(step.wire, b"ours", Part("file", "a.wav", "audio/wav") if sound else None)
        body = laid_out.before + (sound if laid_out.file else b"") + laid_out.after
        status, headers, answer = upstream(step.wire.method, url, laid_out.content_type, body)
        if status >= 400:
            raise dialect.read_error(status, headers, answer)
        then = step.then(headers, answer)
        if not isinstance(then, Step):
            return then
        waited += then.after
        assert waited < 60
        step = then


def transcribed(
    model: str, upstream: Upstream, *fields: tuple[str, str]
) -> tuple[Upload, TranscriptionRequest, TranscriptionReply]:
    came, request, sound = upload(("model", "alias"), *fields)
    row, name = resolve(model)
    dialect = TRANSCRIPTIONS[row.dialects.get("transcriptions", "openai_transcriptions")]
    sent = dialect.write_request(request, Target(model=name))
    return came, request, exchanged(row, "transcriptions", dialect, sent.step, sound, upstream)


def test_a_job_becomes_captions() -> None:
    asked: list[tuple[str, str]] = []

    def upstream(method: str, url: str, kind: str, body: bytes) -> Answer:
        asked.append((method, url))
        if url.endswith("/v2/upload"):
            assert (kind, body) == ("application/octet-stream", SOUND)
            return 200, {}, b'{"upload_url":"https://cdn.test/1"}'
        if method == "POST":
            assert json.loads(body)["audio_url"] == "https://cdn.test/1"
            return 200, {}, b'{"id":"t1","status":"queued"}'
        if len(asked) < 5:
            return 200, {}, b'{"id":"t1","status":"processing"}'
        return (
            200,
            {},
            json.dumps(
                {
                    "id": "t1",
                    "status": "completed",
                    "text": "Hi.",
                    "words": [{"text": "Hi.", "start": 0, "end": 900}],
                }
            ).encode(),
        )

    came, request, reply = transcribed("assemblyai/universal", upstream, ("response_format", "srt"))
    assert LISTENING.write_reply(reply, request) == (
        "text/plain; charset=utf-8",
        b"1\n00:00:00,000 --> 00:00:00,900\nHi.\n\n",
    )
    assert [method for method, _ in asked] == ["POST", "POST", "GET", "GET", "GET"]
    assert transcript.settled(reply, came.seconds) == AudioUsage(seconds=2.0)


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        ("whisper-1", {"text": "Hi."}),
        ("groq/whisper-large-v3", {"text": "Hi.", "x_groq": {"id": "r"}}),
        ("mistral/voxtral-mini-latest", {"text": "Hi.", "language": None, "segments": [], "model": "m"}),
        ("elevenlabs/scribe_v1", {"text": "Hi.", "language_code": "en", "words": []}),
        (
            "deepgram/nova-3",
            {"metadata": {}, "results": {"channels": [{"alternatives": [{"transcript": "Hi."}]}]}},
        ),
        ("xai/stt", {"text": "Hi.", "duration": 2.0}),
    ],
)
def test_text_from_anyone(model: str, answer: Any) -> None:
    def upstream(method: str, url: str, kind: str, body: bytes) -> Answer:
        assert SOUND in body
        return 200, {"content-type": "application/json"}, json.dumps(answer).encode()

    came, request, reply = transcribed(model, upstream, ("response_format", "text"))
    assert LISTENING.write_reply(reply, request)[1] == b"Hi.\n"
    assert transcript.settled(reply, came.seconds).seconds == 2.0


def test_a_stream_from_an_upstream_that_has_none() -> None:
    def upstream(method: str, url: str, kind: str, body: bytes) -> Answer:
        return 200, {"content-type": "application/json"}, b'{"text":"Hi."}'

    _, request, reply = transcribed("groq/whisper-large-v3", upstream, ("stream", "true"))
    assert request.stream
    reader = Reader()
    events = [*reader.feed(Writer().write(unfold(reply, request.format))), *reader.close()]
    assert isinstance(events[-1], TranscriptDone) and events[-1].reply.text == "Hi."


def test_an_upstream_that_refuses() -> None:
    def upstream(method: str, url: str, kind: str, body: bytes) -> Answer:
        return (
            429,
            {"retry-after": "7"},
            b'{"category":"TOO_MANY","message":"Too many requests.","request_id":"r"}',
        )

    with pytest.raises(RateLimitError, match="Too many requests") as caught:
        transcribed("deepgram/nova-3", upstream)
    assert caught.value.retry_after == 7
    with pytest.raises(AuthenticationError, match="invalid"):
        transcribed(
            "assemblyai/m", lambda *asked: (401, {}, b'{"error":"Authentication error, API token invalid"}')
        )


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        ("tts-1", b"sound"),
        ("deepgram/aura-2-thalia-en", b"sound"),
        ("elevenlabs/eleven_v3", b"sound"),
        ("xai/tts", b"sound"),
        ("mistral/voxtral-mini-tts", b'{"audio_data":"c291bmQ="}'),
        ("hyperbolic/melo", b'{"audio":"c291bmQ="}'),
        ("minimax/speech-02-hd", b'{"data":{"audio":"736f756e64"},"base_resp":{"status_code":0}}'),
    ],
)
def test_speech_from_anyone(model: str, answer: bytes) -> None:
    request = SPEAKING.read_request(
        {"model": "alias", "input": "Hi there", "voice": "v", "stream_format": "sse"}
    )
    row, name = resolve(model)
    dialect = SPEECH[row.dialects.get("speech", "openai_speech")]
    sent = dialect.write_request(request, Target(model=name))
    reply = exchanged(row, "speech", dialect, sent.step, b"", lambda *asked: (200, {}, answer))
    assert isinstance(reply, SpeechReply)
    assert (reply.audio, reply.content_type, reply.usage.characters) == (b"sound", "audio/mpeg", 8)
    events = SpeechWriter().write([AudioPiece(reply.audio), SpeechDone(reply.usage)])
    assert events == (
        b'data: {"type":"speech.audio.delta","audio":"c291bmQ="}\n\ndata: {"type":"speech.audio.done"}\n\n'
    )
