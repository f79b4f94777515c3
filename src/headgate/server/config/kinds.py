"""Kinds of values: what is expected, and the reader that makes a value of it or raises ValueError.

A reader gets the plain value and the text that was written, None where the value is no scalar. What comes out
of the environment is text, so a kind reads `"60"` and `"true"`, too.
"""

import math
import re
from collections.abc import Callable, Collection
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from headgate.core import breaks, cooldown, hedge, retry
from headgate.core.strategies import ARGUMENTS, STRATEGIES
from headgate.providers.base import PATHS
from headgate.store.periods import EXPECTED, parse

MODES: Final = (
    "chat completion embedding image_generation image_edit audio_transcription audio_speech rerank "
    "moderation realtime responses batch ocr search video_generation vector_store"
).split()


CHAT_DIALECTS: Final = ("openai_chat", "anthropic", "gemini", "cohere", "ollama")
MORE_PATHS: Final = ("chat_stream", "count_tokens")
"""Operations of other formats than OpenAI's."""
FAILS: Final = tuple(name for name, _ in cooldown.POLICY)
RETRIES: Final = (*(name for name, _ in retry.POLICY), retry.ANY)


class Kind(Struct, frozen=True):
    """`expected` completes "expected …"; `short` is the kind's name in the documentation."""

    short: str
    expected: str
    read: Callable[[Any, str | None], Any]


def _reject(value: object) -> Any:
    raise ValueError


def _any(value: Any, written: str | None) -> Any:
    return value


def _text(value: Any, written: str | None) -> str:
    """Numbers are taken as they were written: an api_version `2024.10` keeps its zero."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return written if written is not None else str(value)
    return str(_reject(value))


def _name(value: Any, written: str | None) -> str:
    text = _text(value, written).strip()
    return text or str(_reject(value))


def _secret(value: Any, written: str | None) -> str | None:
    text = _text(value, written).strip()
    if any(not " " < char < "\x7f" for char in text):
        _reject(value)
    return text or None


def _credentials(value: Any, written: str | None) -> str | dict[str, Any]:
    return value if isinstance(value, dict) and value else _name(value, written)


_FLAGS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def _flag(value: Any, written: str | None) -> bool:
    if isinstance(value, bool):
        return value
    text = _text(value, written).strip().lower()
    return _FLAGS[text] if text in _FLAGS else bool(_reject(value))


def _number(value: Any, written: str | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        _reject(value)
    number = float(value)
    return number if math.isfinite(number) else float(_reject(value))


def _positive(value: Any, written: str | None) -> float:
    number = _number(value, written)
    return number if number > 0 else float(_reject(value))


def _at_least_zero(value: Any, written: str | None) -> float:
    number = _number(value, written)
    return number if number >= 0 else float(_reject(value))


def _whole(value: Any, written: str | None) -> int:
    number = _number(value, written)
    if isinstance(value, int):
        return value
    return int(number) if number == int(number) else int(_reject(value))


def _count(value: Any, written: str | None) -> int:
    number = _whole(value, written)
    return number if number >= 0 else int(_reject(value))


def _texts(value: Any, written: str | None) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        _reject(value)
    return tuple(value)


def _text_or_texts(value: Any, written: str | None) -> tuple[str, ...]:
    return _texts([value] if isinstance(value, str) else value, written)


def _listed(value: Any, written: str | None) -> list[Any]:
    return value if isinstance(value, list) else list(_reject(value))


def _mapping(value: Any, written: str | None) -> dict[str, Any]:
    return value if isinstance(value, dict) else dict(_reject(value))


def _headers(value: Any, written: str | None) -> dict[str, str]:
    headers = {}
    for name, content in _mapping(value, written).items():
        text = str(content).lower() if isinstance(content, bool) else _text(content, None)
        if not name or not name.isascii() or any(not "!" <= char <= "~" or char == ":" for char in name):
            _reject(value)
        if any(ord(char) < 32 or ord(char) == 127 for char in text):
            _reject(value)
        headers[name] = text
    return headers


def _url(value: Any, written: str | None) -> str | None:
    text = _text(value, written).strip()
    if not text:
        return None
    parts = urlsplit(text)
    port_is_fine = parts.port is None or parts.port > 0  # .port raises ValueError for what is no port
    if parts.scheme not in ("http", "https", "mock") or not parts.hostname or not port_is_fine:
        _reject(value)
    return text


def _duration(value: Any, written: str | None) -> str:
    text = _text(value, written).strip()
    parse(text)
    return text


_DISCONNECT: Final = re.compile(r"cancel|drain(\((\d+)(, *\d+(\.\d+)?)?\))?")


def _disconnect(value: Any, written: str | None) -> str:
    text = _text(value, written).strip()
    return text if _DISCONNECT.fullmatch(text) else str(_reject(value))


def _flag_or_path(value: Any, written: str | None) -> bool | str:
    try:
        return _flag(value, written)
    except ValueError:
        return _name(value, written)


def _table(value: Any, written: str | None) -> tuple[dict[str, tuple[str | dict[str, Any], ...]], ...]:
    """LiteLLM's list of one-key maps; one map with several keys means the same."""
    rows = [value] if isinstance(value, dict) else _listed(value, written)
    return tuple({group: _targets(targets)} for row in rows for group, targets in _mapping(row, None).items())


