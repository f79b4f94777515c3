"""The small pieces of Ollama's format that requests and replies share: calls, pictures, moments, JSON.

https://docs.ollama.com/api/chat. Knows no message and no stream. Raises `Malformed`.
"""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from headgate.wire import ir
from headgate.wire.shape import at, expect, optional, required

FAMILY: Final = "ollama"
INVALID_JSON: Final = "arguments"
"""Field that holds arguments which are no JSON object: Ollama takes only objects."""

_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder().encode
_MAGIC: Final = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("Qk", "image/bmp"),
)
"""How base64 of each kind of picture begins: Ollama's pictures come without a media type."""
_CALL: Final = frozenset({"id", "type", "function"})
_FUNCTION: Final = frozenset({"index", "name", "arguments"})
_LAST_SECOND: Final = 253_402_300_799


def own(extra: ir.Extra | None) -> dict[str, Any]:
    """The fields that came from this family."""
    return extra.get(FAMILY, {}) if extra else {}


def rest(node: dict[str, Any], known: frozenset[str]) -> ir.Extra | None:
    """What the IR has no name for. A null says nothing here."""
    left = {key: value for key, value in node.items() if key not in known and value is not None}
    return {FAMILY: left} if left else None


# --- tool calls ------------------------------------------------------------------------------------------


def read_call(value: Any, where: str, default_id: str) -> ir.ToolCall:
    """`default_id` is for a call that came without: the field is new."""
    node = expect(value, dict, where)
    place = at(where, "function")
    function = required(node, "function", dict, where)
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = _ENCODE(optional(function, "arguments", dict, place) or {}).decode()
    return ir.ToolCall(
        id=optional(node, "id", str, where) or default_id,
        name=required(function, "name", str, place),
        arguments=arguments,
        extra=rest(node, _CALL) or rest(function, _FUNCTION),
    )


def write_call(call: ir.ToolCall, index: int | None = None, *, with_id: bool = True) -> dict[str, Any]:
    """`index` counts the calls of a reply; requests have none."""
    function: dict[str, Any] = {"name": call.name, "arguments": _arguments(call)}
    if index is not None:
        function = {"index": index, **function}
    return {"id": call.id, "function": function} if with_id and call.id else {"function": function}


def _arguments(call: ir.ToolCall) -> dict[str, Any]:
    if call.kind == "custom":
        return {"input": call.arguments}
    if call.arguments.strip() in ("", "null"):
        return {}
    try:
        value = _DECODE(call.arguments)
    except (msgspec.DecodeError, ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {INVALID_JSON: call.arguments}


# --- pictures --------------------------------------------------------------------------------------------


def read_images(node: dict[str, Any], where: str) -> list[ir.Block]:
    place = at(where, "images")
    images = optional(node, "images", list, where) or ()
    return [_image(expect(value, str, f"{place}[{number}]")) for number, value in enumerate(images)]


def _image(data: str) -> ir.Image:
    if data.startswith("data:"):
        head, _, data = data.partition(",")
        return ir.Image(source=ir.Source("data", data, head[5:].partition(";")[0] or None))
    kind = next((kind for magic, kind in _MAGIC if data.startswith(magic)), "image/png")
    return ir.Image(source=ir.Source("data", data, kind))


# --- moments ---------------------------------------------------------------------------------------------


def read_moment(moment: Any) -> int | None:
    """Unix seconds of `created_at`, which is RFC 3339 with nanoseconds."""
    if not isinstance(moment, str):
        return None
    try:
        return int(datetime.fromisoformat(moment).timestamp())
    except (ValueError, OverflowError):
        return None


def write_moment(seconds: int) -> str:
    return datetime.fromtimestamp(min(max(seconds, 0), _LAST_SECOND), UTC).isoformat().replace("+00:00", "Z")
