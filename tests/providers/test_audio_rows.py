"""Rows that speak and listen: their addresses, and that the dialects they name are there."""

import pytest

from headgate.providers.address import url_of
from headgate.providers.base import Provider
from headgate.providers.registry import resolve
from headgate.providers.rows import ROWS
from headgate.wire.audio import SPEECH, TRANSCRIPTIONS
from headgate.wire.audio.transcription_jobs import UPLOAD

TABLES = {"speech": SPEECH, "transcriptions": TRANSCRIPTIONS, "translations": TRANSCRIPTIONS}
OWN = {
    "speech": "openai_speech",
    "transcriptions": "openai_transcriptions",
    "translations": "openai_transcriptions",
}
HOSTS = {
    "assemblyai transcriptions": "https://api.assemblyai.com/v2/transcript",
    "cohere transcriptions": "https://api.cohere.com/v2/audio/transcriptions",
    "deepgram speech": "https://api.deepgram.com/v1/speak",
    "deepgram transcriptions": "https://api.deepgram.com/v1/listen",
    "elevenlabs speech": "https://api.elevenlabs.io/v1/text-to-speech",
    "elevenlabs transcriptions": "https://api.elevenlabs.io/v1/speech-to-text",
    "fireworks_ai transcriptions": "https://audio-prod.us-virginia-1.direct.fireworks.ai/v1/audio/transcriptions",
    "gemini speech": "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
    "groq speech": "https://api.groq.com/openai/v1/audio/speech",
    "groq translations": "https://api.groq.com/openai/v1/audio/translations",
    "hyperbolic speech": "https://api.hyperbolic.xyz/v1/audio/generation",
    "minimax speech": "https://api.minimax.io/v1/t2a_v2",
    "mistral speech": "https://api.mistral.ai/v1/audio/speech",
    "openai speech": "https://api.openai.com/v1/audio/speech",
    "openai transcriptions": "https://api.openai.com/v1/audio/transcriptions",
    "openai translations": "https://api.openai.com/v1/audio/translations",
    "openrouter speech": "https://openrouter.ai/api/v1/audio/speech",
    "openrouter transcriptions": "https://openrouter.ai/api/v1/audio/transcriptions",
    "together_ai speech": "https://api.together.xyz/v1/audio/speech",
    "xai speech": "https://api.x.ai/v1/tts",
    "xai transcriptions": "https://api.x.ai/v1/stt",
}
AUDIO = [(row, operation) for row in ROWS for operation in TABLES if operation in row.paths]


@pytest.mark.parametrize("name", HOSTS)
def test_the_address_of_an_operation(name: str) -> None:
    provider, operation = name.split()
    row, model = resolve(f"{provider}/m")
    assert url_of(row, operation, model, None) == HOSTS[name]


@pytest.mark.parametrize(
    ("model", "operation", "path"),
    [
        ("assemblyai/universal", "transcriptions", "/v2/transcript"),
        ("assemblyai/universal", UPLOAD, "/v2/upload"),
        ("fireworks_ai/whisper-v3", "transcriptions", "/v1/audio/transcriptions"),
        ("vertex_ai/chirp", "speech", "/v1/text:synthesize"),
        (
            "vertex_ai/gemini-2.5-flash-tts",
            "speech",
            "/publishers/google/models/gemini-2.5-flash-tts:generateContent",
        ),
        ("azure/speech/azure-tts", "speech", "/cognitiveservices/v1"),
        ("aws_polly/neural", "speech", "/v1/speech"),
    ],
)
def test_a_base_of_ones_own_serves_every_operation(model: str, operation: str, path: str) -> None:
    row, name = resolve(model)
    assert url_of(row, operation, name, "http://h.test/proxy") == f"http://h.test/proxy{path}"


def test_other_services_of_the_same_company() -> None:
    row, model = resolve("azure/speech/azure-tts")
    assert (row.id, model, row.dialects["speech"]) == ("azure_speech", "azure-tts", "azure_ssml")
    base = "https://eastus.api.cognitive.microsoft.com"
    assert (
        url_of(row, "speech", model, base) == "https://eastus.tts.speech.microsoft.com/cognitiveservices/v1"
    )
    google, model = resolve("vertex_ai/chirp")
    base = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1"
    assert url_of(google, "speech", model, base) == "https://texttospeech.googleapis.com/v1/text:synthesize"
    assert resolve("fireworks_ai/whisper-v3")[1] == "whisper-v3"


@pytest.mark.parametrize(
    ("base", "version", "path"),
    [
        ("https://h.azure.com", "2024-10-21", "/openai/deployments/m/audio/{}?api-version=2024-10-21"),
        ("https://h.azure.com", "v1", "/openai/v1/audio/{}"),
        ("https://h.azure.com", "preview", "/openai/v1/audio/{}?api-version=preview"),
        ("https://h.azure.com/openai/deployments/m", "2024-10-21", "/audio/{}?api-version=2024-10-21"),
    ],
)
@pytest.mark.parametrize("operation", TABLES)
def test_the_addresses_of_azure(base: str, version: str, path: str, operation: str) -> None:
    row, _ = resolve("azure/m")
    assert url_of(row, operation, "m", base, version) == base + path.format(operation)


@pytest.mark.parametrize(("row", "operation"), AUDIO, ids=lambda one: getattr(one, "id", one))
def test_the_dialect_of_an_operation_is_there(row: Provider, operation: str) -> None:
    name = row.dialects.get(operation, OWN[operation])
    assert TABLES[operation][name].name == name


def test_a_row_names_dialects_only_for_what_it_has() -> None:
    for row in ROWS:
        assert row.dialects.keys() <= row.paths.keys(), row.id


def test_a_job_has_the_address_of_its_upload() -> None:
    for row in ROWS:
        if row.dialects.get("transcriptions") == "assembly_transcript":
            assert url_of(row, UPLOAD, "m", None) == "https://api.assemblyai.com/v2/upload"


@pytest.mark.parametrize(
    ("model", "provider"),
    [("tts-1-hd", "openai"), ("whisper-1", "openai"), ("gpt-4o-transcribe", "openai"), ("nova-3", "deepgram"),
     ("aura-2-thalia-en", "deepgram"), ("eleven_v3", "elevenlabs"), ("scribe_v1", "elevenlabs"),
     ("voxtral-mini-latest", "mistral")],
)  # fmt: skip
def test_which_provider_a_model_means(model: str, provider: str) -> None:
    assert resolve(model)[0].id == provider
