"""The upload of a call for pictures: which files it may have.

https://platform.openai.com/docs/api-reference/images/createEdit. Knows no upstream and no place to keep a file.
"""

from typing import Final

from headgate.errors import BadRequestError
from headgate.wire import upload
from headgate.wire.multipart import Part

LISTS: Final = frozenset(("image", "image[]"))
"""Files of which there may be several, or addresses of pictures."""
MASK: Final = "mask"
FILES: Final = LISTS | {MASK}


class Upload(upload.Upload):
    """See upload.Upload."""

    def __init__(self, content_type: str, *, max_file: int | None = None) -> None:
        super().__init__(content_type, max_file=max_file)
        self._fields: set[str] = set()
        self._files: set[str] = set()

    def check_field(self, part: Part) -> None:
        if part.name in self._fields and part.name not in LISTS:
            raise _bad(part.name, "given twice")
        self._fields.add(part.name)
        self._check_both(part.name)

    def check_file(self, part: Part) -> None:
        if part.name not in FILES:
            raise _bad(part.name, f"no file is expected here, only in {', '.join(sorted(FILES))}")
        if part.name == MASK and MASK in self._files:
            raise _bad(MASK, "expected one file")
        self._files.add(part.name)
        self._check_both(part.name)

    def _check_both(self, name: str) -> None:
        if name in self._fields and name in self._files:
            raise _bad(name, "given as a file and as a field")


def _bad(where: str, problem: str) -> BadRequestError:
    return BadRequestError(f"{where[:100]}: {problem}", param=where[:100])
