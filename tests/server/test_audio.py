"""Speech, transcriptions and translations over the gateway's paths: what is sent, what comes back, what it costs."""

import asyncio
import http.client
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from headgate.wire.audio.sound import wav
from headgate.wire.audio.transcript_events import Writer as Events
from headgate.wire.audio.transcript_events import unfold
from headgate.wire.ir_audio import TranscriptionReply
from headgate.wire.multipart import Part, Writer
from servers import KEY, RunningGateway, Upstream, running

SOUND = wav(bytes(8000), 2000)
"""Two seconds of silence."""
LARGE = wav(bytes(3_000_000), 32000)
AUTH = {"authorization": f"Bearer {KEY}"}
SAID = {
    "text": "Hi there.",
    "segments": [{"id": 0, "start": 0.0, "end": 1.5, "text": "Hi there."}],
    "duration": 1.5,
}
FORMAT = "response_format"


def row(upstream: str, name: str, model: str, **params: Any) -> dict[str, Any]:
    info = params.pop("info", {})
    given = {"model": model, "api_base": upstream, "api_key": "sk-up", "num_retries": 0, **params}
    return {"model_name": name, "litellm_params": given, "model_info": info}


def rows(base: str) -> list[dict[str, Any]]:
    return [
        row(base, "tts", "openai/tts-1", input_cost_per_character=0.001),
        row(base, "seconds", "openai/spoken", info={"output_cost_per_second": 0.5}),
        row(base, "voxtral-tts", "mistral/voxtral-mini-tts"),
        row(base, "whisper", "openai/whisper-1", info={"input_cost_per_second": 0.5}),
        row(base, "tokens", "openai/gpt-heard", input_cost_per_token=0.01, output_cost_per_token=0.1),
        row(base, "unpriced", "openai/heard"),
        row(base, "groq", "groq/whisper-large-v3"),
        row(base, "deepgram", "deepgram/nova-3"),
        row(base, "assembly", "assemblyai/universal"),
        row(base, "chat", "deepseek/deepseek-chat"),
    ]


@pytest.fixture(name="upstream")
def fixture_upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.stop()


