"""A ConverseStream → events. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html

Text and reasoning begin without an event of their own: with their first piece. Blocks that only Converse knows, and
sealed reasoning, are held until they are complete. An upstream that answers with JSON in place of a stream is read
as well: as the error that it is, or as a whole answer.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct, field

from headgate.errors import APIConnectionError, HeadgateError
from headgate.wire import aws, eventstream, ir
from headgate.wire.bedrock.blocks import SERVER, read_block, read_citation, signed
from headgate.wire.bedrock.check import FAMILY
from headgate.wire.bedrock.reply import read_reply, restored
from headgate.wire.bedrock.usage import read_finish, read_usage
from headgate.wire.shape import Malformed, bad_reply, expect, optional, reply_object, required
from headgate.wire.whole import Whole, events_of

_CUT: Final = "the upstream's stream ended before its answer was complete"
_PADDING: Final = "p"
_Kind = Literal["text", "thinking", "call", "json", "sealed", "held"]


class _Open(Struct):
    """A block that has begun. `index` is the IR's, -1 while the block is held."""

    index: int
    kind: _Kind
    value: dict[str, Any] = field(default_factory=dict)
    pieces: list[str] = field(default_factory=list)


class StreamReader:
    def __init__(self, echo: ir.Echo | None = None) -> None:
        self._echo = echo
        self._frames = eventstream.Decoder()
        self._whole = Whole(b"{[<")
        self._done = False
        self._started = False
        self._finished = False
        self._blocks: dict[int, _Open] = {}
        self._count = 0
        self._calls = False

    def feed(self, data: bytes) -> list[ir.Event]:
        if self._done:
            return []
        out: list[ir.Event] = []
        try:
            if self._whole.maybe and self._whole.takes(data):
                return out
            for message in self._frames.feed(data):
                if not self._done:
                    self._message(message, out)
        except HeadgateError as error:
            self._fail(error, out)
        return out

    def close(self) -> list[ir.Event]:
        """What is left. An answer is complete with its stop reason, also where no usage followed."""
        if self._done:
            return []
        if (body := self._whole.body()) is not None:
            self._done = True
            return events_of(body, lambda body: read_reply(body, self._echo), _no_answer)
        out: list[ir.Event] = []
        try:
            self._frames.close()
        except HeadgateError as error:
            self._fail(error, out)
            return out
        if self._finished:
            self._end(out)
        else:
            self._fail(APIConnectionError(_CUT), out)
        return out

    def _message(self, message: eventstream.Message, out: list[ir.Event]) -> None:
        if message.kind != "event":
            self._fail(aws.read_exception(message), out)
            return
        handler = _HANDLERS.get(message.name)
        if handler is None:
            return
        event = reply_object(message.payload)
        event.pop(_PADDING, None)
        try:
            handler(self, event, out)
        except (Malformed, RecursionError) as error:
            raise bad_reply(error) from None

    def _fail(self, error: HeadgateError, out: list[ir.Event]) -> None:
        self._done = True
        out.append(ir.StreamFailure(error))

    def _end(self, out: list[ir.Event]) -> None:
        self._done = True
        out.append(ir.ReplyEnd())

    # --- one method for each type of event; they raise Malformed -------------------------------------

    def _on_start(self, event: dict[str, Any], out: list[ir.Event]) -> None:
        if not self._started:
            self._started = True
            out.append(ir.ReplyStart())

    def _on_block_start(self, event: dict[str, Any], out: list[ir.Event]) -> None:
        self._on_start(event, out)
        at = optional(event, "contentBlockIndex", int, "") or 0
        start = required(event, "start", dict, "")
        if at in self._blocks:
            self._stop(at, out)
        call = optional(start, "toolUse", dict, "start")
        if call is None or call.get("type") == SERVER:
            self._blocks[at] = _Open(-1, "held", start)
            return
        block = read_block({"toolUse": call}, "start")
        if not isinstance(block, ir.ToolCall):
            raise Malformed("start.toolUse", "expected a tool call")
        block.arguments = ""
        kind: _Kind = "json" if self._echo is not None and block.name == self._echo.json_tool else "call"
        self._calls = self._calls or kind == "call"
        self._begin(at, kind, restored(block, self._echo), out)

    def _on_block_delta(self, event: dict[str, Any], out: list[ir.Event]) -> None:
        self._on_start(event, out)
        at = optional(event, "contentBlockIndex", int, "") or 0
        delta = required(event, "delta", dict, "")
        kind = next(iter(delta), "")
        reader = _DELTAS.get(kind)
        if reader is not None:
            reader(self, at, delta[kind], out)

    def _on_block_stop(self, event: dict[str, Any], out: list[ir.Event]) -> None:
        at = optional(event, "contentBlockIndex", int, "") or 0
        if at in self._blocks:
            self._stop(at, out)

    def _on_message_stop(self, event: dict[str, Any], out: list[ir.Event]) -> None:
        self._on_start(event, out)
        for at in list(self._blocks):
            self._stop(at, out)
        self._finished = True
        self._more({key: value for key, value in event.items() if key != "stopReason"}, out)
        finish = read_finish(optional(event, "stopReason", str, ""), calls=self._calls)
        if finish is not None:
            out.append(ir.ChoiceEnd(0, finish))

    def _on_metadata(self, event: dict[str, Any], out: list[ir.Event]) -> None:
        """The last event of a stream."""
        self._on_start(event, out)
        self._more({key: value for key, value in event.items() if key != "usage"}, out)
        usage = optional(event, "usage", dict, "")
        if usage is not None:
            out.append(ir.UsageUpdate(read_usage(usage)))
        if self._finished:
            self._end(out)

    # --- one method for each kind of delta -----------------------------------------------------------

    def _text(self, at: int, value: Any, out: list[ir.Event]) -> None:
        self._piece(at, "text", ir.Text(""), "text", expect(value, str, "delta.text"), out)

    def _tool_use(self, at: int, value: Any, out: list[ir.Event]) -> None:
        text = optional(expect(value, dict, "delta.toolUse"), "input", str, "delta.toolUse")
        opened = self._blocks.get(at)
        if opened is None or not text:
            return
        opened.pieces.append(text)
        if opened.index >= 0:
            out.append(ir.BlockDelta(0, opened.index, "text" if opened.kind == "json" else "arguments", text))

    def _reasoning(self, at: int, value: Any, out: list[ir.Event]) -> None:
        node = expect(value, dict, "delta.reasoningContent")
        redacted = optional(node, "redactedContent", str, "delta.reasoningContent")
        if redacted is not None:
            if at not in self._blocks:
                self._blocks[at] = _Open(-1, "sealed")
            self._blocks[at].pieces.append(redacted)
            return
        block = signed(ir.Thinking(family=FAMILY), self._echo.signs if self._echo is not None else None)
        for key, kind in _THOUGHTS:
            text = optional(node, key, str, "delta.reasoningContent")
            if text is not None:
                self._piece(at, "thinking", block, kind, text, out)

    def _citation(self, at: int, value: Any, out: list[ir.Event]) -> None:
        if at not in self._blocks:
            self._begin(at, "text", ir.Text(""), out)
        opened = self._blocks[at]
        if opened.kind == "text":
            out.append(ir.CitationDelta(0, opened.index, read_citation(value, "delta.citation")))

    def _tool_result(self, at: int, value: Any, out: list[ir.Event]) -> None:
        self._gather(at, "toolResult", "content", expect(value, list, "delta.toolResult"))

    def _image(self, at: int, value: Any, out: list[ir.Event]) -> None:
        opened = self._blocks.get(at)
        if opened is not None and isinstance(opened.value.get("image"), dict):
            more = expect(value, dict, "delta.image")
            opened.value = {"image": {**opened.value["image"], **more}}

    # --- what they share -----------------------------------------------------------------------------

    def _more(self, fields: dict[str, Any], out: list[ir.Event]) -> None:
        if fields:
            out.append(ir.ExtraDelta("reply", 0, FAMILY, fields))

    def _gather(self, at: int, kind: str, key: str, items: list[Any]) -> None:
        opened = self._blocks.get(at)
        if opened is not None and isinstance(opened.value.get(kind), dict):
            inner = opened.value[kind]
            opened.value = {kind: {**inner, key: [*inner.get(key, ()), *items]}}

    def _begin(self, at: int, kind: _Kind, block: ir.Block, out: list[ir.Event]) -> None:
        self._blocks[at] = _Open(self._count, kind)
        self._count += 1
        out.append(ir.BlockStart(0, self._blocks[at].index, block))

    def _piece(
        self, at: int, kind: _Kind, block: ir.Block, delta: ir.DeltaKind, text: str, out: list[ir.Event]
    ) -> None:
        """A piece of a block that begins with it, where it is the first, or the first of its kind."""
        opened = self._blocks.get(at)
        if not text:
            return
        if opened is not None and opened.kind != kind:
            self._stop(at, out)
            opened = None
        if opened is None:
            self._begin(at, kind, block, out)
        out.append(ir.BlockDelta(0, self._blocks[at].index, delta, text))

    def _stop(self, at: int, out: list[ir.Event]) -> None:
        opened = self._blocks.pop(at)
        if opened.kind in ("call", "json") and not opened.pieces:
            out.append(ir.BlockDelta(0, opened.index, "text" if opened.kind == "json" else "arguments", "{}"))
        if opened.index < 0:
            opened.index = self._count
            self._count += 1
            out.append(ir.BlockStart(0, opened.index, self._complete(opened)))
        out.append(ir.BlockStop(0, opened.index))

    def _complete(self, opened: _Open) -> ir.Block:
        """A held block as a whole answer has it."""
        if opened.kind == "sealed":
            sealed = ir.Thinking(redacted=_joined(opened.pieces), family=FAMILY)
            return signed(sealed, self._echo.signs if self._echo is not None else None)
        value = opened.value
        if opened.pieces and isinstance(value.get("toolUse"), dict):
            value = {"toolUse": {**value["toolUse"], "input": _json("".join(opened.pieces))}}
        return read_block(value, "start")


