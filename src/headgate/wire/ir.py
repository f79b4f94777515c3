"""The intermediate representation: what a call means, whatever format it was written in.

A conversation is a list of turns, a turn a list of blocks. Three rules keep translation without loss:

1. What a dialect has and the IR has no name for stays in the node's `extra`, under the dialect *family*
   it came from ("openai", "anthropic", "gemini"), and is written back only by a dialect of that family.
2. A whole block that only one family understands is `Opaque`.
3. Absent and empty differ: `None` means that the field was not there.

JSON documents that only pass through (tool schemas, tool arguments) are kept as they came: schemas as
decoded values, tool arguments as the JSON text that the model produced, which may be invalid or empty.
This module knows no format and no provider.
"""

from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from headgate.errors import HeadgateError

Family: TypeAlias = str
Extra: TypeAlias = dict[Family, dict[str, Any]]


class Node(Struct, kw_only=True, omit_defaults=True):
    """Anything that may carry fields of one family that the IR has no name for."""

    extra: Extra | None = None


class Cache(Struct, omit_defaults=True, frozen=True):
    """A prompt-cache mark: everything up to and including the marked node may be cached."""

    ttl: str | None = None
    kind: str = "ephemeral"


class Source(Struct, omit_defaults=True):
    """Where media come from.

    kind   value
    data   base64 text, without the `data:` prefix
    url    an address the receiver may fetch
    id     a file id at the provider that `family` names
    text   the document itself, as text
    file   the name of a file that came with the call: who sends the request has its bytes
    """

    kind: Literal["data", "url", "id", "text", "file"]
    value: str
    media_type: str | None = None
    family: Family | None = None


class Citation(Node, tag="citation"):
    """A claim's source. `start` and `end` are character offsets in the text of the block that holds it."""

    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    start: int | None = None
    end: int | None = None


class Text(Node, tag="text"):
    """`signature` is an opaque proof that some models tie to a part (Gemini); it goes back as it came."""

    text: str
    citations: list[Citation] | None = None
    cache: Cache | None = None
    signature: str | None = None

    @property
    def only_seal(self) -> bool:
        """It says nothing: a part that one vendor needs back, and nobody else has a use for."""
        return not self.text and self.signature is not None


class Image(Node, tag="image"):
    source: Source
    detail: str | None = None
    cache: Cache | None = None
    signature: str | None = None


class Audio(Node, tag="audio"):
    """`id`, `transcript` and `expires_at` (Unix seconds) come with audio that a model produced."""

    source: Source | None = None
    format: str | None = None
    id: str | None = None
    transcript: str | None = None
    expires_at: int | None = None
    cache: Cache | None = None
    signature: str | None = None


class File(Node, tag="file"):
    """A document (PDF, text, …) or other media (video) that is neither picture nor sound."""

    source: Source
    name: str | None = None
    context: str | None = None
    citations: bool | None = None
    cache: Cache | None = None
    signature: str | None = None


class ToolCall(Node, tag="tool_call"):
    """`arguments` is JSON text for kind "function" and "legacy", free text for "custom"."""

    id: str
    name: str
    arguments: str = ""
    kind: Literal["function", "custom", "legacy"] = "function"
    cache: Cache | None = None
    signature: str | None = None


class ToolResult(Node, tag="tool_result"):
    """`name` is the tool's, where the format carries it; `call_id` is "" in formats without ids.

    `flat` says that the content was a plain string, not a list of parts, where the format has both.
    """

    call_id: str
    content: "list[Block]"
    name: str | None = None
    is_error: bool | None = None
    kind: Literal["function", "legacy"] = "function"
    cache: Cache | None = None
    flat: bool = True


class Thinking(Node, tag="thinking"):
    """A model's reasoning. Signed or redacted reasoning belongs to `family` and goes back to nobody else.

    `redacted` is the vendor's sealed text, in which case `text` is "". `family` is None for reasoning that
    is only shown (`reasoning_content`), never required back. `account` is whose key alone opens the seal, "" where
    any of the vendor's does, or where nobody knows.
    """

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    family: Family | None = None
    account: str = ""


class Refusal(Node, tag="refusal"):
    text: str


