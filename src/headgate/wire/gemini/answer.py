"""One candidate of a stream, as it grows: its parts → block events. Knows no framing.

A function call may come in pieces (`streamFunctionCallArguments`): each names a place in the arguments and
what is to be put or appended there. They are put together here, and the arguments leave whole.
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling
"""

import re
from itertools import pairwise
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.gemini import grounding
from headgate.wire.gemini.check import FAMILY, expect, fields, json_text, listed, optional
from headgate.wire.gemini.media import Joiner
from headgate.wire.gemini.parts import CallIds, read_part
from headgate.wire.gemini.reply import is_empty, restore
from headgate.wire.gemini.usage import finish_name, read_finish, read_logprobs
from headgate.wire.shape import Malformed

_PLAIN: Final = frozenset({"text", "thought"})
_SEEN: Final = frozenset({"content", "finishReason", "index"})
_CALL: Final = frozenset({"id", "name", "args", "partialArgs", "willContinue"})
_PIECE: Final = frozenset(
    {"jsonPath", "stringValue", "numberValue", "boolValue", "nullValue", "willContinue"}
)
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[['\"]([^'\"]*)['\"]\]")
MAX_INDEX: Final = 10_000
"""Places of a list that a piece may name: a wild index must not fill the memory."""


class Answer:
    def __init__(self, index: int, ids: CallIds, echo: ir.Echo | None) -> None:
        self.reason: str | None = None
        self.extra: dict[str, Any] = {}
        self._index = index
        self._ids = ids
        self._echo = echo
        self._count = 0
        self._open: type | None = None
        self._texts: dict[int, list[str]] = {}
        self._calls = False
        self._sound: tuple[str | None, Joiner] | None = None
        self._pieces: Pieces | None = None

    def add(self, candidate: dict[str, Any], where: str, out: list[ir.Event]) -> None:
        """The candidate of one event. Raises `Malformed`."""
        content = optional(candidate, "content", dict, where)
        if content is not None:
            parts = listed(content, "parts", f"{where}.content")
            for at, part in enumerate(parts):
                self._part(part, f"{where}.content.parts[{at}]", out)
            if len(content) > 2:
                left = {key: value for key, value in content.items() if key not in ("role", "parts")}
                out.append(ir.ExtraDelta("turn", self._index, FAMILY, left))
        self.reason = finish_name(candidate.get("finishReason")) or self.reason
        if not candidate.keys() <= _SEEN:
            self._rest(candidate, where, out)

    def _rest(self, candidate: dict[str, Any], where: str, out: list[ir.Event]) -> None:
        for key, value in candidate.items():
            if key == "logprobsResult" and value:
                place = f"{where}.logprobsResult"
                tokens = read_logprobs(expect(value, dict, place), place)
                if tokens:
                    out.append(ir.LogprobsDelta(self._index, tokens))
            elif key in _SEEN or key == "logprobsResult" or value is None:
                continue
            elif value or key not in self.extra:
                self.extra[key] = value

    def end(self, out: list[ir.Event]) -> None:
        self._finish_pieces(out)
        metadata = self.extra.get("groundingMetadata")
        if isinstance(metadata, dict) and metadata:
            parts = [(at, at, "".join(pieces)) for at, pieces in self._texts.items()]
            for block, citation in grounding.citations(metadata, grounding.Texts(parts)):
                out.append(ir.CitationDelta(self._index, block, citation))
        self._close(out)
        if self.extra:
            out.append(ir.ExtraDelta("choice", self._index, FAMILY, self.extra))
        out.append(ir.ChoiceEnd(self._index, read_finish(self.reason or "STOP", calls=self._calls)))

    # --- parts ---------------------------------------------------------------------------------------

    def _part(self, part: Any, where: str, out: list[ir.Event]) -> None:
        if type(part) is dict and part.keys() <= _PLAIN and type(part.get("text")) is str:
            if part["text"]:
                self._say(part["text"], part.get("thought") is True, out)
            return
        call = self._call_of(part)
        if call is not None and (self._pieces is not None or "willContinue" in call or "partialArgs" in call):
            self._piece(part, call, where, out)
            return
        block = restore(read_part(part, where, self._ids), self._echo)
        if is_empty(block):
            return
        if isinstance(block, ir.Audio) and self._hear(block, out):
            return
        self._whole(block, out)

    def _say(self, text: str, thought: bool, out: list[ir.Event]) -> None:
        """More of the open block, where it is of the same kind."""
        kind = ir.Thinking if thought else ir.Text
        if self._open is not kind:
            self._begin(ir.Thinking() if thought else ir.Text(""), out)
        at = self._count - 1
        if not thought:
            self._texts.setdefault(at, []).append(text)
        out.append(ir.BlockDelta(self._index, at, "thinking" if thought else "text", text))

    def _whole(self, block: ir.Block, out: list[ir.Event]) -> None:
        """A block that comes in one piece."""
        if isinstance(block, ir.Text):
            self._texts[self._count] = [block.text]
        if isinstance(block, ir.ToolCall):
            self._calls = True
            arguments, block.arguments = block.arguments, ""
            self._begin(block, out)
            out.append(ir.BlockDelta(self._index, self._count - 1, "arguments", arguments))
        else:
            self._begin(block, out)
        self._close(out)

    def _hear(self, block: ir.Audio, out: list[ir.Event]) -> bool:
        """Pieces of one sound become one block. False for sound that is whole in itself."""
        source = block.source
        if source is None or source.kind != "data" or block.signature or block.extra:
            return False
        if self._sound is None or self._sound[0] != source.media_type:
            piece, source.value = source.value, ""
            self._begin(block, out)
            self._sound = (source.media_type, Joiner())
        else:
            piece = source.value
        text = self._sound[1].add(piece)
        if text:
            out.append(ir.BlockDelta(self._index, self._count - 1, "audio", text))
        return True

    def _begin(self, block: ir.Block, out: list[ir.Event]) -> None:
        self._close(out)
        out.append(ir.BlockStart(self._index, self._count, block))
        self._open = type(block)
        self._count += 1

    def _close(self, out: list[ir.Event]) -> None:
        if self._sound is not None:
            rest = self._sound[1].end()
            if rest:
                out.append(ir.BlockDelta(self._index, self._count - 1, "audio", rest))
            self._sound = None
        if self._open is not None:
            out.append(ir.BlockStop(self._index, self._count - 1))
            self._open = None

    # --- calls in pieces -----------------------------------------------------------------------------

    def _call_of(self, part: Any) -> dict[str, Any] | None:
        if type(part) is not dict:
            return None
        call = part.get("functionCall", part.get("function_call"))
        return fields(call, _CALL) if isinstance(call, dict) else None

    def _piece(self, part: dict[str, Any], call: dict[str, Any], where: str, out: list[ir.Event]) -> None:
        inner = f"{where}.functionCall"
        if isinstance(call.get("name"), str):
            self._finish_pieces(out)
            self._pieces = Pieces()
            whole = {**call, "args": call.get("args") or {}}
            block = restore(read_part({**part, "functionCall": whole}, where, self._ids), self._echo)
            if isinstance(block, ir.ToolCall):
                self._pieces.arguments = call.get("args") or {}
                block.arguments = ""
                self._calls = True
                self._begin(block, out)
        if self._pieces is None:
            raise Malformed(inner, "a piece of a call that has not begun")
        for at, piece in enumerate(listed(call, "partialArgs", inner)):
            self._pieces.put(expect(piece, dict, f"{inner}.partialArgs[{at}]"), f"{inner}.partialArgs[{at}]")
        if not call.get("willContinue"):
            self._finish_pieces(out)

    def _finish_pieces(self, out: list[ir.Event]) -> None:
        if self._pieces is not None:
            text = json_text(self._pieces.arguments)
            self._pieces = None
            out.append(ir.BlockDelta(self._index, self._count - 1, "arguments", text))
            self._close(out)


class Pieces:
    """Arguments that grow: each piece names a place (`$.places[0].name`) and a value or more of its text."""

    def __init__(self) -> None:
        self.arguments: dict[str, Any] = {}
        self._growing = ""

    def put(self, given: dict[str, Any], where: str) -> None:
        piece = fields(given, _PIECE)
        path = piece.get("jsonPath")
        if not isinstance(path, str) or not path.startswith("$"):
            raise Malformed(f"{where}.jsonPath", "expected a path that begins with $")
        steps = [
            int(number) if number else name or quoted for name, number, quoted in _STEP.findall(path[1:])
        ]
        if not steps or isinstance(steps[0], int):
            raise Malformed(f"{where}.jsonPath", "expected the path of a field")
        holder: Any = self.arguments
        for step, following in pairwise(steps):
            holder = _enter(holder, step, [] if isinstance(following, int) else {}, where)
        value = next(
            (piece[key] for key in ("stringValue", "numberValue", "boolValue") if key in piece), None
        )
        if isinstance(value, str) and self._growing == path:
            value = _enter(holder, steps[-1], "", where) + value
        _set(holder, steps[-1], value, where)
        self._growing = path if piece.get("willContinue") and isinstance(value, str) else ""


def _enter(holder: Any, step: str | int, default: Any, where: str) -> Any:
    """What stands at the place; the default is put there first where nothing does."""
    if isinstance(holder, dict) and isinstance(step, str):
        return holder.setdefault(step, default)
    if isinstance(holder, list) and isinstance(step, int) and step < MAX_INDEX:
        if step >= len(holder):
            _set(holder, step, default, where)
        return holder[step]
    raise Malformed(f"{where}.jsonPath", "it doesn't fit the pieces before")


def _set(holder: Any, step: str | int, value: Any, where: str) -> None:
    if isinstance(holder, dict) and isinstance(step, str):
        holder[step] = value
    elif isinstance(holder, list) and isinstance(step, int) and step < MAX_INDEX:
        holder += [None] * (step + 1 - len(holder))
        holder[step] = value
    else:
        raise Malformed(f"{where}.jsonPath", "it doesn't fit the pieces before")
