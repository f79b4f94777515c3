"""Text generation in the format of Hugging Face's TGI, which SageMaker's containers took over: text in, text out.

https://huggingface.github.io/text-generation-inference (`/generate`, `/generate_stream`). A conversation becomes one
text: whoever wants the model's own template calls an OpenAI-shaped address. Counts and the reason of the end come
only where the server tells `details`; some servers repeat the prompt before the answer.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import msgspec

from headgate.errors import APIConnectionError, APIResponseValidationError, HeadgateError
from headgate.wire import failures, ir, sse
from headgate.wire.along import Along
from headgate.wire.dialect import Dialect, Frame, Glance, Target
from headgate.wire.fold import Folder
from headgate.wire.shape import (
    Malformed,
    bad_reply,
    bad_request,
    expect,
    optional,
    reply_json,
    required,
    says_bad_reply,
)
from headgate.wire.whole import EventsOrWhole

FAMILY: Final = "tgi"
CUT: Final = "the upstream's stream ended before its answer was complete"

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder().decode
_KINDS: Final[tuple[tuple[str, str, type], ...]] = (
    ("max_new_tokens", "max_tokens", int),
    ("temperature", "temperature", float),
    ("top_p", "top_p", float),
    ("top_k", "top_k", int),
    ("seed", "seed", int),
    ("frequency_penalty", "frequency_penalty", float),
    ("stop", "stop", list),
    ("top_n_tokens", "top_logprobs", int),
)
"""Parameter · our name for it · type."""
_NATIVE: Final = frozenset(
    """adapter_id best_of decoder_input_details details do_sample grammar repetition_penalty return_full_text truncate
    typical_p watermark max_time""".split()
)
"""Parameters that callers of any format may give."""
_HARMLESS: Final = frozenset(
    "store stream_options prompt_cache_key prompt_cache_retention safety_identifier cache_control".split()
)
_NEUTRAL: Final[dict[str, tuple[str, tuple[Any, ...]]]] = {
    "n": ("n", (1,)),
    "logit_bias": ("logit_bias", ({},)),
    "presence_penalty": ("presence_penalty", (0,)),
    "verbosity": ("verbosity", ("medium",)),
    "modalities": ("modalities", (["text"],)),
    "audio": ("audio", ({},)),
    "tools": ("tools", ([],)),
    "reasoning": ("reasoning_effort", ()),
}
"""Fields without a twin → a chat caller's word, and the values that ask for nothing special."""
_LEAST_TEMPERATURE: Final = 0.01
"""0 is refused; this is as good as the likeliest token."""
_REASONS: Final[dict[str, ir.FinishReason]] = {
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
}


class Echo(ir.Echo):
    """`prompt` is what some servers repeat before the answer."""

    prompt: str = ""


# --- requests --------------------------------------------------------------------------------------------


def read_request(body: Mapping[str, Any]) -> ir.Request:
    """Raises BadRequestError."""
    try:
        settings = optional(body, "parameters", dict, "") or {}
        request = ir.Request(
            model=optional(body, "model", str, "") or "",
            turns=[ir.Turn(role="user", blocks=[ir.Text(required(body, "inputs", str, ""))], flat=True)],
            stream=optional(body, "stream", bool, "") or False,
            logprobs=True if settings.get("top_n_tokens") else None,
            spelling={FAMILY: {}},
        )
        for key, name, kind in _KINDS:
            setattr(request, name, optional(settings, key, kind, "parameters"))
    except Malformed as error:
        raise bad_request(error) from None
    known = {key for key, _, _ in _KINDS}
    left = {key: value for key, value in settings.items() if key not in known and value is not None}
    request.extra = {FAMILY: left} if left else None
    return request


