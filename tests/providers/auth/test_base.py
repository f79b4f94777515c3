"""What all credentials share: one renewal for all who wait, pauses, and what errors say."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import NOW, REQUEST, around, hides
from headgate.errors import (
    APIConnectionError,
    AuthenticationError,
    HeadgateError,
    RateLimitError,
    ServiceUnavailableError,
    Timeout,
)
from headgate.ports import Ask, Fetch, Told
from headgate.providers.auth.base import (
    AHEAD,
    PAUSE,
    SPARE,
    YOUNG,
    Bearer,
    Fixed,
    Granted,
    Token,
    asked,
    asked_json,
    moment,
    posted,
    shown,
)

HOUR = 3600.0


class Source:
    """Gives tokens "t1", "t2", … of an hour. `errors` are raised first; `gate` holds everybody."""

    def __init__(self, *errors: Exception, lifetime: float = HOUR) -> None:
        self.calls = 0
        self.errors = list(errors)
        self.lifetime = lifetime
        self.gate: asyncio.Event | None = None

    async def __call__(self, fetch: Fetch, now: float) -> Token:
        self.calls += 1
        number = self.calls
        if self.gate:
            await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        return Token(f"t{number}", now + self.lifetime)


async def nobody(ask: Ask) -> Told:
    raise AssertionError(f"{ask.url} was asked")


async def settled() -> None:
    """What runs beside has run."""
    for _ in range(5):
        await asyncio.sleep(0)


def text(credential: Bearer) -> str:
    return credential.sign(REQUEST, NOW)[0][1]


async def test_a_token_is_used_until_shortly_before_its_end() -> None:
    source = Source()
    credential = Bearer(source)
    assert not credential.ready(NOW)
    await credential.renew(nobody, NOW)
    assert text(credential) == "Bearer t1"
    assert credential.ready(NOW + HOUR - AHEAD - 1)
    assert not credential.ready(NOW + HOUR - AHEAD)


async def test_nobody_waits_for_a_renewal_while_the_old_is_good() -> None:
    source = Source()
    credential = Bearer(source)
    await credential.renew(nobody, NOW)
    source.gate = asyncio.Event()
    await credential.renew(nobody, NOW + HOUR - AHEAD)  # would hang if it waited
    await settled()
    assert (source.calls, text(credential)) == (2, "Bearer t1")
    await credential.renew(nobody, NOW + HOUR - AHEAD + 1)
    assert source.calls == 2
    source.gate.set()
    await settled()
    assert text(credential) == "Bearer t2"
    assert credential.secrets == ("t2", "t1")


async def test_everybody_waits_when_the_old_is_no_good() -> None:
    source = Source()
    credential = Bearer(source)
    await credential.renew(nobody, NOW)
    source.gate = asyncio.Event()
    waiting = asyncio.ensure_future(credential.renew(nobody, NOW + HOUR - SPARE))
    await settled()
    assert not waiting.done()
    source.gate.set()
    await waiting
    assert text(credential) == "Bearer t2"


@pytest.mark.parametrize("callers", [2, 100])
async def test_a_renewal_is_shared(callers: int) -> None:
    source = Source()
    credential = Bearer(source)
    await asyncio.gather(*(credential.renew(nobody, NOW) for _ in range(callers)))
    assert source.calls == 1


async def test_a_failure_is_shared_and_each_caller_has_an_error_of_its_own() -> None:
    source = Source(AuthenticationError("no"))
    credential = Bearer(source)
    found = await asyncio.gather(*(credential.renew(nobody, NOW) for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in found] == ["headgate.AuthenticationError: no"] * 3
    assert len({id(error) for error in found}) == 3
    assert source.calls == 1
    await credential.renew(nobody, NOW)
    assert text(credential) == "Bearer t2"


async def test_who_goes_away_does_not_take_the_renewal_along() -> None:
    source = Source()
    source.gate = asyncio.Event()
    credential = Bearer(source)
    first, second = (asyncio.ensure_future(credential.renew(nobody, NOW)) for _ in range(2))
    await settled()
    first.cancel()
    await settled()
    source.gate.set()
    await second
    assert first.cancelled()
    assert (source.calls, text(credential)) == (1, "Bearer t1")


async def test_after_a_failure_the_old_serves_and_there_is_a_pause(caplog: pytest.LogCaptureFixture) -> None:
    source = Source()
    credential = Bearer(source)
    await credential.renew(nobody, NOW)
    source.errors = [APIConnectionError("nobody answers t1")]
    begin = NOW + HOUR - AHEAD
    with caplog.at_level(logging.WARNING, "headgate.auth"):
        await credential.renew(nobody, begin)
        await settled()
    assert caplog.messages == [f"nobody answers ***; the token of before is good for {AHEAD - SPARE:.0f} s"]
    assert text(credential) == "Bearer t1"
    assert credential.ready(begin + PAUSE - 1)
    assert not credential.ready(begin + PAUSE)
    await credential.renew(nobody, begin + PAUSE)
    await settled()
    assert text(credential) == "Bearer t3"


async def test_a_failure_is_told_once_the_old_has_ended() -> None:
    source = Source()
    credential = Bearer(source)
    await credential.renew(nobody, NOW)
    source.errors = [Timeout("slow"), Timeout("slow")]
    with pytest.raises(Timeout):
        await credential.renew(nobody, NOW + HOUR)
    assert not credential.ready(NOW + HOUR)


@given(lifetime=st.floats(0.5, 1e6), after=st.floats(0, 1.2))
def test_a_token_is_renewed_ahead_whatever_its_lifetime(lifetime: float, after: float) -> None:
    credential = Bearer(Source(lifetime=lifetime))
    asyncio.run(credential.renew(nobody, NOW))
    assert credential.ready(NOW)
    if after >= 1:
        assert not credential.ready(NOW + lifetime * after)


@pytest.mark.parametrize("lifetime", [0.0, -10.0])
async def test_a_token_that_has_ended_is_refused(lifetime: float) -> None:
    credential = Bearer(Source(lifetime=lifetime))
    with pytest.raises(AuthenticationError, match=r"ended .* s ago by this machine's clock") as caught:
        await credential.renew(nobody, NOW)
    assert caught.value.code == "expired_token"


async def test_a_token_without_an_end() -> None:
    credential = Bearer(Source(lifetime=math.inf))
    await credential.renew(nobody, NOW)
    assert credential.ready(NOW + 1e12)


def test_loops_one_after_the_other() -> None:
    """The SDK's blocking calls: a loop may be gone with a renewal under way."""
    source = Source()
    credential = Bearer(source)

    async def begun() -> None:
        source.gate = asyncio.Event()
        task = asyncio.ensure_future(credential.renew(nobody, NOW))
        await settled()
        task.cancel()

    asyncio.run(begun())
    source.gate = None
    asyncio.run(credential.renew(nobody, NOW))
    assert text(credential) == "Bearer t2"


