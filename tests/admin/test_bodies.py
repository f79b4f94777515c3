"""Whatever the body of a management request is, the answer is one that says what is wrong with it, or none."""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admin.conftest import Api
from headgate.server.routes import PAGES, Page

FIELDS = """model request_body call_type input_tokens output_tokens cache_read_input_tokens litellm_params mode
model_info credential_name credential_values credential_info display_name model_id credential_values_to_delete
num_requests_per_day api_key api_base messages input stream""".split()
WORDS = st.sampled_from(
    ["m", "made", "completion", "anthropic_messages", "embedding", "mock/echo", "*", "", "\0"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)
NAMED = st.fixed_dictionaries(
    {},
    optional={
        "model": WORDS,
        "call_type": WORDS,
        "credential_name": WORDS,
        "request_body": st.fixed_dictionaries({"model": st.just("m"), "messages": VALUES, "input": VALUES}),
        "litellm_params": st.fixed_dictionaries(
            {"model": WORDS}, optional={"api_base": VALUES, "rpm": VALUES}
        ),
        "input_tokens": st.integers(),
        "output_tokens": st.integers(0, 9),
    },
)
BODIES = (
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5)
    | NAMED
    | st.tuples(NAMED, st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=2)).map(
        lambda pair: {**pair[1], **pair[0]}
    )
)
PATHS = ("/credentials", "/cost/estimate", "/utils/transform_request", "/health/test_connection")
ASKED = [page for page in PAGES if page.path.startswith(PATHS) and page.method in ("POST", "PATCH")]


@pytest.mark.parametrize("page", ASKED, ids=lambda page: f"{page.method} {page.path}")
def test_no_body_is_a_failure_of_ours(api: Api, page: Page) -> None:
    api.post("/credentials", {"credential_name": "made", "credential_values": {"api_key": "k-1"}})
    path = re.sub(r"\{[^}]*\}", "made", page.path)

    @given(BODIES)
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(body: dict[str, Any]) -> None:
        status, found = api.ask(page.method, path, body)
        assert status in (200, 400, 404), (body, status, found)
        if status != 200:
            assert found["error"]["message"]

    ask()
