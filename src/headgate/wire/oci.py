"""Oracle's Generative AI inference, chat in the format GENERIC: OpenAI's in camel case and capital letters.

https://docs.oracle.com/en-us/iaas/api/#/en/generative-ai-inference/20231130/ChatResult/Chat. The model stands in the
body's `servingMode`; an endpoint of one's own is named by its OCID. A piece of a call in a stream has no index: one
with an id begins a call.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

import msgspec

from headgate.wire import failures, ir
from headgate.wire.around import Around, Document, fields, left_out, rows, text_of
from headgate.wire.dialect import Target
from headgate.wire.serving import serving

RENAMED: Final = {
    "max_tokens": "maxTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
}
"""Of all its formats."""
_RENAMED: Final = {
    **RENAMED,
    "n": "numGenerations",
    "logit_bias": "logitBias",
    "parallel_tool_calls": "isParallelToolCalls",
    "metadata": "metadata",
    "prediction": "prediction",
    "webSearchOptions": "webSearchOptions",
    "isEcho": "isEcho",
}
_REASONING: Final = "openai."
"""Whose models know the newer name of the limit."""
_CAPITALS: Final = {
    "reasoning_effort": "reasoningEffort",
    "verbosity": "verbosity",
    "service_tier": "serviceTier",
}
_SAID: Final = frozenset(
    "model messages tools tool_choice max_completion_tokens stop response_format logprobs top_logprobs".split()
)
_KNOWN: Final = _RENAMED.keys() | _CAPITALS.keys() | _SAID
_COUNTS: Final = {
    "promptTokens": "prompt_tokens",
    "completionTokens": "completion_tokens",
    "totalTokens": "total_tokens",
}
KINDS: Final = frozenset(("TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT"))
REASONS: Final[Mapping[str, str]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "USER_CANCEL": "stop",
    "ERROR": "error",
    "ERROR_LIMIT": "length",
    "ERROR_TOXIC": "content_filter",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
"""Others are OpenAI's words, in small letters or capitals."""


def reason_of(raw: Any) -> str | None:
    return REASONS.get(raw, raw.lower()) if isinstance(raw, str) and raw else None


def refuse(document: Document) -> None:
    """An error is `{code, message}`, also under status 200 or inside a stream."""
    if "message" in document and "code" in document:
        raise failures.read_document(document)


class Generic(Around):
    name = "oci_generic"
    native: ClassVar[frozenset[str]] = frozenset({"isEcho", "webSearchOptions"})

    def written(self, written: ir.Written, target: Target) -> ir.Written:
        came = written.body
        dropped = [*written.dropped, *left_out(came, _KNOWN)]
        chat: Document = {"apiFormat": "GENERIC", "messages": _messages(came.get("messages"), dropped)}
        chat.update(
            {name: came[key] for key, name in _RENAMED.items() if came.get(key) is not None},
        )
        chat.update({name: _capital(came[key]) for key, name in _CAPITALS.items() if came.get(key)})
        if (limit := came.get("max_completion_tokens")) is not None:
            chat["maxCompletionTokens" if target.model.startswith(_REASONING) else "maxTokens"] = limit
        if stop := came.get("stop"):
            chat["stop"] = [stop] if isinstance(stop, str) else stop
        if came.get("logprobs"):
            chat["logProbs"] = came.get("top_logprobs") or 1
        _write_tools(came, chat, dropped)
        if format_ := fields(came.get("response_format")):
            chat["responseFormat"] = _format(format_)
        if came.get("stream"):
            chat.update(isStream=True, streamOptions={"isIncludeUsage": True})
        body = {"servingMode": serving(str(came.get("model") or target.model)), "chatRequest": chat}
        return ir.Written(body=body, dropped=dropped, headers=written.headers, echo=written.echo)

    def answer(self, document: Document, echo: ir.Echo | None) -> Document:
        refuse(document)
        reply = fields(document.get("chatResponse"))
        choices = reply.get("choices")
        made: Document = {
            "model": document.get("modelId"),
            "created": _created(reply.get("timeCreated")),
            "choices": [_choice(one) for one in rows(choices)] if isinstance(choices, list) else choices,
            "usage": usage_of(reply.get("usage")),
        }
        if isinstance(tier := reply.get("serviceTier"), str):
            made["service_tier"] = tier.lower()
        return {key: value for key, value in made.items() if value is not None}

    def pieces(self, echo: ir.Echo | None) -> Callable[[Document], Document]:
        return Pieces().turned

    def is_opening(self, data: bytes) -> bool:
        return b'"text"' not in data and b'"toolCalls"' not in data and b'"reasoningContent"' not in data


# --- requests --------------------------------------------------------------------------------------------


