"""Google's Live frames to OpenAI's realtime API and back: who is told what, and in which order."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.wire.interpret import Style
from headgate.wire.interpret.google import GoogleTalk

SOUND = base64.b64encode(b"\x00\x01" * 480).decode()
USAGE = {
    "total_tokens": 150,
    "input_tokens": 100,
    "output_tokens": 50,
    "input_token_details": {"text_tokens": 60, "audio_tokens": 40, "cached_tokens": 10},
    "output_token_details": {"text_tokens": 20, "audio_tokens": 30},
}
DONE = {"type": "response.done", "response": {"id": "r", "status": "completed", "output": [], "usage": USAGE}}
HELLO = {"type": "session.created", "session": {"type": "realtime"}}
CREATED = {"type": "response.created", "response": {"id": "r"}}


class Line:
    """A connection: `up` is what the provider was told, `down` what the client was, `problem` what ended it."""

    def __init__(self, setup: dict[str, Any] | None = None) -> None:
        self.talk = GoogleTalk(Style("c", "gpt-realtime"))
        self.up: list[dict[str, Any]] = []
        self.problem = ""
        if setup is not None:
            self.say({"setup": {"model": "models/voice", **setup}})
            self.hear(HELLO, {"type": "session.updated"})
            self.told()

    def say(self, *frames: Any) -> list[dict[str, Any]]:
        return self._turn(self.talk.sent(json.dumps(frame)) for frame in frames)

    def hear(self, *events: Any) -> list[dict[str, Any]]:
        return self._turn(self.talk.came(json.dumps(event)) for event in events)

    def told(self) -> list[dict[str, Any]]:
        up, self.up = self.up, []
        return up

    def _turn(self, turns: Any) -> list[dict[str, Any]]:
        heard = []
        for turned in turns:
            self.up += [json.loads(frame) for frame in turned.up]
            heard += [json.loads(frame) for frame in turned.down]
            self.problem = self.problem or turned.problem
        return heard


def turn(text: str, over: bool = True) -> dict[str, Any]:
    return {"clientContent": {"turns": [{"role": "user", "parts": [{"text": text}]}], "turnComplete": over}}


def item(text: str, role: str = "user", kind: str = "input_text") -> dict[str, Any]:
    content = [{"type": kind, "text": text}]
    return {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": role, "content": content},
    }


CREATE = {"type": "response.create"}
CANCEL = {"type": "response.cancel"}

SETUP = {
    "model": "models/voice",
    "generationConfig": {
        "responseModalities": ["AUDIO"],
        "maxOutputTokens": 99,
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    },
    "systemInstruction": {"parts": [{"text": "Be brief"}, {"text": "Be kind"}]},
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "Of a city",
                    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}},
                }
            ]
        }
    ],
    "realtimeInputConfig": {
        "automaticActivityDetection": {
            "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
            "prefixPaddingMs": 20,
            "silenceDurationMs": 100,
        },
        "activityHandling": "NO_INTERRUPTION",
    },
    "inputAudioTranscription": {},
    "outputAudioTranscription": {},
    "contextWindowCompression": {"slidingWindow": {}},
    "sessionResumption": {},
}


def test_the_setup_is_a_session() -> None:
    line = Line()
    assert line.say({"setup": SETUP}) == []
    assert line.told() == []
    line.hear(HELLO)
    (update,) = line.told()
    assert update["type"] == "session.update"
    assert update["session"] == {
        "type": "realtime",
        "instructions": "Be brief\n\nBe kind",
        "output_modalities": ["audio"],
        "max_output_tokens": 99,
        "audio": {
            "input": {
                "transcription": {"model": "gpt-4o-mini-transcribe"},
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.7,
                    "prefix_padding_ms": 20,
                    "silence_duration_ms": 100,
                    "interrupt_response": False,
                },
            },
            "output": {"voice": "alloy"},
        },
        "tools": [
            {
                "type": "function",
                "name": "weather",
                "description": "Of a city",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
            }
        ],
    }
    told = line.hear({"type": "session.updated"}, {"type": "session.updated"})
    assert told == [{"setupComplete": {}}, {"sessionResumptionUpdate": {"resumable": False}}]


def test_the_spelling_of_googles_library_is_understood() -> None:
    line = Line()
    line.say(
        {"setup": {"system_instruction": "Be brief", "generation_config": {"response_modalities": ["TEXT"]}}}
    )
    line.hear(HELLO)
    session = line.told()[0]["session"]
    assert (session["instructions"], session["output_modalities"]) == ("Be brief", ["text"])
    line.say({"client_content": {"turns": [{"parts": [{"text": "Hi"}]}], "turn_complete": True}})
    assert line.told() == [item("Hi"), CREATE]


@pytest.mark.parametrize(
    ("setup", "named"),
    [
        ({"generationConfig": {"temperature": 0.5}}, "temperature"),
        ({"generationConfig": {"responseModalities": ["TEXT", "AUDIO"]}}, "responseModalities"),
        ({"generationConfig": {"maxOutputTokens": "x"}}, "maxOutputTokens"),
        ({"generationConfig": {"speechConfig": {"languageCode": "de-DE"}}}, "languageCode"),
        ({"generationConfig": 5}, "generationConfig"),
        ({"tools": [{"googleSearch": {}}]}, "googleSearch"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools"),
        ({"tools": 5}, "tools"),
        ({"systemInstruction": {"parts": [{"inlineData": {}}]}}, "systemInstruction"),
        ({"realtimeInputConfig": {"turnCoverage": "TURN_INCLUDES_ALL_INPUT"}}, "turnCoverage"),
        ({"realtimeInputConfig": {"activityHandling": "OTHER"}}, "activityHandling"),
        ({"realtimeInputConfig": {"automaticActivityDetection": {"disabled": 1}}}, "disabled"),
        (
            {"realtimeInputConfig": {"automaticActivityDetection": {"prefixPaddingMs": "x"}}},
            "prefixPaddingMs",
        ),
        ({"inputAudioTranscription": {"diarization": True}}, "diarization"),
        ({"sessionResumption": {"handle": "h"}}, "sessionResumption"),
        ({"proactivity": {"proactiveAudio": True}}, "proactivity"),
    ],
)
def test_what_openai_lacks_ends_it_by_its_name(setup: dict[str, Any], named: str) -> None:
    line = Line()
    line.say({"setup": setup})
    assert named in line.problem
    assert line.told() == []


def test_a_server_that_speaks_the_beta_is_spoken_to_in_it() -> None:
    line = Line()
    line.hear({"type": "session.created", "session": {"modalities": ["text", "audio"]}})
    line.say({"setup": {"generationConfig": {"responseModalities": ["TEXT"], "maxOutputTokens": 9}}})
    assert line.told()[0]["session"] == {"modalities": ["text"], "max_response_output_tokens": 9}


def test_turns_are_items_and_the_last_asks() -> None:
    line = Line({})
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    call = {"functionCall": {"id": "c1", "name": "now", "args": {"zone": "CET"}}}
    result = {"functionResponse": {"id": "c1", "name": "now", "response": {"output": "noon"}}}
    turns = [
        {"role": "user", "parts": [{"text": "Hi"}, picture]},
        {"role": "model", "parts": [{"text": "Well"}, call]},
        {"role": "user", "parts": [result]},
    ]
    line.say({"clientContent": {"turns": turns}})
    first, said, called, answered = (event["item"] for event in line.told())
    assert first["content"] == [
        {"type": "input_text", "text": "Hi"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
    ]
    assert said == item("Well", "assistant", "output_text")["item"]
    assert called == {"type": "function_call", "call_id": "c1", "name": "now", "arguments": '{"zone":"CET"}'}
    assert answered == {"type": "function_call_output", "call_id": "c1", "output": "noon"}
    line.say({"clientContent": {"turnComplete": True}})
    assert line.told() == [CREATE]


def test_sound_is_brought_to_24_khz() -> None:
    line = Line({})
    loud = base64.b64encode(b"\x10\x00" * 160).decode()
    line.say(*[{"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": loud}}}] * 10)
    made = b"".join(base64.b64decode(event["audio"]) for event in line.told())
    assert abs(len(made) - 10 * 480) <= 2
    assert set(made[::2]) == {0x10}
    line.say({"realtimeInput": {"mediaChunks": [{"mimeType": "audio/pcm;rate=24000", "data": SOUND}]}})
    assert line.told() == [{"type": "input_audio_buffer.append", "audio": SOUND}]
    line.say({"realtimeInput": {"audioStreamEnd": True}})
    (silence,) = line.told()
    assert set(base64.b64decode(silence["audio"])) == {0}
    line.say({"realtimeInput": {"audio": {"mimeType": "audio/ogg", "data": SOUND}}})
    assert "audio/ogg" in line.problem


def test_what_the_client_marks_as_spoken_is_committed_and_asked_about() -> None:
    line = Line({"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}})
    audio = {"mimeType": "audio/pcm;rate=24000", "data": SOUND}
    line.say(
        {"realtimeInput": {"activityStart": {}}},
        {"realtimeInput": {"audio": audio}},
        {"realtimeInput": {"activityEnd": {}}},
    )
    append = {"type": "input_audio_buffer.append", "audio": SOUND}
    assert line.told() == [append, {"type": "input_audio_buffer.commit"}, CREATE]
    other = Line({})
    other.say({"realtimeInput": {"activityEnd": {}}})
    assert "activityEnd" in other.problem


def test_texts_and_pictures_may_be_streamed() -> None:
    line = Line({})
    line.say({"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "AAAA"}}})
    (seen,) = line.told()
    assert seen["item"]["content"][0]["image_url"] == "data:image/jpeg;base64,AAAA"
    line.say({"realtimeInput": {"text": "Hi"}})
    assert line.told() == [item("Hi"), CREATE]


def test_an_answer_is_a_turn_of_the_model() -> None:
    line = Line({"outputAudioTranscription": {}})
    told = line.hear(
        CREATED,
        {"type": "response.output_item.added"},
        {"type": "response.output_audio.delta", "delta": SOUND},
        {"type": "response.output_audio_transcript.delta", "delta": "Hi"},
        {"type": "response.output_text.delta", "delta": "Ho"},
        DONE,
    )
    assert told[:3] == [
        {
            "serverContent": {
                "modelTurn": {
                    "role": "model",
                    "parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": SOUND}}],
                }
            }
        },
        {"serverContent": {"outputTranscription": {"text": "Hi"}}},
        {"serverContent": {"modelTurn": {"role": "model", "parts": [{"text": "Ho"}]}}},
    ]
    assert told[3] == {"serverContent": {"generationComplete": True}}
    assert told[4] == {
        "serverContent": {"turnComplete": True},
        "usageMetadata": {
            "promptTokenCount": 100,
            "responseTokenCount": 50,
            "totalTokenCount": 150,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 60},
                {"modality": "AUDIO", "tokenCount": 40},
            ],
            "responseTokensDetails": [
                {"modality": "TEXT", "tokenCount": 20},
                {"modality": "AUDIO", "tokenCount": 30},
            ],
            "cachedContentTokenCount": 10,
        },
    }
    silent = Line({})
    assert silent.hear(CREATED, {"type": "response.output_audio_transcript.delta", "delta": "Hi"}) == []


def test_functions_are_called_and_all_results_asked_about_once() -> None:
    line = Line({})
    calls = [
        {"type": "function_call", "call_id": id_, "name": "now", "arguments": '{"zone": "CET"}'}
        for id_ in ("f1", "f2")
    ]
    done = {"type": "response.done", "response": {**DONE["response"], "output": calls}}  # type: ignore[dict-item]
    (called,) = line.hear(CREATED, done)
    assert called["toolCall"]["functionCalls"] == [
        {"id": id_, "name": "now", "args": {"zone": "CET"}} for id_ in ("f1", "f2")
    ]
    assert called["usageMetadata"]["promptTokenCount"] == 100
    for id_ in ("f1", "f2"):
        line.say({"toolResponse": {"functionResponses": [{"id": id_, "name": "now", "response": {"h": 12}}]}})
    told = line.told()
    assert [event["type"] for event in told] == ["conversation.item.create"] * 2 + ["response.create"]
    assert told[0]["item"] == {"type": "function_call_output", "call_id": "f1", "output": '{"h":12}'}


def test_a_turn_interrupts_the_answer_and_is_answered_after_it() -> None:
    line = Line({})
    line.hear(CREATED)
    line.say(turn("Stop"))
    assert line.told() == [item("Stop"), CANCEL]
    cancelled = {"type": "response.done", "response": {"id": "r", "status": "cancelled", "usage": USAGE}}
    told = line.hear(cancelled)
    assert told[0] == {"serverContent": {"interrupted": True}}
    assert told[1]["serverContent"] == {"turnComplete": True}
    assert line.told() == [CREATE]


def test_a_second_turn_before_the_answer_begins_is_answered_with_it() -> None:
    line = Line({})
    line.say(turn("One"), turn("Two"))
    assert line.told() == [item("One"), CREATE, item("Two")]
    line.hear(CREATED)
    assert line.told() == [CANCEL]
    line.hear({"type": "response.done", "response": {"status": "cancelled"}})
    assert line.told() == [CREATE]


def test_the_user_interrupts() -> None:
    line = Line({})
    late = {"type": "response.output_audio.delta", "delta": SOUND}
    told = line.hear(CREATED, {"type": "input_audio_buffer.speech_started"}, late)
    assert told == [{"serverContent": {"interrupted": True}}]
    assert line.hear(DONE)[-1]["serverContent"] == {"turnComplete": True}
    assert line.hear({"type": "input_audio_buffer.speech_started"}) == []


def test_what_the_user_said_is_told() -> None:
    line = Line({"inputAudioTranscription": {}})
    kind = "conversation.item.input_audio_transcription"
    told = line.hear(
        {"type": f"{kind}.delta", "item_id": "i", "delta": "Hey"},
        {"type": f"{kind}.completed", "item_id": "i", "transcript": "Hey"},
        {"type": f"{kind}.completed", "item_id": "j", "transcript": "Whole"},
    )
    assert [frame["serverContent"]["inputTranscription"] for frame in told] == [
        {"text": "Hey"},
        {"finished": True},
        {"text": "Whole", "finished": True},
    ]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "error": {"code": "invalid_value", "message": "no such voice"}},
        {
            "type": "response.done",
            "response": {"status": "failed", "status_details": {"error": {"message": "no such voice"}}},
        },
    ],
)
def test_what_goes_wrong_ends_it(event: dict[str, Any]) -> None:
    line = Line({})
    line.hear(event)
    assert line.problem == "no such voice"


@pytest.mark.parametrize(
    "code",
    [
        "response_cancel_not_active",
        "input_audio_buffer_commit_empty",
        "conversation_already_has_active_response",
    ],
)
def test_what_only_crosses_an_answers_end_is_no_matter(code: str) -> None:
    line = Line({})
    assert line.hear({"type": "error", "error": {"code": code, "message": "m"}}) == []
    assert line.problem == ""


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        ({"type": "response.create"}, "setup, clientContent"),
        ([], "no object"),
        ({"setup": {}}, "only the first"),
        ({"clientContent": 5}, "clientContent"),
        ({"clientContent": {"turns": [5]}}, "turns[0]"),
        ({"clientContent": {"turns": [{"role": "cook", "parts": []}]}}, "role"),
        ({"clientContent": {"turns": [{"parts": [{"executableCode": {}}]}]}}, "executableCode"),
        ({"realtimeInput": {"video": {"mimeType": "video/mp4", "data": ""}}}, "picture"),
        ({"realtimeInput": {"odd": 1}}, "realtimeInput.odd"),
        ({"realtimeInput": {"text": 5}}, "realtimeInput.text"),
        ({"realtimeInput": {"audio": {}}}, "base64"),
        ({"realtimeInput": {"audio": {"data": "A"}}}, "base64"),
        ({"toolResponse": {"functionResponses": [{"name": "now"}]}}, "functionResponses[0]"),
    ],
)  # fmt: skip
def test_what_can_not_be_said_ends_it(frame: Any, word: str) -> None:
    line = Line({})
    line.say(frame)
    assert word in line.problem
    first = Line()
    first.say(turn("Hi"))
    assert "the first frame must be the setup" in first.problem


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
WORDS = """turns turnComplete parts text inlineData mimeType data functionCall functionResponse functionResponses id
role audio mediaChunks video activityStart activityEnd audioStreamEnd generationConfig tools systemInstruction
realtimeInputConfig functionDeclarations response""".split()
INNER = st.recursive(
    JSON | st.sampled_from([SOUND, "audio/pcm", "user"]),
    lambda inner: st.dictionaries(st.sampled_from(WORDS), inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=10,
)
SENT = st.dictionaries(
    st.sampled_from(["setup", "clientContent", "realtimeInput", "toolResponse"]),
    INNER,
    min_size=1,
    max_size=1,
)
CAME = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            "response.created response.done response.text.delta error session.updated".split()
        )
    },
    optional={
        name: JSON
        | st.dictionaries(
            st.sampled_from("id status status_details output usage code".split()), JSON, max_size=4
        )
        for name in ("response", "delta", "error", "item_id")
    },
)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.booleans(), SENT | JSON, CAME | JSON), max_size=10))
def test_no_frame_breaks_it(frames: Any) -> None:
    line = Line({})
    for ours, sent, came in frames:
        line.say(sent) if ours else line.hear(came)
