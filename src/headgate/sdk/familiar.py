"""What OpenAI-compatible servers name and spell in their own ways, as programs written for LiteLLM look for it.

The gateway passes such answers on as they came; who calls a function gets one shape for all providers. Works on the
decoded JSON of a choice or message, in place, and takes nothing away: what is replaced stays in
`provider_specific_fields`.
"""

from typing import Any, Final

from headgate.wire.openai_chat.fields import REASONS

_OWN: Final = "provider_specific_fields"
_WORDS: Final = frozenset(("stop", "length", "tool_calls", "content_filter", "function_call"))
"""OpenAI's finish reasons: https://platform.openai.com/docs/api-reference/chat/object"""


def message(node: dict[str, Any]) -> None:
    """`reasoning_content` where it came as `reasoning`, or among the parts of Mistral's `content`."""
    if type(node.get("content")) is list:
        _flatten(node)
    if node.get("reasoning_content") is None and isinstance(reasoning := node.get("reasoning"), str):
        node["reasoning_content"] = reasoning


def choice(node: dict[str, Any]) -> None:
    """Of a whole answer: one that calls tools ends with that."""
    last(node)
    said = node.get("message")
    if node.get("finish_reason") == "stop" and isinstance(said, dict) and said.get("tool_calls"):
        _tell(node, "tool_calls")


def calls(chunk: dict[str, Any], called: set[str]) -> None:
    """Of a stream: the same. `called` are the indexes of those that have called tools until now."""
    choices = chunk.get("choices")
    for node in choices if isinstance(choices, list) else ():
        if not isinstance(node, dict):
            continue
        delta, at = node.get("delta"), str(node.get("index"))
        if isinstance(delta, dict) and delta.get("tool_calls"):
            called.add(at)
        last(node)
        if node.get("finish_reason") == "stop" and at in called:
            _tell(node, "tool_calls")


def last(node: dict[str, Any]) -> None:
    """The finish reason in OpenAI's word, where another is known to mean the same. An empty one is none."""
    word = node.get("finish_reason")
    if not isinstance(word, str) or word in _WORDS:
        return
    reason = REASONS.get(word.lower())
    if reason in _WORDS:
        _tell(node, reason)
    elif not word:
        node["finish_reason"] = "stop" if "message" in node else None


def _tell(node: dict[str, Any], word: str) -> None:
    _keep(node, "native_finish_reason", node["finish_reason"])
    node["finish_reason"] = word


def _flatten(node: dict[str, Any]) -> None:
    """https://docs.mistral.ai/capabilities/reasoning: texts, and thinking that holds texts itself."""
    texts: dict[str, str] = {"text": "", "thinking": ""}
    for part in node["content"]:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in texts:
            return
        texts[kind] += _text(part.get(kind))
    _keep(node, "content", node["content"])
    node["content"] = texts["text"]
    if texts["thinking"]:
        node["reasoning_content"] = texts["thinking"]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""


def _keep(node: dict[str, Any], name: str, value: Any) -> None:
    own = node.get(_OWN)
    node[_OWN] = {**own, name: value} if isinstance(own, dict) else {name: value}
