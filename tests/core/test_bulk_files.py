"""Files of requests on their way to a bucket, and results on their way back: cut anywhere, of any kind."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from random import Random
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.played import PlayedAnswer
from headgate.catalog.lookup import Catalog
from headgate.core import bulk_files
from headgate.core.bulk_files import FAIR, FAIR_BYTES, Kept, Translator
from headgate.core.deployment import Deployment
from headgate.core.engine import Engine
from headgate.core.signing import Sending
from headgate.errors import BadRequestError
from headgate.ports import Timeouts

CATALOG = Catalog()
TEXTS = ["Grüße 👋", "a\nb", "x" * 300, ""]


class Clock:
    def time(self) -> float:
        return 1.0

    def monotonic(self) -> float:
        return 1.0


class Bucket(Engine):
    """Plays a cloud that has one job and the file of its results, told in the pieces that `cut` makes."""

    def __init__(self, results: bytes = b"", cut: Any = None) -> None:
        super().__init__({}, Clock())
        self._results = results
        self._cut = cut

    async def send(self, deployment: Deployment, sending: Sending, timeouts: Timeouts) -> Any:
        path = unquote(urlsplit(sending.url).path)
        if path.endswith("/model-invocation-job/abc"):
            return PlayedAnswer(200, [], [json.dumps(JOB).encode()])
        assert path.endswith("/results/abc/f.jsonl.out")
        return PlayedAnswer(200, [], list(self._cut(self._results)))


JOB = {
    "jobArn": "arn:aws:bedrock:us-west-2:1:model-invocation-job/abc",
    "status": "Completed",
    "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://b/f.jsonl"}},
    "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://b/results/"}},
}


def deployment(model: str) -> Deployment:
    own = {"model": model, "aws_region_name": "us-west-2", "vertex_project": "p"}
    return Deployment("group", own, catalog=CATALOG, env={})


TITAN = deployment("bedrock/amazon.titan-embed-text-v2:0")
TEXT = deployment("vertex_ai/text-embedding-005")


class OfOne(Translator):
    def found(self, named: str) -> Deployment:
        return deployment(named)


def embed(number: int, text: Any, **body: Any) -> dict[str, Any]:
    asked = {"model": "m", "input": text, **body}
    return {"custom_id": f"r{number}", "url": "/v1/embeddings", "body": asked}


def file_of(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def bytewise(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        yield data[at : at + 1]


def anywhere(dice: Random) -> Any:
    def cut(data: bytes) -> Iterator[bytes]:
        while data:
            size = dice.randint(1, 40)
            yield data[:size]
            data = data[size:]

    return cut


async def each(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def translated(translator: Translator, pieces: Iterator[bytes]) -> list[Any]:
    async def gathered() -> list[Any]:
        return [json.loads(line) async for line in translator.lines(each(pieces))]

    return asyncio.run(gathered())


def results(lines: bytes, cut: Any, kind: str = "output", **own: Any) -> list[Any]:
    async def gathered() -> list[Any]:
        found = await bulk_files.results(Bucket(lines, cut), TITAN, "abc", own, kind, 1)
        return [json.loads(line) async for line in found]

    return asyncio.run(gathered())


# requests


@given(st.randoms(use_true_random=False))
def test_requests_are_cut_anywhere(dice: Random) -> None:
    data = file_of([embed(n, text) for n, text in enumerate(TEXTS)])
    for cut in (bytewise, anywhere(dice)):
        translator = OfOne(Bucket(), Clock(), TITAN, TITAN)
        assert translated(translator, cut(data)) == [
            {"recordId": f"r{n}", "modelInput": {"inputText": text}} for n, text in enumerate(TEXTS)
        ]
        assert (translator.kept.operation, translator.kept.spoken, translator.kept.count) == (
            "embeddings",
            "bedrock_embeddings",
            len(TEXTS),
        )


@given(st.text(), st.none() | st.integers(1, 4096), st.text(max_size=20))
def test_what_is_asked_stands_in_the_line(text: str, size: int | None, custom_id: str) -> None:
    body = {"dimensions": size} if size is not None else {}
    row = {**embed(1, text, **body), "custom_id": custom_id}
    translator = OfOne(Bucket(), Clock(), TEXT, TEXT)
    assert translated(translator, iter([file_of([row])])) == [{"key": custom_id, "content": text}]
    assert translator.kept.shared == ({"outputDimensionality": size} if size is not None else {})


def test_the_first_requests_model_is_that_of_all() -> None:
    named = {"model": "vertex_ai/gemini-embedding-001"}
    rows = [embed(1, "a", **named), embed(2, "b", model="vertex_ai/text-embedding-005")]
    with pytest.raises(BadRequestError, match=r"line 2 of the file \('r2'\): the model is"):
        translated(OfOne(Bucket(), Clock(), TEXT), iter([file_of(rows)]))


def test_a_line_for_another_endpoint_is_named() -> None:
    rows = [embed(1, "a"), {**embed(2, "b"), "url": "/v1/responses"}]
    with pytest.raises(BadRequestError, match=r"line 2 .*'/v1/responses', .*must be /v1/embeddings"):
        translated(OfOne(Bucket(), Clock(), TEXT, TEXT), iter([file_of(rows)]))


def test_notes_from_before_there_were_embeddings() -> None:
    notes = {"bucket": "b", "key": "k", "model": "m", "spoken": "gemini", "count": 1, "most": 2, "echoes": {}}
    kept = msgspec.convert(notes, Kept)
    assert (kept.operation, kept.shared) == ("chat", {})


# results


@given(st.randoms(use_true_random=False), st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=8))
def test_results_are_cut_anywhere(dice: Random, vector: list[float]) -> None:
    answer = {"embedding": vector, "inputTextTokenCount": 3}
    rows = [{"recordId": f"r{n}", "modelInput": {}, "modelOutput": answer} for n in range(3)]
    own = {"model": "m", "spoken": "bedrock_embeddings", "operation": "embeddings", "echoes": {"": {}}}
    for cut in (bytewise, anywhere(dice)):
        found = results(file_of(rows), cut, **own)
        assert [row["custom_id"] for row in found] == ["r0", "r1", "r2"]
        for row in found:
            assert row["response"]["body"] == {
                "object": "list",
                "data": [{"object": "embedding", "index": 0, "embedding": vector}],
                "model": "m",
                "usage": {"prompt_tokens": 3, "total_tokens": 3},
            }


def test_a_result_that_can_not_be_read_hides_no_other() -> None:
    rows: list[dict[str, Any]] = [
        {"recordId": "r0", "modelOutput": {"embedding": ["x"]}},
        {"recordId": "r1", "modelOutput": {"embedding": [0.5], "inputTextTokenCount": 1}},
        {"recordId": "r2", "error": {"errorCode": 400, "errorMessage": "No."}},
    ]
    own = {"model": "m", "spoken": "bedrock_embeddings", "operation": "embeddings"}
    first, second = results(file_of(rows), bytewise, **own)
    assert first["error"]["code"] == "unreadable"
    assert second["response"]["body"]["data"][0]["embedding"] == [0.5]
    (bad,) = results(file_of(rows), bytewise, "error", **own)
    assert bad["error"] == {"code": "400", "message": "No."}


# turns


def test_others_get_their_turn() -> None:
    async def turns(lines: list[bytes]) -> int:
        """How often somebody else ran while these were read."""
        count, over = 0, False

        async def other() -> None:
            nonlocal count
            while not over:
                count += 1
                await asyncio.sleep(0)

        task = asyncio.ensure_future(other())
        read = [line async for line in bulk_files.fairly(each(iter(lines)))]
        over = True
        await task
        assert read == lines
        return count

    assert asyncio.run(turns([b"x"] * FAIR * 5)) == 5
    assert asyncio.run(turns([b"x" * FAIR_BYTES] * 5)) == 5
