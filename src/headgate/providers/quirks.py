"""The one mechanism that carries out quirks: a plan made when a deployment is loaded, run on each envelope.

An envelope maps top-level keys to raw JSON. Messages are decoded only where a quirk looks into them.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from headgate.errors import UnsupportedParamsError
from headgate.providers.base import Provider, Quirks
from headgate.wire.envelope import UNREADABLE

_messages = msgspec.json.Decoder(list[dict[str, Raw]])
_tools = msgspec.json.Decoder(list[dict[str, Raw]])
_parts = msgspec.json.Decoder(list[dict[str, Any]])
_object = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.encode
_NULLS = frozenset((b"null",))
_HARMLESS = frozenset((b"null", b"false", b"[]", b"{}", b'""'))


SIGNED = "thinking_blocks"
"""Where chat's messages have the thoughts that a vendor signed, as LiteLLM names them."""


class Plan(Struct, frozen=True, kw_only=True):
    """The quirks of one model at one provider, ready to run. `idle` says that there are none but keys that are taken
    out of messages: `marks` are those in quotation marks, by which they are looked for."""

    idle: bool
    marks: tuple[bytes, ...]
    rename: tuple[tuple[str, str], ...]
    refuse: frozenset[str]
    drop: frozenset[str]
    only: tuple[tuple[str, str, tuple[Any, ...]], ...]
    values: tuple[tuple[str, dict[bytes, Raw]], ...]
    flatten: bool
    drop_null: bool
    strip_message: frozenset[str]
    strip_strict: bool
    strip_schema: frozenset[str]
    rename_text: tuple[tuple[str, str], ...]
    clamp: tuple[tuple[str, float, float], ...]
    roles: dict[bytes, Raw]
    unstreamed: dict[str, Raw]
    effort: str
    reasoning: dict[str, Any]
    to_responses: str
    seals: bool


def plan(
    provider: Provider, model: str, allowed: Collection[str] = (), rejected: Collection[str] = ()
) -> Plan:
    """All quirks that apply to `model`. Keys in `allowed` are sent whatever the row says, those in `rejected` are
    further ones that messages may not have."""
    layers = [provider.quirks]
    layers += [rule.quirks for rule in provider.model_rules if re.match(rule.match, model)]
    stripped = frozenset(rejected).union(*(quirks.strip_message for quirks in layers))
    rename: dict[str, str] = {}
    values: dict[str, dict[bytes, Raw]] = {}
    only: dict[str, tuple[Any, ...]] = {}
    for quirks in layers:
        rename.update(quirks.rename)
        only.update(quirks.only)
        for key, table in quirks.values.items():
            values[key] = {text.encode(): Raw(_encode(value)) for text, value in table.items()}
    made = Plan(
        idle=False,
        rename=tuple((old, new) for old, new in rename.items() if old not in allowed),
        refuse=frozenset(key for quirks in layers for key in quirks.refuse) - set(allowed),
        drop=frozenset(key for quirks in layers for key in quirks.drop) - set(allowed),
        only=tuple(
            (*key.partition(".")[::2], taken)
            for key, taken in only.items()
            if key.partition(".")[0] not in allowed
        ),
        values=tuple(values.items()),
        flatten=any(quirks.flatten for quirks in layers),
        drop_null=any(quirks.drop_null for quirks in layers),
        strip_message=stripped,
        marks=tuple(_encode(key) for key in sorted(stripped)),
        clamp=tuple((key, *bounds) for quirks in layers for key, bounds in quirks.clamp.items()),
        roles={_encode(old): Raw(_encode(new)) for quirks in layers for old, new in quirks.roles.items()},
        strip_strict=not all(quirks.tool_strict for quirks in layers),
        strip_schema=frozenset(key for quirks in layers for key in quirks.strip_schema),
        rename_text=tuple(
            (old, new) for quirks in layers for old, new in quirks.rename_text.items() if old not in allowed
        ),
        unstreamed={
            key: Raw(_encode(value)) for quirks in layers for key, value in quirks.unstreamed.items()
        },
        effort=next((quirks.effort for quirks in reversed(layers) if quirks.effort), ""),
        reasoning={
            key: usual for quirks in layers for key, usual in quirks.reasoning.items() if key not in allowed
        },
        to_responses=next((quirks.to_responses for quirks in reversed(layers) if quirks.to_responses), ""),
        seals=any(quirks.seals for quirks in layers),
    )
    idle = all(msgspec.structs.replace(quirks, strip_message=()) == Quirks() for quirks in layers)
    return msgspec.structs.replace(made, idle=idle)


