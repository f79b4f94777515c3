"""generationConfig ↔ the scalar wishes of an IR request. Knows no conversation and no tools.

https://ai.google.dev/api/generate-content#generationconfig
"""

from typing import Any, Final

from headgate.wire import ir
from headgate.wire.gemini import schema as schemas
from headgate.wire.gemini.check import expect, fields, kept, optional, own
from headgate.wire.gemini.models import Facts
from headgate.wire.gemini.reasoning import write_reasoning

MAX_STOPS: Final = 5

_KNOWN: Final = frozenset(
    {
        "maxOutputTokens", "temperature", "topP", "topK", "candidateCount", "stopSequences", "seed",
        "presencePenalty", "frequencyPenalty", "responseLogprobs", "logprobs", "responseMimeType",
        "responseSchema", "responseJsonSchema", "_responseJsonSchema", "responseModalities", "speechConfig",
        "thinkingConfig", "mediaResolution", "imageConfig", "audioTimestamp", "enableEnhancedCivicAnswers",
        "enableAffectiveDialog", "routingConfig", "modelSelectionConfig",
    }
)  # fmt: skip
NATIVE: Final = _KNOWN - {"temperature", "seed", "logprobs", "topP", "topK"}
"""Fields that callers of any format may give at the top of their body."""

_THINKING: Final = frozenset({"includeThoughts", "thinkingBudget", "thinkingLevel"})
_SCALARS: Final[tuple[tuple[str, str, type], ...]] = (
    ("maxOutputTokens", "max_tokens", int),
    ("temperature", "temperature", float),
    ("topP", "top_p", float),
    ("topK", "top_k", int),
    ("candidateCount", "n", int),
    ("seed", "seed", int),
    ("presencePenalty", "presence_penalty", float),
    ("frequencyPenalty", "frequency_penalty", float),
    ("logprobs", "top_logprobs", int),
)
_JSON: Final = "application/json"
_PLAIN: Final = "text/plain"
VOICE_FORMAT: Final = "pcm16"
"""The only sound that the API makes: 16 bit, 24 kHz, one channel."""

WHERE: Final = "generationConfig"


# --- reading: each takes what it understands out of `config` ----------------------------------------------


def read_config(left: dict[str, Any], request: ir.Request) -> None:
    """Moves generationConfig out of `left` into the request; what has no name there stays."""
    given = optional(left, WHERE, dict, "")
    if given is None:
        return
    config = {key: value for key, value in fields(given, _KNOWN).items() if value is not None}
    for name, attribute, kind in _SCALARS:
        if name in config:
            setattr(request, attribute, expect(config.pop(name), kind, f"{WHERE}.{name}"))
    if optional(config, "responseLogprobs", bool, WHERE):
        request.logprobs = config.pop("responseLogprobs")
    _read_stop(config, request)
    _read_modalities(config, request)
    _read_voice(config, request)
    _read_thinking(config, request)
    request.output = _read_output(config)
    if config:
        left[WHERE] = config
    else:
        del left[WHERE]


def _read_stop(config: dict[str, Any], request: ir.Request) -> None:
    stop = optional(config, "stopSequences", list, WHERE)
    if stop:
        request.stop = [expect(word, str, f"{WHERE}.stopSequences[{at}]") for at, word in enumerate(stop)]
    config.pop("stopSequences", None)


def _read_modalities(config: dict[str, Any], request: ir.Request) -> None:
    names = optional(config, "responseModalities", list, WHERE)
    if names is not None:
        del config["responseModalities"]
        request.modalities = [
            expect(name, str, f"{WHERE}.responseModalities[{at}]").lower() for at, name in enumerate(names)
        ]


def _read_voice(config: dict[str, Any], request: ir.Request) -> None:
    """One ready-made voice has a name in the IR; several, or a language, stay as they came."""
    speech = optional(config, "speechConfig", dict, WHERE)
    voice = _only(_only(_only(speech, "voiceConfig"), "prebuiltVoiceConfig"), "voiceName")
    if isinstance(voice, str):
        del config["speechConfig"]
        request.audio = {"voice": voice, "format": VOICE_FORMAT}


def _only(node: Any, key: str) -> Any:
    """The value of a field that is the only one."""
    if not isinstance(node, dict) or len(node) != 1:
        return None
    return fields(node, frozenset({key})).get(key)


