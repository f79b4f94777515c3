"""SageMaker's frames around a container's stream: nothing depends on where they, or the frames' own bytes, end."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.dialects import dialect
from headgate.wire import eventstream, ir
from headgate.wire.dialect import Frame
from headgate.wire.fold import fold, unfold
from headgate.wire.payload_parts import Lines

REPLY = ir.Reply(
    id="c",
    model="m",
    choices=[
        ir.Choice(
            turn=ir.Turn(role="assistant", blocks=[ir.Text("Grüße, {\n}")]), finish=ir.Finish(reason="stop")
        )
    ],
    usage=ir.Usage(input=3, output=2),
)
FRAME = Frame(id="c", created=1, model="m", stream_usage=True)
NAMES = {"framed_chat": "openai_chat", "framed_text": "tgi"}


def frame(part: bytes) -> bytes:
    return eventstream.encode({":event-type": "PayloadPart", ":message-type": "event"}, part)


def stream(name: str, lined: bool) -> bytes:
    """A container's stream, as server-sent events or as lines of JSON."""
    inside = dialect(NAMES[name]).stream_writer(FRAME).write(unfold(REPLY))
    if not lined:
        return inside
    rows = [row.removeprefix(b"data: ") for row in inside.split(b"\n\n") if row.startswith(b"data: {")]
    return b"\n".join(rows) + b"\n"


def read(name: str, pieces: list[bytes]) -> list[ir.Event]:
    reader = dialect(name).stream_reader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [*events, *reader.close()]


def cut(data: bytes, dice: random.Random, most: int) -> list[bytes]:
    pieces = []
    while data:
        size = dice.randint(1, most)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def text_of(events: list[ir.Event]) -> str:
    (choice,) = fold(events).choices
    return "".join(block.text for block in choice.turn.blocks if isinstance(block, ir.Text))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lined", [False, True])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_any_cut_reads_the_same(name: str, lined: bool, seed: int) -> None:
    dice = random.Random(seed)
    frames = b"".join(map(frame, cut(stream(name, lined), dice, dice.choice([1, 7, 400]))))
    assert text_of(read(name, cut(frames, dice, dice.choice([1, 50, 5000])))) == "Grüße, {\n}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 10_000])
def test_a_whole_document_is_the_whole_answer(name: str, size: int) -> None:
    document = dialect(NAMES[name]).write_reply(REPLY, FRAME)
    for body in (document, json.dumps(json.loads(document), indent=2).encode()):
        pieces = [frame(body[at : at + size]) for at in range(0, len(body), size)]
        assert text_of(read(name, pieces)) == "Grüße, {\n}"


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_that_is_cut_fails(name: str) -> None:
    frames = frame(stream(name, False))
    for end in (len(frames) // 2, len(frames) - 1):
        assert isinstance(read(name, [frames[:end]])[-1], ir.StreamFailure)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_instead_of_a_part_ends_the_stream(name: str) -> None:
    failure = eventstream.exception("InternalStreamFailure", b'{"Message":"gone"}')
    (event,) = read(name, [failure, frame(stream(name, False))])
    assert isinstance(event, ir.StreamFailure)
    assert "gone" in event.error.message


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(data=st.lists(st.binary(max_size=60), max_size=5), framed=st.booleans())
def test_any_bytes_end_in_an_answer_or_a_failure(name: str, data: list[bytes], framed: bool) -> None:
    events = read(name, [frame(piece) if framed else piece for piece in data])
    assert isinstance(events[-1], ir.ReplyEnd | ir.StreamFailure)


def test_an_opening_holds_no_content() -> None:
    chat = dialect("framed_chat")
    role = b'data: {"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}\n\n'
    said = role.replace(b'{"role":"assistant"}', b'{"content":"Hi"}')
    assert chat.is_opening(frame(role))
    assert not chat.is_opening(frame(said))
    assert not chat.is_opening(b"no frame at all")


def test_lines_are_passed_on_as_soon_as_they_are_known_to_be_lines() -> None:
    lines = Lines()
    part = eventstream.Message({":event-type": "PayloadPart"}, b'{"a":1}\n')
    assert lines.opened(part) == b""
    assert lines.opened(part) == b'data: {"a":1}\n\ndata: {"a":1}\n\n'
    assert lines.opened(part) == b'data: {"a":1}\n\n'
    assert lines.rest() == b""
