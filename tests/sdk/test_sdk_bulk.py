"""The SDK's functions of files and batches at clouds that keep them in a bucket, on a real socket."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headgate
from clouds import ROLE, Amazon, Google, Line, aws, credentials, found, gcp
from headgate.sdk.client import Client
from keepers import Keeper, fixture_keeper, jsonl, line

keeper = fixture_keeper

NOVA, TITAN = "us.amazon.nova-lite-v1:0", "amazon.titan-embed-text-v2:0"
FLASH, TEXT = "gemini-2.5-flash", "text-embedding-005"


def bedrock(keeper: Keeper) -> dict[str, Any]:
    return {"custom_llm_provider": "bedrock", **aws(keeper)}


def vertex(keeper: Keeper) -> dict[str, Any]:
    return {"custom_llm_provider": "vertex_ai", **gcp(keeper)}


def embed(number: int, model: str, text: str = "Hi") -> Line:
    body = {"model": model, "input": text}
    return {"custom_id": f"r{number}", "method": "POST", "url": "/v1/embeddings", "body": body}


def conversed(request: Line) -> Line:
    if request["recordId"] == "r2":
        return {"error": {"errorCode": 400, "errorMessage": "The text is too long."}}
    message = {"role": "assistant", "content": [{"text": "Hello"}]}
    usage = {"inputTokens": 10, "outputTokens": 4, "totalTokens": 14}
    return {"modelOutput": {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}}


def generated(request: Line) -> Line:
    content = {"role": "model", "parts": [{"text": "Hello"}]}
    return {"status": "", "response": {"candidates": [{"content": content, "finishReason": "STOP"}]}}


def titan(request: Line) -> Line:
    return {"modelOutput": {"embedding": [0.5], "inputTextTokenCount": 3}}


def predicted(request: Line) -> Line:
    told = {"statistics": {"token_count": 3, "truncated": False}, "values": [0.5]}
    return {"status": "", "predictions": [{"embeddings": told}]}


def answer_of(row: Line) -> Any:
    body = row["response"]["body"]
    if body["object"] == "chat.completion":
        return body["choices"][0]["message"]["content"]
    assert body["usage"]["prompt_tokens"] == 3
    return body["data"][0]["embedding"]


@pytest.mark.parametrize(
    ("cloud", "own", "lines", "endpoint", "reply", "answer"),
    [
        (Amazon, bedrock, [line(1, NOVA)], "/v1/chat/completions", conversed, "Hello"),
        (Amazon, bedrock, [line(1, f"bedrock/{NOVA}")], "/v1/chat/completions", conversed, "Hello"),
        (Amazon, bedrock, [embed(1, TITAN), embed(3, TITAN)], "/v1/embeddings", titan, [0.5]),
        (Google, vertex, [line(1, FLASH), line(2, FLASH)], "/v1/chat/completions", generated, "Hello"),
        (Google, vertex, [embed(1, f"vertex_ai/{TEXT}")], "/v1/embeddings", predicted, [0.5]),
    ],
)
async def test_a_batch_from_its_file_to_its_results(
    keeper: Keeper,
    cloud: Callable[[Keeper], Any],
    own: Callable[[Keeper], dict[str, Any]],
    lines: list[Line],
    endpoint: str,
    reply: Callable[[Line], Line],
    answer: Any,
) -> None:
    played, given = cloud(keeper), own(keeper)
    data = jsonl(lines)
    file = await headgate.acreate_file(("in.jsonl", data), "batch", **given)
    assert (file.bytes, file.filename, file.purpose, file.status) == (
        len(data),
        "in.jsonl",
        "batch",
        "processed",
    )
    assert (await headgate.afile_retrieve(file.id, **given)).model_dump() == file.model_dump()
    made = await headgate.acreate_batch("24h", endpoint, file.id, metadata={"for": "me"}, **given)
    assert (made.status, made.request_counts.total, made.endpoint) == ("validating", len(lines), endpoint)
    played.run(made.id, reply)
    done = await headgate.aretrieve_batch(made.id, **given)
    assert (done.status, done.metadata, done.input_file_id) == ("completed", {"for": "me"}, file.id)
    content = await headgate.afile_content(done.output_file_id, **given)
    rows = found(content.text.splitlines())
    assert {name: answer_of(row) for name, row in rows.items()} == {one["custom_id"]: answer for one in lines}
    output = await headgate.afile_retrieve(done.output_file_id, **given)
    assert (output.purpose, output.filename) == ("batch_output", f"{made.id}_output.jsonl")


def test_without_await_and_what_went_wrong(keeper: Keeper, tmp_path: Path) -> None:
    cloud, given = Amazon(keeper), bedrock(keeper)
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl([line(1, NOVA), line(2, NOVA)]))
    file = headgate.create_file(path, "batch", **given)
    asked = [json.loads(row) for row in headgate.file_content(file.id, **given).text.splitlines()]
    assert [row["recordId"] for row in asked] == ["r1", "r2"]
    made = headgate.create_batch("24h", "/v1/chat/completions", file.id, **given)
    assert headgate.cancel_batch(made.id, **given).status == "cancelling"
    cloud.run(made.id, conversed)
    done = headgate.retrieve_batch(made.id, **given)
    bad = found(headgate.file_content(done.error_file_id, **given).text.splitlines())
    assert bad["r2"]["error"] == {"code": "400", "message": "The text is too long."}
    assert headgate.file_delete(done.output_file_id, **given).deleted
    with pytest.raises(headgate.NotFoundError, match="my-bucket"):
        headgate.file_content(done.output_file_id, **given)
    assert headgate.file_delete(file.id, **given).deleted
    kept = sorted(key.rpartition("/")[2].partition("-")[0] for _, key in cloud.objects)
    assert kept == ["headgate", "manifest.json.out"]
    with pytest.raises(headgate.NotFoundError):
        headgate.file_retrieve(file.id, **given)


@pytest.mark.parametrize("cloud", [Amazon, Google])
async def test_who_asks_and_where_may_be_told_by_the_environment(
    keeper: Keeper, cloud: type[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud(keeper)
    path = tmp_path / "credentials.json"
    path.write_text(credentials(keeper))
    env = {
        "AWS_BEDROCK_RUNTIME_ENDPOINT": keeper.base,
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "aws-secret",
        "AWS_REGION_NAME": "us-west-2",
        "AWS_ENDPOINT_URL_S3": keeper.base,
        "AWS_S3_BUCKET_NAME": "my-bucket",
        "AWS_BATCH_ROLE_ARN": ROLE,
        "GOOGLE_APPLICATION_CREDENTIALS": str(path),
        "VERTEXAI_PROJECT": "p",
        "VERTEXAI_API_BASE": f"{keeper.base}/v1/projects/p/locations/us-central1",
        "STORAGE_EMULATOR_HOST": keeper.base,
        "GCS_BUCKET_NAME": "g-bucket",
    }
    client = Client(env=env)
    monkeypatch.setattr("headgate.sdk.jobs.default_client", lambda: client)
    provider, model = ("bedrock", NOVA) if cloud is Amazon else ("vertex_ai", FLASH)
    file = await headgate.acreate_file(jsonl([line(1, model)]), "batch", custom_llm_provider=provider)
    made = await headgate.acreate_batch("24h", "/v1/chat/completions", file.id, custom_llm_provider=provider)
    assert made.status == "validating"


async def test_the_older_name_of_the_bucket(keeper: Keeper) -> None:
    cloud, given = Google(keeper), vertex(keeper)
    given["bucket_name"] = given.pop("gcs_bucket_name")
    await headgate.acreate_file(jsonl([line(1, FLASH)]), "batch", **given)
    assert {bucket for bucket, _ in cloud.objects} == {"g-bucket"}


async def test_a_job_that_was_made_elsewhere(keeper: Keeper) -> None:
    cloud, given = Amazon(keeper), bedrock(keeper)
    file = await headgate.acreate_file(jsonl([line(1, NOVA)]), "batch", **given)
    made = await headgate.acreate_batch("24h", "/v1/chat/completions", file.id, **given)
    cloud.run(made.id, conversed)
    for name in ("theirs", "headgate-of-nobody"):
        cloud.jobs[made.id]["jobName"] = name
        told = await headgate.aretrieve_batch(made.id, **given)
        assert (told.status, told.output_file_id) == ("completed", None)
        with pytest.raises(headgate.NotFoundError, match="nothing is remembered"):
            await headgate.afile_content(f"file-{made.id}-output", **given)
        with pytest.raises(headgate.NotFoundError, match="No such File"):
            await headgate.afile_retrieve(f"file-{made.id}-output", **given)


async def test_mistakes_are_told(keeper: Keeper) -> None:
    cloud, given = Amazon(keeper), bedrock(keeper)
    with pytest.raises(headgate.BadRequestError, match="'purpose' must be 'batch'"):
        await headgate.acreate_file(b"", "fine-tune", **given)
    with pytest.raises(headgate.BadRequestError, match=r"line 2 .*one model"):
        await headgate.acreate_file(jsonl([line(1, NOVA), line(2, TITAN)]), "batch", **given)
    with pytest.raises(headgate.BadRequestError, match=r"line 1 .*/v1/embeddings"):
        await headgate.acreate_file(jsonl([line(1, TITAN)]), "batch", **given)
    with pytest.raises(headgate.BadRequestError, match="names no model"):
        await headgate.acreate_file(jsonl([{"custom_id": "r", "body": {}}]), "batch", **given)
    with pytest.raises(headgate.BadRequestError, match="no id"):
        await headgate.afile_content("../x", **given)
    with pytest.raises(headgate.NotFoundError, match="my-bucket"):
        await headgate.acreate_batch("24h", "/v1/embeddings", "file-none", **given)
    with pytest.raises(headgate.NotFoundError):
        await headgate.aretrieve_batch("job-none", **given)
    for listed in (headgate.afile_list, headgate.alist_batches):
        with pytest.raises(headgate.BadRequestError, match="can't be listed"):
            await listed(**given)
    assert not cloud.objects
    file = await headgate.acreate_file(jsonl([line(1, NOVA)]), "batch", **given)
    with pytest.raises(headgate.BadRequestError, match="requests are for /v1/chat/completions"):
        await headgate.acreate_batch("24h", "/v1/embeddings", file.id, **given)
    del given["s3_bucket_name"]
    with pytest.raises(
        headgate.BadRequestError, match=r"set s3_bucket_name \(AWS_S3_BUCKET_NAME in the environment\)$"
    ):
        await headgate.acreate_file(jsonl([line(1, NOVA)]), "batch", **given)


async def test_refusals_are_told_in_the_clouds_words(keeper: Keeper) -> None:
    cloud, given = Amazon(keeper), bedrock(keeper)
    file = await headgate.acreate_file(jsonl([line(1, NOVA)]), "batch", **given)
    refusal = (400, {"x-amzn-errortype": "ValidationException"}, b'{"message":"The role is wrong."}')
    keeper.other = lambda asked: refusal if asked.method == "POST" else cloud.answer(asked)
    with pytest.raises(headgate.BadRequestError, match=r"The role is wrong\.") as error:
        await headgate.acreate_batch("24h", "/v1/chat/completions", file.id, **given)
    assert "aws-secret" not in error.value.message