def _messages(given: Any, dropped: list[str]) -> list[Document]:
    out = []
    for index, message in enumerate(rows(given)):
        node: Document = {"role": str(message.get("role") or "user").upper()}
        content = content_of(message.get("content"), f"messages[{index}].content", dropped)
        calls = [_write_call(call) for call in rows(message.get("tool_calls"))]
        if content or not calls:
            node["content"] = content
        if calls:
            node["toolCalls"] = calls
        for key, name in (("tool_call_id", "toolCallId"), ("name", "name")):
            if message.get(key):
                node[name] = message[key]
        out.append(node)
    return out


def content_of(content: Any, where: str, dropped: list[str], kinds: frozenset[str] = KINDS) -> list[Document]:
    """The parts, as far as they are of these kinds."""
    if isinstance(content, str):
        return [{"type": "TEXT", "text": content}]
    parts = []
    for at, part in enumerate(rows(content)):
        text = part.get("text", part.get("refusal"))
        made = {"type": "TEXT", "text": text} if isinstance(text, str) else _medium(part)
        if made is None or made["type"] not in kinds:
            dropped.append(f"{where}[{at}]: {part.get('type')}")
        else:
            parts.append(made)
    return parts


def _medium(part: Document) -> Document | None:
    """Of each kind an object with an address, which may be a data URI. None for what has no form here."""
    kind = part.get("type")
    inner = fields(part.get(kind)) if isinstance(kind, str) else {}
    if kind in ("image_url", "video_url") and inner:
        word = kind.removesuffix("_url")
        detail = {"detail": _capital(inner["detail"])} if inner.get("detail") else {}
        return {"type": word.upper(), f"{word}Url": {"url": inner.get("url"), **detail}}
    if kind == "input_audio" and inner:
        url = f"data:audio/{inner.get('format') or 'wav'};base64,{inner.get('data')}"
        return {"type": "AUDIO", "audioUrl": {"url": url}}
    if kind == "file" and inner.get("file_data"):
        return {"type": "DOCUMENT", "documentUrl": {"url": inner["file_data"]}}
    return None


def _capital(word: Any) -> str:
    """Beyond "high" there is nothing."""
    return "HIGH" if word in ("xhigh", "max") else str(word).upper()


def _write_call(call: Document) -> Document:
    inner = fields(call.get("function"))
    arguments = inner.get("arguments") or "{}"
    return {"id": call.get("id"), "type": "FUNCTION", "name": inner.get("name"), "arguments": arguments}


def _write_tools(came: Document, chat: Document, dropped: list[str]) -> None:
    tools = []
    for index, tool in enumerate(rows(came.get("tools"))):
        inner = fields(tool.get("function"))
        if inner:
            wanted = ("name", "description", "parameters")
            kept = {key: inner[key] for key in wanted if inner.get(key) is not None}
            if "parameters" in kept:
                kept["parameters"] = plain_schema(kept["parameters"])
            tools.append({"type": "FUNCTION", **kept})
        else:
            dropped.append(f"tools[{index}]: {tool.get('type')}")
    if tools:
        chat["tools"] = tools
    choice = came.get("tool_choice")
    if isinstance(choice, str) and tools:
        chat["toolChoice"] = {"type": choice.upper()}
    elif name := fields(fields(choice).get("function")).get("name"):
        chat["toolChoice"] = {"type": "FUNCTION", "name": name}


def _format(given: Document) -> Document:
    made: Document = {"type": str(given.get("type") or "text").upper()}
    if inner := fields(given.get("json_schema")):
        schema = {"name": inner.get("name") or "response", "description": inner.get("description")}
        schema.update(schema=plain_schema(inner.get("schema")), isStrict=inner.get("strict"))
        made["jsonSchema"] = {key: value for key, value in schema.items() if value is not None}
    return made


def plain_schema(schema: Any) -> Any:
    """A schema without references and alternatives, which are refused: a definition stands where it is named, of
    alternatives the first that is not null. What refers to itself, or grows too large, ends as any object."""
    return _Plain(fields(schema)).node(schema, ())