def _read_thinking(config: dict[str, Any], request: ir.Request) -> None:
    """What stands there is kept beside its meaning, and goes back as it came."""
    given = optional(config, "thinkingConfig", dict, WHERE)
    if given is None:
        return
    del config["thinkingConfig"]
    where = f"{WHERE}.thinkingConfig"
    node = fields(given, _THINKING)
    level = optional(node, "thinkingLevel", str, where)
    request.reasoning = ir.Reasoning(
        effort=None if level is None else level.lower(),
        budget=optional(node, "thinkingBudget", int, where),
        visible=optional(node, "includeThoughts", bool, where),
        extra=kept(node),
    )


def _read_output(config: dict[str, Any]) -> ir.OutputFormat | None:
    mime = optional(config, "responseMimeType", str, WHERE)
    plain = next((key for key in ("responseJsonSchema", "_responseJsonSchema") if key in config), "")
    if plain:
        schema = optional(config, plain, dict, WHERE)
        del config[plain]
        native: dict[str, Any] = {}
    else:
        own_form = optional(config, "responseSchema", dict, WHERE)
        config.pop("responseSchema", None)
        schema = None if own_form is None else schemas.to_json_schema(own_form)
        native = {} if own_form is None else {"responseSchema": own_form}
    if schema is not None:
        config.pop("responseMimeType", None)
        if mime not in (None, _JSON):
            native["responseMimeType"] = mime
        return ir.OutputFormat(kind="schema", schema=schema, extra=kept(native))
    if mime not in (_JSON, _PLAIN):
        return None
    del config["responseMimeType"]
    return ir.OutputFormat(kind="json" if mime == _JSON else "text")


# --- writing ---------------------------------------------------------------------------------------------


def write_config(request: ir.Request, facts: Facts, functions: int, dropped: list[str]) -> dict[str, Any]:
    """`functions` is how many functions the request offers. Adds to `dropped` what has no place."""
    config: dict[str, Any] = {
        name: value for name, attribute, _ in _SCALARS if (value := getattr(request, attribute)) is not None
    }
    _penalties(config, request, facts, dropped)
    if request.logprobs:
        config["responseLogprobs"] = True
    if not config.get("logprobs") or request.logprobs is False:
        config.pop("logprobs", None)
    if request.stop:
        stop = [word for word in request.stop if word]
        config["stopSequences"] = stop[:MAX_STOPS]
        if len(stop) > MAX_STOPS:
            dropped.append("stop")
    _modalities(config, request, dropped)
    if request.output is not None:
        _output(config, request.output, facts, functions, dropped)
    thinking = write_reasoning(request.reasoning, facts, dropped)
    if thinking is not None:
        config["thinkingConfig"] = thinking
    return config


def _penalties(config: dict[str, Any], request: ir.Request, facts: Facts, dropped: list[str]) -> None:
    if facts.penalties:
        return
    for name, parameter in (
        ("presencePenalty", "presence_penalty"),
        ("frequencyPenalty", "frequency_penalty"),
    ):
        if config.pop(name, None):
            dropped.append(parameter)


def _modalities(config: dict[str, Any], request: ir.Request, dropped: list[str]) -> None:
    """The API refuses text and sound in one answer, OpenAI's callers must ask for both: sound is meant."""
    names = request.modalities
    voice = request.audio
    if voice is not None and (names is None or sorted(names) == ["audio", "text"]):
        names = ["audio"]
    if names:
        config["responseModalities"] = [name.upper() for name in names]
    if voice is None:
        return
    if isinstance(voice.get("voice"), str):
        named = {"voiceName": voice["voice"]}
        config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": named}}
    elif "voice" in voice:
        dropped.append("audio.voice")
    if voice.get("format", VOICE_FORMAT) != VOICE_FORMAT:
        dropped.append("audio.format")


def _output(
    config: dict[str, Any], output: ir.OutputFormat, facts: Facts, functions: int, dropped: list[str]
) -> None:
    """Before Gemini 3 a function and a forced form of the answer exclude each other: functions win."""
    if output.kind == "text":
        config["responseMimeType"] = _PLAIN
        return
    if functions and not facts.combines:
        dropped.append("response_format")
        return
    native = own(output.extra)
    config["responseMimeType"] = native.get("responseMimeType", _JSON)
    if "responseSchema" in native:
        config["responseSchema"] = native["responseSchema"]
    elif output.schema is not None and facts.json_schema:
        config["responseJsonSchema"] = output.schema
    elif output.schema is not None:
        config["responseSchema"] = schemas.to_openapi(output.schema, ordered=True)
