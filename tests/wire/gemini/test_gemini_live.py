"""Google's Live API, watched: turns are answers, and what they used comes with or after their end."""

import json
from typing import Any

import pytest

from headgate.wire.gemini.live import LiveWatch, model_of
from headgate.wire.realtime import Asked, Begun, Ended, Spoke

USAGE = {"promptTokenCount": 10, "responseTokenCount": 5, "totalTokenCount": 15}
SAYS = {"serverContent": {"modelTurn": {"parts": [{"inlineData": {"data": "A" * 6_400}}]}}}
OVER = {"serverContent": {"turnComplete": True}}
CALLS = {"toolCall": {"functionCalls": [{"id": "f", "name": "now"}]}}


def played(*frames: Any, watch: LiveWatch | None = None) -> list[tuple[Any, ...]]:
    """What happened: ("begun", id), ("ended", id, tokens of output or None)."""
    found: list[tuple[Any, ...]] = []
    watch = watch or LiveWatch("m")
    for frame in frames:
        for event in watch.came(json.dumps(frame).encode()):
            if isinstance(event, Begun):
                found.append(("begun", event.id))
            elif isinstance(event, Spoke):
                assert found[-1] == ("begun", event.id)
            elif isinstance(event, Ended):
                found.append(("ended", event.id, event.usage and event.usage.output))
    return found


def test_turns_are_answers() -> None:
    turn = [SAYS, SAYS, {**OVER, "usageMetadata": USAGE}]
    assert played(*turn, *turn) == [("begun", "1"), ("ended", "1", 5), ("begun", "2"), ("ended", "2", 5)]


def test_usage_may_come_before_or_after_the_end() -> None:
    assert played(SAYS, {"usageMetadata": USAGE}, OVER) == [("begun", "1"), ("ended", "1", 5)]
    assert played(SAYS, OVER, {"usageMetadata": USAGE}) == [("begun", "1"), ("ended", "1", 5)]


def test_the_last_count_of_a_turn_is_its_usage() -> None:
    early = {"usageMetadata": {**USAGE, "responseTokenCount": 1}}
    assert played(SAYS, early, SAYS, {**OVER, "usageMetadata": USAGE}) == [("begun", "1"), ("ended", "1", 5)]


def test_a_turn_whose_usage_never_comes_ends_with_the_next() -> None:
    watch = LiveWatch("m")
    assert played(SAYS, OVER, SAYS, watch=watch) == [("begun", "1"), ("ended", "1", None), ("begun", "2")]
    assert watch.said("2").audio_output == watch.said("2").output == 3  # 0.1 s


def test_a_call_of_a_function_ends_an_answer_and_its_result_asks_for_the_next() -> None:
    watch = LiveWatch("m")
    assert played({**CALLS, "usageMetadata": USAGE}, watch=watch) == [("begun", "1"), ("ended", "1", 5)]
    result = '{"toolResponse": {"functionResponses": []}}'
    assert watch.sent(result)[1] == Asked()
    assert watch.sent(result)[1] is None  # the second of two results
    assert played(SAYS, watch=watch) == [("begun", "2")]
    assert watch.sent(result)[1] == Asked()


def test_usage_that_belongs_to_nothing_is_an_answer_of_its_own() -> None:
    assert played({"usageMetadata": USAGE}) == [("begun", "1"), ("ended", "1", 5)]


def test_numbers_that_are_none_are_no_usage() -> None:
    odd = {**OVER, "usageMetadata": {"promptTokenCount": "many"}}
    assert played(SAYS, odd) == [("begun", "1")]


def test_only_whole_turns_ask_for_an_answer() -> None:
    watch = LiveWatch("m")
    assert watch.sent('{"clientContent": {"turns": []}}')[1] is None
    assert watch.sent('{"clientContent": {"turns": [], "turnComplete": true}}')[1] == Asked()
    assert watch.sent('{"realtimeInput": {"audio": {"data": "AAAA"}}}')[1] is None


def test_the_model_of_the_setup_is_the_providers() -> None:
    watch = LiveWatch("gemini-live")
    frame = '{"setup": {"model": "models/alias", "generationConfig": {"maxOutputTokens": 9}}, "odd": 1.50}'
    data, _ = watch.sent(frame)
    assert json.loads(data)["setup"]["model"] == "models/gemini-live"
    assert "1.50" in str(data)
    assert watch.sent('{"clientContent": {"turnComplete": true}}')[1] == Asked(most=9)
    same = '{"setup":  {"model": "models/gemini-live"}}'
    assert watch.sent(same)[0] is same
    assert watch.cancel("1") is None


def test_a_client_that_marks_the_end_of_its_speech_asks_for_an_answer() -> None:
    watch = LiveWatch("m")
    assert watch.sent('{"realtimeInput": {"activityStart": {}}}')[1] is None
    assert watch.sent('{"realtimeInput": {"activityEnd": {}}}')[1] == Asked()


@pytest.mark.parametrize(
    "name",
    [
        "live",
        "models/live",
        "projects/p/locations/l/publishers/google/models/live",
        "publishers/google/models/live",
    ],
)
def test_the_model_of_a_first_frame(name: str) -> None:
    assert model_of(json.dumps({"setup": {"model": name}})) == "live"
    assert model_of('{"setup": {"model": "google/live"}}') == "google/live"


def test_the_names_of_googles_own_library_are_understood() -> None:
    watch = LiveWatch("m")
    sound = {"realtime_input": {"audio": {"mime_type": "audio/pcm", "data": "A" * 16_000}}}
    watch.sent(json.dumps(sound))
    assert watch.context < 20
    assert watch.sent('{"setup": {"generation_config": {"max_output_tokens": 9}}}')[1] is None
    assert watch.sent('{"client_content": {"turn_complete": true}}')[1] == Asked(most=9)
