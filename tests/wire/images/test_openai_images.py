"""OpenAI's images: what clients send, forms and JSON, and every shape of answer."""

import base64
import email
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded_images import answer, sent

from headgate import errors
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.images.openai import DIALECT
from headgate.wire.ir_images import OPERATIONS, ImageReply, ImageRequest, ImageUsage, Picture, pending
from recorded import exchange

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

FRAME = Frame(id="ours", created=7, model="ours")
TARGET = Target(model="m")
PNG = base64.b64decode("iVBORw0KGgo=") + b"rest"
FILE = {"filename": "a.png", "content_type": "image/png", "data": PNG}
WORDS = st.text(min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["prompt", "image", "image[]", "images", "mask", "n", "size", "quality", "seed", "user", "other"]
)


def written(body: dict[str, Any], model: str = "m") -> ir.Written:
    return DIALECT.write_request(DIALECT.read_request(body), Target(model=model))


@RELAXED
@given(
    st.fixed_dictionaries(
        {"model": st.just("m"), "prompt": WORDS},
        optional={
            "n": st.integers(1, 10),
            "size": WORDS,
            "quality": WORDS,
            "style": WORDS,
            "response_format": st.sampled_from(["url", "b64_json"]),
            "background": WORDS,
            "output_format": WORDS,
            "output_compression": st.integers(0, 100),
            "user": WORDS,
        },
    )
)
def test_a_generation_goes_back_as_it_came(body: dict[str, Any]) -> None:
    assert written(body).body == body
    assert written(body).dropped == []


@pytest.mark.parametrize(
    "name", ["openai.images.cce6e3b322", "openai.images.cf78dda23b", "openai.images.d7a9481c5a"]
)
def test_recorded_requests_go_back_as_they_came(name: str) -> None:
    body = sent(exchange(name))
    assert written(body, body["model"]).body == body


@pytest.mark.parametrize("key", ["image", "image[]"])
def test_a_form_is_read_and_written_as_a_form(key: str) -> None:
    fields = {"prompt": "a hat", "n": "2", "model": "m", "size": "1024x1024", "input_fidelity": "high"}
    request = DIALECT.read_request({**fields, key: [FILE, FILE], "mask": FILE})
    assert (request.task, request.n, request.prompt) == ("edit", 2, "a hat")
    out = DIALECT.write_request(request, TARGET)
    assert out.headers == {"content-type": "multipart/form-data"}
    assert out.body["fields"] == fields
    assert [(file["name"], file["data"]) for file in out.body["files"]] == [
        ("image[]", PNG),
        ("image[]", PNG),
        ("mask", PNG),
    ]
    assert out.body["files"][0] == {
        "name": "image[]", "filename": "image.png", "content_type": "image/png", "data": PNG,
    }  # fmt: skip


def test_files_beside_addresses_are_asked_for() -> None:
    held = {"filename": "a.png", "content_type": "image/png", "held": "image[0]", "size": 9, "head": PNG}
    request = DIALECT.read_request({"prompt": "p", "image": [held, "https://h/a.png"]})
    assert [(one.kind, one.value) for one in DIALECT.remote_media(request)] == [("file", "image[0]")]
    alone = DIALECT.read_request({"prompt": "p", "image": [held]})
    assert DIALECT.remote_media(alone) == []
    with pytest.raises(errors.BadRequestError, match="empty"):
        DIALECT.read_request({"prompt": "p", "image": [{**held, "size": 0}]})
    with pytest.raises(errors.BadRequestError, match="expected a file"):  # as JSON could say it
        DIALECT.read_request({"prompt": "p", "image": [{**held, "head": "text"}]})


def test_a_picture_alone_is_to_be_varied() -> None:
    request = DIALECT.read_request({"image": [FILE], "n": "1"})
    assert OPERATIONS[request.task] == "image_variations"
    assert DIALECT.write_request(request, TARGET).body["fields"] == {"model": "m", "n": "1"}


def test_the_recorded_form_of_a_variation() -> None:
    request = exchange("openai.images.9b1f0802be")["request"]
    head = f"content-type: {request['headers']['content-type']}\r\n\r\n".encode()
    body: dict[str, Any] = {}
    for part in email.message_from_bytes(head + base64.b64decode(request["body_base64"])).walk():
        name, filename = (part.get_param(key, header="content-disposition") for key in ("name", "filename"))
        data = part.get_payload(decode=True)
        if filename:
            body[str(name)] = {"filename": filename, "content_type": "", "data": data}
        elif name:
            assert isinstance(data, bytes)
            body[str(name)] = data.decode()
    read = DIALECT.read_request(body)
    assert (read.task, read.n, read.size) == ("vary", 2, "256x256")
    assert read.images[0].media_type == "image/png"


