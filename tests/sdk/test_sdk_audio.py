"""`speech`, `transcription` and `translation`: what is sent, what comes back, from a file in any shape."""

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headgate
from headgate.wire.audio.sound import wav
from servers import Upstream

SOUND = wav(bytes(8000), 2000)
SAID = {
    "text": "Hi there.",
    "language": "english",
    "duration": 2.0,
    "segments": [{"id": 0, "start": 0.0, "end": 2.0, "text": "Hi there.", "tokens": [1]}],
    "words": [{"word": "Hi", "start": 0.0, "end": 0.5}],
    "usage": {"type": "duration", "seconds": 2},
}


@pytest.fixture(name="upstream")
def fixture_upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.stop()


def play(upstream: Upstream, document: Any, kind: str = "application/json", status: int = 200) -> None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    upstream.reply(status, {"content-type": kind}, body)


def at(upstream: Upstream) -> dict[str, Any]:
    return {"api_base": upstream.base, "api_key": "sk-secret", "num_retries": 0}


def test_speech(upstream: Upstream, tmp_path: Path) -> None:
    play(upstream, b"sound" * 3, "audio/mpeg")
    said = headgate.speech("openai/tts-1", "Hi there", "alloy", response_format="mp3", **at(upstream))
    assert said.content == said.read() == b"sound" * 3
    assert list(said.iter_bytes(5)) == [b"sound"] * 3
    said.stream_to_file(tmp_path / "a")
    said.write_to_file(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"sound" * 3
    assert said.headers["content-type"] == "audio/mpeg"
    assert said._hidden_params["response_cost"] == pytest.approx(8 * 0.000015)
    assert json.loads(upstream.requests[-1][2]) == {
        "model": "tts-1",
        "input": "Hi there",
        "voice": "alloy",
        "response_format": "mp3",
    }


def test_speech_that_is_awaited(upstream: Upstream) -> None:
    play(upstream, {"audio_data": "c291bmQ="})

    async def all_of_it() -> tuple[bytes, bytes]:
        said = await headgate.aspeech(model="mistral/voxtral", input="Hi", voice="v", **at(upstream))
        return await said.aread(), b"".join([piece async for piece in said.aiter_bytes()])

    assert asyncio.run(all_of_it()) == (b"sound", b"sound")


def files(folder: Path) -> dict[str, tuple[Any, str]]:
    path = folder / "said.wav"
    path.write_bytes(SOUND)
    return {
        "path": (path, "said.wav"),
        "text": (str(path), "said.wav"),
        "file": (path.open("rb"), "said.wav"),
        "bytes": (SOUND, "audio"),
        "memory": (io.BytesIO(SOUND), "audio"),
        "pair": (("b.wav", SOUND), "b.wav"),
        "triple": (("b.ogg", io.BytesIO(SOUND), "audio/ogg"), "b.ogg"),
    }


@pytest.mark.parametrize("shape", ["path", "text", "file", "bytes", "memory", "pair", "triple"])
def test_a_file_in_any_shape(upstream: Upstream, tmp_path: Path, shape: str) -> None:
    play(upstream, SAID)
    given = files(tmp_path)
    file, name = given[shape]
    heard = headgate.transcription(
        "openai/whisper-1",
        file,
        language="en",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        temperature=0,
        **at(upstream),
    )
    given["file"][0].close()
    assert (heard.text, heard.language, heard.duration) == ("Hi there.", "english", 2.0)
    assert heard.segments[0].end == 2.0 and heard["words"][0].word == "Hi"
    assert heard.usage.seconds == 2
    assert heard._hidden_params["response_cost"] == pytest.approx(2 * 0.0001)
    line, _, sent = upstream.requests[-1]
    assert line == "POST /audio/transcriptions HTTP/1.1"
    assert SOUND in sent and f'filename="{name}"'.encode() in sent
    assert sent.count(b'name="timestamp_granularities[]"') == 2
    assert b'name="temperature"\r\n\r\n0' in sent and b"sk-secret" not in sent
    if shape == "triple":
        assert b"audio/ogg" in sent


def test_a_large_file(upstream: Upstream) -> None:
    large = wav(bytes(3_000_000), 32000)
    play(upstream, SAID)
    assert headgate.transcription("groq/whisper-large-v3", large, **at(upstream)).text == "Hi there."
    assert large in upstream.requests[-1][2]


@pytest.mark.parametrize("format_", ["text", "srt", "vtt"])
def test_formats_that_are_no_json(upstream: Upstream, format_: str) -> None:
    play(upstream, SAID)
    heard = headgate.transcription("groq/whisper-large-v3", SOUND, response_format=format_, **at(upstream))
    assert "Hi there." in heard.text and (format_ == "text" or "-->" in heard.text)


def test_translation(upstream: Upstream) -> None:
    play(upstream, {"text": "Hi."})
    heard = asyncio.run(headgate.atranslation(model="openai/whisper-1", file=SOUND, **at(upstream)))
    assert isinstance(heard, headgate.TranscriptionResponse) and heard.text == "Hi."
    assert heard.words is None
    assert upstream.requests[-1][0] == "POST /audio/translations HTTP/1.1"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (None, "'file' is missing"),
        (b"", "empty"),
        (3, "must be a path, bytes"),
        (("a", b"x", "audio/wav", "more"), "must be a path"),
        ("/nowhere/a.wav", "can't be read"),
        (io.StringIO("text"), "binary"),
    ],
)
def test_what_is_no_file(upstream: Upstream, file: Any, words: str) -> None:
    with pytest.raises(headgate.BadRequestError, match=words):
        headgate.transcription("openai/whisper-1", file, **at(upstream))
    assert not upstream.requests


