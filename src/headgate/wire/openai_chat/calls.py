"""Tool calls in an assistant's message ↔ blocks: functions, custom tools, and the older `function_call`.

https://platform.openai.com/docs/api-reference/chat/object. Gemini's thought signatures travel on a call as
`provider_specific_fields.thought_signature`, where LiteLLM's users find them. Raises `Malformed`.
"""

from typing import Any, Final

import msgspec

from headgate.wire import ir
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.parts import cache_mark, own
from headgate.wire.shape import at, difference, expect, optional, required, restore

SIGNATURE: Final = "thought_signature"
FIELDS: Final = "provider_specific_fields"
CUSTOM: Final = "custom"
"""Where a call of a tool without a schema has its name and its text."""

_PLAIN: Final = frozenset({"id", "type", "function"})
_PLAIN_FUNCTION: Final = frozenset({"name", "arguments"})


def read_call(value: Any, where: str, answer: bool) -> ir.ToolCall:
    """`answer`: it stands in a reply, not in a request."""
    node = expect(value, dict, where)
    if node.get("type") == "custom" and isinstance(node.get("custom"), dict):
        inner, place, kind, text = node["custom"], at(where, "custom"), "custom", "input"
    else:
        inner, place, kind, text = (
            required(node, "function", dict, where),
            at(where, "function"),
            "",
            "arguments",
        )
    call = ir.ToolCall(
        id=optional(node, "id", str, where) or "",
        name=required(inner, "name", str, place),
        arguments=arguments_of(inner.get(text)),
        kind="custom" if kind else "function",
    )
    if (
        node.keys() == _PLAIN
        and inner.keys() == _PLAIN_FUNCTION
        and call.arguments == inner["arguments"] != ""
    ):
        return call
    call.cache = cache_mark(node, where)
    call.signature = signature_of(node)
    left = difference(node, write_call(call, answer))
    if left:
        call.extra = {FAMILY: left}
    return call


def arguments_of(value: Any) -> str:
    """Some servers send the arguments as an object, or nothing for none."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def signature_of(node: dict[str, Any]) -> str | None:
    """Also as Google's own OpenAI-shaped API has it: `extra_content.google`."""
    fields = node.get(FIELDS)
    if not isinstance(fields, dict):
        content = node.get("extra_content")
        fields = content.get("google") if isinstance(content, dict) else None
    value = fields.get(SIGNATURE) if isinstance(fields, dict) else None
    return value if isinstance(value, str) else None


def write_call(call: ir.ToolCall, answer: bool) -> dict[str, Any]:
    """The node of a function or custom call. A function without arguments gets the empty object, which
    every client can parse."""
    if call.kind == "custom":
        inner = {"name": call.name, "input": call.arguments}
        node: dict[str, Any] = {"id": call.id, "type": "custom", "custom": inner}
    else:
        inner = {"name": call.name, "arguments": call.arguments or "{}"}
        node = {"id": call.id, "type": "function", "function": inner}
    if answer and call.signature is not None:
        node[FIELDS] = {SIGNATURE: call.signature}
    return restore(node, own(call.extra)) if call.extra else node


def read_legacy(value: Any, where: str) -> ir.ToolCall:
    node = expect(value, dict, where)
    call = ir.ToolCall(
        id="",
        name=required(node, "name", str, where),
        arguments=arguments_of(node.get("arguments")),
        kind="legacy",
    )
    left = difference(node, write_legacy(call))
    if left:
        call.extra = {FAMILY: left}
    return call


def write_legacy(call: ir.ToolCall) -> dict[str, Any]:
    return restore({"name": call.name, "arguments": call.arguments or "{}"}, own(call.extra))
