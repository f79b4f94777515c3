"""What differs between Gemini generations on the wire: one table, looked up by model name.

Rows are searched anywhere in the name (`gemini-2.5-flash-lite-preview-09-2025`, `models/gemini-3-pro`,
`publishers/google/models/…`), first match wins. A name that no row knows behaves as the newest generation.
This module knows nothing of requests.

https://ai.google.dev/gemini-api/docs/models
https://ai.google.dev/gemini-api/docs/thinking
https://ai.google.dev/gemini-api/docs/gemini-3
"""

import re
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

LEVELS: Final = ("minimal", "low", "medium", "high")
"""Thinking levels of the API, weakest first."""


class Facts(Struct, frozen=True, kw_only=True):
    """
    thinking      none · budget: `thinkingBudget` · level: `thinkingLevel`
    least, most   bounds of a thinking budget in tokens, 0 and -1 aside
    can_stop      a budget of 0 turns thinking off
    levels        what `thinkingLevel` takes, weakest first
    json_schema   plain JSON schemas are taken (`parametersJsonSchema`, `responseJsonSchema`)
    system        `systemInstruction` is taken
    penalties     presencePenalty and frequencyPenalty are taken
    combines      hosted tools together with functions, and functions together with an output schema
    call_ids      calls and results carry ids
    signed_calls  the first call of each step must carry a thought signature
    result_media  media of a tool result go into `functionResponse.parts`
    part_detail   `mediaResolution` stands on each part; else in generationConfig
    """

    thinking: Literal["none", "budget", "level"] = "level"
    least: int = 0
    most: int = 24576
    can_stop: bool = True
    levels: tuple[str, ...] = LEVELS[1:]
    json_schema: bool = True
    system: bool = True
    penalties: bool = False
    combines: bool = True
    call_ids: bool = True
    signed_calls: bool = True
    result_media: bool = True
    part_detail: bool = True


NEWEST: Final = Facts()

_SECOND: Final = Facts(
    thinking="none",
    penalties=True,
    combines=False,
    call_ids=False,
    signed_calls=False,
    result_media=False,
    part_detail=False,
)
_FIRST: Final = msgspec.structs.replace(_SECOND, json_schema=False)


def _second(**facts: Any) -> Facts:
    return msgspec.structs.replace(_SECOND, thinking="budget", **facts)


_ROWS: Final[tuple[tuple[re.Pattern[str], Facts], ...]] = tuple(
    (re.compile(pattern), facts)
    for pattern, facts in (
        (r"gemini-(?:1[.-]0|pro|ultra)(?!-latest)", msgspec.structs.replace(_FIRST, system=False)),
        (r"gemma-?[123](?!\d)", msgspec.structs.replace(_FIRST, system=False)),
        (r"gemini-(?:1[.-]5|exp)|learnlm", _FIRST),
        (r"gemini-2[.-]0-flash-thinking", _second()),
        (r"gemini-2[.-]0", _SECOND),
        (r"gemini-2[.-]5.*(?:image|tts)", _SECOND),
        (r"gemini-2[.-]5-flash-lite", _second(least=512)),
        (r"gemini-2[.-]5-flash", _second(least=1)),
        (
            r"gemini-2[.-]5-pro-(?:preview|exp)",
            _second(least=128, most=32768, can_stop=False, penalties=False),
        ),
        (r"gemini-2[.-]5-pro", _second(least=128, most=32768, can_stop=False)),
        (r"gemini-2(?!\d)", _second()),
        # https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/guides/gemini-3-8-flash: the last to
        # know `minimal` is 3.6, but for those that are lite
        (r"gemini-(?:3[\d.]*-)?flash-lite|gemini-3(?:[.-][0-6](?!\d))?-flash|gemma", Facts(levels=LEVELS)),
    )
)


@lru_cache(maxsize=512)
def facts_of(model: str) -> Facts:
    """The row of a model name; the newest generation's for names that none matches."""
    name = model.lower()
    return next((facts for pattern, facts in _ROWS if pattern.search(name)), NEWEST)
