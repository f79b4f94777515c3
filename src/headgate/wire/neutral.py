"""Parameters of OpenAI's chat that formats without a twin of them may leave out without a word."""

from operator import attrgetter
from typing import Any, Final

from headgate.wire.ir import Request

NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "n": (1,),
    "seed": (),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "modalities": (["text"], []),
    "audio": (),
    "verbosity": ("medium",),
}
"""Parameters without a twin, and the values of each that ask for nothing special."""
_values: Final = attrgetter(*NEUTRAL)


def unsupported(request: Request) -> list[str]:
    """Those of them that ask for something."""
    values = _values(request)
    if values.count(None) == len(values):
        return []
    return [
        name
        for (name, neutral), value in zip(NEUTRAL.items(), values, strict=True)
        if value is not None and value not in neutral
    ]