def test_what_is_missing_or_refused(upstream: Upstream) -> None:
    with pytest.raises(headgate.BadRequestError, match="'input' is missing"):
        headgate.speech("openai/tts-1", **at(upstream))
    with pytest.raises(headgate.UnsupportedParamsError, match="'aac'"):
        headgate.speech("mistral/voxtral", "Hi", "v", response_format="aac", **at(upstream))
    with pytest.raises(headgate.NotFoundError, match="no operation 'speech'"):
        headgate.speech("anthropic/claude", "Hi", "v", **at(upstream))
    play(upstream, {"error": {"message": "wrong key sk-secret"}}, status=401)
    with pytest.raises(headgate.AuthenticationError) as caught:
        headgate.transcription("openai/whisper-1", SOUND, **at(upstream))
    assert "sk-secret" not in str(caught.value)


def test_speech_that_breaks_off_raises(upstream: Upstream) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/ogg\r\ntransfer-encoding: chunked\r\n\r\n"
    upstream.script = lambda _: [head, b"3\r\none\r\n"]
    with pytest.raises(headgate.APIConnectionError):
        headgate.speech("openai/tts-1", "Hi", "v", **at(upstream))


def test_a_router_asks_the_next_one(upstream: Upstream) -> None:
    broken = Upstream()
    try:
        play(broken, {"error": {"message": "no"}}, status=500)
        play(upstream, SAID)
        rows = [
            {
                "model_name": "ears",
                "litellm_params": {"model": "groq/whisper-large-v3", "api_base": one.base, "api_key": "sk"},
            }
            for one in (broken, upstream)
        ]
        router = headgate.Router(rows, num_retries=2, routing_strategy="simple-shuffle")
        assert {router.transcription("ears", SOUND).text for _ in range(4)} == {"Hi there."}
        assert asyncio.run(router.atranslation("ears", file=SOUND)).text == "Hi there."
        play(upstream, b"sound", "audio/mpeg")
        play(broken, b"sound", "audio/mpeg")
        assert router.speech("ears", "Hi", voice="v").content == b"sound"
        assert all(SOUND in body for line, _, body in upstream.requests if "speech" not in line)
    finally:
        broken.stop()


def test_a_second_one_is_asked_with_the_same_file(upstream: Upstream) -> None:
    silent, large = Upstream(), wav(bytes(3_000_000), 32000)
    heard = threading.Event()

    def hang(_: bytes) -> list[bytes]:
        heard.set()
        return [b""]

    def answer(_: bytes) -> list[bytes]:
        assert heard.wait(20)
        return [said]

    try:
        play(upstream, SAID)
        said, upstream.script = upstream.script, answer
        silent.script = hang
        rows = [
            {
                "model_name": "ears",
                "litellm_params": {
                    "model": "groq/whisper-large-v3",
                    "api_base": one.base,
                    "api_key": "sk",
                    "order": order,
                },
            }
            for order, one in enumerate((silent, upstream))
        ]
        router = headgate.Router(rows, num_retries=0, hedge_after=0.05)
        assert router.transcription("ears", large).text == "Hi there."
        assert large in silent.requests[-1][2] and large in upstream.requests[-1][2]
    finally:
        silent.stop()


