"""Where rows send: addresses of their own, and what fills them."""

import msgspec
import pytest
from provided import deployment, quirked

from headgate.errors import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
)
from headgate.providers.address import join, url_of
from headgate.providers.registry import providers, resolve

AZURE = "https://h.azure.com"


def test_a_placeholder_of_an_address_is_filled_or_asked_for() -> None:
    made = deployment("cloudflare/@cf/m", api_key="k", cloudflare_account_id="a1")
    url = made.route("chat", False).url
    assert url == "https://api.cloudflare.com/client/v4/accounts/a1/ai/v1/chat/completions"
    with pytest.raises(BadRequestError, match="CLOUDFLARE_ACCOUNT_ID"):
        deployment("cloudflare/@cf/m", api_key="k").route("chat", False)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://r.services.ai.azure.com", "/models/chat/completions?api-version=2024-05-01-preview"),
        ("https://r.services.ai.azure.com/models", "/chat/completions?api-version=2024-05-01-preview"),
        ("https://r.services.ai.azure.com/openai/v1", "/chat/completions"),
        ("https://r.eastus.models.ai.azure.com", "/v1/chat/completions"),
    ],
)
def test_the_addresses_of_foundry(base: str, url: str) -> None:
    assert deployment("azure_ai/m", api_key="k", api_base=base).route("chat", False).url == base + url


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", "/api", "/api/chat", "/v1/chat/completions"])
@pytest.mark.parametrize("host", ["http://localhost:11434", "https://h.test/ollama"])
def test_the_addresses_of_ollama(host: str, ending: str) -> None:
    made = deployment("ollama_chat/m", api_base=host + ending)
    assert made.route("chat", True).url == host + "/api/chat"
    assert made.route("embeddings", False).url == host + "/api/embed"
    assert made.route("completions", False).url == host + "/v1/completions"
    assert made.route("chat", True).dialect.name == "ollama"
    assert made.route("completions", False).dialect.name == "completions"


def test_ollamas_cloud_wants_a_key() -> None:
    with pytest.raises(AuthenticationError, match="OLLAMA_API_KEY"):
        deployment("ollama_cloud/gpt-oss:120b").route("chat", False)
    assert (
        b"authorization: Bearer k"
        in deployment("ollama_cloud/m", {"OLLAMA_API_KEY": "k"}).route("chat", False).head
    )


def test_the_addresses_of_hugging_face() -> None:
    task = "/pipeline/feature-extraction"
    root = "https://router.huggingface.co/hf-inference/models/"
    for name in ("BAAI/bge-m3", "hf-inference/BAAI/bge-m3"):
        assert (
            deployment(f"huggingface/{name}", api_key="k").route("embeddings", False).url
            == root + "BAAI/bge-m3" + task
        )
    for base in ("https://own.test", "https://own.test/v1"):
        made = deployment("huggingface/tei", api_key="k", api_base=base)
        assert made.route("embeddings", False).url == "https://own.test"
        assert made.route("embeddings", False).head.startswith(b"POST / HTTP/1.1")


@pytest.mark.parametrize(
    ("model", "operation", "stream", "path"),
    [
        ("ibm/granite", "chat", False, "text/chat"),
        ("ibm/granite", "chat", True, "text/chat_stream"),
        ("ibm/slate", "embeddings", False, "text/embeddings"),
        ("deployment/a1/../b", "chat", False, "deployments/a1%2F..%2Fb/text/chat"),
        ("deployment/a1", "chat", True, "deployments/a1/text/chat_stream"),
    ],
)
def test_the_addresses_of_watsonx(model: str, operation: str, stream: bool, path: str) -> None:
    made = deployment(f"watsonx/{model}", api_key="k", watsonx_region_name="eu-de")
    url = f"https://eu-de.ml.cloud.ibm.com/ml/v1/{path}?version=2024-03-13"
    assert made.route(operation, stream).url == url


