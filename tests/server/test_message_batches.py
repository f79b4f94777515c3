"""Message Batches: as Anthropic has them, and as OpenAI's batches; paid for either way."""

import http.client
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

import recorded
from keepers import Asked, Keeper, client, fixture_closed, jsonl, keeping, key, line, rows, spent, until
from servers import KEY, RunningGateway, running

closed = fixture_closed
ROOT = "/v1/messages/batches"
IN, OUT = "0.000002", "0.000008"
TEXT = "Be brief."


def recording(name: str) -> dict[str, Any]:
    return dict(json.loads((recorded.needed() / f"dev/anthropic/anthropic.batches.{name}.json").read_text()))


BATCH = recording("dfb1ad8c79")["response"]["body"]
NAME = BATCH["id"]
ENDED = {
    **BATCH,
    "processing_status": "ended",
    "ended_at": "2026-08-19T14:50:00.000000+00:00",
    "request_counts": {"processing": 0, "succeeded": 2, "errored": 0, "canceled": 0, "expired": 0},
    "results_url": f"https://api.anthropic.com{ROOT}/{NAME}/results",
}
RESULTS = recording("4593a4022f")["response"]["ndjson"].encode()


def cost() -> Decimal:
    """Of the recorded results at the batch's price, counted the simplest way."""
    messages = [json.loads(row)["result"]["message"] for row in RESULTS.splitlines()]
    usages = [message["usage"] for message in messages]
    tokens_in = sum(usage["input_tokens"] for usage in usages)
    return (tokens_in * Decimal(IN) + sum(u["output_tokens"] for u in usages) * Decimal(OUT)) / 2


@pytest.fixture(name="keeper")
def fixture_keeper() -> Iterator[Keeper]:
    with keeping() as keeper:
        keeper.answers = {
            f"POST {ROOT}": BATCH,
            f"GET {ROOT}": {"data": [{**BATCH, "id": "msgbatch_else"}, BATCH], "has_more": False},
            f"GET {ROOT}/{NAME}": BATCH,
            f"POST {ROOT}/{NAME}/cancel": {**BATCH, "processing_status": "canceling"},
            f"DELETE {ROOT}/{NAME}": {"id": NAME, "type": "message_batch_deleted"},
            f"GET {ROOT}/{NAME}/results": RESULTS,
        }
        yield keeper


@pytest.fixture(name="gateway")
def fixture_gateway(keeper: Keeper, tmp_path: Path) -> Iterator[RunningGateway]:
    prices = {
        "input_cost_per_token": float(IN),
        "output_cost_per_token": float(OUT),
        "input_cost_per_token_batches": float(IN) / 2,
        "output_cost_per_token_batches": float(OUT) / 2,
    }
    base = {"api_base": keeper.base, "api_key": "sk-ant-upstream"}
    params = {"model": "anthropic/claude-haiku-4-5", **base, **prices}
    other = {"model": "openai/gpt-test", "api_base": keeper.base + "/v1", "api_key": "sk-o"}
    models = [{"model_name": "c", "litellm_params": params}, {"model_name": "o", "litellm_params": other}]
    made = {"model_list": models, "general_settings": {"master_key": KEY}}
    with running(made, tmp_path) as served:
        yield served


