"""Keyword arguments of LiteLLM's functions, sorted: what is sent, what makes the deployment, what steers."""

import math
import sys
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Raw

from headgate.core import breaks
from headgate.core.breaks import OnBreak
from headgate.core.call import Options
from headgate.core.entry import own_names
from headgate.core.fallback import PRETENDED, Fallback, Fallbacks
from headgate.core.params import CLOUDS, CONNECTION, CREDENTIALS, OURS, is_price
from headgate.core.queue import DEFAULT_PRIORITY, MAX_PRIORITY
from headgate.errors import BadRequestError, UnknownProviderError
from headgate.ports import Timeouts
from headgate.providers.registry import resolve
from headgate.sdk import settings

_DEPLOYMENT: Final = frozenset(
    """custom_llm_provider api_base base_url api_key api_version organization project extra_headers headers
    extra_body region_name ssl_verify ssl_certificate client_key allowed_openai_params base_model
    additional_drop_params modify_params""".split()
).union(CREDENTIALS)
_STEERING: Final = (OURS | CONNECTION) - _DEPLOYMENT - {"model"}
_NEVER_SENT: Final = frozenset(
    """metadata litellm_metadata model_list deployment_id shared_session logger_fn verbose acompletion
    aembedding text_completion hf_model_name input_cost_per_token output_cost_per_token client stream_timeout
    force_timeout max_fallbacks id no_log include_server_side_tool_invocations""".split()
)
_MOCK: Final = ("mock_response", "mock_tool_calls", "mock_timeout")
_KINDS: Final[Mapping[str, tuple[type | tuple[type, ...], str]]] = {
    **dict.fromkeys(("stream", "drop_params", "modify_params"), (bool, "True or False")),
    **dict.fromkeys(("num_retries", "max_retries"), (int, "a whole number")),
    **dict.fromkeys(("api_base", "base_url"), (str, "an address, such as 'http://localhost:8000/v1'")),
    **dict.fromkeys(
        ("extra_headers", "headers", "extra_body", "context_window_fallback_dict"), (Mapping, "a dictionary")
    ),
    **dict.fromkeys(
        ("additional_drop_params", "allowed_openai_params"), ((list, tuple, set), "a list of names")
    ),
    "fallbacks": ((list, tuple), "a list of models, or of dictionaries with a 'model'"),
}
"""What would be misread where it is something else: a text, for one, as a list of its letters."""


def check(fields: Mapping[str, Any]) -> None:
    """Raises BadRequestError naming the first argument that can't be meant."""
    for name, value in fields.items():
        if value is None:
            continue
        if isinstance(value, float) and not math.isfinite(value) and name not in _ENDLESS:
            raise BadRequestError(f"{name!r} must be a number that JSON can write, not {value}", param=name)
        if name in _KINDS and not isinstance(value, _KINDS[name][0]):
            raise BadRequestError(f"{name!r} must be {_KINDS[name][1]}, not {value!r:.80}", param=name)


_ENDLESS: Final = ("timeout", "stream_timeout", "request_timeout")


def own_of(model: str, fields: Mapping[str, Any]) -> frozenset[str]:
    """The arguments that tell the model's provider who asks and where: `token`, `project_id`, …"""
    return _own_of(model, fields.get("custom_llm_provider"), fields.get("api_base"))


@lru_cache(maxsize=1024)
def _own_of(model: str, provider: str | None, base: str | None) -> frozenset[str]:
    try:
        row, _ = resolve(model, provider, base)
    except UnknownProviderError:
        return frozenset()
    return own_names(row).union(row.body_env)


def body_of(fields: Mapping[str, Any], own: Collection[str] = ()) -> dict[str, Raw]:
    """The request body: everything that is not ours, and not the provider's `own`, each value encoded once. Raises
    BadRequestError."""
    body: dict[str, Raw] = {}
    for name, value in fields.items():
        if name in own:
            continue
        if value is None or name in _DEPLOYMENT or (name in _NEVER_SENT and not _stored(name, fields)):
            continue
        if (name in _STEERING and name not in _MOCK) or is_price(name) or name.startswith(CLOUDS):
            continue
        if name == "response_format":
            value = response_format(value)
        body[name] = encoded(name, value)
    return body


def encoded(name: str, value: Any) -> Raw:
    try:
        return Raw(msgspec.json.encode(value, enc_hook=_plain))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequestError(f"{name!r} can't be written as JSON: {error}", param=name) from None


def _plain(value: Any) -> Any:
    """Objects of other libraries: pydantic models, our own views, anything that is a mapping."""
    for method in ("model_dump", "to_dict", "dict"):
        if callable(dump := getattr(value, method, None)):
            return dump(exclude_none=True) if method == "model_dump" else dump()
    raise TypeError(f"a {type(value).__name__} is no JSON value")


