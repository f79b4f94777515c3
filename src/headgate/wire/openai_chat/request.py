"""A whole chat request: JSON ↔ IR, without loss where the caller wrote in this format.

https://platform.openai.com/docs/api-reference/chat/create. Keys without a name in the IR are in the request's
`extra`; how a key was spelled that has one, is in its `spelling` or in the node's own `extra`.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from headgate.wire import ir
from headgate.wire.dialect import Target
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.messages import read_messages, write_messages
from headgate.wire.openai_chat.options import (
    REASONING_KEYS,
    read_format,
    read_reasoning,
    write_format,
    write_reasoning,
)
from headgate.wire.openai_chat.parts import cache_mark, own
from headgate.wire.openai_chat.tools import MAX_NAME, read_choice, read_tools, write_choice, write_tools
from headgate.wire.shape import Malformed, expect, optional, required, says_bad_request

# key → the IR's name for it and its JSON type
_SCALARS: Final[dict[str, tuple[str, type]]] = {
    "parallel_tool_calls": ("parallel_tools", bool),
    "max_tokens": ("max_tokens", int),
    "temperature": ("temperature", float),
    "top_p": ("top_p", float),
    "top_k": ("top_k", int),
    "seed": ("seed", int),
    "n": ("n", int),
    "presence_penalty": ("presence_penalty", float),
    "frequency_penalty": ("frequency_penalty", float),
    "logit_bias": ("logit_bias", dict),
    "logprobs": ("logprobs", bool),
    "top_logprobs": ("top_logprobs", int),
    "modalities": ("modalities", list),
    "audio": ("audio", dict),
    "verbosity": ("verbosity", str),
    "user": ("user", str),
    "metadata": ("metadata", dict),
    "service_tier": ("service_tier", str),
}
_SURE: Final = frozenset(("model", "messages", *_SCALARS))
"""Keys of which all is said by the IR, where they hold anything."""
_LIMIT: Final = "max_completion_tokens"
_OTHERS: Final = frozenset(
    {
        "model", "messages", "tools", "functions", "web_search_options", "tool_choice", "function_call",
        "response_format", "stop", "stream", "stream_options", _LIMIT, *REASONING_KEYS,
    }
)  # fmt: skip

_NATIVE: Final = frozenset(
    {
        "extra_body", "moderation", "prediction", "prompt_cache_key", "prompt_cache_retention",
        "safety_identifier", "store",
    }
)  # fmt: skip
"""Top-level keys that callers of any format may give."""

_HARMLESS: Final = frozenset(
    {
        "anthropic_beta", "anthropic_version", "context_management", "diagnostics", "labels", "output_config",
    }
)  # fmt: skip
"""Keys of other formats that change nothing in the answer: a provider's own housekeeping."""

_TIERS: Final = {"standard_only": "default"}
_MAX_USER: Final = 64
_REFUSED: Final = re.compile(r"[^a-zA-Z0-9_-]")


@says_bad_request
def read_request(body: Mapping[str, Any]) -> ir.Request:
    """Raises BadRequestError with the `param` that is wrong."""
    body = dict(body)
    request = ir.Request(
        model=optional(body, "model", str, "") or "",  # an address may name it
        turns=read_messages(required(body, "messages", list, "")),
        tools=read_tools(body),
        tool_choice=read_choice(body),
        output=read_format(body),
        reasoning=read_reasoning(body),
        cache=cache_mark(body, ""),
        stream=optional(body, "stream", bool, "") or False,
    )
    if not request.turns:
        raise Malformed("messages", "expected at least one message")
    for key in _SCALARS.keys() & body.keys():
        name, kind = _SCALARS[key]
        setattr(request, name, optional(body, key, kind, ""))
    if request.modalities is not None:
        _strings(request.modalities, "modalities")
    spelling: dict[str, Any] = {}
    _read_stop(body, request, spelling)
    _read_limit(body, request, spelling)
    options = optional(body, "stream_options", dict, "")
    if options is not None:
        request.stream_usage = optional(options, "include_usage", bool, "stream_options")
        if options != {"include_usage": request.stream_usage} or request.stream_usage is None:
            spelling["stream_options"] = options
    request.spelling = {FAMILY: spelling}
    odd = {key: value for key, value in body.items() if value is None or key not in _SURE}
    if odd:
        spelling.update((key, value) for key, value in odd.items() if _says_nothing(key, value, request))
        extra = {key: value for key, value in odd.items() if _unnamed(key, value, request)}
        if extra:
            request.extra = {FAMILY: extra}
    return request


def _strings(values: list[Any], where: str) -> list[str]:
    return [expect(value, str, f"{where}[{index}]") for index, value in enumerate(values)]


def _read_stop(body: dict[str, Any], request: ir.Request, spelling: dict[str, Any]) -> None:
    stop = body.get("stop")
    if isinstance(stop, str):
        request.stop = [stop]
        spelling["stop"] = stop
    elif stop is not None:
        request.stop = _strings(expect(stop, list, "stop"), "stop") or None


def _read_limit(body: dict[str, Any], request: ir.Request, spelling: dict[str, Any]) -> None:
    """The newer key wins; the older, if it was there too, is kept beside it."""
    limit = optional(body, _LIMIT, int, "")
    if limit is None:
        return
    if request.max_tokens is not None:
        spelling["max_tokens"] = request.max_tokens
    spelling[_LIMIT] = limit
    request.max_tokens = limit


