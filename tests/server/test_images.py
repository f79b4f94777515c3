"""Pictures over the gateway's paths: passed, translated, waited for and fetched, from real local upstreams."""

import base64
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from headgate.wire.multipart import Part, Writer
from picture_desk import BASE64, DRAWN, PNG, TOKENS, Pictures, fields_of, form
from servers import KEY, RunningGateway, Upstream, running

AUTH = {"authorization": f"Bearer {KEY}"}
GENERATE = "/v1/images/generations"
EDIT = "/v1/images/edits"


@pytest.fixture(name="pictures")
def fixture_pictures() -> Iterator[Pictures]:
    upstream = Upstream()
    yield Pictures(upstream)
    upstream.stop()


def row(pictures: Pictures, name: str, model: str, **info: Any) -> dict[str, Any]:
    params = {"model": model, "api_base": pictures.base, "api_key": "sk-up", "num_retries": 0}
    return {"model_name": name, "litellm_params": params, "model_info": info}


@pytest.fixture(name="gateway")
def fixture_gateway(pictures: Pictures, tmp_path: Path) -> Iterator[RunningGateway]:
    sized = {"output_cost_per_image": 0.04}
    models = [
        row(pictures, "draw", "openai/dall-e-3", **sized),
        row(pictures, "gpt-image-1", "openai/gpt-image-1"),
        row(pictures, "flux", "black_forest_labs/flux-pro-1.1", output_cost_per_image=0.05),
        row(pictures, "nova", "bedrock/amazon.nova-canvas-v1:0"),
        row(pictures, "imagen", "vertex_ai/imagen-4.0-generate-001"),
        row(pictures, "banana", "vertex_ai/gemini-2.5-flash-image"),
        row(pictures, "replica", "replicate/a/m"),
        row(pictures, "core", "stability/core"),
        row(pictures, "chat", "anthropic/claude-sonnet-4-5"),
        row(pictures, "pixels", "together_ai/flux", output_cost_per_pixel=1e-9),
    ]
    config = {"model_list": models, "general_settings": {"master_key": KEY}}
    with running(config, tmp_path) as served:
        yield served


def ask(gateway: RunningGateway, body: dict[str, Any], path: str = GENERATE, **headers: str) -> Any:
    status, lines, data = gateway.request(path, body, {**AUTH, **headers})
    return status, lines, json.loads(data)


def booked(gateway: RunningGateway) -> dict[str, Any]:
    rows = json.loads(gateway.request("/spend/logs/v2", None, AUTH, "GET")[2])["data"]
    found: dict[str, Any] = rows[0]
    return found


# --- passed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [GENERATE, "/images/generations", "/openai/deployments/draw/images/generations"]
)
def test_the_same_format_is_passed_byte_for_byte(
    gateway: RunningGateway, pictures: Pictures, path: str
) -> None:
    pictures.play("POST /images/generations", DRAWN)
    body = {"prompt": "a cat", "n": 1, "size": "1024x1024", "background": "opaque"}
    given = body if "/deployments/" in path else {**body, "model": "draw"}
    status, lines, data = gateway.request(path, given, AUTH)
    assert (status, data) == (200, json.dumps(DRAWN).encode())
    assert lines["x-litellm-response-cost"] == "0.04"
    assert pictures.sent("POST /images/generations")[1] == {**body, "model": "dall-e-3"}
    row = booked(gateway)
    assert (row["status"], float(row["spend"])) == ("success", 0.04)


def test_tokens_are_paid_for_by_the_catalog(gateway: RunningGateway, pictures: Pictures) -> None:
    pictures.play("POST /images/generations", {**DRAWN, "usage": TOKENS})
    _, lines, _ = ask(gateway, {"model": "gpt-image-1", "prompt": "a cat", "response_format": "b64_json"})
    cost = 10 * 5e-6 + 40 * 10e-6 + 1000 * 40e-6  # dollars per token of text, of pictures seen and drawn
    assert float(lines["x-litellm-response-cost"]) == pytest.approx(cost)
    assert "response_format" not in pictures.sent("POST /images/generations")[1]