async def test_a_mistake_in_a_source_is_not_swallowed() -> None:
    credential = Bearer(Source(KeyError("a bug")))
    with pytest.raises(KeyError, match="a bug"):
        await credential.renew(nobody, NOW)


async def test_a_refused_token_is_forgotten_unless_it_is_young() -> None:
    credential = Bearer(Source())
    await credential.renew(nobody, NOW)
    told, lines = Told(status=401, headers={}, body=b""), credential.sign(REQUEST, NOW)
    assert not credential.refused(told, lines, NOW + YOUNG - 1)
    assert credential.refused(told, lines, NOW + YOUNG)
    assert not credential.ready(NOW + YOUNG)
    await credential.renew(nobody, NOW + YOUNG)
    assert credential.refused(told, lines, NOW + YOUNG), "there is a newer one already"
    assert credential.ready(NOW + YOUNG)
    forbidden = Told(status=403, headers={}, body=b"not yours")
    assert not credential.refused(forbidden, credential.sign(REQUEST, NOW), NOW + HOUR / 2)


async def test_secrets_that_were_given_do_not_reach_a_message() -> None:
    credential = Bearer(Source(AuthenticationError("the key own-shh is bad")), ["own-shh", ""])
    with pytest.raises(AuthenticationError) as caught:
        await credential.renew(nobody, NOW)
    assert str(caught.value) == "headgate.AuthenticationError: the key *** is bad"
    assert credential.secrets == ("own-shh",)


async def test_fixed_lines() -> None:
    credential = Fixed([("x-key", "k")], ["k"])
    assert credential.ready(0)
    await credential.renew(nobody, 0)
    assert credential.sign(REQUEST, 0) == [("x-key", "k")]
    assert not credential.refused(Told(status=401, headers={}, body=b"expired"), [("x-key", "k")], HOUR)


# Asking


