"""The built-in provider's other half: a transport that answers OpenAI's chat format itself.

    mock/echo       the last user message, word by word
    mock/stream     a longer text, paced at 20 words a second when streamed
    mock/tool       a call of the first tool that was given
    mock/error-429  an error with that status, any of 400 to 599
    mock/slow       an answer after two seconds
    any other name  as echo

`mock_response` in the body is the answer itself, or, as "litellm.RateLimitError", an error; `mock_tool_calls` are its
calls; `mock_timeout` never answers.
"""

import asyncio
import base64
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import msgspec

from headgate.errors import APIConnectionError, APIResponseValidationError, Timeout, for_status
from headgate.ports import Headers, Origin, Outgoing, Timeouts
from headgate.wire import fold, ir
from headgate.wire.dialect import Frame
from headgate.wire.openai_chat import DIALECT

WORDS_PER_SECOND: Final = 20.0
SLOW_SECONDS: Final = 2.0
MODELS: Final = ("echo", "stream", "tool", "slow", "error-429", "error-500")
_POEM: Final = (
    "This is Headgate's built-in model. It needs no key and no network, and it streams a word at a time, "
    "so that you can watch a client of yours at work before you spend a cent. Point the same client at a "
    "real model when you are ready: only the model's name changes."
)
_JSON: Final = [("content-type", "application/json")]
_EVENTS: Final = [("content-type", "text/event-stream")]
_ERRORS: Final = {
    "RateLimitError": (429, None),
    "InternalServerError": (500, None),
    "ServiceUnavailableError": (503, None),
    "ContextWindowExceededError": (400, "context_length_exceeded"),
}
"""What `mock_response` may name after "litellm.": https://docs.litellm.ai/docs/completion/mock_requests."""
_DIMENSIONS: Final = 8
_PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg=="
"""A PNG."""


class MockAnswer:
    """See ports.Incoming: pieces with the pause, in seconds, before each."""

    def __init__(
        self, status: int, headers: list[tuple[str, str]], pieces: Iterator[tuple[float, bytes]]
    ) -> None:
        self.status = status
        self.headers = Headers.of(headers)
        self._pieces = pieces
        self._aborted = False

    async def read(self, limit: int | None = None) -> bytes:
        data = b"".join([piece async for piece in self])
        if limit is not None and len(data) > limit:
            raise APIResponseValidationError(f"the mock's answer is over {limit} bytes")
        return data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for seconds, piece in self._pieces:
            if seconds:
                await asyncio.sleep(seconds)
            if self._aborted:
                raise APIConnectionError("the mock's answer was aborted")
            yield piece

    async def next(self) -> bytes:
        async for piece in self:
            return piece
        return b""

    async def relay(self, sink: Callable[[bytes], None]) -> None:
        async for piece in self:
            sink(piece)

    def pause(self) -> None:
        """Nothing is read ahead here."""

    def resume(self) -> None:
        """Nothing was paused."""

    def abort(self) -> None:
        self._aborted = True


class MockTransport:
    """See ports.Transport."""

    async def send(
        self, origin: Origin, head: bytes, body: bytes | Outgoing, timeouts: Timeouts
    ) -> MockAnswer:
        try:
            asked: dict[str, Any] = msgspec.json.decode(b"{}" if isinstance(body, Outgoing) else body)
        except msgspec.DecodeError as error:  # a number that is too large for anybody
            return _failure(400, f"the body can't be read: {error}")
        name = str(asked.get("model", ""))
        if asked.get("mock_timeout"):
            seconds = min(timeouts.first_byte or 0.0, timeouts.total or timeouts.first_byte or 0.0)
            await asyncio.sleep(seconds)
            raise Timeout(f"mock_timeout: the mock did not answer within {seconds:g} s")
        prefix, _, named = str(asked.get("mock_response", "")).partition(".")
        if prefix in ("litellm", "headgate") and named in _ERRORS:
            status, code = _ERRORS[named]
            return _failure(status, f"mock_response asked for {named}", code)
        path = head.split(b" ", 2)[1]
        if name.startswith("error-") and name[6:].isdigit() and 400 <= int(name[6:]) < 600:
            return _failure(int(name[6:]), "this model answers with an error on demand")
        if path.endswith(b"/embeddings"):
            return _embeddings(asked)
        if path.endswith(b"/images/generations"):
            return _images(asked)
        if name == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        if path.endswith(b"/completions") and not path.endswith(b"/chat/completions"):
            return _text_completion(asked)
        return _chat(asked, name)

    async def close(self) -> None:
        """Nothing is open."""


