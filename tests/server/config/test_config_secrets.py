"""References to environment variables."""

import pytest

from headgate.server.config.document import parse
from headgate.server.config.load import check
from headgate.server.config.report import Report
from headgate.server.config.secrets import References

ENV = {"NAME": "value", "EMPTY": "", "NESTED": "${NAME}"}


def resolve(text: str, **options):
    report = Report()
    node = parse(f"a: {text}", "f", report)
    return References(ENV, report).value(node.entries["a"], "a", **options), report.problems


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("os.environ/NAME", "value"),
        ("${NAME}", "value"),
        ("'x-${NAME}-${NAME}'", "x-value-value"),
        ("${NAME:-other}", "value"),
        ("${NOT_SET:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("'${NOT_SET:-}'", ""),
        ("'[${EMPTY}]'", "[]"),
        ("'${NOT_SET:-http://h:1/v1}/x'", "http://h:1/v1/x"),
        ("$${NAME}", "${NAME}"),
        ("'pa$$word$NAME'", "pa$$word$NAME"),
        ("${NESTED}", "${NAME}"),
        ("[os.environ/NAME, {b: ['${NAME}']}, 1]", ["value", {"b": ["value"]}, 1]),
        ("12", 12),
    ],
)
def test_what_a_reference_becomes(text, value):
    assert resolve(text) == (value, [])


@pytest.mark.parametrize("text", ["os.environ/NOT_SET", "${NOT_SET}"])
def test_a_whole_value_that_is_not_set_counts_as_not_given(text):
    value, (problem,) = resolve(text)
    assert value is None
    assert problem.severity == "warning"
    assert "NOT_SET is not set" in problem.message


def test_empty_is_said_to_be_empty():
    assert "EMPTY is empty" in resolve("os.environ/EMPTY")[1][0].message


def test_a_required_one_is_an_error():
    assert resolve("os.environ/NOT_SET", required=True)[1][0].severity == "error"


def test_inside_of_a_text_it_is_an_error():
    _, (problem,) = resolve("'Bearer ${NOT_SET}'")
    assert problem.severity == "error"
    assert "NOT_SET is not set" in problem.message


def test_lists_and_mappings_lose_what_is_not_set():
    value, problems = resolve("[os.environ/NOT_SET, {a: os.environ/NOT_SET, b: null}, null]")
    assert value == [{"b": None}, None]
    assert [problem.path for problem in problems] == ["a[0]", "a[1].a"]


@pytest.mark.parametrize(
    "text", ["'${'", "'${}'", "'${1A}'", "'${A B}'", "'${A:+x}'", "os.environ/", "os.environ/A/v1"]
)
def test_what_is_no_reference_is_an_error(text):
    _, (problem,) = resolve(text)
    assert problem.severity == "error"


def test_os_environ_inside_of_a_text_is_a_warning():
    value, (problem,) = resolve("Bearer os.environ/NAME")
    assert (value, problem.severity) == ("Bearer os.environ/NAME", "warning")
    assert "${NAME}" in problem.message


def test_what_the_file_sets_goes_first():
    report = Report()
    references = References(ENV, report)
    references.over = {"NAME": "mine"}
    assert references.value(parse("os.environ/NAME", "f", report), "a") == "mine"
    assert references.env == {**ENV, "NAME": "mine"}


def test_a_name_that_a_variable_holds_is_not_shown(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "model_list: [{model_name: a, litellm_params: {model: openai/a}}]\n"
        "router_settings: {model_group_alias: {b: os.environ/OWN}}\n"
    )
    told = "\n".join(problem.message for problem in check(path, {"OWN": "Zebra-Lantern"}))
    assert "what its variable holds" in told
    assert "Zebra" not in told
