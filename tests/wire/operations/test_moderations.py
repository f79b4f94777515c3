"""Moderations: OpenAI's format as recorded, Mistral's as documented."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate import errors
from headgate.core.dialects import dialect
from headgate.wire import ir
from headgate.wire.ir_operations import Judgement, ModerationReply, ModerationRequest
from headgate.wire.moderations import DIALECT
from wire.operations.exchanges import FRAME, JSON, exchanges, target

MISTRAL = dialect("mistral_moderations")
RECORDED = [
    *(
        pytest.param(DIALECT, *one, id=f"openai-{at}")
        for at, one in enumerate(exchanges("moderation", "openai"))
    ),
    *(
        pytest.param(MISTRAL, *one, id=f"mistral-{at}")
        for at, one in enumerate(exchanges("moderation", "mistral"))
    ),
]
PICTURE = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}


@pytest.mark.skipif(not RECORDED, reason="no recorded traffic here")
@pytest.mark.parametrize("spoken, url, asked, status, answered", RECORDED)
def test_a_recorded_exchange_goes_both_ways(
    spoken: Any, url: str, asked: dict[str, Any], status: int, answered: bytes
) -> None:
    request = DIALECT.read_request(asked)
    assert DIALECT.write_request(request, target(request.model)).body == {"model": "", **asked}
    if status >= 400:
        assert spoken.read_error(status, {}, answered).message
        return
    document, reply = json.loads(answered), spoken.read_reply(answered)
    for row, one in zip(document["results"], reply.results, strict=True):
        assert one.categories == row["categories"]
        assert one.scores == row["category_scores"]
        assert one.flagged is row.get("flagged", any(row["categories"].values()))
    assert spoken.glance(answered).model == document["model"]
    again = json.loads(DIALECT.write_reply(reply, FRAME))
    assert {key: again[key] for key in document if key != "usage"} == document or spoken is MISTRAL


@pytest.mark.parametrize("given_", ["hi", ["hi"], ["a", "b"], [{"type": "text", "text": "a"}, PICTURE]])
def test_every_form_of_input_goes_back_as_it_came(given_: Any) -> None:
    body = {"model": "m", "input": given_, "new": 1}
    assert DIALECT.write_request(DIALECT.read_request(body), target()).body == body


@pytest.mark.parametrize(
    "body, param",
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"input": ["a", 1]}, "input[0]"),
        ({"input": [{"type": "text"}]}, "input[0].text"),
        ({"input": [{"type": "video"}]}, "input[0]"),
        ({"input": [{"type": []}]}, "input[0]"),
        ({"input": "a", "model": 1}, "model"),
    ],
)
def test_bad_input_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(errors.BadRequestError) as caught:
        DIALECT.read_request(body)
    assert caught.value.param == param


@pytest.mark.parametrize("given_", ["a", ["a"], [{"type": "text", "text": "a"}]])
def test_documented_mistral_takes_texts(given_: Any) -> None:
    written = MISTRAL.write_request(DIALECT.read_request({"input": given_, "user": "u"}), target())
    assert written.body == {"model": "m", "input": ["a"]}
    assert written.dropped == []


def test_documented_mistral_takes_no_pictures() -> None:
    with pytest.raises(errors.BadRequestError, match="text only") as caught:
        MISTRAL.write_request(DIALECT.read_request({"input": [PICTURE]}), target())
    assert caught.value.param == "input[0]"


def test_documented_mistral_leaves_the_verdict_to_us() -> None:
    results = [
        {"categories": {"hate_and_discrimination": held}, "category_scores": {"hate_and_discrimination": 0.5}}
        for held in (True, False)
    ]
    usage = {"prompt_tokens": 7, "total_tokens": 7, "completion_tokens": 0}
    raw = json.dumps({"id": "i", "model": "mistral-moderation-2411", "results": results, "usage": usage})
    reply = MISTRAL.read_reply(raw.encode())
    document = json.loads(DIALECT.write_reply(reply, FRAME))
    assert [row["flagged"] for row in document["results"]] == [True, False]
    assert document["results"][0]["categories"] == {"hate_and_discrimination": True}
    assert reply.usage == MISTRAL.glance(raw.encode()).usage == ir.Usage(input=7)


def test_categories_that_were_not_looked_at_are_left_out() -> None:
    row = {"flagged": False, "categories": {"a": False, "b": None}, "category_scores": {"a": 0, "b": None}}
    (one,) = DIALECT.read_reply(json.dumps({"results": [row]}).encode()).results
    assert (one.categories, one.scores) == ({"a": False}, {"a": 0.0})


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"results": 1}', b'{"results": [1]}', b'{"results": [{"categories": [1]}]}']
)
def test_an_unreadable_answer_says_so(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        DIALECT.read_reply(body)
    DIALECT.glance(body)


def test_an_error_in_place_of_an_answer_is_raised() -> None:
    body = b'{"error": {"code": 429, "message": "slow down", "type": "rate_limit_error"}}'
    with pytest.raises(errors.RateLimitError, match="slow down"):
        DIALECT.read_reply(body)
    assert isinstance(DIALECT.glance(body).error, errors.RateLimitError)


categories = st.dictionaries(st.text(min_size=1, max_size=4), st.booleans(), max_size=3)
replies = st.builds(
    ModerationReply,
    results=st.lists(
        st.builds(
            Judgement,
            flagged=st.booleans(),
            categories=categories,
            scores=st.dictionaries(st.text(min_size=1, max_size=4), st.floats(0, 1), max_size=3),
            applied=st.none() | st.dictionaries(st.text(max_size=3), st.lists(st.just("text"))),
        )
    ),
    id=st.just("i"),
    model=st.just("m"),
    usage=st.none() | st.builds(ir.Usage, input=st.integers(0, 9), output=st.integers(0, 9), total=st.none()),
)
requests = st.builds(
    ModerationRequest, model=st.just("m"), input=st.lists(st.text(max_size=5), min_size=1), parts=st.just([])
)


@given(replies, requests)
def test_what_is_written_reads_as_it_was(reply: ModerationReply, request: ModerationRequest) -> None:
    assert DIALECT.read_reply(DIALECT.write_reply(reply, FRAME)) == reply
    request.flat = False
    assert DIALECT.read_request(DIALECT.write_request(request, target()).body) == request


@given(JSON)
def test_no_json_gives_a_traceback(value: Any) -> None:
    with contextlib.suppress(errors.BadRequestError):
        DIALECT.read_request({"input": value})
    row = {
        "flagged": value,
        "categories": value,
        "category_scores": value,
        "category_applied_input_types": value,
    }
    for document in (value, {"results": value}, {"results": [row]}, {"results": [], "usage": value}):
        raw = json.dumps(document).encode()
        DIALECT.glance(raw)
        with contextlib.suppress(errors.HeadgateError):
            DIALECT.read_reply(raw)