class Opaque(Struct, tag="opaque", kw_only=True, omit_defaults=True):
    """A block that only `family` understands: `value` is its decoded JSON, written back as it came."""

    family: Family
    value: Any


Block: TypeAlias = Text | Image | Audio | File | ToolCall | ToolResult | Thinking | Refusal | Opaque


def bare_text(block: Block) -> str | None:
    """The text of a block that is nothing else, as most are; None of any other."""
    if type(block) is not Text or block.extra is not None or block.cache is not None:
        return None
    return block.text if block.citations is None and block.signature is None else None


class Turn(Node):
    """One message. Tool results are blocks of user turns, as Anthropic and Gemini have it.

    `flat` says that the content was one plain string, where the format has both forms.
    """

    role: Literal["system", "developer", "user", "assistant"]
    blocks: list[Block]
    name: str | None = None
    flat: bool = False


FREE_TEXT: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}
"""How a tool that takes free text is told to models that know functions only."""


class Tool(Node):
    """A function that the model may call. `parameters` is a JSON schema, None where none was given.

    `free`: it takes free text, no JSON; its parameters are FREE_TEXT.
    """

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    cache: Cache | None = None
    legacy: bool = False
    free: bool = False


class HostedTool(Struct, kw_only=True):
    """A tool that the provider runs. `kind` is our name where the IR has one ("web_search"), else None."""

    family: Family
    value: dict[str, Any]
    kind: str | None = None


class ToolChoice(Node):
    """auto: the model decides · required: some tool · none: no tool · named: the tool `name`. `allowed` are the names
    of those that may be used, or the types of hosted ones; () for all."""

    mode: Literal["auto", "required", "none", "named"]
    name: str | None = None
    allowed: tuple[str, ...] = ()
    legacy: bool = False


class OutputFormat(Node):
    """text · json: any JSON object · schema: JSON that fits `schema`."""

    kind: Literal["text", "json", "schema"]
    schema: dict[str, Any] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class Reasoning(Node):
    """How much a model should think.

    `effort` is none, minimal, low, medium, high, xhigh, max or a vendor's own word; `budget` is in tokens
    (0 off, -1 the model decides); `adaptive` asks the model to choose; `visible` asks for the text.
    """

    effort: str | None = None
    budget: int | None = None
    adaptive: bool | None = None
    visible: bool | None = None


class Request(Node):
    """A chat call. Counts are tokens; `stop` is None or a non-empty list.

    `spelling` is how the dialect of a family wrote what the fields say, where it has several ways (a single
    `stop` as a string, `max_completion_tokens`); only that dialect looks at it, and only for fields that
    still have the value. An entry, also an empty one, says that the request was read in that family's format.
    """

    model: str
    turns: list[Turn]
    tools: list[Tool | HostedTool] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: list[str] | None = None
    seed: int | None = None
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    output: OutputFormat | None = None
    reasoning: Reasoning | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    verbosity: str | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    cache: Cache | None = None
    stream: bool = False
    stream_usage: bool | None = None
    spelling: Extra | None = None


FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "pause", "error"]


class Finish(Struct, kw_only=True, omit_defaults=True, frozen=True):
    """Why a model stopped. `raw` is the spelling of `family`, restored only when writing to that family.

    `sequence` is the stop sequence that was hit, where the format tells.
    """

    reason: FinishReason
    raw: str | None = None
    family: Family | None = None
    sequence: str | None = None


class TokenLogprob(Struct, kw_only=True, omit_defaults=True):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top: "list[TokenLogprob] | None" = None


class Usage(Node):
    """Tokens. `input` holds the cached and written ones, `output` the reasoning: parts, not additions.

    `cache_write_long` is the part of `cache_write` written for an hour rather than five minutes; `cached_audio` and
    `cached_image` are those of `cache_read` that are sound and pictures, and parts of these, too.

    What is billed by something else than tokens: `searches` of a rerank, `pages` read, `annotated_pages` among them,
    `characters` spoken, `seconds` of sound or film, `images`. None where the answer doesn't tell, 0 where there were
    none.
    """

    input: int = 0
    output: int = 0
    total: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_long: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    image_input: int | None = None
    image_output: int | None = None
    cached_audio: int | None = None
    cached_image: int | None = None
    accepted_prediction: int | None = None
    rejected_prediction: int | None = None
    web_searches: int | None = None
    searches: float | None = None
    pages: int | None = None
    annotated_pages: int | None = None
    characters: int | None = None
    seconds: float | None = None
    images: int | None = None
    service_tier: str | None = None


class Choice(Node):
    """One answer. `turn` is the assistant's; unknown fields of the message are in `turn.extra`."""

    turn: Turn
    index: int = 0
    finish: Finish | None = None
    logprobs: list[TokenLogprob] | None = None


class Reply(Node):
    """A whole answer. `created` is Unix seconds, None where the format has none."""

    choices: list[Choice]
    id: str | None = None
    model: str | None = None
    created: int | None = None
    usage: Usage | None = None


# A stream of the same: fold(events) == the reply, see fold.py.


class ReplyStart(Node, tag="reply_start"):
    """First event, once."""

    id: str | None = None
    model: str | None = None
    created: int | None = None


class BlockStart(Struct, tag="block_start"):
    """`index` counts blocks of the choice from 0. `block` is as complete as it is known: text usually ""."""

    choice: int
    index: int
    block: Block


DeltaKind: TypeAlias = Literal[
    "text", "thinking", "arguments", "signature", "refusal", "audio", "transcript", "redacted"
]


class BlockDelta(Struct, tag="block_delta"):
    """`text` is appended to the field that `kind` names. audio: base64 text of one piece."""

    choice: int
    index: int
    kind: DeltaKind
    text: str


class CitationDelta(Struct, tag="citation_delta"):
    choice: int
    index: int
    citation: Citation


class LogprobsDelta(Struct, tag="logprobs_delta"):
    choice: int
    tokens: list[TokenLogprob]


class BlockStop(Struct, tag="block_stop"):
    choice: int
    index: int


class ExtraDelta(Struct, tag="extra_delta"):
    """Fields of one family that belong to no block.

    target "turn": merged into the choice's `turn.extra`; "choice": into `choice.extra`;
    "reply": into the reply's. A later value replaces an earlier one of the same key.
    """

    target: Literal["turn", "choice", "reply"]
    choice: int
    family: Family
    fields: dict[str, Any]


class ChoiceEnd(Struct, tag="choice_end"):
    choice: int
    finish: Finish


class UsageUpdate(Struct, tag="usage"):
    """Totals so far: each replaces the one before, none are added."""

    usage: Usage


class StreamFailure(Struct, tag="failure"):
    """The upstream said inside its stream that the call failed, or the stream ended too early."""

    error: HeadgateError


class Keepalive(Struct, tag="keepalive"):
    pass


class ReplyEnd(Struct, tag="reply_end"):
    """Last event, once, after a complete answer; never after a StreamFailure."""


Event: TypeAlias = (
    ReplyStart
    | BlockStart
    | BlockDelta
    | CitationDelta
    | LogprobsDelta
    | BlockStop
    | ExtraDelta
    | ChoiceEnd
    | UsageUpdate
    | StreamFailure
    | Keepalive
    | ReplyEnd
)


class Echo(Struct, kw_only=True):
    """What a request writer changed and its reply reader must change back.

    `tool_names` maps a name as written to the caller's; `json_tool` is the tool that stands in for a JSON
    schema the model can't take: its input is the answer's text; `signs` is the family whose seal the model's
    reasoning bears, where the format carries that of several; `account` whose key alone opens it (Thinking);
    `free` are the caller's names of tools that take free text, whom `free_tools.py` serves.
    """

    tool_names: dict[str, str] = field(default_factory=dict)
    json_tool: str | None = None
    signs: Family | None = None
    account: str = ""
    free: list[str] = field(default_factory=list)


class Written(Struct, kw_only=True):
    """A request as a dialect wrote it.

    `dropped` names what the target can't express, in the words of an OpenAI chat caller ("logit_bias",
    "messages[2].content[0]: audio"); `headers` are those the body needs (`anthropic-beta`); the writer
    leaves out `model` and `stream` where the dialect puts them into the address. `more` are further bodies for the
    same address, where one call takes less than was asked: the dialect's `join` makes one reply of all.
    """

    body: dict[str, Any]
    more: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    echo: Echo | None = None
