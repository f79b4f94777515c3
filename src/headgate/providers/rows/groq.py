"""Groq. https://console.groq.com/docs/api-reference"""

from headgate.providers.base import ModelRule, Provider, Quirks, paths

_SOME = dict.fromkeys(('"minimal"', '"low"', '"medium"', '"high"', '"xhigh"', '"max"'), "default")
_NEAREST = {'"minimal"': "low", '"xhigh"': "high", '"max"': "high"}
"""Qwen's models know one effort, OpenAI's three: https://console.groq.com/docs/reasoning."""
_LEFT = ("name", "reasoning_content", "thinking_blocks", "provider_specific_fields", "annotations")

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
        strip_message=_LEFT,
    ),
    model_rules=(
        ModelRule(match=r"qwen", quirks=Quirks(values={"reasoning_effort": _SOME})),
        ModelRule(match=r"openai/gpt-oss", quirks=Quirks(values={"reasoning_effort": _NEAREST})),
    ),
)
