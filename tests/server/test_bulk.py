"""Batches of clouds that read and write files in buckets, asked as OpenAI's: Bedrock with S3, Vertex AI with Cloud
Storage."""

import asyncio
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest

from clouds import Amazon, Google, Line, aws, found, gcp
from headgate.server import batches
from keepers import Keeper, client, fixture_closed, fixture_keeper, jsonl, key, line, rows, spent, until
from servers import KEY, RunningGateway, running

closed, keeper = fixture_closed, fixture_keeper
IN, OUT = "0.000002", "0.000008"
PRICES = {"input_cost_per_token": float(IN), "output_cost_per_token": float(OUT)}
BATCHED = {f"{name}_batches": price / 2 for name, price in PRICES.items()}
"""Vertex AI's models have such prices in the catalog; of Bedrock's the row says that they are half."""
NOVA, CLAUDE = "us.amazon.nova-lite-v1:0", "anthropic.claude-3-haiku-20240307-v1:0"
MODELS = {
    "nova": f"bedrock/{NOVA}",
    "haiku": f"bedrock/invoke/{CLAUDE}",
    "gemini": "vertex_ai/gemini-2.5-flash",
    "sonnet": "vertex_ai/claude-sonnet-4-5@20250929",
    "llama": "vertex_ai/meta/llama-3.3-70b-instruct-maas",
}


@pytest.fixture(name="gateway")
def fixture_gateway(keeper: Keeper, tmp_path: Path) -> Iterator[RunningGateway]:
    with running(config(keeper), tmp_path) as served:
        yield served


def config(keeper: Keeper, *without: str, **more: Any) -> dict[str, Any]:
    models: list[dict[str, Any]] = [
        {
            "model_name": name,
            "litellm_params": {
                "model": model,
                **PRICES,
                **(aws(keeper, **more) if model.startswith("bedrock") else gcp(keeper, **BATCHED, **more)),
            },
        }
        for name, model in MODELS.items()
    ]
    for entry in models:
        for name in without:
            entry["litellm_params"].pop(name, None)
    return {"model_list": models, "general_settings": {"master_key": KEY}}


def made(
    gateway: RunningGateway, own: str, model: str, lines: list[Line] | None = None, **told: Any
) -> openai.types.Batch:
    asking = client(gateway, own)
    data = jsonl(lines if lines is not None else [line(1, model), line(2, model), line(3, model)])
    file = asking.files.create(
        file=("in.jsonl", data), purpose="batch", extra_body={"target_model_names": model, **told}
    )
    assert (file.bytes, file.filename, file.purpose) == (len(data), "in.jsonl", "batch")
    return asking.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"for": "me"},
    )


def content(gateway: RunningGateway, own: str, name: str | None) -> dict[str, Line]:
    assert name is not None
    return found(client(gateway, own).files.content(name).text.splitlines())


def conversed(request: Line) -> Line:
    if request["recordId"] == "r2":
        return {"error": {"errorCode": 400, "errorMessage": "The text is too long."}}
    message = {"role": "assistant", "content": [{"text": f"Hello {request['recordId']}"}]}
    usage = {"inputTokens": 10, "outputTokens": 4, "totalTokens": 14}
    return {"modelOutput": {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}}


def messaged(request: Line) -> Line:
    usage = {"input_tokens": 10, "output_tokens": 4}
    text = {"type": "text", "text": f"Hello {request.get('recordId') or request['custom_id']}"}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x"}
    return {**message, "content": [text], "stop_reason": "end_turn", "usage": usage}


def generated(request: Line) -> Line:
    if request["request"]["contents"][0]["parts"][0]["text"] == "bad":
        error = {"error": {"code": 400, "message": "Request contains an invalid argument."}}
        return {"status": f"Bad Request: {json.dumps(error)}", "response": {}}
    content = {"role": "model", "parts": [{"text": "Hello"}]}
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 4, "totalTokenCount": 14}
    candidates = [{"content": content, "finishReason": "STOP"}]
    told = {"candidates": candidates, "usageMetadata": usage, "modelVersion": "gemini-2.5-flash@default"}
    return {"status": "", "processed_time": "2026-08-19T15:00:00Z", "response": told}


