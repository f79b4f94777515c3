"""The usual attempt: one JSON body to one address, its answer whole or as a stream. See errand.Attempt."""

import asyncio
from typing import TYPE_CHECKING

from headgate.core.answer import Answer
from headgate.core.breaks import OnBreak
from headgate.core.call import Call
from headgate.core.deployment import Deployment
from headgate.core.errand import Means
from headgate.core.files import size_of
from headgate.core.prepare import Prepared
from headgate.core.signing import ERROR_LIMIT, Sending
from headgate.errors import Timeout
from headgate.ports import Clock

if TYPE_CHECKING:
    from headgate.core.pictures import Pictures


class Single:
    __slots__ = ("_call", "_deployment", "_on_break", "_pictures", "_prepared", "size")

    def __init__(
        self,
        call: Call,
        deployment: Deployment,
        prepared: Prepared,
        on_break: OnBreak,
        pictures: "Pictures | None" = None,
    ) -> None:
        self._call = call
        self._deployment = deployment
        self._prepared = prepared
        self._on_break = on_break
        self._pictures = pictures
        self.size = size_of(prepared.body)

    async def make(self, means: Means) -> Answer:
        call, deployment, prepared = self._call, self._deployment, self._prepared
        route, began = prepared.route, means.clock.monotonic()
        sending = Sending("POST", route.url, route.origin, prepared.head, prepared.body)
        incoming = await means.send(deployment, sending, means.timeouts)
        try:
            if incoming.status >= 300:
                body = await incoming.read(ERROR_LIMIT)
                raise route.dialect.read_error(incoming.status, dict(incoming.headers), body)
            answer = Answer(call, deployment, prepared, incoming, means.clock)
            if self._pictures is not None:
                await self._pictures.take(answer, incoming, self._on_break)
            elif call.stream:
                await self._open(answer, deployment.first_token, began, means.clock)
            else:
                await answer.take()
        except BaseException:
            incoming.abort()
            raise
        return answer

    async def _open(self, answer: Answer, seconds: float | None, began: float, clock: Clock) -> None:
        """Until the first content is here, within `seconds` of the beginning: what keeps a connection alive is no
        content. Raises what `open` does, and Timeout."""
        if seconds is None:
            await answer.open(self._on_break)
            return
        try:
            async with asyncio.timeout(max(0.0, seconds - (clock.monotonic() - began))):
                await answer.open(self._on_break)
        except TimeoutError:
            raise Timeout(f"no content within {seconds:g} s", code="first_token") from None