def test_a_size_that_only_the_request_names_is_paid_for(gateway: RunningGateway, pictures: Pictures) -> None:
    pictures.play("POST /images/generations", {"data": [{"b64_json": BASE64}] * 2})
    body = {"model": "pixels", "prompt": "p", "size": "1000x1000", "n": 2}
    assert float(ask(gateway, body)[1]["x-litellm-response-cost"]) == pytest.approx(2e6 * 1e-9)


def test_an_error_under_a_good_status_is_an_error(gateway: RunningGateway, pictures: Pictures) -> None:
    pictures.play("POST /images/generations", {"error": {"message": "no such size", "code": "bad"}})
    status, _, said = ask(gateway, {"model": "draw", "prompt": "p"})
    assert status >= 400
    assert "no such size" in said["error"]["message"]


def long_answer(size: int) -> bytes:
    usage = json.dumps(TOKENS)
    return b'{"created":1,"data":[{"b64_json":"%b"}],"usage":%b}' % (b"A" * size, usage.encode())


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("lane", [True, False], ids=["lane", "asgi"])
def test_a_long_answer_passes_without_being_held(
    pictures: Pictures, tmp_path: Path, framing: str, lane: bool
) -> None:
    import tracemalloc

    whole = long_answer(20_000_000)
    step = 1 << 20
    pieces = [whole[at : at + step] for at in range(0, len(whole), step)]
    head = b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\n"
    if framing == "length":
        script = [head + b"content-length: %d\r\n\r\n" % len(whole), *pieces]
    else:
        chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
        script = [head + b"transfer-encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n"]
    pictures.upstream.script = lambda body: script
    config = {
        "model_list": [row(pictures, "gpt-image-1", "openai/gpt-image-1")],
        "general_settings": {"master_key": KEY},
    }
    with running(config, tmp_path, lane=lane) as gateway:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        body = json.dumps({"model": "gpt-image-1", "prompt": "p"})
        connection.request("POST", GENERATE, body, {**AUTH, "content-type": "application/json"})
        tracemalloc.start()
        try:
            answer = connection.getresponse()
            length = answer.getheader("content-length")
            got = 0
            while piece := answer.read(step):
                assert piece == whole[got : got + len(piece)]
                got += len(piece)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            connection.close()
        assert got == len(whole)
        assert length == (str(len(whole)) if framing == "length" else None)
        assert peak < 10_000_000 + step * 2  # the reader's own piece and its comparison
        cost = 10 * 5e-6 + 40 * 10e-6 + 1000 * 40e-6
        assert float(booked(gateway)["spend"]) == pytest.approx(cost)


def test_a_long_answer_that_breaks_off_is_no_whole_answer(
    gateway: RunningGateway, pictures: Pictures
) -> None:
    whole = long_answer(6_000_000)
    head = b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(whole)
    pictures.upstream.script = lambda body: [head, whole[:5_000_000]]
    with pytest.raises(http.client.IncompleteRead):
        gateway.request(GENERATE, {"model": "draw", "prompt": "p"}, AUTH)
    assert booked(gateway)["error"] == "APIConnectionError"


# --- forms -----------------------------------------------------------------------------------------------


def test_a_form_is_sent_on_as_a_form(gateway: RunningGateway, pictures: Pictures) -> None:
    pictures.play("POST /images/edits", {**DRAWN, "usage": TOKENS})
    body, kind = form(
        {"model": "gpt-image-1", "prompt": "a hat", "n": "1", "response_format": "b64_json", "new": "x"},
        image=PNG,
        mask=PNG + b"mask",
    )
    status, lines, data = gateway.request(EDIT, body, {**AUTH, **kind})
    assert (status, json.loads(data)["data"][0]["b64_json"]) == (200, BASE64)
    assert float(lines["x-litellm-response-cost"]) > 0.04
    headers, sent = pictures.sent("POST /images/edits")
    assert headers["authorization"] == "Bearer sk-up"
    assert sent == {
        "model": "gpt-image-1",
        "prompt": "a hat",
        "n": "1",
        "new": "x",
        "image": ("image.png", "image/png", PNG),
        "mask": ("mask.png", "image/png", PNG + b"mask"),
    }
    assert "0815" not in headers["content-type"]  # a boundary of our own


