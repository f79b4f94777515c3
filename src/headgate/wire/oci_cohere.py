"""Oracle's Generative AI inference in the format COHERE, which is Cohere's first chat in camel case; embeddings.

https://docs.oracle.com/en-us/iaas/api/#/en/generative-ai-inference/20231130/datatypes/CohereChatRequest

- The last words of the user are the `message`, what was said before is history; after results of tools it is empty.
- Tools tell their parameters by name in Python's types. Calls have no ids: ours are made of what they say.
- The last event of a stream repeats the whole text.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, ClassVar, Final

import msgspec

from headgate.errors import APIResponseValidationError
from headgate.wire import failures, ir
from headgate.wire.around import Around, Document, fields, left_out, parsed, rows, text_of
from headgate.wire.dialect import Target
from headgate.wire.oci import RENAMED, reason_of, refuse, usage_of
from headgate.wire.serving import serving

_ENCODE: Final = msgspec.json.Encoder().encode
_RENAMED: Final = {**RENAMED, "max_completion_tokens": "maxTokens"}
_NATIVE: Final = frozenset(
    """citationQuality documents isEcho isForceSingleStep isRawPrompting isSearchQueriesOnly maxInputTokens
    preambleOverride promptTruncation safetyMode""".split()
)
"""Keys that callers may give as they are called here."""
_SAID: Final = frozenset("model messages tools tool_choice stop response_format".split())
_TYPES: Final = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "List",
    "object": "Dict",
}


class Cohere(Around):
    name = "oci_cohere"
    native: ClassVar[frozenset[str]] = _NATIVE

    def written(self, written: ir.Written, target: Target) -> ir.Written:
        came = written.body
        dropped = [*written.dropped, *left_out(came, _RENAMED.keys() | _NATIVE | _SAID)]
        chat: Document = {"apiFormat": "COHERE", **_talk(rows(came.get("messages")), dropped)}
        chat.update({name: came[key] for key, name in _RENAMED.items() if came.get(key) is not None})
        chat.update({key: came[key] for key in _NATIVE if came.get(key) is not None})
        if stop := came.get("stop"):
            chat["stopSequences"] = [stop] if isinstance(stop, str) else stop
        _write_tools(came, chat, dropped)
        format_ = fields(came.get("response_format"))
        if format_.get("type") in ("json_object", "json_schema"):
            schema = fields(format_.get("json_schema")).get("schema")
            chat["responseFormat"] = {"type": "JSON_OBJECT", **({"schema": schema} if schema else {})}
        if came.get("stream"):
            chat.update(isStream=True, streamOptions={"isIncludeUsage": True})
        body = {"servingMode": serving(str(came.get("model") or target.model)), "chatRequest": chat}
        return ir.Written(body=body, dropped=dropped, headers=written.headers, echo=written.echo)

    def answer(self, document: Document, echo: ir.Echo | None) -> Document:
        refuse(document)
        reply = fields(document.get("chatResponse"))
        _refuse_answer(reply)
        if not isinstance(reply.get("text"), str) and not reply.get("toolCalls"):
            raise APIResponseValidationError(
                "the upstream's answer can't be read: chatResponse.text: expected a string"
            )
        calls = _calls(reply)
        message: Document = {"role": "assistant", "content": reply.get("text") or None}
        if calls:
            message["tool_calls"] = calls
        if reply.get("citations"):
            message["citations"] = reply["citations"]
        choice = {"index": 0, "message": message, "finish_reason": _reason(reply, bool(calls))}
        made = {"model": document.get("modelId"), "choices": [choice], "usage": usage_of(reply.get("usage"))}
        return {key: value for key, value in made.items() if value is not None}

    def pieces(self, echo: ir.Echo | None) -> Callable[[Document], Document]:
        return _Pieces().turned

    def is_opening(self, data: bytes) -> bool:
        return b'"text"' not in data and b'"toolCalls"' not in data


# --- requests --------------------------------------------------------------------------------------------


def _talk(messages: list[Document], dropped: list[str]) -> Document:
    """The message, the history, what the system says, and the results that nobody answered yet."""
    system: list[str] = []
    history: list[Document] = []
    results: list[Document] = []
    calls: dict[Any, Document] = {}
    for index, message in enumerate(messages):
        role, text = message.get("role"), text_of(message.get("content"))
        dropped += [
            f"messages[{index}].content[{at}]: {part.get('type')}"
            for at, part in enumerate(rows(message.get("content")))
            if part.get("type") not in ("text", "refusal")
        ]
        if role == "tool":
            call = calls.get(message.get("tool_call_id"), {"name": "", "parameters": {}})
            results.append({"call": call, "outputs": [_output(text)]})
            continue
        if results:
            history.append({"role": "TOOL", "toolResults": results})
            results = []
        if role in ("system", "developer"):
            if history:
                history.append({"role": "SYSTEM", "message": text})
            else:
                system.append(text)
        elif role == "assistant":
            made = {call.get("id"): _write_call(call) for call in rows(message.get("tool_calls"))}
            calls.update(made)
            told = {"toolCalls": list(made.values())} if made else {}
            history.append({"role": "CHATBOT", "message": text, **told})
        else:
            history.append({"role": "USER", "message": text})
    last = ""
    if not results and history and history[-1]["role"] == "USER":
        last = history.pop()["message"]
    talk: Document = {"message": last}
    talk.update({"preambleOverride": "\n\n".join(system)} if system else {})
    talk.update({"chatHistory": history} if history else {})
    talk.update({"toolResults": results} if results else {})
    return talk


def _write_call(call: Document) -> Document:
    inner = fields(call.get("function"))
    return {"name": inner.get("name"), "parameters": parsed(inner.get("arguments"))}


def _output(text: str) -> Document:
    """An output is an object."""
    return parsed(text) or {"output": text}


def _write_tools(came: Document, chat: Document, dropped: list[str]) -> None:
    """The model decides; who wants no tool, or a certain one, has the others kept from it."""
    tools = []
    for index, tool in enumerate(rows(came.get("tools"))):
        if inner := fields(tool.get("function")):
            tools.append(_write_tool(inner))
        else:
            dropped.append(f"tools[{index}]: {tool.get('type')}")
    choice = came.get("tool_choice")
    named = fields(fields(choice).get("function")).get("name")
    if choice == "required" or named:
        dropped.append("tool_choice")
    if named:
        tools = [tool for tool in tools if tool["name"] == named] or tools
    if tools and choice != "none":
        chat["tools"] = tools


def _write_tool(inner: Document) -> Document:
    schema = fields(inner.get("parameters"))
    needed = schema.get("required")
    needed = needed if isinstance(needed, list) else []
    definitions = {}
    for name, value in fields(schema.get("properties")).items():
        kind = fields(value).get("type")
        definitions[name] = {
            "type": _TYPES.get(kind, "str") if isinstance(kind, str) else "str",
            "description": str(fields(value).get("description") or ""),
            "isRequired": name in needed,
        }
    words = str(inner.get("description") or "")
    return {"name": inner.get("name"), "description": words, "parameterDefinitions": definitions}


# --- answers ---------------------------------------------------------------------------------------------


def _refuse_answer(reply: Document) -> None:
    if reply.get("finishReason") == "ERROR" and (message := reply.get("errorMessage")):
        raise failures.read_document({"message": message})


def _reason(reply: Document, called: bool) -> str | None:
    reason = reason_of(reply.get("finishReason"))
    return "tool_calls" if called and reason == "stop" else reason


def _calls(reply: Document) -> list[Document]:
    calls = []
    for at, call in enumerate(rows(reply.get("toolCalls"))):
        arguments = _ENCODE(fields(call.get("parameters"))).decode()
        digest = blake2b(_ENCODE([at, call]), digest_size=8).hexdigest()
        function = {"name": call.get("name"), "arguments": arguments}
        calls.append({"id": f"call_{digest}", "type": "function", "function": function})
    return calls


class _Pieces:
    """Events of one stream: what was told isn't told again at its end."""

    def __init__(self) -> None:
        self._told = False
        self._called = False

    def turned(self, document: Document) -> Document:
        refuse(document)
        _refuse_answer(document)
        ends = "finishReason" in document
        delta: Document = {}
        if (text := document.get("text")) and not (ends and self._told):
            delta["content"] = text
            self._told = True
        if not self._called and (calls := _calls(document)):
            delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
            self._called = True
        usage = usage_of(document.get("usage"))
        made: Document = {"choices": [], **({"usage": usage} if usage else {})}
        if delta or ends:
            reason = _reason(document, self._called) if ends else None
            made["choices"] = [{"index": 0, "delta": delta, "finish_reason": reason}]
        return made