def _no_answer(body: bytes, error: HeadgateError) -> HeadgateError:
    return aws.read_error(500, {}, body)


def _joined(pieces: list[str]) -> str:
    """Each piece is base64 of its own."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return b64encode(b"".join(b64decode(piece, validate=True) for piece in pieces)).decode()
    except ValueError:
        return "".join(pieces)


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return text


_THOUGHTS: Final[tuple[tuple[str, ir.DeltaKind], ...]] = (("text", "thinking"), ("signature", "signature"))
_DELTAS: Final[dict[str, Callable[[StreamReader, int, Any, list[ir.Event]], None]]] = {
    "text": StreamReader._text,
    "toolUse": StreamReader._tool_use,
    "reasoningContent": StreamReader._reasoning,
    "citation": StreamReader._citation,
    "toolResult": StreamReader._tool_result,
    "image": StreamReader._image,
}
_HANDLERS: Final[dict[str, Callable[[StreamReader, dict[str, Any], list[ir.Event]], None]]] = {
    "messageStart": StreamReader._on_start,
    "contentBlockStart": StreamReader._on_block_start,
    "contentBlockDelta": StreamReader._on_block_delta,
    "contentBlockStop": StreamReader._on_block_stop,
    "messageStop": StreamReader._on_message_stop,
    "metadata": StreamReader._on_metadata,
}
