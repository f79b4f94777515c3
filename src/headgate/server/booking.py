"""What the gateway knows of a call besides the call itself: who makes it, who pays, what was reserved for it."""

from collections.abc import Mapping
from copy import copy
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Raw

from headgate.core.call import text_of
from headgate.errors import BadRequestError, PermissionDeniedError
from headgate.money import shown
from headgate.server.allow import Allow
from headgate.server.callers import ANYBODY, Caller
from headgate.server.ceiling import Ceiling
from headgate.server.lines import Lines
from headgate.server.meters import NONE, Hold, Meters, Window
from headgate.store.ledger import MAX_NAME

CUSTOMER_HEADERS: Final = (b"x-litellm-end-user-id", b"x-litellm-customer-id")
SESSION_HEADERS: Final = (b"x-litellm-session-id", b"x-litellm-trace-id")
TAGS_HEADER: Final = b"x-litellm-tags"
_READ: Final = (*CUSTOMER_HEADERS, *SESSION_HEADERS, TAGS_HEADER)
MAX_TAGS: Final = 50

_metadata: Final = msgspec.json.Decoder(dict[str, Any]).decode
_names: Final = msgspec.json.Decoder(list[str]).decode


class Booking:
    """Filled step by step as the call goes on; `booked` when it has been accounted for, `draining` while its client
    has gone and its upstream is still read. `allows` are the models of customer and tags, as (kind, name, list),
    `limited` their meters of single groups. `meters` are those that it had to pass. `spare` is what is held of money
    beyond what one answer can cost, `strict` whether that may not be more."""

    __slots__ = (
        "allows",
        "booked",
        "caller",
        "ceiling",
        "client",
        "customer",
        "decision",
        "draining",
        "holds",
        "limited",
        "metadata",
        "meters",
        "request",
        "response",
        "session",
        "spare",
        "strict",
        "tags",
    )

    def __init__(self, client: str) -> None:
        self.client = client
        self.caller: Caller = ANYBODY
        self.customer: str | None = None
        self.tags: tuple[str, ...] = ()
        self.allows: tuple[tuple[str, str, Allow], ...] = ()
        self.session: str | None = None
        self.metadata: Raw | None = None
        self.limited: tuple[Mapping[str, Meters], ...] = ()
        self.holds: list[Hold] = []
        self.meters = NONE
        self.spare = 0
        self.strict = False
        self.ceiling: Ceiling | None = None
        self.request: bytes = b""
        self.response: list[bytes] | None = None
        self.decision: bytes = b""
        self.booked = False
        self.draining = False

    def again(self) -> "Booking":
        """For another call of the same client: who makes and pays it is known, nothing is held for it."""
        made = copy(self)
        made.holds, made.ceiling = [], None
        made.booked = False
        return made

    def admit(self, model: str) -> None:
        """Raises PermissionDeniedError for a model that customer or tags may not use."""
        for kind, name, allow in self.allows:
            if not allow.admits(model):
                raise PermissionDeniedError(
                    f"the {kind} {name!r} may not use the model {model!r}. Allowed: {allow.shown()}",
                    type=f"{kind}_model_access_denied",
                    param="model",
                    code="403",
                )

    def own(self, group: str) -> Meters:
        """What is limited for calls to this group."""
        found = NONE
        for limited in (self.caller.by_model, *self.limited):
            if group in limited:
                found += limited[group]
        return found

    def limits(self, now: float) -> bytes:
        """Header lines about what is left: OpenAI's for the tightest rates, LiteLLM's for the key."""
        caller = self.caller
        meters = caller.meters if self.meters is NONE else self.meters
        if not caller.key or caller.admin:
            return b""
        lines = b""
        if meters.requests:
            lines = _REQUESTS % _rate(meters.requests, now)
        if meters.tokens:
            lines += _TOKENS % _rate(meters.tokens, now)
        spent = (meters.budgets or meters.counted)[0]
        if spent.scope[0] != "key":  # the key has no budget: others have, and it is only counted
            spent = meters.counted[0]
        lines += b"x-litellm-key-spend: %b\r\n" % shown(spent.spent).encode()
        return lines + _key_limits(
            spent.limit, caller.limits.get("rpm_limit"), caller.limits.get("tpm_limit")
        )

    def read(self, envelope: Mapping[str, Raw], headers: Lines) -> None:
        """Customer, tags, session and metadata of a request. Raises BadRequestError for tags that are no list."""
        self.tags = self.caller.tags
        self.customer = self.caller.customer
        metadata: dict[str, Any] = {}
        for name in ("metadata", "litellm_metadata"):
            if name in envelope:
                self.metadata = envelope[name]
                metadata = {**metadata, **_object(envelope[name])}
        if not headers.plain:
            self._read_headers(headers)
        if "user" in envelope and self.customer is None:
            self.customer = text_of(envelope, "user")
        if metadata and self.customer is None and isinstance(user := metadata.get("user_id"), str):
            self.customer = user
        if metadata or "tags" in envelope:
            self._read_tags(envelope, metadata)
        if self.customer:
            self.customer = self.customer[:MAX_NAME]
        if self.session is None and "litellm_session_id" in envelope:
            self.session = (text_of(envelope, "litellm_session_id") or "")[:MAX_NAME] or None

    def _read_headers(self, headers: Lines) -> None:
        first = {name: headers[name].decode("utf-8", "replace") for name in _READ if name in headers}
        self.customer = self.customer or next((first[n] for n in CUSTOMER_HEADERS if first.get(n)), None)
        self.session = next((first[name][:MAX_NAME] for name in SESSION_HEADERS if first.get(name)), None)
        if TAGS_HEADER in first:
            self._add_tags(tag.strip() for tag in first[TAGS_HEADER].split(","))

    def _read_tags(self, envelope: Mapping[str, Raw], metadata: Mapping[str, Any]) -> None:
        given = metadata.get("tags")
        if isinstance(given, list):
            self._add_tags(tag for tag in given if isinstance(tag, str))
        raw = envelope.get("tags")
        if raw is not None and bytes(raw) != b"null":
            try:
                self._add_tags(_names(raw))
            except msgspec.ValidationError:
                raise BadRequestError("'tags' must be a list of texts", param="tags") from None

    def _add_tags(self, tags: Any) -> None:
        found = dict.fromkeys((*self.tags, *(tag[:MAX_NAME] for tag in tags if tag)))
        self.tags = tuple(found)[:MAX_TAGS]


