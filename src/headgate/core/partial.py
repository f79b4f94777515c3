"""What an answer costs that was not delivered to its end: a stream that broke, or the loser of a hedge."""

from typing import TypedDict

import msgspec

from headgate.catalog.tokens import estimate_json
from headgate.core.call import PICTURES, Call
from headgate.core.deployment import Deployment
from headgate.wire import ir

OVERHEAD = 200
"""Bytes of a stream's event that are no text, where only its size is known."""


class Charged(TypedDict):
    """Fields of a Leg."""

    input: int
    output: int
    cost: int | None


def estimated(call: Call) -> ir.Usage:
    """Of a stream that was cut before the provider told its usage: what was relayed counts."""
    told = call.usage if isinstance(call.usage, ir.Usage) else ir.Usage(input=_asked(call))
    text = max(0, call.body_bytes - call.pieces * OVERHEAD) // 4
    return msgspec.structs.replace(told, output=max(call.pieces, text), total=None)


def charged(call: Call, deployment: Deployment) -> Charged:
    """For an attempt that had begun to answer when it broke."""
    return _charged(call.usage if call.usage and call.usage.output else estimated(call), deployment)


def wasted(call: Call, deployment: Deployment) -> Charged:
    """For an attempt that was given up before its first content: its input, or its pictures where they are paid for
    one by one: they are drawn all the same."""
    if call.errand is not None:
        return _charged(call.errand.begun(call, deployment), deployment)
    if call.operation in PICTURES:
        from headgate.core.pictures import asked  # only who draws needs it

        if deployment.cost(drawn := asked(call)) is not None:
            return _charged(drawn, deployment)
    return _charged(ir.Usage(input=_asked(call)), deployment)


def _charged(usage: ir.Usage | None, deployment: Deployment) -> Charged:
    if usage is None:
        return Charged(input=0, output=0, cost=None)
    return Charged(input=usage.input, output=usage.output, cost=deployment.cost(usage))


def _asked(call: Call) -> int:
    return estimate_json(msgspec.json.encode(call.envelope))
