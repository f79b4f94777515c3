"""The command line as a user types it: help, checks, chats, tables, and what it says to a mistake."""

import io
import re
import socket
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import headgate
from headgate.catalog.lookup import Catalog
from headgate.cli.main import main
from servers import Upstream, running

GOOD = """
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: mock/echo
"""
BAD = """\
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: sk-1
      rpm: ten
  - model_name: other
    litellm_parms: {}
general_settings:
  mastr_key: sk-0123456789abcdef
litellm_settings:
  drop_parms: true
  cache: true
"""


class Terminal(io.BytesIO):
    """Input that comes from a keyboard."""

    def isatty(self) -> bool:
        return True


def run(*words: str, given: str | bytes | Terminal | None = None, **env: str | None) -> Result:
    """Nothing but an exit may leave a command: a traceback is a failure here."""
    result = CliRunner().invoke(main, words, input=given, env=env)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def commands() -> dict[str, click.Command]:
    return {name: main.commands[name] for name in sorted(main.commands)}


# help and version


@pytest.mark.parametrize("words", [["version"], ["--version"], ["-V"]])
def test_the_version_is_the_packages(words: list[str]) -> None:
    result = run(*words)
    assert (result.exit_code, result.output) == (0, f"headgate {headgate.__version__}\n")


@pytest.mark.parametrize("words", [["--help"], ["-h"], []])
def test_help_names_every_command_with_a_whole_sentence(words: list[str]) -> None:
    result = run(*words)
    assert result.exit_code == (0 if words else 2)
    for name in commands():
        line = re.search(rf"^  {name} +(.*)$", result.output, re.MULTILINE)
        assert line is not None and line[1].endswith("."), name
        assert not line[1].endswith("...")


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("name", commands())
def test_help_of_a_command_explains_each_option(name: str, flag: str) -> None:
    result = run(name, flag)
    assert result.exit_code == 0
    flat = " ".join(result.output.split())
    for param in commands()[name].params:
        if isinstance(param, click.Option):
            assert param.help
            assert all(spelling in flat for spelling in param.opts)
            assert " ".join(param.help.split()) in flat
        else:
            assert (param.name or "").upper() in flat
    assert max(map(len, result.output.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serv"], "No such command 'serv'"),
        (["--config", "config.yaml"], "No such option"),
        (["check"], "Missing argument 'CONFIG'."),
        (["check", "--strict", "a.yaml"], "--strict"),
        (["check", "a.yaml", "b.yaml"], "Got unexpected extra argument (b.yaml)"),
        (["chat", "--nope"], "--nope"),
        (["models", "--limit", "-1"], "Invalid value for '--limit': -1 is not in the range x>=0."),
        (["models", "--limit", "all"], "Invalid value for '--limit': 'all' is not"),
        (["serve", "--port", "http"], "Invalid value for '--port' / '-p': 'http' is not a valid integer."),
        (["serve", "--log-format", "xml"], "Invalid value for '--log-format'"),
        (["version", "now"], "Got unexpected extra argument (now)"),
    ],
)
def test_a_word_that_is_not_known_gets_the_usage(words: list[str], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Usage: headgate ")
    assert said in result.stderr
    assert "--help' for help." in result.stderr


# check


def test_a_good_file_is_good(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(GOOD)
    result = run("check", str(file))
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{file}: good\n", "")


def test_every_problem_is_named_with_its_place_and_the_nearest_key(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(BAD)
    result = run("check", str(file))
    assert (result.exit_code, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    for line, column, kind, text, near in (
        (
            6,
            12,
            "error",
            "model_list[0].litellm_params.rpm: expected a number of 0 or more, found 'ten'",
            None,
        ),
        (8, 5, "error", "model_list[1].litellm_parms: is not a key", "litellm_params"),
        (10, 3, "error", "general_settings.mastr_key: is not a key", "master_key"),
        (12, 3, "error", "litellm_settings.drop_parms: is not a key", "drop_params"),
        (13, 3, "warning", "litellm_settings.cache: ", None),
    ):
        at = [n for n, said in enumerate(lines) if said.startswith(f"{file}:{line}:{column}: {kind}: {text}")]
        assert len(at) == 1, (line, result.stderr)
        if near:
            assert lines[at[0] + 1].strip() == f"did you mean {near}?"
    assert re.search(r": \d errors, 1 warning$", lines[-1])
    assert "sk-0123456789abcdef" not in result.output


@pytest.mark.parametrize(
    ("text", "more"),
    [("litellm_settings: {cache: true}\n", "1 warning"), ("guardrails: []\nprompts: []\n", "2 warnings")],
)
def test_a_file_with_warnings_is_good(tmp_path: Path, text: str, more: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(GOOD + text)
    result = run("check", str(file))
    assert (result.exit_code, result.stdout) == (0, f"{file}: good, {more}\n")
    assert result.stderr.count("warning:") == int(more[0])


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("model_list: [\n  - a: b: c\n", ":2:", "this is not valid YAML"),
        ("model_list:\n\t- model_name: a\n", ":2:", "this is not valid YAML"),
        ("a: &a [*a]\n", ":1:", "error"),
        ("- a\n", ":1:", "expected a mapping"),
        ("a: 1\na: 2\n", ":2:", "error"),
    ],
)
def test_what_is_no_configuration_is_named_with_its_line(
    tmp_path: Path, text: str, place: str, said: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    result = run("check", str(file))
    assert result.exit_code == 1
    assert f"{file}{place}" in result.stderr
    assert said in result.stderr


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = run("check", str(tmp_path / "config.yaml"))
    assert result.exit_code == 1
    assert f"{tmp_path / 'config.yaml'}: error: can't read the file" in result.stderr
    assert "No such file" in result.stderr


@pytest.mark.parametrize("words", [["check"], ["serve", "--config"]])
def test_a_folder_is_no_configuration(tmp_path: Path, words: list[str]) -> None:
    result = run(*words, str(tmp_path))
    assert result.exit_code == 2
    assert f"'{tmp_path}' is a directory" in result.stderr


def test_a_variable_that_is_not_set_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(GOOD + "general_settings: {master_key: os.environ/NO_SUCH_KEY}\n")
    assert run("check", str(file)).exit_code == 1
    assert run("check", str(file), NO_SUCH_KEY="sk-a-long-and-good-key-0815").exit_code == 0


# serve, as far as it goes without serving


@pytest.mark.parametrize("text", [BAD, "model_list: ["])
def test_a_gateway_does_not_start_with_a_bad_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    result = run("serve", "--config", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{file}:" in result.stderr


def test_a_gateway_without_a_key_does_not_listen_to_everybody() -> None:
    result = run("serve", "--host", "0.0.0.0", LITELLM_MASTER_KEY=None)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "LITELLM_MASTER_KEY" in result.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_is_named_and_nobody_is_greeted(workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("serve", "--port", port, "--workers", workers, LITELLM_MASTER_KEY=None)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"can't listen on 127.0.0.1:{port}: " in result.stderr
    assert result.stderr.endswith("; --port chooses another\n")


# models


@pytest.mark.parametrize("pattern", ["claude-sonnet-4-5", "CLAUDE-Sonnet-4-5"])
def test_models_are_found_by_a_part_of_their_name(pattern: str) -> None:
    result = run("models", pattern)
    assert result.exit_code == 0
    head, *rows = result.output.splitlines()
    assert head.split() == ["model", "provider", "mode", "context", "$/M", "in", "$/M", "out"]
    assert ["claude-sonnet-4-5", "anthropic", "chat", "200,000", "3", "15"] in [row.split() for row in rows]
    assert all("claude-sonnet-4-5" in row.lower() for row in rows)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("gpt4o", "No model with 'gpt4o' in its name. Did you mean gpt-4o?\n"),
        ("[bold]", "No model with '[bold]' in its name.\n"),
        ("xyzzy-nothing", "No model with 'xyzzy-nothing' in its name.\n"),
    ],
)
def test_no_hit_says_so(pattern: str, said: str) -> None:
    result = run("models", pattern)
    assert (result.exit_code, result.output) == (1, said)


def test_names_are_whole_where_nobody_looks() -> None:
    shown = {line.split()[0] for line in run("models", "--limit", "0").output.splitlines()[1:]}
    assert shown == {name.split()[0] for name in Catalog().names()}


@pytest.mark.parametrize(("limit", "rows"), [("1", 1), ("7", 7), (None, 40)])
def test_a_long_list_is_cut_and_says_so(limit: str | None, rows: int) -> None:
    result = run("models", *(["--limit", limit] if limit else []))
    table, _, more = result.output.partition("\n\n")
    assert len(table.splitlines()) == rows + 1
    assert more == f"{len(Catalog().names()) - rows} more: --limit 0 shows all.\n"


# chat


@pytest.mark.parametrize("text", ["Hello, Headgate!", "Two lines,\n\nand an empty one.", "Grüße, 世界 🎉"])
def test_what_is_piped_in_is_one_message(text: str) -> None:
    result = run("chat", "mock/echo", given=text + "\n")
    assert (result.exit_code, result.stdout, result.stderr) == (0, text + "\n", "")


def test_a_message_may_be_an_option() -> None:
    result = run("chat", "-m", "Hello", given="not this")
    assert (result.exit_code, result.stdout) == (0, "Hello\n")
    assert run("chat", "mock/echo", "--message", "").exit_code == 0


def test_bytes_that_are_no_text_are_asked_all_the_same() -> None:
    result = run("chat", "mock/echo", given=b"a\xff\xfeb")
    assert (result.exit_code, result.stdout) == (0, "a\ufffd\ufffdb\n")


@pytest.mark.parametrize("given", ["", "\n", " \n\n"])
def test_an_empty_pipe_is_no_question(given: str) -> None:
    result = run("chat", "mock/echo", given=given)
    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        "",
        "Nothing to ask: the input is empty.\n",
    )


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("nonsense/model", "LLM Provider NOT provided: model 'nonsense/model' names no provider"),
        ("opnai/gpt-4o", "Did you mean 'openai'?"),
        ("openai/gpt-4o", "no API key for OpenAI: set OPENAI_API_KEY, or give api_key"),
        ("mock/error-401", "this model answers with an error on demand"),
    ],
)
def test_a_question_that_fails_says_why(model: str, said: str) -> None:
    result = run(
        "chat", model, given="Hello", OPENAI_API_KEY=None, OPENAI_BASE_URL=None, OPENAI_API_BASE=None
    )
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_conversation_goes_on_until_an_empty_line() -> None:
    result = run("chat", given=Terminal(b"Hello\nAnd now?\n\nnever asked\n"))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Talking to mock/echo. An empty line or Ctrl-D ends it.",
        "you> Hello",
        "Hello",
        "you> And now?",
        "And now?",
        "you> ",
    ]


