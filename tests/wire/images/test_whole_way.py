"""The whole way of a call for pictures: the client's body, the upstream's, the job's questions, the client's answer.

The upstream is a table of answers by address, in the documented shapes; `call` is what an engine does with sockets.
"""

import json
from typing import Any

import pytest

from headgate import errors
from headgate.core.dialects import dialect
from headgate.providers.address import url_of
from headgate.providers.registry import resolve
from headgate.wire.dialect import Frame, Target
from headgate.wire.images.base import Images
from headgate.wire.images.openai import DIALECT as CLIENT
from headgate.wire.ir_images import OPERATIONS, pending
from headgate.wire.polling import RULES, Ask, Failed, Job

Answers = dict[str, list[Any]]
JSON = {"content-type": "application/json"}
FRAME = Frame(id="ours", created=7, model="ours")


def call(model: str, body: dict[str, Any], answers: Answers) -> dict[str, Any]:
    row, name = resolve(model)
    request = CLIENT.read_request({"model": model, **body})
    operation = OPERATIONS[request.task]
    upstream: Any = dialect(row.dialects.get(operation, "openai_images"))
    assert isinstance(upstream, Images)
    written = upstream.write_request(request, Target(model=name))
    url = url_of(row, operation, name, row.base_url)
    raw, kind = ask(answers, url)
    if upstream.polling is not None:
        job = Job(RULES[upstream.polling], url)
        step = job.step(200, {"content-type": kind}, raw)
        while isinstance(step, Ask):
            raw, kind = ask(answers, step.url)
            step = job.step(200, {"content-type": kind}, raw)
        if isinstance(step, Failed):
            raise step.error
        raw, kind = step.body, step.content_type or ""
    reply = upstream.read_reply(raw, written.echo, kind)
    for source in pending(reply):
        source.kind, source.value = "data", "fetched"
    found: dict[str, Any] = json.loads(CLIENT.write_reply(reply, FRAME))
    return found


def ask(answers: Answers, url: str) -> tuple[bytes, str]:
    answer = answers[url].pop(0)
    return (
        (answer, "image/png")
        if isinstance(answer, bytes)
        else (json.dumps(answer).encode(), "application/json")
    )


def test_black_forest_labs() -> None:
    polled = "https://api.eu1.bfl.ai/v1/get_result?id=x"
    answers: Answers = {
        "https://api.bfl.ai/v1/flux-pro-1.1": [{"id": "x", "polling_url": polled}],
        polled: [{"status": "Pending"}, {"status": "Ready", "result": {"sample": "https://h/a.jpeg"}}],
    }
    reply = call("black_forest_labs/flux-pro-1.1", {"prompt": "p", "size": "1024x768"}, answers)
    assert reply == {"created": 7, "data": [{"url": "https://h/a.jpeg"}]}


def test_data_are_fetched_where_they_are_wanted() -> None:
    answers: Answers = {"https://fal.run/fal-ai/flux": [{"images": [{"url": "https://h/a.png"}], "seed": 1}]}
    reply = call("fal_ai/fal-ai/flux", {"prompt": "p", "response_format": "b64_json"}, answers)
    assert reply["data"] == [{"b64_json": "fetched"}]


def test_replicate() -> None:
    home, polled = (
        "https://api.replicate.com/v1/models/a/m/predictions",
        "https://api.replicate.com/v1/predictions/x",
    )
    job = {"id": "x", "status": "processing", "output": None, "urls": {"get": polled}}
    done = {**job, "status": "succeeded", "output": ["https://h/1.webp", "https://h/2.webp"]}
    reply = call("replicate/a/m", {"prompt": "p", "n": 2}, {home: [job], polled: [job, done]})
    assert [row["url"] for row in reply["data"]] == ["https://h/1.webp", "https://h/2.webp"]
    with pytest.raises(errors.InternalServerError, match="CUDA"):
        call("replicate/a/m", {"prompt": "p"}, {home: [{**job, "status": "failed", "error": "CUDA"}]})


def test_runway() -> None:
    answers: Answers = {
        "https://api.dev.runwayml.com/v1/text_to_image": [{"id": "x"}],
        "https://api.dev.runwayml.com/v1/tasks/x": [
            {"id": "x", "status": "THROTTLED"},
            {"id": "x", "status": "SUCCEEDED", "output": ["https://h/a.png"]},
        ],
    }
    assert call("runwayml/gen4_image", {"prompt": "p"}, answers)["data"] == [{"url": "https://h/a.png"}]


def test_stability_now_and_later() -> None:
    home = "https://api.stability.ai/v2beta/stable-image"
    now = {f"{home}/generate/core": [{"image": "AA==", "seed": 1, "finish_reason": "SUCCESS"}]}
    assert call("stability/core", {"prompt": "p"}, now)["data"] == [{"b64_json": "AA=="}]
    later: Answers = {
        f"{home}/upscale/creative": [{"id": "x"}],
        "https://api.stability.ai/v2beta/results/x": [
            {"result": "AA==", "seed": 1, "finish_reason": "SUCCESS"}
        ],
    }
    body = {
        "prompt": "p",
        "image": {"filename": "a", "content_type": "image/png", "data": b"\x89PNG\r\n\x1a\n"},
    }
    assert call("stability/creative", body, later)["data"] == [{"b64_json": "AA=="}]


def test_a_picture_as_the_answer() -> None:
    answers: Answers = {"https://router.huggingface.co/hf-inference/models/a/m": [b"\x89PNG\r\n\x1a\n"]}
    assert call("huggingface/a/m", {"prompt": "p"}, answers)["data"] == [{"b64_json": "iVBORw0KGgo="}]
