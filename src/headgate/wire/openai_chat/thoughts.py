"""A model's reasoning in messages of chat ↔ blocks.

Shown under one of `THOUGHTS`; signed by Claude in `thinking_blocks`, sealed by OpenAI's Responses in
`reasoning_items`, both as LiteLLM has them, so that a client that sends its messages back gives the vendor back what
is its own.
https://docs.litellm.ai/docs/reasoning_content, https://github.com/BerriAI/litellm/pull/24690
"""

from typing import Any, Final

from headgate.wire import ir
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.parts import PLACE, THINKER

THOUGHTS: Final = ("reasoning_content", "reasoning")
"""The two keys under which servers show a model's reasoning."""
SEALER: Final = "responses"
"""The family whose thoughts `reasoning_items` hold."""
_ITEM: Final = ("type", "encrypted_content", "account")


def read_thoughts(node: dict[str, Any]) -> list[ir.Thinking]:
    """Of a message: those that are signed or sealed, else what is shown."""
    found: list[ir.Thinking] = []
    for key, fits, read in (
        ("thinking_blocks", _is_thinking, _read_block),
        ("reasoning_items", is_item, read_item),
    ):
        listed = node.get(key)
        if isinstance(listed, list) and all(map(fits, listed)):
            found += map(read, listed)
    if found:
        return found
    for key in THOUGHTS:
        if isinstance(text := node.get(key), str) and text:
            return [ir.Thinking(text=text, extra=thought_place(key))]
    details = node.get("reasoning_details")
    text = "".join(map(thought_of, details)) if isinstance(details, list) else ""
    return [ir.Thinking(text=text)] if text else []


def thought_of(detail: Any) -> str:
    """The words of one of `reasoning_details`, which OpenRouter and MiniMax have."""
    found = (detail.get(key) for key in ("text", "summary")) if isinstance(detail, dict) else ()
    return next((text for text in found if isinstance(text, str)), "")


def thought_place(key: str) -> ir.Extra | None:
    return None if key == THOUGHTS[0] else {FAMILY: {PLACE: key}}


def _is_thinking(block: Any) -> bool:
    if not isinstance(block, dict):
        return False
    key = {"thinking": "thinking", "redacted_thinking": "data"}.get(str(block.get("type")))
    words = (block.get("signature"), block.get("family"))
    return (
        key is not None and isinstance(block.get(key), str) and all(isinstance(w, str | None) for w in words)
    )


def _read_block(block: dict[str, Any]) -> ir.Thinking:
    return ir.Thinking(
        text=block.get("thinking") or "",
        signature=block.get("signature") or None,
        redacted=block.get("data") if block["type"] == "redacted_thinking" else None,
        family=block.get("family") or THINKER,
    )


def thinking_block(block: ir.Thinking) -> dict[str, Any]:
    family = {} if block.family in (None, THINKER) else {"family": block.family}
    if block.redacted is not None:
        return {"type": "redacted_thinking", "data": block.redacted, **family}
    return {"type": "thinking", "thinking": block.text, "signature": block.signature or "", **family}


def is_item(node: Any) -> bool:
    return (
        isinstance(node, dict)
        and isinstance(node.get("encrypted_content"), str)
        and isinstance(node.get("summary", []), list | None)
        and isinstance(node.get("account", ""), str)
    )


def read_item(node: dict[str, Any]) -> ir.Thinking:
    text = "\n\n".join(map(thought_of, node.get("summary") or ()))
    kept = {key: value for key, value in node.items() if key not in _ITEM}
    if kept.get("summary") == _summary(text):
        del kept["summary"]
    return ir.Thinking(
        text=text,
        signature=node["encrypted_content"],
        family=SEALER,
        account=node.get("account", ""),
        extra={SEALER: kept} if kept else None,
    )


def reasoning_item(block: ir.Thinking) -> dict[str, Any]:
    """`account` is ours: whose key opens it."""
    kept = (block.extra or {}).get(SEALER, {})
    account = {"account": block.account} if block.account else {}
    item = {"type": "reasoning", "summary": _summary(block.text), **kept}
    return {**item, "encrypted_content": block.signature, **account}


def _summary(text: str) -> list[dict[str, Any]]:
    return [{"type": "summary_text", "text": text}] if text else []
