"""Mistral AI. https://docs.mistral.ai/api"""

from headgate.providers.base import Provider, Quirks, paths

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
    bare=r"(open-)?(mistral|mixtral|codestral|magistral|devstral|pixtral|voxtral|ministral)-",
    stream_usage="refused",
)
