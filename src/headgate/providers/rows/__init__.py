"""One row per provider. This file is the only list of them: a new row is a file and a line here, or a row of
`makers.py`, `hosts.py`, `routers.py`, `servers.py` or `speech.py` where it says no more than what an API that the
gateway speaks is called there.

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
    routers,
    servers,
    speech,
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
    *makers.ROWS,
    *hosts.ROWS,
    *routers.ROWS,
    *servers.ROWS,
    *speech.ROWS,
)