def asked(
    gateway: RunningGateway, path: str, body: Any = None, own: str = KEY, method: str = "", **headers: str
) -> tuple[int, Any]:
    fields = {"x-api-key": own, "authorization": f"Bearer {own}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    status, _, told = gateway.request(path, body, fields, method)
    return status, json.loads(told)


def params(model: str = "claude-haiku-4-5") -> dict[str, Any]:
    return {"model": model, "max_tokens": 20, "messages": [{"role": "user", "content": "Hi"}]}


def many(*models: str) -> dict[str, Any]:
    return {"requests": [{"custom_id": str(at), "params": params(model)} for at, model in enumerate(models)]}


# as they are


@pytest.mark.parametrize("root", ["", "/anthropic"])
def test_a_batch_goes_through_and_is_paid_for(gateway: RunningGateway, keeper: Keeper, root: str) -> None:
    own, stranger = key(gateway), key(gateway)
    status, made = asked(gateway, root + ROOT, many("c", "claude-haiku-4-5"), own, anthropic_beta="b-1")
    assert (status, made["id"]) == (200, NAME)
    sent = keeper.last("POST", ROOT)
    assert [row["params"]["model"] for row in sent.json["requests"]] == ["claude-haiku-4-5"] * 2
    assert sent.headers["x-api-key"] == "sk-ant-upstream"
    assert (sent.headers["anthropic-beta"], sent.headers["anthropic-version"]) == ("b-1", "2023-06-01")
    assert [row["id"] for row in asked(gateway, root + ROOT, None, own)[1]["data"]] == [NAME]
    assert asked(gateway, root + ROOT, None, stranger)[1]["data"] == []
    keeper.answers[f"GET {ROOT}/{NAME}"] = ENDED
    for path in (f"/{NAME}", f"/{NAME}/results"):
        status, told = asked(gateway, root + ROOT + path, None, stranger)
        assert (status, told["type"], told["error"]["type"]) == (404, "error", "not_found_error")
    status, told = asked(gateway, f"{root}{ROOT}/{NAME}", None, own)
    assert told["results_url"] == f"http://127.0.0.1:{gateway.port}{root}{ROOT}/{NAME}/results"
    results = gateway.request(f"{root}{ROOT}/{NAME}/results", headers={"authorization": f"Bearer {own}"})
    assert results[2] == RESULTS
    until(lambda: spent(gateway, own) == cost())
    (row,) = rows(gateway)
    assert (row["model"], row["spend"]) == ("claude-haiku-4-5-20251001", float(cost()))


def test_a_batch_is_paid_for_before_it_is_deleted(gateway: RunningGateway, keeper: Keeper) -> None:
    own = key(gateway)
    asked(gateway, ROOT, many("c"), own)
    assert asked(gateway, f"{ROOT}/{NAME}/cancel", b"", own)[1]["processing_status"] == "canceling"
    keeper.answers[f"GET {ROOT}/{NAME}"] = ENDED
    assert asked(gateway, f"{ROOT}/{NAME}", None, own, method="DELETE")[0] == 200
    assert len(rows(gateway)) == 1
    assert spent(gateway, own) == cost()
    assert asked(gateway, f"{ROOT}/{NAME}", None, own)[0] == 404


def test_what_a_key_may_not_do(gateway: RunningGateway, keeper: Keeper) -> None:
    status, told = asked(gateway, ROOT, many("c", "claude-opus-4-5"), key(gateway, models=["c"]))
    assert (status, told["error"]["type"]) == (403, "permission_error")
    assert "claude-opus-4-5" in told["error"]["message"]
    status, told = asked(gateway, ROOT, many("c"), key(gateway, max_budget=0.0000001))
    assert "Budget" in told["error"]["message"]
    assert not keeper.asked


@pytest.mark.parametrize(
    "body", [{}, {"requests": 1}, {"requests": [{}]}, {"requests": [{"custom_id": "a", "params": []}]}]
)
def test_what_is_no_batch_is_refused(gateway: RunningGateway, body: Any) -> None:
    status, told = asked(gateway, ROOT, body)
    assert (status, told["error"]["type"]) == (400, "invalid_request_error")


# as OpenAI's


def made(gateway: RunningGateway, own: str, lines: list[dict[str, Any]]) -> openai.types.Batch:
    told = {"custom_llm_provider": "anthropic"}
    asking = client(gateway, own)
    file = asking.files.create(file=("in.jsonl", jsonl(lines)), purpose="batch", extra_body=told)
    assert (file.bytes, file.filename) == (len(jsonl(lines)), "in.jsonl")
    return asking.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"for": "me"},
    )


def test_openais_batch_becomes_a_message_batch_and_back(gateway: RunningGateway, keeper: Keeper) -> None:
    own = key(gateway)
    system = {"role": "system", "content": TEXT}
    user = {"role": "user", "content": "Hi"}
    first = {**line(0, "c"), "body": {"model": "c", "messages": [system, user], "max_tokens": 9}}
    found = made(gateway, own, [first, line(1, "claude-haiku-4-5")])
    assert (found.id, found.status, found.request_counts and found.request_counts.total) == (
        NAME,
        "in_progress",
        2,
    )
    sent = keeper.last("POST", ROOT).json["requests"]
    assert [row["custom_id"] for row in sent] == ["r0", "r1"]
    assert [row["params"]["model"] for row in sent] == ["claude-haiku-4-5"] * 2
    assert TEXT in json.dumps(sent[0]["params"]["system"])
    assert (sent[0]["params"]["max_tokens"], sent[0]["params"]["messages"][0]["role"]) == (9, "user")
    asking = client(gateway, own)
    assert asking.batches.cancel(NAME).status == "cancelling"
    keeper.answers[f"GET {ROOT}/{NAME}"] = ENDED
    done = asking.batches.retrieve(NAME)
    assert (done.status, done.metadata, done.input_file_id) == (
        "completed",
        {"for": "me"},
        found.input_file_id,
    )
    assert done.output_file_id is not None
    assert asking.files.retrieve(done.output_file_id).purpose == "batch_output"
    lines = [json.loads(row) for row in asking.files.content(done.output_file_id).text.splitlines()]
    theirs = [json.loads(row) for row in RESULTS.splitlines()]
    assert [row["custom_id"] for row in lines] == [row["custom_id"] for row in theirs]
    for ours, its in zip(lines, theirs, strict=True):
        body, message = ours["response"]["body"], its["result"]["message"]
        assert recorded.said_by_chat([body]).text == message["content"][0]["text"]
        assert body["usage"]["prompt_tokens"] == message["usage"]["input_tokens"]
        assert body["object"] == "chat.completion"
    until(lambda: spent(gateway, own) == cost())
    with pytest.raises(openai.NotFoundError):
        client(gateway, key(gateway)).files.content(done.output_file_id)


