"""`on_stream_break`: what happens when a stream breaks after its first content. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Raw, Struct

if TYPE_CHECKING:
    from headgate.core.call import Call

Way: TypeAlias = Literal["error", "hold", "restart", "continue"]
EXPECTED: Final = "error, hold(20), hold(500ms), restart or continue"
PREFILL: Final = "supports_assistant_prefill"
"""The catalog's fact: the model goes on from an assistant's turn that was begun."""
MOST: Final = 2
"""How often a call begins anew."""
_HOLD: Final = re.compile(r"hold\((\d{1,6})(ms)?\)")
_PLAIN: Final[tuple[Way, ...]] = ("error", "restart", "continue")


class OnBreak(Struct, frozen=True):
    """`error`: an event says so. `hold`: the first `events`, or `seconds`, are kept back, so that an early break is
    not seen; later `error`. `restart`: another deployment answers anew. `continue`: another one goes on from the
    text that was sent, where it can."""

    way: Way = "error"
    events: int = 0
    seconds: float = 0.0

    def holds(self, pieces: int, seconds: float) -> bool:
        """Whether more is to be kept back, after so many pieces and seconds since the first."""
        return pieces < self.events or seconds < self.seconds


DEFAULT: Final = OnBreak()


def parse(text: str) -> OnBreak:
    """Raises ValueError."""
    for way in _PLAIN:
        if text == way:
            return OnBreak(way)
    found = _HOLD.fullmatch(text)
    if found is None:
        raise ValueError(text)
    amount = int(found[1])
    return OnBreak("hold", seconds=amount / 1000) if found[2] else OnBreak("hold", events=amount)


def continuable(call: "Call") -> bool:
    """Whether an answer to it may be put together of two."""
    rule = _RULES.get(call.dialect.name)
    if rule is None or call.operation != "chat":
        return False
    envelope = call.envelope
    return all(bytes(envelope.get(name, b"null")) in _UNSET for name in rule.never) and not any(
        word in envelope.get(name, b"") for name, word in rule.without
    )


def continued(call: "Call", text: str) -> dict[str, Raw]:
    """The request with what was said as a turn that is begun. White space at its end is left out: Anthropic refuses
    it (https://docs.anthropic.com/en/api/errors)."""
    rule = _RULES[call.dialect.name]
    turns: list[Any] = msgspec.json.decode(call.envelope[rule.turns])
    return {**call.envelope, rule.turns: Raw(msgspec.json.encode([*turns, rule.turn(text.rstrip())]))}


class _Rule(Struct, frozen=True):
    """Of one format: where its turns are, how one of the model's is written, which keys an answer of two pieces can't
    have, and which words in one."""

    turns: str
    turn: Callable[[str], dict[str, Any]]
    never: tuple[str, ...]
    without: tuple[tuple[str, bytes], ...] = ()


_THINKING: Final = ("reasoning_effort", "reasoning", "thinking")
_UNSET: Final = (b"null", b"1")
_RULES: Final[Mapping[str, _Rule]] = {
    "openai_chat": _Rule(  # `prefix` is how Mistral and DeepSeek are told
        "messages",
        lambda text: {"role": "assistant", "content": text, "prefix": True},
        ("tools", "functions", "response_format", "logprobs", "audio", "n", *_THINKING),
    ),
    "anthropic": _Rule(
        "messages",
        lambda text: {"role": "assistant", "content": text},
        ("tools", "thinking", "output_format", "output_config", "container", "mcp_servers"),
    ),
    "gemini": _Rule(
        "contents",
        lambda text: {"role": "model", "parts": [{"text": text}]},
        ("tools", "cachedContent"),
        (
            ("generationConfig", b'"response'),
            ("generationConfig", b'"thinkingConfig"'),
            ("generationConfig", b'"candidateCount"'),
        ),
    ),
}
