"""OpenAI's realtime events, watched: when answers begin and end, what they used, and what they may read."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.catalog.lookup import Catalog
from headgate.core.dialects import dialect
from headgate.wire.gemini.live import LiveWatch
from headgate.wire.ir import Usage
from headgate.wire.realtime import (
    UNKNOWN,
    Asked,
    Begun,
    Ended,
    Heard,
    OpenAIWatch,
    Refused,
    Spoke,
    error_event,
    read_usage,
)

USAGE = {
    "total_tokens": 300,
    "input_tokens": 200,
    "output_tokens": 100,
    "input_token_details": {
        "text_tokens": 50,
        "audio_tokens": 140,
        "image_tokens": 10,
        "cached_tokens": 90,
        "cached_tokens_details": {"text_tokens": 20, "audio_tokens": 66, "image_tokens": 4},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 70},
}


def event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "e", **fields})


def begun(watch: OpenAIWatch, id_: str = "r") -> None:
    assert [one.id for one in watch.came(event("response.created", response={"id": id_}))] == [id_]


def done(usage: Any, **more: Any) -> str:
    return event("response.done", response={"id": "r", "status": "completed", "usage": usage, **more})


def test_an_answer_from_its_beginning_to_its_end() -> None:
    watch = OpenAIWatch("m")
    created = json.dumps({"type": "response.create", "event_id": "x", "response": {"max_output_tokens": 7}})
    assert watch.sent(created) == (created, Asked("x", 7))
    assert watch.came(event("response.created", response={"id": "r", "max_output_tokens": 7})) == [
        Begun("r", 7)
    ]
    (ended,) = watch.came(done(USAGE))
    assert isinstance(ended, Ended)
    assert ended.usage == Usage(
        input=200,
        output=100,
        total=300,
        cache_read=90,
        audio_input=140,
        image_input=10,
        cached_audio=66,
        cached_image=4,
        audio_output=70,
    )


@pytest.mark.parametrize(
    "model, cost",
    [
        ("gpt-realtime", 30 * 4 + 20 * 0.4 + 74 * 32 + 66 * 0.4 + 6 * 5 + 4 * 0.5 + 30 * 16 + 70 * 64),
        (
            "gpt-realtime-mini",
            30 * 0.6 + 20 * 0.06 + 74 * 10 + 66 * 0.3 + 6 * 0.8 + 4 * 0.08 + 30 * 2.4 + 70 * 20,
        ),
        ("gpt-4o-realtime-preview", 36 * 5 + 24 * 2.5 + 74 * 40 + 66 * 2.5 + 30 * 20 + 70 * 80),
    ],
)
def test_every_kind_of_token_has_its_price(model: str, cost: float) -> None:
    """Cached sound and pictures cost what cached ones do, and are not counted again as sound and pictures. Where
    pictures have no price they are text."""
    sheet = Catalog().sheet(model, "openai", {})
    usage = read_usage(USAGE)
    assert sheet is not None
    assert usage is not None
    assert float(sheet.total(usage)) == pytest.approx(cost / 1e6, rel=1e-12)


def test_the_sessions_limit_holds_where_the_answer_names_none() -> None:
    watch = OpenAIWatch("m")
    watch.came(event("session.updated", session={"max_output_tokens": 50}))
    assert watch.sent('{"type":"response.create"}')[1] == Asked("", 50)
    assert watch.came(event("response.created", response={"id": "r"})) == [Begun("r", 50)]
    watch.came(event("session.updated", session={"max_response_output_tokens": "inf"}))
    assert watch.sent('{"type":"response.create"}')[1] == Asked("", None)


def test_what_another_model_wrote_down() -> None:
    watch = OpenAIWatch("m")
    watch.came(event("session.created", session={"audio": {"input": {"transcription": {"model": "w"}}}}))
    kind = "conversation.item.input_audio_transcription.completed"
    assert watch.came(event(kind, usage={"type": "duration", "seconds": 2})) == [
        Heard("w", Usage(seconds=2.0))
    ]
    assert watch.came(event(kind)) == []


def test_refusals_name_the_clients_event() -> None:
    error = {"type": "invalid_request_error", "event_id": "x", "message": "no"}
    watch = OpenAIWatch("m")
    assert watch.came(event("error", error=error)) == [Refused("x", "no")]
    assert watch.came(event("error", error={**error, "event_id": None})) == [Refused("", "no")]


def test_why_an_answer_failed() -> None:
    watch = OpenAIWatch("m")
    begun(watch)
    details = {"status_details": {"error": {"type": "server_error", "message": "tired"}}}
    (ended,) = watch.came(done(None, **{"status": "failed", **details}))
    assert isinstance(ended, Ended)
    assert (ended.usage, ended.problem) == (None, "tired")


@pytest.mark.parametrize(("form", "characters"), [("audio/pcm", 3200), ("audio/pcmu", 533)])
def test_what_was_said_until_now(form: str, characters: int) -> None:
    """50 ms of sound are a token, a piece of text is one or more; transcripts are the sound's own words."""
    watch = OpenAIWatch("m")
    watch.came(event("session.created", session={"audio": {"output": {"format": {"type": form}}}}))
    begun(watch)
    sound = event("response.output_audio.delta", response_id="r", delta="A" * characters * 5)
    assert watch.came(event("response.output_audio_transcript.delta", response_id="r", delta="Hello")) == []
    assert watch.came(sound) == [Spoke("r")]
    assert watch.came(sound) == []
    assert watch.came(event("response.output_text.delta", response_id="r", delta="Hi")) == []
    said = watch.said("r")
    assert (said.audio_output, said.output) == (10, 11)
    assert watch.cancel("r") == '{"type":"response.cancel","response_id":"r"}'


