"""Parameters of other formats written for Gemini: each rule of the format by name."""

from typing import Any

import pytest

from headgate.wire import ir
from headgate.wire.dialect import Target
from headgate.wire.gemini import DIALECT

FIRST, FLASH, PRO, THIRD, NEW = (
    "gemini-1.5-flash",
    "gemini-2.5-flash",
    "gemini-2.5-pro",
    "gemini-3-pro-preview",
    "gemini-9-ultra",
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": ["string", "null"]}, "b": {"$ref": "#/$defs/B"}},
    "required": ["a"],
    "additionalProperties": False,
    "$defs": {"B": {"const": "x"}},
}


def _user() -> ir.Turn:
    return ir.Turn(role="user", blocks=[ir.Text("hi")])


def _written(model: str = NEW, **fields: Any) -> ir.Written:
    return DIALECT.write_request(
        ir.Request(model=model, turns=[_user()], **fields),
        Target(model=model),
    )


def _body(model: str = NEW, **fields: Any) -> dict[str, Any]:
    written = _written(model, **fields)
    assert written.dropped == []
    return written.body


def _config(model: str = NEW, **fields: Any) -> dict[str, Any]:
    config = _body(model, **fields).get("generationConfig", {})
    assert isinstance(config, dict)
    return config


# --- parameters ------------------------------------------------------------------------------------------


def test_scalars() -> None:
    config = _config(
        FLASH,
        max_tokens=5,
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        n=2,
        stop=["x"],
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=True,
        top_logprobs=4,
    )
    assert config == {
        "maxOutputTokens": 5,
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 3,
        "candidateCount": 2,
        "stopSequences": ["x"],
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "responseLogprobs": True,
        "logprobs": 4,
    }


def test_more_than_five_stop_sequences_are_reported() -> None:
    written = _written(stop=list("abcdef"))
    assert written.dropped == ["stop"]
    assert written.body["generationConfig"]["stopSequences"] == list("abcde")


@pytest.mark.parametrize("model", [THIRD, NEW, "gemini-2.5-pro-preview-05-06"])
def test_penalties_that_a_model_refuses_are_reported(model: str) -> None:
    assert _written(model, presence_penalty=0.5).dropped == ["presence_penalty"]
    assert _written(model, presence_penalty=0.0, frequency_penalty=0.0).dropped == []


@pytest.mark.parametrize(
    "fields, dropped",
    [
        ({"logit_bias": {"1": 1.0}}, ["logit_bias"]),
        ({"verbosity": "low"}, ["verbosity"]),
        ({"user": "u", "metadata": {"a": "b"}}, []),
        ({"extra": {"openai": {"prediction": {}}}}, ["prediction"]),
        ({"extra": {"openai": {"store": True}}}, []),
    ],
)
def test_what_has_no_twin(fields: dict[str, Any], dropped: list[str]) -> None:
    assert _written(**fields).dropped == dropped


@pytest.mark.parametrize("key", ["safety_settings", "safetySettings"])
def test_native_keys_may_come_through_any_format(key: str) -> None:
    body = _body(extra={"openai": {key: [{"category": "c", "threshold": "OFF"}], "cached_content": "n"}})
    assert body["safetySettings"] == [{"category": "c", "threshold": "OFF"}]
    assert body["cachedContent"] == "n"


@pytest.mark.parametrize(
    "tier, native", [("default", "standard"), ("flex", "flex"), ("priority", "priority"), ("auto", None)]
)
def test_service_tier(tier: str, native: str | None) -> None:
    assert _body(service_tier=tier).get("serviceTier") == native


