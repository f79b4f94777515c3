"""Groups: public model names, the deployments behind them, and which one a call goes to.

`Group.pick` is all that the engine asks. Deployments that may not be picked are left out by the checks of `_CHECKS`;
among the rest the group's strategy decides.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final
from zlib import crc32

from msgspec import Struct

from headgate.core import breaks
from headgate.core.breaks import OnBreak
from headgate.core.call import NO_WISH, Call, Wish
from headgate.core.cooldown import Cooldown
from headgate.core.deployment import Deployment
from headgate.core.fallback import NONE, Fallbacks
from headgate.core.hedge import HedgeAfter, Hedges
from headgate.core.queue import Queue
from headgate.core.retry import Retries
from headgate.core.strategies import STRATEGIES, Moment, over
from headgate.errors import (
    BadRequestError,
    ContextWindowExceededError,
    HeadgateError,
    NotFoundError,
    RateLimitError,
)

BYTES_PER_TOKEN: Final = 4
BUSY: Final = "busy"
PACED: Final = "paced"
"""Its provider would refuse the call now, by what its last answers said."""
BUDGET: Final = "budget"
"""Its own, or its provider's, is used up."""
PREFIX: Final = 1_024
"""Bytes of a conversation's beginning that tell it from others."""


class Routing(Struct, frozen=True, kw_only=True):
    """How calls go through a group. `strategy` "" is ours: by weight where weights are given, `p2c` from three
    deployments on. `checks`: the context window, rates and parameters are checked before a call. `paced`: calls wait
    where a provider's headers say that it would refuse them."""

    strategy: str = ""
    arguments: Mapping[str, Any] = {}
    checks: bool = False
    retries: Retries = Retries()
    cooldown: Cooldown = Cooldown()
    on_break: OnBreak = breaks.DEFAULT
    hedge_after: HedgeAfter | None = None
    paced: bool = False


class Busy(RateLimitError):  # noqa: N818 -- a state, seen by the engine alone
    """All that may be asked have as many calls as they take at once, or are about to refuse them: who waits may be
    lucky. `seconds` until that changes by itself, None where only the end of a call changes it; `least` is what it
    takes in any case."""

    seconds: float | None = None
    least: float = 0.0


DEFAULT: Final = Routing()


