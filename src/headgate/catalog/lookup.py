"""Models by LiteLLM's names: prices, limits and abilities, in LiteLLM's schema.

The table is made by scripts/build_catalog.py and read at its first use. A name that is not in it is matched
by the rules of its provider, so that dated variants resolve.
"""

import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, Final

import msgspec

from headgate.catalog.price import PriceSheet

Row = Mapping[str, Any]
_BARE: Final = ("openai", "anthropic", "gemini")
_ALIKE: Final[Mapping[str, tuple[str, ...]]] = {"azure": ("openai",), "azure_text": ("openai",)}
"""Providers whose models are another's, where they have no rule of their own."""


class _Data(msgspec.Struct):
    source: str
    rows: dict[str, dict[str, Any]]
    rules: dict[str, list[Any]]


class Catalog:
    """`overrides` are further rows, or changes to known ones, by name."""

    def __init__(self, overrides: Mapping[str, Row] | None = None) -> None:
        self._overrides = {name.lower(): dict(row) for name, row in (overrides or {}).items()}
        self._data: _Data | None = None
        self._names: dict[str, str] = {}
        self._found: dict[tuple[str, str | None], Row | None] = {}

    @property
    def source(self) -> str:
        """Where the prices come from: a package and its version."""
        return self._load().source

    def find(self, model: str, provider: str | None = None) -> Row | None:
        """The row with its "key" and "litellm_provider", None for an unknown model."""
        at = (model, provider)
        if at not in self._found:
            if len(self._found) > 10_000:
                self._found.clear()
            self._found[at] = self._search(model, provider)
        return self._found[at]

    def register(self, rows: Mapping[str, Row]) -> None:
        """Adds rows; fields of a known model are changed, the others stay."""
        for name, row in rows.items():
            known = self.find(name) or {}
            self._overrides[name.lower()] = {**known, **row}
        self._found.clear()

    def names(self) -> list[str]:
        return [*self._load().rows, *(name for name in self._overrides if name not in self._names)]

    def sheet(self, model: str, provider: str | None, overrides: Row) -> PriceSheet | None:
        """Prices, with those of `overrides` over the table's. None where nothing is known."""
        row = {**(self.find(model, provider) or {}), **{k: v for k, v in overrides.items() if v is not None}}
        return PriceSheet.of(row)

    def _search(self, model: str, provider: str | None) -> Row | None:
        data = self._load()
        name = model.lower()
        tried = [f"{provider}/{name}", name] if provider else [name]
        for key in tried:
            if key in self._overrides:
                return {"key": key, "litellm_provider": provider, **self._overrides[key]}
        for key in tried:
            known = self._names.get(key)
            if known is not None and (provider is None or self._fits(known, provider)):
                return {"key": known, **data.rows[known]}
        if provider is None:
            prefix, slash, rest = name.partition("/")
            if slash and prefix in data.rules:
                return self._by_rule(rest, (prefix,))
            return self._by_rule(name, _BARE)
        return self._by_rule(name, (provider, *_ALIKE.get(provider, ())))

    def _fits(self, key: str, provider: str) -> bool:
        found = self._load().rows[key]["litellm_provider"]
        return found == provider or found in _ALIKE.get(provider, ())

    def _by_rule(self, name: str, providers: tuple[str, ...]) -> Row | None:
        data = self._load()
        for provider in providers:
            for clause, key in data.rules.get(provider, ()):
                if _matches(clause, name):
                    return {"key": key, **data.rows[key]}
        return None

    def _load(self) -> _Data:
        if self._data is None:
            text = files("headgate.catalog").joinpath("data/models.json").read_bytes()
            self._data = msgspec.json.decode(text, type=_Data)
            self._names = {name.lower(): name for name in self._data.rows}
        return self._data


def _matches(clause: list[Any], name: str) -> bool:
    kind, value = clause
    if kind == "or":
        return any(_matches(one, name) for one in value)
    if kind == "and":
        return all(_matches(one, name) for one in value)
    return _TESTS[kind](name, value)


_TESTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "equals": lambda name, value: name == value.lower(),
    "starts_with": lambda name, value: name.startswith(value.lower()),
    "ends_with": lambda name, value: name.endswith(value.lower()),
    "contains": lambda name, value: value.lower() in name,
    "regex": lambda name, value: re.search(value, name) is not None,
}
