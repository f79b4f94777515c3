"""Clouds for tests: S3 with Bedrock's jobs, Cloud Storage with Vertex AI's, as their documentation has them. A job
runs when the test says so."""

import datetime
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, unquote

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from keepers import Answer, Asked, Keeper, jsonl

ROLE = "arn:aws:iam::123456789012:role/batch"
ARN = "arn:aws:bedrock:us-west-2:123456789012:model-invocation-job/"
KEYS = {"AKIATEST": "aws-secret", "AKIAS3": "s3-secret"}
_ALONE = threading.Lock()
PROJECT = "/v1/projects/p/locations/us-central1"
Line = dict[str, Any]


def told(document: Any, status: int = 200) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(document).encode()


def signature(asked: Asked, service: str) -> str:
    """What botocore makes of a request that arrived."""
    access = next(name for name in KEYS if name in asked.headers["authorization"])
    signed = asked.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    given = {name: asked.headers[name] for name in signed if not name.startswith("x-amz-")}
    url = f"http://{asked.headers['host']}{asked.path}" + (f"?{asked.query}" if asked.query else "")
    again = AWSRequest(method=asked.method, url=url, data=asked.body, headers=given)
    when = datetime.datetime.strptime(asked.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    with _ALONE, patch("botocore.auth.get_current_datetime", lambda **_: when):
        signer(Credentials(access, KEYS[access]), service, "us-west-2").add_auth(again)
    return str(again.headers["authorization"])


class Cloud:
    """`objects` are the files by (bucket, key), `jobs` the documents by id."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self.objects: dict[tuple[str, str], bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        keeper.other = self.answer

    def answer(self, asked: Asked) -> Answer | None:
        raise NotImplementedError

    def lines(self) -> list[Line]:
        """Of the only file."""
        (data,) = self.objects.values()
        return [json.loads(row) for row in data.splitlines()]

    def put(self, uri: str, data: bytes) -> None:
        bucket, _, key = uri.partition("://")[2].partition("/")
        self.objects[bucket, key] = data

    def get(self, uri: str) -> list[Line]:
        bucket, _, key = uri.partition("://")[2].partition("/")
        return [json.loads(row) for row in self.objects[bucket, key].splitlines()]


class Amazon(Cloud):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html and
    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html"""

    def answer(self, asked: Asked) -> Answer | None:
        if asked.path.startswith("/model-invocation-job"):
            return self._job(asked)
        bucket, _, key = asked.path[1:].partition("/")
        assert asked.headers["x-amz-content-sha256"] == hashlib.sha256(asked.body).hexdigest()
        assert asked.headers["authorization"] == signature(asked, "s3")
        if asked.method == "PUT":
            self.objects[bucket, key] = asked.body
            return 200, {}, b""
        if asked.method == "DELETE":
            self.objects.pop((bucket, key), None)
            return 204, {}, b""
        if (bucket, key) not in self.objects:
            body = b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>The key is gone.</Message></Error>"
            return 404, {"content-type": "application/xml"}, body
        return 200, {"content-type": "application/jsonl"}, self.objects[bucket, key]

    def _job(self, asked: Asked) -> Answer:
        assert asked.headers["authorization"] == signature(asked, "bedrock")
        _, _, name, *rest = asked.path.split("/") if asked.path.count("/") > 1 else ("", "", "")
        if not name:
            made = asked.json
            found = next((one for one in self.jobs.values() if one["jobName"] == made["jobName"]), None)
            name = found["jobArn"].rpartition("/")[2] if found else f"job{len(self.jobs):09d}"
            own = {"jobArn": ARN + name, "status": "Submitted", "submitTime": "2026-08-19T14:50:00Z"}
            self.jobs.setdefault(name, {**made, **own})
            return told({"jobArn": ARN + name})
        if name not in self.jobs:
            headers = {"x-amzn-errortype": "ResourceNotFoundException"}
            return 404, headers, b'{"message":"The provided job identifier was not found."}'
        if rest:
            self.jobs[name]["status"] = "Stopping"
            return told({})
        return told(self.jobs[name])

    def run(self, name: str, reply: Callable[[Line], Line], status: str = "Completed") -> None:
        """`reply` makes what stands beside a line's recordId of the line."""
        job = self.jobs[name]
        asked = job["inputDataConfig"]["s3InputDataConfig"]["s3Uri"]
        folder = job["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"]
        rows = [{**line, **reply(line)} for line in self.get(asked)]
        self.put(f"{folder}{name}/{asked.rpartition('/')[2]}.out", jsonl(rows[::-1]))
        self.put(f"{folder}{name}/manifest.json.out", b"{}")
        bad = sum("error" in row for row in rows)
        counts = {
            "totalRecordCount": len(rows),
            "successRecordCount": len(rows) - bad,
            "errorRecordCount": bad,
        }
        job |= {"status": status, "endTime": "2026-08-19T15:50:00Z", **counts}


class Google(Cloud):
    """https://cloud.google.com/storage/docs/json_api/v1/objects and
    https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs"""

    def answer(self, asked: Asked) -> Answer | None:
        if asked.path == "/token":
            return told({"access_token": "ya29.secret", "expires_in": 3600, "token_type": "Bearer"})
        assert asked.headers["authorization"] == "Bearer ya29.secret"
        if asked.path.startswith(PROJECT + "/batchPredictionJobs"):
            return self._job(asked)
        return self._stored(asked)

    def _stored(self, asked: Asked) -> Answer:
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        bucket, _, rest = asked.path.partition("/b/")[2].partition("/o")
        key = unquote(rest[1:])
        if asked.method == "POST":
            assert query["uploadType"] == "media"
            assert asked.path.startswith("/upload/storage/v1/")
            self.objects[bucket, query["name"]] = asked.body
            return told({"name": query["name"], "bucket": bucket})
        if not key:
            return told(self._page(bucket, query))
        if (bucket, key) not in self.objects:
            return told({"error": {"code": 404, "message": f"No such object: {bucket}/{key}"}}, 404)
        if asked.method == "DELETE":
            del self.objects[bucket, key]
            return 204, {}, b""
        assert query["alt"] == "media"
        return 200, {"content-type": "application/jsonl"}, self.objects[bucket, key]

    def _page(self, bucket: str, query: dict[str, str]) -> dict[str, Any]:
        """One at a time, so that there are several pages."""
        found = sorted(
            key for home, key in self.objects if home == bucket and key.startswith(query["prefix"])
        )
        at = int(query.get("pageToken", "0"))
        more = {"nextPageToken": str(at + 1)} if at + 1 < len(found) else {}
        items = {"items": [{"name": found[at], "size": "1"}]} if found else {}
        return {"kind": "storage#objects", **items, **more}

    def _job(self, asked: Asked) -> Answer:
        name, _, verb = asked.path.partition("batchPredictionJobs")[2][1:].partition(":")
        if not name:
            name = str(7_000_000 + len(self.jobs))
            full = f"{PROJECT[4:]}/batchPredictionJobs/{name}"
            own = {"name": full, "state": "JOB_STATE_PENDING", "createTime": "2026-08-19T14:50:00.5Z"}
            self.jobs[name] = {**asked.json, **own}
            return told(self.jobs[name])
        if name not in self.jobs:
            error = {"code": 404, "message": "BatchPredictionJob does not exist.", "status": "NOT_FOUND"}
            return told({"error": error}, 404)
        if verb == "cancel":
            self.jobs[name]["state"] = "JOB_STATE_CANCELLING"
            return told({})
        return told(self.jobs[name])

    def run(
        self,
        name: str,
        reply: Callable[[Line], Line],
        state: str = "JOB_STATE_SUCCEEDED",
        file: str = "predictions.jsonl",
    ) -> None:
        """`reply` makes what stands beside a line's request of the line."""
        job = self.jobs[name]
        (asked,) = job["inputConfig"]["gcsSource"]["uris"]
        folder = job["outputConfig"]["gcsDestination"]["outputUriPrefix"] + "prediction-model-2026"
        rows = [{**line, **reply(line)} for line in self.get(asked)]
        self.put(f"{folder}/{file}", jsonl(rows[::-1]))
        self.put(f"{folder}/incremental_predictions.jsonl", jsonl(rows))
        self.put(f"{folder}/errors_0001.jsonl", b"{}\n")
        bad = sum(bool(row.get("status")) for row in rows)
        stats = {"successfulCount": str(len(rows) - bad), "failedCount": str(bad)}
        ended = {"endTime": "2026-08-19T15:50:00Z", "completionStats": stats}
        job |= {"state": state, "outputInfo": {"gcsOutputDirectory": folder}, **ended}


def credentials(keeper: Keeper) -> str:
    """Of a user who has logged in, whose tokens come from the test's own server."""
    own = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    return json.dumps({**own, "token_uri": keeper.base + "/token"})


def aws(keeper: Keeper, **more: Any) -> dict[str, Any]:
    return {
        "aws_bedrock_runtime_endpoint": keeper.base,
        "aws_access_key_id": "AKIATEST",
        "aws_secret_access_key": "aws-secret",
        "aws_region_name": "us-west-2",
        "s3_endpoint_url": keeper.base,
        "s3_bucket_name": "my-bucket",
        "aws_batch_role_arn": ROLE,
        **more,
    }


def gcp(keeper: Keeper, **more: Any) -> dict[str, Any]:
    return {
        "api_base": keeper.base + PROJECT,
        "vertex_credentials": credentials(keeper),
        "gcs_endpoint_url": keeper.base,
        "gcs_bucket_name": "g-bucket/team",
        **more,
    }


def found(lines: Iterator[str] | list[str]) -> dict[str, Line]:
    """Lines of an output file by custom_id."""
    rows = [json.loads(line) for line in lines]
    assert len({row["custom_id"] for row in rows}) == len(rows)
    return {row["custom_id"]: row for row in rows}