def test_fields_may_come_after_files_and_files_in_any_order(
    gateway: RunningGateway, pictures: Pictures
) -> None:
    pictures.play("POST /images/edits", DRAWN)
    writer, large = Writer(b"0815"), PNG * 100_000
    parts: list[tuple[str, bytes]] = [("mask", PNG), ("image[]", large), ("image[]", PNG + b"2")]
    body = b""
    for name, data in parts:
        body += writer.head(Part(name, "own.png", "image/png")) + data + writer.tail
    fields = {"model": "gpt-image-1", "prompt": "p", "drop_params": "true", "metadata": '{"tags":["a"]}'}
    body += b"".join(writer.field(name, value) for name, value in fields.items()) + writer.end()
    status, _, data = gateway.request(EDIT, body, {**AUTH, "content-type": writer.content_type})
    assert status == 200, data
    sent = pictures.sent("POST /images/edits")[1]
    assert ([file[2] for file in sent["image[]"]], sent["mask"][2]) == ([large, PNG + b"2"], PNG)
    assert {**sent, "image[]": "", "mask": ""} == {
        "model": "gpt-image-1",
        "prompt": "p",
        "image[]": "",
        "mask": "",
    }
    assert booked(gateway)["request_tags"] == ["a"]


def test_large_pictures_are_sent_again_and_to_others(pictures: Pictures, tmp_path: Path) -> None:
    broken = (500, {"error": {"message": "later"}})
    pictures.play("POST /images/edits", broken, broken, DRAWN)
    pictures.play("POST /model/amazon.nova-canvas-v1%3A0/invoke", {"images": [BASE64]})
    twice = row(pictures, "draw", "openai/gpt-image-1")
    twice["litellm_params"]["num_retries"] = 2
    config = {
        "model_list": [twice, row(pictures, "nova", "bedrock/amazon.nova-canvas-v1:0")],
        "general_settings": {"master_key": KEY},
        "router_settings": {"fallbacks": [{"draw": ["nova"]}], "retry_after": 0},
    }
    large = PNG * 100_000
    body, kind = form({"model": "draw", "prompt": "p"}, image=large)
    with running(config, tmp_path) as gateway:
        assert gateway.request(EDIT, body, {**AUTH, **kind})[0] == 200
        pictures.play("POST /images/edits", broken)
        status, _, data = gateway.request(EDIT, body, {**AUTH, **kind})
        assert status == 200, data
    forms = [fields_of(sent, head["content-type"]) for line, head, sent in pictures.upstream.requests[:-1]]
    assert [one["image"][2] == large for one in forms] == [True] * 6
    asked = pictures.sent("POST /model/amazon.nova-canvas-v1%3A0/invoke")[1]
    assert base64.b64encode(large).decode() in json.dumps(asked)


@pytest.mark.parametrize("price", ["image", "token"])
def test_who_loses_a_hedge_is_paid_for(pictures: Pictures, tmp_path: Path, price: str) -> None:
    prices = {
        "image": {"output_cost_per_image": 0.04},
        "token": {"input_cost_per_token": 0.001, "output_cost_per_token": 0.001},
    }[price]
    silent = Upstream()
    silent.script = lambda _: [b""]  # hangs
    pictures.play("POST /images/edits", {**DRAWN, "usage": TOKENS})
    rows = [row(one, "draw", "openai/unheard", **prices) for one in (Pictures(silent), pictures)]
    silent.script = lambda _: [b""]
    for order, one in enumerate(rows):
        one["litellm_params"]["order"] = order
    config = {
        "model_list": rows,
        "general_settings": {"master_key": KEY},
        "router_settings": {"hedge_after": 0.05},
    }
    large = PNG * 100_000
    body, kind = form({"model": "draw", "prompt": "a hat"}, image=large)
    try:
        with running(config, tmp_path) as gateway:
            assert gateway.request(EDIT, body, {**AUTH, **kind})[0] == 200
            spent = float(booked(gateway)["spend"])
        kept = [fields_of(sent, head["content-type"]) for _, head, sent in (silent.requests[0],)]
        assert kept[0]["image"][2] == pictures.sent("POST /images/edits")[1]["image"][2] == large
        if price == "image":
            assert spent == pytest.approx(2 * 0.04)
        else:  # the text of what was asked, beside the answer's own count
            assert 1.05 < spent < 1.1
    finally:
        silent.stop()


