"""Files that a configuration is made of: includes, and what is no file or no configuration."""

from pathlib import Path

import pytest
from written import ENV, ROW

from headgate.server.config.load import check, load
from headgate.server.config.report import ConfigError


def test_includes_extend_lists_and_go_over_settings_key_by_key(write):
    root = write("""\
        include: [sub/more.yaml]
        model_list: [{model_name: a, litellm_params: {model: openai/a}}]
        general_settings: {master_key: sk-kept-from-main, max_request_size_mb: 1}
        """)
    root.parent.joinpath("sub").mkdir()
    write("include: [leaf.yaml]\ngeneral_settings: {max_request_size_mb: 2}\n", "sub/more.yaml")
    write("model_list: [{model_name: b, litellm_params: {model: openai/b}}]\n", "sub/leaf.yaml")
    config = load(root, ENV)
    assert [entry.name for entry in config.models] == ["a", "b"]
    assert config.models[1].file.endswith("leaf.yaml")
    assert (config.general.master_key, config.general.max_request_size_mb) == ("sk-kept-from-main", 2)
    assert [Path(file).name for file in config.files] == ["config.yaml", "more.yaml", "leaf.yaml"]


def test_problems_of_an_included_file_name_that_file(write):
    write("model_list: [{model_name: a, litellm_params: {model: openai/a, rpm: x}}]", "more.yaml")
    (problem,) = check(write("include: [more.yaml]"), ENV)
    assert Path(problem.file).name == "more.yaml"
    assert problem.line == 1


def test_includes_in_a_circle_are_named(write):
    write("include: config.yaml", "more.yaml")
    found = check(write(ROW + "include: [more.yaml]"), ENV)
    assert [p.message for p in found if p.severity == "error"] == [
        "the file 'config.yaml' includes itself: config.yaml → more.yaml → config.yaml"
    ]


def test_a_file_included_twice_or_missing(write):
    write(ROW, "more.yaml")
    found = check(write("include:\n  - more.yaml\n  - more.yaml\n  - gone.yaml\n  - [x]\n"), ENV)
    assert [(p.line, p.severity) for p in found] == [(3, "error"), (4, "error"), (5, "error")]
    assert "No such file" in found[1].message


@pytest.mark.parametrize("name", ["nothing.yaml", ".", "a\0b"])
def test_a_path_that_is_no_file_is_one_problem(tmp_path, name):
    (problem,) = check(str(tmp_path / name), {})
    assert problem.severity == "error"
    with pytest.raises(ConfigError):
        load(str(tmp_path / name), {})


def test_a_file_that_is_not_utf8_is_named_with_its_line(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_bytes(b"a: b\nc: \xff\n")
    (problem,) = check(path, {})
    assert (problem.line, problem.column) == (2, 4)


def test_a_byte_order_mark_is_nothing(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + ROW.encode())
    assert load(path, ENV).models


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null"])
def test_an_empty_file_is_a_warning(only, text):
    assert only(text).severity == "warning"


@pytest.mark.parametrize("text", ["[]", "text", "12", "- model_list"])
def test_a_root_that_is_no_mapping(only, text):
    problem = only(text)
    assert problem.severity == "error"
    assert "expected a mapping" in problem.text


def test_every_block_may_be_empty(problems):
    blocks = "litellm_settings general_settings router_settings environment_variables credential_list".split()
    assert problems(ROW + "".join(f"{name}:\n" for name in blocks)) == []


def test_every_block_of_the_wrong_shape_is_an_error(problems):
    wrong = (
        "model_list: 1",
        "litellm_settings: []",
        "general_settings: x",
        "environment_variables: []",
        "include: {}",
    )
    found = problems("\n".join(wrong))
    assert [(p.severity, p.line) for p in found] == [("error", line) for line in range(1, 6)]
