"""A client that writes HTTP/1.1 by hand and takes the answers' framing at its word."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any, NamedTuple

from servers import KEY, RunningGateway, Upstream, running

CHAT = "/v1/chat/completions"
LIMIT = 1024 * 1024
"""The limit for a body of the gateways below."""


class Got(NamedTuple):
    """One answer as it came: `framing` is how its end was marked."""

    status: int
    headers: dict[str, str]
    body: bytes
    framing: str


@contextmanager
def both_doors(upstream: Upstream, folder: Any) -> Iterator[dict[str, RunningGateway]]:
    """Two gateways: one with the express lane, one that leaves all to the ASGI door."""
    config = {
        "model_list": [
            {"model_name": "mock/*", "litellm_params": {"model": "mock/*"}},
            {
                "model_name": "gpt",
                "litellm_params": {
                    "model": "openai/gpt-4o",
                    "api_base": upstream.base,
                    "api_key": "sk-upstream",
                },
            },
        ],
        "general_settings": {"master_key": KEY, "max_request_size_mb": 1},
        "litellm_settings": {"num_retries": 0},
    }
    with running(config, folder, lane=True) as fast, running(config, folder, lane=False) as other:
        yield {"lane": fast, "asgi": other}


@contextmanager
def connected(gateway: RunningGateway) -> Iterator[tuple[socket.socket, BufferedReader]]:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client.makefile("rb") as file:
            yield client, file


def head(*lines: str, method: str = "POST", path: str = CHAT, version: str = "1.1") -> bytes:
    rows = [f"{method} {path} HTTP/{version}", "host: x", f"authorization: Bearer {KEY}", *lines]
    return "".join(f"{row}\r\n" for row in rows).encode("latin-1") + b"\r\n"


def asked(text: str = "Hello there", model: str = "mock/echo", **more: Any) -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}], **more}).encode()


def whole(text: str = "Hello there", *lines: str, version: str = "1.1", **more: Any) -> bytes:
    body = asked(text, **more)
    return head(f"content-length: {len(body)}", *lines, version=version) + body


def in_chunks(body: bytes, step: int, end: bytes = b"0\r\n\r\n", extension: bytes = b"") -> bytes:
    pieces = [body[at : at + step] for at in range(0, len(body), step)]
    return b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces) + end


def read(file: BufferedReader) -> Got | None:
    """The next final answer, None at the end of the connection. Framing is taken at its word."""
    line = file.readline()
    if not line:
        return None
    version, status, _ = line.split(b" ", 2)
    assert (version, line[-2:]) == (b"HTTP/1.1", b"\r\n")
    headers: dict[str, str] = {}
    while (row := file.readline()) != b"\r\n":
        name, value = row.decode("latin-1").removesuffix("\r\n").split(": ", 1)
        assert name not in headers, row
        headers[name.lower()] = value
    if "transfer-encoding" in headers:
        pieces = []
        while size := int(file.readline(), 16):
            pieces.append(file.read(size))
            assert file.read(2) == b"\r\n"
        assert file.readline() == b"\r\n"
        body, framing = b"".join(pieces), "chunked"
    elif "content-length" in headers:
        body, framing = file.read(int(headers["content-length"])), "length"
    else:
        body, framing = file.read(), "closed"
    return Got(int(status), headers, body, framing)


def said(got: Got | None) -> str:
    """The text of an answer, whole or streamed."""
    assert got is not None
    assert got.status == 200, got
    if got.headers["content-type"].startswith("application/json"):
        return str(json.loads(got.body)["choices"][0]["message"]["content"])
    *rows, done = [row.removeprefix(b"data: ") for row in got.body.split(b"\n\n") if row]
    assert done == b"[DONE]"
    deltas = [choice["delta"] for row in rows for choice in json.loads(row)["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def talk(gateway: RunningGateway, data: bytes) -> list[Got]:
    """All answers that come before the server closes."""
    with connected(gateway) as (client, file):
        client.sendall(data)
        return list(iter(lambda: read(file), None))
