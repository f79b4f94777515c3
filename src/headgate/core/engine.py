"""The engine: from a call to an answer, over deployments, retries and fallbacks. Gateway and SDK share it."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias, TypeVar

import msgspec

from headgate.core import fallback as fallbacks
from headgate.core.answer import Answer
from headgate.core.breaks import DEFAULT as PLAIN_BREAK
from headgate.core.breaks import MOST, PREFILL, Way, continuable, continued
from headgate.core.call import NO_WISH, PICTURES, Call, Leg
from headgate.core.deployment import Deployment
from headgate.core.errand import Attempt, Means
from headgate.core.hedge import race
from headgate.core.media import inline
from headgate.core.pacing import NOTHING_SENT, tells_limits
from headgate.core.partial import wasted
from headgate.core.prepare import Prepared, prepare
from headgate.core.rare import Rare
from headgate.core.route import BYTES_PER_TOKEN, Busy, Group
from headgate.core.signing import Sending, Signer
from headgate.core.single import Single
from headgate.errors import HeadgateError, NotFoundError, Timeout
from headgate.ports import Clock, Incoming, Timeouts, Transport

Lookup: TypeAlias = Callable[[str], Group]
"""The group behind a public model name. Raises NotFoundError for an unknown one."""


T = TypeVar("T")
QUEUE_SECONDS = 60.0
"""How long a call without a deadline waits for a deployment to be free."""


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
        self._rare = Rare(self.send, self._sleep, transports, clock, media_hosts)

    async def run(self, call: Call, lookup: Lookup) -> Answer:
        """An answer whose first content is there. Raises the last attempt's error when all have failed."""
        timeouts = call.options.timeouts
        if timeouts is not None and timeouts.total is not None:
            call.deadline = call.started + timeouts.total
        tried: list[Deployment] = []
        group = lookup(call.model)
        try:
            if call.options.pretended:
                name = call.options.pretended
                raise fallbacks.PRETENDED[name](f"{name}: {call.model!r} was not asked", model=call.model)
            answer = await self._try_group(call, group, tried)
        except HeadgateError as error:
            answer = await self._fall_back(call, lookup, group, tried, error)
        if call.stream and call.errand is None and call.operation not in PICTURES:
            self._prepare_for_breaks(
                answer, lookup, tried, (call.options.on_break or group.routing.on_break).way
            )
        return answer

    def _prepare_for_breaks(self, answer: Answer, lookup: Lookup, tried: list[Deployment], way: Way) -> None:
        if answer.call.restarts >= MOST:
            return
        if way == "restart":
            answer.again = partial(self._again, answer.call, lookup, tried, answer, None)
        elif way == "continue":
            answer.again = partial(self._again, answer.call, lookup, tried, answer, "text")

    async def _again(
        self,
        call: Call,
        lookup: Lookup,
        tried: list[Deployment],
        answer: Answer,
        go_on: str | None,
        broken: HeadgateError,
    ) -> Answer | None:
        """Another answer for a stream that broke, None where nobody is left that was not asked, or where nobody can
        go on from what was said."""
        group = lookup(call.model)
        call.restarts += 1
        if go_on is not None:
            text = answer.said()
            if (
                not text
                or not text.strip()
                or not continuable(call)
                or not self._can_go_on(group, call, tried)
            ):
                return None
            tried += [one for one in group.deployments if not one.facts.get(PREFILL) and one not in tried]
            call.changed(call.model, continued(call, text))
            call.said = text
        call.error = None
        try:
            if group.left(call, tried, self._clock.monotonic()):
                found = await self._try_group(call, group, tried, anew=False)
            else:
                found = await self._fall_back(call, lookup, group, tried, broken)
        except HeadgateError:
            return None
        self._prepare_for_breaks(found, lookup, tried, "restart" if go_on is None else "error")
        return found

    def _can_go_on(self, group: Group, call: Call, tried: list[Deployment]) -> bool:
        now = self._clock.monotonic()
        return any(
            one.facts.get(PREFILL) and one not in tried and not group.why_not(one, call, now)
            for one in group.deployments
        )

    async def _fall_back(
        self, call: Call, lookup: Lookup, group: Group, tried: list[Deployment], last: HeadgateError
    ) -> Answer:
        """The request's own fallbacks go first, then those of each group that fails, its own before the rest."""
        asked, envelope = call.options, call.envelope
        waiting = deque(asked.fallbacks.over(group.fallbacks).after(last))
        seen = {group.name}
        while waiting and call.hops < asked.max_fallbacks:
            name, fields = fallbacks.target(waiting.popleft(), group.name)
            if name in seen and not fields:
                continue
            seen.add(name)
            before = call.model, call.envelope
            call.changed(name, {**envelope, **fields})
            try:
                found = lookup(name)
                known = not fields and found.all_in(tried)
                if call.permit is not None and not known:
                    await call.permit.fallback(name)
            except NotFoundError:
                last.message += f" (and its fallback {name!r} is no model that is known here)"
                known = True
            except HeadgateError as error:
                last.message += f" (and its fallback {name!r} was not asked: {error.message})"
                known = True
            if known:
                call.changed(*before)
                continue
            group = found
            call.hops += 1
            try:
                return await self._try_group(call, group, tried)
            except HeadgateError as error:
                last = error
                waiting.extendleft(reversed(group.fallbacks.after(error)))
        raise last

    async def _try_group(
        self, call: Call, group: Group, tried: list[Deployment], *, anew: bool = True
    ) -> Answer:
        """`anew`: whether one that was tried may be tried again, after a while."""
        retries = group.routing.retries
        own: list[Deployment] = []
        last: HeadgateError | None = None
        while True:
            try:
                if group.queue.promised:
                    deployment = await self._wait(call, group, tried, last)
                else:
                    deployment = group.pick(call, tried, self._clock.monotonic(), self._dice)
            except Busy as busy:
                deployment = await self._wait(call, group, tried, last, busy)
            except HeadgateError as error:
                raise last or error from None
            tried.append(deployment)
            own.append(deployment)
            try:
                if group.hedges is None:
                    return await self._attempt(call, group, deployment)
                return await self._hedged(call, group, deployment, tried)
            except HeadgateError as error:
                last = error
            count = len(own)
            asked = call.options.retries if deployment.retries is None else int(deployment.retries)
            if not group.all_in(tried) and group.left(call, tried, self._clock.monotonic()):
                wait: float | None = 0.0
                allowed = retries.elsewhere(last, asked)
            else:
                wait = retries.wait(last, count, self._dice) if anew else None
                allowed = retries.allowed(last, asked)
            if count > allowed or wait is None or not self._in_time(call, wait):
                last.num_retries = count - 1
                raise last
            if wait:
                await self._sleep(wait)

    async def _wait(
        self,
        call: Call,
        group: Group,
        tried: list[Deployment],
        last: HeadgateError | None,
        busy: Busy | None = None,
    ) -> Deployment:
        """The one that is free when it is the call's turn. Raises as `pick` does, and as the queue does."""
        began = self._clock.monotonic()
        whole = max(0.0, call.deadline - began) if call.deadline else QUEUE_SECONDS
        if busy is not None and busy.least > whole:
            raise last or busy
        ticket = group.queue.ticket(call.options.priority, call.share, whole)
        while True:
            if busy is not None and busy.seconds is not None:
                group.queue.wake_in(busy.seconds)
            await group.queue.wait(ticket, began + whole - self._clock.monotonic(), whole)
            try:
                found = group.pick(call, tried, self._clock.monotonic(), self._dice)
            except Busy as still:
                busy = still
                if call.wish is not NO_WISH or group.routing.checks:
                    group.queue.wake(after=ticket)  # what is free is not for this one, perhaps for the next
                continue
            except HeadgateError as error:
                raise last or error from None
            group.queue.served()
            if busy is not None and busy.seconds is not None:
                group.queue.wake()  # a provider may allow several at once
            return found

    def _in_time(self, call: Call, wait: float) -> bool:
        return not call.deadline or self._clock.monotonic() + wait < call.deadline

    async def _hedged(
        self, call: Call, group: Group, deployment: Deployment, tried: list[Deployment]
    ) -> Answer:
        """With a second deployment when the first is late. Nobody else is asked where many calls are under way."""
        hedges = group.hedges
        if hedges is None:
            return await self._attempt(call, group, deployment)
        hedges.counted()
        late = hedges.wait(group.deployments, call.stream)
        if late is None:
            return await self._attempt(call, group, deployment)
        fork, started = call.fork(), self._clock.monotonic()
        other: list[Deployment] = []

        def second() -> Awaitable[Answer] | None:
            now = self._clock.monotonic()
            if len(group.queue) or not group.left(call, tried, now) or not hedges.take():
                return None
            other.append(group.pick(call, tried, now, self._dice))
            tried.append(other[0])
            fork.hedged = True
            return self._attempt(fork, group, other[0])

        answer, hedged, failed = await race(self._attempt(call, group, deployment), late, second)
        if other and failed is None:
            loser = deployment if hedged else other[0]
            took = self._clock.monotonic() - started
            call.legs.append(Leg(loser.id, "hedge", "Hedged", took, **wasted(call, loser)))
        if hedged:
            fork.attempts = call.attempts + 1
            call.adopt(fork)
            answer.call = call
        elif other:
            call.legs += fork.legs
            call.attempts += 1
        return answer

    async def _attempt(self, call: Call, group: Group, deployment: Deployment) -> Answer:
        if call.usage is not None and call.legs:
            call.passed_over()
        if call.permit is not None and call.legs and call.lost:
            await call.permit.retry()
        call.deployment = deployment
        call.attempts += 1
        on_break = call.options.on_break or group.routing.on_break
        attempt: Attempt
        if deployment.provider.locate is not None:
            await self._rare.locate(deployment)
        if call.errand is None:
            pictures = self._rare.pictures if call.operation in PICTURES else None
            prepared = await self.prepared(call, deployment)
            kind = self._rare.several if prepared.more else Single
            attempt = kind(call, deployment, prepared, on_break, pictures)
        else:
            attempt = call.errand.ready(call, deployment)
        started = self._clock.monotonic()
        timeouts = self._timeouts(call, group, deployment, started)
        track = deployment.track
        probe = track.begin(started)
        sent = NOTHING_SENT
        if track.pace is not None:
            sent = track.take(attempt.size // BYTES_PER_TOKEN, started)
        send = partial(self._paced, sent) if group.paced else self.send
        try:
            answer = await attempt.make(Means(send, self._sleep, self._clock, timeouts))
        except BaseException as error:
            self._end(group, deployment, probe)
            if not isinstance(error, HeadgateError):
                raise
            self._failed(call, group, deployment, error, started)
            raise _attributed(error, deployment) from None
        finally:
            call.upstream_seconds += self._clock.monotonic() - started
        now = self._clock.monotonic()
        if answer.body is None:
            if call.stream:
                track.first_tokens.add(now - started, now)
            answer.leave = lambda broken: self._left(answer.call, group, deployment, probe, broken)
            track.succeed(now)
            return answer
        usage = call.usage
        if usage is None:
            track.answered(started, now, 0, 0, probe)
        else:
            track.answered(started, now, usage.input + usage.output, usage.output, probe)
        if group.paced:
            group.queue.wake()
        return answer

    async def prepared(self, call: Call, deployment: Deployment) -> Prepared:
        """The body, with the media in it that the target doesn't fetch itself. Raises as `prepare` does, and
        ImageFetchError."""
        prepared = prepare(call, deployment)
        if prepared.remote:
            transport = self._transports[prepared.route.origin.scheme]
            held = call.files.held if call.files else {}
            await inline(prepared.remote, transport, self._media_hosts, held)
        if prepared.uploads and prepared.request is not None:
            prepared.request = await self._rare.uploaded(prepared.request, deployment)
        if prepared.remote or prepared.uploads:
            prepared = prepare(call, deployment, prepared.request)
        call.path = prepared.path
        return prepared

    async def ask(self, call: Call, deployment: Deployment, timeouts: Timeouts) -> Answer:
        """A whole answer of this deployment, asked once; nothing is learned from it about its calls. Raises
        HeadgateError."""
        try:
            attempt = Single(call, deployment, await self.prepared(call, deployment), PLAIN_BREAK)
            return await attempt.make(Means(self.send, self._sleep, self._clock, timeouts))
        except HeadgateError as error:
            raise _attributed(error, deployment) from None

    async def _paced(
        self, sent: tuple[int, int], deployment: Deployment, sending: Sending, timeouts: Timeouts
    ) -> Incoming:
        """Learns from every answer's headers what its provider still allows."""
        incoming = await self.send(deployment, sending, timeouts)
        if tells_limits(incoming.headers.names):
            deployment.track.learn(incoming.headers, sent, self._clock.monotonic(), self._clock.time())
        return incoming

    def send(self, deployment: Deployment, sending: Sending, timeouts: Timeouts) -> Awaitable[Incoming]:
        """One request, signed where the deployment's credential does. Raises as the transport does, and
        AuthenticationError."""
        if deployment.credential is not None:
            signer = Signer(deployment, deployment.credential, self._transports, self._clock)
            return signer.send(sending, timeouts)
        transport = self._transports[sending.origin.scheme]
        return transport.send(sending.origin, sending.head, sending.body, timeouts)

    async def sign(self, deployment: Deployment, sending: Sending) -> list[tuple[str, str]]:
        """The header lines by which the deployment's credential signs a request, none where it has a plain key."""
        if deployment.credential is None:
            return []
        return await Signer(deployment, deployment.credential, self._transports, self._clock).sign(sending)

    async def connect(
        self, call: Call, group: Group, dial: Callable[[Deployment], Awaitable[T]]
    ) -> tuple[T, Callable[[HeadgateError | None], None]]:
        """What `dial` makes with the first deployment of the group that lets it, and who to tell when that is over,
        with what broke it. Each is asked once. Raises the last one's error, or as `pick` does."""
        tried: list[Deployment] = []
        last: HeadgateError | None = None
        while True:
            now = self._clock.monotonic()
            try:
                deployment = group.pick(call, tried, now, self._dice)
            except HeadgateError as error:
                raise last or error from None
            if last is not None and deployment in tried:
                raise last
            tried.append(deployment)
            call.deployment = deployment
            call.attempts += 1
            probe = deployment.track.begin(now)
            try:
                made = await dial(deployment)
            except BaseException as error:
                self._end(group, deployment, probe)
                if not isinstance(error, HeadgateError):
                    raise
                self._failed(call, group, deployment, error, now)
                last = _attributed(error, deployment)
                continue
            finally:
                call.upstream_seconds += self._clock.monotonic() - now
            deployment.track.succeed(self._clock.monotonic())
            return made, partial(self._left, call, group, deployment, probe)

    def _timeouts(self, call: Call, group: Group, deployment: Deployment, now: float) -> Timeouts:
        """What the request asks for, within what is left of the call's time; while there are others to ask a
        deployment's own limits hold, too. Raises Timeout where no time is left."""
        own = deployment.stream_timeouts if call.stream else deployment.timeouts
        given = call.options.timeouts
        if given is None:
            given = own
        elif len(group.deployments) > 1:
            given = msgspec.structs.replace(
                given,
                first_byte=_less(given.first_byte, own.first_byte),
                between_chunks=_less(given.between_chunks, own.between_chunks),
            )
        if not call.deadline:
            return given
        left = call.deadline - now
        if left <= 0:
            raise Timeout(
                f"the call's time of {call.deadline - call.started:g} s is over",
                model=call.model,
                code="deadline",
            )
        return msgspec.structs.replace(given, total=_less(given.total, left))

    def _failed(
        self, call: Call, group: Group, deployment: Deployment, error: HeadgateError, started: float
    ) -> None:
        now, name, track = self._clock.monotonic(), type(error).__name__, deployment.track
        call.legs.append(Leg(deployment.id, call.cause, name, now - started))
        if fallbacks.is_callers(error):
            return
        track.fail(name, now)
        seconds = group.routing.cooldown.rest(
            error, track, deployment.cooldown_time, len(group.deployments) > 1, now
        )
        if seconds:
            track.rest(seconds, name, now)

    def _left(
        self,
        call: Call,
        group: Group,
        deployment: Deployment,
        probe: bool,
        broken: HeadgateError | None,
    ) -> None:
        """A stream is over."""
        self._end(group, deployment, probe)
        now = self._clock.monotonic()
        if broken is not None:
            self._failed(call, group, deployment, broken, call.started)
        elif call.usage is not None:
            deployment.track.use(call.usage.input + call.usage.output, now)

    def _end(self, group: Group, deployment: Deployment, probe: bool) -> None:
        deployment.track.end(probe)
        if group.paced:
            group.queue.wake()

    async def close(self) -> None:
        await self._rare.close()
        for transport in self._transports.values():
            await transport.close()


def _less(one: float | None, other: float | None) -> float | None:
    """Of two limits, None for none."""
    return other if one is None else one if other is None else min(one, other)


def _attributed(error: HeadgateError, deployment: Deployment) -> HeadgateError:
    """Says whose error it is, and takes our credential out of what the provider said."""
    error.model = error.model or deployment.model
    error.llm_provider = error.llm_provider or deployment.provider.id
    if deployment.secrets or deployment.credential is not None:
        error.message = deployment.scrubbed(error.message)
        error.args = (error.message,)
        if error.body is not None:
            text = deployment.scrubbed(msgspec.json.encode(error.body, enc_hook=str).decode())
            error.body = msgspec.json.decode(text)
    return error
