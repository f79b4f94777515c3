"""A whole answer of a text generation format → IR. A path such as "data.text" leads into objects and lists."""

from typing import Any, Final

import msgspec

from headgate.errors import APIResponseValidationError, HeadgateError
from headgate.wire import failures, ir
from headgate.wire.shape import reply_json
from headgate.wire.textgen.formats import Format

_DECODE: Final = msgspec.json.Decoder().decode

FAMILY: Final = "textgen"
_REASONS: Final[dict[str, ir.FinishReason]] = {
    "length": "length",
    "max_tokens": "length",
    "maximum_tokens": "length",
    "not_finished": "length",
    "time_limit": "length",
    "token_limit": "length",
    "content_filter": "content_filter",
    "error_limit": "length",
    "error_toxic": "content_filter",
    "error": "error",
    "timeout": "error",
    "user_cancel": "error",
}
"""All other words mean that the text has come to its end."""


def at(node: Any, path: str) -> Any:
    """What the path leads to, None where it leads nowhere."""
    for step in path.split(".") if path else ():
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and step.isdigit() and int(step) < len(node):
            node = node[int(step)]
        else:
            return None
    return node


def finish_of(raw: Any) -> ir.Finish:
    word = raw if isinstance(raw, str) else None
    return ir.Finish(reason=_REASONS.get((word or "").lower(), "stop"), raw=word, family=FAMILY)


def usage_of(form: Format, document: Any) -> ir.Usage | None:
    """None where the server counts nothing. A prompt's tokens may be listed instead of counted."""
    tokens_in, tokens_out = (_count(document, paths) for paths in form.counts)
    if tokens_in is None and tokens_out is None:
        return None
    return ir.Usage(input=tokens_in or 0, output=tokens_out or 0)


def _count(document: Any, paths: tuple[str, ...]) -> int | None:
    found = (at(document, path) for path in paths)
    counts = (len(one) if isinstance(one, list) else one for one in found)
    return next((one for one in counts if type(one) is int and one >= 0), None)


def _last_line(said: Any) -> str:
    """Of a traceback the error itself, without the server's insides."""
    lines = str(said).strip().splitlines()
    return lines[-1].strip() if lines else ""


def decode(form: Format, body: bytes) -> Any:
    document = reply_json(body)
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if (failure := failure_of(form, document)) is not None:
        raise failure
    return document


def failure_of(form: Format, document: Any) -> HeadgateError | None:
    """What a document says that went wrong."""
    if isinstance(document, dict) and (document.get("error") or document.get("errors")):
        return failures.read_document(document)
    if form.failure and (said := at(document, form.failure)):
        return failures.read_document({"message": _last_line(said)}, 500)
    return None


def read_reply(form: Format, body: bytes) -> ir.Reply:
    document = decode(form, body)
    rows = at(document, form.rows) if form.rows else [document]
    if not isinstance(rows, list) or not rows:
        raise APIResponseValidationError(
            f"the upstream's answer can't be read: {form.rows}: expected an array"
        )
    reply = ir.Reply(choices=[], usage=usage_of(form, document))
    for index, row in enumerate(rows):
        text = at(row, form.text)
        if not isinstance(text, str):
            raise APIResponseValidationError(
                f"the upstream's answer can't be read: {form.text}: expected a string"
            )
        turn = ir.Turn(role="assistant", blocks=[ir.Text(text)])
        reason = at(row, form.finish) if form.finish else None
        reply.choices.append(ir.Choice(turn=turn, index=index, finish=finish_of(reason)))
    return reply
