"""The errors as programs make and catch them: LiteLLM's classes take these arguments, in these orders."""

import pickle

import pytest

import headgate
from headgate import errors

MODEL_FIRST = (
    errors.BadRequestError,
    errors.ContentPolicyViolationError,
    errors.ContextWindowExceededError,
    errors.NotFoundError,
    errors.Timeout,
    errors.UnprocessableEntityError,
)
PROVIDER_FIRST = (
    errors.APIConnectionError,
    errors.AuthenticationError,
    errors.BadGatewayError,
    errors.InternalServerError,
    errors.PermissionDeniedError,
    errors.RateLimitError,
    errors.ServiceUnavailableError,
    errors.UnsupportedParamsError,
)


@pytest.mark.parametrize("kind", [*MODEL_FIRST, *PROVIDER_FIRST])
def test_what_follows_the_message_may_be_named_or_not(kind: type[errors.HeadgateError]) -> None:
    placed = ("gpt-4o", "openai") if kind in MODEL_FIRST else ("openai", "gpt-4o")
    more = {"response": None, "litellm_debug_info": "why", "max_retries": 1, "num_retries": 2}
    for error in (
        kind("no", *placed, **more),
        kind(message="no", model="gpt-4o", llm_provider="openai", **more),
    ):
        assert (error.message, error.model, error.llm_provider) == ("no", "gpt-4o", "openai")
        assert (error.litellm_debug_info, error.max_retries, error.num_retries) == ("why", 1, 2)
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.model, again.message) == (kind, "gpt-4o", "no")


def test_all_are_importable_from_the_package_and_from_litellms_module() -> None:
    kinds = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    for name, kind in kinds.items():
        if issubclass(kind, errors.HeadgateError):
            assert getattr(headgate, name) is getattr(headgate.exceptions, name) is kind


def test_more_than_that_must_be_named() -> None:
    with pytest.raises(TypeError, match="RateLimitError takes a message, llm_provider and model"):
        errors.RateLimitError("no", "openai", "gpt-4o", None)


def test_a_budget_says_what_was_spent_of_what() -> None:
    error = headgate.BudgetExceededError(current_cost=2.0, max_budget=1.0)
    assert (error.current_cost, error.max_budget, error.status_code) == (2.0, 1.0, 422)
    assert "Current cost: 2.0, Max budget: 1.0" in str(error)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("InvalidRequestError", errors.BadRequestError),
        ("LiteLLMUnknownProvider", errors.UnknownProviderError),
        ("OpenAIError", errors.HeadgateError),
        ("RouterRateLimitError", errors.RateLimitError),
    ],
)
def test_further_names_of_litellms(name: str, kind: type[Exception]) -> None:
    assert getattr(headgate, name) is getattr(headgate.exceptions, name) is kind
