"""Interpreters: between a client and a provider whose realtime formats differ. Knows no format itself, no socket, no
money and no provider.

A `Talk` stands between the two sides of one connection. What a client says becomes what the provider is told, and the
other way round; what can't be said is told the client by an `error` event, never passed over.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from headgate.wire.realtime import Data


class Turned(NamedTuple):
    """What comes of a frame: for the provider (`up`), and for the client (`down`), which goes first. `event` is the
    client's name for what it asked, "" where it gave none; `problem` is what ends the connection, "" for nothing."""

    up: Sequence[Data] = ()
    down: Sequence[Data] = ()
    event: str = ""
    problem: str = ""


class Talk(Protocol):
    """One connection. Nothing here raises."""

    def opened(self) -> Sequence[Data]:
        """What the client hears first."""
        ...

    def sent(self, data: Data) -> Turned:
        """A frame of the client's."""
        ...

    def came(self, data: Data) -> Turned:
        """A frame of the provider's."""
        ...

    def parted(self, code: int, reason: str) -> Sequence[Data]:
        """What the client hears when the provider closes. `reason` is the provider's, without secrets."""
        ...


class Plain:
    """Both speak the same: see Talk."""

    def opened(self) -> Sequence[Data]:
        return ()

    def sent(self, data: Data) -> Turned:
        return Turned(up=(data,))

    def came(self, data: Data) -> Turned:
        return Turned(down=(data,))

    def parted(self, code: int, reason: str) -> Sequence[Data]:
        return ()


class Style(NamedTuple):
    """What an interpreter is made for. `name` is part of the ids that it gives; `beta`: the client knows the events
    by the names that they had before the API was final; `drop`: what the provider lacks is left out without an error.
    """

    name: str
    model: str
    beta: bool = False
    drop: bool = False
