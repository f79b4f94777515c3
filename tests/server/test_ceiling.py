"""The most that a call can cost: no usage within its bounds costs more, whatever the prices are."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import Raw

from headgate.catalog.lookup import Catalog
from headgate.core.deployment import Deployment
from headgate.money import UNITS, units
from headgate.server import ceiling as ceilings
from headgate.server.ceiling import BYTES_PER_TOKEN, DEFAULT_INPUT, DEFAULT_OUTPUT, TOOLS, Ceiling
from headgate.wire.ir import Usage

CATALOG = Catalog()
INPUT, OUTPUT = 3_000_000, 15_000_000
"""Units per token: three dollars and fifteen for a million."""
PRICES = {"input_cost_per_token": 3e-6, "output_cost_per_token": 15e-6}
_envelope = msgspec.json.Decoder(dict[str, Raw]).decode


def deployment(info: dict[str, Any] | None = None, **params: Any) -> Deployment:
    """Of a model that no catalog knows."""
    given = {"model": "openai/unheard-of", "api_key": "sk-1", **params}
    return Deployment("group", given, info, catalog=CATALOG, env={})


def ceiling(info: dict[str, Any] | None = None, **params: Any) -> Ceiling:
    return Ceiling([deployment(info, **{**PRICES, **params})])


def cost(of: Ceiling, **body: Any) -> int:
    data = json.dumps(body, separators=(",", ":")).encode()
    return of.cost(_envelope(data), data)


def size(**body: Any) -> int:
    return len(json.dumps(body, separators=(",", ":")))


# against the real cost

price = st.decimals(0, Decimal("0.01"), places=9).map(float) | st.sampled_from([1e-12, 3.7e-13, 0.0])
PARTS = (
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "cache_creation_input_token_cost_above_1hr",
    "output_cost_per_reasoning_token",
    "input_cost_per_audio_token",
    "output_cost_per_audio_token",
    "input_cost_per_image_token",
    "output_cost_per_image_token",
)
PLAIN = ("input_cost_per_token", "output_cost_per_token")
STEPS = ("", "_above_100_tokens", "_above_1k_tokens")
TIERS = ("", "_priority", "_flex", "_batches")


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    row: dict[str, Any] = {name: draw(price) for name in PLAIN}
    names = [name + step + tier for name in (*PLAIN, *PARTS) for step in STEPS for tier in TIERS]
    row.update(draw(st.dictionaries(st.sampled_from(names), price, max_size=12)))
    if draw(st.booleans()):
        row["input_cost_per_request"] = draw(price)
        row["search_context_cost_per_query"] = draw(price)
    return row


def split(draw: st.DrawFn, whole: int, count: int) -> list[int | None]:
    """Parts that together are at most the whole."""
    found: list[int | None] = []
    for _ in range(count):
        part = draw(st.none() | st.integers(0, whole))
        whole -= part or 0
        found.append(part)
    return found


@st.composite
def usages(draw: st.DrawFn, most_input: int, most_output: int) -> Usage:
    given, made = draw(st.integers(0, most_input)), draw(st.integers(0, most_output))
    read, written, heard, seen = split(draw, given, 4)
    reasoned, spoken, drawn = split(draw, made, 3)
    return Usage(
        input=given,
        output=made,
        cache_read=read,
        cache_write=written,
        cache_write_long=draw(st.none() | st.integers(0, written or 0)),
        reasoning=reasoned,
        audio_input=heard,
        audio_output=spoken,
        image_input=seen,
        image_output=drawn,
        web_searches=draw(st.sampled_from([None, 0, 1])),
    )


@given(st.lists(rows(), min_size=1, max_size=3), st.data())
def test_no_usage_within_its_bounds_costs_more(given: list[dict[str, Any]], data: st.DataObject) -> None:
    deployments = [deployment(**row) for row in given]
    body: dict[str, Any] = {"model": "group", "messages": ["x" * data.draw(st.integers(0, 2000))]}
    body["max_tokens"] = data.draw(st.integers(1, 3000))
    if data.draw(st.booleans()):
        body["n"] = data.draw(st.integers(1, 3))
    tiers = ["standard"]
    if data.draw(st.booleans()):
        body["service_tier"] = "auto"
        tiers += ["priority", "fast", "flex", "batch", "unheard-of"]
    usage = data.draw(usages(size(**body), body["max_tokens"] * body.get("n", 1)))
    sheet = data.draw(st.sampled_from(deployments)).sheet
    assume(sheet is not None)  # a price beyond reason is none
    real = sheet.total(usage, data.draw(st.sampled_from(tiers)))
    assert units(real) <= cost(Ceiling(deployments), **body)


# the bounds of the output


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 8}, 8),
        ({"max_tokens": 7, "max_completion_tokens": 8}, 8),
        ({"max_tokens": 8, "max_completion_tokens": 7}, 8),
        ({"max_tokens": 7, "n": 3}, 21),
        ({"max_tokens": 7, "n": None}, 7),
        ({"max_tokens": 7, "n": 2, "best_of": 5}, 35),
        ({"max_tokens": 7, "n": 0}, 7),
        ({"input": "x", "max_output_tokens": 9}, 9),
        ({"max_output_tokens": 9}, DEFAULT_OUTPUT),  # not a word of this dialect: nobody heeds it
        ({}, DEFAULT_OUTPUT),
        ({"n": 2}, 2 * DEFAULT_OUTPUT),
        ({"max_tokens": None}, DEFAULT_OUTPUT),
        ({"max_tokens": 0}, DEFAULT_OUTPUT),
        ({"max_tokens": -1}, DEFAULT_OUTPUT),  # no limit, for some
        ({"max_tokens": "7"}, DEFAULT_OUTPUT),
        ({"max_tokens": 7.5}, DEFAULT_OUTPUT),
        ({"max_tokens": [7]}, DEFAULT_OUTPUT),
        ({"max_tokens": 7, "additional_drop_params": ["max_tokens"]}, DEFAULT_OUTPUT),
    ],
)
def test_the_output_is_bounded_by_what_the_caller_allows(body: dict[str, Any], tokens: int) -> None:
    assert cost(ceiling(), **body) == size(**body) * INPUT + tokens * OUTPUT


def test_the_output_is_bounded_by_the_model_where_the_caller_does_not_say() -> None:
    limited = ceiling({"max_output_tokens": 100})
    assert cost(limited) == 2 * INPUT + 100 * OUTPUT
    assert cost(limited, n=2) == size(n=2) * INPUT + 200 * OUTPUT
    several = [deployment({"max_tokens": most}, **PRICES) for most in (10, 300, 20)]
    assert cost(Ceiling(several)) == 2 * INPUT + 300 * OUTPUT


@pytest.mark.parametrize(
    ("params", "tokens"),
    [
        ({"extra_body": {"max_tokens": 500}}, 500),  # goes over what the caller says
        ({"extra_body": {"max_tokens": 5}}, 7),
        ({"additional_drop_params": ["max_tokens"]}, DEFAULT_OUTPUT),
        ({"max_tokens": 500}, 7),  # a default: the caller has said something
    ],
)
def test_what_a_deployment_does_to_the_limit_counts(params: dict[str, Any], tokens: int) -> None:
    body = {"max_tokens": 7}
    assert cost(ceiling(**params), **body) == size(**body) * INPUT + tokens * OUTPUT


@pytest.mark.parametrize(
    "where", [{"service_tier": "priority"}, {"extra_body": {"service_tier": "priority"}}]
)
def test_a_deployment_s_own_tier_counts(where: dict[str, Any]) -> None:
    prices = {"input_cost_per_token_priority": 9e-6, "output_cost_per_token_priority": 30e-6}
    body = {"max_tokens": 7}
    assert cost(ceiling(**prices), **body) == size(**body) * INPUT + 7 * OUTPUT
    assert cost(ceiling(**prices, **where), **body) == size(**body) * 3 * INPUT + 14 * OUTPUT


# the bounds of the input


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "web_search_20250305", "name": "web_search"},
    ],
)
@pytest.mark.parametrize(("info", "tokens"), [({"max_input_tokens": 9000}, 9000), ({}, DEFAULT_INPUT)])
def test_what_is_not_in_the_body_is_bounded_by_the_window(
    part: dict[str, Any], info: dict[str, Any], tokens: int
) -> None:
    body = {"messages": [{"role": "user", "content": [part]}], "max_tokens": 1}
    assert cost(ceiling(info), **body) == tokens * INPUT + OUTPUT
    data = json.dumps(body).replace("image", "im\\u0061ge").encode()
    assert ceiling(info).cost(_envelope(data), data) == tokens * INPUT + OUTPUT


@pytest.mark.parametrize("tool", ["google_search", "googleSearch", "urlContext", "codeExecution"])
@pytest.mark.parametrize("part", [{}, {"file_data": {"file_uri": "https://x/y.pdf"}}, {"inlineData": {}}])
def test_google_s_tools_and_files_bring_what_is_not_in_the_body(tool: str, part: dict[str, Any]) -> None:
    tools = [] if part else [{tool: {}}]
    body = {"contents": [{"parts": [part]}], "tools": tools, "max_tokens": 1}
    assert cost(ceiling({"max_input_tokens": 9000}), **body) == 9000 * INPUT + OUTPUT


def test_pictures_beside_the_text_of_a_message_are_looked_for() -> None:
    body = {"messages": [{"role": "user", "content": "Hi", "images": ["abc"]}], "max_tokens": 1}
    assert cost(ceiling({"max_input_tokens": 9000}), **body) == 9000 * INPUT + OUTPUT


def test_words_about_files_are_only_words() -> None:
    body = {"messages": [{"content": 'an image, "file_path" and a document'}], "max_tokens": 1}
    assert cost(ceiling({"max_input_tokens": 9000}), **body) == size(**body) * INPUT + OUTPUT


def test_the_window_bounds_a_longer_body() -> None:
    body = {"messages": ["x" * 1000], "max_tokens": 1}
    assert cost(ceiling({"max_input_tokens": 100}), **body) == 100 * INPUT + OUTPUT


@pytest.mark.parametrize("name", ["tools", "functions"])
def test_tools_may_be_explained_to_the_model(name: str) -> None:
    body: dict[str, Any] = {name: [], "max_tokens": 1}
    assert cost(ceiling(), **body) == (size(**body) + TOOLS) * INPUT + OUTPUT


# what is not known


def test_without_a_price_nothing_is_held() -> None:
    assert cost(Ceiling([deployment()]), max_tokens=100) == 0
    assert cost(Ceiling([]), max_tokens=100) == 0


def test_the_dearest_deployment_counts() -> None:
    cheap = deployment(input_cost_per_token=1e-6, output_cost_per_token=1e-6)
    both = Ceiling([cheap, deployment(**PRICES), deployment()])
    assert cost(both, max_tokens=10) == cost(ceiling(), max_tokens=10)


# averages


def test_likely_costs_are_the_most_until_something_is_learned() -> None:
    learning, body = ceiling(), b'{"max_tokens":1000}'
    envelope = _envelope(body)
    assert learning.likely_cost(envelope, body) == learning.cost(envelope, body)
    learning.learn(100, 5_000)
    assert learning.likely_cost(envelope, body) == 5_000
    for _ in range(200):
        learning.learn(100, 7_000)
    assert learning.likely_cost(envelope, body) == 7_000


def test_tokens_are_guessed_by_length_and_by_what_answers_have_been() -> None:
    learning = ceiling()
    long = b'{"messages":"' + b"x" * 4000 + b'"}'
    envelope = _envelope(long)
    assert learning.tokens(envelope, long) == len(long) // BYTES_PER_TOKEN
    learning.learn(300, 0)
    assert learning.tokens(envelope, long) == len(long) // BYTES_PER_TOKEN + 300
    limited = b'{"max_tokens":7}'
    assert learning.tokens(_envelope(limited), limited) == len(limited) // BYTES_PER_TOKEN + 7
    assert UNITS * 3 // 10**6 == INPUT


@pytest.mark.parametrize("mark", ceilings._ELSEWHERE)
def test_a_hint_stands_for_every_mark(mark: bytes) -> None:
    assert any(hint in mark for hint in ceilings._HINTS)