class _Plain:
    """`left` bounds how much a small schema may become by naming definitions within definitions."""

    def __init__(self, root: Document) -> None:
        self._root = root
        self._left = 20_000

    def node(self, node: Any, within: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [self.node(one, within) for one in node]
        if not isinstance(node, dict):
            return node
        self._left -= 1
        if isinstance(name := node.get("$ref"), str):
            found = _definition(self._root, name)
            if name in within or found is None or self._left < 0:
                return {"type": "object"}
            beside = {key: node[key] for key in node if key != "$ref"}
            return self.node({**found, **beside}, (*within, name))
        if branches := rows(node.get("anyOf")):
            chosen = next((one for one in branches if one.get("type") != "null"), branches[0])
            return self.node({**{key: node[key] for key in node if key != "anyOf"}, **chosen}, within)
        return {key: self._value(key, value, within) for key, value in node.items() if _stays(key, value)}

    def _value(self, key: str, value: Any, within: tuple[str, ...]) -> Any:
        """The names of properties are no keywords."""
        if key == "properties" and isinstance(value, dict):
            return {name: self.node(one, within) for name, one in value.items()}
        return self.node(value, within)


def _stays(key: str, value: Any) -> bool:
    return key not in ("$defs", "definitions", "title") and not (key == "default" and value is None)


def _definition(root: Document, name: str) -> Document | None:
    place: Any = root
    for step in name.removeprefix("#/").split("/"):
        place = fields(place).get(step)
    return place if isinstance(place, dict) else None


# --- answers ---------------------------------------------------------------------------------------------


class Pieces:
    """Events of one stream. It counts the calls of each choice, which come without an index."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}

    def turned(self, document: Document) -> Document:
        refuse(document)
        usage = usage_of(document.get("usage"))
        index = found if isinstance(found := document.get("index"), int) else 0
        made: Document = {"choices": [], **({"usage": usage} if usage else {})}
        if "message" in document or "finishReason" in document:
            message = fields(document.get("message"))
            delta = _message(message)
            if calls := rows(message.get("toolCalls")):
                delta["tool_calls"] = [self._call(call, index) for call in calls]
            choice = {
                "index": index,
                "delta": delta,
                "finish_reason": reason_of(document.get("finishReason")),
            }
            if logprobs := _logprobs(document.get("logprobs")):
                choice["logprobs"] = logprobs
            made["choices"] = [choice]
        return made

    def _call(self, call: Document, choice: int) -> Document:
        if call.get("id") or choice not in self._calls:
            self._calls[choice] = self._calls.get(choice, -1) + 1
        made = {**_read_call(call), "index": self._calls[choice]}
        return {key: value for key, value in made.items() if value is not None}


def _choice(choice: Document) -> Document:
    message = fields(choice.get("message"))
    made: Document = {
        "index": choice.get("index", 0),
        "message": {"role": "assistant", "content": None, **_message(message)},
        "finish_reason": reason_of(choice.get("finishReason")),
    }
    if calls := rows(message.get("toolCalls")):
        made["message"]["tool_calls"] = [_read_call(call) for call in calls]
    if logprobs := _logprobs(choice.get("logprobs")):
        made["logprobs"] = logprobs
    return made


def _message(message: Document) -> Document:
    """What a message and a delta say alike."""
    found = {
        "content": text_of(message.get("content")),
        "reasoning_content": message.get("reasoningContent"),
        "refusal": message.get("refusal"),
        "annotations": message.get("annotations"),
    }
    return {key: value for key, value in found.items() if value}


def _read_call(call: Document) -> Document:
    function = {key: call[key] for key in ("name", "arguments") if call.get(key) is not None}
    return {"id": call.get("id"), "type": "function", "function": function}


def usage_of(usage: Any) -> Document | None:
    if not isinstance(usage, dict):
        return None
    made: Document = {name: usage[key] for key, name in _COUNTS.items() if isinstance(usage.get(key), int)}
    for key, name, inner, count in (
        ("promptTokensDetails", "prompt_tokens_details", "cachedTokens", "cached_tokens"),
        ("completionTokensDetails", "completion_tokens_details", "reasoningTokens", "reasoning_tokens"),
    ):
        if isinstance(found := fields(usage.get(key)).get(inner), int):
            made[name] = {count: found}
    return made


def _logprobs(node: Any) -> Document | None:
    """`{tokens, tokenLogprobs, topLogprobs: [{token: logprob}]}`, lists of one length."""
    found = fields(node)
    tokens, numbers = found.get("tokens"), found.get("tokenLogprobs")
    if not isinstance(tokens, list) or not isinstance(numbers, list):
        return None
    tops = found.get("topLogprobs")
    tops = tops if isinstance(tops, list) else []
    content: list[Document] = []
    for at, (token, number) in enumerate(zip(tokens, numbers, strict=False)):
        top = fields(tops[at]) if at < len(tops) else {}
        likely = [{"token": word, "logprob": _number(value)} for word, value in top.items()]
        content.append({"token": token, "logprob": number, "top_logprobs": likely})
    return {"content": content}


def _number(value: Any) -> Any:
    """Oracle's own client has these as texts. What is no number is the inner reader's to refuse."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _created(text: Any) -> int | None:
    try:
        return int(msgspec.convert(text, datetime).timestamp()) if isinstance(text, str) else None
    except (msgspec.ValidationError, ValueError, OverflowError):
        return None  # a moment that nobody is billed by
