"""Parts → blocks, the same for requests and replies. A part that only Gemini knows is `Opaque`.

https://ai.google.dev/api/caching#Part. Raises `Malformed`; knows no request and no stream.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from headgate.wire import ir
from headgate.wire.gemini import media
from headgate.wire.gemini.check import (
    FAMILY,
    expect,
    fields,
    json_text,
    kept,
    listed,
    optional,
    required,
)

PART: Final = frozenset(
    {
        "text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode",
        "codeExecutionResult", "toolCall", "toolResponse", "thought", "thoughtSignature", "videoMetadata",
        "mediaResolution", "partMetadata",
    }
)  # fmt: skip
_CALL: Final = frozenset({"id", "name", "args", "partialArgs", "willContinue"})
_RESULT: Final = frozenset({"id", "name", "response", "parts", "scheduling", "willContinue"})
_RESULT_NAMED: Final = frozenset({"id", "name", "response", "parts"})
_NAMED: Final = frozenset({"thought", "thoughtSignature"})

DETAILS: Final = {
    "low": "MEDIA_RESOLUTION_LOW",
    "medium": "MEDIA_RESOLUTION_MEDIUM",
    "high": "MEDIA_RESOLUTION_HIGH",
    "ultra_high": "MEDIA_RESOLUTION_ULTRA_HIGH",
}
_DETAIL_OF: Final = {value: name for name, value in DETAILS.items()}


class CallIds:
    """Ids for calls that came without: each distinct, and results find theirs by name and order.

    `made` are those that nobody gave.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.made: list[str] = []
        self._count = 0
        self._open: list[tuple[str, str]] = []

    def call(self, given: str | None, name: str) -> str:
        found = given or f"{self.prefix}{self._count}"
        self._count += 1
        if not given:
            self.made.append(found)
        self._open.append((name, found))
        return found

    def result(self, given: str | None, name: str) -> str:
        """The id of the call that it answers: its own, else of the first open one of that name, else ""."""
        if given is None:
            given = next((found for called, found in self._open if called == name), "")
        self._open = [entry for entry in self._open if entry[1] != given]
        return given


def read_part(value: Any, where: str, ids: CallIds) -> ir.Block:
    node = fields(expect(value, dict, where), PART)
    for key, reader in _READERS.items():
        if node.get(key) is not None:
            return reader(node, where, ids)
    if "thoughtSignature" in node and len(node) == 1:
        return _text({**node, "text": ""}, where, ids)
    return ir.Opaque(family=FAMILY, value=value)


def _text(node: dict[str, Any], where: str, ids: CallIds) -> ir.Block:
    text = required(node, "text", str, where)
    if len(node) == 1:
        return ir.Text(text)
    signature = optional(node, "thoughtSignature", str, where) or None
    extra = _left(node, "text")
    if optional(node, "thought", bool, where):
        return ir.Thinking(text, signature=signature, family=FAMILY if signature else None, extra=extra)
    return ir.Text(text, signature=signature, extra=extra)


def _media(node: dict[str, Any], where: str, ids: CallIds) -> ir.Block:
    key = "inlineData" if node.get("inlineData") is not None else "fileData"
    value = expect(node[key], dict, f"{where}.{key}")
    source, name = _MEDIA[key](value, f"{where}.{key}")
    block = media.block_of(source, name)
    block.signature = optional(node, "thoughtSignature", str, where) or None
    left = {field: item for field, item in node.items() if field not in _NAMED and field != key}
    if name is not None:
        left["displayName"] = name
    if isinstance(block, ir.Image):
        resolution = left.get("mediaResolution")
        level = resolution.get("level") if isinstance(resolution, dict) and len(resolution) == 1 else None
        block.detail = _DETAIL_OF.get(level) if isinstance(level, str) else None
        if block.detail is not None:
            del left["mediaResolution"]
    if node.get("thought"):
        left["thought"] = node["thought"]
    block.extra = kept(left)
    return block


_MEDIA: Final = {"inlineData": media.inline, "fileData": media.file}


def _call(node: dict[str, Any], where: str, ids: CallIds) -> ir.Block:
    inner = f"{where}.functionCall"
    call = fields(expect(node["functionCall"], dict, inner), _CALL)
    name = required(call, "name", str, inner)
    arguments = optional(call, "args", dict, inner)
    return ir.ToolCall(
        id=ids.call(optional(call, "id", str, inner), name),
        name=name,
        arguments=json_text(arguments or {}),
        signature=optional(node, "thoughtSignature", str, where) or None,
        extra=_left(node, "functionCall"),
    )


def _result(node: dict[str, Any], where: str, ids: CallIds) -> ir.Block:
    inner = f"{where}.functionResponse"
    result = fields(expect(node["functionResponse"], dict, inner), _RESULT)
    name = required(result, "name", str, inner)
    text, is_error = _outcome(optional(result, "response", dict, inner) or {})
    attached = [
        _attached(value, f"{inner}.parts[{at}]", ids)
        for at, value in enumerate(listed(result, "parts", inner))
    ]
    said: list[ir.Block] = [] if text is None else [ir.Text(text)]
    left = {key: item for key, item in result.items() if key not in _RESULT_NAMED and item is not None}
    return ir.ToolResult(
        call_id=ids.result(optional(result, "id", str, inner), name),
        name=name,
        content=said + attached,
        is_error=is_error,
        flat=not attached,
        extra=kept(left),
    )


def _attached(value: Any, where: str, ids: CallIds) -> ir.Block:
    """A part inside a tool result: media, or nothing that we know."""
    node = fields(expect(value, dict, where), PART)
    known = any(isinstance(node.get(key), dict) for key in _MEDIA)
    return _media(node, where, ids) if known else ir.Opaque(family=FAMILY, value=value)


def _outcome(response: dict[str, Any]) -> tuple[str | None, bool | None]:
    """What the tool said, and whether it failed: `{"content": text}` and `{"error": …}` are unwrapped."""
    if not response:
        return None, None
    if len(response) == 1:
        key, value = next(iter(response.items()))
        if key == "content" and isinstance(value, str):
            return value, None
        if key == "error" and isinstance(value, str | dict):
            return value if isinstance(value, str) else json_text(value), True
    return json_text(response), None


def _opaque(node: dict[str, Any], where: str, ids: CallIds) -> ir.Block:
    return ir.Opaque(family=FAMILY, value=node)


def _left(node: dict[str, Any], key: str) -> ir.Extra | None:
    return kept({name: value for name, value in node.items() if name != key and name not in _NAMED})


_Reader: TypeAlias = Callable[[dict[str, Any], str, CallIds], ir.Block]

_READERS: Final[dict[str, _Reader]] = {
    "text": _text,
    "functionCall": _call,
    "functionResponse": _result,
    "inlineData": _media,
    "fileData": _media,
    "executableCode": _opaque,
    "codeExecutionResult": _opaque,
    "toolCall": _opaque,
    "toolResponse": _opaque,
}
