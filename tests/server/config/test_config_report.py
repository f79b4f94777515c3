"""What a terminal shows of problems, and what it never shows."""

import pytest

from headgate.server.config.load import check, load
from headgate.server.config.report import LIMIT, Place, Problem, Report, render, shown, shown_name
from headgate.server.config.schema import Config, GeneralSettings, ModelEntry


def problem(**fields) -> Problem:
    return Problem(**{"severity": "error", "message": "", "file": "c.yaml", **fields})


def test_problems_are_shown_in_the_order_of_the_file():
    text = render(
        [
            problem(line=9, column=1, path="b", message="is wrong", near="c", severity="warning"),
            problem(line=2, column=3, path="a", expected="a number", found="'x'"),
            problem(message="can't be read"),
            problem(file="other.yaml", line=1, column=1, message="is bad", expected="good"),
        ]
    )
    assert text.splitlines() == [
        "c.yaml: error: can't be read",
        "c.yaml:2:3: error: a: expected a number, found 'x'",
        "c.yaml:9:1: warning: b: is wrong",
        "    did you mean c?",
        "other.yaml:1:1: error: is bad; expected good",
    ]


def test_no_problems_are_no_text():
    assert render([]) == ""


def test_control_characters_never_reach_the_terminal(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        '"a\\x1b[31m\\n": 1\nmodel_list: [{model_name: "\\e[0m", litellm_params: {model: "\\e/x"}}]'
    )
    lines = render(check(path, {})).splitlines()
    assert all(line.isprintable() for line in lines)
    assert all(str(path) in line or line.startswith("    ") for line in lines)


@pytest.mark.parametrize(
    ("value", "path", "text"),
    [
        ("ten", "rpm", "'ten'"),
        (12, "x", "12"),
        (True, "x", "true"),
        (None, "x", "nothing"),
        ({"a": 1}, "x", "a mapping"),
        ([1], "x", "a list"),
        ("anything", "model_list[0].litellm_params.api_key", "a value that is not shown here"),
        (1234, "general_settings.master_key", "a value that is not shown here"),
        ("abc", "extra_headers.x", "a value that is not shown here"),
        ("sk-1", "rpm", "a text that is not shown here"),
        ("Bearer abc", "rpm", "a text that is not shown here"),
        ("https://user:pass@host", "api_base", "a text that is not shown here"),
        ("a1b2c3d4e5f6a7b8c9d0e1f2", "rpm", "a text that is not shown here"),
        ("x" * 50, "rpm", "a text that is not shown here"),
        ("ten", "max_tokens", "'ten'"),
        ("free", "input_cost_per_token", "'free'"),
    ],
)
def test_what_may_be_quoted(value, path, text):
    assert shown(value, path) == text


def test_keys_that_look_like_secrets_are_hidden():
    assert shown_name("sk-abcdef") == "«hidden»"
    assert shown_name("key_management_sytem") == "key_management_sytem"
    assert shown_name("input_cost_per_token_above_128k_tokens") == "input_cost_per_token_above_128k_tokens"
    assert len(shown_name("x" * 5000)) < 100


def test_problems_are_bounded_and_an_error_is_never_crowded_out():
    report = Report()
    for _ in range(LIMIT * 2):
        report.warning(Place("f"), "a", "x")
    report.error(Place("f"), "b", "y")
    assert len(report.problems) == LIMIT + 1
    assert report.failed


def test_a_file_full_of_unknown_keys_is_answered_soon(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("general_settings:\n" + "".join(f"  mystery_{i}: 1\n" for i in range(20_000)))
    assert len(check(path, {})) <= LIMIT + 1


def test_representations_name_fields_and_hide_values(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "model_list:\n  - model_name: a\n"
        "    litellm_params: {model: openai/a, api_key: hush-a, extra_headers: {x: hush-b}}\n"
        "general_settings: {master_key: hush-c-hush}\n"
        "credential_list: [{credential_name: c, credential_values: {api_key: hush-d}}]\n"
        "environment_variables: {A: hush-e}\n"
    )
    config = load(path, {})
    text = f"{config!r} {config.models!r} {config.general!r} {config}"
    assert "hush" not in text
    assert repr(config.general) == "GeneralSettings(master_key)"


def test_a_representation_says_what_is_given():
    assert (
        repr(GeneralSettings(master_key="x", always_include_stream_usage=False))
        == "GeneralSettings(master_key)"
    )
    assert repr(Config()) == "Config()"
    entry = ModelEntry(name="a", params={"model": "openai/a", "api_key": "x"}, file="f", line=3)
    assert repr(entry) == "ModelEntry('a', 'openai/a', f:3)"
