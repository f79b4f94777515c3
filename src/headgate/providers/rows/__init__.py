"""One row per provider. This file is the only list of them: a new row is one file and one line here.

Facts come from the providers' API references, named in each row's file.
"""

from headgate.providers.base import Provider
from headgate.providers.rows import (
    anthropic,
    azure,
    cerebras,
    custom_openai,
    deepseek,
    fireworks_ai,
    gemini,
    groq,
    hosted_vllm,
    lm_studio,
    mistral,
    mock,
    ollama,
    openai,
    openrouter,
    perplexity,
    together_ai,
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
    ollama.ROW,
    hosted_vllm.ROW,
    lm_studio.ROW,
    custom_openai.ROW,
    mock.ROW,
)