def test_a_form_is_not_copied_to_a_silent_model(pictures: Pictures, tmp_path: Path) -> None:
    loud = row(pictures, "draw", "openai/gpt-image-1")
    loud["litellm_params"]["silent_model"] = "quiet"
    silent = Upstream()
    quiet = Pictures(silent)
    quiet.any = DRAWN
    told = threading.Event()

    def answer(body: bytes) -> list[bytes]:
        told.set()
        return quiet._answer(body)

    silent.script = answer
    config = {
        "model_list": [loud, row(quiet, "quiet", "openai/gpt-image-1")],
        "general_settings": {"master_key": KEY},
    }
    pictures.play("POST /images/edits", DRAWN)
    body, kind = form({"model": "draw", "prompt": "p"}, image=PNG)
    try:
        with running(config, tmp_path) as gateway:
            assert gateway.request(EDIT, body, {**AUTH, **kind})[0] == 200
            asked = {"model": "draw", "prompt": "p", "images": [{"image_url": "https://h/a.png"}]}
            assert gateway.request(EDIT, asked, AUTH)[0] == 200
            assert told.wait(10)
        assert [json.loads(sent)["prompt"] for _, _, sent in silent.requests] == ["p"]
    finally:
        silent.stop()


def test_addresses_beside_files_travel_as_json(gateway: RunningGateway, pictures: Pictures) -> None:
    pictures.play("POST /images/edits", DRAWN)
    body, kind = form({"model": "gpt-image-1", "prompt": "p", "image[]": "https://h/a.png"}, image=PNG)
    status, _, data = gateway.request(EDIT, body, {**AUTH, **kind})
    assert status == 200, data
    addresses = [one["image_url"] for one in pictures.sent("POST /images/edits")[1]["images"]]
    assert addresses == [f"data:image/png;base64,{BASE64}", "https://h/a.png"]


def test_variations(gateway: RunningGateway, pictures: Pictures) -> None:
    pictures.play("POST /images/variations", DRAWN)
    body, kind = form({"model": "draw", "size": "256x256"}, image=PNG)
    status, _, data = gateway.request("/images/variations", body, {**AUTH, **kind})
    assert status == 200, data
    assert pictures.sent("POST /images/variations")[1]["size"] == "256x256"


@pytest.mark.parametrize("lane", [True, False], ids=["lane", "asgi"])
def test_a_key_for_model_calls_draws_through_both_doors(
    pictures: Pictures, tmp_path: Path, lane: bool
) -> None:
    pictures.play("POST /images/edits", DRAWN)
    config = {
        "model_list": [row(pictures, "draw", "openai/gpt-image-1")],
        "general_settings": {"master_key": KEY},
    }
    with running(config, tmp_path, lane=lane) as gateway:
        made = gateway.request("/key/generate", {"allowed_routes": ["llm_api_routes"]}, AUTH)[2]
        key = {"authorization": f"Bearer {json.loads(made)['key']}"}
        body, kind = form({"model": "draw", "prompt": "p"}, image=PNG * 50_000)
        status, _, data = gateway.request("/images/edits", body, {**key, **kind})
        assert status == 200, data
    assert pictures.sent("POST /images/edits")[1]["image"][2] == PNG * 50_000


def test_edits_by_address_are_passed(gateway: RunningGateway, pictures: Pictures) -> None:
    pictures.play("POST /images/edits", DRAWN)
    body = {"model": "gpt-image-1", "prompt": "p", "images": [{"image_url": "https://h/a.png"}]}
    assert ask(gateway, body, EDIT)[0] == 200
    assert pictures.sent("POST /images/edits")[1] == body


