"""Groq. https://console.groq.com/docs/api-reference"""

from headgate.providers.base import Provider, Quirks, paths

ROW = Provider(
    id="groq",
    name="Groq",
    base_url="https://api.groq.com/openai/v1",
    base_url_env=("GROQ_API_BASE",),
    api_key_env=("GROQ_API_KEY",),
    paths=paths("chat", "models", "responses", "speech", "transcriptions", "translations"),
    dialects={"transcriptions": "verbose_transcriptions", "translations": "verbose_transcriptions"},
    quirks=Quirks(
        refuse=("logprobs", "logit_bias", "top_logprobs"),
        only={"n": (1,)},
        drop_null=True,
        strip_message=(
            "name",
            "reasoning_content",
            "thinking_blocks",
            "provider_specific_fields",
            "annotations",
        ),
    ),
)