@pytest.fixture(name="gateway", params=[True, False], ids=["lane", "asgi"])
def fixture_gateway(
    upstream: Upstream, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[RunningGateway]:
    config = {"model_list": rows(upstream.base), "general_settings": {"master_key": KEY}}
    with running(config, tmp_path, lane=request.param) as served:
        yield served


def form(*fields: tuple[str, str], sound: bytes = SOUND, last: bool = True) -> tuple[bytes, dict[str, str]]:
    """A body and its header; the file goes last, or first."""
    writer = Writer(b"theirs")
    file = writer.head(Part("file", "a.wav", "audio/wav")) + sound + writer.tail
    named = b"".join(writer.field(*field) for field in fields)
    body = named + file if last else file + named
    return body + writer.end(), {"content-type": writer.content_type}


def ask(
    gateway: RunningGateway, *fields: tuple[str, str], path: str = "/v1/audio/transcriptions", **more: Any
) -> tuple[int, dict[str, str], bytes]:
    body, kind = form(*fields, **more)
    return gateway.request(path, body, {**AUTH, **kind})


def play(upstream: Upstream, document: Any, kind: str = "application/json") -> None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    upstream.reply(200, {"content-type": kind}, body)


def logged(gateway: RunningGateway) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(gateway.request("/spend/logs/v2", None, AUTH, "GET")[2])["data"]
    return rows


# speech


@pytest.mark.parametrize("path", ["/v1/audio/speech", "/audio/speech"])
def test_speech_is_passed_on_with_its_type_and_paid_by_characters(
    gateway: RunningGateway, upstream: Upstream, path: str
) -> None:
    play(upstream, b"sound" * 1000, "audio/mpeg")
    status, headers, data = gateway.request(path, {"model": "tts", "input": "Hi there", "voice": "alloy"})
    assert (status, headers["content-type"], data) == (200, "audio/mpeg", b"sound" * 1000)
    assert headers["x-litellm-response-cost"] == "0.008"
    line, _, sent = upstream.requests[-1]
    assert line == "POST /audio/speech HTTP/1.1"
    assert json.loads(sent) == {"model": "tts-1", "input": "Hi there", "voice": "alloy"}
    (row,) = logged(gateway)
    assert (row["status"], row["spend"]) == ("success", 0.008)


def test_the_model_may_stand_in_the_address(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, b"sound", "audio/mpeg")
    status, _, data = gateway.request(
        "/openai/deployments/tts/audio/speech", {"input": "Hi", "voice": "alloy"}
    )
    assert (status, data) == (200, b"sound")
    play(upstream, SAID)
    assert ask(gateway, path="/openai/deployments/whisper/audio/transcriptions")[0] == 200


def test_speech_comes_piece_by_piece(gateway: RunningGateway, upstream: Upstream) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/ogg\r\ntransfer-encoding: chunked\r\n\r\n"
    upstream.script = lambda _: [head, b"3\r\none\r\n", b""]  # and hangs
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    connection.request(
        "POST", "/v1/audio/speech", json.dumps({"model": "tts", "input": "Hi", "voice": "v"}), AUTH
    )
    answer = connection.getresponse()
    assert (answer.getheader("content-type"), answer.read(3)) == ("audio/ogg", b"one")
    answer.close()
    connection.close()
    assert upstream.closed.wait(10)  # who hears nobody any more is not asked to go on


def test_sound_that_breaks_breaks_the_connection(gateway: RunningGateway, upstream: Upstream) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/ogg\r\ntransfer-encoding: chunked\r\n\r\n"
    upstream.script = lambda _: [head, b"3\r\none\r\n"]
    with pytest.raises(http.client.IncompleteRead) as caught:
        gateway.request("/v1/audio/speech", {"model": "tts", "input": "Hi", "voice": "v"})
    assert caught.value.partial == b"one"


@pytest.mark.parametrize(
    ("model", "answer"), [("tts", b"sound"), ("voxtral-tts", {"audio_data": "c291bmQ="})]
)
def test_sound_as_events(gateway: RunningGateway, upstream: Upstream, model: str, answer: Any) -> None:
    play(upstream, answer, "audio/mpeg" if model == "tts" else "application/json")
    body = {"model": model, "input": "Hi", "voice": "v", "stream_format": "sse"}
    status, headers, data = gateway.request("/v1/audio/speech", body)
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    assert b'{"type":"speech.audio.delta","audio":"c291bmQ="}' in data
    assert b'"speech.audio.done"' in data


def test_events_of_the_upstream_bring_its_tokens(gateway: RunningGateway, upstream: Upstream) -> None:
    events = (
        b'data: {"type":"speech.audio.delta","audio":"c291bmQ="}\n\n'
        b'data: {"type":"speech.audio.done","usage":{"input_tokens":3,"output_tokens":5,"total_tokens":8}}\n\n'
    )
    play(upstream, events, "text/event-stream")
    body = {"model": "tokens", "input": "Hi", "voice": "v", "stream_format": "sse"}
    assert b'"output_tokens":5' in gateway.request("/v1/audio/speech", body)[2]
    (row,) = logged(gateway)
    assert (row["prompt_tokens"], row["completion_tokens"], row["spend"]) == (3, 5, 0.53)


def test_speech_paid_by_its_length(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, SOUND, "audio/wav")
    gateway.request("/v1/audio/speech", {"model": "seconds", "input": "Hi", "voice": "v", FORMAT: "wav"})
    assert logged(gateway)[0]["spend"] == 1.0


def test_tokens_that_nobody_counted_are_estimated(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, wav(bytes(24000), 2000), "audio/wav")  # six seconds
    gateway.request("/v1/audio/speech", {"model": "tokens", "input": "Hi there", "voice": "v"})
    (found,) = logged(gateway)
    assert (found["prompt_tokens"], found["completion_tokens"]) == (2, 125)
    assert found["spend"] == pytest.approx(2 * 0.01 + 125 * 0.1)


def test_a_price_that_is_not_known_is_no_price(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, b"sound", "audio/mpeg")
    _, headers, _ = gateway.request("/v1/audio/speech", {"model": "tokens", "input": "Hi", "voice": "v"})
    assert "x-litellm-response-cost" not in headers


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "tts", "voice": "v"}, "input"),
        ({"model": "tts", "input": " ", "voice": "v"}, "input"),
        ({"model": "tts", "input": 3, "voice": "v"}, "input"),
        ({"input": "Hi"}, "model"),
        ({"model": "tts", "input": "Hi", "stream_format": "both"}, "stream_format"),
    ],
)
def test_what_is_wrong_with_a_speech_request_is_named(
    gateway: RunningGateway, upstream: Upstream, body: dict[str, Any], param: str
) -> None:
    status, _, data = gateway.request("/v1/audio/speech", body)
    assert (status, json.loads(data)["error"]["param"]) == (400, param)
    assert not upstream.requests


