"""One row per provider. This file is the only list of them: a new row is a file and a line here, or a row of
`makers.py`, `hosts.py`, `routers.py` or `servers.py` where it says no more than what OpenAI's API is called there.

Facts come from the providers' API references, named in each row's file.
"""

from headgate.providers.base import Provider
from headgate.providers.rows import (
    anthropic,
    azure,
    cerebras,
    cohere,
    custom_openai,
    deepseek,
    fireworks_ai,
    gemini,
    groq,
    hosted_vllm,
    hosts,
    lm_studio,
    makers,
    mistral,
    mock,
    nlp_cloud,
    ollama,
    openai,
    openrouter,
    perplexity,
    predibase,
    routers,
    servers,
    together_ai,
    triton,
    xai,
)

ROWS: tuple[Provider, ...] = (
    openai.ROW,
    anthropic.ROW,
    gemini.ROW,
    azure.ROW,
    groq.ROW,
    mistral.ROW,
    deepseek.ROW,
    xai.ROW,
    openrouter.ROW,
    together_ai.ROW,
    fireworks_ai.ROW,
    perplexity.ROW,
    cerebras.ROW,
    cohere.ROW,
    ollama.ROW,
    hosted_vllm.ROW,
    lm_studio.ROW,
    custom_openai.ROW,
    nlp_cloud.ROW,
    predibase.ROW,
    triton.ROW,
    mock.ROW,
    *makers.ROWS,
    *hosts.ROWS,
    *routers.ROWS,
    *servers.ROWS,
)
