"""Errors of AWS: the class comes from the header, the body or the frame, whatever the status says."""

import json

import pytest

from headgate import errors
from headgate.wire import aws, eventstream


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("ValidationException", 400, errors.BadRequestError),
        ("AccessDeniedException", 403, errors.PermissionDeniedError),
        ("UnrecognizedClientException", 403, errors.AuthenticationError),
        ("ExpiredTokenException", 403, errors.AuthenticationError),
        ("ResourceNotFoundException", 404, errors.NotFoundError),
        ("ModelTimeoutException", 408, errors.Timeout),
        ("ThrottlingException", 429, errors.RateLimitError),
        ("ServiceQuotaExceededException", 400, errors.RateLimitError),
        ("ModelErrorException", 424, errors.InternalServerError),
        ("InternalServerException", 500, errors.InternalServerError),
        ("ServiceUnavailableException", 503, errors.ServiceUnavailableError),
    ],
)
def test_the_class_of_an_error(name: str, status: int, kind: type[errors.HeadgateError]) -> None:
    header = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    by_header = aws.read_error(status, header, b'{"message":"no"}')
    by_body = aws.read_error(
        status, {}, json.dumps({"__type": f"com.amazon#{name}", "Message": "no"}).encode()
    )
    frame = eventstream.exception(name[0].lower() + name[1:], b'{"message":"no"}')
    by_frame = aws.read_exception(next(eventstream.Decoder().feed(frame)))
    for error in (by_header, by_body, by_frame):
        assert type(error) is kind
        assert error.message == "no"
    assert by_header.type == by_body.type == name


def test_a_prompt_that_is_too_long_is_known_by_its_words() -> None:
    body = b'{"message":"Input is too long for requested model."}'
    error = aws.read_error(400, {"x-amzn-errortype": "ValidationException"}, body)
    assert type(error) is errors.ContextWindowExceededError


def test_a_model_that_failed_tells_its_own_status() -> None:
    payload = b'{"message":"slow down","originalStatusCode":429,"originalMessage":"x"}'
    message = next(eventstream.Decoder().feed(eventstream.exception("modelStreamErrorException", payload)))
    assert type(aws.read_exception(message)) is errors.RateLimitError


def test_an_error_frame_without_a_body_has_its_message_in_a_header() -> None:
    frame = eventstream.encode(
        {":message-type": "error", ":error-code": "InternalServerException", ":error-message": "broke"}
    )
    error = aws.read_exception(next(eventstream.Decoder().feed(frame)))
    assert (type(error), error.message) == (errors.InternalServerError, "broke")


@pytest.mark.parametrize("body", [b"", b"<html><h1>Bad</h1></html>", b"\xff", b"[]", b'{"x":1}'])
def test_any_body_makes_an_error(body: bytes) -> None:
    assert aws.read_error(503, {}, body).message


@pytest.mark.parametrize(
    "error",
    [
        errors.BadRequestError("a"),
        errors.AuthenticationError("a"),
        errors.RateLimitError("a"),
        errors.NotFoundError("a"),
        errors.InternalServerError("a"),
        errors.ServiceUnavailableError("a"),
    ],
)
def test_what_is_written_is_read_back(error: errors.HeadgateError) -> None:
    assert type(aws.read_error(error.status_code, {}, aws.write_error(error))) is type(error)
    frame = next(eventstream.Decoder().feed(aws.write_stream_error(error)))
    assert type(aws.read_exception(frame)) is type(error)
    assert frame.kind == "exception"


def test_a_model_that_failed_is_no_fault_of_the_caller() -> None:
    payload = b'{"message":"m","originalStatusCode":424,"originalMessage":"x"}'
    failed = eventstream.exception("modelStreamErrorException", payload)
    (message,) = eventstream.Decoder().feed(failed)
    assert type(aws.read_exception(message)) is errors.InternalServerError