FAULTS = [
    ({"model": "draw", "prompt": "p"}, {}, "image"),
    ({"prompt": "p"}, {"image": PNG}, "model"),
    ({"model": "draw", "prompt": "p", "n": "none"}, {"image": PNG}, "n"),
    ({"model": "draw", "prompt": "p"}, {"image": b""}, "image[0]"),
    ({"model": "draw", "prompt": "p"}, {"picture": PNG}, "picture"),
    ({"model": "nova", "prompt": "p", "size": "big"}, {"image": PNG}, "size"),
]


@pytest.mark.parametrize(("fields", "files", "param"), FAULTS, ids=[case[2] for case in FAULTS])
def test_what_is_wrong_with_a_form_is_named(
    gateway: RunningGateway,
    pictures: Pictures,
    fields: dict[str, str],
    files: dict[str, bytes],
    param: str,
) -> None:
    body, kind = form(fields, **files)
    status, _, data = gateway.request(EDIT, body, {**AUTH, **kind})
    assert status == 400, data
    assert json.loads(data)["error"]["param"] == param
    assert pictures.upstream.requests == []


@pytest.mark.parametrize("cut", [5, 40, 200])
def test_a_cut_form_is_refused(gateway: RunningGateway, cut: int) -> None:
    body, kind = form({"model": "draw", "prompt": "p"}, image=PNG)
    status, _, data = gateway.request(EDIT, body[:-cut], {**AUTH, **kind})
    assert status == 400
    assert json.loads(data)["error"]["param"] == "request_body"


# --- streams ---------------------------------------------------------------------------------------------


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


PARTIAL = event("image_generation.partial_image", b64_json="A" * 30_000, partial_image_index=0)
COMPLETED = event("image_generation.completed", b64_json=BASE64 * 3000, size="1024x1024", usage=TOKENS)


def stream(pictures: Pictures, *events: bytes, step: int = 1 << 30) -> bytes:
    whole = b"".join(events)
    head = b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n\r\n"
    pieces = [head, *(whole[at : at + step] for at in range(0, len(whole), step))]
    pictures.upstream.script = lambda body: pieces
    return whole


@pytest.mark.parametrize("step", [500, 7_001, 1 << 30])
@pytest.mark.parametrize("as_form", [False, True])
def test_a_stream_of_partial_pictures_passes(
    gateway: RunningGateway, pictures: Pictures, step: int, as_form: bool
) -> None:
    whole = stream(pictures, PARTIAL, COMPLETED, step=step)
    asked = {"model": "gpt-image-1", "prompt": "p", "stream": True, "partial_images": 1}
    if as_form:
        body, kind = form({key: json.dumps(v).strip('"') for key, v in asked.items()}, image=PNG)
        status, lines, data = gateway.request(EDIT, body, {**AUTH, **kind})
    else:
        status, lines, data = gateway.request(GENERATE, asked, AUTH)
    assert (status, lines["content-type"]) == (200, "text/event-stream")
    assert data == whole
    assert float(booked(gateway)["spend"]) == pytest.approx(10 * 5e-6 + 40 * 10e-6 + 1000 * 40e-6)


def test_a_stream_that_breaks_off_says_so(gateway: RunningGateway, pictures: Pictures) -> None:
    stream(pictures, PARTIAL)
    _, _, data = gateway.request(GENERATE, {"model": "gpt-image-1", "prompt": "p", "stream": True}, AUTH)
    *_, last = data.decode().strip().split("\n\n")
    assert last.startswith("event: error\n")
    assert json.loads(last.partition("data: ")[2])["error"]["message"]
    assert booked(gateway)["error"] == "APIConnectionError"


def test_an_error_before_any_picture_is_an_error(gateway: RunningGateway, pictures: Pictures) -> None:
    stream(pictures, event("error", error={"message": "no such thing", "code": "moderation_blocked"}))
    status, _, said = ask(gateway, {"model": "gpt-image-1", "prompt": "p", "stream": True})
    assert status >= 400
    assert "no such thing" in said["error"]["message"]


