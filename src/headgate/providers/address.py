"""From a row and a base URL to the URL of one operation. Pure: no environment, no socket."""

from urllib.parse import quote, urlsplit

from headgate.errors import BadRequestError, NotFoundError
from headgate.providers.base import Provider, Site


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
    if path.startswith(("http://", "https://")):
        return path
    return join(base, path.replace("{model}", quote(model, safe="/:@")))


def join(base: str, path: str) -> str:
    """Base and path, without repeating what the base ends with: "h/v1" + "/v1/messages" → "h/v1/messages"."""
    path, mark, query = path.partition("?")
    parts = path.strip("/").split("/")
    ending = urlsplit(base).path.strip("/").split("/")
    for size in range(min(len(parts), len(ending)), 0, -1):
        if ending[-size:] == parts[:size]:
            parts = parts[size:]
            break
    return "/".join([base, *parts]) + mark + query
