"""Answers of Cohere's older API (v1 chat and generate), whole and streamed, in the words of v2.

https://docs.cohere.com/v1/reference/chat, https://docs.cohere.com/v1/reference/generate. Other clouds still speak it.
Each answer becomes a v2 document and each line of a stream v2 events, so that there is one reader for both.
"""

from typing import Any, Final

import msgspec

from headgate.errors import APIResponseValidationError
from headgate.wire import sse
from headgate.wire.cohere.parts import arguments_of

_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder().encode
_SEEN: Final = frozenset({"text", "generations", "generation_id", "response_id", "meta", "finish_reason"})


def upgraded(document: dict[str, Any]) -> list[dict[str, Any]]:
    """An answer per choice in v2's form; the document itself where it is that already."""
    if "message" in document:
        return [document]
    if isinstance(rows := document.get("generations"), list):
        rows = [row for row in rows if isinstance(row, dict)]
        return [_answer({**document, **row}) for row in rows]
    if isinstance(document.get("text"), str) and not _SEEN.isdisjoint(document.keys() - {"text"}):
        return [_answer(document)]
    return [document]


def _answer(document: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant"}
    calls = _objects(document.get("tool_calls"))
    text = document.get("text")
    if calls:
        message["tool_plan"] = text
        message["tool_calls"] = [_call(call, index) for index, call in enumerate(calls)]
    else:
        message["content"] = [{"type": "text", "text": text}]
    if notes := _objects(document.get("citations")):
        message["citations"] = [_note(note, _objects(document.get("documents"))) for note in notes]
    return {
        "id": document.get("response_id") or document.get("generation_id") or document.get("id"),
        "finish_reason": document.get("finish_reason"),
        "message": message,
        "usage": _usage(document),
    }


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _usage(document: dict[str, Any]) -> dict[str, Any]:
    meta = document.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    return {key: meta[key] for key in ("billed_units", "tokens") if key in meta}


def _call(call: dict[str, Any], index: int) -> dict[str, Any]:
    """Calls have no ids here."""
    inner = {"name": call.get("name"), "arguments": arguments_of(call.get("parameters"))}
    return {"id": f"call_{index}", "type": "function", "function": inner}


def _note(note: dict[str, Any], documents: list[dict[str, Any]]) -> dict[str, Any]:
    """The documents' own words, in place of their ids."""
    known = {one.get("id"): one for one in documents if isinstance(one.get("id"), str)}
    ids = note.get("document_ids")
    names = [name for name in ids if isinstance(name, str)] if isinstance(ids, list) else []
    sources = [
        {"type": "document", "id": name, **({"document": known[name]} if name in known else {})}
        for name in names
    ]
    return {**{key: value for key, value in note.items() if key != "document_ids"}, "sources": sources}


# --- streams ---------------------------------------------------------------------------------------------


class Decoder:
    """Bytes of a stream → (event name, data) in v2's form, for any chunking: server-sent events as they are, or
    the older API's lines of JSON. The first byte tells which. `rest` is what has come of an event not complete."""

    def __init__(self) -> None:
        self._inner: sse.Decoder | Lines | None = None

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        if self._inner is None:
            if not (begun := data.lstrip()):
                return []
            self._inner = Lines() if begun[:1] == b"{" else sse.Decoder()
        return self._inner.feed(data)

    @property
    def rest(self) -> bytes:
        return self._inner.rest if isinstance(self._inner, sse.Decoder) else b""

    def close(self) -> list[tuple[str, bytes]]:
        return self._inner.close() if self._inner is not None else []


class Lines:
    """The older API's stream. Raises APIResponseValidationError for a line that is no JSON or never ends."""

    def __init__(self) -> None:
        self._buffer = b""
        self._planned = False
        self._documents: list[dict[str, Any]] = []

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > sse.MAX_EVENT:
            raise APIResponseValidationError(f"a line of the stream is over {sse.MAX_EVENT} bytes")
        return [event for line in lines for event in self._line(line)]

    def close(self) -> list[tuple[str, bytes]]:
        line, self._buffer = self._buffer, b""
        return self._line(line)

    def _line(self, line: bytes) -> list[tuple[str, bytes]]:
        if not line.strip():
            return []
        try:
            node = _DECODE(line)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise APIResponseValidationError(
                f"the upstream's stream can't be read: {line[:60]!r} is no JSON"
            ) from None
        events = self._events(node) if isinstance(node, dict) else []
        return [(event.get("type", ""), _ENCODE(event)) for event in events]

    def _events(self, node: dict[str, Any]) -> list[dict[str, Any]]:
        """`generate` names no type."""
        kind = node.get("event_type")
        if kind is None and "is_finished" in node:
            kind = "stream-end" if node["is_finished"] else "text-generation"
        match kind:
            case "stream-start":
                return [{"type": "message-start", "id": node.get("generation_id")}]
            case "text-generation":
                return [_event("content-delta", 0, content={"text": node.get("text")})]
            case "search-results":
                self._documents += _objects(node.get("documents"))
                return []
            case "citation-generation":
                notes = _objects(node.get("citations"))
                return [_event("citation-start", 0, citations=_note(one, self._documents)) for one in notes]
            case "tool-calls-chunk" if node.get("text"):
                self._planned = True
                return [_event("tool-plan-delta", None, tool_plan=node["text"])]
            case "tool-calls-generation":
                return self._called(node)
            case "stream-end":
                return [_end(node)]
            case None:
                return [node]
            case _:
                return []

    def _called(self, node: dict[str, Any]) -> list[dict[str, Any]]:
        """The calls come whole; so does the plan, where its pieces have not come before."""
        events = []
        if node.get("text") and not self._planned:
            events.append(_event("tool-plan-delta", None, tool_plan=node["text"]))
        for index, call in enumerate(_objects(node.get("tool_calls"))):
            events.append(_event("tool-call-start", index, tool_calls=_call(call, index)))
            events.append({"type": "tool-call-end", "index": index})
        return events


def _event(kind: str, index: int | None, **message: Any) -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": {"message": message}}


def _end(node: dict[str, Any]) -> dict[str, Any]:
    response = node.get("response")
    usage = _usage(response) if isinstance(response, dict) else {}
    delta = {"finish_reason": node.get("finish_reason"), "usage": usage}
    return {
        "type": "message-end",
        "delta": {**delta, **({"error": node["error"]} if node.get("error") else {})},
    }
