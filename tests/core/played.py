"""A transport that plays a script, for tests of the engine: no socket, no time passes."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec

from headgate.catalog.lookup import Catalog
from headgate.core.call import Call, Options
from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.core.engine import Engine
from headgate.core.fallback import Fallback, Fallbacks
from headgate.core.route import Group
from headgate.errors import NotFoundError
from headgate.ports import Headers, Origin, Timeouts
from headgate.wire import envelope

HELLO = [{"role": "user", "content": "Hello"}]
CATALOG = Catalog()


def chat_answer(text: str = "Hi", **more: Any) -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    return msgspec.json.encode({"id": "c", "model": "m", "choices": [choice], "usage": usage, **more})


class PlayedAnswer:
    """See ports.Incoming. An exception among the pieces is where it breaks."""

    def __init__(self, status: int, headers: Sequence[tuple[str, str]], pieces: list[Any]) -> None:
        self.status = status
        self.headers = Headers.of(headers)
        self.pieces = pieces
        self.aborted = False
        self.paused = False

    async def read(self, limit: int | None = None) -> bytes:
        return b"".join(self.pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.next():
            yield piece

    async def next(self) -> bytes:
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def relay(self, sink: Callable[[bytes], None]) -> None:
        while data := await self.next():
            sink(data)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def abort(self) -> None:
        self.aborted = True


class Played:
    """Answers in turn: an exception is raised, an answer given. `sent` are (host, body)."""

    def __init__(self, *script: PlayedAnswer | Exception) -> None:
        self.script = list(script)
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.heads: list[bytes] = []
        self.timeouts: list[Timeouts] = []

    async def send(self, origin: Origin, head: bytes, body: bytes, timeouts: Timeouts) -> PlayedAnswer:
        self.sent.append((origin.host, msgspec.json.decode(body)))
        self.heads.append(head)
        self.timeouts.append(timeouts)
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    async def close(self) -> None: ...


class StillClock:
    def time(self) -> float:
        return 1_000_000.0

    def monotonic(self) -> float:
        return 1.0


class Bench:
    """An engine over a played transport; `slept` are the seconds it waited between tries."""

    def __init__(self, *script: PlayedAnswer | Exception) -> None:
        self.transport = Played(*script)
        self.slept: list[float] = []

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        self.engine = Engine(
            {"https": self.transport, "http": self.transport},
            StillClock(),
            dice=lambda: 0.0,
            sleep=sleep,  # type: ignore[arg-type]
        )
        self.groups: dict[str, Group] = {}

    def group(self, name: str, *deployments: Deployment, **more: Any) -> None:
        self.groups[name] = Group(name, deployments, **more)

    def lookup(self, name: str) -> Group:
        if name not in self.groups:
            raise NotFoundError(f"no group {name}")
        return self.groups[name]

    async def run(self, call: Call) -> Any:
        return await self.engine.run(call, self.lookup)


def ok(body: bytes | None = None, kind: str = "application/json") -> PlayedAnswer:
    return PlayedAnswer(200, [("content-type", kind)], [chat_answer() if body is None else body])


def failed(status: int, message: str = "no", **headers: str) -> PlayedAnswer:
    body = msgspec.json.encode({"error": {"message": message, "type": "t", "code": None}})
    return PlayedAnswer(status, [(k.replace("_", "-"), v) for k, v in headers.items()], [body])


def deployment(model: str = "openai/gpt-4o", **params: Any) -> Deployment:
    info = params.pop("info", None)
    given = {"model": model, "api_key": "sk-secret-upstream-1", **params}
    return Deployment("group", given, info, catalog=CATALOG, env={})


def call(
    body: dict[str, Any] | None = None,
    *,
    dialect_name: str = "openai_chat",
    stream: bool = False,
    fallbacks: tuple[Fallback, ...] = (),
    context_window: tuple[Fallback, ...] = (),
    content_policy: tuple[Fallback, ...] = (),
    **options: Any,
) -> Call:
    lists = Fallbacks(general=fallbacks, context_window=context_window, content_policy=content_policy)
    given = {"model": "group", "messages": HELLO, **(body or {})}
    if stream:
        given["stream"] = True
    return Call(
        id="id-1",
        operation="chat",
        dialect=dialect(dialect_name),
        envelope=envelope.read(msgspec.json.encode(given)),
        model=str(given["model"]),
        stream=stream,
        started=0.5,
        created=1_000_000,
        options=Options(fallbacks=lists, **options),
    )
