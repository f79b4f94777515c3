"""OpenAI. https://platform.openai.com/docs/api-reference

Realtime: https://platform.openai.com/docs/guides/realtime-websocket"""

from headgate.providers.base import ModelRule, Provider, Quirks, paths

_SAMPLING = ("top_p", "logprobs", "top_logprobs")
_WHOLE = r"(o1-pro|o3-pro|o\d.*deep-research|gpt-5(\.\d)?-(pro|codex)|codex-|computer-use)"
"""Models that only Responses serves: https://developers.openai.com/api/docs/models"""
REASONING = (
    ModelRule(match=r"o\d|gpt-[5-9]", quirks=Quirks(rename={"max_tokens": "max_completion_tokens"})),
    ModelRule(
        match=r"o\d",
        quirks=Quirks(
            refuse=("presence_penalty", "frequency_penalty", *_SAMPLING), only={"temperature": (1,)}
        ),
    ),
    ModelRule(
        match=r"gpt-[5-9](?!.*chat)",
        quirks=Quirks(refuse=("presence_penalty", "frequency_penalty", "stop", "logit_bias")),
    ),
    ModelRule(match=r"gpt-5(?!\.|.*chat)", quirks=Quirks(refuse=_SAMPLING, only={"temperature": (1,)})),
    # from gpt-5.1 on they are free where it does not reason: unasked till gpt-5.4, then only where it is told so
    ModelRule(
        match=r"gpt-(5\.|[6-9])(?!.*chat)",
        quirks=Quirks(
            reasoning={"temperature": 1, "top_p": 1, "logprobs": False, "top_logprobs": 0}, effort="medium"
        ),
    ),
    ModelRule(match=r"gpt-5\.[1-4](?!.*(chat|pro|codex))", quirks=Quirks(effort="none")),
    # "Function tools with reasoning_effort are not supported … use /v1/responses", also where none is given:
    # https://github.com/openai/openai-openapi/issues/541, https://github.com/BerriAI/litellm/pull/34569
    ModelRule(match=r"gpt-(5\.[4-9]|[6-9])(?!.*chat)", quirks=Quirks(to_responses="tools")),
    ModelRule(match=_WHOLE, quirks=Quirks(to_responses="all")),
    ModelRule(match=r"o\d|codex-|gpt-[5-9](?!.*chat)", quirks=Quirks(seals=True)),
    # they answer with data, always
    ModelRule(match=r"gpt-image|chatgpt-image", quirks=Quirks(drop=("response_format",))),
)
"""What models that reason reject, https://platform.openai.com/docs/guides/reasoning,
https://developers.openai.com/api/docs/guides/latest-model, and those that draw,
https://platform.openai.com/docs/api-reference/images."""

STRANGE = ("thinking_blocks", "reasoning_items", "reasoning_content", "provider_specific_fields")
"""What messages of other vendors have, and theirs may not: thoughts that somebody else signed never go there."""

ROW = Provider(
    id="openai",
    name="OpenAI",
    aliases=("text-completion-openai", "aiohttp_openai"),
    base_url="https://api.openai.com/v1",
    base_url_env=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    api_key_env=("OPENAI_API_KEY",),
    paths=paths(
        "chat",
        "completions",
        "embeddings",
        "models",
        "moderations",
        "responses",
        "images",
        "image_edits",
        "image_variations",
        "speech",
        "transcriptions",
        "translations",
        "realtime",
        "files",
        "batches",
        "fine_tuning",
    )
    | {"count_tokens": "/responses/input_tokens"},
    dialects={"count_tokens": "responses_count"},
    header_env={"openai-organization": "OPENAI_ORGANIZATION", "openai-project": "OPENAI_PROJECT"},
    header_params={"openai-organization": "organization", "openai-project": "project"},
    bare=(
        r"(ft:)?(gpt-|chatgpt-|o\d|text-embedding-|davinci|babbage|codex-|computer-use|dall-e-|tts-|whisper-"
        r"|(omni|text)-moderation-)"
    ),
    rejects=STRANGE,
    model_rules=REASONING,
    batch_price="0.5",  # https://platform.openai.com/docs/guides/batch
)