def _chat(asked: dict[str, Any], name: str) -> MockAnswer:
    reply = _reply(asked, name)
    frame = Frame(id="chatcmpl-mock", created=1_700_000_000, model=name, stream_usage=_wants_usage(asked))
    if not asked.get("stream"):
        return MockAnswer(200, _JSON, iter([(0.0, DIALECT.write_reply(reply, frame))]))
    pause = 1 / WORDS_PER_SECOND if name == "stream" else 0.0
    writer = DIALECT.stream_writer(frame)
    pieces = ((pause if isinstance(e, ir.BlockDelta) else 0.0, writer.write([e])) for e in _words(reply))
    return MockAnswer(200, _EVENTS, (row for row in pieces if row[1]))


def _reply(asked: dict[str, Any], name: str) -> ir.Reply:
    messages = asked.get("messages")
    prompt = _last_text(messages)
    text = _POEM if name == "stream" else asked.get("mock_response", prompt)
    blocks: list[ir.Block] = []
    tools = asked.get("tools")
    if calls := asked.get("mock_tool_calls"):
        blocks = [_given_call(call) for call in calls]
    elif name == "tool" and isinstance(tools, list) and tools:
        called = (
            (tools[0].get("function") or {}).get("name", "tool") if isinstance(tools[0], dict) else "tool"
        )
        blocks = [ir.ToolCall(id="call_mock_1", name=str(called), arguments="{}")]
    if not blocks or "mock_response" in asked:
        blocks.insert(0, ir.Text(text=text if isinstance(text, str) else str(text)))
    called_any = any(isinstance(block, ir.ToolCall) for block in blocks)
    finish = ir.Finish(reason="tool_calls" if called_any else "stop")
    count = asked.get("n") or 1
    output = max(1, len(str(text).split()))
    spent = (10, 20) if "mock_response" in asked else (max(1, len(prompt.split())), output)
    usage = ir.Usage(input=spent[0], output=spent[1], total=sum(spent))
    choices = [
        ir.Choice(index=index, turn=ir.Turn(role="assistant", blocks=list(blocks)), finish=finish)
        for index in range(count if isinstance(count, int) and 0 < count <= 128 else 1)
    ]
    return ir.Reply(choices=choices, usage=usage)


def _words(reply: ir.Reply) -> Iterator[ir.Event]:
    for event in fold.unfold(reply):
        if isinstance(event, ir.BlockDelta) and event.kind == "text":
            for word in _split(event.text):
                yield ir.BlockDelta(event.choice, event.index, "text", word)
        else:
            yield event


def _split(text: str) -> Iterator[str]:
    """Words with the space before them, so that the pieces make the text again."""
    start = 0
    while start < len(text):
        end = text.find(" ", start + 1)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end


def _last_text(messages: Any) -> str:
    for message in reversed(messages if isinstance(messages, list) else []):
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            return content
        if isinstance(content, list):
            texts = [str(part.get("text", "")) for part in content if isinstance(part, dict)]
            return " ".join(text for text in texts if text)
    return ""


def _given_call(call: Any) -> ir.ToolCall:
    fields = call if isinstance(call, dict) else {}
    given = fields.get("function")
    function: dict[str, Any] = given if isinstance(given, dict) else {}
    arguments = function.get("arguments", "{}")
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return ir.ToolCall(
        id=str(fields.get("id", "call_mock_1")), name=str(function.get("name", "tool")), arguments=text
    )


