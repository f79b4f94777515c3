"""A signed call as it arrives: botocore signs what the server got, and must come to the same signature."""

import datetime
import json
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import headgate
from servers import Upstream

REPLY = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4},
    "metrics": {"latencyMs": 1},
}
MODELS = [
    "anthropic.claude-3-5-sonnet-20240620-v1:0",
    "converse/arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3",
]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(REPLY).encode())
    yield upstream
    upstream.stop()


def signature(line: str, headers: dict[str, str], body: bytes) -> str:
    """What botocore makes of a request that arrived."""
    method, target, _ = line.split(" ")
    signed = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    given = {name: headers[name] for name in signed if name not in ("x-amz-date", "x-amz-security-token")}
    asked = AWSRequest(method=method, url=f"http://{headers['host']}{target}", data=body, headers=given)
    when = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
    with patch("botocore.auth.get_current_datetime", lambda **_: when):
        SigV4Auth(Credentials("AKIAME", "me-shh", "me-session"), "bedrock", "eu-west-1").add_auth(asked)
    return asked.headers["authorization"]


@pytest.mark.parametrize("model", MODELS)
def test_what_arrives_is_signed_as_botocore_would(upstream: Upstream, model: str) -> None:
    answer = headgate.completion(
        model=f"bedrock/{model}",
        messages=[{"role": "user", "content": "Grüße, 世界"}],
        api_base=upstream.base,
        aws_access_key_id="AKIAME",
        aws_secret_access_key="me-shh",
        aws_session_token="me-session",
        aws_region_name="eu-west-1",
    )
    assert answer.choices[0].message.content == "hello"
    ((line, headers, body),) = upstream.requests
    assert headers["authorization"] == signature(line, headers, body)
    assert headers["x-amz-security-token"] == "me-session"
    assert "me-shh" not in line + str(headers) + body.decode()
    assert "aws_" not in body.decode()