def test_the_context_grows_with_what_is_sent_and_answered() -> None:
    watch = OpenAIWatch("m")
    item = event("conversation.item.create", item={"text": "x" * 100})
    watch.sent(item)
    assert watch.context == len(item)
    watch.sent(event("input_audio_buffer.append", audio="A" * 6_400 * 10))
    assert len(item) + 10 <= watch.context <= len(item) + 11
    begun(watch)
    watch.sent(item)
    watch.came(done(USAGE, conversation_id="c"))
    assert watch.context == 200 + 100 + len(item)
    begun(watch)
    watch.came(done(USAGE, conversation_id=None))  # beside the conversation
    assert watch.context == 300 + len(item) + 100


@pytest.mark.parametrize(
    "frame",
    [
        event("session.update", session={"prompt": {"id": "p"}}),
        event("session.update", session={"tools": [{"type": "mcp", "server_url": "u"}]}),
        event("response.create", response={"prompt": {"id": "p"}}),
    ],
)
def test_what_is_not_in_the_frames_may_fill_the_window(frame: str) -> None:
    watch = OpenAIWatch("m")
    watch.sent(frame)
    assert watch.context >= UNKNOWN
    begun(watch)
    watch.came(done(USAGE, conversation_id="c"))
    assert watch.context >= UNKNOWN
    begun(watch)
    assert watch.said("r").input == 200  # an estimate, not a bound


def test_only_the_models_name_is_changed() -> None:
    watch = OpenAIWatch("provider-model")
    frame = '{"type":"session.update", "session" : {"model": "alias", "voice":  "v"}, "odd": 1.50}'
    data, _ = watch.sent(frame)
    assert isinstance(data, str)
    assert json.loads(data) == {
        "type": "session.update",
        "session": {"model": "provider-model", "voice": "v"},
        "odd": 1.5,
    }
    assert "1.50" in data
    for same in (frame.replace("alias", "provider-model"), '{"type": "session.update",  "session": {}}'):
        assert watch.sent(same)[0] is same
    assert isinstance(watch.sent(frame.encode())[0], bytes)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(
    "response.create response.created response.done session.update session.updated error response.audio.delta "
    "conversation.item.input_audio_transcription.completed".split()
)
KEYS = "response session usage error delta event_id setup serverContent usageMetadata clientContent".split()


@given(
    st.one_of(
        st.binary(max_size=50),
        st.text(max_size=50),
        st.builds(
            lambda kind, fields: json.dumps({"type": kind, **fields}),
            KINDS,
            st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4),
        ),
    )
)
def test_no_frame_is_too_odd(frame: str | bytes) -> None:
    for watch in (OpenAIWatch("m"), LiveWatch("m")):
        data, _ = watch.sent(frame)
        watch.came(frame)
        assert watch.context >= 0
        if data is not frame:  # only the model's name may differ
            assert {**json.loads(data), "session": 0, "setup": 0} == {
                **json.loads(frame),
                "session": 0,
                "setup": 0,
            }


def test_the_error_that_clients_get() -> None:
    error = json.loads(error_event("spent", "budget_exceeded", "budget_exceeded"))
    assert error["type"] == "error"
    assert error["error"] == {
        "type": "budget_exceeded",
        "code": "budget_exceeded",
        "message": "spent",
        "param": None,
        "event_id": None,
    }


@pytest.mark.parametrize("name", ["realtime", "gemini_live"])
def test_both_formats_can_be_loaded(name: str) -> None:
    assert dialect(name).name == name
