"""A session's configuration (`session.py`) as the setup of Google's Live API. Knows no frames but that one.

A table says how each setting is told; each entry returns what is wrong with a value, "" for nothing. A setup can't be
changed later.

https://ai.google.dev/api/live#BidiGenerateContentSetup
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from headgate.wire import voices
from headgate.wire.gemini.names import Names
from headgate.wire.gemini.schema import to_openapi
from headgate.wire.interpret.session import DEFAULTS, PCM
from headgate.wire.shape import Malformed

Setup: TypeAlias = dict[str, Any]
LACKS: Final = "Google's Live API has no such thing"


def setup(
    config: Mapping[str, Any], model: str, names: Names, system: Sequence[str] = ()
) -> tuple[Setup, dict[str, str]]:
    """The setup, and what could not be told: setting → why. `names` are the functions', `system` what else the model
    is told beforehand."""
    made: Setup = {"model": model, "generationConfig": {}}
    wrong: dict[str, str] = {}
    for name, value in config.items():
        if value is None and DEFAULTS[name] is None:
            continue
        if (problem := _TOLD[name](value, made, names)) != "":
            wrong[name] = problem
    if made["generationConfig"].get("responseModalities") == ["AUDIO"]:
        made["outputAudioTranscription"] = {}
    if config.get("tool_choice") == "none":
        made.pop("tools", None)
    if _goes_on(model):
        for declared in made.get("tools", [{}])[0].get("functionDeclarations", ()):
            declared["behavior"] = "BLOCKING"
    texts = [part["text"] for part in made.get("systemInstruction", {}).get("parts", ())]
    if texts := [*texts, *system]:
        made["systemInstruction"] = {"parts": [{"text": text} for text in texts]}
    return made, wrong


def hears(config: Mapping[str, Any]) -> bool:
    """Whether the provider finds out when the user has spoken."""
    return config["audio.input.turn_detection"] is not None


def _goes_on(model: str) -> bool:
    """Whether the model talks on while its calls are made, unless told not to: OpenAI's wait, as all did before this.
    https://ai.google.dev/gemini-api/docs/models/gemini-3.8-live#migrating"""
    found = _VERSION.search(model)
    return found is not None and (int(found[1]), int(found[2] or 0)) >= (3, 8)


_VERSION: Final = re.compile(r"gemini-(?:live-)?(\d+)(?:\.(\d+))?")


def _generation(key: str, kind: tuple[type, ...], expected: str) -> "_Tell":
    def tell(value: Any, made: Setup, names: Names) -> str:
        if not isinstance(value, kind) or isinstance(value, bool):
            return f"expected {expected}"
        made["generationConfig"][key] = value
        return ""

    return tell


def _instructions(value: Any, made: Setup, names: Names) -> str:
    if not isinstance(value, str):
        return "expected a string"
    if value:
        made["systemInstruction"] = {"parts": [{"text": value}]}
    return ""


def _modalities(value: Any, made: Setup, names: Names) -> str:
    if value not in (["audio"], ["text"]):
        return 'expected ["audio"] or ["text"]'
    made["generationConfig"]["responseModalities"] = [value[0].upper()]
    return ""


def _format(value: Any, made: Setup, names: Names) -> str:
    fits = (
        isinstance(value, dict) and value.get("type") == "audio/pcm" and value.get("rate", 24_000) == 24_000
    )
    return "" if fits else "only audio/pcm (pcm16) at 24,000 Hz goes to Google's Live API"


def _transcription(value: Any, made: Setup, names: Names) -> str:
    """Google's own transcripts, whichever model is named; a language is a hint there, too."""
    if value is None:
        return ""
    if not isinstance(value, dict):
        return "expected an object"
    made["inputAudioTranscription"] = {}
    if isinstance(language := value.get("language"), str) and language:
        made["inputAudioTranscription"] = {"languageCodes": [language]}
    left = [key for key in value if key not in ("model", "language") and value[key]]
    return f"{LACKS} as {', '.join(left)}" if left else ""


def _voice(value: Any, made: Setup, names: Names) -> str:
    if not isinstance(value, str):
        return "expected a voice's name"
    chosen = {"prebuiltVoiceConfig": {"voiceName": voices.GOOGLE.get(value, value)}}
    made["generationConfig"]["speechConfig"] = {"voiceConfig": chosen}
    return ""