@pytest.mark.parametrize("model", ["draw", "nova"])
def test_who_has_no_stream_answers_with_one_event(
    gateway: RunningGateway, pictures: Pictures, model: str
) -> None:
    pictures.play("POST /images/generations", DRAWN)
    pictures.play("POST /model/amazon.nova-canvas-v1%3A0/invoke", {"images": [BASE64]})
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key=KEY, max_retries=0)
    events = list(client.images.generate(model=model, prompt="p", stream=True))
    assert [(one.type, one.b64_json) for one in events] == [("image_generation.completed", BASE64)]


# --- translated ------------------------------------------------------------------------------------------


def test_bedrock(gateway: RunningGateway, pictures: Pictures) -> None:
    pictures.play("POST /model/amazon.nova-canvas-v1%3A0/invoke", {"images": [BASE64]})
    status, _, said = ask(gateway, {"model": "nova", "prompt": "a cat", "n": 1, "size": "512x512"})
    assert (status, said["data"]) == (200, [{"b64_json": BASE64}])
    sent = pictures.sent("POST /model/amazon.nova-canvas-v1%3A0/invoke")[1]
    assert sent["textToImageParams"] == {"text": "a cat"}


def test_imagen_and_gemini_on_vertex(gateway: RunningGateway, pictures: Pictures) -> None:
    place = "POST /publishers/google/models"
    pictures.play(
        f"{place}/imagen-4.0-generate-001:predict", {"predictions": [{"bytesBase64Encoded": BASE64}]}
    )
    part = {"inlineData": {"mimeType": "image/png", "data": BASE64}}
    pictures.play(
        f"{place}/gemini-2.5-flash-image:generateContent", {"candidates": [{"content": {"parts": [part]}}]}
    )
    for model in ("imagen", "banana"):
        status, _, said = ask(gateway, {"model": model, "prompt": "a cat"})
        assert (status, said.get("data")) == (200, [{"b64_json": BASE64}]), said
    sent = pictures.sent(f"{place}/imagen-4.0-generate-001:predict")[1]
    assert sent["instances"] == [{"prompt": "a cat"}]


def test_refused_content_is_a_refusal(gateway: RunningGateway, pictures: Pictures) -> None:
    answer = {"predictions": [{"raiFilteredReason": "violence"}]}
    pictures.play("POST /publishers/google/models/imagen-4.0-generate-001:predict", answer)
    status, _, said = ask(gateway, {"model": "imagen", "prompt": "p"})
    assert status == 400
    assert "violence" in said["error"]["message"]
    assert booked(gateway)["status"] == "failure"


def test_a_provider_without_pictures_says_so(gateway: RunningGateway, pictures: Pictures) -> None:
    status, _, said = ask(gateway, {"model": "chat", "prompt": "p"})
    assert status == 404
    assert "images" in said["error"]["message"]
    assert pictures.upstream.requests == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/a.png", "http://169.254.169.254/latest"])
def test_private_addresses_are_not_fetched_for_a_caller(
    gateway: RunningGateway, pictures: Pictures, address: str
) -> None:
    body = {"model": "core", "prompt": "p", "image": address}
    status, _, said = ask(gateway, body, EDIT)
    assert status == 400
    assert "private network" in said["error"]["message"]
    assert pictures.upstream.requests == []


# --- waited for ------------------------------------------------------------------------------------------


def flux(pictures: Pictures, *states: Any) -> None:
    pictures.play("POST /v1/flux-pro-1.1", {"id": "x", "polling_url": f"{pictures.base}/v1/get_result?id=x"})
    pictures.play("GET /v1/get_result?id=x", *states)


