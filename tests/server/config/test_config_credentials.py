"""`headgate check` asks for no key where a deployment has another credential, or may find one at the first call."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.server.config.load import check

WATSONX = {"model": "watsonx/m", "watsonx_region_name": "us-south"}
VERTEX = {"model": "vertex_ai/gemini-2.5-flash", "vertex_project": "acme", "vertex_location": "eu"}


def told(params: dict[str, Any], tmp_path: Path) -> list[str]:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"model_list": [{"model_name": "m", "litellm_params": params}]}))
    return [problem.message for problem in check(file, {"HOME": str(tmp_path)})]


@pytest.mark.parametrize(
    "params",
    [
        VERTEX,
        {**VERTEX, "vertex_credentials": "/not/there/yet.json"},
        {**WATSONX, "zen_api_key": "dTpr"},
        {**WATSONX, "token": "t"},
        {"model": "bedrock/amazon.nova-lite-v1:0", "aws_region_name": "eu-west-1"},
    ],
)
def test_no_key_is_asked_for(params: dict[str, Any], tmp_path: Path) -> None:
    assert not [message for message in told(params, tmp_path) if "no key" in message]


def test_a_key_is_asked_for_where_nothing_signs(tmp_path: Path) -> None:
    assert any("no key" in message and "WATSONX_APIKEY" in message for message in told(WATSONX, tmp_path))
