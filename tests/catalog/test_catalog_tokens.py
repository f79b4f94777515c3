"""The offline estimator: near enough on recorded traffic, and safe on anything."""

import hashlib
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recorded
from headgate.catalog import tokens

WIRE = recorded.ROOT
HIDDEN = ("response_format", "output_format", "output_config", "web_search_options", "plugins", "mcp_servers")


def _plain(messages: list[Any]) -> bool:
    """Text and tools only: what a picture costs is the provider's secret."""
    parts = [
        part
        for m in messages
        if isinstance(m, dict) and isinstance(m.get("content"), list)
        for part in m["content"]
    ]
    return all(
        isinstance(p, dict) and p.get("type") in ("text", "tool_use", "tool_result", "thinking")
        for p in parts
    )


def recorded() -> Iterator[tuple[str, list[Any], list[Any] | None, int, dict[str, Any]]]:
    for line in (WIRE / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["api"] not in ("chat", "messages") or entry["status"] != 200:
            continue
        exchange = json.loads((WIRE / entry["file"]).read_text())
        asked, answer = exchange["request"].get("body"), exchange["response"].get("body")
        if (
            not isinstance(asked, dict)
            or not isinstance(answer, dict)
            or not isinstance(answer.get("usage"), dict)
        ):
            continue
        messages, usage = asked.get("messages"), answer["usage"]
        if not isinstance(messages, list) or not _plain(messages) or any(asked.get(key) for key in HIDDEN):
            continue
        if entry["api"] == "messages":
            names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
            count = sum(usage.get(name) or 0 for name in names)
            messages = [{"role": "system", "content": asked.get("system") or ""}, *messages]
        else:
            count = usage.get("prompt_tokens") or 0
        if count:
            yield asked.get("model") or "", messages, asked.get("tools"), count, answer


@pytest.mark.skipif(not WIRE.is_dir(), reason="no recorded traffic beside the repository")
def test_the_median_error_on_recorded_traffic_is_bounded() -> None:
    errors, long, written = [], [], []
    for model, messages, tools, count, answer in recorded():
        error = abs(tokens.count_messages(messages, tools, model) - count) / count
        errors.append(error)
        if count > 200:
            long.append(error)
        text, output = _answer(answer)
        if text and output >= 20:
            written.append(abs(tokens.estimate(text) - output) / output)
    for what, found in (("prompts", errors), ("over 200 tokens", long), ("answers", written)):
        tail = statistics.quantiles(found, n=10)[-1]
        print(f"{what}: {len(found)}, error {statistics.median(found):.1%} in the median, p90 {tail:.1%}")
    assert len(errors) > 100
    assert statistics.median(errors) < 0.35
    assert statistics.median(long) < 0.30
    assert statistics.median(written) < 0.20


def _answer(reply: dict[str, Any]) -> tuple[str, int]:
    """The text and its tokens, where nothing else was written."""
    usage = reply["usage"]
    if "choices" not in reply:
        blocks = reply.get("content") or []
        text = "".join(block.get("text", "") for block in blocks)
        return (
            text if all(block.get("type") == "text" for block in blocks) else "",
            usage.get("output_tokens") or 0,
        )
    message = reply["choices"][0].get("message") or {}
    details = usage.get("completion_tokens_details") or {}
    hidden = [message.get(key) for key in ("tool_calls", "reasoning", "reasoning_content")]
    text = message.get("content")
    if any(hidden) or details.get("reasoning_tokens") or not isinstance(text, str):
        return "", 0
    return text, usage.get("completion_tokens") or 0


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("", 0, 0),
        ("a", 1, 1),
        ("The quick brown fox jumps over the lazy dog.", 8, 13),
        ("Der schnelle braune Fuchs springt über den faulen Hund.", 10, 20),
        ("敏捷的棕色狐狸跳过了懒狗", 8, 16),
        ("Быстрая коричневая лиса прыгает через ленивую собаку", 10, 30),
        ("def f(x):\n    return x ** 2 + 1\n", 8, 22),
        ("3.14159265358979323846", 6, 14),
        ("🎉🎉🎉", 2, 9),
    ],
)
def test_scripts_and_code_come_out_in_the_right_order(text: str, low: int, high: int) -> None:
    assert low <= tokens.estimate(text) <= high
    assert tokens.estimate(text.encode()) == tokens.estimate(text)


def test_media_in_json_count_as_media_and_not_as_text() -> None:
    picture = json.dumps([{"image_url": {"url": "data:image/png;base64," + "iVBORw0KGgo" * 20_000}}]).encode()
    source = json.dumps([{"source": {"type": "base64", "data": "iVBORw0KGgo" * 20_000}}]).encode()
    for raw in (picture, source):
        assert tokens.PER_MEDIA <= tokens.estimate_json(raw) < tokens.PER_MEDIA + 60
    assert tokens.estimate_json(b'{"data": "short", "more": "data"}') < 20