def _detection(value: Any, made: Setup, names: Names) -> str:
    """https://ai.google.dev/api/live#RealtimeInputConfig"""
    if value is None:
        made["realtimeInputConfig"] = {"automaticActivityDetection": {"disabled": True}}
        return ""
    if not isinstance(value, dict) or value.get("type") not in ("server_vad", "semantic_vad"):
        return "expected an object with the type server_vad or semantic_vad, or null"
    found: dict[str, Any] = {}
    wrong = []
    for key, given in value.items():
        if given is None or key in ("type", "create_response", "interrupt_response"):
            continue
        told = _VAD.get(key, lambda _: None)(given)
        if told is None:
            wrong.append(key)
        else:
            found.update(told)
    config: dict[str, Any] = {"automaticActivityDetection": found} if found else {}
    if value.get("interrupt_response") is False:
        config["activityHandling"] = "NO_INTERRUPTION"
    if config:
        made["realtimeInputConfig"] = config
    if value.get("create_response") is False:
        wrong.append("create_response")
    return f"{LACKS} as {', '.join(wrong)} with these values" if wrong else ""


def _whole(key: str) -> Callable[[Any], dict[str, Any] | None]:
    return lambda value: {key: value} if isinstance(value, int) and value >= 0 else None


def _threshold(value: Any) -> dict[str, Any] | None:
    """There are two steps about OpenAI's middle of 0.5."""
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    if value == 0.5:
        return {}
    return {"startOfSpeechSensitivity": f"START_SENSITIVITY_{'LOW' if value > 0.5 else 'HIGH'}"}


_EAGER: Final = {"low": "END_SENSITIVITY_LOW", "high": "END_SENSITIVITY_HIGH", "auto": "", "medium": ""}


def _eagerness(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, str) or value not in _EAGER:
        return None
    return {"endOfSpeechSensitivity": _EAGER[value]} if _EAGER[value] else {}


_VAD: Final[Mapping[str, Callable[[Any], dict[str, Any] | None]]] = {
    "prefix_padding_ms": _whole("prefixPaddingMs"),
    "silence_duration_ms": _whole("silenceDurationMs"),
    "threshold": _threshold,
    "eagerness": _eagerness,
}


def _tools(value: Any, made: Setup, names: Names) -> str:
    if not isinstance(value, list):
        return "expected a list"
    declared: list[dict[str, Any]] = []
    for at, tool in enumerate(value):
        name = tool.get("name") if isinstance(tool, dict) else None
        if not isinstance(name, str) or not name or tool.get("type", "function") != "function":
            return f"only functions with a name go to Google's Live API; number {at} is none"
        one: dict[str, Any] = {"name": names.fit(name)}
        if isinstance(about := tool.get("description"), str):
            one["description"] = about
        try:
            schema = to_openapi(tool.get("parameters") or {})
        except Malformed as error:
            return str(error)
        if schema.get("properties"):  # an object without any is refused there
            one["parameters"] = schema
        declared.append(one)
    if declared:
        made["tools"] = [{"functionDeclarations": declared}]
    return ""


def _tool_choice(value: Any, made: Setup, names: Names) -> str:
    return "" if value in ("auto", "none") else f"{LACKS} as a function that must be called"


def _most(value: Any, made: Setup, names: Names) -> str:
    if value == "inf":
        return ""
    return _generation("maxOutputTokens", (int,), 'a whole number or "inf"')(value, made, names)


def _truncation(value: Any, made: Setup, names: Names) -> str:
    if value == "auto":
        made["contextWindowCompression"] = {"slidingWindow": {}}
    return "" if value in ("auto", "disabled") else LACKS


def _only(*neutral: Any) -> "_Tell":
    """What Google has no setting for: the values that change nothing."""
    return lambda value, made, names: "" if value in neutral else LACKS


_Tell: TypeAlias = Callable[[Any, Setup, Names], str]
_TOLD: Final[Mapping[str, _Tell]] = {
    "output_modalities": _modalities,
    "instructions": _instructions,
    "audio.input.format": _format,
    "audio.input.transcription": _transcription,
    "audio.input.noise_reduction": _only(None),
    "audio.input.turn_detection": _detection,
    "audio.output.format": _format,
    "audio.output.voice": _voice,
    "audio.output.speed": _only(1, None),
    "tools": _tools,
    "tool_choice": _tool_choice,
    "max_output_tokens": _most,
    "temperature": _generation("temperature", (int, float), "a number"),
    "truncation": _truncation,
    "tracing": _only(None),
    "prompt": _only(None),
    "include": _only(None, []),
    "reasoning": _only(None),
    "parallel_tool_calls": _only(None, True),
}
RATE: Final = int(PCM["rate"])
