"""How many tokens a text has, estimated offline by the kinds of its bytes. Knows no provider and no request format
beyond the shape of messages.

Latin letters come about four to a token, digits and signs fewer, other scripts by their characters. Nothing is
loaded from the network. docs/catalog.md has the measured error. An estimate is never billed where the provider
reported its own count.
"""

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

PER_MESSAGE: Final = 4
PER_CONVERSATION: Final = 3
PER_MEDIA: Final = 500
"""A picture of middling size; providers count from 85 to some thousand."""

_LETTERS: Final = bytes(range(65, 91)) + bytes(range(97, 123))
_DIGITS: Final = b"0123456789"
_SPACES: Final = b" \t\r\n"
_FOLLOWING: Final = bytes(range(0x80, 0xC0))
_WIDE: Final = bytes(range(0xE0, 0xF8))
_SAMPLED: Final = 16_384
_SLICES: Final = 16
_SLICE: Final = 512
_SHORTEST_MEDIA: Final = 256
_MEDIA: Final = frozenset(
    """image_url image input_image input_audio audio file input_file document video_url
    inline_data inlineData""".split()
)


class Count(NamedTuple):
    """`exact` says that the model's own vocabulary was used; otherwise `tokens` is an estimate."""

    tokens: int
    exact: bool


class Family(NamedTuple):
    """What a model family adds: `tools` tokens for having tools at all, `scale` for a finer vocabulary."""

    names: tuple[str, ...]
    tools: int
    scale: float = 1.0


_FAMILIES: Final = (
    # https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing and, for the vocabulary,
    # https://platform.claude.com/docs/en/models/haiku-5-5/overview; the rest as measured in recorded traffic
    Family(("fable", "mythos", "opus-5", "sonnet-5", "haiku-5"), 340, 1.3),
    Family(("opus-4-7", "opus-4-8", "opus-4.7", "opus-4.8"), 340, 1.3),
    Family(("claude-sonnet-4-5", "claude-sonnet-4.5", "claude-sonnet-4-6", "claude-sonnet-4.6"), 500),
    Family(("claude-opus-4-5", "claude-opus-4.5", "claude-opus-4-6", "claude-opus-4.6"), 500),
    Family(("claude-haiku-4-5", "claude-haiku-4.5"), 500),
    Family(("claude",), 340),
    Family(("gpt", "o1", "o3", "o4"), 10),
    Family(("grok",), 250),
    Family(("llama", "deepseek"), 160),
    Family(("qwen", "glm", "kimi"), 130),
)
_OTHER: Final = Family((), 60)


def estimate(text: str | bytes) -> int:
    """Tokens of a text, at least 1 for a text that is not empty."""
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    return max(1, round(_weight(data))) if data else 0


def estimate_json(raw: bytes) -> int:
    """Tokens of what a JSON document says, from its bytes. Media in base64 count PER_MEDIA each."""
    if not raw:
        return 0
    text, media = _without_media(raw)
    # an escaped character is six bytes of signs and digits, and about one token
    escaped = text.count(b"\\u") * 1.3
    return max(1, round(_weight(text) * 0.75 - escaped)) + media * PER_MEDIA


def count_text(text: str, model: str = "", ranks: str | None = None) -> Count:
    """Tokens of a bare text; `ranks` as for count_messages."""
    exact = _exact(model, ranks)
    return Count(estimate(text), False) if exact is None else Count(exact(text), True)


def count_messages(
    messages: list[dict[str, Any]],
    tools: list[dict[str, Any]] | None = None,
    model: str = "",
    ranks: str | None = None,
) -> int:
    """Tokens of a conversation with its tools, as the model `model` counts: always an estimate, since what
    providers put around messages is not published.

    `ranks` is the folder that TIKTOKEN_CACHE_DIR names: with tiktoken installed and its rank file in there, texts
    for OpenAI's models are counted exactly.
    """
    family = _family(model)
    exact = _exact(model, ranks)
    count = estimate if exact is None else exact
    total = 0.0
    for message in messages:
        total += PER_MESSAGE
        if isinstance(message, dict):
            total += sum(_value(value, count) for key, value in message.items() if key != "role")
    if tools:
        total += family.tools + estimate_json(msgspec.json.encode(tools, enc_hook=str))
    return PER_CONVERSATION + round(total * (family.scale if exact is None else 1.0))