def _targets(value: Any) -> tuple[str | dict[str, Any], ...]:
    targets = [value] if isinstance(value, str) else _listed(value, None)
    return tuple(target if isinstance(target, str) and target else _changed(target) for target in targets)


def _changed(target: Any) -> dict[str, Any]:
    """A fallback with its own parameters: the model must be among them."""
    fields = _mapping(target, None)
    return fields if isinstance(fields.get("model"), str) and fields["model"] else dict(_reject(target))


def _aliases(value: Any, written: str | None) -> dict[str, str | dict[str, Any]]:
    return {alias: _targets([target])[0] for alias, target in _mapping(value, written).items()}


def _stream_break(value: Any, written: str | None) -> str:
    breaks.parse(value if isinstance(value, str) else str(_reject(value)))
    return str(value)


def _hedge_after(value: Any, written: str | None) -> float | str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        _reject(value)
    hedge.parse(value)
    return value if isinstance(value, str) else float(value)


def _strategy_args(value: Any, written: str | None) -> dict[str, float]:
    given = _mapping(value, written)
    return {name: _at_least_zero(given[name], None) if name in ARGUMENTS else _reject(name) for name in given}


def _policy(names: Collection[str]) -> Callable[[Any, str | None], dict[str, int]]:
    """Numbers by class of error."""

    def read(value: Any, written: str | None) -> dict[str, int]:
        given = _mapping(value, written)
        return {name: _count(given[name], None) if name in names else _reject(name) for name in given}

    return read


def _policies(value: Any, written: str | None) -> dict[str, dict[str, int]]:
    return {group: _policy(RETRIES)(policy, None) for group, policy in _mapping(value, written).items()}


def _operations(value: Any, written: str | None) -> dict[str, str]:
    """Operations that are where OpenAI has them, or each with its path."""
    if isinstance(value, list):
        return {name: PATHS[name] if name in PATHS else str(_reject(value)) for name in value}
    found = _renames(value, written)
    for name, path in found.items():
        if name not in PATHS and name not in MORE_PATHS:
            _reject(value)
        if not path.startswith(("/", "https://", "http://")) or any(not "!" <= char <= "~" for char in path):
            _reject(value)
    return found


def _renames(value: Any, written: str | None) -> dict[str, str]:
    return {key: _name(text, None) for key, text in _mapping(value, written).items()}


def _substitutes(value: Any, written: str | None) -> dict[str, dict[str, Any]]:
    """As rows have them: by the JSON text of the value that is replaced."""
    return {
        key: {_json_text(old): new for old, new in _mapping(table, None).items()}
        for key, table in _mapping(value, written).items()
    }


def _json_text(key: str) -> str:
    try:
        return msgspec.json.encode(msgspec.json.decode(key)).decode()
    except msgspec.DecodeError:
        return msgspec.json.encode(key).decode()


