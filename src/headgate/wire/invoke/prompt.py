"""Older text models by InvokeModel: a prompt in, a text out, in the words of each maker.

A table says what each maker calls the parts of a request, and the model's name picks the maker. These formats know no
tools, pictures or reasoning. https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Struct

from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError
from headgate.wire import aws, ir
from headgate.wire.along import Along
from headgate.wire.dialect import Dialect, Frame, Glance, Target
from headgate.wire.invoke import prompt_answer as answer
from headgate.wire.invoke import templates
from headgate.wire.invoke.prompt_answer import FAMILY
from headgate.wire.invoke.templates import Talk


class Maker(Struct, frozen=True):
    """`prompt` is the key of the prompt, `names` our name of a setting → theirs, all of them under `outer` where that
    is not ""."""

    match: str
    template: Callable[[Talk], str]
    prompt: str
    names: dict[str, str]
    outer: str = ""


_COMMAND: Final = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "p",
    "top_k": "k",
    "stop": "stop_sequences",
    "seed": "seed",
}
_LLAMA: Final = {"max_tokens": "max_gen_len", "temperature": "temperature", "top_p": "top_p"}
_PLAIN: Final = {"max_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p", "stop": "stop"}
_TITAN: Final = Maker(
    "",
    templates.titan,
    "inputText",
    {"max_tokens": "maxTokenCount", "temperature": "temperature", "top_p": "topP", "stop": "stopSequences"},
    "textGenerationConfig",
)

MAKERS: Final = (
    Maker(
        r"claude",
        templates.claude,
        "prompt",
        {
            "max_tokens": "max_tokens_to_sample",
            "temperature": "temperature",
            "top_p": "top_p",
            "top_k": "top_k",
            "stop": "stop_sequences",
        },
    ),
    Maker(r"llama-?2", templates.llama2, "prompt", _LLAMA),
    Maker(r"llama", templates.llama3, "prompt", _LLAMA),
    Maker(r"mistral|mixtral", templates.mistral, "prompt", {**_PLAIN, "top_k": "top_k"}),
    Maker(r"deepseek[._]", templates.deepseek, "prompt", _PLAIN),
    Maker(r"command-r", templates.plain, "message", _COMMAND),
    Maker(r"cohere", templates.plain, "prompt", {**_COMMAND, "n": "num_generations"}),
    Maker(
        r"j2",
        templates.plain,
        "prompt",
        {
            "max_tokens": "maxTokens",
            "temperature": "temperature",
            "top_p": "topP",
            "stop": "stopSequences",
            "n": "numResults",
        },
    ),
    _TITAN,
)
_NEEDED: Final = {"max_tokens_to_sample": 4096}
"""Settings that a maker demands, and what is written where the caller gave none."""
_SETTINGS: Final[dict[str, Any]] = {
    "max_tokens": None,
    "temperature": None,
    "top_p": None,
    "top_k": None,
    "stop": None,
    "n": 1,
    "seed": None,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logit_bias": {},
    "logprobs": False,
    "top_logprobs": 0,
}
"""What a request may say, and the value of each that asks for nothing special."""
_HARMLESS: Final = frozenset(
    {"store", "stream_options", "safety_identifier", "prompt_cache_key", "anthropic_version"}
)


def maker_of(model: str) -> Maker:
    return next(row for row in MAKERS if re.search(row.match, model.lower()))


def write_request(request: ir.Request, target: Target) -> ir.Written:
    maker = maker_of(target.model)
    dropped: list[str] = []
    talk = _talk(request, dropped)
    raw = FAMILY in (request.spelling or {})  # the prompt came as such, with its maker's marks
    body: dict[str, Any] = {maker.prompt: (templates.plain if raw else maker.template)(talk)}
    if maker.prompt == "message":
        body = _chat(talk)
    settings: dict[str, Any] = {}
    for name, neutral in _SETTINGS.items():
        value = getattr(request, name)
        if value is None or value == neutral:
            continue
        if name in maker.names:
            settings[maker.names[name]] = value
        else:
            dropped.append(name)
    for key, least in _NEEDED.items():
        if key in maker.names.values():
            settings.setdefault(key, least)
    if maker.outer and settings:
        body[maker.outer] = settings
    else:
        body.update(settings)
    dropped += [name for name in ("tools", "reasoning", "output") if _asks(request, name)]
    for family, fields in (request.extra or {}).items():
        for key, value in fields.items():
            if family == FAMILY:
                body.setdefault(key, value)
            elif key not in _HARMLESS and value is not None:
                dropped.append(key)
    return ir.Written(body=body, dropped=dropped, echo=ir.Echo())


def _asks(request: ir.Request, name: str) -> bool:
    value = getattr(request, name)
    if isinstance(value, ir.OutputFormat):
        return value.kind != "text"
    return bool(value)


def _talk(request: ir.Request, dropped: list[str]) -> Talk:
    """(role, text) of each turn; what is no text is named in `dropped`. Turns of one side become one."""
    talk: Talk = []
    for at, turn in enumerate(request.turns):
        texts: list[str] = []
        for number, block in enumerate(turn.blocks):
            if isinstance(block, ir.Text | ir.Refusal):
                texts.append(block.text)
            elif not isinstance(block, ir.Thinking):
                dropped.append(f"messages[{at}].content[{number}]: {type(block).__name__}")
        role = "system" if turn.role == "developer" else turn.role
        text = "\n".join(text for text in texts if text)
        if talk and talk[-1][0] == role:
            talk[-1] = (role, f"{talk[-1][1]}\n{text}")
        elif text:
            talk.append((role, text))
    if not talk:
        raise BadRequestError("messages: expected at least one with text", param="messages")
    return talk


def _chat(talk: Talk) -> dict[str, Any]:
    """Command R knows turns: the last is the message, those before it the history."""
    system = "\n".join(text for role, text in talk if role == "system")
    turns = [(role, text) for role, text in talk if role != "system"]
    history = [{"role": _CHAT_ROLES[role], "message": text} for role, text in turns[:-1]]
    body: dict[str, Any] = {"message": turns[-1][1] if turns else system}
    if history:
        body["chat_history"] = history
    if system and turns:
        body["preamble"] = system
    return body


_CHAT_ROLES: Final = {"user": "USER", "assistant": "CHATBOT"}
_SIDES: Final = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system"}


def read_request(body: Mapping[str, Any]) -> ir.Request:
    """The prompt is one turn: its maker's marks stay in it. Raises BadRequestError."""
    key = next((key for key in ("inputText", "message", "prompt") if key in body), "prompt")
    if not isinstance(body.get(key), str):
        raise BadRequestError(f"{key}: required, expected a string", param=key)
    outer = body.get(_TITAN.outer)
    settings = {**body, **(outer if isinstance(outer, dict) else {})}
    turns = _history(body) if key == "message" else []
    request = ir.Request(
        model=str(body.get("model") or ""),
        turns=[*turns, ir.Turn(role="user", blocks=[ir.Text(str(body[key]))], flat=True)],
        stream=body.get("stream") is True,
    )
    known = {"model", "stream", key, _TITAN.outer, "chat_history", "preamble"}
    for maker in MAKERS:
        if maker.prompt != key:
            continue
        for name, theirs in maker.names.items():
            value = settings.get(theirs)
            known.add(theirs)
            if value is not None and value != [] and getattr(request, name) is None:
                setattr(request, name, _setting(value, name, theirs))
    left = {name: value for name, value in body.items() if name not in known}
    request.extra = {FAMILY: left} if left else None
    request.spelling = {FAMILY: {}}
    return request