def test_a_job_is_waited_for(gateway: RunningGateway, pictures: Pictures) -> None:
    ready = {"id": "x", "status": "Ready", "result": {"sample": "https://h/a.jpeg"}}
    flux(pictures, {"id": "x", "status": "Pending"}, (503, {"detail": "busy"}), ready)
    status, lines, said = ask(gateway, {"model": "flux", "prompt": "p"})
    assert (status, said["data"]) == (200, [{"url": "https://h/a.jpeg"}])
    assert lines["x-litellm-response-cost"] == "0.05"
    assert pictures.asked == ["POST /v1/flux-pro-1.1", *["GET /v1/get_result?id=x"] * 3]
    headers = pictures.upstream.requests[-1][1]
    assert headers["x-key"] == "sk-up"
    assert "content-type" not in headers


def test_a_job_that_was_refused_is_not_begun_again(gateway: RunningGateway, pictures: Pictures) -> None:
    flux(pictures, {"id": "x", "status": "Content Moderated"})
    status, _, said = ask(gateway, {"model": "flux", "prompt": "p"})
    assert status == 400
    assert "Content Moderated" in said["error"]["message"]
    assert len(pictures.asked) == 2


def test_a_job_that_never_ends_is_given_up_and_cancelled(gateway: RunningGateway, pictures: Pictures) -> None:
    at = "/predictions/x"
    urls = {"get": pictures.base + at, "cancel": f"{pictures.base}{at}/cancel"}
    job = {"id": "x", "status": "processing", "output": None, "urls": urls}
    pictures.play("POST /models/a/m/predictions", job)
    pictures.play(f"GET {at}", job)
    cancelled = threading.Event()

    def told(body: bytes) -> list[bytes]:
        if pictures.asked[-1] == f"POST {at}/cancel":
            cancelled.set()
        return pictures._answer(body)

    pictures.upstream.script = told
    status, _, said = ask(gateway, {"model": "replica", "prompt": "p"}, **{"x-headgate-timeout": "2"})
    assert (status, said["error"]["code"]) == (408, "deadline")
    assert cancelled.wait(10)
    assert pictures.asked.count("POST /models/a/m/predictions") == 1


def test_a_job_is_cancelled_when_the_client_goes(gateway: RunningGateway, pictures: Pictures) -> None:
    at = "/predictions/x"
    urls = {"get": pictures.base + at, "cancel": f"{pictures.base}{at}/cancel"}
    job = {"id": "x", "status": "processing", "output": None, "urls": urls}
    pictures.play("POST /models/a/m/predictions", job)
    pictures.play(f"GET {at}", job)
    polled, cancelled = threading.Event(), threading.Event()

    def told(body: bytes) -> list[bytes]:
        polled.set() if pictures.asked[-1] == f"GET {at}" else None
        cancelled.set() if pictures.asked[-1] == f"POST {at}/cancel" else None
        return pictures._answer(body)

    pictures.upstream.script = told
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    body = json.dumps({"model": "replica", "prompt": "p"})
    connection.request("POST", GENERATE, body, {**AUTH, "content-type": "application/json"})
    assert polled.wait(10)
    connection.close()
    assert cancelled.wait(10)


def test_the_credential_goes_nowhere_else(gateway: RunningGateway, pictures: Pictures) -> None:
    pictures.play("POST /v1/flux-pro-1.1", {"id": "x", "polling_url": "http://127.0.0.2:9/steal"})
    status, _, said = ask(gateway, {"model": "flux", "prompt": "p"})
    assert status >= 500
    assert "credential must not go" in said["error"]["message"]


def test_pictures_at_private_addresses_are_not_fetched_for_an_upstream(
    gateway: RunningGateway, pictures: Pictures
) -> None:
    flux(pictures, {"id": "x", "status": "Ready", "result": {"sample": f"{pictures.base}/secret"}})
    status, _, said = ask(gateway, {"model": "flux", "prompt": "p", "response_format": "b64_json"})
    assert status >= 400
    assert "private network" in said["error"]["message"]
    assert "GET /secret" not in pictures.asked
    assert float(booked(gateway)["spend"]) == 0.05  # it was drawn


