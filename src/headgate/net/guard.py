"""Which addresses a URL that a user named may lead to: public ones, so that nobody reaches our own network.

Pure: addresses come in resolved.
"""

import ipaddress
from collections.abc import Collection, Sequence

from headgate.errors import ImageFetchError


def checked(host: str, addresses: Sequence[str], allowed_hosts: Collection[str] | None = ()) -> str:
    """The first address, when all are public or the host is allowed by name (None: every host is).

    Raises ImageFetchError.
    """
    if not addresses:
        raise ImageFetchError(f"the host {host!r} has no address")
    if allowed_hosts is not None and host.lower() not in allowed_hosts and not all(map(is_public, addresses)):
        raise ImageFetchError(
            f"the host {host!r} is inside a private network, which media are not fetched from; "
            "send the data itself, or allow the host by user_url_allowed_hosts"
        )
    return addresses[0]


def is_public(address: str) -> bool:
    """Neither private, loopback, link-local (also cloud metadata), multicast nor reserved."""
    found = ipaddress.ip_address(address.split("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        embedded = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if embedded is not None:
            return is_public(str(embedded))
        if found in ipaddress.ip_network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)
