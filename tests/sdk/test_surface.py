"""The names of the package, and what importing it costs."""

import subprocess
import sys
import warnings

import pytest

import headgate

_HEAVY = ("uvicorn", "starlette", "yaml", "openai", "pydantic", "prometheus_client")


def test_the_public_names_are_sorted_and_there_once() -> None:
    assert headgate.__all__ == sorted(set(headgate.__all__))
    assert dir(headgate) == headgate.__all__


@pytest.mark.parametrize("name", headgate.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(headgate, name) is not None


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'complete'"):
        headgate.complete  # noqa: B018


@pytest.mark.parametrize("setting", ["drop_params", "num_retries", "request_timeout", "openai_key"])
def test_settings_have_defaults(setting: str) -> None:
    assert getattr(headgate, setting) is None


@pytest.mark.parametrize("work", ["", "headgate.completion('mock/echo', [{'role': 'user', 'content': 'a'}])"])
def test_neither_import_nor_a_call_loads_what_it_does_not_need(work: str) -> None:
    code = f"import sys, headgate\n{work}\nprint(sorted(set({_HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["success_callback", "cache", "model_alias_map"])
def test_a_setting_without_effect_is_not_set_in_silence(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.warns(UserWarning, match=f"headgate.{name} is a setting of LiteLLM's that has no effect"):
        setattr(headgate, name, ["x"])
    delattr(headgate, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.setattr(headgate, name, None, raising=False)
        monkeypatch.setattr(headgate, "drop_params", True, raising=False)


def test_the_modules_that_programs_import_from() -> None:
    from headgate.router import RetryPolicy, Router
    from headgate.utils import CustomStreamWrapper, ModelResponse, token_counter, trim_messages

    assert (Router, RetryPolicy) == (headgate.Router, headgate.RetryPolicy)
    assert (token_counter, trim_messages) == (headgate.token_counter, headgate.trim_messages)
    assert headgate.utils.ModelResponse is ModelResponse is headgate.ModelResponse
    assert CustomStreamWrapper is headgate.CustomStreamWrapper
