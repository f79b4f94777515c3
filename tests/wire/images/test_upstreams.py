"""Requests of OpenAI's clients as each picture API gets them, and its answers as they get them."""

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded_images import answer, exchange, sent

from headgate import errors
from headgate.core.dialects import MODULES, dialect
from headgate.providers.rows import ROWS
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.images.base import Images, ratio, sides
from headgate.wire.images.openai import DIALECT as CLIENT
from headgate.wire.ir_images import ImageReply
from headgate.wire.polling import RULES

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = sorted(name for name in MODULES if name.endswith("_images"))
UPSTREAMS = [name for name in NAMES if name != "openai_images"]
FRAME = Frame(id="ours", created=7, model="ours")
PNG = b"\x89PNG\r\n\x1a\nrest"
B64 = base64.b64encode(PNG).decode()
URI = f"data:image/png;base64,{B64}"
FILE = {"filename": "a.png", "content_type": "image/png", "data": PNG}
MODELS = {"google_images": "imagen-4.0", "bedrock_images": "amazon.nova-canvas-v1:0"}


def upstream(name: str) -> Images:
    found: Any = dialect(name)
    assert isinstance(found, Images)
    return found


def written(name: str, body: dict[str, Any], model: str | None = None) -> ir.Written:
    target = Target(model=model or MODELS.get(name, "m"))
    return upstream(name).write_request(CLIENT.read_request({"prompt": "p", **body}), target)


def body_of(name: str, body: dict[str, Any], model: str | None = None) -> dict[str, Any]:
    return written(name, body, model).body


def read(name: str, document: Any, **given_: Any) -> ImageReply:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return upstream(name).read_reply(body, **given_)


def values(reply: ImageReply) -> list[str]:
    return [picture.source.value for picture in reply.images]


# --- what holds for all ----------------------------------------------------------------------------------


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


# --- relatives of OpenAI's -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given_", "body"),
    [
        (
            "together_images",
            {"n": 2, "size": "512x256", "seed": 3, "response_format": "b64_json", "steps": 4},
            {"model": "m", "prompt": "p", "n": 2, "width": 512, "height": 256, "seed": 3,
             "response_format": "base64", "steps": 4},
        ),
        (
            "nebius_images",
            {"size": "512x256", "output_format": "webp", "response_format": "b64_json"},
            {"model": "m", "prompt": "p", "width": 512, "height": 256, "response_extension": "webp",
             "response_format": "b64_json"},
        ),
        (
            "hyperbolic_images",
            {"size": "128x128", "steps": 30},
            {"model_name": "m", "prompt": "p", "width": 128, "height": 128, "steps": 30},
        ),
        (
            "xai_images",
            {"size": "1792x1024", "n": 2, "image": URI},
            {"model": "m", "prompt": "p", "aspect_ratio": "16:9", "n": 2,
             "images": [{"type": "image_url", "url": URI}]},
        ),
        (
            "openrouter_images",
            {"image": "https://h/a.png"},
            {"model": "m", "prompt": "p",
             "input_references": [{"type": "image_url", "image_url": {"url": "https://h/a.png"}}]},
        ),
    ],
)  # fmt: skip
def test_keys_of_the_relatives_documented(name: str, given_: dict[str, Any], body: dict[str, Any]) -> None:
    assert body_of(name, given_) == body


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("xai_images", "xai.images.76bc087f43"),
        ("openrouter_images", "openrouter.images.97fc21fac6"),
        ("nebius_images", "nebius.images.7ee306ceb8"),
        ("together_images", "together.images.13f7155875"),
    ],
)
def test_recorded_requests_of_the_relatives(name: str, record: str) -> None:
    """Read as a client would have said it, and written: the recorded body."""
    body = sent(exchange(record))
    asked = dict(body)
    if "input_references" in body:
        asked["images"] = asked.pop("input_references")
    if body.get("response_format") == "base64":
        asked["response_format"] = "b64_json"
    assert body_of(name, asked, body["model"]) == body


def test_sizes_and_pictures_of_further_relatives_documented() -> None:
    assert body_of("ark_images", {"image": [FILE, FILE], "watermark": False}) == {
        "model": "m", "prompt": "p", "image": [URI, URI], "watermark": False,
    }  # fmt: skip
    assert body_of("aiml_images", {"n": 2, "size": "512x256", "image": FILE}) == {
        "model": "m", "prompt": "p", "num_images": 2, "image_size": {"width": 512, "height": 256}, "image_url": URI,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["together_images", "aiml_images", "prediction_images"])
