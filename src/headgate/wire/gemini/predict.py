"""Vertex's `predict` and `embedContent` for embeddings, written for upstreams.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api. `predict` has one instance
for each text. Models on an endpoint of one's own, named by its number, or of the BGE family call the text something
else; gemini-embedding-001 takes one text in a call. Newer models of Gemini's are served by `embedContent` alone,
which takes one text, too. Answers are read by the base, which knows all of Google's forms; those in results of
batches may have a `tokenCount`. Knows no project and no address.
"""

from typing import Any, ClassVar, Final

import msgspec
from msgspec import Struct

from headgate.wire import ir
from headgate.wire.dialect import Glance, Target
from headgate.wire.embeddings import EmbeddingsReply, EmbeddingsRequest, joined
from headgate.wire.gemini.embeddings import GeminiEmbeddings

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
        """Of the parts of a request that was more than a call takes."""
        return joined(replies)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> EmbeddingsReply:
        reply = super().read_reply(body, echo)
        reply.usage = _used(body, reply.usage)
        return reply

    def glance(self, body: bytes) -> Glance:
        """Never raises. The vectors are scanned over, not decoded."""
        glance = super().glance(body)
        if glance.error is None:
            glance.usage = _used(body, glance.usage)
        return glance


class VertexEmbedContent(VertexPredict):
    """The settings stand beside the content: those in `embedContentConfig` are newer, and not read everywhere.
    https://docs.cloud.google.com/python/docs/reference/aiplatform/latest/google.cloud.aiplatform_v1beta1.types.EmbedContentRequest"""

    name: ClassVar[str] = "vertex_embed_content"

    def write_request(self, request: EmbeddingsRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for token ids."""
        written = GeminiEmbeddings.write_request(self, request, target)
        for entry in written.body["requests"]:
            del entry["model"]
        written.body, *written.more = written.body["requests"]
        return written


class _Statistics(Struct, frozen=True):
    token_count: float | None = None


class _Vector(Struct, frozen=True):
    statistics: _Statistics = _Statistics()


class _Prediction(Struct):
    embeddings: _Vector = _Vector()


class _Metadata(Struct, frozen=True, rename="camel"):
    billable_character_count: float | None = None


class _Told(Struct, rename="camel"):
    predictions: list[_Prediction] = []
    metadata: _Metadata = _Metadata()
    token_count: int | str | None = None


_told: Final = msgspec.json.Decoder(_Told).decode


def _used(body: bytes, found: ir.Usage | None) -> ir.Usage | None:
    """With what stands beside each vector, and the characters that older models are billed by."""
    try:
        told = _told(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return found
    counts = [one.embeddings.statistics.token_count for one in told.predictions] or [_count(told.token_count)]
    known = [count for count in counts if count is not None]
    if found is None and len(known) == len(counts):
        found = ir.Usage(input=int(sum(known)))
    characters = told.metadata.billable_character_count
    if characters is not None:
        found = found or ir.Usage()
        found.characters = int(characters)
    return found


def _count(value: Any) -> int | None:
    """Google may write it as a text."""
    text = str(value)
    return int(text) if text.isdecimal() else None


def _named(model: str) -> str:
    """What a model calls the text."""
    if model.isdigit():
        return "inputs"
    return "prompt" if model.startswith(("bge/", "bge-")) else "content"


DIALECT: Final = VertexPredict()
EMBED_CONTENT: Final = VertexEmbedContent()
