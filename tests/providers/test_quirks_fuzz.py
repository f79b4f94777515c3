"""Quirks on values that nobody foresaw: what can't be read is sent as it is, or refused by name; nothing else."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from headgate.errors import UnsupportedParamsError
from headgate.providers.base import Provider, Quirks
from headgate.providers.quirks import plan, run
from servers import KEY, RunningGateway, Upstream, running

KEYS = (
    *("n", "messages", "tools", "tool_choice", "temperature", "response_format"),
    *("stop", "seed", "user", "top_p", "stream", "reasoning_effort"),
)
ROW = Provider(
    id="own",
    name="Own",
    quirks=Quirks(
        rename={"seed": "random"},
        refuse=("stop",),
        drop=("user",),
        only={"n": (1,), "response_format.type": ("text",)},
        clamp={"temperature": (0.0, 1.0)},
        values={"tool_choice": {'"required"': "any"}},
        flatten=True,
        drop_null=True,
        strip_message=("name",),
        roles={"developer": "system"},
        tool_strict=False,
        strip_schema=("strict", "name"),
        rename_text={"response_format": "format"},
        unstreamed={"enable_thinking": False},
        effort="medium",
        reasoning={"top_p": 1},
    ),
)
PLAN = plan(ROW, "m")
UNREADABLE = [
    b"1e999",
    b'"\\ud800"',
    b'[{"role":"\\udfff"}]',
    b'{"type":"\\ud800"}',
    b"[" * 5000 + b"]" * 5000,
]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "name", "type", "text", "function", "parameters", "properties", "strict"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def encoded(body: dict[str, Any]) -> dict[str, Raw]:
    return {key: Raw(json.dumps(value).encode()) for key, value in body.items()}


@given(st.dictionaries(st.sampled_from(KEYS), values), st.booleans())
def test_any_value_is_sent_or_refused_by_name(body: dict[str, Any], drop: bool) -> None:
    envelope = encoded(body)
    try:
        dropped = run(PLAN, envelope, ROW, drop)
    except UnsupportedParamsError as error:
        assert not drop
        assert error.param in body
        return
    sent = msgspec.json.decode(msgspec.json.encode(envelope))
    assert set(dropped) <= body.keys()
    assert not {"stop", "user", "seed"} & sent.keys()
    assert sent.get("n") in (None, 1)


@given(st.dictionaries(st.sampled_from(KEYS), values))
def test_what_was_edited_stays_as_it_is_when_it_is_edited_again(body: dict[str, Any]) -> None:
    envelope = encoded(body)
    run(PLAN, envelope, ROW, True)
    once = {key: bytes(value) for key, value in envelope.items()}
    assert run(PLAN, envelope, ROW, True) == []
    assert {key: bytes(value) for key, value in envelope.items()} == once


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("raw", UNREADABLE, ids=["size", "text", "role", "type", "depth"])
def test_what_the_scan_does_not_notice_is_the_providers_to_refuse(key: str, raw: bytes) -> None:
    envelope = {key: Raw(raw)}
    run(PLAN, envelope, ROW, True)
    added = envelope.pop("enable_thinking")
    assert bytes(added) == b"false"
    assert all(bytes(value) in (raw, b"1.0") for value in envelope.values())


@pytest.mark.parametrize("depth", [5, 900, 5000])
def test_a_deep_schema_is_sent(depth: int) -> None:
    schema = '{"items":' * depth + '{"name":1}' + "}" * depth
    raw = f'[{{"function":{{"parameters":{schema}}}}}]'.encode()
    envelope = {"tools": Raw(raw)}
    run(PLAN, envelope, ROW, True)
    assert bytes(envelope["tools"]) in (raw, raw.replace(b'{"name":1}', b"{}"))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningGateway, Upstream]]:
    upstream = Upstream()
    row = {"model": "groq/*", "api_base": upstream.base, "api_key": "k"}
    config = {
        "model_list": [{"model_name": "groq/*", "litellm_params": row}],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"num_retries": 0},
    }
    with running(config, tmp_path_factory.mktemp("quirks")) as served:
        yield served, upstream
    upstream.stop()


@pytest.mark.parametrize(
    "part",
    [
        b'"n": 1e999',
        b'"metadata": {"x": 1e999}',
    ],
)
def test_the_provider_is_asked_all_the_same(gateway: tuple[RunningGateway, Upstream], part: bytes) -> None:
    served, upstream = gateway
    upstream.reply(400, {"content-type": "application/json"}, b'{"error": {"message": "unreadable"}}')
    body = b'{"model": "groq/m", "messages": [], ' + part + b"}"
    status, _, data = served.request("/v1/chat/completions", body)
    assert (status, json.loads(data)["error"]["message"][-10:]) == (400, "unreadable")
