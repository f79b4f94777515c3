"""Jobs that an upstream accepts now and answers later: asked after until they are over, ended when nobody waits.

`wire/polling.py` says what to ask, when and where; this file has the socket, the clock and the call's time. Knows no
provider and no operation.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from headgate.core.call import Call
from headgate.core.deployment import Deployment, head
from headgate.core.signing import ERROR_LIMIT, Sending
from headgate.errors import APIConnectionError, APIResponseValidationError, HeadgateError, Timeout
from headgate.ports import Clock, Incoming, Timeouts
from headgate.wire.polling import Ask, Done, Failed, Job, Rule

SECONDS: Final = 600.0
"""How long a job may take where the call has no deadline."""
ASK_SECONDS: Final = 60.0
"""Of one question."""
END_SECONDS: Final = 10.0
LIMIT: Final = 512 * 1024 * 1024
"""Bytes of a job's answer."""

Send = Callable[[Deployment, Sending, Timeouts], Awaitable[Incoming]]
"""One request with the deployment's credential. Raises as a transport does."""


class Jobs:
    """`send` carries the credential: it gets only what a rule of `wire/polling.py` allows."""

    def __init__(self, send: Send, clock: Clock, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._send = send
        self._clock = clock
        self._sleep = sleep
        self._ending: set[asyncio.Task[None]] = set()

    async def follow(
        self, call: Call, deployment: Deployment, rule: Rule, url: str, first: Incoming, body: bytes
    ) -> Done:
        """The answer that the job ends with. `url` is where its request went, `first` and `body` what came back.

        Raises what the job failed with, and Timeout. A call that waits for a job has a deadline from here on, so that
        it is not begun, and paid for, again after that.
        """
        call.deadline = call.deadline or self._clock.monotonic() + SECONDS
        job = Job(rule, url)
        step = job.step(first.status, dict(first.headers), body)
        try:
            while isinstance(step, Ask):
                await self._wait(call, step.after)
                step = job.step(*await self._asked(call, deployment, step))
        except (asyncio.CancelledError, Timeout):
            self._end(job, deployment)
            raise
        if isinstance(step, Failed):
            if isinstance(step.error, Timeout):  # the rule's own limit
                self._end(job, deployment)
                call.deadline = self._clock.monotonic()
            raise step.error
        return step

    async def close(self) -> None:
        """Waits until those who gave up have said so upstream."""
        await asyncio.gather(*self._ending)

    async def _wait(self, call: Call, seconds: float) -> None:
        now = self._clock.monotonic()
        if now + seconds >= call.deadline:
            whole, call.deadline = (
                call.deadline - call.started,
                now,
            )  # what is left is no time for another job
            raise Timeout(
                f"the job was still running when the call's time of {whole:.0f} s was over",
                model=call.model,
                code="deadline",
            )
        await self._sleep(seconds)

    async def _asked(self, call: Call, deployment: Deployment, ask: Ask) -> tuple[int, dict[str, str], bytes]:
        """A question that was lost on the way counts as one answered by 503: the job goes on all the same."""
        left = call.deadline - self._clock.monotonic()
        try:
            return await told(self._send, deployment, ask, max(0.001, min(ASK_SECONDS, left)))
        except (APIConnectionError, Timeout) as error:
            if self._clock.monotonic() >= call.deadline:
                raise
            return 503, {}, error.message.encode()

    def _end(self, job: Job, deployment: Deployment) -> None:
        """In the background: who waited has gone."""
        ask = job.cancel()
        if ask is not None:
            task = asyncio.ensure_future(self._ended(deployment, ask))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _ended(self, deployment: Deployment, ask: Ask) -> None:
        with contextlib.suppress(HeadgateError):  # nobody is left to be told, and the job ends by itself
            await told(self._send, deployment, ask, END_SECONDS)


async def told(
    send: Send, deployment: Deployment, ask: Ask, seconds: float
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of what a deployment's API answers to one question, within `seconds`."""
    parts = urlsplit(ask.url)
    origin = deployment.origin(parts.scheme, parts.hostname or "", parts.port)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or not target.isprintable() or " " in target:
        raise APIResponseValidationError("the answer names an address with characters that HTTP forbids")
    own = {name: value for name, value in deployment.headers().items() if name != "content-type"}
    lines = head(target, parts.netloc, {**own, **ask.headers}, ask.method)
    limits = Timeouts(first_byte=seconds, between_chunks=seconds, total=seconds)
    answer = await send(deployment, Sending(ask.method, ask.url, origin, lines, ask.body), limits)
    try:
        body = await answer.read(LIMIT if answer.status < 300 else ERROR_LIMIT)
    except BaseException:
        answer.abort()
        raise
    return answer.status, dict(answer.headers), body
