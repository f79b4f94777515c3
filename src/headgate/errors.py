"""Every error that Headgate raises to its callers, and the one place that knows their statuses.

    HeadgateError
    ├── BadRequestError               400  the request itself is wrong
    │   ├── UnsupportedParamsError         a parameter that the target does not take
    │   ├── ContextWindowExceededError     the prompt is longer than the model's window
    │   ├── ContentPolicyViolationError    the provider refused the content
    │   ├── RejectedRequestError           a hook of the operator refused it
    │   ├── ImageFetchError                a picture named by URL could not be fetched
    │   ├── UnknownProviderError           the model string names no provider
    │   ├── PaymentRequiredError      402  the provider account has no credit
    │   └── RequestTooLargeError      413  the body is over the limit
    ├── AuthenticationError           401
    ├── PermissionDeniedError         403
    ├── NotFoundError                 404
    ├── ConflictError                 409
    ├── Timeout                       408
    ├── UnprocessableEntityError      422
    ├── RateLimitError                429
    ├── InternalServerError           500  the upstream failed
    ├── BadGatewayError               502
    ├── ServiceUnavailableError       503
    ├── APIError                           any other status
    ├── APIConnectionError            500  no answer at all
    ├── APIResponseValidationError    500  an answer that can't be read
    │   └── JSONSchemaValidationError
    └── BudgetExceededError           422

Names, bases and statuses are those that LiteLLM's users catch. This module imports nothing of ours, so every
layer may use it. A message never contains a secret: who raises is answerable for that.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class _Headers(dict[str, str]):
    """Names in any case, as httpx's."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in fields.items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


class FailedResponse:
    """The answer that an error stands for, for programs that look at `error.response` as at httpx's."""

    def __init__(self, status_code: int, headers: Mapping[str, str], body: Any) -> None:
        self.status_code = status_code
        self.headers = _Headers(headers)
        self._body = body

    def __repr__(self) -> str:
        return f"<FailedResponse [{self.status_code}]>"

    def json(self) -> Any:
        return self._body

    @property
    def text(self) -> str:
        if isinstance(self._body, str):
            return self._body
        import json  # takes long to import, and few ask for it

        return json.dumps(self._body)

    @property
    def content(self) -> bytes:
        return self.text.encode()


class HeadgateError(Exception):
    """The root of the tree.

    `status_code` is what an HTTP client is told; `type`, `param` and `code` fill OpenAI's error body;
    `retry_after` is seconds, where the upstream named them; `headers` are the upstream's answer headers
    that may be shown; `body` is the upstream's own error document, where there was one. Programs written for
    LiteLLM make some of these themselves: what its classes take beside this, and in which order, is taken here.
    """

    status_code: int = 500
    type: str = "api_error"
    places: tuple[str, ...] = ("llm_provider", "model")
    """What follows the message, where it is not named."""

    def __init__(
        self,
        message: str = "",
        *placed: Any,
        model: str | None = None,
        llm_provider: str | None = None,
        status_code: int | None = None,
        type: str | None = None,  # noqa: A002 -- OpenAI's name for it
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        response: Any = None,
        request: Any = None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
    ) -> None:
        Exception.__init__(self, message)  # not super(): openai's classes may be among the bases
        if len(placed) > len(self.places):
            raise TypeError(
                f"{self.__class__.__name__} takes a message, {' and '.join(self.places)}: name all else"
            )
        named = {"model": model, "llm_provider": llm_provider, **dict(zip(self.places, placed, strict=False))}
        self.message = message
        self.model: str | None = named["model"]
        self.llm_provider: str | None = named["llm_provider"]
        if status_code is not None:
            self.status_code = status_code
        if type is not None:
            self.type = type
        self.param = param
        self.code = code
        self.retry_after = retry_after
        self.headers: Mapping[str, str] = headers or {}
        self.body = body
        self.num_retries = num_retries
        self.max_retries = max_retries
        self.litellm_debug_info = litellm_debug_info
        self._response = response
        self.request = request

    @property
    def response(self) -> Any:
        """What an application gave, else the upstream's answer as far as it is known; with no document of its own
        the error in OpenAI's form."""
        if self._response is not None:
            return self._response
        told = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        body = {"error": told} if self.body is None else self.body
        return FailedResponse(self.status_code, self.headers, body)

    @response.setter
    def response(self, value: Any) -> None:
        self._response = value

    @property
    def litellm_response_headers(self) -> Mapping[str, str]:
        return self.headers

    def __str__(self) -> str:
        text = f"headgate.{self.__class__.__name__}: {self.message}"
        return f"{text} (retried {self.num_retries} times)" if self.num_retries else text


