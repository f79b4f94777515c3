"""OpenAI's realtime events to Google's Live API and back: who is told what, and in which order."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.wire.gemini.live import LiveWatch
from headgate.wire.interpret import Style
from headgate.wire.interpret.google import GoogleTalk
from headgate.wire.interpret.live import LiveTalk
from headgate.wire.realtime import Asked

SOUND = base64.b64encode(b"\x00\x01" * 480).decode()
USAGE = {
    "promptTokenCount": 100,
    "responseTokenCount": 50,
    "totalTokenCount": 150,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 60}, {"modality": "AUDIO", "tokenCount": 40}],
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 50}],
}
READY = {"setupComplete": {}}
CREATE = {"type": "response.create"}
MANUAL = {
    "type": "session.update",
    "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}},
}


class Line:
    """A connection: `up` is what the provider was told, `down` what the client was."""

    def __init__(self, *, beta: bool = False, drop: bool = False) -> None:
        self.talk = LiveTalk(Style("c", "gemini-live", beta=beta, drop=drop))
        self.up: list[dict[str, Any]] = []
        self.down = [json.loads(frame) for frame in self.talk.opened()]

    def say(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """What the client hears of its own events."""
        return self._turn(self.talk.sent(json.dumps(event)) for event in events)

    def hear(self, *frames: dict[str, Any]) -> list[dict[str, Any]]:
        """What the client hears of the provider's frames."""
        return self._turn(self.talk.came(json.dumps(frame).encode()) for frame in frames)

    def told(self) -> list[dict[str, Any]]:
        """What the provider was told since."""
        up, self.up = self.up, []
        return up

    def _turn(self, turns: Any) -> list[dict[str, Any]]:
        heard = []
        for turned in turns:
            self.up += [json.loads(frame) for frame in turned.up]
            heard += [json.loads(frame) for frame in turned.down]
        self.down += heard
        return heard


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def says(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = {"modelTurn": {"parts": list(parts)}} if parts else {}
    return {"serverContent": {**content, **more}}


def sound(data: str = SOUND) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}


def message(text: str, **more: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": content, **more},
    }


def ready(**how: Any) -> Line:
    """A connection that has asked for its first answer, with the setup done."""
    line = Line(**how)
    line.say(message("Hi"), CREATE)
    line.hear(READY)
    line.told()
    line.down = []
    return line


# the setup


def test_a_connection_begins_with_its_session() -> None:
    (created,) = Line().down
    session = created["session"]
    assert (created["type"], session["type"], session["model"]) == (
        "session.created",
        "realtime",
        "gemini-live",
    )
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert session["output_modalities"] == ["audio"]
    beta = Line(beta=True).down
    assert kinds(beta) == ["session.created", "conversation.created"]
    assert beta[0]["session"]["modalities"] == ["audio", "text"]
    assert beta[0]["session"]["input_audio_format"] == "pcm16"


FUNCTION = {
    "type": "function",
    "name": "weather",
    "description": "Of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "additionalProperties": False,
    },
}
FINAL = {
    "type": "realtime",
    "instructions": "Be brief",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24_000},
            "transcription": {"model": "whisper-1", "language": "de"},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.8,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 500,
                "interrupt_response": False,
            },
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "alloy"},
    },
    "max_output_tokens": 99,
    "tools": [FUNCTION],
}
EARLY = {
    "instructions": "Be brief",
    "modalities": ["text", "audio"],
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "input_audio_transcription": {"model": "whisper-1", "language": "de"},
    "turn_detection": FINAL["audio"]["input"]["turn_detection"],  # type: ignore[index]
    "voice": "alloy",
    "max_response_output_tokens": 99,
    "tools": [FUNCTION],
}


