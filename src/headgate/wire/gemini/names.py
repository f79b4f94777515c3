"""Function names in the characters that the API takes, each distinct.

https://ai.google.dev/api/caching#FunctionDeclaration
"""

import re
from typing import Final

LIMIT: Final = 64

_FITS: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_REFUSED: Final = re.compile(r"[^a-zA-Z0-9_.:-]")


class Names:
    """`changed` maps a name as written to the caller's."""

    def __init__(self) -> None:
        self.changed: dict[str, str] = {}
        self._written: dict[str, str] = {}

    def fit(self, name: str) -> str:
        written = self._written.get(name)
        if written is None:
            written = self._fresh(name)
            self._written[name] = written
            if written != name:
                self.changed[written] = name
        return written

    def _fresh(self, name: str) -> str:
        if _FITS.fullmatch(name) and name not in self.changed:
            return name
        base = _REFUSED.sub("_", name)[:LIMIT]
        if not base or not (base[0].isalpha() or base[0] == "_"):
            base = "_" + base[: LIMIT - 1]
        taken = {*self._written, *self.changed}
        candidate, count = base, 1
        while candidate in taken:
            count += 1
            candidate = f"{base[: LIMIT - 8]}_{count}"
        return candidate
