"""What an upstream's error answer means: any body and status → one of our exceptions.

Shared by all dialects. Two steps that a dialect may also take by itself: `message_of` finds the words in
whatever shape the body has, `classify` picks the class: by content, then by text, then by status. The rules
are tables of phrases as providers send them; a phrase is only taken where it can mean nothing else, so a bare
"429" in the text of a 400 decides nothing. This module knows no provider by name.
"""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from math import isfinite
from types import UnionType
from typing import Any, Final, NamedTuple

import msgspec

from headgate import errors
from headgate.errors import HeadgateError

MAX_MESSAGE: Final = 4000
"""Characters of a message that are kept."""

MAX_PLAIN: Final = 400
"""Characters kept of an answer that is no JSON."""


class Words(NamedTuple):
    """What an error body says. `document` is the decoded JSON, None where there was none."""

    message: str
    type: str | None
    param: str | None
    code: str | None
    document: Any


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
    """The exception for an upstream's answer. Header names are lower case. Never raises."""
    return classify(status, headers, *message_of(body))


def read_document(document: Any, status: int = 200) -> HeadgateError:
    """The exception for an error object that came inside a stream, under whatever status."""
    return classify(status, {}, *words_of(document))


# --- finding the words -----------------------------------------------------------------------------------

_KEYISH = re.compile(r"\b(?:sk-|sk_|gsk_|xai-|pplx-|nvapi-|hf_|r8_|AIza|Bearer +)[\w*\-]{8,}(?:\.[\w*\-]+)*")
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_HEADLINE = re.compile(r"<(title|h1)\b[^>]*>(.*?)</\1\s*>", re.IGNORECASE | re.DOTALL)

_INSIDE = ("error", "errors", "base_resp", "detail", "message", "exception")
"""Keys whose value, when it is an object or a list, holds the error proper."""

_MESSAGE = (
    "message", "Message", "detail", "msg", "error_msg", "err_msg", "status_msg", "error_message",
    "errorMessage", "error_description", "error", "errors", "title", "description", "reason",
)  # fmt: skip
_TYPE = ("type", "error_type", "status", "category", "__type")
_CODE = ("code", "error_code", "err_code", "status_code", "statusCode")
_NO_WORD = frozenset({"error", "object", "about:blank"})


def message_of(body: bytes) -> Words:
    """The words of an error body of any shape: JSON of every known form, HTML, plain text, nothing.

    Things that look like API keys are masked. An empty body gives the message "".
    """
    text = _KEYISH.sub("***", body.decode("utf-8", "replace")).strip()
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return Words(_plain(text), None, None, None, None)
    return words_of(document)


def words_of(document: Any) -> Words:
    """As `message_of`, for JSON that is decoded already."""
    if isinstance(document, str):
        return Words(document.strip()[:MAX_MESSAGE], None, None, None, document)
    layers = [layer for layer in _layers(document) if isinstance(layer, dict)]
    layers.reverse()
    message = _message(document, layers)
    kind = _pick(layers, _TYPE)
    return Words(message[:MAX_MESSAGE], kind, _param(layers), _pick(layers, _CODE, str | int), document)


def _layers(node: Any) -> Iterator[Any]:
    """The object, then the error in it, and so on inwards."""
    for _ in range(6):
        yield node
        if isinstance(node, list):
            node = node[0] if node else None
        elif isinstance(node, dict):
            node = next((node[key] for key in _INSIDE if isinstance(node.get(key), dict | list)), None)
        else:
            return


def _pick(layers: list[dict[str, Any]], keys: tuple[str, ...], kinds: type | UnionType = str) -> str | None:
    """The first value of the kinds under one of the keys, innermost layer first, as text."""
    for layer in layers:
        for key in keys:
            value = layer.get(key)
            if (
                isinstance(value, kinds)
                and not isinstance(value, bool)
                and value != ""
                and value not in _NO_WORD
            ):
                return str(value)
    return None


def _message(document: Any, layers: list[dict[str, Any]]) -> str:
    listed = _listed(document)
    if listed:
        return listed
    message = _pick(layers, _MESSAGE) or _strings(document)
    if layers and (raw := _raw(layers[0])):
        return f"{message}: {raw}" if message else raw
    return message or ("" if document in (None, {}, []) else _plain(msgspec.json.encode(document).decode()))


