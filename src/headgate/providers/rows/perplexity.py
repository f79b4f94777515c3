"""Perplexity. https://docs.perplexity.ai/api-reference

Its Agent API has the format of Responses: https://docs.perplexity.ai/docs/agent-api/openai-compatibility"""

from headgate.providers.base import Provider, Quirks

ROW = Provider(
    id="perplexity",
    name="Perplexity",
    base_url="https://api.perplexity.ai",
    base_url_env=("PERPLEXITY_API_BASE",),
    api_key_env=("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"),
    paths={
        "chat": "/chat/completions",
        "responses": "/v1/responses",
        "embeddings": "/v1/embeddings",
        "models": "/v1/models",
    },
    quirks=Quirks(
        rename={"max_completion_tokens": "max_tokens"},
        refuse=("tools", "tool_choice", "n", "stop", "logprobs", "top_logprobs", "seed", "logit_bias"),
    ),
    bare=r"sonar(-|$)",
    stream_usage="always",
)
