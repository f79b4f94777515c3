"""Where each row has files, batches and fine-tuning jobs."""

from typing import Any

import pytest

from headgate.catalog.lookup import Catalog
from headgate.core.deployment import Deployment
from headgate.errors import NotFoundError
from headgate.providers.rows import ROWS

CATALOG = Catalog()
AZURE = "https://r.openai.azure.com"
VERSION = "2025-01-01"


def deployment(model: str, **params: Any) -> Deployment:
    return Deployment("group", {"model": model, "api_key": "k", **params}, catalog=CATALOG, env={})


@pytest.mark.parametrize(
    ("model", "params", "root", "query"),
    [
        ("openai/x", {}, "https://api.openai.com/v1", ""),
        ("openai/x", {"api_base": "http://h/v1"}, "http://h/v1", ""),
        ("azure/x", {"api_base": AZURE, "api_version": VERSION}, f"{AZURE}/openai", VERSION),
        (
            "azure/x",
            {"api_base": f"{AZURE}/openai/deployments/x", "api_version": VERSION},
            f"{AZURE}/openai",
            VERSION,
        ),
        ("azure/x", {"api_base": f"{AZURE}/openai/v1", "api_version": VERSION}, f"{AZURE}/openai/v1", ""),
        ("azure/x", {"api_base": AZURE, "api_version": "v1"}, f"{AZURE}/openai/v1", ""),
        ("azure/x", {"api_base": AZURE, "api_version": "preview"}, f"{AZURE}/openai/v1", "preview"),
    ],
)
@pytest.mark.parametrize(
    ("operation", "path"),
    [("files", "files"), ("batches", "batches"), ("fine_tuning", "fine_tuning/jobs")],
)
def test_openais_pages(
    model: str, params: dict[str, Any], root: str, query: str, operation: str, path: str
) -> None:
    url = f"{root}/{path}" + (f"?api-version={query}" if query else "")
    assert deployment(model, **params).route(operation, False).url == url


def test_anthropic_has_batches_and_no_files() -> None:
    found = deployment("anthropic/claude-x")
    assert found.route("batches", False).url == "https://api.anthropic.com/v1/messages/batches"
    assert found.route("batches", False).dialect.name == "anthropic"
    with pytest.raises(NotFoundError):
        found.route("files", False)


JOBS = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/batchPredictionJobs"
WEST = "https://bedrock.us-west-2.amazonaws.com/model-invocation-job"


@pytest.mark.parametrize(
    ("model", "params", "url"),
    [
        ("bedrock/amazon.nova-lite-v1:0", {}, WEST),
        ("bedrock/invoke/anthropic.claude-3-haiku-20240307-v1:0", {}, WEST),
        ("bedrock/us-west-2/meta.llama3-8b-instruct-v1:0", {"aws_region_name": "eu-west-1"}, WEST),
        (
            "bedrock/x.y",
            {"aws_bedrock_runtime_endpoint": "https://bedrock-runtime-fips.us-east-1.amazonaws.com"},
            "https://bedrock-fips.us-east-1.amazonaws.com/model-invocation-job",
        ),
        ("bedrock/x.y", {"api_base": "http://h:1"}, "http://h:1/model-invocation-job"),
        ("vertex_ai/gemini-2.5-flash", {}, JOBS),
        ("vertex_ai/claude-sonnet-4-5", {}, JOBS),
        ("vertex_ai/meta/llama-4", {}, JOBS),
        ("vertex_ai/gemini-2.5-flash", {"api_base": "http://h/v1"}, "http://h/v1/batchPredictionJobs"),
        (
            "vertex_ai/gemini-2.5-flash",
            {"api_base": "http://h/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-flash"},
            "http://h/v1/projects/p/locations/l/batchPredictionJobs",
        ),
    ],
)
def test_jobs_on_files_in_a_bucket(model: str, params: dict[str, Any], url: str) -> None:
    own = {"aws_region_name": "us-west-2", "vertex_project": "p", "model": model, **params}
    found = Deployment("group", own, catalog=CATALOG, env={})
    assert found.route("batches", False).url == url
    assert found.provider.bulk is not None
    with pytest.raises(NotFoundError):
        found.route("files", False)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("bedrock/us-west-2/us.amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0"),
        ("bedrock/invoke/anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-3-haiku-20240307-v1:0"),
        (
            "bedrock/arn:aws:bedrock:us-west-2:1:application-inference-profile/x",
            "arn:aws:bedrock:us-west-2:1:application-inference-profile/x",
        ),
        ("vertex_ai/gemini-2.5-flash", "publishers/google/models/gemini-2.5-flash"),
        ("vertex_ai/claude-sonnet-4-5@20250929", "publishers/anthropic/models/claude-sonnet-4-5@20250929"),
        ("vertex_ai/qwen/qwen3-235b-maas", "publishers/qwen/models/qwen3-235b-maas"),
    ],
)
def test_a_jobs_model(model: str, named: str) -> None:
    found = Deployment("group", {"model": model, "vertex_project": "p"}, catalog=CATALOG, env={})
    assert found.provider.bulk is not None
    assert found.provider.bulk.model_of(found.model) == named


@pytest.mark.parametrize(
    ("model", "operation"),
    [
        ("bedrock/amazon.titan-embed-text-v2:0", "embeddings"),
        ("bedrock/us-west-2/amazon.titan-embed-image-v1", "embeddings"),
        ("bedrock/invoke/cohere.embed-english-v3", "embeddings"),
        ("bedrock/us.cohere.embed-v4:0", "embeddings"),
        ("bedrock/amazon.nova-2-multimodal-embeddings-v1:0", "embeddings"),
        (
            "bedrock/arn:aws:bedrock:us-west-2::foundation-model/amazon.titan-embed-text-v2:0",
            "embeddings",
        ),
        ("bedrock/cohere.command-r-v1:0", "chat"),
        ("bedrock/amazon.titan-text-express-v1", "chat"),
        ("bedrock/amazon.nova-lite-v1:0", "chat"),
        ("vertex_ai/text-embedding-005", "embeddings"),
        ("vertex_ai/textembedding-gecko@003", "embeddings"),
        ("vertex_ai/text-multilingual-embedding-002", "embeddings"),
        ("vertex_ai/gemini-embedding-001", "embeddings"),
        ("vertex_ai/gemini-embedding-2", "embeddings"),
        ("vertex_ai/gemini-2.5-flash", "chat"),
        ("vertex_ai/multimodalembedding@001", "chat"),
    ],
)
def test_what_a_models_batches_ask(model: str, operation: str) -> None:
    own = {"model": model, "vertex_project": "p", "aws_region_name": "us-west-2"}
    found = Deployment("group", own, catalog=CATALOG, env={})
    assert found.provider.bulk is not None
    assert found.provider.bulk.operation == operation
    speaks = found.route("embeddings", False).dialect.name
    assert speaks in ("bedrock_embeddings", "vertex_embeddings", "vertex_embed_content")


def test_models_of_a_cloud_that_have_no_batches() -> None:
    found = Deployment("group", {"model": "vertex_ai/mistral-large@2411"}, catalog=CATALOG, env={})
    assert found.provider.bulk is None
    assert "batches of Gemini" in found.provider.lacks


@pytest.mark.parametrize("row", [row for row in ROWS if "batches" in row.paths], ids=lambda row: row.id)
def test_who_has_batches_has_a_price_for_them(row: Any) -> None:
    assert row.batch_price == "0.5"
    assert row.lacks == ""