# --- embeddings ------------------------------------------------------------------------------------------

_PURPOSES: Final = {"query": "SEARCH_QUERY", "document": "SEARCH_DOCUMENT", "passage": "SEARCH_DOCUMENT"}


class Embeddings(Around):
    """https://docs.oracle.com/en-us/iaas/api/#/en/generative-ai-inference/20231130/EmbedTextResult/EmbedText"""

    name = "oci_embeddings"

    def written(self, written: ir.Written, target: Target) -> ir.Written:
        came = written.body
        text, kind = came.get("input"), came.get("input_type")
        body: Document = {
            "servingMode": serving(str(came.get("model") or target.model)),
            "inputs": [text] if isinstance(text, str) else text,
        }
        if isinstance(kind, str):
            body["inputType"] = _PURPOSES.get(kind, kind.upper())
        if came.get("dimensions") is not None:
            body["outputDimensions"] = came["dimensions"]
        body.update({key: came[key] for key in ("truncate", "isEcho") if came.get(key) is not None})
        known = {"model", "input", "input_type", "dimensions", "encoding_format", "truncate", "isEcho"}
        return ir.Written(body=body, dropped=[*written.dropped, *left_out(came, known)], echo=written.echo)

    def answer(self, document: Document, echo: ir.Echo | None) -> Document:
        refuse(document)
        vectors, counts = document.get("embeddings"), document.get("inputTextTokenCounts")
        if not isinstance(vectors, list):
            raise APIResponseValidationError(
                "the upstream's answer can't be read: embeddings: expected an array"
            )
        made: Document = {
            "object": "list",
            "model": document.get("modelId"),
            "data": [
                {"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(vectors)
            ],
        }
        usage = usage_of(document.get("usage"))
        if not usage and isinstance(counts, list) and all(isinstance(count, int) for count in counts):
            usage = {"prompt_tokens": sum(counts), "total_tokens": sum(counts)}
        return {**made, "usage": usage} if usage else made
