"""How much a call can cost at most, and how many tokens it may need: known before it is made, without reading it.

A token is at least one byte, so the body's length bounds its input; the model's window bounds it where the body
names what is not in it: pictures, files, tools of the provider's. The output is bounded by what the caller asks
for, else by the model's own limit.
"""

import re
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Final

from msgspec import Raw, Struct

from headgate.catalog.price import PriceSheet, Rates
from headgate.core.deployment import Deployment
from headgate.money import UNITS

BYTES_PER_TOKEN: Final = 4
DEFAULT_OUTPUT: Final = 16_384
"""Tokens of output where neither the caller nor the catalog names a limit."""
DEFAULT_INPUT: Final = 128_000
"""Tokens of an input that is not in the body, where the model's window is not known."""
TOOLS: Final = 1_000
"""Tokens that a provider may add to explain tools to the model."""
DOCUMENTS: Final = 100
"""That a search of a reranker holds: https://docs.cohere.com/docs/how-does-cohere-pricing-work."""
AUDIO_BYTES: Final = 2_000
"""Of a second of the most compressed sound that is sent in earnest (16 kbit/s)."""
PAGES: Final = 100
"""Of a document that somebody else fetches."""
SEARCHES: Final = 10
"""Searches of a call that may search and names no limit."""
_USES: Final = re.compile(rb'"max_uses"\s*:\s*(\d{1,6})')
_LIMITS: Final = ("max_completion_tokens", "max_tokens")
_OUTPUT_LIMIT: Final = ("max_output_tokens",)
_ANSWERS: Final = ("n", "best_of")
_TIER: Final = "service_tier"
_DROP: Final = "additional_drop_params"
_ELSEWHERE: Final = tuple(
    rb"""
    "image" "images" "image_url" "input_image" "inlineData" "inline_data" "file" "input_file" "fileData" "file_data"
    "document" "input_audio" "video" "video_url" "container "web_search "web_fetch "google_search "googleSearch
    "url_context" "urlContext" "code_execution "codeExecution" "code_interpreter "mcp_ "previous_response_id"
    \u005 \u006 \u007
    """.split()
)
"""What bodies have in them where the model gets to read more than the body; letters that are written as numbers
could spell it."""
_HINTS: Final = tuple(
    rb"""
    image nline file ocument audio video container earch web_f url code mcp_ previous_ \u00
    """.split()
)
"""Fewer words, without one of which none of those is there: most bodies are not searched for more."""
_TALK: Final = frozenset(
    """
    model messages stream stream_options temperature top_p seed user metadata stop n max_tokens max_completion_tokens
    presence_penalty frequency_penalty reasoning_effort system
    """.split()
)
_TYPED: Final = (b'"type"', b'"images"', rb"\u00")
"""Where a body has no keys but those of a conversation, what is no text in it has a type, or is one of Ollama's
pictures."""
_INPUT: Final = ("input", "cache_read", "cache_write", "cache_write_long", "audio_input", "image_input")
_OUTPUT: Final = ("output", "reasoning", "audio_output", "image_output")
_SMOOTH: Final = 0.1


class Step(Struct, frozen=True):
    """Units per token for inputs of more than `above` tokens."""

    above: int
    input: int
    output: int


