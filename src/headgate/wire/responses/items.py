"""Items of the Responses format ↔ turns and blocks: messages, reasoning, calls of tools and their results; what the
provider's own tools did travels as it came. Raises `Malformed`.

Reasoning that another vendor has signed is kept in `encrypted_content` with the vendor's name before it, so that it
comes back to that vendor when the conversation does.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from headgate.wire import ir
from headgate.wire.responses.parts import FAMILY, own, read_content, rest, write_part
from headgate.wire.seals import unsealed
from headgate.wire.shape import Malformed, at, expect, optional, required
from headgate.wire.words import Fitter, Ids

CALLS: Final = {"function_call": "function", "custom_tool_call": "custom"}
RESULTS: Final = {"function_call_output": "function", "custom_tool_call_output": "custom"}
PICTURE: Final = "image_generation_call"
_RESULT: Final = "function_call_output"
_RESULT_KEYS: Final = ("type", "call_id", "output")
MAX_ID: Final = 64
_ROLES: Final = ("user", "assistant", "system", "developer")


def read_input(value: Any) -> list[ir.Turn]:
    """A text, or a list of items. What belongs to one side of the conversation becomes one turn."""
    if isinstance(value, str):
        return [ir.Turn(role="user", blocks=[ir.Text(value)], flat=True)]
    turns: list[ir.Turn] = []
    for index, item in enumerate(expect(value, list, "input")):
        turn = _read_item(expect(item, dict, f"input[{index}]"), f"input[{index}]")
        last = turns[-1] if turns else None
        if last is not None and last.role == turn.role == "assistant":
            last.blocks += turn.blocks
            last.flat = False
        elif last is not None and last.role == turn.role == "user" and _results(last) and _results(turn):
            last.blocks += turn.blocks
        else:
            turns.append(turn)
    return turns


def _results(turn: ir.Turn) -> bool:
    return all(isinstance(block, ir.ToolResult) for block in turn.blocks)


def _read_item(node: dict[str, Any], where: str) -> ir.Turn:
    kind = optional(node, "type", str, where) or "message"
    if kind == "message":
        role = optional(node, "role", str, where) or "user"
        if role not in _ROLES:
            raise Malformed(at(where, "role"), f"expected {', '.join(_ROLES)}, got {str(role)[:40]!r}")
        content = node.get("content")
        blocks = read_content(content, at(where, "content")) if content is not None else []
        turn = ir.Turn(role=role, blocks=blocks, flat=isinstance(content, str))  # type: ignore[arg-type]
        if role == "assistant":
            _mark(blocks, node)
        else:
            turn.extra = rest(node, "type", "role", "content")
        return turn
    if kind in RESULTS:
        return ir.Turn(role="user", blocks=[_read_result(node, where)])
    return ir.Turn(role="assistant", blocks=[read_output(node, where)])


def _mark(blocks: Iterable[ir.Block], node: dict[str, Any]) -> None:
    """The item's own fields stay with its first text."""
    left = rest(node, "type", "role", "content")
    for block in blocks:
        if left and isinstance(block, ir.Text | ir.Refusal):
            block.extra = {FAMILY: {**own(block.extra), "item": left[FAMILY]}}
            return


def read_output(node: dict[str, Any], where: str) -> ir.Block:
    """An item of the model that is no message."""
    kind = optional(node, "type", str, where)
    if kind == "reasoning":
        return _read_reasoning(node, where)
    if kind in CALLS:
        return ir.ToolCall(
            id=optional(node, "call_id", str, where) or optional(node, "id", str, where) or "",
            name=required(node, "name", str, where),
            arguments=optional(node, "arguments" if kind == "function_call" else "input", str, where) or "",
            kind="custom" if kind == "custom_tool_call" else "function",
            extra=rest(node, "type", "call_id", "name", "arguments", "input"),
        )
    return ir.Opaque(family=FAMILY, value=node)


def read_answer(node: dict[str, Any], where: str, echo: ir.Echo) -> ir.Block:
    """An item of an answer that is no message: a picture is one for everybody, and calls have the caller's names."""
    block = read_output(node, where)
    if isinstance(block, ir.ToolCall):
        block.name = echo.tool_names.get(block.name, block.name)
    elif isinstance(block, ir.Thinking) and block.family == FAMILY:
        block.account = echo.account
    if node.get("type") == PICTURE and isinstance(node.get("result"), str):
        kind = node.get("output_format")
        media = f"image/{kind}" if isinstance(kind, str) else "image/png"
        return ir.Image(ir.Source("data", node["result"], media), extra=rest(node, "result"))
    return block


