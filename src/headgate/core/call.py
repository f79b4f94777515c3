"""The one record of a request in flight: what was asked, how it may be treated, and what became of it."""

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, TypeAlias

import msgspec
from msgspec import Raw, Struct

from headgate.core.breaks import OnBreak
from headgate.core.fallback import NONE, Fallbacks
from headgate.core.params import take_ours
from headgate.core.queue import DEFAULT_PRIORITY, NOBODY, Share
from headgate.errors import BadRequestError, HeadgateError
from headgate.ports import Timeouts
from headgate.wire import envelope as envelopes
from headgate.wire import ir
from headgate.wire.dialect import Dialect

if TYPE_CHECKING:
    from headgate.core.deployment import Deployment
    from headgate.core.errand import Errand
    from headgate.core.files import Files

Operation: TypeAlias = Literal[
    "chat",
    "responses",
    "completions",
    "embeddings",
    "images",
    "image_edits",
    "image_variations",
    "count_tokens",
    "rerank",
    "moderations",
    "ocr",
    "fim",
    "realtime",
    "pass_through",
    "speech",
    "transcriptions",
    "translations",
]


PICTURES: Final[frozenset[Operation]] = frozenset(("images", "image_edits", "image_variations"))
TEXTS: Final[frozenset[Operation]] = frozenset(("chat", "completions", "fim"))
"""Operations whose answer is a text of tokens that cost, as soon as it is there: a response may be made later."""


class Leg(NamedTuple):
    """One attempt that failed: on which deployment, why it was made, the error's class, and how long it took. What it
    used is told where it had begun to answer."""

    deployment: str
    cause: str
    error: str
    seconds: float
    input: int = 0
    output: int = 0
    cost: int | None = None


class Wish(Struct, frozen=True, kw_only=True):
    """What a call asks of the deployments that it may go to. `tags` None: tags are not looked at; `match_any`: one of
    them is enough. `region` is "eu", "us", or a region's own name; calls with the same `stick` share their luck.
    `team` is the caller's: rows of other teams are not for it. `only` is the id of the one deployment that it may go
    to, `without` are the ids of those whose budgets are used up."""

    tags: frozenset[str] | None = None
    match_any: bool = True
    region: str = ""
    stick: str = ""
    team: str = ""
    only: str = ""
    without: frozenset[str] = frozenset()


NO_WISH = Wish()


class Options(Struct, frozen=True, kw_only=True):
    """How a call may be treated, merged from request, headers and settings.

    `drop_params` None leaves it to the deployment. `show_usage` shows usage in streams to everybody.
    `timeouts` None: the deployment's own. `retries` is how
    many times a group is tried again. `pretended` is a key of `fallback.PRETENDED`: how the group that is asked first
    fails. `fallbacks` are the request's own, over those of its group; `on_break` None
    leaves it to the group.
    """

    drop_params: bool | None = None
    modify_params: bool = False
    show_usage: bool = False
    drop: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    retries: int = 2
    timeouts: Timeouts | None = None
    fallbacks: Fallbacks = NONE
    max_fallbacks: int = 5
    on_break: OnBreak | None = None
    priority: int = DEFAULT_PRIORITY
    pretended: str = ""


DEFAULT_OPTIONS = Options()
_text: Final = msgspec.json.Decoder(str).decode


class Permit(Protocol):
    """Whether a call may go on after it failed. Raises HeadgateError where it may not."""

    async def fallback(self, model: str) -> None:
        """To another model."""
        ...

    async def retry(self) -> None:
        """With another attempt, after some that are paid for."""
        ...


