"""An assistant's message ↔ a turn: the message of a reply, and of a conversation's history.

What is said before tools are called has a place of its own, `tool_plan`; it becomes a text that is marked as
such. Blocks stand in the order content, plan, calls, for the message has no other.
https://docs.cohere.com/docs/tool-use-usage-patterns
"""

from typing import Any

from headgate.wire import ir
from headgate.wire.cohere.citations import home, read_citation, write_citation
from headgate.wire.cohere.parts import (
    FAMILY,
    PLAN,
    kind_of,
    own,
    read_call,
    read_content,
    rest,
    write_call,
    write_part,
)
from headgate.wire.shape import at, expect, optional

_KNOWN = ("role", "content", PLAN, "tool_calls", "citations")


def planned(text: str = "") -> ir.Text:
    return ir.Text(text, extra={FAMILY: {PLAN: True}})


def read_assistant(node: dict[str, Any], where: str) -> ir.Turn:
    """Raises `Malformed`."""
    content = node.get("content")
    blocks = [] if content is None else read_content(content, at(where, "content"))
    texts = {index: block for index, block in enumerate(blocks) if isinstance(block, ir.Text)}
    said = optional(node, PLAN, str, where)
    plan = planned(said) if said else None
    if plan is not None:
        blocks.append(plan)
    calls = optional(node, "tool_calls", list, where) or []
    blocks += [read_call(call, f"{at(where, 'tool_calls')}[{index}]") for index, call in enumerate(calls)]
    turn = ir.Turn(role="assistant", blocks=blocks, flat=isinstance(content, str))
    left = _cite(optional(node, "citations", list, where) or [], texts, plan, at(where, "citations"))
    unknown = own(rest(node, *_KNOWN))
    if left or unknown:
        turn.extra = {FAMILY: {**unknown, **({"citations": left} if left else {})}}
    return turn


def _cite(
    citations: list[Any], texts: dict[int, ir.Text], plan: ir.Text | None, where: str
) -> list[dict[str, Any]]:
    """Gives each text its citations. Returns those that belong to none."""
    left: list[dict[str, Any]] = []
    for index, value in enumerate(citations):
        node = expect(value, dict, f"{where}[{index}]")
        text = home(node, texts, plan)
        if text is None:
            left.append(node)
        else:
            text.citations = [*(text.citations or ()), read_citation(node, f"{where}[{index}]")]
    return left


def is_plan(block: ir.Block) -> bool:
    return isinstance(block, ir.Text) and own(block.extra).get(PLAN) is True


def _is_sealed(block: ir.Block, native: bool) -> bool:
    """Reasoning that only its own vendor can read, or that is signed for it alone."""
    if not isinstance(block, ir.Thinking):
        return False
    return block.redacted is not None or not block.text or (block.signature is not None and not native)


def write_assistant(
    turn: ir.Turn, ids: list[str], dropped: list[str], where: str, *, native: bool
) -> dict[str, Any]:
    """The message. `ids` are those of its calls, in order. `native`: texts that stand in the content stay there,
    also beside calls; other formats' texts before calls are the plan."""
    calls = [block for block in turn.blocks if isinstance(block, ir.ToolCall)]
    content: list[dict[str, Any]] = []
    plan: list[str] = []
    citations: list[dict[str, Any]] = []
    for at_, block in enumerate(turn.blocks):
        if isinstance(block, ir.ToolCall) or _is_sealed(block, native):
            continue
        if isinstance(block, ir.Text) and (is_plan(block) or (calls and not native)):
            citations += _written(block, None, native)
            plan.append(block.text)
        elif (part := write_part(block)) is not None:
            if isinstance(block, ir.Text):
                citations += _written(block, len(content), native)
            content.append(part)
        else:
            dropped.append(f"{where}.content[{at_}]: {kind_of(block)}")
    node: dict[str, Any] = {"role": "assistant"}
    if content or not (calls or any(plan)):
        plain = turn.flat and len(content) == 1 and content[0].keys() == {"type", "text"}
        node["content"] = content[0]["text"] if plain else content or ""
    if any(plan):
        node[PLAN] = "".join(plan)
    if calls:
        node["tool_calls"] = [write_call(call, name) for call, name in zip(calls, ids, strict=True)]
    kept = own(turn.extra)
    citations += kept.get("citations", ())
    if citations:
        node["citations"] = citations
    return {**kept, **node}


def _written(block: ir.Text, index: int | None, native: bool) -> list[dict[str, Any]]:
    """In a request other vendors' citations are left out: they change nothing in the answer."""
    return [
        write_citation(citation, block.text, index)
        for citation in block.citations or ()
        if native or own(citation.extra)
    ]