@pytest.mark.parametrize("session", [FINAL, EARLY])
def test_what_is_configured_first_is_the_setup(session: dict[str, Any]) -> None:
    line = Line()
    line.say({"type": "session.update", "session": {"instructions": "Never mind"}})
    (updated,) = line.say({"type": "session.update", "session": session})
    assert updated["session"]["audio"]["output"]["voice"] == "alloy"
    assert line.told() == []
    line.say({"type": "input_audio_buffer.append", "audio": SOUND})
    assert line.told() == [
        {
            "setup": {
                "model": "models/gemini-live",
                "generationConfig": {
                    "responseModalities": ["AUDIO"],
                    "maxOutputTokens": 99,
                    "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
                },
                "systemInstruction": {"parts": [{"text": "Be brief"}]},
                "inputAudioTranscription": {"languageCodes": ["de"]},
                "outputAudioTranscription": {},
                "realtimeInputConfig": {
                    "automaticActivityDetection": {
                        "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
                        "prefixPaddingMs": 300,
                        "silenceDurationMs": 500,
                    },
                    "activityHandling": "NO_INTERRUPTION",
                },
                "tools": [
                    {
                        "functionDeclarations": [
                            {
                                "name": "weather",
                                "description": "Of a city",
                                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
                            }
                        ]
                    }
                ],
            }
        }
    ]


def test_frames_wait_for_the_answer_to_the_setup() -> None:
    line = Line()
    line.say(message("Hi"), {**CREATE, "event_id": "mine"})
    assert [list(frame) for frame in line.told()] == [["setup"]]
    turned = line.talk.came(json.dumps(READY))
    turn = {"turns": [{"role": "user", "parts": [{"text": "Hi"}]}], "turnComplete": True}
    assert [json.loads(frame) for frame in turned.up] == [{"clientContent": turn}]
    assert (turned.down, turned.event) == ([], "mine")


@pytest.mark.parametrize(
    ("model", "behavior"),
    [
        ("gemini-3.8-live", "BLOCKING"),
        ("gemini-4-live", "BLOCKING"),
        ("gemini-3.1-flash-live-preview", None),
        ("own", None),
    ],
)
def test_models_that_talk_on_while_calls_are_made_are_told_to_wait(model: str, behavior: str | None) -> None:
    talk = LiveTalk(Style("c", model))
    talk.sent(json.dumps({"type": "session.update", "session": {"tools": [FUNCTION]}}))
    setup = json.loads(talk.sent(json.dumps(CREATE)).up[0])["setup"]
    assert setup["tools"][0]["functionDeclarations"][0].get("behavior") == behavior


@pytest.mark.parametrize("depth", [100, 200, 300, 400, 500, 2_000])
def test_what_is_nested_deeply_breaks_nothing(depth: int) -> None:
    schema = '{"type": "object", "properties": {"x":' * depth + "{}" + "}}" * depth
    tools = '[{"type": "function", "name": "f", "parameters": ' + schema + "}]"
    talk = LiveTalk(Style("c", "m"))
    (told,) = talk.sent('{"type": "session.update", "session": {"tools": ' + tools + "}}").down
    assert b'"type":"session.updated"' in told.encode() or b'"type":"error"' in told.encode()
    item = '{"type": "conversation.item.create", "item": {"type": "message", "role": "user", "x": '
    assert talk.sent(item + '{"a":' * depth + "1" + "}" * depth + "}}").down
    GoogleTalk(Style("c", "m")).sent('{"setup": {"tools": [{"functionDeclarations": ' + tools + "}]}}")


def test_text_alone_is_not_written_down_twice() -> None:
    line = Line()
    line.say({"type": "session.update", "session": {"output_modalities": ["text"]}}, CREATE)
    setup = line.told()[0]["setup"]
    assert setup["generationConfig"] == {"responseModalities": ["TEXT"]}
    assert "outputAudioTranscription" not in setup


