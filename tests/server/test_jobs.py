"""Files, batches and fine-tuning jobs: who gets them, whose they are, and what batches cost in the end."""

import asyncio
import json
import socket
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest

import recorded
from headgate.errors import ServiceUnavailableError
from headgate.money import dollars, units
from headgate.server import batches, lane
from headgate.store import jobs, leases
from keepers import Asked, Keeper, client, fixture_closed, jsonl, keeping, key, line, rows, spent, until
from servers import KEY, RunningGateway, running

closed = fixture_closed
MB = 1024 * 1024
IN, OUT = "0.000002", "0.000008"
"""Dollars per token of the model m at its plain price; a batch is half of it."""
FILE = {
    "object": "file",
    "id": "file-in1",
    "purpose": "batch",
    "filename": "in.jsonl",
    "bytes": 3,
    "created_at": 1,
}


def batch(name: str = "batch_1", **fields: Any) -> dict[str, Any]:
    made = json.loads((recorded.needed() / "dev/openai/openai.batches.262496cd19.json").read_text())
    return {**made["response"]["body"], "id": name, "input_file_id": "file-in1", **fields}


def output(number: int, model: str, prompt: int, completion: int) -> dict[str, Any]:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    body = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
        ],
        "usage": usage,
    }
    response = {"status_code": 200, "request_id": "req_1", "body": body}
    return {"id": f"batch_req_{number}", "custom_id": f"r{number}", "response": response, "error": None}


@pytest.fixture(name="keeper")
def fixture_keeper() -> Iterator[Keeper]:
    with keeping() as keeper:
        keeper.answers = {
            "POST /v1/files": FILE,
            "GET /v1/files/file-in1": FILE,
            "GET /v1/files/file-in1/content": jsonl([line(1), line(2)]),
            "DELETE /v1/files/file-in1": {"id": "file-in1", "object": "file", "deleted": True},
            "POST /v1/batches": batch(),
            "GET /v1/batches/batch_1": batch(),
        }
        yield keeper


@pytest.fixture(name="gateway")
def fixture_gateway(keeper: Keeper, tmp_path: Path) -> Iterator[RunningGateway]:
    with running(config(keeper), tmp_path) as served:
        yield served


def config(keeper: Keeper, **more: Any) -> dict[str, Any]:
    prices = {
        "input_cost_per_token": float(IN),
        "output_cost_per_token": float(OUT),
        "input_cost_per_token_batches": float(IN) / 2,
        "output_cost_per_token_batches": float(OUT) / 2,
    }
    base = {"api_base": keeper.base + "/v1", "api_key": "sk-upstream-secret"}
    models = [{"model_name": "m", "litellm_params": {"model": "openai/gpt-test", **base, **prices}}]
    return {"model_list": models, "general_settings": {"master_key": KEY}, **more}


# files


def test_the_sdks_file_goes_to_the_provider_and_comes_back(gateway: RunningGateway, keeper: Keeper) -> None:
    asked = client(gateway)
    made = asked.files.create(file=("in.jsonl", jsonl([line(1)])), purpose="batch")
    assert made.id == "file-in1"
    sent = keeper.last("POST", "/v1/files")
    assert sent.headers["authorization"] == "Bearer sk-upstream-secret"
    assert b'name="purpose"' in sent.body
    assert jsonl([line(1)]) in sent.body
    assert asked.files.retrieve("file-in1").filename == "in.jsonl"
    assert asked.files.content("file-in1").content == jsonl([line(1), line(2)])
    assert asked.files.delete("file-in1").deleted


@pytest.mark.parametrize("root", ["", "/v1", "/openai/v1"])
def test_every_root_serves(gateway: RunningGateway, keeper: Keeper, root: str) -> None:
    keeper.answers["GET /v1/files"] = {"object": "list", "data": [FILE], "has_more": False}
    status, _, body = gateway.request(f"{root}/files")
    assert (status, json.loads(body)["data"]) == (200, [FILE])


