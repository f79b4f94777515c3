"""The official SDK understands what the dialect writes: its own types and its stream accumulator."""

import json

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from headgate.wire import ir
from headgate.wire.anthropic import DIALECT
from headgate.wire.dialect import Frame
from headgate.wire.fold import unfold

FRAME = Frame(id="msg_ours", created=7, model="ours")
REPLY = ir.Reply(
    choices=[
        ir.Choice(
            turn=ir.Turn(
                role="assistant",
                blocks=[
                    ir.Thinking(text="hm", signature="theirs", family="gemini"),
                    ir.Text("a", citations=[ir.Citation(url="https://e", title="T")]),
                    ir.ToolCall(id="c", name="f", arguments='{"x":1}'),
                    ir.ToolCall(id="d", name="g"),
                ],
            ),
            finish=ir.Finish(reason="tool_calls"),
        )
    ],
    usage=ir.Usage(input=10, output=5, cache_read=4, reasoning=2),
)
EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


def test_a_whole_answer_is_a_valid_message() -> None:
    message = Message.model_validate_json(DIALECT.write_reply(REPLY, FRAME), strict=True)
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert message.stop_reason == "tool_use"


def test_a_stream_accumulates_to_the_same_message() -> None:
    data = DIALECT.stream_writer(FRAME).write(unfold(REPLY)).decode()
    lines = [event.split("\ndata: ")[1] for event in data.split("\n\n")[:-1]]
    snapshot = None
    buffers: dict[int, bytes] = {}
    for line in lines:
        snapshot = accumulate_event(
            event=EVENT.validate_json(line), current_snapshot=snapshot, json_bufs=buffers
        )
    assert snapshot is not None
    whole = Message.model_validate_json(DIALECT.write_reply(REPLY, FRAME))
    ours = json.loads(snapshot.model_dump_json(exclude_none=True))
    for block in ours["content"]:
        block.pop("parsed_output", None)
    assert ours == json.loads(whole.model_dump_json(exclude_none=True))
