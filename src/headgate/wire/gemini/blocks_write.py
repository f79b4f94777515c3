"""One block → one part, the same for requests and replies. Knows no model and no conversation.

https://ai.google.dev/api/caching#Part
"""

from typing import Any, Final

from headgate.wire import ir
from headgate.wire.gemini import media
from headgate.wire.gemini.check import FAMILY, json_object, own
from headgate.wire.gemini.parts import DETAILS

INVALID_JSON: Final = "arguments"
"""Field that holds arguments which are no JSON object."""


def text(block: ir.Text) -> dict[str, Any]:
    return finish({"text": block.text}, block.signature, block.extra)


def thinking(block: ir.Thinking) -> dict[str, Any]:
    """Only Gemini's own signatures mean something to it."""
    signature = block.signature if block.family == FAMILY else None
    return finish({"text": block.text, "thought": True}, signature, block.extra)


def tool_input(call: ir.ToolCall) -> dict[str, Any]:
    """The arguments as the object that the format demands."""
    if call.kind == "custom":
        return {"input": call.arguments}
    if not call.arguments.strip() or call.arguments.strip() == "null":
        return {}
    value = json_object(call.arguments)
    return {INVALID_JSON: call.arguments} if value is None else value


def tool_call(block: ir.ToolCall, name: str, call_id: str) -> dict[str, Any]:
    call: dict[str, Any] = {"name": name, "args": tool_input(block)}
    if call_id:
        call["id"] = call_id
    return finish({"functionCall": call}, block.signature, block.extra)


def medium(block: ir.Image | ir.Audio | ir.File, *, detail: bool = True) -> dict[str, Any] | None:
    """None where the format has no way to name the media. `detail`: a picture's may stand on its part."""
    node = media.part(block)
    if node is None:
        return None
    if detail and isinstance(block, ir.Image) and block.detail in DETAILS:
        node["mediaResolution"] = {"level": DETAILS[block.detail]}
    for fields in (block.extra or {}).values():
        video = fields.get("videoMetadata", fields.get("video_metadata"))
        if isinstance(video, dict):
            node["videoMetadata"] = video
    return finish(node, block.signature, block.extra)


def finish(node: dict[str, Any], signature: str | None, extra: ir.Extra | None) -> dict[str, Any]:
    if signature:
        node["thoughtSignature"] = signature
    for key, value in own(extra).items():
        if key != "displayName":
            node.setdefault(key, value)
    return node
