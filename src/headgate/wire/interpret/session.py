"""OpenAI's configuration of a realtime session, in its final words and in those of the beta. Knows no other format.

Here it is flat: the final words' paths as names ("audio.output.voice"), with the final words' values.

https://platform.openai.com/docs/api-reference/realtime-client-events/session/update
https://platform.openai.com/docs/api-reference/realtime-sessions (beta)
"""

from collections.abc import Mapping
from typing import Any, Final

PCM: Final[Mapping[str, Any]] = {"type": "audio/pcm", "rate": 24_000}
_VAD: Final[Mapping[str, Any]] = {"type": "server_vad", "create_response": True, "interrupt_response": True}
DEFAULTS: Final[Mapping[str, Any]] = {
    "output_modalities": ["audio"],
    "instructions": "",
    "audio.input.format": PCM,
    "audio.input.transcription": None,
    "audio.input.noise_reduction": None,
    "audio.input.turn_detection": _VAD,
    "audio.output.format": PCM,
    "audio.output.voice": None,
    "audio.output.speed": 1.0,
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "temperature": None,
    "truncation": None,
    "tracing": None,
    "prompt": None,
    "include": None,
    "reasoning": None,
    "parallel_tool_calls": None,
}
"""What holds where the client says nothing."""
BETA: Final[Mapping[str, str]] = {
    "modalities": "output_modalities",
    "input_audio_format": "audio.input.format",
    "input_audio_transcription": "audio.input.transcription",
    "input_audio_noise_reduction": "audio.input.noise_reduction",
    "turn_detection": "audio.input.turn_detection",
    "output_audio_format": "audio.output.format",
    "voice": "audio.output.voice",
    "speed": "audio.output.speed",
    "max_response_output_tokens": "max_output_tokens",
}
"""The beta's name → ours. The others have the same in both."""
_NAMED: Final = {ours: beta for beta, ours in BETA.items()}
_FORMATS: Final = {"pcm16": PCM, "g711_ulaw": {"type": "audio/pcmu"}, "g711_alaw": {"type": "audio/pcma"}}
ABOUT: Final = frozenset(("type", "object", "id", "model", "expires_at", "client_secret"))
"""Says what it is, not how it is to be. The model is the connection's."""


def read(session: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What is set, and the names of what nobody knows. Either way of saying it is understood. Null leaves a setting
    that can't be off as it is."""
    found: dict[str, Any] = {}
    unknown: list[str] = []
    for path, value in _leaves(session):
        ours = BETA.get(path, path)
        if ours in DEFAULTS:
            if value is not None or DEFAULTS[ours] is None or ours in _TOLD:
                found[ours] = _final(path, value)
        elif path not in ABOUT:
            unknown.append(path)
    return found, unknown


def _leaves(session: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What is below `audio` by its path, anything else as it is."""
    leaves = [(key, value) for key, value in session.items() if key != "audio"]
    audio = session.get("audio")
    if audio is None:
        return leaves
    if not isinstance(audio, dict):
        return [*leaves, ("audio", audio)]
    for side, fields in audio.items():
        if isinstance(fields, dict):
            leaves += [(f"audio.{side}.{key}", value) for key, value in fields.items()]
        elif fields is not None:
            leaves.append((f"audio.{side}", fields))
    return leaves


def _final(path: str, value: Any) -> Any:
    """A value of the beta's in the final words."""
    if path in ("input_audio_format", "output_audio_format") and isinstance(value, str):
        return _FORMATS.get(value, {"type": value})
    if path == "modalities" and isinstance(value, list) and "audio" in value:
        return ["audio"]
    return value


def write(config: Mapping[str, Any], beta: bool) -> dict[str, Any]:
    """The configuration as a client reads it; what was never said is left out."""
    said = {name: value for name, value in config.items() if value is not None or name in _TOLD}
    if beta:
        return {_NAMED.get(name, name): _early(name, value) for name, value in said.items()}
    session: dict[str, Any] = {}
    for name, value in said.items():
        *way, last = name.split(".")
        node = session
        for step in way:
            node = node.setdefault(step, {})
        node[last] = value
    return session


_TOLD: Final = frozenset(("audio.input.turn_detection", "audio.input.transcription"))
"""None says something here."""


def _early(name: str, value: Any) -> Any:
    if name in ("audio.input.format", "audio.output.format"):
        return next((beta for beta, ours in _FORMATS.items() if ours == value), value)
    if name == "output_modalities" and value == ["audio"]:
        return ["audio", "text"]
    return value