def _listed(document: Any) -> str:
    """Several faults of a validation, `[{loc, msg}]`, in one line."""
    for layer in _layers(document):
        if (
            isinstance(layer, list)
            and layer
            and all(isinstance(item, dict) and "msg" in item for item in layer)
        ):
            return "; ".join(f"{_place(item)}{item['msg']}" for item in layer)
    return ""


def _place(item: dict[str, Any]) -> str:
    loc = item.get("loc")
    return ".".join(map(str, loc)) + ": " if isinstance(loc, list) and loc else ""


def _strings(document: Any) -> str:
    for layer in _layers(document):
        if isinstance(layer, str):
            return layer
        if isinstance(layer, list) and layer and all(isinstance(item, str) for item in layer):
            return "; ".join(layer)
    return ""


def _raw(layer: dict[str, Any]) -> str:
    """The words of the provider behind an aggregator: `metadata.raw`, JSON in a string."""
    metadata = layer.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return message_of(raw.encode("utf-8", "replace")).message if isinstance(raw, str) and raw else ""


def _param(layers: list[dict[str, Any]]) -> str | None:
    found = _pick(layers, ("param",))
    if found is None and layers and isinstance(loc := layers[0].get("loc"), list):
        return ".".join(str(part) for part in loc if part != "body") or None
    return found


def _plain(text: str) -> str:
    """HTML by its headline, other text by its beginning, in one line."""
    text = text[:8000]
    if text.startswith("<"):
        import html  # its table of entities is a quarter of a megabyte

        headline = _HEADLINE.search(text)
        text = html.unescape(_TAG.sub(" ", headline.group(2) if headline else text))
    text = " ".join(text.split())
    return text if len(text) <= MAX_PLAIN else text[:MAX_PLAIN] + "…"


# --- what they mean --------------------------------------------------------------------------------------

_Rule = tuple[type[HeadgateError], frozenset[int], frozenset[str], tuple[tuple[str, ...], ...]]

_ANY: Final[frozenset[int]] = frozenset()

