"""Addresses and data URIs → `ir.Source`. Base64 is never decoded. Knows no format. RFC 2397."""

import base64
from urllib.parse import unquote_to_bytes

from headgate.wire import ir


def source_of(url: str) -> ir.Source:
    """An address, or the data that a data URI holds: as base64, also where the URI has it as it is."""
    if not url.startswith("data:"):
        return ir.Source(kind="url", value=url)
    head, comma, value = url[5:].partition(",")
    media_type, *options = head.split(";")
    if not comma:
        return ir.Source(kind="url", value=url)
    if "base64" not in options:
        value = base64.b64encode(unquote_to_bytes(value)).decode()
    return ir.Source(kind="data", value=value, media_type=media_type or None)
