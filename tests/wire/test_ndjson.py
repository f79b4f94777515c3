"""Lines of JSON from bytes, for any chunking."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunked, json_objects

from headgate.errors import APIResponseValidationError
from headgate.wire import ndjson


@given(
    st.lists(json_objects, max_size=4), st.sampled_from([b"\n", b"\r\n", b"\n\n"]), st.booleans(), st.data()
)
def test_every_line_comes_once(
    documents: list[dict[str, object]], end: bytes, closed: bool, data: st.DataObject
) -> None:
    encoded = [msgspec.json.encode(document) for document in documents]
    whole = end.join(encoded) + (end if closed else b"")
    lines, found = ndjson.Lines(), []
    for piece in data.draw(chunked(whole)):
        found += lines.feed(piece)
    last = lines.close()
    assert [*found, *([last] if last else [])] == encoded
    assert lines.close() == b""


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "MAX_LINE", 4)
    lines = ndjson.Lines()
    assert lines.feed(b"1234") == []
    with pytest.raises(APIResponseValidationError, match="over 4 bytes"):
        lines.feed(b"5")