class Call:
    """One request in flight. Times are seconds of the engine's monotonic clock, 0.0 for not yet.

    `envelope` is the body as the client sent it, by top-level key; `files` are those of a form, None where it is
    none; `model` what was asked for; `forward` are request headers that go along when the dialects agree; `errand`
    does what is no single JSON request (errand.py). `relayed`: whoever asks takes a long answer piece by piece;
    `permit` is asked where it goes on, None where everything is allowed.

    What became of it: `deployment`, `attempts` (all tries), `hops` (fallbacks taken), `usage`, `cost` in units of
    money, `error`, `dropped` (what could not be expressed); `estimated`: nobody counted the usage; `pieces` and
    `body_bytes` are what a stream has brought until now; `said` is the text that the client has of a stream that
    broke and is gone on with.
    """

    __slots__ = (
        "attempts",
        "body_bytes",
        "cost",
        "created",
        "deadline",
        "deployment",
        "dialect",
        "dropped",
        "ended",
        "envelope",
        "errand",
        "error",
        "estimated",
        "files",
        "first_byte",
        "forward",
        "hedged",
        "hops",
        "id",
        "legs",
        "mirrored",
        "model",
        "operation",
        "options",
        "path",
        "permit",
        "pieces",
        "relayed",
        "request",
        "restarts",
        "said",
        "share",
        "started",
        "status",
        "stream",
        "upstream_model",
        "upstream_seconds",
        "usage",
        "wish",
    )

    def __init__(
        self,
        id: str,  # noqa: A002 -- the field's name everywhere
        operation: Operation,
        dialect: Dialect,
        envelope: dict[str, Raw],
        model: str,
        stream: bool,
        started: float,
        created: int,
        options: Options = DEFAULT_OPTIONS,
        forward: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.id = id
        self.operation = operation
        self.dialect = dialect
        self.envelope = envelope
        self.model = model
        self.stream = stream
        self.started = started
        self.created = created
        self.options = options
        self.forward = forward
        self.files: Files | None = None
        self.relayed = False
        self.permit: Permit | None = None
        self.request: ir.Request | None = None
        self.errand: Errand | None = None
        self.deployment: Deployment | None = None
        self.estimated = False
        self.wish = NO_WISH
        self.share: Share = NOBODY
        self.restarts = 0
        self.said = ""
        self.deadline = 0.0
        self.legs: list[Leg] = []
        self.attempts = 0
        self.hops = 0
        self.hedged = False
        self.mirrored = False
        self.path = ""
        self.dropped: list[str] = []
        self.status = 0
        self.first_byte = 0.0
        self.upstream_seconds = 0.0
        self.ended = 0.0
        self.body_bytes = 0
        self.pieces = 0
        self.upstream_model: str | None = None
        self.usage: ir.Usage | None = None
        self.cost: int | None = None
        self.error: HeadgateError | None = None

    def meaning(self) -> ir.Request:
        """The request in the IR: read once, however many attempts need it."""
        if self.request is None:
            self.request = self.read(self.envelope)
        return self.request

    def read(self, envelope: Mapping[str, Raw]) -> ir.Request:
        """What this body means, with the call's files in it."""
        if self.files is None:
            return self.dialect.read_request(envelopes.document(envelope))
        fields = dict(envelope)
        take_ours(fields)  # a form passes as it came, but for what is ours
        return self.dialect.read_request({**envelopes.document(fields), **self.files.fields})

    def close(self) -> None:
        """The call is over: what was held for it is let go."""
        for held in (self.errand, self.files):
            if held is not None:
                held.close()

    def changed(self, model: str, envelope: dict[str, Raw]) -> None:
        """Asks for something else from here on: a fallback, perhaps with its own parameters."""
        self.envelope = envelope
        self.model = model
        self.request = None

    def passed_over(self) -> None:
        """The last attempt was answered in part, and failed: that is paid for, and another attempt begins anew."""
        usage = self.usage
        if isinstance(usage, ir.Usage):
            self.legs[-1] = self.legs[-1]._replace(input=usage.input, output=usage.output, cost=self.cost)
        self.usage = self.cost = None

    def fork(self) -> "Call":
        """The same call for another attempt at the same time."""
        made = copy(self)
        made.legs, made.dropped = [], []
        return made

    def adopt(self, other: "Call") -> None:
        """That attempt won: what it learned is true."""
        legs = self.legs
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))
        self.legs = legs + other.legs

    @property
    def lost(self) -> int:
        """What attempts cost that came to nothing."""
        return sum(leg.cost for leg in self.legs if leg.cost)

    @property
    def paid(self) -> int:
        """What it has cost until now."""
        return self.lost + (self.cost or 0)

    @property
    def size(self) -> int:
        """Bytes of what is asked."""
        return sum(map(len, self.envelope.values()))

    @property
    def cause(self) -> str:
        """Why the current attempt is made."""
        if self.hedged or self.mirrored:
            return "mirror" if self.mirrored else "hedge"
        return "fallback" if self.hops else "retry" if self.attempts > 1 else "first"


def text_of(envelope: Mapping[str, Raw], key: str) -> str | None:
    """A top-level string, None where it is absent or no string."""
    raw = envelope.get(key)
    if raw is None:
        return None
    try:
        return _text(raw)
    except envelopes.UNREADABLE:
        return None


def model_of(envelope: Mapping[str, Raw]) -> str:
    """The model asked for. Raises BadRequestError where it is missing or no string."""
    model = text_of(envelope, "model")
    if model:
        return model
    found = "is missing" if bytes(envelope.get("model", b"null")) == b"null" else "must be a non-empty string"
    raise BadRequestError(f"'model' {found}: name the model to call, for example \"gpt-4o\"", param="model")
