"""Anything at all in a file: no exception but ConfigError, and no secret in what is said."""

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.server.config.keys import BLOCKS
from headgate.server.config.load import check, load
from headgate.server.config.report import ConfigError, render

HUSH = "sk-hush7Zq0Xw9Kd2Mv5Tb8"
FROM_ENV = "Zebra-Lantern"
ENV = {"SECRET": FROM_ENV, "EMPTY": ""}

KEYS = sorted({name for block in BLOCKS.values() for name in block.names})
SECRET_KEYS = [
    "api_key",
    "master_key",
    "azure_ad_token",
    "client_secret",
    "extra_headers",
    "credential_values",
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        [
            HUSH,
            f"x {HUSH}",
            "os.environ/SECRET",
            "a-${SECRET}",
            "${SECRET}",
            "${NO:-x}",
            "${NO}",
            "os.environ/NO",
        ]
    ),
    st.sampled_from(
        ["openai/gpt-4o", "azure/x", "bedrock/x", "*", "openai/*", "http://h/v1", "ftp://h", "a"]
    ),
)
names = st.one_of(st.sampled_from(KEYS), st.sampled_from(SECRET_KEYS), st.text(max_size=8), st.just(HUSH))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4)),
    max_leaves=12,
)


def mapping(block: str) -> st.SearchStrategy:
    return st.dictionaries(st.sampled_from(sorted(BLOCKS[block].names)), values, max_size=6)


rows = st.fixed_dictionaries(
    {"model_name": scalars, "litellm_params": st.one_of(values, mapping("litellm_params"))},
    optional={"model_info": st.one_of(values, mapping("model_info")), "rpm": scalars},
)
credentials = st.fixed_dictionaries(
    {"credential_name": scalars, "credential_values": mapping("litellm_params")}
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "model_list": st.one_of(values, st.lists(rows, max_size=3)),
        "credential_list": st.one_of(values, st.lists(credentials, max_size=2)),
        "environment_variables": st.one_of(values, st.dictionaries(names, scalars, max_size=3)),
        **{
            name: st.one_of(values, mapping(name))
            for name in ("litellm_settings", "general_settings", "router_settings")
        },
        "include": st.one_of(scalars, st.lists(scalars, max_size=2)),
        "guardrails": values,
        "unknown": values,
    },
)


def said(text: bytes) -> str:
    """Everything that is said of a file, after both ways in have agreed about it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.yaml"
        path.write_bytes(text)
        problems = check(path, ENV)
        try:
            config = load(path, ENV)
        except ConfigError as error:
            assert any(problem.severity == "error" for problem in problems)
            return f"{render(problems)}\n{error}"
        assert not any(problem.severity == "error" for problem in problems)
        assert list(config.warnings) == problems
        return f"{render(problems)}\n{config!r}\n{config.litellm!r}\n{config.general!r}\n{config.router!r}"


@settings(max_examples=300, deadline=None)
@given(documents)
def test_any_document_is_answered_without_a_secret(document):
    text = said(json.dumps(document).encode())
    assert HUSH not in text
    assert FROM_ENV not in text


@settings(max_examples=150, deadline=None)
@given(st.text())
def test_any_text_is_answered(text):
    said(text.encode("utf-8", "replace"))


@settings(max_examples=100, deadline=None)
@given(st.binary())
def test_any_bytes_are_answered(data):
    said(data)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "model_list:",
                "\n",
                "  ",
                "- ",
                "a: ",
                "&x ",
                "*x",
                "<<: ",
                "{",
                "}",
                "[",
                "]",
                ", ",
                "'",
                '"',
                "#",
                "!!int ",
                "? ",
                "---",
                "${",
                "|",
                "\t",
                "1",
            ]
        ),
        max_size=30,
    )
)
def test_any_heap_of_yaml_marks_is_answered(parts):
    said("".join(parts).encode())
