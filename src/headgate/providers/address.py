"""From a row and a base URL to the URL of one operation. Pure: no socket; the environment is handed in."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from headgate.errors import BadRequestError, NotFoundError
from headgate.providers.base import Provider, Site

LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What may stand for a placeholder: it must not lead to another host or path."""


def is_own(provider: Provider, base: str | None) -> bool:
    """Whether the servers at this address are the provider's, as far as its row tells: nobody knows what others take
    under its name."""
    return base is None or _host(base).endswith(_host(provider.base_url or ""))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # no address: whoever makes a call of it says so
        return ""


def own_base(provider: Provider, params: Mapping[str, Any], env: Mapping[str, str]) -> str | None:
    """The row's address with its placeholders filled; None where it has none.

    Raises BadRequestError naming what is missing, or what can't be part of an address.
    """
    if provider.base_of is not None:
        return provider.base_of("", params, env)
    found: dict[str, str] = {}
    missing: list[str] = []
    for place, (name, *variables) in provider.base_vars.items():
        value = str(params.get(name) or next((env[key] for key in variables if env.get(key)), ""))
        if value and not LABEL.fullmatch(value):
            raise BadRequestError(
                f"{name} can't be part of {provider.name}'s address: "
                "expected letters, digits, dots, hyphens and underscores",
                llm_provider=provider.id,
                param=name,
            )
        if not value:
            missing.append(f"{name} ({' or '.join(variables)} in the environment)")
        found[place] = value
    if missing:
        raise BadRequestError(
            f"{provider.name}'s address is made of {' and '.join(missing)}: set it, or give api_base",
            llm_provider=provider.id,
            param="api_base",
        )
    return provider.base_url and provider.base_url.format_map(found) if found else provider.base_url


def url_of(provider: Provider, operation: str, model: str, base: str | None, api_version: str = "") -> str:
    """The whole URL. Raises BadRequestError without a base, NotFoundError without such an operation."""
    if operation not in provider.paths:
        raise NotFoundError(f"{provider.name} has no operation {operation!r}", llm_provider=provider.id)
    base = (base or provider.base_url or "").rstrip("/")
    if not base:
        names = " or ".join(provider.base_url_env) or "no variable"
        raise BadRequestError(
            f"{provider.name} has no fixed address: give api_base, or set {names}",
            llm_provider=provider.id,
            param="api_base",
        )
    site = Site(provider=provider, operation=operation, model=model, base=base, api_version=api_version)
    path = provider.path_of(site) if provider.path_of else provider.paths[operation]
    path = path.replace("{model}", quote(model, safe="/:@"))
    if not path.startswith(("http://", "https://")):
        return join(base, path)
    fixed = provider.paths[operation].startswith("http")
    if fixed and provider.base_url and base != provider.base_url.rstrip("/"):
        parts = urlsplit(path)  # whoever gives an address means it for every operation
        return join(base, parts.path + (f"?{parts.query}" if parts.query else ""))
    return path


def join(base: str, path: str) -> str:
    """Base and path, without repeating what the base ends with: "h/v1" + "/v1/messages" → "h/v1/messages". A path
    that begins with a colon is a method of what the base names."""
    if path.startswith(":"):
        return base + path
    path, mark, query = path.partition("?")
    parts = path.strip("/").split("/")
    ending = urlsplit(base).path.strip("/").split("/")
    for size in range(min(len(parts), len(ending)), 0, -1):
        if ending[-size:] == parts[:size]:
            parts = parts[size:]
            break
    return "/".join([base, *parts]) + mark + query