def _family(model: str) -> Family:
    name = model.lower().rsplit("/", 1)[-1]
    return next((one for one in _FAMILIES if any(word in name for word in one.names)), _OTHER)


def _value(value: Any, count: Callable[[str], int], depth: int = 0) -> int:
    """Texts and arguments count, the words of the format don't; media count PER_MEDIA."""
    if isinstance(value, str):
        return count(value)
    if depth > 20:
        return 0
    if isinstance(value, list):
        return sum(_value(one, count, depth + 1) for one in value)
    if isinstance(value, dict):
        if value.get("type") in _MEDIA or not _MEDIA.isdisjoint(value):
            return PER_MEDIA
        return sum(_value(inner, count, depth + 1) for key, inner in value.items() if key != "type")
    return 0


def _weight(data: bytes) -> float:
    """Counts by deleting: translate is the quickest way to see what a text is made of. Long texts are sampled."""
    size = len(data)
    if size > _SAMPLED:
        step = size // _SLICES
        sample = b"".join([data[at : at + _SLICE] for at in range(0, step * _SLICES, step)])
        return _weight(sample) * size / len(sample)
    letters = size - len(data.translate(None, _LETTERS))
    digits = size - len(data.translate(None, _DIGITS))
    spaces = size - len(data.translate(None, _SPACES))
    following = size - len(data.translate(None, _FOLLOWING))
    wide = size - len(data.translate(None, _WIDE))
    ascii_size = len(data.decode("ascii", "ignore"))
    narrow = max(0, size - ascii_size - following - wide)
    signs = max(0, ascii_size - letters - digits - spaces)
    return letters / 4.3 + digits / 2.4 + signs / 1.7 + spaces / 12 + narrow / 2 + wide * 0.75


def _without_media(raw: bytes) -> tuple[bytes, int]:
    """The document without its long strings of base64, and how many there were."""
    raw, inside = _without(raw, b"base64,", 7)
    raw, bare = _without(raw, b'"data"', None)
    return raw, inside + bare


def _without(raw: bytes, mark: bytes, offset: int | None) -> tuple[bytes, int]:
    """`offset` from the mark to the media's first byte, None for the next string. One pass, however many marks."""
    pieces: list[bytes] = []
    count = at = 0
    while (found := raw.find(mark, at)) >= 0:
        start = found + offset if offset else raw.find(b'"', found + len(mark)) + 1
        end = raw.find(b'"', start) if start else -1
        if end < 0:
            break
        media = end - start >= _SHORTEST_MEDIA and b" " not in raw[start : start + _SHORTEST_MEDIA]
        pieces.append(raw[at : start if media else end])
        count += media
        at = end
    return (b"".join([*pieces, raw[at:]]), count) if count else (raw, 0)


@lru_cache(maxsize=256)
def _exact(model: str, ranks: str | None) -> Callable[[str], int] | None:
    """tiktoken's count, where it is installed, knows the model and need not download its ranks."""
    name = model.lower().rsplit("/", 1)[-1]
    vocabulary = next((one for prefix, one in _VOCABULARIES if name.startswith(prefix)), None)
    if vocabulary is None or ranks is None or not _at_hand(vocabulary, ranks):
        return None
    try:
        import tiktoken  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    encoding = tiktoken.get_encoding(vocabulary)
    return lambda text: len(encoding.encode_ordinary(text))


def _at_hand(vocabulary: str, ranks: str) -> bool:
    """Whether tiktoken finds its ranks in the folder. It looks where its own variable says, and what has another
    digest than it expects it deletes and downloads."""
    name, digest = _RANKS[vocabulary]
    if os.environ.get("TIKTOKEN_CACHE_DIR") != ranks:
        return False
    try:
        return hashlib.sha256(Path(ranks, name).read_bytes()).hexdigest() == digest
    except OSError:
        return False


# https://github.com/openai/tiktoken/blob/main/tiktoken/model.py; the first prefix that fits
_VOCABULARIES: Final = (
    (("gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "gpt-oss", "chatgpt-4o", "o1", "o3", "o4"), "o200k_base"),
    (("gpt-4", "gpt-3.5", "gpt-35", "text-embedding-"), "cl100k_base"),
)
# https://github.com/openai/tiktoken/blob/main/tiktoken_ext/openai_public.py
_RANKS: Final = {
    "cl100k_base": (
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
    "o200k_base": (
        "fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
}
"""The rank file, named by the SHA-1 of its address, and its SHA-256."""
