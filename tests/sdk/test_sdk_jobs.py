"""The SDK's functions of files and batches, on a real socket."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headgate
from keepers import Keeper, keeping

FILE = {"id": "file-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "f", "purpose": "batch"}
BATCH = {"id": "batch_1", "object": "batch", "status": "validating", "request_counts": {"total": 2}}


@pytest.fixture(name="keeper")
def fixture_keeper() -> Iterator[Keeper]:
    with keeping() as keeper:
        keeper.answers = {
            "POST /v1/files": FILE,
            "GET /v1/files": {"object": "list", "data": [FILE]},
            "GET /v1/files/file-1": FILE,
            "GET /v1/files/file-1/content": b"a\nb\n",
            "DELETE /v1/files/file-1": {"id": "file-1", "deleted": True},
            "POST /v1/batches": BATCH,
            "GET /v1/batches": {"object": "list", "data": [BATCH], "has_more": False},
            "GET /v1/batches/batch_1": BATCH,
            "POST /v1/batches/batch_1/cancel": {**BATCH, "status": "cancelling"},
        }
        yield keeper


def own(keeper: Keeper) -> dict[str, Any]:
    return {"api_base": keeper.base + "/v1", "api_key": "sk-1"}


@pytest.mark.parametrize("kind", ["bytes", "path", "text path", "open", "tuple", "stream"])
def test_every_kind_of_file(keeper: Keeper, tmp_path: Path, kind: str) -> None:
    data = b"line\n" * 200_000
    path = tmp_path / "in.jsonl"
    path.write_bytes(data)

    class Stream(io.RawIOBase):
        left = [data[:100_000], data[100_000:]]

        def read(self, size: int = -1) -> bytes:
            return self.left.pop(0) if self.left else b""

    with path.open("rb") as opened:
        given: dict[str, Any] = {
            "bytes": data,
            "path": path,
            "text path": str(path),
            "open": opened,
            "tuple": ("in.jsonl", data, "application/jsonl"),
            "stream": ("in.jsonl", Stream()),
        }
        expires = {"anchor": "created_at", "seconds": 3600}
        found = headgate.create_file(given[kind], "batch", expires_after=expires, **own(keeper))
    assert (found.id, found.purpose, found.status) == ("file-1", "batch", None)
    sent = keeper.last("POST", "/v1/files")
    boundary = sent.headers["content-type"].partition("boundary=")[2].encode()
    parts = [part.partition(b"\r\n\r\n") for part in sent.body.split(b"--" + boundary)[1:-1]]
    assert [value[:-2] for _, _, value in parts] == [b"batch", b"created_at", b"3600", data]
    name = b"file" if kind == "bytes" else b"in.jsonl"
    assert b'name="file"; filename="' + name + b'"' in parts[-1][0]
    assert sent.headers["authorization"] == "Bearer sk-1"


async def test_files(keeper: Keeper) -> None:
    assert (await headgate.afile_retrieve("file-1", **own(keeper))).bytes == 3
    assert [one.id for one in (await headgate.afile_list(purpose="batch", **own(keeper))).data] == ["file-1"]
    assert keeper.last("GET", "/v1/files").query == "purpose=batch"
    assert (await headgate.afile_delete("file-1", **own(keeper))).deleted
    content = await headgate.afile_content("file-1", **own(keeper))
    assert (content.content, content.text, content.read()) == (b"a\nb\n", "a\nb\n", b"a\nb\n")
    assert list(content.iter_bytes(3)) == [b"a\nb", b"\n"]


async def test_batches(keeper: Keeper) -> None:
    made = await headgate.acreate_batch(
        "24h", "/v1/chat/completions", "file-1", metadata={"a": "b"}, extra_body={"x": 1}, **own(keeper)
    )
    assert (made.id, made.status, made.request_counts.total, made.output_file_id) == (
        "batch_1",
        "validating",
        2,
        None,
    )
    assert keeper.last("POST", "/v1/batches").json == {
        "completion_window": "24h",
        "endpoint": "/v1/chat/completions",
        "input_file_id": "file-1",
        "metadata": {"a": "b"},
        "x": 1,
    }
    assert (await headgate.aretrieve_batch("batch_1", **own(keeper))).id == "batch_1"
    assert [one.id for one in (await headgate.alist_batches(limit=5, **own(keeper))).data] == ["batch_1"]
    assert keeper.last("GET", "/v1/batches").query == "limit=5"
    assert (await headgate.acancel_batch("batch_1", **own(keeper))).status == "cancelling"


async def test_azure_has_them_at_its_own_addresses(keeper: Keeper) -> None:
    keeper.answers = {"GET /openai/batches/b": BATCH}
    given = {"api_base": keeper.base, "api_key": "k", "api_version": "2024-10-21"}
    assert (await headgate.aretrieve_batch("b", "azure", **given)).id == "batch_1"
    asked = keeper.last("GET", "/openai/batches/b")
    assert (asked.query, asked.headers["api-key"]) == ("api-version=2024-10-21", "k")
    keeper.answers = {"GET /openai/batches": {"data": []}}
    assert (await headgate.alist_batches(limit=5, custom_llm_provider="azure", **given)).data == []
    assert keeper.last("GET", "/openai/batches").query == "api-version=2024-10-21&limit=5"


def test_mistakes_are_told(keeper: Keeper, tmp_path: Path) -> None:
    with pytest.raises(headgate.NotFoundError, match="No such thing"):
        headgate.file_retrieve("file-2", **own(keeper))
    with pytest.raises(headgate.BadRequestError, match="no id"):
        headgate.file_retrieve("../x", **own(keeper))
    with pytest.raises(headgate.BadRequestError, match="no file"):
        headgate.create_file(tmp_path / "none", "batch", **own(keeper))
    with pytest.raises(headgate.BadRequestError, match="'file' must be"):
        headgate.create_file(3, "batch", **own(keeper))
    with pytest.raises(headgate.BadRequestError, match="'rb'"):
        headgate.create_file(io.StringIO("text"), "batch", **own(keeper))
    with pytest.raises(headgate.NotFoundError, match="no operation 'files'"):
        headgate.create_file(b"", "batch", custom_llm_provider="anthropic", api_key="k")
    keeper.answers["GET /v1/messages/batches/b"] = {"id": "b"}
    with pytest.raises(headgate.BadRequestError, match="gateway"):
        headgate.retrieve_batch("b", "anthropic", api_key="k", api_base=keeper.base)
