"""Captions, speakers and streams of transcripts, and what a sound file says of its length."""

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import APIResponseValidationError, RateLimitError, UnsupportedParamsError
from headgate.wire import ir
from headgate.wire.audio import captions, transcript
from headgate.wire.audio.sound import Meter, audio_seconds, wav
from headgate.wire.audio.speech_openai import Reader as SpeechReader
from headgate.wire.audio.speech_openai import Writer as SpeechWriter
from headgate.wire.audio.transcript_events import Reader, Writer, unfold
from headgate.wire.ir_audio import (
    AudioUsage,
    Segment,
    SegmentDone,
    SpeechDone,
    TextDelta,
    TranscriptDone,
    TranscriptEvent,
    TranscriptFailure,
    TranscriptionReply,
    Word,
)

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp", "Cs")), min_size=1, max_size=20
)
LINE = TEXT.map(str.strip).filter(lambda text: bool(text) and "-->" not in text)
TIMES = st.tuples(st.integers(0, 10**8), st.integers(0, 10**6)).map(
    lambda t: (t[0] / 1000, (t[0] + t[1]) / 1000)
)
SEGMENTS = st.lists(st.tuples(LINE, TIMES), max_size=6).map(
    lambda many: [Segment(id=at, text=text, start=s, end=e) for at, (text, (s, e)) in enumerate(many)]
)


def word(text: str, start: float, end: float, speaker: str | None = None) -> Word:
    return Word(word=text, start=start, end=end, speaker=speaker)


@given(SEGMENTS, st.sampled_from([captions.srt, captions.vtt]))
def test_captions_are_read_as_they_were_written(segments: list[Segment], write: Any) -> None:
    assert captions.read(write(segments)) == segments
    assert captions.read(write(segments).replace("\n", "\r\n")) == segments


def test_times_of_captions() -> None:
    cue = [Segment(text="a", start=3661.0015, end=360000.9996)]
    assert captions.srt(cue).splitlines()[1] == "01:01:01,002 --> 100:00:01,000"
    assert captions.vtt(cue).splitlines()[2] == "01:01:01.002 --> 100:00:01.000"


def test_a_text_that_would_break_a_caption() -> None:
    cue = [Segment(text="a\n\n1\n00:00 --> <b>", start=0, end=1)]
    assert len(captions.read(captions.vtt(cue))) == 1
    assert "&lt;b&gt;" in captions.vtt(cue)
    assert captions.vtt([]) == "WEBVTT\n\n"
    assert captions.srt([]) == ""


def test_captions_of_a_player_are_read() -> None:
    text = "\ufeffWEBVTT - title\n\nNOTE x\n\ncue-1\n00:01.5 --> 01:00:02.000 align:start\na &amp; b\nc\n\n"
    assert captions.read(text) == [Segment(id=0, text="a & b\nc", start=1.5, end=3602.0)]


def test_words_are_put_together_to_cues() -> None:
    words = [
        word("One", 0, 0.2), word("two.", 0.2, 0.5), word("Three", 0.5, 0.8), word("four", 1.7, 2.0),
        word("five", 2.0, 2.2, "B"), *(word("abcdefghij", 2.2, 2.4, "B") for _ in range(8)),
    ]  # fmt: skip
    found = captions.grouped(words)
    assert [cue.text for cue in found[:3]] == ["One two.", "Three", "four"]
    assert [len(cue.text) <= captions.CUE for cue in found] == [True] * len(found)
    assert " ".join(cue.text for cue in found) == " ".join(one.word for one in words)
    assert (found[0].start, found[0].end, found[-1].speaker) == (0, 0.5, "B")


def test_without_times_there_are_no_captions() -> None:
    reply = TranscriptionReply(text="Hi.")
    for kind in ("srt", "vtt"):
        with pytest.raises(UnsupportedParamsError, match="response_format"):
            transcript.write(reply, kind)
    assert json.loads(transcript.write(reply, "verbose_json")[1])["duration"] == 0.0
    timed = TranscriptionReply(text="Hi.", duration=2.0)
    assert transcript.write(timed, "srt")[1] == b"1\n00:00:00,000 --> 00:00:02,000\nHi.\n\n"
    assert transcript.write(TranscriptionReply(text=""), "srt")[1] == b""


def test_verbose_json_of_words_alone() -> None:
    reply = TranscriptionReply(text="Hi you.", words=[word("Hi", 0, 1, "A"), word("you.", 1, 2.5, "A")])
    assert json.loads(transcript.write(reply, "verbose_json")[1]) == {
        "task": "transcribe",
        "language": "",
        "duration": 2.5,
        "text": "Hi you.",
        "segments": [{"id": 0, "speaker": "A", "start": 0, "end": 2.5, "text": "Hi you."}],
        "words": [
            {"word": "Hi", "start": 0, "end": 1, "speaker": "A"},
            {"word": "you.", "start": 1, "end": 2.5, "speaker": "A"},
        ],
    }


