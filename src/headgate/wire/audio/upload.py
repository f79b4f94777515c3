"""The upload of a transcription: one file, and how long its sound is by its own header.

Knows the form that OpenAI's callers send, no upstream and no place to keep a file.
"""

from typing import Final

from headgate.errors import BadRequestError
from headgate.wire import upload
from headgate.wire.audio.sound import Meter
from headgate.wire.audio.transcription_openai import CLIENT
from headgate.wire.ir_audio import TranscriptionRequest
from headgate.wire.multipart import FileData, FileStart, Part

FILE: Final = "file"
"""The only name that OpenAI has for a file here."""


class Upload(upload.Upload):
    """See upload.Upload. `file` is known as soon as it begins."""

    def __init__(self, content_type: str, *, max_file: int | None = None) -> None:
        super().__init__(content_type, max_file=max_file)
        self._meter = Meter()
        self.file: Part | None = None

    def feed(self, data: bytes) -> list[FileStart | FileData]:
        files = super().feed(data)
        for event in files:
            if isinstance(event, FileData):
                self._meter.feed(event.data)
        return files

    def check_field(self, part: Part) -> None:
        if part.name == FILE:
            raise BadRequestError(
                f"{FILE}: expected a file, got a field: give its part a filename", param=FILE
            )

    def check_file(self, part: Part) -> None:
        if part.name != FILE or self.file is not None:
            raise BadRequestError(
                f"{part.name}: expected one file, named `{FILE}`, and nothing else with a filename",
                param=part.name,
            )
        self.file = part

    def close(self, *, translate: bool = False) -> TranscriptionRequest:
        """The whole request. Raises BadRequestError where the body was cut, has no file or an empty one."""
        self.end()
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
