"""Writer. https://dev.writer.com/api-reference

Chat is OpenAI's format at an address of its own; text completions have a format of their own.
"""

from headgate.providers.base import TO_MAX_TOKENS, Provider, Quirks, paths

ROW = Provider(
    id="writer",
    name="Writer",
    base_url="https://api.writer.com/v1",
    base_url_env=("WRITER_API_BASE",),
    api_key_env=("WRITER_API_KEY",),
    paths={**paths("completions", "models"), "chat": "/chat"},
    dialects={"completions": "writer_completions"},
    quirks=Quirks(rename=TO_MAX_TOKENS, roles={"developer": "system"}),
    bare=r"palmyra-",
)
