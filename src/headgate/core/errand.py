"""The seam for calls that are more than one JSON body to one address: sound, uploads, jobs that are asked after.

The engine chooses the deployment, counts, retries and falls back as for any call; an `Errand` says what is done
there. `ready` may be called for several deployments, at once or one after the other. Knows no operation.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from msgspec import Struct

from headgate.core.answer import Answer
from headgate.core.call import Call
from headgate.core.deployment import Deployment
from headgate.core.signing import Sending
from headgate.ports import Clock, Incoming, Timeouts
from headgate.wire import ir

Send: TypeAlias = Callable[[Deployment, Sending, Timeouts], Awaitable[Incoming]]


class Means(Struct, frozen=True):
    """What an attempt may use. `sleep` takes seconds; `timeouts` hold for the attempt as a whole."""

    send: Send
    sleep: Callable[[float], Awaitable[None]]
    clock: Clock
    timeouts: Timeouts


class Attempt(Protocol):
    @property
    def size(self) -> int:
        """Bytes that will be sent, about."""
        ...

    async def make(self, means: Means) -> Answer:
        """The answer, its first piece there. Sets the call's usage and cost where the answer is whole. Raises
        HeadgateError; whatever it raises, it has closed its connections."""
        ...


class Errand(Protocol):
    def ready(self, call: Call, deployment: Deployment) -> Attempt:
        """Raises BadRequestError for what can't be asked, UnsupportedParamsError, and the deployment's problem."""
        ...

    def begun(self, call: Call, deployment: Deployment) -> ir.Usage | None:
        """What an attempt has used that is given up before its answer; None: nobody knows."""
        ...

    def close(self) -> None:
        """The call is over: whatever was held for it is let go."""
        ...
