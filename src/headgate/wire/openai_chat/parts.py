"""Content parts ↔ blocks. A part that only this format has is `Opaque`.

https://platform.openai.com/docs/api-reference/chat/create#chat-create-messages, and the parts that others
added: `document_url` and `thinking` (Mistral), `video_url`, `file_url`. Raises `Malformed`.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from headgate.wire import ir
from headgate.wire.openai_chat import media
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.shape import Malformed, at, difference, expect, optional, required, restore
from headgate.wire.uris import source_of

_Reader: TypeAlias = Callable[[dict[str, Any], str], ir.Block]

THINKER: Final = "anthropic"
"""The family whose thoughts `thinking_blocks` and signed parts hold."""

PLACE: Final = "headgate:place"
"""In the `extra` of a Thinking: where it stood, if not in `reasoning_content`: "content" or "reasoning"."""


def read_parts(value: Any, where: str) -> list[ir.Block]:
    return [read_part(item, f"{where}[{index}]") for index, item in enumerate(expect(value, list, where))]


def read_part(value: Any, where: str) -> ir.Block:
    part = expect(value, dict, where)
    kind = required(part, "type", str, where)
    if len(part) == 2 and kind == "text":
        return ir.Text(required(part, "text", str, where))
    reader = _READERS.get(kind)
    if reader is None:
        return ir.Opaque(family=FAMILY, value=part)
    block = reader(part, where)
    if isinstance(block, ir.Opaque):
        return block
    left = difference(part, write_part(block) or {})
    if left:
        own = (block.extra or {}).get(FAMILY, {})
        block.extra = {FAMILY: {**left, **own}}
    return block


def own(extra: ir.Extra | None) -> dict[str, Any]:
    return extra.get(FAMILY, {}) if extra else {}


def cache_mark(node: dict[str, Any], where: str) -> ir.Cache | None:
    """`cache_control`, as LiteLLM's callers write it. It is written back from `extra` alone: a caller's mark
    for another format means nothing to OpenAI, which refuses unknown keys and caches by itself."""
    mark = optional(node, "cache_control", dict, where)
    if mark is None:
        return None
    place = at(where, "cache_control")
    return ir.Cache(
        ttl=optional(mark, "ttl", str, place), kind=optional(mark, "type", str, place) or "ephemeral"
    )


def _text(part: dict[str, Any], where: str) -> ir.Block:
    return ir.Text(required(part, "text", str, where), cache=cache_mark(part, where))


def _image(part: dict[str, Any], where: str) -> ir.Block:
    value = part.get("image_url")
    if isinstance(value, str):
        return ir.Image(source_of(value), cache=cache_mark(part, where))
    node, place = required(part, "image_url", dict, where), at(where, "image_url")
    return ir.Image(
        source_of(required(node, "url", str, place)),
        detail=optional(node, "detail", str, place),
        cache=cache_mark(part, where),
    )


def _audio(part: dict[str, Any], where: str) -> ir.Block:
    node, place = required(part, "input_audio", dict, where), at(where, "input_audio")
    kind = optional(node, "format", str, place)
    data = required(node, "data", str, place)
    source = media.read_file(data)
    if source.media_type is None and kind is not None:
        source.media_type = media.audio_type(kind)
    return ir.Audio(source=source, format=kind, cache=cache_mark(part, where))


def _file(part: dict[str, Any], where: str) -> ir.Block:
    node, place = required(part, "file", dict, where), at(where, "file")
    data = optional(node, "file_data", str, place)
    if data is not None:
        source = media.read_file(data)
    else:
        source = media.read_file_id(required(node, "file_id", str, place))
    if source.media_type is None:
        source.media_type = optional(node, "format", str, place)
    return ir.File(source, name=optional(node, "filename", str, place), cache=cache_mark(part, where))


def _address(key: str) -> _Reader:
    """A part whose value is an address, plain or in an object with `url`."""

    def read(part: dict[str, Any], where: str) -> ir.Block:
        value = part.get(key)
        url = value.get("url") if isinstance(value, dict) else value
        if not isinstance(url, str):
            raise Malformed(at(where, key), "expected a string or an object with url")
        return ir.File(source_of(url), cache=cache_mark(part, where))

    return read


def _refusal(part: dict[str, Any], where: str) -> ir.Block:
    return ir.Refusal(required(part, "refusal", str, where), extra={FAMILY: {PLACE: "content"}})


def _thinking(part: dict[str, Any], where: str) -> ir.Block:
    value = part.get("thinking")
    texts = [value] if isinstance(value, str) else [_thought(item) for item in value or ()]
    return ir.Thinking(text="".join(texts), extra={FAMILY: {PLACE: "content"}})


def _reasoning(part: dict[str, Any], where: str) -> ir.Block:
    """As Databricks has a thought of Claude's: [{type: summary_text, text, signature}] in `summary`.
    https://docs.databricks.com/aws/en/machine-learning/model-serving/query-reason-models"""
    pieces = [piece for piece in part.get("summary") or () if isinstance(piece, dict)]
    signatures = [text for piece in pieces if isinstance(text := piece.get("signature"), str) and text]
    return ir.Thinking(
        text="".join(map(_thought, pieces)),
        signature=signatures[-1] if signatures else None,
        family=THINKER if signatures else None,
        extra={FAMILY: {PLACE: "content"}},
    )


