"""OCR: a document's pages as Markdown, in Mistral's format, which clients and upstreams speak.

https://docs.mistral.ai/api/#tag/ocr. Billed by pages. Knows no provider.
"""

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
        return OcrRequest(
            model=take(body, "model", str) or "",
            document=_document(body.get("document")),
            pages=_pages(body.get("pages")),
            include_image_base64=take(body, "include_image_base64", bool),
            extra=left(body, _KNOWN, FAMILY),
        )

    def write_request(self, request: OcrRequest, target: Target) -> ir.Written:
        body = {**own(request, FAMILY), "model": target.model, "document": request.document}
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
            usage=_usage(info) or ir.Usage(pages=len(pages)),
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
            known = {key: msgspec.json.decode(facts[key]) for key in ("usage_info", "model") if key in facts}
        except UNREADABLE:
            return Glance()
        return Glance(usage=_usage(known.get("usage_info")), model=text(known.get("model")))


def _document(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad("document", 'required, expected an object such as {"type": "document_url", …}')
    kind = text(value.get("type"))
    if kind not in _KINDS:
        raise bad("document.type", f"expected {', '.join(sorted(_KINDS))}")
    place = value.get(_KINDS[kind])
    named = place.get("url") if kind == "image_url" and isinstance(place, dict) else place
    if not isinstance(named, str) or not named:
        raise bad(f"document.{_KINDS[kind]}", "required, expected a non-empty string")
    return value


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


def _usage(info: Any) -> ir.Usage | None:
    pages = tokens(info.get("pages_processed")) if isinstance(info, dict) else None
    return None if pages is None else ir.Usage(pages=pages)


DIALECT: Final = Ocr()