def test_one_picture_where_one_is_taken(name: str) -> None:
    with pytest.raises(errors.BadRequestError) as caught:
        written(name, {"image": [FILE, FILE]})
    assert caught.value.param == "image"


def test_recraft_edits_by_a_form() -> None:
    out = written("recraft_images", {"image": FILE, "style": "digital_illustration"})
    assert out.body["fields"] == {
        "model": "m", "prompt": "p", "style": "digital_illustration", "strength": "0.2",
    }  # fmt: skip
    assert [file["name"] for file in out.body["files"]] == ["image"]
    assert out.headers == {"content-type": "multipart/form-data"}


def test_hyperbolic_answers_documented() -> None:
    reply = read("hyperbolic_images", {"images": [{"image": "AA==", "index": 0, "random_seed": 5}]})
    assert values(reply) == ["AA=="]
    assert reply.images[0].seed == 5


def test_the_recorded_refusal_of_hyperbolic() -> None:
    record = exchange("hyperbolic.images.d35e285cee")
    error = upstream("hyperbolic_images").read_error(record["response"]["status"], {}, answer(record))
    assert isinstance(error, errors.UnprocessableEntityError)
    assert "model_name" in error.message


# --- Google ----------------------------------------------------------------------------------------------


def test_imagen_documented() -> None:
    body = {
        "n": 2,
        "seed": 3,
        "negative_prompt": "x",
        "output_format": "jpeg",
        "person_generation": "allow_adult",
    }
    assert body_of("google_images", body) == {
        "instances": [{"prompt": "p"}],
        "parameters": {
            "sampleCount": 2,
            "negativePrompt": "x",
            "seed": 3,
            "outputOptions": {"mimeType": "image/jpeg"},
            "personGeneration": "allow_adult",
        },
    }


def test_imagen_edits_documented() -> None:
    body = body_of("google_images", {"image": FILE, "mask": FILE}, "imagen-3.0-capability-001")
    raw, mask = body["instances"][0]["referenceImages"]
    assert raw == {
        "referenceType": "REFERENCE_TYPE_RAW", "referenceId": 1, "referenceImage": {"bytesBase64Encoded": B64},
    }  # fmt: skip
    assert (mask["referenceId"], mask["maskImageConfig"]["maskMode"]) == (2, "MASK_MODE_USER_PROVIDED")
    assert body["parameters"]["editMode"] == "EDIT_MODE_INPAINT_INSERTION"


def test_imagen_answers_documented() -> None:
    row = {"bytesBase64Encoded": "AA==", "mimeType": "image/png"}
    reply = read("google_images", {"predictions": [row, {"raiFilteredReason": "no"}]})
    assert reply.images[0].source == ir.Source("data", "AA==", "image/png")
    with pytest.raises(errors.ContentPolicyViolationError, match="because"):
        read("google_images", {"predictions": [{"raiFilteredReason": "because"}]})
    with pytest.raises(errors.ContentPolicyViolationError):
        read("google_images", {})


def test_gemini_draws_through_generate_content_documented() -> None:
    body = body_of("google_images", {"image": FILE, "size": "2048x1152"}, "gemini-2.5-flash-image")
    assert body == {
        "contents": [
            {
                "role": "user",
                "parts": [{"text": "p"}, {"inlineData": {"mimeType": "image/png", "data": B64}}],
            }
        ],
        "generationConfig": {
            "responseModalities": ["TEXT", "IMAGE"],
            "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
        },
    }


