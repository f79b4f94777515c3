"""OCR in Mistral's format, as recorded."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate import errors
from headgate.core.dialects import dialect
from headgate.wire import ir
from headgate.wire.ir_operations import OcrPage, OcrReply, OcrRequest
from headgate.wire.ocr import DIALECT
from wire.operations.exchanges import FRAME, JSON, exchanges, target

RECORDED = [pytest.param(*one, id=f"mistral-{at}") for at, one in enumerate(exchanges("ocr", "mistral"))]
URL = {"type": "document_url", "document_url": "https://x/y.pdf"}


@pytest.mark.skipif(not RECORDED, reason="no recorded traffic here")
@pytest.mark.parametrize("url, asked, status, answered", RECORDED)
def test_a_recorded_exchange_goes_both_ways(
    url: str, asked: dict[str, Any], status: int, answered: bytes
) -> None:
    request = DIALECT.read_request(asked)
    assert DIALECT.write_request(request, target(asked["model"])).body == asked
    if status >= 400:
        assert DIALECT.read_error(status, {}, answered).message
        return
    document, reply = json.loads(answered), DIALECT.read_reply(answered)
    assert [page.markdown for page in reply.pages] == [page["markdown"] for page in document["pages"]]
    assert reply.usage == DIALECT.glance(answered).usage
    assert reply.usage.pages == document["usage_info"]["pages_processed"]
    assert DIALECT.glance(answered).model == document["model"]
    assert json.loads(DIALECT.write_reply(reply, FRAME)) == {**document, "object": "ocr"}


@pytest.mark.parametrize(
    "document",
    [
        URL,
        {"type": "image_url", "image_url": "data:image/png;base64,AA=="},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "high"}},
        {"type": "document_url", "document_url": "data:,x", "document_name": "n"},
        {"type": "file", "file_id": "f"},
    ],
)
@pytest.mark.parametrize("pages", [[0, 2], "0-3", None])
def test_documented_forms_of_documents_and_pages_go_back_as_they_came(document: Any, pages: Any) -> None:
    body = {"model": "m", "document": document, "include_image_base64": False, "image_limit": 2}
    if pages is not None:
        body["pages"] = pages
    written = DIALECT.write_request(DIALECT.read_request(body), target())
    assert (written.body, written.dropped) == (body, [])


def test_a_server_that_fetches_nothing_has_addresses_fetched_for_it() -> None:
    inline = dialect("inline_ocr")
    request = inline.read_request({"document": URL})
    (source,) = inline.remote_media(request)
    assert DIALECT.remote_media(request) == []
    source.kind, source.value, source.media_type = "data", "AA==", "application/pdf"
    body = inline.write_request(request, target()).body
    assert body["document"] == {"type": "document_url", "document_url": "data:application/pdf;base64,AA=="}
    assert inline.remote_media(request) == []


@pytest.mark.parametrize(
    "body, param",
    [
        ({}, "document"),
        ({"document": "https://x"}, "document"),
        ({"document": {}}, "document.type"),
        ({"document": {"type": []}}, "document.type"),
        ({"document": {"type": "document_url"}}, "document.document_url"),
        ({"document": {"type": "image_url", "image_url": {}}}, "document.image_url"),
        ({"document": {"type": "file", "file_id": 3}}, "document.file_id"),
        ({"document": URL, "pages": [-1]}, "pages"),
        ({"document": URL, "pages": [True]}, "pages"),
        ({"document": URL, "pages": 3}, "pages"),
        ({"document": URL, "include_image_base64": "no"}, "include_image_base64"),
    ],
)
def test_bad_input_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(errors.BadRequestError) as caught:
        DIALECT.read_request(body)
    assert caught.value.param == param


def test_pages_are_counted_where_the_answer_doesn_t_tell() -> None:
    pages = [{"index": 4, "markdown": "a"}, {"markdown": "b"}]
    reply = DIALECT.read_reply(json.dumps({"pages": pages}).encode())
    assert reply.usage == ir.Usage(pages=2)
    assert [page.index for page in reply.pages] == [4, 1]


@pytest.mark.parametrize(
    "document, annotated",
    [
        ({"document_annotation": "{}"}, 1),
        ({"document_annotation": None}, None),
        ({"pages": [{"markdown": "a", "images": [{"id": "i", "image_annotation": "{}"}]}]}, 1),
        ({"pages": [{"markdown": "a", "images": [{"id": "i", "image_annotation": None}]}]}, None),
        ({"pages": [{"markdown": '"image_annotation": 1', "images": []}]}, None),
    ],
)
def test_documented_annotations_are_counted_by_pages(document: dict[str, Any], annotated: int | None) -> None:
    whole = {"pages": [{"markdown": "a"}], "usage_info": {"pages_processed": 1}, **document}
    raw = json.dumps(whole).encode()
    assert DIALECT.read_reply(raw).usage == DIALECT.glance(raw).usage
    assert DIALECT.glance(raw).usage == ir.Usage(pages=1, annotated_pages=annotated)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"pages": 1}', b'{"pages": [1]}', b'{"pages": [{"index": 0}]}']
)
def test_an_unreadable_answer_says_so(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        DIALECT.read_reply(body)
    DIALECT.glance(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"detail": [{"loc": ["body"], "msg": "no such page"}]}',
        b'{"object": "error", "message": "no such page"}',
    ],
)
def test_an_error_in_place_of_an_answer_is_raised(body: bytes) -> None:
    with pytest.raises(errors.HeadgateError, match="no such page"):
        DIALECT.read_reply(body)
    assert DIALECT.glance(body).error is not None


replies = st.builds(
    OcrReply,
    pages=st.lists(
        st.builds(
            OcrPage,
            index=st.integers(0, 9),
            markdown=st.text(max_size=5),
            images=st.just([]) | st.just([{"id": "a"}]),
            dimensions=st.none() | st.just({"dpi": 1}),
        )
    ),
    model=st.just("m"),
    size=st.none() | st.integers(0, 9),
    usage=st.builds(ir.Usage, input=st.just(0), output=st.just(0), total=st.none(), pages=st.integers(0, 9)),
)
requests = st.builds(
    OcrRequest,
    model=st.just("m"),
    source=st.builds(ir.Source, kind=st.just("url"), value=st.just("https://x/y"))
    | st.builds(ir.Source, kind=st.just("data"), value=st.just("AA=="), media_type=st.just("a/b")),
    picture=st.booleans(),
    pages=st.none() | st.lists(st.integers(0, 9)) | st.just("0-3"),
    include_image_base64=st.none() | st.booleans(),
)


@given(replies, requests)
def test_what_is_written_reads_as_it_was(reply: OcrReply, request: OcrRequest) -> None:
    again = DIALECT.read_reply(DIALECT.write_reply(reply, FRAME))
    assert again.extra == {"ocr": {"object": "ocr"}}
    again.extra = None
    assert again == reply
    assert DIALECT.read_request(DIALECT.write_request(request, target()).body) == request


@given(JSON)
def test_no_json_gives_a_traceback(value: Any) -> None:
    for body in (
        {"document": value},
        {"document": URL, "pages": value},
        {"document": {**URL, "type": value}},
    ):
        with contextlib.suppress(errors.BadRequestError):
            DIALECT.read_request(body)
    page = {"index": value, "markdown": "a", "images": value, "dimensions": value}
    for document in (value, {"pages": value}, {"pages": [page]}, {"pages": [], "usage_info": value}):
        raw = json.dumps(document).encode()
        DIALECT.glance(raw)
        with contextlib.suppress(errors.HeadgateError):
            DIALECT.read_reply(raw)
