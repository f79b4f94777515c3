"""What OpenAI-compatible servers name and spell in their own ways, as programs written for LiteLLM look for it.

The gateway passes such answers on as they came; who calls a function gets one shape for all providers. Works on the
decoded JSON of an answer's parts, in place, and takes nothing away: what is replaced stays in
`provider_specific_fields`. A second look changes nothing. Knows no stream: `chunks.py`.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from headgate.wire.openai_chat.calls import CUSTOM
from headgate.wire.openai_chat.fields import REASONS, read_usage, write_usage
from headgate.wire.openai_chat.thoughts import thought_of

_OWN: Final = "provider_specific_fields"
_WORDS: Final = frozenset(("stop", "length", "tool_calls", "content_filter", "function_call"))
"""OpenAI's finish reasons: https://platform.openai.com/docs/api-reference/chat/object"""

# --- the whole ---------------------------------------------------------------------------------------------


def answer(node: dict[str, Any], told: Mapping[str, Any]) -> None:
    """A whole answer, of chat or of text. `told`: `id`, `created` and `model`, for one that lacks them, and what its
    `object` is."""
    tops(node, told)
    choices = node.get("choices")
    if not isinstance(choices, list):
        choices = node["choices"] = []
    for at, one in enumerate(choices):
        if isinstance(one, dict) and type(one.get("index")) is not int:
            one["index"] = at
    if node.get("usage") is None and (counts := usage_in(node)) is not None:
        node["usage"] = counts
    if isinstance(node.get("citations"), list):
        _annotate(node, choices)


def tops(node: dict[str, Any], told: Mapping[str, Any]) -> None:
    """Some servers word chat as "text_completion", which would be another class of answer."""
    for name, value in told.items():
        if not node.get(name):
            node[name] = value
    if type(created := node["created"]) is not int:
        node["created"] = int(created) if _is_number(created) else told["created"]
    node["object"] = told["object"]


_DIGITS: Final = 15


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdigit() and len(value) <= _DIGITS
    return isinstance(value, float)


def usage_in(node: dict[str, Any]) -> dict[str, Any] | None:
    """A usage that stands elsewhere: in a choice (Moonshot, https://platform.moonshot.ai/docs/api/chat), or in
    `x_groq` (https://console.groq.com/docs/api-reference)."""
    choices = node.get("choices")
    for place in (node.get("x_groq"), *(choices if isinstance(choices, list) else ())):
        if isinstance(place, dict) and isinstance(found := place.get("usage"), dict):
            return dict(found)
    return None


_MARK: Final = re.compile(r"\[(\d{1,4})\]")


def _annotate(node: dict[str, Any], choices: list[Any]) -> None:
    """Perplexity lists its sources beside the choices, in which "[1]" means the first of them:
    https://docs.perplexity.ai/api-reference/chat-completions-post"""
    found = node.get("search_results")
    titles = {
        row["url"]: row.get("title")
        for row in (found if isinstance(found, list) else ())
        if isinstance(row, dict) and isinstance(row.get("url"), str)
    }
    for one in choices:
        said = one.get("message") if isinstance(one, dict) else None
        if not isinstance(said, dict) or said.get("annotations") or not isinstance(said.get("content"), str):
            continue
        notes = []
        for mark in _MARK.finditer(said["content"]):
            at = int(mark[1]) - 1
            url = node["citations"][at] if 0 <= at < len(node["citations"]) else None
            if isinstance(url, str):
                where = {"start_index": mark.start(), "end_index": mark.end()}
                title = titles.get(url) or ""
                notes.append({"type": "url_citation", "url_citation": {"url": url, "title": title, **where}})
        if notes:
            said["annotations"] = notes


# --- choices and messages ----------------------------------------------------------------------------------


def choice(node: dict[str, Any]) -> None:
    """Of a whole answer: one that calls tools ends with that."""
    said = node.get("message")
    if not isinstance(said, dict):
        said = node["message"] = {}
    if node.get("finish_reason") is None:
        node["finish_reason"] = ""
    last(node)
    if node.get("finish_reason") == "stop" and said.get("tool_calls"):
        tell(node, "tool_calls")