def test_fields_that_speak_to_the_gateway_are_cut_out(gateway: RunningGateway, keeper: Keeper) -> None:
    told = {"custom_llm_provider": "openai", "target_model_names": "m"}
    client(gateway).files.create(file=("in.jsonl", b"{}"), purpose="batch", extra_body=told)
    sent = keeper.last("POST", "/v1/files")
    assert b"custom_llm_provider" not in sent.body
    assert b"target_model_names" not in sent.body
    assert int(sent.headers["content-length"]) == len(sent.body)
    boundary = sent.headers["content-type"].partition("boundary=")[2].encode()
    assert sent.body.endswith(b"--" + boundary + b"--\r\n")
    assert sent.body.count(b"--" + boundary) == 3


def upload(gateway: RunningGateway, pieces: Iterator[bytes], length: int | None) -> tuple[int, bytes]:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    headers = {"authorization": f"Bearer {KEY}", "content-type": "multipart/form-data; boundary=xyz"}
    if length is not None:
        headers["content-length"] = str(length)
    try:
        connection.request("POST", "/v1/files", pieces, headers, encode_chunked=length is None)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


START = (
    b'--xyz\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--xyz\r\ncontent-disposition: form-data; name="file"; filename="big"\r\n\r\n'
)
END = b"\r\n--xyz--\r\n"