@pytest.mark.parametrize(
    ("env", "params", "body"),
    [
        ({}, {}, {}),
        ({"WATSONX_PROJECT_ID": "p"}, {}, {"project_id": "p"}),
        ({"WATSONX_SPACE_ID": "s"}, {}, {"space_id": "s"}),
        ({"WATSONX_PROJECT_ID": "p", "WATSONX_SPACE_ID": "s"}, {}, {"project_id": "p"}),
        ({"WATSONX_PROJECT_ID": "p"}, {"space_id": "own"}, {"space_id": "own"}),
    ],
)
def test_one_of_the_parameters_that_the_environment_holds(
    env: dict[str, str], params: dict[str, str], body: dict[str, str]
) -> None:
    made = deployment("watsonx/m", env, token="t", api_base="https://w.test", **params)
    assert {key: msgspec.json.decode(raw) for key, raw in made.defaults.items()} == body
    assert made.credential is not None
    assert made.credential.secrets == ("t",)


def test_a_chat_of_watsonx() -> None:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"additionalProperties": {"type": "string"}},
    }
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": schema}}
    named = {"type": "function", "function": {"name": "f"}}
    asked = {"model": "m", "project_id": "p", "messages": [], "stream": True, "user": "u", "tools": [tool]}
    body, dropped = quirked("watsonx/m", {**asked, "tool_choice": "auto"})
    assert dropped == []
    assert body == {
        "model_id": "m",
        "project_id": "p",
        "messages": [],
        "tool_choice_option": "auto",
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "parameters": {
                        "type": "object",
                        "properties": {"additionalProperties": {"type": "string"}},
                    },
                },
            }
        ],
    }
    assert quirked("watsonx/m", {**asked, "tool_choice": named})[0]["tool_choice"] == named
    own, _ = quirked("watsonx/deployment/d", asked)
    assert own.keys() == {"messages", "tools"}


@pytest.mark.parametrize(
    "base",
    [
        "https://own.test",
        "https://own.test/v1",
        "https://own.test/v2",
        "https://own.test/v1/chat",
        "https://own.test/v2/embed",
    ],
)
def test_the_version_in_an_address_of_cohere_is_ours(base: str) -> None:
    made = deployment("cohere_chat/m", api_key="k", api_base=base)
    assert made.route("chat", True).url == "https://own.test/v2/chat"
    assert made.route("embeddings", False).url == "https://own.test/v2/embed"


@pytest.mark.parametrize(
    "model", ["command-a-03-2025", "command-r-plus", "embed-v4.0", "c4ai-aya-expanse-8b"]
)
def test_bare_names_of_cohere(model: str) -> None:
    row, name = resolve(model)
    assert (row.id, name) == ("cohere", model)


def test_the_addresses_of_text_generation() -> None:
    made = deployment("predibase/m", api_key="k", tenant_id="t1")
    url = "https://serving.app.predibase.com/t1/deployments/v2/llms/m/generate"
    assert made.route("chat", False).url == url
    assert made.route("chat", True).url == url + "_stream"
    own = deployment("triton/m", api_base="http://own.test/v2/models/x/versions/2/generate")
    assert own.route("chat", False).url == "http://own.test/v2/models/x/versions/2/generate"
    assert own.route("chat", True).url == "http://own.test/v2/models/x/versions/2/generate_stream"
    older = deployment("nlp_cloud/m", api_key="k", api_base="https://api.nlpcloud.io/v1/gpu/")
    assert older.route("chat", False).url == "https://api.nlpcloud.io/v1/gpu/m/generation"


def test_a_stream_of_gemini_has_an_address_of_its_own() -> None:
    made = deployment("gemini/m", api_key="k")
    assert made.route("chat", True).url.endswith("/models/m:streamGenerateContent?alt=sse")
    own = deployment("gemini/m", api_key="k", api_base="http://own.test")
    assert own.route("chat", False).url == "http://own.test/v1beta/models/m:generateContent"


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("http://h", "/v1/messages", "http://h/v1/messages"),
        ("http://h/v1", "/v1/messages", "http://h/v1/messages"),
        ("http://h/v1/messages", "/v1/messages", "http://h/v1/messages"),
        ("http://h/v1/chat/completions", "/chat/completions", "http://h/v1/chat/completions"),
        ("http://h/proxy", "/chat/completions?a=b", "http://h/proxy/chat/completions?a=b"),
    ],
)
def test_what_the_base_ends_with_is_not_repeated(base: str, path: str, url: str) -> None:
    assert join(base, path) == url


def test_a_model_can_not_leave_its_place_in_the_address() -> None:
    url = url_of(providers()["gemini"], "chat", "a?b=c#d", None)
    assert url.endswith("/models/a%3Fb%3Dc%23d:generateContent")


def test_an_operation_that_a_provider_has_not() -> None:
    with pytest.raises(NotFoundError, match="no operation 'embeddings'"):
        url_of(providers()["anthropic"], "embeddings", "m", None)


@pytest.mark.parametrize("value", ["../x", "a/b", "evil.test#", "a b", "@evil.test"])
def test_what_fills_an_address_stays_in_its_place(value: str) -> None:
    with pytest.raises(BadRequestError, match="cloudflare_account_id can't be part") as caught:
        deployment("cloudflare/@cf/m", api_key="k", cloudflare_account_id=value).route("chat", False)
    assert value not in str(caught.value)


def test_what_fills_an_address_is_not_sent_and_the_key_is_asked_for() -> None:
    assert "cloudflare_account_id" not in deployment("cloudflare/@cf/m", cloudflare_account_id="a").defaults
    with pytest.raises(AuthenticationError, match="CLOUDFLARE_API_KEY"):
        deployment("cloudflare/@cf/m", cloudflare_account_id="a").route("chat", False)


@pytest.mark.parametrize("variable", ["BEDROCK_MANTLE_REGION", "AWS_REGION"])
def test_the_first_variable_that_is_set_fills_an_address(variable: str) -> None:
    made = deployment("bedrock_mantle/m", {variable: "eu-west-1"}, api_key="k")
    assert made.route("chat", False).origin.host == "bedrock-mantle.eu-west-1.api.aws"


@pytest.mark.parametrize(
    ("model", "operation", "url"),
    [
        ("openai/m", "images", "https://api.openai.com/v1/images/generations"),
        ("openai/m", "image_variations", "https://api.openai.com/v1/images/variations"),
        ("xai/m", "image_edits", "https://api.x.ai/v1/images/edits"),
        ("openrouter/a/m", "image_edits", "https://openrouter.ai/api/v1/images"),
        (
            "gemini/imagen-4",
            "images",
            "https://generativelanguage.googleapis.com/v1beta/models/imagen-4:predict",
        ),
        ("gemini/m", "images", "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent"),
        ("fal_ai/fal-ai/flux/schnell", "images", "https://fal.run/fal-ai/flux/schnell"),
        ("black_forest_labs/flux-dev", "images", "https://api.bfl.ai/v1/flux-dev"),
        ("recraft/recraftv3", "image_edits", "https://external.api.recraft.ai/v1/images/imageToImage"),
        ("runwayml/gen4_image", "images", "https://api.dev.runwayml.com/v1/text_to_image"),
        ("stability/sd3.5-large", "images", "https://api.stability.ai/v2beta/stable-image/generate/sd3"),
        (
            "stability/stable-image-ultra",
            "images",
            "https://api.stability.ai/v2beta/stable-image/generate/ultra",
        ),
        ("stability/inpaint", "image_edits", "https://api.stability.ai/v2beta/stable-image/edit/inpaint"),
        (
            "stability/creative",
            "image_edits",
            "https://api.stability.ai/v2beta/stable-image/upscale/creative",
        ),
        ("topaz/Standard V2", "image_variations", "https://api.topazlabs.com/image/v1/enhance"),
        ("replicate/a/m", "images", "https://api.replicate.com/v1/models/a/m/predictions"),
        ("replicate/deployments/a/m", "chat", "https://api.replicate.com/v1/deployments/a/m/predictions"),
        (f"replicate/a/m:{'0f' * 32}", "images", "https://api.replicate.com/v1/predictions"),
        (
            "fireworks_ai/flux-1-dev-fp8",
            "images",
            "https://api.fireworks.ai/inference/v1/workflows/accounts/fireworks/models/flux-1-dev-fp8/text_to_image",
        ),
        (
            "dashscope/qwen-image",
            "images",
            "https://dashscope.aliyuncs.com/api/v1/services/aigc/multimodal-generation/generation",
        ),
        (
            "fireworks_ai/flux-kontext-pro",
            "images",
            "https://api.fireworks.ai/inference/v1/workflows/accounts/fireworks/models/flux-kontext-pro",
        ),
        ("hyperbolic/SD2", "images", "https://api.hyperbolic.xyz/v1/image/generation"),
        ("huggingface/a/m", "images", "https://router.huggingface.co/hf-inference/models/a/m"),
        ("cloudflare/@cf/m", "images", "https://api.cloudflare.com/client/v4/accounts/acc/ai/run/@cf/m"),
    ],
)
def test_where_pictures_are_made(model: str, operation: str, url: str) -> None:
    row, name = resolve(model)
    base = row.base_url and row.base_url.format_map(dict.fromkeys(row.base_vars, "acc"))
    assert url_of(row, operation, name, base) == url


def test_where_pictures_are_made_on_azure() -> None:
    path = url_of(providers()["azure"], "image_edits", "m", AZURE, "2025-04-01-preview")
    assert path == AZURE + "/openai/deployments/m/images/edits?api-version=2025-04-01-preview"


@pytest.mark.parametrize(
    ("model", "operation", "url"),
    [
        ("cohere/command", "completions", "https://api.cohere.com/v1/generate"),
        ("cohere/command-light-nightly", "completions", "https://api.cohere.com/v1/generate"),
        ("cohere/command-light", "chat", "https://api.cohere.com/v2/chat"),
        ("cohere/command-r-plus", "completions", "https://api.cohere.com/v2/chat"),
        ("cohere/command-a-03-2025", "completions", "https://api.cohere.com/v2/chat"),
        ("writer/palmyra-x5", "completions", "https://api.writer.com/v1/completions"),
        ("palmyra-x5", "chat", "https://api.writer.com/v1/chat"),
    ],
)
def test_where_texts_are_completed(model: str, operation: str, url: str) -> None:
    made = deployment(model, api_key="k")
    assert made.route(made.operation_for(operation), False).url == url


@pytest.mark.parametrize("base", ["https://api.minimax.io", "https://api.minimaxi.com"])
@pytest.mark.parametrize("end", ["/v1", "/v1/"])
@pytest.mark.parametrize(
    ("spoken", "path"),
    [
        ("anthropic", "/anthropic/v1/messages"),
        ("openai_chat", "/v1/chat/completions"),
        ("gemini", "/v1/chat/completions"),
    ],
)
def test_a_chat_in_anthropics_format_has_an_address_of_its_own(
    base: str, end: str, spoken: str, path: str
) -> None:
    made = deployment("minimax/MiniMax-M2", api_key="k", api_base=base + end)
    route = made.route(made.operation_for("chat", spoken), False)
    assert route.url == base + path
    assert route.dialect.name == ("anthropic" if spoken == "anthropic" else "openai_chat")
    assert b"authorization: Bearer k" in route.head


def test_the_address_of_that_format_may_be_given_itself() -> None:
    made = deployment("minimax/MiniMax-M2", api_key="k", api_base="https://api.minimax.io/anthropic")
    assert made.route("messages", True).url == "https://api.minimax.io/anthropic/v1/messages"


def test_who_has_no_address_for_a_format_is_asked_for_a_chat() -> None:
    assert deployment("groq/m", api_key="k").operation_for("chat", "anthropic") == "chat"
    assert deployment("anthropic/m", api_key="k").operation_for("chat", "anthropic") == "chat"
