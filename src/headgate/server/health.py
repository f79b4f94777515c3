"""Whether deployments answer: each is asked for a few tokens, when somebody asks or in the background.

Costs a few tokens for each; what it finds is used for routing only where `enable_health_check_routing` says so.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw, Struct

from headgate.core.audio import Speech, Transcription
from headgate.core.call import Call, Operation, Options
from headgate.core.deployment import Deployment
from headgate.core.dialects import OPERATIONS, SOUND, dialect
from headgate.core.files import File
from headgate.core.route import Group
from headgate.errors import HeadgateError, RateLimitError, Timeout
from headgate.server.config.schema import GeneralSettings
from headgate.wire import envelope as envelopes
from headgate.wire.audio.sound import wav
from headgate.wire.multipart import Part

if TYPE_CHECKING:
    from headgate.server.gateway import Gateway

PROBE_SECONDS: Final = 30.0
PROBES_AT_ONCE: Final = 20
REMEMBERED: Final = 1_000
"""Answers that are kept to be looked at."""
PASSING: Final = (RateLimitError, Timeout)
"""Failures that say little about the next call."""
_PROBES: Final[Mapping[Operation, bytes]] = {
    "chat": b'{"messages":[{"role":"user","content":"Say hi."}],"max_tokens":5}',
    "embeddings": b'{"input":"hi"}',
    "completions": b'{"prompt":"hi","max_tokens":5}',
    "rerank": b'{"query":"hi","documents":["hi"]}',
    "moderations": b'{"input":"hi"}',
    "responses": b'{"input":"Say hi.","max_output_tokens":16,"store":false}',
    "speech": b'{"input":"Hi."}',
    "transcriptions": b"{}",
    "images": b'{"prompt":"a dot"}',
}
_DIALECTS: Final[Mapping[str, str]] = {
    **OPERATIONS,
    "chat": "openai_chat",
    "embeddings": "openai_embeddings",
    "speech": SOUND["speech"],
    "transcriptions": SOUND["transcriptions"],
    "images": "openai_images",
}
MODES: Final[Mapping[str, Operation]] = {
    "embedding": "embeddings",
    "completion": "completions",
    "rerank": "rerank",
    "moderation": "moderations",
    "responses": "responses",
    "image_generation": "images",
    "audio_speech": "speech",
    "audio_transcription": "transcriptions",
}
_SILENCE: Final = wav(bytes(16000), 8000)
"""A second of it."""


class Found(Struct, frozen=True):
    """What a deployment said: `problem` is "" where it answered, `at` Unix seconds, `seconds` how long it took."""

    deployment: str
    group: str
    model: str
    problem: str
    passing: bool
    at: float
    seconds: float


class Health:
    """What the checks of one gateway found, by deployment."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self.found: dict[str, Found] = {}
        self.history: deque[Found] = deque(maxlen=REMEMBERED)

    async def check(self, targets: Sequence[Deployment]) -> list[Found]:
        """Asks them now."""
        gate = asyncio.Semaphore(self._settings.health_check_concurrency or PROBES_AT_ONCE)
        found = await asyncio.gather(*(self._probe(target, gate) for target in targets))
        self.found.update({target.id: one for target, one in zip(targets, found, strict=True)})
        self.history.extend(found)
        return list(found)

    async def try_out(self, target: Deployment) -> Found:
        """Asks one that is in no list, and remembers nothing."""
        return await self._probe(target, asyncio.Semaphore())

    async def watch(self) -> None:
        """One round in the background."""
        snapshot, settings = self._gateway.snapshot, self._settings
        skipped = "disable_background_health_check"
        groups = dict.fromkeys(snapshot.groups.values())
        targets = [one for group in groups for one in group.deployments if not one.info.get(skipped)]
        self.found = {one.id: self.found[one.id] for one in targets if one.id in self.found}
        for target, found in zip(targets, await self.check(targets), strict=True):
            if settings.enable_health_check_routing:
                ignored = found.passing and settings.health_check_ignore_transient_errors
                now = self._gateway.clock.monotonic()
                target.track.found("" if ignored else found.problem, now)

    @property
    def _settings(self) -> GeneralSettings:
        return self._gateway.snapshot.config.general

    async def _probe(self, deployment: Deployment, gate: asyncio.Semaphore) -> Found:
        gateway = self._gateway
        operation = operation_of(deployment)
        options = Options(retries=0, drop_params=True)
        probe = envelopes.read(_PROBES[operation])
        call = gateway.call(
            operation, dialect(_DIALECTS[operation]), deployment.group, probe, options=options
        )
        if operation in SOUND:
            _sound(call, deployment)
        seconds = float(deployment.info.get("health_check_timeout") or PROBE_SECONDS)
        problem: HeadgateError | None = None
        begun = gateway.clock.monotonic()
        try:
            async with gate, asyncio.timeout(seconds):
                answer = await gateway.snapshot.engine.run(
                    call, lambda _: Group(deployment.group, [deployment])
                )
                if answer.body is None:  # it speaks: that is all we want to know
                    answer.abort()
        except HeadgateError as error:
            problem = error
        except TimeoutError:
            problem = Timeout(f"no answer within {seconds:g} s")
        text = "" if problem is None else str(problem)[:500]
        return Found(
            deployment=deployment.id,
            group=deployment.group,
            model=f"{deployment.provider.id}/{deployment.model}",
            problem=text,
            passing=isinstance(problem, PASSING),
            at=gateway.clock.time(),
            seconds=gateway.clock.monotonic() - begun,
        )


def operation_of(deployment: Deployment) -> Operation:
    """What it is asked: by its mode, else the first that its provider has."""
    mode = MODES.get(str(deployment.facts.get("mode")))
    if mode is not None:
        return mode
    return next((name for name in _PROBES if name in deployment.provider.paths), "chat")


def _sound(call: Call, deployment: Deployment) -> None:
    """`health_check_voice` is LiteLLM's."""
    if call.operation == "speech":
        voice = str(deployment.info.get("health_check_voice") or "alloy")
        call.envelope["voice"] = Raw(msgspec.json.encode(voice))
        call.errand = Speech()
        return
    file = File(
        content=BytesIO(_SILENCE),
        part=Part("file", "silence.wav", "audio/wav"),
        size=len(_SILENCE),
        seconds=1.0,
    )
    call.errand = Transcription(file)
