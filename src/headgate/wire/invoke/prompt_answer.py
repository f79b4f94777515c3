"""Answers of older text models: where each maker's JSON says what, whole and in chunks, and Titan's words for ours.

The keys of an answer tell whose it is. Knows no request.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from headgate.errors import APIConnectionError, APIResponseValidationError, HeadgateError
from headgate.wire import aws, eventstream, ir
from headgate.wire.invoke.envelope import chunk_of, document_of
from headgate.wire.shape import reply_object
from headgate.wire.whole import Whole, events_of

FAMILY: Final = "bedrock"
_DECODE = msgspec.json.Decoder().decode
_ENCODE = msgspec.json.Encoder().encode
_CUT: Final = "the upstream's stream ended before its answer was complete"


class Places(Struct, frozen=True):
    """Paths into an answer or a chunk; "*" stands for each of several answers."""

    text: tuple[str, ...]
    finish: tuple[str, ...]
    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()


_PLACES: Final = (
    Places(
        ("results", "*", "outputText"),
        ("results", "*", "completionReason"),
        ("inputTextTokenCount",),
        ("results", "*", "tokenCount"),
    ),
    Places(("outputText",), ("completionReason",), ("inputTextTokenCount",), ("totalOutputTextTokenCount",)),
    Places(("generation",), ("stop_reason",), ("prompt_token_count",), ("generation_token_count",)),
    Places(("outputs", "*", "text"), ("outputs", "*", "stop_reason")),
    Places(("completion",), ("stop_reason",)),
    Places(("generations", "*", "text"), ("generations", "*", "finish_reason")),
    Places(("completions", "*", "data", "text"), ("completions", "*", "finishReason", "reason")),
    Places(("choices", "*", "text"), ("choices", "*", "stop_reason")),
    Places(("text",), ("finish_reason",)),
)
_GUARDED: Final = "amazon-bedrock-guardrailAction"
_METRICS: Final = "amazon-bedrock-invocationMetrics"
_REASONS: Final[dict[str, ir.FinishReason]] = {
    "length": "length",
    "max_tokens": "length",
    "content_filtered": "content_filter",
    "error_toxic": "content_filter",
}
_RAW: Final[dict[ir.FinishReason, str]] = {"length": "LENGTH", "content_filter": "CONTENT_FILTERED"}


def _at(node: Any, path: tuple[str, ...], index: int) -> Any:
    """None where the path leads nowhere."""
    for key in path:
        if key == "*":
            node = node[index] if isinstance(node, list) and index < len(node) else None
        else:
            node = node.get(key) if isinstance(node, dict) else None
    return node


def _places(document: Any) -> Places | None:
    return next((row for row in _PLACES if isinstance(_at(document, row.text, 0), str)), None)


def _finish(document: dict[str, Any], raw: Any) -> ir.Finish | None:
    """A guardrail's word goes over the model's, and ends an answer that has none."""
    if document.get(_GUARDED) == "INTERVENED":
        return ir.Finish(reason="content_filter", raw="INTERVENED", family=FAMILY)
    if not isinstance(raw, str) or not raw:
        return None
    return ir.Finish(reason=_REASONS.get(raw.lower(), "stop"), raw=raw, family=FAMILY)


def _usage(document: dict[str, Any], places: Places | None) -> ir.Usage | None:
    metrics = document.get(_METRICS)
    if isinstance(metrics, dict):
        counts = [metrics.get("inputTokenCount"), metrics.get("outputTokenCount")]
    elif places is not None:
        counts = [_at(document, path, 0) if path else None for path in (places.input, places.output)]
    else:
        return None
    if not all(isinstance(count, int | float) and not isinstance(count, bool) for count in counts):
        return None
    return ir.Usage(input=int(counts[0] or 0), output=int(counts[1] or 0))


def read_reply(body: bytes) -> ir.Reply:
    document = reply_object(body)
    places = _places(document)
    if places is None:
        if "message" in document or "__type" in document:
            raise aws.read_error(500, {}, body)
        raise APIResponseValidationError(
            "the upstream's answer can't be read: no text in a place that is known"
        )
    choices: list[ir.Choice] = []
    while isinstance(text := _at(document, places.text, len(choices)), str):
        turn = ir.Turn(role="assistant", blocks=[ir.Text(text)])
        finish = _finish(document, _at(document, places.finish, len(choices)))
        choices.append(ir.Choice(turn=turn, index=len(choices), finish=finish))
        if "*" not in places.text:
            break
    return ir.Reply(choices=choices, usage=_usage(document, places))


class StreamReader:
    """The last chunk has what Bedrock counted."""

    def __init__(self) -> None:
        self._frames = eventstream.Decoder()
        self._whole = Whole(b"{[<")
        self._started = False
        self._finish: ir.Finish | None = None
        self._done = False

    def feed(self, data: bytes) -> list[ir.Event]:
        out: list[ir.Event] = []
        try:
            if self._whole.maybe and self._whole.takes(data):
                return out
            for message in self._frames.feed(data):
                if not self._done:
                    self._take(message, out)
        except HeadgateError as error:
            self._fail(error, out)
        return out

    def close(self) -> list[ir.Event]:
        if self._done:
            return []
        if (body := self._whole.body()) is not None:
            self._done = True
            return events_of(body, read_reply)
        out: list[ir.Event] = []
        try:
            self._frames.close()
        except HeadgateError as error:
            self._fail(error, out)
            return out
        if self._finish is None:
            self._fail(APIConnectionError(_CUT), out)
        else:
            self._end(out)
        return out

    def _take(self, message: eventstream.Message, out: list[ir.Event]) -> None:
        if message.kind != "event":
            self._fail(aws.read_exception(message), out)
            return
        body = document_of(message)
        if not body:
            return
        document = reply_object(body)
        places = _places(document)
        if not self._started:
            self._started = True
            out += [ir.ReplyStart(), ir.BlockStart(0, 0, ir.Text(""))]
        text = _at(document, places.text, 0) if places is not None else None
        if text:
            out.append(ir.BlockDelta(0, 0, "text", text))
        raw = _at(document, places.finish, 0) if places is not None else document.get("finish_reason")
        self._finish = _finish(document, raw) or self._finish
        usage = _usage(document, places)
        if usage is not None:
            out.append(ir.UsageUpdate(usage))
        if _METRICS in document:
            self._end(out)

    def _end(self, out: list[ir.Event]) -> None:
        self._done = True
        out += [
            ir.BlockStop(0, 0),
            ir.ChoiceEnd(0, self._finish or ir.Finish(reason="stop")),
            ir.ReplyEnd(),
        ]

    def _fail(self, error: HeadgateError, out: list[ir.Event]) -> None:
        self._done = True
        out.append(ir.StreamFailure(error))


class StreamWriter:
    """In Titan's words: text of the first answer, then why it stopped and what it took."""

    def __init__(self) -> None:
        self._finish: ir.Finish | None = None
        self._usage = ir.Usage()
        self._over = False

    def write(self, events: Iterable[ir.Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if self._over:
                break
            match event:
                case ir.BlockStart(choice=0, block=ir.Text(text=text)) if text:
                    out.append(_chunk(text))
                case ir.BlockDelta(choice=0, kind="text" | "refusal", text=text):
                    out.append(_chunk(text))
                case ir.ChoiceEnd(choice=0):
                    self._finish = event.finish
                case ir.UsageUpdate():
                    self._usage = event.usage
                case ir.StreamFailure():
                    self._over = True
                    out.append(aws.write_stream_error(event.error))
                case ir.ReplyEnd():
                    self._over = True
                    out.append(_last(self._finish, self._usage))
                case _:
                    pass
        return b"".join(out)


def _chunk(text: str) -> bytes:
    return chunk_of(_ENCODE({"outputText": text, "index": 0, "completionReason": None}))


def _last(finish: ir.Finish | None, usage: ir.Usage) -> bytes:
    metrics = {"inputTokenCount": usage.input, "outputTokenCount": usage.output}
    fields = {"outputText": "", "index": 0, "completionReason": _reason(finish), _METRICS: metrics}
    return chunk_of(_ENCODE(fields))


def _reason(finish: ir.Finish | None) -> str:
    return "FINISH" if finish is None else _RAW.get(finish.reason, "FINISH")


def write_reply(reply: ir.Reply) -> bytes:
    usage = reply.usage or ir.Usage()
    results = [
        {
            "tokenCount": usage.output,
            "outputText": "".join(b.text for b in choice.turn.blocks if isinstance(b, ir.Text | ir.Refusal)),
            "completionReason": _reason(choice.finish),
        }
        for choice in reply.choices
    ]
    return _ENCODE({"inputTextTokenCount": usage.input, "results": results})
