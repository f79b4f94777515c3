"""What differs between the makers whose formats InvokeModel takes. Each takes its inner dialect from outside.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import msgspec

from headgate.errors import APIResponseValidationError
from headgate.wire import eventstream, ir, sse
from headgate.wire.dialect import Target
from headgate.wire.invoke.envelope import Invoke

_DECODE = msgspec.json.Decoder().decode
_ENCODE = msgspec.json.Encoder().encode

VERSION: Final = "bedrock-2023-05-31"
_METRICS: Final = "amazon-bedrock-invocationMetrics"


class Claude(Invoke):
    """Anthropic's Messages: the version and the betas stand in the body, no address is fetched.

    https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
    """

    name: ClassVar[str] = "bedrock_anthropic"
    family: ClassVar[str] = "anthropic"

    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        return super().read_request({key: value for key, value in body.items() if key != "anthropic_version"})

    def written(self, written: ir.Written, target: Target) -> ir.Written:
        headers = dict(written.headers)
        asked = [flag for flag in headers.pop("anthropic-beta", "").split(",") if flag]
        given = written.body.pop("anthropic_beta", None)
        flags = list(dict.fromkeys([*(given if isinstance(given, list) else []), *asked]))
        written.body.pop("service_tier", None)
        written.body["anthropic_version"] = VERSION
        if flags:
            written.body["anthropic_beta"] = flags
        written.headers = headers
        return written

    def unwrapper(self) -> Callable[[bytes], bytes]:
        return lambda document: sse.encode(_one_line(document), _kind(document))

    def wrapper(self) -> Callable[[bytes], list[bytes]]:
        return _sse_events()

    def remote_media(self, request: ir.Request) -> list[ir.Source]:
        return [source for turn in request.turns for source in _sources(turn.blocks) if source.kind == "url"]


class OpenAI(Invoke):
    """OpenAI's chat format: AI21's Jamba, gpt-oss, Qwen, newer models of Mistral and imported ones.

    https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html and
    https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html
    """

    name: ClassVar[str] = "bedrock_openai"
    family: ClassVar[str] = "openai"

    def written(self, written: ir.Written, target: Target) -> ir.Written:
        """Only OpenAI's own models know the newer name of the limit."""
        limit = written.body.get("max_completion_tokens")
        if limit is not None and "openai." not in target.model:
            del written.body["max_completion_tokens"]
            written.body.setdefault("max_tokens", limit)
        return written

    def unwrapper(self) -> Callable[[bytes], bytes]:
        return lambda document: sse.encode(_one_line(_like_openai(document)))

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        return super().read_reply(_like_openai(body), echo)

    def wrapper(self) -> Callable[[bytes], list[bytes]]:
        return _sse_events()


class Nova(Invoke):
    """Converse's own format with everything in one body; each event of a stream under its name.

    https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html
    """

    name: ClassVar[str] = "bedrock_nova"
    family: ClassVar[str] = "bedrock"

    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        """`max_new_tokens` is an older word for maxTokens, and topK stands in inferenceConfig."""
        config = body.get("inferenceConfig")
        if not isinstance(config, Mapping):
            config = {}
        fields = {_CONFIG.get(key, key): value for key, value in config.items()}
        nested = {"inferenceConfig": {"topK": fields.pop("topK")}} if "topK" in fields else {}
        plain = {key: value for key, value in body.items() if key != "schemaVersion"}
        return self.inner.read_request(
            {**plain, "inferenceConfig": fields, "additionalModelRequestFields": nested}
        )

    def written(self, written: ir.Written, target: Target) -> ir.Written:
        body = written.body
        nested = body.pop("additionalModelRequestFields", {})
        config = {**body.pop("inferenceConfig", {}), **nested.pop("inferenceConfig", {})}
        body.update(
            {"schemaVersion": "messages-v1", **({"inferenceConfig": config} if config else {}), **nested}
        )
        return written

    def unwrapper(self) -> Callable[[bytes], bytes]:
        return Joined().frames

    def wrapper(self) -> Callable[[bytes], list[bytes]]:
        frames = eventstream.Decoder()

        def documents(data: bytes) -> list[bytes]:
            return [b'{"%b":%b}' % (m.name.encode(), m.payload) for m in frames.feed(data)]

        return documents


