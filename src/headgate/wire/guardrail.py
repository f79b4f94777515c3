"""Moderations by Bedrock's guardrails: one call judges one input by the policies that its owner made.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ApplyGuardrail.html. What a policy found is a
category: kinds of content and of personal data in small letters, topics and patterns by the names that their owner
gave. Several inputs are as many calls. Knows no address.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

import msgspec

from headgate.errors import HeadgateError
from headgate.wire import aws, ir
from headgate.wire.dialect import Glance, Target
from headgate.wire.ir_operations import Judgement, ModerationReply, ModerationRequest
from headgate.wire.operations import UNREADABLE, Operation, answer, bad, unreadable
from headgate.wire.servers import ServersOnly

_DECODE: Final = msgspec.json.Decoder().decode
_HARMLESS: Final = frozenset({"metadata", "stream", "user"})
_OWN: Final = frozenset({"outputScope", "source"})
"""Keys that callers may give as they are called here."""
_CONFIDENCE: Final = {"NONE": 0.0, "LOW": 0.3, "MEDIUM": 0.6, "HIGH": 0.9}
_POLICIES: Final = (
    ("topicPolicy", "topics", "name"),
    ("contentPolicy", "filters", "type"),
    ("wordPolicy", "customWords", ""),
    ("wordPolicy", "managedWordLists", "type"),
    ("sensitiveInformationPolicy", "piiEntities", "type"),
    ("sensitiveInformationPolicy", "regexes", "name"),
    ("contextualGroundingPolicy", "filters", "type"),
)
"""Policy · the list of what it found · the key of the category, "" where the list is one."""
_FORMATS: Final = {"data:image/png;base64": "png", "data:image/jpeg;base64": "jpeg"}


class Guardrail(ServersOnly, Operation):
    name = "bedrock_guardrail"
    family: ClassVar[str] = "bedrock"
    names_model = "address"

    def write_request(self, request: ModerationRequest, target: Target) -> ir.Written:
        """A body for each text; parts are one input. Raises BadRequestError for a picture that is not here."""
        given = {key: value for fields in (request.extra or {}).values() for key, value in fields.items()}
        own = {key: given[key] for key in _OWN & given.keys()}
        inputs = [[_text(text)] for text in request.input] or [
            [_part(part, f"input[{at}]") for at, part in enumerate(request.parts)]
        ]
        body, *more = ({"source": "INPUT", **own, "content": content} for content in inputs)
        return ir.Written(body=body, more=more, dropped=[key for key in given if key not in _HARMLESS | _OWN])

    def join(self, replies: list[ModerationReply]) -> ModerationReply:
        return ModerationReply(results=[one for reply in replies for one in reply.results])

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ModerationReply:
        """Raises APIResponseValidationError, or the error that the body is."""
        document = answer(body, "action")
        found = document.get("assessments", [])
        if not isinstance(found, list):
            raise unreadable("assessments", "expected an array")
        categories: dict[str, bool] = {}
        scores: dict[str, float] = {}
        for name, row in _findings(found):
            held = row.get("action", "NONE") != "NONE" or row.get("detected") is True
            categories[name] = held or categories.get(name, False)
            scores[name] = max(_score(row, held), scores.get(name, 0.0))
        flagged = document["action"] == "GUARDRAIL_INTERVENED" or any(categories.values())
        return ModerationReply(results=[Judgement(flagged=flagged, categories=categories, scores=scores)])

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return aws.read_error(status, headers, body)

    def glance(self, body: bytes) -> Glance:
        """Never raises."""
        try:
            document = _DECODE(body)
        except UNREADABLE:
            return Glance()
        failed = isinstance(document, dict) and "action" not in document and "message" in document
        return Glance(error=aws.read_error(500, {}, body) if failed else None)


def _text(text: str) -> dict[str, Any]:
    return {"text": {"text": text}}


def _part(part: dict[str, Any], where: str) -> dict[str, Any]:
    if part["type"] == "text":
        return _text(part["text"])
    picture = part.get("image_url")
    url = picture.get("url") if isinstance(picture, dict) else picture
    head, _, data = url.partition(",") if isinstance(url, str) else ("", "", "")
    if head not in _FORMATS:
        raise bad(
            f"{where}.image_url", "expected a PNG or JPEG as a data URI in base64: addresses are not fetched"
        )
    return {"image": {"format": _FORMATS[head], "source": {"bytes": data}}}


def _findings(assessments: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Category and finding."""
    for assessment in assessments:
        for policy, key, named in _POLICIES:
            inner = assessment.get(policy) if isinstance(assessment, dict) else None
            rows = inner.get(key) if isinstance(inner, dict) else None
            for row in rows if isinstance(rows, list) else ():
                if isinstance(row, dict):
                    said = str(row.get(named) or key) if named else "custom_words"
                    yield (said.lower() if named == "type" else said), row


def _score(row: dict[str, Any], held: bool) -> float:
    """By what the policy is sure of. A grounding is the worse the lower it is."""
    if isinstance(score := row.get("score"), int | float) and 0 <= score <= 1:
        return 1.0 - float(score)
    confidence = row.get("confidence")
    return _CONFIDENCE.get(confidence, 0.0) if isinstance(confidence, str) else float(held)


DIALECT: Final = Guardrail()