class Ceiling:
    """Of one group: the dearest of its deployments. Learns what calls really used."""

    def __init__(self, deployments: Sequence[Deployment]) -> None:
        self.deployments = deployments
        sheets = [deployment.sheet for deployment in deployments if deployment.sheet is not None]
        self._plain = _steps(sheets, ("standard",))
        self._any = _steps(sheets, ())
        self._request = max((ceil(sheet.request * UNITS) for sheet in sheets), default=0)
        self._search = max((ceil(sheet.search * UNITS) for sheet in sheets), default=0)
        self._units: dict[str, int] = {}
        for sheet in sheets:
            for unit, price in sheet.units.get("standard", {}).items():
                self._units[unit] = max(self._units.get(unit, 0), ceil(price * UNITS))
        self._searches = any(
            not deployment.facts.get("supports_function_calling") for deployment in deployments
        )
        self._window = _limit(deployments, ("max_input_tokens",))
        self._output = _limit(deployments, ("max_output_tokens", "max_tokens"))
        given = [{**deployment.defaults, **deployment.extra} for deployment in deployments]
        self._tiered = any(_TIER in parameters for parameters in given)
        self._forced = max((_most(deployment.extra) or 0 for deployment in deployments), default=0)
        self._dropped = any(name in deployment.drop for deployment in deployments for name in _LIMITS)
        self.average_output = 0.0
        self.average_cost = 0.0

    def output(self, envelope: Mapping[str, Raw]) -> int | None:
        """Tokens of output that the caller allows, for all of its answers; None where it does not say, or what it
        says is not sent."""
        most = _most(envelope)
        if most is None or self._dropped or _DROP in envelope:
            return None
        return (most if most > self._forced else self._forced) * _answers(envelope)

    def cost(self, envelope: Mapping[str, Raw], body: bytes, uploaded: int = 0) -> int:
        """The most that the call can cost, in units; `uploaded` are the bytes of a file beside the body. 0 where no
        price is known."""
        steps = self._any if self._tiered or _TIER in envelope else self._plain
        if not steps:
            return self._by_units(envelope, body, uploaded)
        size = len(body)
        if "tools" in envelope or "functions" in envelope:
            size += TOOLS
        window = self._window
        if window is not None and size >= window:
            size = window
        elif _names_more(envelope, body):
            size = window or max(size, DEFAULT_INPUT)
        wanted = self.output(envelope)
        if wanted is None:
            wanted = max(self._output or DEFAULT_OUTPUT, self._forced) * _answers(envelope)
        dearest = 0
        for step in steps:
            if step.above < size or not step.above:
                amount = size * step.input + wanted * step.output
                if amount > dearest:
                    dearest = amount
        if self._units:
            dearest += self._by_units(envelope, body, uploaded)
        return dearest + self._request + (self._search and self._search * self._most_searches(body))

    def _by_units(self, envelope: Mapping[str, Raw], body: bytes, uploaded: int) -> int:
        """What is billed by something else than tokens."""
        if not self._units:
            return 0
        size = len(body)
        most = {
            "images": _largest(envelope, ("n",)) or 1,
            "searches": 1 + body.count(b'",') // DOCUMENTS,
            "characters": size,
            "seconds": max(size, uploaded) / AUDIO_BYTES + 1,
            "pages": PAGES,
        }
        return ceil(sum(price * most[unit] for unit, price in self._units.items()))

    def _most_searches(self, body: bytes) -> int:
        """Models that take tools search where they are told to, others always."""
        if b"earch" not in body:
            return int(self._searches)
        uses = _USES.findall(body)
        return max(map(int, uses)) if uses else SEARCHES

    def likely_cost(self, envelope: Mapping[str, Raw], body: bytes, uploaded: int = 0) -> int:
        """What such calls have cost until now; for the first ones, the most."""
        return round(self.average_cost) if self.average_cost else self.cost(envelope, body, uploaded)

    def tokens(self, envelope: Mapping[str, Raw], body: bytes) -> int:
        """Input and output that a rate of tokens is charged with until the call is over."""
        wanted = self.output(envelope)
        return len(body) // BYTES_PER_TOKEN + (round(self.average_output) if wanted is None else wanted)

    def learn(self, output: int, cost: int) -> None:
        self.average_output += (output - self.average_output) * (_SMOOTH if self.average_output else 1.0)
        self.average_cost += (cost - self.average_cost) * (_SMOOTH if self.average_cost else 1.0)


def _names_more(envelope: Mapping[str, Raw], body: bytes) -> bool:
    if envelope.keys() <= _TALK:
        for mark in _TYPED:
            if mark in body:
                break
        else:
            return False
    for hint in _HINTS:
        if hint in body:
            return any(mark in body for mark in _ELSEWHERE)
    return False


def _steps(sheets: Sequence[PriceSheet], tiers: Sequence[str]) -> tuple[Step, ...]:
    found = [
        Step(above, _dearest(rates, _INPUT), _dearest(rates, _OUTPUT))
        for sheet in sheets
        for tier, steps in sheet.tiers.items()
        if not tiers or tier in tiers
        for above, rates in steps
    ]
    return tuple(found)


def _dearest(rates: Rates, parts: Sequence[str]) -> int:
    return max(ceil((getattr(rates, part) or 0) * UNITS) for part in parts)


def _limit(deployments: Sequence[Deployment], names: Sequence[str]) -> int | None:
    """The largest that is known of any deployment."""
    found = [next((int(d.facts[name]) for name in names if d.facts.get(name)), 0) for d in deployments]
    return max(found, default=0) or None


def _most(parameters: Mapping[str, Raw]) -> int | None:
    """The largest limit that is named: which of them counts is the provider's affair."""
    return _largest(parameters, _OUTPUT_LIMIT if "input" in parameters else _LIMITS) or None


def _answers(envelope: Mapping[str, Raw]) -> int:
    if "n" not in envelope and "best_of" not in envelope:
        return 1
    return _largest(envelope, _ANSWERS) or 1


def _largest(parameters: Mapping[str, Raw], names: tuple[str, ...]) -> int:
    found = 0
    for name in names:
        if name in parameters and (value := _whole(parameters[name])) > found:
            found = value
    return found


def _whole(raw: Raw) -> int:
    """0 for what is no number above it: -1 and the like are no limit to those who take them."""
    try:
        value = int(bytes(raw))
    except ValueError:
        return 0
    return value if value > 0 else 0