class Joined:
    """Nova sends each piece of a text as a block of its own: consecutive ones become one block here."""

    def __init__(self) -> None:
        self._open: int | None = None
        self._texts: set[Any] = set()

    def frames(self, document: bytes) -> bytes:
        """Raises APIResponseValidationError."""
        try:
            event = _DECODE(document)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise APIResponseValidationError(
                f"an event of the upstream's stream is no JSON: {error}"
            ) from None
        out: list[bytes] = []
        for name, fields in event.items() if isinstance(event, dict) else ():
            if name in _EVENTS and isinstance(fields, dict):
                self._one(name, fields, out)
        return b"".join(out)

    def _one(self, name: str, fields: dict[str, Any], out: list[bytes]) -> None:
        at = fields.get("contentBlockIndex")
        delta = fields.get("delta")
        if (
            name == "contentBlockDelta"
            and isinstance(at, int)
            and isinstance(delta, dict)
            and "text" in delta
        ):
            self._texts.add(at)
            self._open = at if self._open is None else self._open
            fields = {**fields, "contentBlockIndex": self._open}
        elif name == "contentBlockStop" and at in self._texts:
            return
        elif self._open is not None:
            out.append(eventstream.event("contentBlockStop", _ENCODE({"contentBlockIndex": self._open})))
            self._open = None
        out.append(eventstream.event(name, _ENCODE(fields)))


_EVENTS: Final = frozenset(
    {"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
)
_CONFIG: Final = {
    "max_new_tokens": "maxTokens",
    "max_tokens": "maxTokens",
    "top_p": "topP",
    "top_k": "topK",
    "stop_sequences": "stopSequences",
}


def _one_line(document: bytes) -> bytes:
    """JSON without line ends: those in texts are escaped."""
    return document.replace(b"\r", b" ").replace(b"\n", b" ")


class _Typed(msgspec.Struct):
    type: str = ""


_TYPE = msgspec.json.Decoder(_Typed).decode


def _kind(document: bytes) -> str:
    """The event's name; one that can't be read is the inner reader's to refuse."""
    try:
        return _TYPE(document).type
    except (msgspec.DecodeError, ValueError):
        return ""


def _like_openai(document: bytes) -> bytes:
    """With what Bedrock counts, where the model's own events don't, and Mistral's word for why it stopped. What can't
    be read is the inner reader's to refuse."""
    if _METRICS.encode() not in document and b'"stop_reason"' not in document:
        return document
    try:
        event = _DECODE(document)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return document
    if not isinstance(event, dict):
        return document
    metrics = event.pop(_METRICS, None)
    if isinstance(metrics, dict) and not event.get("usage"):
        counts = {key: metrics.get(name) for key, name in _COUNTS.items()}
        if all(isinstance(count, int) for count in counts.values()):
            event["usage"] = counts
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and "stop_reason" in choice:
            choice.setdefault("finish_reason", choice.pop("stop_reason"))
    return _ENCODE(event)


_COUNTS: Final = {"prompt_tokens": "inputTokenCount", "completion_tokens": "outputTokenCount"}


def _sse_events() -> Callable[[bytes], list[bytes]]:
    decoder = sse.Decoder()

    def documents(data: bytes) -> list[bytes]:
        return [document for _, document in decoder.feed(data) if document != b"[DONE]"]

    return documents


def _sources(blocks: list[ir.Block]) -> list[ir.Source]:
    found: list[ir.Source] = []
    for block in blocks:
        if isinstance(block, ir.Image | ir.File):
            found.append(block.source)
        elif isinstance(block, ir.ToolResult):
            found += _sources(block.content)
    return found
