"""Parts of messages, and media, of the Responses format ↔ blocks. Raises `Malformed`.

https://platform.openai.com/docs/api-reference/responses/create
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.shape import at, expect, optional, required
from headgate.wire.uris import source_of

FAMILY: Final = "responses"
"""Its unknown fields are not those of chat, which has the family "openai"."""


def own(extra: ir.Extra | None) -> dict[str, Any]:
    return dict((extra or {}).get(FAMILY, {}))


def rest(node: Mapping[str, Any], *known: str) -> ir.Extra | None:
    """What the IR has no name for."""
    left = {key: value for key, value in node.items() if key not in known and value is not None}
    return {FAMILY: left} if left else None


def read_content(value: Any, where: str) -> list[ir.Block]:
    if isinstance(value, str):
        return [ir.Text(value)]
    parts = expect(value, list, where)
    return [read_part(part, f"{where}[{index}]") for index, part in enumerate(parts)]


def read_part(value: Any, where: str) -> ir.Block:
    node = expect(value, dict, where)
    reader = _READERS.get(optional(node, "type", str, where) or "input_text")
    return ir.Opaque(family=FAMILY, value=node) if reader is None else reader(node, where)


def _text(node: dict[str, Any], where: str) -> ir.Block:
    notes = optional(node, "annotations", list, where) or []
    citations = [_citation(one) for one in notes if isinstance(one, dict)]
    extra = rest(node, "type", "text", "annotations", "logprobs")
    return ir.Text(required(node, "text", str, where), citations=citations or None, extra=extra)


def _citation(node: dict[str, Any]) -> ir.Citation:
    title = optional(node, "title", str, "annotation") or optional(node, "filename", str, "annotation")
    return ir.Citation(
        url=optional(node, "url", str, "annotation"),
        title=title,
        start=optional(node, "start_index", int, "annotation"),
        end=optional(node, "end_index", int, "annotation"),
        extra={FAMILY: node},
    )


def write_citation(citation: ir.Citation, length: int) -> dict[str, Any]:
    """`length` is that of the text: where a citation ends that says nothing of it. One without an address is of a
    document, which the format knows by its file."""
    kept = own(citation.extra)
    if kept:
        return kept
    end = length if citation.end is None else citation.end
    if citation.url is None:
        return {"type": "file_citation", "file_id": "", "filename": citation.title or "", "index": end}
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title or "",
        "start_index": citation.start or 0,
        "end_index": end,
    }


def _refusal(node: dict[str, Any], where: str) -> ir.Block:
    return ir.Refusal(required(node, "refusal", str, where))


def _image(node: dict[str, Any], where: str) -> ir.Block:
    url, file = optional(node, "image_url", str, where), optional(node, "file_id", str, where)
    if url is None and file is None:
        required(node, "image_url", str, where)
    source = ir.Source(kind="id", value=file or "", family=FAMILY) if url is None else source_of(url)
    return ir.Image(source=source, detail=optional(node, "detail", str, where))


def _file(node: dict[str, Any], where: str) -> ir.Block:
    data, url = optional(node, "file_data", str, where), optional(node, "file_url", str, where)
    if data is not None:
        source = source_of(data)
        if source.kind == "url":
            source = ir.Source(kind="data", value=data, media_type="application/pdf")
    elif url is not None:
        source = ir.Source(kind="url", value=url)
    else:
        source = ir.Source(kind="id", value=required(node, "file_id", str, where), family=FAMILY)
    return ir.File(source=source, name=optional(node, "filename", str, where))


def _audio(node: dict[str, Any], where: str) -> ir.Block:
    inner = required(node, "input_audio", dict, where)
    kind = optional(inner, "format", str, at(where, "input_audio"))
    data = required(inner, "data", str, at(where, "input_audio"))
    return ir.Audio(source=ir.Source(kind="data", value=data, media_type=f"audio/{kind}"), format=kind)


_READERS: Final[Mapping[Any, Callable[[dict[str, Any], str], ir.Block]]] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}


def _url(source: ir.Source, default: str) -> str:
    return (
        f"data:{source.media_type or default};base64,{source.value}"
        if source.kind == "data"
        else source.value
    )


def write_part(block: ir.Block, answer: bool, where: str, dropped: list[str]) -> dict[str, Any] | None:
    """`answer`: in a turn of the assistant. None for what has no form here, which `dropped` then names."""
    match block:
        case ir.Image(source=source) | ir.File(source=source) if not _is_known(source):
            dropped.append(f"{where}: file by id of {source.family}")
            return None
        case ir.Text():
            part: dict[str, Any] = {"type": "output_text" if answer else "input_text", "text": block.text}
            if answer:
                part["annotations"] = [write_citation(one, len(block.text)) for one in block.citations or ()]
            return part | own(block.extra)
        case ir.Refusal():
            return {"type": "refusal", "refusal": block.text}
        case ir.Image():
            key = "file_id" if block.source.kind == "id" else "image_url"
            image = {"type": "input_image", key: _url(block.source, "image/png")}
            return image | ({"detail": block.detail} if block.detail else {})
        case ir.File():
            key = {"id": "file_id", "url": "file_url"}.get(block.source.kind, "file_data")
            if block.source.kind == "text":
                return {"type": "input_text", "text": block.source.value}
            named = {"filename": block.name or "file.pdf"} if key == "file_data" else {}
            return {"type": "input_file", key: _url(block.source, "application/pdf"), **named}
        case ir.Audio(source=ir.Source() as source):
            return {
                "type": "input_audio",
                "input_audio": {"data": source.value, "format": block.format or "wav"},
            }
        case ir.Opaque(family="responses"):
            return dict(block.value)
        case _:
            dropped.append(f"{where}: {_kind_of(block)}")
            return None


def _is_known(source: ir.Source) -> bool:
    return source.kind != "id" or source.family in (None, FAMILY, "openai")


def _kind_of(block: ir.Block) -> str:
    if isinstance(block, ir.Opaque) and isinstance(block.value, dict):
        return str(block.value.get("type") or next(iter(block.value), "block"))
    return type(block).__name__.lower()
