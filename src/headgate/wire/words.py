"""Names and ids in the characters that an API takes. Knows no format."""

import re
from functools import lru_cache
from typing import Final

WORD: Final = "a-zA-Z0-9_-"
"""The characters that nearly every API takes, as a character class of a regular expression."""


class Fitter:
    """Words of at most `limit` of the allowed characters, each distinct.

    `changed` maps a written word to its own; `fallback` stands for a word of which nothing is left.
    """

    def __init__(self, limit: int, fallback: str, allowed: str = WORD) -> None:
        self.changed: dict[str, str] = {}
        self._limit = limit
        self._fallback = fallback
        self._characters = allowed
        self._written: dict[str, str] = {}
        self._used: set[str] = set()

    def fit(self, word: str) -> str:
        written = self._written.get(word)
        if written is None:
            written = self._fresh(word)
            self._written[word] = written
            self._used.add(written)
            if written != word:
                self.changed[written] = word
        return written

    def reserve(self, word: str) -> str:
        """A word of our own, unlike any that was fitted."""
        written = self._fresh(word)
        self._used.add(written)
        return written

    def _fresh(self, word: str) -> str:
        allowed, refused = _patterns(self._characters)
        fits = len(word) <= self._limit and allowed.fullmatch(word)
        base = word if fits else refused.sub("_", word)[: self._limit] or self._fallback
        candidate, count = base, 1
        while candidate in self._used:
            count += 1
            candidate = f"{base[: self._limit - 8]}_{count}"
        return candidate


@lru_cache(maxsize=16)
def _patterns(characters: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(f"[{characters}]+"), re.compile(f"[^{characters}]")


class Ids:
    """Tool call ids. Calls of formats without ids get one, and results find theirs by name and order."""

    def __init__(self, fitter: Fitter, prefix: str) -> None:
        self._fitter = fitter
        self._prefix = prefix
        self._count = 0
        self._open: list[tuple[str, str]] = []

    def call(self, call_id: str, name: str) -> str:
        written = self._fitter.fit(call_id or f"{self._prefix}_{self._count}_{name}")
        self._count += 1
        self._open.append((name, written))
        return written

    def result(self, call_id: str, name: str | None) -> str:
        """The id of the call that it answers; without an id, of the first open one of that name."""
        written = self._fitter.fit(call_id) if call_id else self._oldest(name)
        self._open = [entry for entry in self._open if entry[1] != written]
        return written

    def _oldest(self, name: str | None) -> str:
        same = [written for called, written in self._open if called == name]
        return same[0] if same else self._open[0][1] if self._open else self._fitter.fit("")