def _read_reasoning(node: dict[str, Any], where: str) -> ir.Thinking:
    listed = (optional(node, name, list, where) or [] for name in ("summary", "content"))
    parts = [part for parts in listed for part in parts]
    text = "\n\n".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
    secret = node.get("encrypted_content")
    block = unsealed(secret, FAMILY) if isinstance(secret, str) else ir.Thinking(family=FAMILY)
    block.text = "" if block.redacted is not None else text
    block.extra = rest(node, "type", "encrypted_content") if block.family == FAMILY else None
    return block


def _read_result(node: dict[str, Any], where: str) -> ir.ToolResult:
    output = node.get("output")
    content: list[ir.Block] = [ir.Text("")] if output is None else read_content(output, at(where, "output"))
    return ir.ToolResult(
        call_id=required(node, "call_id", str, where),
        content=content,
        flat=isinstance(output, str),
        extra=rest(node, "call_id", "output") if node.get("type") != _RESULT else rest(node, *_RESULT_KEYS),
    )


# --- writing ---------------------------------------------------------------------------------------------


def write_input(turns: Iterable[ir.Turn], dropped: list[str], ours: bool) -> list[dict[str, Any]]:
    """`ours`: the request was read in this format, so that its ids stay as they are."""
    items: list[dict[str, Any]] = []
    ids = None if ours else Ids(Fitter(MAX_ID, "call"), "call")
    for index, turn in enumerate(turns):
        items += _write_turn(turn if ids is None else _named(turn, ids), f"messages[{index}]", dropped)
    custom = {item.get("call_id") for item in items if item.get("type") == "custom_tool_call"}
    for item in items:
        if item.get("type") == _RESULT and item["call_id"] in custom:
            item["type"] = "custom_tool_call_output"
    return items


def _named(turn: ir.Turn, ids: Ids) -> ir.Turn:
    """The turn with ids as the API takes them, also for calls of formats without; empty texts, which say nothing,
    are left out."""
    blocks: list[ir.Block] = []
    for block in turn.blocks:
        if isinstance(block, ir.ToolCall):
            block = msgspec.structs.replace(block, id=ids.call(block.id, block.name))
        elif isinstance(block, ir.ToolResult):
            block = msgspec.structs.replace(block, call_id=ids.result(block.call_id, block.name))
        elif isinstance(block, ir.Text) and not block.text and len(turn.blocks) > 1:
            continue
        blocks.append(block)
    return msgspec.structs.replace(turn, blocks=blocks)


def _write_turn(turn: ir.Turn, where: str, dropped: list[str]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    answer, kept = turn.role == "assistant", own(turn.extra)
    kept.pop("instructions", None)

    def flush() -> None:
        if parts:
            fields = parts[0].pop("item", {})
            for part in parts[1:]:
                part.pop("item", None)
            items.append({"type": "message", "role": turn.role, "content": list(parts), **kept, **fields})
            parts.clear()

    for at_, block in enumerate(turn.blocks):
        item = write_item(block, f"{where}.content[{at_}]", dropped)
        if item is not None:
            flush()
            items.append(item)
        elif not isinstance(block, ir.Thinking | ir.ToolCall | ir.ToolResult):
            part = write_part(block, answer, f"{where}.content[{at_}]", dropped)
            if part is not None:
                if "item" in part:
                    flush()
                parts.append(part)
    flush()
    return items


def write_item(block: ir.Block, where: str, dropped: list[str]) -> dict[str, Any] | None:
    """What is an item of its own; None for parts of a message, and for thoughts that belong to nobody here."""
    match block:
        case ir.ToolCall():
            custom = block.kind == "custom"
            kind, key = ("custom_tool_call", "input") if custom else ("function_call", "arguments")
            return {
                "type": kind,
                "call_id": block.id,
                "name": block.name,
                key: block.arguments,
                **own(block.extra),
            }
        case ir.ToolResult():
            parts = [write_part(one, False, where, dropped) for one in block.content]
            output: Any = [part for part in parts if part is not None]
            if all(isinstance(one, ir.Text) for one in block.content):
                output = "\n".join(one.text for one in block.content if isinstance(one, ir.Text))
            return {
                "type": "function_call_output",
                "call_id": block.call_id,
                "output": output,
                **own(block.extra),
            }
        case ir.Thinking(family="responses"):
            summary = [{"type": "summary_text", "text": block.text}] if block.text else []
            secret = {"encrypted_content": block.signature} if block.signature else {}
            return {"type": "reasoning", "summary": summary, **own(block.extra), **secret}
        case ir.Opaque(family="responses") if block.value.get("type") not in ("input_text", "output_text"):
            return dict(block.value)
        case _:
            return None
