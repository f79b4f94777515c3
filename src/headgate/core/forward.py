"""One request to a deployment's API beside its model calls: its address, its credential, our method and body.

Knows no page and no caller: whoever forwards has asked who may.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from headgate.core.deployment import Deployment
from headgate.core.engine import Engine
from headgate.core.signing import Sending
from headgate.errors import BadRequestError, for_status
from headgate.ports import Incoming, Outgoing, Timeouts

LIMIT: Final = 64 * 1024 * 1024
"""Bytes of a document that is read whole."""
JSON: Final = "application/json"
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}")
_JOINED: Final = ("anthropic-beta",)
"""Headers of which the deployment has some values and the client others."""
TIMEOUTS: Final = Timeouts()


def checked(id: str) -> str:  # noqa: A002 -- the field's name everywhere
    """An id that may be part of an address. Raises BadRequestError."""
    if not _ID.fullmatch(id):
        raise BadRequestError(
            f"{id[:100]!r} is no id: expected up to 200 letters, digits, hyphens, underscores, dots and colons"
        )
    return id


async def forward(
    engine: Engine,
    deployment: Deployment,
    operation: str,
    method: str,
    rest: str = "",
    *,
    query: str = "",
    body: bytes | Outgoing = b"",
    kind: str = JSON,
    more: Mapping[str, str] = {},
    timeouts: Timeouts = TIMEOUTS,
) -> Incoming:
    """`rest` follows the operation's address, "/id/cancel"; `query` goes after its own. `kind` is the body's
    content-type, `more` are header lines in place of the deployment's, their names in lower case.

    Raises what the transport raises, the deployment's problem, and NotFoundError where its provider has no such
    operation."""
    route = deployment.route(operation, False)
    base, _, own = route.url.partition("?")
    asks = "&".join(filter(None, (own, query)))
    url = f"{base}{rest}" + (f"?{asks}" if asks else "")
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    _, host, *lines = route.head.decode("latin-1").split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines if line)
    fields.pop("content-type", None)
    for name, value in ({**more, "content-type": kind} if body else more).items():
        joined = name in _JOINED and name in fields
        fields[name] = f"{fields[name]},{value}" if joined else value
    kept = [f"{name}: {value}" for name, value in fields.items()]
    head = "\r\n".join([f"{method} {target} HTTP/1.1", host, *kept, ""]).encode("latin-1", "replace")
    sending = Sending(method, url, route.origin, head, body)
    return await engine.send(deployment, sending, timeouts)


async def asked(
    engine: Engine, deployment: Deployment, operation: str, method: str, rest: str = "", query: str = ""
) -> bytes:
    """The document that is answered. Raises the error of the provider's status, in its words."""
    answer = await forward(engine, deployment, operation, method, rest, query=query)
    body = await answer.read(LIMIT)
    if answer.status >= 300:
        raise failed(deployment, operation, answer, body)
    return body


def failed(deployment: Deployment, operation: str, answer: Incoming, body: bytes) -> Exception:
    """What a provider's refusal says."""
    if answer.status < 400:
        return for_status(502)(f"{deployment.provider.name} answered with the status {answer.status}")
    error = deployment.route(operation, False).dialect.read_error(answer.status, dict(answer.headers), body)
    error.message = deployment.scrubbed(error.message)
    return error
