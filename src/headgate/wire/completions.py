"""OpenAI's older text completions: passed through where a provider has them, bridged through chat elsewhere.

https://platform.openai.com/docs/api-reference/completions. It is one vendor's older shape of the
same answer: usage, finish reasons, errors and the watching of streams are chat's own, so this module builds
on that dialect.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from headgate.errors import BadRequestError
from headgate.wire import ir, sse
from headgate.wire.dialect import Dialect, Frame, StreamReader, StreamWriter, Target
from headgate.wire.openai_chat import OpenAIChat
from headgate.wire.openai_chat.failure import write_stream_error
from headgate.wire.openai_chat.fields import write_finish, write_usage
from headgate.wire.openai_chat.parts import own
from headgate.wire.openai_chat.reply import decode, read_document
from headgate.wire.openai_chat.stream import StreamReader as ChatReader
from headgate.wire.shape import says_bad_reply

_ENCODE: Final = msgspec.json.Encoder().encode
_ONLY_HERE: Final = {"best_of": (None, 0, 1), "echo": (None, False), "suffix": (None, "")}
"""Parameters that chat has no twin for, and the values of each that ask for nothing."""


class Completions(OpenAIChat):
    name: ClassVar[str] = "completions"

    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        """A chat request with the prompt as the user's one message.

        Raises BadRequestError for several prompts or token ids, which chat has no form for.
        """
        fields = {key: value for key, value in body.items() if key not in ("prompt", "logprobs")}
        fields["messages"] = [{"role": "user", "content": _prompt(body.get("prompt"))}]
        logprobs = body.get("logprobs")
        if isinstance(logprobs, int) and not isinstance(logprobs, bool):
            fields["logprobs"] = True
            fields["top_logprobs"] = logprobs
        elif logprobs is not None:
            raise BadRequestError("logprobs: expected an integer", param="logprobs")
        for key, neutral in _ONLY_HERE.items():
            if key in fields and any(fields[key] is word or fields[key] == word for word in neutral):
                del fields[key]
        return super().read_request(fields)

    def write_request(self, request_: ir.Request, target: Target) -> ir.Written:
        """A conversation as one text. What is no text is reported."""
        written = super().write_request(request_, target)
        texts = []
        for index, turn in enumerate(request_.turns):
            texts += [block.text for block in turn.blocks if isinstance(block, ir.Text)]
            if any(not isinstance(block, ir.Text) for block in turn.blocks):
                written.dropped.append(f"messages[{index}].content: only text")
        del written.body["messages"]
        if written.body.pop("logprobs", False):
            written.body["logprobs"] = written.body.pop("top_logprobs", 0)
        written.body["prompt"] = "\n\n".join(texts)
        return written

    @says_bad_reply
    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        return read_document(_as_chat(decode(body), "message"), echo)

    def write_reply(self, reply_: ir.Reply, frame: Frame) -> bytes:
        document: dict[str, Any] = {
            **_head(reply_.id, reply_.created, reply_.model, frame),
            "choices": [_write_choice(choice) for choice in reply_.choices],
        }
        if reply_.usage is not None:
            document["usage"] = write_usage(reply_.usage)
        return _ENCODE(document)

    def stream_reader(self, echo: ir.Echo | None = None) -> StreamReader:
        return TextReader(echo)

    def stream_writer(self, frame: Frame) -> StreamWriter:
        return TextWriter(frame)


def _prompt(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        return value
    raise BadRequestError(
        "prompt: expected one string: this model is reached through chat, which takes neither several "
        "prompts nor token ids",
        param="prompt",
    )


def _as_chat(document: dict[str, Any], place: str) -> dict[str, Any]:
    """A text answer, or a chunk of one, in chat's shape. `place` is "message" or "delta"."""
    choices = document.get("choices")
    if not isinstance(choices, list):
        return document
    told = {key: value for key, value in document.items() if key not in ("object", "choices")}
    return {**told, "choices": [_as_choice(choice, place) for choice in choices]}


def _as_choice(choice: Any, place: str) -> Any:
    if not isinstance(choice, dict) or place in choice:
        return choice
    text = choice.get("text")
    told = {key: value for key, value in choice.items() if key != "text"}
    return {**told, place: {"role": "assistant", "content": text if isinstance(text, str) else ""}}


class TextReader(ChatReader):
    """Chunks of text, read as those of a chat."""

    def _chunk(self, chunk: dict[str, Any], out: list[ir.Event]) -> None:
        super()._chunk(_as_chat(chunk, "delta"), out)


class TextWriter:
    """See dialect.StreamWriter. Only text has a place here."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._head = _head(None, None, None, frame)
        self._usage: ir.Usage | None = None
        self._over = False

    def write(self, events: Iterable[ir.Event]) -> bytes:
        return b"".join(self._event(event) for event in events if not self._over)

    def _event(self, event: ir.Event) -> bytes:
        match event:
            case ir.BlockDelta() if event.kind in ("text", "refusal"):
                return self._chunk(_choice(event.choice, event.text, None, None))
            case ir.BlockStart() if isinstance(event.block, ir.Text | ir.Refusal) and event.block.text:
                return self._chunk(_choice(event.choice, event.block.text, None, None))
            case ir.LogprobsDelta():
                return self._chunk(_choice(event.choice, "", None, _logprobs(event.tokens)))
            case ir.ChoiceEnd():
                return self._chunk(_choice(event.choice, "", write_finish(event.finish), None))
            case ir.ReplyStart():
                self._head = _head(event.id, event.created, event.model, self._frame)
            case ir.UsageUpdate():
                self._usage = event.usage
            case ir.Keepalive():
                return b": keep-alive\n\n"
            case ir.StreamFailure():
                self._over = True
                return write_stream_error(event.error)
            case ir.ReplyEnd():
                return self._end()
            case _:
                pass
        return b""

    def _end(self) -> bytes:
        self._over = True
        last = b""
        if self._frame.stream_usage and self._usage is not None:
            last = sse.encode(_ENCODE({**self._head, "choices": [], "usage": write_usage(self._usage)}))
        return last + b"data: [DONE]\n\n"

    def _chunk(self, choice: dict[str, Any]) -> bytes:
        return sse.encode(_ENCODE({**self._head, "choices": [choice]}))


def _head(reply_id: str | None, created: int | None, model: str | None, frame: Frame) -> dict[str, Any]:
    return {
        "id": reply_id or frame.id,
        "object": "text_completion",
        "created": created or frame.created,
        "model": model or frame.model,
    }


def _write_choice(choice: ir.Choice) -> dict[str, Any]:
    text = "".join(block.text for block in choice.turn.blocks if isinstance(block, ir.Text | ir.Refusal))
    finish = None if choice.finish is None else write_finish(choice.finish)
    kept = own(choice.extra).get("logprobs")
    logprobs = kept if choice.logprobs is None else _logprobs(choice.logprobs)
    return _choice(choice.index, text, finish, logprobs)


def _choice(index: int, text: str, finish: str | None, logprobs: Any) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish}


def _logprobs(tokens: list[ir.TokenLogprob]) -> dict[str, Any]:
    """The older form: parallel lists, and the likeliest tokens of each place as an object."""
    offsets, offset = [], 0
    for token in tokens:
        offsets.append(offset)
        offset += len(token.token)
    return {
        "tokens": [token.token for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [{top.token: top.logprob for top in token.top or ()} for token in tokens],
        "text_offset": offsets,
    }


DIALECT: Final = Completions()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT

__all__ = ["DIALECT", "Completions"]
