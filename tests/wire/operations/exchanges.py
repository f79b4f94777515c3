"""Recorded exchanges of the operations beside chat, and what all their tests use."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

import recorded
from headgate.wire.dialect import Frame, Target

FRAME = Frame(id="chatcmpl-1", created=0, model="ours")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def target(model: str = "m") -> Target:
    return Target(model=model)


def exchanges(api: str, *providers: str) -> Iterator[Any]:
    """(request's address, its body, status, answer's bytes) of model calls; none where there are no recordings."""
    manifest = recorded.ROOT / "manifest.jsonl"
    for line in manifest.read_text().splitlines() if manifest.exists() else ():
        entry = json.loads(line)
        if entry["api"] != api or entry["provider"] not in providers:
            continue
        record = json.loads((recorded.ROOT / entry["file"]).read_text())
        asked = record["request"]
        if asked["method"] == "POST" and isinstance(asked.get("body"), dict):
            yield (asked["url"], asked["body"], record["response"]["status"], recorded.answer_bytes(record))