def completed(request: Line) -> Line:
    message = {"role": "assistant", "content": f"Hello {request['custom_id']}"}
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "llama", "choices": [choice]}
    return {"id": "x", "response": {**body, "usage": usage}}


def cost(replies: int) -> Decimal:
    """At half the plain price, counted the simplest way."""
    return replies * (10 * Decimal(IN) + 4 * Decimal(OUT)) / 2


def text_of(row: Line) -> str:
    assert row["error"] is None
    assert row["response"]["status_code"] == 200
    body = row["response"]["body"]
    assert body["object"] == "chat.completion"
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (10, 4)
    return str(body["choices"][0]["message"]["content"])


# Bedrock


def test_a_batch_of_bedrock_from_its_file_to_its_costs(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud, own = Amazon(keeper), key(gateway)
    begun = made(gateway, own, "nova")
    assert (begun.status, begun.request_counts and begun.request_counts.total) == ("validating", 3)
    assert begun.metadata == {"for": "me"}
    sent = cloud.lines()
    assert [row["recordId"] for row in sent] == ["r1", "r2", "r3"]
    assert sent[0]["modelInput"] == {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"maxTokens": 10},
    }
    ((bucket, path),) = cloud.objects
    order = keeper.last("POST", "/model-invocation-job").json
    assert (bucket, path) == ("my-bucket", f"headgate/{begun.input_file_id}.jsonl")
    assert order["modelId"] == NOVA
    assert order["modelInvocationType"] == "Converse"
    assert order["jobName"] == order["clientRequestToken"]
    assert order["timeoutDurationInHours"] == 24
    where = {"s3Uri": f"s3://my-bucket/{path}", "s3InputFormat": "JSONL"}
    assert order["inputDataConfig"] == {"s3InputDataConfig": where}
    folder = {"s3Uri": "s3://my-bucket/headgate/results/"}
    assert order["outputDataConfig"] == {"s3OutputDataConfig": folder}
    asking = client(gateway, own)
    cloud.jobs[begun.id]["status"] = "InProgress"
    now = asking.batches.retrieve(begun.id)
    assert (now.status, now.output_file_id, now.created_at) == ("in_progress", None, 1787151000)
    cloud.run(begun.id, conversed)
    done = asking.batches.retrieve(begun.id)
    counts = done.request_counts
    assert counts is not None
    assert (done.status, counts.total, counts.completed, counts.failed) == ("completed", 3, 2, 1)
    good, bad = (content(gateway, own, name) for name in (done.output_file_id, done.error_file_id))
    assert {name: text_of(row) for name, row in good.items()} == {"r1": "Hello r1", "r3": "Hello r3"}
    assert bad == {
        "r2": {
            "id": "batch_req_r2",
            "custom_id": "r2",
            "response": None,
            "error": {"code": "400", "message": "The text is too long."},
        }
    }
    until(lambda: spent(gateway, own) == cost(2))
    asking.batches.retrieve(begun.id)
    (row,) = rows(gateway)
    assert (row["model"], row["spend"]) == (NOVA, float(cost(2)))
    assert (row["prompt_tokens"], row["completion_tokens"]) == (20, 8)