_CODES_POLICY = frozenset({
    "content_filter", "content_policy_violation", "responsibleaipolicyviolation", "datainspectionfailed",
    "data_inspection_failed", "content_filter_error", "moderation_blocked", "image_content_policy_violation",
    "sensitivecontentdetected", "inputtextsensitivecontentdetected", "outputtextsensitivecontentdetected",
    "inputimagesensitivecontentdetected", "outputimagesensitivecontentdetected", "cyber_policy",
})  # fmt: skip
_TEXTS_POLICY = (
    ("your request was rejected as a result of our safety system",),
    ("violating our usage policy",),
    ("content management policy",),
    ("content_policy_violation",),
    ("blocked by content filtering policy",),
    ("the response was blocked",),
    ("requires moderation", "flagged"),
    ("input data may contain inappropriate content",),
    ("output data may contain inappropriate content",),
    ("content exists risk",),
    ("blocked by our content filters",),
    ("flagged by our content moderation",),
    ("potentially unsafe or sensitive content",),
    ("可能包含不安全或敏感内容",),
    ("request failed because", "may contain sensitive information"),
    ("new_sensitive",),
    ("content violates usage guidelines",),
    ("limited access to this content for safety reasons",),
    ("violate", "responsible ai practices"),
)
_CODES_CONTEXT = frozenset({
    "context_length_exceeded", "context_window_exceeded", "max_context_length_exceeded",
    "too_many_prompt_tokens", "model_max_prompt_tokens_exceeded", "exceed_context_size_error",
    "tokens_limit_reached",
})  # fmt: skip
_TEXTS_CONTEXT = (
    ("maximum context length",),
    ("max context length",),
    ("maximum context limit",),
    ("exceed context limit",),
    ("exceed", "context window"),
    ("exceed", "context length"),
    ("longer than the model's context length",),
    ("longer than the maximum model length",),
    ("exceeds the available context size",),
    ("exceeds the maximum number of tokens allowed",),
    ("input tokens exceed the configured limit",),
    ("`inputs` tokens + `max_new_tokens` must be",),
    ("current length is", "while limit is"),
    ("maximum input length is", "tokens"),
    ("maximum prompt length is",),
    ("input token count", "only supports up to"),
    ("number of input tokens exceeds",),
    ("number of input tokens", "cannot exceed"),
    ("exceeded model token limit",),
    ("exceed max message tokens",),
    ("greater than the context length",),
    ("larger context length",),
    ("range of input length should be",),
    ("`inputs` must have less than", "tokens"),
    ("prompt exceeds max length",),
    ("prompt 超长",),
    ("input token length too long",),
    ("[input_too_large]",),
    ("input length", "exceeds maximum input length"),
    ("prompt is too long",),
    ("prompt too long",),
    ("prompt: length",),
    ("prompt has too many tokens",),
    ("too many input tokens",),
    ("too many tokens",),
    ("input is too long",),
    ("total length of all messages is too long",),
    ("expected maxlength:", "#/prompt"),
    ("expected maxlength:", "#/messages"),
)
_CODES_RATE = frozenset({
    "rate_limit_exceeded", "rate_limit_error", "rate_limited", "ratelimitreached", "ratelimitexceeded",
    "resource_exhausted", "token_quota_reached", "too_many_requests", "throttling", "throttling.ratequota",
    "throttling.allocationquota", "throttlingexception", "insufficient_quota", "servicequotaexceededexception",
})  # fmt: skip
_TEXTS_RATE = (
    ("rate limit exceeded",),
    ("rate limit reached",),
    ("exceeded rate limit",),
    ("exceeded the rate limit",),
    ("exceeded your rate limit",),
    ("exceeded your current quota",),
    ("rate-limited",),
    ("rate limited",),
    ("429 too many",),
    ("too many requests",),
    ("service tier capacity exceeded",),
    ("quota exceeded for",),
    ("resource exhausted",),
    ("resource has been exhausted",),
    ("request too large for", "tokens per m"),
)
_CODES_PAID = frozenset({"billing_hard_limit_reached"})
_TEXTS_PAID = (("credit balance is too low",),)
_CODES_AUTH = frozenset(
    {"invalid_api_key", "authentication_error", "unauthenticated", "invalidapikey", "missing_api_key"}
)
_TEXTS_AUTH = (
    ("incorrect api key provided",),
    ("invalid api key provided",),
    ("api key not valid",),
    ("invalid api key",),
    ("invalid x-api-key",),
    ("authorization denied for",),
    ("the api_key client option must be set",),
)
_CODES_NOT_FOUND = frozenset(
    {"model_not_found", "not_found_error", "deploymentnotfound", "not_found", "modelnotfound"}
)
_TEXTS_TIMEOUT = (
    ("request timeout error",),
    ("request timed out",),
    ("timed out generating response",),
    ("the read operation timed out",),
)

_CLIENT = frozenset({400, 413, 422})
_FULL = frozenset({498})
"""The flex tier's: with other providers it is a wrong token."""
_TEXTS_FULL = (("capacity exceeded",),)

# class · statuses under which it applies (none: all) · codes or types · phrases: parts that must all occur
_RULES: Final[tuple[_Rule, ...]] = (
    (errors.ContentPolicyViolationError, _ANY, _CODES_POLICY, _TEXTS_POLICY),
    (errors.ContextWindowExceededError, _CLIENT | {500}, _CODES_CONTEXT, _TEXTS_CONTEXT),
    (errors.RateLimitError, _CLIENT | {500, 502, 503}, _CODES_RATE, _TEXTS_RATE),
    (errors.PaymentRequiredError, _CLIENT, _CODES_PAID, _TEXTS_PAID),
    (errors.AuthenticationError, _CLIENT, _CODES_AUTH, _TEXTS_AUTH),
    (errors.NotFoundError, _CLIENT, _CODES_NOT_FOUND, ()),
    (
        errors.Timeout,
        _CLIENT | {500, 502, 503},
        frozenset({"timeout_error", "deadline_exceeded"}),
        _TEXTS_TIMEOUT,
    ),
    (errors.ServiceUnavailableError, _FULL, frozenset({"capacity_exceeded"}), _TEXTS_FULL),
)