def test_a_format_that_the_provider_has_not(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, {"audio_data": "c291bmQ="})
    body = {"model": "voxtral-tts", "input": "Hi", "voice": "v", FORMAT: "aac"}
    status, _, data = gateway.request("/v1/audio/speech", body)
    error = json.loads(data)["error"]
    assert (status, error["param"]) == (400, FORMAT)
    assert "Mistral" in error["message"] and "'aac'" in error["message"]
    assert not upstream.requests
    status, headers, data = gateway.request("/v1/audio/speech", {**body, "drop_params": True})
    assert (status, headers["content-type"], data) == (200, "audio/mpeg", b"sound")
    assert headers["x-headgate-dropped-params"] == FORMAT


def test_a_provider_that_does_not_speak(gateway: RunningGateway, upstream: Upstream) -> None:
    status, _, data = gateway.request("/v1/audio/speech", {"model": "chat", "input": "Hi", "voice": "v"})
    assert (status, "speech" in json.loads(data)["error"]["message"]) == (404, True)


def test_a_refusal_is_told_in_openais_words(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(
        429, {"content-type": "application/json", "retry-after": "7"}, b'{"error":{"message":"Slow down"}}'
    )
    status, headers, data = gateway.request("/v1/audio/speech", {"model": "tts", "input": "Hi", "voice": "v"})
    assert (status, headers["retry-after"]) == (429, "7")
    assert "Slow down" in json.loads(data)["error"]["message"]


# transcriptions


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/audio/transcriptions"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("sound", [SOUND, LARGE], ids=["small", "large"])
def test_a_file_arrives_as_it_was_sent(
    gateway: RunningGateway, upstream: Upstream, path: str, last: bool, sound: bytes
) -> None:
    play(upstream, {"text": "Hi."})
    status, _, data = ask(
        gateway, ("model", "whisper"), ("language", "en"), path=path, sound=sound, last=last
    )
    assert (status, json.loads(data)) == (200, {"text": "Hi."})
    line, headers, sent = upstream.requests[-1]
    assert line == "POST /audio/transcriptions HTTP/1.1"
    assert headers["authorization"] == "Bearer sk-up"
    assert headers["content-type"].startswith("multipart/form-data; boundary=")
    assert sound in sent and b'name="language"\r\n\r\nen\r\n' in sent and b"whisper-1" in sent
    seconds = (len(sound) - 44) / (32000 * 2 if sound is LARGE else 4000)
    assert logged(gateway)[0]["spend"] == pytest.approx(seconds * 0.5, rel=0.01)


def test_translations_have_their_own_address(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, {"text": "Hi."})
    for path in ("/v1/audio/translations", "/audio/translations"):
        assert ask(gateway, ("model", "whisper"), path=path)[0] == 200
        assert upstream.requests[-1][0] == "POST /audio/translations HTTP/1.1"
    status, _, data = ask(gateway, ("model", "deepgram"), path="/v1/audio/translations")
    assert status == 404 and "translations" in json.loads(data)["error"]["message"]


FORMATS: dict[str, tuple[str, Callable[[bytes], bool]]] = {
    "json": ("application/json", lambda data: json.loads(data)["text"] == "Hi there."),
    "text": ("text/plain; charset=utf-8", lambda data: data == b"Hi there.\n"),
    "srt": ("text/plain; charset=utf-8", lambda data: b"00:00:00,000 --> 00:00:01,500\nHi there." in data),
    "vtt": ("text/vtt; charset=utf-8", lambda data: data.startswith(b"WEBVTT\n\n00:00:00.000")),
    "verbose_json": ("application/json", lambda data: json.loads(data)["segments"][0]["end"] == 1.5),
    "diarized_json": ("application/json", lambda data: json.loads(data)["segments"][0]["speaker"] == "A"),
}


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_from_an_upstream_with_one(
    gateway: RunningGateway, upstream: Upstream, format_: str
) -> None:
    play(upstream, SAID)
    status, headers, data = ask(gateway, ("model", "groq"), (FORMAT, format_))
    kind, holds = FORMATS[format_]
    assert (status, headers["content-type"]) == (200, kind)
    assert holds(data), data


def test_times_that_nobody_told(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, {"text": "Hi."})
    status, _, data = ask(gateway, ("model", "groq"), (FORMAT, "srt"))
    error = json.loads(data)["error"]
    assert (status, error["param"]) == (400, FORMAT)
    assert "'srt'" in error["message"] and "Groq" in error["message"]
    status, headers, data = ask(gateway, ("model", "groq"), (FORMAT, "srt"), ("drop_params", "true"))
    assert (status, json.loads(data)["text"]) == (200, "Hi.")
    assert headers["x-headgate-dropped-params"] == FORMAT


@pytest.mark.parametrize("model", ["whisper", "groq"])
def test_a_stream_of_transcript_events(gateway: RunningGateway, upstream: Upstream, model: str) -> None:
    if model == "whisper":
        play(upstream, Events().write(unfold(TranscriptionReply(text="Hi."))), "text/event-stream")
    else:
        play(upstream, {"text": "Hi."})
    status, headers, data = ask(gateway, ("model", model), ("stream", "true"))
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    assert b'{"type":"transcript.text.delta","delta":"Hi."}' in data
    assert b'"transcript.text.done","text":"Hi."' in data
    assert logged(gateway)[0]["status"] == "success"


def test_a_stream_that_breaks_says_so(gateway: RunningGateway, upstream: Upstream) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    event = b'data: {"type":"transcript.text.delta","delta":"Hi."}\n\n'
    upstream.script = lambda _: [head, b"%x\r\n%b\r\n" % (len(event), event)]
    status, _, data = ask(gateway, ("model", "whisper"), ("stream", "true"))
    assert status == 200 and data.startswith(event)
    assert "error" in json.loads(data.rpartition(b"data: ")[2])


def test_tokens_are_paid_where_they_are_told(gateway: RunningGateway, upstream: Upstream) -> None:
    usage = {"type": "tokens", "input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
    play(upstream, {"text": "Hi.", "usage": usage})
    _, headers, _ = ask(gateway, ("model", "tokens"))
    assert headers["x-litellm-response-cost"] == "0.3"


def test_the_body_is_the_file_where_the_provider_wants_that(
    gateway: RunningGateway, upstream: Upstream
) -> None:
    best = {"transcript": "Hi.", "words": []}
    play(upstream, {"metadata": {"duration": 2.0}, "results": {"channels": [{"alternatives": [best]}]}})
    status, _, data = ask(gateway, ("model", "deepgram"), ("language", "en"))
    assert (status, json.loads(data)["text"]) == (200, "Hi.")
    line, headers, sent = upstream.requests[-1]
    assert line == "POST /listen?punctuate=true&language=en&model=nova-3 HTTP/1.1"
    assert (headers["content-type"], sent) == ("audio/wav", SOUND)


@pytest.fixture(name="soon")
def fixture_soon(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits of the engine take no time here; what they would have taken."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(gateway.gateway.snapshot.engine, "_sleep", sleep)
    return waits


def job(*answers: tuple[int, dict[str, Any]]) -> Callable[[bytes], list[bytes]]:
    """One answer after the other; the last one stays."""
    left = list(answers)

    def script(_: bytes) -> list[bytes]:
        status, document = left.pop(0) if len(left) > 1 else left[0]
        body = json.dumps(document).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        return [head.encode() + b"connection: close\r\n\r\n" + body]

    return script


UPLOADED = (200, {"upload_url": "https://cdn.test/1"})
QUEUED = (200, {"id": "t1", "status": "queued"})
DONE = (200, {"id": "t1", "status": "completed", "text": "Hi.", "words": []})


def test_a_job_is_asked_after(gateway: RunningGateway, upstream: Upstream, soon: list[float]) -> None:
    upstream.script = job(UPLOADED, QUEUED, QUEUED, (503, {"error": "busy"}), DONE)
    status, _, data = ask(gateway, ("model", "assembly"))
    assert (status, json.loads(data)["text"]) == (200, "Hi.")
    asked = [line.split(" ")[:2] for line, _, _ in upstream.requests]
    assert asked == [["POST", "/v2/upload"], ["POST", "/v2/transcript"], *[["GET", "/v2/transcript/t1"]] * 3]
    assert upstream.requests[0][2] == SOUND
    assert soon == [3.0, 3.0, 3.0]


def test_a_job_that_does_not_end_in_the_calls_time(
    gateway: RunningGateway, upstream: Upstream, soon: list[float]
) -> None:
    upstream.script = job(UPLOADED, QUEUED)
    status, _, data = ask(gateway, ("model", "assembly"), ("timeout", "2"))
    assert status == 408, data
    assert not soon


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ((("language", "en"),), "model"),
        ((("model", "whisper"), (FORMAT, "docx")), FORMAT),
        ((("model", "whisper"), ("temperature", "hot")), "temperature"),
        ((("model", "whisper"), ("stream", "perhaps")), "stream"),
    ],
)
def test_what_is_wrong_with_a_form_is_named(
    gateway: RunningGateway, upstream: Upstream, fields: tuple[tuple[str, str], ...], param: str
) -> None:
    status, _, data = ask(gateway, *fields)
    assert (status, json.loads(data)["error"]["param"]) == (400, param)
    assert not upstream.requests


def test_what_is_no_form(gateway: RunningGateway, upstream: Upstream) -> None:
    status, _, data = gateway.request("/v1/audio/transcriptions", {"model": "whisper"})
    assert status == 400 and "multipart/form-data" in json.loads(data)["error"]["message"]
    body, kind = form(("model", "whisper"), sound=b"")
    status, _, data = gateway.request("/v1/audio/transcriptions", body, {**AUTH, **kind})
    assert (status, json.loads(data)["error"]["param"]) == (400, "file")
    status, _, data = gateway.request("/v1/audio/transcriptions", body[:-9], {**AUTH, **kind})
    assert status == 400


def test_who_may_not_is_told_before_the_file_is_read(gateway: RunningGateway, upstream: Upstream) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as sock:
        sock.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer sk-wrong\r\n"
            b"content-type: multipart/form-data; boundary=b\r\ncontent-length: 1000000\r\n\r\n--b"
        )
        assert sock.recv(100).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("lane", [True, False], ids=["lane", "asgi"])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "sized"])
