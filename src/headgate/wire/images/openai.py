"""OpenAI's images: generations, edits and variations, as clients send them and as upstreams take them.

https://platform.openai.com/docs/api-reference/images. Generations are JSON. Edits and variations are forms or,
for edits by address, JSON: a form is handed in decoded as `{"field": "text", "image": [{"filename",
"content_type", "data": bytes}]}`, or with `"held": name, "size": bytes, "head": the first of them` for data that are
elsewhere, and written as `images/base.py` says. Knows no provider.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headgate.errors import BadRequestError, HeadgateError
from headgate.wire import failures, ir, sse
from headgate.wire.dialect import Frame, Glance, Target
from headgate.wire.images import answers, base
from headgate.wire.images.openai_sniff import Sniffer
from headgate.wire.ir_images import ImageReply, ImageRequest, ImageUsage, Picture, Task
from headgate.wire.shape import reply_object

FAMILY: Final = base.CLIENT

_WORDS: Final = (
    "size", "quality", "style", "response_format", "background", "output_format", "negative_prompt", "user",
)  # fmt: skip
_NUMBERS: Final = ("n", "seed")
_IMAGES: Final = ("image", "image[]", "images")
_KNOWN: Final = frozenset({"model", "prompt", "mask", *_WORDS, *_NUMBERS, *_IMAGES})
_GLANCE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class OpenAIImages(base.Images):
    name = "openai_images"
    family = FAMILY
    names_model = "body"
    takes_urls = True

    def read_request(self, body: Mapping[str, Any]) -> ImageRequest:
        """The task follows from what is there: pictures and a prompt, or one of them. Raises BadRequestError."""
        prompt = _word(body, "prompt") or ""
        images = [source for key in _IMAGES for source in _sources(body.get(key), key.removesuffix("[]"))]
        task: Task = "generate" if not images else "edit" if prompt else "vary"
        if task == "generate" and not prompt:
            raise _bad("prompt", "required, expected a string that is not empty")
        masks = _sources(body.get("mask"), "mask")
        if len(masks) > 1:
            raise _bad("mask", "expected one picture")
        left = {key: value for key, value in body.items() if key not in _KNOWN}
        return ImageRequest(
            model=_word(body, "model") or "",
            prompt=prompt,
            task=task,
            images=images,
            mask=masks[0] if masks else None,
            extra={FAMILY: left} if left else None,
            **{key: _word(body, key) for key in _WORDS},  # type: ignore[arg-type]
            **{key: _number(body, key) for key in _NUMBERS},  # type: ignore[arg-type]
        )

    def write_request(self, request: ImageRequest, target: Target) -> ir.Written:
        """JSON; a form where pictures are data."""
        given, dropped = base.others(request, None, FAMILY)
        body = {"model": target.model, **given, **base.present(prompt=request.prompt or None)}
        body |= base.present(**{key: getattr(request, key) for key in (*_WORDS, *_NUMBERS)})
        written = ir.Written(body=body, dropped=dropped, echo=base.echo_of(request))
        if not request.images:
            return written
        if not _as_form(request):
            body["images"] = [_reference(source) for source in request.images]
            if request.mask is not None:
                body["mask"] = _reference(request.mask)
            return written
        name = "image" if len(request.images) == 1 else "image[]"
        files = [base.file_of(source, name) for source in request.images]
        if request.mask is not None:
            files.append(base.file_of(request.mask, "mask"))
        written.body = {"fields": {key: base.field(value) for key, value in body.items()}, "files": files}
        written.headers = dict(base.FORM)
        return written

    def remote_media(self, request: ImageRequest) -> list[ir.Source]:
        """Files, where they stand beside addresses: these travel in JSON."""
        return [] if _as_form(request) else [one for one in base.sources(request) if one.kind == "file"]

    def read_reply(
        self, body: bytes, echo: ir.Echo | None = None, reply_type: str | None = None
    ) -> ImageReply:
        """Also the shapes of its relatives: `images` for `data`. Raises APIResponseValidationError."""
        return answers.read_document(reply_object(body), echo)

    def write_reply(self, reply: ImageReply, frame: Frame) -> bytes:
        document: dict[str, Any] = {
            "created": frame.created if reply.created is None else reply.created,
            "data": [_entry(picture) for picture in reply.images],
        }
        if reply.usage is not None and reply.usage.tokens:
            document["usage"] = _write_usage(reply.usage)
        return base.ENCODE({**((reply.extra or {}).get(FAMILY) or {}), **document})

    def write_events(self, reply: ImageReply, frame: Frame, *, edited: bool) -> bytes:
        """A whole answer as the stream that was asked for: each picture complete, the last one with the usage."""
        kind = f"image_{'edit' if edited else 'generation'}.completed"
        usage = reply.usage
        told = base.present(size=usage.size, quality=usage.quality) if usage is not None else {}
        rows = [
            {"type": kind, "created_at": frame.created, **told, **_entry(picture)} for picture in reply.images
        ]
        if usage is not None and usage.tokens:
            rows[-1]["usage"] = _write_usage(usage)
        return b"".join(sse.encode(base.ENCODE(row), kind) for row in rows)

    def write_stream_error(self, error: HeadgateError) -> bytes:
        said = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
        return sse.encode(base.ENCODE({"type": "error", "error": said}), "error")

    def is_opening(self, data: bytes) -> bool:
        """A stream that begins with an error has no content yet."""
        return b'"error"' in data and b'"b64_json"' not in data

    def sniffer(self) -> Sniffer:
        return Sniffer()

    def glance(self, body: bytes) -> Glance:
        """Never raises. The pictures are scanned over, not decoded; usage counts them."""
        try:
            facts = _GLANCE(body)
            if "data" not in facts and "error" in facts:
                return Glance(error=failures.read_error(200, {}, body))
            told: dict[str, Any] = {
                key: base.DECODE(facts[key]) for key in ("usage", "size", "quality") if key in facts
            }
            rows = _ROWS(facts["data"]) if "data" in facts else []
        except (msgspec.DecodeError, ValueError, RecursionError):
            return Glance()
        usage = answers.usage_of(told)
        usage.images = len(rows)
        return Glance(usage=usage)


_ROWS: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


# --- requests --------------------------------------------------------------------------------------------


def _bad(where: str, problem: str) -> BadRequestError:
    return BadRequestError(f"{where}: {problem}", param=where)


def _word(body: Mapping[str, Any], key: str) -> str | None:
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise _bad(key, "expected a string")
    return value


def _number(body: Mapping[str, Any], key: str) -> int | None:
    """An integer, or one in digits: fields of a form are text."""
    value = body.get(key)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if value is None or (
        isinstance(value, int) and not isinstance(value, bool) and (key != "n" or value > 0)
    ):
        return value
    raise _bad(key, "expected a positive integer" if key == "n" else "expected an integer")


def _as_form(request: ImageRequest) -> bool:
    return all(source.kind in ("data", "file") for source in base.sources(request))


def _sources(value: Any, where: str) -> list[ir.Source]:
    if value is None or value == "" or value == []:
        return []
    if not isinstance(value, list):
        return [_source(value, where)]
    return [_source(item, f"{where}[{at}]") for at, item in enumerate(value)]


def _source(value: Any, where: str) -> ir.Source:
    """A file of a form, an address or data as text, or an object that holds one of these or a file's id."""
    if isinstance(value, str) and value:
        return base.source_of(value)
    if isinstance(value, Mapping):
        if isinstance(data := value.get("data"), bytes):
            if not data:
                raise _bad(where, "the file is empty")
            return ir.Source("data", b64encode(data).decode(), _type(value, data))
        if isinstance(head := value.get("head"), bytes):  # no JSON has bytes: this is the call's own file
            if not value["size"]:
                raise _bad(where, "the file is empty")
            return ir.Source("file", value["held"], _type(value, head))
        if isinstance(file_id := value.get("file_id"), str) and file_id:
            return ir.Source(kind="id", value=file_id, family=FAMILY)
        inner = value.get("image_url") or value.get("url") or value.get("b64_json")
        if isinstance(inner, str | Mapping) and inner is not value:
            return _source(inner, f"{where}.image_url")
    raise _bad(where, "expected a file, an address or {'image_url': …}")


