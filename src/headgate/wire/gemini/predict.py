"""Vertex's `predict` for embeddings: one instance for each text, written for upstreams.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api. Models on an endpoint of
one's own, named by its number, or of the BGE family call the text something else; gemini-embedding-001 takes one text
in a call. Answers are read by the base, which knows all of Google's forms; those in results of batches may have a
`tokenCount`. Knows no project and no address.
"""

from typing import Any, ClassVar, Final

from headgate.errors import APIResponseValidationError, HeadgateError
from headgate.wire import ir
from headgate.wire.dialect import Glance, Target
from headgate.wire.embeddings import EmbeddingsReply, EmbeddingsRequest, joined
from headgate.wire.gemini.embeddings import GeminiEmbeddings
from headgate.wire.operations import tokens
from headgate.wire.shape import reply_json

_PER_INSTANCE: Final = {"taskType": "task_type", "title": "title"}
_SINGLE: Final = "gemini-embedding-001"
_PARAMETERS: Final = ("outputDimensionality", "autoTruncate")


class VertexPredict(GeminiEmbeddings):
    name: ClassVar[str] = "vertex_embeddings"

    def write_request(self, request: EmbeddingsRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for token ids."""
        written = super().write_request(request, target)
        entries = written.body["requests"]
        first: dict[str, Any] = entries[0]
        told = {name: first[key] for key, name in _PER_INSTANCE.items() if key in first}
        parameters = {key: first[key] for key in _PARAMETERS if key in first}
        named = _named(target.model)
        instances = [{named: text, **told} if named == "content" else {named: text} for text in request.input]
        calls = [[one] for one in instances] if _SINGLE in target.model else [instances]
        beside = {"parameters": parameters} if parameters else {}
        written.body, *written.more = ({"instances": some, **beside} for some in calls)
        return written

    def join(self, replies: list[EmbeddingsReply]) -> EmbeddingsReply:
        return joined(replies)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> EmbeddingsReply:
        """With the characters that older models are billed by."""
        reply = super().read_reply(body, echo)
        document = reply_json(body)
        if reply.usage is None and (told := _whole(document.get("tokenCount"))) is not None:
            reply.usage = ir.Usage(input=told)
        metadata = document.get("metadata")
        characters = tokens(metadata.get("billableCharacterCount")) if isinstance(metadata, dict) else None
        if characters is not None:
            reply.usage = reply.usage or ir.Usage()
            reply.usage.characters = characters
        return reply

    def glance(self, body: bytes) -> Glance:
        """Never raises. What each instance used stands beside its vector: all of it is read."""
        try:
            return Glance(usage=self.read_reply(body).usage)
        except APIResponseValidationError:
            return Glance()
        except HeadgateError as error:
            return Glance(error=error)


def _whole(value: Any) -> int | None:
    """A count, which Google may write as a text."""
    text = str(value)
    return int(text) if text.isdecimal() else None


def _named(model: str) -> str:
    """What a model calls the text."""
    if model.isdigit():
        return "inputs"
    return "prompt" if model.startswith(("bge/", "bge-")) else "content"


DIALECT: Final = VertexPredict()
