"""What replicas tell each other of deployments once a second, over Redis: who rests, what was used in this minute,
how long answers take. Off the path of calls; who is not heard of for a while is forgotten."""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct

from headgate.core.deployment import Deployment
from headgate.ports import Clock
from headgate.server.gateway import Gateway
from headgate.store.rates import Rates

LEAST: Final = 0.1
"""Seconds of rest that are worth telling."""


class News(Struct, array_like=True):
    """Of one deployment, as its replica knows it. Seconds; `minute` is what `requests` and `tokens` are of."""

    rests: float
    reason: str
    minute: int
    requests: int
    tokens: int
    whole: float
    first_token: float


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, News]).decode


class Shared:
    """`owner` is this replica, to the others."""

    def __init__(self, rates: Rates, owner: str, clock: Clock) -> None:
        self._rates = rates
        self._owner = owner
        self._clock = clock
        self._hearsay: dict[str, float] = {}
        """Rests that others told of, by when they end: those are not told on, or they would never end."""

    async def exchange(self, gateway: Gateway) -> None:
        """Raises ServiceUnavailableError."""
        groups = dict.fromkeys(gateway.snapshot.groups.values())
        deployments = {one.id: one for group in groups for one in group.deployments}
        now, minute = self._clock.monotonic(), int(self._clock.time() // 60)
        own = {
            one.id: self._news(one, now, minute)
            for one in deployments.values()
            if one.track.calls or one.track.ill
        }
        heard = await self._rates.tell(self._owner, _encode(own))
        self._apply(deployments.values(), [_decode(text) for text in heard], now, minute)

    def _apply(
        self, deployments: Iterable[Deployment], heard: list[dict[str, News]], now: float, minute: int
    ) -> None:
        for one in deployments:
            news = [said[one.id] for said in heard if one.id in said]
            track = one.track
            current = [said for said in news if said.minute == minute]
            track.hear(sum(said.requests for said in current), sum(said.tokens for said in current), now)
            longest = max(news, key=lambda said: said.rests, default=None)
            if longest is not None and longest.rests > LEAST and not track.resting:
                track.rest(longest.rests, longest.reason, now)
                self._hearsay[one.id] = track.resting
            for latency, scores in (
                (track.wholes, [said.whole for said in news if said.whole]),
                (track.first_tokens, [said.first_token for said in news if said.first_token]),
            ):
                if scores and not latency.score:
                    latency.add(sum(scores) / len(scores), now)

    def _news(self, deployment: Deployment, now: float, minute: int) -> News:
        track = deployment.track
        track.turn(now)
        own = track.resting and track.resting != self._hearsay.get(deployment.id)
        return News(
            rests=max(0.0, track.resting - now) if own else 0.0,
            reason=track.reason,
            minute=minute,
            requests=track.requests,
            tokens=track.tokens,
            whole=track.wholes.score,
            first_token=track.first_tokens.score,
        )
