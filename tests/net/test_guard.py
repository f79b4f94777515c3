"""Which addresses media may come from, and which proxy a connection takes."""

import pytest

from headgate.errors import ImageFetchError
from headgate.net.guard import checked, is_public
from headgate.net.proxy import proxy_for

PRIVATE = """127.0.0.1 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 0.0.0.0 224.0.0.1 ::1 fe80::1 fc00::1
    ::ffff:10.0.0.1 64:ff9b::a00:1 2002:a00:1::"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_private_addresses_are_refused(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(ImageFetchError):
        checked("host", ["93.184.216.34", address])


def test_public_addresses_and_allowed_hosts_are_fine() -> None:
    assert checked("host", ["93.184.216.34"]) == "93.184.216.34"
    assert checked("Inner", ["10.0.0.1"], {"inner"}) == "10.0.0.1"
    assert checked("inner", ["10.0.0.1"], None) == "10.0.0.1"


@pytest.mark.parametrize(
    ("rules", "direct"),
    [("*", True), ("example.com", True), (".example.com", True), ("api.example.com:443", True), ("10.0.0.0/8", False),
     ("api.example.com:80", False), ("ample.com", False), ("", False)],
)  # fmt: skip
def test_no_proxy(rules: str, direct: bool) -> None:
    found = proxy_for("https", "api.example.com", 443, {"HTTPS_PROXY": "http://p:8", "NO_PROXY": rules})
    assert found == (None if direct else "http://p:8")


def test_which_variable_counts() -> None:
    env = {"https_proxy": "low:1", "HTTPS_PROXY": "up:2", "ALL_PROXY": "all:3"}
    assert proxy_for("https", "h", 443, env) == "http://low:1"
    assert proxy_for("http", "h", 80, env) == "http://all:3"
    assert proxy_for("http", "h", 80, {"HTTP_PROXY": "p:1", "REQUEST_METHOD": "GET"}) is None
    assert proxy_for("https", "10.1.2.3", 443, {**env, "NO_PROXY": "10.0.0.0/8"}) is None
