"""What a request's header lines say, whatever order they stand in."""

import hashlib

import pytest

from headgate.server.lines import KEY_HEADERS, Lines, token_of


@pytest.mark.parametrize("name", KEY_HEADERS)
@pytest.mark.parametrize("value", [b"sk-1", b"Bearer sk-1", b"bearer  sk-1 "])
def test_a_key_is_found_in_each_header_with_and_without_its_word(name: bytes, value: bytes) -> None:
    lines = Lines({b"host": b"x", name: value})
    assert lines.bearer == b"sk-1"
    assert lines.token == token_of(b"sk-1") == hashlib.sha256(b"sk-1").hexdigest()


def test_the_first_of_them_in_the_order_of_litellm_counts() -> None:
    assert Lines({name: name for name in reversed(KEY_HEADERS)}).bearer == KEY_HEADERS[0]


def test_without_a_key_there_is_no_token() -> None:
    assert (Lines().bearer, Lines().token) == (b"", None)
    assert Lines({b"authorization": b""}).token == token_of(b"")


@pytest.mark.parametrize("name", [b"x-litellm-tags", b"x-headgate-timeout", b"x-litellm-end-user-id"])
def test_lines_that_ask_something_of_us_are_not_plain(name: bytes) -> None:
    assert not Lines({b"host": b"x", name: b"1"}).plain


def test_what_clients_always_send_is_plain() -> None:
    assert Lines({b"host": b"x", b"authorization": b"Bearer k", b"x-stainless-lang": b"python"}).plain


def test_of_several_lines_with_one_name_the_last_counts() -> None:
    assert Lines([(b"a", b"1"), (b"a", b"2")])[b"a"] == b"2"
