"""What all credentials share: where facts are looked for, one renewal for all who wait, the words of errors.

Knows no provider. Opens no socket and reads no environment, clock or file of its own: all are handed in.
"""

import asyncio
import base64
import copy
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, Protocol, TypeAlias, TypeVar
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

import msgspec
from msgspec import Struct

from headgate.errors import APIConnectionError, AuthenticationError, HeadgateError, Timeout, for_status
from headgate.ports import Ask, Fetch, Signing, Told

AHEAD: Final = 200.0
"""Seconds before the end at which a renewal begins. Google's metadata server gives a new token 225 s before."""
SPARE: Final = 20.0
"""Seconds before the end at which a token is not used any more."""
PAUSE: Final = 15.0
"""Seconds between renewals."""
YOUNG: Final = 30.0
"""A token of this age has not expired, whatever was refused."""
SKEW: Final = 60.0
"""Seconds between our clock and a server's that are worth a word."""

_log = logging.getLogger("headgate.auth")


class Surroundings(Struct, frozen=True, kw_only=True):
    """What a credential is made of: a deployment's parameters, the environment, a reader of files (raises
    OSError), the deployment's base URL as far as it is known, and the provider's name for messages."""

    params: Mapping[str, Any]
    env: Mapping[str, str]
    read: Callable[[str], bytes]
    base: str = ""
    provider: str = ""

    def param(self, *names: str) -> str:
        """The first of these parameters that is a text, "" for none."""
        return next(
            (value for name in names if isinstance(value := self.params.get(name), str) and value), ""
        )

    def variable(self, *names: str) -> str:
        return next((self.env[name] for name in names if self.env.get(name)), "")

    def path(self, name: str) -> str:
        home = self.env.get("HOME") or self.env.get("USERPROFILE") or ""
        return home + name[1:] if home and name[:2] in ("~", "~/", "~\\") else name

    def file(self, name: str, what: str) -> str:
        """The text of a file that must be there. Raises AuthenticationError."""
        path = self.path(name)
        try:
            return self.read(path).decode()
        except OSError as error:
            raise missing(f"{what}: the file {path} can't be read: {error.strerror or error}") from None
        except UnicodeDecodeError:
            raise missing(f"{what}: the file {path} is not a text in UTF-8") from None


class Expiring(Protocol):
    """`expires` is Unix seconds, infinity for never; `texts` are the secrets in it."""

    @property
    def expires(self) -> float: ...

    @property
    def texts(self) -> tuple[str, ...]: ...


class Token(Struct, frozen=True):
    text: str
    expires: float = math.inf

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.text,)


T = TypeVar("T", bound=Expiring)


class Renewing(Generic[T]):
    """A value that expires, and who gets the next one. The base of all credentials; see ports.Credential.

    `given` are the secrets that it is made of.
    """

    def __init__(self, source: Callable[[Fetch, float], Awaitable[T]], given: Iterable[str] = ()) -> None:
        self._source = source
        self._given = tuple(text for text in given if text)
        self._earlier: tuple[str, ...] = ()
        self._value: T | None = None
        self._since = self._renew_at = self._last = -math.inf
        self._task: asyncio.Task[HeadgateError | None] | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Also those of the value before: an answer that is under way may still name it."""
        own = () if self._value is None else self._value.texts
        return tuple(text for text in (*self._given, *own, *self._earlier) if text)

    @property
    def value(self) -> T:
        if self._value is None:
            raise AuthenticationError("a credential was used before it was renewed")
        return self._value

    def ready(self, now: float) -> bool:
        return now < self._renew_at

    async def renew(self, fetch: Fetch, now: float) -> None:
        loop = asyncio.get_running_loop()
        task = self._task
        if task is None or task.done() or task.get_loop() is not loop:
            task = self._task = loop.create_task(self._renew(fetch, now))
        if now < self._last:
            return
        error = await asyncio.shield(task)  # who goes away must not take it from the others
        if error is not None:
            raise copy.copy(error)  # each caller writes on its own

    async def _renew(self, fetch: Fetch, now: float) -> HeadgateError | None:
        try:
            self._take(await self._source(fetch, now), now)
        except HeadgateError as error:
            for secret in self.secrets:
                error.message = error.message.replace(secret, "***")
            error.args = (error.message,)
            if now < self._last:
                self._renew_at = min(now + PAUSE, self._last)
                _log.warning("%s; the token of before is good for %.0f s", error.message, self._last - now)
            return error
        return None

    def _take(self, value: T, now: float) -> None:
        left = value.expires - now
        if left <= 0:
            raise AuthenticationError(
                f"the credential that was given ended {-left:.0f} s ago by this machine's clock: is that right?",
                code="expired_token",
            )
        if self._value is not None:
            self._earlier = self._value.texts
        self._value, self._since = value, now
        self._last = value.expires - min(SPARE, left / 10)
        ahead = value.expires - min(AHEAD, left / 4)
        self._renew_at = min(max(ahead, now + PAUSE), self._last)

    def forget(self) -> None:
        self._renew_at = self._last = -math.inf


class Bearer(Renewing[Token]):
    """`Authorization: Bearer`, with the header lines of `beside`."""

    def __init__(
        self,
        source: Callable[[Fetch, float], Awaitable[Token]],
        given: Iterable[str] = (),
        beside: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(source, given)
        self.beside = list(beside)

    def sign(self, request: Signing, now: float) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {self.value.text}"), *self.beside]

    def refused(self, told: Told, lines: list[tuple[str, str]], now: float) -> bool:
        if told.status != 401 and b"expired" not in told.body.lower():
            return False
        if lines[0][1] == f"Bearer {self.value.text}":
            if now - self._since < YOUNG:
                return False
            self.forget()
        return True


class Fixed:
    """Header lines that never change. See ports.Credential."""

    def __init__(self, lines: Iterable[tuple[str, str]], secrets: Iterable[str]) -> None:
        self._lines = list(lines)
        self.secrets = tuple(secrets)

    def ready(self, now: float) -> bool:
        return True

    async def renew(self, fetch: Fetch, now: float) -> None:
        """Nothing is newer."""

    def sign(self, request: Signing, now: float) -> list[tuple[str, str]]:
        return self._lines

    def refused(self, told: Told, lines: list[tuple[str, str]], now: float) -> bool:
        return False


def missing(message: str) -> AuthenticationError:
    return AuthenticationError(message, code="missing_credentials")


S = TypeVar("S")


async def asked(fetch: Fetch, ask: Ask, what: str, now: float) -> Told:
    """An answer of status 200 or 201. `what` begins the message of an error: who wanted what of whom."""
    try:
        told = await fetch(ask)
    except (APIConnectionError, Timeout) as error:
        raise type(error)(f"{what}: {shown(ask.url)}: {error.message}") from None
    if told.status not in (200, 201):
        kind = for_status(told.status) if told.status == 429 or told.status >= 500 else AuthenticationError
        raise kind(
            f"{what}: {shown(ask.url)} answered with status {told.status}: {_scrubbed(_reason(told.body), ask)[:500]}"
            + _skew(told.headers, now),
            status_code=None if kind is AuthenticationError else told.status,
            code="token_refused",
        )
    return told


async def asked_json(fetch: Fetch, ask: Ask, kind: type[S], what: str, now: float) -> S:
    return decoded((await asked(fetch, ask, what, now)).body, kind, f"{what}: the answer of {shown(ask.url)}")


def decoded(text: bytes | str, kind: type[S], what: str) -> S:
    """Raises AuthenticationError, which never shows what was read."""
    try:
        return msgspec.json.decode(text, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise AuthenticationError(f"{what} can't be read: {error}", code="unreadable_credentials") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise AuthenticationError(f"{what} is no JSON", code="unreadable_credentials") from None


Text: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[!-~]+\Z")]
"""A token as a header takes it."""


class Granted(Struct, kw_only=True):
    """A token server's answer. RFC 6749, 5.1; `expires_on`, `expires_at`, `expiration` are Azure's, GigaChat's
    and IBM's own, Unix seconds or milliseconds."""

    access_token: Text
    expires_in: float | None = None
    expires_on: float | None = None
    expires_at: float | None = None
    expiration: float | None = None

    def token(self, now: float) -> Token:
        """The lifetime counts from now, so that a clock that is wrong does no harm."""
        if self.expires_in is not None:
            return Token(self.access_token, now + self.expires_in)
        end = self.expires_on or self.expires_at or self.expiration or now + 600
        return Token(self.access_token, end / 1000 if end > 1e11 else end)