def test_gemini_answers_documented() -> None:
    parts = [{"text": "here"}, {"inlineData": {"mimeType": "image/png", "data": "AA=="}}]
    document = {
        "candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {
            "promptTokenCount": 9,
            "candidatesTokenCount": 1290,
            "totalTokenCount": 1299,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
        },
        "modelVersion": "gemini-2.5-flash-image",
    }
    reply = read("google_images", document)
    assert values(reply) == ["AA=="]
    assert reply.usage is not None
    assert (reply.usage.input, reply.usage.output, reply.usage.image_output) == (9, 1290, 1290)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"promptFeedback": {"blockReason": "SAFETY"}}, errors.ContentPolicyViolationError),
        ({"candidates": [{"finishReason": "IMAGE_SAFETY"}]}, errors.ContentPolicyViolationError),
        (
            {"candidates": [{"finishReason": "STOP", "content": {"parts": [{"text": "no"}]}}]},
            errors.APIResponseValidationError,
        ),
    ],
)
def test_gemini_without_a_picture_documented(document: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        read("google_images", document)


# --- Bedrock ---------------------------------------------------------------------------------------------


def test_nova_canvas_documented() -> None:
    body = {"n": 2, "size": "1024x512", "quality": "hd", "seed": 1, "negative_prompt": "x", "cfg_scale": 7}
    assert body_of("bedrock_images", body, "us.amazon.nova-canvas-v1:0") == {
        "taskType": "TEXT_IMAGE",
        "textToImageParams": {"text": "p", "negativeText": "x"},
        "imageGenerationConfig": {
            "numberOfImages": 2, "width": 1024, "height": 512, "quality": "premium", "seed": 1, "cfgScale": 7,
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given_", "task", "key"),
    [
        ({"image": FILE, "mask": FILE}, "INPAINTING", "inPaintingParams"),
        ({"image": FILE}, "IMAGE_VARIATION", "imageVariationParams"),
        ({"image": FILE, "prompt": ""}, "IMAGE_VARIATION", "imageVariationParams"),
    ],
)
def test_edits_of_titan_documented(given_: dict[str, Any], task: str, key: str) -> None:
    body = body_of("bedrock_images", given_, "amazon.titan-image-generator-v2:0")
    assert body["taskType"] == task
    assert B64 in json.dumps(body[key])


def test_stability_on_bedrock_documented() -> None:
    sdxl = body_of(
        "bedrock_images", {"negative_prompt": "x", "steps": 30}, "stability.stable-diffusion-xl-v1"
    )
    assert sdxl == {
        "text_prompts": [{"text": "p", "weight": 1}, {"text": "x", "weight": -1}],
        "steps": 30,
    }
    body = body_of(
        "bedrock_images", {"size": "1792x1024", "output_format": "png"}, "stability.sd3-5-large-v1:0"
    )
    assert body == {"prompt": "p", "output_format": "png", "aspect_ratio": "16:9"}


@pytest.mark.parametrize(
    ("document", "seeds"),
    [
        ({"images": ["AA=="]}, [None]),
        ({"images": ["AA=="], "finish_reasons": [None], "seeds": [3]}, [3]),
        ({"artifacts": [{"base64": "AA==", "finishReason": "SUCCESS", "seed": 3}], "result": "success"}, [3]),
    ],
)
def test_answers_of_bedrock_documented(document: Any, seeds: list[Any]) -> None:
    reply = read("bedrock_images", document)
    assert [picture.seed for picture in reply.images] == seeds


@pytest.mark.parametrize(
    "document",
    [
        {"finish_reasons": ["Filter reason: prompt"]},
        {"images": [""], "finish_reasons": ["Filter reason: output image"]},
        {"artifacts": [{"base64": "AA==", "finishReason": "CONTENT_FILTERED"}]},
    ],
)
def test_filtered_answers_of_bedrock_documented(document: Any) -> None:
    with pytest.raises(errors.ContentPolicyViolationError):
        read("bedrock_images", document)


# --- DashScope -------------------------------------------------------------------------------------------


def test_dashscope_documented() -> None:
    body = {"image": FILE, "size": "1024x512", "n": 2, "prompt_extend": False}
    assert body_of("dashscope_images", body, "qwen-image-edit") == {
        "model": "qwen-image-edit",
        "input": {"messages": [{"role": "user", "content": [{"image": URI}, {"text": "p"}]}]},
        "parameters": {"size": "1024*512", "n": 2, "prompt_extend": False},
    }


def test_answers_of_dashscope_documented() -> None:
    message = {"role": "assistant", "content": [{"image": "https://h/a.png"}]}
    document = {
        "output": {"choices": [{"finish_reason": "stop", "message": message}]},
        "usage": {"height": 1328, "width": 1328, "image_count": 1},
        "request_id": "x",
    }
    reply = read("dashscope_images", document)
    assert values(reply) == ["https://h/a.png"]
    assert reply.usage is not None
    assert (reply.usage.images, reply.usage.pixels) == (1, 1328 * 1328)
    with pytest.raises(errors.HeadgateError, match="slow down"):
        read("dashscope_images", {"code": "Throttling", "message": "slow down", "request_id": "x"})


# --- Stability -------------------------------------------------------------------------------------------


def test_stability_documented() -> None:
    out = written(
        "stability_images", {"size": "1792x1024", "seed": 3, "style_preset": "anime"}, "sd3.5-large"
    )
    assert out.body == {
        "fields": {
            "prompt": "p", "seed": "3", "aspect_ratio": "16:9", "style_preset": "anime", "model": "sd3.5-large",
        },
        "files": [],
    }  # fmt: skip
    assert out.headers == {"content-type": "multipart/form-data", "accept": "application/json"}


def test_edits_of_stability_documented() -> None:
    out = written("stability_images", {"image": FILE, "mask": FILE, "grow_mask": 5}, "inpaint")
    assert out.body["fields"] == {"prompt": "p", "grow_mask": "5"}
    assert [(file["name"], file["data"]) for file in out.body["files"]] == [("image", PNG), ("mask", PNG)]


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("sd3.5-medium", {"model": "sd3.5-medium", "mode": "image-to-image", "strength": "0.5"}),
        ("stable-image-ultra", {"strength": "0.5"}),
        ("inpaint", {}),
    ],
)
def test_pictures_to_begin_with_at_stability_documented(model: str, fields: dict[str, str]) -> None:
    assert written("stability_images", {"image": FILE}, model).body["fields"] == {"prompt": "p", **fields}
    chosen = written("stability_images", {"image": FILE, "strength": 0.9}, model).body["fields"]
    assert chosen["strength"] == "0.9"


