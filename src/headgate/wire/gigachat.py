"""Sber's chat and embeddings: OpenAI's as they were before tools, one function call in a turn.

https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-chat

- The arguments of a call are an object both ways, the results of a function JSON in a text.
- Calls that were made at once are told one after the other, each before its result.
- A call has no id but the answer's `functions_state_id`, which is wanted back: ours is that one, and who gives it
  back gives it to the model.
- Only the first message may be the system's; later ones speak as the user.
- A schema becomes a function that must be called, whose arguments are the answer.
- Pictures and documents are named by their ids in the storage of files. A message holds one picture: those before it
  get messages of their own.
- Cached tokens are counted beside `prompt_tokens`.
"""

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, ClassVar, Final

import msgspec

from headgate.wire import failures, ir
from headgate.wire.around import Around, Document, fields, left_out, parsed, rows, text_of
from headgate.wire.dialect import Target

_ENCODE: Final = msgspec.json.Encoder().encode
_STATE: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_KEYS: Final = frozenset("model function_call functions max_tokens n stream temperature top_p".split())
_NATIVE: Final = frozenset("flags profanity_check repetition_penalty storage update_interval".split())
_SAID: Final = frozenset(
    "messages tools tool_choice max_completion_tokens reasoning_effort response_format".split()
)
_EFFORTS: Final = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_REASONS: Final = {"function_call": "tool_calls", "blacklist": "content_filter"}
_NO_PARAMETERS: Final[Document] = {"type": "object", "properties": {}}


class Chat(Around):
    name = "gigachat_chat"
    native: ClassVar[frozenset[str]] = _NATIVE

    def written(self, written: ir.Written, target: Target) -> ir.Written:
        came = written.body
        dropped = [*written.dropped, *left_out(came, _KEYS | _NATIVE | _SAID)]
        sent = _KEYS | _NATIVE
        body: Document = {key: value for key, value in came.items() if key in sent and value is not None}
        body["messages"] = _messages(rows(came.get("messages")), dropped)
        if came.get("max_completion_tokens") is not None:
            body["max_tokens"] = came["max_completion_tokens"]
        if body.get("temperature") == 0:  # refused; the likeliest token is asked for in another way
            del body["temperature"]
            body["top_p"] = 0
        if effort := _EFFORTS.get(str(came.get("reasoning_effort"))):
            body["reasoning_effort"] = effort
        _write_tools(came, body, dropped)
        json_tool = _write_schema(fields(came.get("response_format")), body, dropped)
        echo = written.echo
        if json_tool:
            echo = ir.Echo(tool_names=echo.tool_names if echo else {}, json_tool=json_tool)
        return ir.Written(body=body, dropped=dropped, headers=written.headers, echo=echo)

    def answer(self, document: Document, echo: ir.Echo | None) -> Document:
        _refuse(document)
        return _turned(document, "message", echo)

    def pieces(self, echo: ir.Echo | None) -> Callable[[Document], Document]:
        def piece(document: Document) -> Document:
            _refuse(document)
            return _turned(document, "delta", echo)

        return piece


def _refuse(document: Document) -> None:
    """An error is `{status, message}`, also under status 200 or inside a stream."""
    if "choices" not in document and "message" in document:
        status = document.get("status")
        raise failures.read_document(document, status if isinstance(status, int) else 200)


# --- requests --------------------------------------------------------------------------------------------


def _messages(given: list[Document], dropped: list[str]) -> list[Document]:
    out: list[Document] = []
    results = {one.get("tool_call_id"): one for one in given if one.get("role") == "tool"}
    names: dict[Any, str] = {}
    for index, message in enumerate(given):
        role = message.get("role")
        calls = rows(message.get("tool_calls"))
        if role == "tool":
            if message.get("tool_call_id") not in names:
                out.append(_result(message, str(message.get("name") or "")))
        elif calls:
            for at, call in enumerate(calls):
                made = _call(message if at == 0 else {}, call)
                names[call.get("id")] = made["function_call"]["name"]
                out.append(made)
                if (result := results.get(call.get("id"))) is not None:
                    out.append(_result(result, names[call.get("id")]))
        else:
            _plain(message, f"messages[{index}].content", out, dropped)
    return out


