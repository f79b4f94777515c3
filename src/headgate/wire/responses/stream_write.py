"""Events → a stream of the Responses format: each event numbered, each item opened, filled and closed."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from headgate.errors import HeadgateError
from headgate.wire import ir, sse
from headgate.wire.dialect import Frame
from headgate.wire.responses import reply
from headgate.wire.responses.items import sealed
from headgate.wire.responses.parts import write_citation

_ENCODE: Final = msgspec.json.Encoder().encode
Event = dict[str, Any]


class StreamWriter:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._number = 0
        self._model: str | None = None
        self._created = frame.created
        self._output: list[dict[str, Any]] = []
        self._block: ir.Block | None = None
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
                return [*self._close(), *self._open(event.block)]
            case ir.BlockDelta():
                return self._delta(event)
            case ir.CitationDelta():
                return self._cite(event.citation)
            case ir.BlockStop():
                return self._close()
            case ir.ChoiceEnd():
                self._finish = event.finish
                return self._close()
            case ir.UsageUpdate():
                self._usage = event.usage
                return []
            case ir.ReplyEnd():
                return [*self._close(), self._end()]
            case _:
                return []

    def _response(self) -> dict[str, Any]:
        document = reply.response(self._frame, self._model, list(self._output))
        document["created_at"] = self._created
        return document

    @property
    def _name(self) -> str:
        return f"{self._frame.id}_{len(self._output)}"

    def _place(self, **more: Any) -> Event:
        """Where in the output the current item is."""
        return {"output_index": len(self._output), **more}

    def _open(self, block: ir.Block) -> list[Event]:
        self._block = msgspec.structs.replace(block)
        item = reply.write_block(block, self._name)
        if item is None:
            self._block = None
            return []
        added = {"type": "response.output_item.added", **self._place()}
        match block:
            case ir.Text() | ir.Refusal():
                empty = reply.message(self._name, "in_progress", [])
                part = {"type": "response.content_part.added", "part": self._part()}
                return [{**added, "item": empty}, {**part, **self._in_item(0)}]
            case ir.Thinking():
                opened = [{**added, "item": {**item, "summary": [], "encrypted_content": None}}]
                part = {"type": "response.reasoning_summary_part.added", **self._in_summary()}
                return [*opened, {**part, "part": {"type": "summary_text", "text": ""}}]
            case ir.ToolCall():
                key = "input" if block.kind == "custom" else "arguments"
                return [{**added, "item": {**item, "status": "in_progress", key: ""}}]
            case _:
                return [{**added, "item": item}]

    def _in_item(self, content: int | None = None) -> Event:
        begin = "msg"
        if isinstance(self._block, ir.Thinking):
            begin = "rs"
        elif isinstance(self._block, ir.ToolCall):
            begin = "ctc" if self._block.kind == "custom" else "fc"
        place = self._place(item_id=f"{begin}_{self._name}")
        return place if content is None else {**place, "content_index": content}

    def _in_summary(self) -> Event:
        return {**self._in_item(), "summary_index": 0}

    def _part(self) -> dict[str, Any]:
        block = self._block
        if isinstance(block, ir.Refusal):
            return {"type": "refusal", "refusal": block.text}
        text = block if isinstance(block, ir.Text) else ir.Text("")
        notes = [write_citation(one) for one in text.citations or ()]
        return {"type": "output_text", "text": text.text, "annotations": notes, "logprobs": []}

    def _delta(self, event: ir.BlockDelta) -> list[Event]:
        block = self._block
        if isinstance(block, ir.Thinking) and event.kind in ("signature", "redacted"):
            name = event.kind
            setattr(block, name, (getattr(block, name) or "") + event.text)
            return []
        if isinstance(block, ir.ToolCall):
            block.arguments += event.text
            kind = "custom_tool_call_input" if block.kind == "custom" else "function_call_arguments"
            return [{"type": f"response.{kind}.delta", "delta": event.text, **self._in_item()}]
        if isinstance(block, ir.Thinking):
            block.text += event.text
            kind = "response.reasoning_summary_text.delta"
            return [{"type": kind, "delta": event.text, **self._in_summary()}]
        if isinstance(block, ir.Text | ir.Refusal):
            block.text += event.text
            kind = "refusal" if isinstance(block, ir.Refusal) else "output_text"
            more: Event = {} if kind == "refusal" else {"logprobs": []}
            return [{"type": f"response.{kind}.delta", "delta": event.text, **more, **self._in_item(0)}]
        return []

    def _cite(self, citation: ir.Citation) -> list[Event]:
        block = self._block
        if not isinstance(block, ir.Text):
            return []
        block.citations = [*(block.citations or ()), citation]
        note = {"annotation_index": len(block.citations) - 1, "annotation": write_citation(citation)}
        return [{"type": "response.output_text.annotation.added", **note, **self._in_item(0)}]

    def _close(self) -> list[Event]:
        block = self._block
        if block is None:
            return []
        events: list[Event] = []
        if isinstance(block, ir.Text | ir.Refusal):
            kind, key = ("refusal", "refusal") if isinstance(block, ir.Refusal) else ("output_text", "text")
            more: Event = {} if kind == "refusal" else {"logprobs": []}
            events = [
                {"type": f"response.{kind}.done", key: block.text, **more, **self._in_item(0)},
                {"type": "response.content_part.done", "part": self._part(), **self._in_item(0)},
            ]
        elif isinstance(block, ir.Thinking):
            part = {"type": "summary_text", "text": block.text}
            events = [
                {"type": "response.reasoning_summary_text.done", "text": block.text, **self._in_summary()},
                {"type": "response.reasoning_summary_part.done", "part": part, **self._in_summary()},
            ]
        elif isinstance(block, ir.ToolCall):
            custom = block.kind == "custom"
            kind, key = (
                ("custom_tool_call_input", "input") if custom else ("function_call_arguments", "arguments")
            )
            done = {"type": f"response.{kind}.done", key: block.arguments, **self._in_item()}
            events = [done if custom else {**done, "name": block.name}]
        item = self._finished(block)
        events.append({"type": "response.output_item.done", "item": item, **self._place()})
        self._output.append(item)
        self._block = None
        return events

    def _finished(self, block: ir.Block) -> dict[str, Any]:
        if isinstance(block, ir.Text | ir.Refusal):
            return reply.message(self._name, "completed", [self._part()])
        item = reply.write_block(block, self._name) or {}
        if isinstance(block, ir.Thinking):
            item["encrypted_content"] = sealed(block)
        return item

    def _end(self) -> Event:
        document = self._response()
        document["usage"] = reply.write_usage(self._usage)
        reply.end(document, self._finish)
        return {"type": f"response.{document['status']}", "response": document}


def write_stream_error(error: HeadgateError) -> bytes:
    """The event that OpenAI's clients raise; the answer has no `response.completed`."""
    told = {"message": error.message, "type": error.type, "param": error.param}
    told["code"] = error.code or str(error.status_code)
    return sse.encode(_ENCODE({"type": "error", **told, "error": told, "sequence_number": 0}), "error")
