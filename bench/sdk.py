"""The SDK under measurement, in a process of its own: `python -m bench.sdk`. Prints one line of JSON.

It counts the CPU time of the whole process, so that the background loop of the sync functions is in it.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import headgate
from bench import wire

TASKS = 16  # callers at the same time
_MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant that answers in one paragraph."},
    {"role": "user", "content": "What is the answer, and why is it the answer? Be brief."},
]


def _arguments(port: int) -> dict[str, Any]:
    return {
        "model": "openai/gpt-bench",
        "api_base": f"http://127.0.0.1:{port}/v1",
        "api_key": "sk-upstream-bench",
        "messages": _MESSAGES,
        "max_tokens": wire.BURST_CHUNKS,
        "temperature": 0.7,
    }


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise SystemExit(f"wrong answer from the SDK: {what}")


async def call(arguments: dict[str, Any]) -> None:
    answer = await headgate.acompletion(**arguments)
    _expect(answer.choices[0].message.content == wire.WHOLE_TEXT, "text")
    _expect(answer.usage.completion_tokens == 42, "usage")


async def stream(arguments: dict[str, Any]) -> None:
    tokens = 0
    async for chunk in await headgate.acompletion(**arguments, stream=True):
        if chunk.choices and chunk.choices[0].delta.content:
            tokens += 1
    _expect(tokens == wire.BURST_CHUNKS, f"{tokens} of {wire.BURST_CHUNKS} tokens")


def sync(arguments: dict[str, Any]) -> None:
    answer = headgate.completion(**arguments)
    _expect(answer.choices[0].message.content == wire.WHOLE_TEXT, "text")


async def _repeat(one: Callable[[dict[str, Any]], Awaitable[None]], port: int, calls: int) -> int:
    arguments = _arguments(port)

    async def caller(share: int) -> None:
        for _ in range(share):
            await one(arguments)

    async def all_callers(share: int) -> None:
        await asyncio.gather(*(caller(share) for _ in range(TASKS)))

    share = max(1, calls // TASKS)
    await all_callers(max(1, share // 5))
    before = time.process_time_ns()
    await all_callers(share)
    return (time.process_time_ns() - before) // (share * TASKS)


def _repeat_sync(port: int, calls: int) -> int:
    arguments = _arguments(port)
    for _ in range(max(1, calls // 5)):
        sync(arguments)
    before = time.process_time_ns()
    for _ in range(calls):
        sync(arguments)
    return (time.process_time_ns() - before) // calls


def main() -> None:
    options = argparse.ArgumentParser(prog="bench.sdk", description=__doc__)
    options.add_argument("--kind", choices=["async", "stream", "sync"], required=True)
    options.add_argument("--port", type=int, required=True, help="of the mock upstream")
    options.add_argument("--calls", type=int, required=True)
    given = options.parse_args()
    if given.kind == "sync":
        cpu_ns = _repeat_sync(given.port, given.calls)
    else:
        one = call if given.kind == "async" else stream
        cpu_ns = asyncio.run(_repeat(one, given.port, given.calls))
    json.dump({"cpu_ns_per_call": cpu_ns}, sys.stdout)


if __name__ == "__main__":
    main()
