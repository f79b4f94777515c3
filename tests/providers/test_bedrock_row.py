"""The row bedrock: a model's name says where and how it is asked."""

import json
import re
from typing import Any
from urllib.parse import quote, unquote

import pytest

import recorded
from headgate.catalog.lookup import Catalog
from headgate.core.deployment import Deployment
from headgate.core.dialects import COMPOSED, MODULES, dialect
from headgate.errors import BadRequestError
from headgate.providers.address import url_of
from headgate.providers.registry import resolve
from headgate.providers.rows.bedrock import ROW

BASE = "https://bedrock-runtime.eu-west-1.amazonaws.com"
SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
ACCOUNT = re.compile(r"\d{12}")
"""The recordings replace account numbers, not everywhere by the same."""
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/1arbu5hu2sjr"


@pytest.mark.parametrize(
    ("operation", "model", "path"),
    [
        ("chat", SONNET, "eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"),
        (
            "chat_stream",
            f"converse/{SONNET}",
            "eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
        ),
        ("chat", f"invoke/{SONNET}", "eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke"),
        ("chat_stream", "invoke/meta.llama3-8b", "meta.llama3-8b/invoke-with-response-stream"),
        ("embeddings", "amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v2%3A0/invoke"),
        (
            "chat_stream",
            "openai/arn:aws:bedrock:eu-west-1:1:imported-model/a",
            "arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Aimported-model%2Fa/invoke-with-response-stream",
        ),
    ],
)
def test_addresses(operation: str, model: str, path: str) -> None:
    assert url_of(ROW, operation, model, BASE) == f"{BASE}/model/{path}"


@pytest.mark.parametrize("model", [ARN, quote(ARN, safe=""), f"converse/{ARN}", f"eu-west-1/{ARN}"])
def test_an_arn_is_asked_in_its_region_and_encoded_once(model: str) -> None:
    url = url_of(ROW, "chat", model, BASE)
    assert url == f"{BASE.replace('eu-west-1', 'us-east-1')}/model/{quote(ARN, safe='')}/converse"


@pytest.mark.parametrize("model", ["us-west-2/a.b", "converse/us-west-2/a.b", "us-west-2/converse/a.b"])
def test_a_region_in_the_name_leads_there(model: str) -> None:
    url = "https://bedrock-runtime{}.us-west-2.amazonaws.com/model/a.b/converse"
    assert url_of(ROW, "chat", model, BASE) == url.format("")
    fips = "https://bedrock-runtime-fips.us-east-1.amazonaws.com"
    assert url_of(ROW, "chat", model, fips) == url.format("-fips")
    assert (
        url_of(ROW, "chat", model, "https://vpc.example.com") == "https://vpc.example.com/model/a.b/converse"
    )


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (SONNET, "bedrock_converse"),
        (f"converse/{SONNET}", "bedrock_converse"),
        (ARN, "bedrock_converse"),
        ("meta.llama3-70b-instruct-v1:0", "bedrock_converse"),
        (f"invoke/{SONNET}", "bedrock_anthropic"),
        (f"us-east-1/invoke/{SONNET}", "bedrock_anthropic"),
        ("invoke/anthropic.claude-3-haiku-20240307-v1:0", "bedrock_anthropic"),
        ("invoke/anthropic.claude-v2:1", "bedrock_prompt"),
        ("invoke/anthropic.claude-instant-v1", "bedrock_prompt"),
        ("invoke/us.amazon.nova-lite-v1:0", "bedrock_nova"),
        ("invoke/amazon.titan-text-express-v1", "bedrock_prompt"),
        ("invoke/ai21.jamba-1-5-mini-v1:0", "bedrock_openai"),
        ("invoke/us.mistral.pixtral-large-2502-v1:0", "bedrock_openai"),
        ("invoke/mistral.mistral-large-2402-v1:0", "bedrock_prompt"),
        ("invoke/openai.gpt-oss-120b-1:0", "bedrock_openai"),
        ("llama/arn:aws:bedrock:us-east-1:1:imported-model/a", "bedrock_prompt"),
    ],
)
def test_what_a_model_speaks(model: str, name: str) -> None:
    assert ROW.spoken(model) == name
    assert dialect(name).name == name


def test_every_dialect_of_the_table_can_be_made() -> None:
    assert {dialect(name).name for name in [*MODULES, *COMPOSED]} <= {*MODULES, *COMPOSED}
    assert {name for _, name in ROW.dialects} <= {*MODULES, *COMPOSED}


@pytest.mark.parametrize(
    "model",
    [f"bedrock/{SONNET}", SONNET, f"bedrock/converse/{SONNET}", "us.amazon.nova-lite-v1:0", f"bedrock/{ARN}"],
)
def test_names_that_mean_bedrock(model: str) -> None:
    row, name = resolve(model)
    assert row is ROW
    assert name == model.removeprefix("bedrock/")


def deployment(model: str, env: dict[str, str] | None = None, **params: Any) -> Deployment:
    return Deployment("g", {"model": model, **params}, catalog=Catalog(), env=env or {})


def test_the_region_comes_from_the_parameter_or_the_environment() -> None:
    made = deployment(f"bedrock/{SONNET}", aws_region_name="ap-south-1", api_key="sk")
    route = made.route("chat", True)
    assert route.origin.host == "bedrock-runtime.ap-south-1.amazonaws.com"
    assert route.dialect is dialect("bedrock_converse")
    assert b"authorization: Bearer sk" in route.head
    other = deployment(f"bedrock/invoke/{SONNET}", {"AWS_REGION": "us-east-1"}).route("chat", False)
    assert other.origin.host == "bedrock-runtime.us-east-1.amazonaws.com"
    assert other.dialect is dialect("bedrock_anthropic")
    own = deployment(f"bedrock/{SONNET}", {"AWS_BEDROCK_RUNTIME_ENDPOINT": "https://vpc.example.com"})
    assert own.route("chat", False).origin.host == "vpc.example.com"
    with pytest.raises(BadRequestError, match="aws_region_name"):
        deployment(f"bedrock/{SONNET}").route("chat", False)


@pytest.mark.skipif(not recorded.ROOT.exists(), reason="the recorded traffic is not beside the project")
def test_recorded_addresses() -> None:
    seen = 0
    for path in sorted((recorded.ROOT / "dev" / "aws-bedrock").glob("*.json")):
        record = json.loads(path.read_bytes())
        url = record["request"]["url"]
        if record["api"] not in ("converse", "invoke"):
            continue
        way = "invoke/" if record["api"] == "invoke" else ""
        operation = "chat_stream" if url.endswith("-stream") else "chat"
        base = url.partition("/model/")[0]
        made = url_of(ROW, operation, way + record["model"], base)
        assert ACCOUNT.sub("", unquote(made)) == ACCOUNT.sub("", unquote(url))
        seen += 1
    assert seen > 100