class BadRequestError(HeadgateError):
    status_code = 400
    type = "invalid_request_error"
    places: tuple[str, ...] = ("model", "llm_provider")


class UnsupportedParamsError(BadRequestError):
    places = HeadgateError.places


class ContextWindowExceededError(BadRequestError):
    pass


class ContentPolicyViolationError(BadRequestError):
    pass


class RejectedRequestError(BadRequestError):
    pass


class ImageFetchError(BadRequestError):
    pass


class UnknownProviderError(BadRequestError):
    pass


class PaymentRequiredError(BadRequestError):
    status_code = 402


class RequestTooLargeError(BadRequestError):
    status_code = 413


class AuthenticationError(HeadgateError):
    status_code = 401
    type = "authentication_error"


class PermissionDeniedError(HeadgateError):
    status_code = 403
    type = "permission_error"


class NotFoundError(HeadgateError):
    status_code = 404
    type = "not_found_error"
    places = ("model", "llm_provider")
    known: Sequence[str] = ()
    """Where it is a model that is not there, those that are."""


class ConflictError(HeadgateError):
    status_code = 409
    type = "invalid_request_error"


class Timeout(HeadgateError):  # noqa: N818 -- the name that LiteLLM's users catch
    status_code = 408
    type = "timeout_error"
    places = ("model", "llm_provider")


class UnprocessableEntityError(HeadgateError):
    status_code = 422
    type = "invalid_request_error"
    places = ("model", "llm_provider")


class RateLimitError(HeadgateError):
    status_code = 429
    type = "rate_limit_error"


class InternalServerError(HeadgateError):
    status_code = 500
    type = "internal_server_error"


class BadGatewayError(HeadgateError):
    status_code = 502


class ServiceUnavailableError(HeadgateError):
    status_code = 503
    type = "service_unavailable_error"


class APIError(HeadgateError):
    pass


class APIConnectionError(HeadgateError):
    status_code = 500
    type = "api_connection_error"


class APIResponseValidationError(HeadgateError):
    status_code = 500
    type = "api_response_validation_error"


class JSONSchemaValidationError(APIResponseValidationError):
    pass


class BudgetExceededError(HeadgateError):
    """`current_cost` and `max_budget` are dollars, where a program of the SDK's gives them."""

    status_code = 422
    type = "budget_exceeded"

    def __init__(
        self,
        message: str = "",
        *placed: Any,
        current_cost: float | None = None,
        max_budget: float | None = None,
        **more: Any,
    ) -> None:
        told = message or f"Budget has been exceeded! Current cost: {current_cost}, Max budget: {max_budget}"
        super().__init__(told, *placed, **more)
        self.current_cost = current_cost
        self.max_budget = max_budget


InvalidRequestError = BadRequestError
LiteLLMUnknownProvider = UnknownProviderError
OpenAIError = HeadgateError
RouterRateLimitError = RateLimitError
"""Further names that LiteLLM's users catch."""

BY_STATUS: dict[int, type[HeadgateError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: Timeout,
    409: ConflictError,
    413: RequestTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    500: InternalServerError,
    502: BadGatewayError,
    503: ServiceUnavailableError,
    504: Timeout,
    529: InternalServerError,
}


def for_status(status: int) -> type[HeadgateError]:
    """The class for an upstream's status: the table above, else BadRequestError (4xx) or APIError."""
    if status in BY_STATUS:
        return BY_STATUS[status]
    return BadRequestError if 400 <= status < 500 else APIError