def test_who_is_not_told_apart_is_one_speaker() -> None:
    reply = TranscriptionReply(
        text="a b", segments=[Segment(text="a", start=0, end=1), Segment(text="b", start=1, end=2)]
    )
    assert [(one.id, one.text, one.speaker) for one in captions.by_speaker(reply)] == [
        ("seg_001", "a", "A"), ("seg_002", "b", "A")
    ]  # fmt: skip
    assert [captions.speaker(label) for label in (0, 25, 26, "x", "", None, True)] == [
        "A",
        "Z",
        "26",
        "x",
        None,
        None,
        None,
    ]


# --- streams ---------------------------------------------------------------------------------------------

USAGE = st.none() | st.builds(
    lambda read, said, heard: AudioUsage(
        tokens=ir.Usage(input=read + heard, output=said, total=read + heard + said, audio_input=heard)
    ),
    st.integers(0, 99),
    st.integers(0, 99),
    st.integers(0, 99),
)
EVENTS = st.lists(
    st.builds(TextDelta, text=TEXT, segment_id=st.none() | TEXT)
    | st.builds(
        lambda text, times, speaker: SegmentDone(
            Segment(id="seg_1", text=text, start=times[0], end=times[1], speaker=speaker)
        ),
        TEXT, TIMES, TEXT,
    ),
    max_size=5,
)  # fmt: skip


@given(EVENTS, TEXT, USAGE, st.integers(min_value=1, max_value=40))
def test_a_stream_is_read_as_it_was_written(
    events: list[TranscriptEvent], text: str, usage: AudioUsage | None, size: int
) -> None:
    events = [*events, TranscriptDone(TranscriptionReply(text=text, usage=usage))]
    data, reader = Writer().write(events), Reader()
    found = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    assert [*found, *reader.close()] == events


def test_documented_events_come_out_as_they_went_in() -> None:
    documents = [
        {"type": "transcript.text.delta", "delta": "I", "logprobs": [{"token": "I", "logprob": -0.1, "bytes": [73]}]},
        {"type": "transcript.text.segment", "id": "seg_002", "start": 5.2, "end": 12.8, "text": "Hi", "speaker": "A"},
        {"type": "transcript.text.done", "text": "I", "logprobs": [],
         "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59,
                   "input_token_details": {"text_tokens": 0, "audio_tokens": 14}}},
    ]  # fmt: skip
    data = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in documents)
    reader = Reader()
    events = [event for at in range(len(data)) for event in reader.feed(data[at : at + 1])]
    assert reader.close() == []
    lines = Writer().write(events).decode().strip().split("\n\n")
    assert [json.loads(line.removeprefix("data: ")) for line in lines] == documents


def test_documented_events_of_mistral() -> None:
    data = (
        b'event: transcription.language\ndata: {"type":"transcription.language","audio_language":"en"}\n\n'
        b'event: transcription.text.delta\ndata: {"type":"transcription.text.delta","text":"Hi"}\n\n'
        b'event: transcription.segment\ndata: {"type":"transcription.segment","text":"Hi","start":0.0,"end":1.0}\n\n'
        b'event: transcription.done\ndata: {"type":"transcription.done","model":"m","text":"Hi","language":"en",'
        b'"segments":[],"usage":{"prompt_audio_seconds":1,"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n'
    )
    reader = Reader()
    delta, segment, done = reader.feed(data)
    assert delta == TextDelta(text="Hi")
    assert segment == SegmentDone(Segment(text="Hi", start=0.0, end=1.0))
    assert isinstance(done, TranscriptDone)
    assert done.reply.usage == AudioUsage(seconds=1.0, tokens=ir.Usage(input=1, output=2, total=3))
    assert b'"type":"transcript.text.done"' in Writer().write([done])


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (
            b'data: {"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}\n\n',
            RateLimitError,
        ),
        (b"data: nonsense\n\n", APIResponseValidationError),
        (b"data: []\n\n", APIResponseValidationError),
        (b'data: {"type":"transcript.text.delta","delta":1}\n\n', APIResponseValidationError),
    ],
)
def test_a_stream_that_fails(data: bytes, kind: type[Exception]) -> None:
    reader = Reader()
    (failure,) = reader.feed(data)
    assert isinstance(failure, TranscriptFailure) and isinstance(failure.error, kind)
    assert reader.close() == []


KINDS = st.sampled_from(
    ["transcript.text.delta", "transcript.text.segment", "transcript.text.done", "speech.audio.delta",
     "speech.audio.done", "transcription.done", "error", "x", None, 1, []]
)  # fmt: skip
VALUES = (
    st.none()
    | st.integers()
    | st.text(max_size=3)
    | st.just({})
    | st.just([{}])
    | st.lists(st.none(), max_size=2)
)
KEYS = st.sampled_from(["delta", "text", "audio", "start", "end", "usage", "segments", "error", "logprobs"])


