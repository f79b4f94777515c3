"""Each provider's row: its address, its credential, the names that mean it, and its quirks."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from provided import deployment, filling

import recorded
from headgate.core.params import CREDENTIALS
from headgate.errors import (
    AuthenticationError,
    BadRequestError,
    UnknownProviderError,
)
from headgate.providers.auth import exchanges, taken
from headgate.providers.auth.oauth import EXCHANGES
from headgate.providers.registry import resolve
from headgate.providers.rows import ROWS, hosts, makers, pictures, routers, servers, speech, vectors
from headgate.providers.tested import RECORDED, UNTRIED

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
    "writer": "https://api.writer.com/v1/chat",
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