def last(node: dict[str, Any]) -> None:
    """The finish reason in OpenAI's word, where another is known to mean the same. An empty one is none."""
    word = node.get("finish_reason")
    if not isinstance(word, str) or word in _WORDS:
        return
    reason = REASONS.get(word.lower())
    if reason in _WORDS:
        tell(node, reason)
    elif not word:
        node["finish_reason"] = "stop" if "message" in node else None


def tell(node: dict[str, Any], word: str) -> None:
    """Puts OpenAI's word for why a choice ended into the place of the server's, if it gave one."""
    if node.get("finish_reason"):
        _keep(node, "native_finish_reason", node["finish_reason"])
    node["finish_reason"] = word


def message(node: dict[str, Any]) -> None:
    """Of a whole answer: `content` and `role` are always there, an empty list of calls is none."""
    node.setdefault("content", None)
    if not isinstance(node.get("role"), str):
        node["role"] = "assistant"
    if node.get("tool_calls") == []:
        node["tool_calls"] = None
    content = node["content"]
    if isinstance(content, dict):  # Cloudflare's, where a schema was asked for
        _keep(node, "content", content)
        node["content"] = _dumped(content)
    piece(node)
    if isinstance(content, str) and content[:1] == "<" and node.get("reasoning_content") is None:
        _think(node, content)


def piece(node: dict[str, Any]) -> None:
    """`reasoning_content` and `thinking_blocks`, of a message or a delta, however they came."""
    if type(node.get("content")) is list:
        _flatten(node)
    if node.get("reasoning_content") is None and isinstance(reasoning := node.get("reasoning"), str):
        node["reasoning_content"] = reasoning
    if "reasoning_details" in node:
        _details(node)


_THOUGHT: Final = re.compile(r"<(think|thinking)>(.*?)</\1>", re.DOTALL)


def _think(node: dict[str, Any], content: str) -> None:
    """Servers that leave their model's thoughts in its words."""
    if thought := _THOUGHT.match(content):
        _keep(node, "content", content)
        node["reasoning_content"], node["content"] = thought[2], content[thought.end() :]


def _flatten(node: dict[str, Any]) -> None:
    """Texts, and among them thoughts: Mistral's `thinking` that holds texts itself, and `reference`s
    (https://docs.mistral.ai/capabilities/reasoning), Databricks' signed `reasoning`
    (https://docs.databricks.com/aws/en/machine-learning/model-serving/query-reason-models)."""
    text = thoughts = ""
    signed: list[dict[str, Any]] = []
    for part in node["content"]:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            text += _text(part.get("text"))
        elif kind == "thinking":
            thoughts += _text(part.get("thinking"))
        elif kind == "reasoning":
            pieces = [one for one in _list(part.get("summary")) if isinstance(one, dict)]
            thoughts += _text(pieces)
            signed += [_block(_text(one.get("text")), one["signature"]) for one in pieces if _signature(one)]
        elif kind != "reference":
            return
    _keep(node, "content", node["content"])
    node["content"] = text
    if thoughts:
        node["reasoning_content"] = thoughts
    if signed:
        node.setdefault("thinking_blocks", signed)


_CLAUDE: Final = "anthropic-claude"


def _details(node: dict[str, Any]) -> None:
    """`reasoning_details` of OpenRouter and those like it; `thinking_blocks` are the signed ones of Claude.
    https://openrouter.ai/docs/use-cases/reasoning-tokens"""
    details = [one for one in _list(node["reasoning_details"]) if isinstance(one, dict)]
    if node.get("reasoning_content") is None and (text := "".join(map(thought_of, details))):
        node["reasoning_content"] = text
    theirs = [one for one in details if str(one.get("format")).startswith(_CLAUDE)]
    if theirs and not node.get("thinking_blocks"):
        node["thinking_blocks"] = [
            {"type": "redacted_thinking", "data": one["data"]}
            if isinstance(one.get("data"), str)
            else _block(thought_of(one), _signature(one))
            for one in theirs
        ]


