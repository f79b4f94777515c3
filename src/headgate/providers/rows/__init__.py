"""One row per provider. This file is the only list of them: a new row is a file and a line here, or a row of
`makers.py`, `hosts.py`, `routers.py`, `servers.py` or `pictures.py` where it says no more than what a format that
has a dialect already is called there.

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
    hosts,
    lm_studio,
    makers,
    mistral,
    mock,
    ollama,
    openai,
    openrouter,
    perplexity,
    pictures,
    replicate,
    routers,
    servers,
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
    replicate.ROW,
    *makers.ROWS,
    *hosts.ROWS,
    *pictures.ROWS,
    *routers.ROWS,
    *servers.ROWS,
)