def test_a_file_that_is_too_large(upstream: Upstream, tmp_path: Path, lane: bool, chunked: bool) -> None:
    config = {
        "model_list": rows(upstream.base),
        "general_settings": {"master_key": KEY, "max_request_size_mb": 1},
    }
    body, kind = form(("model", "whisper"), sound=bytes(1_100_000))
    head = (
        "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: h\r\nconnection: close\r\n"
        f"authorization: Bearer {KEY}\r\ncontent-type: {kind['content-type']}\r\n"
    ).encode()
    framed = b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    sized = b"content-length: %d\r\n\r\n%b" % (len(body), body)
    with (
        running(config, tmp_path, lane=lane) as gateway,
        socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as sock,
    ):
        sock.sendall(head + (framed if chunked else sized))
        assert sock.recv(100).startswith(b"HTTP/1.1 413")
    assert not upstream.requests


def test_a_client_that_goes_while_it_sends(gateway: RunningGateway, upstream: Upstream) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as sock:
        sock.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer %b\r\n"
            b"content-type: multipart/form-data; boundary=b\r\ncontent-length: 1000000\r\n\r\n--b"
            % KEY.encode()
        )
    play(upstream, SAID)
    assert ask(gateway, ("model", "whisper"))[0] == 200  # the gateway is well
    assert len(upstream.requests) == 1


