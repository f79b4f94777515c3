"""Bedrock's guardrails as moderations, from the shapes of AWS's documentation."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate import errors
from headgate.core.dialects import dialect
from headgate.providers.address import url_of
from headgate.providers.registry import resolve
from headgate.wire.dialect import Frame, Target
from headgate.wire.ir_operations import ModerationReply
from headgate.wire.moderations import DIALECT as OPENAI

RAIL: Any = dialect("bedrock_guardrail")
FRAME = Frame(id="chatcmpl-1", created=1, model="m")
BASE = "https://bedrock-runtime.eu-west-1.amazonaws.com"
ARN = "arn:aws:bedrock:us-east-1:123456789012:guardrail/abc"
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
ASSESSMENT = {
    "topicPolicy": {"topics": [{"name": "Fiduciary Advice", "type": "DENY", "action": "BLOCKED"}]},
    "contentPolicy": {
        "filters": [
            {"type": "HATE", "confidence": "MEDIUM", "filterStrength": "HIGH", "action": "BLOCKED"},
            {"type": "PROMPT_ATTACK", "confidence": "LOW", "action": "NONE", "detected": False},
        ]
    },
    "wordPolicy": {
        "customWords": [{"match": "pear", "action": "BLOCKED"}],
        "managedWordLists": [{"match": "darn", "type": "PROFANITY", "action": "NONE", "detected": True}],
    },
    "sensitiveInformationPolicy": {
        "piiEntities": [{"match": "a@b.c", "type": "EMAIL", "action": "ANONYMIZED"}],
        "regexes": [{"name": "Booking", "match": "1", "regex": "\\d", "action": "NONE"}],
    },
    "contextualGroundingPolicy": {
        "filters": [{"type": "GROUNDING", "threshold": 0.7, "score": 0.25, "action": "BLOCKED"}]
    },
    "invocationMetrics": {"guardrailProcessingLatency": 9},
}
INTERVENED = {
    "action": "GUARDRAIL_INTERVENED",
    "outputs": [{"text": "I can't."}],
    "assessments": [ASSESSMENT],
    "usage": {"topicPolicyUnits": 1, "contentPolicyUnits": 1},
}


def written(given_: Any, **more: Any) -> Any:
    return RAIL.write_request(OPENAI.read_request({"model": "m", "input": given_, **more}), Target(model="m"))


def read(document: Any) -> ModerationReply:
    found: ModerationReply = RAIL.read_reply(json.dumps(document).encode())
    return found


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("guardrail/abc/3", f"{BASE}/guardrail/abc/version/3/apply"),
        ("guardrail/abc", f"{BASE}/guardrail/abc/version/DRAFT/apply"),
        ("guardrail/abc/DRAFT", f"{BASE}/guardrail/abc/version/DRAFT/apply"),
        (
            "us-west-2/guardrail/abc/3",
            f"{BASE.replace('eu-west-1', 'us-west-2')}/guardrail/abc/version/3/apply",
        ),
        (
            f"guardrail/{ARN}/12",
            f"{BASE.replace('eu-west-1', 'us-east-1')}/guardrail/"
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aguardrail%2Fabc/version/12/apply",
        ),
        (
            f"guardrail/{ARN}",
            f"{BASE.replace('eu-west-1', 'us-east-1')}/guardrail/"
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aguardrail%2Fabc/version/DRAFT/apply",
        ),
        ("guardrail/../x", f"{BASE}/guardrail/..%2Fx/version/DRAFT/apply"),
    ],
)
def test_the_models_name_is_the_guardrail(model: str, url: str) -> None:
    row, name = resolve(f"bedrock/{model}")
    assert url_of(row, "moderations", name, BASE) == url


@pytest.mark.parametrize("model", ["anthropic.claude-sonnet-4", "guardrail/"])
def test_a_model_that_answers_judges_nothing(model: str) -> None:
    row, name = resolve(f"bedrock/{model}")
    with pytest.raises(errors.BadRequestError, match="expected guardrail/<id>/<version>"):
        url_of(row, "moderations", name, BASE)


def test_one_text_is_one_call() -> None:
    made = written("a", user="u")
    assert (made.body, made.more, made.dropped) == (
        {"source": "INPUT", "content": [{"text": {"text": "a"}}]},
        [],
        [],
    )


def test_several_texts_are_several_calls() -> None:
    made = written(["a", "b"], source="OUTPUT")
    assert [made.body, *made.more] == [
        {"source": "OUTPUT", "content": [{"text": {"text": text}}]} for text in "ab"
    ]


def test_parts_are_one_input() -> None:
    made = written([{"type": "text", "text": "a"}, PICTURE])
    assert made.body["content"] == [
        {"text": {"text": "a"}},
        {"image": {"format": "png", "source": {"bytes": "AA=="}}},
    ]


@pytest.mark.parametrize("url", ["https://x.test/a.png", "data:image/gif;base64,AA==", 3])
def test_a_picture_that_is_not_here_is_refused(url: Any) -> None:
    with pytest.raises(errors.BadRequestError, match="data URI") as caught:
        written([{"type": "image_url", "image_url": {"url": url}}])
    assert caught.value.param == "input[0].image_url"


def test_what_has_no_twin_is_reported() -> None:
    assert written("a", flavour="x").dropped == ["flavour"]


def test_a_documented_verdict() -> None:
    document = json.loads(OPENAI.write_reply(read(INTERVENED), FRAME))
    (result,) = document["results"]
    assert result["flagged"] is True
    assert result["categories"] == {
        "Fiduciary Advice": True,
        "hate": True,
        "prompt_attack": False,
        "custom_words": True,
        "profanity": True,
        "email": True,
        "Booking": False,
        "grounding": True,
    }
    assert result["category_scores"] == {
        "Fiduciary Advice": 1.0,
        "hate": 0.6,
        "prompt_attack": 0.3,
        "custom_words": 1.0,
        "profanity": 1.0,
        "email": 1.0,
        "Booking": 0.0,
        "grounding": 0.75,
    }


def test_nothing_found_is_not_flagged() -> None:
    (one,) = read({"action": "NONE", "outputs": [], "assessments": [{}]}).results
    assert (one.flagged, one.categories, one.scores) == (False, {}, {})


def test_the_verdicts_stand_in_the_order_of_the_inputs() -> None:
    replies = [read(INTERVENED), read({"action": "NONE", "assessments": []})]
    assert [one.flagged for one in RAIL.join(replies).results] == [True, False]


@pytest.mark.parametrize("body", [b"x", b"[]", b"{}", b'{"action":"NONE","assessments":3}'])
def test_an_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        RAIL.read_reply(body)


def test_an_error_under_a_good_status_is_one() -> None:
    body = b'{"message":"The guardrail identifier or version provided in the request does not exist."}'
    assert "does not exist" in RAIL.glance(body).error.message
    with pytest.raises(errors.HeadgateError, match="does not exist"):
        RAIL.read_reply(body)


JUNK = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.sampled_from(["HATE", "BLOCKED", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "action assessments contentPolicy filters type confidence score name detected topics".split()
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(JUNK)
def test_any_answer_is_read_or_refused(document: Any) -> None:
    try:
        for one in read(document).results:
            assert all(0 <= score <= 1 for score in one.scores.values())
    except errors.HeadgateError as error:
        assert error.message
