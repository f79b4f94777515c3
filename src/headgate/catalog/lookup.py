"""Models by LiteLLM's names: prices, limits and abilities, in LiteLLM's schema. Knows no configuration and no call.

The table is made by scripts/build_catalog.py and read at its first use; rows stay undecoded until someone asks
for them. A name finds its row by the rules of its provider, in their order, so that dated variants resolve.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from headgate.catalog.price import PriceSheet, overridden
from headgate.errors import BadRequestError

Row = Mapping[str, Any]
Clause = tuple[str, Any]

_TABLE: Final = Path(__file__).with_name("data") / "models.json"
"""By its path: importlib.resources takes longer to import than this table to be read."""
_REMEMBERED: Final = 4096
_ALIASES: Final[Mapping[str, str]] = {
    "anthropic_text": "anthropic",
    "azure_ai": "azure",
    "azure_text": "azure",
    "bedrock_converse": "bedrock",
    "codestral": "mistral",
    "cohere_chat": "cohere",
    "text-completion-codestral": "mistral",
    "text-completion-openai": "openai",
    "vertex_ai": "gemini",
    "vertex_ai_beta": "gemini",
}
"""Other names of a provider's models."""
_PATHS: Final[Mapping[str, str]] = {"fireworks_ai": "accounts/fireworks/models/"}
"""What a provider's short names leave out."""
_TIERED: Final = ("_batches", "_priority", "_flex")
_COMPACT_DATE: Final = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=[-:]|$)")


class _Data(msgspec.Struct):
    """The table. `rules` are (kind, value, name) by provider, first match wins; `bare` says which provider a name
    without one belongs to; `fallbacks` names the providers that sell each other's models."""

    source: str
    as_of: str
    rows: dict[str, msgspec.Raw]
    rules: dict[str, msgspec.Raw]
    bare: list[tuple[str, list[Clause]]]
    fallbacks: dict[str, list[str]]


_DATA: Final = msgspec.json.Decoder(_Data)
_ROW: Final = msgspec.json.Decoder(dict[str, Any])
_RULES: Final = msgspec.json.Decoder(list[tuple[str, Any, str]])


