"""Credential documents in JSON, which a parameter or a variable gives as an object, as text or as a file's path.

Knows nothing of what they hold.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headgate.providers.auth.base import Surroundings, missing

_LONGEST: Final = 1024
"""Characters of a path: what is longer is a document that was cut or spoilt, and must not be shown."""


def json_text(around: Surroundings, given: str | Mapping[str, Any], what: str) -> tuple[str, str]:
    """A document's text, and what it is called in messages. Raises AuthenticationError."""
    if not isinstance(given, str):
        return msgspec.json.encode(given).decode(), what
    if given.lstrip().startswith("{"):
        return given, what
    path = given.strip()
    if not path.isprintable() or len(path) > _LONGEST:
        raise missing(f"{what} is neither the path of a file nor an object in JSON")
    return around.file(path, what), f"{what}, the file {around.path(path)}"


def there(around: Surroundings, path: str) -> bool:
    """Whether there is such a file, be it readable or not."""
    try:
        around.read(around.path(path))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
