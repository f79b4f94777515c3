"""The table of interpreters of realtime connections: the only place that lists them. Nobody imports this before the
first websocket comes."""

from importlib import import_module
from typing import Final

from headgate.wire.interpret import Plain, Style, Talk

INTERPRETERS: Final = {
    ("openai", "gemini"): "headgate.wire.interpret.live:LiveTalk",
    ("gemini", "openai"): "headgate.wire.interpret.google:GoogleTalk",
}
"""The families that a client and a provider speak → who stands between them."""


def interpreter(client: str, provider: str, style: Style) -> Talk:
    """Raises KeyError for families that no row should have."""
    if client == provider:
        return Plain()
    module, _, name = INTERPRETERS[client, provider].partition(":")
    talk: Talk = getattr(import_module(module), name)(style)
    return talk
