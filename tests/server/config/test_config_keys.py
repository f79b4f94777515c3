"""The key table agrees with itself, with the Structs and with the documentation."""

import re
from pathlib import Path
from textwrap import dedent

import pytest

from headgate.core.params import describes, is_price
from headgate.providers.registry import providers
from headgate.server.config import known
from headgate.server.config.keys import BLOCKS, GENERAL, LITELLM, MODEL, PARAMS, ROUTER
from headgate.server.config.kinds import KINDS
from headgate.server.config.load import check, load
from headgate.server.config.nearest import nearest, one_edit_away
from headgate.server.config.providers import OWN
from headgate.server.config.reference import updated
from headgate.server.config.schema import GeneralSettings, LitellmSettings, RouterSettings

DOCUMENT = Path(__file__).parents[3] / "docs" / "configuration.md"
TEXT = DOCUMENT.read_text("utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
SET = {
    "OPENAI_API_KEY": "k",
    "ANTHROPIC_API_KEY": "k",
    "GROQ_API_KEY": "k",
    "AZURE_EAST_KEY": "k",
    "LITELLM_MASTER_KEY": "sk-quite-long-enough",
}


@pytest.mark.parametrize("block", [*BLOCKS.values(), *OWN], ids=lambda block: block.name or "top")
def test_a_key_is_supported_or_not_and_its_kind_exists(block):
    assert not block.unsupported & block.supported.keys()
    assert {key.kind for key in block.supported.values()} <= KINDS.keys()
    assert all(key.meaning.endswith((".", "`")) for key in block.supported.values())


@pytest.mark.parametrize(
    ("block", "struct"), [(LITELLM, LitellmSettings), (GENERAL, GeneralSettings), (ROUTER, RouterSettings)]
)
def test_every_supported_setting_is_a_field_and_every_field_a_setting(block, struct):
    assert set(struct.__struct_fields__) == block.supported.keys()


def test_parameters_of_ours_are_not_sent_to_the_provider():
    assert all(describes(name) for name in PARAMS.supported)
    assert not PARAMS.names & known.REQUEST.keys()


def test_prices_and_request_parameters_are_what_they_are_called():
    assert all(is_price(name) or name == "cost_per_ptu_per_hour" for name in known.PRICE_BASES)
    assert set(known.REQUEST.values()) <= KINDS.keys()


def test_every_provider_of_ours_but_a_few_is_one_of_litellm():
    own = {"aws_polly", "cartesia", "mock", "ollama_cloud", "writer"}
    assert {row.id for row in providers().values()} - own <= known.PROVIDERS


def test_the_documentation_has_the_table_as_it_is():
    assert updated(TEXT) == TEXT, "run: python -m headgate.server.config.reference docs/configuration.md"


def test_every_key_stands_in_the_documentation():
    for block in BLOCKS.values():
        assert {name for name in block.names if f"`{name}`" not in TEXT} == set()


def test_the_examples_of_the_documentation_load(tmp_path):
    whole, included, _own = EXAMPLES
    path = tmp_path / "config.yaml"
    path.write_text(whole, "utf-8")
    config = load(path, SET)
    assert config.warnings == ()
    assert len(config.models) == 5
    (tmp_path / "teams").mkdir()
    for name in ("models.yaml", "teams/models.yaml"):
        (tmp_path / name).write_text(
            "model_list: [{model_name: a, litellm_params: {model: mock/a}}]", "utf-8"
        )
    path.write_text(included, "utf-8")
    assert len(load(path, SET).models) == 2


def test_the_problems_in_the_documentation_read_as_they_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(
        dedent("""\
            model_list:
              - model_name: a
                litellm_params:
                  model: mock/a
                  weight: 1
                  rpm: ten

            general_settings:
              mastr_key: x

            litellm_settings:
              cache: true
            """)
    )
    for problem in check("config.yaml", {}):
        assert problem.text in TEXT
        assert f"config.yaml:{problem.line}:{problem.column}: {problem.severity}: {problem.path}" in TEXT


def test_a_row_of_the_model_list_has_three_keys():
    assert list(MODEL.supported) == ["model_name", "litellm_params", "model_info"]


@pytest.mark.parametrize(
    ("name", "near"),
    [("mastr_key", "master_key"), ("Master-Key", "master_key"), ("zzz", None), ("m" * 1000, None)],
)
def test_nearest(name, near):
    assert nearest(name, ["master_key", "completion_model"]) == near


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("api_bas", "api_base"),
        ("api_basee", "api_base"),
        ("api_bsae", "api_base"),
        ("api_bose", "api_base"),
        ("API_BASE", "api_base"),
        ("api_base", None),
        ("api_ba", None),
        ("top", None),
        ("xyz_base", None),
    ],
)
def test_one_edit_away(name, near):
    assert one_edit_away(name, ["api_base", "top_p"]) == near
