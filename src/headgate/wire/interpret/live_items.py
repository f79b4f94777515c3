"""Items of OpenAI's realtime conversations as what Google's Live API is told. Pure functions over decoded JSON.

https://platform.openai.com/docs/api-reference/realtime-client-events/conversation/item/create
https://ai.google.dev/api/live#BidiGenerateContentClientContent
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from headgate.wire.interpret.live_setup import LACKS
from headgate.wire.operations import UNREADABLE


class Unsaid(Exception):  # noqa: N818 -- a signal between an interpreter's functions, told as an event
    """What can't be translated. `param` is where it stands."""

    def __init__(self, message: str, param: str | None = None, code: str = "invalid_value") -> None:
        super().__init__(message)
        self.param = param
        self.code = code


def turn(item: Mapping[str, Any]) -> dict[str, Any]:
    """Of a message. Raises Unsaid."""
    role = item.get("role")
    if role not in _ROLES:
        raise Unsaid(f"item.role: expected user, assistant or system, found {role!r}"[:200], "item.role")
    content = item.get("content")
    if not isinstance(content, list) or not content:
        raise Unsaid("item.content: expected a list of parts", "item.content")
    return {"role": _ROLES[role], "parts": [_part(part, at) for at, part in enumerate(content)]}


_ROLES: Final = {"user": "user", "assistant": "model", "system": "system"}


def _part(part: Any, at: int) -> dict[str, Any]:
    where = f"item.content[{at}]"
    kind = part.get("type") if isinstance(part, dict) else None
    read = _PARTS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise Unsaid(f"{where}: {LACKS} as a part of the type {kind!r}"[:300], where, "unsupported")
    return read(part, where)


def _words(*keys: str) -> Callable[[Mapping[str, Any], str], dict[str, Any]]:
    def read(part: Mapping[str, Any], where: str) -> dict[str, Any]:
        found = next((part[key] for key in keys if isinstance(part.get(key), str)), None)
        if found is None:
            raise Unsaid(f"{where}.{keys[0]}: expected a string", f"{where}.{keys[0]}")
        return {"text": found}

    return read


def _sound(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(part.get("audio"), str):
        raise Unsaid(f"{where}.audio: expected a string", f"{where}.audio")
    return {"inlineData": {"mimeType": SOUND, "data": part["audio"]}}


def _picture(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Google takes no addresses here, and nothing is fetched for it."""
    url = part.get("image_url")
    head, mark, data = url.partition(";base64,") if isinstance(url, str) else ("", "", "")
    if not mark or not head.startswith("data:"):
        raise Unsaid(f"{where}.image_url: expected data:image/…;base64,…", f"{where}.image_url")
    return {"inlineData": {"mimeType": head.removeprefix("data:"), "data": data}}


SOUND: Final = "audio/pcm;rate=24000"
"""OpenAI's pcm16 in Google's words."""
_PARTS: Final[Mapping[str, Callable[[Mapping[str, Any], str], dict[str, Any]]]] = {
    "input_text": _words("text"),
    "text": _words("text"),
    "output_text": _words("text"),
    "audio": _words("transcript"),
    "output_audio": _words("transcript"),
    "input_audio": _sound,
    "input_image": _picture,
}


def result(item: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Of a function's output: an object as it is, anything else as its `output`. Raises Unsaid."""
    output = item.get("output")
    if not isinstance(output, str):
        raise Unsaid("item.output: expected a string", "item.output")
    found = _object(output)
    response = {"output": output} if found is None else found
    return {"id": item["call_id"], "name": name, "response": response}


def call(item: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The turn in which the model called a function. Raises Unsaid."""
    arguments = _object(item.get("arguments") or "{}")
    if arguments is None:
        raise Unsaid("item.arguments: expected an object as a JSON text", "item.arguments")
    return {
        "role": "model",
        "parts": [{"functionCall": {"id": item["call_id"], "name": name, "args": arguments}}],
    }


def _object(text: Any) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(text) if isinstance(text, str) else None
    except UNREADABLE:
        return None
    return found if isinstance(found, dict) else None