def test_an_edit_by_address_stays_json() -> None:
    body = sent(exchange("openai.images.37c60fd671"))
    assert DIALECT.read_request(body).task == "edit"
    assert written(body, body["model"]).body == body


def test_an_edit_by_file_id_stays_json() -> None:
    body = {"model": "m", "prompt": "p", "images": [{"file_id": "file-1"}], "mask": {"file_id": "file-2"}}
    assert written(body).body == body


def test_data_in_json_becomes_a_form() -> None:
    uri = "data:image/webp;base64," + base64.b64encode(PNG).decode()
    out = written({"prompt": "p", "images": [{"image_url": uri}]})
    assert out.body["files"][0]["content_type"] == "image/webp"
    assert out.body["files"][0]["data"] == PNG


@pytest.mark.parametrize(
    "body, param",
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": 3}, "prompt"),
        ({"prompt": "p", "n": 0}, "n"),
        ({"prompt": "p", "n": "two"}, "n"),
        ({"prompt": "p", "n": True}, "n"),
        ({"prompt": "p", "n": "9" * 5000}, "n"),
        ({"prompt": "p", "size": 3}, "size"),
        ({"prompt": "p", "seed": 1.5}, "seed"),
        ({"prompt": "p", "image": 3}, "image"),
        ({"prompt": "p", "image": [FILE, {}]}, "image[1]"),
        ({"prompt": "p", "image": [{**FILE, "data": b""}]}, "image[0]"),
        ({"prompt": "p", "mask": [FILE, FILE]}, "mask"),
        ({"prompt": "p", "images": [{"image_url": {"url": {"url": 1}}}]}, "images[0].image_url.image_url"),
    ],
)
def test_bad_input_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(errors.BadRequestError) as caught:
        written(body)
    assert caught.value.param is not None
    assert caught.value.param.startswith(param)


def test_base64_that_is_none_is_named() -> None:
    with pytest.raises(errors.BadRequestError, match="base64") as caught:
        written({"prompt": "p", "image": "%%%"})
    assert caught.value.param == "image"


@RELAXED
@given(st.dictionaries(KEYS, JSON))
def test_any_body_is_read_or_refused_by_name(body: dict[str, Any]) -> None:
    try:
        request = DIALECT.read_request(body)
    except errors.BadRequestError as error:
        assert error.param
    else:
        assert request.prompt or request.images


# --- answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, kind, count",
    [
        ("openai.images.87ab54d0e1", "data", 1),
        ("openai.images.9b1f0802be", "url", 2),
        ("openai.images.cce6e3b322", "url", 1),
        ("openai.images.d7a9481c5a", "url", 1),
        ("nebius.images.7ee306ceb8", "data", 1),
        ("together.images.13f7155875", "data", 1),
        ("xai.images.76bc087f43", "url", 1),
        ("openrouter.images.97fc21fac6", "data", 1),
    ],
)
def test_recorded_answers_are_read_and_written(name: str, kind: str, count: int) -> None:
    body = answer(exchange(name))
    came = json.loads(body)
    reply = DIALECT.read_reply(body)
    assert [picture.source.kind for picture in reply.images] == [kind] * count
    assert reply.usage is not None
    assert reply.usage.images == count
    back = json.loads(DIALECT.write_reply(reply, FRAME))
    assert back["created"] == (came.get("created") or 7)
    for row, before in zip(back["data"], came["data"], strict=True):
        assert row == {key: value for key, value in before.items() if key not in ("media_type", "mime_type")}
    assert DIALECT.glance(body).usage.images == count  # type: ignore[union-attr]


def test_tokens_in_the_names_of_chat_recorded() -> None:
    usage = DIALECT.read_reply(answer(exchange("openrouter.images.97fc21fac6"))).usage
    assert usage is not None
    assert (usage.input, usage.output, usage.total, usage.image_output) == (1125, 1120, 2245, 1120)


