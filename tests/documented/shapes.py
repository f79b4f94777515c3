"""What documented answers are made of: chat answers and chunks, events, and what an exchange says."""

import json
from typing import Any, NamedTuple

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


class Exchange(NamedTuple):
    """`model` is what callers name, `operation` what they ask for. `text` None: it fails, as `status` says, which is
    that of the client's answer where the provider's own, `told`, says nothing. `same`: the client's format is the
    provider's, so that every byte must arrive."""

    id: str
    source: str
    model: str
    operation: str
    answer: bytes
    kind: str = "application/json"
    status: int = 200
    told: int = 0
    text: str | None = "Hello there"
    reasoning: str = ""
    finish: str = "stop"
    tokens: tuple[int, int] | None = (9, 3)
    same: bool = True

    @property
    def stream(self) -> bool:
        return self.kind != "application/json"


def whole(document: Any) -> bytes:
    return json.dumps(document).encode()


def events(*documents: Any, end: str = "[DONE]", eol: str = "\n", named: bool = False) -> bytes:
    """Server-sent events; `named`: by the type in each."""
    rows = [(f"event: {one['type']}{eol}" if named else "") + f"data: {json.dumps(one)}" for one in documents]
    return "".join(row + eol * 2 for row in [*rows, *([f"data: {end}"] if end else [])]).encode()


def lines(*documents: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


def chat(**fields: Any) -> dict[str, Any]:
    """A whole chat answer; `message` and `choice` go over its parts."""
    message = {"role": "assistant", "content": "Hello there", **fields.pop("message", {})}
    choice = {"index": 0, "message": message, "finish_reason": "stop", **fields.pop("choice", {})}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1750000000, "model": "m"}
    return {**head, "choices": [choice], "usage": USAGE, **fields}


def chunk(delta: Any = None, finish: Any = None, **fields: Any) -> dict[str, Any]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1750000000, "model": "m"}
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish, **fields.pop("choice", {})}
    return {**head, "choices": [choice], **fields}


BEGUN = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hello"}),
    chunk({"content": " there"}),
)
COUNTED = {**chunk(usage=USAGE), "choices": []}