class Catalog:
    """`overrides` are further rows, or fields of known ones, by name."""

    def __init__(self, overrides: Mapping[str, Row] | None = None) -> None:
        self._own: dict[str, tuple[str, Row]] = {}
        self._loaded: _Data | None = None
        self._names: dict[str, str] = {}
        self._rules: dict[str, list[tuple[str, Any, str]]] = {}
        self._found: dict[tuple[str, str | None], Row | None] = {}
        self.register(overrides or {})

    @property
    def source(self) -> str:
        """Where the prices come from and of which day they are."""
        return f"{self._data.source}, {self._data.as_of}"

    def find(self, model: str, provider: str | None = None) -> Row | None:
        """The model's row with its "key" and "litellm_provider", None for an unknown model.

        `provider` is LiteLLM's name; without it the model's prefix says so, or the shape of its name.
        """
        found, at = self._found, (model, provider)
        try:
            return found[at]
        except KeyError:
            row = self._search(model.strip().lower(), provider)
        if len(found) >= _REMEMBERED:
            found.clear()
        found[at] = row
        return row

    def register(self, rows: Mapping[str, Row]) -> None:
        """Adds models; of a known one, the fields given replace the table's and the others stay.

        Raises BadRequestError, and adds nothing, where a row is no mapping.
        """
        for name, row in rows.items():
            if not isinstance(row, Mapping):
                raise BadRequestError(
                    f"model {name!r}: expected a mapping of its fields, got {type(row).__name__}"
                )
        for name, row in rows.items():
            _, before = self._own.get(name.lower(), (name, {}))
            self._own[name.lower()] = (name, {**overridden(before, row), **row})
        self._found = {}  # a search under way in another thread writes into the old one

    def names(self) -> list[str]:
        """The table's names, and those that were registered besides."""
        rows = self._data.rows
        return [*rows, *(name for low, (name, _) in self._own.items() if low not in self._names)]

    def sheet(self, model: str, provider: str | None, overrides: Row) -> PriceSheet | None:
        """Prices, those of `overrides` over the table's, its other keys ignored. None where nothing is known."""
        row = self.find(model, provider)
        return PriceSheet.of(overridden(row or {}, overrides))

    @property
    def _data(self) -> _Data:
        if self._loaded is None:
            data = _DATA.decode(_TABLE.read_bytes())
            self._names = {name.lower(): name for name in data.rows}
            self._loaded = data  # last: a thread that sees the table sees its names, too
        return self._loaded

    def _search(self, name: str, provider: str | None) -> Row | None:
        known = self._known(name, provider)
        host = provider or (known or {}).get("litellm_provider")
        bare = name.removeprefix(f"{host}/")
        for key in (f"{host}/{bare}", name, bare):
            own = self._own.get(key)
            if own is not None and _fits(own[1], host, key == bare):
                known_fields = {"key": own[0], "litellm_provider": host, **(known or {})}
                return {**overridden(known_fields, own[1]), **own[1]}
        return known

    def _known(self, name: str, provider: str | None) -> Row | None:
        """The table's row."""
        if provider is not None:
            return self._of(provider, name) or self._of(provider, name.removeprefix(f"{provider}/"))
        prefix, slash, rest = name.partition("/")
        if slash and (prefix in self._data.rules or prefix in _ALIASES):
            return self._of(prefix, rest)
        owner = next((one for one, clauses in self._data.bare if any(_holds(c, name) for c in clauses)), None)
        found = self._of(owner, name) if owner else None
        return found or (self._row(self._names[name]) if name in self._names else None)

    def _of(self, provider: str, name: str) -> Row | None:
        home = _ALIASES.get(provider, provider)
        key = self._match(home, name) or self._match(home, _PATHS.get(home, "") + name)
        if key is not None:
            return self._as(self._row(key), key, provider, home)
        for other in self._data.fallbacks.get(home, ()):
            key = self._match(other, name)
            if key is not None:
                row = self._row(key)
                plain = {k: v for k, v in row.items() if not k.endswith(_TIERED)}
                return self._as(plain, key, provider, other)
        return None

    def _as(self, row: dict[str, Any], key: str, provider: str, home: str) -> Row:
        """The row under the provider that was asked for."""
        if provider == home:
            return row
        row["key"] = f"{provider}/{key.removeprefix(f'{home}/')}"
        row["litellm_provider"] = provider
        return row

    def _match(self, provider: str, name: str) -> str | None:
        """The first rule that holds, else the name itself, else the same with its date written out."""
        if provider not in self._rules:
            raw = self._data.rules.get(provider)
            self._rules[provider] = _RULES.decode(raw) if raw is not None else []
        rules = self._rules[provider]
        if not rules:
            return None
        key = next((key for kind, value, key in rules if _TESTS[kind](name, value)), None)
        if key is None:
            key = self._names.get(f"{provider}/{name}")
        dashed = _COMPACT_DATE.sub(r"-\1-\2-\3", name) if key is None else name
        return self._match(provider, dashed) if dashed != name else key

    def _row(self, key: str) -> dict[str, Any]:
        return {"key": key, **_ROW.decode(self._data.rows[key])}


def _fits(row: Row, provider: str | None, bare: bool) -> bool:
    """A registered row that names another provider is not meant, unless its name says the provider."""
    named = row.get("litellm_provider")
    return not (
        bare and provider and named and _ALIASES.get(named, named) != _ALIASES.get(provider, provider)
    )


def _holds(clause: Clause, name: str) -> bool:
    return _TESTS[clause[0]](name, clause[1])


_TESTS: Final[Mapping[str, Callable[[str, Any], bool]]] = {
    "equals": lambda name, value: name == value,
    "starts_with": lambda name, value: name.startswith(value),
    "ends_with": lambda name, value: name.endswith(value),
    "contains": lambda name, value: value in name,
    "regex": lambda name, value: re.search(value, name) is not None,
    "and": lambda name, value: all(_TESTS[kind](name, inner) for kind, inner in value),
}
