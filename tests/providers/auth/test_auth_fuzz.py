"""Whatever a configuration or a token server says: an error of ours that shows no secret, and nothing else."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk import NOW, REQUEST, around, hides
from headgate.errors import HeadgateError
from headgate.ports import Ask, Told
from headgate.providers.auth import azure_ad, build, google, google_files, oauth, oracle

SECRET = "zq9-hidden-7f"
SCHEMES = ("google", "azure_ad", "oracle", *(f"oauth:{name}" for name in oauth.EXCHANGES))
NAMES = (
    *google.CREDENTIAL_PARAMS,
    "azure_ad_token_provider",
    *(param for param, _, _ in oracle.NAMES.values()),
    *(oracle.FILE[0], oracle.PROFILE[0]),
    *(param for param, _ in azure_ad.NAMES.values()),
    *(
        name
        for row in oauth.EXCHANGES.values()
        for fact in row.facts.values()
        for name in fact.params.split()
    ),
)
VARIABLES = (
    *google.CREDENTIAL_VARIABLES,
    *"AZURE_CLIENT_ID AZURE_TENANT_ID AZURE_FEDERATED_TOKEN_FILE AZURE_AUTHORITY_HOST".split(),
    *(variable for _, variable, _ in oracle.NAMES.values()),
    *(oracle.FILE[1], oracle.PROFILE[1]),
    *"IDENTITY_ENDPOINT IDENTITY_HEADER VCAP_SERVICES AICORE_CONFIG AICORE_PROFILE CLOUDSDK_CONFIG".split(),
    *(
        name
        for row in oauth.EXCHANGES.values()
        for fact in row.facts.values()
        for name in fact.variables.split()
    ),
)
FIELDS = sorted({name for one in google_files.TYPES.values() for name in one.__struct_fields__} | {"type"})
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
DOCUMENT = st.dictionaries(st.sampled_from(FIELDS), ANYTHING | st.just("/file"), max_size=9).flatmap(
    lambda made: st.sampled_from([*google_files.TYPES, "odd"]).map(lambda kind: made | {"type": kind})
)
TEXTS = (
    st.text(st.characters(exclude_categories=()))
    | st.sampled_from(["/file", "https://x.test", "http://[", "h t", "a\nb\0", "{x", "-----BEGIN x"])
    | (DOCUMENT | ANYTHING).map(json.dumps)
)
HIDDEN = dict.fromkeys("private_key refresh_token client_secret clientsecret".split(), SECRET)
FILES = (
    TEXTS
    | DOCUMENT.map(lambda made: json.dumps(made | HIDDEN))
    | st.sampled_from([SECRET, "{" + SECRET, "-----BEGIN " + SECRET, json.dumps(HIDDEN)])
)
BODIES = st.binary() | (
    st.fixed_dictionaries(
        {}, optional={"access_token": ANYTHING, "expires_in": ANYTHING, "expires_at": ANYTHING}
    )
    | ANYTHING
).map(lambda made: json.dumps(made).encode())


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def reader(text: str) -> Any:
    def read(path: str) -> bytes:
        if "\0" in path:
            raise ValueError("embedded null byte")  # as open() does
        if path != "/file":
            raise FileNotFoundError(2, "No such file or directory", path)
        return text.encode("utf-8", "surrogatepass")

    return read


def answering(status: int, body: bytes) -> Any:
    async def fetch(ask: Ask) -> Told:
        """Takes what a client of HTTP takes."""
        parts = urlsplit(ask.url)
        assert parts.scheme in ("http", "https")
        assert parts.hostname
        assert ask.url.isascii()
        assert ask.url.isprintable()
        for name, value in ask.headers.items():
            assert (name + value).isprintable()
            assert (name + value).isascii()
        return Told(status=status, headers={}, body=body)

    return fetch


@settings(max_examples=300, deadline=None)
@given(
    scheme=st.sampled_from(SCHEMES),
    params=st.dictionaries(st.sampled_from(NAMES), TEXTS | DOCUMENT | ANYTHING, max_size=6),
    env=st.dictionaries(st.sampled_from(VARIABLES), TEXTS, max_size=6),
    file=FILES,
    status=st.sampled_from([200, 200, 400, 429, 500]),
    body=BODIES,
)
def test_nothing_but_our_errors(
    loop: asyncio.AbstractEventLoop,
    scheme: str,
    params: dict[str, Any],
    env: dict[str, str],
    file: str,
    status: int,
    body: bytes,
) -> None:
    place = around(params, env, reader(file))
    try:
        if scheme == "google":
            google.project(place)
        credential = build(scheme, place)
        if credential is not None and not credential.ready(NOW):
            loop.run_until_complete(credential.renew(answering(status, body), NOW))
        if credential is not None:
            for name, value in credential.sign(REQUEST, NOW):
                assert name.islower()
                assert value.isascii()
                assert value.isprintable()
                assert not value.endswith(" ")
    except HeadgateError as error:
        assert error.message
        assert hides(error.message, [SECRET])
