"""The upload of a transcription, piece by piece: fields and what the file says of itself here, its bytes handed on.

Knows the form that OpenAI's callers send, no upstream and no place to keep a file.
"""

from typing import Final

from headgate.errors import BadRequestError
from headgate.wire.audio.sound import Meter
from headgate.wire.audio.transcription_openai import CLIENT
from headgate.wire.ir_audio import TranscriptionRequest
from headgate.wire.multipart import Field, FileData, FileStart, Parser, Part, boundary_of

FILE: Final = "file"
"""The only name that OpenAI has for a file here."""


class Upload:
    """Feed it the body as it comes; each piece of the file comes back and is the caller's to keep or to send.

    `fields` and `file` grow on the way, so the model may be known before the file ends, or only after it. `max_file`
    is in bytes. Raises BadRequestError and RequestTooLargeError at any point.
    """

    __slots__ = ("_meter", "_parser", "fields", "file")

    def __init__(self, content_type: str, *, max_file: int | None = None) -> None:
        self._parser = Parser(boundary_of(content_type), max_file=max_file)
        self._meter = Meter()
        self.fields: list[tuple[str, str]] = []
        self.file: Part | None = None

    def feed(self, data: bytes) -> bytes:
        """The file's bytes in this piece of the body, b"" where there are none."""
        pieces: list[bytes] = []
        for event in self._parser.feed(data):
            if isinstance(event, FileData):
                pieces.append(event.data)
                self._meter.feed(event.data)
            elif isinstance(event, FileStart):
                self._begin(event.part)
            elif isinstance(event, Field):
                if event.part.name == FILE:
                    raise BadRequestError(
                        f"{FILE}: expected a file, got a field: give its part a filename", param=FILE
                    )
                self.fields.append((event.part.name, event.text))
        return b"".join(pieces)

    def _begin(self, part: Part) -> None:
        if part.name != FILE or self.file is not None:
            raise BadRequestError(
                f"{part.name}: expected one file, named `{FILE}`, and nothing else with a filename",
                param=part.name,
            )
        self.file = part

    def close(self, *, translate: bool = False) -> TranscriptionRequest:
        """The whole request. Raises BadRequestError where the body was cut, has no file or an empty one."""
        self._parser.close()
        if self.file is None or not self._meter.size:
            got = "nothing" if self.file is None else "an empty file"
            raise BadRequestError(
                f"{FILE}: required, expected a sound file with a filename, got {got}", param=FILE
            )
        return CLIENT.read_request(self.fields, self.file, translate=translate)

    @property
    def size(self) -> int:
        """Bytes of the file so far."""
        return self._meter.size

    @property
    def seconds(self) -> float | None:
        """The length of the sound as the file's own header says, where that is known."""
        return self._meter.seconds
