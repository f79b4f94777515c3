"""Companies whose models only speak and listen.

Deepgram https://developers.deepgram.com/reference, ElevenLabs https://elevenlabs.io/docs/api-reference, Azure Speech
https://learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech, Amazon Polly
https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html, Cartesia
https://docs.cartesia.ai/api-reference/stt/transcribe.
"""

from urllib.parse import urlsplit

from headgate.providers.base import Auth, Provider, Site

_SERVICES = {
    "speech": ("tts", "/cognitiveservices/v1"),
    "transcriptions": ("stt", "/speech/recognition/conversation/cognitiveservices/v1"),
}


def _azure_speech(site: Site) -> str:
    """The resource's own address is for managing it: each service has a host beside it. Other hosts stay."""
    service, path = _SERVICES[site.operation]
    region, _, rest = (urlsplit(site.base).hostname or "").partition(".")
    known = rest in ("api.cognitive.microsoft.com", "tts.speech.microsoft.com", "stt.speech.microsoft.com")
    return f"https://{region}.{service}.speech.microsoft.com{path}" if known else path


AZURE = Provider(
    id="azure_speech",
    name="Azure Speech",
    base_url="https://{region}.api.cognitive.microsoft.com",
    base_url_env=("AZURE_SPEECH_API_BASE",),
    base_vars={"region": ("azure_speech_region", "AZURE_SPEECH_REGION")},
    api_key_env=("AZURE_SPEECH_API_KEY",),
    auth=Auth(header="ocp-apim-subscription-key", scheme=""),
    paths={name: path for name, (_, path) in _SERVICES.items()},
    path_of=_azure_speech,
    dialects={"speech": "azure_ssml", "transcriptions": "azure_short_audio"},
)

ROWS: tuple[Provider, ...] = (
    Provider(
        id="aws_polly",
        name="Amazon Polly",
        base_url="https://polly.{region}.amazonaws.com",
        base_vars={"region": ("aws_region_name", "AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")},
        auth=Auth(optional=True),
        credential="aws:polly",
        paths={"speech": "/v1/speech"},
        dialects={"speech": "polly_speech"},
    ),
    AZURE,
    Provider(
        id="cartesia",
        name="Cartesia",
        base_url="https://api.cartesia.ai",
        base_url_env=("CARTESIA_API_BASE",),
        api_key_env=("CARTESIA_API_KEY",),
        headers={"cartesia-version": "2025-04-16"},
        paths={"transcriptions": "/stt"},
        dialects={"transcriptions": "ink_transcriptions"},
        bare=r"ink-",
    ),
    Provider(
        id="deepgram",
        name="Deepgram",
        base_url="https://api.deepgram.com/v1",
        base_url_env=("DEEPGRAM_API_BASE",),
        api_key_env=("DEEPGRAM_API_KEY",),
        auth=Auth(scheme="Token"),
        paths={"speech": "/speak", "transcriptions": "/listen", "models": "/models"},
        dialects={"speech": "deepgram_speak", "transcriptions": "deepgram_listen"},
        bare=r"aura-|nova-[23]",
    ),
    Provider(
        id="elevenlabs",
        name="ElevenLabs",
        base_url="https://api.elevenlabs.io",
        base_url_env=("ELEVENLABS_API_BASE",),
        api_key_env=("ELEVENLABS_API_KEY",),
        auth=Auth(header="xi-api-key", scheme=""),
        paths={
            "speech": "/v1/text-to-speech",
            "transcriptions": "/v1/speech-to-text",
            "models": "/v1/models",
        },
        dialects={"speech": "eleven_speech", "transcriptions": "scribe_transcriptions"},
        bare=r"eleven_|scribe_",
    ),
)
