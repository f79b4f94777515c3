"""YAML → nodes: places, types, aliases, bounds and what is said of text that is no YAML."""

from contextlib import suppress

import pytest

from headgate.server.config.document import MAX_DEPTH, Mapping, Node, Scalar, Sequence, Unreadable, parse
from headgate.server.config.report import Report


def plain(node: Node | None):
    if isinstance(node, Mapping):
        return {name: plain(item) for name, item in node.entries.items()}
    return [plain(item) for item in node.items] if isinstance(node, Sequence) else node and node.value


def read(text: str):
    report = Report()
    value = plain(parse(text, "f.yaml", report))
    assert report.problems == []
    return value


def problem(text: str):
    report = Report()
    with suppress(Unreadable):
        parse(text, "f.yaml", report)
    assert len(report.problems) == 1, report.problems
    return report.problems[0]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1),
        ("0x1F", 31),
        ("1_000", 1000),
        ("-1.5", -1.5),
        ("1.0e-6", 1e-6),
        ("1e-6", "1e-6"),
        ("true", True),
        ("off", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("2024-10-21", "2024-10-21"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("!!int '12'", 12),
        ("!!float 1", 1.0),
        ("=", "="),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalars_have_the_types_of_yaml_and_dates_stay_text(written, value):
    found = read(f"a: {written}")["a"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_texts_as_they_are_written():
    assert read("{1: a, true: b, 2024-01-01: c, ~: d, on: e}") == {
        "1": "a",
        "true": "b",
        "2024-01-01": "c",
        "~": "d",
        "on": "e",
    }


def test_places_count_from_one():
    root = parse("a:\n  - b: c\n", "f.yaml", Report())
    inner = root.entries["a"].items[0]
    assert (inner.places["b"].line, inner.places["b"].column) == (2, 5)
    assert (inner.entries["b"].place.line, inner.entries["b"].place.column) == (2, 8)


def test_anchors_aliases_and_merge_keys():
    text = """
base: &base {a: 1, b: 2}
more: &more {b: 3, c: 4}
one: {<<: *base, b: 5}
two: {<<: [*base, *more]}
copy: *base
*text : x
"""
    assert read(text.replace("*text : x\n", "")) == {
        "base": {"a": 1, "b": 2},
        "more": {"b": 3, "c": 4},
        "one": {"b": 5, "a": 1},
        "two": {"a": 1, "b": 2, "c": 4},
        "copy": {"a": 1, "b": 2},
    }


def test_an_alias_may_be_a_key():
    assert read("a: &name key\n*name : 1\n") == {"a": "key", "key": 1}


def test_a_key_that_stands_twice_is_named_with_both_lines():
    found = problem("a: 1\nb: 2\na: 3\n")
    assert (found.line, found.path) == (3, "a")
    assert "first in line 1" in found.message


def test_a_key_of_its_own_goes_over_a_merged_one_without_a_word():
    assert read("x: &x {a: 1}\ny: {a: 2, <<: *x}")["y"] == {"a": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: *b", "not defined"),
        ("a: &a [*a]", "stands inside of what it repeats"),
        ("a: &a {b: *a}", "stands inside of what it repeats"),
        ("a: 1\n---\nb: 2\n", "second YAML document"),
        ("a: !!python/object:os.system x", "tag is not supported"),
        ("a: !mine [1]", "tags on collections"),
        ("a: !!int x", "does not fit its YAML tag"),
        ("? [a]\n: b", "must be a text"),
        ("? {a: b}\n: {c: d}", "must be a text"),
        ("a: {<<: 1}", "to merge"),
        ("a: .inf", "finite"),
        ("a: .nan", "finite"),
        (f"a: {'9' * 30}", "64 bits"),
        (f"a: {'9' * 5000}", "too long a number"),
        ("a: [1", "not valid YAML"),
        ("a: b: c", "quote a text"),
        ("\ta: b", "indent with spaces"),
        ("a: 'b", "not valid YAML"),
        ("%YAML 9.9\n---\na", "not valid YAML"),
        ("a: \x07", "does not allow"),
    ],
)
def test_what_can_not_be_read_is_one_problem(text, words):
    assert words in problem(text).text


def test_the_place_of_a_syntax_error_and_of_a_forbidden_character():
    assert (problem("a: 1\nb: [1\n").line) == 3
    found = problem("a: é\nb: \x07\n")
    assert (found.file, found.line) == ("f.yaml", 2)


def test_aliases_that_multiply_are_stopped():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert "more than" in problem("\n".join(lines)).text


def test_merge_keys_that_multiply_are_stopped():
    keys = ", ".join(f"k{i}: 1" for i in range(1000))
    merges = "\n".join(f"m{i}: {{<<: *a}}" for i in range(500))
    assert "more than" in problem(f"a: &a {{{keys}}}\n{merges}").text


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_stopped(opening):
    assert f"more than {MAX_DEPTH} levels" in problem(opening * 100_000).text


def test_deep_nesting_through_aliases_is_stopped():
    lines = ["a0: &a0 " + "[" * 40 + "]" * 40, "a1: " + "[" * 40 + "*a0" + "]" * 40]
    assert "levels deep" in problem("\n".join(lines)).text


def test_an_empty_document_is_none():
    assert parse("", "f", Report()) is None
    assert isinstance(parse("---\n", "f", Report()), Scalar)
