"""Moderations: whether a text or picture holds what a vendor's rules forbid.

OpenAI's format for clients and upstreams (https://platform.openai.com/docs/api-reference/moderations), and Mistral's
(https://docs.mistral.ai/capabilities/guardrailing), which takes texts only and leaves the verdict to the caller:
there an input is flagged where a category holds. Knows no provider.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from headgate.wire import failures, ir
from headgate.wire.dialect import Frame, Glance, Target
from headgate.wire.ir_operations import Judgement, ModerationReply, ModerationRequest
from headgate.wire.operations import (
    UNREADABLE,
    Operation,
    answer,
    bad,
    encode,
    foreign,
    left,
    own,
    take,
    text,
    tokens,
    unreadable,
)

_KNOWN: Final = frozenset({"model", "input"})
_HARMLESS: Final = frozenset({"metadata", "stream", "user"})
_REPLY: Final = frozenset({"id", "model", "results", "usage"})
_RESULT: Final = frozenset({"flagged", "categories", "category_scores", "category_applied_input_types"})
_GLANCE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Moderations(Operation):
    name: ClassVar[str] = "moderations"
    family: ClassVar[str] = "openai"

    def read_request(self, body: Mapping[str, Any]) -> ModerationRequest:
        """Raises BadRequestError."""
        texts, parts = _input(body.get("input"))
        return ModerationRequest(
            model=take(body, "model", str) or "",
            input=texts,
            parts=parts,
            flat=isinstance(body.get("input"), str),
            extra=left(body, _KNOWN, self.family),
        )

    def write_request(self, request: ModerationRequest, target: Target) -> ir.Written:
        return ir.Written(
            body={**own(request, self.family), "model": target.model, "input": self._asked(request, target)},
            dropped=[key for key in foreign(request, self.family) if key not in _HARMLESS],
        )

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ModerationReply:
        """Raises APIResponseValidationError, or the error that the body is."""
        document = answer(body, "results")
        rows = document["results"]
        if not isinstance(rows, list):
            raise unreadable("results", "expected an array")
        return ModerationReply(
            results=[_judgement(row, f"results[{at}]", self.family) for at, row in enumerate(rows)],
            id=text(document.get("id")),
            model=text(document.get("model")),
            usage=_usage(document.get("usage")),
            extra=left(document, _REPLY, self.family),
        )

    def write_reply(self, reply: ModerationReply, frame: Frame) -> bytes:
        document = {
            "id": reply.id or "modr-" + frame.id.removeprefix("chatcmpl-"),
            "model": reply.model or frame.model,
            "results": [_result(one, self.family) for one in reply.results],
            **own(reply, self.family),
        }
        if reply.usage is not None:
            document["usage"] = {
                "prompt_tokens": reply.usage.input,
                "completion_tokens": reply.usage.output,
                "total_tokens": reply.usage.input + reply.usage.output,
            }
        return encode(document)

    def glance(self, body: bytes) -> Glance:
        """Never raises."""
        try:
            facts = _GLANCE(body)
            if "results" not in facts and "error" in facts:
                return Glance(error=failures.read_error(200, {}, body))
            known = {key: msgspec.json.decode(facts[key]) for key in ("usage", "model") if key in facts}
        except UNREADABLE:
            return Glance()
        return Glance(usage=_usage(known.get("usage")), model=text(known.get("model")))

    def _asked(self, request: ModerationRequest, target: Target) -> Any:
        if request.parts:
            return request.parts
        return request.input[0] if request.flat else request.input


class MistralModerations(Moderations):
    name: ClassVar[str] = "mistral_moderations"
    family: ClassVar[str] = "mistral_moderations"

    def _asked(self, request: ModerationRequest, target: Target) -> Any:
        """Texts. Raises BadRequestError for a picture."""
        for at, part in enumerate(request.parts):
            if part["type"] != "text":
                raise bad(f"input[{at}]", f"{target.model} takes text only")
        return [part["text"] for part in request.parts] or request.input


def _input(value: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """Texts, or parts."""
    if isinstance(value, str):
        return [value], []
    if not isinstance(value, list) or not value:
        raise bad("input", "required, expected a string or a non-empty array")
    if all(isinstance(item, str) for item in value):
        return value, []
    for at, item in enumerate(value):
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "text" and not isinstance(item.get("text"), str):
            raise bad(f"input[{at}].text", "required, expected a string")
        if kind not in ("text", "image_url"):
            raise bad(f"input[{at}]", "expected all strings, or all parts of type text or image_url")
    return [], value


def _judgement(row: Any, where: str, family: str) -> Judgement:
    if not isinstance(row, dict):
        raise unreadable(where, "expected an object")
    categories = _table(row.get("categories"), dict[str, bool], f"{where}.categories")
    flagged = row.get("flagged")
    return Judgement(
        flagged=flagged if isinstance(flagged, bool) else any(categories.values()),
        categories=categories,
        scores=_table(row.get("category_scores"), dict[str, float], f"{where}.category_scores"),
        applied=_applied(row.get("category_applied_input_types")),
        extra=left(row, _RESULT, family),
    )


def _table(value: Any, kind: type[Any], where: str) -> Any:
    """Categories that weren't looked at are null in some answers: they are left out."""
    found = {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else value
    try:
        return msgspec.convert({} if found is None else found, kind)
    except msgspec.ValidationError:
        raise unreadable(where, "expected an object of categories") from None


def _applied(value: Any) -> dict[str, list[str]] | None:
    try:
        return msgspec.convert(value, dict[str, list[str]])
    except msgspec.ValidationError:
        return None


def _result(one: Judgement, family: str) -> dict[str, Any]:
    result = {"flagged": one.flagged, "categories": one.categories, "category_scores": one.scores}
    if one.applied is not None:
        result["category_applied_input_types"] = one.applied
    return {**result, **own(one, family)}


def _usage(usage: Any) -> ir.Usage | None:
    asked = tokens(usage.get("prompt_tokens")) if isinstance(usage, dict) else None
    if asked is None:
        return None
    return ir.Usage(input=asked, output=tokens(usage.get("completion_tokens")) or 0)


DIALECT: Final = Moderations()
DIALECTS: Final[Mapping[str, Moderations]] = {MistralModerations.name: MistralModerations()}
