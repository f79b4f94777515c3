"""Tokens of a request, counted before it is asked: the formats of the providers that count themselves.

Each is around a dialect of chat: what is counted is what that writes, less what makes no tokens, in an envelope of
its own. Most of them clients speak, too. Knows no provider.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from headgate.errors import HeadgateError
from headgate.wire import ir
from headgate.wire.dialect import Dialect, Frame, Glance, Target
from headgate.wire.ir_operations import CountReply
from headgate.wire.operations import UNREADABLE, Operation, answer, encode, tokens, unreadable

_DECODE: Final = msgspec.json.Decoder().decode


class Counting(Operation):
    """`kept` are the keys of the inner body that make tokens, `within` those that the body stands in, the outermost
    first; `told` is the key of the answer's count, `beside` what else is in an answer."""

    name: ClassVar[str]
    family: ClassVar[str]
    kept: ClassVar[frozenset[str]]
    within: ClassVar[tuple[str, ...]] = ()
    told: ClassVar[str] = "input_tokens"
    beside: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, inner: Dialect) -> None:
        self.inner = inner

    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        """Raises BadRequestError. What stands in no envelope is read as it is."""
        found: Any = body
        for key in self.within:
            found = found.get(key) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            return self.inner.read_request(body)
        return self.inner.read_request({**found, "model": body.get("model", "")})

    def write_request(self, request: ir.Request, target: Target) -> ir.Written:
        written = self.inner.write_request(request, target)
        body = self.counted({key: value for key, value in written.body.items() if key in self.kept}, target)
        for key in reversed(self.within):
            body = {key: body}
        written.body = body
        return written

    def counted(self, body: dict[str, Any], target: Target) -> dict[str, Any]:
        """What makes tokens, as the API takes it."""
        return body

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> CountReply:
        """Raises APIResponseValidationError, or the error that the body is."""
        found = tokens(answer(body, self.told)[self.told])
        if found is None:
            raise unreadable(self.told, "expected a number of tokens")
        return CountReply(tokens=found)

    def write_reply(self, reply: CountReply, frame: Frame) -> bytes:
        return encode({**self.beside, self.told: reply.tokens})

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return self.inner.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return self.inner.write_error(error, call_id)

    def glance(self, body: bytes) -> Glance:
        """Never raises."""
        try:
            document = _DECODE(body)
        except UNREADABLE:
            return Glance()
        failed = isinstance(document, dict) and self.told not in document and "error" in document
        return Glance(error=self.inner.read_error(200, {}, body) if failed else None)

    def remote_media(self, request: ir.Request) -> list[ir.Source]:  # type: ignore[override]
        return self.inner.remote_media(request)


class Anthropic(Counting):
    """https://docs.anthropic.com/en/api/messages-count-tokens"""

    name: ClassVar[str] = "anthropic_count"
    family: ClassVar[str] = "anthropic"
    kept: ClassVar[frozenset[str]] = frozenset(
        """model messages system tools tool_choice thinking cache_control context_management mcp_servers
        output_config output_format speed anthropic_version""".split()
    )


class Gemini(Counting):
    """The form that takes system prompt and tools, too. https://ai.google.dev/api/tokens"""

    name: ClassVar[str] = "gemini_count"
    family: ClassVar[str] = "gemini"
    names_model = "parts"
    kept: ClassVar[frozenset[str]] = frozenset(
        "contents systemInstruction tools toolConfig generationConfig cachedContent".split()
    )
    within: ClassVar[tuple[str, ...]] = ("generateContentRequest",)
    told: ClassVar[str] = "totalTokens"

    def counted(self, body: dict[str, Any], target: Target) -> dict[str, Any]:
        return {"model": f"models/{target.model.removeprefix('models/')}", **body}


class Vertex(Counting):
    """https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/count-tokens"""

    name: ClassVar[str] = "vertex_count"
    family: ClassVar[str] = "gemini"
    names_model = "address"
    kept: ClassVar[frozenset[str]] = frozenset("contents systemInstruction tools generationConfig".split())
    told: ClassVar[str] = "totalTokens"


class Converse(Counting):
    """https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html"""

    name: ClassVar[str] = "bedrock_count"
    family: ClassVar[str] = "bedrock"
    names_model = "address"
    kept: ClassVar[frozenset[str]] = frozenset(
        "messages system toolConfig additionalModelRequestFields".split()
    )
    within: ClassVar[tuple[str, ...]] = ("input", "converse")
    told: ClassVar[str] = "inputTokens"


class Responses(Counting):
    """https://platform.openai.com/docs/api-reference/responses/input-tokens"""

    name: ClassVar[str] = "responses_count"
    family: ClassVar[str] = "openai"
    kept: ClassVar[frozenset[str]] = frozenset(
        """model input instructions tools tool_choice parallel_tool_calls reasoning text truncation conversation
        previous_response_id""".split()
    )
    beside: ClassVar[Mapping[str, Any]] = {"object": "response.input_tokens"}


class Chat(Counting):
    """LiteLLM's, which clients alone speak. https://docs.litellm.ai/docs/count_tokens"""

    name: ClassVar[str] = "chat_count"
    family: ClassVar[str] = "openai"
    kept: ClassVar[frozenset[str]] = frozenset("model messages tools tool_choice".split())
    told: ClassVar[str] = "total_tokens"