# --- streams ---------------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 X\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n"
USED = {"type": "tokens", "input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
EVENTS = [
    {"type": "transcript.text.delta", "delta": "Hi "},
    {"type": "transcript.text.delta", "delta": "there."},
    {"type": "transcript.text.done", "text": "Hi there.", "usage": USED},
]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def stream(upstream: Upstream, kind: bytes, *pieces: bytes, end: bool = True) -> None:
    script = [HEAD % kind, *map(chunk, pieces), *([b"0\r\n\r\n"] if end else [])]
    upstream.script = lambda _: list(script)


def events(upstream: Upstream, *rows: dict[str, Any], step: int = 1 << 20, end: bool = True) -> None:
    whole = b"".join(f"data: {json.dumps(row)}\n\n".encode() for row in rows)
    pieces = [whole[at : at + step] for at in range(0, len(whole), step)]
    stream(upstream, b"text/event-stream", *pieces, end=end)


def test_speech_is_heard_while_it_comes(upstream: Upstream) -> None:
    upstream.script = lambda _: [HEAD % b"audio/mpeg", chunk(b"one"), b""]  # and hangs
    with headgate.speech("openai/tts-1", "Hi there", "alloy", stream=True, **at(upstream)) as said:
        assert next(said) == b"one"
        assert said.headers["content-type"] == "audio/mpeg"
        assert not upstream.closed.is_set()
    assert upstream.closed.wait(10)
    assert list(said) == []
    assert "stream" not in json.loads(upstream.requests[-1][2])


@pytest.mark.parametrize(("size", "pieces"), [(None, None), (4, [b"oned", b"othr", b"ee"]), (99, None)])
def test_pieces_of_speech(
    upstream: Upstream, tmp_path: Path, size: int | None, pieces: list[bytes] | None
) -> None:
    stream(upstream, b"audio/mpeg", b"one", b"do", b"three")
    asked = {"model": "openai/tts-1", "input": "Hi there", "voice": "alloy", "stream": True, **at(upstream)}
    said = headgate.speech(**asked)
    found = list(said.iter_bytes(size))
    assert b"".join(found) == b"onedothree" and (pieces is None or found == pieces)
    assert said._hidden_params["response_cost"] == pytest.approx(8 * 0.000015)
    headgate.speech(**asked).stream_to_file(tmp_path / "a", chunk_size=size)

    async def all_of_it() -> tuple[list[bytes], bytes]:
        first = [piece async for piece in (await headgate.aspeech(**asked)).aiter_bytes(size)]
        await (await headgate.aspeech(**asked)).astream_to_file(tmp_path / "b", chunk_size=size)
        return first, await (await headgate.aspeech(**asked)).aread()

    first, whole = asyncio.run(all_of_it())
    assert b"".join(first) == whole == headgate.speech(**asked).read() == b"onedothree"
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"onedothree"
    with pytest.raises(headgate.BadRequestError, match="chunk_size"):
        list(headgate.speech(**asked).iter_bytes(-1))


def test_speech_of_who_has_no_stream_is_one_piece(upstream: Upstream) -> None:
    play(upstream, {"audio_data": "c291bmQ="})
    said = headgate.speech("mistral/voxtral", "Hi", "v", stream=True, **at(upstream))
    assert list(said) == [b"sound"]


def test_a_stream_of_speech_that_breaks_raises(upstream: Upstream) -> None:
    stream(upstream, b"audio/ogg", b"one", end=False)
    said = headgate.speech("openai/tts-1", "Hi", "v", stream=True, **at(upstream))
    assert next(said) == b"one"
    with pytest.raises(headgate.APIConnectionError):
        list(said)
    play(upstream, {"error": {"message": "no such voice"}}, status=400)
    with pytest.raises(headgate.BadRequestError, match="no such voice"):
        headgate.speech("openai/tts-1", "Hi", "v", stream=True, **at(upstream))


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_transcription_comes_as_events(upstream: Upstream, tmp_path: Path, step: int) -> None:
    (tmp_path / "said.wav").write_bytes(SOUND)
    events(upstream, *EVENTS, step=step)
    asked = {"model": "openai/gpt-4o-transcribe", "file": tmp_path / "said.wav", "stream": True}
    heard = headgate.transcription(**asked, **at(upstream))
    found = list(heard)
    assert [(one.type, one.delta) for one in found[:2]] == [
        ("transcript.text.delta", "Hi "),
        ("transcript.text.delta", "there."),
    ]
    assert (found[-1].type, found[-1].text) == ("transcript.text.done", "Hi there.")
    assert found[-1].usage["input_tokens"] == 100
    assert heard._hidden_params["response_cost"] > 0
    assert heard._answer.call.errand.file.content.closed
    assert b'name="stream"\r\n\r\ntrue' in upstream.requests[-1][2]

    async def awaited() -> list[Any]:
        return [one.type async for one in await headgate.atranscription(**asked, **at(upstream))]

    assert asyncio.run(awaited()) == [one["type"] for one in EVENTS]


def test_a_transcription_of_who_has_no_stream_is_events_too(upstream: Upstream) -> None:
    play(upstream, SAID)
    router = headgate.Router(
        [{"model_name": "ears", "litellm_params": {"model": "groq/whisper-large-v3", **at(upstream)}}]
    )
    for heard in (
        headgate.transcription("groq/whisper-large-v3", SOUND, stream=True, **at(upstream)),
        router.transcription("ears", SOUND, stream=True),
    ):
        found = list(heard)
        assert found[-1].type == "transcript.text.done"
        assert "".join(one.delta or "" for one in found) == found[-1].text == "Hi there."


def test_a_stream_of_text_that_breaks_raises(upstream: Upstream) -> None:
    asked = {"model": "openai/gpt-4o-transcribe", "file": SOUND, "stream": True, **at(upstream)}
    events(upstream, EVENTS[0], end=False)
    heard = headgate.transcription(**asked)
    assert next(heard).delta == "Hi "
    with pytest.raises(headgate.APIConnectionError):
        list(heard)
    events(upstream, EVENTS[0], {"error": {"message": "the model is busy"}})
    with pytest.raises(headgate.InternalServerError, match="busy"):
        list(headgate.transcription(**asked))
