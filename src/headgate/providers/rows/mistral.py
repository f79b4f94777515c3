"""Mistral AI. https://docs.mistral.ai/api"""

from headgate.providers.base import ModelRule, Provider, Quirks, paths

_EFFORTS = {
    "mistral-(small|medium)|magistral-small": ("none", "high"),
    "zai-glm": ("low", "high", "max"),
}
"""Model → the efforts that it knows, https://docs.mistral.ai/capabilities/reasoning; those between are raised."""
_WITHOUT = (
    r"(open-)?(mixtral|mistral-(nemo|tiny|saba|7b)|codestral|devstral|pixtral|ministral|magistral-medium)"
)


def _raised(known: tuple[str, ...]) -> dict[str, str]:
    levels = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    last = known[-1]
    return {
        f'"{level}"': next((one for one in levels[at:] if one in known), last)
        for at, level in enumerate(levels)
        if level not in known
    }


ROW = Provider(
    id="mistral",
    name="Mistral AI",
    base_url="https://api.mistral.ai/v1",
    base_url_env=("MISTRAL_API_BASE",),
    api_key_env=("MISTRAL_API_KEY",),
    paths=paths("chat", "embeddings", "models", "moderations", "fim", "ocr", "speech", "transcriptions"),
    dialects={
        "moderations": "mistral_moderations",
        "speech": "voxtral_speech",
        "transcriptions": "voxtral_transcriptions",
    },
    quirks=Quirks(
        rename={
            "max_completion_tokens": "max_tokens",
            "seed": "random_seed",
            "dimensions": "output_dimension",
        },
        refuse=("logit_bias", "logprobs", "top_logprobs"),
        drop=("user", "stream_options"),
        values={"tool_choice": {'"required"': "any"}},
        strip_message=("reasoning_content", "thinking_blocks", "provider_specific_fields", "annotations"),
    ),
    model_rules=(
        ModelRule(match=_WITHOUT, quirks=Quirks(refuse=("reasoning_effort",))),
        *(
            ModelRule(match=models, quirks=Quirks(values={"reasoning_effort": _raised(known)}))
            for models, known in _EFFORTS.items()
        ),
    ),
    bare=r"(open-)?(mistral|mixtral|codestral|magistral|devstral|pixtral|voxtral|ministral)-",
    stream_usage="refused",
)
