"""An attempt whose API takes less in a call than was asked: several requests to one address, one answer of all.

They run together, so many at once; one that fails fails all. Which bodies, and how their replies are joined, is the
dialect's. Knows no provider and no operation.
"""

import asyncio
from typing import Any, Final, Protocol

from msgspec.structs import replace

from headgate.core.answer import LIMIT, Answer, counted, settle
from headgate.core.errand import Means
from headgate.core.signing import ERROR_LIMIT, Sending
from headgate.core.single import Single
from headgate.errors import Timeout
from headgate.ports import Incoming, Outgoing
from headgate.wire import ir

AT_ONCE: Final = 8
"""Requests of one call that are under way."""


class Joins(Protocol):
    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> Any: ...

    def join(self, replies: list[Any]) -> Any:
        """One reply of those to the parts of a request, in their order."""
        ...


class Several(Single):
    async def make(self, means: Means) -> Answer:
        call, deployment, prepared = self._call, self._deployment, self._prepared
        upstream: Any = prepared.route.dialect
        first, replies = await self._replies(upstream, means)
        call.first_byte = means.clock.monotonic()
        reply = upstream.join(replies)
        answer = Answer(call, deployment, prepared, first, means.clock)
        call.usage, call.upstream_model = reply.usage, reply.model
        answer.body = call.dialect.write_reply(reply, answer.frame)
        settle(call, deployment)
        return answer

    async def _replies(self, upstream: Joins, means: Means) -> tuple[Incoming, list[Any]]:
        """The replies in the order of the requests, and the first's head."""
        gate, began = asyncio.Semaphore(AT_ONCE), means.clock.monotonic()

        async def asked(body: bytes | Outgoing) -> tuple[Incoming, Any]:
            async with gate:
                return await self._asked(body, upstream, means, began)

        bodies = [self._prepared.body, *self._prepared.more]
        tasks = [asyncio.ensure_future(asked(body)) for body in bodies]
        try:
            found = await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            self._pay(upstream, [one[1] for one in ended if not isinstance(one, BaseException)])
            raise
        return found[0][0], [reply for _, reply in found]

    def _pay(self, upstream: Joins, replies: list[Any]) -> None:
        """What was answered is paid for, whatever became of the rest."""
        if replies:
            self._call.usage = upstream.join(replies).usage
            settle(self._call, self._deployment)

    async def _asked(
        self, body: bytes | Outgoing, upstream: Joins, means: Means, began: float
    ) -> tuple[Incoming, Any]:
        route, timeouts = self._prepared.route, means.timeouts
        if timeouts.total is not None:
            left = timeouts.total - (means.clock.monotonic() - began)
            if left <= 0:
                raise Timeout(f"not all of it was answered within {timeouts.total:g} s", code="deadline")
            timeouts = replace(timeouts, total=left)
        sending = Sending("POST", route.url, route.origin, self._prepared.head, body)
        incoming = await means.send(self._deployment, sending, timeouts)
        try:
            if incoming.status >= 300:
                told = await incoming.read(ERROR_LIMIT)
                raise route.dialect.read_error(incoming.status, dict(incoming.headers), told)
            reply = upstream.read_reply(await incoming.read(LIMIT), self._prepared.echo)
        except BaseException:
            incoming.abort()
            raise
        reply.usage = reply.usage or counted(incoming, self._deployment)
        return incoming, reply
