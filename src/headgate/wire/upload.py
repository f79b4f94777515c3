"""A form that comes in piece by piece: its fields here, the bytes of its files handed on.

Knows no operation: which files and fields belong there a subclass says. Knows no place to keep a file.
"""

from headgate.wire.multipart import Field, FileData, FileStart, Parser, Part, boundary_of


class Upload:
    """Feed it the body as it comes; what comes back of the files is the caller's to keep or to send.

    `fields` grow on the way, so the model may be known before a file ends, or only after it. `max_file` is in bytes,
    of all files. Raises BadRequestError and RequestTooLargeError at any point.
    """

    def __init__(self, content_type: str, *, max_file: int | None = None) -> None:
        self._parser = Parser(boundary_of(content_type), max_file=max_file)
        self.fields: list[tuple[str, str]] = []

    def feed(self, data: bytes) -> list[FileStart | FileData]:
        """Files that begin in this piece of the body, and their bytes."""
        files: list[FileStart | FileData] = []
        for event in self._parser.feed(data):
            if isinstance(event, Field):
                self.check_field(event.part)
                self.fields.append((event.part.name, event.text))
            elif isinstance(event, FileStart):
                self.check_file(event.part)
                files.append(event)
            elif isinstance(event, FileData):
                files.append(event)
        return files

    def end(self) -> None:
        """Raises BadRequestError where the body was cut."""
        self._parser.close()

    def check_field(self, part: Part) -> None:
        """Raises BadRequestError for a field that has no place here."""

    def check_file(self, part: Part) -> None:
        """Raises BadRequestError for a file that has no place here."""
