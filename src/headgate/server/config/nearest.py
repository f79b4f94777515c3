"""The nearest known name, for messages."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_LONGEST: Final = 80
"""Comparing is quadratic: a longer text is nobody's typing error."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    if len(name) > _LONGEST:
        return None
    folded = {key.lower(): key for key in known}
    found = get_close_matches(name.strip().lower().replace("-", "_"), folded, n=1, cutoff=0.7)
    return folded[found[0]] if found else None


def one_edit_away(name: str, known: Iterable[str]) -> str | None:
    """A known name that one letter added, left out, changed or two swapped turn into `name`; case and hyphens
    count for nothing. Short names are too close to each other to tell.
    """
    plain = name.lower().replace("-", "_")
    if not 4 <= len(plain) <= _LONGEST:
        return None
    return next((other for other in known if other != name and _is_one_edit(plain, other)), None)


def _is_one_edit(a: str, b: str) -> bool:
    if abs(len(a) - len(b)) > 1:
        return False
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    rest_a, rest_b = a[start:], b[start:]
    if len(a) != len(b):
        return rest_a[1:] == rest_b or rest_a == rest_b[1:]
    return rest_a[1:] == rest_b[1:] or (rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:])
