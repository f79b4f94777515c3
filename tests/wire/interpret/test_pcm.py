"""Sound brought to 24 kHz."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.wire.interpret.pcm import Resampler


def samples(data: bytes) -> list[int]:
    return list(array("h", data))


def test_between_two_samples_lies_a_line() -> None:
    up = Resampler(12_000)
    assert samples(up.feed(array("h", [0, 100, 200]).tobytes())) == [0, 50, 100, 150]
    assert samples(up.feed(array("h", [0]).tobytes())) == [200, 100]


def test_what_is_at_24_khz_already_stays() -> None:
    assert Resampler(24_000).feed(b"\x01\x02\x03") == b"\x01\x02"


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_a_second_is_a_second(rate: int) -> None:
    made = Resampler(rate).feed(array("h", [7] * rate).tobytes())
    assert abs(len(made) // 2 - 24_000) <= 3
    assert set(samples(made)) == {7}


@given(st.binary(max_size=400), st.lists(st.integers(1, 50), max_size=20), st.integers(8_000, 48_000))
def test_pieces_make_the_same(data: bytes, cuts: list[int], rate: int) -> None:
    piecewise, at, made = Resampler(rate), 0, b""
    for cut in (*cuts, len(data)):
        made += piecewise.feed(data[at : at + cut])
        at += cut
    made += piecewise.feed(data[at:])
    assert made == Resampler(rate).feed(data)
