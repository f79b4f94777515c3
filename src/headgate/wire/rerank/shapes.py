"""How each vendor spells a rerank call, as a table.

A `Shape` names the keys; `arrange` moves what stands elsewhere than at the top. Sources are the vendors' references,
named at each. Knows no provider's address or key.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, field

from headgate.wire.dialect import Target
from headgate.wire.ir_operations import Document
from headgate.wire.operations import bad, encode
from headgate.wire.serving import serving

Body = dict[str, Any]


def as_it_came(document: Document, fields: Sequence[str] | None, where: str) -> Any:
    return document


def as_text(document: Document, fields: Sequence[str] | None, where: str) -> Any:
    """Of an object its `text` counts, or the fields that the caller chose, as lines "key: value": Cohere's rule, and
    its advice where only texts are taken (https://docs.cohere.com/docs/rerank-overview). Raises BadRequestError for
    what is no text."""
    if isinstance(document, str):
        return document
    if "image" in document:
        raise bad(where, _TEXT_ONLY)
    fields = fields or (("text",) if isinstance(document.get("text"), str) else tuple(document))
    chosen = {key: document[key] for key in fields if key in document}
    if not chosen:
        raise bad(where, f"has none of the fields to rank by: {', '.join(fields) or 'it is empty'}")
    if list(chosen) == ["text"] and isinstance(chosen["text"], str):
        return chosen["text"]
    return "".join(f"{key}: {_plain(value)}\n" for key, value in chosen.items())


def as_object(document: Document, fields: Sequence[str] | None, where: str) -> Any:
    """{"text": …}; an object with a picture stays."""
    if isinstance(document, dict) and "image" in document:
        return document
    return {"text": as_text(document, fields, where)}


def as_record(document: Document, fields: Sequence[str] | None, where: str) -> Any:
    """An object of `title` and `content` is a record already; any other is a text."""
    if isinstance(document, dict) and not fields and {"content"} <= document.keys() <= {"title", "content"}:
        return document
    return {"content": as_text(document, fields, where)}


def as_source(document: Document, fields: Sequence[str] | None, where: str) -> Any:
    """A text, or an object whose fields the model looks at by itself."""
    if isinstance(document, str) or list(document) == ["text"]:
        return {"type": "TEXT", "textDocument": {"text": as_text(document, None, where)}}
    if "image" in document:
        raise bad(where, _TEXT_ONLY)
    chosen = {key: document[key] for key in fields if key in document} if fields else document
    return {"type": "JSON", "jsonDocument": chosen}


_TEXT_ONLY: Final = "this model ranks text only: send a string"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else encode(value).decode()


def flat(body: Body, target: Target) -> Body:
    return body


OPTIONS: Final = ("top_n", "return_documents", "rank_fields", "max_chunks_per_doc", "max_tokens_per_doc")


class Shape(Struct, frozen=True, kw_only=True):
    """One spelling.

    `options` maps a field of the request to its key, "" where there is none. `form` writes a document; `texts`: the
    query is a text, too. `model` is "" where the address names it. `results` are the keys that may hold the
    results, none where the answer is the list itself; `inside` is the key of the object that they stand in.
    `per_search`: as many documents are billed as one search, where the answer doesn't tell.
    """

    name: str
    model: str = "model"
    query: str = "query"
    documents: str = "documents"
    options: Mapping[str, str] = field(default_factory=lambda: dict(zip(OPTIONS, OPTIONS, strict=True)))
    form: Callable[[Document, Sequence[str] | None, str], Any] = as_text
    texts: bool = True
    arrange: Callable[[Body, Target], Body] = flat
    results: tuple[str, ...] = ("results",)
    inside: str = ""
    index: str = "index"
    score: str = "relevance_score"
    document: str = "document"
    per_search: int = 0


def _options(**keys: str) -> dict[str, str]:
    """The given ones; the others have no key."""
    return {name: keys.get(name, "") for name in OPTIONS}


def _query_object(body: Body, target: Target) -> Body:
    return {**body, "query": {"text": body["query"]}}


def _query_each(body: Body, target: Target) -> Body:
    return {**body, "queries": [body["queries"]] * len(body["documents"])}


def _parameters(body: Body, target: Target) -> Body:
    """watsonx: options under `parameters`, those of the answer a level deeper."""
    wanted = {
        name: body.pop(key) for key, name in (("top_n", "top_n"), ("inputs_back", "inputs")) if key in body
    }
    inner = dict(_object(body.pop("parameters", None), "parameters"))
    if "truncate_input_tokens" in body:
        inner["truncate_input_tokens"] = body.pop("truncate_input_tokens")
    if wanted:
        asked = _object(inner.get("return_options"), "parameters.return_options")
        inner["return_options"] = {**asked, **wanted}
    return {**body, "parameters": inner} if inner else body


def _object(value: Any, where: str) -> Body:
    if value is None or isinstance(value, dict):
        return value or {}
    raise bad(where, "expected an object")


def _records(body: Body, target: Target) -> Body:
    """Vertex: each document is a record with an id, which is its place."""
    body = {**body, "records": [{"id": str(at), **record} for at, record in enumerate(body["records"])]}
    if "return_documents" in body:
        body["ignoreRecordDetailsInResponse"] = not body.pop("return_documents")
    return body


def _sources(body: Body, target: Target) -> Body:
    """Bedrock: everything typed. Raises BadRequestError where the model isn't named by its ARN."""
    if not target.model.startswith("arn:"):
        raise bad(
            "model",
            f"this API names models by ARN: give arn:aws:bedrock:<region>::foundation-model/{target.model}",
        )
    setting: Body = {"modelConfiguration": {"modelArn": target.model}}
    if "top_n" in body:
        setting["numberOfResults"] = min(body["top_n"], len(body["documents"]))
    return {
        **{key: value for key, value in body.items() if key not in ("query", "documents", "top_n")},
        "queries": [{"type": "TEXT", "textQuery": {"text": body["query"]}}],
        "sources": [{"type": "INLINE", "inlineDocumentSource": document} for document in body["documents"]],
        "rerankingConfiguration": {
            "type": "BEDROCK_RERANKING_MODEL",
            "bedrockRerankingConfiguration": setting,
        },
    }


def _versioned(body: Body, target: Target) -> Body:
    """Cohere's models need to be told which of its formats is meant; Amazon's know no such key."""
    return {"api_version": 2, **body} if "cohere." in target.model else body


def _served(body: Body, target: Target) -> Body:
    return {"servingMode": serving(target.model), **body}


COMMON: Final = Shape(name="rerank", form=as_it_came, texts=False, results=("results", "data"))

SHAPES: Final = (
    # https://docs.cohere.com/reference/rerank: texts only, documents are not returned
    Shape(name="cohere_rerank", options=_options(top_n="top_n", max_tokens_per_doc="max_tokens_per_doc")),
    # https://docs.voyageai.com/reference/reranker-api
    Shape(
        name="voyage_rerank",
        options=_options(top_n="top_k", return_documents="return_documents"),
        results=("data", "results"),
    ),
    # https://docs.fireworks.ai/api-reference/rerank-documents
    Shape(
        name="fireworks_rerank",
        options=_options(top_n="top_n", return_documents="return_documents"),
        results=("data", "results"),
    ),
    # https://michaelfeil.eu/infinity, /docs of a running server: a returned document is a plain text
    Shape(name="infinity_rerank", options=_options(top_n="top_n", return_documents="return_documents")),
    # https://huggingface.github.io/text-embeddings-inference: a list, whole and unsorted by request
    Shape(
        name="tei_rerank",
        model="",
        documents="texts",
        options=_options(return_documents="return_text"),
        results=(),
        score="score",
        document="text",
    ),
    # https://docs.nvidia.com/nim/nemo-retriever/text-reranking/latest/reference.html: logits, all of them
    Shape(
        name="nim_rerank",
        documents="passages",
        options=_options(),
        form=as_object,
        arrange=_query_object,
        results=("rankings",),
        score="logit",
    ),
    # https://deepinfra.com/Qwen/Qwen3-Reranker-8B/api: a query for each document, a score for each
    Shape(
        name="scores_rerank",
        model="",
        query="queries",
        options=_options(),
        arrange=_query_each,
        results=("scores",),
    ),
    # https://cloud.ibm.com/apidocs/watsonx-ai#text-rerank
    Shape(
        name="watsonx_rerank",
        model="model_id",
        documents="inputs",
        options=_options(
            top_n="top_n", return_documents="inputs_back", max_tokens_per_doc="truncate_input_tokens"
        ),
        form=as_object,
        arrange=_parameters,
        score="score",
        document="input",
    ),
    # https://cloud.google.com/generative-ai-app-builder/docs/ranking, billed by each 100 records
    Shape(
        name="vertex_rerank",
        documents="records",
        options=_options(top_n="topN", return_documents="return_documents"),
        form=as_record,
        arrange=_records,
        results=("records",),
        index="id",
        score="score",
        document="content",
        per_search=100,
    ),
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html, billed by each 100
    Shape(
        name="bedrock_rerank",
        model="",
        options=_options(top_n="top_n"),
        form=as_source,
        arrange=_sources,
        score="relevanceScore",
        per_search=100,
    ),
    # https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-supported.html, by InvokeModel
    Shape(
        name="bedrock_invoke_rerank",
        model="",
        options=_options(top_n="top_n"),
        arrange=_versioned,
        per_search=100,
    ),
    # https://docs.oracle.com/en-us/iaas/api/#/en/generative-ai-inference/20231130/RerankTextResult/RerankText
    Shape(
        name="oci_rerank",
        model="",
        query="input",
        options=_options(top_n="topN", return_documents="isEcho", max_chunks_per_doc="maxChunksPerDocument"),
        arrange=_served,
        results=("documentRanks",),
        score="relevanceScore",
    ),
    # https://developers.cloudflare.com/workers-ai/models/bge-reranker-base
    Shape(
        name="workers_ai_rerank",
        model="",
        documents="contexts",
        options=_options(top_n="top_k"),
        form=as_object,
        results=("response",),
        inside="result",
        index="id",
        score="score",
    ),
)
