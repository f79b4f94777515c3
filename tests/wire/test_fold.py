"""A stream is an answer in pieces: folding and unfolding are each other's reverse."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from strategies import replies

from headgate.errors import APIResponseValidationError, RateLimitError
from headgate.wire import ir
from headgate.wire.fold import Folder, fold, unfold


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(replies(stream=True))
def test_unfolding_and_folding_gives_the_same(reply: ir.Reply) -> None:
    before = copy.deepcopy(reply)
    assert fold(unfold(reply)) == reply == before


def test_pieces_are_joined_in_their_fields() -> None:
    events = [
        ir.ReplyStart(id="1"),
        ir.BlockStart(0, 0, ir.Thinking(family="anthropic")),
        ir.BlockDelta(0, 0, "thinking", "a"),
        ir.BlockStart(0, 1, ir.ToolCall("c", "f")),
        ir.BlockDelta(0, 0, "thinking", "b"),
        ir.BlockDelta(0, 1, "arguments", "{"),
        ir.BlockDelta(0, 0, "signature", "s"),
        ir.BlockDelta(0, 1, "arguments", "}"),
        ir.ChoiceEnd(0, ir.Finish(reason="tool_calls")),
        ir.ReplyEnd(),
    ]
    assert fold(events).choices[0].turn.blocks == [
        ir.Thinking("ab", signature="s", family="anthropic"),
        ir.ToolCall("c", "f", "{}"),
    ]


def test_later_totals_and_fields_replace_earlier_ones() -> None:
    reply = fold(
        [
            ir.ReplyStart(),
            ir.UsageUpdate(ir.Usage(input=1)),
            ir.ExtraDelta("reply", 0, "openai", {"a": 1, "b": 1}),
            ir.UsageUpdate(ir.Usage(input=2)),
            ir.ExtraDelta("reply", 0, "openai", {"a": 2}),
            ir.ReplyEnd(),
        ]
    )
    assert reply.usage == ir.Usage(input=2)
    assert reply.extra == {"openai": {"a": 2, "b": 1}}


def test_what_has_come_so_far_can_be_asked_for_at_any_time() -> None:
    folder = Folder()
    for event in (ir.ReplyStart(), ir.BlockStart(0, 0, ir.Text("")), ir.BlockDelta(0, 0, "text", "a")):
        folder.add(event)
    assert folder.reply().choices[0].turn.blocks == [ir.Text("a")]
    folder.add(ir.BlockDelta(0, 0, "text", "b"))
    assert folder.reply().choices[0].turn.blocks == [ir.Text("ab")]


def test_a_failure_is_raised() -> None:
    with pytest.raises(RateLimitError):
        fold([ir.ReplyStart(), ir.StreamFailure(RateLimitError("m"))])


@pytest.mark.parametrize(
    "event", [ir.BlockStart(0, 1, ir.Text("")), ir.BlockDelta(0, 0, "arguments", "x")], ids=["order", "kind"]
)
def test_events_out_of_grammar_are_refused(event: ir.Event) -> None:
    with pytest.raises(APIResponseValidationError):
        fold([event] if isinstance(event, ir.BlockStart) else [ir.BlockStart(0, 0, ir.Text("")), event])
