"""What few calls need of the engine: each helper is loaded and made when the first call needs it."""

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING

from headgate.core.deployment import Deployment
from headgate.core.single import Single
from headgate.ports import Clock, Transport
from headgate.wire.ir import Request

if TYPE_CHECKING:
    from headgate.core.attachments import Attachments
    from headgate.core.jobs import Send
    from headgate.core.pictures import Pictures
    from headgate.core.places import Places


class Rare:
    """`transports` are by scheme, `media_hosts` the private hosts that media may be fetched from, None for all."""

    def __init__(
        self,
        send: "Send",
        sleep: Callable[[float], Awaitable[None]],
        transports: dict[str, Transport],
        clock: Clock,
        media_hosts: frozenset[str] | None,
    ) -> None:
        self._send = send
        self._sleep = sleep
        self._transports = transports
        self._clock = clock
        self._media_hosts = media_hosts

    @cached_property
    def pictures(self) -> "Pictures":
        from headgate.core.pictures import Pictures

        return Pictures(self._send, self._sleep, self._transports, self._clock, self._media_hosts)

    @cached_property
    def several(self) -> type[Single]:
        from headgate.core.several import Several

        return Several

    @cached_property
    def _places(self) -> "Places":
        from headgate.core.places import Places

        return Places(self._send, self._clock)

    @cached_property
    def _attachments(self) -> "Attachments":
        from headgate.core.attachments import Attachments

        return Attachments(self._send, self._clock)

    async def locate(self, deployment: Deployment) -> None:
        """See places.Places."""
        await self._places.find(deployment)

    async def uploaded(self, request: Request, deployment: Deployment) -> Request:
        """See attachments.Attachments."""
        return await self._attachments.uploaded(request, deployment)

    async def close(self) -> None:
        if "pictures" in self.__dict__:
            await self.pictures.close()