def test_answers_of_stability_documented() -> None:
    assert (
        read("stability_images", {"image": "AA==", "finish_reason": "SUCCESS", "seed": 3}).images[0].seed == 3
    )
    assert values(read("stability_images", PNG, reply_type="image/png")) == [B64]
    with pytest.raises(errors.ContentPolicyViolationError):
        read("stability_images", {"image": "AA==", "finish_reason": "CONTENT_FILTERED", "seed": 0})


# --- jobs ------------------------------------------------------------------------------------------------


def test_black_forest_labs_recorded_request() -> None:
    body = sent(exchange("black-forest-labs.images.7ff6a0c0d6"))
    asked = {key: value for key, value in body.items() if key not in ("width", "height")}
    assert body_of("bfl_images", {**asked, "size": "256x256"}, "flux-dev") == body


@pytest.mark.parametrize(
    ("model", "given_", "body"),
    [
        ("flux-pro-1.1-ultra", {"size": "1792x1024"}, {"prompt": "p", "aspect_ratio": "16:9"}),
        ("flux-kontext-pro", {"image": FILE}, {"prompt": "p", "input_image": B64}),
        ("flux-pro-1.0-fill", {"image": FILE, "mask": FILE}, {"prompt": "p", "image": B64, "mask": B64}),
        ("flux-2-pro", {"image": [FILE, FILE]}, {"prompt": "p", "input_image": B64, "input_image_2": B64}),
    ],
)
def test_black_forest_labs_documented(model: str, given_: dict[str, Any], body: dict[str, Any]) -> None:
    assert body_of("bfl_images", given_, model) == body


def test_answers_of_black_forest_labs_documented() -> None:
    done = {"id": "x", "status": "Ready", "result": {"sample": "https://h/a.png", "seed": 5}}
    reply = read("bfl_images", done)
    assert (values(reply), reply.images[0].seed) == (["https://h/a.png"], 5)


@pytest.mark.parametrize("name", ["9622bb4b72", "ada83446ce", "b88f95bf0a"])
def test_fal_recorded(name: str) -> None:
    record = exchange(f"fal.images.{name}")
    asked = {key: value for key, value in sent(record).items() if key not in ("response_format", "model")}
    assert body_of("fal_images", asked) == asked
    reply = read("fal_images", answer(record))
    rows = json.loads(answer(record))["images"]
    assert values(reply) == [row["url"] for row in rows]
    assert reply.images[0].source.media_type == rows[0]["content_type"]
    assert reply.images[0].seed == json.loads(answer(record))["seed"]


@pytest.mark.parametrize(
    ("model", "given_", "body"),
    [
        ("fal-ai/flux/dev", {"size": "1024x1024", "n": 2}, {"image_size": "square_hd", "num_images": 2}),
        ("fal-ai/flux/dev", {"size": "640x480"}, {"image_size": {"width": 640, "height": 480}}),
        ("fal-ai/imagen4", {"size": "1792x1024"}, {"aspect_ratio": "16:9"}),
        ("fal-ai/flux/dev", {"image": FILE}, {"image_url": URI}),
        ("fal-ai/nano-banana/edit", {"image": FILE}, {"image_urls": [URI]}),
    ],
)
def test_fal_documented(model: str, given_: dict[str, Any], body: dict[str, Any]) -> None:
    assert body_of("fal_images", given_, model) == {"prompt": "p", **body}


