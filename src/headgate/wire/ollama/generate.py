"""Ollama's /api/generate: one prompt, one text; the older dress of the same answer, so it builds on the chat dialect.

https://docs.ollama.com/api/generate. A prompt with `system` and `images` is a conversation of one message; what the
model's template and raw context are for (`template`, `context`, `raw`, `suffix`) has no twin anywhere else.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from headgate.wire import ir
from headgate.wire.dialect import Dialect, Frame, Target
from headgate.wire.ollama import Ollama, reply, stream, stream_write
from headgate.wire.shape import optional, reply_json, says_bad_request

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder().decode
_PROMPT: Final = frozenset({"prompt", "system", "images"})
_SAYS_NOTHING: Final[dict[str, tuple[Any, ...]]] = {
    "template": ("",), "context": ([],), "raw": (False,), "suffix": ("",),
}  # fmt: skip
"""What clients send where they want nothing special."""
_SAID: Final = frozenset({"response", "thinking", "images"})


class Generate(Ollama):
    name: ClassVar[str] = "ollama_generate"

    @says_bad_request
    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        """Raises BadRequestError."""
        return super().read_request(_as_chat_request(body))

    def write_request(self, request_: ir.Request, target: Target) -> ir.Written:
        """A conversation as one text. What is no text or picture is reported."""
        written = super().write_request(request_, target)
        messages = written.body.pop("messages")
        if written.body.pop("tools", None):
            written.dropped.append("tools")
        for index, message in enumerate(messages):
            if message["role"] == "tool" or "tool_calls" in message:
                written.dropped.append(f"messages[{index}]: only text")
        system = [message["content"] for message in messages if message["role"] == "system"]
        said = [message["content"] for message in messages if message["role"] != "system"]
        images = [image for message in messages for image in message.get("images", ())]
        written.body["prompt"] = "\n\n".join(said)
        written.body.update({"system": "\n\n".join(system)} if system else {})
        written.body.update({"images": images} if images else {})
        return written

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        if b"}\n{" in body:
            return super().read_reply(
                b"\n".join(_ENCODE(_as_chat(reply_json(line))) for line in body.splitlines() if line)
            )
        return reply.read_reply(_ENCODE(_as_chat(reply_json(body))))

    def write_reply(self, reply_: ir.Reply, frame: Frame) -> bytes:
        return _from_chat(super().write_reply(reply_, frame))

    def stream_reader(self, echo: ir.Echo | None = None) -> "Reader":
        return Reader()

    def stream_writer(self, frame: Frame) -> "Writer":
        return Writer(frame)

    def is_opening(self, data: bytes) -> bool:
        return b'"response"' not in data


class Reader(stream.StreamReader):
    """Lines of text, read as those of a chat."""

    def _read(self, node: dict[str, Any], line: bytes, out: list[ir.Event]) -> None:
        super()._read(_as_chat(node), line, out)


class Writer(stream_write.StreamWriter):
    """Lines of a chat, each in the older dress. Calls have no place in it."""

    def write(self, events: Iterable[ir.Event]) -> bytes:
        lines = super().write(events).splitlines()
        return b"".join(_from_chat(line) + b"\n" for line in lines)


def _as_chat_request(body: Mapping[str, Any]) -> dict[str, Any]:
    left = {
        key: value
        for key, value in body.items()
        if key not in _PROMPT and value not in _SAYS_NOTHING.get(key, ())
    }
    prompt, system = optional(body, "prompt", str, ""), optional(body, "system", str, "")
    told = [{"role": "system", "content": system}] if system else []
    images = optional(body, "images", list, "") or []
    asked = [{"role": "user", "content": prompt or "", "images": images}] if prompt or images else []
    return {**left, "messages": [*told, *asked]}


def _as_chat(node: Any) -> Any:
    """An answer, or a line of one, in chat's shape."""
    if not isinstance(node, dict) or "response" not in node:
        return node
    message = {key: node[key] for key in ("thinking", "images") if key in node}
    left = {key: value for key, value in node.items() if key not in _SAID}
    return {**left, "message": {"role": "assistant", "content": node["response"], **message}}


def _from_chat(line: bytes) -> bytes:
    node = _DECODE(line)
    message = node.pop("message", None)
    if message is None:  # an error
        return line
    thinking = {"thinking": message["thinking"]} if "thinking" in message else {}
    head = {key: node.pop(key) for key in ("model", "created_at")}
    return _ENCODE({**head, "response": message["content"], **thinking, **node})


DIALECT: Final = Generate()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT
