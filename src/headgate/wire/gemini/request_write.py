"""IR → generateContent request, from whatever format the conversation came.

What a model can't take is in models.py. Model and stream flag belong to the address and are left out. Choices
where the format has no twin:

- Before Gemini 3 hosted tools and functions exclude each other, as do functions and a forced form of the
  answer: functions win, the other is reported.
- `metadata` stays at home: `labels` exist on Vertex only.

https://ai.google.dev/api/generate-content
"""

from typing import Any, Final

from headgate.wire import ir
from headgate.wire.dialect import Target
from headgate.wire.gemini import config as configs
from headgate.wire.gemini.check import FAMILY, camel
from headgate.wire.gemini.contents import Conversation
from headgate.wire.gemini.models import facts_of
from headgate.wire.gemini.names import Names
from headgate.wire.gemini.parts import DETAILS
from headgate.wire.gemini.request import MADE_IDS, QUIET, TIERS
from headgate.wire.gemini.tools_write import write_tools
from headgate.wire.neutral import Neutral
from headgate.wire.shape import says_bad_request

_NATIVE: Final = frozenset(
    {"safetySettings", "cachedContent", "labels", "toolConfig", "generationConfig", "modelArmorConfig"}
)
"""Top-level keys that callers of any format may give, in either spelling."""

_HARMLESS: Final = frozenset(
    {
        "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store", "stream_options",
        "cache_control",
    }
)  # fmt: skip
"""Keys of other formats that change nothing in the answer."""

_TIERS: Final = {ours: native for native, ours in TIERS.items()}
_NO_TIER: Final = ("auto", "standard_only")
_NEUTRAL: Final = Neutral({"logit_bias": ({},), "verbosity": ("medium",)})
"""Parameters without a twin, and the values of each that ask for nothing special."""


@says_bad_request
def write_request(request: ir.Request, target: Target) -> ir.Written:
    """Raises BadRequestError for a schema that is nested too deeply."""
    facts = facts_of(target.model)
    names = Names()
    spelling = (request.spelling or {}).get(FAMILY)
    tools = write_tools(request, facts, names, native=spelling is not None)
    talk = Conversation(names, facts, (spelling or {}).get(MADE_IDS, ()))
    talk.add_all(request.turns)
    dropped = [*talk.dropped, *tools.dropped]
    config = configs.write_config(request, facts, tools.functions, dropped)
    if talk.details and not facts.part_detail:
        _common_detail(talk.details, config)

    body: dict[str, Any] = {"contents": talk.contents}
    instruction = talk.instruction()
    if instruction is not None:
        body["systemInstruction"] = instruction
    if tools.tools or request.tools == []:
        body["tools"] = tools.tools
    if config_of_tools := {**(spelling or {}).get(QUIET, {}), **tools.config}:
        body["toolConfig"] = config_of_tools
    if config:
        body["generationConfig"] = config
    if request.service_tier in _TIERS:
        body["serviceTier"] = _TIERS[request.service_tier]
    elif request.service_tier is not None and request.service_tier not in _NO_TIER:
        dropped.append("service_tier")
    dropped += _NEUTRAL.asked(request)
    _extras(request.extra or {}, body, dropped)
    echo = ir.Echo(tool_names=names.changed) if names.changed else None
    return ir.Written(body=body, dropped=dropped, echo=echo)


def _common_detail(details: list[str], config: dict[str, Any]) -> None:
    """One resolution for all pictures: the highest that was asked for."""
    known = [detail for detail in DETAILS if detail in details]
    if known:
        highest = "high" if known[-1] == "ultra_high" else known[-1]
        config["mediaResolution"] = DETAILS[highest]


def _extras(extra: ir.Extra, body: dict[str, Any], dropped: list[str]) -> None:
    """Puts back what the IR has no name for."""
    for family, given in extra.items():
        for key, value in given.items():
            name = camel(key) if "_" in key else key
            if family == FAMILY or name in _NATIVE:
                _put_back(body, name if name in _NATIVE else key, value)
            elif name in configs.NATIVE:
                _put_back(body, configs.WHERE, {name: value})
            elif key not in _HARMLESS and value is not None:
                dropped.append(key)


def _put_back(body: dict[str, Any], key: str, value: Any) -> None:
    """Under what we wrote ourselves: fields are added to objects, nothing is replaced."""
    ours = body.get(key)
    if ours is None:
        body[key] = value
    elif isinstance(ours, dict) and isinstance(value, dict):
        body[key] = {**value, **ours}