def test_pictures_are_fetched_where_data_are_wanted(pictures: Pictures, tmp_path: Path) -> None:
    flux(pictures, {"id": "x", "status": "Ready", "result": {"sample": f"{pictures.base}/a.png"}})
    pictures.play("GET /a.png", PNG)
    config = {
        "model_list": [row(pictures, "flux", "black_forest_labs/flux-pro-1.1")],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"user_url_allowed_hosts": ["127.0.0.1"]},
    }
    with running(config, tmp_path) as gateway:
        status, _, said = ask(gateway, {"model": "flux", "prompt": "p", "response_format": "b64_json"})
        assert (status, said["data"]) == (200, [{"b64_json": BASE64}]), said
    headers = pictures.upstream.requests[-1][1]
    assert "x-key" not in headers


def test_a_health_check_of_a_model_that_draws_draws(gateway: RunningGateway, pictures: Pictures) -> None:
    pictures.play("POST /images/generations", DRAWN)
    status, _, data = gateway.request("/health?model=gpt-image-1", None, AUTH, "GET")
    assert status == 200, data
    assert "POST /images/generations" in pictures.asked


# --- budgets and clients ---------------------------------------------------------------------------------


def new_key(gateway: RunningGateway, budget: float) -> dict[str, str]:
    given = {"max_budget": budget}
    status, _, data = gateway.request("/key/generate", given, AUTH)
    assert status == 200, data
    return {"authorization": f"Bearer {json.loads(data)['key']}"}


def test_a_strict_budget_holds_for_all_pictures_asked_for(
    gateway: RunningGateway, pictures: Pictures
) -> None:
    pictures.play("POST /images/generations", DRAWN)
    key = new_key(gateway, 0.1)
    body = {"model": "draw", "prompt": "p"}
    assert gateway.request(GENERATE, {**body, "n": 3}, key)[0] == 422  # up to 0.12
    assert pictures.upstream.requests == []
    assert gateway.request(GENERATE, {**body, "n": 2}, key)[0] == 200


def test_a_strict_budget_looks_at_sizes(gateway: RunningGateway, pictures: Pictures) -> None:
    pictures.play("POST /images/generations", DRAWN)
    key = new_key(gateway, 0.002)
    body = {"model": "pixels", "prompt": "p"}
    assert gateway.request(GENERATE, {**body, "size": "2000x2000"}, key)[0] == 422
    assert gateway.request(GENERATE, {**body, "size": "1000x1000"}, key)[0] == 200


def test_a_strict_budget_looks_at_qualities_of_pictures_paid_by_token(
    gateway: RunningGateway, pictures: Pictures
) -> None:
    pictures.play("POST /images/edits", {**DRAWN, "usage": TOKENS})
    key = new_key(gateway, 0.2)
    fields = {"model": "gpt-image-1", "prompt": "p"}
    dear, kind = form({**fields, "quality": "high"}, image=PNG)
    assert gateway.request(EDIT, dear, {**key, **kind})[0] == 422
    cheap, _ = form({**fields, "quality": "low"}, image=PNG * 100_000)
    assert gateway.request(EDIT, cheap, {**key, **kind})[0] == 200


def test_the_official_client_generates_and_edits(gateway: RunningGateway, pictures: Pictures) -> None:
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key=KEY, max_retries=0)
    pictures.play("POST /images/generations", DRAWN)
    made = client.images.generate(model="draw", prompt="a cat")
    assert made.data is not None
    assert (made.data[0].b64_json, made.data[0].revised_prompt) == (BASE64, "a cat")
    pictures.play("POST /images/edits", {**DRAWN, "usage": TOKENS})
    edited = client.images.edit(
        model="gpt-image-1", image=[("a.png", PNG), ("b.png", PNG)], prompt="both", n=1, size="1024x1024"
    )
    assert edited.usage is not None
    assert edited.usage.output_tokens == 1000
    sent = pictures.sent("POST /images/edits")[1]
    assert [len(base64.b64encode(file[2])) for file in sent["image[]"]] == [len(BASE64)] * 2
    with pytest.raises(openai.BadRequestError, match="size: expected WIDTHxHEIGHT"):
        client.images.edit(model="nova", image=PNG, prompt="p", size="big")  # type: ignore[call-overload]
