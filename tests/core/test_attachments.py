"""Media that a provider takes by id, as GigaChat does: uploaded before the call, each once."""

import base64
import json
from typing import Any

import pytest

from core.played import Bench, PlayedAnswer, call, chat_answer, deployment, failed
from headgate import errors
from headgate.core import attachments
from headgate.core.deployment import Deployment
from headgate.core.engine import Engine
from headgate.core.prepare import prepare
from headgate.ports import Origin, Timeouts
from headgate.wire.multipart import Field, FileData, FileStart, Parser, boundary_of

PNG = base64.b64encode(b"\x89PNG one").decode()
PDF = base64.b64encode(b"%PDF two").decode()


def picture(data: str = PNG) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


DOCUMENT = {
    "type": "file",
    "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
}


def asking(*parts: Any, **more: Any) -> Any:
    content = [{"type": "text", "text": "What is it?"}, *parts]
    return call({"messages": [{"role": "user", "content": content}]}, retries=0, **more)


class Giga:
    """The storage of files, and chat. `files` are (fields, content type, bytes), `sent` the bodies of chat."""

    def __init__(self, refusal: PlayedAnswer | None = None) -> None:
        self.refusal = refusal
        self.files: list[tuple[dict[str, str], str, bytes]] = []
        self.sent: list[Any] = []

    async def send(self, origin: Origin, head: bytes, body: bytes, timeouts: Timeouts) -> PlayedAnswer:
        first, *lines = head.decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines if line)
        assert fields["authorization"] == "bearer t"
        if first == "POST /api/v1/files HTTP/1.1":
            if self.refusal is not None:
                return self.refusal
            kind = next(line for line in lines if line.startswith("content-type: ")).partition(": ")[2]
            self.files.append(read_form(kind, body))
            told = json.dumps({"id": f"file-{len(self.files)}", "object": "file"})
        else:
            assert first == "POST /api/v1/chat/completions HTTP/1.1"
            self.sent.append(json.loads(body))
            told = chat_answer().decode()
        return PlayedAnswer(200, [("content-type", "application/json")], [told.encode()])

    async def close(self) -> None: ...


def read_form(kind: str, body: bytes) -> tuple[dict[str, str], str, bytes]:
    parser, fields, media, data = Parser(boundary_of(kind)), {}, "", b""
    for event in parser.feed(body):
        if isinstance(event, Field):
            fields[event.part.name] = event.text
        elif isinstance(event, FileStart):
            assert event.part.name == "file"
            media = f"{event.part.filename} {event.part.content_type}"
        elif isinstance(event, FileData):
            data += event.data
    parser.close()
    return fields, media, data


class Clock:
    def __init__(self) -> None:
        self.now = 1.0

    def time(self) -> float:
        return 1_000_000.0 + self.now

    def monotonic(self) -> float:
        return self.now


def made(*given: Deployment, refusal: PlayedAnswer | None = None) -> tuple[Bench, Giga, Clock]:
    bench, giga, clock = Bench(), Giga(refusal), Clock()
    bench.engine = Engine({"https": giga}, clock, dice=lambda: 0.0)
    bench.group("group", *(given or (chat(),)))
    return bench, giga, clock


def chat(name: str = "GigaChat-2") -> Deployment:
    return deployment(f"gigachat/{name}", api_key=None, access_token="t")


async def test_what_the_user_shows_is_uploaded_and_attached() -> None:
    bench, giga, _ = made()
    asked = asking(picture(), DOCUMENT)
    await bench.run(asked)
    assert giga.files == [
        ({"purpose": "general"}, "file.png image/png", b"\x89PNG one"),
        ({"purpose": "general"}, "file.pdf application/pdf", b"%PDF two"),
    ]
    (message,) = giga.sent[0]["messages"]
    assert message == {"role": "user", "content": "What is it?", "attachments": ["file-2", "file-1"]}
    assert asked.dropped == []


async def test_the_same_picture_is_uploaded_once_until_it_may_be_gone() -> None:
    bench, giga, clock = made()
    for _ in range(2):
        await bench.run(asking(picture()))
    assert len(giga.files) == 1
    assert giga.sent[1]["messages"] == giga.sent[0]["messages"]
    clock.now += attachments.KEPT + 1
    await bench.run(asking(picture()))
    assert giga.sent[2]["messages"][0]["attachments"] == ["file-2"]


async def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "MOST", 1)
    bench, giga, _ = made()
    for data in (PNG, PDF, PNG):
        await bench.run(asking(picture(data)))
    assert len(giga.files) == 3


async def test_the_ids_belong_to_one_deployment() -> None:
    bench, _, _ = made(chat("GigaChat-2"), chat("GigaChat-2-Max"))
    asked = asking(picture())
    await bench.run(asked)
    (block,) = [one for one in asked.request.turns[0].blocks if hasattr(one, "source")]
    assert block.source.kind == "data"  # a fallback to somebody else still has the picture itself


async def test_a_request_without_media_uploads_nothing() -> None:
    bench, giga, _ = made()
    await bench.run(asking())
    assert (giga.files, giga.sent[0]["messages"]) == ([], [{"role": "user", "content": "What is it?"}])


async def test_a_stream_has_its_pictures_too() -> None:
    bench, giga, _ = made()
    await bench.run(asking(picture(), stream=True))
    assert giga.sent[0]["stream"] is True
    assert giga.sent[0]["messages"][0]["attachments"] == ["file-1"]


@pytest.mark.parametrize(
    ("refusal", "kind", "message"),
    [
        (failed(413, "too large"), errors.HeadgateError, "too large"),
        (failed(429, "slow down"), errors.RateLimitError, "slow down"),
        (PlayedAnswer(200, [], [b"{}"]), errors.APIResponseValidationError, "named no id"),
        (PlayedAnswer(200, [], [b"x"]), errors.APIResponseValidationError, "no JSON"),
    ],
)
async def test_an_upload_that_fails_fails_the_call(
    refusal: PlayedAnswer, kind: type[Exception], message: str
) -> None:
    bench, giga, _ = made(refusal=refusal)
    with pytest.raises(kind, match=message):
        await bench.run(asking(picture()))
    assert giga.sent == []


async def test_what_is_no_base64_is_the_callers_mistake() -> None:
    bench, giga, _ = made()
    with pytest.raises(errors.BadRequestError, match="base64"):
        await bench.run(asking(picture("%%%")))
    assert (giga.files, giga.sent) == ([], [])


async def test_a_picture_at_an_address_is_fetched_first() -> None:
    address = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    prepared = prepare(asking(address, picture()), chat())
    assert prepared.uploads
    assert [source.value for source in prepared.remote] == ["https://x.test/a.png"]
