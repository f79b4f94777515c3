"""What differs between models behind Converse: one table, looked up by model id, first match wins.

Ids come as `anthropic.claude-opus-4-1-20250805-v1:0`, with the prefix of an inference profile (`us.`, `global.`),
or as an ARN that may name no model at all. Such a one is taken for a Claude that knows both forms of thinking,
which is what most of them are. Knows nothing of requests.

https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html
https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html
"""

import re
from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct

from headgate.wire.claude import LEVELS, Off, Thinks

_ALL: Final = ("system", "messages", "tools")


class Facts(Struct, frozen=True, kw_only=True):
    """
    claude       it takes what Anthropic's models take, and signs its reasoning
    thinking     of Claude: none · budget: `enabled` only · both: also `adaptive` · adaptive: only that
    default_on   of Claude: it thinks unless told not to
    off          of Claude: the `thinking` that tells it not to
    efforts      levels of effort that it takes, weakest first
    effort_key   where the effort stands in additionalModelRequestFields, "" for nowhere
    sampling     temperature, topP and top_k are accepted
    pair         temperature and topP may come together
    structured   outputConfig.textFormat and strict tools are accepted
    forced       toolChoice any and tool are accepted
    top_k        "own": its own field · "nested": in an inferenceConfig of its own · "": not at all
    cache        where cache points may stand; `cache_ttl`: they may say how long
    single       one tool at a time can be asked for
    system       a system prompt is accepted
    """

    claude: bool = False
    thinking: Thinks = "none"
    default_on: bool = False
    off: Off = "disabled"
    efforts: tuple[str, ...] = ()
    effort_key: str = ""
    sampling: bool = True
    pair: bool = True
    structured: bool = False
    forced: bool = True
    top_k: Literal["own", "nested", ""] = ""
    cache: tuple[str, ...] = ()
    cache_ttl: bool = False
    single: bool = False
    system: bool = True


def _claude(
    thinking: Thinks,
    efforts: tuple[str, ...] = (),
    *,
    pair: bool = False,
    newer: bool = True,
    sampling: bool = True,
    default_on: bool = False,
    off: Off = "disabled",
    forced: bool = True,
) -> Facts:
    """`newer`: of generation 4.5 or later."""
    return Facts(
        claude=True,
        thinking=thinking,
        default_on=default_on,
        off=off,
        forced=forced,
        efforts=efforts,
        effort_key="output_config" if efforts else "",
        sampling=sampling,
        pair=pair,
        structured=newer,
        top_k="own",
        cache=_ALL,
        cache_ttl=newer,
        single=newer,
    )


def _fifth(off: Off = "", *, forced: bool = True) -> Facts:
    return _claude("adaptive", LEVELS, sampling=False, default_on=True, off=off, forced=forced)


_NOVA: Final = Facts(top_k="nested", cache=("system", "messages"))
_EFFORTS: Final = ("low", "medium", "high")
_OPEN: Final = Facts(structured=True)
_PLAIN: Final = Facts(forced=False)
_UNKNOWN: Final = Facts(
    claude=True,
    thinking="both",
    efforts=LEVELS,
    effort_key="output_config",
    top_k="own",
    cache=_ALL,
    cache_ttl=True,
)

_ROWS: Final[tuple[tuple[re.Pattern[str], Facts], ...]] = tuple(
    (re.compile(pattern), facts)
    for pattern, facts in (
        (r"claude-3[.-]7", _claude("budget", pair=True, newer=False)),
        (r"claude-(?:instant|v?[123](?!\d)|[a-z]+-3(?!\d))", _claude("none", pair=True, newer=False)),
        (r"claude-.*-4[.-]1(?!\d)", _claude("budget", newer=False)),
        (r"claude-opus-4[.-]5(?!\d)", _claude("budget", _EFFORTS)),
        (r"claude-.*-4[.-]5(?!\d)", _claude("budget")),
        (r"claude-.*-4[.-]6(?!\d)", _claude("both", ("low", "medium", "high", "max"))),
        (r"claude-.*-4[.-][789](?!\d)", _claude("adaptive", LEVELS, sampling=False)),
        (
            r"claude-(?:opus|sonnet|haiku)-4(?:[.-]0)?(?![.\d])(?!-\d{1,2}(?!\d))",
            _claude("budget", pair=True, newer=False),
        ),
        (r"claude-(?:opus|fable|mythos)-5[.-][1-9](?!\d)", _fifth(forced=False)),
        (r"claude-sonnet-5[.-][1-9](?!\d)", _fifth("between_tools", forced=False)),
        (r"claude-(?:opus|sonnet|haiku)-5(?!\d)", _fifth("disabled")),
        (r"claude", _fifth()),
        (
            r"nova-2",
            Facts(
                efforts=_EFFORTS,
                effort_key="reasoningConfig",
                top_k="nested",
                cache=("system", "messages"),
            ),
        ),
        (r"nova", _NOVA),
        (r"titan|mistral-7b|mixtral", Facts(forced=False, system=False)),
        (r"gpt-oss", Facts(structured=True, efforts=_EFFORTS, effort_key="reasoning_effort")),
        (r"openai\.", Facts(structured=True, efforts=LEVELS, effort_key="reasoning")),
        (r"deepseek\.r1", _PLAIN),
        (r"deepseek\.", Facts(structured=True, efforts=_EFFORTS, effort_key="reasoning_effort")),
        (r"qwen", Facts(structured=True, efforts=_EFFORTS, effort_key="reasoning_config")),
        (r"mistral-large-24|mistral-small-24|pixtral", Facts()),
        (r"gemma|minimax|mistral|ministral|magistral|voxtral|moonshot|kimi|nemotron|nvidia", _OPEN),
        (r"llama|cohere|ai21|jamba|writer|palmyra|zai|glm|meta\.", _PLAIN),
    )
)


@lru_cache(maxsize=512)
def facts_of(model: str) -> Facts:
    """The row of a model id; that of a Claude of unknown age where none matches."""
    name = model.lower()
    return next((facts for pattern, facts in _ROWS if pattern.search(name)), _UNKNOWN)
