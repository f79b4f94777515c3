"""Where each row has the operations beside chat, and in which format it speaks there."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from headgate.catalog.lookup import Catalog
from headgate.core.answer import settle
from headgate.core.call import Call
from headgate.core.deployment import Deployment
from headgate.core.dialects import COMPOSED, MODULES, OPERATIONS, TABLES, dialect
from headgate.core.prepare import PASS, TRANSLATE, prepare
from headgate.errors import BadRequestError
from headgate.money import units
from headgate.providers.rows import ROWS
from headgate.wire.audio import SPEECH, TRANSCRIPTIONS

CATALOG = Catalog()
AUDIO = {*SPEECH, *TRANSCRIPTIONS}
KNOWN = {*MODULES, *(name for names in TABLES.values() for name in names)}
SOUNDING = {*SPEECH, *TRANSCRIPTIONS}
NIM = "https://ai.api.nvidia.com/v1/retrieval/nvidia/llama-3_2-nv-rerankqa-1b-v2/reranking"
OWN = {"api_base": "https://h.test/v1"}
FOUNDRY = "https://r.services.ai.azure.com"
HUGGING = "https://router.huggingface.co/hf-inference/models/org/m/pipeline/feature-extraction"
DASHSCOPE = "https://dashscope.aliyuncs.com/compatible-api/v1/reranks"
REGION = {"aws_region_name": "us-west-2"}
AMAZON = "https://bedrock-runtime.us-west-2.amazonaws.com/model/cohere.rerank-v"
PROJECT = {"api_base": "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1"}
RANKER = (
    "https://discoveryengine.googleapis.com/v1/projects/p/locations/global"
    "/rankingConfigs/default_ranking_config:rank"
)
REGION_IBM = {"watsonx_region_name": "us-south", "token": "t", "project_id": "p"}
IBM = "https://us-south.ml.cloud.ibm.com/ml/v1/text/rerank?version=2024-03-13"
ACCOUNT = {"cloudflare_account_id": "acc"}
CLOUDFLARE = "https://api.cloudflare.com/client/v4/accounts/acc/ai/run/@cf/baai/bge-reranker-base"
ABROAD = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
QUESTION: dict[str, dict[str, Any]] = {
    "rerank": {"query": "q", "documents": ["a", "b"]},
    "embeddings": {"input": "a"},
    "moderations": {"input": "a"},
    "ocr": {"document": {"type": "document_url", "document_url": "https://x/y.pdf"}},
    "fim": {"prompt": "a", "suffix": "b"},
    "completions": {"prompt": "a", "suffix": "b"},
}


def deployment(model: str, **params: Any) -> Deployment:
    return Deployment("group", {"model": model, "api_key": "k", **params}, catalog=CATALOG, env={})


def call(operation: Any, **body: Any) -> Call:
    spoken = {**OPERATIONS, "embeddings": "openai_embeddings"}[operation]
    asked = {"model": "x", **QUESTION[operation], **body}
    envelope = {key: Raw(msgspec.json.encode(value)) for key, value in asked.items()}
    return Call(
        id="c",
        operation=operation,
        dialect=dialect(spoken),
        envelope=envelope,
        model="x",
        stream=False,
        started=0.0,
        created=0,
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_named_format_exists_and_every_operation_has_an_address(row: Any) -> None:
    assert row.dialects.keys() <= row.paths.keys()
    assert set(row.dialects.values()) <= KNOWN | COMPOSED.keys() | AUDIO
    assert all(OPERATIONS.get(operation) != name for operation, name in row.dialects.items())


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_format_can_be_loaded_and_knows_its_name(name: str) -> None:
    assert dialect(name).name == name


@pytest.mark.parametrize(
    "operation, model, params, url, spoken",
    [
        ("rerank", "voyage/rerank-2", {}, "https://api.voyageai.com/v1/rerank", "voyage_rerank"),
        ("rerank", "voyage/m", {"api_key": "al-1"}, "https://ai.mongodb.com/v1/rerank", "voyage_rerank"),
        ("rerank", "rerank-v3.5", {}, "https://api.cohere.com/v2/rerank", "cohere_rerank"),
        (
            "rerank",
            "bedrock/cohere.rerank-v3-5:0",
            REGION,
            f"{AMAZON}3-5%3A0/invoke",
            "bedrock_invoke_rerank",
        ),
        (
            "rerank",
            "bedrock/arn:aws:bedrock:us-west-2::foundation-model/amazon.rerank-v1:0",
            REGION,
            "https://bedrock-agent-runtime.us-west-2.amazonaws.com/rerank",
            "bedrock_rerank",
        ),
        ("rerank", "vertex_ai/semantic-ranker-default@latest", PROJECT, RANKER, "vertex_rerank"),
        ("rerank", "watsonx/cross-encoder/m", REGION_IBM, IBM, "watsonx_rerank"),
        ("rerank", "cloudflare/@cf/baai/bge-reranker-base", ACCOUNT, CLOUDFLARE, "workers_ai_rerank"),
        ("rerank", "jina_ai/m", {}, "https://api.jina.ai/v1/rerank", "rerank"),
        ("rerank", "infinity/m", OWN, "https://h.test/v1/rerank", "infinity_rerank"),
        ("rerank", "together_ai/m", {}, "https://api.together.xyz/v1/rerank", "rerank"),
        ("rerank", "fireworks_ai/m", {}, "https://api.fireworks.ai/inference/v1/rerank", "fireworks_rerank"),
        ("rerank", "deepinfra/q/m", {}, "https://api.deepinfra.com/v1/inference/q/m", "scores_rerank"),
        ("rerank", "nvidia_nim/nvidia/llama-3.2-nv-rerankqa-1b-v2", {}, NIM, "nim_rerank"),
        ("rerank", "nvidia_nim/m", OWN, "https://h.test/v1/ranking", "nim_rerank"),
        ("rerank", "huggingface/m", {"api_base": "https://h.test"}, "https://h.test/rerank", "tei_rerank"),
        ("rerank", "hosted_vllm/m", {}, "http://localhost:8000/v1/rerank", "rerank"),
        ("rerank", "xinference/m", {}, "http://127.0.0.1:9997/v1/rerank", "rerank"),
        ("rerank", "openrouter/m", {}, "https://openrouter.ai/api/v1/rerank", "rerank"),
        ("rerank", "dashscope/m", {}, DASHSCOPE, "rerank"),
        ("rerank", "dashscope/m", {"api_base": ABROAD}, ABROAD.replace("mode", "api") + "/reranks", "rerank"),
        ("rerank", "azure_ai/m", OWN, "https://h.test/v1/rerank", "cohere_rerank"),
        (
            "rerank",
            "azure_ai/m",
            {"api_base": FOUNDRY},
            f"{FOUNDRY}/providers/cohere/v2/rerank",
            "cohere_rerank",
        ),
        ("ocr", "azure_ai/m", {"api_base": FOUNDRY}, f"{FOUNDRY}/providers/mistral/azure/ocr", "inline_ocr"),
        ("ocr", "mistral/mistral-ocr-latest", {}, "https://api.mistral.ai/v1/ocr", "ocr"),
        ("fim", "mistral/codestral-latest", {}, "https://api.mistral.ai/v1/fim/completions", "fim"),
        ("fim", "codestral/m", {}, "https://codestral.mistral.ai/v1/fim/completions", "fim"),
        (
            "completions",
            "text-completion-codestral/m",
            {},
            "https://codestral.mistral.ai/v1/fim/completions",
            "fim",
        ),
        ("fim", "deepseek/deepseek-chat", {}, "https://api.deepseek.com/beta/completions", "completions"),
        ("moderations", "omni-moderation-latest", {}, "https://api.openai.com/v1/moderations", "moderations"),
        ("moderations", "mistral/m", {}, "https://api.mistral.ai/v1/moderations", "mistral_moderations"),
        ("embeddings", "voyage/m", {}, "https://api.voyageai.com/v1/embeddings", "voyage_embeddings"),
        ("embeddings", "jina_ai/m", {}, "https://api.jina.ai/v1/embeddings", "jina_embeddings"),
        (
            "embeddings",
            "nvidia_nim/m",
            {},
            "https://integrate.api.nvidia.com/v1/embeddings",
            "nim_embeddings",
        ),
        ("embeddings", "infinity/m", OWN, "https://h.test/v1/embeddings", "openai_embeddings"),
        ("embeddings", "huggingface/org/m", {}, HUGGING, "feature_extraction"),
        (
            "embeddings",
            "huggingface/m",
            {"api_base": "https://h.test"},
            "https://h.test",
            "feature_extraction",
        ),
        ("embeddings", "triton/m", OWN, "https://h.test/v1/v2/models/m/infer", "triton_embeddings"),
        ("embeddings", "nlp_cloud/m", {}, "https://api.nlpcloud.io/v1/m/embeddings", "sentences_embeddings"),
    ],
)
def test_where_it_goes_and_what_is_spoken_there(
    operation: str, model: str, params: dict[str, Any], url: str, spoken: str
) -> None:
    route = deployment(model, **params).route(operation, stream=False)
    assert (route.url, route.dialect.name) == (url, spoken)
    prepared = prepare(call(operation), deployment(model, **params))
    assert (prepared.path is TRANSLATE) == (route.dialect is not call(operation).dialect)
    assert json.loads(prepared.body)


def test_vertex_ranks_for_a_project_alone() -> None:
    with pytest.raises(BadRequestError, match="vertex_project"):
        deployment("vertex_ai/semantic-ranker-default@latest").route("rerank", stream=False)


def test_a_rerank_passes_where_the_format_is_common_and_keeps_its_new_keys() -> None:
    prepared = prepare(call("rerank", brand_new=[1]), deployment("jina_ai/jina-reranker-v2"))
    assert prepared.path is PASS
    assert json.loads(prepared.body) == {
        "model": "jina-reranker-v2",
        "query": "q",
        "documents": ["a", "b"],
        "brand_new": [1],
    }


def test_a_rerank_is_translated_and_its_defaults_and_dropped_keys_are_seen_to() -> None:
    target = deployment(
        "voyage/rerank-2", truncation=True, additional_drop_params=["top_n", "max_tokens_per_doc"]
    )
    prepared = prepare(call("rerank", top_n=1, max_tokens_per_doc=5, num_retries=3), target)
    assert json.loads(prepared.body) == {
        "model": "rerank-2",
        "query": "q",
        "documents": ["a", "b"],
        "truncation": True,
    }


@pytest.mark.parametrize(
    "model, operation, info, answered, cost",
    [
        (
            "voyage/rerank-2",
            "rerank",
            {"input_cost_per_query": 0.002},
            {"meta": {"billed_units": {"search_units": 2}}},
            "0.004",
        ),
        ("mistral/mistral-ocr-latest", "ocr", {}, {"usage_info": {"pages_processed": 3}}, "0.012"),
        (
            "mistral/mistral-ocr-latest",
            "ocr",
            {"ocr_cost_per_page": 1},
            {"usage_info": {"pages_processed": 3}},
            "3",
        ),
        ("mistral/mistral-ocr-latest", "ocr", {}, {}, None),
    ],
)
def test_what_a_call_costs(
    model: str, operation: str, info: dict[str, Any], answered: dict[str, Any], cost: str | None
) -> None:
    target = Deployment("group", {"model": model, "api_key": "k"}, info, catalog=CATALOG, env={})
    asked = call(operation)
    rows = {"rerank": "data", "ocr": "pages"}[operation]
    raw = json.dumps({rows: [], **answered}).encode()
    asked.usage = target.route(operation, stream=False).dialect.glance(raw).usage
    settle(asked, target)
    assert asked.cost == (None if cost is None else units(Decimal(cost)))


LIVE = "ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
RESOURCE = "https://r.openai.azure.com"


@pytest.mark.parametrize(
    "model, params, url, spoken",
    [
        ("gpt-realtime", {}, "https://api.openai.com/v1/realtime?model=gpt-realtime", "realtime"),
        ("xai/grok-voice", {}, "https://api.x.ai/v1/realtime?model=grok-voice", "realtime"),
        ("gemini/m", {}, f"https://generativelanguage.googleapis.com/{LIVE}", "gemini_live"),
        ("gemini/m", {"api_base": "http://h.test:1"}, f"http://h.test:1/{LIVE}", "gemini_live"),
        (
            "gemini/m",
            {"api_base": "http://h.test/g/v1alpha"},
            f"http://h.test/g/{LIVE.replace('v1beta', 'v1alpha')}",
            "gemini_live",
        ),
        (
            "azure/m",
            {"api_base": RESOURCE, "api_version": "2025-04-01-preview"},
            f"{RESOURCE}/openai/realtime?api-version=2025-04-01-preview&deployment=m",
            "realtime",
        ),
        (
            "azure/m",
            {"api_base": f"{RESOURCE}/openai/deployments/m/", "api_version": "2025-04-01-preview"},
            f"{RESOURCE}/openai/realtime?api-version=2025-04-01-preview&deployment=m",
            "realtime",
        ),
        (
            "azure/m",
            {"api_base": f"{RESOURCE}/openai/v1/"},
            f"{RESOURCE}/openai/v1/realtime?model=m",
            "realtime",
        ),
        (
            "azure/m",
            {"api_base": RESOURCE, "api_version": "v1"},
            f"{RESOURCE}/openai/v1/realtime?model=m",
            "realtime",
        ),
    ],
)
def test_where_a_realtime_connection_leads(model: str, params: dict[str, Any], url: str, spoken: str) -> None:
    route = deployment(model, **params).route("realtime", stream=False)
    assert (route.url, route.dialect.name) == (url, spoken)