def _type(file: Mapping[str, Any], head: bytes) -> str | None:
    said = file.get("content_type")
    return said if isinstance(said, str) and said.startswith("image/") else base.type_of(head)


def _reference(source: ir.Source) -> dict[str, str]:
    if source.kind == "id":
        return {"file_id": source.value}
    return {"image_url": base.address_of(source)}


# --- replies ---------------------------------------------------------------------------------------------


def _entry(picture: Picture) -> dict[str, Any]:
    source = picture.source
    key = "url" if source.kind == "url" else "b64_json"
    kept = (picture.extra or {}).get(FAMILY) or {}
    return {**kept, key: source.value, **base.present(revised_prompt=picture.revised_prompt)}


def _write_usage(usage: ImageUsage) -> dict[str, Any]:
    seen, drawn = usage.image_input or 0, usage.image_output
    document: dict[str, Any] = {
        "input_tokens": usage.input,
        "input_tokens_details": {"image_tokens": seen, "text_tokens": max(0, usage.input - seen)},
        "output_tokens": usage.output,
        "total_tokens": usage.tokens,
    }
    if drawn is not None:
        rest = max(0, usage.output - drawn)
        document["output_tokens_details"] = {"image_tokens": drawn, "text_tokens": rest}
    return document


DIALECT: Final = OpenAIImages()
