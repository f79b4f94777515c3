"""Which master keys are good enough for which hosts."""

import pytest

from headgate.server.config.master import PUBLIC, default_host, is_loopback, refusal, weakness

GOOD = "sk-Qm3v9yTz8LrWkE2p"


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "  ",
        "sk-1234",
        "SK-1234",
        " sk-1234 ",
        "changeme",
        "abc",
        "sk-7",
        "aaaaaaaaaaaa",
        "sk-11111111",
    ],
)
def test_weak_keys_are_refused_but_on_loopback(key):
    text = refusal(key, "0.0.0.0")
    assert text is not None
    assert "secrets.token_urlsafe" in text
    assert refusal(key, "127.0.0.1") is None
    assert refusal(key, "0.0.0.0", permit_weak=True) is None
    assert default_host(key) == "127.0.0.1"


def test_a_good_key_may_listen_everywhere():
    assert weakness(GOOD) is None
    assert refusal(GOOD, "0.0.0.0") is None
    assert default_host(GOOD) == "0.0.0.0"


def test_the_message_never_holds_the_key():
    assert "hush77" not in (refusal("hush77", "example.com") or "")


@pytest.mark.parametrize("key", PUBLIC)
def test_publicly_known_keys_say_why(key):
    assert PUBLIC[key] in (weakness(key.upper()) or "")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.8.9.1", "::1", "[::1]", "::ffff:127.0.0.1"]
)
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "::",
        "",
        "10.0.0.1",
        "example.com",
        "localhost.example.com",
        "127.0.0.1.nip.io",
        "1270.0.0.1",
    ],
)
def test_not_loopback(host):
    assert not is_loopback(host)
