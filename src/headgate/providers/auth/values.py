"""What a configuration gives to make credentials of, checked before it is used: texts, files, addresses, documents.

Each function raises AuthenticationError that says where the value stands (`what`), and never shows the value.
Knows no provider.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from headgate.errors import AuthenticationError
from headgate.providers.auth.base import Surroundings, missing

_LONGEST: Final = 1024
"""Characters of a path: what is longer is a document that was spoilt."""


def clean(text: str, what: str) -> str:
    """Without blanks around it: secrets that come from files often end with a line break."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _unusable(f"{what} is no text in UTF-8") from None
    return text.strip()


def header_value(text: str, what: str) -> str:
    text = clean(text, what)
    if not (text.isascii() and text.isprintable()):
        raise _unusable(f"{what} holds characters that no header takes")
    return text


def address(url: str, what: str) -> str:
    """An absolute URL over HTTP."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not (good and url.isascii() and url.isprintable() and " " not in url):
        raise _unusable(f"{what} is no address: expected https://host/path")
    return url


def file_text(around: Surroundings, path: str, what: str) -> str:
    if not path.isprintable() or len(path) > _LONGEST:
        raise missing(f"{what}: expected the path of a file")
    return around.file(path, what)


def json_text(around: Surroundings, given: Any, what: str) -> tuple[str, str]:
    """The text of a document in JSON, given as an object, as text or as a file's path, and what it is called."""
    if isinstance(given, Mapping):
        return _encoded(given, what), what
    if not isinstance(given, str):
        kind = type(given).__name__
        raise missing(f"{what} is a {kind}: expected the path of a file, an object or its text in JSON")
    given = clean(given, what)
    if given.startswith("{"):
        return given, what
    if not given.isprintable() or len(given) > _LONGEST:
        raise missing(f"{what} is neither the path of a file nor an object in JSON")
    return around.file(given, what), f"{what}, the file {around.path(given)}"


def there(around: Surroundings, path: str) -> bool:
    """Whether there is such a file, be it readable or not; who reads it says what is wrong with it."""
    try:
        around.read(around.path(path))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return True


def _encoded(given: Mapping[str, Any], what: str) -> str:
    try:
        return msgspec.json.encode(given).decode()
    except (TypeError, ValueError, OverflowError) as error:
        raise _unusable(f"{what} is no document in JSON: {type(error).__name__}") from None


def _unusable(message: str) -> AuthenticationError:
    return AuthenticationError(message, code="unreadable_credentials")