def _block(text: str, signature: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": signature}


def _signature(node: dict[str, Any]) -> str:
    value = node.get("signature")
    return value if isinstance(value, str) else ""


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _keep(node: dict[str, Any], name: str, value: Any) -> None:
    own = node.get(_OWN)
    node[_OWN] = {**own, name: value} if isinstance(own, dict) else {name: value}


# --- calls of tools ----------------------------------------------------------------------------------------


def new_id() -> str:
    """For a call whose server gave it none: its result must name it, and some vendors want it unique."""
    return f"call_{uuid.uuid4().hex[:24]}"


def call(node: dict[str, Any]) -> None:
    """A whole call: `id` and `type` are always there."""
    if not isinstance(node.get("id"), str) or not node["id"]:
        node["id"] = new_id()
    if not node.get("type"):
        node["type"] = kind_of(node)


def _dumped(value: Any) -> str:
    """As LiteLLM's users know it, with spaces."""
    import json  # takes long to import, and few servers send objects

    return json.dumps(value)


def kind_of(node: dict[str, Any]) -> str:
    """Of a call: where its name is, and its `type`."""
    return CUSTOM if isinstance(node.get(CUSTOM), dict) else "function"


def function(node: dict[str, Any], none: str) -> None:
    """`arguments` are a text, also where a server has an object; `none` is that of no arguments."""
    arguments = node.get("arguments")
    if not arguments or not isinstance(arguments, str):
        node["arguments"] = none if arguments in (None, "") else _dumped(arguments)


# --- usage -------------------------------------------------------------------------------------------------

_COUNTS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
_DETAILS: Final = ("prompt_tokens_details", "completion_tokens_details")
_USUAL: Final = frozenset((*_COUNTS, *_DETAILS))


def usage(node: dict[str, Any]) -> None:
    """Counts are always there, and those of caches and thoughts under OpenAI's names, wherever a server has them: the
    table is in `wire/openai_chat/fields.py`."""
    if node.keys() <= _USUAL and all(type(node.get(name)) is int for name in _COUNTS):
        details = node.get(_DETAILS[0])
        if not isinstance(details, dict) or "cache_write_tokens" not in details:
            return  # as OpenAI has it: nothing is elsewhere
    read = read_usage(node)
    assert read is not None  # it is an object
    read.extra = None  # where the server has what
    if node.get("prompt_tokens") is None and read.total is not None:
        read.input = max(0, read.total - read.output)
    written = write_usage(read)
    for name in _COUNTS:
        if type(node.get(name)) is not int:
            node[name] = written[name]
    for name in _DETAILS:
        if (counts := written.get(name)) is not None:
            there = node.get(name)
            there = there if isinstance(there, dict) else {}
            node[name] = {**there, **{key: n for key, n in counts.items() if there.get(key) is None}}
    if isinstance(cost := node.get("cost"), dict) and isinstance(cost.get("total_cost"), int | float):
        _keep(node, "cost", cost)  # Perplexity's
        node["cost"] = cost["total_cost"]


# --- beside chat -------------------------------------------------------------------------------------------


def vectors(node: dict[str, Any], told: Mapping[str, Any]) -> None:
    """An answer of embeddings."""
    for name in ("model", "object"):
        if not node.get(name):
            node[name] = told[name]
    for at, row in enumerate(_list(node.get("data"))):
        if isinstance(row, dict):
            row.setdefault("index", at)
            row.setdefault("object", "embedding")


def pictures(node: dict[str, Any], told: Mapping[str, Any]) -> None:
    """An answer of pictures."""
    if not node.get("created"):
        node["created"] = told["created"]
    if node.get("data") is None:
        node["data"] = []


def rank(node: dict[str, Any]) -> None:
    """A result of ranking: a document is an object with its `text`."""
    if node.get("relevance_score") is None and "score" in node:
        node["relevance_score"] = node["score"]
    if isinstance(node.get("document"), str):
        node["document"] = {"text": node["document"]}
