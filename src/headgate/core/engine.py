"""The engine: from a call to an answer, over deployments, retries and fallbacks. Gateway and SDK share it."""

import asyncio
import random
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from headgate.core import fallback as fallbacks
from headgate.core.answer import Answer
from headgate.core.call import Call
from headgate.core.deployment import Deployment
from headgate.core.media import inline
from headgate.core.prepare import prepare
from headgate.core.retry import delay
from headgate.core.route import Group
from headgate.errors import HeadgateError
from headgate.ports import Clock, Transport

Lookup: TypeAlias = Callable[[str], Group]
"""The group behind a public model name. Raises NotFoundError for an unknown one."""


class Engine:
    """Sends calls. `transports` maps a URL scheme to who speaks it; `media_hosts` are private hosts that media
    may be fetched from, None for all."""

    def __init__(
        self,
        transports: dict[str, Transport],
        clock: Clock,
        *,
        dice: Callable[[], float] = random.random,
        media_hosts: frozenset[str] | None = frozenset(),
        sleep: Callable[[float], "asyncio.Future[None]"] | None = None,
    ) -> None:
        self._transports = transports
        self._clock = clock
        self._dice = dice
        self._media_hosts = media_hosts
        self._sleep = sleep or asyncio.sleep

    async def run(self, call: Call, lookup: Lookup) -> Answer:
        """An answer whose first byte is there. Raises the last attempt's error when all have failed."""
        try:
            return await self._try_group(call, lookup(call.model))
        except HeadgateError as error:
            last = error
        for fallback in fallbacks.after(call.options, last):
            call.hops += 1
            try:
                call.changed(*fallbacks.target(fallback, call.model))
                return await self._try_group(call, lookup(call.model))
            except HeadgateError as error:
                last = error
        raise last

    async def _try_group(self, call: Call, group: Group) -> Answer:
        tried: list[Deployment] = []
        while True:
            deployment = group.pick(tried, self._dice)
            tried.append(deployment)
            try:
                return await self._attempt(call, deployment)
            except HeadgateError as error:
                retries = call.options.retries if deployment.retries is None else int(deployment.retries)
                wait = delay(error, len(tried), retries, self._dice)
                if wait is None:
                    error.num_retries = len(tried) - 1
                    raise
            if len(tried) >= len(group.deployments):  # all were asked: the next try waits
                await self._sleep(wait)

    async def _attempt(self, call: Call, deployment: Deployment) -> Answer:
        call.deployment = deployment
        call.attempts += 1
        prepared = prepare(call, deployment)
        transport = self._transports[prepared.route.origin.scheme]
        if prepared.remote:
            await inline(prepared.remote, transport, self._media_hosts)
            prepared = prepare(call, deployment)
        call.path = prepared.path
        timeouts = call.options.timeouts
        if timeouts is None:
            timeouts = deployment.stream_timeouts if call.stream else deployment.timeouts
        started = self._clock.monotonic()
        incoming = None
        try:
            incoming = await transport.send(prepared.route.origin, prepared.head, prepared.body, timeouts)
            if incoming.status >= 300:
                body = await incoming.read(_ERROR_LIMIT)
                raise prepared.route.dialect.read_error(incoming.status, dict(incoming.headers), body)
            answer = Answer(call, deployment, prepared, incoming, self._clock)
            await (answer.open() if call.stream else answer.take())
            return answer
        except HeadgateError as error:
            if incoming is not None:
                incoming.abort()
            raise _attributed(error, deployment) from None
        except BaseException:
            if incoming is not None:
                incoming.abort()
            raise
        finally:
            call.upstream_seconds += self._clock.monotonic() - started

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.close()


_ERROR_LIMIT = 4 * 1024 * 1024


def _attributed(error: HeadgateError, deployment: Deployment) -> HeadgateError:
    """Says whose error it is, and takes our credential out of what the provider said."""
    error.model = error.model or deployment.model
    error.llm_provider = error.llm_provider or deployment.provider.id
    if deployment.secrets:
        error.message = deployment.scrubbed(error.message)
        error.args = (error.message,)
        if error.body is not None:
            text = deployment.scrubbed(msgspec.json.encode(error.body, enc_hook=str).decode())
            error.body = msgspec.json.decode(text)
    return error
