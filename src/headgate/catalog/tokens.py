"""How many tokens a text has, estimated offline: by the kinds of its bytes, without any model's vocabulary.

Latin letters come about four to a token, digits and signs fewer, other scripts by their bytes. docs/catalog.md
has the measured error. An estimate is never billed where the provider reported its own count.
"""

from typing import Any, Final

import msgspec

PER_MESSAGE: Final = 4
PER_CONVERSATION: Final = 3
PER_IMAGE: Final = 250
_LETTERS: Final = bytes(range(65, 91)) + bytes(range(97, 123))
_DIGITS: Final = b"0123456789"
_SPACES: Final = b" \t\r\n"
_MULTI: Final = bytes(range(128, 256))
_LEADS: Final = bytes(range(0xE0, 0xF0))


def estimate(text: str | bytes) -> int:
    """Tokens of a text, at least 1 for a text that is not empty."""
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    if not data:
        return 0
    return max(1, round(_weight(data)))


def estimate_json(raw: bytes) -> int:
    """Tokens of what a JSON document says, from its bytes: quotes, brackets and keys count for little."""
    return max(1, round(_weight(raw) * 0.8)) if raw else 0


def count_messages(messages: list[Any], tools: list[Any] | None = None, model: str = "") -> int:
    """Tokens of a conversation with its tools. `model` is taken for what a later vocabulary may know."""
    total = PER_CONVERSATION
    for message in messages:
        total += PER_MESSAGE
        if isinstance(message, dict):
            total += sum(_value(value) for key, value in message.items() if key != "role")
    if tools:
        total += estimate_json(msgspec.json.encode(tools))
    return total


def _value(value: Any) -> int:
    if isinstance(value, str):
        return estimate(value)
    if isinstance(value, list):
        return sum(_value(one) for one in value)
    if isinstance(value, dict):
        if value.get("type") in ("image_url", "image", "input_image"):
            return PER_IMAGE
        return sum(_value(inner) for key, inner in value.items() if key != "type")
    return 0


def _weight(data: bytes) -> float:
    """Counts by deleting: bytes.translate is the quickest way to see what a text is made of."""
    size = len(data)
    letters = size - len(data.translate(None, _LETTERS))
    digits = size - len(data.translate(None, _DIGITS))
    spaces = size - len(data.translate(None, _SPACES))
    multi = size - len(data.translate(None, _MULTI))
    wide = size - len(data.translate(None, _LEADS))
    signs = size - letters - digits - spaces - multi
    return (
        letters / 4.6
        + digits / 2.4
        + signs / 1.8
        + spaces / 12
        + wide * 0.75
        + max(0, multi - 3 * wide) / 3.2
    )
