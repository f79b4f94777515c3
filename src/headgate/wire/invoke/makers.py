"""What differs between the makers whose formats InvokeModel takes. Each takes its inner dialect from outside.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import msgspec

from headgate.wire import eventstream, ir, sse
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

    def written(self, written: ir.Written) -> ir.Written:
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

    def unwrap(self, document: bytes) -> bytes:
        return sse.encode(_one_line(document), _kind(document))

    def wrapper(self) -> Callable[[bytes], list[bytes]]:
        return _sse_events()

    def remote_media(self, request: ir.Request) -> list[ir.Source]:
        return [source for turn in request.turns for source in _sources(turn.blocks) if source.kind == "url"]


class OpenAI(Invoke):
    """OpenAI's chat format: AI21's Jamba, gpt-oss, Qwen and imported models.

    https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html
    """

    name: ClassVar[str] = "bedrock_openai"
    family: ClassVar[str] = "openai"

    def unwrap(self, document: bytes) -> bytes:
        """What Bedrock counts, where the model's own events don't."""
        if _METRICS.encode() in document:
            document = _counted(document)
        return sse.encode(_one_line(document))

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

    def written(self, written: ir.Written) -> ir.Written:
        body = written.body
        nested = body.pop("additionalModelRequestFields", {})
        config = {**body.pop("inferenceConfig", {}), **nested.pop("inferenceConfig", {})}
        body.update(
            {"schemaVersion": "messages-v1", **({"inferenceConfig": config} if config else {}), **nested}
        )
        return written

    def unwrap(self, document: bytes) -> bytes:
        event = _DECODE(document)
        names = [name for name in event if isinstance(event[name], dict) and name != _METRICS]
        return b"".join(eventstream.event(name, _ENCODE(event[name])) for name in names)

    def wrapper(self) -> Callable[[bytes], list[bytes]]:
        frames = eventstream.Decoder()

        def documents(data: bytes) -> list[bytes]:
            return [b'{"%b":%b}' % (m.name.encode(), m.payload) for m in frames.feed(data)]

        return documents


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


def _counted(document: bytes) -> bytes:
    try:
        event = _DECODE(document)
    except (msgspec.DecodeError, ValueError):
        return document
    metrics = event.get(_METRICS) if isinstance(event, dict) else None
    if not isinstance(metrics, dict) or event.get("usage"):
        return document
    counts = [metrics.get(key) for key in ("inputTokenCount", "outputTokenCount")]
    if not all(isinstance(count, int) for count in counts):
        return document
    event["usage"] = {"prompt_tokens": counts[0], "completion_tokens": counts[1]}
    return _ENCODE(event)


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
