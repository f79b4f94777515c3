"""Whether a master key is good enough for the host that is listened on. Pure."""

from ipaddress import IPv6Address, ip_address
from typing import Final

MIN_LENGTH: Final = 8
MIN_DIFFERENT: Final = 5

PUBLIC: Final = {
    "sk-1234": "it stands in LiteLLM's documentation",
    "sk-12345": "it is a variant of the one in LiteLLM's documentation",
    "sk-123456": "it is a variant of the one in LiteLLM's documentation",
    "sk-12345678": "it is a variant of the one in LiteLLM's documentation",
    "sk-123456789": "it is a variant of the one in LiteLLM's documentation",
    "sk-1234567890": "it is a variant of the one in LiteLLM's documentation",
    "sk-master": "it is an example's",
    "sk-master-key": "it is an example's",
    "sk-test": "it is an example's",
    "sk-test-key": "it is an example's",
    "sk-test-1234": "it is an example's",
    "sk-litellm": "it is an example's",
    "sk-litellm-master-key": "it is an example's",
    "sk-headgate": "it is an example's",
    "sk-proxy": "it is an example's",
    "sk-admin": "it is an example's",
    "sk-secret": "it is an example's",
    "sk-password": "it is an example's",
    "sk-changeme": "it is a placeholder",
    "sk-your-master-key": "it is a placeholder",
    "sk-your-key-here": "it is a placeholder",
    "sk-xxxxxxxx": "it is a placeholder",
    "your-master-key": "it is a placeholder",
    "your_master_key": "it is a placeholder",
    "changeme": "it is a placeholder",
    "change-me": "it is a placeholder",
    "change_me": "it is a placeholder",
    "master-key": "it is an example's",
    "master_key": "it is an example's",
    "litellm_master_key": "it is a variable's name, not its value",
    "password": "everybody tries it first",
    "password1": "everybody tries it first",
    "12345678": "everybody tries it first",
    "123456789": "everybody tries it first",
    "1234567890": "everybody tries it first",
    "qwertyuiop": "everybody tries it first",
    "letmein1": "everybody tries it first",
    "administrator": "everybody tries it first",
}
"""Keys that anyone may know, in lower case, and how."""

ADVICE: Final = (
    "Make a good one and give it as LITELLM_MASTER_KEY or general_settings.master_key:\n"
    "    python3 -c \"import secrets; print('sk-' + secrets.token_urlsafe(32))\""
)


def is_loopback(host: str) -> bool:
    """True where only this machine can reach a server that listens on `host`."""
    name = host.strip().removeprefix("[").removesuffix("]").rstrip(".").lower()
    if name in ("localhost", "ip6-localhost", "ip6-loopback"):
        return True
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def weakness(key: str | None) -> str | None:
    """Why a key is none, as the end of a sentence that begins with "the master key"; None for a good one."""
    plain = (key or "").strip().lower()
    if not plain:
        return "is not set"
    if reason := PUBLIC.get(plain):
        return f"is publicly known: {reason}"
    if len(plain) < MIN_LENGTH:
        return f"is too short: {len(plain)} characters, at least {MIN_LENGTH} are needed"
    if len(set(plain.removeprefix("sk-"))) < MIN_DIFFERENT:
        return f"is too easy to guess: fewer than {MIN_DIFFERENT} different characters"
    return None


def refusal(key: str | None, host: str, *, permit_weak: bool = False) -> str | None:
    """Why the gateway must not listen on `host` with this key, and what to do; None where it may.

    A weak key or none is fine on loopback, or with `dangerously_permit_weak_or_unset_master_key`.
    """
    reason = weakness(key)
    if reason is None or permit_weak or is_loopback(host):
        return None
    return (
        f"The master key {reason}, so anyone who reaches {host} could spend your money. "
        f"Headgate refuses to listen there; without a good key it listens on 127.0.0.1 only.\n{ADVICE}"
    )


def default_host(key: str | None) -> str:
    """Where to listen when nobody said: everywhere, as LiteLLM does, but only with a good key."""
    return "127.0.0.1" if weakness(key) else "0.0.0.0"  # noqa: S104 -- the operator set a good key for this
