"""Google, Bedrock, DashScope and Stability, each with what it documents."""

import json
from typing import Any

import pytest
from upstreams import B64, FILE, PNG, URI, body_of, read, values, written

from headgate import errors
from headgate.wire import ir

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