def _wants_usage(asked: dict[str, Any]) -> bool:
    options = asked.get("stream_options")
    return bool(isinstance(options, dict) and options.get("include_usage"))


def _text_completion(asked: dict[str, Any]) -> MockAnswer:
    """A chat answer, put into the older shape."""
    from headgate.wire.completions import DIALECT as COMPLETIONS

    name = str(asked.get("model", ""))
    frame = Frame(id="cmpl-mock", created=1_700_000_000, model=name, stream_usage=_wants_usage(asked))
    reply = _to_prompts(asked, name)
    if not asked.get("stream"):
        return MockAnswer(200, _JSON, iter([(0.0, COMPLETIONS.write_reply(reply, frame))]))
    writer = COMPLETIONS.stream_writer(frame)
    pieces = ((0.0, writer.write([event])) for event in _words(reply))
    return MockAnswer(200, _EVENTS, (row for row in pieces if row[1]))


def _to_prompts(asked: dict[str, Any], name: str) -> ir.Reply:
    """An answer to each prompt of a list."""
    given = asked.get("prompt")
    prompts = given if isinstance(given, list) and all(isinstance(one, str) for one in given) else [given]
    replies = [
        _reply({**asked, "messages": [{"role": "user", "content": one}]}, name) for one in prompts or [""]
    ]
    choices = [choice for reply in replies for choice in reply.choices]
    for index, choice in enumerate(choices):
        choice.index = index
    spent = [reply.usage for reply in replies if reply.usage is not None]
    asked_for, written = sum(one.input for one in spent), sum(one.output for one in spent)
    return ir.Reply(
        choices=choices, usage=ir.Usage(input=asked_for, output=written, total=asked_for + written)
    )


def _embeddings(asked: dict[str, Any]) -> MockAnswer:
    """A short vector that depends on the text alone: equal texts have equal vectors."""
    given = asked.get("input")
    rows = given if isinstance(given, list) else [given]
    told = asked.get("mock_response")
    vectors = [told if isinstance(told, list) else _vector(str(row)) for row in rows]
    form: Callable[[list[float]], Any] = _packed if asked.get("encoding_format") == "base64" else list
    data = [
        {"object": "embedding", "index": index, "embedding": form(vector)}
        for index, vector in enumerate(vectors)
    ]
    spent = sum(max(1, len(str(row).split())) for row in rows)
    usage = {"prompt_tokens": spent, "total_tokens": spent}
    body = {"object": "list", "data": data, "model": asked.get("model"), "usage": usage}
    return MockAnswer(200, _JSON, iter([(0.0, msgspec.json.encode(body))]))


def _images(asked: dict[str, Any]) -> MockAnswer:
    """Grey pictures of one pixel; `mock_response` is the answer, the rows of one, or a picture's address."""
    told, count = asked.get("mock_response"), asked.get("n")
    rows: Any = [{"b64_json": _PIXEL}] * (count if isinstance(count, int) and 0 < count <= 128 else 1)
    if isinstance(told, str):
        rows = [{"url": told}]
    elif told is not None:
        rows = told
    body = rows if isinstance(rows, dict) else {"created": 1_700_000_000, "data": rows}
    return MockAnswer(200, _JSON, iter([(0.0, msgspec.json.encode(body))]))


def _packed(vector: list[float]) -> str:
    """As OpenAI packs them: little-endian floats of 32 bits in base64."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _vector(text: str) -> list[float]:
    sums = [0.0] * _DIMENSIONS
    for at, byte in enumerate(text.encode("utf-8", "replace")):
        sums[(at + byte) % _DIMENSIONS] += byte
    length = sum(value * value for value in sums) ** 0.5 or 1.0
    return [value / length for value in sums]


def _failure(status: int, message: str, code: str | None = None) -> MockAnswer:
    kind = for_status(status).type
    body = {"error": {"message": message, "type": kind, "param": None, "code": code or str(status)}}
    return MockAnswer(status, _JSON, iter([(0.0, msgspec.json.encode(body))]))