def test_the_makers_own_format_where_a_model_is_invoked(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud, own = Amazon(keeper), key(gateway)
    begun = made(gateway, own, "haiku")
    (body, *_) = (row["modelInput"] for row in cloud.lines())
    assert (body["anthropic_version"], body["max_tokens"]) == ("bedrock-2023-05-31", 10)
    assert "model" not in body
    order = keeper.last("POST", "/model-invocation-job").json
    assert (order["modelId"], order["modelInvocationType"]) == (CLAUDE, "InvokeModel")
    cloud.run(begun.id, lambda row: {"modelOutput": messaged(row)})
    done = client(gateway, own).batches.retrieve(begun.id)
    assert done.error_file_id is None
    assert text_of(content(gateway, own, done.output_file_id)["r2"]) == "Hello r2"
    until(lambda: spent(gateway, own) == cost(3))


def test_a_job_that_is_stopped(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud, own = Amazon(keeper), key(gateway)
    begun = made(gateway, own, "nova")
    asking = client(gateway, own)
    assert asking.batches.cancel(begun.id).status == "cancelling"
    cloud.jobs[begun.id]["status"] = "Stopped"
    done = asking.batches.retrieve(begun.id)
    assert done.status == "cancelled"
    assert content(gateway, own, done.output_file_id) == {}  # it had left nothing
    until(lambda: spent(gateway, own) == 0)
    with pytest.raises(openai.NotFoundError):
        asking.batches.cancel("job-of-nobody")


def test_a_job_that_failed_says_why(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud = Amazon(keeper)
    begun = made(gateway, KEY, "nova")
    cloud.jobs[begun.id] |= {"status": "Failed", "message": "The file has fewer than 100 records."}
    done = client(gateway).batches.retrieve(begun.id)
    assert (done.status, done.output_file_id, done.error_file_id) == ("failed", None, None)
    assert done.errors is not None
    assert done.errors.data is not None
    assert done.errors.data[0].message == "The file has fewer than 100 records."


def test_results_may_go_into_another_bucket(keeper: Keeper, tmp_path: Path) -> None:
    cloud = Amazon(keeper)
    more = {
        "s3_output_bucket_name": "theirs",
        "s3_encryption_key_id": "alias/k",
        "s3_bucket_owner": "123456789012",
    }
    params = {"model": f"bedrock/{NOVA}", **aws(keeper, **more), "s3_access_key_id": "AKIAS3"}
    params["s3_secret_access_key"] = "s3-secret"
    models = [{"model_name": "nova", "litellm_params": params}]
    with running({"model_list": models, "general_settings": {"master_key": KEY}}, tmp_path) as gateway:
        begun = made(gateway, KEY, "nova")
        order = keeper.last("POST", "/model-invocation-job").json
        assert order["outputDataConfig"]["s3OutputDataConfig"] == {
            "s3Uri": "s3://theirs/headgate/results/",
            "s3EncryptionKeyId": "alias/k",
            "s3BucketOwner": "123456789012",
        }
        cloud.run(begun.id, conversed)
        output = client(gateway).batches.retrieve(begun.id).output_file_id
        assert set(content(gateway, KEY, output)) == {"r1", "r3"}
    assert {bucket for bucket, _ in cloud.objects} == {"my-bucket", "theirs"}
    keys = {"s3": "AKIAS3", "bedrock": "AKIATEST"}
    for asked in keeper.asked:
        service = asked.headers["authorization"].split("/")[3]
        assert f"Credential={keys[service]}/" in asked.headers["authorization"]


def test_costs_come_without_anybodys_asking(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud, own = Amazon(keeper), key(gateway)
    begun = made(gateway, own, "nova")
    watch = partial(batches.watch, gateway.gateway)
    asyncio.run_coroutine_threadsafe(watch(), gateway.loop).result(10)
    assert spent(gateway, own) == 0
    cloud.run(begun.id, conversed)
    kept = dict(cloud.objects)
    cloud.objects.clear()  # its results are not there yet: it is tried again
    asyncio.run_coroutine_threadsafe(watch(), gateway.loop).result(10)
    assert spent(gateway, own) == 0
    cloud.objects.update(kept)
    for _ in range(2):
        asyncio.run_coroutine_threadsafe(watch(), gateway.loop).result(10)
    assert spent(gateway, own) == cost(2)
    assert len(rows(gateway)) == 1


# Vertex AI


def test_a_batch_of_gemini_from_its_file_to_its_costs(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud, own = Google(keeper), key(gateway)
    ids = ["r1", "Ünïcode / with spaces " * 5, ""]
    lines = [{**line(1, "gemini"), "custom_id": name} for name in ids]
    lines.append(line(9, "gemini", messages=[{"role": "user", "content": "bad"}]))
    begun = made(gateway, own, "gemini", lines)
    sent = [row["request"] for row in cloud.lines()]
    assert sent[0]["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]
    assert sent[0]["generationConfig"] == {"maxOutputTokens": 10}
    for request in sent:
        for name, value in request["labels"].items():
            assert name.startswith("headgate-id-")
            assert len(value) <= 63
            assert value == value.lower()
    order = keeper.last("POST", "/v1/projects/p/locations/us-central1/batchPredictionJobs").json
    assert order["model"] == "publishers/google/models/gemini-2.5-flash"
    where = f"gs://g-bucket/team/headgate/{begun.input_file_id}.jsonl"
    assert order["inputConfig"] == {"instancesFormat": "jsonl", "gcsSource": {"uris": [where]}}
    folder = {"outputUriPrefix": "gs://g-bucket/team/headgate/results/"}
    assert order["outputConfig"] == {"predictionsFormat": "jsonl", "gcsDestination": folder}
    assert begun.status == "validating"
    cloud.run(begun.id, generated)
    done = client(gateway, own).batches.retrieve(begun.id)
    counts = done.request_counts
    assert counts is not None
    assert (done.status, counts.total, counts.completed, counts.failed) == ("completed", 4, 3, 1)
    good, bad = (content(gateway, own, name) for name in (done.output_file_id, done.error_file_id))
    assert {name: text_of(row) for name, row in good.items()} == dict.fromkeys(ids, "Hello")
    assert "invalid argument" in bad["r9"]["error"]["message"]
    until(lambda: spent(gateway, own) == cost(3))
    (row,) = rows(gateway)
    assert row["model"] == "gemini-2.5-flash"


@pytest.mark.parametrize(
    ("model", "named", "reply"),
    [
        (
            "sonnet",
            "publishers/anthropic/models/claude-sonnet-4-5@20250929",
            lambda row: {"status": "", "response": messaged(row)},
        ),
        ("llama", "publishers/meta/models/llama-3.3-70b-instruct-maas", completed),
        (
            "llama",
            "publishers/meta/models/llama-3.3-70b-instruct-maas",
            lambda row: {"response": {"status_code": 200, "body": completed(row)["response"]}},
        ),
    ],
)
@pytest.mark.parametrize("file", ["predictions.jsonl", "000000000000.jsonl"])
def test_partners_models_on_vertex(
    gateway: RunningGateway,
    keeper: Keeper,
    model: str,
    named: str,
    reply: Callable[[Line], Line],
    file: str,
) -> None:
    cloud, own = Google(keeper), key(gateway)
    begun = made(gateway, own, model)
    assert [row["custom_id"] for row in cloud.lines()] == ["r1", "r2", "r3"]
    assert next(iter(cloud.jobs.values()))["model"] == named
    asked = cloud.lines()[0]
    if model == "sonnet":
        assert asked["request"]["anthropic_version"] == "vertex-2023-10-16"
        assert "model" not in asked["request"]
    else:
        assert (asked["method"], asked["url"]) == ("POST", "/v1/chat/completions")
        assert asked["body"]["model"] == "meta/llama-3.3-70b-instruct-maas"
    cloud.run(begun.id, reply, file=file)
    done = client(gateway, own).batches.retrieve(begun.id)
    assert {text_of(row) for row in content(gateway, own, done.output_file_id).values()} == {
        "Hello r1",
        "Hello r2",
        "Hello r3",
    }
    until(lambda: spent(gateway, own) == cost(3))


def test_googles_token_is_asked_for_once_by_each_service(gateway: RunningGateway, keeper: Keeper) -> None:
    Google(keeper)
    for _ in range(3):
        begun = made(gateway, KEY, "gemini")
        client(gateway).batches.cancel(begun.id)
    assert len([one for one in keeper.asked if one.path == "/token"]) == 2


# who, and how it is named


@pytest.mark.parametrize(
    ("way", "lines"),
    [
        ({"custom_llm_provider": "bedrock"}, [line(1, "nova")]),
        ({"custom_llm_provider": "bedrock"}, [line(1, NOVA), line(2, NOVA)]),
        ({"custom_llm_provider": "bedrock"}, [line(1, f"bedrock/{NOVA}")]),
        ({"target_model_names": "nova"}, [line(1, "whatever"), line(2, "gpt-4o")]),
        ({"model": "nova"}, [line(1, "whatever")]),
    ],
)
def test_ways_to_name_the_model(
    gateway: RunningGateway, keeper: Keeper, way: dict[str, str], lines: list[Line]
) -> None:
    Amazon(keeper)
    file = client(gateway).files.create(file=("x", jsonl(lines)), purpose="batch", extra_body=way)
    begun = client(gateway).batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", extra_body=way
    )
    assert begun.id == "job000000000"
    assert keeper.last("POST", "/model-invocation-job").json["modelId"] == NOVA


def test_every_root_serves(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud = Google(keeper)
    base = f"http://127.0.0.1:{gateway.port}/vertex_ai/v1"
    with openai.OpenAI(api_key=KEY, base_url=base, max_retries=0) as asking:
        file = asking.files.create(file=("x", jsonl([line(1, "gemini")])), purpose="batch")
        begun = asking.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        cloud.run(begun.id, generated)
        assert [one.id for one in asking.batches.list()] == [begun.id]
        done = asking.batches.retrieve(begun.id)
        assert done.output_file_id is not None
        assert asking.files.retrieve(done.output_file_id).filename == f"{begun.id}_output.jsonl"
        assert "Hello" in asking.files.content(done.output_file_id).text
        assert [one.id for one in asking.files.list()] == [file.id]


def test_who_has_no_bucket_is_not_asked_unnamed(keeper: Keeper, tmp_path: Path) -> None:
    made = config(keeper, "s3_bucket_name", "gcs_bucket_name")
    base = {"api_base": keeper.base + "/v1", "api_key": "sk-o"}
    made["model_list"].append({"model_name": "o", "litellm_params": {"model": "openai/gpt", **base}})
    keeper.answers["GET /v1/files"] = {"object": "list", "data": []}
    with running(made, tmp_path) as gateway:
        assert gateway.request("/v1/files")[0] == 200


def test_whose_they_are(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud, own = Amazon(keeper), key(gateway)
    first, second = made(gateway, own, "nova"), made(gateway, own, "nova")
    cloud.run(first.id, conversed)
    asking, other = client(gateway, own), client(gateway, key(gateway))
    output = asking.batches.retrieve(first.id).output_file_id
    assert output is not None
    told = {"custom_llm_provider": "bedrock"}
    assert [one.id for one in asking.batches.list(extra_query=told)] == [second.id, first.id]
    page = asking.batches.list(limit=1, extra_query=told)
    assert ([one.id for one in page.data], page.has_more) == ([second.id], True)
    page = asking.batches.list(limit=1, after=second.id, extra_query=told)
    assert ([one.id for one in page.data], page.has_more) == ([first.id], False)
    assert list(other.batches.list(extra_query=told)) == []
    assert list(other.files.list(extra_query=told)) == []
    for forbidden in (other.files.content, other.files.retrieve, other.files.delete):
        for name in (output, first.input_file_id):
            with pytest.raises(openai.NotFoundError):
                forbidden(name)
    for hidden in (other.batches.retrieve, other.batches.cancel):
        with pytest.raises(openai.NotFoundError):
            hidden(first.id)
    with pytest.raises(openai.NotFoundError):
        other.batches.create(
            input_file_id=first.input_file_id, endpoint="/v1/chat/completions", completion_window="24h"
        )


def test_files_are_deleted_from_the_bucket_and_paid_for_before(
    gateway: RunningGateway, keeper: Keeper
) -> None:
    cloud, own = Amazon(keeper), key(gateway)
    begun = made(gateway, own, "nova")
    asking = client(gateway, own)
    assert [
        json.loads(row) for row in asking.files.content(begun.input_file_id).text.splitlines()
    ] == cloud.lines()
    cloud.run(begun.id, conversed)
    output = f"file-{begun.id}-output"
    asking.batches.retrieve(begun.id)
    assert asking.files.delete(output).deleted
    assert spent(gateway, own) == cost(2)
    assert asking.files.delete(begun.input_file_id).deleted
    assert [path.rpartition("/")[2] for _, path in cloud.objects] == ["manifest.json.out"]
    for gone in (output, begun.input_file_id):
        with pytest.raises(openai.NotFoundError):
            asking.files.retrieve(gone)


def test_an_admin_sees_a_job_that_was_made_elsewhere(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud = Amazon(keeper)
    begun = made(gateway, KEY, "nova")
    cloud.run(begun.id, conversed)
    cloud.jobs["elsewhere000"] = {**cloud.jobs[begun.id], "jobArn": "arn:aws:bedrock:x:1:job/elsewhere000"}
    found = client(gateway).batches.retrieve("elsewhere000", extra_query={"custom_llm_provider": "bedrock"})
    assert (found.status, found.output_file_id) == ("completed", None)


# what is translated


def test_a_schema_that_came_as_a_tool_goes_back_as_text(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud = Amazon(keeper)
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    lines = [line(1, "haiku"), line(2, "haiku", response_format=wanted), line(3, "haiku")]
    begun = made(gateway, KEY, "haiku", lines)

    def reply(request: Line) -> Line:
        message = messaged(request)
        if tools := request["modelInput"].get("tools"):
            use = {"type": "tool_use", "id": "toolu_1", "name": tools[0]["name"], "input": {"n": 1}}
            message["content"] = [use]
        return {"modelOutput": message}

    cloud.run(begun.id, reply)
    done = client(gateway).batches.retrieve(begun.id)
    rows = content(gateway, KEY, done.output_file_id)
    assert json.loads(text_of(rows["r2"])) == {"n": 1}
    assert [text_of(rows[name]) for name in ("r1", "r3")] == ["Hello r1", "Hello r3"]


def test_pictures_that_a_model_can_not_fetch_are_fetched(keeper: Keeper, tmp_path: Path) -> None:
    cloud = Amazon(keeper)
    keeper.plays["GET /cat.png"] = (200, {"content-type": "image/png"}, b"\x89PNG\r\n\x1a\n")
    made_of = config(keeper)
    made_of["general_settings"]["user_url_allowed_hosts"] = ["127.0.0.1"]
    picture = {"type": "image_url", "image_url": {"url": keeper.base + "/cat.png"}}
    asked = line(1, "nova", messages=[{"role": "user", "content": [picture]}])
    with running(made_of, tmp_path) as gateway:
        made(gateway, KEY, "nova", [asked])
    (row,) = cloud.lines()
    image = row["modelInput"]["messages"][0]["content"][0]["image"]
    assert (image["format"], image["source"]["bytes"]) == ("png", "iVBORw0KGgo=")


def test_a_reply_that_can_not_be_read_hides_no_other(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud, own = Amazon(keeper), key(gateway)
    begun = made(gateway, own, "nova")
    cloud.run(
        begun.id,
        lambda row: {"modelOutput": {"output": 1}} if row["recordId"] == "r1" else conversed(row),
    )
    done = client(gateway, own).batches.retrieve(begun.id)
    rows = content(gateway, own, done.output_file_id)
    assert rows["r1"]["error"]["code"] == "unreadable"
    assert text_of(rows["r3"]) == "Hello r3"
    until(lambda: spent(gateway, own) == cost(1))


# what can't be


@pytest.mark.parametrize(
    ("model", "without", "names"),
    [
        ("nova", "s3_bucket_name", ["s3_bucket_name", "AWS_S3_BUCKET_NAME"]),
        ("nova", "aws_batch_role_arn", ["aws_batch_role_arn", "AWS_BATCH_ROLE_ARN"]),
        ("gemini", "gcs_bucket_name", ["gcs_bucket_name", "GCS_BUCKET_NAME"]),
    ],
)
def test_settings_that_are_missing_are_named(
    keeper: Keeper, tmp_path: Path, model: str, without: str, names: list[str]
) -> None:
    with running(config(keeper, without), tmp_path) as gateway:
        with pytest.raises(openai.BadRequestError) as error:
            made(gateway, KEY, model)
        assert all(name in error.value.message for name in names)
    assert not keeper.asked


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], ["no requests"]),
        ([line(1, "nova"), line(2, "other")], ["line 2", "other", "nova", "one model"]),
        ([{"custom_id": "r1", "body": {"messages": []}}], ["line 1", "names no model"]),
        ([line(1, "nova"), {**line(2, "nova"), "url": "/v1/embeddings"}], ["line 2", "/v1/embeddings"]),
        ([line(1, "nova"), line(2, "nova", messages=1)], ["line 2", "messages"]),
        ([line(1, "nova", logit_bias={"1": 2})], ["line 1", "logit_bias", "drop_params"]),
        ([{"custom_id": "r1", "body": []}], ["line 1"]),
    ],
)
def test_lines_that_can_not_be(
    gateway: RunningGateway, keeper: Keeper, lines: list[Line], words: list[str]
) -> None:
    Amazon(keeper)
    with pytest.raises(openai.BadRequestError) as error:
        client(gateway).files.create(
            file=("x", jsonl(lines)), purpose="batch", extra_body={"custom_llm_provider": "bedrock"}
        )
    assert [word for word in words if word not in error.value.message] == []
    assert not keeper.asked


def test_an_upload_that_is_cut_leaves_nothing(
    gateway: RunningGateway, keeper: Keeper, tmp_path: Path
) -> None:
    Amazon(keeper)
    start = b'--xyz\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    start += b'--xyz\r\ncontent-disposition: form-data; name="file"; filename="in"\r\n\r\n'
    kind = {"content-type": "multipart/form-data; boundary=xyz"}
    long = [{"role": "user", "content": "y" * 10_000}]
    data = start + jsonl([line(n, "nova", messages=long) for n in range(300)])
    status, _, body = gateway.request("/v1/files?model=nova", data, kind)
    assert (status, b"cut" in body) == (400, True)
    assert not keeper.asked
    assert list((tmp_path / "data" / "files").iterdir()) == []


def test_a_model_of_the_cloud_that_has_no_batches(keeper: Keeper, tmp_path: Path) -> None:
    made_of = config(keeper)
    mistral = {"model": "vertex_ai/mistral-large@2411", **gcp(keeper)}
    made_of["model_list"].append({"model_name": "mistral", "litellm_params": mistral})
    with running(made_of, tmp_path) as gateway:
        for way in ({"target_model_names": "mistral"}, {"custom_llm_provider": "vertex_ai"}):
            with pytest.raises(openai.BadRequestError, match="batches of Gemini, of Claude"):
                client(gateway).files.create(
                    file=("x", jsonl([line(1, "mistral")])), purpose="batch", extra_body=way
                )
    assert not keeper.asked


def test_what_a_file_and_a_batch_must_be_for(gateway: RunningGateway, keeper: Keeper) -> None:
    Amazon(keeper)
    told = {"target_model_names": "nova"}
    with pytest.raises(openai.BadRequestError, match="purpose"):
        client(gateway).files.create(file=("x", b"{}"), purpose="fine-tune", extra_body=told)
    file = client(gateway).files.create(
        file=("x", jsonl([line(1, "nova")])), purpose="batch", extra_body=told
    )
    with pytest.raises(openai.BadRequestError, match="/v1/chat/completions"):
        client(gateway).batches.create(
            input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h"
        )
    with pytest.raises(openai.NotFoundError):
        client(gateway).batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            extra_body={"custom_llm_provider": "vertex_ai"},
        )


def test_a_model_that_a_key_may_not_use(gateway: RunningGateway, keeper: Keeper) -> None:
    Amazon(keeper)
    own = key(gateway, models=["haiku"])
    told = {"custom_llm_provider": "bedrock"}
    assert made(gateway, own, "haiku").status == "validating"
    keeper.asked.clear()
    with pytest.raises(openai.PermissionDeniedError):
        made(gateway, own, "nova")
    with pytest.raises(openai.PermissionDeniedError):
        client(gateway, own).files.create(
            file=("x", jsonl([line(1, "nova")])), purpose="batch", extra_body=told
        )
    assert not keeper.asked


def test_a_budget_that_all_requests_could_break(gateway: RunningGateway, keeper: Keeper) -> None:
    Amazon(keeper)
    own = key(gateway, max_budget=0.0001)
    with pytest.raises(openai.APIStatusError, match=r"[Bb]udget"):
        made(gateway, own, "nova", [line(n, "nova") for n in range(20)])
    assert [one.method for one in keeper.asked] == ["PUT"]


REFUSALS = [
    (
        "nova",
        "PUT",
        (403, {}, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"),
        openai.PermissionDeniedError,
        ["Amazon S3", "my-bucket", "Access Denied"],
    ),
    (
        "nova",
        "PUT",
        (301, {"x-amz-bucket-region": "eu-west-1"}, b""),
        openai.BadRequestError,
        ["s3_region_name", "eu-west-1"],
    ),
    (
        "nova",
        "POST",
        (400, {"x-amzn-errortype": "ValidationException"}, b'{"message":"The role is wrong."}'),
        openai.BadRequestError,
        ["The role is wrong."],
    ),
    (
        "nova",
        "POST",
        (429, {"x-amzn-errortype": "ThrottlingException"}, b'{"message":"Too many jobs."}'),
        openai.RateLimitError,
        ["Too many jobs."],
    ),
    (
        "gemini",
        "upload",
        (404, {}, b'{"error":{"code":404,"message":"The specified bucket does not exist."}}'),
        openai.NotFoundError,
        ["Google Cloud Storage", "g-bucket", "does not exist"],
    ),
    (
        "gemini",
        "batchPredictionJobs",
        (403, {}, b'{"error":{"code":403,"message":"Permission denied","status":"PERMISSION_DENIED"}}'),
        openai.PermissionDeniedError,
        ["Permission denied"],
    ),
]


@pytest.mark.parametrize(("model", "where", "answer", "kind", "words"), REFUSALS)
def test_refusals_are_told_in_the_clouds_words(
    gateway: RunningGateway,
    keeper: Keeper,
    model: str,
    where: str,
    answer: Any,
    kind: type[openai.APIStatusError],
    words: list[str],
) -> None:
    cloud = Amazon(keeper) if model == "nova" else Google(keeper)
    keeper.other = lambda asked: (
        answer if where == asked.method != "GET" or where in asked.path else cloud.answer(asked)
    )
    if where == "POST":
        keeper.other = lambda asked: answer if asked.method == "POST" else cloud.answer(asked)
    with pytest.raises(kind) as error:
        made(gateway, KEY, model)
    assert [word for word in words if word not in error.value.message] == []
    for secret in ("aws-secret", "ya29.secret"):
        assert secret not in error.value.message


def test_results_that_are_not_there(gateway: RunningGateway, keeper: Keeper) -> None:
    cloud = Amazon(keeper)
    begun = made(gateway, KEY, "nova")
    cloud.run(begun.id, conversed)
    output = client(gateway).batches.retrieve(begun.id).output_file_id
    assert output is not None
    cloud.objects.clear()
    with pytest.raises(openai.NotFoundError, match="my-bucket"):
        client(gateway).files.content(output)


def test_a_large_file_is_never_held(gateway: RunningGateway, keeper: Keeper) -> None:
    import tracemalloc

    Amazon(keeper)
    text = "x" * 200_000
    data = jsonl([line(n, "nova", messages=[{"role": "user", "content": text}]) for n in range(250)])
    form = b'--xyz\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    form += b'--xyz\r\ncontent-disposition: form-data; name="file"; filename="big"\r\n\r\n'
    form += data + b"\r\n--xyz--\r\n"
    paths: dict[str, int] = {}
    keeper.counted = _Any(paths)
    keeper.other = lambda asked: (200, {}, b"")
    tracemalloc.start()
    try:
        kind = {"content-type": "multipart/form-data; boundary=xyz"}
        status, _, _ = gateway.request("/v1/files?model=nova", form, kind)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status == 200
    assert sum(paths.values()) > 250 * 200_000
    assert peak < 20_000_000


class _Any(dict[str, int]):
    """Counts every path."""

    def __init__(self, sums: dict[str, int]) -> None:
        super().__init__()
        self._sums = sums

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> int:
        return self._sums.get(name, 0)

    def __setitem__(self, name: str, value: int) -> None:
        self._sums[name] = value
