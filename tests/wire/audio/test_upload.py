"""An upload from its bytes to the request that an upstream gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import BadRequestError, RequestTooLargeError
from headgate.wire.audio.sound import wav
from headgate.wire.audio.upload import Upload
from headgate.wire.ir_audio import TranscriptionRequest
from headgate.wire.multipart import FileData, FileStart, Part, Writer

WRITER = Writer(b"bb")
SOUND = wav(bytes(4800), 2400)


def file(name: str = "file", data: bytes = SOUND) -> bytes:
    return WRITER.head(Part(name, "a.wav", "audio/wav")) + data + WRITER.tail


MODEL = WRITER.field("model", "whisper-1")


@given(st.booleans(), st.integers(min_value=1, max_value=5000))
def test_fields_may_come_before_the_file_or_after(first: bool, size: int) -> None:
    body = (MODEL + file() if first else file() + MODEL) + WRITER.end()
    upload = Upload(WRITER.content_type)
    events = [event for at in range(0, len(body), size) for event in upload.feed(body[at : at + size])]
    assert events[0] == FileStart(Part("file", "a.wav", "audio/wav"))
    found = b"".join(event.data for event in events[1:] if isinstance(event, FileData))
    assert found == SOUND
    assert upload.close(translate=True) == TranscriptionRequest(
        model="whisper-1", file=Part("file", "a.wav", "audio/wav"), translate=True
    )
    assert (upload.seconds, upload.size) == (1.0, len(SOUND))


def test_the_model_is_known_as_soon_as_it_came() -> None:
    upload = Upload(WRITER.content_type)
    upload.feed(MODEL + file()[:200])
    assert upload.fields == [("model", "whisper-1")]
    assert upload.file == Part("file", "a.wav", "audio/wav")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (MODEL + WRITER.end(), "file: required.*got nothing"),
        (MODEL + file(data=b"") + WRITER.end(), "got an empty file"),
        (MODEL + file(), "final boundary is missing"),
        (MODEL + WRITER.field("file", "sound") + WRITER.end(), "file: expected a file, got a field"),
        (file() + file() + WRITER.end(), "expected one file"),
        (file("sound") + WRITER.end(), "sound: expected one file, named `file`"),
        (WRITER.field("model", b"\xff") + file() + WRITER.end(), "model: expected UTF-8"),
        (WRITER.field("temperature", "hot") + file() + WRITER.end(), "temperature: expected a number"),
    ],
)
def test_what_is_wrong_with_an_upload(body: bytes, said: str) -> None:
    upload = Upload(WRITER.content_type)
    with pytest.raises(BadRequestError, match=said):
        upload.feed(body)
        upload.close()


def test_a_file_over_the_limit_is_refused_while_it_comes() -> None:
    upload = Upload(WRITER.content_type, max_file=1000)
    with pytest.raises(RequestTooLargeError, match="over 1000 bytes"):
        upload.feed(file())
    assert upload.size < 1000
