"""Events ↔ reply: a stream folded into the whole answer, and a whole answer cut into the events of one.

`fold(unfold(reply)) == reply` for every reply.
"""

from collections.abc import Iterable, Iterator

import msgspec

from headgate.errors import APIResponseValidationError
from headgate.wire import ir

_FIELD: dict[tuple[type, str], str] = {
    (ir.Text, "text"): "text",
    (ir.Thinking, "thinking"): "text",
    (ir.Refusal, "refusal"): "text",
    (ir.ToolCall, "arguments"): "arguments",
    (ir.Thinking, "redacted"): "redacted",
    (ir.Audio, "transcript"): "transcript",
}


def fold(events: Iterable[ir.Event]) -> ir.Reply:
    """The whole answer. Raises the error of a StreamFailure."""
    folder = Folder()
    for event in events:
        folder.add(event)
    return folder.reply()


class Folder:
    """Gathers events one by one; `reply()` may be called at any time for what has come so far."""

    def __init__(self) -> None:
        self._reply = ir.Reply(choices=[])
        self._choices: dict[int, ir.Choice] = {}
        self._pieces: dict[tuple[int, int, ir.DeltaKind], list[str]] = {}

    def add(self, event: ir.Event) -> None:
        match event:
            case ir.BlockDelta():
                self._pieces.setdefault((event.choice, event.index, event.kind), []).append(event.text)
            case ir.BlockStart():
                blocks = self._choice(event.choice).turn.blocks
                if event.index != len(blocks):
                    raise APIResponseValidationError(f"block {event.index} starts out of order")
                blocks.append(msgspec.structs.replace(event.block))
            case ir.CitationDelta():
                block = self._choice(event.choice).turn.blocks[event.index]
                if isinstance(block, ir.Text):
                    block.citations = [*(block.citations or ()), event.citation]
            case ir.LogprobsDelta():
                choice = self._choice(event.choice)
                choice.logprobs = [*(choice.logprobs or ()), *event.tokens]
            case ir.ExtraDelta():
                self._extend(event)
            case ir.ChoiceEnd():
                self._choice(event.choice).finish = event.finish
            case ir.UsageUpdate():
                self._reply.usage = event.usage
            case ir.ReplyStart():
                start = self._reply
                start.id, start.model, start.created = event.id, event.model, event.created
                if event.extra:
                    for family, fields in event.extra.items():
                        self._extend(ir.ExtraDelta("reply", 0, family, fields))
            case ir.StreamFailure():
                raise event.error
            case _:
                pass

    def reply(self) -> ir.Reply:
        for (choice, index, kind), pieces in self._pieces.items():
            _append(self._choice(choice).turn.blocks[index], kind, "".join(pieces))
        self._pieces.clear()
        self._reply.choices = [self._choices[index] for index in sorted(self._choices)]
        return self._reply

    def _choice(self, index: int) -> ir.Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = ir.Choice(index=index, turn=ir.Turn(role="assistant", blocks=[]))
            self._choices[index] = choice
        return choice

    def _extend(self, event: ir.ExtraDelta) -> None:
        node: ir.Node
        if event.target == "reply":
            node = self._reply
        else:
            choice = self._choice(event.choice)
            node = choice.turn if event.target == "turn" else choice
        extra = node.extra or {}
        node.extra = {**extra, event.family: {**extra.get(event.family, {}), **event.fields}}


def _append(block: ir.Block, kind: ir.DeltaKind, text: str) -> None:
    if kind == "signature" and not isinstance(block, ir.Opaque | ir.ToolResult | ir.Refusal):
        block.signature = (block.signature or "") + text
        return
    if kind == "audio" and isinstance(block, ir.Audio):
        if block.source is None:
            block.source = ir.Source(kind="data", value="")
        block.source.value += text
        return
    name = _FIELD.get((type(block), kind))
    if name is None:
        raise APIResponseValidationError(f"a piece of {kind} in a block of {type(block).__name__}")
    setattr(block, name, (getattr(block, name) or "") + text)


def unfold(reply: ir.Reply) -> Iterator[ir.Event]:
    """The events of a stream that carries this answer: one delta for each text."""
    yield ir.ReplyStart(id=reply.id, model=reply.model, created=reply.created, extra=reply.extra)
    for choice in reply.choices:
        yield from _unfold_choice(choice)
    if reply.usage is not None:
        yield ir.UsageUpdate(reply.usage)
    yield ir.ReplyEnd()


def _unfold_choice(choice: ir.Choice) -> Iterator[ir.Event]:
    at = choice.index
    for index, block in enumerate(choice.turn.blocks):
        yield from _unfold_block(at, index, block)
    if choice.logprobs is not None:
        yield ir.LogprobsDelta(at, choice.logprobs)
    for target, extra in (("turn", choice.turn.extra), ("choice", choice.extra)):
        for family, fields in (extra or {}).items():
            yield ir.ExtraDelta("turn" if target == "turn" else "choice", at, family, fields)
    if choice.finish is not None:
        yield ir.ChoiceEnd(at, choice.finish)


def _unfold_block(choice: int, index: int, block: ir.Block) -> Iterator[ir.Event]:
    replace = msgspec.structs.replace
    match block:
        case ir.Text():
            sealed = block.signature is not None  # the seal is one of the whole text: it stays at its side
            said = block.text if sealed else ""
            yield ir.BlockStart(choice, index, replace(block, text=said, citations=None))
            if block.text and not sealed:
                yield ir.BlockDelta(choice, index, "text", block.text)
            for citation in block.citations or ():
                yield ir.CitationDelta(choice, index, citation)
        case ir.Thinking():
            yield ir.BlockStart(choice, index, replace(block, text="", signature=None))
            if block.text:
                yield ir.BlockDelta(choice, index, "thinking", block.text)
            if block.signature is not None:
                yield ir.BlockDelta(choice, index, "signature", block.signature)
        case ir.Refusal():
            yield ir.BlockStart(choice, index, replace(block, text=""))
            if block.text:
                yield ir.BlockDelta(choice, index, "refusal", block.text)
        case ir.ToolCall():
            yield ir.BlockStart(choice, index, replace(block, arguments=""))
            if block.arguments:
                yield ir.BlockDelta(choice, index, "arguments", block.arguments)
        case _:
            yield ir.BlockStart(choice, index, block)
    yield ir.BlockStop(choice, index)
