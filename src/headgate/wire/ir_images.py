"""What a call for pictures means, whatever format it was written in. Knows no format and no provider.

Three tasks share one request: generate (a prompt alone), edit (pictures and a prompt) and vary (pictures
alone). As in `ir.py`, what has no name here stays in `extra` under the family it came from.
"""

import re
from typing import Final, Literal, TypeAlias

from headgate.wire import ir

Task: TypeAlias = Literal["generate", "edit", "vary"]

OPERATIONS: Final[dict[Task, str]] = {
    "generate": "images",
    "edit": "image_edits",
    "vary": "image_variations",
}
"""The operation, a key of a row's `paths`, that carries out a task."""


class ImageRequest(ir.Node):
    """`size` is "WIDTHxHEIGHT" in pixels, a ratio ("16:9") or a vendor's word ("auto").

    `images` are the pictures to edit or vary, `mask` says which part to change. `response_format` is "url",
    "b64_json" or None; `output_format` "png", "jpeg", "webp" or a vendor's word.
    """

    model: str
    prompt: str = ""
    task: Task = "generate"
    n: int | None = None
    size: str | None = None
    quality: str | None = None
    style: str | None = None
    response_format: str | None = None
    background: str | None = None
    output_format: str | None = None
    seed: int | None = None
    negative_prompt: str | None = None
    user: str | None = None
    images: list[ir.Source] = []
    mask: ir.Source | None = None


class Picture(ir.Node):
    """One picture of an answer. `source` is of kind "data" or "url"."""

    source: ir.Source
    revised_prompt: str | None = None
    seed: int | None = None


class ImageUsage(ir.Usage):
    """Tokens, where the upstream counts them, and what prices go by: pictures, pixels of all, size, quality."""

    images: int = 0
    pixels: int | None = None
    size: str | None = None
    quality: str | None = None

    @property
    def tokens(self) -> int:
        return self.input + self.output if self.total is None else self.total


class ImageReply(ir.Node):
    """`created` is Unix seconds. `response_format` is how the caller wants the pictures."""

    images: list[Picture]
    created: int | None = None
    model: str | None = None
    usage: ImageUsage | None = None
    response_format: str | None = None


class ImageEcho(ir.Echo):
    """What the reply must remember of its request."""

    response_format: str | None = None
    size: str | None = None
    quality: str | None = None
    output_format: str | None = None


_SIZE: Final = re.compile(r"(\d{1,5})[xX*](\d{1,5})")


def measured(usage: ImageUsage, echo: ir.Echo | None) -> ImageUsage:
    """The same usage, with what the answer left out filled in from its request, and the pixels counted."""
    if isinstance(echo, ImageEcho):
        usage.size = usage.size or echo.size
        usage.quality = usage.quality or echo.quality
    found = _SIZE.fullmatch(usage.size or "")
    usage.pixels = int(found[1]) * int(found[2]) * usage.images if found else None
    return usage


def pending(reply: ImageReply) -> list[ir.Source]:
    """Sources to fetch before the reply is written: the caller wants data and the upstream gave addresses."""
    if reply.response_format != "b64_json":
        return []
    return [picture.source for picture in reply.images if picture.source.kind == "url"]
