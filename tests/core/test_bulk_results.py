"""Results of jobs as they come out of a bucket: cut anywhere, in one file or in several."""

import asyncio
import json
from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.played import PlayedAnswer
from headgate.catalog.lookup import Catalog
from headgate.core import bulk
from headgate.core.deployment import Deployment
from headgate.core.engine import Engine
from headgate.core.signing import Sending
from headgate.errors import BadRequestError, NotFoundError
from headgate.ports import Timeouts

CATALOG = Catalog()
ROWS = [{"recordId": f"r{n}", "modelOutput": {"text": "Grüße 👋" * n}} for n in range(4)]
DATA = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS).encode()
FOLDER = "results/prediction-1/"


class Bucket(Engine):
    """Plays a bucket's service: `files` by key, told in `pieces`."""

    def __init__(self, files: dict[str, bytes], cut: Any) -> None:
        self.files = files
        self.cut = cut
        self.sent: list[Sending] = []

    async def send(self, deployment: Deployment, sending: Sending, timeouts: Timeouts) -> Any:
        self.sent.append(sending)
        path = urlsplit(sending.url).path
        if path.endswith("/o"):
            items = [{"name": name} for name in self.files]
            return PlayedAnswer(200, [], [json.dumps({"items": items}).encode()])
        for name, data in self.files.items():
            if unquote(path).endswith("/" + name):
                return PlayedAnswer(200, [], list(self.cut(data)))
        return PlayedAnswer(404, [], [b"<Error><Code>NoSuchKey</Code></Error>"])


def bedrock(**params: Any) -> Deployment:
    own = {"model": "bedrock/amazon.nova-lite-v1:0", "aws_region_name": "us-west-2", **params}
    return Deployment("nova", own, catalog=CATALOG, env={})


def vertex(**params: Any) -> Deployment:
    own = {"model": "vertex_ai/gemini-2.5-flash", "vertex_project": "p", **params}
    return Deployment("gemini", own, catalog=CATALOG, env={})


def job(status: str = "Completed") -> dict[str, Any]:
    return {
        "jobArn": "arn:aws:bedrock:us-west-2:1:model-invocation-job/abc",
        "status": status,
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://b/f.jsonl"}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://b/results/"}},
    }


def prediction(state: str = "JOB_STATE_SUCCEEDED") -> dict[str, Any]:
    folder = {"gcsOutputDirectory": f"gs://g/{FOLDER.rstrip('/')}"}
    return {"name": "p/batchPredictionJobs/1", "state": state, "outputInfo": folder}


def lines(engine: Engine, deployment: Deployment, document: dict[str, Any]) -> list[Any]:
    async def gathered() -> list[Any]:
        return [json.loads(line) async for line in bulk.result_lines(engine, deployment, document)]

    return asyncio.run(gathered())