def test_a_conversation_ends_with_its_input() -> None:
    result = run("chat", "mock/echo", given=Terminal(b"Hello\n"))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:3] == ["you> Hello", "Hello"]


def test_a_conversation_survives_an_error() -> None:
    result = run("chat", "mock/error-400", given=Terminal(b"Hello\nAgain\n\n"))
    assert result.exit_code == 0
    assert result.stderr.count("this model answers with an error on demand") == 2


def test_a_conversation_with_nobody_does_not_begin() -> None:
    result = run("chat", "nonsense/model", given=Terminal(b"Hello\n"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "LLM Provider NOT provided" in result.stderr


def test_a_conversation_is_remembered_without_what_failed() -> None:
    upstream = Upstream()
    try:
        upstream.script = lambda body: [_answer(body)]
        result = run(
            "chat", "openai/gpt-4o", "--system", "Be brief.", "--api-base", upstream.base, "--api-key", "sk-mine",
            given=Terminal(b"One\nfail\nTwo\n\n"),
        )  # fmt: skip
        last = upstream.requests[-1]
    finally:
        upstream.stop()
    assert result.exit_code == 0
    assert "no such thing" in result.stderr
    assert last[1]["authorization"] == "Bearer sk-mine"
    for text in (b"Be brief.", b"One", b"Heard.", b"Two"):
        assert text in last[2]
    assert b"fail" not in last[2]


def _answer(body: bytes) -> bytes:
    if b'"fail"' in body:
        refused = b'{"error": {"message": "no such thing"}}'
        return b"HTTP/1.1 400 X\r\ncontent-length: %d\r\n\r\n" % len(refused) + refused
    chunk = (
        b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m",'
        b'"choices":[{"index":0,"delta":{"content":"Heard."},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )
    return b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + chunk


def test_a_gateway_may_be_talked_to(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "model_list": [{"model_name": "mine", "litellm_params": {"model": "mock/echo"}}],
        "general_settings": {"master_key": "sk-a-long-and-good-key-0815"},
    }
    with running(config, tmp_path) as gateway:
        address = ["--api-base", f"http://127.0.0.1:{gateway.port}/v1"]
        key = ["--api-key", "sk-a-long-and-good-key-0815"]
        good = run("chat", "openai/mine", *address, *key, given="Hello")
        bad = run("chat", "openai/mine", *address, "--api-key", "sk-wrong", given="Hello")
    assert (good.exit_code, good.stdout) == (0, "Hello\n")
    assert (bad.exit_code, bad.stdout) == (1, "")
    assert "sk-wrong" not in bad.stderr