@pytest.mark.parametrize(
    ("name", "kind"), [("453ce9ea69", errors.UnprocessableEntityError), ("8c4a8d53d2", errors.NotFoundError)]
)
def test_refusals_of_fal_recorded(name: str, kind: type[errors.HeadgateError]) -> None:
    record = exchange(f"fal.images.{name}")
    error = upstream("fal_images").read_error(record["response"]["status"], {}, answer(record))
    assert type(error) is kind


def test_runway_documented() -> None:
    assert body_of("runway_images", {"size": "1024x1792", "image": "https://h/a.png"}, "gen4_image") == {
        "model": "gen4_image",
        "promptText": "p",
        "ratio": "1024:1792",
        "referenceImages": [{"uri": "https://h/a.png"}],
    }
    assert body_of("runway_images", {})["ratio"] == "1920:1080"
    assert values(read("runway_images", {"status": "SUCCEEDED", "output": ["https://h/a"]})) == [
        "https://h/a"
    ]


def test_replicate_recorded() -> None:
    record = exchange("replicate.predictions.a36a4e2b81")
    out = written("prediction_images", sent(record)["input"], "stability-ai/stable-diffusion-3.5-large-turbo")
    assert out.body == sent(record)
    assert out.headers == {"prefer": "wait"}
    assert values(read("prediction_images", answer(record))) == json.loads(answer(record))["output"]


def test_replicate_by_version_recorded() -> None:
    record = exchange("replicate.predictions.efa0f6c111")
    document = json.loads(answer(record))
    asked = {"prompt": document["input"]["prompt"], "seed": document["input"]["seed"], "size": "512x512"}
    body = body_of("prediction_images", asked, f"stability-ai/sdxl:{document['version']}")
    assert body == {"version": document["version"], "input": document["input"]}
    assert values(read("prediction_images", answer(record))) == document["output"]


# --- the picture itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fireworks_images", "cloudflare_images", "pipeline_images", "topaz_images"])
@pytest.mark.parametrize(
    ("data", "said", "kind"),
    [
        (PNG, None, "image/png"),
        (PNG, "application/octet-stream", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", None, "image/webp"),
        (b"unknown", "image/avif; q=1", "image/avif"),
    ],
)
def test_an_answer_that_is_the_picture(name: str, data: bytes, said: str | None, kind: str) -> None:
    reply = read(name, data, reply_type=said)
    assert reply.images[0].source == ir.Source("data", base64.b64encode(data).decode(), kind)


def test_fireworks_documented() -> None:
    body = body_of("fireworks_images", {"size": "1024x1024", "seed": 1, "guidance_scale": 3.5})
    assert body == {"prompt": "p", "aspect_ratio": "1:1", "seed": 1, "guidance_scale": 3.5}
    body = body_of(
        "fireworks_images", {"image": FILE, "output_format": "png"}, "accounts/a/models/flux-kontext-pro"
    )
    assert body == {"prompt": "p", "output_format": "png", "input_image": URI}
    done = {"id": "x", "status": "Ready", "result": {"sample": "https://h/a.png"}}
    assert values(read("fireworks_images", done)) == ["https://h/a.png"]
    reply = read("fireworks_images", {"base64": ["AA=="], "finishReason": "SUCCESS", "seed": 3})
    assert (values(reply), reply.images[0].seed) == (["AA=="], 3)


def test_cloudflare_documented() -> None:
    body = body_of("cloudflare_images", {"size": "512x256", "image": FILE, "num_steps": 4})
    assert body == {"prompt": "p", "width": 512, "height": 256, "image_b64": B64, "num_steps": 4}
    assert values(read("cloudflare_images", {"result": {"image": "AA=="}, "success": True})) == ["AA=="]
    with pytest.raises(errors.HeadgateError, match="Authentication error"):
        read(
            "cloudflare_images",
            {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}]},
        )


def test_hugging_face_documented() -> None:
    body = body_of("pipeline_images", {"size": "512x256", "num_inference_steps": 4})
    assert body == {"inputs": "p", "parameters": {"width": 512, "height": 256, "num_inference_steps": 4}}
    assert body_of("pipeline_images", {"image": FILE}) == {"inputs": B64, "parameters": {"prompt": "p"}}


def test_topaz_documented() -> None:
    out = written("topaz_images", {"image": FILE, "prompt": "", "size": "2048x1024"}, "Standard V2")
    assert out.body["fields"] == {"model": "Standard V2", "output_width": "2048", "output_height": "1024"}
    assert out.body["files"][0]["data"] == PNG
    with pytest.raises(errors.BadRequestError) as caught:
        written("topaz_images", {})
    assert caught.value.param == "image"
