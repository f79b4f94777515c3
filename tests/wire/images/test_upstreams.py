"""Requests of OpenAI's clients as each picture API gets them, and its answers as they get them."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upstreams import B64, FILE, FRAME, MODELS, PNG, body_of, read, upstream, written

from headgate import errors
from headgate.core.dialects import MODULES
from headgate.providers.rows import ROWS
from headgate.wire.dialect import Target
from headgate.wire.images.base import ratio, sides
from headgate.wire.images.openai import DIALECT as CLIENT
from headgate.wire.polling import RULES

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = sorted(name for name in MODULES if name.endswith("_images"))
UPSTREAMS = [name for name in NAMES if name != "openai_images"]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_called_what_the_table_calls_it(name: str) -> None:
    found = upstream(name)
    assert found.name == name
    assert found.polling is None or found.polling in RULES


@pytest.mark.parametrize("row", [row for row in ROWS if row.dialects], ids=lambda row: row.id)
def test_rows_name_dialects_for_operations_that_they_have(row: Any) -> None:
    assert row.dialects.keys() <= row.paths.keys()
    assert all(name in MODULES for name in row.dialects.values() if name.endswith("_images"))


@pytest.mark.parametrize("name", UPSTREAMS)
@pytest.mark.parametrize(
    "key", ["size", "quality", "style", "background", "seed", "guidance_scale", "unheard_of"]
)
def test_what_is_asked_for_is_written_or_reported(name: str, key: str) -> None:
    picture = {"image": FILE} if name == "topaz_images" else {}
    value = {"size": "1024x1792", "seed": 8817}.get(key, "banana")
    plain, asked = (written(name, {**picture, **more}) for more in ({}, {key: value}))
    assert (key in asked.dropped) != (asked.body != plain.body)


OTHER_MODELS = (
    ("google_images", "gemini-2.5-flash-image"),
    ("google_images", "imagen-3.0-capability-001"),
    ("bedrock_images", "stability.sd3-5-large-v1:0"),
    ("bedrock_images", "stability.stable-image-inpaint-v1:0"),
)


@pytest.mark.parametrize(("name", "model"), [*((name, None) for name in NAMES), *OTHER_MODELS])
@pytest.mark.parametrize("masked", [False, True])
def test_files_that_lie_elsewhere_are_named_in_forms_and_asked_for_by_others(
    name: str, model: str | None, masked: bool
) -> None:
    held = {"filename": "a.png", "content_type": None, "size": 12, "head": PNG}
    mask = {"mask": {**held, "held": "mask"}} if masked else {}
    target = Target(model=model or MODELS.get(name, "m"))
    request = CLIENT.read_request({"prompt": "p", "image": [{**held, "held": "image[0]"}], **mask})
    for source in upstream(name).remote_media(request):
        assert source.kind == "file"
        source.kind, source.value = "data", B64
    made = upstream(name).write_request(request, target)
    if "files" in made.body:
        names = [file["data"] for file in made.body["files"]]
        assert names == ["image[0]", "mask"][: len(names)] or names == [PNG] * len(names)
        for file in made.body["files"]:
            file["data"] = PNG
    plain = written(name, {"image": [FILE], **({"mask": FILE} if masked else {})}, model)
    assert (made.body, made.headers, made.dropped) == (plain.body, plain.headers, plain.dropped)


@pytest.mark.parametrize("name", UPSTREAMS)
def test_what_asks_for_nothing_is_not_reported(name: str) -> None:
    picture = {"image": FILE} if name == "topaz_images" else {}
    quiet = {
        "n": 1,
        "size": "auto",
        "quality": "auto",
        "user": "u",
        "response_format": "url",
        "stream": False,
    }
    assert written(name, {**picture, **quiet}).dropped == []


@pytest.mark.parametrize(
    "name", ["together_images", "fal_images", "bfl_images", "google_images", "stability_images"]
)
@pytest.mark.parametrize("size", ["large", "0x5", "1024x", "-1x5", "x" * 5000])
def test_a_size_that_is_none_is_refused(name: str, size: str) -> None:
    with pytest.raises(errors.BadRequestError, match="WIDTHxHEIGHT") as caught:
        written(name, {"size": size})
    assert caught.value.param == "size"


@pytest.mark.parametrize("name", UPSTREAMS)
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b"{}", b"null", b'{"data": 1}', b'{"images": {"a": 1}}']
)
def test_an_answer_without_pictures_is_an_error(name: str, body: bytes) -> None:
    with pytest.raises(errors.HeadgateError):
        read(name, body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "data images image artifacts predictions candidates content parts inlineData output result sample "
                "url finish_reasons seeds usageMetadata promptFeedback error errors base64 download_url".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@pytest.mark.parametrize("name", UPSTREAMS)
@RELAXED
@given(document=JSON)
def test_any_answer_is_read_or_refused(name: str, document: Any) -> None:
    try:
        reply = read(name, document)
    except errors.HeadgateError:
        return
    assert reply.images
    CLIENT.write_reply(reply, FRAME)


@pytest.mark.parametrize("name", UPSTREAMS)
def test_pictures_by_address_are_taken_or_named_for_fetching(name: str) -> None:
    request = CLIENT.read_request({"prompt": "p", "images": [{"image_url": "https://h/a.png"}]})
    found = upstream(name)
    assert bool(found.remote_media(request)) != found.takes_urls


@pytest.mark.parametrize("name", UPSTREAMS)
def test_no_client_speaks_it(name: str) -> None:
    with pytest.raises(errors.BadRequestError, match="no client"):
        upstream(name).read_request({})


@RELAXED
@given(st.integers(1, 99999), st.integers(1, 99999))
def test_a_size_finds_its_ratio(width: int, height: int) -> None:
    assert sides(f"{width}x{height}") == (width, height)
    found = ratio(f"{width}x{height}", ("1:1", "16:9", "9:16"))
    turned = ratio(f"{height}x{width}", ("1:1", "16:9", "9:16"))
    assert {found, turned} in ({"1:1"}, {"16:9", "9:16"})


@pytest.mark.parametrize(
    ("size", "shape"),
    [("1024x1024", "1:1"), ("1792x1024", "16:9"), ("1024x1792", "9:16"), ("1280x896", "4:3"), ("896x1280", "3:4"),
     ("16:9", "16:9")],
)  # fmt: skip
def test_documented_sizes_of_imagen(size: str, shape: str) -> None:
    assert body_of("google_images", {"size": size})["parameters"]["aspectRatio"] == shape


# --- jobs ------------------------------------------------------------------------------------------------
