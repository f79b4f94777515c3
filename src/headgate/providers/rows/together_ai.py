"""Together AI. https://docs.together.ai/reference"""

from headgate.providers.base import OPENAI_PATHS, Provider, Quirks, paths

ROW = Provider(
    id="together_ai",
    name="Together AI",
    aliases=("together",),
    base_url="https://api.together.xyz/v1",
    base_url_env=("TOGETHER_AI_API_BASE",),
    api_key_env=("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN"),
    quirks=Quirks(rename={"max_completion_tokens": "max_tokens"}),
    paths={
        **OPENAI_PATHS,
        **paths("images", "rerank", "speech", "transcriptions", "translations"),
        "image_edits": "/images/generations",
    },
    dialects={
        "images": "together_images",
        "image_edits": "together_images",
        "speech": "together_speech",
        "transcriptions": "together_transcriptions",
        "translations": "together_transcriptions",
    },
    stream_usage="always",
)
