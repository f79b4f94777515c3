"""What an import has done: counts by what it was, and what it could not bring with the reason."""

from typing import Final

from msgspec import Struct

EXAMPLES: Final = 5


class Line(Struct):
    """`found` is the sum of the others."""

    what: str
    brought: int = 0
    unchanged: int = 0
    failed: int = 0

    @property
    def found(self) -> int:
        return self.brought + self.unchanged + self.failed


class Note(Struct):
    """Something that was not brought, or not all of it: how often, and of whom for example."""

    what: str
    reason: str
    count: int = 0
    examples: list[str] = []


class Report:
    """`lines` and `notes` in the order in which they came up."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._notes: dict[tuple[str, str], Note] = {}

    @property
    def lines(self) -> list[Line]:
        return list(self._lines.values())

    @property
    def notes(self) -> list[Note]:
        return list(self._notes.values())

    def line(self, what: str) -> Line:
        return self._lines.setdefault(what, Line(what))

    def fail(self, what: str, who: str, reason: str) -> None:
        """A row that was not brought."""
        self.line(what).failed += 1
        self.note(what, who, reason)

    def note(self, what: str, who: str, reason: str, count: int = 1) -> None:
        """Something about a row that is worth knowing."""
        note = self._notes.setdefault((what, reason), Note(what, reason, examples=[]))
        note.count += count
        if who and len(note.examples) < EXAMPLES:
            note.examples.append(who)
