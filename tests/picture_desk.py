"""A local upstream of picture APIs: answers by address, of which each may have several, the last of them for ever."""

import base64
import json
from typing import Any

from headgate.wire.multipart import Field, FileData, FileStart, Parser, Part, Writer, boundary_of
from servers import Upstream

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
BASE64 = base64.b64encode(PNG).decode()
DRAWN = {"created": 5, "data": [{"b64_json": BASE64, "revised_prompt": "a cat"}]}
TOKENS = {
    "input_tokens": 50,
    "input_tokens_details": {"image_tokens": 40, "text_tokens": 10},
    "output_tokens": 1000,
    "total_tokens": 1050,
}


class Pictures:
    """`routes` are by "METHOD /path", `any` answers all others; an answer is a document, bytes of a picture, or
    (status, document)."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.routes: dict[str, list[Any]] = {}
        self.any: Any = None
        upstream.script = self._answer

    @property
    def base(self) -> str:
        return self.upstream.base

    def play(self, route: str, *answers: Any) -> None:
        self.routes[route] = list(answers)

    @property
    def asked(self) -> list[str]:
        return [line.rsplit(" ", 1)[0] for line, _, _ in self.upstream.requests]

    def sent(self, route: str) -> tuple[dict[str, str], Any]:
        """Headers and body of the last request to an address: a document, or the events of a form."""
        _, headers, body = [row for row in self.upstream.requests if row[0].rsplit(" ", 1)[0] == route][-1]
        kind = headers.get("content-type", "")
        return headers, fields_of(body, kind) if kind.startswith("multipart/") else json.loads(body)

    def _answer(self, body: bytes) -> list[bytes]:
        route = self.upstream.requests[-1][0].rsplit(" ", 1)[0]
        rows = self.routes.get(route) or [self.any or (404, {"error": {"message": f"nothing at {route}"}})]
        found = rows.pop(0) if len(rows) > 1 else rows[0]
        status, document = found if isinstance(found, tuple) else (200, found)
        kind = "image/png" if isinstance(document, bytes) else "application/json"
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n\r\n"
        return [head.encode() + data]


def fields_of(body: bytes, content_type: str) -> dict[str, Any]:
    """A form's fields as text and its files as (filename, type, bytes), several of one name as a list."""
    found: dict[str, list[Any]] = {}
    for event in Parser(boundary_of(content_type)).feed(body):
        if isinstance(event, Field):
            found.setdefault(event.part.name, []).append(event.text)
        elif isinstance(event, FileStart):
            part = event.part
            found.setdefault(part.name, []).append((part.filename, part.content_type, b""))
        elif isinstance(event, FileData):
            name, kind, data = found[part.name][-1]
            found[part.name][-1] = (name, kind, data + event.data)
    return {name: rows[0] if len(rows) == 1 else rows for name, rows in found.items()}


def form(fields: dict[str, str], **files: bytes) -> tuple[bytes, dict[str, str]]:
    """A body and its content-type header."""
    writer = Writer(b"0815")
    pieces = [writer.field(name, value) for name, value in fields.items()]
    for name, data in files.items():
        pieces += [writer.head(Part(name, f"{name}.png", "image/png")), data, writer.tail]
    return b"".join([*pieces, writer.end()]), {"content-type": writer.content_type}
