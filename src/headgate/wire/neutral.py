"""Parameters of OpenAI's chat that formats without a twin of them may leave out without a word."""

from collections.abc import Callable
from functools import cached_property
from operator import attrgetter
from typing import Any, Final

from headgate.wire.ir import Request


class Neutral(dict[str, tuple[Any, ...]]):
    """Parameters without a twin in a format, at least two, and the values of each that ask for nothing special."""

    @cached_property
    def _values(self) -> Callable[[Request], tuple[Any, ...]]:
        return attrgetter(*self)

    def asked(self, request: Request) -> list[str]:
        """Those of them that ask for something."""
        values = self._values(request)
        if values.count(None) == len(values):
            return []
        return [
            name
            for (name, neutral), value in zip(self.items(), values, strict=True)
            if value is not None and value not in neutral
        ]


OPENAI: Final = Neutral(
    {
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
)
