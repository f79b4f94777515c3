"""Start settings: command line, HEADGATE_*, LiteLLM's variables, defaults."""

from pathlib import Path

import pytest

from headgate.server.config.report import ConfigError
from headgate.server.config.settings import default_data_dir, start_settings

HOME = {"HOME": "/home/me"}


def test_defaults():
    settings = start_settings({}, HOME)
    assert (settings.host, settings.port, settings.workers, settings.config) == (None, 4000, 1, None)
    assert settings.data_dir == Path("/home/me/.local/share/headgate")
    assert (settings.log_format, settings.log_level, settings.root_path) == (None, "info", "")
    assert (settings.sources, settings.warnings) == ({}, ())


def test_litellm_variables_are_honoured():
    env = {
        "HOST": "10.0.0.1",
        "PORT": "8080",
        "NUM_WORKERS": "3",
        "CONFIG_FILE_PATH": "/etc/c.yaml",
        "JSON_LOGS": "True",
        "LITELLM_LOG": "WARN",
        "KEEPALIVE_TIMEOUT": "30",
        "SERVER_ROOT_PATH": "/llm/",
        "SSL_KEYFILE_PATH": "/k.pem",
        "SSL_CERTFILE_PATH": "/c.pem",
    }
    settings = start_settings({}, HOME | env)
    assert (settings.host, settings.port, settings.workers) == ("10.0.0.1", 8080, 3)
    assert (settings.config, settings.log_format, settings.log_level) == (
        Path("/etc/c.yaml"),
        "json",
        "warning",
    )
    assert (settings.keepalive_timeout, settings.root_path) == (30.0, "/llm")
    assert (settings.ssl_keyfile, settings.ssl_certfile) == (Path("/k.pem"), Path("/c.pem"))
    assert settings.sources["port"] == "PORT"


def test_the_command_line_goes_first_then_our_variables():
    env = HOME | {"PORT": "1", "HEADGATE_PORT": "2", "HEADGATE_LOG_FORMAT": "text", "JSON_LOGS": "1"}
    assert start_settings({"port": None}, env).port == 2
    settings = start_settings({"port": 3, "data_dir": Path("/data")}, env)
    assert (settings.port, settings.data_dir, settings.log_format) == (3, Path("/data"), "text")
    assert settings.sources["port"] == "--port"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "http", "a port"),
        ("PORT", "70000", "a port"),
        ("PORT", "-1", "a port"),
        ("PORT", "1e400", "a port"),
        ("NUM_WORKERS", "0", "a number of processes"),
        ("NUM_WORKERS", "1.5", "a number of processes"),
        ("HOST", "http://h", "a host name"),
        ("LITELLM_LOG", "DEBG", "one of debug"),
        ("JSON_LOGS", "maybe", "text or json"),
        ("SERVER_ROOT_PATH", "llm", "begins with /"),
        ("KEEPALIVE_TIMEOUT", "0", "above 0"),
        ("KEEPALIVE_TIMEOUT", "nan", "above 0"),
        ("HEADGATE_DATA_DIR", "a\0b", "a folder"),
        ("SSL_KEYFILE_PATH", "/k.pem", "go together"),
    ],
)
def test_bad_values_are_named(name, value, words):
    with pytest.raises(ConfigError) as caught:
        start_settings({}, HOME | {name: value})
    (problem,) = caught.value.problems
    assert (problem.file, problem.path) == ("environment", name)
    assert words in problem.text


def test_a_bad_option_is_named_as_it_is_typed():
    with pytest.raises(ConfigError, match=r"command line: error: --port: expected a port .*, found 'x'"):
        start_settings({"port": "x"}, HOME)


def test_the_nearest_log_level_is_named():
    with pytest.raises(ConfigError, match="did you mean debug"):
        start_settings({}, HOME | {"LITELLM_LOG": "debgu"})


def test_all_bad_values_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        start_settings({}, HOME | {"PORT": "x", "NUM_WORKERS": "y"})
    assert [problem.path for problem in caught.value.problems] == ["PORT", "NUM_WORKERS"]


def test_variables_without_effect_are_named_without_their_values():
    settings = start_settings({}, HOME | {"DATABASE_HOST": "hush", "UI_PASSWORD": "h"})
    assert [problem.path for problem in settings.warnings] == ["DATABASE_HOST", "UI_PASSWORD"]
    assert "hush" not in str(settings.warnings)


@pytest.mark.parametrize(
    ("env", "platform", "folder"),
    [
        (HOME, "linux", "/home/me/.local/share/headgate"),
        (HOME | {"XDG_DATA_HOME": "/data"}, "linux", "/data/headgate"),
        (HOME | {"XDG_DATA_HOME": "relative"}, "linux", "/home/me/.local/share/headgate"),
        (HOME, "darwin", "/home/me/Library/Application Support/headgate"),
        ({"LOCALAPPDATA": "/l"}, "win32", "/l/headgate"),
        ({"USERPROFILE": "/u"}, "win32", "/u/AppData/Local/headgate"),
    ],
)
def test_the_data_folder_is_the_platforms(env, platform, folder):
    assert default_data_dir(env, platform) == Path(folder)


def test_without_a_home_a_data_folder_must_be_given():
    with pytest.raises(ConfigError, match="--data-dir"):
        start_settings({}, {})
    assert start_settings({"data_dir": "/data"}, {}).data_dir == Path("/data")
