"""OpenAI's older text completions: passed through where a provider has them, bridged through chat elsewhere.

https://platform.openai.com/docs/api-reference/completions
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from headgate.errors import BadRequestError
from headgate.wire import ir
from headgate.wire.dialect import Dialect, Frame, Target
from headgate.wire.openai_chat import OpenAIChat
from headgate.wire.openai_chat.fields import FAMILY, own, write_finish, write_usage
from headgate.wire.openai_chat.reply import document_of
from headgate.wire.sse import encode

_encode: Final = msgspec.json.encode
_ONLY_HERE: Final = ("best_of", "echo", "suffix", "logprobs")


class Completions(OpenAIChat):
    name: ClassVar[str] = "completions"

    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        """A chat request with the prompt as the user's one message.

        Raises BadRequestError for several prompts or token ids, which chat has no form for.
        """
        fields = {key: value for key, value in body.items() if key != "prompt"}
        prompt = body.get("prompt")
        if isinstance(prompt, list) and len(prompt) == 1:
            prompt = prompt[0]
        if not isinstance(prompt, str):
            raise BadRequestError(
                "'prompt' must be one string here: this model is reached through chat, which takes neither "
                "several prompts nor token ids",
                param="prompt",
            )
        only = {key: fields.pop(key) for key in _ONLY_HERE if fields.get(key) is not None}
        request = super().read_request({**fields, "messages": [{"role": "user", "content": prompt}]})
        meant = {key: value for key, value in only.items() if value not in (False, 0, 1, "")}
        if meant:
            known = own(request)
            request.extra = {**(request.extra or {}), FAMILY: {**known, **meant}}
        return request

    def write_request(self, request_: ir.Request, target: Target) -> ir.Written:
        """Only for completeness: no client dialect but this one is sent to a completions address."""
        written = super().write_request(request_, target)
        texts = [block.text for turn in request_.turns for block in turn.blocks if isinstance(block, ir.Text)]
        del written.body["messages"]
        written.body["prompt"] = "\n\n".join(texts)
        return written

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        document = document_of(body)
        if isinstance(document, dict) and isinstance(document.get("choices"), list):
            for choice in document["choices"]:
                if isinstance(choice, dict) and "message" not in choice:
                    choice["message"] = {"role": "assistant", "content": choice.pop("text", "")}
        return super().read_reply(_encode(document), echo)

    def write_reply(self, reply_: ir.Reply, frame: Frame) -> bytes:
        document: dict[str, Any] = {
            **_head(reply_.id, reply_.created, reply_.model, frame),
            "choices": [
                _choice(choice.index, _text(choice.turn), write_finish(choice.finish))
                for choice in reply_.choices
            ],
        }
        if reply_.usage is not None:
            document["usage"] = write_usage(reply_.usage)
        return _encode(document)

    def stream_writer(self, frame: Frame) -> "TextWriter":  # type: ignore[override]
        return TextWriter(frame)


class TextWriter:
    """See dialect.StreamWriter."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._head: dict[str, Any] = _head(None, None, None, frame)
        self._usage: ir.Usage | None = None

    def write(self, events: Iterable[ir.Event]) -> bytes:
        return b"".join(map(self._event, events))

    def _event(self, event: ir.Event) -> bytes:
        match event:
            case ir.BlockDelta() if event.kind == "text":
                return self._chunk(_choice(event.choice, event.text, None))
            case ir.ChoiceEnd():
                return self._chunk(_choice(event.choice, "", write_finish(event.finish)))
            case ir.ReplyStart():
                self._head = _head(event.id, event.created, event.model, self._frame)
            case ir.UsageUpdate():
                self._usage = event.usage
            case ir.StreamFailure():
                return DIALECT.write_stream_error(event.error)
            case ir.ReplyEnd():
                return self._end()
            case _:
                pass
        return b""

    def _end(self) -> bytes:
        last = b""
        if self._frame.stream_usage and self._usage is not None:
            last = encode(_encode({**self._head, "choices": [], "usage": write_usage(self._usage)}))
        return last + b"data: [DONE]\n\n"

    def _chunk(self, choice: dict[str, Any]) -> bytes:
        return encode(_encode({**self._head, "choices": [choice]}))


def _head(reply_id: str | None, created: int | None, model: str | None, frame: Frame) -> dict[str, Any]:
    return {
        "id": reply_id or frame.id,
        "object": "text_completion",
        "created": frame.created if created is None else created,
        "model": model or frame.model,
    }


def _choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}


def _text(turn: ir.Turn) -> str:
    return "".join(block.text for block in turn.blocks if isinstance(block, ir.Text))


DIALECT: Final = Completions()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT

__all__ = ["DIALECT", "Completions"]