def test_a_client_that_goes_while_it_waits(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.script = lambda _: [b""]  # hangs
    body, kind = form(("model", "whisper"))
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as sock:
        sock.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer %b\r\n"
            b"content-type: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (KEY.encode(), kind["content-type"].encode(), len(body), body)
        )
        while not upstream.requests:
            assert not upstream.closed.wait(0.01)
    assert upstream.closed.wait(10)


@pytest.mark.parametrize("sound", [SOUND, LARGE], ids=["small", "large"])
def test_the_file_is_sent_again_to_the_next_one(upstream: Upstream, tmp_path: Path, sound: bytes) -> None:
    other = Upstream()
    models = [row(upstream.base, "a", "openai/whisper-1"), row(other.base, "b", "groq/whisper-large-v3")]
    config = {
        "model_list": models,
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"num_retries": 0, "fallbacks": [{"a": ["b"]}]},
    }
    try:
        upstream.reply(500, {"content-type": "application/json"}, b'{"error":{"message":"broken"}}')
        play(other, SAID)
        with running(config, tmp_path) as gateway:
            status, headers, data = ask(gateway, ("model", "a"), sound=sound)
            assert (status, json.loads(data)["text"]) == (200, "Hi there.")
            assert headers["x-litellm-attempted-fallbacks"] == "1"
        assert sound in upstream.requests[-1][2] and sound in other.requests[-1][2]
    finally:
        other.stop()