def test_escaped_text_counts_about_as_much_as_the_same_unescaped() -> None:
    text = "敏捷的棕色狐狸跳过了懒狗" * 20
    escaped, plain = json.dumps(text).encode(), json.dumps(text, ensure_ascii=False).encode()
    assert abs(tokens.estimate_json(escaped) / tokens.estimate_json(plain) - 1) < 0.6


def test_long_texts_are_sampled_and_come_out_alike() -> None:
    text = "The quick brown fox jumps over the lazy dog. 12345\n"
    assert abs(tokens.estimate(text * 5000) / (tokens.estimate(text * 100) * 50) - 1) < 0.1


def test_messages_count_text_calls_and_tools() -> None:
    hello = [{"role": "user", "content": "Hello there, how are you today?"}]
    parts = [{"role": "user", "content": [{"type": "text", "text": "Hello there, how are you today?"}]}]
    assert tokens.count_messages(hello) == tokens.count_messages(parts)
    called = [
        *hello,
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
    ]
    assert tokens.count_messages(called) > tokens.count_messages(hello)
    tool = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    assert tokens.count_messages(hello, tool, "gpt-4o") < tokens.count_messages(
        hello, tool, "claude-sonnet-4-5"
    )
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}]
    assert tokens.count_messages(image) >= tokens.PER_MEDIA
    assert tokens.count_messages([]) == 3


def test_the_newer_claude_vocabulary_is_finer() -> None:
    text = [{"role": "user", "content": "word " * 1000}]
    newer = tokens.count_messages(text, None, "anthropic/claude-haiku-5-5")
    assert newer / tokens.count_messages(text, None, "claude-haiku-4-5") == pytest.approx(1.3, abs=0.02)


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400) | st.text(max_size=400))
def test_any_text_has_a_count(data: str | bytes) -> None:
    assert (tokens.estimate(data) > 0) == bool(data)
    if isinstance(data, bytes):
        assert tokens.estimate_json(data) >= 0


@settings(max_examples=80, deadline=None)
@given(st.lists(json_values, max_size=4), st.none() | st.lists(json_values, max_size=2))
def test_any_messages_have_a_count(messages: Any, tools: Any) -> None:
    assert tokens.count_messages(messages, tools, "x") >= 3


@pytest.fixture
def tiktoken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A stand-in that counts words; the list names the vocabularies that were asked for."""
    asked: list[str] = []

    def get_encoding(name: str) -> Any:
        asked.append(name)
        return SimpleNamespace(encode_ordinary=str.split)

    monkeypatch.setitem(sys.modules, "tiktoken", SimpleNamespace(get_encoding=get_encoding))
    tokens._exact.cache_clear()
    yield asked
    tokens._exact.cache_clear()


@pytest.fixture
def ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder with a rank file for o200k_base."""
    (tmp_path / "ranks").write_bytes(b"IQ== 0")
    known = {**tokens._RANKS, "o200k_base": ("ranks", hashlib.sha256(b"IQ== 0").hexdigest())}
    monkeypatch.setattr(tokens, "_RANKS", known)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    return str(tmp_path)


SAID = [{"role": "user", "content": "one two three"}]


def test_tiktoken_counts_where_it_is_installed_and_has_its_ranks(tiktoken: list[str], ranks: str) -> None:
    assert tokens.count_messages(SAID, None, "openai/gpt-4o", ranks) == 3 + 4 + 3
    assert tokens.count_text("one two three", "gpt-4o-mini", ranks) == (3, True)
    assert set(tiktoken) == {"o200k_base"}


@pytest.mark.parametrize("model", ["gpt-4", "gpt-6-sol", "claude-opus-5", ""])
def test_a_model_without_ranks_or_with_an_unknown_vocabulary_is_estimated(
    tiktoken: list[str], ranks: str, model: str
) -> None:
    assert tokens.count_text("one two three", model, ranks) == (tokens.estimate("one two three"), False)
    assert tokens.count_messages(SAID, None, model, ranks) == tokens.count_messages(SAID, None, model)
    assert tiktoken == []


def test_tiktoken_is_not_asked_where_it_would_download(
    tiktoken: list[str], ranks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would delete a file with the wrong digest, and it looks only where its own variable says."""
    assert not tokens.count_text("one two", "gpt-4o", None).exact
    assert not tokens.count_text("one two", "gpt-4o", ranks + "/none").exact
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "/elsewhere")
    assert not tokens.count_text("one two", "gpt-4o", ranks).exact
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", ranks)
    tokens._exact.cache_clear()
    Path(ranks, "ranks").write_bytes(b"cut")
    assert not tokens.count_text("one two", "gpt-4o", ranks).exact
    assert tiktoken == []
    assert Path(ranks, "ranks").read_bytes() == b"cut"


def test_without_tiktoken_texts_are_estimated(
    tiktoken: list[str], ranks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    assert not tokens.count_text("one two", "gpt-4o", ranks).exact


def test_deep_nesting_is_no_recursion_error() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    assert tokens.count_messages([{"role": "user", "content": deep}]) >= 3
