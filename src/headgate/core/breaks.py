"""`on_stream_break`: what happens when a stream breaks after its first content. Pure."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Raw, Struct

if TYPE_CHECKING:
    from headgate.core.call import Call

Way: TypeAlias = Literal["error", "hold", "restart", "continue"]
EXPECTED: Final = "error, hold(20), hold(500ms), restart or continue"
PREFILL: Final = "supports_assistant_prefill"
"""The catalog's fact: the model goes on from an assistant's turn that was begun."""
_NEVER: Final = ("tools", "functions", "response_format", "logprobs", "audio")
"""What an answer can't be put together of two pieces with."""
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
    """Whether an answer may be put together of two."""
    envelope = call.envelope
    return all(bytes(envelope.get(name, b"null")) == b"null" for name in _NEVER) and bytes(
        envelope.get("n", b"1")
    ) in (b"1", b"null")


def continued(envelope: Mapping[str, Raw], text: str) -> dict[str, Raw]:
    """The request with what was said as a turn that is begun: `prefix` is how Mistral and DeepSeek are told so."""
    messages: list[Any] = msgspec.json.decode(envelope["messages"])
    begun = {"role": "assistant", "content": text, "prefix": True}
    return {**envelope, "messages": Raw(msgspec.json.encode([*messages, begun]))}
