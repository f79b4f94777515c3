"""Records of calls for tests: a short way to make some, and a strategy that makes them of all kinds."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from headgate.store.ledger import Record

NOON = 1_795_262_400.0
"""2026-11-21 12:00 UTC."""
DAY = 86_400.0
several = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""For tests that have a database: each example empties it first."""


def record(number: int | str = 1, **given: Any) -> Record:
    ended = given.pop("ended", NOON)
    fields: dict[str, Any] = {
        "id": f"call-{number}",
        "started": ended - 1,
        "first_token": None,
        "ended": ended,
        "key": "k1",
        "model": "gpt",
        "model_group": "gpt",
        "provider": "openai",
        "upstream_model": "gpt-4o",
        "operation": "chat",
        "dialect": "openai_chat",
        "status": 200,
        "cost": 1_000_000,
    }
    return Record(**{**fields, **given})


def maybe(*values: str) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(values)


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
counts = st.integers(0, 10**9)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
kinds = ("cache_read", "cache_write", "reasoning", "audio_input")


@st.composite
def anything(draw: st.DrawFn) -> Record:
    ended = draw(st.integers(int(NOON - 3 * DAY), int(NOON + DAY))) + 0.5
    return Record(
        id=draw(st.uuids()).hex,
        started=ended - draw(st.integers(0, 3600)),
        first_token=draw(st.none() | st.just(ended - 0.25)),
        ended=ended,
        key=draw(st.sampled_from(["k1", "k2", ""])),
        user_id=draw(maybe("u1", "u2")),
        team_id=draw(maybe("t1", "t2")),
        organization_id=draw(maybe("o1")),
        customer=draw(maybe("c1", "c2", "ü", "")),
        tags=draw(st.none() | st.lists(st.sampled_from(["a", "b", "c"]), unique=True, max_size=3).map(tuple)),
        model=draw(st.sampled_from(["gpt", "claude"])),
        model_group=draw(maybe("gpt", "other")),
        deployment=draw(maybe("d1")),
        provider=draw(maybe("openai", "anthropic")),
        upstream_model=draw(maybe("gpt-4o")),
        operation="chat",
        dialect="openai_chat",
        status=draw(st.sampled_from([200, 400, 499, 500])),
        error=draw(maybe("RateLimitError")),
        input_tokens=draw(counts),
        output_tokens=draw(counts),
        tokens=draw(st.none() | st.dictionaries(st.sampled_from(kinds), counts, max_size=4)),
        usage_from=draw(maybe("provider", "estimated")),
        cost=draw(st.none() | st.integers(0, 10**15)),
        cause=draw(st.sampled_from(["first", "retry", "fallback"])),
        attempts=draw(st.integers(0, 5)),
        fallbacks=draw(st.integers(0, 3)),
        client=draw(maybe("10.0.0.1")),
        session=draw(maybe("s")),
        metadata=draw(values),
        request=draw(values),
        response=draw(values),
    )