def answering(
    status: int, body: bytes, headers: dict[str, str] | None = None
) -> Callable[[Ask], Awaitable[Told]]:
    async def fetch(ask: Ask) -> Told:
        return Told(status=status, headers=headers or {}, body=body)

    return fetch


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, AuthenticationError, 401),
        (403, AuthenticationError, 401),
        (404, AuthenticationError, 401),
        (302, AuthenticationError, 401),
        (429, RateLimitError, 429),
        (503, ServiceUnavailableError, 503),
    ],
)
async def test_statuses_of_a_token_server(status: int, kind: type[HeadgateError], code: int) -> None:
    body = b'{"error": "invalid_grant", "error_description": "Bad  user"}'
    with pytest.raises(kind) as caught:
        await asked(answering(status, body), Ask(url="https://u:p@h.test/t?k=shh"), "a token", NOW)
    assert caught.value.status_code == code
    assert f"a token: https://h.test/t answered with status {status}: invalid_grant: Bad user" in str(
        caught.value
    )


SECRETS = {"client_secret": "c-shh", "assertion": "a.b.c-shh", "refresh_token": "r shh", "password": "p&shh"}
HEADERS = {
    "authorization": "Basic Yi1zaGg=",
    "x-amz-sso_bearer_token": "sso-shh",
    "x-amz-security-token": "amz-shh",
}


@given(
    st.permutations([*SECRETS.values(), "Yi1zaGg=", "sso-shh", "amz-shh"]),
    st.text(max_size=600),
    st.sampled_from(["plain", "error", "message"]),
)
def test_a_server_that_repeats_secrets(secrets: list[str], before: str, key: str) -> None:
    said = before + " ".join(secrets)
    body = said.encode("utf-8", "replace") if key == "plain" else msgspec.json.encode({key: said})
    asking = posted("https://h.test/", SECRETS, HEADERS)
    with pytest.raises(AuthenticationError) as caught:
        asyncio.run(asked(answering(400, body), asking, "a token", NOW))
    assert hides(str(caught.value), secrets)


@pytest.mark.parametrize("error", [APIConnectionError("refused"), Timeout("10 s")])
async def test_nobody_there(error: HeadgateError) -> None:
    async def fetch(ask: Ask) -> Told:
        raise error

    with pytest.raises(type(error), match=r"a token: https://h\.test/: "):
        await asked(fetch, Ask(url="https://h.test/?q=shh"), "a token", NOW)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff", b'{"access_token": 1}', b"null", b'{"access_token": "shh"']
)
async def test_an_answer_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(AuthenticationError) as caught:
        await asked_json(answering(200, body), Ask(url="https://h.test/"), Granted, "a token", NOW)
    assert caught.value.code == "unreadable_credentials"
    assert "a token: the answer of https://h.test/" in str(caught.value)
    assert hides(str(caught.value), ["shh"])


@pytest.mark.parametrize(
    ("given_", "expires"),
    [
        ({"expires_in": 60}, NOW + 60),
        ({"expires_in": "60"}, NOW + 60),
        ({"expires_on": str(int(NOW) + 5)}, NOW + 5),
        ({"expires_at": (NOW + 5) * 1000}, NOW + 5),
        ({"expiration": NOW + 5, "expires_in": 60}, NOW + 60),
        ({}, NOW + 600),
    ],
)
async def test_lifetimes(given_: dict[str, Any], expires: float) -> None:
    body = msgspec.json.encode({"access_token": "t", **given_})
    got = await asked_json(answering(200, body), Ask(url="https://h.test/"), Granted, "a token", NOW)
    assert got.token(NOW) == Token("t", expires)


def test_addresses_as_they_are_shown() -> None:
    assert shown("https://user:pass@h.test:8443/a/b?key=shh#f") == "https://h.test:8443/a/b"


@pytest.mark.parametrize("time", ["2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00", "2023-11-14T22:13:20"])
def test_moments(time: str) -> None:
    assert moment(time, "x") == NOW


@given(st.text(max_size=60))
def test_what_is_no_moment(time: str) -> None:
    try:
        assert math.isfinite(moment(time, "x"))
    except AuthenticationError as error:
        assert "is no time" in str(error)


# Surroundings


def test_where_facts_are_looked_for() -> None:
    here = around({"a": "", "b": 3, "c": "text"}, {"X": "", "Y": "y"}, {"/home/me/f": " t "})
    assert here.param("a", "b", "c") == "text"
    assert here.param("a", "none") == ""
    assert here.variable("X", "Y") == "y"
    assert here.file("~/f", "the token") == " t "
    assert [here.path(name) for name in ("~", "~/x", "~other/x", "/x")] == [
        "/home/me",
        "/home/me/x",
        "~other/x",
        "/x",
    ]
    with pytest.raises(AuthenticationError, match="the token: the file /no can't be read: No such file"):
        here.file("/no", "the token")