@given(
    st.lists(st.tuples(KINDS, st.dictionaries(KEYS, VALUES)), max_size=4),
    st.sampled_from([Reader, SpeechReader]),
)
def test_any_event_is_read_or_a_failure(many: list[tuple[Any, dict[str, Any]]], kind: Any) -> None:
    reader = kind()
    data = b"".join(b"data: " + json.dumps({**one, "type": name}).encode() + b"\n\n" for name, one in many)
    events = [*reader.feed(data), *reader.close()]
    assert isinstance(events[-1], TranscriptDone | TranscriptFailure | SpeechDone)
    assert not any(isinstance(one, TranscriptDone | TranscriptFailure | SpeechDone) for one in events[:-1])
    assert (Writer() if kind is Reader else SpeechWriter()).write(events)


def test_a_stream_that_was_cut() -> None:
    reader = Reader()
    reader.feed(Writer().write([TextDelta(text="a")]))
    (failure,) = reader.close()
    assert isinstance(failure, TranscriptFailure) and "before its last event" in failure.error.message
    assert (
        json.loads(Writer().write([failure]).removeprefix(b"data: "))["error"]["type"]
        == "api_connection_error"
    )


def test_a_whole_reply_as_a_stream() -> None:
    reply = TranscriptionReply(text="Hi.", segments=[Segment(text="Hi.", start=0, end=1, speaker="B")])
    assert unfold(reply) == [TextDelta(text="Hi."), TranscriptDone(reply)]
    assert unfold(reply, "diarized_json")[0] == SegmentDone(reply.segments[0] if reply.segments else Segment)
    assert unfold(TranscriptionReply(text="")) == [TranscriptDone(TranscriptionReply(text=""))]


# --- lengths ---------------------------------------------------------------------------------------------


def mp3(frames: int, first: bytes = b"") -> bytes:
    """MPEG 1 layer III at 128 kbit/s and 44.1 kHz: 417 bytes and 1152 samples a frame."""
    frame = b"\xff\xfb\x90\x00" + bytes(413)
    return (frame[:36] + first + frame[36 + len(first) :] if first else b"") + frame * frames


OGG = b"OggS\x00\x02" + struct.pack("<q", 0) + bytes(14)
LAST = b"OggS\x00\x04" + struct.pack("<q", 48000 * 3 + 312) + bytes(14)
FLAC = (
    b"fLaC\x00\x00\x00\x22"
    + bytes(10)
    + struct.pack(">Q", 44100 << 44 | 1 << 41 | 15 << 36 | 88200)
    + bytes(16)
)
MVHD = b"\x00\x00\x00\x6cmvhd" + bytes(12) + struct.pack(">II", 1000, 2500)
MVHD_WIDE = b"\x00\x00\x00\x78mvhd\x01" + bytes(19) + struct.pack(">IQ", 1000, 2500)
ID3 = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)


@pytest.mark.parametrize(
    ("file", "seconds"),
    [
        (wav(bytes(48000), 24000), 1.0),
        (wav(bytes(32000), 8000, 2, 8), 2.0),
        (
            wav(bytes(48000), 24000).replace(
                struct.pack("<I", 48000) + bytes(9), b"\xff\xff\xff\xff" + bytes(9)
            ),
            1.0,
        ),
        (mp3(100), 41700 * 8 / 128000),
        (ID3 + mp3(100), 41700 * 8 / 128000),
        (mp3(100, b"Xing" + struct.pack(">II", 1, 1000)), 1000 * 1152 / 44100),
        (mp3(100, b"Info" + struct.pack(">II", 0, 0)), 101 * 417 * 8 / 128000),
        (mp3(100, b"VBRI" + bytes(10) + struct.pack(">I", 500)), 500 * 1152 / 44100),
        (FLAC, 2.0),
        (OGG + b"OpusHead\x01\x01" + struct.pack("<H", 312) + bytes(10) + LAST, 3.0),
        (OGG + b"\x01vorbis" + bytes(5) + struct.pack("<I", 48000) + bytes(10) + LAST, 3.0065),
        (b"\x00\x00\x00\x20ftypM4A " + bytes(20) + MVHD, 2.5),
        (b"\x00\x00\x00\x20ftypM4A " + bytes(20) + MVHD_WIDE, 2.5),
        (b"", None),
        (b"RIFF....WAVE", None),
        (b"fLaC", None),
        (b"OggS", None),
        (b"\xff\xfb", None),
        (b"ID3", None),
        (b"text that is no sound", None),
    ],
)
def test_the_length_of_a_file(file: bytes, seconds: float | None) -> None:
    found = audio_seconds(file, len(file))
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_the_end_of_a_long_file_is_looked_at() -> None:
    file = OGG + b"OpusHead\x01\x01" + struct.pack("<H", 312) + bytes(10) + bytes(300_000) + LAST
    meter = Meter()
    for at in range(0, len(file), 5000):
        meter.feed(file[at : at + 5000])
    assert (meter.size, meter.seconds) == (len(file), 3.0)
    assert audio_seconds(file[:65536], len(file)) is None


@given(
    st.sampled_from([b"RIFF....WAVE", b"fLaC", b"OggS", b"....ftyp", b"ID3", b"\xff\xfb"]),
    st.binary(max_size=200),
    st.integers(0, 10**9),
)
def test_a_broken_file_is_no_error(mark: bytes, rest: bytes, size: int) -> None:
    found = audio_seconds(mark + rest, size)
    assert found is None or found >= 0
