"""Ranks, vectors, transcripts, and what is passed through."""

from typing import Any, NamedTuple

from documented.shapes import chat


class Ranked(NamedTuple):
    """An answer to two documents of which the second is the better one."""

    id: str
    source: str
    model: str
    answer: Any
    status: int = 200


RANKS = (
    Ranked(
        "bedrock",
        "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html",
        "bedrock/arn:aws:bedrock:us-west-2::foundation-model/cohere.rerank-v3-5:0",
        {"results": [{"index": 1, "relevanceScore": 0.9}, {"index": 0, "relevanceScore": 0.25}]},
    ),
    Ranked(
        "bedrock-invoke",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-supported.html",
        "bedrock/cohere.rerank-v3-5:0",
        {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.25}]},
    ),
    Ranked(
        "bedrock-error",
        "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html",
        "bedrock/arn:aws:bedrock:us-west-2::foundation-model/cohere.rerank-v3-5:0",
        {"message": "The provided model identifier is invalid."},
        400,
    ),
    Ranked(
        "together",
        "https://docs.together.ai/reference/rerank-1",
        "together_ai/Salesforce/Llama-Rank-v1",
        {
            "object": "rerank",
            "id": "o8m",
            "model": "Salesforce/Llama-Rank-v1",
            "results": [
                {"index": 1, "document": {"text": "b"}, "relevance_score": 0.9},
                {"index": 0, "document": {"text": "a"}, "relevance_score": 0.25},
            ],
            "usage": {"prompt_tokens": 1837, "completion_tokens": 0, "total_tokens": 1837},
        },
    ),
    Ranked(
        "together-error",
        "https://docs.together.ai/docs/error-codes",
        "together_ai/Salesforce/Llama-Rank-v1",
        {
            "error": {
                "message": "Unable to access model",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            }
        },
        404,
    ),
    Ranked(
        "voyage",
        "https://docs.voyageai.com/reference/reranker-api",
        "voyage/rerank-2.5",
        {
            "object": "list",
            "data": [{"relevance_score": 0.9, "index": 1}, {"relevance_score": 0.25, "index": 0}],
            "model": "rerank-2.5",
            "usage": {"total_tokens": 26},
        },
    ),
    Ranked(
        "voyage-error",
        "https://docs.voyageai.com/docs/error-codes",
        "voyage/rerank-2.5",
        {"detail": "Provided API key is invalid."},
        401,
    ),
)

VECTORS = (
    (
        "vertex",  # https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
        "vertex_ai/text-embedding-005",
        {
            "predictions": [
                {"embeddings": {"values": [0.5, -1.0], "statistics": {"token_count": 9, "truncated": False}}}
            ],
            "metadata": {"billableCharacterCount": 11},
        },
        9,
    ),
    (
        "vertex-without-statistics",
        "vertex_ai/textembedding-gecko",
        {"predictions": [{"embeddings": {"values": [0.5, -1.0]}}]},
        None,
    ),
    (
        "vllm",  # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
        "hosted_vllm/intfloat/e5-mistral-7b-instruct",
        {
            "id": "embd-1",
            "object": "list",
            "created": 1750000000,
            "model": "intfloat/e5-mistral-7b-instruct",
            "data": [{"index": 0, "object": "embedding", "embedding": [0.5, -1.0]}],
            "usage": {
                "prompt_tokens": 9,
                "total_tokens": 9,
                "completion_tokens": 0,
                "prompt_tokens_details": None,
            },
        },
        9,
    ),
)
"""Name, model, answer, and the tokens that it counts."""

CARTESIA = {
    "type": "transcript",
    "request_id": "r",
    "text": "Hello there",
    "language": "en",
    "duration": 1.5,
    "words": [{"word": "Hello", "start": 0.0, "end": 0.5}, {"word": "there", "start": 0.5, "end": 1.5}],
    "is_final": True,
}
"""https://docs.cartesia.ai/api-reference/stt/transcribe"""

MODELS = {
    "object": "list",
    "data": [
        {
            "id": "m",
            "object": "model",
            "created": 1750000000,
            "owned_by": "o",
            "capabilities": {"vision": False},
        }
    ],
}
PASSED = (
    # https://huggingface.co/docs/inference-providers/hub-api, https://docs.mistral.ai/api/#tag/models,
    # https://docs.x.ai/docs/api-reference#files, https://developers.deepgram.com/reference/text-intelligence/analyze-text
    ("huggingface", "GET", "/v1/models", None, 200, MODELS),
    ("huggingface", "GET", "/api/models/org/m?expand=inferenceProviderMapping", None, 200, {"id": "org/m"}),
    ("mistral", "GET", "/v1/models", None, 200, MODELS),
    (
        "mistral",
        "GET",
        "/v1/models/m",
        None,
        404,
        {"object": "error", "message": "no such model", "code": None},
    ),
    (
        "xai",
        "GET",
        "/v1/files",
        None,
        200,
        {"data": [{"id": "file_1", "filename": "a"}], "pagination_token": None},
    ),
    ("xai", "GET", "/v1/files/file_1", None, 404, {"code": "not-found", "error": "File not found"}),
    ("xai", "DELETE", "/v1/files/file_1", None, 200, {"id": "file_1", "deleted": True}),
    (
        "deepgram",
        "POST",
        "/v1/read?summarize=true",
        {"text": "a"},
        200,
        {"metadata": {}, "results": {"summary": {}}},
    ),
    (
        "deepgram",
        "GET",
        "/v1/projects",
        None,
        401,
        {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."},
    ),
    ("anthropic", "POST", "/v1/chat/completions", {"model": "m", "messages": []}, 200, chat()),
    (
        "cohere",
        "POST",
        "/v1/generate",
        {"prompt": "Hi"},
        200,
        {"id": "i", "generations": [{"id": "g", "text": "a"}]},
    ),
    ("writer", "POST", "/v1/completions", {"prompt": "Hi"}, 200, {"choices": [{"text": "a"}], "model": "m"}),
)
