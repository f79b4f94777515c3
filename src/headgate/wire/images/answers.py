"""Answers in OpenAI's shape, of OpenAI itself and of its relatives. Knows no provider."""

from collections.abc import Mapping
from typing import Any, Final

from headgate.wire import failures, ir
from headgate.wire.images import base
from headgate.wire.ir_images import ImageReply, ImageUsage, Picture

FAMILY: Final = base.CLIENT
_REPLY: Final = frozenset({"created", "data", "images", "usage", "model"})
_DATA_KEYS: Final = ("b64_json", "url", "image", "image_base64", "base64", "image_url")
_TYPE_KEYS: Final = ("media_type", "mime_type", "content_type")
_PICTURE: Final = frozenset({*_DATA_KEYS, *_TYPE_KEYS, "revised_prompt"})


def read_document(document: dict[str, Any], echo: ir.Echo | None) -> ImageReply:
    rows = next((document[key] for key in ("data", "images") if isinstance(document.get(key), list)), None)
    if rows is None:
        if document.get("error") or document.get("detail"):
            raise failures.read_document(document)
        raise base.unreadable("data: expected an array")
    model, created = document.get("model"), document.get("created")
    left = {key: value for key, value in document.items() if key not in _REPLY}
    return base.reply_of(
        [_picture(row, f"data[{at}]") for at, row in enumerate(rows)],
        echo,
        created=int(created) if isinstance(created, int | float) and created else None,
        model=model if isinstance(model, str) else None,
        usage=usage_of(document),
        extra={FAMILY: left} if left else None,
    )


def _picture(row: Any, where: str) -> Picture:
    entry = row if isinstance(row, dict) else {"url": row}
    text = next((entry[key] for key in _DATA_KEYS if isinstance(entry.get(key), str) and entry[key]), None)
    if text is None:
        raise base.unreadable(f"{where}: expected url or b64_json")
    kind = next((entry[key] for key in _TYPE_KEYS if entry.get(key)), None)
    revised = entry.get("revised_prompt")
    left = {key: value for key, value in entry.items() if key not in _PICTURE}
    return Picture(
        source=base.source_of(text, kind if isinstance(kind, str) else None),
        revised_prompt=revised if isinstance(revised, str) else None,
        seed=base.whole(entry.get("seed", entry.get("random_seed"))),
        extra={FAMILY: left} if left else None,
    )


def usage_of(document: Mapping[str, Any]) -> ImageUsage:
    """https://platform.openai.com/docs/api-reference/images/object; relatives use chat's names."""
    given = document.get("usage")
    usage = given if isinstance(given, dict) else {}
    size, quality = document.get("size"), document.get("quality")
    taken, made = (
        _first(usage, *names) for names in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens"))
    )  # fmt: skip
    before = usage.get("input_tokens_details", usage.get("prompt_tokens_details"))
    after = usage.get("output_tokens_details", usage.get("completion_tokens_details"))
    return ImageUsage(
        input=taken or 0,
        output=made or 0,
        total=base.whole(usage.get("total_tokens")),
        cache_read=_detail(before, "cached_tokens"),
        image_input=_detail(before, "image_tokens"),
        image_output=_detail(after, "image_tokens"),
        size=size if isinstance(size, str) else None,
        quality=quality if isinstance(quality, str) else None,
    )


def _first(usage: Mapping[str, Any], *names: str) -> int | None:
    return next((count for name in names if (count := base.whole(usage.get(name))) is not None), None)


def _detail(details: Any, key: str) -> int | None:
    return base.whole(details.get(key)) if isinstance(details, dict) else None