def _stored(name: str, fields: Mapping[str, Any]) -> bool:
    """OpenAI takes metadata beside `store`."""
    return name == "metadata" and bool(fields.get("store"))


def deployment_of(model: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """`litellm_params` of an ad hoc deployment: arguments over module settings."""
    named = (*_DEPLOYMENT, *own_of(model, fields))
    params = {name: fields[name] for name in named if fields.get(name) is not None}
    params.update(
        {
            name: value
            for name, value in fields.items()
            if (is_price(name) or name.startswith(CLOUDS)) and value is not None
        }
    )
    params["model"] = model
    for name in ("api_key", "api_base", "api_version", "organization", "headers", "ssl_verify"):
        if name not in params and (value := settings.get(name)) is not None:
            params[name] = value
    drop = fields.get("drop_params")
    params["drop_params"] = settings.get("drop_params") if drop is None else drop
    params["modify_params"] = fields.get("modify_params") or settings.get("modify_params")
    return params


def options_of(model: str, fields: Mapping[str, Any], stream: bool) -> Options:
    retries = _first(fields.get("num_retries"), fields.get("max_retries"), settings.get("num_retries"), 2)
    drop = _first(fields.get("drop_params"), settings.get("drop_params"))
    longer = fields.get("context_window_fallback_dict") or {}
    given = fields.get("fallbacks") or settings.get("fallbacks") or settings.get("default_fallbacks") or ()
    windows: list[Fallback] = [longer[model]] if model in longer else []
    for row in settings.get("context_window_fallbacks") or ():
        windows += row.get(model) or ()
    return Options(
        drop_params=None if drop is None else bool(drop),
        drop=tuple(fields.get("additional_drop_params") or ()),
        allow=tuple(fields.get("allowed_openai_params") or ()),
        retries=int(retries),
        pretended=next((name for name in PRETENDED if fields.get(name)), ""),
        timeouts=timeouts_of(fields, stream),
        on_break=_on_break(fields.get("on_stream_break")),
        priority=_priority(fields.get("priority")),
        fallbacks=Fallbacks(
            general=tuple(row for row in given if isinstance(row, str) or "model" in row),
            context_window=tuple(windows),
        ),
    )


def _on_break(given: Any) -> OnBreak | None:
    try:
        return None if given is None else breaks.parse(given)
    except (ValueError, TypeError):
        raise BadRequestError(
            f"'on_stream_break' must be {breaks.EXPECTED}, not {given!r:.80}", param="on_stream_break"
        ) from None


def _priority(given: Any) -> int:
    if given is None:
        return DEFAULT_PRIORITY
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= MAX_PRIORITY:
        raise BadRequestError(
            f"'priority' must be a whole number between 0 and {MAX_PRIORITY}, lower first, not {given!r:.80}",
            param="priority",
        )
    return given


def timeouts_of(fields: Mapping[str, Any], stream: bool) -> Timeouts | None:
    """Seconds, or an object with `connect` and `read` as HTTP clients have it. None: 600 seconds."""
    given = _first(
        fields.get("stream_timeout") if stream else None,
        fields.get("timeout"),
        fields.get("request_timeout"),
        settings.get("request_timeout"),
    )
    if given is None:
        return None
    read = getattr(given, "read", given)
    connect = getattr(given, "connect", None)
    try:
        seconds = float(read) if read is not None else 600.0
    except (TypeError, ValueError):
        raise BadRequestError(
            f"'timeout' must be a number of seconds, not {given!r}", param="timeout"
        ) from None
    return Timeouts(
        connect=float(connect) if connect is not None else min(10.0, seconds),
        first_byte=seconds,
        between_chunks=seconds,
        total=None if stream else seconds,
    )


def response_format(value: Any) -> Any:
    """A pydantic class becomes its strict JSON schema; pydantic is only looked at where it is loaded."""
    module = sys.modules.get("pydantic")
    if module is None or not isinstance(value, type) or not issubclass(value, module.BaseModel):
        return value
    schema = _strict(value.model_json_schema())  # type: ignore[attr-defined]
    return {"type": "json_schema", "json_schema": {"name": value.__name__, "schema": schema, "strict": True}}


def _strict(schema: Any) -> Any:
    """As OpenAI's strict mode wants it: no further properties, all of them required."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items() if key != "default"}
    if made.get("type") == "object" and isinstance(made.get("properties"), dict):
        made["additionalProperties"] = False
        made["required"] = list(made["properties"])
    return made


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
