"""IR → Converse request, from whatever format the conversation came. What a model can't take is in models.py.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. Choices where the format has
no twin:

- `response_format: json_object` becomes a last line of the system prompt.
- `user` is left out; `metadata` becomes requestMetadata as far as its characters are allowed.
- A prompt with more than four cache points keeps the first and the last three.
"""

import re
from typing import Any, Final

from headgate.wire import claude, ir
from headgate.wire.bedrock.check import FAMILY
from headgate.wire.bedrock.models import Facts, facts_of
from headgate.wire.bedrock.reasoning import plan
from headgate.wire.bedrock.request import MODEL_FIELDS
from headgate.wire.bedrock.tools import DUMMY_TOOL, JSON_ORDER, NAME_LIMIT, Tools, write_tools
from headgate.wire.bedrock.turns import Conversation, limit_marks
from headgate.wire.dialect import Target
from headgate.wire.neutral import OPENAI
from headgate.wire.shape import says_bad_request
from headgate.wire.words import Fitter

_NATIVE: Final = frozenset(
    {
        "additionalModelRequestFields", "additionalModelResponseFieldPaths", "guardrailConfig", "outputConfig",
        "performanceConfig", "promptVariables", "requestMetadata", "serviceTier",
    }
)  # fmt: skip
"""Top-level keys that callers of any format may give."""

_OF_CLAUDE: Final = frozenset({"anthropic_beta", "context_management"})
"""Keys of any caller that Anthropic's models take as fields of their own."""

_HARMLESS: Final = frozenset(
    {
        "anthropic_version", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store",
        "stream_options",
    }
)  # fmt: skip
"""Keys of other formats that change nothing in the answer."""

_TIERS: Final = {"auto": "default", "standard_only": "default", "standard": "default"}
_NOTE: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}")
_NOTES: Final = 16


@says_bad_request
def write_request(request: ir.Request, target: Target) -> ir.Written:
    """Raises BadRequestError for a schema that is nested too deeply."""
    facts = facts_of(target.model)
    names = Fitter(NAME_LIMIT, "tool")
    planned = plan(request, facts)
    talk = Conversation(names, facts)
    talk.add_all(request.turns)
    talk.trim_prefill()
    tools = write_tools(request, facts, names, thinks=planned.thinks, has_calls=talk.has_calls())
    if request.output is not None and request.output.kind == "json":
        talk.system.append({"text": JSON_ORDER})
    if request.cache is not None:
        talk.mark_end(request.cache)
    if target.modify_params:
        _repair(talk, tools)
    body: dict[str, Any] = {"messages": talk.written()}
    if talk.system:
        body["system"] = talk.system
    if planned.config:
        body["inferenceConfig"] = planned.config
    if tools.tools:
        body["toolConfig"] = {"tools": tools.tools, **({"toolChoice": tools.choice} if tools.choice else {})}
    if tools.format is not None:
        body["outputConfig"] = {"textFormat": tools.format}
    fields = dict(planned.fields)
    for key, value in tools.fields.items():
        _put_back(fields, key, value)
    if fields:
        body[MODEL_FIELDS] = fields
    dropped = [*planned.dropped, *tools.dropped, *talk.dropped, *OPENAI.asked(request)]
    _notes(request, body)
    _extras(request.extra or {}, facts, body, dropped)
    messages = [message["content"] for message in body["messages"]]
    limit_marks([*([tools.tools] if tools.tools else []), talk.system, *messages])
    signs = claude.FAMILY if facts.claude else None
    return ir.Written(
        body=body,
        dropped=dropped,
        echo=ir.Echo(tool_names=names.changed, json_tool=tools.json_tool, signs=signs),
    )


def _repair(talk: Conversation, tools: Tools) -> None:
    """What the API demands of a conversation and this one lacks."""
    if not talk.messages or talk.messages[0].role != "user":
        talk.insert_placeholder(0)
    if not tools.tools and talk.has_calls():
        tools.tools.append(dict(DUMMY_TOOL))


def _notes(request: ir.Request, body: dict[str, Any]) -> None:
    """Service tier and metadata. Notes that the API refuses are left out: they change nothing in the answer."""
    if request.service_tier is not None:
        body["serviceTier"] = {"type": _TIERS.get(request.service_tier, request.service_tier)}
    notes = {
        key: value
        for key, value in (request.metadata or {}).items()
        if isinstance(value, str) and key and _NOTE.fullmatch(key) and _NOTE.fullmatch(value)
    }
    if notes:
        body["requestMetadata"] = dict(list(notes.items())[:_NOTES])


def _extras(extra: ir.Extra, facts: Facts, body: dict[str, Any], dropped: list[str]) -> None:
    """Puts back what the IR has no name for."""
    for family, fields in extra.items():
        for key, value in fields.items():
            if family == FAMILY or key in _NATIVE:
                _put_back(body, key, value)
            elif facts.claude and key in _OF_CLAUDE:
                _put_back(body.setdefault(MODEL_FIELDS, {}), key, value)
            elif key not in _HARMLESS and value is not None:
                dropped.append(key)


def _put_back(body: dict[str, Any], key: str, value: Any) -> None:
    """Under what we wrote ourselves: fields are added to objects, entries to lists, nothing is replaced."""
    ours = body.get(key)
    if ours is None:
        body[key] = value
    elif isinstance(ours, dict) and isinstance(value, dict):
        for name, item in value.items():
            _put_back(ours, name, item)
    elif isinstance(ours, list) and isinstance(value, list):
        body[key] = [*value, *(item for item in ours if item not in value)]