_TYPES: Final[dict[str, tuple[Any, str]]] = {
    "max_tokens": (int, "an integer"),
    "temperature": (float, "a number"),
    "top_p": (float, "a number"),
    "top_k": (int, "an integer"),
    "stop": (list[str], "an array of strings"),
    "seed": (int, "an integer"),
    "n": (int, "an integer"),
}


def _setting(value: Any, name: str, theirs: str) -> Any:
    kind, words = _TYPES[name]
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise BadRequestError(f"{theirs}: expected {words}", param=theirs) from None


def _history(body: Mapping[str, Any]) -> list[ir.Turn]:
    turns: list[ir.Turn] = []
    if isinstance(body.get("preamble"), str):
        turns.append(ir.Turn(role="system", blocks=[ir.Text(body["preamble"])], flat=True))
    history = body.get("chat_history") or []
    for at, item in enumerate(history if isinstance(history, list) else [history]):
        role, text = (item.get("role"), item.get("message")) if isinstance(item, dict) else (None, None)
        if role not in _SIDES or not isinstance(text, str):
            where = f"chat_history[{at}]"
            raise BadRequestError(
                f"{where}: expected {{role, message}} with role USER or CHATBOT", param=where
            )
        turns.append(ir.Turn(role=_SIDES[role], blocks=[ir.Text(text)], flat=True))  # type: ignore[arg-type]
    return turns


class Prompt:
    name: ClassVar[str] = "bedrock_prompt"
    family: ClassVar[str] = FAMILY
    stream_type: ClassVar[str] = "application/vnd.amazon.eventstream"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "address"

    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        return read_request(body)

    def write_request(self, request: ir.Request, target: Target) -> ir.Written:
        return write_request(request, target)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        return answer.read_reply(body)

    def write_reply(self, reply: ir.Reply, frame: Frame) -> bytes:
        return answer.write_reply(reply)

    def stream_reader(self, echo: ir.Echo | None = None) -> answer.StreamReader:
        return answer.StreamReader()

    def stream_writer(self, frame: Frame) -> answer.StreamWriter:
        return answer.StreamWriter()

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return aws.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return aws.write_error(error)

    def write_stream_error(self, error: HeadgateError) -> bytes:
        return aws.write_stream_error(error)

    def glance(self, body: bytes) -> Glance:
        """Never raises."""
        try:
            return Glance(usage=answer.read_reply(body).usage)
        except APIResponseValidationError:
            return Glance()
        except HeadgateError as error:
            return Glance(error=error)

    def sniffer(self) -> Along:
        return Along(answer.StreamReader())

    def is_opening(self, data: bytes) -> bool:
        return False

    def remote_media(self, request: ir.Request) -> list[ir.Source]:
        return []


DIALECT: Final = Prompt()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT
