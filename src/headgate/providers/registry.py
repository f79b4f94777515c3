"""Which provider a model string means. Rows are data; this is the only lookup over them."""

import re
from collections.abc import Collection, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from headgate.errors import UnknownProviderError
from headgate.providers.base import Provider
from headgate.providers.rows import ROWS

NO_OWN: Final[Mapping[str, Provider]] = MappingProxyType({})


@cache
def providers() -> Mapping[str, Provider]:
    """Every provider by id and by alias."""
    table: dict[str, Provider] = {}
    for row in ROWS:
        for name in (row.id, *row.aliases):
            if name in table:
                raise ValueError(f"two rows are called {name!r}")
            table[name] = row
    return table


@cache
def _bare_names() -> tuple[tuple[re.Pattern[str], Provider], ...]:
    return tuple((re.compile(row.bare), row) for row in ROWS if row.bare)


@cache
def _hosts() -> Mapping[str, Provider]:
    hosts = ((urlsplit(row.base_url or "").hostname or "", row) for row in ROWS)
    return {host: row for host, row in hosts if "." in host}


def resolve(
    model: str,
    provider: str | None = None,
    api_base: str | None = None,
    own: Mapping[str, Provider] = NO_OWN,
) -> tuple[Provider, str]:
    """The row and the model's name at that provider. Rows of the user's `own` go over ours.

    Order: the provider named beside it, the prefix before the first "/", the host of `api_base`, names that
    are known without a prefix. Raises UnknownProviderError naming the nearest provider.
    """
    table = {**providers(), **own} if own else providers()
    if provider:
        if provider not in table:
            raise _unknown(provider, model, table)
        prefix, slash, rest = model.partition("/")
        named = slash and table.get(prefix) is table[provider]
        return _varied(table[provider], rest if named else model)
    prefix, slash, rest = model.partition("/")
    if slash and rest and prefix in table:
        return _varied(table[prefix], rest)
    if api_base and (row := _hosts().get(urlsplit(api_base).hostname or "")):
        return _varied(row, model)
    for pattern, row in _bare_names():
        if pattern.match(model):
            return row, model
    raise _unknown(prefix if slash else "", model, table)


def _varied(row: Provider, model: str) -> tuple[Provider, str]:
    for variant in row.variants:
        if re.match(variant.match, model):
            return variant.row, _full(variant.row, model.removeprefix(variant.cut))
    return row, _full(row, model)


def _full(row: Provider, model: str) -> str:
    return row.model_prefix + model if row.model_prefix and "/" not in model else model


def _unknown(provider: str, model: str, known: Collection[str]) -> UnknownProviderError:
    from difflib import get_close_matches  # only who errs needs it

    near = get_close_matches(provider, known, n=1) if provider else []
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UnknownProviderError(
        f"LLM Provider NOT provided: model {model!r} names no provider that Headgate knows. "
        f"Write it as 'provider/model', for example 'openai/gpt-4o'.{hint}",
        model=model,
        param="model",
    )
