"""Replicate's predictions as a chat: the conversation becomes the model's `input`, its output the answer.

https://replicate.com/docs/reference/http. An upstream's format only. What is posted answers with a prediction that
may still run: the rule "predictions" of `wire/polling.py` makes it whole, and `read_reply` reads the finished one.
A stream is an address in that prediction (`urls.stream`, asked with `accept: text/event-stream`), whose events
`stream_reader` reads. Models have inputs of their own; what is written are the names that the families share.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NoReturn

import msgspec

from headgate.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    BadRequestError,
    HeadgateError,
    InternalServerError,
)
from headgate.wire import failures, ir, sse
from headgate.wire.dialect import Dialect, Frame, Glance, Target
from headgate.wire.shape import reply_object
from headgate.wire.whole import Whole, events_of

FAMILY: Final = "replicate"
_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder().encode
_CUT: Final = "the upstream ended the stream before the answer was complete"

_LIMITS: Final = (
    (r"openai/", "max_completion_tokens"),
    (r".*(vicuna|flan)", "max_length"),
    (r".*(llama-?2|mistral|mixtral|falcon|mpt|dolly|stablelm|gemma|yi-)", "max_new_tokens"),
    (r"", "max_tokens"),
)
"""What a model of that name calls the most tokens of its answer."""
_INPUTS: Final = (
    "temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty",
)  # fmt: skip
_UNSAID: Final = {
    "tools": "tools",
    "tool_choice": "tool_choice",
    "logit_bias": "logit_bias",
    "logprobs": "logprobs",
    "top_logprobs": "top_logprobs",
    "output": "response_format",
    "modalities": "modalities",
    "audio": "audio",
}
"""Fields of a request without a twin, in the words of chat."""
_HARMLESS: Final = frozenset({"metadata", "user", "store", "stream_options", "safety_identifier"})
_VERSION: Final = re.compile(r"(?:.+:)?([0-9a-f]{64})")
_SEVERAL: Final = re.compile(r"(openai|google)/")
"""Models whose pictures are the list `image_input`; others have one `image`."""


class Replicate:
    name: ClassVar[str] = FAMILY
    family: ClassVar[str] = FAMILY
    stream_type: ClassVar[str] = "text/event-stream"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "address"

    def read_request(self, body: Mapping[str, Any]) -> NoReturn:
        raise BadRequestError("no client speaks Replicate's predictions: send OpenAI's chat format")

    def write_request(self, request: ir.Request, target: Target) -> ir.Written:
        """`{"input": …}`, with "version" where the model is one, and "stream" where one is wanted."""
        inputs, dropped = _inputs(request, target.model)
        body: dict[str, Any] = {"input": inputs}
        if found := _VERSION.fullmatch(target.model):
            body["version"] = found[1]
        if request.stream:
            body["stream"] = True
        return ir.Written(body=body, dropped=dropped, headers={} if request.stream else {"prefer": "wait"})

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        """Raises APIResponseValidationError, or the error that the prediction ended with."""
        document = reply_object(body)
        return _read(document)

    def write_reply(self, reply: ir.Reply, frame: Frame) -> bytes:
        raise BadRequestError("no client speaks Replicate's predictions: ask for OpenAI's chat format")

    def stream_reader(self, echo: ir.Echo | None = None) -> "Reader":
        return Reader()

    def stream_writer(self, frame: Frame) -> NoReturn:
        raise BadRequestError("no client speaks Replicate's predictions: ask for OpenAI's chat format")

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return _ENCODE({"title": error.type, "detail": error.message, "status": error.status_code})

    def write_stream_error(self, error: HeadgateError) -> bytes:
        return sse.encode(_ENCODE({"detail": error.message}), "error")

    def glance(self, body: bytes) -> Glance:
        """Never raises."""
        try:
            reply = self.read_reply(body)
        except HeadgateError as error:
            return Glance(error=None if isinstance(error, APIResponseValidationError) else error)
        return Glance(usage=reply.usage, model=reply.model)

    def sniffer(self) -> NoReturn:
        raise BadRequestError(
            "no client speaks Replicate's predictions: their streams are never passed through"
        )

    def is_opening(self, data: bytes) -> bool:
        return b"data:" not in data

    def remote_media(self, request: ir.Request) -> list[ir.Source]:
        return []


# --- requests --------------------------------------------------------------------------------------------


def _inputs(request: ir.Request, model: str) -> tuple[dict[str, Any], list[str]]:
    system, prompt, images, dropped = _conversation(request.turns)
    inputs: dict[str, Any] = {"prompt": prompt}
    if system:
        inputs["system_prompt"] = system
    if images and _SEVERAL.match(model):
        inputs["image_input"] = images
    elif images:
        inputs["image"] = images[0]
        dropped += ["messages: more than one picture"] if len(images) > 1 else []
    if request.max_tokens is not None:
        inputs[next(name for pattern, name in _LIMITS if re.match(pattern, model))] = request.max_tokens
    for name in _INPUTS:
        if (value := getattr(request, name)) is not None:
            inputs[name] = value
    if request.stop:
        inputs["stop_sequences"] = ",".join(request.stop)
    dropped += [
        word for field, word in _UNSAID.items() if getattr(request, field) not in (None, [], {}, False)
    ]
    if request.n not in (None, 1):
        dropped.append("n")
    if request.reasoning is not None and request.reasoning.effort is not None:
        inputs["reasoning_effort"] = request.reasoning.effort
    for fields in (request.extra or {}).values():
        inputs |= {key: value for key, value in fields.items() if key not in _HARMLESS and key not in inputs}
    return inputs, dropped


def _conversation(turns: list[ir.Turn]) -> tuple[str, str, list[str], list[str]]:
    """System prompt, prompt, pictures by address, and what has no place.

    One message goes as it is: the model's own template surrounds it. Several become a script that ends
    where the assistant speaks.
    """
    system = "\n\n".join(_text(turn) for turn in turns if turn.role in ("system", "developer"))
    spoken = [turn for turn in turns if turn.role in ("user", "assistant")]
    images: list[str] = []
    dropped: list[str] = []
    for at, turn in enumerate(turns):
        for place, block in enumerate(turn.blocks):
            if isinstance(block, ir.Image):
                images.append(_address(block.source))
            elif not isinstance(block, ir.Text | ir.Thinking | ir.Refusal):
                dropped.append(f"messages[{at}].content[{place}]: {type(block).__name__.lower()}")
    if len(spoken) == 1 and spoken[0].role == "user":
        return system, _text(spoken[0]), images, dropped
    script = [f"{'User' if turn.role == 'user' else 'Assistant'}: {_text(turn)}" for turn in spoken]
    if spoken and spoken[-1].role == "user":
        script.append("Assistant:")
    return system, "\n\n".join(script), images, dropped


def _text(turn: ir.Turn) -> str:
    return "\n".join(block.text for block in turn.blocks if isinstance(block, ir.Text | ir.Refusal))


def _address(source: ir.Source) -> str:
    if source.kind != "data":
        return source.value
    return f"data:{source.media_type or 'image/png'};base64,{source.value}"


# --- replies ---------------------------------------------------------------------------------------------


def _read(document: dict[str, Any]) -> ir.Reply:
    status = document.get("status")
    if status in ("failed", "canceled", "aborted"):
        raise _failure(document.get("error") or f"the prediction was {status}")
    if "output" not in document:
        raise failures.read_document(document)
    if status not in (None, "succeeded", "successful"):
        raise APIResponseValidationError(f"the prediction is not finished, but {str(status)[:40]!r}")
    model = document.get("model")
    ident = document.get("id")
    turn = ir.Turn(role="assistant", blocks=[ir.Text(text=_joined(document["output"]))])
    return ir.Reply(
        choices=[ir.Choice(turn=turn, finish=ir.Finish(reason="stop"))],
        id=ident if isinstance(ident, str) else None,
        model=model if isinstance(model, str) else None,
        created=_seconds(document.get("created_at")),
        usage=_usage(document.get("metrics")),
    )


def _joined(output: Any) -> str:
    """Text, the pieces of one, or whatever else a model answers with as JSON."""
    if output is None:
        return ""
    pieces = output if isinstance(output, list) else [output]
    return "".join(piece if isinstance(piece, str) else _ENCODE(piece).decode() for piece in pieces)


def _usage(metrics: Any) -> ir.Usage | None:
    if not isinstance(metrics, dict):
        return None
    counts = [metrics.get(key) for key in ("input_token_count", "output_token_count")]
    taken, made = (
        count if isinstance(count, int) and not isinstance(count, bool) else None for count in counts
    )
    return None if taken is None and made is None else ir.Usage(input=taken or 0, output=made or 0)


def _seconds(value: Any) -> int | None:
    """Unix seconds. Replicate's times end in Z."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if moment is None or moment.tzinfo is None else int(moment.timestamp())


