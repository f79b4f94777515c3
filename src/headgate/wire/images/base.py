"""What the dialects of picture APIs share: their shape, sizes, sources, and what a target can't say.

An upstream's dialect has `write_request` and `read_reply` of its own, and all else from `Images`. Three things
go beyond `wire/dialect.py`:

- `polling` names the rule of `wire/polling.py` by which an accepted job becomes an answer; None: none is needed.
- A body that travels as a form is `{"fields": {name: text}, "files": [File]}`, and `Written.headers` says
  "content-type: multipart/form-data": whoever sends it encodes it and adds the boundary.
- `read_reply` takes `reply_type`, the content-type of the answer: some answer with the picture itself.

Knows no format.
"""

import binascii
import math
import re
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NoReturn, TypedDict

import msgspec

from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError
from headgate.wire import failures, ir
from headgate.wire.dialect import Frame, Glance, Sniffer, Target
from headgate.wire.ir_images import ImageEcho, ImageReply, ImageRequest, ImageUsage, Picture, measured

ENCODE: Final = msgspec.json.Encoder().encode
DECODE: Final = msgspec.json.Decoder().decode
FORM: Final = {"content-type": "multipart/form-data"}
CLIENT: Final = "openai"
"""The family of the callers' own keys."""


class File(TypedDict):
    """One file of a form. `data` is raw; a text is the name of a file that came with the call."""

    name: str
    filename: str
    content_type: str
    data: bytes | str


class Images(ABC):
    """See the module and `wire/dialect.py`. What only the clients' format has is refused here with words."""

    name: str
    family: str
    stream_type: str = "text/event-stream"
    names_model: Literal["body", "address", "parts"] = "address"
    polling: str | None = None
    takes_urls: bool = False
    """Whether it takes pictures by address; where not, `remote_media` names those to fetch first."""
    takes_files: bool = False
    """Whether pictures travel in a form, so that a file's bytes need not be in the request."""

    def read_request(self, body: Mapping[str, Any]) -> ImageRequest:
        raise BadRequestError(f"no client speaks {self.name}: send OpenAI's format of images")

    @abstractmethod
    def write_request(self, request: ImageRequest, target: Target) -> ir.Written: ...

    @abstractmethod
    def read_reply(
        self, body: bytes, echo: ir.Echo | None = None, reply_type: str | None = None
    ) -> ImageReply: ...

    def write_reply(self, reply: ImageReply, frame: Frame) -> bytes:
        raise BadRequestError(f"no client speaks {self.name}: ask for OpenAI's format of images")

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        said = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
        return ENCODE({"error": said})

    def glance(self, body: bytes) -> Glance:
        """Nothing: these answers are always read."""
        return Glance()

    def remote_media(self, request: ImageRequest) -> list[ir.Source]:
        taken = {"url": self.takes_urls, "file": self.takes_files}
        return [source for source in sources(request) if not taken.get(source.kind, True)]

    def stream_reader(self, echo: ir.Echo | None = None) -> NoReturn:
        _no_stream()

    def stream_writer(self, frame: Frame) -> NoReturn:
        _no_stream()

    def sniffer(self) -> Sniffer:
        _no_stream()

    def write_stream_error(self, error: HeadgateError) -> bytes:
        _no_stream()

    def is_opening(self, data: bytes) -> bool:
        return False


def _no_stream() -> NoReturn:
    raise BadRequestError("images have no stream here: leave out `stream`", param="stream")


# --- requests --------------------------------------------------------------------------------------------

_HARMLESS: Final = frozenset({"metadata", "stream", "moderation", "safety_identifier", "partial_images"})
"""Keys of callers that change nothing in the picture."""
_ASK_NOTHING: Final[dict[str, tuple[Any, ...]]] = {
    "n": (1,),
    "size": ("auto",),
    "quality": ("auto", "standard", "medium"),
    "style": (),
    "background": ("auto", "opaque"),
    "output_format": (),
    "seed": (),
    "negative_prompt": ("",),
    "images": ([],),
    "mask": (),
}
"""Fields, and the values of each that every target meets anyway."""
_PARAM: Final = {"images": "image"}


def unsaid(request: ImageRequest, *said: str) -> list[str]:
    """The fields that ask for something and are not among those `said`, in the callers' words."""
    return [
        _PARAM.get(name, name)
        for name, neutral in _ASK_NOTHING.items()
        if name not in said and (value := getattr(request, name)) is not None and value not in neutral
    ]


def others(
    request: ImageRequest, takes: Iterable[str] | None, family: str
) -> tuple[dict[str, Any], list[str]]:
    """The caller's further keys: those that the target takes (None: all of them), and the names of the rest."""
    taken: dict[str, Any] = {}
    left: list[str] = []
    known = None if takes is None else frozenset(takes)
    for source, fields in (request.extra or {}).items():
        for key, value in fields.items():
            if source == family or (key not in _HARMLESS if known is None else key in known):
                taken[key] = value
            elif key not in _HARMLESS and value is not None:
                left.append(key)
    return taken, left


def echo_of(request: ImageRequest) -> ImageEcho:
    return ImageEcho(
        response_format=request.response_format,
        size=request.size,
        quality=request.quality,
        output_format=request.output_format,
    )


def field(value: Any) -> str:
    """A value of JSON as the text of a form's field."""
    return value if isinstance(value, str) else ENCODE(value).decode()


def present(**fields: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {key: value for key, value in fields.items() if value is not None}


# --- sizes -----------------------------------------------------------------------------------------------

_SIZE: Final = re.compile(r"(\d{1,5})[xX*](\d{1,5})")
_RATIO: Final = re.compile(r"(\d{1,3}):(\d{1,3})")


def sides(size: str | None) -> tuple[int, int] | None:
    """Width and height in pixels; None for none given and "auto". Raises BadRequestError for other words."""
    if size is None or size == "auto":
        return None
    found = _SIZE.fullmatch(size)
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if not width or not height:
        raise BadRequestError(
            f"size: expected WIDTHxHEIGHT in pixels, for example '1024x1024', got {size[:40]!r}", param="size"
        )
    return width, height


def ratio(size: str | None, allowed: tuple[str, ...]) -> str | None:
    """The nearest of the ratios that the target has; a ratio that it has passes. Raises BadRequestError."""
    if size is not None and _RATIO.fullmatch(size):
        if size in allowed:
            return size
        raise BadRequestError(f"size: expected one of {', '.join(allowed)}, got {size!r}", param="size")
    box = sides(size)
    if box is None:
        return None
    wanted = math.log(box[0] / box[1])
    return min(allowed, key=lambda name: abs(wanted - math.log(_quotient(name))))


def _quotient(name: str) -> float:
    wide, _, high = name.partition(":")
    return int(wide) / int(high)


# --- sources ---------------------------------------------------------------------------------------------

_DATA_URI: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*?;base64,", re.IGNORECASE)
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"<svg", "image/svg+xml"),
    (b"<?xml", "image/svg+xml"),
)
_ENDINGS: Final = {"image/jpeg": "jpg", "image/svg+xml": "svg"}


def source_of(text: str, media_type: str | None = None) -> ir.Source:
    """From an address, a `data:` URI, or base64 as it is."""
    found = _DATA_URI.match(text)
    if found:
        return ir.Source(kind="data", value=text[found.end() :], media_type=found[1] or media_type)
    if text.startswith(("http://", "https://")):
        return ir.Source(kind="url", value=text, media_type=media_type)
    return ir.Source(kind="data", value=text, media_type=media_type)


def address_of(source: ir.Source) -> str:
    """An address, data as a `data:` URI."""
    if source.kind != "data":
        return source.value
    return f"data:{source.media_type or type_of(raw(source, 'image')) or 'image/png'};base64,{source.value}"


def base64_of(source: ir.Source, param: str) -> str:
    """Raises BadRequestError for a source that is not fetched."""
    if source.kind != "data":
        raise BadRequestError(
            f"{param}: this model takes pictures as data, not by address or id", param=param
        )
    return source.value


def raw(source: ir.Source, param: str) -> bytes:
    """Raises BadRequestError for what is no base64 or not fetched."""
    try:
        return b64decode(base64_of(source, param), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequestError(f"{param}: expected base64 of a picture", param=param) from None


def sources(request: ImageRequest) -> list[ir.Source]:
    """The pictures, the mask last."""
    return [*request.images, *([] if request.mask is None else [request.mask])]


def file_of(source: ir.Source, name: str) -> File:
    data = source.value if source.kind == "file" else raw(source, name)
    media_type = source.media_type or (type_of(data) if isinstance(data, bytes) else None) or "image/png"
    ending = _ENDINGS.get(media_type, media_type.rpartition("/")[2])
    return File(name=name, filename=f"{name.strip('[]')}.{ending}", content_type=media_type, data=data)


def first_image(request: ImageRequest) -> ir.Source:
    """Raises BadRequestError where there is none."""
    if not request.images:
        raise BadRequestError("image: required, expected a picture to work on", param="image")
    return request.images[0]


def type_of(data: bytes) -> str | None:
    """The media type by the first bytes, None for no picture."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)


# --- replies ---------------------------------------------------------------------------------------------


def unreadable(problem: str) -> APIResponseValidationError:
    return APIResponseValidationError(f"the upstream's answer can't be read: {problem}")


def binary(body: bytes, reply_type: str | None) -> Picture | None:
    """The picture that the whole answer is; None where it is none by its type and its first bytes."""
    kind = type_of(body)
    said = (reply_type or "").partition(";")[0].strip().lower()
    if kind is None and not (said.startswith("image/") and body):
        return None
    return Picture(source=ir.Source("data", b64encode(body).decode(), kind or said))


def reply_of(pictures: list[Picture], echo: ir.Echo | None, **fields: Any) -> ImageReply:
    """The reply, its usage counted. Raises APIResponseValidationError for no pictures."""
    if not pictures:
        raise unreadable("it holds no picture")
    usage = fields.pop("usage", None) or ImageUsage()
    usage.images = len(pictures)
    wanted = echo.response_format if isinstance(echo, ImageEcho) else None
    return ImageReply(images=pictures, usage=measured(usage, echo), response_format=wanted, **fields)


def whole(value: Any) -> int | None:
    """The integer, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def listed(value: Any) -> list[Any]:
    """The list, empty for anything else."""
    return value if isinstance(value, list) else []


def texts(value: Any) -> list[str]:
    """The strings of a string or a list."""
    rows = value if isinstance(value, list) else [value]
    return [row for row in rows if isinstance(row, str) and row]