def marked(plan: Plan, envelope: Mapping[str, Raw]) -> bool:
    """Whether a message may have one of the keys that are taken out. Searched from the end: the faster way in
    CPython."""
    if not plan.marks:
        return False
    messages = bytes(envelope.get("messages", b""))
    for mark in plan.marks:  # noqa: SIM110 -- a generator would cost more than the loop
        if messages.rfind(mark) >= 0:
            return True
    return False


def run(plan: Plan, envelope: dict[str, Raw], provider: Provider, drop_params: bool) -> list[str]:
    """Edits the envelope in place; returns the names of the parameters left out.

    Raises UnsupportedParamsError for a refused key or value that says something, unless `drop_params`.
    """
    dropped = refused(plan, envelope)
    for key, what in dropped.items():
        if not drop_params and bytes(envelope[key]) not in _HARMLESS:
            raise UnsupportedParamsError(
                f"{provider.name} does not take {what}; leave it out or set drop_params",
                llm_provider=provider.id,
                param=key,
            )
        del envelope[key]
    for key in plan.drop:
        envelope.pop(key, None)
    for old, new in plan.rename:
        if old in envelope:
            value = envelope.pop(old)
            envelope.setdefault(new, value)
    for old, new in plan.rename_text:
        if bytes(envelope.get(old, b"")).startswith(b'"'):
            envelope.setdefault(new, envelope.pop(old))
    for key, table in plan.values:
        if key in envelope and (substitute := table.get(bytes(envelope[key]).strip())) is not None:
            envelope[key] = substitute
    if plan.unstreamed and bytes(envelope.get("stream", b"")) != b"true":
        for key, value in plan.unstreamed.items():
            envelope.setdefault(key, value)
    for key, least, most in plan.clamp:
        if key in envelope:
            envelope[key] = _clamped(envelope[key], least, most)
    left_out = list(dropped)
    if marked(plan, envelope) or _may_have(plan, envelope):
        left_out += _edit_messages(plan, envelope)
    if (plan.strip_strict or plan.strip_schema) and "tools" in envelope:
        _edit_tools(plan, envelope)
    return left_out


def refused(plan: Plan, envelope: Mapping[str, Raw]) -> dict[str, str]:
    """Keys that the provider rejects, or whose value it rejects → that in words."""
    found = {key: f"the parameter {key!r}" for key in envelope if key in plan.refuse}
    for key, inner, taken in plan.only:
        if key in envelope and (value := _value(envelope[key], inner)) is not None and value not in taken:
            named = " or ".join(_encode(value).decode() for value in taken)
            found[key] = f"this value of {key + '.' * bool(inner) + inner!r}, only {named}"
    if plan.reasoning and effort_of(plan, envelope) != "none":
        for key, usual in plan.reasoning.items():
            if key in envelope and _value(envelope[key], "") not in (None, usual):
                found[key] = f"{key!r} while it reasons (reasoning_effort other than 'none')"
    return found


def effort_of(plan: Plan, envelope: Mapping[str, Raw]) -> str:
    """The effort that a chat, or a request in the format of Responses, asks for; else the model's own."""
    told = _value(envelope["reasoning_effort"], "") if "reasoning_effort" in envelope else None
    if told is None and "reasoning" in envelope:
        told = _value(envelope["reasoning"], "effort")
    return told if isinstance(told, str) else plan.effort


