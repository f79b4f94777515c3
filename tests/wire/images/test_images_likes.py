"""Upstreams near OpenAI's, and those whose answer is the picture itself."""

import base64
from typing import Any

import pytest
from recorded_images import answer, sent
from upstreams import B64, FILE, PNG, URI, body_of, read, upstream, values, written

from headgate import errors
from headgate.wire import ir
from recorded import exchange

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