@lru_cache(maxsize=1024)
def _key_limits(budget: int | None, requests: int | None, tokens: int | None) -> bytes:
    """The lines that are the same for every call of a key."""
    lines = b"" if budget is None else b"x-litellm-key-max-budget: %b\r\n" % shown(budget).encode()
    for what, limit in ((b"rpm", requests), (b"tpm", tokens)):
        if limit is not None:
            lines += b"x-litellm-key-%b-limit: %d\r\n" % (what, limit)
    return lines


_RATE: Final = (
    b"x-ratelimit-limit-%b: %%d\r\nx-ratelimit-remaining-%b: %%d\r\nx-ratelimit-reset-%b: %%.1fs\r\n"
)
_REQUESTS: Final = _RATE % ((b"requests",) * 3)
_TOKENS: Final = _RATE % ((b"tokens",) * 3)


def _rate(windows: tuple[Window, ...], now: float) -> tuple[int, int, float]:
    """Limit, rest and reset of the tightest one."""
    tightest, left = windows[0], windows[0].left(now)
    for window in windows[1:]:
        if (other := window.left(now)) < left:
            tightest, left = window, other
    return tightest.limit or 0, left, tightest.reset(now)


def _object(raw: Raw) -> dict[str, Any]:
    try:
        return _metadata(raw)
    except msgspec.ValidationError:
        return {}