def _value(raw: Raw, inner: str) -> Any:
    """The value, or that of a key in it; None where there is none to judge."""
    try:
        value = msgspec.json.decode(raw)
    except UNREADABLE:
        return None  # the provider's own answer says it best
    if not inner:
        return value
    return value.get(inner) if isinstance(value, dict) else None


def _clamped(raw: Raw, least: float, most: float) -> Raw:
    try:
        number = float(bytes(raw))
    except ValueError:
        return raw  # no number: the provider says so
    return raw if least <= number <= most else Raw(_encode(min(most, max(least, number))))


def _may_have(plan: Plan, envelope: dict[str, Raw]) -> bool:
    """Whether a message may have a null, a list or a role that is changed: else none is decoded."""
    if not (plan.roles or plan.drop_null or plan.flatten):
        return False
    messages = bytes(envelope.get("messages", b""))
    if (plan.drop_null and messages.rfind(b"null") >= 0) or (plan.flatten and messages.rfind(b"[") > 0):
        return True
    return any(role in messages for role in plan.roles)


def _edit_messages(plan: Plan, envelope: dict[str, Raw]) -> list[str]:
    """What is to be told of it: thoughts that another vendor signed stay with us."""
    try:
        messages = _messages.decode(envelope.get("messages", b"[]"))
    except UNREADABLE:
        return []  # not a list of objects: the provider's own answer says it best
    told = SIGNED in plan.strip_message and any(SIGNED in message for message in messages)
    for message in messages:
        for key in [
            key
            for key, value in message.items()
            if key in plan.strip_message or (plan.drop_null and bytes(value) in _NULLS and key != "content")
        ]:
            del message[key]
        if plan.marks and "tool_calls" in message:
            message["tool_calls"] = _bare(plan, message["tool_calls"])
        if plan.roles and (role := plan.roles.get(bytes(message.get("role", b"")).strip())) is not None:
            message["role"] = role
        if plan.flatten and bytes(message.get("content", b"")).startswith(b"["):
            message["content"] = _flat(message["content"])
    if messages:
        envelope["messages"] = Raw(_encode(messages))
    return [f"messages.{SIGNED}"] if told else []


def _bare(plan: Plan, calls: Raw) -> Raw:
    """Calls of tools without those keys: Gemini's signatures stand there."""
    if not any(mark in bytes(calls) for mark in plan.marks):
        return calls
    try:
        nodes = _messages.decode(calls)
    except UNREADABLE:
        return calls
    return Raw(
        _encode([{key: v for key, v in node.items() if key not in plan.strip_message} for node in nodes])
    )


def _flat(content: Raw) -> Raw:
    try:
        parts = _parts.decode(content)
    except UNREADABLE:
        return content
    texts = [part.get("text") for part in parts if part.get("type") == "text"]
    if len(texts) != len(parts) or not all(isinstance(text, str) for text in texts):
        return content
    return Raw(_encode("".join(str(text) for text in texts)))


def _edit_tools(plan: Plan, envelope: dict[str, Raw]) -> None:
    try:
        tools = _tools.decode(envelope["tools"])
        for tool in tools:
            if "function" in tool:
                function = _object.decode(tool["function"])
                if plan.strip_strict:
                    function.pop("strict", None)
                if plan.strip_schema and "parameters" in function:
                    schema = msgspec.json.decode(function["parameters"])
                    function["parameters"] = Raw(_encode(_stripped(schema, plan.strip_schema)))
                tool["function"] = Raw(_encode(function))
    except UNREADABLE:
        return  # as above
    envelope["tools"] = Raw(_encode(tools))


def _stripped(node: Any, keys: frozenset[str]) -> Any:
    """A schema without the keywords. The names of properties are no keywords."""
    if isinstance(node, list):
        return [_stripped(item, keys) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: _stripped(inner, keys) for name, inner in value.items()}
        if key == "properties" and isinstance(value, dict)
        else _stripped(value, keys)
        for key, value in node.items()
        if key not in keys
    }