def _taken(value: Any, written: str | None) -> dict[str, tuple[Any, ...]]:
    return {key: tuple(_listed(values, None)) for key, values in _mapping(value, written).items()}


def _bounds(value: Any, written: str | None) -> dict[str, tuple[float, float]]:
    found = {}
    for key, pair in _mapping(value, written).items():
        least, most = (_number(bound, None) for bound in _listed(pair, None))  # ValueError for another count
        found[key] = (least, most) if least <= most else tuple(_reject(value))
    return found


def _fillings(value: Any, written: str | None) -> dict[str, tuple[str, ...]]:
    """The parameter, and after it variables."""
    found = {key: _text_or_texts(names, None) for key, names in _mapping(value, written).items()}
    return found if all(found.values()) else dict(_reject(value))


def _pattern(value: Any, written: str | None) -> str:
    text = _name(value, written)
    try:
        re.compile(text)
    except re.error:
        raise ValueError from None
    return text


def _refusal(value: Any, written: str | None) -> int:
    status = _count(value, written)
    return status if 400 <= status < 500 else int(_reject(value))


_SIZES: Final = {
    "max_budget": "price",
    "soft_budget": "price",
    "budget_duration": "duration",
    "rpm_limit": "count",
    "tpm_limit": "count",
    "max_parallel_requests": "count",
}
"""What keys and users may be given, and the kind of each; `_KEYS` and `_USERS` have more than a size."""
_BOUNDS: Final = {**_SIZES, "duration": "duration"}
_KEYS: Final = {**_BOUNDS, "models": "texts", "metadata": "mapping", "tags": "texts", "team_id": "name"}
_USERS: Final = {**_SIZES, "user_role": "user_role", "models": "texts", "metadata": "mapping"}
_ROLES: Final = ("proxy_admin", "proxy_admin_viewer", "org_admin", "internal_user", "internal_user_viewer")


def _values(kinds: dict[str, str]) -> Callable[[Any, str | None], dict[str, Any]]:
    """A mapping whose values have kinds of their own."""

    def values(value: Any, written: str | None) -> dict[str, Any]:
        found = {}
        for name, one in _mapping(value, written).items():
            if one is not None:
                read = KINDS[kinds[name]].read(one, None) if name in kinds else _reject(name)
                found[name] = list(read) if isinstance(read, tuple) else read
        return found

    return values


_BUDGET: Final = _values(
    {"budget_limit": "price", "time_period": "duration", "max_budget": "price", "budget_duration": "duration"}
)


def _budgets(value: Any, written: str | None) -> dict[str, dict[str, Any]]:
    """LiteLLM has two names for each of amount and time."""
    found = {name: _BUDGET(given, None) for name, given in _mapping(value, written).items()}
    if not all("budget_limit" in one or "max_budget" in one for one in found.values()):
        _reject(value)
    return found


_PROVIDER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def _provider(value: Any, written: str | None) -> str:
    text = _name(value, written)
    return text if _PROVIDER.fullmatch(text) else str(_reject(value))


def one_of(*choices: str) -> Kind:
    def read(value: Any, written: str | None) -> str:
        return value if value in choices else str(_reject(value))

    return Kind(" | ".join(choices), "one of " + ", ".join(choices), read)