def test_output_formats() -> None:
    schema = ir.OutputFormat(kind="schema", schema=SCHEMA, name="n", strict=True)
    assert _config(output=ir.OutputFormat(kind="json")) == {"responseMimeType": "application/json"}
    assert _config(output=schema) == {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
    old = _config(FIRST, output=schema)
    assert old["responseSchema"]["propertyOrdering"] == ["a", "b"]


def test_functions_win_over_a_forced_form_on_older_models() -> None:
    output = ir.OutputFormat(kind="schema", schema=SCHEMA)
    assert _written(FLASH, tools=[ir.Tool(name="f")], output=output).dropped == ["response_format"]
    assert _written(THIRD, tools=[ir.Tool(name="f")], output=output).dropped == []


def test_modalities_and_voice() -> None:
    assert _config(FLASH, modalities=["text", "image"]) == {"responseModalities": ["TEXT", "IMAGE"]}
    audio = {"voice": "Kore", "format": "pcm16"}
    assert _config(FLASH, modalities=["audio"], audio=audio) == {
        "responseModalities": ["AUDIO"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    }
    assert _written(modalities=["audio"], audio={"voice": "Kore", "format": "mp3"}).dropped == [
        "audio.format"
    ]


# --- thinking --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model, effort, thinking",
    [
        (FLASH, "none", {"includeThoughts": False, "thinkingBudget": 0}),
        (FLASH, "low", {"includeThoughts": True, "thinkingBudget": 1024}),
        (FLASH, "medium", {"includeThoughts": True, "thinkingBudget": 2048}),
        (FLASH, "high", {"includeThoughts": True, "thinkingBudget": 4096}),
        ("gemini-2.5-flash-lite", "minimal", {"includeThoughts": True, "thinkingBudget": 512}),
        (FLASH, "minimal", {"includeThoughts": True, "thinkingBudget": 1}),
        (PRO, "none", {"includeThoughts": False, "thinkingBudget": 128}),
        (PRO, "minimal", {"includeThoughts": True, "thinkingBudget": 128}),
        (THIRD, "none", {"includeThoughts": False, "thinkingLevel": "low"}),
        (THIRD, "minimal", {"includeThoughts": True, "thinkingLevel": "low"}),
        (THIRD, "high", {"includeThoughts": True, "thinkingLevel": "high"}),
        ("gemini-3-flash-preview", "none", {"includeThoughts": False, "thinkingLevel": "minimal"}),
        ("gemini-3-flash-preview", "minimal", {"includeThoughts": True, "thinkingLevel": "minimal"}),
        ("gemini-3.6-flash", "none", {"includeThoughts": False, "thinkingLevel": "minimal"}),
        ("gemini-3.5-flash-lite", "minimal", {"includeThoughts": True, "thinkingLevel": "minimal"}),
        ("gemini-3.8-flash", "none", {"includeThoughts": False, "thinkingLevel": "low"}),
        ("gemini-flash-latest", "minimal", {"includeThoughts": True, "thinkingLevel": "low"}),
        ("gemini-4-argon", "minimal", {"includeThoughts": True, "thinkingLevel": "low"}),
        (NEW, "medium", {"includeThoughts": True, "thinkingLevel": "medium"}),
    ],
)
def test_effort(model: str, effort: str, thinking: dict[str, Any]) -> None:
    assert _config(model, reasoning=ir.Reasoning(effort=effort)) == {"thinkingConfig": thinking}


@pytest.mark.parametrize(
    "model, budget, thinking",
    [
        (FLASH, 2000, {"includeThoughts": True, "thinkingBudget": 2000}),
        (FLASH, 99999, {"includeThoughts": True, "thinkingBudget": 24576}),
        (FLASH, -1, {"includeThoughts": True, "thinkingBudget": -1}),
        (PRO, 99999, {"includeThoughts": True, "thinkingBudget": 32768}),
        (THIRD, 2000, {"includeThoughts": True}),
        (THIRD, 0, {"includeThoughts": False}),
    ],
)
def test_budget(model: str, budget: int, thinking: dict[str, Any]) -> None:
    assert _config(model, reasoning=ir.Reasoning(budget=budget)) == {"thinkingConfig": thinking}


def test_models_that_do_not_think_say_so() -> None:
    assert _written(FIRST, reasoning=ir.Reasoning(effort="high")).dropped == ["reasoning_effort"]
    assert _written(FIRST, reasoning=ir.Reasoning(effort="none")).dropped == []