def test_files_that_are_kept_here(gateway: RunningGateway, tmp_path: Path) -> None:
    own, other = client(gateway, key(gateway)), client(gateway, key(gateway))
    told = {"custom_llm_provider": "anthropic"}
    data = bytes(range(256)) * 5000 + b"\r\n--\r\n"
    file = own.files.create(file=("x", data), purpose="batch", extra_body=told)
    assert own.files.content(file.id).content == data
    assert [one.id for one in own.files.list(extra_query=told)] == [file.id]
    assert list(other.files.list(extra_query=told)) == []
    for forbidden in (other.files.content, other.files.retrieve, other.files.delete):
        with pytest.raises(openai.NotFoundError):
            forbidden(file.id)
    assert own.files.delete(file.id).deleted
    assert list((tmp_path / "data" / "files").iterdir()) == []
    with pytest.raises(openai.BadRequestError, match="purpose"):
        own.files.create(file=("x", b"{}"), purpose="fine-tune", extra_body=told)


def test_an_upload_that_is_cut_leaves_nothing(gateway: RunningGateway, tmp_path: Path) -> None:
    start = b'--xyz\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    start += b'--xyz\r\ncontent-disposition: form-data; name="file"; filename="big"\r\n\r\n' + b"x" * 200_000
    kind = {"content-type": "multipart/form-data; boundary=xyz"}
    status, _, body = gateway.request("/v1/files?custom_llm_provider=anthropic", start, kind)
    assert status == 400
    assert b"cut" in body
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.putrequest("POST", "/v1/files?custom_llm_provider=anthropic")
    for name, value in {**kind, "authorization": f"Bearer {KEY}", "content-length": "999999"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(start)
    until(lambda: any((tmp_path / "data" / "files").iterdir()))
    connection.close()
    until(lambda: not any((tmp_path / "data" / "files").iterdir()))


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ([], "no requests"),
        ([{"custom_id": "r1", "body": {"model": "c"}}], "r1"),
        ([{"custom_id": "r1", "body": {"model": "c", "messages": 1}}], "r1"),
    ],
)
def test_lines_that_can_not_be(gateway: RunningGateway, lines: list[dict[str, Any]], what: str) -> None:
    with pytest.raises(openai.BadRequestError, match=what):
        made(gateway, key(gateway), lines)


def test_a_model_that_a_key_may_not_use(gateway: RunningGateway, keeper: Keeper) -> None:
    with pytest.raises(openai.PermissionDeniedError, match="claude-opus"):
        made(gateway, key(gateway, models=["c"]), [line(1, "c"), line(2, "claude-opus-4-5")])
    assert not keeper.asked


def test_a_schema_that_came_as_a_tool_goes_back_as_text(gateway: RunningGateway, keeper: Keeper) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    found = made(gateway, key(gateway), [line(1, "c", response_format=wanted)])

    def results(request: Asked) -> bytes:
        sent = keeper.last("POST", ROOT).json["requests"][0]["params"]
        block: dict[str, Any] = {"type": "text", "text": '{"n": 1}'}
        if tools := sent.get("tools"):
            block = {"type": "tool_use", "id": "toolu_1", "name": tools[0]["name"], "input": {"n": 1}}
        usage = {"input_tokens": 1, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5"}
        message |= {"content": [block], "stop_reason": "end_turn", "usage": usage}
        return jsonl([{"custom_id": "r1", "result": {"type": "succeeded", "message": message}}])

    keeper.answers[f"GET {ROOT}/{NAME}"] = ENDED
    keeper.answers[f"GET {ROOT}/{NAME}/results"] = results
    output = client(gateway).batches.retrieve(found.id).output_file_id
    assert output is not None
    (row,) = client(gateway).files.content(output).text.splitlines()
    content = json.loads(row)["response"]["body"]["choices"][0]["message"]["content"]
    assert json.loads(content) == {"n": 1}


# the SDK


def test_anthropics_sdk(gateway: RunningGateway, keeper: Keeper) -> None:
    own = key(gateway)
    base = f"http://127.0.0.1:{gateway.port}"
    with anthropic.Anthropic(api_key=own, base_url=base, max_retries=0) as asking:
        made = asking.messages.batches.create(requests=many("c", "c")["requests"])
        assert (made.id, made.processing_status) == (NAME, "in_progress")
        keeper.answers[f"GET {ROOT}/{NAME}"] = ENDED
        results = list(asking.messages.batches.results(NAME))
        assert [one.custom_id for one in results] == ["0", "1"]
        assert {one.result.type for one in results} == {"succeeded"}
        assert [one.id for one in asking.messages.batches.list(limit=1)] == [NAME]
        assert asking.messages.batches.delete(NAME).id == NAME
        with pytest.raises(anthropic.NotFoundError):
            asking.messages.batches.retrieve(NAME)
    assert spent(gateway, own) == cost()