def _unnamed(key: str, value: Any, request: ir.Request) -> bool:
    """Whether the IR has no field for what came under the key."""
    if key in _SCALARS or value is None:
        return key not in _SCALARS and key not in _OTHERS
    if key == "response_format":
        return request.output is None
    if key == "function_call":
        return request.tool_choice is None or not request.tool_choice.legacy
    return key not in _OTHERS


def _says_nothing(key: str, value: Any, request: ir.Request) -> bool:
    """A known key with nothing in it, which the IR doesn't tell from a missing one."""
    if value is None:
        return key in _SCALARS or key in _OTHERS
    return (value is False and key == "stream") or (value == [] and key in ("stop", "tools", "functions"))


# --- writing ---------------------------------------------------------------------------------------------


class Names:
    """Names of functions as OpenAI takes them, each distinct. `changed` maps a written one to its own."""

    def __init__(self) -> None:
        self.changed: dict[str, str] = {}
        self._written: dict[str, str] = {}

    def fit(self, name: str) -> str:
        written = self._written.get(name)
        if written is None:
            written = name
            if not name or len(name) > MAX_NAME or _REFUSED.search(name):
                digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
                written = f"{_REFUSED.sub('_', name)[: MAX_NAME - 9]}_{digest}"
                self.changed[written] = name
            self._written[name] = written
        return written


@says_bad_request
def write_request(request: ir.Request, target: Target) -> ir.Written:
    """Raises BadRequestError for content that is nested too deeply."""
    ours = request.spelling is not None and FAMILY in request.spelling
    spelling = own(request.spelling)
    names = Names()
    dropped: list[str] = []
    body: dict[str, Any] = {
        "model": target.model,
        "messages": write_messages(request.turns, ours, dropped, marks=target.cache_marks and not ours),
    }
    fit: Callable[[str], str] = str if ours else names.fit
    if not ours:
        _rename(body["messages"], fit)
    if request.tools is not None:
        write_tools(request.tools, body, fit, dropped)
    if request.tool_choice is not None:
        _write_choice(request.tool_choice, body, fit)
    for key, (name, _) in _SCALARS.items():
        value = getattr(request, name)
        if value is not None:
            body[key] = value
    if request.output is not None:
        body["response_format"] = write_format(request.output)
    if request.reasoning is not None:
        body.update(write_reasoning(request.reasoning))
    _write_spelled(request, spelling, body, ours)
    if not ours:
        _adapt(request, body)
    _write_extras(request.extra or {}, body, dropped)
    echo = ir.Echo(tool_names=names.changed) if names.changed else None
    return ir.Written(body=body, dropped=dropped, echo=echo)


def _rename(messages: list[dict[str, Any]], fit: Callable[[str], str]) -> None:
    for message in messages:
        for call in message.get("tool_calls") or ():
            inner = call.get("function") or call.get("custom")
            inner["name"] = fit(inner["name"])
        if message["role"] == "tool" and "name" in message:
            message["name"] = fit(message["name"])


def _write_choice(choice: ir.ToolChoice, body: dict[str, Any], fit: Callable[[str], str]) -> None:
    key = "function_call" if choice.legacy else "tool_choice"
    kept = own(choice.extra)
    body[key] = kept[key] if key in kept else write_choice(choice, fit(choice.name or ""))


def _write_spelled(request: ir.Request, spelling: dict[str, Any], body: dict[str, Any], ours: bool) -> None:
    """What has several spellings, as it was spelled if the value is still the same. A stream's options are refused
    where there is no stream."""
    if request.stop is not None:
        single = spelling.get("stop")
        body["stop"] = single if request.stop == [single] else request.stop
    if request.max_tokens is not None and spelling.get(_LIMIT) is not None:
        del body["max_tokens"]
        body[_LIMIT] = request.max_tokens
        if "max_tokens" in spelling and request.max_tokens == spelling[_LIMIT]:
            body["max_tokens"] = spelling["max_tokens"]
    if request.stream:
        body["stream"] = True
    options = spelling.get("stream_options") or {}
    if (ours or request.stream) and (request.stream_usage is not None or options):
        usage = {} if request.stream_usage is None else {"include_usage": request.stream_usage}
        body["stream_options"] = {**options, **usage}
    for key, value in spelling.items():
        if not value:
            body.setdefault(key, value)


def _adapt(request: ir.Request, body: dict[str, Any]) -> None:
    """What a caller of another format means by its words. Its streams always tell the usage, and it may
    choose among no tools, which OpenAI takes for a mistake."""
    if not body.keys() & {"tools", "functions"}:
        body.pop("tool_choice", None)
        body.pop("parallel_tool_calls", None)
    if request.stream:
        body["stream_options"] = {"include_usage": True}
    if request.service_tier is not None:
        body["service_tier"] = _TIERS.get(request.service_tier, request.service_tier)
    if request.user is not None and len(request.user) > _MAX_USER:
        body["user"] = hashlib.sha256(request.user.encode("utf-8", "replace")).hexdigest()


def _write_extras(extra: ir.Extra, body: dict[str, Any], dropped: list[str]) -> None:
    for family, fields in extra.items():
        for key, value in fields.items():
            if family == FAMILY:
                body.setdefault(key, value)
            elif key in _NATIVE:
                body[key] = value
            elif key not in _HARMLESS and value is not None:
                dropped.append(key)
