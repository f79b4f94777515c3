"""A conversation → the one prompt of a text generation format, and its parameters."""

from typing import Any, Final

from headgate.wire import ir
from headgate.wire.dialect import Target
from headgate.wire.textgen.formats import Format

_HARMLESS: Final = frozenset(
    {
        "anthropic_beta", "anthropic_version", "cache_control", "context_management", "extra_body", "labels",
        "prediction", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store",
        "stream_options",
    }
)  # fmt: skip
_NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "tools": ([],),
    "tool_choice": (),
    "parallel_tools": (True, False),
    "n": (1,),
    "temperature": (),
    "top_p": (1, 1.0),
    "top_k": (),
    "stop": (),
    "seed": (),
    "frequency_penalty": (0, 0.0),
    "presence_penalty": (0, 0.0),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "output": (ir.OutputFormat(kind="text"),),
    "reasoning": (ir.Reasoning(effort="none"),),
    "modalities": (["text"],),
    "audio": (),
    "verbosity": ("medium",),
    "service_tier": ("auto", "default", "standard_only"),
    "max_tokens": (),
}
"""Parameters, and the values of each that ask for nothing special: others are sent, or named as dropped."""
_NAMES: Final = {
    "parallel_tools": "parallel_tool_calls",
    "output": "response_format",
    "reasoning": "reasoning_effort",
}
_SPEAKERS: Final = {"system": "System", "developer": "System", "user": "User", "assistant": "Assistant"}


def prompt_of(turns: list[ir.Turn], dropped: list[str]) -> str:
    """A single message as it is; a conversation as a script that the assistant goes on with."""
    said = []
    for index, turn in enumerate(turns):
        texts = _texts(turn.blocks, f"messages[{index}].content", dropped)
        if texts:
            said.append((turn.role, "\n".join(texts)))
    if len(said) == 1 and said[0][0] == "user":
        return said[0][1]
    return "\n\n".join([*(f"{_SPEAKERS[role]}: {text}" for role, text in said), "Assistant:"])


def _texts(blocks: list[ir.Block], where: str, dropped: list[str]) -> list[str]:
    texts: list[str] = []
    for index, block in enumerate(blocks):
        place = f"{where}[{index}]"
        match block:
            case ir.Text() | ir.Refusal():
                texts.append(block.text)
            case ir.ToolResult():
                texts += _texts(block.content, place, dropped)
            case ir.File(source=ir.Source(kind="text", value=text)):
                texts.append(text)
            case ir.Thinking():
                continue
            case _:
                dropped.append(f"{place}: {type(block).__name__.lower()}")
    return [text for text in texts if text]


def write_request(form: Format, request: ir.Request, target: Target) -> ir.Written:
    dropped: list[str] = []
    params: dict[str, Any] = dict(form.fixed)
    beside: dict[str, Any] = {}
    for name, neutral in _NEUTRAL.items():
        value = getattr(request, name)
        if value is None or (name not in form.params and value in neutral):
            continue
        if name in form.params:
            params[form.params[name]] = value
        else:
            dropped.append(_NAMES.get(name, name))
    for fields in (request.extra or {}).values():
        for key, value in fields.items():
            if key in form.native:
                params[key] = value
            elif key in form.beside:
                beside[key] = value
            elif key not in _HARMLESS and value is not None:
                dropped.append(key)
    if form.adapt is not None:
        form.adapt(params)
    body: dict[str, Any] = {"model": target.model} if form.names_model == "body" else {}
    body[form.prompt] = prompt_of(request.turns, dropped)
    body |= {**({form.inside: params} if form.inside else params), **beside}
    if request.stream and form.stream_key:
        body[form.stream_key] = True
    return ir.Written(body=body, dropped=dropped)
