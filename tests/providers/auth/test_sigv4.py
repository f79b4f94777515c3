"""Signature Version 4 against botocore's: the same bytes for the same request at the same time."""

import datetime
import hashlib
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.ports import Signing
from headgate.providers.auth.sigv4 import Keys, canonical_path, sign

NOW = 1_700_000_000.0
KEYS = Keys(access="AKIDEXAMPLE", secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
ARN = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-3-5-sonnet-20240620-v1:0"

_raw = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
_travelling = st.builds(quote, _raw, safe=st.sampled_from(["", ":", ":@!$&'()*+,;=~", "~"]))
_segments = st.one_of(
    _travelling, st.sampled_from(["", ".", "..", "a.b", quote(ARN, safe=""), quote(ARN, safe=":")])
)
_paths = st.lists(_segments, min_size=1, max_size=6).map(lambda parts: "/".join(["", *parts]))
_pairs = st.tuples(_travelling, st.one_of(st.just(""), _travelling.map("={}".format)))
_queries = st.lists(_pairs.map("".join), max_size=5).map("&".join)
_text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
_values = st.one_of(_text, st.sampled_from(["  two   blanks  ", "a\tb", "", '"a   b"', "a,b ; c"]))
_names = st.sampled_from(
    """content-type accept X-Custom x-amzn-bedrock-guardrailidentifier X-Amzn-SageMaker-Target-Model x-amz-meta-a
    user-agent expect transfer-encoding x-amzn-trace-id connection traceparent anthropic-beta""".split()
)
_keys = st.builds(
    Keys,
    access=st.text("ABCDEFGHIJKLMNOP0123456789", min_size=4, max_size=20),
    secret=st.text("abcXYZ0189+/=", min_size=1, max_size=40),
    session=st.one_of(st.just(""), st.text("abcXYZ0189+/=", min_size=1, max_size=200)),
)


def oracle(request: Signing, keys: Keys, *, region: str, service: str, now: float) -> dict[str, str]:
    """The headers that botocore adds."""
    asked = AWSRequest(method=request.method, url=request.url, data=request.body)
    for name, value in request.headers:
        asked.headers.add_header(name, value)
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(
        Credentials(keys.access, keys.secret, keys.session or None), service, region
    )
    when = datetime.datetime.fromtimestamp(now, datetime.UTC)
    with patch("botocore.auth.get_current_datetime", lambda **_: when.replace(tzinfo=None)):
        signer.add_auth(asked)
    before = {name.lower() for name, _ in request.headers}
    return {name.lower(): value for name, value in asked.headers.items() if name.lower() not in before}


@settings(max_examples=400, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    host=st.sampled_from(
        [
            "https://bedrock-runtime.eu-west-1.amazonaws.com",
            "http://127.0.0.1:8080",
            "https://h.test:443",
            "http://h:80",
        ]
    ),
    path=_paths,
    query=_queries,
    headers=st.lists(st.tuples(_names, _values), max_size=6),
    body=st.binary(max_size=200),
    keys=_keys,
    region=st.sampled_from(["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1"]),
    service=st.sampled_from(["bedrock", "sagemaker", "polly", "sts", "s3"]),
    now=st.integers(0, 4_000_000_000),
)
def test_any_request_is_signed_as_botocore_signs_it(
    method, host, path, query, headers, body, keys, region, service, now
) -> None:
    url = host + path + (f"?{query}" if query else "")
    request = Signing(method=method, url=url, headers=tuple(headers), body=body)
    ours = dict(sign(request, keys, region=region, service=service, now=float(now)))
    assert ours == oracle(request, keys, region=region, service=service, now=float(now))


@pytest.mark.parametrize("service", ["bedrock", "s3"])
def test_a_body_that_is_not_held_is_signed_by_its_digest(service: str) -> None:
    body = b"a long file"
    held = Signing(method="PUT", url="https://b.s3.eu-west-1.amazonaws.com/k", headers=(), body=body)
    passing = Signing(
        method="PUT", url=held.url, headers=(), body=b"", digest=hashlib.sha256(body).hexdigest()
    )
    assert sign(passing, KEYS, region="r", service=service, now=NOW) == sign(
        held, KEYS, region="r", service=service, now=NOW
    )


@pytest.mark.parametrize("service", ["bedrock", "sagemaker", "s3"])
def test_the_path_is_encoded_once_more_except_for_s3(service: str) -> None:
    url = f"https://h.test/model/{quote(ARN, safe='')}/converse"
    request = Signing(method="POST", url=url, headers=(("content-type", "application/json"),), body=b"{}")
    lines = dict(sign(request, KEYS, region="eu-west-1", service=service, now=NOW))
    assert lines == oracle(request, KEYS, region="eu-west-1", service=service, now=NOW)
    assert ("x-amz-content-sha256" in lines) is (service == "s3")
    assert canonical_path("/model/a%3A0/converse") == "/model/a%253A0/converse"


def test_the_documented_example() -> None:
    """`get-vanilla` of AWS's test suite for Signature Version 4."""
    request = Signing(method="GET", url="https://example.amazonaws.com/", headers=(), body=b"")
    lines = dict(sign(request, KEYS, region="us-east-1", service="service", now=1440938160.0))
    assert lines == {
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    }


def test_a_host_that_is_sent_is_the_one_that_is_signed() -> None:
    """A deployment behind a tunnel: the connection goes elsewhere."""
    given_ = Signing(method="POST", url="http://127.0.0.1:9/x", headers=(("host", "real.test"),), body=b"")
    named = Signing(method="POST", url="http://real.test/x", headers=(), body=b"")
    assert sign(given_, KEYS, region="r", service="s", now=NOW) == sign(
        named, KEYS, region="r", service="s", now=NOW
    )


def test_lines_of_an_earlier_signature_do_not_count() -> None:
    """What is tried again may carry them."""
    bare = Signing(method="POST", url="https://h.test/x", headers=(), body=b"{}")
    lines = sign(bare, KEYS, region="r", service="s3", now=NOW)
    again = Signing(method="POST", url="https://h.test/x", headers=tuple(lines), body=b"{}")
    assert sign(again, KEYS, region="r", service="s3", now=NOW) == lines