_STATUS_OF_TYPE: Final[dict[str, int]] = {
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "invalidparameter": 400,
    "invalid_parameter_error": 400,
    "badrequesterror": 400,
    "authentication_error": 401,
    "unauthenticated": 401,
    "billing_error": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "not_found": 404,
    "timeout_error": 408,
    "deadline_exceeded": 408,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "resource_exhausted": 429,
    "overloaded_error": 529,
    "unavailable": 503,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
}
"""The status that a type stands for, where the error came under a status that says nothing."""

_STATUS_OF_BASE_RESP: Final = {
    "1001": 408, "1002": 429, "1004": 401, "1008": 402, "1026": 400, "1027": 400, "1039": 429, "1041": 429,
    "1042": 400, "2013": 400, "2049": 401, "2056": 429,
}  # fmt: skip
"""What the codes of a `base_resp` stand for, which comes under a good status.
https://platform.minimax.io/docs/api-reference/errorcode"""

_SHOWN = (
    "x-ratelimit-",
    "anthropic-ratelimit-",
    "retry-after",
    "request-id",
    "x-request-id",
    "apim-request-id",
)


def classify(
    status: int,
    headers: Mapping[str, str],
    message: str,
    type: str | None = None,  # noqa: A002 -- OpenAI's name for it
    param: str | None = None,
    code: str | None = None,
    document: Any = None,
) -> HeadgateError:
    """The exception for what an upstream said.

    A status under 400 (an error inside a stream, or under a 200) is replaced by what the body's code or
    type stands for, 500 where they tell nothing. An exception made by a phrase or a code has the status of
    its class; others keep the upstream's where the class has no fixed one.
    """
    status = _status(status, type, code, document)
    kind = _by_words(status, message, type, code, document) or errors.for_status(status)
    return kind(
        message or f"the upstream answered {status} {_reason(status)} without a message",
        status_code=status if kind is errors.APIError else None,
        type=type,
        param=param,
        code=code,
        retry_after=_retry_after(headers, document),
        headers={name: value for name, value in headers.items() if name.startswith(_SHOWN)},
        body=document,
    )


def _by_words(
    status: int,
    message: str,
    mark: str | None,
    code: str | None,
    document: Any,
) -> type[HeadgateError] | None:
    text = message.lower()
    marks = {name.lower() for name in (mark, code, _inner_code(document)) if name}
    for kind, statuses, codes, texts in _RULES:
        if statuses and status not in statuses:
            continue
        if not marks.isdisjoint(codes) or any(all(part in text for part in phrase) for phrase in texts):
            return kind
    return None


def _status(status: int, mark: str | None, code: str | None, document: Any) -> int:
    """The status to go by: the body's own where the answer's says less (under 400, or 429 under a 5xx)."""
    if status < 400 and isinstance(document, dict) and "base_resp" in document:
        return _STATUS_OF_BASE_RESP.get(code or "", 500)
    own = int(code) if code is not None and code.isascii() and code.isdigit() and len(code) == 3 else 0
    if status < 400:
        return own if 400 <= own < 600 else _STATUS_OF_TYPE.get((mark or code or "").lower(), 500)
    return 429 if own == 429 and status >= 500 else status


def _inner_code(document: Any) -> str | None:
    """Azure's `innererror.code`, also spelled inner_error."""
    for layer in _layers(document):
        if isinstance(layer, dict):
            inner = layer.get("innererror") or layer.get("inner_error")
            if isinstance(inner, dict) and isinstance(inner.get("code"), str):
                return str(inner["code"])
    return None


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _retry_after(headers: Mapping[str, str], document: Any) -> float | None:
    """Seconds. A date in `retry-after` is passed over: there is no clock here."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        seconds = _number(headers.get(name, ""))
        if seconds is not None:
            return seconds / unit
    for layer in _layers(document):
        details = layer.get("details") if isinstance(layer, dict) else None
        for detail in details if isinstance(details, list) else ():
            delay = detail.get("retryDelay") if isinstance(detail, dict) else None
            if isinstance(delay, str) and (seconds := _number(delay.removesuffix("s"))) is not None:
                return seconds
    return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and value >= 0 else None
