"""A chat stream → events. https://platform.openai.com/docs/api-reference/chat-streaming

The format has no blocks: text, reasoning and refusal end where another begins, tool calls are told apart by
`index` and may be interleaved, so they end with their choice. Servers differ in much else (a role in every
delta, usage in one of four places, no `[DONE]`, an error as an event or instead of a stream); what they add
is gathered as extra fields, each told when it is new.
"""

from typing import Any, Final

import msgspec

from headgate.errors import APIConnectionError, APIError, APIResponseValidationError, HeadgateError
from headgate.wire import failures, ir, sse
from headgate.wire.openai_chat.deltas import Choice
from headgate.wire.openai_chat.fields import read_finish, read_logprobs, read_usage
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.reply import failure_in, read_reply
from headgate.wire.whole import Whole, events_of

_DECODE: Final = msgspec.json.Decoder().decode

_TOP: Final = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "x_groq", "obfuscation", "p"}
)  # fmt: skip
"""Keys of a chunk that are read, or say nothing: padding against guessing by length."""

_CHOICE: Final = frozenset(
    {"index", "delta", "message", "text", "finish_reason", "logprobs", "usage", "error"}
)

_CUT: Final = "the upstream ended the stream before the answer was complete"


class StreamReader:
    """See dialect.StreamReader. Names in `echo` are given back to tool calls."""

    def __init__(self, echo: ir.Echo | None = None) -> None:
        self._names = echo.tool_names if echo is not None else {}
        self._echo = echo
        self._sse = sse.Decoder()
        self._choices: dict[int, Choice] = {}
        self._started = False
        self._over = False
        self._whole = Whole()
        self._told: dict[str, Any] = {}
        self._held: dict[str, Any] = {}
        self._tier: Any = None

    def feed(self, data: bytes) -> list[ir.Event]:
        if self._whole.maybe and self._whole.takes(data):
            return []
        out: list[ir.Event] = []
        self._take(self._sse.feed(data), out)
        return out

    def close(self) -> list[ir.Event]:
        if (body := self._whole.body()) is not None:
            self._over = True
            return events_of(body, lambda body: read_reply(body, self._echo), _no_answer)
        out: list[ir.Event] = []
        self._take(self._sse.close(), out)
        if not self._over:
            choices = self._choices.values()
            if choices and all(choice.ended for choice in choices):
                self._end(out)
            else:
                self._fail(APIConnectionError(_CUT), out)
        return out

    def _take(self, rows: list[tuple[str, bytes]], out: list[ir.Event]) -> None:
        for name, data in rows:
            if self._over:
                return
            if data.startswith(b"[DONE]"):
                self._end(out)
                return
            if not data.strip():
                continue
            try:
                chunk = _DECODE(data)
            except (msgspec.DecodeError, ValueError, RecursionError):
                chunk = None
            if name == "error" and chunk is not None:
                self._fail(failures.read_document(chunk), out)
            elif isinstance(chunk, dict):
                self._chunk(chunk, out)
            else:
                shown = data[:80].decode("utf-8", "replace")
                problem = f"a piece of the upstream's stream is no JSON object: {shown!r}"
                self._fail(APIResponseValidationError(problem), out)

    def _chunk(self, chunk: dict[str, Any], out: list[ir.Event]) -> None:
        if (failure := failure_of(chunk)) is not None:
            self._fail(failure, out)
            return
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            choices = ()
        if not (self._started and chunk.keys() <= _TOP):
            self._tops(chunk, bool(choices), out)
        usage = chunk.get("usage")
        for value in choices:
            if isinstance(value, dict) and not self._over:
                usage = usage or value.get("usage")
                self._choice(value, out)
        if usage is None and isinstance(groq := chunk.get("x_groq"), dict):
            usage = groq.get("usage")
        if usage is not None and not self._over and (known := read_usage(usage, self._tier)) is not None:
            self._begin({}, out)
            out.append(ir.UsageUpdate(known))

    def _tops(self, chunk: dict[str, Any], begins: bool, out: list[ir.Event]) -> None:
        """Extra fields of the chunk that are new. Those of an empty first chunk (Azure's, about the prompt)
        wait for the one that names the answer."""
        fresh = {
            key: value
            for key, value in chunk.items()
            if key not in _TOP and value is not None and self._told.get(key) != value
        }
        self._told.update(fresh)
        self._tier = self._told.get("service_tier")
        fresh.pop("service_tier", None)  # the usage has it
        if self._started:
            if fresh:
                out.append(ir.ExtraDelta("reply", 0, FAMILY, fresh))
            return
        self._held.update(fresh)
        if begins or chunk.get("id"):
            self._begin(chunk, out)

    def _begin(self, chunk: dict[str, Any], out: list[ir.Event]) -> None:
        if self._started:
            return
        self._started = True
        name, model, created = chunk.get("id"), chunk.get("model"), chunk.get("created")
        out.append(
            ir.ReplyStart(
                id=name if isinstance(name, str) and name else None,
                model=model if isinstance(model, str) and model else None,
                created=int(created) if isinstance(created, int | float) and created else None,
                extra={FAMILY: self._held} if self._held else None,
            )
        )

    def _choice(self, node: dict[str, Any], out: list[ir.Event]) -> None:
        index = node.get("index")
        index = index if isinstance(index, int) else 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Choice(index, self._names)
        delta = node["delta"] if "delta" in node else node.get("message")  # some stream whole messages
        if isinstance(delta, dict) and delta:
            choice.take(delta, out)
        if (tokens := node.get("logprobs")) is not None:
            _logprobs(index, tokens, out)
        if not node.keys() <= _CHOICE:
            choice.tell("choice", {key: node[key] for key in node.keys() - _CHOICE}, out)
        raw = node.get("finish_reason")
        if node.get("error") or raw == "error":
            self._fail(_failure_of(node), out)
        elif isinstance(raw, str) and raw and not choice.ended:
            choice.end(read_finish(raw, choice.called), out)

    def _end(self, out: list[ir.Event]) -> None:
        """A choice without a reason has stopped, for the upstream says that all is done."""
        self._over = True
        self._begin({}, out)
        for choice in self._choices.values():
            if not choice.ended:
                choice.end(read_finish(None, choice.called), out)
        out.append(ir.ReplyEnd())

    def _fail(self, error: HeadgateError, out: list[ir.Event]) -> None:
        self._over = True
        out.append(ir.StreamFailure(error))


def _no_answer(body: bytes, error: HeadgateError) -> HeadgateError:
    words = failures.message_of(body)
    known = isinstance(words.document, dict | list) and bool(words.message)
    return failures.read_document(words.document) if known else error


def failure_of(chunk: dict[str, Any]) -> HeadgateError | None:
    """The error that a chunk is, or tells: also Groq's, in a field of its own."""
    if chunk.get("error"):
        return failures.read_document(chunk)
    groq = chunk.get("x_groq")
    if isinstance(groq, dict) and groq.get("error"):
        return failures.read_document({"error": groq["error"]})
    return None if chunk.get("choices") else failure_in(chunk)


def _failure_of(node: dict[str, Any]) -> HeadgateError:
    if error := node.get("error"):
        return failures.read_document({"error": error})
    return APIError("the upstream ended the answer with the finish reason 'error'")


def _logprobs(index: int, node: Any, out: list[ir.Event]) -> None:
    """What is not OpenAI's form stays as it came."""
    tokens = read_logprobs(node)
    if tokens:
        out.append(ir.LogprobsDelta(index, tokens))
    elif isinstance(node, dict) and any(node.values()):
        out.append(ir.ExtraDelta("choice", index, FAMILY, {"logprobs": node}))
