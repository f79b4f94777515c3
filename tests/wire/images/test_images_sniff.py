"""Streams of pictures that pass: what they tell in any chunks."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.wire.images.openai_sniff import Sniffer, facts
from headgate.wire.ir_images import ImageUsage

USAGE = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


PICTURE = "A" * 40_000
STREAM = (
    event("image_edit.partial_image", b64_json=PICTURE)
    + event("image_edit.completed", b64_json=PICTURE, size="1024x1024")
    + event("image_edit.completed", b64_json=PICTURE, size="1024x1024", quality="low", usage=USAGE)
)


def fed(pieces: list[bytes]) -> Sniffer:
    sniffer = Sniffer()
    for piece in pieces:
        sniffer.feed(piece)
    return sniffer


def told(sniffer: Sniffer) -> tuple[Any, ...]:
    usage = sniffer.usage
    assert isinstance(usage, ImageUsage)
    return sniffer.ended, sniffer.error, usage.images, usage.output, usage.size, usage.quality


EXPECTED = (True, None, 2, 7, "1024x1024", "low")


@pytest.mark.parametrize("step", [1, 13, 4096, 1 << 30])
def test_in_pieces(step: int) -> None:
    whole = STREAM if step > 1 else STREAM.replace(b"A" * 40_000, b"AAAA")
    assert told(fed([whole[at : at + step] for at in range(0, len(whole), step)])) == EXPECTED


@given(st.randoms(use_true_random=False))
def test_in_random_pieces(dice: random.Random) -> None:
    cuts = sorted(dice.randrange(len(STREAM)) for _ in range(9))
    assert told(fed([STREAM[a:b] for a, b in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)])) == EXPECTED


def test_what_is_not_complete_has_not_ended() -> None:
    sniffer = fed([event("image_generation.partial_image", b64_json=PICTURE, note='"usage": {"x": 1}')])
    assert (sniffer.ended, sniffer.usage, sniffer.error) == (False, None, None)


def test_an_error_is_one() -> None:
    sniffer = fed([event("error", error={"message": "blocked", "code": "moderation_blocked"})])
    assert sniffer.error is not None
    assert "blocked" in sniffer.error.message


@given(st.lists(st.binary()))
def test_any_bytes_are_taken(pieces: list[bytes]) -> None:
    sniffer = fed(pieces)
    assert sniffer.done is False


@given(st.binary())
def test_facts_of_any_bytes(data: bytes) -> None:
    assert isinstance(facts(data + b' "size": "1x1"'), dict)