def _failure(said: Any) -> HeadgateError:
    """A prediction that failed: what its words mean, else the upstream's own failure."""
    error = failures.read_document({"message": said if isinstance(said, str) else _joined(said)}, 500)
    return InternalServerError(error.message) if type(error) is APIError else error


class Reader:
    """See dialect.StreamReader. Events: output (text), done (perhaps with a reason), error, logs.

    A prediction in place of a stream, from models that have none, is read as the whole answer.
    """

    def __init__(self) -> None:
        self._decoder = sse.Decoder()
        self._whole = Whole(b"{")
        self._begun = False
        self._open = False
        self._over = False

    def feed(self, data: bytes) -> list[ir.Event]:
        if self._whole.maybe and self._whole.takes(data):
            return []
        return self._read(self._decoder.feed(data))

    def close(self) -> list[ir.Event]:
        if (body := self._whole.body()) is not None:
            return events_of(body, DIALECT.read_reply)
        out = self._read(self._decoder.close())
        return out if self._over else [*out, *self._fail(APIConnectionError(_CUT))]

    def _read(self, events: list[tuple[str, bytes]]) -> list[ir.Event]:
        out: list[ir.Event] = []
        for name, data in events:
            if self._over:
                break
            if not self._begun:
                self._begun = True
                out.append(ir.ReplyStart())
            text = data.decode("utf-8", "replace")
            if name == "output":
                out += self._piece(text)
            elif name == "error":
                out += self._fail(failures.read_document({"message": text}, 500))
            elif name == "done":
                out += self._end(data)
        return out

    def _piece(self, text: str) -> list[ir.Event]:
        out: list[ir.Event] = [] if self._open else [ir.BlockStart(0, 0, ir.Text(text=""))]
        self._open = True
        return [*out, ir.BlockDelta(0, 0, "text", text)] if text else out

    def _end(self, data: bytes) -> list[ir.Event]:
        try:
            document = _DECODE(data)
        except (msgspec.DecodeError, ValueError, RecursionError):
            document = None
        reason = document.get("reason") if isinstance(document, dict) else None
        if reason:
            return self._fail(InternalServerError(f"the prediction ended: {str(reason)[:200]}"))
        self._over = True
        start: list[ir.Event] = [] if self._open else [ir.BlockStart(0, 0, ir.Text(text=""))]
        finish = ir.Finish(reason="stop")
        return [*start, ir.BlockStop(0, 0), ir.ChoiceEnd(0, finish), ir.ReplyEnd()]

    def _fail(self, error: HeadgateError) -> list[ir.Event]:
        self._over = True
        return [ir.StreamFailure(error)]


DIALECT: Final = Replicate()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT
