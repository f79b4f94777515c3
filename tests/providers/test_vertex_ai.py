"""Where Vertex AI has which model, and in which format."""

from typing import Any

import pytest

from headgate.catalog.lookup import Catalog
from headgate.core.deployment import Deployment
from headgate.errors import HeadgateError
from headgate.providers.rows.vertex_ai import ROW

CATALOG = Catalog()
PLACE = {"vertex_project": "p", "vertex_location": "europe-west4"}
ROOT = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4"


def made(model: str, env: dict[str, str] | None = None, **params: Any) -> Deployment:
    return Deployment("g", {"model": f"vertex_ai/{model}", **params}, catalog=CATALOG, env=env or {})


@pytest.mark.parametrize(
    ("model", "stream", "url", "dialect"),
    [
        ("gemini-2.5-flash", False, "/publishers/google/models/gemini-2.5-flash:generateContent", "gemini"),
        (
            "gemini-2.5-flash",
            True,
            "/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
            "gemini",
        ),
        ("1234567", False, "/endpoints/1234567:generateContent", "gemini"),
        (
            "claude-sonnet-4-5@20250929",
            False,
            "/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
            "anthropic",
        ),
        ("claude-opus-4", True, "/publishers/anthropic/models/claude-opus-4:streamRawPredict", "anthropic"),
        (
            "mistral-large@2411-001",
            False,
            "/publishers/mistralai/models/mistral-large@2411-001:rawPredict",
            "openai_chat",
        ),
        ("jamba-1.5-mini@001", False, "/publishers/ai21/models/jamba-1.5-mini@001:rawPredict", "openai_chat"),
        ("meta/llama-3.3-70b-instruct-maas", False, "/endpoints/openapi/chat/completions", "openai_chat"),
        ("openai/998877", False, "/endpoints/998877/chat/completions", "openai_chat"),
    ],
)
def test_addresses(model: str, stream: bool, url: str, dialect: str) -> None:
    route = made(model, **PLACE).route("chat", stream)
    assert (route.url, route.dialect.name) == (ROOT + url, dialect)


@pytest.mark.parametrize(
    ("model", "method", "dialect"),
    [
        ("text-embedding-005", "predict", "vertex_embeddings"),
        ("text-multilingual-embedding-002", "predict", "vertex_embeddings"),
        ("gemini-embedding-001", "predict", "vertex_embeddings"),
        ("gemini-embedding-2", "embedContent", "vertex_embed_content"),
        ("gemini-embedding-2-preview", "embedContent", "vertex_embed_content"),
    ],
)
def test_models_of_embeddings_are_asked_as_each_is_served(model: str, method: str, dialect: str) -> None:
    route = made(model, **PLACE).route("embeddings", False)
    assert (route.url, route.dialect.name) == (
        f"{ROOT}/publishers/google/models/{model}:{method}",
        dialect,
    )


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("us-east5", "us-east5-aiplatform.googleapis.com"),
    ],
)
def test_hosts_of_locations(location: str, host: str) -> None:
    route = made("gemini-2.5-pro", vertex_project="p", vertex_location=location).route("chat", False)
    assert route.origin.host == host
    assert f"/locations/{location}/" in route.url


def test_the_environment_names_project_and_location() -> None:
    env = {"VERTEXAI_PROJECT": "own", "VERTEXAI_LOCATION": "asia-east1"}
    assert "/projects/own/locations/asia-east1/" in made("gemini-2.5-pro", env).route("chat", False).url


def test_a_key_is_enough_in_express_mode() -> None:
    route = made("gemini-2.5-pro", api_key="k").route("chat", False)
    assert route.url == (
        "https://aiplatform.googleapis.com/v1/publishers/google/models/gemini-2.5-pro:generateContent"
    )
    assert b"x-goog-api-key: k" in route.head


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({}, "vertex_project"),
        ({"vertex_project": "p/../../x"}, "vertex_project"),
        ({"vertex_project": "p", "vertex_location": "evil.test/"}, "vertex_location"),
    ],
)
def test_what_is_missing_or_wrong_is_named(params: dict[str, str], told: str) -> None:
    with pytest.raises(HeadgateError, match=told):
        made("gemini-2.5-pro", {"HOME": "/nowhere"}, **params).route("chat", False)


def test_an_endpoint_as_the_base_gets_the_method_alone() -> None:
    base = "https://own.test/v1/projects/p/locations/l/endpoints/5"
    assert (
        made("gemini-2.5-pro", api_base=base, api_key="k").route("chat", False).url
        == base + ":generateContent"
    )


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/v1/projects/p/locations/us-east5/x", "https://us-east5-aiplatform.googleapis.com"),
        ("/projects/p/locations/global/x", "https://aiplatform.googleapis.com/v1"),
    ],
)
def test_a_path_of_the_api_names_its_host(path: str, url: str) -> None:
    assert ROW.base_of is not None
    assert ROW.base_of(path, {}, {}) == url


LIVE = "/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent"


@pytest.mark.parametrize(
    ("model", "params", "url", "named"),
    [
        (
            "gemini-live-2.5-flash",
            PLACE,
            "https://europe-west4-aiplatform.googleapis.com" + LIVE,
            "projects/p/locations/europe-west4/publishers/google/models/gemini-live-2.5-flash",
        ),
        (
            "gemini-live-2.5-flash",
            {"vertex_project": "p", "vertex_location": "global"},
            "https://aiplatform.googleapis.com" + LIVE,
            "projects/p/locations/global/publishers/google/models/gemini-live-2.5-flash",
        ),
        (
            "gemini-x",
            {"api_key": "k"},
            "https://aiplatform.googleapis.com" + LIVE,
            "publishers/google/models/gemini-x",
        ),
        (
            "123",
            {"api_base": "https://own.test/x/v1beta1/projects/p/locations/l", "api_key": "k"},
            "https://own.test/x" + LIVE.replace("v1", "v1beta1"),
            "projects/p/locations/l/endpoints/123",
        ),
        (
            "tuned",
            {"api_base": "https://own.test/v1/projects/p/locations/l/endpoints/5/", "api_key": "k"},
            "https://own.test" + LIVE,
            "projects/p/locations/l/endpoints/5",
        ),
    ],
)
def test_the_live_api_is_beside_the_models(model: str, params: dict[str, str], url: str, named: str) -> None:
    deployment = made(model, **params)
    route = deployment.route("realtime", False)
    assert (route.url, route.dialect.name) == (url, "gemini_live")
    assert deployment.live_model == named
