"""Long answers of picture APIs: what their two ends tell, however they are cut; forms on their way out."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.played import CATALOG, PlayedAnswer
from headgate.core import forms
from headgate.core.answer import Answer
from headgate.core.breaks import OnBreak
from headgate.core.call import Call
from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.core.pictures import HELD, WINDOW, Pictures
from headgate.core.prepare import PASS, Prepared, prepare
from headgate.errors import HeadgateError
from headgate.money import UNITS, units
from headgate.wire import envelope
from headgate.wire.images.base import File
from headgate.wire.ir_images import ImageUsage
from picture_desk import TOKENS, fields_of

ERROR = OnBreak()


class Clock:
    def monotonic(self) -> float:
        return 1.0

    def time(self) -> float:
        return 1.0


def call(**body: Any) -> Call:
    made = Call(
        id="c",
        operation="images",
        dialect=dialect("openai_images"),
        envelope=envelope.read(json.dumps({"model": "m", "prompt": "p", **body}).encode()),
        model="m",
        stream=False,
        started=0.0,
        created=0,
    )
    made.relayed = True
    return made


def answer(asked: Call, incoming: PlayedAnswer, **info: Any) -> Answer:
    params = {"model": "openai/gpt-image-1", "api_key": "k"}
    target = Deployment("g", params, info, catalog=CATALOG, env={})
    prepared = prepare(asked, target)
    assert prepared.path is not PASS  # the row leaves `response_format` out
    return Answer(asked, target, prepared, incoming, Clock())


async def taken(asked: Call, pieces: list[bytes], **headers: str) -> tuple[Answer, bytes]:
    incoming = PlayedAnswer(200, tuple(headers.items()), list(pieces))
    found = answer(asked, incoming)
    await Pictures(None, None, {}, Clock(), None).take(found, incoming, ERROR)  # type: ignore[arg-type]
    out: list[bytes] = []
    await found.relay(out.append)
    return found, b"".join(out)


def long(before: dict[str, Any], after: dict[str, Any]) -> bytes:
    picture = {"data": [{"b64_json": "A" * (HELD + 1), "revised_prompt": 'say "usage": {"input_tokens": 9}'}]}
    return json.dumps({"created": 1, **before, **picture, **after}).encode()


@pytest.mark.parametrize("after", [True, False], ids=["at the end", "at the beginning"])
@pytest.mark.parametrize("step", [997, 64 * 1024, 1 << 30])
async def test_usage_of_a_long_answer(after: bool, step: int) -> None:
    facts = {"size": "1024x1536", "quality": "low", "usage": TOKENS}
    whole = long({}, facts) if after else long(facts, {})
    asked = call(n=2, size="auto")
    found, passed = await taken(asked, [whole[at : at + step] for at in range(0, len(whole), step)])
    assert found.body is None
    assert passed == whole
    usage = asked.usage
    assert isinstance(usage, ImageUsage)
    assert (usage.input, usage.output, usage.image_input) == (50, 1000, 40)
    assert (usage.images, usage.size, usage.quality) == (2, "1024x1536", "low")
    assert (asked.cost or 0) / UNITS == pytest.approx(10 * 5e-6 + 40 * 10e-6 + 1000 * 40e-6)


async def test_an_answer_that_says_nothing_is_what_was_asked_for() -> None:
    asked = call(n=3, size="1024x1024", quality="hd")
    await taken(asked, [long({}, {})])
    usage = asked.usage
    assert isinstance(usage, ImageUsage)
    assert (usage.images, usage.size, usage.quality, usage.tokens) == (3, "1024x1024", "hd", 0)
    assert usage.pixels == 3 * 1024 * 1024


@pytest.mark.parametrize(("info", "known"), [({"output_cost_per_image": 0.02}, 0.06), ({}, None)])
async def test_what_the_head_can_say_of_the_cost(info: dict[str, Any], known: float | None) -> None:
    asked = call(n=3)
    incoming = PlayedAnswer(200, (("content-length", str(HELD + 1)),), [b"{}"])
    params = {"model": "openai/gpt-image-1" if known is None else "openai/unheard-of", "api_key": "k"}
    target = Deployment("g", params, info, catalog=CATALOG, env={})
    found = Answer(asked, target, prepare(asked, target), incoming, Clock())
    await Pictures(None, None, {}, Clock(), None).take(found, incoming, ERROR)  # type: ignore[arg-type]
    assert asked.cost == (None if known is None else units(Decimal(str(known))))


async def test_a_length_is_believed_before_a_byte_is_read() -> None:
    found, passed = await taken(call(), [b"{}"], **{"content-length": str(HELD + 1)})
    assert (found.body, passed, found.length) == (None, b"{}", HELD + 1)


async def test_a_short_answer_is_whole() -> None:
    found, passed = await taken(call(), [b'{"data"', b":[{},{}]}"])
    assert found.body == passed == b'{"data":[{},{}]}'
    assert isinstance(found.call.usage, ImageUsage)
    assert found.call.usage.images == 2


@given(st.lists(st.binary(max_size=3 * WINDOW), max_size=6), st.binary(max_size=50))
async def test_any_bytes_pass_as_they_are(pieces: list[bytes], n: bytes) -> None:
    asked = call()
    asked.envelope["n"] = msgspec.Raw(n)
    given_pieces = [piece for piece in pieces if piece]
    _, passed = await taken(asked, given_pieces, **{"content-length": str(HELD + 1)})
    assert passed == b"".join(given_pieces)
    assert isinstance(asked.usage, ImageUsage)
    assert asked.usage.images >= 1


@given(
    st.dictionaries(
        st.sampled_from(["a", "prompt", 'q"uote', "é"]), st.text() | st.integers() | st.booleans()
    ),
    st.lists(st.binary(), max_size=3),
)
def test_forms_arrive_as_they_were(fields: dict[str, Any], files: list[bytes]) -> None:
    rows = [File(name="image[]", filename="a.png", content_type="image/png", data=data) for data in files]
    kind, body = forms.encoded({key: msgspec.Raw(msgspec.json.encode(v)) for key, v in fields.items()}, rows)
    found = fields_of(body, kind)
    sent = found.pop("image[]", [])
    assert [row[2] for row in (sent if isinstance(sent, list) else [sent])] == files
    assert found == {key: v if isinstance(v, str) else json.dumps(v) for key, v in fields.items()}


def test_what_is_prepared_for_a_form_has_no_body_until_pictures_are_here() -> None:
    asked = call(image="https://h/a.png")
    asked.operation = "image_edits"
    params = {"model": "bedrock/amazon.nova-canvas-v1:0", "api_key": "k", "aws_region_name": "us-east-1"}
    target = Deployment("g", {**params, "seed": 7}, {}, catalog=CATALOG, env={})
    first: Prepared = prepare(asked, target)
    assert (first.body, [source.value for source in first.remote]) == (b"", ["https://h/a.png"])
    first.remote[0].kind, first.remote[0].value = "data", "AAAA"
    second = prepare(asked, target, first.request)
    assert not second.remote
    assert json.loads(second.body)["imageGenerationConfig"]["seed"] == 7
    with pytest.raises(HeadgateError, match="image"):
        asked.envelope.pop("image")
        asked.request = None
        prepare(asked, target)