async def granted(
    fetch: Fetch, url: str, form: Mapping[str, str], what: str, now: float, headers: Mapping[str, str] = {}
) -> Token:
    """What a token server gives for a form."""
    told = await asked_json(fetch, posted(url, form, headers), Granted, what, now)
    return told.token(now)


def posted(url: str, form: Mapping[str, str], headers: Mapping[str, str] = {}) -> Ask:
    kind = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    return Ask(method="POST", url=url, headers={**kind, **headers}, body=urlencode(form).encode())


def basic(name: str, password: str) -> str:
    """RFC 7617."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def shown(url: str) -> str:
    """An address as a message may show it: without query and user."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:200]


class _Refusal(Struct):
    error: Any = None
    error_description: Any = None
    message: Any = None
    errorMessage: Any = None  # noqa: N815 -- IBM's


def _reason(body: bytes) -> str:
    """What a refusal says of itself: RFC 6749, 5.2; Google's `error.message`; else the beginning of the text."""
    try:
        told = msgspec.json.decode(body, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return " ".join(body[:10_000].decode("utf-8", "replace").split()) or "nothing"
    error = told.error.get("message") if isinstance(told.error, dict) else told.error
    parts = [error, told.error_description, told.message, told.errorMessage]
    return " ".join(": ".join(str(part) for part in parts if part).split()) or "nothing"


_SECRET: Final = frozenset(
    """client_secret client_assertion assertion subject_token refresh_token apikey password WebIdentityToken
    authorization x-identity-header x-aws-ec2-metadata-token x-amz-security-token x-amz-sso_bearer_token""".split()
)
"""Fields of forms, and headers."""


def _scrubbed(text: str, ask: Ask) -> str:
    """Without what was sent to a server that repeats it."""
    fields = [*ask.headers.items(), *parse_qsl(ask.body.decode("latin-1"))]
    for value in (value for name, value in fields if name in _SECRET):
        for part in {value, value.rpartition(" ")[2], quote_plus(value)} - {""}:
            text = text.replace(part, "***")
    return text


def _skew(headers: Mapping[str, str], now: float) -> str:
    theirs = date(headers)
    if theirs is None or abs(theirs - now) < SKEW:
        return ""
    word = "behind" if theirs > now else "ahead of"
    return f" (this machine's clock is {abs(theirs - now):.0f} s {word} that server's: set it right)"


def date(headers: Mapping[str, str]) -> float | None:
    """The time by the server's clock."""
    from email.utils import parsedate_to_datetime  # only who is refused asks

    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None


def moment(text: str, what: str) -> float:
    """Unix seconds of an RFC 3339 time. Raises AuthenticationError."""
    try:
        when = msgspec.convert(text, type=datetime)
    except msgspec.ValidationError:
        raise AuthenticationError(
            f"{what}: {text[:40]!r} is no time", code="unreadable_credentials"
        ) from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
