"""`on_stream_break`: what happens when a stream breaks after its first content. Pure."""

import re
from typing import Final, Literal, TypeAlias

from msgspec import Struct

Way: TypeAlias = Literal["error", "hold", "restart", "continue"]
EXPECTED: Final = "error, hold(20), hold(500ms), restart or continue"
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
