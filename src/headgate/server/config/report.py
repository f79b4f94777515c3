"""Problems of a configuration: what they hold, how they are collected and how a terminal shows them.

A problem never quotes a secret: text is quoted by `shown` only, which hides what looks like one, and nothing
that came out of the environment is quoted at all.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, Literal

from msgspec import Struct

LIMIT: Final = 200
"""Problems that are kept. A file with more than this is not YAML of ours."""


class Place(Struct, frozen=True):
    """Lines and columns count from 1; line 0 means the whole file."""

    file: str
    line: int = 0
    column: int = 0


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong. `path` is the key's, such as `model_list[2].litellm_params.rpm`; `found`,
    `expected` and `near` (the nearest name that is known) are set where they say something.
    """

    severity: Literal["error", "warning"]
    message: str
    file: str
    line: int = 0
    column: int = 0
    path: str = ""
    found: str | None = None
    expected: str | None = None
    near: str | None = None

    @property
    def text(self) -> str:
        """All of it but the place."""
        parts = [self.message] if self.message else []
        if self.expected:
            parts.append(f"expected {self.expected}" + (f", found {self.found}" if self.found else ""))
        return "; ".join(parts)


class ConfigError(Exception):
    """A configuration that can't be used. `problems` holds its warnings, too, `files` what was to be read."""

    def __init__(self, problems: Iterable[Problem], files: Iterable[str] = ()) -> None:
        self.problems = tuple(problems)
        self.files = tuple(files)
        super().__init__(render(self.problems))


class Report:
    """Collects problems, at most `LIMIT` of them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    @property
    def full(self) -> bool:
        """Nothing more will be kept, so nobody needs to look for the nearest name."""
        return len(self.problems) >= LIMIT

    @property
    def failed(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    def error(self, place: Place, path: str, message: str, **details: str | None) -> None:
        self._add("error", place, path, message, details)

    def warning(self, place: Place, path: str, message: str, **details: str | None) -> None:
        self._add("warning", place, path, message, details)

    def _add(
        self,
        severity: Literal["error", "warning"],
        place: Place,
        path: str,
        message: str,
        details: dict[str, str | None],
    ) -> None:
        # the last place is kept for an error: warnings alone must not hide that the file is unusable
        if len(self.problems) >= LIMIT and (severity == "warning" or self.failed):
            return
        self.problems.append(
            Problem(
                severity=severity,
                message=message,
                file=place.file,
                line=place.line,
                column=place.column,
                path=path,
                **details,
            )
        )


def ordered(problems: Iterable[Problem]) -> list[Problem]:
    """By file in the order of first mention, then by line and column."""
    problems = list(problems)
    files = {name: index for index, name in enumerate(dict.fromkeys(p.file for p in problems))}
    return sorted(problems, key=lambda p: (files[p.file], p.line, p.column, p.severity, p.path))


def render(problems: Iterable[Problem]) -> str:
    """For a terminal: one to three lines for each problem, `file:line:column: severity: path: text`."""
    return "\n".join(_lines(problem) for problem in ordered(problems))


def _lines(problem: Problem) -> str:
    place = printable(problem.file)
    if problem.line:
        place += f":{problem.line}:{problem.column}"
    path = f" {problem.path}:" if problem.path else ""
    near = f"\n    did you mean {problem.near}?" if problem.near else ""
    return f"{place}: {problem.severity}:{path} {problem.text}{near}"


# Quoting

_SECRET_TEXT: Final = re.compile(
    r"(?i)(sk|pk|rk|xai|nvapi|pplx)-\S|(gsk|ghp|hf|r8)_\S|(bearer|basic)\s+\S"
    r"|eyJ|AIza|AKIA|-----BEGIN|\S+@\S|\S*://\S*@"
)
_SECRET_NAME: Final = re.compile(
    r"(?i)key|secret|(?<!per_)token(?!s|_cost)|password|passwd|credential|authorization|headers"
    r"|environment_variables"
)
_SHOWN: Final = 40
_PLAIN_LETTERS: Final = 20


def printable(text: str, limit: int = 200) -> str:
    """Without control characters and of bounded length."""
    clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[: limit + 1])
    return clean if len(clean) <= limit else clean[:limit] + "…"


def looks_secret(text: str) -> bool:
    """Has a known prefix of keys, or is one long word with digits in it, as random texts are."""
    if _SECRET_TEXT.match(text):
        return True
    words = re.split(r"[\s_./:,*-]+", text)
    return any(len(word) >= _PLAIN_LETTERS for word in words) and any(char.isdigit() for char in text)


def shown_name(name: str) -> str:
    """A key as a message may show it."""
    return "«hidden»" if looks_secret(name) else printable(name, 80) or "''"


def shown(value: Any, path: str) -> str:
    """A value as it was written, or only its kind: where its key speaks of a secret or it looks like one."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if _SECRET_NAME.search(path):
        return "a value that is not shown here"
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else printable(str(value), _SHOWN)
    if looks_secret(value) or len(value) > _SHOWN:
        return "a text that is not shown here"
    return f"'{printable(value)}'"
