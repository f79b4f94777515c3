"""A picture, and what is written to and read from the upstreams that make some."""

import base64
import json
from typing import Any

from headgate.core.dialects import dialect
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.images.base import Images
from headgate.wire.images.openai import DIALECT as CLIENT
from headgate.wire.ir_images import ImageReply

FRAME = Frame(id="ours", created=7, model="ours")
PNG = b"\x89PNG\r\n\x1a\nrest"
B64 = base64.b64encode(PNG).decode()
URI = f"data:image/png;base64,{B64}"
FILE = {"filename": "a.png", "content_type": "image/png", "data": PNG}
MODELS = {"google_images": "imagen-4.0", "bedrock_images": "amazon.nova-canvas-v1:0"}


def upstream(name: str) -> Images:
    found: Any = dialect(name)
    assert isinstance(found, Images)
    return found


def written(name: str, body: dict[str, Any], model: str | None = None) -> ir.Written:
    target = Target(model=model or MODELS.get(name, "m"))
    return upstream(name).write_request(CLIENT.read_request({"prompt": "p", **body}), target)


def body_of(name: str, body: dict[str, Any], model: str | None = None) -> dict[str, Any]:
    return written(name, body, model).body


def read(name: str, document: Any, **given_: Any) -> ImageReply:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return upstream(name).read_reply(body, **given_)


def values(reply: ImageReply) -> list[str]:
    return [picture.source.value for picture in reply.images]
