"""Error answers of any shape become the right exception with the upstream's own words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import json_values

import recorded
from headgate import errors
from headgate.wire import failures

WIRE = recorded.ROOT


@pytest.mark.parametrize(
    ("body", "message", "kind", "param", "code"),
    [
        ({"error": {"message": "m", "type": "t", "param": "p", "code": "c"}}, "m", "t", "p", "c"),
        ({"error": {"message": "m", "code": 429}}, "m", None, None, "429"),
        ({"error": "m"}, "m", None, None, None),
        ({"error": "m", "error_type": "t"}, "m", "t", None, None),
        ({"error": "m", "type": "t"}, "m", "t", None, None),
        ({"type": "error", "error": {"type": "t", "message": "m"}}, "m", "t", None, None),
        ({"message": "m"}, "m", None, None, None),
        ({"Message": "m"}, "m", None, None, None),
        ({"detail": "m"}, "m", None, None, None),
        ({"detail": [{"loc": ["body", "a", 0], "msg": "m", "type": "t"}]}, "body.a.0: m", "t", "a.0", None),
        ({"detail": {"status": "t", "message": "m"}}, "m", "t", None, None),
        ({"errors": [{"message": "m", "code": 7}]}, "m", None, None, "7"),
        ({"errors": ["m", "n"]}, "m; n", None, None, None),
        ({"title": "T", "detail": "m", "status": 400}, "m", None, None, None),
        ({"code": 1, "message": "m"}, "m", None, None, "1"),
        ({"error_code": "c", "message": "m"}, "m", None, None, "c"),
        ({"err_code": 3, "err_msg": "m"}, "m", None, None, "3"),
        ({"category": "t", "message": "m", "details": []}, "m", "t", None, None),
        ({"object": "error", "message": "m"}, "m", None, None, None),
        ({"object": "error", "message": {"detail": [{"loc": ["a"], "msg": "m"}]}}, "a: m", None, "a", None),
        ({"error_msg": "m"}, "m", None, None, None),
        ({"error": "invalid_client", "error_description": "m"}, "m", None, None, None),
        ({"errors": [{"description": "m", "key": "fail.x"}], "tpe": "x"}, "m", None, None, None),
        ({"code": 404, "reason": "NO_MODEL", "message": "m", "metadata": {}}, "m", None, None, "404"),
        ({"base_resp": {"status_code": 1002, "status_msg": "m"}}, "m", None, None, "1002"),
        ([{"error": {"code": 400, "message": "m", "status": "t"}}], "m", "t", None, "400"),
        (
            {"error": {"message": "outer", "metadata": {"raw": '{"error":{"message":"inner"}}'}}},
            "outer: inner",
            None,
            None,
            None,
        ),
    ],
)
def test_every_known_shape_is_read(body: Any, message: str, kind: Any, param: Any, code: Any) -> None:
    assert failures.message_of(json.dumps(body).encode()) == (message, kind, param, code, body)


def test_text_that_is_no_json() -> None:
    assert failures.message_of(b"upstream connect error").message == "upstream connect error"
    page = b"<!DOCTYPE html><html><head><title>502 Bad &amp; Gateway</title></head><body>x</body></html>"
    assert failures.message_of(page).message == "502 Bad & Gateway"
    assert len(failures.message_of(b"x" * 100_000).message) < 500


def test_nothing_said_is_told_by_the_status() -> None:
    assert failures.message_of(b"") == ("", None, None, None, None)
    assert "502 Bad Gateway" in failures.read_error(502, {}, b"").message
    assert "999" in failures.read_error(999, {}, b"{}").message


def test_keys_are_masked() -> None:
    for key in ("sk-proj-abcdef123456", "Bearer abcdef123456.xyz", "AIzaSyABCDEF123"):
        body = json.dumps({"error": {"message": f"Incorrect API key provided: {key}, sorry"}}).encode()
        error = failures.read_error(401, {}, body)
        assert key not in repr((error.message, error.body))
        assert "sorry" in error.message


@given(
    st.integers(100, 999), st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode())
)
def test_no_body_is_too_odd(status: int, body: bytes) -> None:
    error = failures.read_error(status, {}, body)
    assert error.message
    assert 400 <= error.status_code < 1000


@pytest.mark.parametrize("status", sorted(errors.BY_STATUS))
def test_statuses_have_their_classes(status: int) -> None:
    assert type(failures.read_error(status, {}, b'{"message":"m"}')) is errors.for_status(status)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (
            400,
            {"message": "This model's maximum context length is 8192 tokens"},
            errors.ContextWindowExceededError,
        ),
        (400, {"code": "context_length_exceeded", "message": "m"}, errors.ContextWindowExceededError),
        (413, {"message": "prompt is too long: 9 tokens > 8 maximum"}, errors.ContextWindowExceededError),
        (
            500,
            {"message": "the request exceeds the available context size"},
            errors.ContextWindowExceededError,
        ),
        (429, {"message": "Too many tokens, please wait"}, errors.RateLimitError),
        (400, {"message": "Rate limit exceeded: free-models"}, errors.RateLimitError),
        (413, {"message": "Request too large for model x on tokens per minute"}, errors.RateLimitError),
        (500, {"code": 429, "message": "m"}, errors.RateLimitError),
        (503, {"error": {"status": "RESOURCE_EXHAUSTED", "message": "m"}}, errors.RateLimitError),
        (400, {"message": "rate limit must be a positive number, not 429"}, errors.BadRequestError),
        (
            400,
            {"message": "Your request was rejected as a result of our safety system"},
            errors.ContentPolicyViolationError,
        ),
        (
            400,
            {"error": {"message": "m", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
            errors.ContentPolicyViolationError,
        ),
        (400, {"message": "API key not valid. Please pass a valid API key."}, errors.AuthenticationError),
        (400, {"code": "model_not_found", "message": "m"}, errors.NotFoundError),
        (403, {"message": "your api key may not do that"}, errors.PermissionDeniedError),
        (500, {"message": "Request timed out."}, errors.Timeout),
        (418, {"message": "teapot"}, errors.BadRequestError),
        (498, {"error": {"message": "Flex tier capacity exceeded"}}, errors.ServiceUnavailableError),
        (529, {"error": {"type": "overloaded_error", "message": "Overloaded"}}, errors.InternalServerError),
        (
            400,
            {
                "error": {
                    "type": "invalid_request_error",
                    "message": "Your credit balance is too low to access",
                }
            },
            errors.PaymentRequiredError,
        ),
        (400, {"error": {"code": "billing_hard_limit_reached", "message": "m"}}, errors.PaymentRequiredError),
        (400, {"error": {"code": "model_decommissioned", "message": "m"}}, errors.BadRequestError),
        (400, {"error": {"code": "cyber_policy", "message": "m"}}, errors.ContentPolicyViolationError),
        (520, {"message": "odd"}, errors.APIError),
    ],
)
def test_words_and_codes_say_more_than_the_status(status: int, body: Any, kind: type) -> None:
    assert type(failures.read_error(status, {}, json.dumps(body).encode())) is kind


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        "The input token count is 2000000 but model only supports up to 1048575.",
        "Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
        "Invalid request: Your request exceeded model token limit: 8192",
        "Prompt exceeds max length",
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 98304]",
        "the number of input tokens 4200 cannot exceed the total tokens limit 4096 for this model",
        "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000",
        "Total tokens of image and text exceed max message tokens",
        "Try to load the model with a larger context length, or provide a shorter input",
        "The number of tokens to keep from the initial prompt is greater than the context length",
        "Failed to start sampling: [input_too_large] Current message (9 tokens) exceeds budget (8 tokens)",
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
        "Requested input length 131073 exceeds maximum input length 131072",
        "Input token length too long",
        "Prompt 超长",
    ],
)
def test_a_prompt_that_is_too_long_is_known_by_each_vendors_words(message: str) -> None:
    body = json.dumps({"error": {"message": message}}).encode()
    assert type(failures.read_error(400, {}, body)) is errors.ContextWindowExceededError


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"message": "Content Exists Risk"}),
        (400, {"message": "This request has been blocked by our content filters."}),
        (400, {"message": "The API detected potentially unsafe or sensitive content in input or generation"}),
        (400, {"code": "InputTextSensitiveContentDetected", "message": "m"}),
        (403, {"message": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}),
        (400, {"message": "Invalid prompt: we've limited access to this content for safety reasons."}),
        (400, {"message": "This prompt contains words that violate Google's Responsible AI practices."}),
    ],
)
def test_refused_content_is_known_by_each_vendors_words(status: int, error: dict[str, str]) -> None:
    body = json.dumps({"error": error}).encode()
    assert type(failures.read_error(status, {}, body)) is errors.ContentPolicyViolationError


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        (1001, "request timeout", errors.Timeout),
        (1002, "rate limit", errors.RateLimitError),
        (1004, "login fail", errors.AuthenticationError),
        (1008, "insufficient balance", errors.PaymentRequiredError),
        (1026, "input new_sensitive", errors.ContentPolicyViolationError),
        (1039, "token limit", errors.RateLimitError),
        (2013, "invalid params, unknown model", errors.BadRequestError),
        (2013, "invalid params, context window exceeds limit", errors.ContextWindowExceededError),
        (2049, "invalid api key", errors.AuthenticationError),
        (1000, "unknown error", errors.InternalServerError),
    ],
)
def test_codes_under_a_good_status_have_their_classes(code: int, words: str, kind: type) -> None:
    document = {"base_resp": {"status_code": code, "status_msg": words}}
    assert type(failures.read_document(document)) is kind


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"error": {"type": "overloaded_error", "message": "m"}}, errors.InternalServerError),
        ({"error": {"type": "invalid_request_error", "message": "m"}}, errors.BadRequestError),
        ({"error": {"code": 502, "message": "m"}}, errors.BadGatewayError),
        ({"error": {"status": "UNAVAILABLE", "message": "m"}}, errors.ServiceUnavailableError),
        ({"type": "service_unavailable_error", "message": "m"}, errors.ServiceUnavailableError),
        ({"error": "m"}, errors.InternalServerError),
    ],
)
def test_errors_in_a_stream_have_no_status_of_their_own(document: Any, kind: type) -> None:
    assert type(failures.read_document(document)) is kind


def test_an_unknown_status_is_kept() -> None:
    assert failures.read_error(520, {}, b"").status_code == 520
    assert failures.read_error(418, {}, b"").status_code == 400


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": "Fri, 20 Nov 2026 22:00:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert failures.read_error(429, headers, b"").retry_after == seconds


def test_google_says_how_long_in_the_body() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}]
    body = json.dumps([{"error": {"code": 429, "message": "m", "details": details}}]).encode()
    assert failures.read_error(429, {}, body).retry_after == 17.0


def test_only_harmless_headers_are_shown() -> None:
    headers = {"x-request-id": "r", "x-ratelimit-limit-requests": "5", "set-cookie": "secret", "server": "s"}
    assert failures.read_error(429, headers, b"").headers == {
        "x-request-id": "r",
        "x-ratelimit-limit-requests": "5",
    }


@pytest.mark.skipif(not WIRE.is_dir(), reason=f"no recorded traffic at {WIRE}")
def test_recorded_errors_say_what_they_mean() -> None:
    checked = 0
    for path in WIRE.glob("dev/*/*.json"):
        response = json.loads(path.read_bytes())["response"]
        if response["status"] < 400 or "body" not in response:
            continue
        body = response["body"]
        raw = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
        error = failures.read_error(response["status"], {}, raw)
        words = (error.message, path.stem)
        assert not error.message.startswith(("{", "[")), words
        if response["status"] in (401, 404, 429):
            assert type(error) is errors.for_status(response["status"]), words
        checked += 1
    assert checked > 100
