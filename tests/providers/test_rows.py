"""Each provider's row: its address, its credential, the names that mean it, and its quirks."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

import recorded
from headgate.catalog.lookup import Catalog
from headgate.core.deployment import Deployment
from headgate.core.params import CREDENTIALS
from headgate.errors import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    UnknownProviderError,
    UnsupportedParamsError,
)
from headgate.providers.address import join, url_of
from headgate.providers.auth import exchanges, taken
from headgate.providers.auth.oauth import EXCHANGES
from headgate.providers.quirks import plan, run
from headgate.providers.registry import providers, resolve
from headgate.providers.rows import ROWS, hosts, makers, pictures, routers, servers, speech, vectors
from headgate.providers.tested import RECORDED, UNTRIED

CATALOG = Catalog()
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/providers.md"
CHAT = {
    "anthropic": "https://api.anthropic.com/v1/messages",
    "azure": "https://h.azure.com/openai/deployments/m/chat/completions?api-version=2025-02-01-preview",
    "bedrock": "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse",
    "cerebras": "https://api.cerebras.ai/v1/chat/completions",
    "cohere": "https://api.cohere.com/v2/chat",
    "custom_openai": "http://own.test/v1/chat/completions",
    "deepseek": "https://api.deepseek.com/chat/completions",
    "fireworks_ai": "https://api.fireworks.ai/inference/v1/chat/completions",
    "gigachat": "https://gigachat.devices.sberbank.ru/api/v1/chat/completions",
    "github_copilot": "https://api.githubcopilot.com/chat/completions",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
    "groq": "https://api.groq.com/openai/v1/chat/completions",
    "hosted_vllm": "http://localhost:8000/v1/chat/completions",
    "huggingface": "https://router.huggingface.co/v1/chat/completions",
    "lm_studio": "http://localhost:1234/v1/chat/completions",
    "mistral": "https://api.mistral.ai/v1/chat/completions",
    "mock": "mock://local/v1/chat/completions",
    "nlp_cloud": "https://api.nlpcloud.io/v1/gpu/m/generation",
    "predibase": "https://serving.test/t/deployments/v2/llms/m/generate",
    "triton": "http://own.test/v2/models/m/generate",
    "ollama": "http://localhost:11434/api/chat",
    "ollama_cloud": "https://ollama.com/api/chat",
    "openai": "https://api.openai.com/v1/chat/completions",
    "openrouter": "https://openrouter.ai/api/v1/chat/completions",
    "petals": "https://chat.petals.dev/api/v1/generate",
    "perplexity": "https://api.perplexity.ai/chat/completions",
    "sagemaker": "https://h.test/endpoints/m/invocations",
    "sagemaker_chat": "https://h.test/endpoints/m/invocations",
    "replicate": "https://api.replicate.com/v1/models/m/predictions",
    "together_ai": "https://api.together.xyz/v1/chat/completions",
    "watsonx": "https://us-south.ml.cloud.ibm.com/ml/v1/text/chat?version=2024-03-13",
    "xai": "https://api.x.ai/v1/chat/completions",
}
BASES = {
    "azure": "https://h.azure.com",
    "bedrock": "https://bedrock-runtime.us-east-1.amazonaws.com",
    "custom_openai": "http://own.test/v1",
    "predibase": "https://serving.test/t",
    "sagemaker": "https://h.test",
    "sagemaker_chat": "https://h.test",
    "triton": "http://own.test",
    "watsonx": "https://us-south.ml.cloud.ibm.com",
}
KEYED = {
    "anthropic": "x-api-key: k",
    "azure": "api-key: k",
    "gemini": "x-goog-api-key: k",
    "nlp_cloud": "authorization: Token k",
}


def deployment(model: str, env: dict[str, str] | None = None, **params: Any) -> Deployment:
    return Deployment("group", {"model": model, **params}, catalog=CATALOG, env=env or {})


def quirked(model: str, body: dict[str, Any], *, drop: bool = False) -> tuple[dict[str, Any], list[str]]:
    row, name = resolve(model)
    envelope = {key: Raw(msgspec.json.encode(value)) for key, value in body.items()}
    dropped = run(plan(row, name), envelope, row, drop)
    return json.loads(msgspec.json.encode(envelope)), dropped


def filling(row: Any) -> dict[str, str]:
    """Variables for the placeholders of a row's address."""
    return {names[0]: "acc" for _, *names in row.base_vars.values()}


PLAIN = [*makers.ROWS, *hosts.ROWS, *pictures.ROWS, *routers.ROWS, *servers.ROWS, *speech.ROWS, *vectors.ROWS]
CHATTING = [row for row in ROWS if "chat" in row.paths]


def test_every_row_of_its_own_is_in_the_table_above() -> None:
    assert sorted(CHAT) == sorted(row.id for row in ROWS if row not in PLAIN and row.base_of is None)


def test_rows_are_sorted_in_their_files() -> None:
    for rows in (makers.ROWS, hosts.ROWS, pictures.ROWS, routers.ROWS, servers.ROWS, speech.ROWS):
        assert [row.id for row in rows] == sorted(row.id for row in rows)


@pytest.mark.parametrize(
    "row", [row for row in PLAIN if "chat" in row.paths and row.base_url], ids=lambda row: row.id
)
def test_the_address_of_a_plain_chat(row: Any) -> None:
    url = deployment(f"{row.id}/m", filling(row), api_key="k").route("chat", False).url
    own = row.base_url.format_map(dict.fromkeys(row.base_vars, "acc"))
    assert url.startswith(own.removesuffix("/v1"))
    assert url.endswith("/chat/completions")


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


@pytest.mark.parametrize(("given", "sent"), [(1.7, 1.0), (-1, 0.0), (0.5, 0.5), ("hot", "hot"), (None, None)])
def test_numbers_are_clamped(given: Any, sent: Any) -> None:
    assert quirked("zai/glm-5", {"temperature": given})[0] == {"temperature": sent}


def test_roles_are_renamed() -> None:
    messages = [{"role": "developer", "content": "a"}, {"role": "user", "content": "developer"}]
    body, _ = quirked("zai/glm-5", {"messages": messages})
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][1]["content"] == "developer"


@pytest.mark.parametrize("name", CHAT)
def test_the_address_of_a_chat(name: str) -> None:
    made = deployment(f"{name}/m", api_key="k", api_base=BASES.get(name))
    assert made.route("chat", False).url == CHAT[name]


EXCHANGED = [
    row.id
    for row in ROWS
    if exchanges(row.credential)
    and not EXCHANGES[row.credential.partition(":")[2]].keyed
    and row.base_of is None
]
"""Those whose key is good for nothing but a token, and is one text."""


@pytest.mark.parametrize("name", EXCHANGED)
def test_a_key_that_is_exchanged_is_not_sent(name: str) -> None:
    made = deployment(f"{name}/m", api_key="k-shh", api_base=BASES.get(name))
    assert b"k-shh" not in made.route("chat", False).head
    assert made.credential is not None
    assert not made.credential.ready(0.0)
    assert made.scrubbed("no k-shh") == "no ***"


SAYING_WHO = dict.fromkeys(CREDENTIALS, "said-shh") | {
    "aws_region_name": "eu-west-1",
    "vertex_location": "eu",
}


@pytest.mark.parametrize("row", CHATTING, ids=lambda row: row.id)
def test_what_says_who_a_deployment_is_never_stands_in_a_body(row: Any) -> None:
    names = dict.fromkeys(taken(row.credential), "said-shh")
    made = deployment(f"{row.id}/m", filling(row), **names | SAYING_WHO | {"api_key": "k"})
    assert not made.defaults.keys() & (names.keys() | CREDENTIALS)


@pytest.mark.parametrize("name", [name for name in CHAT if name not in EXCHANGED])
def test_the_credential(name: str) -> None:
    made = deployment(f"{name}/m", api_key="k", api_base=BASES.get(name))
    lines = made.route("chat", False).head.decode().split("\r\n")
    assert KEYED.get(name, "authorization: Bearer k") in lines
    assert made.secrets == ("k",)


@pytest.mark.parametrize("row", [row for row in CHATTING if row.api_key_env], ids=lambda row: row.id)
def test_the_key_of_the_environment(row: Any) -> None:
    for variable in row.api_key_env:
        made = deployment(f"{row.id}/m", {variable: "from-env"})
        assert made.scrubbed("from-env") == "***"


@pytest.mark.parametrize(
    "row",
    [row for row in CHATTING if row.api_key_env and not row.auth.optional and not row.credential],
    ids=lambda row: row.id,
)
def test_without_a_key_the_error_names_the_variable(row: Any) -> None:
    with pytest.raises(AuthenticationError, match=row.api_key_env[0]) as caught:
        deployment(f"{row.id}/m", filling(row)).route("chat", False)
    assert caught.value.code == "missing_api_key"


@pytest.mark.parametrize("row", [row for row in CHATTING if row.base_url_env], ids=lambda row: row.id)
def test_the_address_of_the_environment(row: Any) -> None:
    made = deployment(f"{row.id}/m", {row.base_url_env[0]: "http://own.test/v1"}, api_key="k")
    assert made.route("chat", False).origin.host == "own.test"


@pytest.mark.parametrize("name", ["azure", "custom_openai"])
def test_a_provider_without_a_fixed_address_asks_for_one(name: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        deployment(f"{name}/m", api_key="k").route("chat", False)
    assert caught.value.param == "api_base"


@pytest.mark.skipif(not recorded.ROOT.exists(), reason="the recorded traffic is not beside the project")
def test_what_is_called_recorded_is_replayed() -> None:
    assert {name: set(operations) for name, operations in RECORDED.items()} == recorded.replayed()


def test_nobody_is_untried_and_recorded() -> None:
    assert not UNTRIED & RECORDED.keys()
    assert {row.id for row in ROWS} >= UNTRIED | RECORDED.keys()


def test_the_page_is_as_the_rows_are() -> None:
    command = [sys.executable, "-c", "import providers_page; print(providers_page.page(), end='')"]
    done = subprocess.run(command, cwd=ROOT / "scripts", capture_output=True, text=True, check=True)
    assert done.stdout == PAGE.read_text(), "run: python scripts/providers_page.py"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_page_names_every_provider_and_its_variables(row: Any) -> None:
    page = PAGE.read_text()
    for name in (row.id, *row.aliases, *row.api_key_env, *row.base_url_env):
        assert f"`{name}`" in page


def test_a_token_of_anthropic_is_no_key() -> None:
    made = dict(deployment("anthropic/m", api_key="sk-ant-oat01-x").auth_headers)
    assert made["authorization"] == "Bearer sk-ant-oat01-x"
    assert "x-api-key" not in made
    assert "oauth" in made["anthropic-beta"]
    assert ("authorization", "Bearer t") in deployment(
        "anthropic/m", {"ANTHROPIC_AUTH_TOKEN": "t"}
    ).auth_headers


def test_a_token_of_azure() -> None:
    made = deployment("azure/m", azure_ad_token="t", api_base=BASES["azure"])
    assert made.auth_headers == [("authorization", "Bearer t")]


@pytest.mark.parametrize(
    ("base", "version", "path"),
    [
        ("", "v1", "/openai/v1/chat/completions"),
        ("", "preview", "/openai/v1/chat/completions?api-version=preview"),
        ("/openai/v1", "2024-10-21", "/openai/v1/chat/completions"),
        ("/openai/deployments/own", "2024-10-21", "/openai/deployments/own/chat/completions?api-version=2024-10-21"),
    ],
)  # fmt: skip
def test_the_surfaces_of_azure(base: str, version: str, path: str) -> None:
    made = deployment("azure/m", api_key="k", api_base=BASES["azure"] + base, api_version=version)
    assert made.route("chat", False).url == BASES["azure"] + path


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


@pytest.mark.parametrize(
    ("model", "provider", "base", "expected"),
    [
        ("openai/gpt-4o", None, None, ("openai", "gpt-4o")),
        ("gpt-4o", None, None, ("openai", "gpt-4o")),
        ("o3-mini", None, None, ("openai", "o3-mini")),
        ("claude-sonnet-4-5", None, None, ("anthropic", "claude-sonnet-4-5")),
        ("gemini-2.5-flash", None, None, ("gemini", "gemini-2.5-flash")),
        ("sonar-pro", None, None, ("perplexity", "sonar-pro")),
        ("openrouter/openai/gpt-4o", None, None, ("openrouter", "openai/gpt-4o")),
        ("own", "openai", None, ("openai", "own")),
        ("openai/own", "openai", None, ("openai", "own")),
        ("meta/own", "openai", None, ("openai", "meta/own")),
        ("own", None, "https://api.mistral.ai/v1", ("mistral", "own")),
        ("ollama_chat/llama3", None, None, ("ollama", "llama3")),
        ("fireworks_ai/llama", None, None, ("fireworks_ai", "accounts/fireworks/models/llama")),
    ],
)
def test_which_provider_a_model_means(
    model: str, provider: str | None, base: str | None, expected: tuple[str, str]
) -> None:
    row, name = resolve(model, provider, base)
    assert (row.id, name) == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_ids_and_aliases_mean_the_row(row: Any) -> None:
    assert {id(resolve(f"{name}/m")[0]) for name in (row.id, *row.aliases)} == {id(row)}


def test_a_provider_that_is_misspelt() -> None:
    with pytest.raises(UnknownProviderError, match=r"Did you mean 'anthropic'\?"):
        resolve("antropic/claude")
    with pytest.raises(UnknownProviderError, match="provider/model"):
        resolve("own", "nobody")


@pytest.mark.parametrize(
    ("model", "given", "sent"),
    [
        ("openai/o3", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("openai/gpt-5", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("openai/gpt-4o", {"max_tokens": 5}, {"max_tokens": 5}),
        ("openai/o3", {"max_tokens": 5, "max_completion_tokens": 6}, {"max_completion_tokens": 6}),
        ("deepseek/m", {"max_completion_tokens": 5}, {"max_tokens": 5}),
        ("mistral/m", {"seed": 1, "user": "u"}, {"random_seed": 1}),
        ("mistral/m", {"tool_choice": "required"}, {"tool_choice": "any"}),
        ("mistral/m", {"tool_choice": "auto"}, {"tool_choice": "auto"}),
    ],
)
def test_keys_and_values_by_the_providers_name(model: str, given: Any, sent: Any) -> None:
    assert quirked(model, given) == (sent, [])


@pytest.mark.parametrize(
    ("model", "key", "value"),
    [
        ("cerebras/m", "logit_bias", {"1": 2}),
        ("groq/m", "logprobs", True),
        ("mistral/m", "logprobs", True),
        ("perplexity/m", "tools", [{"type": "function"}]),
        ("xai/grok-4", "stop", ["a"]),
    ],
)
def test_a_refused_key_is_an_error_or_left_out(model: str, key: str, value: Any) -> None:
    with pytest.raises(UnsupportedParamsError) as caught:
        quirked(model, {key: value})
    assert caught.value.param == key
    assert quirked(model, {key: value, "a": 1}, drop=True) == ({"a": 1}, [key])


def test_a_refused_key_that_says_nothing_is_left_out_without_a_word() -> None:
    assert quirked("groq/m", {"logprobs": False, "a": 1})[0] == {"a": 1}


def test_an_allowed_key_is_sent_whatever_the_row_says() -> None:
    row, name = resolve("groq/m")
    envelope = {"logprobs": Raw(b"true")}
    assert run(plan(row, name, ["logprobs"]), envelope, row, False) == []
    assert "logprobs" in envelope


def test_nulls_are_taken_out_of_messages_but_content_stays() -> None:
    messages = [{"role": "assistant", "content": None, "name": None}]
    assert quirked("groq/m", {"messages": messages})[0]["messages"] == [
        {"role": "assistant", "content": None}
    ]


def test_strict_is_taken_out_of_tools() -> None:
    tool = {"type": "function", "function": {"name": "f", "strict": True}}
    sent, _ = quirked("xai/grok-4", {"tools": [tool]})
    assert sent["tools"] == [{"type": "function", "function": {"name": "f"}}]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
@pytest.mark.parametrize("key", ["messages", "tools", "tool_choice", "stop"])
@pytest.mark.parametrize("value", [None, 1, "x", [1], {"a": []}, [{"function": 1}], [{"content": [1]}]])
def test_malformed_values_never_break_a_quirk(row: Any, key: str, value: Any) -> None:
    envelope = {key: Raw(msgspec.json.encode(value))}
    run(plan(row, "grok-4"), envelope, row, True)


@pytest.mark.parametrize(
    ("model", "given", "shown"),
    [
        ("groq/m", {"n": 2}, "only 1"),
        ("deepinfra/m", {"tool_choice": "required"}, '"auto" or "none"'),
        ("deepinfra/m", {"tool_choice": {"type": "function"}}, '"auto" or "none"'),
        ("lm_studio/m", {"response_format": {"type": "json_object"}}, "'response_format.type'"),
        ("openai/o3", {"temperature": 0.5}, "only 1"),
        ("azure/gpt-5-mini", {"temperature": 0}, "only 1"),
    ],
)
def test_a_refused_value_is_an_error_or_left_out(model: str, given: dict[str, Any], shown: str) -> None:
    (key,) = given
    with pytest.raises(UnsupportedParamsError, match=re.escape(shown)) as caught:
        quirked(model, given)
    assert caught.value.param == key
    assert quirked(model, {**given, "a": 1}, drop=True) == ({"a": 1}, [key])


@pytest.mark.parametrize(
    ("model", "given"),
    [
        ("groq/m", {"n": 1}),
        ("openai/o3", {"temperature": 1.0}),
        ("openai/gpt-5.1", {"temperature": 0.2}),
        ("openai/gpt-5-chat-latest", {"temperature": 0.2, "stop": ["a"]}),
        ("lm_studio/m", {"response_format": {"type": "json_schema"}}),
        ("lm_studio/m", {"response_format": "odd"}),
        ("zai/glm-5", {"tool_choice": None}),
    ],
)
def test_a_value_that_is_taken_is_sent_as_it_is(model: str, given: dict[str, Any]) -> None:
    assert quirked(model, given) == (given, [])


def test_an_allowed_value_is_sent_whatever_the_row_says() -> None:
    row, name = resolve("groq/m")
    envelope = {"n": Raw(b"3")}
    assert run(plan(row, name, ["n"]), envelope, row, False) == []
    assert bytes(envelope["n"]) == b"3"


@pytest.mark.parametrize("value", ["../x", "a/b", "evil.test#", "a b", "@evil.test"])
def test_what_fills_an_address_stays_in_its_place(value: str) -> None:
    with pytest.raises(BadRequestError, match="cloudflare_account_id can't be part") as caught:
        deployment("cloudflare/@cf/m", api_key="k", cloudflare_account_id=value).route("chat", False)
    assert value not in str(caught.value)


def test_what_fills_an_address_is_not_sent_and_the_key_is_asked_for() -> None:
    assert "cloudflare_account_id" not in deployment("cloudflare/@cf/m", cloudflare_account_id="a").defaults
    with pytest.raises(AuthenticationError, match="CLOUDFLARE_API_KEY"):
        deployment("cloudflare/@cf/m", cloudflare_account_id="a").route("chat", False)


@pytest.mark.parametrize(
    ("env", "given", "token", "kind"),
    [
        ({"SNOWFLAKE_JWT": "j"}, {}, "j", "KEYPAIR_JWT"),
        ({"SNOWFLAKE_PAT": "p"}, {}, "p", "PROGRAMMATIC_ACCESS_TOKEN"),
        ({}, {"api_key": "pat/p"}, "p", "PROGRAMMATIC_ACCESS_TOKEN"),
    ],
)
def test_a_token_of_snowflake_says_its_kind(env: Any, given: Any, token: str, kind: str) -> None:
    made = deployment("snowflake/m", env, account_id="org-acc", **given)
    lines = made.route("chat", False).head.decode().split("\r\n")
    assert {f"authorization: Bearer {token}", f"x-snowflake-authorization-token-type: {kind}"} <= set(lines)
    assert made.secrets == (token,)


def test_a_key_without_a_word_before_it() -> None:
    assert deployment("assemblyai/m", api_key="k").auth_headers == [("authorization", "k")]


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
    path = url_of(providers()["azure"], "image_edits", "m", BASES["azure"], "2025-04-01-preview")
    assert path == BASES["azure"] + "/openai/deployments/m/images/edits?api-version=2025-04-01-preview"
