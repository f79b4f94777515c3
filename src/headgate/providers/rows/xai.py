"""xAI. https://docs.x.ai/docs/api-reference, https://docs.x.ai/docs/guides/voice/agent"""

from headgate.providers.base import ModelRule, Provider, Quirks, paths

ROW = Provider(
    id="xai",
    name="xAI",
    base_url="https://api.x.ai/v1",
    base_url_env=("XAI_API_BASE",),
    api_key_env=("XAI_API_KEY",),
    paths={
        **paths(
            "chat", "completions", "embeddings", "models", "responses", "images", "image_edits", "realtime"
        ),
        "speech": "/tts",
        "transcriptions": "/stt",
    },
    dialects={
        "images": "xai_images",
        "image_edits": "xai_images",
        "speech": "tts_speech",
        "transcriptions": "stt_transcriptions",
    },
    quirks=Quirks(rename={"max_completion_tokens": "max_tokens"}, tool_strict=False),
    model_rules=(
        ModelRule(match=r"grok-(3-mini|4|code)", quirks=Quirks(refuse=("stop",))),
        ModelRule(
            match=r"grok-(4|code)",
            quirks=Quirks(refuse=("presence_penalty", "frequency_penalty")),
        ),
    ),
    bare=r"grok-",
)
