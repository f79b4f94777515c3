"""What differs between Claude generations on the wire: one table, looked up by model name.

Names come in many spellings (`claude-opus-4-1-20250805`, `us.anthropic.claude-opus-4-1-v1:0`,
`claude-opus-4-1@20250805`), so rows are searched anywhere in the name, first match wins. A name that no row
knows behaves as the newest generation. This module knows nothing of requests.

https://docs.anthropic.com/en/docs/about-claude/models/overview
https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
https://docs.anthropic.com/en/docs/build-with-claude/effort
https://platform.claude.com/docs/en/models/opus-5-5/migration-guide, …/fable-5-1/… and those of the others
"""

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

from headgate.wire.claude import LEVELS, Off, Thinks


class Facts(Struct, frozen=True, kw_only=True):
    """
    thinking     none · budget: `enabled` only · both: `enabled` and `adaptive` · adaptive: `adaptive` only
    default_on   the model thinks unless told not to
    off          the `thinking` that tells it not to
    forced       a tool can be forced (`tool_choice` any and tool), but never beside a budget
    efforts      levels that `output_config.effort` takes, weakest first
    sampling     temperature, top_p and top_k are accepted
    pair         temperature and top_p may come together
    structured   `output_config.format` and strict tools are accepted
    mid_system   a message of role system may follow a user turn
    prefill      the last message may be the assistant's
    """

    thinking: Thinks = "adaptive"
    default_on: bool = True
    off: Off = ""
    forced: bool = True
    efforts: tuple[str, ...] = LEVELS
    sampling: bool = False
    pair: bool = False
    structured: bool = True
    mid_system: bool = True
    prefill: bool = False


def _older(
    thinking: Thinks,
    efforts: tuple[str, ...] = (),
    *,
    pair: bool = False,
    structured: bool = True,
    prefill: bool = True,
) -> Facts:
    return Facts(
        thinking=thinking,
        default_on=False,
        off="disabled",
        efforts=efforts,
        sampling=True,
        pair=pair,
        structured=structured,
        mid_system=False,
        prefill=prefill,
    )


NEWEST: Final = Facts()

_ROWS: Final[tuple[tuple[re.Pattern[str], Facts], ...]] = tuple(
    (re.compile(pattern), facts)
    for pattern, facts in (
        (r"claude-3[.-]7", _older("budget", pair=True, structured=False)),
        (r"claude-(?:instant|v?[123](?!\d)|[a-z]+-3(?!\d))", _older("none", pair=True, structured=False)),
        (r"-4[.-]1(?!\d)", _older("budget")),
        (r"opus-4[.-]5(?!\d)|claude-4[.-]5-opus", _older("budget", ("low", "medium", "high"))),
        (r"-4[.-]5(?!\d)", _older("budget")),
        (r"-4[.-]6(?!\d)", _older("both", ("low", "medium", "high", "max"), prefill=False)),
        (r"-4[.-]7(?!\d)", Facts(default_on=False, off="disabled", mid_system=False)),
        (r"-4[.-][89](?!\d)", Facts(default_on=False, off="disabled")),
        (r"(?:opus|fable|mythos)-5[.-][1-9](?!\d)", Facts(forced=False)),
        (r"sonnet-5[.-][1-9](?!\d)", Facts(off="between_tools", forced=False)),
        (r"(?:opus|sonnet|haiku)-5(?!\d)", Facts(off="disabled")),
        (
            r"(?:opus|sonnet|haiku)-4(?:[.-]0)?(?![.\d])(?!-\d{1,2}(?!\d))|claude-4-(?:opus|sonnet)",
            _older("budget", pair=True, structured=False),
        ),
    )
)


@lru_cache(maxsize=512)
def facts_of(model: str) -> Facts:
    """The row of a model name; the newest generation's for names that none matches."""
    name = model.lower()
    return next((facts for pattern, facts in _ROWS if pattern.search(name)), NEWEST)