def test_tokens_as_documented_go_back_as_they_came() -> None:
    told = {
        "input_tokens": 50,
        "input_tokens_details": {"image_tokens": 40, "text_tokens": 10},
        "output_tokens": 60,
        "total_tokens": 110,
    }
    document = {
        "created": 1,
        "data": [{"b64_json": "AA=="}],
        "usage": told,
        "size": "1024x1536",
        "quality": "low",
    }
    reply = DIALECT.read_reply(json.dumps(document).encode())
    assert json.loads(DIALECT.write_reply(reply, FRAME)) == document
    assert reply.usage is not None
    assert (reply.usage.size, reply.usage.quality, reply.usage.pixels) == ("1024x1536", "low", 1024 * 1536)


def test_the_size_asked_for_counts_the_pixels() -> None:
    echo = written({"prompt": "p", "size": "256x512", "quality": "hd"}).echo
    usage = DIALECT.read_reply(b'{"data": [{"url": "http://a"}, {"url": "http://b"}]}', echo).usage
    assert usage == ImageUsage(images=2, pixels=2 * 256 * 512, size="256x512", quality="hd")


def test_what_an_answer_says_besides_goes_back() -> None:
    """Azure's filters, https://learn.microsoft.com/azure/ai-services/openai/reference, documented."""
    row = {"url": "https://h/a", "content_filter_results": {"hate": {"filtered": False}}}
    document = {"created": 1, "data": [row], "prompt_filter_results": [], "credits": 40}
    assert (
        json.loads(DIALECT.write_reply(DIALECT.read_reply(json.dumps(document).encode()), FRAME)) == document
    )


def test_addresses_are_to_be_fetched_where_data_are_wanted() -> None:
    echo = written({"prompt": "p", "response_format": "b64_json"}).echo
    reply = DIALECT.read_reply(b'{"data": [{"url": "http://a"}, {"b64_json": "AA=="}]}', echo)
    assert [source.value for source in pending(reply)] == ["http://a"]
    plain = DIALECT.read_reply(b'{"data": [{"url": "http://a"}]}', written({"prompt": "p"}).echo)
    assert pending(plain) == []


def test_an_address_that_holds_the_data_is_data() -> None:
    reply = DIALECT.read_reply(b'{"data": [{"url": "data:image/png;base64,AA=="}]}')
    assert reply.images[0].source == ir.Source("data", "AA==", "image/png")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"<html>", b"{}", b'{"data": []}', b'{"data": {}}', b'{"data": [1]}', b'{"data": [{}]}'],
)
def test_an_unreadable_answer_says_so(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        DIALECT.read_reply(body)
    DIALECT.glance(body)


@RELAXED
@given(st.dictionaries(st.sampled_from(["data", "images", "usage", "size", "created", "error"]), JSON))
def test_any_answer_is_read_or_refused(document: dict[str, Any]) -> None:
    body = json.dumps(document, default=lambda value: value.decode("latin-1")).encode()
    DIALECT.glance(body)
    try:
        reply = DIALECT.read_reply(body)
    except errors.HeadgateError:
        return
    DIALECT.write_reply(reply, FRAME)


def test_an_error_in_place_of_an_answer_is_raised() -> None:
    body = b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}'
    with pytest.raises(errors.HeadgateError, match="slow down"):
        DIALECT.read_reply(body)
    assert DIALECT.glance(body).error is not None


def test_the_recorded_refusal() -> None:
    record = exchange("openai.images.37c60fd671")
    error = DIALECT.read_error(record["response"]["status"], {}, answer(record))
    assert isinstance(error, errors.BadRequestError)
    assert error.param == "images[0].image_url"


@RELAXED
@given(st.lists(st.tuples(st.sampled_from(["data", "url"]), st.none() | WORDS), min_size=1, max_size=3))
def test_read_what_was_written(rows: list[tuple[Any, str | None]]) -> None:
    pictures = [
        Picture(source=ir.Source(kind, "AA==" if kind == "data" else "https://h/a"), revised_prompt=revised)
        for kind, revised in rows
    ]
    reply = ImageReply(images=pictures, created=5)
    assert DIALECT.read_reply(DIALECT.write_reply(reply, FRAME)).images == pictures


def test_no_stream_is_read_only_passed() -> None:
    with pytest.raises(errors.BadRequestError, match="stream"):
        DIALECT.stream_reader()
    assert ImageRequest(model="m").task == "generate"