def _plain(message: Document, where: str, out: list[Document], dropped: list[str]) -> None:
    role = message.get("role")
    content = message.get("content")
    given = message.get("attachments")
    attached = [one for one in given if isinstance(one, str)] if isinstance(given, list) else []
    pictures: list[str] = []
    for at, part in enumerate(rows(content)):
        if file_id := _file_id(part):
            (pictures if "image_url" in part else attached).append(file_id)
        elif part.get("type") not in ("text", "refusal"):
            dropped.append(f"{where}[{at}]: {part.get('type')}")
    node: Document = {"role": role, "content": text_of(content)}
    if role in ("system", "developer"):
        if out and all(one["role"] == "system" for one in out):
            out[0]["content"] += "\n\n" + node["content"]
            return
        node["role"] = "user" if out else "system"
    out += [{"role": role, "content": "", "attachments": [one]} for one in pictures[:-1]]
    if attached := [*attached, *pictures[-1:]]:
        node["attachments"] = attached
    if role == "function":
        node.update(name=message.get("name"), content=_as_json(node["content"]))
    if message.get("function_call"):
        inner = fields(message["function_call"])
        node["function_call"] = {"name": inner.get("name"), "arguments": parsed(inner.get("arguments"))}
    if message.get("functions_state_id"):
        node["functions_state_id"] = message["functions_state_id"]
    out.append(node)


def _file_id(part: Document) -> str:
    """Of what was uploaded before, "" for what was not."""
    found = fields(part.get("file")).get("file_id") or fields(part.get("image_url")).get("url")
    return found if isinstance(found, str) and ":" not in found else ""


def _call(message: Document, call: Document) -> Document:
    inner = fields(call.get("function")) or fields(call.get("custom"))
    arguments = parsed(inner.get("arguments")) if "arguments" in inner else {"input": inner.get("input")}
    node: Document = {
        "role": "assistant",
        "content": text_of(message.get("content")),
        "function_call": {"name": str(inner.get("name") or ""), "arguments": arguments},
    }
    state = message.get("functions_state_id") or call.get("id")
    if isinstance(state, str) and _STATE.fullmatch(state):
        node["functions_state_id"] = state
    return node


def _result(message: Document, name: str) -> Document:
    return {"role": "function", "name": name, "content": _as_json(text_of(message.get("content")))}


def _as_json(text: str) -> str:
    """The text where it is a JSON object, else one that holds it."""
    try:
        if isinstance(msgspec.json.decode(text), dict):
            return text
    except (msgspec.DecodeError, ValueError, RecursionError):
        pass  # a plain text is no mistake
    return _ENCODE({"result": text}).decode()


def _write_tools(came: Document, body: Document, dropped: list[str]) -> None:
    functions = []
    for index, tool in enumerate(rows(came.get("tools"))):
        inner = fields(tool.get("function"))
        if not inner:
            dropped.append(f"tools[{index}]: {tool.get('type')}")
            continue
        kept = {key: value for key, value in inner.items() if key != "strict" and value is not None}
        functions.append({**kept, "parameters": kept.get("parameters") or _NO_PARAMETERS})
    if functions:
        body["functions"] = functions
    choice = came.get("tool_choice")
    if choice in ("auto", "none") and functions:
        body["function_call"] = choice
    elif choice == "required" and len(functions) == 1:
        body["function_call"] = {"name": functions[0].get("name")}
    elif choice == "required":
        dropped.append("tool_choice")
    elif name := fields(fields(choice).get("function")).get("name"):
        body["function_call"] = {"name": name}


