"""A streamGenerateContent stream → events.

Every event is a whole GenerateContentResponse with the next parts; there is no end mark: the answer is
complete when a finish reason has come and the upstream closes. A part that carries more than text is a block
of its own, since a signature belongs to exactly its part. Without `alt=sse` the same comes as one JSON array,
and an error may come as bare JSON: both are read when the upstream closes.

https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from typing import Any, Final

from headgate.errors import APIConnectionError, APIResponseValidationError, HeadgateError
from headgate.wire import ir, sse
from headgate.wire.gemini import failure, grounding
from headgate.wire.gemini.answer import Answer
from headgate.wire.gemini.check import FAMILY, expect, fields, listed, optional
from headgate.wire.gemini.parts import CallIds
from headgate.wire.gemini.reply import NAMED, TOP, call_prefix, created, index_of, without_candidates
from headgate.wire.gemini.usage import read_usage
from headgate.wire.shape import Malformed, bad_reply, reply_json
from headgate.wire.whole import Whole

CUT: Final = "the upstream's stream ended before its answer was complete"


class StreamReader:
    def __init__(self, echo: ir.Echo | None = None) -> None:
        self._echo = echo
        self._sse = sse.Decoder()
        self._whole = Whole(b"{[<")
        self._done = False
        self._started = False
        self._extra: dict[str, Any] = {}
        self._usage: dict[str, Any] | None = None
        self._told: dict[str, Any] | None = None
        self._ids = CallIds("")
        self._answers: dict[int, Answer] = {}

    def feed(self, data: bytes) -> list[ir.Event]:
        if self._done:
            return []
        out: list[ir.Event] = []
        try:
            if self._whole.maybe and self._whole.takes(data):
                return out
            for _, payload in self._sse.feed(data):
                self._event(payload, out)
        except HeadgateError as error:
            self._fail(error, out)
        return out

    def close(self) -> list[ir.Event]:
        if self._done:
            return []
        out: list[ir.Event] = []
        try:
            if (body := self._whole.body()) is not None:
                self._read_whole(body, out)
            else:
                rest = self._sse.rest
                for _, payload in self._sse.close():
                    self._event(payload, out)
                if b'"error"' in rest and not rest.startswith(b"data:"):
                    raise failure.read_error(200, {}, rest)
            if not self._done:
                self._end(out)
        except HeadgateError as error:
            self._fail(error, out)
        return out

    def _read_whole(self, body: bytes, out: list[ir.Event]) -> None:
        """One answer, an array of them, or what is no answer at all."""
        try:
            document = reply_json(body)
        except APIResponseValidationError:
            if body.lstrip().startswith(b"["):
                raise APIConnectionError(CUT) from None
            raise failure.read_error(200, {}, body) from None
        for item in document if isinstance(document, list) else [document]:
            self._chunk(item, body, out)

    def _event(self, payload: bytes, out: list[ir.Event]) -> None:
        if not self._done and payload != b"[DONE]":
            self._chunk(reply_json(payload), payload, out)

    def _chunk(self, document: Any, payload: bytes, out: list[ir.Event]) -> None:
        try:
            node = expect(document, dict, "")
            if not node.keys() <= TOP:
                node = fields(node, TOP)
            if "error" in node and "candidates" not in node:
                raise failure.read_document(document)
            self._read(node, payload, out)
        except (Malformed, RecursionError) as error:
            raise bad_reply(error) from None

    def _read(self, node: dict[str, Any], payload: bytes, out: list[ir.Event]) -> None:
        usage = optional(node, "usageMetadata", dict, "")
        if usage is not None:
            self._usage = usage
        if not self._started:
            self._start(node, payload, out)
        elif not node.keys() <= NAMED:
            for key, value in node.items():
                if key not in NAMED and key != "createTime" and value is not None:
                    self._extra[key] = value
        for at, value in enumerate(listed(node, "candidates", "")):
            where = f"candidates[{at}]"
            candidate = expect(value, dict, where)
            index = index_of(candidate, where)
            answer = self._answers.get(index)
            if answer is None:
                answer = self._answers[index] = Answer(index, self._ids, self._echo)
            answer.add(candidate, where, out)

    def _start(self, node: dict[str, Any], payload: bytes, out: list[ir.Event]) -> None:
        self._started = True
        reply_id = optional(node, "responseId", str, "") or None
        self._ids.prefix = f"call_{reply_id or call_prefix(payload)}_"
        extra = {key: value for key, value in node.items() if key not in NAMED and value is not None}
        out.append(
            ir.ReplyStart(
                id=reply_id,
                model=optional(node, "modelVersion", str, "") or None,
                created=created(node.get("createTime")),
                extra={FAMILY: extra} if extra else None,
            )
        )
        self._extra = {"promptFeedback": extra["promptFeedback"]} if "promptFeedback" in extra else {}
        self._tell_usage(out)

    def _tell_usage(self, out: list[ir.Event]) -> None:
        """The first numbers and the last: those between would only be replaced."""
        if self._usage is not None:
            usage = read_usage(self._usage)
            found = [
                grounding.searches(answer.extra.get("groundingMetadata")) for answer in self._answers.values()
            ]
            usage.web_searches = sum(count or 0 for count in found) or None
            if self._usage is not self._told or usage.web_searches:
                out.append(ir.UsageUpdate(usage))
            self._told = self._usage

    def _end(self, out: list[ir.Event]) -> None:
        blocked = not self._answers and isinstance(self._extra.get("promptFeedback"), dict)
        complete = self._answers and all(answer.reason for answer in self._answers.values())
        if not (complete or (blocked and self._extra["promptFeedback"].get("blockReason") is not None)):
            raise APIConnectionError(CUT)
        for answer in self._answers.values():
            answer.end(out)
        if blocked:
            out.append(ir.ChoiceEnd(0, without_candidates(self._extra)))
        if self._extra:
            out.append(ir.ExtraDelta("reply", 0, FAMILY, self._extra))
        self._tell_usage(out)
        self._done = True
        out.append(ir.ReplyEnd())

    def _fail(self, error: HeadgateError, out: list[ir.Event]) -> None:
        self._done = True
        try:
            self._tell_usage(out)
        except Malformed:
            self._usage = None
        out.append(ir.StreamFailure(error))
