"""JSON schemas as the API takes them: tool inputs, and the strict subset of structured outputs.

https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs lists what the subset supports. What
it refuses becomes words in the description, so that the model still sees it. This module knows no requests.
"""

from typing import Any, Final

import msgspec

MAX_DEPTH: Final = 200

_LIMITS: Final = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "not",
)
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_BY_NAME: Final = ("properties", "$defs", "definitions")
_LISTS: Final = ("anyOf", "allOf")


class TooDeepError(ValueError):
    """A schema nested over MAX_DEPTH levels."""


def tool_input(schema: dict[str, Any] | None) -> dict[str, Any]:
    """A tool's input schema: the top level must say that it is an object."""
    if not schema:
        return {"type": "object", "properties": {}}
    return schema if schema.get("type") else {"type": "object", **schema}


def strict(schema: Any, depth: int = 0) -> Any:
    """The schema in the subset of structured outputs. A schema of the subset comes back equal.

    Objects are closed, `oneOf` becomes `anyOf`, and limits that are not enforced move into the description.
    Raises TooDeepError.
    """
    if not isinstance(schema, dict):
        return schema
    if depth > MAX_DEPTH:
        raise TooDeepError(f"a JSON schema nested over {MAX_DEPTH} levels")
    out: dict[str, Any] = {}
    refused: list[str] = []
    for key, value in schema.items():
        if _refused(key, value):
            refused.append(f"{key}: {_words(value)}")
        elif key in _BY_NAME and isinstance(value, dict):
            out[key] = {name: strict(part, depth + 1) for name, part in value.items()}
        elif key in _LISTS and isinstance(value, list):
            out[key] = [*out.get(key, ()), *(strict(part, depth + 1) for part in value)]
        elif key == "oneOf" and isinstance(value, list):
            out["anyOf"] = [*out.get("anyOf", ()), *(strict(part, depth + 1) for part in value)]
        elif key == "items":
            out[key] = strict(value, depth + 1)
        else:
            out[key] = value
    if _is_object(out):
        out["additionalProperties"] = False
    if refused:
        note = "; ".join(refused)
        said = out.get("description")
        out["description"] = f"{said} ({note})" if isinstance(said, str) and said else note
    return out


def _refused(key: str, value: Any) -> bool:
    if key == "minItems":
        return value not in (0, 1)
    if key == "format":
        return value not in _FORMATS if isinstance(value, str) else True
    return key in _LIMITS


def _is_object(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


def _words(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
