"""OCR: a document's pages as Markdown, in Mistral's format, which clients and upstreams speak.

https://docs.mistral.ai/api/#tag/ocr. Billed by pages. `DIALECTS` has the same for servers that fetch nothing. Knows
no provider.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from headgate.wire import failures, ir
from headgate.wire.dialect import Frame, Glance, Target
from headgate.wire.ir_operations import OcrPage, OcrReply, OcrRequest
from headgate.wire.operations import (
    UNREADABLE,
    Operation,
    answer,
    bad,
    encode,
    foreign,
    is_whole,
    left,
    own,
    take,
    text,
    tokens,
    unreadable,
)

FAMILY: Final = "ocr"

_KINDS: Final = {"document_url": "document_url", "image_url": "image_url", "file": "file_id"}
"""Kind of a document → where it is told."""
_DATA: Final = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)
_ANNOTATED: Final = re.compile(rb'[^\\]"image_annotation"\s*:\s*[^n\s]')
_FACTS: Final = ("usage_info", "document_annotation", "model")
_PDF: Final = "application/pdf"
_KNOWN: Final = frozenset({"model", "document", "pages", "include_image_base64"})
_HARMLESS: Final = frozenset({"metadata", "stream", "user"})
_REPLY: Final = frozenset({"pages", "model", "document_annotation", "usage_info"})
_PAGE: Final = frozenset({"index", "markdown", "images", "dimensions"})
_GLANCE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Ocr(Operation):
    name: ClassVar[str] = "ocr"
    family: ClassVar[str] = FAMILY

    def read_request(self, body: Mapping[str, Any]) -> OcrRequest:
        """Raises BadRequestError."""
        source, kind, fields = _document(body.get("document"))
        return OcrRequest(
            model=take(body, "model", str) or "",
            source=source,
            picture=kind == "image_url",
            fields=fields,
            pages=_pages(body.get("pages")),
            include_image_base64=take(body, "include_image_base64", bool),
            extra=left(body, _KNOWN, FAMILY),
        )

    def write_request(self, request: OcrRequest, target: Target) -> ir.Written:
        body = {**own(request, FAMILY), "model": target.model, "document": _place(request)}
        for key in ("pages", "include_image_base64"):
            if (value := getattr(request, key)) is not None:
                body[key] = value
        dropped = [key for key in foreign(request, FAMILY) if key not in _HARMLESS]
        return ir.Written(body=body, dropped=dropped)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> OcrReply:
        """Raises APIResponseValidationError, or the error that the body is."""
        document = answer(body, "pages")
        pages, info = document["pages"], document.get("usage_info")
        if not isinstance(pages, list):
            raise unreadable("pages", "expected an array")
        return OcrReply(
            pages=[_page(page, at) for at, page in enumerate(pages)],
            model=text(document.get("model")),
            annotation=document.get("document_annotation"),
            size=tokens(info.get("doc_size_bytes")) if isinstance(info, dict) else None,
            usage=_usage(info, _is_annotated(body, document), len(pages)),
            extra=left(document, _REPLY, FAMILY),
        )

    def write_reply(self, reply: OcrReply, frame: Frame) -> bytes:
        used = reply.usage.pages if reply.usage is not None else None
        return encode(
            {
                "pages": [_written(page) for page in reply.pages],
                "model": reply.model or frame.model,
                "document_annotation": reply.annotation,
                "usage_info": {
                    "pages_processed": len(reply.pages) if used is None else used,
                    "doc_size_bytes": reply.size,
                },
                "object": "ocr",
                **own(reply, FAMILY),
            }
        )

    def glance(self, body: bytes) -> Glance:
        """Never raises. The pages are scanned over, not decoded."""
        try:
            facts = _GLANCE(body)
            if "pages" not in facts and ("error" in facts or "detail" in facts or "message" in facts):
                return Glance(error=failures.read_error(200, {}, body))
            known: dict[str, Any] = {key: msgspec.json.decode(facts[key]) for key in _FACTS if key in facts}
        except UNREADABLE:
            return Glance()
        usage = _usage(known.get("usage_info"), _is_annotated(body, known))
        return Glance(usage=usage, model=text(known.get("model")))


def _document(value: Any) -> tuple[ir.Source, str, dict[str, Any]]:
    """Where it is, its kind, and what else is said of it."""
    if not isinstance(value, dict):
        raise bad("document", 'required, expected an object such as {"type": "document_url", …}')
    kind = text(value.get("type"))
    if kind not in _KINDS:
        raise bad("document.type", f"expected {', '.join(sorted(_KINDS))}")
    place = value.get(_KINDS[kind])
    named = place.get("url") if kind == "image_url" and isinstance(place, dict) else place
    if not isinstance(named, str) or not named:
        raise bad(f"document.{_KINDS[kind]}", "required, expected a non-empty string")
    known = {"type"} if isinstance(place, dict) else {"type", _KINDS[kind]}
    fields = {key: one for key, one in value.items() if key not in known}
    if kind == "file":
        return ir.Source(kind="id", value=named, family=FAMILY), kind, fields
    if data := _DATA.fullmatch(named):
        return ir.Source(kind="data", value=data[2], media_type=data[1]), kind, fields
    return ir.Source(kind="url", value=named), kind, fields


def _place(request: OcrRequest) -> dict[str, Any]:
    """The document as the format has it. An object in place of an address keeps what it says besides."""
    source = request.source
    if source.kind == "id":
        return {**request.fields, "type": "file", "file_id": source.value}
    kind = "image_url" if request.picture else "document_url"
    media_type = source.media_type or _PDF
    named = f"data:{media_type};base64,{source.value}" if source.kind == "data" else source.value
    given = request.fields.get(kind)
    return {
        **request.fields,
        "type": kind,
        kind: {**given, "url": named} if isinstance(given, dict) else named,
    }


def _pages(value: Any) -> list[int] | str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(is_whole(number) and number >= 0 for number in value):
        return value
    raise bad("pages", 'expected an array of page numbers from 0, or a text such as "0-3"')


def _page(page: Any, at: int) -> OcrPage:
    if not isinstance(page, dict):
        raise unreadable(f"pages[{at}]", "expected an object")
    index, markdown = page.get("index"), page.get("markdown")
    images, dimensions = page.get("images"), page.get("dimensions")
    if not isinstance(markdown, str):
        raise unreadable(f"pages[{at}].markdown", "expected a string")
    return OcrPage(
        index=index if isinstance(index, int) and not isinstance(index, bool) else at,
        markdown=markdown,
        images=[one for one in images if isinstance(one, dict)] if isinstance(images, list) else [],
        dimensions=dimensions if isinstance(dimensions, dict) else None,
        extra=left(page, _PAGE, FAMILY),
    )


def _written(page: OcrPage) -> dict[str, Any]:
    return {
        "index": page.index,
        "markdown": page.markdown,
        "images": page.images,
        "dimensions": page.dimensions,
        **own(page, FAMILY),
    }


def _usage(info: Any, annotated: bool, seen: int | None = None) -> ir.Usage | None:
    """`seen` are the pages that came, for answers that don't count them. Annotations are billed by pages, all of
    them: https://docs.mistral.ai/capabilities/document_ai/annotations"""
    told = tokens(info.get("pages_processed")) if isinstance(info, dict) else None
    pages = seen if told is None else told
    return None if pages is None else ir.Usage(pages=pages, annotated_pages=pages if annotated else None)


def _is_annotated(body: bytes, document: Mapping[str, Any]) -> bool:
    """Whether the document or a picture in it was."""
    return document.get("document_annotation") is not None or _ANNOTATED.search(body) is not None


class InlineOcr(Ocr):
    """For servers that take documents as data only: https://learn.microsoft.com/azure/ai-foundry (Mistral's OCR)."""

    name: ClassVar[str] = "inline_ocr"

    def remote_media(self, request: object) -> list[ir.Source]:
        if isinstance(request, OcrRequest) and request.source.kind == "url":
            return [request.source]
        return []


DIALECT: Final = Ocr()
DIALECTS: Final[Mapping[str, Ocr]] = {InlineOcr.name: InlineOcr()}
