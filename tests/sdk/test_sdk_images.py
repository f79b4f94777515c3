"""The SDK's functions for pictures: every way to hand one in, what is sent, what comes back, for how much."""

import asyncio
import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import headgate
from picture_desk import BASE64, DRAWN, PNG, TOKENS, Pictures
from servers import Upstream


@pytest.fixture(name="pictures")
def fixture_pictures() -> Iterator[Pictures]:
    upstream = Upstream()
    yield Pictures(upstream)
    upstream.stop()


def test_pictures_of_a_text(pictures: Pictures) -> None:
    pictures.play("POST /images/generations", {**DRAWN, "usage": TOKENS, "quality": "low"})
    made = headgate.image_generation(
        "a cat", "openai/gpt-image-1", 1, size="1024x1024", api_base=pictures.base, api_key="k"
    )
    assert isinstance(made, headgate.ImageResponse)
    assert (made.data[0].b64_json, made.data[0].url, made.data[0].revised_prompt) == (BASE64, None, "a cat")
    assert (made.usage.output_tokens, made.usage.input_tokens_details.image_tokens) == (1000, 40)
    assert (made.created, made.quality, made.background) == (5, "low", None)
    assert made._hidden_params["response_cost"] == pytest.approx(10 * 5e-6 + 40 * 10e-6 + 1000 * 40e-6)
    assert pictures.sent("POST /images/generations")[1] == {
        "model": "gpt-image-1",
        "prompt": "a cat",
        "n": 1,
        "size": "1024x1024",
    }


def test_the_usual_model_and_prices_of_ones_own(pictures: Pictures) -> None:
    pictures.play("POST /images/generations", DRAWN)
    made = asyncio.run(
        headgate.aimage_generation("p", api_base=pictures.base, api_key="k", output_cost_per_image=0.02)
    )
    assert made._hidden_params["response_cost"] == 0.02
    assert pictures.sent("POST /images/generations")[1]["model"] == "dall-e-2"


class Named(io.BytesIO):
    name = "/somewhere/cat.png"


WAYS: dict[str, Callable[[Path], Any]] = {
    "path": lambda path: path,
    "text": str,
    "bytes": lambda path: path.read_bytes(),
    "file": lambda path: Named(path.read_bytes()),
    "named": lambda path: ("cat.png", path.read_bytes()),
    "typed": lambda path: ("cat.png", io.BytesIO(path.read_bytes()), "image/png"),
    "data": lambda path: "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode(),
    "list": lambda path: [path],
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_hand_a_picture_in(pictures: Pictures, tmp_path: Path, way: str) -> None:
    file = tmp_path / "cat.png"
    file.write_bytes(PNG)
    pictures.play("POST /images/edits", DRAWN)
    made = headgate.image_edit(
        WAYS[way](file), "a hat", "openai/gpt-image-1", mask=PNG, api_base=pictures.base, api_key="k"
    )
    assert made.data[0].b64_json == BASE64
    sent = pictures.sent("POST /images/edits")[1]
    assert (sent["image"][1:], sent["mask"][1:]) == (("image/png", PNG), ("image/png", PNG))
    assert (sent["prompt"], sent["model"]) == ("a hat", "gpt-image-1")


def test_several_pictures_and_addresses(pictures: Pictures) -> None:
    pictures.play("POST /images/edits", DRAWN)
    asked: dict[str, Any] = {
        "model": "openai/gpt-image-1",
        "prompt": "p",
        "api_base": pictures.base,
        "api_key": "k",
    }
    headgate.image_edit([PNG, PNG], **asked)
    assert [file[2] for file in pictures.sent("POST /images/edits")[1]["image[]"]] == [PNG, PNG]
    headgate.image_edit("https://h/a.png", **asked)
    assert pictures.sent("POST /images/edits")[1]["images"] == [{"image_url": "https://h/a.png"}]


def test_variations(pictures: Pictures) -> None:
    pictures.play("POST /images/variations", DRAWN)
    made = headgate.image_variation(PNG, size="256x256", api_base=pictures.base, api_key="k")
    assert made.data[0].b64_json == BASE64
    sent = pictures.sent("POST /images/variations")[1]
    assert (sent["model"], sent["n"], sent["size"]) == ("dall-e-2", "1", "256x256")


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("nowhere.png", "No such file"),
        (io.StringIO("x"), "open it with 'rb'"),
        (7, "got int"),
        (None, "'image' is missing"),
        (b"", "the file is empty"),
        ([PNG, 7], r"image\[1\]"),
    ],
)
def test_what_is_no_picture_is_named(pictures: Pictures, image: Any, words: str) -> None:
    with pytest.raises(headgate.BadRequestError, match=words):
        headgate.image_edit(image, "p", "openai/gpt-image-1", api_base=pictures.base, api_key="k")
    assert pictures.upstream.requests == []


def test_a_long_answer_is_whole(pictures: Pictures) -> None:
    pictures.play("POST /images/generations", {"data": [{"b64_json": "A" * 6_000_000}]})
    made = headgate.image_generation("p", "openai/dall-e-3", api_base=pictures.base, api_key="k")
    assert len(made.data[0].b64_json) == 6_000_000


def test_a_stream_is_its_events(pictures: Pictures) -> None:
    pictures.play("POST /images/generations", {**DRAWN, "usage": TOKENS})
    events = list(
        headgate.image_generation("p", "openai/gpt-image-1", stream=True, api_base=pictures.base, api_key="k")
    )
    assert [(one.type, one.b64_json) for one in events] == [("image_generation.completed", BASE64)]
    assert events[0].usage.output_tokens == 1000


def test_a_job_has_the_calls_time(pictures: Pictures) -> None:
    pictures.play("POST /v1/flux", {"id": "x"})
    pictures.play("GET /v1/get_result?id=x", {"id": "x", "status": "Pending"})
    with pytest.raises(headgate.Timeout, match="still running"):
        headgate.image_generation(
            "p", "black_forest_labs/flux", api_base=pictures.base, api_key="k", timeout=1
        )
    assert pictures.asked.count("POST /v1/flux") == 1


def test_a_router_draws(pictures: Pictures) -> None:
    pictures.play("POST /images/generations", DRAWN)
    pictures.play("POST /images/edits", DRAWN)
    pictures.play("POST /images/variations", DRAWN)
    params = {"model": "openai/gpt-image-1", "api_base": pictures.base, "api_key": "k"}
    router = headgate.Router([{"model_name": "draw", "litellm_params": params}])
    for made in (
        router.image_generation("p", model="draw"),
        router.image_edit(image=PNG, prompt="p", model="draw"),
        router.image_variation(PNG, model="draw"),
        asyncio.run(router.aimage_generation(prompt="p", model="draw")),
    ):
        assert made.data[0].b64_json == BASE64
        assert made._hidden_params["model_group"] == "draw"


def test_the_built_in_provider_draws() -> None:
    made = headgate.image_generation("p", "mock/echo", 2)
    assert [base64.b64decode(one.b64_json)[:8] for one in made.data] == [b"\x89PNG\r\n\x1a\n"] * 2


@pytest.mark.parametrize(
    "told", ["https://h/a.png", [{"url": "https://h/a.png"}], {"data": [{"url": "https://h/a.png"}]}]
)
def test_an_answer_that_is_given(told: Any) -> None:
    made = headgate.image_generation("p", "openai/gpt-image-1", mock_response=told)
    assert made.data[0].url == "https://h/a.png"
