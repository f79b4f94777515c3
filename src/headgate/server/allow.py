"""Which models somebody may use: names, wildcards and access groups. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

ALL_TEAM: Final = "all-team-models"
ALL_PROXY: Final = "all-proxy-models"
NO_DEFAULT: Final = "no-default-models"
_EVERYTHING: Final = ("*", ALL_PROXY)


class Allow:
    """A list of models as LiteLLM writes it; an empty one allows all. `groups` maps an access group to its
    models."""

    __slots__ = ("_names", "_patterns", "everything")

    def __init__(self, models: Iterable[str], groups: Mapping[str, Iterable[str]] | None = None) -> None:
        listed = [name for name in models if name != ALL_TEAM]
        self.everything = not listed or any(name in _EVERYTHING for name in listed)
        names: set[str] = set()
        for name in listed:
            names.update((groups or {}).get(name, (name,)))
        names.discard(NO_DEFAULT)
        self._names = frozenset(name for name in names if "*" not in name)
        self._patterns = tuple(
            (name.partition("*")[0], name.partition("*")[2]) for name in sorted(names) if "*" in name
        )

    def admits(self, model: str) -> bool:
        if self.everything or model in self._names:
            return True
        return any(
            model.startswith(start) and model.endswith(end) and len(model) >= len(start) + len(end)
            for start, end in self._patterns
        )

    def shown(self) -> str:
        """For a message: the names, not too many."""
        names = [*sorted(self._names), *(start + "*" + end for start, end in self._patterns)]
        return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "") or "none"