class Group:
    """One public name."""

    def __init__(
        self,
        name: str,
        deployments: Sequence[Deployment],
        routing: Routing = DEFAULT,
        fallbacks: Fallbacks = NONE,
    ) -> None:
        self.name = name
        self.deployments = tuple(deployments)
        self.routing = routing
        self.fallbacks = fallbacks
        self._first = _lowest_order([one for one in self.deployments if not one.blocked])
        self._named = routing.strategy or _usual(self._first)
        self._strategy = STRATEGIES[self._named]()
        self._limited = any(one.rpm is not None or one.tpm is not None for one in self.deployments)
        self._out: set[Deployment] = set()
        self._well: Sequence[Deployment] = self._first
        self._only = self.deployments[0] if len(self.deployments) == 1 else None
        self.bounded = any(deployment.max_parallel is not None for deployment in self.deployments)
        self.paced = routing.paced or self.bounded or self._limited
        teams = any(deployment.team for deployment in self.deployments)
        self._quick = not (routing.checks or self.bounded or teams)
        only = self._only
        plain = only is not None and self._quick and not self.paced and not only.blocked
        self._plain = only if plain else None
        self.queue = Queue(name)
        after = routing.hedge_after
        self.hedges = Hedges(after) if after is not None and self._only is None else None

    @property
    def strategy(self) -> str:
        return self._named

    def pick(
        self, call: Call, tried: Sequence[Deployment], now: float, dice: Callable[[], float]
    ) -> Deployment:
        """One that was not tried yet, any one that may be asked when all were. Raises RateLimitError where all rest
        or are full, BadRequestError where none may be asked."""
        if self._plain is not None and call.wish is NO_WISH:
            return self._plain
        found = self.candidates(call, tried, now)
        if len(found) == 1:
            return found[0]
        return self._strategy(found, self._moment(call, now, dice))

    def candidates(self, call: Call, tried: Sequence[Deployment], now: float) -> Sequence[Deployment]:
        """Those that the strategy chooses among. Raises as `pick` does."""
        if call.wish is NO_WISH and not tried and self._quick:
            if self._only is not None and not self._only.track.ill:
                return self.deployments
            for deployment in self._first:
                if deployment.track.ill:
                    break
            else:
                return self._first
            found = self._without([one for one in self._first if one.track.ill], call, now)
            if found:
                return found
        reasons = {one: why for one in self.deployments if (why := self.why_not(one, call, now))}
        found = [one for one in self.deployments if one not in reasons]
        if not found:
            raise self._nobody(call, reasons, now)
        fresh = [one for one in found if one not in tried] if tried else found
        return _lowest_order(fresh or found)

    def _without(self, ill: Sequence[Deployment], call: Call, now: float) -> Sequence[Deployment]:
        """The first ones but those that may not be asked; the same list as long as those are the same."""
        out = {one for one in ill if self.why_not(one, call, now)}
        if out != self._out:
            self._out, self._well = out, [one for one in self._first if one not in out]
        return self._well

    def all_in(self, tried: Sequence[Deployment]) -> bool:
        return all(deployment in tried for deployment in self.deployments)

    def left(self, call: Call, tried: Sequence[Deployment], now: float) -> int:
        """How many may be asked that were not tried."""
        return sum(1 for one in self.deployments if one not in tried and not self.why_not(one, call, now))

    def why_not(self, deployment: Deployment, call: Call, now: float) -> str:
        """Why it may not be asked, "" where it may."""
        track = deployment.track
        if deployment.blocked:
            return "blocked"
        if self._only is None:
            if track.rests_at(now):
                return "resting"
            if track.unhealthy and any(not one.track.unhealthy for one in self.deployments):
                return "unhealthy"
        wish = call.wish
        if deployment.team and deployment.team != wish.team:
            return "team"
        if wish is not NO_WISH:
            if wish.only and deployment.id != wish.only:
                return "another one keeps the conversation"
            if deployment.id in wish.without:
                return BUDGET
            if wish.tags is not None and not self._tagged(deployment, wish):
                return "tags"
            if wish.region and not deployment.is_in(wish.region):
                return "region"
        if self.routing.checks:
            tokens = call.size // BYTES_PER_TOKEN
            window = deployment.facts.get("max_input_tokens")
            if window and tokens > int(window):
                return "context window"
            if rate := over(deployment, tokens, now):
                return rate
            if refused := deployment.refuses(call.envelope):
                return f"parameter {refused}"
            if unseen := _unseen(deployment, call):
                return unseen
        if (
            self.bounded
            and deployment.max_parallel is not None
            and track.in_flight >= deployment.max_parallel
        ):
            return BUSY
        if self.paced and track.pace is not None and track.pace.wait(call.size // BYTES_PER_TOKEN, now):
            return PACED
        return ""

    def _tagged(self, deployment: Deployment, wish: Wish) -> bool:
        """LiteLLM's tag routing: without tags the deployments tagged `default`, or all where there are none."""
        tags, own = wish.tags or frozenset(), deployment.tags
        if not tags:
            return "default" in own or not any("default" in one.tags for one in self.deployments)
        return not tags.isdisjoint(own) if wish.match_any else tags <= own

    def _nobody(self, call: Call, reasons: Mapping[Deployment, str], now: float) -> HeadgateError:
        why = set(reasons.values())
        if why == {"context window"}:
            return ContextWindowExceededError(
                f"the prompt has about {call.size // BYTES_PER_TOKEN} tokens, more than any deployment of "
                f"{self.name!r} takes",
                model=self.name,
            )
        if BUSY in why or PACED in why:
            return self._busy(call, reasons, now)
        if why == {BUDGET}:
            return used_up(self.name)
        rests = [one.track.resting - now for one, reason in reasons.items() if reason == "resting"]
        if rests or why & {"rpm", "tpm", BUDGET}:
            wait = max(0.0, min(rests, default=60.0 - now % 60.0))
            return RateLimitError(
                f"No deployments available for selected model, Try again in {wait:.0f} seconds. "
                f"{self.name!r}: {_listed(reasons)}",
                model=self.name,
                code="no_deployments_available",
                retry_after=max(1.0, wait),
            )
        return BadRequestError(
            f"no deployment of {self.name!r} may take this call: {_listed(reasons)}",
            model=self.name,
            code="no_deployments_allowed",
        )

    def _busy(self, call: Call, reasons: Mapping[Deployment, str], now: float) -> Busy:
        tokens = call.size // BYTES_PER_TOKEN
        paces = [one.track.pace for one, reason in reasons.items() if reason == PACED]
        waits = [pace.wait(tokens, now) for pace in paces if pace is not None]
        seconds = min(waits, default=None)
        busy = Busy(
            f"all deployments of {self.name!r} are busy: {_listed(reasons)}",
            model=self.name,
            code="deployments_busy",
            retry_after=max(1.0, seconds or 0.0),
        )
        busy.seconds = seconds
        busy.least = 0.0 if seconds is None or BUSY in reasons.values() else seconds
        return busy

    def _moment(self, call: Call, now: float, dice: Callable[[], float]) -> Moment:
        prefix, tokens = b"", 0
        if self._named == "affinity":
            prefix = bytes(call.envelope.get("messages", b""))[:PREFIX]
        elif self._named not in ("p2c", "simple-shuffle", "least-busy"):
            tokens = call.size // BYTES_PER_TOKEN
        if call.wish.stick:
            dice = partial(_draw, call.wish.stick)
        return Moment(now, dice, call.stream, tokens, prefix, self.routing.arguments, self._limited)


def _draw(stick: str) -> float:
    """The same for all calls that share their luck."""
    return crc32(stick.encode()) / 2**32


def _unseen(deployment: Deployment, call: Call) -> str:
    """What stands in the messages and the model is known not to take."""
    messages = bytes(call.envelope.get("messages", b""))
    for marks, fact, name in _MODALITIES:
        if deployment.facts.get(fact) is False and any(mark in messages for mark in marks):
            return name
    return ""


_MODALITIES: Final = (
    ((b'"image_url"', b'"image"'), "supports_vision", "pictures"),
    ((b'"input_audio"',), "supports_audio_input", "sound"),
)


def _lowest_order(found: Sequence[Deployment]) -> Sequence[Deployment]:
    lowest = min((deployment.order for deployment in found), default=0.0)
    return [deployment for deployment in found if deployment.order == lowest]


def _usual(found: Sequence[Deployment]) -> str:
    weighed = any(one.weight or one.rpm or one.tpm for one in found)
    return "simple-shuffle" if weighed or len(found) < 3 else "p2c"


def _listed(reasons: Mapping[Deployment, str]) -> str:
    counts: dict[str, int] = {}
    for reason in reasons.values():
        counts[reason] = counts.get(reason, 0) + 1
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())


def used_up(name: str) -> RateLimitError:
    """The budgets of all who could be asked."""
    return RateLimitError(
        f"No deployments available for selected model: the budgets of {name!r} are used up",
        model=name,
        code="no_deployments_available",
    )


def unknown_model(model: str, known: Mapping[str, object] | Sequence[str]) -> NotFoundError:
    """The error for a name that no group has: nearest names first, then the rest."""
    names = list(known)
    from difflib import get_close_matches  # only who errs needs it

    near = get_close_matches(model, names, n=3, cutoff=0.4)
    shown = [*near, *(name for name in names if name not in near)][:10]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    error = NotFoundError(
        f"Invalid model name passed in model={model}. Known models, nearest first: "
        f"{', '.join(shown) or 'none'}{more}. GET /v1/models lists them all.",
        model=model,
        param="model",
        code="model_not_found",
    )
    error.known = names
    return error


def narrowed(error: HeadgateError, may: Callable[[str], bool]) -> HeadgateError:
    """An error for somebody who may know of some models only."""
    if not isinstance(error, NotFoundError) or all(map(may, error.known)):
        return error
    return unknown_model(error.model or "", [name for name in error.known if may(name)])
