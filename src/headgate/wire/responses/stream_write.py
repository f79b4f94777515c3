"""Events → a stream of the Responses format: each event numbered, each item opened, filled and closed. Blocks may be
open at the same time, as parallel calls of tools are."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from headgate.errors import HeadgateError
from headgate.wire import ir, sse
from headgate.wire.dialect import Frame
from headgate.wire.responses import reply
from headgate.wire.responses.logprobs import write_logprobs
from headgate.wire.responses.parts import FAMILY, write_citation
from headgate.wire.seals import sealed

_ENCODE: Final = msgspec.json.Encoder().encode
Event = dict[str, Any]


class Item:
    """One block on its way: `at` is its place in the output, `name` makes its id."""

    def __init__(self, block: ir.Block, at: int, name: str) -> None:
        self.block = msgspec.structs.replace(block)
        self.at = at
        self.name = name
        self.done: dict[str, Any] | None = None
        self.tokens: list[ir.TokenLogprob] = []

    @property
    def id(self) -> str:
        begin = "msg"
        if isinstance(self.block, ir.Thinking):
            begin = "rs"
        elif isinstance(self.block, ir.ToolCall):
            begin = "ctc" if self.block.kind == "custom" else "fc"
        elif isinstance(self.block, ir.Image):
            begin = "ig"
        return f"{begin}_{self.name}"

    def place(self, **more: Any) -> Event:
        return {"item_id": self.id, "output_index": self.at, **more}

    def part(self) -> dict[str, Any]:
        block = self.block
        if isinstance(block, ir.Refusal):
            return {"type": "refusal", "refusal": block.text}
        text = block if isinstance(block, ir.Text) else ir.Text("")
        notes = [write_citation(one, len(text.text)) for one in text.citations or ()]
        tokens = write_logprobs(self.tokens)
        return {"type": "output_text", "text": text.text, "annotations": notes, "logprobs": tokens}

    def opened(self) -> list[Event]:
        item = reply.write_block(self.block, self.name) or {}
        added = {"type": "response.output_item.added", "output_index": self.at}
        match self.block:
            case ir.Text() | ir.Refusal():
                part = {"type": "response.content_part.added", "part": self.part()}
                empty = reply.message(self.name, "in_progress", [])
                return [{**added, "item": empty}, {**part, **self.place(content_index=0)}]
            case ir.Thinking():
                part = {"type": "response.reasoning_summary_part.added", **self.place(summary_index=0)}
                begun = {**item, "summary": [], "encrypted_content": None}
                return [{**added, "item": begun}, {**part, "part": {"type": "summary_text", "text": ""}}]
            case ir.ToolCall():
                key = "input" if self.block.kind == "custom" else "arguments"
                return [{**added, "item": {**item, "status": "in_progress", key: ""}}]
            case _:
                return [{**added, "item": item}]

    def delta(self, kind: ir.DeltaKind, text: str) -> list[Event]:
        block = self.block
        if isinstance(block, ir.Thinking) and kind in ("signature", "redacted"):
            setattr(block, kind, (getattr(block, kind) or "") + text)
            return []
        if kind in ("signature", "redacted", "audio"):
            return []  # the format has no place for it
        if isinstance(block, ir.ToolCall):
            block.arguments += text
            name = "custom_tool_call_input" if block.kind == "custom" else "function_call_arguments"
            return [{"type": f"response.{name}.delta", "delta": text, **self.place()}]
        if isinstance(block, ir.Thinking):
            block.text += text
            place = self.place(summary_index=0)
            return [{"type": "response.reasoning_summary_text.delta", "delta": text, **place}]
        if isinstance(block, ir.Text | ir.Refusal):
            block.text += text
            name = "refusal" if isinstance(block, ir.Refusal) else "output_text"
            more: Event = {} if name == "refusal" else {"logprobs": []}
            return [{"type": f"response.{name}.delta", "delta": text, **more, **self.place(content_index=0)}]
        return []

    def cited(self, citation: ir.Citation) -> list[Event]:
        block = self.block
        if not isinstance(block, ir.Text):
            return []
        block.citations = [*(block.citations or ()), citation]
        written = write_citation(citation, len(block.text))
        note = {"annotation_index": len(block.citations) - 1, "annotation": written}
        return [{"type": "response.output_text.annotation.added", **note, **self.place(content_index=0)}]

    def closed(self) -> list[Event]:
        if self.done is not None:
            return []
        block = self.block
        events: list[Event] = []
        if isinstance(block, ir.ToolCall) and block.kind == "function" and not block.arguments:
            events = self.delta("arguments", "{}")  # every client can parse it
        if isinstance(block, ir.Text | ir.Refusal):
            name, key = ("refusal", "refusal") if isinstance(block, ir.Refusal) else ("output_text", "text")
            more: Event = {} if name == "refusal" else {"logprobs": write_logprobs(self.tokens)}
            place = self.place(content_index=0)
            events = [
                {"type": f"response.{name}.done", key: block.text, **more, **place},
                {"type": "response.content_part.done", "part": self.part(), **place},
            ]
        elif isinstance(block, ir.Thinking):
            part, place = {"type": "summary_text", "text": block.text}, self.place(summary_index=0)
            events = [
                {"type": "response.reasoning_summary_text.done", "text": block.text, **place},
                {"type": "response.reasoning_summary_part.done", "part": part, **place},
            ]
        elif isinstance(block, ir.ToolCall) and block.kind == "custom":
            events = [
                {"type": "response.custom_tool_call_input.done", "input": block.arguments, **self.place()}
            ]
        elif isinstance(block, ir.ToolCall):
            told = {"arguments": block.arguments, "name": block.name}
            events.append({"type": "response.function_call_arguments.done", **told, **self.place()})
        self.done = self._finished()
        done = {"type": "response.output_item.done", "item": self.done, "output_index": self.at}
        return [*events, done]

    def _finished(self) -> dict[str, Any]:
        if isinstance(self.block, ir.Text | ir.Refusal):
            return reply.message(self.name, "completed", [self.part()])
        item = reply.write_block(self.block, self.name) or {}
        if isinstance(self.block, ir.Thinking):
            item["encrypted_content"] = sealed(self.block, FAMILY)
        return item


class StreamWriter:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._number = 0
        self._model: str | None = None
        self._created = frame.created
        self._items: dict[int, Item] = {}
        self._usage: ir.Usage | None = None
        self._finish: ir.Finish | None = None

    def write(self, events: Iterable[ir.Event]) -> bytes:
        return b"".join(self._encoded(one) for event in events for one in self._events(event))

    def _encoded(self, event: Event) -> bytes:
        data = _ENCODE({**event, "sequence_number": self._number})
        self._number += 1
        return sse.encode(data, event["type"])

    def _events(self, event: ir.Event) -> list[Event]:
        match event:
            case ir.ReplyStart():
                self._model, self._created = event.model, event.created or self._created
                begun = self._response()
                return [
                    {"type": "response.created", "response": begun},
                    {"type": "response.in_progress", "response": begun},
                ]
            case ir.BlockStart():
                return self._open(event)
            case ir.BlockDelta() | ir.CitationDelta() | ir.BlockStop():
                item = self._items.get(event.index) if event.choice == 0 else None
                return [] if item is None or item.done is not None else _told(item, event)
            case ir.LogprobsDelta(choice=0):
                spoken = [item for item in self._items.values() if isinstance(item.block, ir.Text)]
                if spoken and spoken[-1].done is None:
                    spoken[-1].tokens += event.tokens
                return []
            case ir.ChoiceEnd(choice=0):
                self._finish = event.finish
                return []
            case ir.UsageUpdate():
                self._usage = event.usage
                return []
            case ir.ReplyEnd():
                return [*(one for item in self._items.values() for one in item.closed()), self._end()]
            case _:
                return []

    def _open(self, event: ir.BlockStart) -> list[Event]:
        """Blocks of other kinds than calls are over when the next one begins."""
        if event.choice or not (isinstance(event.block, ir.Audio) or reply.write_block(event.block, "")):
            return []
        over = (item for item in self._items.values() if not isinstance(item.block, ir.ToolCall))
        events = [one for item in over for one in item.closed()]
        block, said = _emptied(event.block)
        item = Item(block, len(self._items), f"{self._frame.id}_{len(self._items)}")
        self._items[event.index] = item
        events += item.opened()
        for kind, text in said:
            events += item.delta(kind, text) if text else []
        return events

    def _response(self) -> dict[str, Any]:
        output = [item.done for item in self._items.values() if item.done is not None]
        document = reply.response(self._frame, self._model, output)
        document["created_at"] = self._created
        return document

    def _end(self) -> Event:
        document = self._response()
        reply.end(document, self._finish, self._usage)
        return {"type": f"response.{document['status']}", "response": document}


def _emptied(block: ir.Block) -> tuple[ir.Block, list[tuple[ir.DeltaKind, str | None]]]:
    """The block as its item begins, and what it has said already. Sound is told by its words."""
    replace = msgspec.structs.replace
    match block:
        case ir.Text():
            return replace(block, text="", citations=None), [("text", block.text)]
        case ir.Refusal():
            return ir.Refusal(""), [("refusal", block.text)]
        case ir.Thinking():
            return replace(block, text="", signature=None), [
                ("thinking", block.text),
                ("signature", block.signature),
            ]
        case ir.ToolCall():
            return replace(block, arguments=""), [("arguments", block.arguments)]
        case ir.Audio():
            return ir.Text(""), [("transcript", block.transcript)]
        case _:
            return block, []


def _told(item: Item, event: ir.BlockDelta | ir.CitationDelta | ir.BlockStop) -> list[Event]:
    if isinstance(event, ir.BlockDelta):
        return item.delta(event.kind, event.text)
    return item.cited(event.citation) if isinstance(event, ir.CitationDelta) else item.closed()


def write_stream_error(error: HeadgateError) -> bytes:
    """The event that OpenAI's clients raise; the answer has no `response.completed`."""
    told = {"message": error.message, "type": error.type, "param": error.param}
    told["code"] = error.code or str(error.status_code)
    return sse.encode(_ENCODE({"type": "error", **told, "error": told, "sequence_number": 0}), "error")