KINDS: Final[dict[str, Kind]] = {
    "any": Kind("any", "any value", _any),
    "text": Kind("text", "a text", _text),
    "name": Kind("text", "a text that is not empty", _name),
    "secret": Kind("text", "a key of visible ASCII characters without spaces", _secret),
    "flag": Kind("true | false", "true or false", _flag),
    "number": Kind("number", "a number", _number),
    "amount": Kind("number ≥ 0", "a number of 0 or more", _at_least_zero),
    "price": Kind("dollars ≥ 0", "a price in dollars, 0 or more", _at_least_zero),
    "seconds": Kind("seconds > 0", "a number of seconds above 0", _positive),
    "pause": Kind("seconds ≥ 0", "a number of seconds, 0 or more", _at_least_zero),
    "size": Kind("number > 0", "a number above 0", _positive),
    "whole": Kind("whole number", "a whole number", _whole),
    "count": Kind("whole number ≥ 0", "a whole number of 0 or more", _count),
    "texts": Kind("list of texts", "a list of texts", _texts),
    "text_or_texts": Kind("text or list of texts", "a text or a list of texts", _text_or_texts),
    "list": Kind("list", "a list", _listed),
    "mapping": Kind("mapping", "a mapping", _mapping),
    "headers": Kind("mapping of texts", "a mapping of header names to texts without line breaks", _headers),
    "url": Kind("URL", "an address such as https://host/v1", _url),
    "duration": Kind("duration", EXPECTED, _duration),
    "on_disconnect": Kind(
        "cancel | drain | drain(tokens, seconds)", "cancel, drain or drain(max_tokens, seconds)", _disconnect
    ),
    "credentials": Kind("path, JSON text or mapping", "a path, JSON text or a mapping", _credentials),
    "flag_or_path": Kind("true | false | path", "true, false or the path of a file", _flag_or_path),
    "fallbacks": Kind(
        "list of {group: [groups]}",
        "a list of maps from a group to a list of groups, such as [{gpt-4o: [claude]}]",
        _table,
    ),
    "aliases": Kind("{alias: group}", "a mapping from an alias to a group's name", _aliases),
    "mode": one_of(*MODES),
    "strategy": one_of(*STRATEGIES),
    "stream_break": Kind("error | hold(…) | restart | continue", breaks.EXPECTED, _stream_break),
    "hedge_after": Kind("seconds | p50 … p99", hedge.EXPECTED, _hedge_after),
    "strategy_args": Kind("mapping", "a mapping such as {lowest_latency_buffer: 0.5}", _strategy_args),
    "fails_policy": Kind(
        "{class: number}", "a mapping such as {TimeoutErrorAllowedFails: 3}", _policy(FAILS)
    ),
    "retry_policy": Kind("{class: number}", "a mapping such as {TimeoutErrorRetries: 3}", _policy(RETRIES)),
    "retry_policies": Kind(
        "{group: {class: number}}", "a mapping such as {gpt-4o: {TimeoutErrorRetries: 3}}", _policies
    ),
    "refusal": Kind("400 … 499", "a status from 400 to 499", _refusal),
    "user_role": one_of(*_ROLES),
    "budgets": Kind(
        "{name: {budget_limit, time_period}}",
        "a mapping such as {openai: {budget_limit: 100, time_period: 1d}}",
        _budgets,
    ),
    "key_values": Kind("mapping", f"a mapping of some of {', '.join(_KEYS)}", _values(_KEYS)),
    "key_bounds": Kind("mapping", f"a mapping of some of {', '.join(_BOUNDS)}", _values(_BOUNDS)),
    "user_values": Kind("mapping", f"a mapping of some of {', '.join(_USERS)}", _values(_USERS)),
    "stickiness": one_of("user", "session"),
    "provider": Kind("text", "a name of letters, digits, dots, hyphens and underscores", _provider),
    "operations": Kind(
        "{operation: path} or list of operations",
        "a list of operations such as [chat, embeddings], or a mapping from operations to paths, among "
        + ", ".join((*PATHS, *MORE_PATHS)),
        _operations,
    ),
    "renames": Kind("{name: name}", "a mapping of names to names", _renames),
    "substitutes": Kind(
        "{name: {value: value}}", "a mapping such as {tool_choice: {required: any}}", _substitutes
    ),
    "taken": Kind("{name: [values]}", "a mapping of names to lists of values, such as {n: [1]}", _taken),
    "bounds": Kind("{name: [least, most]}", "a mapping such as {temperature: [0, 1]}", _bounds),
    "fillings": Kind(
        "{placeholder: [parameter, VARIABLE …]}",
        "a mapping from placeholders of base_url, such as {region: [acme_region, ACME_REGION]}",
        _fillings,
    ),
    "pattern": Kind("regular expression", "a regular expression", _pattern),
    "chat_dialect": one_of(*CHAT_DIALECTS),
    "stream_usage": one_of("ask", "always", "refused"),
    "response_model": one_of("upstream", "requested"),
}