LACKING = [
    ({"audio": {"input": {"noise_reduction": {"type": "near_field"}}}}, "audio.input.noise_reduction"),
    ({"audio": {"input": {"format": {"type": "audio/pcmu"}}}}, "audio.input.format"),
    ({"audio": {"output": {"format": {"type": "audio/pcma"}}}}, "audio.output.format"),
    ({"input_audio_format": "g711_ulaw"}, "audio.input.format"),
    ({"audio": {"output": {"speed": 1.5}}}, "audio.output.speed"),
    ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools"),
    ({"tools": [5]}, "tools"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": {"type": "function", "name": "weather"}}, "tool_choice"),
    ({"turn_detection": {"type": "server_vad", "create_response": False}}, "audio.input.turn_detection"),
    ({"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5}}, "audio.input.turn_detection"),
    ({"turn_detection": {"type": "other"}}, "audio.input.turn_detection"),
    ({"prompt": {"id": "p"}}, "prompt"),
    ({"tracing": "auto"}, "tracing"),
    ({"include": ["item.input_audio_transcription.logprobs"]}, "include"),
    ({"truncation": {"type": "retention_ratio", "retention_ratio": 0.5}}, "truncation"),
    ({"audio": {"input": {"transcription": {"model": "m", "prompt": "names"}}}}, "audio.input.transcription"),
    ({"instructions": 5}, "instructions"),
    ({"output_modalities": ["video"]}, "output_modalities"),
    ({"temperature": "hot"}, "temperature"),
    ({"max_output_tokens": "many"}, "max_output_tokens"),
    ({"audio": 5}, "audio"),
    ({"audio": {"input": 5}}, "audio.input"),
    ({"odd": 1}, "odd"),
]


@pytest.mark.parametrize(("session", "named"), LACKING)
def test_what_google_lacks_is_named_and_nothing_changes(session: dict[str, Any], named: str) -> None:
    line = Line()
    event = {
        "type": "session.update",
        "event_id": "mine",
        "session": {**session, "instructions": session.get("instructions", "X")},
    }
    (error,) = line.say(event)
    assert (error["type"], error["error"]["event_id"]) == ("error", "mine")
    assert error["error"]["param"] == f"session.{named}"
    assert named in error["error"]["message"]
    line.say(CREATE)
    assert "systemInstruction" not in line.told()[0]["setup"]


@pytest.mark.parametrize(("session", "named"), LACKING)
def test_or_it_is_left_out(session: dict[str, Any], named: str) -> None:
    line = Line(drop=True)
    event = {"type": "session.update", "session": {"instructions": "Be brief", **session}}
    (updated,) = line.say(event)
    assert updated["type"] == "session.updated"
    line.say(CREATE)
    told = line.told()[0]["setup"].get("systemInstruction")
    assert told == (None if named == "instructions" else {"parts": [{"text": "Be brief"}]})


def test_a_setup_that_was_sent_stays() -> None:
    line = ready()
    same = {"voice": None, "turn_detection": {"type": "server_vad"}, "input_audio_transcription": None}
    assert kinds(line.say({"type": "session.update", "session": same})) == ["session.updated"]
    (error,) = line.say({"type": "session.update", "session": {"instructions": "Now rhyme", "voice": "Puck"}})
    assert "session.instructions: can't be changed any more" in error["error"]["message"]
    assert "session.audio.output.voice" in error["error"]["message"]
    assert line.told() == []


# items and sound


def test_items_go_with_the_answer_that_is_asked_for() -> None:
    line = ready()
    line.hear(says(sound(), turnComplete=True))
    added = line.say(message("One", id="own"), message("Two"))
    assert kinds(added) == ["conversation.item.added", "conversation.item.done"] * 2
    assert added[0]["item"]["id"] == "own"
    assert added[2]["previous_item_id"] == "own"
    assert line.told() == []
    line.say(CREATE)
    turns = [{"role": "user", "parts": [{"text": text}]} for text in ("One", "Two")]
    assert line.told() == [{"clientContent": {"turns": turns, "turnComplete": True}}]
    assert kinds(Line(beta=True).say(message("One"))) == ["conversation.item.created"]


def test_items_of_all_kinds() -> None:
    line = Line()
    line.say(
        {
            "type": "conversation.item.create",
            "item": {
                "type": "message",
                "role": "system",
                "content": [{"type": "input_text", "text": "It is May"}],
            },
        },
        {
            "type": "conversation.item.create",
            "item": {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
                    {"type": "input_audio", "audio": SOUND},
                ],
            },
        },
        {
            "type": "conversation.item.create",
            "item": {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_audio", "transcript": "Well"}],
            },
        },
        {
            "type": "conversation.item.create",
            "item": {
                "type": "function_call",
                "call_id": "c1",
                "name": "weather",
                "arguments": '{"city": "Ulm"}',
            },
        },
        {
            "type": "conversation.item.create",
            "item": {"type": "function_call_output", "call_id": "c1", "output": '{"sun": true}'},
        },
        CREATE,
    )
    line.hear(READY)
    setup, content = line.told()
    assert setup["setup"]["systemInstruction"] == {"parts": [{"text": "It is May"}]}
    call = {"id": "c1", "name": "weather", "args": {"city": "Ulm"}}
    result = {"id": "c1", "name": "weather", "response": {"sun": True}}
    assert content["clientContent"]["turns"] == [
        {"role": "user", "parts": [
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": SOUND}}]},
        {"role": "model", "parts": [{"text": "Well"}]},
        {"role": "model", "parts": [{"functionCall": call}]},
        {"role": "user", "parts": [{"functionResponse": result}]},
    ]  # fmt: skip


def test_sound_goes_at_once_where_google_listens() -> None:
    line = ready()
    line.hear(says(turnComplete=True))
    line.say(message("By the way"), {"type": "input_audio_buffer.append", "audio": SOUND})
    assert line.told() == [
        {
            "clientContent": {
                "turns": [{"role": "user", "parts": [{"text": "By the way"}]}],
                "turnComplete": False,
            }
        },
        {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=24000", "data": SOUND}}},
    ]
    assert kinds(line.say({"type": "input_audio_buffer.commit"})) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert line.told() == [{"realtimeInput": {"audioStreamEnd": True}}]


def test_an_answer_to_what_google_heard_the_end_of_is_not_asked_for_twice() -> None:
    line = ready()
    line.hear(says(turnComplete=True))
    line.say(
        {"type": "input_audio_buffer.append", "audio": SOUND}, {"type": "input_audio_buffer.commit"}, CREATE
    )
    assert [list(frame["realtimeInput"]) for frame in line.told()] == [["audio"], ["audioStreamEnd"]]
    assert kinds(line.hear(says(sound())))[0] == "response.created"


def test_sound_that_was_kept_goes_on_when_google_is_to_listen() -> None:
    line = Line()
    append = {"type": "input_audio_buffer.append", "audio": SOUND}
    listen = {"type": "session.update", "session": {"turn_detection": {"type": "server_vad"}}}
    line.say(MANUAL, append, listen, append)
    line.hear(READY)
    assert [list(frame) for frame in line.told()] == [["setup"], ["realtimeInput"], ["realtimeInput"]]
    other = Line()
    other.say(MANUAL, append, {"type": "input_audio_buffer.commit"}, listen, CREATE)
    other.hear(READY)
    inputs = [list(frame["realtimeInput"]) for frame in other.told()[1:]]
    assert inputs == [["audio"], ["audioStreamEnd"]]


def test_items_do_not_interrupt_an_answer() -> None:
    line = ready()
    line.hear(says(sound()))
    line.say(message("By the way"), {"type": "input_audio_buffer.append", "audio": SOUND})
    assert [list(frame) for frame in line.told()] == [["realtimeInput"]]


def test_sound_that_is_committed_by_hand_waits_for_its_answer() -> None:
    line = Line()
    append = {"type": "input_audio_buffer.append", "audio": SOUND}
    line.say(MANUAL, append)
    assert kinds(line.say({"type": "input_audio_buffer.clear"})) == ["input_audio_buffer.cleared"]
    (empty,) = line.say({"type": "input_audio_buffer.commit"})
    assert empty["error"]["code"] == "input_audio_buffer_commit_empty"
    line.say(append, append, {"type": "input_audio_buffer.commit"}, message("What is that?"), CREATE)
    line.hear(READY)
    setup, *told = line.told()
    assert setup["setup"]["realtimeInputConfig"] == {"automaticActivityDetection": {"disabled": True}}
    piece = {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=24000", "data": SOUND}}}
    turns = [{"role": "user", "parts": [{"text": "What is that?"}]}]
    assert told == [
        {"clientContent": {"turns": turns, "turnComplete": False}},
        {"realtimeInput": {"activityStart": {}}},
        piece,
        piece,
        {"realtimeInput": {"activityEnd": {}}},
    ]
    watch = LiveWatch("gemini-live")
    asked = [watch.sent(json.dumps(frame))[1] for frame in told]
    assert asked == [None, None, None, None, Asked()]


def test_sound_that_nobody_asks_about_is_bounded() -> None:
    line = Line()
    line.say(MANUAL)
    piece = base64.b64encode(bytes(3_000_000)).decode()
    heard = [line.say({"type": "input_audio_buffer.append", "audio": piece}) for _ in range(5)]
    assert [kinds(events) for events in heard] == [[], [], [], [], ["error"]]
    assert heard[-1][0]["error"]["code"] == "buffer_full"
    line.say({"type": "input_audio_buffer.clear"})
    assert line.say({"type": "input_audio_buffer.append", "audio": piece}) == []


# answers


def test_the_events_of_an_answer_come_in_openais_order() -> None:
    line = ready()
    line.hear(
        says(sound()),
        says(outputTranscription={"text": "Hel"}),
        says(sound(), outputTranscription={"text": "lo"}),
        says(generationComplete=True),
        {**says(turnComplete=True), "usageMetadata": USAGE},
    )
    assert kinds(line.down) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert line.down[4]["delta"] == SOUND
    done = line.down[-1]["response"]
    assert (done["status"], done["id"]) == ("completed", line.down[0]["response"]["id"])
    (item,) = done["output"]
    assert item["content"] == [{"type": "output_audio", "transcript": "Hello"}]
    assert done["usage"] == {
        "total_tokens": 150,
        "input_tokens": 100,
        "output_tokens": 50,
        "input_token_details": {"text_tokens": 60, "audio_tokens": 40, "image_tokens": 0, "cached_tokens": 0},
        "output_token_details": {"text_tokens": 0, "audio_tokens": 50},
    }
    assert len({event["event_id"] for event in line.down}) == len(line.down)


def test_the_beta_has_its_own_names() -> None:
    line = ready(beta=True)
    line.hear(says(sound(), outputTranscription={"text": "Hi"}, turnComplete=True))
    assert kinds(line.down) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        "response.audio.delta",
        "response.audio_transcript.delta",
        "response.audio.done",
        "response.audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    done = line.down[-1]["response"]
    assert done["modalities"] == ["audio", "text"]
    assert done["output"][0]["content"] == [{"type": "audio", "transcript": "Hi"}]


def test_text_is_text_and_thoughts_are_not_told() -> None:
    line = ready()
    line.hear(
        says({"text": "Hmm", "thought": True}, {"text": "Hel"}), says({"text": "lo"}, turnComplete=True)
    )
    assert [event["delta"] for event in line.down if event["type"] == "response.output_text.delta"] == [
        "Hel",
        "lo",
    ]
    assert line.down[-1]["response"]["output"][0]["content"] == [{"type": "output_text", "text": "Hello"}]


def test_a_turn_without_a_word_is_an_answer_all_the_same() -> None:
    line = ready()
    assert kinds(line.hear(says(turnComplete=True))) == ["response.created", "response.done"]
    assert line.hear(says(turnComplete=True)) == []


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("NEED_MORE_INPUT", "completed"),
        ("MALFORMED_FUNCTION_CALL", "failed"),
        ("PROHIBITED_INPUT_CONTENT", "incomplete"),
    ],
)
def test_why_a_turn_ended_is_its_status(reason: str, status: str) -> None:
    line = ready()
    (_, done) = line.hear(says(turnComplete=True, turnCompleteReason=reason))
    assert done["response"]["status"] == status


def test_an_answer_of_its_own_with_strange_fields_is_refused_by_their_paths() -> None:
    line = ready()
    line.hear(says(turnComplete=True))
    own = {"audio": {"": False}, "conversation": "none"}
    (refused,) = line.say({"type": "response.create", "response": own})
    assert "response.conversation, response.audio." in refused["error"]["message"]


def test_functions_are_called_and_their_results_asked_about() -> None:
    line = ready()
    calls = [{"id": "f1", "name": "weather", "args": {"city": "Ulm"}}, {"id": "f2", "name": "now"}]
    heard = line.hear({"toolCall": {"functionCalls": calls}, "usageMetadata": USAGE})
    one = [
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
    ]
    assert kinds(heard) == ["response.created", *one, *one, "response.done"]
    first, second = heard[-1]["response"]["output"]
    assert (first["name"], first["call_id"], json.loads(first["arguments"])) == (
        "weather",
        "f1",
        {"city": "Ulm"},
    )
    assert (second["call_id"], second["arguments"]) == ("f2", "{}")
    assert heard[-1]["response"]["usage"]["input_tokens"] == 100
    for id_, output in (("f1", '{"sun": true}'), ("f2", "noon")):
        item = {"type": "function_call_output", "call_id": id_, "output": output}
        line.say({"type": "conversation.item.create", "item": item})
    assert line.told() == []
    line.say(CREATE)
    responses = [
        {"id": "f1", "name": "weather", "response": {"sun": True}},
        {"id": "f2", "name": "now", "response": {"output": "noon"}},
    ]
    assert line.told() == [{"toolResponse": {"functionResponses": responses}}]
    assert kinds(line.hear(says(sound())))[0] == "response.created"


def test_names_that_google_does_not_take_come_back_as_they_were() -> None:
    line = Line()
    line.say(
        {"type": "session.update", "session": {"tools": [{"type": "function", "name": "was läuft"}]}}, CREATE
    )
    (setup,) = line.told()
    name = setup["setup"]["tools"][0]["functionDeclarations"][0]["name"]
    assert name.isascii()
    line.hear(READY, {"toolCall": {"functionCalls": [{"id": "f", "name": name}]}})
    assert line.down[-1]["response"]["output"][0]["name"] == "was läuft"
    line.told()
    output = {"type": "function_call_output", "call_id": "f", "output": "nothing"}
    line.say({"type": "conversation.item.create", "item": output}, CREATE)
    assert line.told()[0]["toolResponse"]["functionResponses"][0]["name"] == name


def test_a_call_that_is_taken_back_is_told() -> None:
    line = ready()
    line.hear({"toolCall": {"functionCalls": [{"id": "f1", "name": "now"}]}})
    (error,) = line.hear({"toolCallCancellation": {"ids": ["f1"]}})
    assert error["error"]["code"] == "tool_call_cancelled"
    assert "f1" in error["error"]["message"]
    item = {"type": "function_call_output", "call_id": "f1", "output": "noon"}
    (late,) = line.say({"type": "conversation.item.create", "item": item})
    assert late["error"]["param"] == "item.call_id"


def test_what_the_user_says_is_an_item_before_its_answer() -> None:
    line = Line()
    listen = {"type": "session.update", "session": {"input_audio_transcription": {"model": "whisper-1"}}}
    line.say(listen, {"type": "input_audio_buffer.append", "audio": SOUND})
    line.hear(READY)
    line.down = []
    line.hear(
        says(inputTranscription={"text": "What "}),
        says(inputTranscription={"text": "time?"}),
        says(sound()),
        says(inputTranscription={"text": " Please"}),
        says(turnComplete=True),
    )
    told = [
        kind
        for kind in kinds(line.down)
        if not kind.startswith("response.") or kind.endswith(("created", "done"))
    ]
    assert told[:8] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "response.created",
        "conversation.item.added",
    ]
    done = line.down[-1]
    assert done["type"] == "conversation.item.input_audio_transcription.completed"
    assert done["transcript"] == "What time? Please"
    assert done["item_id"] == line.down[0]["item_id"]
    assert line.down[0]["audio_start_ms"] == 20


def test_an_interruption_cuts_the_answer() -> None:
    line = ready()
    line.say({"type": "input_audio_buffer.append", "audio": SOUND})
    line.hear(says(sound()))
    (started,) = line.hear(says(interrupted=True))
    assert started["type"] == "input_audio_buffer.speech_started"
    item = next(event["item_id"] for event in line.down if "item_id" in event)
    truncate = {"type": "conversation.item.truncate", "item_id": item, "content_index": 0, "audio_end_ms": 5}
    assert kinds(line.say(truncate)) == ["conversation.item.truncated"]
    heard = line.hear({**says(turnComplete=True), "usageMetadata": USAGE})
    done = heard[-1]["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
    assert done["usage"]["output_tokens"] == 50
    assert item == done["output"][0]["id"]
    assert kinds(line.say({**truncate, "item_id": "other"})) == ["error"]
    assert kinds(line.hear(says(sound())))[:3] == [
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
    ]


def test_an_answer_after_an_interruption_needs_no_end_of_the_last() -> None:
    line = ready()
    line.hear(says(sound()), says(interrupted=True))
    heard = kinds(line.hear(says(sound())))
    assert heard.index("response.done") < heard.index("response.created")


def test_a_cancelled_answer_is_silent() -> None:
    line = ready()
    line.hear(says(sound()))
    (*_, done) = line.say({"type": "response.cancel"})
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert line.told() == [{"clientContent": {"turnComplete": False}}]
    assert line.hear(says(sound()), says(interrupted=True), says(turnComplete=True)) == []
    line.say(CREATE)
    assert "response.output_audio.delta" in kinds(line.hear(says(sound())))


def test_only_one_answer_at_a_time() -> None:
    line = ready()
    (error,) = line.say({**CREATE, "event_id": "second"})
    assert error["error"]["code"] == "conversation_already_has_active_response"
    assert error["error"]["event_id"] == "second"
    line.hear(says(turnComplete=True))
    (error,) = line.say({"type": "response.cancel"})
    assert error["error"]["code"] == "response_cancel_not_active"


@pytest.mark.parametrize(
    "own",
    [{"instructions": "Greet"}, {"conversation": "none"}, {"input": []}, {"output_modalities": ["text"]}],
)
def test_an_answer_of_its_own_kind_is_refused(own: dict[str, Any]) -> None:
    line = ready()
    line.hear(says(turnComplete=True))
    (error,) = line.say({**CREATE, "response": own})
    assert error["error"]["param"] == f"response.{next(iter(own))}"
    assert line.told() == []


def test_what_an_answer_repeats_of_its_session_is_fine() -> None:
    line = Line()
    own = {"modalities": ["text", "audio"], "conversation": "auto", "metadata": {"a": "b"}}
    line.say({**CREATE, "response": own})
    line.hear(READY)
    created, _ = line.hear(says(turnComplete=True))
    assert created["response"]["metadata"] == {"a": "b"}


# what has no counterpart


@pytest.mark.parametrize(
    ("event", "word"),
    [
        ({"type": "conversation.item.delete", "item_id": "x"}, "conversation.item.delete"),
        ({"type": "conversation.item.retrieve", "item_id": "x"}, "conversation.item.retrieve"),
        ({"type": "output_audio_buffer.clear"}, "output_audio_buffer.clear"),
        ({"type": "input_audio_buffer.append", "audio": "%%%"}, "base64"),
        ({"type": "input_audio_buffer.append"}, "base64"),
        ({"type": "session.update"}, "session"),
        ({"type": "session.update", "session": {"type": "transcription"}}, "session.type"),
        ({"type": "conversation.item.create"}, "item"),
        ({"type": "conversation.item.create", "item": {"type": "mcp_call"}}, "mcp_call"),
        ({"type": "conversation.item.create", "item": {"type": "message", "role": "cook"}}, "cook"),
        ({"type": "conversation.item.create", "item": {"type": "message", "role": "user"}}, "content"),
        ({**message("x"), "previous_item_id": "root"}, "previous_item_id"),
        ({"setup": {"model": "models/x"}}, "Google's frames"),
        ({"event": 1}, "type"),
    ],
)  # fmt: skip
def test_what_has_no_counterpart_is_an_error_that_names_it(event: dict[str, Any], word: str) -> None:
    line = ready()
    (error,) = line.say(event)
    assert error["type"] == "error"
    assert word in error["error"]["message"]
    assert line.told() == []


def test_pictures_are_not_fetched() -> None:
    item = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_image", "image_url": "https://x/y.png"}],
    }
    (error,) = Line().say({"type": "conversation.item.create", "item": item})
    assert error["error"]["param"] == "item.content[0].image_url"


def test_what_was_streamed_can_not_be_forgotten() -> None:
    line = ready()
    line.say({"type": "input_audio_buffer.append", "audio": SOUND})
    (error,) = line.say({"type": "input_audio_buffer.clear"})
    assert "turn_detection" in error["error"]["message"]


def test_what_the_provider_announces_is_told() -> None:
    line = ready()
    (error,) = line.hear({"goAway": {"timeLeft": "50s"}})
    assert (error["error"]["code"], "50s" in error["error"]["message"]) == ("session_expiring", True)
    assert line.hear({"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}}) == []
    (odd,) = line.hear(says({"executableCode": {"code": "1"}}))
    assert "executableCode" in odd["error"]["message"]
    (told,) = [json.loads(frame) for frame in line.talk.parted(1007, "no such voice")]
    assert told["error"]["message"] == "no such voice"
    assert line.talk.parted(1000, "") == []


# junk

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
EVENTS = (
    "session.update input_audio_buffer.append input_audio_buffer.commit input_audio_buffer.clear response.cancel "
    "conversation.item.create conversation.item.truncate response.create"
).split()
FIELDS = ("session", "item", "response", "audio", "event_id", "previous_item_id", "response_id", "item_id")
INNER = (
    "type role content name call_id output arguments tools audio turn_detection voice modalities text".split()
)
SENT = st.fixed_dictionaries(
    {"type": st.sampled_from(EVENTS) | JSON},
    optional={name: JSON | st.dictionaries(st.sampled_from(INNER), JSON, max_size=4) for name in FIELDS},
)
CAME = st.dictionaries(
    st.sampled_from(
        "serverContent toolCall toolCallCancellation usageMetadata goAway setupComplete voiceActivity".split()
    ),
    JSON
    | st.dictionaries(
        st.sampled_from(
            "modelTurn turnComplete interrupted inputTranscription outputTranscription functionCalls ids".split()
        ),
        JSON | st.fixed_dictionaries({"parts": JSON, "text": JSON}),
        max_size=4,
    ),
    max_size=3,
)


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.booleans(), SENT | JSON, CAME | JSON), max_size=12), st.booleans(), st.booleans()
)
def test_no_frame_breaks_it_and_each_answer_ends_once(frames: Any, beta: bool, drop: bool) -> None:
    line = Line(beta=beta, drop=drop)
    for ours, sent, came in frames:
        line.say(sent) if ours else line.hear(came)
    begun = [event["response"]["id"] for event in line.down if event["type"] == "response.created"]
    ended = [event["response"]["id"] for event in line.down if event["type"] == "response.done"]
    assert begun[: len(ended)] == ended
    assert len(begun) - len(ended) <= 1


@given(st.binary(max_size=64) | st.text(max_size=64))
def test_what_is_no_json_is_told(data: bytes | str) -> None:
    talk = LiveTalk(Style("c", "m"))
    (error,) = talk.sent(data).down
    assert json.loads(error)["type"] == "error"
    talk.came(data)
