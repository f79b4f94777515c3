"""Credentials that are more than a fixed header line: one file for each cloud, none of which knows a deployment.

A provider's row names a scheme, "family" or "family:detail"; a family's file is imported when it is first used.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from headgate.errors import BadRequestError
from headgate.ports import Credential

if TYPE_CHECKING:
    from headgate.providers.auth.base import Surroundings

FAMILIES: Final[dict[str, "Callable[[Any, str, Surroundings], Credential | None]"]] = {
    "aws": lambda file, service, around: file.credential(around, service, file.region(around)),
    "google": lambda file, scope, around: (
        None if file.keyed(around) else file.credential(around, *filter(None, [scope]))
    ),
    "azure_ad": lambda file, _, around: file.credential(around),
    "oracle": lambda file, _, around: file.credential(around),
    "oauth": lambda file, name, around: file.credential(name, around),
}
"""A family, which is its file's name → how a credential is made of the file, the detail and the surroundings."""


def build(scheme: str, around: "Surroundings") -> Credential | None:
    """The credential of a scheme: "aws:bedrock", "google", "azure_ad", "oracle", "oauth:watsonx". None
    where nothing is configured and a plain API key counts.

    Raises AuthenticationError for what is lacking or can't be read, BadRequestError for a scheme that there is not.
    """
    family, _, detail = scheme.partition(":")
    make = FAMILIES.get(family)
    if make is None:
        raise BadRequestError(f"no credential scheme {scheme!r}: expected {', '.join(FAMILIES)}")
    return make(import_module(f"{__name__}.{family}"), detail, around)


def exchanges(scheme: str) -> bool:
    """Whether the scheme is asked before the key counts: it may make its token of the very key."""
    return scheme.startswith("oauth:")


def taken(scheme: str) -> frozenset[str]:
    """The parameters that an exchange takes for itself and that other providers may send."""
    if not exchanges(scheme):
        return frozenset()
    names: frozenset[str] = import_module(f"{__name__}.oauth").taken(scheme.partition(":")[2])
    return names
