"""Parameters of OpenAI's chat that formats without a twin of them may leave out without a word. Data."""

from typing import Any, Final

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
