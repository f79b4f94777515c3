"""JSON schemas ↔ Gemini's own `Schema`, a subset of OpenAPI 3.0. Pure functions over decoded JSON.

Models from 2.0 on take plain JSON schemas beside it; only older ones need `to_openapi`.
https://ai.google.dev/api/caching#Schema
"""

from typing import Any, Final

from headgate.wire.gemini.check import camel
from headgate.wire.shape import Malformed

MAX_NODES: Final = 20_000
"""Nodes of a schema with its references written out: a few references to references can grow without end."""

_KEEP: Final = (
    "description", "title", "required", "minimum", "maximum", "minLength", "maxLength", "pattern", "minItems",
    "maxItems", "minProperties", "maxProperties", "nullable", "example",
)  # fmt: skip
_FORMATS: Final = {
    "string": frozenset({"enum", "date-time"}),
    "number": frozenset({"float", "double"}),
    "integer": frozenset({"int32", "int64"}),
}
_COUNTS: Final = frozenset(
    {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
)
_NULL: Final = {"type": "null"}


# --- Gemini's → JSON schema ------------------------------------------------------------------------------


def to_json_schema(schema: Any) -> Any:
    """Lower-case types, `nullable` as a type, counts as numbers; the order of properties is left out."""
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {}
    for key, value in schema.items():
        name = camel(key)
        convert = _DOWN.get(name)
        if convert is not None:
            out[name] = convert(value)
        elif name in _COUNTS and isinstance(value, str) and value.isdecimal():
            out[name] = int(value)
        elif name not in ("propertyOrdering", "nullable"):
            out[name if name in _KEEP else key] = value
    if schema.get("nullable") is True:
        return _nullable(out)
    return out


def _each(value: Any) -> Any:
    return [to_json_schema(item) for item in value] if isinstance(value, list) else value


def _named(value: Any) -> Any:
    return {key: to_json_schema(item) for key, item in value.items()} if isinstance(value, dict) else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list):
            schema["enum"] = [*schema["enum"], None]
        return schema
    if isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], dict(_NULL)]
    return schema


_DOWN: Final = {
    "type": _lower,
    "items": to_json_schema,
    "additionalProperties": to_json_schema,
    "anyOf": _each,
    "prefixItems": _each,
    "properties": _named,
    "defs": _named,
}


# --- JSON schema → Gemini's ------------------------------------------------------------------------------


def to_openapi(schema: dict[str, Any], *, ordered: bool = False) -> dict[str, Any]:
    """The schema in the subset that models before 2.0 take: no references, no unions of types.

    `ordered` adds `propertyOrdering`, so that answers keep the order in which properties were given.
    Raises `Malformed` where the references written out make a schema too large.
    """
    return _Cleaner(schema, ordered).clean(schema, ())


class _Cleaner:
    def __init__(self, root: dict[str, Any], ordered: bool) -> None:
        self._root = root
        self._ordered = ordered
        self._nodes = 0

    def clean(self, schema: Any, within: tuple[str, ...]) -> dict[str, Any]:
        """`within` names the references that are being written out: one inside itself is any object."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Malformed("schema", f"over {MAX_NODES} parts with its references written out")
        if not isinstance(schema, dict):
            return {"type": "object"}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            if reference in within:
                return {"type": "object"}
            found = self._resolve(reference)
            merged = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
            return self.clean(merged, (*within, reference))
        out: dict[str, Any] = {key: schema[key] for key in _KEEP if key in schema}
        kind = self._kind(schema, out)
        if self._unions(schema, out, within):
            return out
        if kind is not None:
            out["type"] = kind
        self._enum(schema, out)
        allowed = _FORMATS.get(str(out.get("type")), frozenset())
        if schema.get("format") in allowed:
            out["format"] = schema["format"]
        if out.get("type") == "object":
            self._object(schema, out, within)
        elif out.get("type") == "array":
            items = schema.get("items")
            out["items"] = (
                self.clean(items, within) if isinstance(items, dict) and items else {"type": "string"}
            )
        return out

    def _resolve(self, reference: str) -> dict[str, Any]:
        node: Any = self._root
        for step in reference.removeprefix("#").strip("/").split("/") if reference.strip("#/") else ():
            name = step.replace("~1", "/").replace("~0", "~")
            node = node.get(name) if isinstance(node, dict) else None
        return node if isinstance(node, dict) else {"type": "object"}

    def _kind(self, schema: dict[str, Any], out: dict[str, Any]) -> str | None:
        """The one type. Null beside it becomes `nullable`; of several others the first stays."""
        kind = schema.get("type")
        if isinstance(kind, list):
            names = [name for name in kind if isinstance(name, str)]
            if "null" in names:
                out["nullable"] = True
            kind = next((name for name in names if name != "null"), None)
        if kind is None:
            kind = next((name for key, name in _IMPLIED if key in schema), None)
        return kind if isinstance(kind, str) else None

    def _unions(self, schema: dict[str, Any], out: dict[str, Any], within: tuple[str, ...]) -> bool:
        """anyOf, oneOf and allOf. Whether `out` is complete: old models take nothing beside anyOf."""
        whole = schema.get("allOf")
        if isinstance(whole, list) and whole:
            merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
            for piece in whole:
                _merge(merged, self._plain(piece, within))
            out.clear()
            out.update(self.clean(merged, within))
            return True
        options = schema.get("anyOf", schema.get("oneOf"))
        if not isinstance(options, list) or not options:
            return False
        real = [option for option in options if option != _NULL]
        nullable = len(real) < len(options) or out.get("nullable") is True
        if len(real) == 1 and isinstance(real[0], dict):
            shared = {key: schema[key] for key in ("description", "title") if key in schema}
            chosen = self.clean({**real[0], **shared}, within)
        else:
            chosen = {"anyOf": [self.clean(option, within) for option in real]}
        out.clear()
        out.update(chosen)
        if nullable:
            out["nullable"] = True
        return True

    def _plain(self, piece: Any, within: tuple[str, ...]) -> dict[str, Any]:
        reference = piece.get("$ref") if isinstance(piece, dict) else None
        if isinstance(reference, str):
            return {} if reference in within else self._resolve(reference)
        return piece if isinstance(piece, dict) else {}

    def _enum(self, schema: dict[str, Any], out: dict[str, Any]) -> None:
        """Only strings, none of them empty: numbers are written as words."""
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if not isinstance(values, list):
            return
        if None in values:
            out["nullable"] = True
        words = [
            value if isinstance(value, str) else _word(value) for value in values if value not in (None, "")
        ]
        if words:
            out["type"], out["enum"] = "string", words

    def _object(self, schema: dict[str, Any], out: dict[str, Any], within: tuple[str, ...]) -> None:
        properties = schema.get("properties")
        if not isinstance(properties, dict) or not properties:
            out.pop("required", None)
            return
        out["properties"] = {name: self.clean(item, within) for name, item in properties.items()}
        required = out.get("required")
        if isinstance(required, list):
            out["required"] = [name for name in required if name in properties]
        if self._ordered:
            out["propertyOrdering"] = list(properties)


def _merge(into: dict[str, Any], piece: dict[str, Any]) -> None:
    for key, value in piece.items():
        held = into.get(key)
        if key == "properties" and isinstance(held, dict) and isinstance(value, dict):
            into[key] = {**held, **value}
        elif key == "required" and isinstance(held, list) and isinstance(value, list):
            into[key] = [*held, *(name for name in value if name not in held)]
        else:
            into.setdefault(key, value)


def _word(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


_IMPLIED: Final = (("properties", "object"), ("items", "array"))
