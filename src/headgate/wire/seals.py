"""A thought that one vendor sealed, within a format of another's: the secret with the vendor's name before it.

So it comes back unharmed when the conversation does. Knows no format.
"""

from typing import Final

from headgate.wire import ir

MARK: Final = "headgate."
_SIGNED, _REDACTED = "s", "r"


def sealed(block: ir.Thinking, family: str) -> str | None:
    """The secret as it stands in the format of `family`, None where there is none."""
    secret = block.signature or block.redacted
    if secret is None or block.family in (None, family):
        return secret
    kind = _REDACTED if block.redacted else _SIGNED
    return f"{MARK}{block.family}.{kind}.{block.account}.{secret}"


def unreadable(block: ir.Thinking, family: str, account: str) -> bool:
    """Whether it is sealed with the key of another account of `family`."""
    return block.family == family and block.account not in ("", account)


def unsealed(text: str, family: str) -> ir.Thinking:
    """The vendor's thought, signed or redacted, without its words. What has no other's name is the family's own."""
    if not text.startswith(MARK):
        return ir.Thinking(family=family, signature=text)
    vendor, kind, account, secret = [*text[len(MARK) :].split(".", 3), "", "", ""][:4]
    if kind == _REDACTED:
        return ir.Thinking(family=vendor, redacted=secret, account=account)
    return ir.Thinking(family=vendor, signature=secret, account=account)
