"""The envelope: a JSON body as its top-level keys, each value left as the bytes that it was.

One scan checks the whole document. A key given twice counts once, the last one, and only that one is sent on.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from headgate.errors import BadRequestError

_decoder: Final = msgspec.json.Decoder(dict[str, Raw])
_encode: Final = msgspec.json.encode


def read(body: bytes) -> dict[str, Raw]:
    """Raises BadRequestError with param "request_body" for whatever is no JSON object in UTF-8."""
    try:
        if not body.isascii():
            body.decode()  # the scan skips over strings that nobody reads
        return _decoder.decode(body)
    except msgspec.ValidationError:
        raise _bad("must be a JSON object") from None
    except msgspec.DecodeError as error:
        raise _bad(f"is no valid JSON: {error}" if body else "is empty: expected a JSON object") from None
    except UnicodeDecodeError as error:
        raise _bad(f"is no valid UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise _bad("is nested too deeply") from None


def write(envelope: Mapping[str, Raw]) -> bytes:
    return _encode(envelope)


def _bad(what: str) -> BadRequestError:
    return BadRequestError(f"the request body {what}", param="request_body")
