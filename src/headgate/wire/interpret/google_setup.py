"""The setup of Google's Live API as OpenAI's configuration of a session. Knows no frames but that one.

A table says what becomes of each field; each entry returns what is wrong with a value, "" for nothing.

https://ai.google.dev/api/live#BidiGenerateContentSetup
https://platform.openai.com/docs/api-reference/realtime-client-events/session/update
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from headgate.wire import voices
from headgate.wire.gemini.check import camel
from headgate.wire.gemini.schema import to_json_schema

LISTENER: Final = "gpt-4o-mini-transcribe"
"""Who writes down what the user says; Google's models do it themselves."""
LACKS: Final = "OpenAI's realtime API has no such thing"
_VOICES: Final = {
    theirs: ours for ours, theirs in voices.GOOGLE.items() if ours not in ("fable", "nova", "onyx")
}
"""OpenAI's realtime models lack three of its voices."""
Session: TypeAlias = dict[str, Any]
_Tell: TypeAlias = Callable[[Any, Session], str]


def session(setup: Mapping[str, Any]) -> tuple[Session, dict[str, str]]:
    """The flat configuration (`session.py`), and what could not be told: field → why."""
    made: Session = {}
    return made, _tell(setup, made, _TOLD, "setup")


def _tell(node: Mapping[str, Any], made: Session, table: Mapping[str, _Tell], where: str) -> dict[str, str]:
    wrong: dict[str, str] = {}
    for key, value in node.items():
        name = camel(key)
        if value is not None and (problem := table.get(name, _lacks)(value, made)):
            wrong[f"{where}.{name}"] = problem
    return wrong


def _lacks(value: Any, made: Session) -> str:
    return LACKS


def _fine(value: Any, made: Session) -> str:
    """Says nothing that would change the session, or is read elsewhere."""
    return ""


def _within(table: Mapping[str, _Tell]) -> _Tell:
    def tell(value: Any, made: Session) -> str:
        if not isinstance(value, dict):
            return "expected an object"
        wrong = _tell(value, made, table, "")
        return "; ".join(f"{name.lstrip('.')}: {problem}" for name, problem in wrong.items())

    return tell


def _instructions(value: Any, made: Session) -> str:
    """A content, or, as the library sends it, a text."""
    parts = value.get("parts") if isinstance(value, dict) else [{"text": value}]
    texts = (
        [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else [None]
    )
    said = [text for text in texts if isinstance(text, str)]
    if len(said) < len(texts):
        return "expected parts of text"
    made["instructions"] = "\n\n".join(said)
    return ""


def _tools(value: Any, made: Session) -> str:
    declared: list[Any] = []
    for tool in value if isinstance(value, list) else [value]:
        fields = {camel(key): given for key, given in tool.items()} if isinstance(tool, dict) else {"": tool}
        other = next((name for name in fields if name != "functionDeclarations"), None)
        if other is not None:
            return f"{LACKS} as the tool {other[:80]!r}"
        found = fields.get("functionDeclarations")
        declared += found if isinstance(found, list) else [found]
    if not all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in declared):
        return "expected functionDeclarations with names"
    made["tools"] = [_function({camel(key): given for key, given in one.items()}) for one in declared]
    return ""


def _function(declared: Mapping[str, Any]) -> dict[str, Any]:
    schema = declared.get("parametersJsonSchema")
    schema = to_json_schema(declared.get("parameters")) if schema is None else schema
    parameters = schema if isinstance(schema, dict) else {"type": "object", "properties": {}}
    about = {"description": declared["description"]} if declared.get("description") else {}
    return {"type": "function", "name": declared["name"], **about, "parameters": parameters}


def _modalities(value: Any, made: Session) -> str:
    given = [str(one).lower() for one in value] if isinstance(value, list) else []
    if given not in (["audio"], ["text"]):
        return "expected AUDIO or TEXT, one of them"
    made["output_modalities"] = given
    return ""


def _most(value: Any, made: Session) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        return "expected a whole number"
    made["max_output_tokens"] = value
    return ""


def _voice(value: Any, made: Session) -> str:
    if not isinstance(value, str):
        return "expected a voice's name"
    made["audio.output.voice"] = _VOICES.get(value, value)
    return ""


def _transcribed(value: Any, made: Session) -> str:
    if not isinstance(value, dict):
        return "expected an object"
    known = {camel(key): given for key, given in value.items()}
    languages = known.pop("languageCodes", None)
    made["audio.input.transcription"] = {"model": LISTENER}
    if isinstance(languages, list) and len(languages) == 1 and isinstance(languages[0], str):
        made["audio.input.transcription"]["language"] = languages[0].partition("-")[0]
    return f"{LACKS} as {', '.join(known)}" if known else ""


def _detection(key: str, values: Mapping[Any, Any] | None = None) -> _Tell:
    """A field of the detection of turns, as it is or by a table."""

    def tell(value: Any, made: Session) -> str:
        if values is not None and (not isinstance(value, str | bool) or value not in values):
            return f"expected {' or '.join(str(one) for one in values)}"
        if values is None and (not isinstance(value, int) or isinstance(value, bool)):
            return "expected a whole number"
        turn = made.setdefault("audio.input.turn_detection", {"type": "server_vad"})
        found = value if values is None else values[value]
        if turn is not None and found is not None:
            turn[key] = found
        return ""

    return tell


def _disabled(value: Any, made: Session) -> str:
    if not isinstance(value, bool):
        return "expected true or false"
    if value:
        made["audio.input.turn_detection"] = None
    return ""


def _resumed(value: Any, made: Session) -> str:
    return "sessions can't be resumed with OpenAI's realtime API" if value and value != {} else ""


_GENERATION: Final[Mapping[str, _Tell]] = {
    "responseModalities": _modalities,
    "maxOutputTokens": _most,
    "candidateCount": lambda value, made: "" if value == 1 else LACKS,
    "speechConfig": _within(
        {"voiceConfig": _within({"prebuiltVoiceConfig": _within({"voiceName": _voice})})},
    ),
}
_ACTIVITY: Final[Mapping[str, _Tell]] = {
    "disabled": _disabled,
    "prefixPaddingMs": _detection("prefix_padding_ms"),
    "silenceDurationMs": _detection("silence_duration_ms"),
    "startOfSpeechSensitivity": _detection(
        "threshold",
        {"START_SENSITIVITY_LOW": 0.7, "START_SENSITIVITY_HIGH": 0.3, "START_SENSITIVITY_UNSPECIFIED": None},
    ),
}
_TOLD: Final[Mapping[str, _Tell]] = {
    "model": _fine,
    "generationConfig": _within(_GENERATION),
    "systemInstruction": _instructions,
    "tools": _tools,
    "realtimeInputConfig": _within(
        {
            "automaticActivityDetection": _within(_ACTIVITY),
            "activityHandling": _detection(
                "interrupt_response",
                {
                    "NO_INTERRUPTION": False,
                    "START_OF_ACTIVITY_INTERRUPTS": None,
                    "ACTIVITY_HANDLING_UNSPECIFIED": None,
                },
            ),
        }
    ),
    "inputAudioTranscription": _transcribed,
    "outputAudioTranscription": _within({}),
    "contextWindowCompression": _fine,
    "sessionResumption": _resumed,
}
