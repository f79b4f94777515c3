"""Oracle's Generative AI inference in the format COHEREV2, Cohere's second chat in camel case and capital letters.

https://docs.oracle.com/en-us/iaas/api/#/en/generative-ai-inference/20231130/datatypes/CohereChatRequestV2. It is what
the Command A models speak: pictures, reasoning, tools with JSON schemas, calls with ids. An answer is one message; an
event of a stream is a piece of it.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from headgate.errors import APIResponseValidationError
from headgate.wire import failures, ir
from headgate.wire.around import Around, Document, fields, left_out, rows, text_of
from headgate.wire.dialect import Target
from headgate.wire.oci import RENAMED, content_of, plain_schema, reason_of, refuse, usage_of
from headgate.wire.serving import serving

_RENAMED: Final = {**RENAMED, "max_completion_tokens": "maxTokens"}
_NATIVE: Final = frozenset(
    """citationOptions documents isRawPrompting isSearchQueriesOnly isStrictToolsEnabled priority safetyMode
    thinking""".split()
)
"""Keys that callers may give as they are called here."""
_SAID: Final = frozenset("model messages tools tool_choice stop response_format reasoning_effort".split())
_KINDS: Final = frozenset(("TEXT", "IMAGE"))
_ROLES: Final = {"developer": "SYSTEM"}
_JSON: Final = ("json_object", "json_schema")


class CohereV2(Around):
    name = "oci_cohere_v2"
    native: ClassVar[frozenset[str]] = _NATIVE

    def written(self, written: ir.Written, target: Target) -> ir.Written:
        came = written.body
        dropped = [*written.dropped, *left_out(came, _RENAMED.keys() | _NATIVE | _SAID)]
        chat: Document = {"apiFormat": "COHEREV2", "messages": _messages(came.get("messages"), dropped)}
        chat.update({name: came[key] for key, name in _RENAMED.items() if came.get(key) is not None})
        if effort := came.get("reasoning_effort"):
            chat["thinking"] = {"type": "DISABLED" if effort == "none" else "ENABLED"}
        if stop := came.get("stop"):
            chat["stopSequences"] = [stop] if isinstance(stop, str) else stop
        _write_tools(came, chat, dropped)
        format_ = fields(came.get("response_format"))
        if format_.get("type") in _JSON:
            schema = fields(format_.get("json_schema")).get("schema")
            chat["responseFormat"] = {"type": "JSON_OBJECT", **({"schema": schema} if schema else {})}
        if came.get("stream"):
            chat.update(isStream=True, streamOptions={"isIncludeUsage": True})
        chat.update({key: came[key] for key in _NATIVE if came.get(key) is not None})
        body = {"servingMode": serving(str(came.get("model") or target.model)), "chatRequest": chat}
        return ir.Written(body=body, dropped=dropped, headers=written.headers, echo=written.echo)

    def answer(self, document: Document, echo: ir.Echo | None) -> Document:
        refuse(document)
        reply = fields(document.get("chatResponse"))
        _refuse_answer(reply)
        message = reply.get("message")
        if not isinstance(message, dict):
            raise APIResponseValidationError(
                "the upstream's answer can't be read: chatResponse.message: expected an object"
            )
        said: Document = {"role": "assistant", "content": None, **_said(message)}
        if calls := [_read_call(call) for call in rows(message.get("toolCalls"))]:
            said["tool_calls"] = calls
        choice = {"index": 0, "message": said, "finish_reason": reason_of(reply.get("finishReason"))}
        made = {
            "id": reply.get("id"),
            "model": document.get("modelId"),
            "choices": [choice],
            "usage": usage_of(reply.get("usage")),
        }
        return {key: value for key, value in made.items() if value is not None}

    def pieces(self, echo: ir.Echo | None) -> Callable[[Document], Document]:
        return _Pieces().turned

    def is_opening(self, data: bytes) -> bool:
        return not any(mark in data for mark in (b'"text"', b'"thinking"', b'"toolCalls"', b'"toolPlan"'))


# --- requests --------------------------------------------------------------------------------------------


def _messages(given: Any, dropped: list[str]) -> list[Document]:
    out = []
    for index, message in enumerate(rows(given)):
        role = str(message.get("role") or "user")
        content = content_of(message.get("content"), f"messages[{index}].content", dropped, _KINDS)
        if thought := message.get("reasoning_content"):
            content.insert(0, {"type": "THINKING", "thinking": thought})
        node: Document = {"role": _ROLES.get(role, role.upper())}
        calls = [_write_call(call) for call in rows(message.get("tool_calls"))]
        if content or not calls:
            node["content"] = content
        if calls:
            node["toolCalls"] = calls
        if message.get("tool_call_id"):
            node["toolCallId"] = message["tool_call_id"]
        out.append(node)
    return out


def _write_call(call: Document) -> Document:
    inner = fields(call.get("function"))
    function = {"name": inner.get("name"), "arguments": inner.get("arguments") or "{}"}
    return {"id": call.get("id"), "type": "FUNCTION", "function": function}


def _write_tools(came: Document, chat: Document, dropped: list[str]) -> None:
    """A certain tool is forced by keeping the others from the model."""
    tools = []
    for index, tool in enumerate(rows(came.get("tools"))):
        if inner := fields(tool.get("function")):
            tools.append(_write_tool(inner))
            if inner.get("strict"):
                chat["isStrictToolsEnabled"] = True
        else:
            dropped.append(f"tools[{index}]: {tool.get('type')}")
    choice = came.get("tool_choice")
    if named := fields(fields(choice).get("function")).get("name"):
        tools = [tool for tool in tools if tool["function"]["name"] == named] or tools
    if tools:
        chat["tools"] = tools
        if named or choice in ("required", "none"):
            chat["toolsChoice"] = "NONE" if choice == "none" else "REQUIRED"


def _write_tool(inner: Document) -> Document:
    kept = {key: inner[key] for key in ("name", "description") if inner.get(key) is not None}
    schema = fields(plain_schema(inner.get("parameters")))
    return {"type": "FUNCTION", "function": {**kept, "parameters": {"type": "object", **schema}}}


# --- answers ---------------------------------------------------------------------------------------------


def _refuse_answer(reply: Document) -> None:
    if reply.get("finishReason") == "ERROR" and (message := reply.get("errorMessage")):
        raise failures.read_document({"message": message})


def _said(message: Document) -> Document:
    """What a message and a piece of one say alike. What is planned before tools are called is reasoning."""
    thoughts = [message.get("toolPlan"), *(part.get("thinking") for part in rows(message.get("content")))]
    found = {
        "reasoning_content": "".join(one for one in thoughts if isinstance(one, str)),
        "content": text_of(message.get("content")),
        "citations": message.get("citations"),
    }
    return {key: value for key, value in found.items() if value}


def _read_call(call: Document) -> Document:
    inner = fields(call.get("function"))
    function = {key: inner[key] for key in ("name", "arguments") if inner.get(key) is not None}
    return {"id": call.get("id"), "type": "function", "function": function}


class _Pieces:
    """Events of one stream. Calls come without an index: one with a new id begins. An end that repeats the whole text
    is not told again."""

    def __init__(self) -> None:
        self._text = ""
        self._ids: list[Any] = []

    def turned(self, document: Document) -> Document:
        refuse(document)
        _refuse_answer(document)
        usage = usage_of(document.get("usage"))
        made: Document = {"choices": [], **({"usage": usage} if usage else {})}
        message, ends = fields(document.get("message")), "finishReason" in document
        delta = _said(message)
        text = delta.get("content", "")
        if ends and text and text == self._text:
            del delta["content"]
        self._text += text
        if calls := rows(message.get("toolCalls")):
            delta["tool_calls"] = [self._call(call) for call in calls]
        if delta or ends:
            reason = reason_of(document.get("finishReason"))
            made["choices"] = [{"index": 0, "delta": delta, "finish_reason": reason}]
        return made

    def _call(self, call: Document) -> Document:
        named, made = call.get("id"), _read_call(call)
        if not self._ids or (named and named not in self._ids):
            self._ids.append(named)
        else:
            del made["id"]
        at = self._ids.index(named) if named in self._ids else len(self._ids) - 1
        return {"index": at, **made}