def form(size: int) -> Iterator[bytes]:
    yield START
    for _ in range(size // MB):
        yield b"x" * MB
    yield END


@pytest.mark.parametrize("sized", [True, False], ids=["with a length", "chunked"])
def test_an_upload_is_never_held(gateway: RunningGateway, keeper: Keeper, sized: bool) -> None:
    keeper.counted["POST /v1/files"] = 0
    size = 110 * MB
    whole = len(START) + size + len(END)
    tracemalloc.start()
    try:
        status, body = upload(gateway, form(size), whole if sized else None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (status, json.loads(body)["id"]) == (200, "file-in1")
    assert keeper.counted["POST /v1/files"] == whole
    assert peak < 10 * MB


def test_an_upload_without_the_lane_is_never_held(keeper: Keeper, tmp_path: Path) -> None:
    keeper.counted["POST /v1/files"] = 0
    with running(config(keeper), tmp_path, lane=False) as gateway:
        assert upload(gateway, form(20 * MB), len(START) + 20 * MB + len(END))[0] == 200
    assert keeper.counted["POST /v1/files"] == len(START) + 20 * MB + len(END)


def test_requests_may_name_configured_models(gateway: RunningGateway, keeper: Keeper, tmp_path: Path) -> None:
    own = key(gateway, models=["m"])
    given = [line(1, "m"), line(2, "gpt-test"), line(3, "unknown")]
    data = jsonl(given) + b"no line\n"
    told = {"target_model_names": "m"}
    client(gateway, own).files.create(file=("in.jsonl", data), purpose="batch", extra_body=told)
    sent = keeper.last("POST", "/v1/files")
    boundary = sent.headers["content-type"].partition("boundary=")[2].encode()
    file = sent.body.split(b"--" + boundary)[2].partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
    *lines, last = file.splitlines()
    assert [json.loads(row) for row in lines] == [line(1, "gpt-test"), *given[1:]]
    assert last == b"no line"
    assert int(sent.headers["content-length"]) == len(sent.body)
    assert list((tmp_path / "data" / "files").iterdir()) == []
    with pytest.raises(openai.PermissionDeniedError):
        client(gateway, key(gateway, models=["x"])).files.create(
            file=("in.jsonl", data), purpose="batch", extra_body=told
        )


def test_a_client_may_wait_for_the_word_to_go_on(gateway: RunningGateway, keeper: Keeper) -> None:
    head = (
        f"POST /v1/files HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {KEY}\r\nexpect: 100-continue\r\n"
        f"content-type: multipart/form-data; boundary=xyz\r\ncontent-length: {len(START + END) + 5}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as client:
        client.sendall(head.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        client.sendall(START + b"12345" + END)
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert keeper.last("POST", "/v1/files").body == START + b"12345" + END


def test_a_client_is_not_blamed_for_a_slow_provider(
    gateway: RunningGateway, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "BODY_SECONDS", 0.05)
    ticks: list[float] = []
    look = lane.Lane._tick

    def tick(self: lane.Lane) -> None:
        ticks.append(1.0)
        if len(ticks) > 5:
            keeper.go.set()
        look(self)

    monkeypatch.setattr(lane.Lane, "_tick", tick)
    keeper.counted["POST /v1/files"] = 0
    keeper.go.clear()
    size = 30 * MB
    assert upload(gateway, form(size), len(START) + size + len(END))[0] == 200
    assert len(ticks) > 5


def test_a_client_that_goes_takes_its_upload_along(gateway: RunningGateway, keeper: Keeper) -> None:
    keeper.counted["POST /v1/files"] = 0
    head = (
        f"POST /v1/files HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: multipart/form-data; boundary=xyz\r\ncontent-length: {9 * MB}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as going:
        going.sendall(head.encode() + START + b"x" * MB)
        until(lambda: keeper.counted["POST /v1/files"] > 0)
    assert keeper.cut.wait(10)
    assert keeper.counted["POST /v1/files"] < 9 * MB


def test_an_upload_that_is_too_large_is_refused_at_once(gateway: RunningGateway) -> None:
    status, body = upload(gateway, iter([START]), 600 * MB)
    assert status == 413
    assert b"over the limit" in body


def test_a_provider_that_refuses_early_is_heard(gateway: RunningGateway, keeper: Keeper) -> None:
    told = json.dumps({"error": {"message": "too much for sk-upstream-secret"}}).encode()
    keeper.refuses["POST /v1/files"] = (413, {"content-type": "application/json"}, told)
    status, _, body = gateway.request(
        "/v1/files", START + b"x" * MB + END, {"content-type": "multipart/form-data; boundary=xyz"}
    )
    assert (status, json.loads(body)["error"]["message"]) == (413, "too much for ***")


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data", "multipart/form-data; boundary=zzz"]
)
def test_what_is_no_form_is_refused(gateway: RunningGateway, kind: str) -> None:
    status, _, body = gateway.request("/v1/files", START + END, {"content-type": kind})
    assert (status, json.loads(body)["error"]["type"]) == (400, "invalid_request_error")


def test_which_provider_must_be_clear(keeper: Keeper, tmp_path: Path) -> None:
    made = config(keeper)
    other = {"model": "azure/gpt", "api_base": keeper.base, "api_key": "k-azure", "api_version": "2025-01-01"}
    made["model_list"].append({"model_name": "az", "litellm_params": other})
    keeper.answers["GET /openai/files"] = {"object": "list", "data": [FILE]}
    keeper.answers["GET /v1/files"] = {"object": "list", "data": []}
    with running(made, tmp_path) as gateway:
        status, _, body = gateway.request("/v1/files")
        assert status == 400
        assert "azure, openai" in json.loads(body)["error"]["message"]
        for way in ("?custom_llm_provider=azure", "?model=az", "?target_model_names=az,m"):
            assert json.loads(gateway.request("/v1/files" + way)[2])["data"] == [FILE]
        headers = {"custom-llm-provider": "azure"}
        assert json.loads(gateway.request("/v1/files", headers=headers)[2])["data"] == [FILE]
        assert keeper.last("GET", "/openai/files").query == "api-version=2025-01-01"
        assert keeper.last("GET", "/openai/files").headers["api-key"] == "k-azure"
        assert json.loads(gateway.request("/azure/v1/files")[2])["data"] == [FILE]
        assert json.loads(gateway.request("/openai/v1/files")[2])["data"] == []
        status, _, body = gateway.request("/v1/files?custom_llm_provider=cohere")
        assert status == 400
        assert "azure, openai" in json.loads(body)["error"]["message"]
        assert gateway.request("/v1/files?custom_llm_provider=nobody")[0] == 400
        for way in ("custom_llm_provider=vertex_ai", "custom_llm_provider=bedrock"):
            status, _, body = gateway.request("/v1/batches?" + way)
            assert (status, json.loads(body)["data"]) == (200, [])


# whose


def test_files_are_their_makers_and_their_teams(gateway: RunningGateway, keeper: Keeper) -> None:
    team = json.loads(gateway.request("/team/new", {"team_alias": "t"})[2])["team_id"]
    mine, mate = key(gateway, team_id=team), key(gateway, team_id=team)
    other = key(gateway)
    client(gateway, mine).files.create(file=("in.jsonl", b"{}"), purpose="batch")
    keeper.answers["GET /v1/files"] = {
        "object": "list",
        "data": [{**FILE, "id": "file-else"}, FILE],
        "has_more": False,
    }
    for own in (mine, mate):
        assert client(gateway, own).files.retrieve("file-in1").id == "file-in1"
        assert [one.id for one in client(gateway, own).files.list()] == ["file-in1"]
    assert [one.id for one in client(gateway).files.list()] == ["file-else", "file-in1"]
    stranger = client(gateway, other)
    assert list(stranger.files.list()) == []
    before = len(keeper.asked)
    for name in ("file-in1", "file-else"):
        with pytest.raises(openai.NotFoundError):
            stranger.files.retrieve(name)
        with pytest.raises(openai.NotFoundError):
            stranger.files.content(name)
        with pytest.raises(openai.NotFoundError):
            stranger.files.delete(name)
        with pytest.raises(openai.NotFoundError):
            stranger.batches.create(
                input_file_id=name, endpoint="/v1/chat/completions", completion_window="24h"
            )
    assert len(keeper.asked) == before


def test_lists_go_on_until_there_is_enough(gateway: RunningGateway, keeper: Keeper) -> None:
    own = key(gateway)
    asked = client(gateway, own)
    asked.files.create(file=("in.jsonl", b"{}"), purpose="batch")
    made = [f"batch_{number}" for number in range(5)]
    for name in made:
        keeper.answers["POST /v1/batches"] = batch(name)
        asked.batches.create(
            input_file_id="file-in1", endpoint="/v1/chat/completions", completion_window="24h"
        )
    pages = {
        "": ([batch("batch_x"), batch("batch_0")], True),
        "batch_0": ([batch("batch_1"), batch("batch_y")], True),
        "batch_y": ([batch("batch_2"), batch("batch_3"), batch("batch_4")], False),
        "batch_2": ([batch("batch_3"), batch("batch_4")], False),
    }

    def page(request: Asked) -> dict[str, Any]:
        after = dict(part.split("=") for part in request.query.split("&") if part).get("after", "")
        data, more = pages[after]
        return {"object": "list", "data": data, "has_more": more}

    keeper.answers["GET /v1/batches"] = page
    first = asked.batches.list(limit=3)
    assert ([one.id for one in first.data], first.has_more) == (made[:3], True)
    assert [one.id for one in asked.batches.list(limit=3)] == made


@pytest.mark.parametrize("name", ["..", "a%2Fb", "%00", "a%20b"])
def test_ids_lead_nowhere_else(gateway: RunningGateway, keeper: Keeper, name: str) -> None:
    before = len(keeper.asked)
    assert gateway.request(f"/v1/batches/{name}")[0] in (400, 404)
    assert len(keeper.asked) == before


def test_a_refusal_shows_no_secret(gateway: RunningGateway) -> None:
    for path in ("/v1/files/file-none", "/v1/files/file-none/content", "/v1/batches/batch_none"):
        status, _, body = gateway.request(path)
        assert status == 404
        assert b"No such thing" in body
        assert b"sk-upstream-secret" not in body


# batches


def made(gateway: RunningGateway, own: str, **more: Any) -> openai.types.Batch:
    asked = client(gateway, own, **more)
    file = asked.files.create(file=("in.jsonl", b"{}"), purpose="batch")
    return asked.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )


def finish(keeper: Keeper) -> None:
    keeper.answers["GET /v1/batches/batch_1"] = batch(status="completed", output_file_id="file-out")
    keeper.answers["GET /v1/files/file-out/content"] = jsonl(
        [output(1, "gpt-test", 100, 10), output(2, "gpt-test-2025-01-02", 50, 5), output(3, "gpt-test", 1, 1)]
    )


COST = (100 + 50 + 1) * Decimal(IN) / 2 + (10 + 5 + 1) * Decimal(OUT) / 2


def test_a_batch_is_made_retrieved_cancelled(gateway: RunningGateway, keeper: Keeper) -> None:
    own = key(gateway)
    assert made(gateway, own).status == "validating"
    assert keeper.last("POST", "/v1/batches").json == {
        "input_file_id": "file-in1",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    keeper.answers["POST /v1/batches/batch_1/cancel"] = batch(status="cancelling")
    assert client(gateway, own).batches.retrieve("batch_1").id == "batch_1"
    assert client(gateway, own).batches.cancel("batch_1").status == "cancelling"
    with pytest.raises(openai.NotFoundError):
        client(gateway, key(gateway)).batches.retrieve("batch_1")


def test_a_batch_is_paid_for_when_its_results_come_once_by_its_maker(
    gateway: RunningGateway, keeper: Keeper
) -> None:
    own = key(gateway)
    made(gateway, own)
    client(gateway, own).batches.retrieve("batch_1")
    assert rows(gateway) == []
    finish(keeper)
    for asked in (client(gateway), client(gateway, own), client(gateway)):
        assert asked.batches.retrieve("batch_1").status == "completed"
    until(lambda: bool(rows(gateway)))
    client(gateway, own).files.content("file-out")
    found = rows(gateway)
    assert {row["model"] for row in found} <= {"m", "gpt-test", "gpt-test-2025-01-02", "openai/gpt-test"}
    assert len(found) == 2
    assert sum(Decimal(str(row["spend"])) for row in found) == COST
    assert (sum(row["prompt_tokens"] for row in found), sum(row["completion_tokens"] for row in found)) == (
        151,
        16,
    )
    until(lambda: spent(gateway, own) == COST)


def test_results_that_are_fetched_are_paid_for(gateway: RunningGateway, keeper: Keeper) -> None:
    own = key(gateway)
    made(gateway, own)
    finish(keeper)
    keeper.answers["GET /v1/batches"] = {
        "object": "list",
        "data": [keeper.answers["GET /v1/batches/batch_1"]],
        "has_more": False,
    }
    assert [one.output_file_id for one in client(gateway, own).batches.list()] == ["file-out"]
    assert client(gateway, own).files.content("file-out").content.count(b"\n") == 3
    with pytest.raises(openai.NotFoundError):
        client(gateway, key(gateway)).files.content("file-out")
    until(lambda: spent(gateway, own) == COST)


def test_a_key_may_not_use_other_models_by_a_batch(gateway: RunningGateway, keeper: Keeper) -> None:
    own = key(gateway, models=["m"])
    assert made(gateway, own).id == "batch_1"
    keeper.answers["GET /v1/files/file-in1/content"] = jsonl([line(1), line(2, "gpt-dear")])
    with pytest.raises(openai.PermissionDeniedError, match="gpt-dear"):
        made(gateway, own)
    keeper.answers["GET /v1/files/file-in1/content"] = b'{"custom_id": "r1"}\n'
    with pytest.raises(openai.BadRequestError, match="line 1"):
        made(gateway, own)


def test_a_budget_that_the_batch_may_exceed_refuses_it(gateway: RunningGateway, keeper: Keeper) -> None:
    small, large = key(gateway, max_budget=0.0001), key(gateway, max_budget=1)
    with pytest.raises(openai.APIStatusError, match="Budget"):
        made(gateway, small)
    assert not [one for one in keeper.asked if (one.method, one.path) == ("POST", "/v1/batches")]
    another_file(keeper)
    assert made(gateway, large).id == "batch_1"


def another_file(keeper: Keeper) -> None:
    """What is uploaded from now on has another id: the first is its maker's."""
    keeper.answers["POST /v1/files"] = {**FILE, "id": "file-in2"}
    keeper.answers["GET /v1/files/file-in2/content"] = jsonl([line(1), line(2)])


def reserved(gateway: RunningGateway) -> int:
    assert gateway.gateway.database is not None
    return gateway.gateway.database.read(leases.reserved).get(("global", ""), 0)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_batch_can_cost_is_held_until_it_is_paid_for(
    keeper: Keeper, tmp_path: Path, workers: int
) -> None:
    bounded = config(keeper)
    bounded["litellm_settings"] = {"max_budget": 1000}
    with running(bounded, tmp_path, workers=workers) as gateway:
        made(gateway, key(gateway))
        most = reserved(gateway)
        assert most > units(COST)
        own = key(gateway, max_budget=float(dollars(most)) * 1.5)
        keeper.answers["POST /v1/batches"] = batch("batch_2")
        another_file(keeper)
        made(gateway, own)
        with pytest.raises(openai.APIStatusError, match="Budget"):
            made(gateway, own)
        assert reserved(gateway) == 2 * most
    with running(bounded, tmp_path, workers=workers) as gateway:  # also after a restart
        with pytest.raises(openai.APIStatusError, match="Budget"):
            made(gateway, own)
        finish(keeper)
        keeper.answers["GET /v1/batches/batch_2"] = {
            **keeper.answers["GET /v1/batches/batch_1"],
            "id": "batch_2",
        }
        looked(gateway)
        assert reserved(gateway) == 0
        keeper.answers["POST /v1/batches"] = batch("batch_3")
        made(gateway, own)
        assert reserved(gateway) == most


def test_a_batch_that_was_not_made_holds_nothing(gateway: RunningGateway, keeper: Keeper) -> None:
    own = key(gateway, max_budget=0.02)
    del keeper.answers["POST /v1/batches"]
    for _ in range(3):
        with pytest.raises(openai.NotFoundError):
            made(gateway, own)
    keeper.answers["POST /v1/batches"] = batch()
    assert made(gateway, own).id == "batch_1"


def test_what_nobody_will_tell_of_a_batch_is_not_held_for_ever(
    gateway: RunningGateway, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.store.jobs.WATCH_SECONDS", -1.0)
    own = key(gateway, max_budget=0.02)
    made(gateway, own)
    assert gateway.gateway.database is not None
    assert ("key",) in {scope[:1] for scope in gateway.gateway.database.read(leases.reserved)}
    looked(gateway)
    assert gateway.gateway.database.read(leases.reserved) == {}
    assert made(gateway, own).id == "batch_1"


def test_a_provider_s_budget_holds_for_batches(keeper: Keeper, tmp_path: Path) -> None:
    bounded = config(keeper)
    bounded["router_settings"] = {"provider_budget_config": {"openai": {"budget_limit": 0.0001}}}
    with running(bounded, tmp_path) as gateway, pytest.raises(openai.RateLimitError, match="used up"):
        made(gateway, key(gateway))


def test_tags_and_customers_pay_for_batches_too(gateway: RunningGateway, keeper: Keeper) -> None:
    assert gateway.request("/tag/new", {"name": "poor", "max_budget": 0.0001})[0] == 200
    assert gateway.request("/customer/new", {"user_id": "shut", "blocked": True})[0] == 200
    own = key(gateway)
    for header, value, what in (
        ("x-litellm-tags", "poor", "Budget"),
        ("x-litellm-customer-id", "shut", "blocked"),
    ):
        with pytest.raises(openai.APIStatusError, match=what):
            made(gateway, own, default_headers={header: value})
    made(gateway, own, default_headers={"x-litellm-tags": "rich"})
    finish(keeper)
    looked(gateway)
    assert {tag for row in rows(gateway) for tag in row["request_tags"]} == {"rich"}


def test_a_budget_that_a_batch_has_spent_is_spent(gateway: RunningGateway, keeper: Keeper) -> None:
    own = key(gateway, max_budget=0.01)
    made(gateway, own)
    finish(keeper)
    keeper.answers["GET /v1/files/file-out/content"] = jsonl([output(1, "gpt-test", 100_000, 100_000)])
    client(gateway, own).batches.retrieve("batch_1")
    until(lambda: bool(rows(gateway)))
    with pytest.raises(openai.APIStatusError, match="Budget"):
        made(gateway, own)


def looked(*gateways: RunningGateway) -> None:
    """As the background does every few minutes, at once in all of them."""
    waiting = [asyncio.run_coroutine_threadsafe(batches.watch(one.gateway), one.loop) for one in gateways]
    for one in waiting:
        one.result(20)


def test_costs_come_without_a_clients_asking_and_once_over_replicas(keeper: Keeper, tmp_path: Path) -> None:
    shared = config(keeper)
    shared["general_settings"]["database_url"] = f"sqlite:///{tmp_path}/shared.db"
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with running(shared, folders[0]) as one, running(shared, folders[1]) as two:
        own = key(one)
        made(one, own)
        looked(one, two)
        assert rows(one) == []
        finish(keeper)
        looked(one, two)
        assert len(rows(one)) == len(rows(two)) == 2
        for gateway in (one, two):
            assert spent(gateway, own) == COST
        before = len(keeper.asked)
        looked(one, two)
        assert len(keeper.asked) == before  # what is paid is not asked for again


def test_results_that_are_away_are_asked_for_again(gateway: RunningGateway, keeper: Keeper) -> None:
    made(gateway, key(gateway))
    finish(keeper)
    results = keeper.answers.pop("GET /v1/files/file-out/content")
    looked(gateway)
    assert rows(gateway) == []
    keeper.answers["GET /v1/files/file-out/content"] = results
    looked(gateway)
    assert len(rows(gateway)) == 2


def test_a_batch_costs_half_where_the_table_has_no_price_for_it(keeper: Keeper, tmp_path: Path) -> None:
    plain = config(keeper)
    params = plain["model_list"][0]["litellm_params"]
    for name in [name for name in params if name.endswith("_batches")]:
        del params[name]
    with running(plain, tmp_path) as gateway:
        own = key(gateway)
        made(gateway, own)
        finish(keeper)
        looked(gateway)
        assert spent(gateway, own) == COST


def test_a_date_makes_another_model(keeper: Keeper, tmp_path: Path) -> None:
    """Which may be dearer, and is not in the list of who may use the plain one."""
    base = {"api_base": keeper.base + "/v1", "api_key": "sk-u"}
    plain = config(keeper)
    plain["model_list"] = [{"model_name": "four", "litellm_params": {"model": "openai/gpt-4o", **base}}]
    with running(plain, tmp_path) as gateway:
        keeper.answers["GET /v1/files/file-in1/content"] = jsonl([line(1, "gpt-4o-2024-05-13")])
        with pytest.raises(openai.PermissionDeniedError, match="2024-05-13"):
            made(gateway, key(gateway, models=["four"]))
        keeper.answers["POST /v1/files"] = {**FILE, "id": "file-in3"}
        keeper.answers["GET /v1/files/file-in3/content"] = jsonl([line(1, "gpt-4o")])
        own = key(gateway, models=["four"])
        made(gateway, own)
        finish(keeper)
        results = [output(1, "gpt-4o-2024-05-13", 1000, 0), output(2, "gpt-4o-2024-08-06", 1000, 0)]
        keeper.answers["GET /v1/files/file-out/content"] = jsonl(results)
        looked(gateway)
        costs = {row["spend"] for row in rows(gateway)}
        assert costs == {0.0025, 0.00125}


def test_what_is_made_while_the_database_is_away_is_noted_later(
    gateway: RunningGateway, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = key(gateway)

    def away(*_: Any, **__: Any) -> None:
        raise ServiceUnavailableError("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr(jobs, "save", away)
        assert made(gateway, own).id == "batch_1"
        assert client(gateway, own).batches.retrieve("batch_1").id == "batch_1"
        with pytest.raises(openai.NotFoundError):
            client(gateway, key(gateway)).batches.retrieve("batch_1")
    finish(keeper)
    looked(gateway)
    assert spent(gateway, own) == COST


def test_a_model_without_a_price_is_in_the_ledger(gateway: RunningGateway, keeper: Keeper) -> None:
    made(gateway, key(gateway))
    finish(keeper)
    keeper.answers["GET /v1/files/file-out/content"] = jsonl([output(1, "gpt-nobody-knows", 100, 10)])
    looked(gateway)
    (row,) = rows(gateway)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (100, 10)


# fine-tuning


def test_fine_tuning_is_its_makers(gateway: RunningGateway, keeper: Keeper) -> None:
    job = {
        "object": "fine_tuning.job",
        "id": "ftjob-1",
        "model": "gpt-test",
        "created_at": 1,
        "training_file": "file-in1",
        "status": "queued",
        "result_files": ["file-result"],
        "hyperparameters": {},
        "organization_id": "o",
        "seed": 1,
    }
    root = "/v1/fine_tuning/jobs"
    empty = {"object": "list", "data": [], "has_more": False}
    keeper.answers |= {
        f"POST {root}": job,
        f"GET {root}": {"object": "list", "data": [job], "has_more": False},
        f"GET {root}/ftjob-1": job,
        f"POST {root}/ftjob-1/cancel": {**job, "status": "cancelled"},
        f"GET {root}/ftjob-1/events": empty,
        f"GET {root}/ftjob-1/checkpoints": empty,
        "GET /v1/files/file-result/content": b"step,loss\n",
    }
    own = key(gateway)
    asked, stranger = client(gateway, own), client(gateway, key(gateway))
    asked.files.create(file=("in.jsonl", b"{}"), purpose="fine-tune")
    with pytest.raises(openai.NotFoundError):
        stranger.fine_tuning.jobs.create(model="m", training_file="file-in1")
    assert asked.fine_tuning.jobs.create(model="m", training_file="file-in1").id == "ftjob-1"
    assert keeper.last("POST", root).json == {"model": "gpt-test", "training_file": "file-in1"}
    assert [one.id for one in asked.fine_tuning.jobs.list()] == ["ftjob-1"]
    assert asked.fine_tuning.jobs.retrieve("ftjob-1").status == "queued"
    assert list(asked.fine_tuning.jobs.list_events("ftjob-1")) == []
    assert list(asked.fine_tuning.jobs.checkpoints.list("ftjob-1")) == []
    assert asked.fine_tuning.jobs.cancel("ftjob-1").status == "cancelled"
    assert asked.files.content("file-result").content == b"step,loss\n"
    assert list(stranger.fine_tuning.jobs.list()) == []
    for forbidden in (stranger.fine_tuning.jobs.retrieve, stranger.fine_tuning.jobs.cancel):
        with pytest.raises(openai.NotFoundError):
            forbidden("ftjob-1")