def bytewise(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        yield data[at : at + 1]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n\n"])
def test_lines_come_byte_by_byte(end: bytes) -> None:
    engine = Bucket({"results/abc/f.jsonl.out": DATA + end}, bytewise)
    assert lines(engine, bedrock(), job()) == ROWS
    assert [one.url for one in engine.sent] == [
        "https://b.s3.us-west-2.amazonaws.com/results/abc/f.jsonl.out"
    ]


@settings(deadline=None)
@given(st.randoms(use_true_random=False))
def test_lines_are_cut_anywhere(dice: Random) -> None:
    def cut(data: bytes) -> Iterator[bytes]:
        while data:
            size = dice.randint(1, 40)
            yield data[:size]
            data = data[size:]

    engine = Bucket({FOLDER + "predictions.jsonl": DATA}, cut)
    assert lines(engine, vertex(), prediction()) == ROWS


def test_a_folder_holds_the_whole_or_parts_of_it() -> None:
    first, second = DATA.split(b"\n", 1)
    parts = {
        FOLDER + "000000000001.jsonl": second,
        FOLDER + "000000000000.jsonl": first,
        FOLDER + "errors_0001.jsonl": b"{}",
        FOLDER + "incremental_predictions.jsonl": DATA,
        FOLDER + "note.txt": b"x",
    }
    assert lines(Bucket(parts, bytewise), vertex(), prediction()) == ROWS
    whole = {**parts, FOLDER + "predictions.jsonl": DATA}
    assert lines(Bucket(whole, bytewise), vertex(), prediction()) == ROWS


def test_results_that_are_missing() -> None:
    nothing = Bucket({}, bytewise)
    with pytest.raises(NotFoundError, match="Amazon S3, bucket b"):
        lines(nothing, bedrock(), job())
    with pytest.raises(NotFoundError, match="gs://g/results/prediction-1/"):
        lines(nothing, vertex(), prediction())
    assert lines(nothing, bedrock(), job("Stopped")) == []
    assert lines(nothing, vertex(), prediction("JOB_STATE_CANCELLED")) == []
    assert lines(nothing, bedrock(), job("Failed")) == []


@pytest.mark.parametrize(
    ("params", "address"),
    [
        ({}, "https://b.s3.us-west-2.amazonaws.com/k"),
        ({"s3_region_name": "eu-west-1"}, "https://b.s3.eu-west-1.amazonaws.com/k"),
        ({"s3_endpoint_url": "http://minio:9000"}, "http://minio:9000/b/k"),
        ({"api_base": "http://elsewhere"}, "https://b.s3.us-west-2.amazonaws.com/k"),
    ],
)
def test_where_a_bucket_is(params: dict[str, Any], address: str) -> None:
    assert bedrock(**params).store("b").route("objects", False).url + "/k" == address


def test_a_name_that_no_certificate_fits_stands_in_the_path() -> None:
    url = bedrock().store("my.bucket").route("objects", False).url
    assert url == "https://s3.us-west-2.amazonaws.com/my.bucket"


def test_where_cloud_storage_is() -> None:
    store = vertex().store("g")
    assert store.route("objects", False).url == "https://storage.googleapis.com/storage/v1/b/g/o"
    assert store.route("upload", False).url == (
        "https://storage.googleapis.com/upload/storage/v1/b/g/o?uploadType=media"
    )
    assert (
        vertex(gcs_endpoint_url="http://h").store("g").route("objects", False).url
        == "http://h/storage/v1/b/g/o"
    )
    assert vertex().store("g") is not store


def test_a_bedrock_key_is_not_for_s3() -> None:
    store = bedrock(api_key="bedrock-key").store("b")
    assert "bedrock-key" not in str(store.headers())
    assert store.credential is not None


def test_a_key_reads_no_bucket() -> None:
    with pytest.raises(BadRequestError, match="vertex_credentials"):
        vertex(api_key="k").store("g")


def test_settings_come_from_the_model_and_then_from_the_environment() -> None:
    env = {"AWS_S3_BUCKET_NAME": "theirs", "AWS_BATCH_ROLE_ARN": "arn:r", "GCS_BUCKET_NAME": "logs"}
    made = Deployment(
        "g", {"model": "bedrock/x.y", "aws_region_name": "r", "s3_bucket_name": "b"}, catalog=CATALOG, env=env
    )
    assert bulk.settings_of(made) == {"bucket": "b", "output": "b", "role": "arn:r"}
    google = Deployment("g", {"model": "vertex_ai/g", "vertex_project": "p"}, catalog=CATALOG, env=env)
    assert bulk.settings_of(google) == {"bucket": "logs"}
    better = Deployment(
        "g",
        {"model": "vertex_ai/g", "vertex_project": "p"},
        catalog=CATALOG,
        env={**env, "GCS_BATCH_BUCKET_NAME": "batches"},
    )
    assert bulk.settings_of(better) == {"bucket": "batches"}
    with pytest.raises(
        BadRequestError, match=r"s3_bucket_name .AWS_S3_BUCKET_NAME in the environment. and aws_batch"
    ):
        bulk.settings_of(bedrock())
