"""An answer in place of a stream is told by its first byte, kept whole in any chunking, and never without end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate import errors
from headgate.wire import ir, sse
from headgate.wire.whole import Whole, events_of


@given(
    blank=st.sampled_from([b"", b"\xef\xbb\xbf", b" \r\n\t", b"\xef\xbb\xbf\n"]),
    rest=st.binary(),
    size=st.integers(min_value=1, max_value=9),
)
def test_a_document_is_kept_in_any_chunking(blank: bytes, rest: bytes, size: int) -> None:
    whole = Whole()
    data = blank + b"{" + rest
    took = [whole.takes(data[at : at + size]) for at in range(0, len(data), size)]
    assert sorted(took) == took  # once begun, all of it
    assert took[-1] and whole.maybe
    kept = whole.body()
    assert kept is not None
    assert kept.lstrip(b"\xef\xbb\xbf \r\n\t") == b"{" + rest


@given(rest=st.binary(), size=st.integers(min_value=1, max_value=9))
def test_a_stream_is_left_alone(rest: bytes, size: int) -> None:
    whole = Whole()
    data = b"\ndata: {" + rest
    assert not any(whole.takes(data[at : at + size]) for at in range(0, len(data), size) if whole.maybe)
    assert not whole.maybe
    assert whole.body() is None


def test_the_first_bytes_are_the_readers() -> None:
    assert not Whole(b"{").takes(b"<html>")
    assert Whole(b"{<").takes(b"<html>")


def test_it_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 10)
    whole = Whole()
    assert whole.takes(b"[" + b" " * 9)
    with pytest.raises(errors.APIResponseValidationError, match="in place of a stream is over 10 bytes"):
        whole.takes(b" ")


def _raise(error: errors.HeadgateError) -> ir.Reply:
    raise error


def test_what_a_whole_answer_says() -> None:
    reply = ir.Reply(choices=[], model="m")
    assert events_of(b"{}", lambda body: reply) == [ir.ReplyStart(model="m"), ir.ReplyEnd()]
    unread, told = errors.APIResponseValidationError("no answer"), errors.RateLimitError("slow down")
    assert events_of(b"", lambda body: _raise(unread)) == [ir.StreamFailure(unread)]
    assert events_of(b"", lambda body: _raise(unread), lambda body, error: told) == [ir.StreamFailure(told)]
    assert events_of(b"", lambda body: _raise(told), lambda body, error: unread) == [ir.StreamFailure(told)]