def _write_schema(format_: Document, body: Document, dropped: list[str]) -> str:
    """The name of the function that stands in for a schema, "" where there is none."""
    inner = fields(format_.get("json_schema"))
    schema = fields(inner.get("schema"))
    if not format_ or format_.get("type") == "text":
        return ""
    if not schema or body.get("functions"):
        dropped.append("response_format")
        return ""
    name = str(inner.get("name") or "answer")
    words = {"description": inner["description"]} if inner.get("description") else {}
    body["functions"] = [{"name": name, **words, "parameters": schema}]
    body["function_call"] = {"name": name}
    return name


# --- answers ---------------------------------------------------------------------------------------------


def _turned(document: Document, key: str, echo: ir.Echo | None) -> Document:
    """`key` is what a choice holds: a message, or a delta of one."""
    json_tool = echo.json_tool if echo is not None else None
    made = {**document}
    if isinstance(document.get("choices"), list):
        made["choices"] = [
            _choice(one, key, json_tool) if isinstance(one, dict) else one for one in document["choices"]
        ]
    if isinstance(usage := document.get("usage"), dict):
        made["usage"] = _usage(usage)
    return made


def _choice(choice: Document, key: str, json_tool: str | None) -> Document:
    reason = choice.get("finish_reason")
    if isinstance(reason, str):
        asked = json_tool is not None and reason == "function_call"
        reason = "stop" if asked else _REASONS.get(reason, reason)
    made = {**choice, "finish_reason": reason}
    message = choice.get(key)
    call = fields(message).get("function_call")
    if not isinstance(message, dict) or not isinstance(call, dict):
        return made
    arguments = call.get("arguments")
    text = arguments if isinstance(arguments, str) else _ENCODE(arguments or {}).decode()
    held = {name: value for name, value in message.items() if name != "function_call"}
    if json_tool is not None and call.get("name") == json_tool:
        held["content"] = text
    else:
        function = {"name": call.get("name"), "arguments": text}
        made_id = message.get("functions_state_id") or _id(call)
        held["tool_calls"] = [{"index": 0, "id": made_id, "type": "function", "function": function}]
        if key == "message":
            del held["tool_calls"][0]["index"]
    return {**made, key: held}


def _id(call: Document) -> str:
    return f"call_{blake2b(_ENCODE(call), digest_size=8).hexdigest()}"


def _usage(usage: Document) -> Document:
    cached, prompt = usage.get("precached_prompt_tokens"), usage.get("prompt_tokens")
    if not isinstance(cached, int) or not isinstance(prompt, int):
        return usage
    counts = {key: value for key, value in usage.items() if key != "precached_prompt_tokens"}
    if isinstance(total := counts.get("total_tokens"), int):
        counts["total_tokens"] = total + cached
    return {
        **counts,
        "prompt_tokens": prompt + cached,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


# --- embeddings ------------------------------------------------------------------------------------------


class Embeddings(Around):
    """Each vector has a usage of its own. https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-embeddings"""

    name = "gigachat_embeddings"

    def written(self, written: ir.Written, target: Target) -> ir.Written:
        came = written.body
        body: Document = {key: came[key] for key in ("model", "input") if key in came}
        if isinstance(body.get("input"), str):
            body["input"] = [body["input"]]
        dropped = [*written.dropped, *left_out(came, {*body, "encoding_format"})]
        return ir.Written(body=body, dropped=dropped, echo=written.echo)

    def answer(self, document: Document, echo: ir.Echo | None) -> Document:
        if "data" not in document and "message" in document:
            raise failures.read_document(document)
        counts = [fields(row.get("usage")).get("prompt_tokens") for row in rows(document.get("data"))]
        if "usage" in document or not counts or not all(isinstance(count, int) for count in counts):
            return document
        total = sum(count for count in counts if isinstance(count, int))
        return {**document, "usage": {"prompt_tokens": total, "total_tokens": total}}
