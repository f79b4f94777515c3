"""Media of a request that its provider takes by id only: uploaded before the call, each once.

Where they go, and with which fields, is the row's (`uploads`). What was uploaded is remembered for a while, so that
the next turn of a conversation names the same file. Knows no provider and no format.
"""

import asyncio
import base64
import binascii
import secrets
from collections import OrderedDict
from copy import deepcopy
from hashlib import sha256
from typing import Any, Final

from headgate.core.deployment import Deployment
from headgate.core.jobs import Send, told
from headgate.core.prepare import media_held
from headgate.errors import APIResponseValidationError, BadRequestError
from headgate.ports import Clock
from headgate.wire.ir import Request, Source
from headgate.wire.multipart import Part
from headgate.wire.outgoing import Form, Wire, framed
from headgate.wire.polling import Ask
from headgate.wire.shape import reply_object

OPERATION: Final = "uploads"
KEPT: Final = 3600.0
"""Seconds for which an upload is named again."""
MOST: Final = 2_000
"""Uploads that are remembered."""
SECONDS: Final = 60.0
_ENDINGS: Final = {"plain": "txt", "mpeg": "mp3", "markdown": "md", "x-wav": "wav", "svg+xml": "svg"}


class Attachments:
    def __init__(self, send: Send, clock: Clock) -> None:
        self._send = send
        self._clock = clock
        self._known: OrderedDict[tuple[str, bytes], tuple[str, float]] = OrderedDict()

    async def uploaded(self, request: Request, deployment: Deployment) -> Request:
        """The same request with ids for media: those belong to this deployment alone.

        Raises BadRequestError for what is no base64, the provider's error, and what the transport raises."""
        own = deepcopy(request)
        await asyncio.gather(*(self._named(source, deployment) for source in media_held(own)))
        return own

    async def _named(self, source: Source, deployment: Deployment) -> None:
        data = _bytes(source)
        key = (deployment.id, sha256(data).digest())
        name, until = self._known.get(key, ("", 0.0))
        now = self._clock.monotonic()
        if now >= until:
            name = await self._upload(data, source.media_type or "application/octet-stream", deployment)
            self._known[key] = (name, now + KEPT)
            self._known.move_to_end(key)
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        spoken = deployment.route(OPERATION, False).dialect
        source.kind, source.value, source.family = "id", name, spoken.family

    async def _upload(self, data: bytes, kind: str, deployment: Deployment) -> str:
        route = deployment.route(OPERATION, False)
        ending = kind.rpartition("/")[2].partition(";")[0]
        part = Part("file", f"file.{_ENDINGS.get(ending, ending)}", kind)
        wire = Wire(body=Form(tuple(deployment.provider.uploads.items())))
        laid_out = framed(wire, b"headgate-" + secrets.token_hex(16).encode(), part)
        ask = Ask(
            url=route.url,
            after=0.0,
            method="POST",
            headers={"content-type": laid_out.content_type},
            body=laid_out.before + data + laid_out.after,
        )
        status, headers, body = await told(self._send, deployment, ask, SECONDS)
        if status >= 300:
            raise route.dialect.read_error(status, headers, body)
        name: Any = reply_object(body).get("id")
        if not isinstance(name, str) or not name:
            raise APIResponseValidationError(
                f"{deployment.provider.name} took a file and named no id: its answer can't be read"
            )
        return name


def _bytes(source: Source) -> bytes:
    if source.kind == "text":
        return source.value.encode("utf-8", "replace")
    try:
        return base64.b64decode(source.value, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequestError("messages: a picture or file that is no base64", param="messages") from None
