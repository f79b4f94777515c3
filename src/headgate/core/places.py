"""Addresses that a provider itself tells: asked for before the first call, once for all who wait, and again later.

What is asked and how it is read is the row's (`providers/base.py`: Locate). Knows no provider.
"""

import asyncio
from typing import Final

import msgspec

from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.core.jobs import Send, told
from headgate.errors import APIResponseValidationError, HeadgateError, ServiceUnavailableError
from headgate.ports import Clock
from headgate.providers.address import join
from headgate.providers.base import Locate
from headgate.wire.polling import Ask

KEPT: Final = 600.0
"""Seconds that an address is used for."""
AGAIN: Final = 30.0
"""Seconds after which it is asked for again where no new one was told."""
SECONDS: Final = 20.0


class Places:
    def __init__(self, send: Send, clock: Clock) -> None:
        self._send = send
        self._clock = clock
        self._asking: dict[Deployment, asyncio.Task[HeadgateError | None]] = {}

    async def find(self, deployment: Deployment) -> None:
        """The deployment has an address when this returns. One that is old is used on where no new one is told.

        Raises why there is none."""
        locate = deployment.provider.locate
        if locate is None or self._clock.monotonic() < deployment.placed_until:
            return
        if deployment.problem is not None:
            raise deployment.problem
        task = self._asking.get(deployment)
        if task is None:
            task = self._asking[deployment] = asyncio.ensure_future(self._placed(deployment, locate))
            task.add_done_callback(lambda _: self._asking.pop(deployment, None))
        error = await asyncio.shield(task)  # who gives up does not take it from the others
        if error is not None:
            raise error

    async def _placed(self, deployment: Deployment, locate: Locate) -> HeadgateError | None:
        try:
            base = await self._asked(deployment, locate)
        except HeadgateError as error:
            if not deployment.base:
                return error
            deployment.placed_until = self._clock.monotonic() + AGAIN
            return None
        deployment.place(base, self._clock.monotonic() + KEPT)
        return None

    async def _asked(self, deployment: Deployment, locate: Locate) -> str:
        provider = deployment.provider
        root = (
            provider.base_of(locate.path, deployment.params, deployment.environment)
            if provider.base_of
            else ""
        )
        status, headers, body = await told(
            self._send, deployment, Ask(url=join(root, locate.path), after=0.0), SECONDS
        )
        if status >= 300:
            raise dialect(provider.dialect).read_error(status, headers, body)
        try:
            found = locate.read(msgspec.json.decode(body))
        except (msgspec.DecodeError, msgspec.ValidationError, ValueError, RecursionError):
            raise APIResponseValidationError(
                f"{provider.name} was asked for the address of calls ({locate.path.partition('?')[0]}), and its "
                "answer can't be read"
            ) from None
        if not found:
            raise ServiceUnavailableError(
                f"{provider.name} {locate.missing}", llm_provider=provider.id, code="no_deployment"
            )
        return join(root, found)
