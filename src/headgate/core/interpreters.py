"""The table of interpreters of realtime connections: the only place that lists them. Nobody imports this before the
first websocket comes."""

from importlib import import_module
from typing import Final

from headgate.errors import BadRequestError
from headgate.wire.interpret import Plain, Style, Talk

INTERPRETERS: Final = {
    ("openai", "gemini"): "headgate.wire.interpret.live:LiveTalk",
}
"""The families that a client and a provider speak → who stands between them."""


def interpreter(client: str, provider: str, style: Style) -> Talk:
    """Raises BadRequestError where nobody knows both."""
    if client == provider:
        return Plain()
    found = INTERPRETERS.get((client, provider))
    if found is None:
        raise BadRequestError(
            "this model speaks OpenAI's realtime events: connect to /v1/realtime?model=…", param="model"
        )
    module, _, name = found.partition(":")
    talk: Talk = getattr(import_module(module), name)(style)
    return talk
