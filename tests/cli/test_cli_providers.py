"""`headgate providers`: the table, one row in full, and both as JSON."""

import json

import pytest
from click.testing import CliRunner, Result

from headgate.cli.main import main
from headgate.providers.rows import ROWS


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["providers", *words])


def test_the_table_has_every_provider() -> None:
    head, *rows = run().output.splitlines()
    assert head.split() == ["provider", "name", "operations", "key", "tested"]
    assert sorted(row.split()[0] for row in rows) == sorted(row.id for row in ROWS)
    (groq,) = [row for row in rows if row.startswith("groq ")]
    assert "GROQ_API_KEY" in groq
    assert groq.endswith("recorded traffic")


def test_one_row_in_full() -> None:
    said = run("groq").output
    for part in (
        "groq: Groq",
        "https://api.groq.com/openai/v1/chat/completions",
        "GROQ_API_BASE",
        "recorded traffic: chat",
        "logprobs, logit_bias, top_logprobs",
        "n: 1",
    ):
        assert part in said


def test_an_alias_names_its_row_and_model_rules_are_shown() -> None:
    said = run("azure_openai").output
    assert said.startswith("azure: Azure OpenAI")
    assert "{api_base}/openai/deployments/{model}/chat/completions?api-version={api_version}" in said
    assert "AZURE_AD_TOKEN" in said
    assert "max_tokens → max_completion_tokens" in said


def test_flags_are_shown() -> None:
    assert "flatten         yes" in run("heroku").output
    assert "tool_strict     no" in run("xai").output


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_row_can_be_shown(row: object) -> None:
    name = row.id  # type: ignore[attr-defined]
    result = run(name, "--json")
    assert result.exit_code == 0
    found = json.loads(result.output)
    assert (found["id"], sorted(found["addresses"])) == (name, sorted(found["operations"]))
    assert run(name).exit_code == 0


def test_all_as_json() -> None:
    found = {row["id"]: row for row in json.loads(run("--json").output)}
    assert found["zai"]["quirks"][""]["clamp"] == {"temperature": [0.0, 1.0]}
    assert found["zai"]["recorded"] == ["chat"]
    assert found["snowflake"]["other_env"] == ["SNOWFLAKE_ACCOUNT_ID", "SNOWFLAKE_PAT"]
    assert {row["tested"] for row in found.values()} == {
        "recorded traffic",
        "documented shape",
        "untried",
        "itself",
    }


def test_a_name_that_is_misspelt() -> None:
    result = run("groqq")
    assert result.exit_code == 1
    assert "Did you mean groq?" in result.output
