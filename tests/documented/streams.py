"""One stream in all the ways in which servers vary it, and what breaks before it says anything."""

from typing import Any

from documented.shapes import BEGUN, COUNTED, USAGE, chunk, events, whole

FINISHED = (*BEGUN, chunk({}, "stop"))
STREAM = events(*FINISHED, COUNTED)
FAULT = {"error": {"message": "x", "type": "invalid_request_error", "param": None, "code": None}}


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in names}


def choosing(document: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**document, "choices": [{**document["choices"][0], **fields}]}


VARIED = {
    "without done": events(*FINISHED, COUNTED, end=""),
    "without done and blank line": events(*FINISHED, COUNTED, end="")[:-2],
    "done without blank line": STREAM[:-2],
    "usage with the finish reason": events(*BEGUN, chunk({}, "stop", usage=USAGE)),
    "usage before the finish reason": events(*BEGUN, COUNTED, chunk({}, "stop")),
    "usage without choices": events(*FINISHED, without(COUNTED, "choices")),
    "usage with null choices": events(*FINISHED, {**COUNTED, "choices": None}),
    "usage in fractions": events(
        *FINISHED,
        {**COUNTED, "usage": {"prompt_tokens": 9.0, "completion_tokens": 3.0, "total_tokens": 12.0}},
    ),
    "CR LF": events(*FINISHED, COUNTED, eol="\r\n"),
    "CR": events(*FINISHED, COUNTED, eol="\r"),
    "comments": b": ping\n\n:\n\n" + STREAM.replace(b"\n\n", b"\n\n: keep-alive\n\n"),
    "ids and names": STREAM.replace(b"data: {", b": c\nid: 1\nretry: 5\nevent: message\ndata: {"),
    "data of nothing": b"data:\n\ndata: \n\n" + STREAM,
    "no space": STREAM.replace(b"data: ", b"data:"),
    "a byte order mark": b"\xef\xbb\xbf" + STREAM,
    "null content": events(
        chunk({"role": "assistant", "content": None}), *BEGUN, chunk({"content": None}, "stop"), COUNTED
    ),
    "null delta": events(*BEGUN, choosing(chunk(), delta=None, finish_reason="stop"), COUNTED),
    "no delta": events(*BEGUN, {**chunk(), "choices": [{"index": 0, "finish_reason": "stop"}]}, COUNTED),
    "empty choices": events(
        {**chunk(), "choices": []},
        BEGUN[0],
        {**chunk(), "choices": [], "usage": None},
        *FINISHED[1:],
        COUNTED,
    ),
    "an empty finish reason": events(
        *(choosing(one, finish_reason="") for one in BEGUN), chunk({}, "stop"), COUNTED
    ),
    "the finish reason twice": events(*FINISHED, chunk({}, "stop"), COUNTED),
    "no names": events(*({**one, "id": None, "created": None, "model": None} for one in FINISHED), COUNTED),
    "a time as a text": events(*({**one, "created": "1750000000"} for one in FINISHED), COUNTED),
    "null index": events(*(choosing(one, index=None) for one in FINISHED), COUNTED),
}
"""Streams that differ where providers do, and say "Hello there"."""

BROKEN = (
    ("a numeric code", events({"error": {"code": 429, "message": "slow down"}}), 429),
    ("a text", events({"error": "boom"}), 500),
    ("a text and a code", events({"error": "boom", "code": 503}), 503),
    ("no error key", events({"message": "boom", "code": 503}, end=""), 503),
    ("an event of that name", b'event: error\ndata: {"message": "boom"}\n\n', 500),
    ("in a choice", events({**chunk({"content": ""}, "error"), "error": {"code": 502, "message": "x"}}), 502),
    ("a document in place of a stream", whole(FAULT), 400),
    ("nothing", b"", 500),
    ("only a comment", b": ping\n\n", 500),
)
"""Streams that fail before they say anything, and the status that the client is told."""
