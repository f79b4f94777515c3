"""xAI. https://docs.x.ai/docs/api-reference, https://docs.x.ai/docs/guides/voice/agent"""

from headgate.providers.base import ModelRule, Provider, Quirks, paths

_PENALTIES = ("presence_penalty", "frequency_penalty")
_PATHS = paths(
    "chat", "completions", "embeddings", "models", "responses", "images", "image_edits", "realtime"
)
_RULES = tuple(
    ModelRule(match=match, quirks=Quirks(refuse=refused))
    for match, refused in (
        (r"grok-(3-mini|4|code)(?!.*non-reasoning)", ("stop",)),
        (r"grok-(4|code)(?!.*non-reasoning)", _PENALTIES),
        (r"grok-(2|3(?!-mini)|4(?!\.)|4\.20(?!.*multi-agent)|code)", ("reasoning_effort",)),
    )
)
"""https://docs.x.ai/developers/model-capabilities/text/reasoning"""

ROW = Provider(
    id="xai",
    name="xAI",
    base_url="https://api.x.ai/v1",
    base_url_env=("XAI_API_BASE",),
    api_key_env=("XAI_API_KEY",),
    paths={**_PATHS, "speech": "/tts", "transcriptions": "/stt"},
    dialects={
        "images": "xai_images",
        "image_edits": "xai_images",
        "speech": "tts_speech",
        "transcriptions": "stt_transcriptions",
    },
    quirks=Quirks(rename={"max_completion_tokens": "max_tokens"}, tool_strict=False),
    model_rules=_RULES,
    bare=r"grok-",
)
