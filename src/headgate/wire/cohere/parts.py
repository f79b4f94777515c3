"""Parts of Cohere's messages ↔ blocks: text, thinking, pictures, documents, calls of tools. Raises `Malformed`.

https://docs.cohere.com/reference/chat. Knows no message and no stream.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from headgate.wire import ir
from headgate.wire.shape import at, expect, optional, required
from headgate.wire.uris import source_of

FAMILY: Final = "cohere"
PLAN: Final = "tool_plan"
"""In a text's `extra`: it stood in the message's `tool_plan`, not in its content."""
DOCUMENT: Final = "document"
"""In a text's `extra`: the document whose data the text is."""

_ENCODE: Final = msgspec.json.Encoder().encode
_BEGINNINGS: Final = (("/9j/", "image/jpeg"), ("R0lG", "image/gif"), ("UklG", "image/webp"))
"""How base64 of some formats begins."""
_MARKS: Final = frozenset({PLAN, DOCUMENT})


def own(extra: ir.Extra | None) -> dict[str, Any]:
    """The fields that came from this family."""
    return extra.get(FAMILY, {}) if extra else {}


def kept(left: dict[str, Any]) -> ir.Extra | None:
    return {FAMILY: left} if left else None


def rest(node: Mapping[str, Any], *known: str) -> ir.Extra | None:
    """What the IR has no name for."""
    return kept({key: value for key, value in node.items() if key not in known and value is not None})


# --- reading ---------------------------------------------------------------------------------------------


def read_content(value: Any, where: str) -> list[ir.Block]:
    if isinstance(value, str):
        return [ir.Text(value)]
    return [read_part(part, f"{where}[{index}]") for index, part in enumerate(expect(value, list, where))]


def read_part(value: Any, where: str) -> ir.Block:
    """A part of a kind that nobody else knows stays as it is."""
    node = expect(value, dict, where)
    reader = _READERS.get(optional(node, "type", str, where) or "text")
    return ir.Opaque(family=FAMILY, value=node) if reader is None else reader(node, where)


def _text(node: dict[str, Any], where: str) -> ir.Block:
    return ir.Text(required(node, "text", str, where), extra=rest(node, "type", "text"))


def _thinking(node: dict[str, Any], where: str) -> ir.Block:
    return ir.Thinking(text=required(node, "thinking", str, where), extra=rest(node, "type", "thinking"))


def _image(node: dict[str, Any], where: str) -> ir.Block:
    inner = node.get("image_url")
    if isinstance(inner, str):
        inner = {"url": inner}
    place = at(where, "image_url")
    found = expect(inner, dict, place)
    source = source_of(required(found, "url", str, place))
    return ir.Image(source=source, detail=optional(found, "detail", str, place))


def _document(node: dict[str, Any], where: str) -> ir.Block:
    """Its data as text: what every other format can show a model."""
    document = required(node, "document", dict, where)
    return ir.Text(document_text(document), extra={FAMILY: {DOCUMENT: document}})


def document_text(document: dict[str, Any]) -> str:
    data = document.get("data")
    return data if isinstance(data, str) else _ENCODE(data if data is not None else {}).decode()


_READERS: Final[Mapping[str, Callable[[dict[str, Any], str], ir.Block]]] = {
    "text": _text,
    "thinking": _thinking,
    "image_url": _image,
    "document": _document,
}


def read_call(value: Any, where: str) -> ir.ToolCall:
    node = expect(value, dict, where)
    inner, place = required(node, "function", dict, where), at(where, "function")
    return ir.ToolCall(
        id=optional(node, "id", str, where) or "",
        name=required(inner, "name", str, place),
        arguments=arguments_of(inner.get("arguments")),
        extra=rest(node, "id", "type", "function"),
    )


def arguments_of(value: Any) -> str:
    """Arguments also as an object, or nothing for none."""
    if isinstance(value, str):
        return value
    return "" if value is None else _ENCODE(value).decode()


# --- writing ---------------------------------------------------------------------------------------------


def write_part(block: ir.Block) -> dict[str, Any] | None:
    """None for what has no form here."""
    match block:
        case ir.Text():
            held = own(block.extra)
            document = held.get(DOCUMENT)
            if document is not None and document_text(document) == block.text:
                return {"type": "document", "document": document}
            return {"type": "text", "text": block.text, **_unmarked(held)}
        case ir.Refusal():
            return {"type": "text", "text": block.text}
        case ir.Thinking():
            return {"type": "thinking", "thinking": block.text, **own(block.extra)}
        case ir.Image(source=ir.Source(kind="data" | "url") as source):
            detail = {"detail": block.detail} if block.detail is not None else {}
            return {"type": "image_url", "image_url": {"url": url_of(source), **detail}}
        case ir.Opaque(family="cohere"):
            return dict(block.value)
        case _:
            return None


def _unmarked(held: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in held.items() if key not in _MARKS}


def url_of(source: ir.Source) -> str:
    """An address or a data URI."""
    if source.kind != "data":
        return source.value
    guess = (kind for start, kind in _BEGINNINGS if source.value.startswith(start))
    return f"data:{source.media_type or next(guess, 'image/png')};base64,{source.value}"


def write_call(call: ir.ToolCall, call_id: str) -> dict[str, Any]:
    inner = {"name": call.name, "arguments": write_arguments(call, call.arguments)}
    return {"id": call_id, "type": "function", "function": inner, **own(call.extra)}


def write_arguments(call: ir.ToolCall, text: str) -> str:
    """JSON text of an object, also for a tool that takes free text."""
    if call.kind == "custom":
        return _ENCODE({"input": text}).decode()
    return text or "{}"


def kind_of(block: ir.Block) -> str:
    """The word for a block in `dropped`."""
    if isinstance(block, ir.Opaque) and isinstance(block.value, dict):
        return str(block.value.get("type") or "block")
    return type(block).__name__.lower()
