"""AWS Signature Version 4: a request and keys in, header lines out. Pure: no clock, no environment.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import math
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urlsplit

from msgspec import Struct

from headgate.ports import Signing

_UNSIGNED: Final = frozenset(
    """authorization baggage connection expect keep-alive proxy-authenticate proxy-authorization te traceparent
    tracestate trailer transfer-encoding upgrade user-agent x-amz-content-sha256 x-amz-date x-amz-security-token
    x-amzn-trace-id""".split()
)
"""Who passes a request on may change them; or they are made here."""
STAMP: Final = "%Y%m%dT%H%M%SZ"
"""The form of x-amz-date."""
_PORTS: Final = {"http": ":80", "https": ":443"}


class Keys(Struct, frozen=True, kw_only=True):
    """Credentials of AWS. `expires` is Unix seconds, infinity for keys that stay."""

    access: str
    secret: str
    session: str = ""
    expires: float = math.inf

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.secret, self.session)


def sign(request: Signing, keys: Keys, *, region: str, service: str, now: float) -> list[tuple[str, str]]:
    """x-amz-date, x-amz-security-token where there is a session, and authorization. All headers of the request
    are signed but those that may change on the way.

    S3 is the one service that takes the path as it travels, and wants the body's hash as a header as well.
    """
    moment = time.strftime(STAMP, time.gmtime(now))
    hashed = request.digest or hashlib.sha256(request.body).hexdigest()
    added = [("x-amz-date", moment)]
    if service == "s3":
        added.append(("x-amz-content-sha256", hashed))
    if keys.session:
        added.append(("x-amz-security-token", keys.session))
    given = [(name.lower(), value) for name, value in request.headers if name.lower() not in _UNSIGNED]
    url = urlsplit(request.url)
    if not any(name == "host" for name, _ in given):
        host = url.netloc.rpartition("@")[2]
        given.append(("host", host.removesuffix(_PORTS.get(url.scheme, ""))))
    headers = _headers([*given, *added])
    names = ";".join(headers)
    canonical = "\n".join(
        [
            request.method.upper(),
            (url.path or "/") if service == "s3" else canonical_path(url.path),
            "&".join(f"{key}={value}" for key, value in sorted(_pairs(url.query))),
            *(f"{name}:{value}" for name, value in headers.items()),
            "",
            names,
            hashed,
        ]
    )
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    key = _key(keys.secret, moment[:8], region, service)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    algorithm = f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope}"
    return [*added, ("authorization", f"{algorithm}, SignedHeaders={names}, Signature={signature}")]


def canonical_path(path: str) -> str:
    """The path as it travels, without dots and double slashes, encoded once more."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part and part != ".":
            parts.append(part)
    end = "/" if parts and path.endswith("/") else ""
    return quote("/" + "/".join(parts) + end, safe="/~")


def _pairs(query: str) -> Iterable[tuple[str, str]]:
    for pair in query.split("&") if query else ():
        key, _, value = pair.partition("=")
        yield key, value


def _headers(given: list[tuple[str, str]]) -> dict[str, str]:
    """Sorted by name, values of one name joined, runs of blanks as one."""
    found: dict[str, list[str]] = {}
    for name, value in given:
        found.setdefault(name, []).append(" ".join(value.split()))
    return {name: ",".join(found[name]) for name in sorted(found)}


@lru_cache(maxsize=256)
def _key(secret: str, day: str, region: str, service: str) -> bytes:
    """The same for a day."""
    key = b"AWS4" + secret.encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