# the official client


def test_openais_client(gateway: RunningGateway, upstream: Upstream, tmp_path: Path) -> None:
    client = openai.OpenAI(api_key=KEY, base_url=f"http://127.0.0.1:{gateway.port}/v1", max_retries=0)
    play(upstream, b"sound", "audio/mpeg")
    with client.audio.speech.with_streaming_response.create(
        model="tts", input="Hi", voice="alloy"
    ) as response:
        response.stream_to_file(tmp_path / "a.mp3")
    assert (tmp_path / "a.mp3").read_bytes() == b"sound"
    play(upstream, SAID)
    verbose = client.audio.transcriptions.create(
        model="groq",
        file=("a.wav", SOUND),
        response_format="verbose_json",
        timestamp_granularities=["segment"],
    )
    assert (verbose.text, verbose.segments[0].end if verbose.segments else 0) == ("Hi there.", 1.5)
    assert b'name="timestamp_granularities[]"\r\n\r\nsegment' in upstream.requests[-1][2]
    srt = client.audio.transcriptions.create(model="groq", file=("a.wav", SOUND), response_format="srt")
    assert "00:00:01,500" in str(srt)
    streamed = client.audio.transcriptions.create(model="groq", file=("a.wav", SOUND), stream=True)
    assert [event.type for event in streamed] == ["transcript.text.delta", "transcript.text.done"]
    with pytest.warns(DeprecationWarning):
        assert client.audio.translations.create(model="groq", file=("a.wav", SOUND)).text == "Hi there."
    with pytest.raises(openai.NotFoundError, match="nobody"):
        client.audio.transcriptions.create(model="nobody", file=("a.wav", SOUND))
