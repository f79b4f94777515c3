"""The most that a call for pictures can cost, by the sizes and qualities that are asked for: known beforehand."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import ceil
from typing import Any, Final

import msgspec
from msgspec import Raw

from headgate.core.deployment import Deployment
from headgate.money import UNITS
from headgate.wire.ir_images import ImageUsage, measured

TOKENS: Final = {"low": 2_520, "medium": 2_520}
MOST_TOKENS: Final = 6_240
"""Of one picture by quality: the most of https://platform.openai.com/docs/guides/image-generation and
https://ai.google.dev/gemini-api/docs/pricing. Of a picture that is worked on as many as of a fine one."""
PIXELS: Final = 1024 * 1536
"""Of such a picture; a larger one has more tokens."""
MOST_PICTURES: Final = 1_000
_SENT: Final = frozenset(("image", "image[]", "images", "mask"))
_LIST: Final = msgspec.json.Decoder(list[Raw]).decode
_ANY: Final = msgspec.json.Decoder().decode


def most(
    deployments: Sequence[Deployment], envelope: Mapping[str, Raw], files: Mapping[str, Any] | None = None
) -> int:
    """Units. Of the dearest of the deployments; 0 where no price is known."""
    usages = list(_usages(envelope, files or {}))
    costs = (deployment.cost_of_pictures(usage) for deployment in deployments for usage in usages)
    return max((ceil(cost * UNITS) for cost in costs if cost is not None), default=0)


def _usages(envelope: Mapping[str, Raw], files: Mapping[str, Any]) -> Iterator[ImageUsage]:
    """By the picture and by the token: which of them counts is the row's affair."""
    n, size, quality = (_value(envelope, key) for key in ("n", "size", "quality"))
    plain = ImageUsage(images=_count(n), size=_word(size), quality=_word(quality))
    yield measured(plain, None)
    seen = MOST_TOKENS * sum(_pictures(envelope, files))
    said = sum(len(raw) for key, raw in envelope.items() if key not in _SENT)
    larger = max(1.0, (plain.pixels or 0) / plain.images / PIXELS)
    drawn = ceil(TOKENS.get(plain.quality or "", MOST_TOKENS) * larger) * plain.images
    tokens = msgspec.structs.replace(plain, input=said + seen, output=drawn)
    for seeing, drawing in product((None, seen), (None, drawn)):  # as text, or at the prices of pictures
        yield msgspec.structs.replace(tokens, image_input=seeing, image_output=drawing)


def _count(value: Any) -> int:
    return min(max(value, 1), MOST_PICTURES) if isinstance(value, int) else 1


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _value(envelope: Mapping[str, Raw], key: str) -> Any:
    try:
        return _ANY(envelope[key]) if key in envelope else None
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None  # the call will be refused for it


def _pictures(envelope: Mapping[str, Raw], files: Mapping[str, Any]) -> Iterator[int]:
    """How many are sent, by the keys that hold them."""
    for key in _SENT:
        if key in files:
            yield len(files[key]) if isinstance(files[key], list) else 1
        if key in envelope:
            yield _length(envelope[key])


def _length(raw: Raw) -> int:
    try:
        return len(_LIST(raw))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return 1
