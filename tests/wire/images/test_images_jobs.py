"""Upstreams that answer later, as recorded and documented."""

import json
from typing import Any

import pytest
from recorded_images import answer, sent
from upstreams import B64, FILE, URI, body_of, read, upstream, values, written

from headgate import errors
from recorded import exchange


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
