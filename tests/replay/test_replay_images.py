"""Every recorded exchange of picture APIs goes through a running gateway: the client of OpenAI's format sees the
pictures, or the error, of the recording. What is left out is listed with its reason."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

import recorded
from headgate.errors import for_status
from picture_desk import PNG, Pictures, form
from servers import KEY, RunningGateway, Upstream, running

recorded.needed()

ROWS = {
    **recorded.PROVIDERS,
    "black-forest-labs": "black_forest_labs",
    "fal": "fal_ai",
    "recraft": "recraft",
    "replicate": "replicate",
    "runway": "runwayml",
    "stability": "stability",
}
LEFT_OUT = {
    "/organization/usage/": "OpenAI's administration, no model call",
    "/get_result": "a question for a job: played after the request that began it",
    "/trainings/": "Replicate's trainings, no model call",
    "/hardware": "Replicate's management, no model call",
    "/cancel": "the end of a job that nobody waits for: tests/server/test_images.py",
    "/streams/": "a stream of text",
    "meta-llama": "text, no picture",
}
PLACES = (
    ("edit", "/v1/images/edits"),
    ("variation", "/v1/images/variations"),
    ("", "/v1/images/generations"),
)


def records() -> Iterator[dict[str, Any]]:
    for line in (recorded.ROOT / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["api"] in ("images", "predictions"):
            yield {**json.loads((recorded.ROOT / entry["file"]).read_text()), "id": entry["id"]}


RECORDS = list(records())
CHOSEN = [r for r in RECORDS if r["provider"] in ROWS and not any(m in r["request"]["url"] for m in LEFT_OUT)]
CALLS = [record for record in CHOSEN if record["request"]["method"] == "POST"]
QUESTIONS = [record for record in CHOSEN if record["request"]["method"] == "GET"]


@pytest.fixture(scope="module")
def pictures() -> Iterator[Pictures]:
    upstream = Upstream()
    yield Pictures(upstream)
    upstream.stop()


@pytest.fixture(scope="module")
def gateway(pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    rows = [
        {
            "model_name": f"{name}/*",
            "litellm_params": {"model": f"{name}/*", "api_base": pictures.base, "api_key": "sk-upstream"},
        }
        for name in ROWS.values()
    ]
    config = {
        "model_list": rows,
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"num_retries": 0, "drop_params": True, "user_url_allowed_hosts": ["127.0.0.1"]},
    }
    with running(config, tmp_path_factory.mktemp("images")) as served:
        yield served


def model_of(record: dict[str, Any]) -> str:
    body, path = record["request"].get("body"), urlsplit(record["request"]["url"]).path
    if isinstance(body, dict) and record["provider"] not in ("fal", "black-forest-labs", "replicate"):
        return str(body.get("model", "dall-e-2"))
    name = path.removeprefix("/v1/").removeprefix("models/").removesuffix("/predictions").strip("/")
    return "0" * 64 if name == "predictions" else name


def home(pictures: Pictures, record: dict[str, Any]) -> Any:
    """The recorded answer, its job on our upstream."""
    body = json.dumps(record["response"].get("body"))
    for parts in {urlsplit(record["request"]["url"]), urlsplit("https://api.replicate.com")}:
        body = body.replace(f"{parts.scheme}://{parts.netloc}", pictures.base)
    return json.loads(body)


def play(pictures: Pictures, record: dict[str, Any]) -> Any:
    """Answers whatever is asked with the recording, which comes back. A job is asked after once: it is done."""
    status, body = record["response"]["status"], home(pictures, record)
    pictures.routes.clear()
    pictures.any = (status, body)
    if record["provider"] == "replicate" and status == 201:
        pictures.play(f"GET {urlsplit(body['urls']['get']).path}", {**body, "status": "succeeded"})
    return body


def ask(gateway: RunningGateway, record: dict[str, Any], **headers: str) -> tuple[int, Any]:
    model = f"{ROWS[record['provider']]}/{model_of(record)}"
    sent = record["request"].get("body")
    fields = sent if isinstance(sent, dict) else {}
    prompt = fields.get("prompt") or (fields.get("input") or {}).get("prompt") or "a cat"
    place = next(path for word, path in PLACES if word in record["request"]["url"])
    if place.endswith("generations"):
        status, _, data = gateway.request(place, {"model": model, "prompt": prompt}, headers)
    else:
        given = {"model": model} | ({"prompt": prompt} if place.endswith("edits") else {})
        body, kind = form(given, image=PNG)
        status, _, data = gateway.request(place, body, {**kind, **headers})
    return status, json.loads(data)


def drawn(body: dict[str, Any]) -> list[str]:
    """The pictures of an answer, the simplest way."""
    rows = body.get("data") or body.get("images") or body.get("output")
    assert isinstance(rows, list)
    return [row if isinstance(row, str) else str(row.get("b64_json") or row["url"]) for row in rows]


def works(record: dict[str, Any]) -> bool:
    body = record["response"].get("body")
    return record["response"]["status"] < 300 and "polling_url" not in body


@pytest.mark.parametrize("record", [r for r in CALLS if works(r)], ids=lambda r: r["id"])
def test_the_pictures_reach_the_client(
    gateway: RunningGateway, pictures: Pictures, record: dict[str, Any]
) -> None:
    body = play(pictures, record)
    status, said = ask(gateway, record)
    assert status == 200, said
    assert drawn(said) == drawn(body)
    usage = body.get("usage") or {}
    if tokens := usage.get("total_tokens"):
        assert said["usage"]["total_tokens"] == tokens
    revised = [row.get("revised_prompt") for row in body.get("data") or ()]
    assert [row.get("revised_prompt") for row in said["data"]] == revised or not any(revised)


@pytest.mark.parametrize(
    "record", [r for r in CALLS if r["response"]["status"] >= 400], ids=lambda r: r["id"]
)
def test_errors_keep_their_class(gateway: RunningGateway, pictures: Pictures, record: dict[str, Any]) -> None:
    play(pictures, record)
    status, said = ask(gateway, record)
    assert for_status(status) is for_status(record["response"]["status"]), said
    assert said["error"]["message"]
    assert "sk-upstream" not in json.dumps(said)


@pytest.mark.parametrize(
    "record", [r for r in CALLS if "polling_url" in (r["response"].get("body") or {})], ids=lambda r: r["id"]
)
def test_what_is_pending_is_asked_for_until_the_time_is_over(
    gateway: RunningGateway, pictures: Pictures, record: dict[str, Any]
) -> None:
    body = play(pictures, record)
    asked = urlsplit(body["polling_url"])
    states = [r["response"]["body"] for r in RECORDS if "/get_result" in r["request"]["url"]]
    pictures.play(f"GET {asked.path}?{asked.query}", *states)
    status, said = ask(gateway, record, **{"x-headgate-timeout": "1"})
    assert (status, said["error"]["code"]) == (408, "deadline")
    assert f"GET {asked.path}?{asked.query}" in pictures.asked


@pytest.mark.parametrize("record", QUESTIONS, ids=lambda r: r["id"])
def test_the_state_of_a_job(gateway: RunningGateway, pictures: Pictures, record: dict[str, Any]) -> None:
    """Replicate's: what the first answer of another call would lead to."""
    body = play(pictures, record)
    pictures.any = (201, {**body, "status": "starting", "output": None})
    pictures.play(f"GET {urlsplit(body['urls']['get']).path}", body)
    begun = {**record, "request": {**record["request"], "url": "https://api.replicate.com/v1/predictions"}}
    status, said = ask(gateway, begun, **{"x-headgate-timeout": "1"})
    if body["status"] == "succeeded":
        assert (status, drawn(said)) == (200, body["output"])
    else:
        assert (status, said["error"]["code"]) == (408, "deadline")


def test_nothing_is_left_out_without_a_reason() -> None:
    played = {record["id"] for record in CHOSEN}
    left = [record for record in RECORDS if record["id"] not in played]
    assert all(any(mark in record["request"]["url"] for mark in LEFT_OUT) for record in left)
    tested = {ROWS[record["provider"]] for record in CALLS if works(record)}
    assert tested <= recorded.ELSEWHERE.keys()
