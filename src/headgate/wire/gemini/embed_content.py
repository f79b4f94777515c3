"""Gemini's `embedContent`: one text, one vector; for clients only, upstreams are asked by `batchEmbedContents`.

https://ai.google.dev/api/embeddings#method:-models.embedcontent
"""

from typing import ClassVar, Final

import msgspec

from headgate.wire.dialect import Frame
from headgate.wire.embeddings import EmbeddingsReply
from headgate.wire.gemini.embeddings import GeminiEmbeddings


class EmbedContent(GeminiEmbeddings):
    name: ClassVar[str] = "gemini_embed_content"

    def write_reply(self, reply: EmbeddingsReply, frame: Frame) -> bytes:
        return msgspec.json.encode({"embedding": {"values": reply.vectors[0] if reply.vectors else []}})


DIALECT: Final = EmbedContent()