def write_request(request: ir.Request, target: Target) -> ir.Written:
    """The model stands in the address."""
    dropped = [
        word
        for name, (word, neutral) in _NEUTRAL.items()
        if (value := getattr(request, name)) is not None and value not in neutral
    ]
    prompt = _prompt(request.turns, dropped)
    settings = {key: value for key, name, _ in _KINDS if (value := getattr(request, name)) is not None}
    if "max_new_tokens" in settings:
        settings["max_new_tokens"] = max(1, settings["max_new_tokens"])
    if settings.get("temperature", 1) <= 0:
        settings["temperature"] = _LEAST_TEMPERATURE
    if settings.get("top_p", 0) >= 1:  # only what is below 1 is taken, and 1 says nothing
        del settings["top_p"]
    if request.logprobs:
        settings["details"] = True
    if request.output is not None and request.output.schema is not None:
        settings["grammar"] = {"type": "json", "value": request.output.schema}
    elif request.output is not None and request.output.kind != "text":
        dropped.append("response_format")
    for family, given in (request.extra or {}).items():
        for key, value in given.items():
            if family == FAMILY or key in _NATIVE:
                settings.setdefault(key, value)
            elif key == "parameters" and isinstance(value, dict):
                settings = {**value, **settings}
            elif key not in _HARMLESS and value is not None:
                dropped.append(key)
    body: dict[str, Any] = {"inputs": prompt, "parameters": settings}
    if request.stream:
        body["stream"] = True
    return ir.Written(body=body, dropped=dropped, echo=Echo(prompt=prompt))


def _prompt(turns: list[ir.Turn], dropped: list[str]) -> str:
    texts = []
    for index, turn in enumerate(turns):
        for at, block in enumerate(turn.blocks):
            if isinstance(block, ir.Text):
                texts.append(block.text)
            elif not isinstance(block, ir.Thinking):
                dropped.append(f"messages[{index}].content[{at}]: only text")
    return "\n\n".join(texts)


# --- whole answers ---------------------------------------------------------------------------------------