def _thought(item: Any) -> str:
    text = item.get("text") if isinstance(item, dict) else None
    return text if isinstance(text, str) else ""


_READERS: Final[dict[str, _Reader]] = {
    "text": _text,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
    "document_url": _address("document_url"),
    "file_url": _address("file_url"),
    "video_url": _address("video_url"),
    "refusal": _refusal,
    "thinking": _thinking,
    "reasoning": _reasoning,
}


def write_part(block: ir.Block) -> dict[str, Any] | None:
    """None for a block that is no content part of this format."""
    if type(block) is ir.Text and block.extra is None:
        return {"type": "text", "text": block.text}
    writer = _WRITERS.get(type(block))
    part = writer(block) if writer is not None else None
    if part is None or isinstance(block, ir.Opaque):
        return part
    restore(part, own(block.extra))
    part.pop(PLACE, None)
    return part


def _write_image(block: ir.Image) -> dict[str, Any] | None:
    """A picture has no id in this format, but for servers that look like OpenAI's and take pictures as files."""
    if block.source.kind == "id" and block.source.family not in (None, FAMILY):
        return None
    node = {"url": media.write_url(block.source)}
    if block.detail is not None:
        node["detail"] = block.detail
    return {"type": "image_url", "image_url": node}


def _write_audio(block: ir.Audio) -> dict[str, Any] | None:
    """Sound that is not here as data (an id of an answer, an address) is no part."""
    if block.source is None or block.source.kind != "data":
        return None
    node = {"data": block.source.value, "format": media.audio_format(block)}
    return {"type": "input_audio", "input_audio": node}


_FILE_NAMES: Final = {"application/pdf": "document.pdf", "text/plain": "document.txt"}


def _write_file(block: ir.File) -> dict[str, Any] | None:
    if not media.is_known(block.source):
        return None
    node: dict[str, Any] = {}
    key = "file_id" if block.source.kind in ("id", "url") else "file_data"
    if block.name is not None:
        node["filename"] = block.name
    elif key == "file_data":
        node["filename"] = _FILE_NAMES.get(block.source.media_type or "", "document")  # the API wants one
    node[key] = media.write_url(block.source)
    return {"type": "file", "file": node}


def _write_thinking(block: ir.Thinking) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": block.text}]}


_WRITERS: Final[dict[type, Callable[[Any], dict[str, Any] | None]]] = {
    ir.Text: lambda block: {"type": "text", "text": block.text},
    ir.Image: _write_image,
    ir.Audio: _write_audio,
    ir.File: _write_file,
    ir.Refusal: lambda block: {"type": "refusal", "refusal": block.text},
    ir.Thinking: _write_thinking,
    ir.Opaque: lambda block: block.value if block.family == FAMILY else None,
}