@says_bad_reply
def read_reply(body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
    """One answer, or a list with it. Raises APIResponseValidationError, or the error that the body is."""
    document = reply_json(body)
    node = document[0] if isinstance(document, list) and document else document
    return _reply(expect(node, dict, ""), echo.prompt if isinstance(echo, Echo) else "")


def _reply(node: dict[str, Any], prompt: str) -> ir.Reply:
    key = "generation" if "generation" in node else "generated_text"
    if "error" in node and key not in node:
        raise failures.read_document(node)
    text = required(node, key, str, "")
    details = optional(node, "details", dict, "") or {}
    tokens = [_token(value, f"details.tokens[{at}]") for at, value in enumerate(_listed(details, "tokens"))]
    if prompt and text.startswith(prompt):
        text = text[len(prompt) :]
    choice = ir.Choice(
        turn=ir.Turn(role="assistant", blocks=[ir.Text(text)], flat=True),
        finish=_finish(details),
        logprobs=tokens or None,
    )
    return ir.Reply(choices=[choice], usage=_usage(details))


def _listed(node: dict[str, Any], key: str) -> list[Any]:
    return optional(node, key, list, "details") or []


def _token(value: Any, where: str) -> ir.TokenLogprob:
    node = expect(value, dict, where)
    logprob = optional(node, "logprob", float, where)
    return ir.TokenLogprob(token=required(node, "text", str, where), logprob=logprob or 0.0)


def _finish(details: dict[str, Any]) -> ir.Finish:
    raw = optional(details, "finish_reason", str, "details")
    return ir.Finish(reason=_REASONS.get(raw or "", "stop"), raw=raw, family=FAMILY if raw else None)


def _usage(details: dict[str, Any]) -> ir.Usage | None:
    """None where one of the counts is not told: half of them would be a wrong bill."""
    answer = optional(details, "generated_tokens", int, "details")
    prompt = optional(details, "input_length", int, "details") or len(_listed(details, "prefill"))
    return ir.Usage(input=prompt, output=answer) if answer is not None and prompt else None


def write_reply(reply: ir.Reply) -> bytes:
    choice = reply.choices[0] if reply.choices else ir.Choice(turn=ir.Turn(role="assistant", blocks=[]))
    text = "".join(block.text for block in choice.turn.blocks if isinstance(block, ir.Text | ir.Refusal))
    node: dict[str, Any] = {"generated_text": text}
    if choice.finish is not None or reply.usage is not None:
        node["details"] = _details(choice.finish, reply.usage)
    return _ENCODE([node])


def _details(finish: ir.Finish | None, usage: ir.Usage | None) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if finish is not None:
        raw = finish.raw if finish.family == FAMILY else None
        details["finish_reason"] = raw or ("length" if finish.reason == "length" else "eos_token")
    if usage is not None:
        details.update(generated_tokens=usage.output, input_length=usage.input)
    return details


# --- streams ---------------------------------------------------------------------------------------------


class StreamReader(EventsOrWhole):
    """Each event is a token; the last one repeats the whole text."""

    def __init__(self, echo: ir.Echo | None = None) -> None:
        super().__init__()
        self._echo = echo
        self._started = False

    def _read_whole(self, body: bytes) -> ir.Reply:
        return read_reply(body, self._echo)

    def _end(self, out: list[ir.Event]) -> None:
        raise APIConnectionError(CUT)

    def _take(self, rows: list[tuple[str, bytes]], out: list[ir.Event]) -> None:
        for _, payload in rows:
            if not self._done and payload != b"[DONE]":
                self._event(payload, out)

    def _event(self, payload: bytes, out: list[ir.Event]) -> None:
        try:
            node = expect(_DECODE(payload), dict, "")
            if "error" in node:
                raise failures.read_document(node)
            self._token(node, out)
        except Malformed as error:
            raise bad_reply(error) from None
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise APIResponseValidationError(
                f"a piece of the upstream's stream is no JSON: {error}"
            ) from None

    def _token(self, node: dict[str, Any], out: list[ir.Event]) -> None:
        if not self._started:
            self._started = True
            out += [ir.ReplyStart(), ir.BlockStart(0, 0, ir.Text(""))]
        token = optional(node, "token", dict, "") or {}
        text = optional(token, "text", str, "token")
        if text and token.get("special") is not True:
            out.append(ir.BlockDelta(0, 0, "text", text))
        if node.get("generated_text") is not None:
            details = optional(node, "details", dict, "") or {}
            finish, usage = _finish(details), _usage(details)
            out += [ir.BlockStop(0, 0), ir.ChoiceEnd(0, finish)]
            if usage is not None:
                out.append(ir.UsageUpdate(usage))
            self._done = True
            out.append(ir.ReplyEnd())


class StreamWriter:
    def __init__(self) -> None:
        self._folder = Folder()
        self._index = 0
        self._over = False

    def write(self, events: Iterable[ir.Event]) -> bytes:
        return b"".join(self._event(event) for event in events if not self._over)

    def _event(self, event: ir.Event) -> bytes:
        if isinstance(event, ir.StreamFailure):
            self._over = True
            return write_stream_error(event.error)
        self._folder.add(event)
        if isinstance(event, ir.BlockDelta) and event.kind in ("text", "refusal") and not event.choice:
            return self._line(event.text, None, None)
        if isinstance(event, ir.ReplyEnd):
            self._over = True
            node = _DECODE(write_reply(self._folder.reply()))[0]
            return self._line("", node["generated_text"], node.get("details", {}))
        return b""

    def _line(self, text: str, whole: str | None, details: dict[str, Any] | None) -> bytes:
        self._index += 1
        token = {"id": 0, "text": text, "logprob": None, "special": whole is not None}
        node = {"index": self._index, "token": token, "generated_text": whole, "details": details}
        return sse.encode(_ENCODE(node))


def write_error(error: HeadgateError) -> bytes:
    return _ENCODE({"error": error.message, "error_type": error.type or "generation"})


def write_stream_error(error: HeadgateError) -> bytes:
    return sse.encode(write_error(error))


class TextGeneration:
    name: ClassVar[str] = "tgi"
    family: ClassVar[str] = FAMILY
    stream_type: ClassVar[str] = "text/event-stream"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "address"

    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        return read_request(body)

    def write_request(self, request: ir.Request, target: Target) -> ir.Written:
        return write_request(request, target)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        return read_reply(body, echo)

    def write_reply(self, reply: ir.Reply, frame: Frame) -> bytes:
        return write_reply(reply)

    def stream_reader(self, echo: ir.Echo | None = None) -> StreamReader:
        return StreamReader(echo)

    def stream_writer(self, frame: Frame) -> StreamWriter:
        return StreamWriter()

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return write_error(error)

    def write_stream_error(self, error: HeadgateError) -> bytes:
        return write_stream_error(error)

    def glance(self, body: bytes) -> Glance:
        try:
            return Glance(usage=read_reply(body).usage)
        except HeadgateError as error:
            return Glance(error=error)

    def sniffer(self) -> Along:
        """Nobody passes these streams through in a hurry."""
        return Along(StreamReader())

    def is_opening(self, data: bytes) -> bool:
        return b'"token"' not in data

    def remote_media(self, request: ir.Request) -> list[ir.Source]:
        return []


DIALECT: Final = TextGeneration()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT
